/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent volumes as Go prints them. U: pkg/apis/core/types.go */
#include "kube/kinds/go_rows.h"

LOCAL(glusterfs_persistent_volume_source, STR("EndpointsName", "endpoints"), STR("Path", "path"),
      BOOL("ReadOnly", "readOnly"), PTR("EndpointsNamespace", "endpointsNamespace"));
LOCAL(secret_reference, STR("Name", "name"), STR("Namespace", "namespace"));
LOCAL(rbd_persistent_volume_source, PTR("CephMonitors", "monitors"), STR("RBDImage", "image"),
      STR("FSType", "fsType"), STR("RBDPool", "pool"), STR("RadosUser", "user"), STR("Keyring", "keyring"),
      STRUCT_PTR("SecretRef", "secretRef", &secret_reference), BOOL("ReadOnly", "readOnly"));
LOCAL(iscsi_persistent_volume_source, STR("TargetPortal", "targetPortal"), STR("IQN", "iqn"),
      I64("Lun", "lun"), STR("ISCSIInterface", "iscsiInterface"), STR("FSType", "fsType"),
      BOOL("ReadOnly", "readOnly"), PTR("Portals", "portals"), BOOL("DiscoveryCHAPAuth", "chapAuthDiscovery"),
      BOOL("SessionCHAPAuth", "chapAuthSession"), STRUCT_PTR("SecretRef", "secretRef", &secret_reference),
      PTR("InitiatorName", "initiatorName"));
LOCAL(flex_persistent_volume_source, STR("Driver", "driver"), STR("FSType", "fsType"),
      STRUCT_PTR("SecretRef", "secretRef", &secret_reference), BOOL("ReadOnly", "readOnly"),
      PTR("Options", "options"));
LOCAL(cinder_persistent_volume_source, STR("VolumeID", "volumeID"), STR("FSType", "fsType"),
      BOOL("ReadOnly", "readOnly"), STRUCT_PTR("SecretRef", "secretRef", &secret_reference));
LOCAL(cephfs_persistent_volume_source, PTR("Monitors", "monitors"), STR("Path", "path"), STR("User", "user"),
      STR("SecretFile", "secretFile"), STRUCT_PTR("SecretRef", "secretRef", &secret_reference),
      BOOL("ReadOnly", "readOnly"));
LOCAL(azure_file_persistent_volume_source, STR("SecretName", "secretName"), STR("ShareName", "shareName"),
      BOOL("ReadOnly", "readOnly"), PTR("SecretNamespace", "secretNamespace"));
LOCAL(scaleio_persistent_volume_source, STR("Gateway", "gateway"), STR("System", "system"),
      STRUCT_PTR("SecretRef", "secretRef", &secret_reference), BOOL("SSLEnabled", "sslEnabled"),
      STR("ProtectionDomain", "protectionDomain"), STR("StoragePool", "storagePool"),
      STR("StorageMode", "storageMode"), STR("VolumeName", "volumeName"), STR("FSType", "fsType"),
      BOOL("ReadOnly", "readOnly"));
LOCAL(local_volume_source, STR("Path", "path"), PTR("FSType", "fsType"));
LOCAL(object_reference, STR("Kind", "kind"), STR("Namespace", "namespace"), STR("Name", "name"),
      STR("UID", "uid"), STR("APIVersion", "apiVersion"), STR("ResourceVersion", "resourceVersion"),
      STR("FieldPath", "fieldPath"));
LOCAL(storageos_persistent_volume_source, STR("VolumeName", "volumeName"),
      STR("VolumeNamespace", "volumeNamespace"), STR("FSType", "fsType"), BOOL("ReadOnly", "readOnly"),
      STRUCT_PTR("SecretRef", "secretRef", &object_reference));
LOCAL(csi_persistent_volume_source, STR("Driver", "driver"), STR("VolumeHandle", "volumeHandle"),
      BOOL("ReadOnly", "readOnly"), STR("FSType", "fsType"), PTR("VolumeAttributes", "volumeAttributes"),
      STRUCT_PTR("ControllerPublishSecretRef", "controllerPublishSecretRef", &secret_reference),
      STRUCT_PTR("NodeStageSecretRef", "nodeStageSecretRef", &secret_reference),
      STRUCT_PTR("NodePublishSecretRef", "nodePublishSecretRef", &secret_reference),
      STRUCT_PTR("ControllerExpandSecretRef", "controllerExpandSecretRef", &secret_reference),
      STRUCT_PTR("NodeExpandSecretRef", "nodeExpandSecretRef", &secret_reference));
/* Embedded in the spec, and shown alone where it must not change. */
#define SOURCES                                                                                          \
	STRUCT_PTR("GCEPersistentDisk", "gcePersistentDisk", &sp_go_gce_persistent_disk_volume_source),  \
		STRUCT_PTR("AWSElasticBlockStore", "awsElasticBlockStore",                               \
			   &sp_go_aws_elastic_block_store_volume_source),                                \
		STRUCT_PTR("HostPath", "hostPath", &sp_go_host_path_volume_source),                      \
		STRUCT_PTR("Glusterfs", "glusterfs", &glusterfs_persistent_volume_source),               \
		STRUCT_PTR("NFS", "nfs", &sp_go_nfs_volume_source),                                      \
		STRUCT_PTR("RBD", "rbd", &rbd_persistent_volume_source),                                 \
		STRUCT_PTR("Quobyte", "quobyte", &sp_go_quobyte_volume_source),                          \
		STRUCT_PTR("ISCSI", "iscsi", &iscsi_persistent_volume_source),                           \
		STRUCT_PTR("FlexVolume", "flexVolume", &flex_persistent_volume_source),                  \
		STRUCT_PTR("Cinder", "cinder", &cinder_persistent_volume_source),                        \
		STRUCT_PTR("CephFS", "cephfs", &cephfs_persistent_volume_source),                        \
		STRUCT_PTR("FC", "fc", &sp_go_fc_volume_source),                                         \
		STRUCT_PTR("Flocker", "flocker", &sp_go_flocker_volume_source),                          \
		STRUCT_PTR("AzureFile", "azureFile", &azure_file_persistent_volume_source),              \
		STRUCT_PTR("VsphereVolume", "vsphereVolume", &sp_go_vsphere_virtual_disk_volume_source), \
		STRUCT_PTR("AzureDisk", "azureDisk", &sp_go_azure_disk_volume_source),                   \
		STRUCT_PTR("PhotonPersistentDisk", "photonPersistentDisk",                               \
			   &sp_go_photon_persistent_disk_volume_source),                                 \
		STRUCT_PTR("PortworxVolume", "portworxVolume", &sp_go_portworx_volume_source),           \
		STRUCT_PTR("ScaleIO", "scaleIO", &scaleio_persistent_volume_source),                     \
		STRUCT_PTR("Local", "local", &local_volume_source),                                      \
		STRUCT_PTR("StorageOS", "storageos", &storageos_persistent_volume_source),               \
		STRUCT_PTR("CSI", "csi", &csi_persistent_volume_source)
EXPORT(sp_go_persistent_volume_source, SOURCES);
EXPORT(sp_go_volume_affinity, STRUCT_PTR("Required", "required", &sp_go_node_selector));
EXPORT(sp_go_persistent_volume_spec, PTR("Capacity", "capacity"), SOURCES, PTR("AccessModes", "accessModes"),
       STRUCT_PTR("ClaimRef", "claimRef", &object_reference),
       STR("PersistentVolumeReclaimPolicy", "persistentVolumeReclaimPolicy"),
       STR("StorageClassName", "storageClassName"), PTR("MountOptions", "mountOptions"),
       PTR("VolumeMode", "volumeMode"), STRUCT_PTR("NodeAffinity", "nodeAffinity", &sp_go_volume_affinity),
       PTR("VolumeAttributesClassName", "volumeAttributesClassName"));

/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes of pods and the specs of claims as Go prints them. U: pkg/apis/core/types.go */
#include "kube/kinds/go_rows.h"

EXPORT(sp_go_host_path_volume_source, STR("Path", "path"), PTR("Type", "type"));
LOCAL(empty_dir_volume_source, STR("Medium", "medium"), PTR("SizeLimit", "sizeLimit"));
EXPORT(sp_go_gce_persistent_disk_volume_source, STR("PDName", "pdName"), STR("FSType", "fsType"),
       I64("Partition", "partition"), BOOL("ReadOnly", "readOnly"));
EXPORT(sp_go_aws_elastic_block_store_volume_source, STR("VolumeID", "volumeID"), STR("FSType", "fsType"),
       I64("Partition", "partition"), BOOL("ReadOnly", "readOnly"));
LOCAL(git_repo_volume_source, STR("Repository", "repository"), STR("Revision", "revision"),
      STR("Directory", "directory"));
LOCAL(key_to_path, STR("Key", "key"), STR("Path", "path"), PTR("Mode", "mode"));
LOCAL(secret_volume_source, STR("SecretName", "secretName"), STRUCT_LIST("Items", "items", &key_to_path),
      PTR("DefaultMode", "defaultMode"), PTR("Optional", "optional"));
EXPORT(sp_go_nfs_volume_source, STR("Server", "server"), STR("Path", "path"), BOOL("ReadOnly", "readOnly"));
EXPORT(sp_go_local_object_reference, STR("Name", "name"));
LOCAL(iscsi_volume_source, STR("TargetPortal", "targetPortal"), STR("IQN", "iqn"), I64("Lun", "lun"),
      STR("ISCSIInterface", "iscsiInterface"), STR("FSType", "fsType"), BOOL("ReadOnly", "readOnly"),
      PTR("Portals", "portals"), BOOL("DiscoveryCHAPAuth", "chapAuthDiscovery"),
      BOOL("SessionCHAPAuth", "chapAuthSession"),
      STRUCT_PTR("SecretRef", "secretRef", &sp_go_local_object_reference),
      PTR("InitiatorName", "initiatorName"));
LOCAL(glusterfs_volume_source, STR("EndpointsName", "endpoints"), STR("Path", "path"),
      BOOL("ReadOnly", "readOnly"));
LOCAL(persistent_volume_claim_volume_source, STR("ClaimName", "claimName"), BOOL("ReadOnly", "readOnly"));
LOCAL(rbd_volume_source, PTR("CephMonitors", "monitors"), STR("RBDImage", "image"), STR("FSType", "fsType"),
      STR("RBDPool", "pool"), STR("RadosUser", "user"), STR("Keyring", "keyring"),
      STRUCT_PTR("SecretRef", "secretRef", &sp_go_local_object_reference), BOOL("ReadOnly", "readOnly"));
EXPORT(sp_go_quobyte_volume_source, STR("Registry", "registry"), STR("Volume", "volume"),
       BOOL("ReadOnly", "readOnly"), STR("User", "user"), STR("Group", "group"), STR("Tenant", "tenant"));
LOCAL(flex_volume_source, STR("Driver", "driver"), STR("FSType", "fsType"),
      STRUCT_PTR("SecretRef", "secretRef", &sp_go_local_object_reference), BOOL("ReadOnly", "readOnly"),
      PTR("Options", "options"));
LOCAL(cinder_volume_source, STR("VolumeID", "volumeID"), STR("FSType", "fsType"),
      BOOL("ReadOnly", "readOnly"), STRUCT_PTR("SecretRef", "secretRef", &sp_go_local_object_reference));
LOCAL(cephfs_volume_source, PTR("Monitors", "monitors"), STR("Path", "path"), STR("User", "user"),
      STR("SecretFile", "secretFile"), STRUCT_PTR("SecretRef", "secretRef", &sp_go_local_object_reference),
      BOOL("ReadOnly", "readOnly"));
EXPORT(sp_go_flocker_volume_source, STR("DatasetName", "datasetName"), STR("DatasetUUID", "datasetUUID"));
EXPORT(sp_go_object_field_selector, STR("APIVersion", "apiVersion"), STR("FieldPath", "fieldPath"));
EXPORT(sp_go_resource_field_selector, STR("ContainerName", "containerName"), STR("Resource", "resource"),
       QUANTITY("Divisor", "divisor"));
LOCAL(downward_api_volume_file, STR("Path", "path"),
      STRUCT_PTR("FieldRef", "fieldRef", &sp_go_object_field_selector),
      STRUCT_PTR("ResourceFieldRef", "resourceFieldRef", &sp_go_resource_field_selector),
      PTR("Mode", "mode"));
LOCAL(downward_api_volume_source, STRUCT_LIST("Items", "items", &downward_api_volume_file),
      PTR("DefaultMode", "defaultMode"));
EXPORT(sp_go_fc_volume_source, PTR("TargetWWNs", "targetWWNs"), PTR("Lun", "lun"), STR("FSType", "fsType"),
       BOOL("ReadOnly", "readOnly"), PTR("WWIDs", "wwids"));
LOCAL(azure_file_volume_source, STR("SecretName", "secretName"), STR("ShareName", "shareName"),
      BOOL("ReadOnly", "readOnly"));
LOCAL(config_map_volume_source, STR("Name", "name"), STRUCT_LIST("Items", "items", &key_to_path),
      PTR("DefaultMode", "defaultMode"), PTR("Optional", "optional"));
EXPORT(sp_go_vsphere_virtual_disk_volume_source, STR("VolumePath", "volumePath"), STR("FSType", "fsType"),
       STR("StoragePolicyName", "storagePolicyName"), STR("StoragePolicyID", "storagePolicyID"));
EXPORT(sp_go_azure_disk_volume_source, STR("DiskName", "diskName"), STR("DataDiskURI", "diskURI"),
       PTR("CachingMode", "cachingMode"), PTR("FSType", "fsType"), PTR("ReadOnly", "readOnly"),
       PTR("Kind", "kind"));
EXPORT(sp_go_photon_persistent_disk_volume_source, STR("PdID", "pdID"), STR("FSType", "fsType"));
LOCAL(secret_projection, STR("Name", "name"), STRUCT_LIST("Items", "items", &key_to_path),
      PTR("Optional", "optional"));
LOCAL(downward_api_projection, STRUCT_LIST("Items", "items", &downward_api_volume_file));
LOCAL(config_map_projection, STR("Name", "name"), STRUCT_LIST("Items", "items", &key_to_path),
      PTR("Optional", "optional"));
LOCAL(service_account_token_projection, STR("Audience", "audience"),
      I64("ExpirationSeconds", "expirationSeconds"), STR("Path", "path"));
LOCAL(cluster_trust_bundle_projection, PTR("Name", "name"), PTR("SignerName", "signerName"),
      PTR("LabelSelector", "labelSelector"), PTR("Optional", "optional"), STR("Path", "path"));
LOCAL(pod_certificate_projection, STR("SignerName", "signerName"), STR("KeyType", "keyType"),
      PTR("MaxExpirationSeconds", "maxExpirationSeconds"),
      STR("CredentialBundlePath", "credentialBundlePath"), STR("KeyPath", "keyPath"),
      STR("CertificateChainPath", "certificateChainPath"), PTR("UserAnnotations", "userAnnotations"));
LOCAL(volume_projection, STRUCT_PTR("Secret", "secret", &secret_projection),
      STRUCT_PTR("DownwardAPI", "downwardAPI", &downward_api_projection),
      STRUCT_PTR("ConfigMap", "configMap", &config_map_projection),
      STRUCT_PTR("ServiceAccountToken", "serviceAccountToken", &service_account_token_projection),
      STRUCT_PTR("ClusterTrustBundle", "clusterTrustBundle", &cluster_trust_bundle_projection),
      STRUCT_PTR("PodCertificate", "podCertificate", &pod_certificate_projection));
LOCAL(projected_volume_source, STRUCT_LIST("Sources", "sources", &volume_projection),
      PTR("DefaultMode", "defaultMode"));
EXPORT(sp_go_portworx_volume_source, STR("VolumeID", "volumeID"), STR("FSType", "fsType"),
       BOOL("ReadOnly", "readOnly"));
LOCAL(scaleio_volume_source, STR("Gateway", "gateway"), STR("System", "system"),
      STRUCT_PTR("SecretRef", "secretRef", &sp_go_local_object_reference), BOOL("SSLEnabled", "sslEnabled"),
      STR("ProtectionDomain", "protectionDomain"), STR("StoragePool", "storagePool"),
      STR("StorageMode", "storageMode"), STR("VolumeName", "volumeName"), STR("FSType", "fsType"),
      BOOL("ReadOnly", "readOnly"));
LOCAL(storageos_volume_source, STR("VolumeName", "volumeName"), STR("VolumeNamespace", "volumeNamespace"),
      STR("FSType", "fsType"), BOOL("ReadOnly", "readOnly"),
      STRUCT_PTR("SecretRef", "secretRef", &sp_go_local_object_reference));
LOCAL(csi_volume_source, STR("Driver", "driver"), PTR("ReadOnly", "readOnly"), PTR("FSType", "fsType"),
      PTR("VolumeAttributes", "volumeAttributes"),
      STRUCT_PTR("NodePublishSecretRef", "nodePublishSecretRef", &sp_go_local_object_reference));
LOCAL(volume_resource_requirements, PTR("Limits", "limits"), PTR("Requests", "requests"));
LOCAL(typed_local_object_reference, PTR("APIGroup", "apiGroup"), STR("Kind", "kind"), STR("Name", "name"));
LOCAL(typed_object_reference, PTR("APIGroup", "apiGroup"), STR("Kind", "kind"), STR("Name", "name"),
      PTR("Namespace", "namespace"));
EXPORT(sp_go_persistent_volume_claim_spec, PTR("AccessModes", "accessModes"), PTR("Selector", "selector"),
       STRUCT("Resources", "resources", &volume_resource_requirements), STR("VolumeName", "volumeName"),
       PTR("StorageClassName", "storageClassName"), PTR("VolumeMode", "volumeMode"),
       STRUCT_PTR("DataSource", "dataSource", &typed_local_object_reference),
       STRUCT_PTR("DataSourceRef", "dataSourceRef", &typed_object_reference),
       PTR("VolumeAttributesClassName", "volumeAttributesClassName"));
LOCAL(persistent_volume_claim_template, META, STRUCT("Spec", "spec", &sp_go_persistent_volume_claim_spec));
LOCAL(ephemeral_volume_source,
      STRUCT_PTR("VolumeClaimTemplate", "volumeClaimTemplate", &persistent_volume_claim_template));
LOCAL(image_volume_source, STR("Reference", "reference"), STR("PullPolicy", "pullPolicy"));
EXPORT(sp_go_volume, STR("Name", "name"), STRUCT_PTR("HostPath", "hostPath", &sp_go_host_path_volume_source),
       STRUCT_PTR("EmptyDir", "emptyDir", &empty_dir_volume_source),
       STRUCT_PTR("GCEPersistentDisk", "gcePersistentDisk", &sp_go_gce_persistent_disk_volume_source),
       STRUCT_PTR("AWSElasticBlockStore", "awsElasticBlockStore",
		  &sp_go_aws_elastic_block_store_volume_source),
       STRUCT_PTR("GitRepo", "gitRepo", &git_repo_volume_source),
       STRUCT_PTR("Secret", "secret", &secret_volume_source),
       STRUCT_PTR("NFS", "nfs", &sp_go_nfs_volume_source), STRUCT_PTR("ISCSI", "iscsi", &iscsi_volume_source),
       STRUCT_PTR("Glusterfs", "glusterfs", &glusterfs_volume_source),
       STRUCT_PTR("PersistentVolumeClaim", "persistentVolumeClaim", &persistent_volume_claim_volume_source),
       STRUCT_PTR("RBD", "rbd", &rbd_volume_source),
       STRUCT_PTR("Quobyte", "quobyte", &sp_go_quobyte_volume_source),
       STRUCT_PTR("FlexVolume", "flexVolume", &flex_volume_source),
       STRUCT_PTR("Cinder", "cinder", &cinder_volume_source),
       STRUCT_PTR("CephFS", "cephfs", &cephfs_volume_source),
       STRUCT_PTR("Flocker", "flocker", &sp_go_flocker_volume_source),
       STRUCT_PTR("DownwardAPI", "downwardAPI", &downward_api_volume_source),
       STRUCT_PTR("FC", "fc", &sp_go_fc_volume_source),
       STRUCT_PTR("AzureFile", "azureFile", &azure_file_volume_source),
       STRUCT_PTR("ConfigMap", "configMap", &config_map_volume_source),
       STRUCT_PTR("VsphereVolume", "vsphereVolume", &sp_go_vsphere_virtual_disk_volume_source),
       STRUCT_PTR("AzureDisk", "azureDisk", &sp_go_azure_disk_volume_source),
       STRUCT_PTR("PhotonPersistentDisk", "photonPersistentDisk",
		  &sp_go_photon_persistent_disk_volume_source),
       STRUCT_PTR("Projected", "projected", &projected_volume_source),
       STRUCT_PTR("PortworxVolume", "portworxVolume", &sp_go_portworx_volume_source),
       STRUCT_PTR("ScaleIO", "scaleIO", &scaleio_volume_source),
       STRUCT_PTR("StorageOS", "storageos", &storageos_volume_source),
       STRUCT_PTR("CSI", "csi", &csi_volume_source),
       STRUCT_PTR("Ephemeral", "ephemeral", &ephemeral_volume_source),
       STRUCT_PTR("Image", "image", &image_volume_source));

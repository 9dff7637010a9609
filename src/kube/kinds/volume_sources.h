/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volume sources that pods and persistent volumes share. `path` is that of the source.
 * U: kubernetes pkg/apis/core/validation/validation.go.
 */
#pragma once

#include "kube/formats.h"

typedef void sp_volume_check(sp_violations *v, const sp_path *path, yyjson_mut_val *source);

sp_volume_check sp_vol_host_path, sp_vol_gce, sp_vol_aws, sp_vol_nfs, sp_vol_glusterfs, sp_vol_flocker,
	sp_vol_rbd, sp_vol_cinder, sp_vol_cephfs, sp_vol_quobyte, sp_vol_fc, sp_vol_flex, sp_vol_azure_file,
	sp_vol_vsphere, sp_vol_photon, sp_vol_portworx, sp_vol_azure_disk, sp_vol_storageos, sp_vol_scaleio,
	sp_vol_iscsi;
/* The iSCSI source of a persistent volume: one text is shorter there. */
sp_volume_check sp_vol_iscsi_pv;

/* Required for each of the members that is absent or empty. */
void sp_vol_need(sp_violations *v, const sp_path *path, yyjson_mut_val *source, const char *member);
/* A CSI driver's name. */
void sp_csi_driver_name_validate(sp_violations *v, const sp_path *path, sp_str name);
/* A file mode, 0 to 0777; absent is valid. */
void sp_file_mode_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *source, const char *member);
#define SP_ISCSI_PORTAL_TOO_LONG                                                             \
	"Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if " \
	"iscsi.initiatorName "                                                               \
	"is specified."

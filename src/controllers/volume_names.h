/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is attached to nodes, and by which name: CSI volumes, volumes of in-tree plugins that moved to a CSI
 * driver, and those of the two in-tree plugins that attach (iSCSI and Fibre Channel, where nothing is done
 * but to say so). The unique name is what stands in a node's volumesInUse and volumesAttached:
 * "kubernetes.io/csi/DRIVER^HANDLE". U: kubernetes pkg/volume/{csi,iscsi,fc}, csi-translation-lib.
 */
#pragma once

#include "controllers/common.h"

struct vol_name;

/* What became of an in-tree plugin that moved; constants. */
typedef struct vol_moved {
	const char *member; /* of a volume's spec */
	const char *plugin, *driver;
	const char *id; /* the source's member that is or ends the handle */
	/* Adds the handle's parts; pv is NULL for a pod's own volume. NULL: it is never attached. */
	bool (*handle)(yyjson_val *pv, sp_str id, struct vol_name *ret);
	void (*attributes)(sp_jout *j, yyjson_val *source); /* NULL: none */
	bool title_is_id;                                   /* messages name the disk alone */
	bool reading_shares; /* a pod's volume that is only read may be at several nodes */
	bool says_read_only;
} vol_moved;
/* By what stands in a spec; NULL: nothing that moved. */
const vol_moved *vol_moved_of(yyjson_val *spec);

#define VOL_CSI_PREFIX SP_STR("kubernetes.io/csi/")

#define VOL_NAME_PARTS 32u
typedef struct vol_name {
	sp_str parts[VOL_NAME_PARTS]; /* of the unique name; texts of the tree, of `lun` or constants */
	size_t n, i_handle;           /* the handle begins there */
	sp_str driver;                /* of CSI; empty: a plugin that needs no VolumeAttachment */
	yyjson_val *source;           /* "csi", "cinder", … */
	const vol_moved *moved;       /* it was this plugin's; NULL: of CSI itself */
	bool is_shared;               /* may be at several nodes at once: access modes say so, or nothing */
	char lun[24];
} vol_name;

/* False: nothing that is attached. Good as long as the tree and *ret stay, where it is: it points into
 * itself. `pv` is the whole object. */
bool vol_name_of_pv(yyjson_val *pv, vol_name *ret);
/* Of a volume that stands in a pod, not by a claim. */
bool vol_name_of_inline(yyjson_val *volume, vol_name *ret);

/* In the arena; {NULL, 0} without room. */
sp_str vol_name_unique(sp_arena *a, const vol_name *n);
sp_str vol_name_handle(sp_arena *a, const vol_name *n);
/* What messages call a volume that stands in a pod: the volume that the CSI driver would have had. */
sp_str vol_name_inline_title(sp_arena *a, const vol_name *n, yyjson_val *volume);

/* The member "inlineVolumeSpec" of a VolumeAttachment's source: a pod's volume as its CSI driver's. */
void vol_name_write_inline(sp_jout *j, sp_arena *a, const vol_name *n);

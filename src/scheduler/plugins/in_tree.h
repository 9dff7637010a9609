/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of plugins that were once built in, as those of the CSI drivers that took them over.
 * U: csi-translation-lib (translate.go, plugins/), as far as a scheduler asks: who drives a volume, by which
 * handle, and which nodes reach it.
 */
#pragma once

#include "base/json.h"
#include "scheduler/spec.h"

typedef struct sched_in_tree {
	const char *member;    /* of a volume's source */
	sp_str plugin, driver; /* "kubernetes.io/gce-pd", "pd.csi.storage.gke.io" */
	bool moved;            /* schedulers take them for the driver's; the others are only known by name */
	sp_str zone_key;       /* the driver's own label of a zone; empty: its volumes keep their affinity */
	const char *id;        /* of the disk, in the source */
} sched_in_tree;

/* By the source in a PersistentVolume's spec or in a pod's volume, or by the name of a provisioner. NULL:
 * none of them. */
const sched_in_tree *sched_in_tree_of(yyjson_val *holder);
const sched_in_tree *sched_in_tree_by_plugin(sp_str plugin);

/*
 * The handle that the driver knows the volume by, in the arena: of one in a pod, and of a PersistentVolume
 * with its labels. Empty: it cannot be one of the driver's (an AWS name of another form, an unmanaged Azure
 * disk, zones of several regions). SP_ENOMEM.
 */
sp_code sched_in_tree_handle(sp_arena *a, const sched_in_tree *k, yyjson_val *volume,
			     sp_str *ret) SP_MUST_USE;
sp_code sched_in_tree_pv_handle(sp_arena *a, const sched_in_tree *k, yyjson_val *spec, const sp_label *labels,
				size_t n_labels, sp_str *ret) SP_MUST_USE;

/* The terms of a PersistentVolume's node affinity with the driver's label in place of the zone's; where they
 * name no zone, those of its labels are added. */
sp_code sched_in_tree_terms(sp_arena *a, const sched_in_tree *k, const sp_label *labels, size_t n_labels,
			    const sched_node_term **terms, size_t *n_terms, bool *has_terms) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the volume plugins share: claims, volumes and classes as the cluster has them, which claims are in
 * use, and what of it concerns the pod to be placed.
 */
#pragma once

#include "scheduler/plugins/plugins.h"

typedef enum sched_disk_kind {
	SCHED_DISK_GCE,
	SCHED_DISK_AWS,
	SCHED_DISK_ISCSI,
	SCHED_DISK_RBD
} sched_disk_kind;

/* A PersistentVolumeClaim. */
typedef struct sched_pvc {
	sp_str key; /* "namespace/name" */
	sp_arena arena;
	sp_str volume; /* spec.volumeName; empty: not bound */
	sp_str class_name;
	bool bound; /* completely: the annotation of the binder is there */
	bool lost, deleting;
	bool single_pod; /* ReadWriteOncePod */
} sched_pvc;

typedef struct sched_pv {
	sp_str name;
	sp_arena arena;
	bool has_terms;
	const sched_node_term *terms; /* required node affinity */
	size_t n_terms;
	const sp_label *labels;
	size_t n_labels;
} sched_pv;

typedef struct sched_storage_class {
	sp_str name;
	sp_arena arena;
	bool waits; /* WaitForFirstConsumer */
} sched_storage_class;

/* Kinds of objects that volumes are made of. */
typedef enum sched_volume_kind {
	SCHED_PVC,
	SCHED_PV,
	SCHED_STORAGE_CLASS,
	SCHED_VOLUME_KINDS_
} sched_volume_kind;

/* What a decision found out about the pod's claims; NULL in the cycle: it has none. */
typedef struct sched_volume_state {
	const sched_pv **volumes; /* of bound claims; NULL: the volume does not exist */
	size_t n_volumes;
	const sp_str *single; /* names of claims that only one pod may use */
	size_t n_single;
	int64_t in_use; /* of those, by pods that are placed */
} sched_volume_state;

sp_code sched_put_volume_object(sched_state *st, sched_volume_kind kind, yyjson_val *object,
				sp_err *err) SP_MUST_USE;
/* `key`: "namespace/name" of a claim, the name of the others. */
void sched_remove_volume_object(sched_state *st, sched_volume_kind kind, sp_str key);

const sched_pvc *sched_find_pvc(const sched_state *st, sp_str key);
const sched_pv *sched_find_pv(const sched_state *st, sp_str name);
const sched_storage_class *sched_find_class(const sched_state *st, sp_str name);
/* Placed pods that use a claim. */
uint32_t sched_claim_uses(const sched_state *st, sp_str key);

/* The key of a pod's claim, in the arena. {NULL, 0}: no room. */
sp_str sched_claim_key(sp_arena *a, const sched_pod *pod, const sched_claim *claim);

/* A pod comes to a node that exists (+1) or leaves it (-1): which claims are in use. */
void sched_volumes_count(sched_state *st, const sched_pod *pod, int sign);
void sched_volumes_done(sched_state *st);

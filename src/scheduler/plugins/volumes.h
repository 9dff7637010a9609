/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the volume plugins share: claims, volumes and classes as the cluster has them, which claims are in
 * use, and what of it concerns the pod to be placed.
 */
#pragma once

#include "base/quantity.h"
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
	sp_str uid, controller_uid;
	uint64_t revision;
	sp_str volume; /* spec.volumeName; empty: not bound */
	sp_str class_name, attributes;
	bool has_selected_node; /* the annotation is there: provisioning has been started for a node */
	sp_str selected_node;
	const sp_str *modes;
	size_t n_modes;
	bool is_block, has_size, has_selector;
	sp_qty size;
	sp_selector selector; /* of volumes, by their labels */
	bool bound;           /* completely: the annotation of the binder is there */
	bool lost, deleting;
	bool single_pod; /* ReadWriteOncePod */
} sched_pvc;

typedef struct sched_pv {
	sp_str name;
	sp_arena arena;
	sp_str uid;
	uint64_t revision;
	sp_str class_name, attributes;
	const sp_str *modes;
	size_t n_modes;
	bool is_block, available, deleting, by_controller /* annotation: bound by a controller */;
	sp_qty size;
	sp_str ref_key, ref_uid; /* of the claim it names; empty: of none */
	bool has_terms;
	const sched_node_term *terms; /* required node affinity */
	size_t n_terms;
	const sp_label *labels;
	size_t n_labels;
	bool is_csi;
	sp_str driver, handle; /* of a CSI volume, or of the one it became; empty: it counts for no driver */
	/* Of a plugin that was built in: its affinity on nodes that have the driver instead (`unknown`: the
	 * driver cannot have such a volume, so no such node reaches it). NULL: of none. */
	const struct sched_in_tree *moved;
	bool unknown, moved_has_terms;
	const sched_node_term *moved_terms;
	size_t n_moved_terms;
} sched_pv;

typedef struct sched_storage_class {
	sp_str name;
	sp_arena arena;
	bool waits; /* WaitForFirstConsumer */
	sp_str provisioner;
	const sp_selector *topologies; /* any of them; none: every node */
	size_t n_topologies;
} sched_storage_class;

typedef struct sched_csi_driver {
	sp_str name;
	sp_arena arena;
	bool counts_capacity;
} sched_csi_driver;

/* A CSIStorageCapacity. */
typedef struct sched_capacity {
	sp_str key; /* "namespace/name" */
	sp_arena arena;
	sp_str class_name;
	bool has_limit, has_topology; /* without a topology no node reaches it */
	sp_qty limit;                 /* of one volume */
	sp_selector topology;
} sched_capacity;

/* A CSINode: what its drivers can attach, and which plugins that were built in they took over. */
typedef struct sched_csi_node {
	sp_str name;
	sp_arena arena;
	struct sched_volume_limit {
		sp_str driver;
		int64_t n;
	} * limits; /* of drivers that have one */
	size_t n_limits;
	const sp_str *moved; /* names of plugins */
	size_t n_moved;
	bool grown; /* some driver may attach more than the object before said, or there was none */
} sched_csi_node;

/* A VolumeAttachment. */
typedef struct sched_attachment {
	sp_str name;
	sp_arena arena;
	sp_str node, driver, volume;
} sched_attachment;

/* Kinds of objects that volumes are made of. */
typedef enum sched_volume_kind {
	SCHED_PVC,
	SCHED_PV,
	SCHED_STORAGE_CLASS,
	SCHED_CSI_DRIVER,
	SCHED_CAPACITY,
	SCHED_CSI_NODE,
	SCHED_ATTACHMENT,
	SCHED_VOLUME_KINDS_
} sched_volume_kind;

/* A claim that waits for its first consumer, and the volumes it could have, the best one first. */
typedef struct sched_delayed {
	const sched_pvc *claim;
	const sched_storage_class *klass;
	bool has_node; /* it is provisioned for this node already */
	sp_str node;
	const sched_pv **volumes;
	size_t n_volumes;
	const sched_pv *chosen; /* for the node looked at last; NULL: one is provisioned */
} sched_delayed;

/* What a decision found out about the pod's claims; NULL in the cycle: it has none. */
typedef struct sched_volume_state {
	const sched_pv **volumes; /* of bound claims; NULL: the volume does not exist */
	size_t n_volumes;
	sched_delayed *delayed; /* the smallest first */
	size_t n_delayed;
	const sp_str *single; /* names of claims that only one pod may use */
	size_t n_single;
	int64_t in_use;         /* of those, by pods that are placed */
	const sched_pv **zoned; /* volumes that say in which zone they are */
	size_t n_zoned;
	const sched_attachable *attached; /* what the pod needs attached, each once */
	size_t n_attached;
	sp_str lost; /* why it cannot be said what that is; empty: it can */
} sched_volume_state;

/* The next object of a kind; NULL: no more. Starts with *at = 0. */
const void *sched_next_volume_object(const sched_state *st, sched_volume_kind kind, size_t *at);

sp_code sched_put_volume_object(sched_state *st, sched_volume_kind kind, yyjson_val *object,
				sp_err *err) SP_MUST_USE;
/* `key`: "namespace/name" of a claim or capacity, the name of the others. */
void sched_remove_volume_object(sched_state *st, sched_volume_kind kind, sp_str key);

const sched_pvc *sched_find_pvc(const sched_state *st, sp_str key);
const sched_pv *sched_find_pv(const sched_state *st, sp_str name);
const sched_storage_class *sched_find_class(const sched_state *st, sp_str name);
const sched_csi_driver *sched_find_csi_driver(const sched_state *st, sp_str name);
const sched_csi_node *sched_find_csi_node(const sched_state *st, sp_str name);
/* Placed pods that use a claim. */
uint32_t sched_claim_uses(const sched_state *st, sp_str key);

/* The key of a pod's claim, in the arena. {NULL, 0}: no room. */
sp_str sched_claim_key(sp_arena *a, const sched_pod *pod, const sched_claim *claim);

/* A pod comes to a node that exists (+1) or leaves it (-1): which claims are in use, and what is attached
 * there. */
void sched_volumes_count(sched_state *st, const sched_pod *pod, const sched_node *node, int sign);
void sched_volumes_done(sched_state *st);

/* ---- volumes that a driver attaches (volume_attach.c) ---- */

/* What a claim's volume is for its driver. {0}: nothing that counts. In the arena. SP_ENOMEM. */
sp_code sched_claim_attaches(const sched_state *st, sp_arena *a, sp_str claim,
			     sched_attachable *ret) SP_MUST_USE;
/* What is attached to a node, by pods on it or because a VolumeAttachment says so. NULL: nothing. */
typedef struct sched_node_volumes sched_node_volumes;
const sched_node_volumes *sched_find_node_volumes(const sched_state *st, sp_str node);
/* Volumes of a driver there. */
uint32_t sched_attached_count(const sched_node_volumes *n, sp_str driver);
/* Uses of one volume by pods there; *ret_attached: a VolumeAttachment has it too. */
uint32_t sched_attached_pods(const sched_node_volumes *n, sp_str volume, bool *ret_attached);

/* ---- claims that wait for their first consumer (volume_match.c) ---- */

/* The node can have the volume, by the affinity that the object says. */
bool sched_volume_reaches(const sched_pv *v, const sched_node *node);
/* The same of a bound one, on a node whose driver may have taken the volume over. */
bool sched_bound_volume_reaches(const sched_state *st, const sched_pv *v, const sched_node *node);
/* The volume names the claim (with its uid, if it names one): by its object, or as assumed. */
bool sched_volume_is_for(const sched_state *st, const sched_pv *v, const sched_pvc *claim);
/* Fills in what is not of a node; `d->claim` is set. False: no room. */
bool sched_delayed_open(sched_cycle *c, sched_delayed *d) SP_MUST_USE;

typedef enum sched_volume_fit {
	SCHED_VOLUMES_FIT,
	SCHED_VOLUMES_NO_MATCH,
	SCHED_VOLUMES_NO_SPACE
} sched_volume_fit;
/* Chooses for every delayed claim of the pod what it would get on the node. */
sched_volume_fit sched_delayed_choose(sched_cycle *c, const sched_node *node);
/* The same for the node that was picked; returns how many (`c->volumes->delayed` tells). 0: all are bound. */
size_t sched_volumes_plan(sched_cycle *c, uint32_t slot);

/* ---- what was decided and is not written yet (volume_assume.c) ---- */

/*
 * Until it is dropped as often as it was made, an assumption hides what the object says: a claim goes to a
 * node, a volume to a claim. So two decisions never take the same volume.
 */
sp_code sched_assume_claim(sched_state *st, sp_str claim, sp_str node) SP_MUST_USE;
sp_code sched_assume_volume(sched_state *st, sp_str volume, sp_str claim, sp_str claim_uid) SP_MUST_USE;
void sched_drop_claim(sched_state *st, sp_str claim);
void sched_drop_volume(sched_state *st, sp_str volume);
typedef struct sched_assumption {
	sp_str key, to, uid;
	uint32_t refs;
	char text[];
} sched_assumption;
/* NULL: nothing is assumed. */
const sched_assumption *sched_assumed_claim(const sched_state *st, sp_str claim);
const sched_assumption *sched_assumed_volume(const sched_state *st, sp_str volume);

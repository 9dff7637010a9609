/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attach-detach controller between its files. What should be attached where is read from the caches each
 * time (pods, claims, volumes); what is attached is what VolumeAttachments and nodes say. Kept between syncs
 * is only what neither knows: what was asked for and when, what has been told, pauses after failures.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "controllers/volume_names.h"
#include "io/tls/sha256.h"

#define ATT_NAME_BYTES (4u + SP_SHA256_TEXT_BYTES + 1u)

/* After a failure: 0.5 s, doubled up to 122 s, for the same kind of try. */
typedef struct att_pause {
	uint64_t since_ns, for_ns; /* for 0: none */
	bool of_detach;
} att_pause;

typedef enum att_op { ATT_IDLE, ATT_ATTACHING, ATT_DETACHING } att_op;

typedef struct att_volume {
	sp_str name;     /* unique name; in `text` */
	sp_list places;  /* by of_volume */
	att_pause pause; /* of one that is at one node only */
	char text[];
} att_volume;

typedef struct att_node {
	sp_str name;
	sp_list places;  /* by of_node */
	bool is_writing; /* its status is being written */
	char text[];
} att_node;

/* A volume at a node: wanted there, attached there, or being made either. */
typedef struct att_place {
	sp_list of_volume, of_node;
	att_volume *volume;
	att_node *node;
	char attachment[ATT_NAME_BYTES]; /* name of the VolumeAttachment; empty: it needs none */
	att_op op;
	uint64_t op_since_ns;
	bool op_seen;               /* attaching: the VolumeAttachment was in the cache */
	bool looked_at;             /* once: what the node's status said before is taken over */
	bool is_sure;               /* known to be attached: it counts and stands in the node's status */
	bool is_pulled;             /* to be detached: taken out of the node's status */
	bool is_in_use;             /* last heard of the node; true until it is heard of */
	bool told_taken;            /* the multi-attach error */
	uint64_t unwanted_since_ns; /* 0: wanted */
	att_pause pause;            /* of one that may be at several nodes */
} att_place;

/* ---- attach_memory.c ---- */

typedef struct att_memory {
	sp_map volumes, nodes, attachments; /* att_volume, att_node; att_place by attachment */
	sp_sha256_sum *sum;
} att_memory;

/* SP_ENOMEM. */
sp_code att_memory_init(att_memory *m, sp_err *err) SP_MUST_USE;
/* Harmless after zeroing. */
void att_memory_done(att_memory *m);
att_volume *att_volume_find(const att_memory *m, sp_str name);
att_node *att_node_find(const att_memory *m, sp_str name);
att_place *att_place_of_attachment(const att_memory *m, sp_str attachment);
/* Found or made. NULL: no memory. */
att_place *att_place_get(att_memory *m, sp_str volume, sp_str node);
/* Its volume and node go with their last place. */
void att_place_drop(att_memory *m, att_place *p);
/* Its status is no longer being written; it may be gone afterwards. */
void att_node_written(att_memory *m, att_node *n);
/* "csi-" and the sum of handle, driver and node. */
void att_attachment_name(sp_sha256_sum *sum, sp_str handle, sp_str driver, sp_str node,
			 char ret[ATT_NAME_BYTES]);

#define ATT_PLACE_OF_VOLUME(l) SP_CONTAINER_OF(l, att_place, of_volume)
#define ATT_PLACE_OF_NODE(l) SP_CONTAINER_OF(l, att_place, of_node)

/* ---- attach_decide.c: without a server ---- */

#define ATT_OP_NS (UINT64_C(120) * 1000000000)      /* for an attacher to answer */
#define ATT_UNMOUNT_NS (UINT64_C(360) * 1000000000) /* for a node to let go */

/* What is known of a place now. */
typedef struct att_facts {
	bool is_wanted; /* by a pod on a node that this controller attaches for */
	bool is_kept;   /* by a pod, but nothing is to be done for its node: it stays as it is */
	bool has_attachment, is_attached, is_going, attach_failed, detach_failed;
	bool has_node, node_is_ready, node_is_out; /* out: of service, by its taint */
	bool is_listed, is_in_use;                 /* volumesAttached, volumesInUse */
	bool never_force;
	uint64_t now_ns;
} att_facts;

/* What has come of what was begun. */
typedef enum att_news {
	ATT_NO_NEWS,
	ATT_ATTACHED,
	ATT_ATTACH_FAILED, /* the attacher says so, or the attachment is going */
	ATT_ATTACH_LATE,
	ATT_DETACHED,
	ATT_DETACH_FAILED, /* the attacher says so, or says nothing */
	ATT_LOST,          /* no longer attached, without having been asked */
} att_news;
att_news att_settle(att_place *p, const att_facts *f);

typedef enum att_step {
	ATT_REST,
	ATT_PULL,         /* out of the node's status first */
	ATT_DETACH,       /* when the node says live that it does not use it */
	ATT_DETACH_FORCE, /* without asking the node */
} att_step;
/* What is to be done about one that nobody wants. *ret_again_ns is lowered to when to look again. */
att_step att_decide_detach(att_place *p, att_pause *pause, const att_facts *f, uint64_t *ret_again_ns);
/* Whether one that is wanted is to be attached now; `is_taken`: it is exclusive and busy elsewhere. */
bool att_may_attach(att_place *p, const att_pause *pause, const att_facts *f, bool is_busy_elsewhere,
		    uint64_t *ret_again_ns);

void att_pause_fail(att_pause *p, bool of_detach, uint64_t now_ns);
/* 0: it may be tried. */
uint64_t att_pause_left_ns(const att_pause *p, bool of_detach, uint64_t now_ns);

/* ---- attach.c ---- */

typedef struct attach {
	controller base;
	sp_informer *pods, *claims, *volumes, *nodes, *attachments, *drivers;
	unsigned pods_by_claim, pods_by_name, pods_by_node, volumes_by_name, attachments_by_volume;
	sp_informer_watch pod_watch, claim_watch, volume_watch, node_watch, attachment_watch, driver_watch;
	att_memory memory;
} attach;

#define ATT_MANAGED SP_STR("volumes.kubernetes.io/controller-managed-attach-detach")
#define ATT_VOLUME_KEY SP_STR("v:")
#define ATT_NODE_KEY SP_STR("n:")
void att_enqueue(attach *t, sp_str kind, sp_str name);

typedef struct att_attachment_view {
	sp_str node, volume, deleted;
	bool attached;
	yyjson_val *attach_error, *detach_error;
} att_attachment_view;
extern const sp_view_desc *const att_attachment_desc;

typedef struct att_node_view {
	sp_vmap annotations;
	sp_vlist taints, conditions, attached, in_use;
} att_node_view;
/* False: it is not there or cannot be read (then as one that is not there). */
bool att_node_read(const attach *t, sp_arena *a, sp_str name, att_node_view *ret);
/* attached: of volumesAttached; else of volumesInUse. */
bool att_node_lists(const att_node_view *v, bool attached, sp_str volume);

/* ---- attach_wanted.c ---- */

typedef struct att_want {
	sp_str node;
	const sp_object *pod; /* held by the job's arena */
} att_want;

/* What the caches say about a volume. */
typedef struct att_wanted {
	att_want *items;
	size_t n;
	sp_str title;   /* in messages: the volume's object, or one made up */
	bool is_inline; /* stands in pods */
	vol_name name;  /* n 0: there is no volume of that name; it is shared then, as upstream takes it */
} att_wanted;
sp_code att_read_wanted(const attach *t, sp_arena *a, sp_str name, att_wanted *ret, sp_err *err) SP_MUST_USE;
/* Every volume that a pod uses is looked at. */
void att_enqueue_pod(attach *t, const sp_object *o);
/* It runs or will run. */
bool att_pod_counts(yyjson_val *pod);
sp_index_fn att_index_pods, att_index_pods_by_node, att_index_volumes, att_index_attachments;

/* ---- attach_sync.c, attach_report.c ---- */

void att_sync_volume(attach *t, sp_job *job, sp_str name);
/* Writes what is attached to a node into its status. */
void att_sync_node(attach *t, sp_job *job, sp_str name);

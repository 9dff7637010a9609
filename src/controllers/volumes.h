/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Persistent volumes, claims and storage classes as the volume controllers see them, and which volume suits a
 * claim. U: component-helpers storage/volume/pv_helpers.go, kubernetes
 * pkg/controller/volume/persistentvolume/ index.go.
 */
#pragma once

#include "base/quantity.h"
#include "controllers/common.h"

#define SP_STORAGECLASSES SP_GVR("storage.k8s.io", "v1", "storageclasses")

/* Annotations that the API names. */
#define VOL_BIND_COMPLETED SP_STR("pv.kubernetes.io/bind-completed")
#define VOL_BOUND_BY_CONTROLLER SP_STR("pv.kubernetes.io/bound-by-controller")
#define VOL_PROVISIONED_BY SP_STR("pv.kubernetes.io/provisioned-by")
#define VOL_MIGRATED_TO SP_STR("pv.kubernetes.io/migrated-to")
#define VOL_SELECTED_NODE SP_STR("volume.kubernetes.io/selected-node")
#define VOL_PROVISIONER SP_STR("volume.kubernetes.io/storage-provisioner")
#define VOL_PROVISIONER_BETA SP_STR("volume.beta.kubernetes.io/storage-provisioner")
#define VOL_CLASS_BETA SP_STR("volume.beta.kubernetes.io/storage-class")

typedef struct vol_claim {
	const sp_object *object;
	sp_str deleted, volume, class_spec, mode, attributes, phase, attributes_now;
	bool has_class_spec, has_attributes_now;
	sp_vmap annotations, labels, requests, capacity;
	sp_vlist modes, modes_now, finalizers;
	yyjson_val *selector, *source, *source_ref;
	/* derived */
	sp_str class_name; /* of the annotation or the field; empty: none */
	bool has_class;    /* one was said, maybe the empty one */
	sp_qty asks;
} vol_claim;

typedef struct vol_volume {
	const sp_object *object;
	sp_str deleted, mode, class_spec, attributes, phase, reclaim;
	bool has_attributes;
	sp_str ref_ns, ref_name, ref_uid;
	yyjson_val *ref; /* claimRef; NULL: nobody's */
	sp_vmap annotations, labels, capacity;
	sp_vlist modes, finalizers;
	yyjson_val *csi;
	/* derived */
	sp_str class_name;
	sp_qty size;
} vol_volume;

typedef struct vol_class {
	sp_str provisioner, binding, reclaim, created;
	sp_vmap annotations, parameters;
	sp_vlist mount_options;
} vol_class;

extern const sp_view_desc *const vol_claim_view, *const vol_volume_view, *const vol_class_view;

/* The object must stay until the arena is reset. */
sp_code vol_claim_read(sp_arena *a, const sp_object *o, vol_claim *ret, sp_err *err) SP_MUST_USE;
sp_code vol_volume_read(sp_arena *a, const sp_object *o, vol_volume *ret, sp_err *err) SP_MUST_USE;
sp_code vol_class_read(sp_arena *a, const sp_object *o, vol_class *ret, sp_err *err) SP_MUST_USE;

bool vol_has(sp_vmap annotations, sp_str key);
static inline bool vol_waits(const vol_class *c)
{
	return sp_str_eq(c->binding, SP_STR("WaitForFirstConsumer"));
}

/* The volume names this claim (the uid too, when it names one). */
bool vol_is_bound_to(const vol_volume *v, const vol_claim *c);
bool vol_modes_differ(const vol_volume *v, const vol_claim *c);
/* Why a volume that the claim asks for by name can't be its; NULL: it can. In the arena. */
const char *vol_why_not(sp_arena *a, const vol_volume *v, const vol_claim *c);

/* One look at a volume in the search for the best: `best` is replaced when this one is better. */
typedef struct vol_search {
	const vol_claim *claim;
	sp_selector selector;
	bool has_selector, delayed; /* delayed: only those that name the claim already */
	vol_volume best;            /* object NULL: none yet */
	bool best_names_claim;
} vol_search;
sp_code vol_search_init(sp_arena *a, const vol_claim *c, bool delayed, vol_search *ret,
			sp_err *err) SP_MUST_USE;
void vol_search_look(vol_search *s, const vol_volume *v);

/* ---- indexes ---- */

/* Of volumes: "=NS/NAME" of the claim one names, or "+CLASS" of the free ones. */
sp_index_fn vol_index_volumes;
/* Of claims: "=VOLUME" that one names, or "+CLASS" of those without a volume. */
sp_index_fn vol_index_claims;
/* Of pods: the keys of the claims they use, also of their ephemeral volumes. */
sp_index_fn vol_index_pods;
/* The key in the arena; {NULL, 0} without room. */
static inline sp_str vol_index_key(sp_arena *a, char kind, sp_str rest)
{
	return SP_CONCAT(a, (sp_str){&kind, 1}, rest);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ObjectMeta of every kind: what the server fills in, what it refuses, what a client may not change. Texts
 * and order are upstream's. U: apimachinery pkg/api/validation/objectmeta.go, pkg/apis/meta/v1/validation,
 * apiserver pkg/registry/rest/meta.go, pkg/storage/names/generate.go.
 *
 * "Object" is the whole object; it may lack metadata.
 */
#pragma once

#include "kube/kinds/kinds.h"

/* metadata of an object, or NULL. */
static inline yyjson_mut_val *sp_meta(yyjson_mut_val *obj)
{
	return sp_kv_get(obj, "metadata");
}
static inline sp_str sp_meta_name(yyjson_mut_val *obj)
{
	return sp_kv_str(sp_meta(obj), "name");
}
static inline sp_str sp_meta_namespace(yyjson_mut_val *obj)
{
	return sp_kv_str(sp_meta(obj), "namespace");
}
/* An annotation / a label; "" when absent. */
sp_str sp_meta_annotation(yyjson_mut_val *obj, const char *key);
sp_str sp_meta_label(yyjson_mut_val *obj, const char *key);

/* What a POST may not say: deletionTimestamp and deletionGracePeriodSeconds. A create by PUT or apply keeps
 * them. U: apiserver pkg/endpoints/handlers/create.go */
void sp_meta_wipe_deletion(yyjson_mut_val *obj);
/*
 * For a create: drops selfLink, sets uid and creationTimestamp, and makes the name from
 * generateName when it has none (base cut to 58 bytes plus five letters). Makes metadata when it is absent.
 */
void sp_meta_fill_create(sp_kind_ctx *c, yyjson_mut_val *obj);
/* A new name from generateName, after a collision. */
void sp_meta_generate_name(sp_kind_ctx *c, yyjson_mut_val *obj);
/* A random UUID, version 4, in the arena. Empty: no room (c->code). */
sp_str sp_meta_uuid(sp_kind_ctx *c);

/*
 * Puts the request's namespace into the object. False: the object names another one, which is a BadRequest
 * with the text below. `request_namespace` is empty for cluster-wide kinds.
 */
bool sp_meta_set_namespace(sp_kind_ctx *c, yyjson_mut_val *obj, sp_str request_namespace) SP_MUST_USE;
#define SP_META_NAMESPACE_MISMATCH \
	"the namespace of the provided object does not match the namespace sent on the request"

/* Drops owner references that came before, member for member. Returns the uids dropped ("a, b"), for the
 * warning. */
sp_str sp_meta_dedup_owners(sp_kind_ctx *c, yyjson_mut_val *obj);

/* For an update: generation, uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds as
 * upstream takes them over from the old object before validation. */
void sp_meta_take_over(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
/* generation = that of `old` plus one. */
void sp_meta_bump_generation(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

/*
 * Upstream's core ValidateObjectMeta: names (c->kind's rule), namespace, generation, labels, annotations,
 * owners, finalizers, managed fields. What the validate hook of nearly every kind begins with.
 */
void sp_meta_validate(sp_kind_ctx *c, yyjson_mut_val *obj);
/* The same without the kube rule of finalizers, which custom resources only warn about. */
void sp_meta_validate_custom(sp_kind_ctx *c, yyjson_mut_val *obj);
/* True for one of upstream's own, and for one that names its domain. */
bool sp_finalizer_is_usual(sp_str finalizer);
/* The same with another rule of names and for a cluster-wide or namespaced kind. */
void sp_meta_validate_as(sp_kind_ctx *c, yyjson_mut_val *obj, bool namespaced,
			 sp_name_faults (*name)(sp_str));
/* The generic check every create and update runs after / before the kind's own: any path segment is a name.
 */
void sp_meta_validate_generic(sp_kind_ctx *c, yyjson_mut_val *obj);
/* Upstream's ValidateObjectMetaUpdate. */
void sp_meta_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

/* The same without the kube rule of finalizers: what every update runs before the kind's own check. */
void sp_meta_validate_update_generic(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

/* `value` is what the error shows; one Invalid per fault. */
void sp_v_faults(sp_violations *v, const sp_path *path, sp_str value, sp_name_faults faults);
/* field is immutable: Invalid with the new value unless both are equal. */
void sp_v_immutable(sp_violations *v, const sp_path *path, yyjson_mut_val *now, yyjson_mut_val *old);
/* Not below zero. */
void sp_v_non_negative(sp_violations *v, const sp_path *path, int64_t n);

void sp_labels_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *labels);
void sp_annotations_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *annotations);
void sp_owner_references_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *owners);
/* One key of a label. */
void sp_label_key_validate(sp_violations *v, const sp_path *path, sp_str key);

/* Options of label selectors. */
enum {
	SP_LABEL_SELECTOR_BAD_VALUES = 1u << 0,   /* values of expressions may be malformed (old objects) */
	SP_LABEL_SELECTOR_ANY_OPERATOR = 1u << 1, /* SubjectAccessReview */
};
/* metav1.LabelSelector; NULL is valid. */
void sp_label_selector_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *selector,
				unsigned options);
void sp_label_requirement_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *req,
				   unsigned options);
/* True when an expression holds a malformed value: an update may then keep it. */
bool sp_label_selector_has_bad_value(yyjson_mut_val *selector);

/* metav1.Conditions: names, statuses, reasons, times, duplicates. */
void sp_conditions_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *conditions);
/* A field manager's name: at most 128 bytes, printable. */
void sp_field_manager_validate(sp_violations *v, const sp_path *path, sp_str manager);
/* Upstream's rule of finalizers in core kinds: a standard name or one with a domain. */
void sp_finalizer_validate(sp_violations *v, const sp_path *path, sp_str finalizer);

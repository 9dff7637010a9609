/* SPDX-License-Identifier: Apache-2.0 */
/* Persistent volume claims. */
#include "kube/kinds/pvc.h"

#include "kube/kinds/cells.h"
#include "kube/kinds/diff.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/resource_lists.h"
#include "kube/kinds/resources.h"
#include "kube/kinds/storage_int.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

#define BETA_CLASS "volume.beta.kubernetes.io/storage-class"

void sp_access_modes_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *modes)
{
	static const char *const supported[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
						"ReadWriteOncePod"};
	bool single = false, other = false;
	SP_KV_EACH (item, i, modes) {
		sp_str mode = sp_jmut_str(item);
		if (!SP_STR_IN(mode, supported))
			sp_v_not_supported(v, path, sp_bad_named(mode), supported, SP_LEN(supported));
		else if (sp_str_eq(mode, SP_STR("ReadWriteOncePod")))
			single = true;
		else
			other = true;
	}
	if (single && other)
		sp_v_forbidden(v, path, "may not use ReadWriteOncePod with other access modes");
}

const char *const sp_volume_modes[2] = {"Block", "Filesystem"};

static void data_source(sp_violations *v, const sp_path *path, yyjson_mut_val *source, bool any_group)
{
	sp_str kind = sp_kv_str(source, "kind"), group = sp_kv_str(source, "apiGroup"),
	       ns = sp_kv_str(source, "namespace");
	if (source == NULL)
		return;
	if (sp_kv_str(source, "name").len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	if (kind.len == 0)
		sp_v_required(v, SP_AT(path, "kind"), "%s", "");
	if (group.len == 0 && !sp_str_eq(kind, SP_STR("PersistentVolumeClaim")))
		sp_v_invalid(v, path, kind,
			     "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
	if (group.len > 0 && !any_group)
		sp_v_dns1123_subdomain(v, SP_AT(path, "apiGroup"), group);
	if (ns.len > 0)
		sp_v_dns1123_label(v, SP_AT(path, "namespace"), ns);
}

static bool same_source(yyjson_mut_val *a, yyjson_mut_val *b)
{
	return sp_kv_equal(sp_kv_get(a, "apiGroup"), sp_kv_get(b, "apiGroup")) &&
	       sp_str_eq(sp_kv_str(a, "kind"), sp_kv_str(b, "kind")) &&
	       sp_str_eq(sp_kv_str(a, "name"), sp_kv_str(b, "name"));
}

static void data_sources(sp_violations *v, const sp_path *path, yyjson_mut_val *spec, bool any_group)
{
	/* upstream prints the path object itself, which has no fields to show */
	const sp_bad bad = sp_bad_text(SP_STR("{}"));
	yyjson_mut_val *source = sp_kv_get(spec, "dataSource"), *ref = sp_kv_get(spec, "dataSourceRef");
	data_source(v, SP_AT(path, "dataSource"), source, any_group);
	data_source(v, SP_AT(path, "dataSourceRef"), ref, any_group);
	if (source == NULL || ref == NULL)
		return;
	if (sp_kv_str(ref, "namespace").len > 0)
		sp_v_invalid(v, path, bad, "may not be specified when dataSourceRef.namespace is specified");
	else if (!same_source(source, ref))
		sp_v_invalid(v, path, bad, "must match dataSourceRef");
}

/* What an old claim may keep. */
typedef struct claim_options {
	bool bad_selector, any_group;
} claim_options;

static void spec_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec, claim_options o)
{
	sp_str class = sp_kv_str(spec, "storageClassName"),
	       attributes = sp_kv_str(spec, "volumeAttributesClassName");
	yyjson_mut_val *modes = sp_kv_list(spec, "accessModes");
	yyjson_mut_val *storage = sp_kv_path(spec, "resources", "requests", "storage", NULL);
	const sp_path *storage_path = SP_AT_KEY(SP_AT(path, "resources"), SP_STR("storage"));
	if (modes == NULL)
		sp_v_required(v, SP_AT(path, "accessModes"), "at least 1 access mode is required");
	sp_label_selector_validate(v, SP_AT(path, "selector"), sp_kv_get(spec, "selector"),
				   o.bad_selector ? SP_LABEL_SELECTOR_BAD_VALUES : 0);
	sp_access_modes_validate(v, SP_AT(path, "accessModes"), modes);
	if (storage == NULL)
		sp_v_required(v, storage_path, "%s", "");
	else
		sp_v_qty_positive(v, storage_path, storage);
	if (class.len > 0)
		sp_v_dns1123_subdomain(v, SP_AT(path, "storageClassName"), class);
	if (sp_kv_has(spec, "volumeMode") && !SP_STR_IN(sp_kv_str(spec, "volumeMode"), sp_volume_modes))
		sp_v_not_supported(v, SP_AT(path, "volumeMode"), sp_bad_named(sp_kv_str(spec, "volumeMode")),
				   sp_volume_modes, SP_LEN(sp_volume_modes));
	data_sources(v, path, spec, o.any_group);
	if (attributes.len > 0)
		sp_v_dns1123_subdomain(v, SP_AT(path, "volumeAttributesClassName"), attributes);
}

void sp_pvc_spec_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec)
{
	spec_validate(v, path, spec, (claim_options){.any_group = false});
}

void sp_pvc_template_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *claim_template)
{
	/* in the order of ObjectMeta */
	static const char *const forbidden[] = {"name",
						"generateName",
						"namespace",
						"selfLink",
						"uid",
						"resourceVersion",
						"generation",
						"creationTimestamp",
						"deletionTimestamp",
						"deletionGracePeriodSeconds",
						"ownerReferences",
						"finalizers",
						"managedFields"};
	yyjson_mut_val *meta = sp_meta(claim_template);
	const sp_path *at = SP_AT(path, "metadata");
	sp_annotations_validate(v, SP_AT(at, "annotations"), sp_kv_map(meta, "annotations"));
	sp_labels_validate(v, SP_AT(at, "labels"), sp_kv_map(meta, "labels"));
	for (size_t i = 0; i < SP_LEN(forbidden); i++) {
		yyjson_mut_val *val = sp_kv_get(meta, forbidden[i]);
		bool zero = val == NULL || (yyjson_mut_is_str(val) && sp_jmut_str(val).len == 0) ||
			    (yyjson_mut_is_ctn(val) && sp_kv_len(val) == 0) ||
			    (yyjson_mut_is_num(val) && sp_kv_num(val, 0) == 0);
		if (!zero)
			sp_v_forbidden(v, SP_AT_STR(at, sp_str_c(forbidden[i])), "cannot be set");
	}
	sp_pvc_spec_validate(v, SP_AT(path, "spec"), sp_kv_get(claim_template, "spec"));
}

void sp_pvc_spec_defaults(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *resources = sp_kv_get(spec, "resources");
	sp_res_list_round(c, sp_kv_map(resources, "limits"));
	sp_res_list_round(c, sp_kv_map(resources, "requests"));
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	if (sp_kv_has(obj, "spec"))
		sp_pvc_spec_defaults(c, sp_kv_get(obj, "spec"));
	sp_res_list_round(c, sp_kv_map(status, "capacity"));
	sp_res_list_round(c, sp_kv_map(status, "allocatedResources"));
}

/* Each of the two data sources fills the other where it can. */
static void normalize_sources(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	static const char *const members[] = {"apiGroup", "kind", "name"};
	yyjson_mut_val *source = sp_kv_get(spec, "dataSource"), *ref = sp_kv_get(spec, "dataSourceRef");
	bool to_ref = source != NULL && ref == NULL;
	bool to_source = source == NULL && ref != NULL && sp_kv_str(ref, "namespace").len == 0;
	if (!to_ref && !to_source)
		return;
	yyjson_mut_val *made = sp_kv_need_obj(c->doc, spec, to_ref ? "dataSourceRef" : "dataSource");
	for (size_t i = 0; made != NULL && i < SP_LEN(members); i++)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, made, to_ref ? source : ref, members[i]));
	SP_KIND_NEED(c, made != NULL);
}

/* A dataSource alone may be a claim or a snapshot; others are dropped as they always were. */
static void drop_odd_source(yyjson_mut_val *spec, yyjson_mut_val *old_spec)
{
	yyjson_mut_val *source = sp_kv_get(spec, "dataSource");
	sp_str group = sp_kv_str(source, "apiGroup");
	bool claim = sp_kv_is(source, "kind", "PersistentVolumeClaim") && group.len == 0;
	bool snapshot = sp_kv_is(source, "kind", "VolumeSnapshot") &&
			sp_str_eq(group, SP_STR("snapshot.storage.k8s.io"));
	if (source == NULL || claim || snapshot || sp_kv_has(spec, "dataSourceRef") ||
	    sp_kv_has(old_spec, "dataSource") || sp_kv_has(old_spec, "dataSourceRef"))
		return;
	sp_kv_drop(spec, "dataSource");
}

/* Sources in other namespaces wait for a gate that is off. */
static void drop_foreign_source(yyjson_mut_val *spec, yyjson_mut_val *old_spec)
{
	yyjson_mut_val *ref = sp_kv_get(spec, "dataSourceRef");
	if (sp_kv_str(ref, "namespace").len == 0 || sp_kv_has(old_spec, "dataSourceRef"))
		return;
	sp_kv_drop(spec, "dataSourceRef");
}

static void prepare_spec(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *old_spec = sp_kv_get(old, "spec");
	drop_foreign_source(spec, old_spec);
	drop_odd_source(spec, old_spec);
	normalize_sources(c, spec);
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	prepare_spec(c, obj, NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	prepare_spec(c, obj, old);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	sp_pvc_spec_validate(c->errors, SP_PATH("spec"), sp_kv_get(obj, "spec"));
}

/* The storage class may move from the old annotation into the field, or be set once. */
static bool class_from_annotation(yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *was = sp_kv_get(sp_kv_get(sp_meta(old), "annotations"), BETA_CLASS);
	yyjson_mut_val *now = sp_kv_get(sp_kv_get(sp_meta(obj), "annotations"), BETA_CLASS);
	yyjson_mut_val *class = sp_kv_get(sp_kv_get(obj, "spec"), "storageClassName");
	return was != NULL && !sp_kv_has(sp_kv_get(old, "spec"), "storageClassName") && class != NULL &&
	       sp_str_eq(sp_jmut_str(class), sp_jmut_str(was)) &&
	       (now == NULL || sp_str_eq(sp_jmut_str(now), sp_jmut_str(was)));
}

static bool class_from_nil(yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *was = sp_kv_get(sp_kv_get(sp_meta(old), "annotations"), BETA_CLASS);
	yyjson_mut_val *class = sp_kv_get(sp_kv_get(obj, "spec"), "storageClassName");
	return class != NULL && !sp_kv_has(sp_kv_get(old, "spec"), "storageClassName") &&
	       (was == NULL || sp_str_eq(sp_jmut_str(class), sp_jmut_str(was)));
}

static void class_kept(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, yyjson_mut_val *spec)
{
	sp_str now = sp_meta_annotation(obj, BETA_CLASS);
	if (class_from_annotation(obj, old)) {
		sp_kv_drop(spec, "storageClassName");
		return;
	}
	if (!sp_str_eq(now, sp_meta_annotation(old, BETA_CLASS)))
		sp_v_invalid(c->errors, SP_PATH("metadata.annotations." BETA_CLASS), now,
			     "field is immutable");
	if (class_from_nil(obj, old))
		sp_kv_drop(spec, "storageClassName");
}

static void size_kept(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_qty now = sp_kv_qty(sp_kv_path(obj, "spec", "resources", "requests", "storage", NULL));
	sp_qty was = sp_kv_qty(sp_kv_path(old, "spec", "resources", "requests", "storage", NULL));
	sp_qty have = sp_kv_qty(sp_kv_path(old, "status", "capacity", "storage", NULL));
	if (sp_qty_cmp(&now, &was) < 0 && sp_qty_cmp(&now, &have) <= 0)
		sp_v_forbidden(v, SP_PATH("spec.resources.requests.storage"),
			       "field can not be less than status.capacity");
}

static void attributes_kept(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char name[] = "volumeAttributesClassName";
	yyjson_mut_val *now = sp_kv_get(sp_kv_get(obj, "spec"), name),
		       *was = sp_kv_get(sp_kv_get(old, "spec"), name);
	if (sp_kv_equal(now, was) || !sp_kv_has(sp_kv_get(old, "status"), "currentVolumeAttributesClassName"))
		return;
	if (now == NULL || sp_jmut_str(now).len == 0)
		sp_v_forbidden(
			v, SP_PATH("spec.volumeAttributesClassName"),
			"update to %s is forbidden when status.currentVolumeAttributesClassName is not nil",
			now == NULL ? "nil" : "empty string");
}

/* The spec with everything taken back that may change. */
static void spec_kept(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *was = sp_kv_get(old, "spec"),
		       *spec = yyjson_mut_val_mut_copy(c->doc, sp_kv_get(obj, "spec"));
	yyjson_mut_val *old_size = sp_kv_path(was, "resources", "requests", "storage", NULL);
	bool bound = sp_kv_is(sp_kv_get(obj, "status"), "phase", "Bound");
	SP_KIND_NEED(c, spec != NULL || !sp_kv_has(obj, "spec"));
	yyjson_mut_val *old_copy = yyjson_mut_val_mut_copy(c->doc, was);
	normalize_sources(c, old_copy);
	if (sp_kv_str(was, "volumeName").len == 0) /* may be set once */
		SP_KIND_NEED(c, old_copy == NULL || sp_kv_copy(c->doc, old_copy, spec, "volumeName"));
	class_kept(c, obj, old, spec);
	yyjson_mut_val *requests = sp_kv_map(sp_kv_get(spec, "resources"), "requests");
	if (bound && requests != NULL && old_size != NULL)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, requests, sp_kv_path(was, "resources", "requests", NULL),
					   "storage"));
	if (bound)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, spec, was, "volumeAttributesClassName"));
	if (!sp_kind_same(c, "spec", spec, old_copy))
		sp_v_forbidden(
			c->errors, SP_PATH("spec"),
			"spec is immutable after creation except resources.requests and "
			"volumeAttributesClassName for bound claims\n" SP_FMT,
			SP_ARG(sp_kind_diff_go(c, &sp_go_persistent_volume_claim_spec, old_copy, spec)));
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *was = sp_kv_get(old, "spec");
	sp_violations scratch;
	sp_violations_init(&scratch, c->arena);
	sp_label_selector_validate(&scratch, NULL, sp_kv_get(was, "selector"), 0);
	claim_options o = {.bad_selector = scratch.n > 0,
			   .any_group = sp_kv_path(was, "dataSource", "apiGroup", NULL) != NULL ||
					sp_kv_path(was, "dataSourceRef", "apiGroup", NULL) != NULL};
	sp_meta_validate_update(c, obj, old);
	sp_meta_validate(c, obj);
	spec_validate(c->errors, SP_PATH("spec"), sp_kv_get(obj, "spec"), o);
	spec_kept(c, obj, old);
	size_kept(c->errors, obj, old);
	sp_v_immutable(c->errors, SP_PATH("volumeMode"), sp_kv_get(sp_kv_get(obj, "spec"), "volumeMode"),
		       sp_kv_get(was, "volumeMode"));
	attributes_kept(c->errors, obj, old);
}

/* True when the key may stand in lists about resizing. */
static bool resource_key(sp_violations *v, const sp_path *path, sp_str key)
{
	static const char *const native[] = {"storage"};
	sp_name_faults faults = sp_name_qualified(key);
	sp_v_faults(v, path, key, faults);
	if (faults.n == 0 && sp_res_is_native(key) && !SP_STR_IN(key, native))
		sp_v_not_supported(v, path, key, native, 1);
	return faults.n == 0 && (!sp_res_is_native(key) || SP_STR_IN(key, native));
}

void sp_basic_resource_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *qty)
{
	sp_qty q = sp_kv_qty(qty);
	if (sp_qty_value(&q) < 0)
		sp_v_invalid(v, path, sp_qty_value(&q), "must be a valid resource quantity");
}

static void validate_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const resizing[] = {"ControllerResizeInProgress", "ControllerResizeInfeasible",
					       "NodeResizeInProgress", "NodeResizeInfeasible",
					       "NodeResizePending"};
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	const sp_path *path = SP_PATH("status");
	sp_violations *v = c->errors;
	sp_meta_validate_update(c, obj, old);
	if (sp_kv_list(sp_kv_get(obj, "spec"), "accessModes") == NULL)
		sp_v_required(v, SP_PATH("Spec.accessModes"), "%s", "");
	SP_KV_EACH_MEMBER (key, qty, i, sp_kv_map(status, "capacity"))
		sp_basic_resource_validate(v, SP_AT_KEY(SP_AT(path, "capacity"), sp_jmut_str(key)), qty);
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(status, "allocatedResourceStatuses")) {
		const sp_path *at = SP_AT(path, "allocatedResourceStatuses");
		(void)resource_key(v, at, sp_jmut_str(key));
		if (!SP_STR_IN(sp_jmut_str(val), resizing))
			sp_v_not_supported(v, at, sp_bad_named(sp_jmut_str(key)), resizing, SP_LEN(resizing));
	}
	SP_KV_EACH_MEMBER (key, qty, i, sp_kv_map(status, "allocatedResources")) {
		const sp_path *at = SP_AT_KEY(SP_AT(path, "allocatedResources"), sp_jmut_str(key));
		sp_qty q = sp_kv_qty(qty);
		if (!resource_key(v, SP_AT(path, "allocatedResources"), sp_jmut_str(key)))
			continue;
		sp_basic_resource_validate(v, at, qty);
		if (sp_qty_value(&q) >= 0)
			sp_res_value_validate(v, at, SP_STR("storage"), qty);
	}
}

static void fraction(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *qty)
{
	sp_qty q = sp_kv_qty(qty);
	if (sp_qty_milli(&q) % 1000 == 0)
		return;
	sp_str text = sp_qty_print(c->arena, q);
	sp_warn_at(c, SP_AT_KEY(path, SP_STR("storage")),
		   "fractional byte value \"" SP_FMT "\" is invalid, must be an integer", SP_ARG(text));
}

void sp_pvc_spec_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec)
{
	fraction(c, SP_AT(path, "resources.requests"),
		 sp_kv_path(spec, "resources", "requests", "storage", NULL));
	fraction(c, SP_AT(path, "resources.limits"),
		 sp_kv_path(spec, "resources", "limits", "storage", NULL));
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (sp_kv_has(sp_kv_get(sp_meta(obj), "annotations"), BETA_CLASS))
		sp_warn_at(c, SP_AT_KEY(SP_PATH("metadata.annotations"), SP_STR(BETA_CLASS)),
			   "deprecated since v1.8; use \"storageClassName\" attribute instead");
	sp_pvc_spec_warn(c, SP_PATH("spec"), sp_kv_get(obj, "spec"));
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	warn_create(c, obj);
}

static yyjson_mut_val *status_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	if (sp_kv_has(sp_meta(obj), "deletionTimestamp"))
		return sp_cell_str(c, SP_STR("Terminating"));
	return sp_cell_str(c, sp_kv_str(sp_kv_get(obj, "status"), "phase"));
}

static yyjson_mut_val *volume_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str(c, sp_kv_str(sp_kv_get(obj, "spec"), "volumeName"));
}

/* What the volume gives; empty until there is one. */
static bool is_bound(yyjson_mut_val *obj)
{
	return sp_kv_str(sp_kv_get(obj, "spec"), "volumeName").len > 0;
}

static yyjson_mut_val *capacity_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *qty = sp_kv_path(obj, "status", "capacity", "storage", NULL);
	return sp_cell_str(c, is_bound(obj) ? sp_jmut_str(qty) : SP_STR(""));
}

yyjson_mut_val *sp_access_modes_cell(sp_kind_ctx *c, yyjson_mut_val *modes)
{
	static const char *const rows[][2] = {{"ReadWriteOnce", "RWO"},
					      {"ReadOnlyMany", "ROX"},
					      {"ReadWriteMany", "RWX"},
					      {"ReadWriteOncePod", "RWOP"}};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 256);
	for (size_t k = 0; k < SP_LEN(rows); k++) {
		bool has = false;
		SP_KV_EACH (mode, i, modes)
			has = has || sp_str_eq(sp_jmut_str(mode), sp_str_c(rows[k][0]));
		if (has)
			(void)sp_buf_printf(&out, "%s%s", out.len > 0 ? "," : "", rows[k][1]);
	}
	return sp_cell_buf(c, &out);
}

static yyjson_mut_val *modes_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_access_modes_cell(c, is_bound(obj) ? sp_kv_list(sp_kv_get(obj, "status"), "accessModes")
						     : NULL);
}

static yyjson_mut_val *class_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *old_way = sp_kv_get(sp_kv_get(sp_meta(obj), "annotations"), BETA_CLASS);
	return sp_cell_str(c, old_way != NULL ? sp_jmut_str(old_way)
					      : sp_kv_str(sp_kv_get(obj, "spec"), "storageClassName"));
}

static yyjson_mut_val *attributes_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *name = sp_kv_get(sp_kv_get(obj, "spec"), "volumeAttributesClassName");
	return sp_cell_str(c, name != NULL ? sp_jmut_str(name) : SP_STR("<unset>"));
}

static yyjson_mut_val *mode_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *mode = sp_kv_get(sp_kv_get(obj, "spec"), "volumeMode");
	return sp_cell_str(c, mode != NULL ? sp_jmut_str(mode) : SP_STR("<unset>"));
}

static const sp_cell cells[] = {
	{SP_STR_INIT("Status"), status_cell},      {SP_STR_INIT("Volume"), volume_cell},
	{SP_STR_INIT("Capacity"), capacity_cell},  {SP_STR_INIT("Access Modes"), modes_cell},
	{SP_STR_INIT("StorageClass"), class_cell}, {SP_STR_INIT("VolumeAttributesClass"), attributes_cell},
	{SP_STR_INIT("VolumeMode"), mode_cell},
};

static sp_str name_field(sp_arena *a, yyjson_mut_val *obj)
{
	(void)a;
	return sp_meta_name(obj);
}

static const sp_selectable selectable[] = {{SP_STR_INIT("name"), name_field}};
static const char *const reset[] = {"status", NULL}, *const status_reset[] = {"spec", NULL};
static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = validate_status, .reset_fields = status_reset}};

const sp_kind_hooks sp_hooks_persistent_volume_claim = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_RETURNS_DELETED,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

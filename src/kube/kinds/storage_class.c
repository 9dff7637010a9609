/* SPDX-License-Identifier: Apache-2.0 */
/* StorageClass, VolumeAttributesClass and VolumeAttachment of storage.k8s.io/v1. */
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/storage_int.h"
#include "kube/kinds/volume_sources.h"
#include "kube/kinds/warn.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

#define PARAMETERS_MAX 512
#define PARAMETERS_BYTES_MAX 262144
#define METADATA_BYTES_MAX 262144
#define ERROR_BYTES_MAX 1024

static void provisioner(sp_kind_ctx *c, const sp_path *path, sp_str name)
{
	if (name.len == 0)
		sp_v_required(c->errors, path, "%s", "");
	else
		sp_v_qualified_name(c->errors, path, sp_cell_lower(c, name));
}

static size_t map_bytes(yyjson_mut_val *map)
{
	size_t n = 0;
	SP_KV_EACH_MEMBER (key, val, i, map) {
		n += sp_jmut_str(key).len + sp_jmut_str(val).len;
	}
	return n;
}

static void parameters(sp_violations *v, const sp_path *path, yyjson_mut_val *map, bool may_be_empty)
{
	if (sp_kv_len(map) > PARAMETERS_MAX) {
		sp_v_too_long(v, path, PARAMETERS_MAX);
		return;
	}
	SP_KV_EACH_MEMBER (key, val, i, map) {
		(void)val;
		if (sp_jmut_str(key).len == 0)
			sp_v_invalid(v, path, "", "field can not be empty.");
	}
	if (map_bytes(map) > PARAMETERS_BYTES_MAX)
		sp_v_too_long(v, path, PARAMETERS_BYTES_MAX);
	if (!may_be_empty && sp_kv_len(map) == 0)
		sp_v_required(v, path, "must contain at least one key/value pair");
}

static void label_requirement(sp_violations *v, yyjson_mut_val *req, const sp_path *path)
{
	SP_AUTO_STRSET seen = {0};
	yyjson_mut_val *values = sp_kv_list(req, "values");
	const sp_path *at = SP_AT(path, "values");
	if (values == NULL)
		sp_v_required(v, at, "%s", "");
	SP_KV_EACH (value, i, values) {
		if (!sp_strset_add(&seen, sp_jmut_str(value), v))
			sp_v_duplicate(v, SP_AT_I(at, i), sp_jmut_str(value));
	}
	sp_label_key_validate(v, SP_AT(path, "key"), sp_kv_str(req, "key"));
}

/* True when each value of one list is in the other. */
static bool covers(yyjson_mut_val *all, yyjson_mut_val *some)
{
	SP_KV_EACH (item, i, some) {
		bool found = false;
		SP_KV_EACH (other, k, all) {
			found = found || sp_str_eq(sp_jmut_str(item), sp_jmut_str(other));
		}
		if (!found)
			return false;
	}
	return true;
}

static yyjson_mut_val *requirement_on(yyjson_mut_val *term, sp_str key)
{
	yyjson_mut_val *found = NULL;
	SP_KV_EACH (req, i, sp_kv_list(term, "matchLabelExpressions")) {
		if (sp_str_eq(sp_kv_str(req, "key"), key))
			found = req;
	}
	return found;
}

/* Terms are the same when they ask the same values of the same keys, in any order. */
static bool term_within(yyjson_mut_val *a, yyjson_mut_val *b)
{
	SP_KV_EACH (req, i, sp_kv_list(a, "matchLabelExpressions")) {
		sp_str key = sp_kv_str(req, "key");
		yyjson_mut_val *mine = sp_kv_list(requirement_on(a, key), "values");
		yyjson_mut_val *other = requirement_on(b, key), *theirs = sp_kv_list(other, "values");
		if (other == NULL || !covers(mine, theirs) || !covers(theirs, mine))
			return false;
	}
	return true;
}

/* More terms than this are not compared with each other: it is quadratic. */
#define TERMS_COMPARED_MAX 64u

static void topologies(sp_violations *v, yyjson_mut_val *terms, const sp_path *path)
{
	SP_KV_EACH (term, i, terms) {
		const sp_path *at = SP_AT(SP_AT_I(path, i), "matchLabelExpressions");
		SP_AUTO_STRSET keys = {0};
		SP_KV_EACH (req, k, sp_kv_list(term, "matchLabelExpressions")) {
			label_requirement(v, req, SP_AT_I(at, k));
			if (!sp_strset_add(&keys, sp_kv_str(req, "key"), v))
				sp_v_duplicate(v, SP_AT(SP_AT_I(at, k), "key"), sp_kv_str(req, "key"));
		}
		SP_KV_EACH (earlier, k, i < TERMS_COMPARED_MAX ? terms : NULL) {
			if (k < i && term_within(earlier, term) && term_within(term, earlier))
				sp_v_duplicate(v, at, "");
		}
	}
}

static void class_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const reclaims[] = {"Delete", "Retain"};
	static const char *const bindings[] = {"Immediate", "WaitForFirstConsumer"};
	sp_violations *v = c->errors;
	sp_str reclaim = sp_kv_str(obj, "reclaimPolicy"), binding = sp_kv_str(obj, "volumeBindingMode");
	sp_meta_validate(c, obj);
	provisioner(c, SP_PATH("provisioner"), sp_kv_str(obj, "provisioner"));
	parameters(v, SP_PATH("parameters"), sp_kv_map(obj, "parameters"), true);
	if (reclaim.len > 0 && !SP_STR_IN(reclaim, reclaims))
		sp_v_not_supported(v, SP_PATH("reclaimPolicy"), sp_bad_named(reclaim), reclaims,
				   SP_LEN(reclaims));
	if (!sp_kv_has(obj, "volumeBindingMode"))
		sp_v_required(v, SP_PATH("volumeBindingMode"), "%s", "");
	else if (!SP_STR_IN(binding, bindings))
		sp_v_not_supported(v, SP_PATH("volumeBindingMode"), sp_bad_named(binding), bindings,
				   SP_LEN(bindings));
	topologies(v, sp_kv_list(obj, "allowedTopologies"), SP_PATH("allowedTopologies"));
}

static void class_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const immutable[] = {"parameters", "provisioner", "reclaimPolicy",
						"volumeBindingMode"};
	class_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
	for (size_t i = 0; i < SP_LEN(immutable); i++)
		sp_v_immutable(c->errors, SP_AT_STR(NULL, sp_str_c(immutable[i])),
			       sp_kv_get(obj, immutable[i]), sp_kv_get(old, immutable[i]));
}

static void class_warn(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (term, i, sp_kv_list(obj, "allowedTopologies")) {
		const sp_path *path =
			SP_AT(SP_AT_I(SP_PATH("allowedTopologies"), i), "matchLabelExpressions");
		SP_KV_EACH (req, k, sp_kv_list(term, "matchLabelExpressions")) {
			const char *instead = sp_node_label_deprecated(sp_kv_str(req, "key"));
			if (instead != NULL)
				sp_warn_at(c, SP_AT(SP_AT_I(path, k), "key"), "%s", instead);
		}
	}
}

static void class_warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	class_warn(c, obj);
}

static yyjson_mut_val *name_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const keys[] = {"storageclass.kubernetes.io/is-default-class",
					   "storageclass.beta.kubernetes.io/is-default-class"};
	sp_str name = sp_meta_name(obj);
	bool is_default = false;
	for (size_t i = 0; i < SP_LEN(keys); i++)
		is_default = is_default || sp_str_eq(sp_meta_annotation(obj, keys[i]), SP_STR("true"));
	return sp_cell_printf(c, SP_FMT "%s", SP_ARG(name), is_default ? " (default)" : "");
}

static yyjson_mut_val *reclaim_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str_or(c, obj, "reclaimPolicy", "Delete");
}

static yyjson_mut_val *binding_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str_or(c, obj, "volumeBindingMode", "Immediate");
}

static yyjson_mut_val *expansion_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *v = yyjson_mut_bool(c->doc, sp_kv_bool(obj, "allowVolumeExpansion"));
	SP_KIND_NEED(c, v != NULL);
	return v;
}

static const sp_cell class_cells[] = {{SP_STR_INIT("Name"), name_cell},
				      {SP_STR_INIT("ReclaimPolicy"), reclaim_cell},
				      {SP_STR_INIT("VolumeBindingMode"), binding_cell},
				      {SP_STR_INIT("AllowVolumeExpansion"), expansion_cell}};

const sp_kind_hooks sp_hooks_storage_class = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_RETURNS_DELETED,
	.validate = class_validate,
	.validate_update = class_validate_update,
	.warn_create = class_warn,
	.warn_update = class_warn_update,
	.cells = class_cells,
	.n_cells = SP_LEN(class_cells),
};

/* -- VolumeAttributesClass ------------------------------------------------------------------------------ */

static void attributes_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	provisioner(c, SP_PATH("driverName"), sp_kv_str(obj, "driverName"));
	parameters(c->errors, SP_PATH("parameters"), sp_kv_map(obj, "parameters"), false);
}

static void attributes_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	if (!sp_str_eq(sp_kv_str(obj, "driverName"), sp_kv_str(old, "driverName")))
		sp_v_forbidden(c->errors, SP_PATH("driverName"), "updates to driverName are forbidden.");
	if (!sp_kv_equal(sp_kv_get(obj, "parameters"), sp_kv_get(old, "parameters")))
		sp_v_forbidden(c->errors, SP_PATH("parameters"), "updates to parameters are forbidden.");
	attributes_validate(c, obj);
}

const sp_kind_hooks sp_hooks_volume_attributes_class = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE,
	.validate = attributes_validate,
	.validate_update = attributes_validate_update,
};

/* -- VolumeAttachment ----------------------------------------------------------------------------------- */

static const sp_go_field source_fields[] = {
	{"PersistentVolumeName", "persistentVolumeName", SP_GO_PTR, NULL},
	{"InlineVolumeSpec", "inlineVolumeSpec", SP_GO_STRUCT_PTR, &sp_go_persistent_volume_spec}};
static const sp_go_type go_source = {source_fields, SP_LEN(source_fields)};
static const sp_go_field attachment_fields[] = {{"Attacher", "attacher", SP_GO_STR, NULL},
						{"Source", "source", SP_GO_STRUCT_PTR, &go_source},
						{"NodeName", "nodeName", SP_GO_STR, NULL}};
static const sp_go_type go_attachment = {attachment_fields, SP_LEN(attachment_fields)};

static void source_validate(sp_violations *v, yyjson_mut_val *source, const sp_path *path)
{
	sp_str volume = sp_kv_str(source, "persistentVolumeName");
	bool named = sp_kv_has(source, "persistentVolumeName"), given = sp_kv_has(source, "inlineVolumeSpec");
	static const char one[] = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
	if (!named && !given)
		sp_v_required(v, path, "%s", one);
	else if (named && given)
		sp_v_forbidden(v, path, "%s", one);
	else if (named && volume.len == 0)
		sp_v_required(v, SP_AT(path, "persistentVolumeName"),
			      "must specify non empty persistentVolumeName");
	else if (given)
		sp_inline_volume_validate(v, SP_AT(path, "inlineVolumeSpec"),
					  sp_kv_get(source, "inlineVolumeSpec"));
}

static void error_validate(sp_violations *v, yyjson_mut_val *error, const sp_path *path)
{
	int64_t code = sp_kv_i64(error, "errorCode", 0);
	if (sp_kv_str(error, "message").len > ERROR_BYTES_MAX) /* upstream names the other limit */
		sp_v_too_long(v, SP_AT(path, "message"), METADATA_BYTES_MAX);
	if (code < 0)
		sp_v_invalid(v, SP_AT(path, "errorCode"), code,
			     "must be between 0 and 2147483647, inclusive");
}

static void attachment_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *status = sp_kv_get(obj, "status");
	yyjson_mut_val *source = sp_kv_get(spec, "source");
	sp_str node = sp_kv_str(spec, "nodeName"), volume = sp_kv_str(source, "persistentVolumeName");
	sp_meta_validate(c, obj);
	sp_csi_driver_name_validate(v, SP_PATH("spec.attacher"), sp_kv_str(spec, "attacher"));
	source_validate(v, source, SP_PATH("spec.source"));
	sp_v_faults(v, SP_PATH("spec.nodeName"), node, sp_name_dns1123_subdomain(node));
	if (map_bytes(sp_kv_map(status, "attachmentMetadata")) > METADATA_BYTES_MAX)
		sp_v_too_long(v, SP_PATH("status.attachmentMetadata"), METADATA_BYTES_MAX);
	error_validate(v, sp_kv_get(status, "attachError"), SP_PATH("status.attachError"));
	error_validate(v, sp_kv_get(status, "detachError"), SP_PATH("status.detachError"));
	if (sp_kv_has(source, "persistentVolumeName"))
		sp_v_faults(v, SP_PATH("spec.source.persistentVolumeName"), volume,
			    sp_name_dns1123_subdomain(volume));
}

static void attachment_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	attachment_validate(c, obj);
	if (!sp_kv_equal(spec, sp_kv_get(old, "spec")))
		sp_v_invalid(c->errors, SP_PATH("spec"),
			     sp_bad_text(sp_go_struct(c->arena, &go_attachment, spec)), "field is immutable");
}

static const char *const metadata_and_spec[] = {"metadata", "spec", NULL};
static const sp_sub_hooks attachment_subs[] = {{.name = SP_STR_INIT("status"),
						.validate_update = attachment_validate_update,
						.reset_fields = metadata_and_spec}};

const sp_kind_hooks sp_hooks_volume_attachment = {
	.flags = SP_KIND_HAS_STATUS | SP_KIND_STATUS_ONLY_STATUS | SP_KIND_RETURNS_DELETED,
	.validate = attachment_validate,
	.validate_update = attachment_validate_update,
	.reset_fields = sp_reset_status,
	.subs = attachment_subs,
	.n_subs = SP_LEN(attachment_subs),
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Roles and bindings of rbac.authorization.k8s.io/v1. U: kubernetes pkg/apis/rbac/validation. */
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

static const char *const group[] = {"rbac.authorization.k8s.io"};

/* -- roles ---------------------------------------------------------------------------------------------- */

static void rule_validate(sp_violations *v, yyjson_mut_val *rule, bool namespaced, const sp_path *path)
{
	yyjson_mut_val *urls = sp_kv_list(rule, "nonResourceURLs");
	bool resources = sp_kv_list(rule, "apiGroups") != NULL || sp_kv_list(rule, "resources") != NULL ||
			 sp_kv_list(rule, "resourceNames") != NULL;
	const sp_path *at = SP_AT(path, "nonResourceURLs");
	if (sp_kv_list(rule, "verbs") == NULL)
		sp_v_required(v, SP_AT(path, "verbs"), "verbs must contain at least one value");
	if (urls != NULL) {
		if (namespaced)
			sp_v_invalid(v, at, urls, "namespaced rules cannot apply to non-resource URLs");
		if (resources)
			sp_v_invalid(v, at, urls,
				     "rules cannot apply to both regular resources and non-resource URLs");
		return;
	}
	if (sp_kv_list(rule, "apiGroups") == NULL)
		sp_v_required(v, SP_AT(path, "apiGroups"),
			      "resource rules must supply at least one api group");
	if (sp_kv_list(rule, "resources") == NULL)
		sp_v_required(v, SP_AT(path, "resources"),
			      "resource rules must supply at least one resource");
}

static void rules_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (rule, i, sp_kv_list(obj, "rules")) {
		rule_validate(c->errors, rule, c->kind->namespaced, SP_AT_I(SP_PATH("rules"), i));
	}
}

static void role_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	rules_validate(c, obj);
}

static void role_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	role_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
}

const sp_kind_hooks sp_hooks_role = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_CREATE_ON_UPDATE,
	.name = sp_name_path_segment,
	.validate = role_validate,
	.validate_update = role_validate_update,
};

static void cluster_role(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	yyjson_mut_val *aggregation = sp_kv_get(obj, "aggregationRule");
	yyjson_mut_val *selectors = sp_kv_list(aggregation, "clusterRoleSelectors");
	const sp_path *path = SP_PATH("aggregationRule.clusterRoleSelectors");
	sp_selector s;
	role_validate(c, obj);
	if (aggregation != NULL && selectors == NULL)
		sp_v_required(c->errors, path,
			      "at least one clusterRoleSelector required if aggregationRule is non-nil");
	SP_KV_EACH (selector, i, selectors) {
		const sp_path *at = SP_AT_I(path, i);
		sp_label_selector_validate(c->errors, at, selector, options);
		if (!sp_kv_selector(c, selector, &s)) /* upstream shows what failed to be made of it */
			sp_v_invalid(c->errors, at, sp_bad_text(SP_STR("null")), "invalid label selector.");
	}
}

static void cluster_role_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	cluster_role(c, obj, 0);
}

static void cluster_role_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	bool bad = false;
	SP_KV_EACH (selector, i, sp_kv_list(sp_kv_get(old, "aggregationRule"), "clusterRoleSelectors")) {
		bad = bad || sp_label_selector_has_bad_value(selector);
	}
	cluster_role(c, obj, bad ? SP_LABEL_SELECTOR_BAD_VALUES : 0);
	sp_meta_validate_update(c, obj, old);
}

const sp_kind_hooks sp_hooks_cluster_role = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_CREATE_ON_UPDATE,
	.name = sp_name_path_segment,
	.validate = cluster_role_validate,
	.validate_update = cluster_role_validate_update,
};

/* -- bindings ------------------------------------------------------------------------------------------- */

static void binding_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const people[] = {"User", "Group"};
	yyjson_mut_val *ref = sp_kv_need_obj(c->doc, obj, "roleRef");
	SP_KIND_NEED(c, ref != NULL);
	if (ref != NULL && sp_kv_str(ref, "apiGroup").len == 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, ref, "apiGroup", sp_str_c(group[0])));
	SP_KV_EACH (subject, i, sp_kv_list(obj, "subjects")) {
		if (sp_kv_str(subject, "apiGroup").len == 0 && SP_STR_IN(sp_kv_str(subject, "kind"), people))
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, subject, "apiGroup", sp_str_c(group[0])));
	}
}

static void in_group(sp_violations *v, yyjson_mut_val *object, const sp_path *path)
{
	sp_str own = sp_kv_str(object, "apiGroup");
	if (!SP_STR_IN(own, group))
		sp_v_not_supported(v, SP_AT(path, "apiGroup"), own, group, SP_LEN(group));
}

static void subject_validate(sp_violations *v, yyjson_mut_val *subject, bool namespaced, const sp_path *path)
{
	static const char *const kinds[] = {"ServiceAccount", "User", "Group"};
	static const char *const no_group[] = {""};
	sp_str name = sp_kv_str(subject, "name"), kind = sp_kv_str(subject, "kind");
	sp_str own = sp_kv_str(subject, "apiGroup");
	if (name.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	if (!SP_STR_IN(kind, kinds)) {
		sp_v_not_supported(v, SP_AT(path, "kind"), kind, kinds, SP_LEN(kinds));
		return;
	}
	if (!sp_str_eq(kind, sp_str_c(kinds[0]))) {
		in_group(v, subject, path);
		return;
	}
	if (name.len > 0)
		sp_v_faults(v, SP_AT(path, "name"), name, sp_name_dns1123_subdomain(name));
	if (own.len > 0)
		sp_v_not_supported(v, SP_AT(path, "apiGroup"), own, no_group, SP_LEN(no_group));
	if (!namespaced && sp_kv_str(subject, "namespace").len == 0)
		sp_v_required(v, SP_AT(path, "namespace"), "%s", "");
}

static void binding_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const kinds[] = {"Role", "ClusterRole"};
	sp_violations *v = c->errors;
	yyjson_mut_val *ref = sp_kv_get(obj, "roleRef");
	const sp_path *path = SP_PATH("roleRef");
	size_t skip = c->kind->namespaced ? 0 : 1;
	sp_str kind = sp_kv_str(ref, "kind"), name = sp_kv_str(ref, "name");
	sp_meta_validate(c, obj);
	in_group(v, ref, path);
	if (!sp_str_in(kind, kinds + skip, SP_LEN(kinds) - skip))
		sp_v_not_supported(v, SP_AT(path, "kind"), kind, kinds + skip, SP_LEN(kinds) - skip);
	if (name.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	else
		sp_v_faults(v, SP_AT(path, "name"), name, sp_name_path_segment(name));
	SP_KV_EACH (subject, i, sp_kv_list(obj, "subjects")) {
		subject_validate(v, subject, c->kind->namespaced, SP_AT_I(SP_PATH("subjects"), i));
	}
}

static const sp_go_field ref_fields[] = {{"APIGroup", "apiGroup", SP_GO_STR, NULL},
					 {"Kind", "kind", SP_GO_STR, NULL},
					 {"Name", "name", SP_GO_STR, NULL}};
static const sp_go_type go_ref = {ref_fields, SP_LEN(ref_fields)};

static void binding_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *ref = sp_kv_get(obj, "roleRef");
	binding_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
	if (!sp_kv_equal(ref, sp_kv_get(old, "roleRef")))
		sp_v_invalid(c->errors, SP_PATH("roleRef"), sp_bad_text(sp_go_struct(c->arena, &go_ref, ref)),
			     "cannot change roleRef");
}

static yyjson_mut_val *role_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ref = sp_kv_get(obj, "roleRef");
	sp_str kind = sp_kv_str(ref, "kind"), name = sp_kv_str(ref, "name");
	return sp_cell_printf(c, SP_FMT "/" SP_FMT, SP_ARG(kind), SP_ARG(name));
}

static yyjson_mut_val *subjects_cell(sp_kind_ctx *c, yyjson_mut_val *obj, const char *kind)
{
	SP_AUTO_BUF text;
	size_t n = 0;
	sp_buf_init(&text, c->arena->limit_bytes);
	SP_KV_EACH (subject, i, sp_kv_list(obj, "subjects")) {
		if (!sp_kv_is(subject, "kind", kind))
			continue;
		sp_str ns = sp_kv_str(subject, "namespace"), name = sp_kv_str(subject, "name");
		(void)sp_buf_str(&text, n++ > 0 ? SP_STR(", ") : SP_STR(""));
		if (strcmp(kind, "ServiceAccount") == 0)
			(void)sp_buf_printf(&text, SP_FMT "/", SP_ARG(ns));
		(void)sp_buf_str(&text, name);
	}
	return sp_cell_buf(c, &text);
}

static yyjson_mut_val *users_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return subjects_cell(c, obj, "User");
}

static yyjson_mut_val *groups_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return subjects_cell(c, obj, "Group");
}

static yyjson_mut_val *accounts_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return subjects_cell(c, obj, "ServiceAccount");
}

static const sp_cell cells[] = {{SP_STR_INIT("Role"), role_cell},
				{SP_STR_INIT("Users"), users_cell},
				{SP_STR_INIT("Groups"), groups_cell},
				{SP_STR_INIT("ServiceAccounts"), accounts_cell}};

/* RoleBinding and ClusterRoleBinding. */
const sp_kind_hooks sp_hooks_role_binding = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_CREATE_ON_UPDATE,
	.name = sp_name_path_segment,
	.defaults = binding_defaults,
	.validate = binding_validate,
	.validate_update = binding_validate_update,
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

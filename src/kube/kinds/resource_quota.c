/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/formats.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/resource_lists.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

static void list_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *list)
{
	SP_KV_EACH_MEMBER (key, qty, i, list) {
		sp_str name = sp_jmut_str(key);
		sp_res_quota_name_validate(v, SP_AT_KEY(path, name), name);
		sp_res_value_validate(v, SP_AT_KEY(path, name), name, qty);
	}
}

/* Scopes, and the resources that quotas in them can count. */
static const char *const pods[] = {"pods"};
static const char *const pods_and_compute[] = {
	"pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"};
static const char *const claims[] = {"persistentvolumeclaims", "requests.storage"};
static const struct {
	const char *scope;
	const char *const *resources;
	size_t n;
	bool only_exists; /* the selector takes no values */
} scopes[] = {
	{"Terminating", pods_and_compute, SP_LEN(pods_and_compute), true},
	{"NotTerminating", pods_and_compute, SP_LEN(pods_and_compute), true},
	{"NotBestEffort", pods_and_compute, SP_LEN(pods_and_compute), true},
	{"PriorityClass", pods_and_compute, SP_LEN(pods_and_compute), false},
	{"CrossNamespacePodAffinity", pods_and_compute, SP_LEN(pods_and_compute), true},
	{"BestEffort", pods, SP_LEN(pods), true},
	{"VolumeAttributesClass", claims, SP_LEN(claims), false},
};

static size_t scope_index(sp_str scope)
{
	size_t i = 0;
	while (i < SP_LEN(scopes) && !sp_str_eq(scope, sp_str_c(scopes[i].scope)))
		i++;
	return i;
}

/* Resources of the quota that the scope cannot count, each an error; `bad` is what is shown. */
static void resources_fit(sp_violations *v, const sp_path *path, sp_bad bad, size_t scope,
			  yyjson_mut_val *hard)
{
	if (scope == SP_LEN(scopes))
		return;
	SP_KV_EACH_MEMBER (key, val, i, hard) {
		(void)val;
		sp_str name = sp_jmut_str(key);
		if (sp_res_is_standard_quota(name) &&
		    !sp_str_in(name, scopes[scope].resources, scopes[scope].n))
			sp_v_add_(v, SP_V_INVALID, path, bad, "unsupported scope applied to resource");
	}
}

static void conflicts_validate(sp_violations *v, const sp_path *path, sp_bad bad, const sp_strset *seen)
{
	static const char *const pairs[][2] = {{"BestEffort", "NotBestEffort"},
					       {"Terminating", "NotTerminating"}};
	for (size_t i = 0; i < SP_LEN(pairs); i++) {
		if (sp_strset_has(seen, sp_str_c(pairs[i][0])) && sp_strset_has(seen, sp_str_c(pairs[i][1])))
			sp_v_add_(v, SP_V_INVALID, path, bad, "conflicting scopes");
	}
}

static void scopes_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec)
{
	yyjson_mut_val *list = sp_kv_list(spec, "scopes");
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (item, i, list) {
		size_t scope = scope_index(sp_jmut_str(item));
		if (scope == SP_LEN(scopes))
			sp_v_invalid(v, path, list, "unsupported scope");
		resources_fit(v, path, sp_bad_json(list), scope, sp_kv_map(spec, "hard"));
		(void)sp_strset_add(&seen, sp_jmut_str(item), v);
	}
	conflicts_validate(v, path, sp_bad_json(list), &seen);
}

static void requirement_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *req, size_t scope)
{
	sp_str op = sp_kv_str(req, "operator");
	yyjson_mut_val *values = sp_kv_list(req, "values");
	bool exists = sp_str_eq(op, SP_STR("Exists")),
	     in = sp_str_eq(op, SP_STR("In")) || sp_str_eq(op, SP_STR("NotIn"));
	if (scope < SP_LEN(scopes) && scopes[scope].only_exists && !exists)
		sp_v_invalid(
			v, SP_AT(path, "operator"), sp_bad_named(op),
			"must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
			"ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
			"ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
	if (in && values == NULL)
		sp_v_required(
			v, SP_AT(path, "values"),
			"must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
	else if ((exists || sp_str_eq(op, SP_STR("DoesNotExist"))) && values != NULL)
		sp_v_invalid(
			v, SP_AT(path, "values"), values,
			"must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
	else if (!in && !exists && !sp_str_eq(op, SP_STR("DoesNotExist")))
		sp_v_invalid(v, SP_AT(path, "operator"), sp_bad_named(op), "not a valid selector operator");
}

/* Upstream's paths of requirements have no index. */
static void selector_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *spec)
{
	yyjson_mut_val *selector = sp_kv_get(spec, "scopeSelector");
	const sp_path *at = SP_AT(path, "matchExpressions");
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (req, i, sp_kv_list(selector, "matchExpressions")) {
		sp_str name = sp_kv_str(req, "scopeName");
		size_t scope = scope_index(name);
		if (scope == SP_LEN(scopes))
			sp_v_invalid(v, SP_AT(at, "scopeName"), sp_bad_named(name), "unsupported scope");
		resources_fit(v, at, sp_bad_text(sp_go_struct(v->arena, &sp_go_scope_selector, selector)),
			      scope, sp_kv_map(spec, "hard"));
		requirement_validate(v, at, req, scope);
		(void)sp_strset_add(&seen, name, v);
	}
	conflicts_validate(v, at, sp_bad_json(sp_kv_get(spec, "scopes")), &seen);
}

static void spec_validate(sp_violations *v, yyjson_mut_val *spec)
{
	list_validate(v, SP_PATH("spec.hard"), sp_kv_map(spec, "hard"));
	scopes_validate(v, SP_PATH("spec.scopes"), spec);
	selector_validate(v, SP_PATH("spec.scopeSelector"), spec);
}

static void status_rules(sp_violations *v, yyjson_mut_val *status)
{
	list_validate(v, SP_PATH("status.hard"), sp_kv_map(status, "hard"));
	list_validate(v, SP_PATH("status.used"), sp_kv_map(status, "used"));
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c->errors, sp_kv_get(obj, "spec"));
	status_rules(c->errors, sp_kv_get(obj, "status"));
}

static bool covers(sp_violations *v, yyjson_mut_val *a, yyjson_mut_val *b)
{
	SP_AUTO_STRSET set = {.map = {0}};
	SP_KV_EACH (item, i, a)
		(void)sp_strset_add(&set, sp_jmut_str(item), v);
	SP_KV_EACH (item, i, b) {
		if (!sp_strset_has(&set, sp_jmut_str(item)))
			return false;
	}
	return true;
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *now = sp_kv_list(sp_kv_get(obj, "spec"), "scopes");
	yyjson_mut_val *was = sp_kv_list(sp_kv_get(old, "spec"), "scopes");
	sp_meta_validate_update(c, obj, old);
	spec_validate(c->errors, sp_kv_get(obj, "spec"));
	if (!covers(c->errors, now, was) || !covers(c->errors, was, now))
		sp_v_invalid(c->errors, SP_PATH("spec.scopes"), sp_kv_get(sp_kv_get(obj, "spec"), "scopes"),
			     "field is immutable");
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	status_rules(c->errors, sp_kv_get(obj, "status"));
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_res_list_round(c, sp_kv_map(sp_kv_get(obj, "spec"), "hard"));
	sp_res_list_round(c, sp_kv_map(sp_kv_get(obj, "status"), "hard"));
	sp_res_list_round(c, sp_kv_map(sp_kv_get(obj, "status"), "used"));
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	static const char *const names[][3] = {
		{"requests.cpu", "limits.cpu", "cpu"},
		{"requests.memory", "limits.memory", "memory"},
		{"requests.storage", "limits.storage", NULL},
		{"requests.ephemeral-storage", "limits.ephemeral-storage", NULL},
	};
	yyjson_mut_val *hard = sp_kv_get(sp_kv_get(obj, "spec"), "hard");
	for (size_t i = 0; i < SP_LEN(names); i++) {
		const char *name =
			names[i][2] != NULL && !sp_kv_has(hard, names[i][0]) ? names[i][2] : names[i][0];
		yyjson_mut_val *request = sp_kv_get(hard, name), *limit = sp_kv_get(hard, names[i][1]);
		sp_qty low = sp_kv_qty(request), high = sp_kv_qty(limit);
		if (request == NULL || limit == NULL || sp_qty_cmp(&low, &high) <= 0)
			continue;
		sp_str low_text = sp_qty_print(c->arena, low), high_text = sp_qty_print(c->arena, high);
		sp_warn(c, "ResourceQuota %s (" SP_FMT ") should be less than %s (" SP_FMT ")", name,
			SP_ARG(low_text), names[i][1], SP_ARG(high_text));
	}
}

static int cmp_strs(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

/* "name: used/hard" of limits, or of everything else. */
static yyjson_mut_val *amounts(sp_kind_ctx *c, yyjson_mut_val *obj, bool limits)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status"), *hard = sp_kv_map(status, "hard");
	sp_str *names = sp_try_new(c->arena, sp_str, sp_kv_len(hard));
	size_t n = 0;
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	SP_KV_EACH_MEMBER (key, val, i, names != NULL ? hard : NULL) {
		(void)val;
		if (sp_str_starts(sp_jmut_str(key), SP_STR("limits.")) == limits)
			names[n++] = sp_jmut_str(key);
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), cmp_strs);
	for (size_t i = 0; i < n; i++) {
		sp_qty used = sp_kv_qty(sp_jmut_get(sp_kv_get(status, "used"), names[i]));
		sp_qty bound = sp_kv_qty(sp_jmut_get(hard, names[i]));
		sp_str used_text = sp_qty_print(c->arena, used), bound_text = sp_qty_print(c->arena, bound);
		(void)sp_buf_printf(&out, "%s" SP_FMT ": " SP_FMT "/" SP_FMT, i > 0 ? ", " : "",
				    SP_ARG(names[i]), SP_ARG(used_text), SP_ARG(bound_text));
	}
	return sp_cell_buf(c, &out);
}

static yyjson_mut_val *request_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return amounts(c, obj, false);
}

static yyjson_mut_val *limit_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return amounts(c, obj, true);
}

static const sp_cell cells[] = {{SP_STR_INIT("Request"), request_cell}, {SP_STR_INIT("Limit"), limit_cell}};
static const char *const reset[] = {"status", NULL}, *const status_reset[] = {"spec", NULL};
static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = status_reset}};

const sp_kind_hooks sp_hooks_resource_quota = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_RETURNS_DELETED,
	.defaults = defaults,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.reset_fields = reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

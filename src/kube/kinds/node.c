/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes. */
#include "base/ip.h"
#include "base/map.h"
#include "kube/formats.h"
#include "kube/kinds/cells.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/resource_lists.h"
#include "kube/kinds/resources.h"
#include "kube/meta.h"

static void taints_validate(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *taints)
{
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (taint, i, taints) {
		const sp_path *at = SP_AT_I(path, i);
		sp_str key = sp_kv_str(taint, "key"), value = sp_kv_str(taint, "value"),
		       effect = sp_kv_str(taint, "effect");
		sp_name_faults faults = sp_name_label_value(value);
		sp_label_key_validate(c->errors, SP_AT(at, "key"), key);
		if (faults.n == 1)
			sp_v_faults(c->errors, SP_AT(at, "value"), value, faults);
		else if (faults.n > 1)
			sp_v_invalid(c->errors, SP_AT(at, "value"), value, SP_FMT ";" SP_FMT,
				     SP_ARG(faults.items[0].text), SP_ARG(faults.items[1].text));
		sp_taint_effect_validate(c->errors, SP_AT(at, "effect"), effect, false);
		sp_str both = sp_arena_printf(c->arena, SP_FMT "|" SP_FMT, SP_ARG(effect), SP_ARG(key));
		if (!sp_strset_add(&seen, both, c->errors))
			sp_v_add_(c->errors, SP_V_DUPLICATE, at,
				  sp_bad_text(sp_go_struct(c->arena, &sp_go_taint, taint)),
				  "taints must be unique by key and effect pair");
	}
}

static void resources_validate(sp_kind_ctx *c, yyjson_mut_val *status)
{
	static const char *const lists[] = {"capacity", "allocatable"};
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		const sp_path *path = SP_AT_STR(SP_PATH("status"), sp_str_c(lists[k]));
		SP_KV_EACH_MEMBER (key, qty, i, sp_kv_map(status, lists[k]))
			sp_res_value_validate(c->errors, SP_AT_STR(path, sp_jmut_str(key)), sp_jmut_str(key),
					      qty);
	}
}

static bool is_alnum(char ch)
{
	return (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
}

/* UpperCamel, then segments behind slashes. */
static bool is_feature(sp_str s)
{
	if (s.len == 0 || s.ptr[0] < 'A' || s.ptr[0] > 'Z' || s.ptr[s.len - 1] == '/')
		return false;
	for (size_t i = 1; i < s.len; i++) {
		if (!is_alnum(s.ptr[i]) && (s.ptr[i] != '/' || s.ptr[i - 1] == '/'))
			return false;
	}
	return true;
}

static void features_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *features)
{
	sp_str before = {NULL, 0};
	SP_KV_EACH (item, i, features) {
		sp_str s = sp_jmut_str(item);
		if (s.len > 253)
			sp_v_invalid(v, SP_AT_I(path, i), s,
				     "invalid feature name \"" SP_FMT
				     "\": must be no more than 253 characters",
				     SP_ARG(s));
		else if (!is_feature(s))
			sp_v_invalid(v, SP_AT_I(path, i), s,
				     "invalid feature name \"" SP_FMT
				     "\": must start with an UpperCamelCase segment, "
				     "with subsequent segments separated by '/' (e.g., MyFeature or "
				     "MyFeature/mySubFeature), and contain only alphanumeric characters and "
				     "slashes",
				     SP_ARG(s));
		if (i > 0 && sp_str_eq(before, s))
			sp_v_duplicate(v, SP_AT_I(path, i), s);
		else if (i > 0 && sp_str_cmp(before, s) > 0)
			sp_v_invalid(v, SP_AT_I(path, i), s, "list must be sorted alphabetically");
		before = s;
	}
}

static void pod_cidrs_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *cidrs)
{
	size_t n[2] = {0, 0}, bad = 0;
	sp_str first_bad = {NULL, 0};
	size_t first_at = 0;
	SP_KV_EACH (item, i, cidrs) {
		sp_cidr cidr;
		sp_v_cidr_legacy(v, SP_AT_I(path, i), sp_jmut_str(item), NULL);
		if (sp_cidr_parse(sp_jmut_str(item), &cidr)) {
			n[cidr.ip.v4]++;
		} else if (bad++ == 0) {
			first_bad = sp_jmut_str(item);
			first_at = i;
		}
	}
	if (sp_kv_len(cidrs) > 1 && bad > 0)
		sp_v_internal(v, path,
			      "invalid PodCIDRs. failed to check with dual stack with error:invalid "
			      "CIDR[%zu]: <nil> "
			      "(invalid CIDR address: " SP_FMT ")",
			      first_at, SP_ARG(first_bad));
	if (sp_kv_len(cidrs) > 1 && (bad > 0 || n[0] == 0 || n[1] == 0 || sp_kv_len(cidrs) > 2))
		sp_v_invalid(v, path, cidrs, "may specify no more than one CIDR for each IP family");
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *status = sp_kv_get(obj, "status");
	yyjson_mut_val *swap = sp_kv_path(status, "nodeInfo", "swap", NULL);
	sp_meta_validate(c, obj);
	taints_validate(c, SP_PATH("metadata.taints"), sp_kv_list(spec, "taints"));
	resources_validate(c, status);
	if (sp_kv_has(swap, "capacity"))
		sp_v_positive(c->errors, SP_PATH("metadata.nodeSwapStatus.capacity"),
			      sp_kv_i64(swap, "capacity", 0));
	features_validate(c->errors, SP_PATH("status.declaredFeatures"),
			  sp_kv_list(status, "declaredFeatures"));
	pod_cidrs_validate(c->errors, SP_PATH("spec.podCIDRs"), sp_kv_list(spec, "podCIDRs"));
}

static void addresses_validate(sp_kind_ctx *c, yyjson_mut_val *addresses)
{
	SP_AUTO_STRSET seen = {.map = {0}};
	SP_KV_EACH (item, i, addresses) {
		sp_str type = sp_kv_str(item, "type"), address = sp_kv_str(item, "address");
		sp_str both = sp_arena_printf(c->arena, SP_FMT "|" SP_FMT, SP_ARG(type), SP_ARG(address));
		if (sp_strset_add(&seen, both, c->errors))
			continue;
		static const sp_go_field fields[] = {{"Type", "type", SP_GO_STR, NULL},
						     {"Address", "address", SP_GO_STR, NULL}};
		static const sp_go_type go_address = {fields, SP_LEN(fields)};
		sp_v_duplicate(c->errors, SP_AT_I(SP_PATH("status.addresses"), i),
			       sp_bad_text(sp_go_struct(c->arena, &go_address, item)));
	}
}

static void kept_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	yyjson_mut_val *cidrs = sp_kv_list(spec, "podCIDRs"), *old_cidrs = sp_kv_list(was, "podCIDRs");
	yyjson_mut_val *now = yyjson_mut_arr_get_first(cidrs);
	static const char why[] = "node updates may not change %s except from \"\" to valid";
	if (old_cidrs != NULL && sp_kv_len(old_cidrs) != sp_kv_len(cidrs)) {
		sp_v_forbidden(c->errors, SP_PATH("spec.podCIDRs"), why, "podCIDR");
	} else {
		SP_KV_EACH (item, i, old_cidrs) {
			if (!sp_str_eq(sp_jmut_str(item), sp_jmut_str(now)))
				sp_v_forbidden(c->errors, SP_PATH("spec.podCIDRs"), why, "podCIDR");
			now = now->next;
		}
	}
	sp_str provider = sp_kv_str(was, "providerID");
	if (provider.len > 0 && !sp_str_eq(provider, sp_kv_str(spec, "providerID")))
		sp_v_forbidden(c->errors, SP_PATH("spec.providerID"), why, "providerID");
	if (!sp_str_eq(sp_kv_str(spec, "externalID"), sp_kv_str(was, "externalID")))
		sp_v_forbidden(c->errors, SP_PATH("spec.externalID"), "may not be updated");
}

/* Deprecated, and still checked. */
static void config_source_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *source)
{
	yyjson_mut_val *map = sp_kv_get(source, "configMap");
	const sp_path *at = SP_AT(path, "configMap");
	sp_str ns = sp_kv_str(map, "namespace"), name = sp_kv_str(map, "name"),
	       key = sp_kv_str(map, "kubeletConfigKey");
	if (source == NULL)
		return;
	if (map == NULL) {
		sp_v_invalid(v, path, sp_bad_text(SP_STR("{\"ConfigMap\":null}")),
			     "exactly one reference subfield must be non-nil");
		return;
	}
	if (sp_kv_str(map, "uid").len > 0)
		sp_v_forbidden(v, SP_AT(at, "uid"), "uid must not be set in spec");
	if (sp_kv_str(map, "resourceVersion").len > 0)
		sp_v_forbidden(v, SP_AT(at, "resourceVersion"), "resourceVersion must not be set in spec");
	if (ns.len == 0)
		sp_v_required(v, SP_AT(at, "namespace"), "%s", "");
	else
		sp_v_dns1123_label(v, SP_AT(at, "namespace"), ns);
	if (name.len == 0)
		sp_v_required(v, SP_AT(at, "name"), "%s", "");
	else
		sp_v_dns1123_subdomain(v, SP_AT(at, "name"), name);
	if (key.len == 0)
		sp_v_required(v, SP_AT(at, "kubeletConfigKey"), "%s", "");
	else
		sp_v_faults(v, SP_AT(at, "kubeletConfigKey"), key, sp_fmt_config_map_key(key));
}

static void update_rules(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	sp_meta_validate_update(c, obj, old);
	resources_validate(c, status);
	features_validate(c->errors, SP_PATH("status.declaredFeatures"),
			  sp_kv_list(status, "declaredFeatures"));
	addresses_validate(c, sp_kv_list(status, "addresses"));
	kept_validate(c, obj, old);
	config_source_validate(c->errors, SP_PATH("spec.configSource"),
			       sp_kv_get(sp_kv_get(obj, "spec"), "configSource"));
	taints_validate(c, SP_PATH("metadata.taints"), sp_kv_list(sp_kv_get(obj, "spec"), "taints"));
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	validate(c, obj);
	update_rules(c, obj, old);
}

/* podCIDR is the first of podCIDRs. U: pkg/apis/core/v1/conversion.go. */
static void pod_cidr(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	sp_str one = sp_kv_str(spec, "podCIDR");
	yyjson_mut_val *first = yyjson_mut_arr_get_first(sp_kv_list(spec, "podCIDRs"));
	if (one.len == 0) {
		if (first != NULL)
			SP_KIND_NEED(c, sp_kv_set_str(c->doc, spec, "podCIDR", sp_jmut_str(first)));
		return;
	}
	if (first != NULL && sp_str_eq(sp_jmut_str(first), one))
		return;
	yyjson_mut_val *list = yyjson_mut_arr(c->doc);
	SP_KIND_NEED(c, list != NULL && yyjson_mut_arr_add_strncpy(c->doc, list, one.ptr, one.len) &&
				sp_kv_set(c->doc, spec, "podCIDRs", list));
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	pod_cidr(c, sp_kv_get(obj, "spec"));
	sp_res_list_round(c, sp_kv_map(status, "capacity"));
	sp_res_list_round(c, sp_kv_map(status, "allocatable"));
	if (sp_kv_map(status, "allocatable") == NULL && sp_kv_map(status, "capacity") != NULL)
		SP_KIND_NEED(c, sp_kv_set(c->doc, status, "allocatable",
					  yyjson_mut_val_mut_copy(c->doc, sp_kv_map(status, "capacity"))));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	sp_kv_drop(sp_kv_get(obj, "spec"), "configSource");
	sp_kv_drop(sp_kv_get(obj, "status"), "config");
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	if (!sp_kv_has(sp_kv_get(old, "spec"), "configSource"))
		sp_kv_drop(sp_kv_get(obj, "spec"), "configSource");
}

static void status_prepare(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	if (!sp_kv_has(sp_kv_get(old, "status"), "config"))
		sp_kv_drop(sp_kv_get(obj, "status"), "config");
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	if (sp_kv_has(spec, "configSource"))
		sp_warn(c, "spec.configSource: the feature is removed");
	if (sp_kv_str(spec, "externalID").len > 0)
		sp_warn(c, "spec.externalID: this field is deprecated, and is unused by Kubernetes");
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)old;
	warn_create(c, obj);
}

static yyjson_mut_val *status_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	const char *status = "Unknown";
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		if (sp_kv_is(cond, "type", "Ready"))
			status = sp_kv_is(cond, "status", "True") ? "Ready" : "NotReady";
	}
	return sp_cell_printf(c, "%s%s", status,
			      sp_kv_bool(sp_kv_get(obj, "spec"), "unschedulable") ? ",SchedulingDisabled"
										  : "");
}

static int cmp_strs(const void *a, const void *b)
{
	return sp_str_cmp(*(const sp_str *)a, *(const sp_str *)b);
}

static yyjson_mut_val *roles_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str roles[32];
	size_t n = 0;
	SP_KV_EACH_MEMBER (key, val, i, sp_kv_map(sp_meta(obj), "labels")) {
		sp_str k = sp_jmut_str(key), role = k;
		bool prefixed = sp_str_take(&role, SP_STR("node-role.kubernetes.io/"));
		if (!prefixed)
			role = sp_str_eq(k, SP_STR("kubernetes.io/role")) ? sp_jmut_str(val)
									  : (sp_str){NULL, 0};
		if (role.len > 0 && n < SP_LEN(roles))
			roles[n++] = role;
	}
	qsort(roles, n, sizeof(roles[0]), cmp_strs);
	SP_AUTO_BUF out;
	sp_buf_init(&out, c->arena->limit_bytes);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && sp_str_eq(roles[i], roles[i - 1]))
			continue;
		(void)sp_buf_str(&out, out.len > 0 ? SP_STR(",") : SP_STR(""));
		(void)sp_buf_str(&out, roles[i]);
	}
	return n > 0 ? sp_cell_buf(c, &out) : sp_cell_str(c, SP_STR("<none>"));
}

static yyjson_mut_val *address_cell(sp_kind_ctx *c, yyjson_mut_val *obj, const char *type)
{
	SP_KV_EACH (item, i, sp_kv_list(sp_kv_get(obj, "status"), "addresses")) {
		if (sp_kv_is(item, "type", type))
			return sp_cell_str(c, sp_kv_str(item, "address"));
	}
	return sp_cell_str(c, SP_STR("<none>"));
}

static yyjson_mut_val *internal_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return address_cell(c, obj, "InternalIP");
}

static yyjson_mut_val *external_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return address_cell(c, obj, "ExternalIP");
}

static sp_str info_or_unknown(yyjson_mut_val *obj, const char *member)
{
	sp_str s = sp_kv_str(sp_kv_path(obj, "status", "nodeInfo", NULL), member);
	return s.len > 0 ? s : SP_STR("<unknown>");
}

static yyjson_mut_val *os_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str(c, info_or_unknown(obj, "osImage"));
}

static yyjson_mut_val *kernel_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_str kernel = info_or_unknown(obj, "kernelVersion");
	sp_str machine = sp_kv_str(sp_kv_path(obj, "status", "nodeInfo", NULL), "architecture");
	if (machine.len == 0)
		return sp_cell_str(c, kernel);
	return sp_cell_printf(c, SP_FMT " (" SP_FMT ")", SP_ARG(kernel), SP_ARG(machine));
}

static yyjson_mut_val *runtime_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_str(c, info_or_unknown(obj, "containerRuntimeVersion"));
}

static const sp_cell cells[] = {
	{SP_STR_INIT("Status"), status_cell},
	{SP_STR_INIT("Roles"), roles_cell},
	{SP_STR_INIT("Internal-IP"), internal_cell},
	{SP_STR_INIT("External-IP"), external_cell},
	{SP_STR_INIT("OS-Image"), os_cell},
	{SP_STR_INIT("Kernel-Version"), kernel_cell},
	{SP_STR_INIT("Container-Runtime"), runtime_cell},
};

static sp_str unschedulable(sp_arena *a, yyjson_mut_val *obj)
{
	(void)a;
	return sp_kv_bool(sp_kv_get(obj, "spec"), "unschedulable") ? SP_STR("true") : SP_STR("false");
}

static const sp_selectable selectable[] = {{SP_STR_INIT("spec.unschedulable"), unschedulable}};
static const char *const reset[] = {"status", NULL}, *const status_reset[] = {"spec", NULL};
static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .prepare_update = status_prepare,
				     .validate_update = update_rules,
				     .reset_fields = status_reset}};

const sp_kind_hooks sp_hooks_node = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_STATUS_ON_CREATE,
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

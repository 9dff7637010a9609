/* SPDX-License-Identifier: Apache-2.0 */
/* APIService of apiregistration.k8s.io/v1. U: kube-aggregator pkg/apis/apiregistration/validation. */
#include "base/base64.h"
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

/* A group that this server serves itself is there at once. */
static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	char text[SP_TIME_TEXT_BYTES];
	const struct {
		const char *name;
		sp_str value;
	} members[] = {{"type", SP_STR("Available")},
		       {"status", SP_STR("True")},
		       {"lastTransitionTime", {text, sp_time_print(text, c->now, 0)}},
		       {"reason", SP_STR("Local")},
		       {"message", SP_STR("Local APIServices are always available")}};
	if (sp_kv_has(sp_kv_get(obj, "spec"), "service"))
		return;
	yyjson_mut_val *status = sp_kv_need_obj(c->doc, obj, "status");
	yyjson_mut_val *list = status != NULL ? sp_kv_need_list(c->doc, status, "conditions") : NULL;
	yyjson_mut_val *cond = list != NULL ? yyjson_mut_arr_add_obj(c->doc, list) : NULL;
	SP_KIND_NEED(c, cond != NULL);
	for (size_t i = 0; cond != NULL && i < SP_LEN(members); i++)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, cond, members[i].name, members[i].value));
}

static void prepare_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const kept[] = {"labels", "annotations", "finalizers", "ownerReferences"};
	for (size_t i = 0; i < SP_LEN(kept); i++)
		SP_KIND_NEED(c, sp_kv_copy(c->doc, sp_meta(obj), sp_meta(old), kept[i]));
}

static void figure(sp_violations *v, yyjson_mut_val *spec, const char *name, int64_t max)
{
	int64_t n = sp_kv_i64(spec, name, 0);
	if (n <= 0 || n > max)
		sp_v_invalid(v, SP_AT_STR(SP_PATH("spec"), sp_str_c(name)), n,
			     "must be positive and less than %lld", (long long)max);
}

/* How many bytes base64 text is. */
static size_t bundle_bytes(sp_str text)
{
	size_t pad = sp_str_ends(text, SP_STR("==")) ? 2 : sp_str_ends(text, SP_STR("=")) ? 1 : 0;
	return text.len / 4 * 3 - SP_MIN(pad, text.len / 4 * 3);
}

static void local_validate(sp_violations *v, yyjson_mut_val *spec)
{
	sp_str bundle = sp_kv_str(spec, "caBundle");
	if (bundle.len > 0)
		sp_v_invalid(v, SP_PATH("spec.caBundle"),
			     sp_arena_printf(v->arena, "%zu bytes", bundle_bytes(bundle)),
			     "local APIServices may not have a caBundle");
	if (sp_kv_bool(spec, "insecureSkipTLSVerify"))
		sp_v_invalid(v, SP_PATH("spec.insecureSkipTLSVerify"), sp_bad_bool(true),
			     "local APIServices may not have insecureSkipTLSVerify");
}

static void service_validate(sp_violations *v, yyjson_mut_val *spec, yyjson_mut_val *service)
{
	const sp_path *path = SP_PATH("spec.service");
	int64_t port = sp_kv_i64(service, "port", 0);
	if (sp_kv_str(service, "namespace").len == 0)
		sp_v_required(v, SP_AT(path, "namespace"), "%s", "");
	if (sp_kv_str(service, "name").len == 0)
		sp_v_required(v, SP_AT(path, "name"), "%s", "");
	if (port < 1 || port > 65535)
		sp_v_invalid(v, SP_AT(path, "port"), port,
			     "port is not valid: must be between 1 and 65535, inclusive");
	if (sp_kv_bool(spec, "insecureSkipTLSVerify") && sp_kv_str(spec, "caBundle").len > 0)
		sp_v_invalid(v, SP_PATH("spec.insecureSkipTLSVerify"), sp_bad_bool(true),
			     "may not be true if caBundle is present");
}

/* Upstream holds the beginning of a generated name against the same rule. */
static void must_be(sp_violations *v, const sp_path *path, sp_str name, sp_str wanted)
{
	if (name.len > 0 && sp_name_path_segment(name).n == 0 && !sp_str_eq(name, wanted))
		sp_v_invalid(v, path, name, "must be `spec.version+\".\"+spec.group`: \"" SP_FMT "\"",
			     SP_ARG(wanted));
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_str group = sp_kv_str(spec, "group"), version = sp_kv_str(spec, "version"),
	       name = sp_meta_name(obj);
	sp_str wanted = sp_arena_printf(c->arena, SP_FMT "." SP_FMT, SP_ARG(version), SP_ARG(group));
	sp_meta_validate_generic(c, obj); /* finalizers of any form */
	must_be(v, SP_PATH("metadata.generateName"), sp_kv_str(sp_meta(obj), "generateName"), wanted);
	must_be(v, SP_PATH("metadata.name"), name, wanted);
	if (group.len == 0 && !sp_str_eq(version, SP_STR("v1")))
		sp_v_required(v, SP_PATH("spec.group"),
			      "only v1 may have an empty group and it better be legacy kube");
	if (group.len > 0)
		sp_v_dns1123_subdomain(v, SP_PATH("spec.group"), group);
	sp_v_faults(v, SP_PATH("spec.version"), version, sp_name_dns1035_label(version));
	figure(v, spec, "groupPriorityMinimum", 20000);
	figure(v, spec, "versionPriority", 1000);
	if (sp_kv_has(spec, "service"))
		service_validate(v, spec, sp_kv_get(spec, "service"));
	else
		local_validate(v, spec);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update_generic(c, obj, old);
	validate(c, obj);
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const statuses[] = {"True", "False", "Unknown"};
	sp_meta_validate_update_generic(c, obj, old);
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		sp_str s = sp_kv_str(cond, "status");
		if (!SP_STR_IN(s, statuses))
			sp_v_not_supported(c->errors,
					   SP_AT(SP_AT_I(SP_PATH("status.conditions"), i), "status"),
					   sp_bad_named(s), statuses, SP_LEN(statuses));
	}
}

static yyjson_mut_val *service_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *service = sp_kv_path(obj, "spec", "service", NULL);
	sp_str name = sp_kv_str(service, "name"), ns = sp_kv_str(service, "namespace");
	if (service == NULL)
		return sp_cell_str(c, SP_STR("Local"));
	return sp_cell_printf(c, SP_FMT "/" SP_FMT, SP_ARG(ns), SP_ARG(name));
}

static yyjson_mut_val *available_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (cond, i, sp_kv_list(sp_kv_get(obj, "status"), "conditions")) {
		sp_str status = sp_kv_str(cond, "status"), reason = sp_kv_str(cond, "reason");
		if (!sp_kv_is(cond, "type", "Available"))
			continue;
		if (sp_str_eq(status, SP_STR("True")))
			return sp_cell_str(c, status);
		return sp_cell_printf(c, SP_FMT " (" SP_FMT ")", SP_ARG(status), SP_ARG(reason));
	}
	return sp_cell_str(c, SP_STR("Unknown"));
}

static const char *const metadata_and_spec[] = {"metadata", "spec", NULL};
static const sp_sub_hooks subs[] = {{.name = SP_STR_INIT("status"),
				     .prepare_update = prepare_status,
				     .validate_update = status_validate,
				     .reset_fields = metadata_and_spec}};
static const sp_cell cells[] = {{SP_STR_INIT("Service"), service_cell},
				{SP_STR_INIT("Available"), available_cell}};

const sp_kind_hooks sp_hooks_api_service = {
	.flags = SP_KIND_HAS_STATUS,
	.name = sp_name_path_segment,
	.prepare_create = prepare_create,
	.validate = validate,
	.validate_update = validate_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

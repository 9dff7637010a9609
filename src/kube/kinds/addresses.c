/* SPDX-License-Identifier: Apache-2.0 */
/* IPAddress and ServiceCIDR of networking.k8s.io/v1: which service addresses there are and who has them. */
#include "base/ip.h"
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

/* -- IPAddress ------------------------------------------------------------------------------------------ */

static void segment(sp_violations *v, const sp_path *path, sp_str s, bool required)
{
	if (s.len > 0)
		sp_v_faults(v, path, s, sp_name_path_segment(s));
	else if (required)
		sp_v_required(v, path, "%s", "");
}

static void address_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *ref = sp_kv_path(obj, "spec", "parentRef", NULL);
	const sp_path *path = SP_PATH("spec.parentRef");
	sp_str group = sp_kv_str(ref, "group");
	sp_meta_validate(c, obj);
	/* the name is the address, in canonical form */
	if (sp_meta_name(obj).len > 0)
		sp_v_ip(v, SP_PATH("metadata.name"), sp_meta_name(obj));
	if (ref == NULL) {
		sp_v_required(v, path, "%s", "");
		return;
	}
	if (group.len > 0)
		sp_v_dns1123_subdomain(v, SP_AT(path, "group"), group);
	segment(v, SP_AT(path, "resource"), sp_kv_str(ref, "resource"), true);
	segment(v, SP_AT(path, "name"), sp_kv_str(ref, "name"), true);
	segment(v, SP_AT(path, "namespace"), sp_kv_str(ref, "namespace"), false);
}

static const sp_go_field parent_fields[] = {{"Group", "group", SP_GO_STR, NULL},
					    {"Resource", "resource", SP_GO_STR, NULL},
					    {"Namespace", "namespace", SP_GO_STR, NULL},
					    {"Name", "name", SP_GO_STR, NULL}};
static const sp_go_type go_parent = {parent_fields, SP_LEN(parent_fields)};

static void address_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *ref = sp_kv_path(obj, "spec", "parentRef", NULL);
	address_validate(c, obj);
	sp_meta_validate_update(c, obj, old);
	if (!sp_kv_equal(ref, sp_kv_path(old, "spec", "parentRef", NULL)))
		sp_v_invalid(
			c->errors, SP_PATH("spec.parentRef"),
			sp_bad_text(ref != NULL ? sp_go_struct(c->arena, &go_parent, ref) : SP_STR("null")),
			"field is immutable");
}

static yyjson_mut_val *parent_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ref = sp_kv_path(obj, "spec", "parentRef", NULL);
	sp_str group = sp_kv_str(ref, "group"), resource = sp_kv_str(ref, "resource");
	sp_str ns = sp_kv_str(ref, "namespace"), name = sp_kv_str(ref, "name");
	if (ref == NULL)
		return sp_cell_str(c, SP_STR("<none>"));
	sp_str what = sp_arena_printf(c->arena, SP_FMT "%s" SP_FMT, SP_ARG(resource),
				      group.len > 0 ? "." : "", SP_ARG(group));
	return sp_cell_printf(c, SP_FMT "%s" SP_FMT "/" SP_FMT, SP_ARG(sp_cell_lower(c, what)),
			      ns.len > 0 ? "/" : "", SP_ARG(ns), SP_ARG(name));
}

/* Upstream prints the age too, but has no column for it. */
static yyjson_mut_val *address_age_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_age(c, sp_kv_str(sp_meta(obj), "creationTimestamp"));
}

static const sp_cell address_cells[] = {{SP_STR_INIT("ParentRef"), parent_cell},
					{SP_STR_INIT(""), address_age_cell}};

const sp_kind_hooks sp_hooks_ip_address = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE,
	.name = sp_name_path_segment,
	.validate = address_validate,
	.validate_update = address_validate_update,
	.cells = address_cells,
	.n_cells = SP_LEN(address_cells),
};

/* -- ServiceCIDR ---------------------------------------------------------------------------------------- */

static void cidrs_validate(sp_violations *v, yyjson_mut_val *spec)
{
	const sp_path *path = SP_PATH("spec.cidrs");
	yyjson_mut_val *cidrs = sp_kv_list(spec, "cidrs");
	size_t n_v4 = 0, n_v6 = 0;
	sp_cidr parsed;
	if (cidrs == NULL) {
		sp_v_required(v, path, "at least one CIDR required");
		return;
	}
	if (sp_kv_len(cidrs) > 2) {
		SP_AUTO_BUF shown;
		sp_buf_init(&shown, v->arena->limit_bytes);
		(void)sp_buf_str(&shown, SP_STR("{\"CIDRs\":"));
		(void)sp_json_write_mut(&shown, cidrs);
		(void)sp_buf_char(&shown, '}');
		sp_v_invalid(v, path, sp_bad_text(sp_buf_view(&shown)), "may only hold up to 2 values");
		return;
	}
	SP_KV_EACH (cidr, i, cidrs) {
		sp_v_cidr(v, SP_AT_I(path, i), sp_jmut_str(cidr));
		if (!sp_cidr_parse(sp_jmut_str(cidr), &parsed))
			continue;
		n_v4 += parsed.ip.v4 ? 1 : 0;
		n_v6 += parsed.ip.v4 ? 0 : 1;
	}
	if (n_v4 == 2 || n_v6 == 2)
		sp_v_invalid(v, path, cidrs,
			     "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and "
			     "2001:db8::/64");
}

static void cidr_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	cidrs_validate(c->errors, sp_kv_get(obj, "spec"));
}

/* A second family may be added, nothing else. */
static void cidr_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	const sp_path *path = SP_PATH("spec.cidrs");
	yyjson_mut_val *now = sp_kv_list(sp_kv_get(obj, "spec"), "cidrs");
	yyjson_mut_val *was = sp_kv_list(sp_kv_get(old, "spec"), "cidrs");
	size_t n_now = sp_kv_len(now), n_was = sp_kv_len(was);
	sp_meta_validate_update(c, obj, old);
	if (n_now != n_was && (n_was != 1 || n_now != 2)) {
		sp_v_invalid(c->errors, path, sp_kv_get(sp_kv_get(obj, "spec"), "cidrs"),
			     "field is immutable");
		return;
	}
	yyjson_mut_val *other = yyjson_mut_arr_get_first(now);
	SP_KV_EACH (cidr, i, was) {
		if (!sp_str_eq(sp_jmut_str(cidr), sp_jmut_str(other)))
			sp_v_invalid(c->errors, SP_AT_I(path, i), sp_jmut_str(other), "field is immutable");
		other = other->next;
	}
	if (n_now != n_was)
		cidrs_validate(c->errors, sp_kv_get(obj, "spec"));
}

static void cidr_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
}

static yyjson_mut_val *cidrs_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_texts(c, sp_kv_path(obj, "spec", "cidrs", NULL), ",", "");
}

static const char *const metadata_and_spec[] = {"metadata", "spec", NULL};
static const sp_sub_hooks cidr_subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = cidr_status, .reset_fields = metadata_and_spec}};
static const sp_cell cidr_cells[] = {{SP_STR_INIT("CIDRs"), cidrs_cell}};

const sp_kind_hooks sp_hooks_service_cidr = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS | SP_KIND_STATUS_ONLY_STATUS,
	.validate = cidr_validate,
	.validate_update = cidr_validate_update,
	.reset_fields = sp_reset_status,
	.subs = cidr_subs,
	.n_subs = SP_LEN(cidr_subs),
	.cells = cidr_cells,
	.n_cells = SP_LEN(cidr_cells),
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/escalate.h"

#include "apiserver/auth.h"
#include "base/quote.h"
#include "kube/meta.h"

#define GROUP SP_STR("rbac.authorization.k8s.io")
#define TEXT_BYTES_MAX ((size_t)4 << 20)

static bool refuse(api_write *w, sp_str why)
{
	sp_status s = sp_status_forbidden(&w->arena, w->res->gr, sp_meta_name(w->obj), why);
	api_write_refuse(w, &s);
	return false;
}

static bool fail(api_write *w, sp_code code, const sp_err *err)
{
	api_write_fail(w, code, err);
	return false;
}

/* The message grows with the rules; the client gets all of it. */
static bool refuse_missing(api_write *w, api_rules *missing)
{
	const api_user *u = &w->r->user;
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)sp_buf_str(&out, SP_STR("user "));
	(void)sp_quote_go(&out, u->name);
	(void)sp_buf_str(&out, SP_STR(" (groups="));
	(void)api_strs_print(&out, u->groups, u->n_groups);
	(void)sp_buf_str(&out, SP_STR(") is attempting to grant RBAC permissions not currently held:\n"));
	if (!api_rules_compact(&w->arena, missing) || api_rules_print(&w->arena, &out, missing) != SP_OK)
		return fail(w, SP_ETOOLARGE, NULL);
	return refuse(w, sp_buf_view(&out));
}

/* What the user lacks of the rules in the request's namespace. */
static sp_code find_missing(api_write *w, const api_rules *rules, api_rules *ret, sp_err *err)
{
	api_rules owned;
	SP_TRY(api_rbac_rules_of(w->server->rbac, &w->arena, &w->r->user, w->r->info.ns, &owned, err));
	return api_rules_missing(&w->arena, &owned, rules, ret, err);
}

static bool confirm(api_write *w, const api_rules *rules)
{
	api_rules missing;
	sp_err err;
	sp_code code = find_missing(w, rules, &missing, &err);
	if (code != SP_OK)
		return fail(w, code, &err);
	return missing.n == 0 || refuse_missing(w, &missing);
}

static bool is_allowed(api_write *w, sp_str verb, sp_str resource, sp_str name)
{
	sp_str reason;
	const api_attributes what = {.is_resource = true,
				     .verb = verb,
				     .group = GROUP,
				     .resource = resource,
				     .ns = w->r->info.ns,
				     .name = name};
	return api_decide(w->server, &w->arena, &w->r->user, &what, &reason) == API_ALLOW;
}

/* ---- roles ---- */

static bool read_rules(api_write *w, api_rules *ret)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	yyjson_mut_val *rules = sp_kv_list(w->obj, "rules");
	yyjson_val *parsed = NULL;
	*ret = (api_rules){0};
	if (rules == NULL)
		return true;
	return sp_json_write_mut(&text, rules) == SP_OK &&
	       sp_json_parse(&w->arena, sp_buf_view(&text), &parsed, NULL) == SP_OK &&
	       api_rules_read(&w->arena, parsed, ret);
}

static bool aggregates(yyjson_mut_val *role)
{
	return role != NULL && sp_kv_list(sp_kv_get(role, "aggregationRule"), "clusterRoleSelectors") != NULL;
}

/* An aggregation gathers anything, so it takes the right to do everything. */
static bool confirm_aggregation(api_write *w)
{
	static sp_str star[] = {SP_STR_INIT("*")};
	const api_strs all = {star, 1};
	api_rule everything[] = {{.verbs = all, .groups = all, .resources = all},
				 {.verbs = all, .urls = all}};
	api_rules missing;
	sp_err err;
	sp_code code = find_missing(w, &(api_rules){everything, SP_LEN(everything)}, &missing, &err);
	if (code != SP_OK)
		return fail(w, code, &err);
	return missing.n == 0 ||
	       refuse(w, SP_STR("must have cluster-admin privileges to use the aggregationRule"));
}

static bool check_role(api_write *w, yyjson_mut_val *old)
{
	api_rules rules;
	if (is_allowed(w, SP_STR("escalate"), w->res->gr.resource, w->r->info.name))
		return true;
	if (!read_rules(w, &rules))
		return fail(w, SP_ETOOLARGE, NULL);
	return confirm(w, &rules) && ((!aggregates(w->obj) && !aggregates(old)) || confirm_aggregation(w));
}

/* ---- bindings ---- */

static bool check_binding(api_write *w, yyjson_mut_val *old)
{
	yyjson_mut_val *ref = sp_kv_get(w->obj, "roleRef");
	sp_str name = sp_kv_str(ref, "name");
	bool cluster = sp_kv_is(ref, "kind", "ClusterRole");
	api_rules rules;
	sp_err err;
	(void)old;
	if (!cluster && !sp_kv_is(ref, "kind", "Role"))
		return true; /* validation refuses it */
	if (is_allowed(w, SP_STR("bind"), cluster ? SP_STR("clusterroles") : SP_STR("roles"), name))
		return true;
	sp_code code =
		api_rbac_role(w->server->rbac, cluster ? SP_STR("") : w->r->info.ns, name, &rules, &err);
	if (code == SP_ENOTFOUND) {
		/* Named as upstream's storage does: the role's name with the request's resource. */
		sp_status s = sp_status_not_found(&w->arena, w->res->gr, name);
		api_write_refuse(w, &s);
		return false;
	}
	return code == SP_OK ? confirm(w, &rules) : fail(w, code, &err);
}

/* ---- the table ---- */

static const struct {
	sp_str resource;
	bool (*check)(api_write *w, yyjson_mut_val *old);
} checks[] = {
	{SP_STR_INIT("roles"), check_role},
	{SP_STR_INIT("clusterroles"), check_role},
	{SP_STR_INIT("rolebindings"), check_binding},
	{SP_STR_INIT("clusterrolebindings"), check_binding},
};

/* Owners and finalizers must always be changeable, or nothing could be collected. */
static bool changes_only_gc_fields(api_write *w, yyjson_mut_val *old)
{
	static const char *const fields[] = {"ownerReferences", "finalizers", "managedFields"};
	yyjson_mut_val *a = yyjson_mut_val_mut_copy(w->doc, w->obj),
		       *b = yyjson_mut_val_mut_copy(w->doc, old);
	if (a == NULL || b == NULL)
		return false;
	for (size_t i = 0; i < SP_LEN(fields); i++) {
		sp_kv_drop(sp_meta(a), fields[i]);
		sp_kv_drop(sp_meta(b), fields[i]);
	}
	return sp_kv_equal(a, b);
}

bool api_escalation_check(api_write *w, yyjson_mut_val *old)
{
	SP_ASSERT(w->r != NULL); /* a write without a client does not begin */
	if (!sp_str_eq(w->res->gr.group, GROUP) || api_user_is_in(&w->r->user, API_GROUP_MASTERS))
		return true;
	for (size_t i = 0; i < SP_LEN(checks); i++) {
		if (sp_str_eq(checks[i].resource, w->res->gr.resource))
			return (old != NULL && changes_only_gc_fields(w, old)) || checks[i].check(w, old);
	}
	return true;
}

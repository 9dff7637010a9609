/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/auth.h"

#include "apiserver/server_int.h"

/* What everybody may read, as the default role system:public-info-viewer says. */
static const sp_str public_paths[] = {SP_STR_INIT("/healthz"), SP_STR_INIT("/livez"), SP_STR_INIT("/readyz"),
				      SP_STR_INIT("/version"), SP_STR_INIT("/version/")};

static bool is_in_group(const api_user *u, sp_str group)
{
	for (size_t i = 0; i < u->n_groups; i++) {
		if (sp_str_eq(u->groups[i], group))
			return true;
	}
	return false;
}

static bool is_public(const api_request *r)
{
	if (r->info.is_resource || !sp_str_eq(r->info.verb, SP_STR("get")))
		return false;
	for (size_t i = 0; i < SP_LEN(public_paths); i++) {
		if (sp_str_eq(r->info.path, public_paths[i]))
			return true;
	}
	return false;
}

/* `User "u" cannot list resource "pods" in API group "" in the namespace "ns"`.
 * U: apiserver pkg/endpoints/handlers/responsewriters/errors.go */
static sp_str why_not(const api_request *r)
{
	const api_reqinfo *i = &r->info;
	if (!i->is_resource)
		return sp_arena_printf(r->arena, "User \"" SP_FMT "\" cannot " SP_FMT " path \"" SP_FMT "\"",
				       SP_ARG(r->user.name), SP_ARG(i->verb), SP_ARG(i->path));
	sp_str slash = i->subresource.len > 0 ? SP_STR("/") : SP_STR("");
	sp_str where = i->ns.len > 0
			       ? sp_arena_printf(r->arena, "in the namespace \"" SP_FMT "\"", SP_ARG(i->ns))
			       : SP_STR("at the cluster scope");
	return sp_arena_printf(r->arena,
			       "User \"" SP_FMT "\" cannot " SP_FMT " resource \"" SP_FMT SP_FMT SP_FMT
			       "\" in API group \"" SP_FMT "\" " SP_FMT,
			       SP_ARG(r->user.name), SP_ARG(i->verb), SP_ARG(i->resource), SP_ARG(slash),
			       SP_ARG(i->subresource), SP_ARG(i->group), SP_ARG(where));
}

static bool by_roles(api_request *r)
{
	const api_reqinfo *i = &r->info;
	const api_attributes what = {.is_resource = i->is_resource,
				     .verb = i->verb,
				     .group = i->group,
				     .resource = i->resource,
				     .subresource = i->subresource,
				     .ns = i->ns,
				     .name = i->name,
				     .path = i->path};
	bool yes = false;
	sp_err err;
	sp_code code = api_rbac_allows(r->server->rbac, r->arena, &r->user, &what, &yes, NULL, &err);
	if (code != SP_OK)
		sp_log(r->server->log, SP_LOG_ERROR, "roles can't be read; nobody but administrators gets in",
		       SP_KE(&err));
	return code == SP_OK && yes;
}

bool api_authorize(api_request *r)
{
	if (is_in_group(&r->user, SP_STR("system:masters")) || is_public(r) || by_roles(r))
		return true;
	sp_group_resource gr = {r->info.group, r->info.resource};
	sp_status s = sp_status_forbidden(r->arena, gr, r->info.name, why_not(r));
	api_reply_status(r, &s);
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/audit/audit.h"
#include "apiserver/auth.h"
#include "apiserver/node_authz.h"
#include "apiserver/node_scope.h"
#include "apiserver/server_int.h"
#include "base/quote.h"

api_attributes api_request_attributes(const api_request *r)
{
	const api_reqinfo *i = &r->info;
	return (api_attributes){.is_resource = i->is_resource,
				.verb = i->verb,
				.group = i->group,
				.resource = i->resource,
				.subresource = i->subresource,
				.ns = i->ns,
				.name = i->name,
				.path = i->path,
				.field_selector = i->field_selector,
				.label_selector = i->label_selector};
}

#define TEXT_BYTES_MAX ((size_t)64 << 10)

/* Upstream's texts are safe to stand in a page. */
static sp_str sanitized(sp_arena *a, sp_str text)
{
	static const char *const entities[] = {['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;"};
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = (uint8_t)text.ptr[i];
		if (c < SP_LEN(entities) && entities[c] != NULL)
			(void)sp_buf_str(&out, sp_str_c(entities[c]));
		else
			(void)sp_buf_char(&out, (char)c);
	}
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

/* `User "u" cannot list resource "pods" in API group "" in the namespace "ns"`.
 * U: apiserver pkg/endpoints/handlers/responsewriters/errors.go */
static sp_str why_not(sp_arena *a, const api_user *user, const api_attributes *what)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)sp_buf_str(&out, SP_STR("User "));
	(void)sp_quote_go(&out, user->name);
	(void)sp_buf_printf(&out, " cannot " SP_FMT, SP_ARG(what->verb));
	if (!what->is_resource) {
		(void)sp_buf_str(&out, SP_STR(" path "));
		(void)sp_quote_go(&out, what->path);
		return sanitized(a, sp_buf_view(&out));
	}
	sp_str resource = what->resource;
	if (what->subresource.len > 0)
		resource = sp_arena_printf(a, SP_FMT "/" SP_FMT, SP_ARG(resource), SP_ARG(what->subresource));
	(void)sp_buf_str(&out, SP_STR(" resource "));
	(void)sp_quote_go(&out, resource);
	(void)sp_buf_str(&out, SP_STR(" in API group "));
	(void)sp_quote_go(&out, what->group);
	if (what->ns.len > 0) {
		(void)sp_buf_str(&out, SP_STR(" in the namespace "));
		(void)sp_quote_go(&out, what->ns);
	} else {
		(void)sp_buf_str(&out, SP_STR(" at the cluster scope"));
	}
	return sanitized(a, sp_buf_view(&out));
}

sp_status api_forbidden(sp_arena *a, const api_user *user, const api_attributes *what, sp_str reason)
{
	sp_str why = why_not(a, user, what);
	if (reason.len > 0)
		why = sp_arena_printf(a, SP_FMT ": " SP_FMT, SP_ARG(why), SP_ARG(reason));
	return sp_status_forbidden(a, (sp_group_resource){what->group, what->resource}, what->name, why);
}

/* ---- the authorizers ---- */

static api_decision by_roles(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			     sp_str *ret_reason)
{
	bool yes = false;
	sp_err err;
	if (api_rbac_allows(s->rbac, a, user, what, &yes, ret_reason, &err) == SP_OK)
		return yes ? API_ALLOW : API_NO_OPINION;
	sp_log(s->log, SP_LOG_ERROR, "roles can't be read; nobody but administrators gets in", SP_KE(&err));
	return API_NO_OPINION;
}

static api_decision always(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			   sp_str *ret_reason)
{
	(void)s;
	(void)a;
	(void)user;
	(void)what;
	*ret_reason = (sp_str){NULL, 0};
	return API_ALLOW;
}

static api_decision never(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			  sp_str *ret_reason)
{
	(void)s;
	(void)a;
	(void)user;
	(void)what;
	*ret_reason = SP_STR("Everything is forbidden.");
	return API_NO_OPINION;
}

static const struct {
	sp_str name;
	api_decision (*ask)(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			    sp_str *ret_reason);
} authorizers[API_AUTHORIZER_COUNT_] = {
	[API_AUTHORIZER_NODE] = {SP_STR_INIT("Node"), api_node_decide},
	[API_AUTHORIZER_RBAC] = {SP_STR_INIT("RBAC"), by_roles},
	[API_AUTHORIZER_ALWAYS_ALLOW] = {SP_STR_INIT("AlwaysAllow"), always},
	[API_AUTHORIZER_ALWAYS_DENY] = {SP_STR_INIT("AlwaysDeny"), never},
};

sp_code api_authorization_modes(sp_str text, api_authorization *ret, sp_err *err)
{
	api_authorization list = {0};
	sp_str name;
	while (text.len > 0) {
		unsigned m = 0;
		(void)sp_str_next(&text, ',', &name);
		while (m < API_AUTHORIZER_COUNT_ && !sp_str_eq(authorizers[m].name, name))
			m++;
		if (m == API_AUTHORIZER_COUNT_)
			return sp_fail(err, SP_EINVAL, "unknown authorization mode '" SP_FMT "'",
				       SP_ARG(name));
		for (size_t i = 0; i < list.n; i++) {
			if (list.modes[i] == m)
				return sp_fail(err, SP_EINVAL, "authorization mode '" SP_FMT "' stands twice",
					       SP_ARG(name));
		}
		list.modes[list.n++] = (uint8_t)m;
	}
	if (list.n == 0)
		return sp_fail(err, SP_EINVAL, "at least one authorization mode is needed");
	*ret = list;
	return SP_OK;
}

api_decision api_decide(api_server *s, sp_arena *a, const api_user *user, const api_attributes *what,
			sp_str *ret_reason)
{
	sp_str all = {NULL, 0};
	*ret_reason = all;
	/* Upstream's first authorizer, whatever the modes. */
	if (api_user_is_in(user, API_GROUP_MASTERS))
		return API_ALLOW;
	if (api_node_scope_decide(s, a, user, what, ret_reason) == API_DENY)
		return API_DENY;
	for (size_t i = 0; i < s->authorization.n; i++) {
		sp_str reason = {NULL, 0};
		api_decision d = authorizers[s->authorization.modes[i]].ask(s, a, user, what, &reason);
		if (d != API_NO_OPINION) {
			*ret_reason = reason;
			return d;
		}
		if (reason.len > 0)
			all = all.len == 0
				      ? reason
				      : sp_arena_printf(a, SP_FMT "\n" SP_FMT, SP_ARG(all), SP_ARG(reason));
	}
	*ret_reason = all;
	return API_NO_OPINION;
}

bool api_authorize(api_request *r)
{
	sp_str reason;
	api_attributes what = api_request_attributes(r);
	bool allowed = api_decide(r->server, r->arena, &r->user, &what, &reason) == API_ALLOW;
	api_audit_note(r, SP_STR("authorization.k8s.io/decision"),
		       allowed ? SP_STR("allow") : SP_STR("forbid"));
	api_audit_note(r, SP_STR("authorization.k8s.io/reason"), reason);
	if (allowed)
		return true;
	sp_status s = api_forbidden(r->arena, &r->user, &what, reason);
	api_reply_status(r, &s);
	return false;
}

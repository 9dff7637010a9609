/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acting as somebody else. Each mode first asks whether the request may be made in it
 * ("impersonate-on:MODE:VERB"), then whether each part of the wanted user may be taken ("impersonate:MODE");
 * the oldest mode only the latter ("impersonate").
 */
#include <stdlib.h>

#include "apiserver/audit/audit.h"
#include "apiserver/auth.h"
#include "apiserver/server_int.h"
#include "base/quote.h"
#include "kube/names.h"

#define AUTHENTICATION SP_STR("authentication.k8s.io")
#define TEXT_BYTES_MAX ((size_t)256 << 10)
/* From so many parts on, one question about all of them comes first. */
#define MANY 4u

/* ---- the headers ---- */

static const sp_str extra_prefix = SP_STR_INIT("impersonate-extra-");

/* What the headers ask for, nothing filled in. False: no room. */
static bool read_wanted(api_request *r, api_user *ret, bool *ret_any)
{
	const sp_http_fields *h = &r->ex->headers;
	sp_str *groups = sp_try_new(r->arena, sp_str, (size_t)h->n + 1);
	api_extra *extra = sp_try_new(r->arena, api_extra, (size_t)h->n + 1);
	if (groups == NULL || extra == NULL)
		return false;
	*ret = (api_user){.name = sp_http_get(h, SP_HTTP_IMPERSONATE_USER),
			  .uid = sp_http_find(h, SP_STR("impersonate-uid")),
			  .groups = groups,
			  .extra = extra};
	for (uint32_t i = 0; i < h->n; i++) {
		if (sp_str_eq(h->at[i].name, SP_STR("impersonate-group")))
			groups[ret->n_groups++] = h->at[i].value;
		else if (sp_str_starts(h->at[i].name, extra_prefix) &&
			 !api_extra_add(r->arena, extra, &ret->n_extra,
					api_extra_key(r->arena, h->at[i].name, extra_prefix.len),
					h->at[i].value))
			return false;
	}
	*ret_any = ret->name.len > 0 || ret->uid.len > 0 || ret->n_groups > 0 || ret->n_extra > 0;
	return true;
}

static void print_list(sp_buf *out, const sp_str *items, size_t n)
{
	(void)sp_buf_str(out, n == 0 ? SP_STR("[]string(nil)") : SP_STR("[]string{"));
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_str(out, i > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_quote_go(out, items[i]);
	}
	if (n > 0)
		(void)sp_buf_char(out, '}');
}

static int by_key(const void *a, const void *b)
{
	return sp_str_cmp(((const api_extra *)a)->key, ((const api_extra *)b)->key);
}

/* Go's %#v of the user. */
static void refuse_nameless(api_request *r, const api_user *u)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	(void)sp_buf_str(&out, SP_STR("requested &user.DefaultInfo{Name:\"\", UID:"));
	(void)sp_quote_go(&out, u->uid);
	(void)sp_buf_str(&out, SP_STR(", Groups:"));
	print_list(&out, u->groups, u->n_groups);
	(void)sp_buf_str(&out, u->n_extra == 0 ? SP_STR(", Extra:map[string][]string(nil)")
					       : SP_STR(", Extra:map[string][]string{"));
	for (size_t i = 0; i < u->n_extra; i++) {
		(void)sp_buf_str(&out, i > 0 ? SP_STR(", ") : SP_STR(""));
		(void)sp_quote_go(&out, u->extra[i].key);
		(void)sp_buf_char(&out, ':');
		print_list(&out, u->extra[i].values, u->extra[i].n);
	}
	(void)sp_buf_str(&out, u->n_extra == 0 ? SP_STR("} without impersonating a user name")
					       : SP_STR("}} without impersonating a user name"));
	sp_status s = sp_status_bad_request(sp_buf_view(&out));
	api_reply_status(r, &s);
}

/* ---- modes ---- */

static bool has_only_name(const api_user *u)
{
	return u->uid.len == 0 && u->n_groups == 0 && u->n_extra == 0;
}

static bool is_node(const api_user *u)
{
	sp_str node;
	return api_user_node_name(u->name, &node) && sp_name_dns1123_subdomain(node).n == 0;
}

static bool is_service_account(const api_user *u)
{
	sp_str ns, name;
	return api_user_service_account(u->name, &ns, &name);
}

/* A service account whose token is bound to the node that it wants to be. */
static bool fits_associated_node(const api_user *wanted, const api_user *by)
{
	sp_str node;
	return has_only_name(wanted) && is_node(wanted) && is_service_account(by) &&
	       api_user_node_name(wanted->name, &node) &&
	       sp_str_eq(api_user_extra(by, SP_STR("authentication.kubernetes.io/node-name")), node);
}

static bool fits_node(const api_user *wanted, const api_user *by)
{
	(void)by;
	return has_only_name(wanted) && is_node(wanted);
}

static bool fits_service_account(const api_user *wanted, const api_user *by)
{
	(void)by;
	return has_only_name(wanted) && is_service_account(wanted);
}

static bool fits_user(const api_user *wanted, const api_user *by)
{
	(void)by;
	return !is_node(wanted) && !is_service_account(wanted);
}

typedef struct mode {
	const char *name; /* NULL: the oldest one, without conditions */
	bool (*fits)(const api_user *wanted, const api_user *by);
	bool any_node; /* the question is about all nodes, whichever is wanted */
} mode;

static const mode modes[] = {
	{"associated-node", fits_associated_node, true},
	{"arbitrary-node", fits_node, false},
	{"serviceaccount", fits_service_account, false},
	{"user-info", fits_user, false},
	{NULL, NULL, false},
};

/* One try. */
typedef struct attempt {
	api_request *r;
	const mode *mode;
	const api_user *wanted;
	sp_str verb;
	sp_status refusal;
} attempt;

static bool refuse(attempt *t, const api_attributes *what, sp_str why)
{
	t->refusal = api_forbidden(t->r->arena, &t->r->user, what, why);
	return false;
}

static bool may(attempt *t, const api_attributes *what)
{
	sp_str reason;
	return api_decide(t->r->server, t->r->arena, &t->r->user, what, &reason) == API_ALLOW ||
	       refuse(t, what, reason);
}

static api_attributes about(const attempt *t, sp_str group, sp_str resource, sp_str name)
{
	return (api_attributes){
		.is_resource = true, .verb = t->verb, .group = group, .resource = resource, .name = name};
}

/* Names and groups are the core group's in the oldest mode. */
static sp_str name_group(const attempt *t)
{
	return t->mode->name == NULL ? SP_STR("") : AUTHENTICATION;
}

static bool may_take_name(attempt *t)
{
	api_attributes what = about(t, name_group(t), SP_STR("users"), t->wanted->name);
	if (t->mode->name != NULL && is_node(t->wanted)) {
		what.resource = SP_STR("nodes");
		(void)api_user_node_name(t->wanted->name, &what.name);
		if (t->mode->any_node)
			what.name = SP_STR("*");
	} else if (api_user_service_account(t->wanted->name, &what.ns, &what.name)) {
		what.resource = SP_STR("serviceaccounts");
	}
	return may(t, &what);
}

static bool may_take_groups(attempt *t)
{
	const api_user *u = t->wanted;
	bool constrained = t->mode->name != NULL;
	api_attributes what = about(t, name_group(t), SP_STR("groups"), SP_STR(""));
	if (constrained && u->n_groups > 0 && api_user_is_in(u, SP_STR("")))
		return refuse(t, &what, SP_STR("impersonating the empty string group is not allowed"));
	if (constrained && api_user_is_in(u, API_GROUP_MASTERS)) {
		what.name = API_GROUP_MASTERS;
		return refuse(t, &what, SP_STR("impersonating the system:masters group is not allowed"));
	}
	what.name = SP_STR("*");
	if (constrained && u->n_groups >= MANY && may(t, &what))
		return true;
	for (size_t i = 0; i < u->n_groups; i++) {
		what.name = u->groups[i];
		if (!may(t, &what))
			return false;
	}
	return true;
}

/* "example.com/key" in lower case. */
static bool is_extra_key(sp_str key)
{
	sp_str domain;
	if (!sp_str_cut(&key, '/', &domain) || sp_name_dns1123_subdomain(domain).n > 0 || key.len == 0)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] >= 'A' && key.ptr[i] <= 'Z')
			return false;
	}
	return true;
}

static sp_str extra_fault(const api_extra *e)
{
	if (e->key.len == 0)
		return SP_STR("impersonating the empty string key in extra is not allowed");
	if (!is_extra_key(e->key))
		return SP_STR("impersonating an invalid key in extra is not allowed");
	for (size_t i = 0; i < e->n; i++) {
		if (e->values[i].len == 0)
			return SP_STR("impersonating the empty string value in extra is not allowed");
	}
	return (sp_str){NULL, 0};
}

static bool may_take_values(attempt *t, const api_extra *e)
{
	api_attributes what = about(t, AUTHENTICATION, SP_STR("userextras"), SP_STR(""));
	what.subresource = e->key;
	for (size_t i = 0; i < e->n; i++) {
		what.name = e->values[i];
		if (!may(t, &what))
			return false;
	}
	return true;
}

static bool may_take_extra(attempt *t)
{
	const api_user *u = t->wanted;
	bool constrained = t->mode->name != NULL;
	size_t n_values = 0;
	api_attributes what = about(t, AUTHENTICATION, SP_STR("userextras"), SP_STR(""));
	for (size_t i = 0; i < u->n_extra; i++) {
		sp_str fault = constrained ? extra_fault(&u->extra[i]) : (sp_str){NULL, 0};
		if (fault.len > 0)
			return refuse(t, &what, fault);
		n_values += u->extra[i].n;
	}
	what.subresource = what.name = SP_STR("*");
	if (constrained && n_values >= MANY && may(t, &what))
		return true;
	for (size_t i = 0; i < u->n_extra; i++) {
		if (!may_take_values(t, &u->extra[i]))
			return false;
	}
	return true;
}

static bool may_take_uid(attempt *t)
{
	api_attributes what = about(t, AUTHENTICATION, SP_STR("uids"), t->wanted->uid);
	return t->wanted->uid.len == 0 || may(t, &what);
}

/* May this very request be made in the mode? */
static bool may_act(attempt *t)
{
	api_attributes what = api_request_attributes(t->r);
	what.verb =
		sp_arena_printf(t->r->arena, "impersonate-on:%s:" SP_FMT, t->mode->name, SP_ARG(what.verb));
	return may(t, &what);
}

static bool try_mode(attempt *t)
{
	t->verb = t->mode->name == NULL ? SP_STR("impersonate")
					: sp_arena_printf(t->r->arena, "impersonate:%s", t->mode->name);
	return (t->mode->name == NULL || may_act(t)) && may_take_name(t) && may_take_uid(t) &&
	       may_take_groups(t) && may_take_extra(t);
}

/* The groups that come with the name, when none were asked for. */
static bool complete(sp_arena *a, const mode *m, api_user *u)
{
	static const sp_str node_groups[] = {SP_STR_INIT("system:nodes")};
	sp_str ns, name;
	api_user account;
	if (m->name != NULL && is_node(u)) {
		u->groups = node_groups;
		u->n_groups = 1;
	} else if (u->n_groups == 0 && api_user_service_account(u->name, &ns, &name)) {
		if (!api_user_of_service_account(a, ns, name, u->uid, &account))
			return false;
		u->groups = account.groups;
		u->n_groups = account.n_groups;
	}
	if (sp_str_eq(u->name, API_USER_ANONYMOUS))
		return api_user_add_group(a, u, API_GROUP_UNAUTHENTICATED);
	return api_user_settle_groups(a, u);
}

bool api_impersonate(api_request *r)
{
	api_user wanted;
	bool any, refused = false;
	sp_status refusal = {0};
	if (!read_wanted(r, &wanted, &any)) {
		api_reply_error(r, SP_ENOMEM, NULL);
		return false;
	}
	if (!any)
		return true;
	qsort((void *)(uintptr_t)wanted.extra, wanted.n_extra, sizeof *wanted.extra, by_key);
	if (wanted.name.len == 0) {
		refuse_nameless(r, &wanted);
		return false;
	}
	for (size_t i = 0; i < SP_LEN(modes); i++) {
		attempt t = {.r = r, .mode = &modes[i], .wanted = &wanted};
		if (modes[i].fits != NULL && !modes[i].fits(&wanted, &r->user))
			continue;
		if (try_mode(&t)) {
			if (complete(r->arena, &modes[i], &wanted)) {
				r->user = wanted;
				api_audit_impersonated(r, modes[i].name);
				return true;
			}
			refusal = api_status_of(r, SP_ENOMEM, NULL);
			break;
		}
		if (!refused)
			refusal = t.refusal;
		refused = true;
	}
	api_reply_status(r, &refusal);
	return false;
}

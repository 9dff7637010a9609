/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/proxy/connect.h"

#include "apiserver/admission/hooks.h"
#include "apiserver/auth.h"
#include "apiserver/write.h"

/* ---- which ---- */

enum {
	BY_UPGRADE = 1u << 0, /* GET and POST; a change of protocol, which needs to be allowed to create */
	BELOW = 1u << 1,      /* all methods; what follows in the path is the server's */
};

typedef struct connect_row {
	sp_str resource, subresource;
	unsigned how;
	api_connect_fn *fn;
} connect_row;

static const connect_row rows[] = {
	{SP_STR_INIT("pods"), SP_STR_INIT("exec"), BY_UPGRADE, api_connect_exec},
	{SP_STR_INIT("pods"), SP_STR_INIT("attach"), BY_UPGRADE, api_connect_attach},
	{SP_STR_INIT("pods"), SP_STR_INIT("portforward"), BY_UPGRADE, api_connect_port_forward},
	{SP_STR_INIT("pods"), SP_STR_INIT("proxy"), BELOW, api_connect_pod},
	{SP_STR_INIT("services"), SP_STR_INIT("proxy"), BELOW, api_connect_service},
	{SP_STR_INIT("nodes"), SP_STR_INIT("proxy"), BELOW, api_connect_node},
};

static const connect_row *find_row(const api_request *r)
{
	for (size_t i = 0; r->res->gr.group.len == 0 && r->sub != NULL && i < SP_LEN(rows); i++) {
		if (sp_str_eq(rows[i].resource, r->res->gr.resource) &&
		    sp_str_eq(rows[i].subresource, r->sub->name))
			return &rows[i];
	}
	return NULL;
}

static bool takes_method(const connect_row *w, sp_http_method m)
{
	if (w->how == BY_UPGRADE)
		return m == SP_HTTP_GET || m == SP_HTTP_POST;
	return m != SP_HTTP_CONNECT && m != SP_HTTP_TRACE && m != SP_HTTP_OTHER;
}

bool api_connect_takes(const api_request *r)
{
	const connect_row *w = find_row(r);
	return w != NULL && takes_method(w, r->ex->method_id) && r->info.name.len > 0 &&
	       (r->res->kind->namespaced ? r->info.ns.len > 0 : r->info.ns.len == 0) &&
	       (w->how == BELOW || r->info.rest.len == 0);
}

/* ---- errors ---- */

void api_reply_plain(api_request *r, sp_str message)
{
	const sp_status s = {.code = 500, .message = message};
	api_reply_status(r, &s);
}

void api_reply_bad_request(api_request *r, sp_str message)
{
	sp_status s = sp_status_bad_request(message);
	api_reply_status(r, &s);
}

/* ---- whether it may ---- */

/* A GET that becomes an exec is no reading. U: kubernetes pkg/registry/core/pod/rest/authorize.go */
static bool may_create(api_request *r)
{
	sp_str reason;
	api_attributes what = api_request_attributes(r);
	if (sp_str_eq(what.verb, SP_STR("create")))
		return true;
	what.verb = SP_STR("create");
	if (api_decide(r->server, r->arena, &r->user, &what, &reason) == API_ALLOW)
		return true;
	sp_status s = sp_status_forbidden(r->arena, r->res->gr, r->info.name, reason);
	api_reply_status(r, &s);
	return false;
}

/* The write that carried the options through admission ends here. */
static void on_admitted(api_write *w)
{
	api_request *r = w->r;
	const connect_row *row = find_row(r);
	yyjson_mut_doc *doc = sp_json_doc(r->arena);
	yyjson_mut_val *options = doc == NULL ? NULL : yyjson_mut_val_mut_copy(doc, w->obj);
	r->state = NULL;
	r->on_gone = NULL;
	api_write_abandon(w);
	if (options == NULL)
		api_reply_error(r, SP_ENOMEM, NULL);
	else if (row->how == BELOW || may_create(r))
		row->fn(r, options);
}

static void on_mutated(api_write *w)
{
	const api_admit admit = {.w = w, .op = API_OP_CONNECT, .obj = w->obj, .is_body = true};
	w->step_began_ns = sp_clock_ns(w->server->world);
	api_admit_validating(&admit, on_admitted);
}

/* The path below the proxy is an option, too. */
static bool put_path(api_request *r, yyjson_mut_doc *doc, yyjson_mut_val *options)
{
	sp_str path = r->info.path, rest = r->info.rest;
	bool slash = path.len > 0 && path.ptr[path.len - 1] == '/';
	rest = sp_arena_printf(r->arena, "%s" SP_FMT, rest.len > 0 && rest.ptr[0] != '/' ? "/" : "",
			       SP_ARG(rest));
	if (slash && (rest.len == 0 || rest.ptr[rest.len - 1] != '/'))
		rest = sp_arena_printf(r->arena, SP_FMT "/", SP_ARG(rest));
	return sp_kv_set_str(doc, options, "path", rest);
}

void api_connect(api_request *r)
{
	const connect_row *row = find_row(r);
	if (sp_url_query_find(&r->query, SP_STR("dryRun")) != NULL) {
		api_reply_bad_request(r, SP_STR("dryRun is not supported"));
		return;
	}
	api_write *w = api_write_new(r, NULL, false);
	if (w == NULL)
		return;
	w->body_res = api_subresource_body(&r->server->resources, r->res, r->sub);
	w->obj = api_query_options(r, w->doc, w->body_res->kind->schema);
	if (w->obj == NULL)
		return;
	if (!sp_kv_set_str(w->doc, w->obj, "kind", w->body_res->kind->kind) ||
	    !sp_kv_set_str(w->doc, w->obj, "apiVersion", w->body_res->api_version) ||
	    (row->how == BELOW && !put_path(r, w->doc, w->obj))) {
		api_write_fail(w, SP_ENOMEM, NULL);
		return;
	}
	const api_admit admit = {.w = w, .op = API_OP_CONNECT, .obj = w->obj, .is_body = true};
	w->step_began_ns = sp_clock_ns(w->server->world);
	api_hooks_mutate(&admit, on_mutated);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "client/status_server.h"

#include "base/alloc.h"
#include "base/json_out.h"
#include "base/list.h"
#include "base/url.h"
#include "io/https_server.h"

#define CONNECTIONS_MAX 256u
#define PAGE_BYTES_MAX ((size_t)64 << 20)
#define TEXT_BYTES_MAX ((size_t)64 << 10)

struct sp_status_server {
	sp_status_opts opts;
	sp_https_server *https;
	sp_list requests;
};

typedef struct request {
	sp_list node;
	sp_status_server *server;
	sp_http_exchange *ex;
	sp_str path;
	sp_url_query query;
	sp_review review;
} request;

/* ---- answers ---- */

static void answer(request *r, uint16_t status, sp_str type, sp_str text)
{
	const sp_http_header headers[] = {{SP_STR("content-type"), type},
					  {SP_STR("cache-control"), SP_STR("no-cache, private")},
					  {SP_STR("x-content-type-options"), SP_STR("nosniff")}};
	if (sp_http_respond(r->ex, status, headers, SP_LEN(headers), text, NULL) != SP_OK)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

#define PLAIN SP_STR("text/plain; charset=utf-8")

/* A Status as an API server answers with. */
static void refuse(request *r, uint16_t status, sp_str reason, sp_str message)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Status"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_close(&j, '}');
	sp_jout_member_str(&j, SP_STR("status"), SP_STR("Failure"));
	sp_jout_member_str(&j, SP_STR("message"), message);
	sp_jout_member_str(&j, SP_STR("reason"), reason);
	if (status == 403) {
		sp_jout_member_open(&j, SP_STR("details"), '{');
		sp_jout_close(&j, '}');
	}
	sp_jout_member_i64(&j, SP_STR("code"), status);
	sp_jout_close(&j, '}');
	answer(r, status, SP_STR("application/json"),
	       sp_buf_code(&out) == SP_OK ? sp_buf_view(&out) : SP_STR("{}"));
}

static void answer_page(request *r, const sp_status_page *page)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, PAGE_BYTES_MAX);
	if (page->write(r->server->opts.arg, &out) != SP_OK || sp_buf_code(&out) != SP_OK)
		answer(r, 500, PLAIN, SP_STR("the page cannot be made\n"));
	else
		answer(r, 200, page->type, sp_buf_view(&out));
}

/* ---- health ---- */

static const struct {
	sp_str name;
	unsigned at;
} endpoints[] = {{SP_STR_INIT("healthz"), SP_STATUS_HEALTHZ},
		 {SP_STR_INIT("livez"), SP_STATUS_LIVEZ},
		 {SP_STR_INIT("readyz"), SP_STATUS_READYZ}};

static bool has(const request *r, const char *name, sp_str value)
{
	for (size_t i = 0; i < r->query.n; i++) {
		if (sp_str_eq(r->query.pairs[i].key, sp_str_c(name)) &&
		    (value.ptr == NULL || sp_str_eq(r->query.pairs[i].value, value)))
			return true;
	}
	return false;
}

static bool always(void *arg)
{
	(void)arg;
	return true;
}

static const sp_status_check ping = {.name = SP_STR_INIT("ping"), .ok = always};

/* The next check of an endpoint from *at on; "ping" when it has none. NULL: no more. */
static const sp_status_check *next_check(const sp_status_server *s, size_t endpoint, size_t *at)
{
	const sp_status_opts *o = &s->opts;
	bool first = *at == 0;
	while (*at < o->n_checks) {
		const sp_status_check *c = &o->checks[(*at)++];
		if ((c->at & endpoints[endpoint].at) != 0 && (c->applies == NULL || c->applies(o->arg)))
			return c;
	}
	*at = o->n_checks + 1;
	return first ? &ping : NULL;
}

static void report(const request *r, const sp_status_check *c, sp_buf *out, bool *all)
{
	bool excluded = has(r, "exclude", c->name), ok = excluded || c->ok(r->server->opts.arg);
	*all &= ok;
	(void)sp_buf_printf(out, "[%c]" SP_FMT " %s\n", ok ? '+' : '-', SP_ARG(c->name),
			    excluded ? "excluded: ok"
			    : ok     ? "ok"
				     : "failed: reason withheld");
}

static void answer_health(request *r, size_t endpoint)
{
	SP_AUTO_BUF out;
	const sp_status_check *c;
	bool all = true;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	for (size_t at = 0; (c = next_check(r->server, endpoint, &at)) != NULL;)
		report(r, c, &out, &all);
	(void)sp_buf_printf(&out, SP_FMT " check %s\n", SP_ARG(endpoints[endpoint].name),
			    all ? "passed" : "failed");
	if (all && !has(r, "verbose", (sp_str){0}))
		answer(r, 200, PLAIN, SP_STR("ok"));
	else
		answer(r, all ? 200 : 500, PLAIN, sp_buf_view(&out));
}

static void answer_check(request *r, const sp_status_check *c)
{
	if (c->ok(r->server->opts.arg))
		answer(r, 200, PLAIN, SP_STR("ok"));
	else
		answer(r, 500, PLAIN, SP_STR("internal server error: reason withheld\n"));
}

/* The endpoint that a path is of, with what follows its name; SP_LEN(endpoints): of none. */
static size_t endpoint_of(sp_str path, sp_str *ret_check)
{
	for (size_t i = 0; i < SP_LEN(endpoints); i++) {
		*ret_check = path;
		if (sp_str_take(ret_check, SP_STR("/")) && sp_str_take(ret_check, endpoints[i].name) &&
		    (ret_check->len == 0 || sp_str_take(ret_check, SP_STR("/"))))
			return i;
	}
	return SP_LEN(endpoints);
}

static bool serve_health(request *r)
{
	const sp_status_check *c;
	sp_str name;
	size_t e = endpoint_of(r->path, &name);
	if (e == SP_LEN(endpoints))
		return false;
	if (name.len == 0) {
		answer_health(r, e);
		return true;
	}
	for (size_t at = 0; (c = next_check(r->server, e, &at)) != NULL;) {
		if (sp_str_eq(c->name, name)) {
			answer_check(r, c);
			return true;
		}
	}
	return false;
}

/* ---- requests ---- */

static void serve(request *r)
{
	const sp_status_opts *o = &r->server->opts;
	for (size_t i = 0; i < o->n_pages; i++) {
		if (sp_str_eq(r->path, o->pages[i].path)) {
			answer_page(r, &o->pages[i]);
			return;
		}
	}
	if (!serve_health(r))
		answer(r, 404, PLAIN, SP_STR("404 page not found\n"));
}

static void reviewed(sp_review *v, sp_review_verdict verdict)
{
	request *r = v->arg;
	switch (verdict) {
	case SP_REVIEW_ALLOWED:
		serve(r);
		return;
	case SP_REVIEW_FORBIDDEN:
		refuse(r, 403, SP_STR("Forbidden"),
		       SP_CONCAT(&r->ex->arena, SP_STR("forbidden: User \""), v->user, SP_STR("\" cannot "),
				 v->verb, SP_STR(" path \""), r->path, SP_STR("\"")));
		return;
	case SP_REVIEW_UNKNOWN:
		refuse(r, 401, SP_STR("Unauthorized"), SP_STR("Unauthorized"));
		return;
	case SP_REVIEW_FAILED:
		answer(r, 500, PLAIN,
		       SP_CONCAT(&r->ex->arena, SP_STR("Internal Server Error: \""), r->path, SP_STR("\": "),
				 v->message, SP_STR("\n")));
		return;
	}
	SP_UNREACHABLE();
}

static bool is_open(const sp_status_server *s, sp_str path)
{
	sp_str list = s->opts.open, one;
	while (sp_str_next(&list, ',', &one)) {
		one = sp_str_trim(one);
		bool front = sp_str_ends(one, SP_STR("*"));
		if (front ? sp_str_starts(path, sp_str_sub(one, 0, one.len - 1)) : sp_str_eq(path, one))
			return true;
	}
	return false;
}

static void on_close(sp_http_exchange *ex, const sp_err *err)
{
	request *r = ex->arg;
	(void)err;
	sp_review_cancel(&r->review);
	sp_list_remove(&r->node);
	sp_free(r);
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	static const sp_http_events events = {.on_close = on_close};
	sp_status_server *s = arg;
	request *r = sp_try_alloc(sizeof *r);
	if (r == NULL) {
		sp_http_reset(ex, SP_HTTP2_INTERNAL_ERROR);
		return;
	}
	r->server = s;
	r->ex = ex;
	sp_list_push_back(&s->requests, &r->node);
	sp_http_handle(ex, &events, r);
	sp_str query = ex->path;
	(void)sp_str_cut(&query, '?', &r->path);
	if (r->path.ptr == NULL) {
		r->path = ex->path;
		query = (sp_str){0};
	}
	if (sp_url_query_parse(&ex->arena, query, &r->query, NULL) != SP_OK) {
		answer(r, 400, PLAIN, SP_STR("the query cannot be read\n"));
		return;
	}
	r->review = (sp_review){.client = s->opts.client,
				.ex = ex,
				.anonymous = true,
				.always = is_open(s, r->path),
				.verb = sp_review_verb(ex),
				.path = r->path,
				.done = reviewed,
				.arg = r};
	sp_review_start(&r->review);
}

/* ---- life ---- */

sp_code sp_status_server_open(const sp_status_opts *o, sp_status_server **ret, sp_err *err)
{
	sp_status_server *s = SP_NEW(sp_status_server);
	const sp_http_server_opts http = {
		.n_connections = CONNECTIONS_MAX, .on_request = on_request, .arg = s};
	s->opts = *o;
	sp_list_init(&s->requests);
	sp_code code =
		sp_https_server_open(sp_client_world(o->client), o->address, o->tls, &http, &s->https, err);
	if (code != SP_OK) {
		sp_free(s);
		return code;
	}
	*ret = s;
	return SP_OK;
}

sp_str sp_status_server_address(const sp_status_server *s)
{
	return sp_https_server_address(s->https);
}

void sp_status_server_close(sp_status_server *s, void (*done)(void *arg), void *arg)
{
	/* Requests under way need the client, which is about to go. */
	SP_LIST_FOREACH (node, &s->requests) {
		request *r = SP_CONTAINER_OF(node, request, node);
		sp_review_cancel(&r->review);
		sp_http_reset(r->ex, SP_HTTP2_CANCEL);
	}
	sp_https_server_close(s->https, 0, done, arg);
}

void sp_status_server_free(sp_status_server *s)
{
	if (s == NULL)
		return;
	sp_https_server_free(s->https);
	sp_free(s);
}

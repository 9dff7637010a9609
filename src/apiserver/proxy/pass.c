/* SPDX-License-Identifier: Apache-2.0 */
/* One request passed on: two exchanges, each the brake of the other; or two streams, joined. */
#include "apiserver/proxy/proxy.h"
#include "apiserver/proxy/rewrite.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "io/splice.h"
#include "io/ws/handshake.h"
#include "io/ws/tunnel.h"

typedef struct pass {
	api_proxy_job job;
	api_request *r;       /* NULL: the client's exchange is over */
	sp_http_exchange *up; /* NULL: over */
	sp_stream *back;      /* the server's connection, while the client's is not there yet */
	sp_splice *splice;
	api_rewrite *html;  /* NULL: the body goes on as it is */
	api_proxy_target t; /* texts in r's arena */
	bool tunnel;        /* the server has upgraded */
	bool begun;         /* its answer is passed back */
	bool ended;         /* our answer is whole */
} pass;

/* ---- life ---- */

static void maybe_free(pass *p)
{
	if (p->r != NULL || p->up != NULL || p->splice != NULL)
		return;
	if (p->back != NULL)
		sp_stream_close(p->back);
	api_proxy_job_end(&p->job);
	api_rewrite_free(p->html);
	sp_free(p);
}

static void cut(pass *p)
{
	if (p->r != NULL)
		sp_http_reset(p->r->ex, SP_HTTP2_CANCEL);
	if (p->up != NULL && !p->tunnel)
		sp_http_reset(p->up, SP_HTTP2_CANCEL);
}

static void abort_job(api_proxy_job *j)
{
	pass *p = SP_CONTAINER_OF(j, pass, job);
	if (p->splice != NULL)
		sp_splice_abort(p->splice);
	else
		cut(p);
}

/* The client's exchange is over; joined bytes may still flow. */
static void on_gone(api_request *r)
{
	pass *p = r->state;
	r->state = NULL;
	p->r = NULL;
	if (p->up != NULL && !p->tunnel)
		sp_http_reset(p->up, SP_HTTP2_CANCEL);
	maybe_free(p);
}

static void fail(pass *p, api_proxy_fault fault, uint16_t status, const sp_err *err)
{
	if (p->up != NULL)
		sp_http_reset(p->up, SP_HTTP2_CANCEL);
	if (p->r != NULL && !p->r->answered)
		p->t.fail(p->r, &p->t, fault, status, err);
}

/* ---- the request's body ---- */

static void on_request_bytes(api_request *r, const uint8_t *bytes, size_t n)
{
	pass *p = r->state;
	if (p == NULL || p->up == NULL)
		return; /* the answer came first */
	if (sp_http_write(p->up, (sp_str){(const char *)bytes, n}, NULL) != SP_OK)
		sp_http_reset(p->up, SP_HTTP2_INTERNAL_ERROR);
	else if (sp_http_is_full(p->up))
		sp_http_read(r->ex, false);
}

static void on_request_end(api_request *r)
{
	pass *p = r->state;
	if (p == NULL || p->up == NULL)
		return;
	if (sp_http_end(p->up, r->ex->trailers.at, r->ex->trailers.n, NULL) != SP_OK)
		sp_http_reset(p->up, SP_HTTP2_INTERNAL_ERROR);
}

static void on_up_writable(sp_http_exchange *up)
{
	const pass *p = up->arg;
	if (p->r != NULL)
		sp_http_read(p->r->ex, true);
}

/* ---- the response ---- */

static bool is_cors(sp_str name)
{
	static const sp_str names[] = {
		SP_STR_INIT("access-control-allow-credentials"), SP_STR_INIT("access-control-allow-headers"),
		SP_STR_INIT("access-control-allow-methods"), SP_STR_INIT("access-control-allow-origin")};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_str_eq(names[i], name))
			return true;
	}
	return false;
}

static api_rewrite_place place_of(const pass *p)
{
	return (api_rewrite_place){p->t.prefix, p->t.address, p->r->ex->authority};
}

/* The fields of the server's answer in r's arena; NULL: no room. */
static sp_http_header *answer_fields(pass *p, size_t *ret_n)
{
	const sp_http_fields *f = &p->up->headers;
	bool rewrite = p->t.rewrite && p->r->ex->protocol.len == 0;
	sp_http_header *to = sp_try_new(p->r->arena, sp_http_header, f->n + 1);
	const api_rewrite_place at = place_of(p);
	size_t n = 0;
	for (uint32_t i = 0; to != NULL && i < f->n; i++) {
		sp_str name = f->at[i].name;
		if (sp_http_is_hop_by_hop(name) || sp_http_has_token(f, SP_HTTP_CONNECTION, name) ||
		    (rewrite && is_cors(name)) ||
		    (p->html != NULL && sp_str_eq(name, SP_STR("content-length"))))
			continue;
		to[n] = f->at[i];
		if (rewrite && sp_str_eq(name, SP_STR("location")))
			to[n].value = api_rewrite_url(p->r->arena, &at, f->at[i].value);
		n++;
	}
	*ret_n = n;
	return to;
}

static bool is_refused_redirect(const pass *p)
{
	return p->t.no_redirects && p->up->status >= 300 && p->up->status <= 399 &&
	       sp_http_get(&p->up->headers, SP_HTTP_LOCATION).len > 0;
}

static void refuse_redirect(pass *p)
{
	api_reply(p->r, 502, SP_STR(""),
		  SP_STR("the backend attempted to redirect this request, which is not permitted"));
	sp_http_reset(p->up, SP_HTTP2_CANCEL);
}

static bool wants_html(const pass *p)
{
	return p->t.rewrite && p->r->ex->protocol.len == 0 &&
	       sp_http_get(&p->up->headers, SP_HTTP_LOCATION).len == 0 && api_rewrite_takes(&p->up->headers);
}

static void on_up_response(sp_http_exchange *up)
{
	pass *p = up->arg;
	size_t n = 0;
	if (p->r == NULL || p->r->answered)
		return;
	if (p->r->ex->protocol.len > 0 && up->status < 400) {
		fail(p, API_PROXY_NO_UPGRADE, up->status, NULL);
		return;
	}
	if (is_refused_redirect(p)) {
		refuse_redirect(p);
		return;
	}
	if (wants_html(p)) {
		const api_rewrite_place at = place_of(p);
		p->html = api_rewrite_new(&at);
		if (p->html == NULL) {
			cut(p);
			return;
		}
	}
	sp_http_header *fields = answer_fields(p, &n);
	if (fields == NULL || !api_begin_with(p->r, up->status, fields, n))
		cut(p);
	else
		p->begun = true;
}

static void on_up_interim(sp_http_exchange *up, uint16_t status, const sp_http_fields *headers)
{
	pass *p = up->arg;
	size_t n = 0;
	if (p->r == NULL || p->r->answered || status < 102)
		return;
	sp_http_header *to = sp_try_new(p->r->arena, sp_http_header, headers->n + 1);
	for (uint32_t i = 0; to != NULL && i < headers->n; i++) {
		if (!sp_http_is_hop_by_hop(headers->at[i].name))
			to[n++] = headers->at[i];
	}
	if (to != NULL)
		(void)sp_http_interim(p->r->ex, status, to, n, NULL); /* it is only a hint */
}

static void send(pass *p, sp_str bytes)
{
	if (bytes.len > 0 && sp_http_write(p->r->ex, bytes, NULL) != SP_OK)
		cut(p);
	else if (sp_http_is_full(p->r->ex) && p->up != NULL)
		sp_http_read(p->up, false);
}

static void on_up_body(sp_http_exchange *up, const uint8_t *bytes, size_t n)
{
	pass *p = up->arg;
	sp_str piece = {(const char *)bytes, n};
	if (p->r == NULL || !p->begun)
		return;
	if (p->html != NULL && api_rewrite_feed(p->html, piece, false, &piece) != SP_OK)
		cut(p);
	else
		send(p, piece);
}

static void on_writable(api_request *r)
{
	const pass *p = r->state;
	if (p->up != NULL)
		sp_http_read(p->up, true);
}

static void on_up_end(sp_http_exchange *up)
{
	pass *p = up->arg;
	sp_str rest = {NULL, 0};
	if (p->r == NULL || !p->begun) /* an upgrade has an end, too */
		return;
	if (p->html != NULL) {
		if (api_rewrite_feed(p->html, rest, true, &rest) != SP_OK) {
			cut(p);
			return;
		}
		send(p, rest);
	}
	if (sp_http_end(p->r->ex, up->trailers.at, up->trailers.n, NULL) == SP_OK)
		p->ended = true;
	else
		cut(p);
}

static void on_up_close(sp_http_exchange *up, const sp_err *err)
{
	pass *p = up->arg;
	p->up = NULL;
	if (p->r != NULL && !p->tunnel) {
		if (!p->r->answered)
			fail(p, API_PROXY_UNREACHED, 0, err);
		else if (p->begun && !p->ended)
			sp_http_reset(p->r->ex, SP_HTTP2_INTERNAL_ERROR); /* not less than was there */
	}
	maybe_free(p);
}

/* ---- upgrades ---- */

static void on_spliced(void *arg, const sp_err *err)
{
	pass *p = arg;
	(void)err;
	p->splice = NULL;
	maybe_free(p);
}

static void on_client_tunnel(api_request *r, sp_stream *front)
{
	pass *p = r->state;
	sp_stream *back = SP_TAKE(p->back);
	static const sp_ws_conn_opts ws = {0};
	sp_code code = SP_OK;
	if (p->t.spdy_in_websocket)
		code = sp_ws_tunnel_open(r->server->world, front, &ws, &front, NULL);
	if (code == SP_OK && back != NULL &&
	    sp_splice_start(front, back, on_spliced, p, &p->splice, NULL) == SP_OK) {
		sp_splice_linger(p->splice, API_PROXY_LINGER_NS);
		return;
	}
	sp_stream_handle(front, &sp_stream_waiting, NULL);
	sp_stream_close(front);
	if (back != NULL)
		sp_stream_close(back);
}

/* What the server chose, as the client has to hear it. NULL: no room. */
static sp_http_header *websocket_fields(pass *p, size_t *ret_n)
{
	sp_str key = sp_http_get(&p->r->ex->headers, SP_HTTP_SEC_WEBSOCKET_KEY);
	sp_str chosen = sp_http_get(&p->up->headers, SP_HTTP_X_STREAM_PROTOCOL_VERSION);
	sp_http_header *to = sp_try_new(p->r->arena, sp_http_header, 2);
	char accept[SP_WS_ACCEPT_BYTES];
	if (to == NULL)
		return NULL;
	sp_ws_accept_of(key, accept);
	to[0] = (sp_http_header){SP_STR("sec-websocket-accept"),
				 sp_arena_try_dup(p->r->arena, (sp_str){accept, sizeof accept})};
	to[1] = (sp_http_header){SP_STR("sec-websocket-protocol"),
				 sp_arena_printf(p->r->arena, "SPDY/3.1+" SP_FMT, SP_ARG(chosen))};
	*ret_n = chosen.len > 0 ? 2 : 1;
	return to;
}

static void on_up_tunnel(sp_http_exchange *up, sp_stream *back)
{
	pass *p = up->arg;
	size_t n = 0;
	sp_stream_handle(back, &sp_stream_waiting, NULL);
	p->tunnel = true;
	if (p->r == NULL || p->r->answered) {
		sp_stream_close(back);
		return;
	}
	p->back = back;
	sp_http_header *fields = p->t.spdy_in_websocket ? websocket_fields(p, &n) : answer_fields(p, &n);
	p->r->answered = true;
	p->r->on_tunnel = on_client_tunnel;
	if (fields == NULL || sp_http_accept_tunnel(p->r->ex, fields, n, NULL) != SP_OK)
		sp_http_reset(p->r->ex, SP_HTTP2_INTERNAL_ERROR);
}

/* ---- the beginning ---- */

static const sp_http_events up_events = {.on_response = on_up_response,
					 .on_interim = on_up_interim,
					 .on_body = on_up_body,
					 .on_end = on_up_end,
					 .on_writable = on_up_writable,
					 .on_tunnel = on_up_tunnel,
					 .on_close = on_up_close};

static bool has_body(const api_request *r)
{
	return r->ex->content_length != 0 && r->ex->protocol.len == 0;
}

/* The target of the request: a path that is empty before the query is "/", as Go's URL.RequestURI has it. */
static sp_str target_of(const pass *p)
{
	sp_str path = p->t.path;
	return path.len > 0 && path.ptr[0] == '?' ? SP_CONCAT(p->r->arena, SP_STR("/"), path) : path;
}

static sp_code start(pass *p, sp_err *err)
{
	api_request *r = p->r;
	sp_http_request q = {.scheme = p->t.scheme,
			     .address = p->t.address,
			     .server_name = p->t.server_name,
			     .tls_config = p->t.tls,
			     .method = p->t.spdy_in_websocket ? SP_STR("POST") : r->ex->method,
			     .authority = p->t.host.len > 0 ? p->t.host : r->ex->authority,
			     .path = target_of(p),
			     .protocol = p->t.spdy_in_websocket ? SP_STR("SPDY/3.1") : r->ex->protocol,
			     .streaming = has_body(r),
			     .deadline_ns = p->t.deadline_ns};
	if (q.server_name.len == 0)
		q.server_name = api_proxy_host_of(p->t.address);
	q.headers = api_proxy_fields(r, &p->t, &q.n_headers);
	if (q.headers == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a request");
	return sp_http_request_start(api_proxies_client(r->server->proxies), &q, &up_events, p, &p->up, err);
}

void api_proxy(api_request *r, const api_proxy_target *t)
{
	sp_err err = {0};
	pass *p = sp_try_alloc(sizeof *p);
	if (p == NULL) {
		(void)sp_fail(&err, SP_ENOMEM, "no memory for a request");
		t->fail(r, t, API_PROXY_UNREACHED, 0, &err);
		return;
	}
	*p = (pass){.r = r, .t = *t};
	api_proxy_job_begin(r->server->proxies, &p->job, abort_job);
	r->state = p;
	r->on_gone = on_gone;
	r->on_writable = on_writable;
	if (start(p, &err) != SP_OK) {
		fail(p, API_PROXY_UNREACHED, 0, &err);
	} else if (has_body(r)) {
		r->on_piece = on_request_bytes;
		r->on_whole = on_request_end;
		sp_http_read(r->ex, true);
	}
}

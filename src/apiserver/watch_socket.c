/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/watch_socket.h"

#include "apiserver/proxy/proxy.h"
#include "apiserver/server_int.h"
#include "base/alloc.h"
#include "base/num.h"
#include "io/ws/handshake.h"
#include "io/ws/ws.h"

#define KEPT_BYTES_MAX ((size_t)1 << 20)
#define QUEUE_BYTES_MAX ((size_t)48 << 20) /* two of the largest events */
#define HIGH_BYTES ((size_t)256 << 10)
#define PING_NS (UINT64_C(60) * 1000000000)

struct api_watch_socket {
	api_proxy_job job;
	api_request kept;
	api_request *r; /* with the exchange; NULL: it is over */
	sp_arena arena;
	sp_ws *ws; /* NULL: not open yet, or gone */
	api_watch_socket_handler handler;
	void *arg;
	bool ending;
};

bool api_watch_socket_wanted(const api_request *r)
{
	return sp_str_eq_nocase(r->ex->protocol, SP_STR("websocket"));
}

/* ---- the request ---- */

/* Its texts stand in the exchange, so it is read once more. */
static bool keep(api_watch_socket *s, const api_request *r)
{
	sp_str query = sp_arena_try_dup(&s->arena, r->ex->path), path;
	s->kept = *r;
	s->kept.arena = &s->arena;
	s->kept.on_gone = NULL;
	s->kept.state = NULL;
	if (query.ptr == NULL)
		return false;
	if (!sp_str_cut(&query, '?', &path)) {
		path = query;
		query = (sp_str){NULL, 0};
	}
	return sp_url_query_parse(&s->arena, query, &s->kept.query, NULL) == SP_OK &&
	       api_reqinfo_parse(&s->arena, SP_STR("GET"), path, &s->kept.query, &s->kept.info, NULL) ==
		       SP_OK;
}

static void abort_job(api_proxy_job *j)
{
	api_watch_socket *s = SP_CONTAINER_OF(j, api_watch_socket, job);
	if (s->ws != NULL)
		sp_ws_abort(s->ws);
	else if (s->r != NULL)
		sp_http_reset(s->r->ex, SP_HTTP2_CANCEL);
}

api_watch_socket *api_watch_socket_new(api_request *r, const api_watch_socket_handler *h, void *arg)
{
	api_watch_socket *s = sp_try_alloc(sizeof *s);
	if (s == NULL) {
		api_reply_error(r, SP_ENOMEM, NULL);
		return NULL;
	}
	*s = (api_watch_socket){.r = r, .handler = *h, .arg = arg};
	sp_arena_init(&s->arena, KEPT_BYTES_MAX);
	api_proxy_job_begin(r->server->proxies, &s->job, abort_job);
	bool kept = keep(s, r);
	s->kept.held = NULL;
	if (!kept) {
		api_watch_socket_free(s);
		api_reply_error(r, SP_ENOMEM, NULL);
		return NULL;
	}
	if (r->held != NULL) {
		api_resource_ref(r->held);
		s->kept.held = r->held;
	}
	return s;
}

api_request *api_watch_socket_request(api_watch_socket *s)
{
	return &s->kept;
}

void api_watch_socket_free(api_watch_socket *s)
{
	if (s == NULL)
		return;
	SP_ASSERT(s->ws == NULL);
	api_proxy_job_end(&s->job);
	if (s->kept.held != NULL)
		api_resource_unref(s->kept.held);
	sp_arena_done(&s->arena);
	sp_free(s);
}

/* ---- the handshake ---- */

/* As Go's golang.org/x/net/websocket: who says no origin is nobody's page. */
static uint16_t judge(const api_request *r)
{
	const sp_http_fields *f = &r->ex->headers;
	sp_str origin = sp_http_get(f, SP_HTTP_ORIGIN);
	if (r->ex->method_id != SP_HTTP_GET)
		return 405;
	if (!sp_ws_key_is_valid(sp_http_get(f, SP_HTTP_SEC_WEBSOCKET_KEY)) ||
	    !sp_str_eq(sp_http_get(f, SP_HTTP_SEC_WEBSOCKET_VERSION), SP_STR("13")))
		return 400;
	if (sp_str_eq(origin, SP_STR("null")) ||
	    (sp_str_find(origin, SP_STR("://")) <= 0 && !sp_str_starts(origin, SP_STR("/"))))
		return 403;
	return 0;
}

/* The protocols but those that are tokens: none or one, which is then the answer's. False: more. */
static bool choose(const api_request *r, sp_str *ret)
{
	const sp_http_fields *f = &r->ex->headers;
	*ret = (sp_str){NULL, 0};
	for (uint32_t i = 0; i < f->n; i++) {
		sp_str list = f->at[i].value, one;
		if (!sp_str_eq(f->at[i].name, SP_STR("sec-websocket-protocol")))
			continue;
		while (sp_str_next(&list, ',', &one)) {
			one = sp_str_trim(one);
			if (one.len == 0 ||
			    sp_str_starts(one, SP_STR("base64url.bearer.authorization.k8s.io.")))
				continue;
			if (ret->len > 0)
				return false;
			*ret = one;
		}
	}
	return true;
}

static void ws_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	(void)arg, (void)kind, (void)bytes, (void)n, (void)last; /* clients have nothing to say */
}

static void ws_drain(void *arg)
{
	api_watch_socket *s = arg;
	if (!s->ending)
		s->handler.on_drain(s->arg);
}

static void ws_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	api_watch_socket *s = arg;
	(void)code, (void)reason, (void)err;
	s->ws = NULL;
	s->handler.on_gone(s->arg);
}

static const sp_ws_handler ws_handler = {ws_message, ws_drain, ws_close};

static void on_tunnel(api_request *r, sp_stream *stream)
{
	api_watch_socket *s = r->socket;
	const sp_ws_conn_opts o = {.core.pieces = true,
				   .high_bytes = HIGH_BYTES,
				   .limit_bytes = QUEUE_BYTES_MAX,
				   .ping_every_ns = PING_NS};
	sp_stream_handle(stream, &sp_stream_waiting, NULL);
	if (sp_ws_open(r->server->world, stream, &o, &ws_handler, s, &s->ws, NULL) != SP_OK) {
		sp_stream_close(stream);
		return; /* the exchange ends, and with it the watch */
	}
	r->state = NULL; /* from here on the socket has the watch */
	s->r = NULL;
	s->kept.ex = NULL;
	sp_ws_read(s->ws, true);
	s->handler.on_open(s->arg);
}

bool api_watch_socket_accept(api_watch_socket *s)
{
	api_request *r = s->r;
	char accept[SP_WS_ACCEPT_BYTES];
	sp_http_header fields[2] = {{SP_STR("sec-websocket-accept"), {accept, sizeof accept}}};
	size_t n = 1;
	uint16_t refusal = judge(r);
	sp_str protocol;
	if (refusal == 0 && !choose(r, &protocol))
		refusal = 400;
	if (refusal != 0) {
		api_reply(r, refusal, SP_STR(""), SP_STR(""));
		return false;
	}
	sp_ws_accept_of(sp_http_get(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_KEY), accept);
	if (protocol.len > 0)
		fields[n++] = (sp_http_header){SP_STR("sec-websocket-protocol"), protocol};
	r->answered = true;
	r->socket = s;
	r->on_tunnel = on_tunnel;
	if (sp_http_accept_tunnel(r->ex, fields, n, NULL) == SP_OK)
		return true;
	sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
	return false;
}

/* ---- events ---- */

bool api_watch_socket_is_full(const api_watch_socket *s)
{
	return s->ws == NULL || sp_ws_is_full(s->ws);
}

sp_code api_watch_socket_send(api_watch_socket *s, bool binary, sp_str frames)
{
	if (s->ws == NULL)
		return SP_ECANCELED;
	while (frames.len > 0) {
		size_t head = binary ? 4 : 0, n;
		if (binary) {
			n = head + sp_be32_get((const uint8_t *)frames.ptr);
		} else {
			ptrdiff_t end = sp_str_index(frames, '\n');
			n = end < 0 ? frames.len : (size_t)end + 1;
		}
		const sp_iov part = {frames.ptr + head, n - head};
		SP_TRY(sp_ws_send(s->ws, binary ? SP_WS_BINARY : SP_WS_TEXT, &part, 1, NULL));
		frames = sp_str_sub(frames, n, frames.len);
	}
	return SP_OK;
}

void api_watch_socket_end(api_watch_socket *s)
{
	s->ending = true;
	if (s->ws != NULL)
		sp_ws_close(s->ws, SP_WS_NORMAL, SP_STR(""));
}

void api_watch_socket_abort(api_watch_socket *s)
{
	s->ending = true;
	if (s->ws != NULL)
		sp_ws_abort(s->ws);
}

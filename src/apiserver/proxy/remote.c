/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As upstream the client's WebSocket is opened first, then the kubelet is asked: what goes wrong with it is
 * told on the error channel.
 */
#include "io/spdy/remote.h"
#include "apiserver/proxy/connect.h"
#include "base/alloc.h"
#include "io/pump.h"
#include "io/spdy/translate.h"
#include "io/ws/handshake.h"

#define NS_PER_S UINT64_C(1000000000)
#define STATUS_BYTES_MAX ((size_t)64 << 10)
#define ANSWER_NS (120 * NS_PER_S) /* for the kubelet, which starts the command before it upgrades */

typedef struct remote {
	api_proxy_job job;
	sp_world *world;
	sp_http_client *http;
	api_request *r; /* NULL: its exchange is over */
	sp_http_exchange *up;
	sp_stream *front; /* the client's connection, while nobody else has it */
	sp_ws *ws;        /* the client is only told what went wrong */
	sp_translate *translation;
	const sp_channel_protocol *protocol;
	sp_translate_opts opts;
	sp_http_request q; /* texts in r's arena */
	sp_buf answer;     /* of a kubelet that does not upgrade */
	bool tunnel;
} remote;

bool api_remote_is_v5(const api_request *r)
{
	return sp_str_eq_nocase(r->ex->protocol, SP_STR("websocket")) &&
	       sp_http_has_token(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_PROTOCOL,
				 SP_STR("v5.channel.k8s.io"));
}

/* ---- life ---- */

static void maybe_free(remote *m)
{
	if (m->r != NULL || m->up != NULL || m->ws != NULL || m->translation != NULL)
		return;
	if (m->front != NULL)
		sp_stream_close(m->front);
	api_proxy_job_end(&m->job);
	sp_buf_done(&m->answer);
	sp_free(m);
}

static void abort_job(api_proxy_job *j)
{
	remote *m = SP_CONTAINER_OF(j, remote, job);
	if (m->translation != NULL)
		sp_translate_abort(m->translation);
	else if (m->ws != NULL)
		sp_ws_abort(m->ws);
	else if (m->up != NULL && !m->tunnel)
		sp_http_reset(m->up, SP_HTTP2_CANCEL);
	else if (m->r != NULL)
		sp_http_reset(m->r->ex, SP_HTTP2_CANCEL);
}

static void on_gone(api_request *r)
{
	remote *m = r->state;
	r->state = NULL;
	m->r = NULL;
	maybe_free(m);
}

/* ---- the client is told ---- */

static void on_said(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	remote *m = arg;
	(void)code, (void)reason, (void)err;
	m->ws = NULL;
	maybe_free(m);
}

static void ignore(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	(void)arg, (void)kind, (void)bytes, (void)n, (void)last;
}

static void say_status(remote *m, sp_str status)
{
	static const sp_ws_handler handler = {.on_message = ignore, .on_close = on_said};
	const sp_ws_conn_opts o = {.core.pieces = true};
	uint8_t channel = SP_CHANNEL_ERROR;
	const sp_iov parts[] = {{&channel, 1}, {status.ptr, status.len}};
	if (m->front == NULL || sp_ws_open(m->world, m->front, &o, &handler, m, &m->ws, NULL) != SP_OK)
		return; /* it is closed with the job */
	m->front = NULL;
	sp_ws_read(m->ws, true);
	if (sp_ws_send(m->ws, SP_WS_BINARY, parts, SP_LEN(parts), NULL) == SP_OK)
		sp_ws_close(m->ws, SP_WS_NORMAL, SP_STR(""));
	else
		sp_ws_abort(m->ws);
}

static void say(remote *m, sp_str why)
{
	SP_AUTO_BUF status;
	sp_buf_init(&status, STATUS_BYTES_MAX);
	if (sp_remote_status_internal(&status, why) == SP_OK)
		say_status(m, sp_buf_view(&status));
}

/* ---- the kubelet ---- */

static void on_translated(void *arg, const sp_err *err)
{
	remote *m = arg;
	(void)err;
	m->translation = NULL;
	maybe_free(m);
}

static void on_up_tunnel(sp_http_exchange *up, sp_stream *back)
{
	remote *m = up->arg;
	sp_stream *front = SP_TAKE(m->front);
	m->tunnel = true;
	if (front != NULL && sp_translate_start(m->world, front, back, &m->opts, on_translated, m,
						&m->translation, NULL) == SP_OK)
		return;
	sp_stream_handle(back, &sp_stream_waiting, NULL);
	sp_stream_close(back);
	m->front = front;
	say(m, SP_STR("no memory for a translation"));
}

static void on_up_body(sp_http_exchange *up, const uint8_t *bytes, size_t n)
{
	remote *m = up->arg;
	(void)sp_buf_append(&m->answer, bytes, n); /* cut at its limit */
}

static bool is_status(sp_arena *a, sp_str text)
{
	yyjson_val *tree = NULL;
	return sp_str_starts(text, SP_STR("{")) && sp_json_parse(a, text, &tree, NULL) == SP_OK &&
	       sp_str_eq(sp_json_str(yyjson_obj_get(tree, "kind")), SP_STR("Status"));
}

static void on_up_close(sp_http_exchange *up, const sp_err *err)
{
	remote *m = up->arg;
	sp_str text = sp_str_trim(sp_buf_view(&m->answer));
	m->up = NULL;
	if (!m->tunnel && up->status == 0)
		say(m, api_proxy_why(&up->arena, m->q.address, err));
	else if (!m->tunnel && is_status(&up->arena, text))
		say_status(m, text);
	else if (!m->tunnel)
		say(m, sp_arena_printf(&up->arena, "unable to upgrade connection: " SP_FMT, SP_ARG(text)));
	maybe_free(m);
}

static const sp_http_events up_events = {
	.on_body = on_up_body, .on_tunnel = on_up_tunnel, .on_close = on_up_close};

static void on_client_tunnel(api_request *r, sp_stream *front)
{
	remote *m = r->state;
	sp_err err = {0};
	sp_stream_handle(front, &sp_stream_waiting, NULL);
	m->front = front;
	m->q.deadline_ns = sp_now_ns(m->world) + ANSWER_NS;
	if (sp_http_request_start(m->http, &m->q, &up_events, m, &m->up, &err) != SP_OK)
		say(m, sp_str_c(err.msg));
}

/* ---- the beginning ---- */

static sp_translate_opts options_of(const sp_channel_protocol *p, yyjson_mut_val *o)
{
	bool tty = sp_kv_bool(o, "tty");
	return (sp_translate_opts){.protocol = p,
				   .ws = {.ping_every_ns = 60 * NS_PER_S},
				   .spdy = {.core.client = true,
					    .ping_every_ns = 30 * NS_PER_S,
					    .pong_timeout_ns = 60 * NS_PER_S},
				   .in = sp_kv_bool(o, "stdin"),
				   .out = sp_kv_bool(o, "stdout"),
				   .err = sp_kv_bool(o, "stderr") && !tty,
				   .tty = tty};
}

static bool check(api_request *r)
{
	const sp_http_fields *f = &r->ex->headers;
	if (r->ex->method_id == SP_HTTP_GET &&
	    sp_ws_key_is_valid(sp_http_get(f, SP_HTTP_SEC_WEBSOCKET_KEY)) &&
	    sp_str_eq(sp_http_get(f, SP_HTTP_SEC_WEBSOCKET_VERSION), SP_STR("13")))
		return true;
	api_reply(r, 400, SP_STR(""), SP_STR(""));
	return false;
}

void api_remote_translate(api_request *r, const api_proxy_target *t, yyjson_mut_val *options)
{
	static const sp_http_header offer = {SP_STR_INIT("x-stream-protocol-version"),
					     SP_STR_INIT("v4.channel.k8s.io")};
	const sp_channel_protocol *p = sp_channel_choose(SP_STR("v5.channel.k8s.io"), false, 5);
	char text[SP_WS_ACCEPT_BYTES];
	sp_http_header fields[] = {{SP_STR("sec-websocket-accept"), {text, sizeof text}},
				   {SP_STR("sec-websocket-protocol"), p->name}};
	if (!check(r))
		return;
	remote *m = sp_try_alloc(sizeof *m);
	if (m == NULL) {
		api_reply_error(r, SP_ENOMEM, NULL);
		return;
	}
	*m = (remote){.world = r->server->world,
		      .http = api_proxies_client(r->server->proxies),
		      .r = r,
		      .protocol = p,
		      .opts = options_of(p, options),
		      .q = {.scheme = t->scheme,
			    .address = t->address,
			    .server_name = t->server_name,
			    .tls_config = t->tls,
			    .method = SP_STR("POST"),
			    .path = t->path,
			    .protocol = SP_STR("SPDY/3.1"),
			    .headers = &offer,
			    .n_headers = 1}};
	sp_buf_init(&m->answer, STATUS_BYTES_MAX);
	api_proxy_job_begin(r->server->proxies, &m->job, abort_job);
	sp_ws_accept_of(sp_http_get(&r->ex->headers, SP_HTTP_SEC_WEBSOCKET_KEY), text);
	r->state = m;
	r->on_gone = on_gone;
	r->on_tunnel = on_client_tunnel;
	r->answered = true;
	if (sp_http_accept_tunnel(r->ex, fields, SP_LEN(fields), NULL) != SP_OK)
		sp_http_reset(r->ex, SP_HTTP2_INTERNAL_ERROR);
}

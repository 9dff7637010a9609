/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bindings of WebSocket, SPDY, the tunnel, the translation and ttrpc in a world in memory, whose bytes
 * arrive in random pieces. The input chooses the scenario, the seed, the sizes, and perhaps a moment at which
 * one side drops its connection: what arrives must be what was sent, everything must end, and nothing may
 * leak.
 */
#include "lib/mini_world.h"

#include "io/spdy/translate.h"
#include "io/splice.h"
#include "io/ttrpc/conn.h"
#include "io/ws/tunnel.h"

#define PIECES_MAX ((size_t)4096)

typedef struct script {
	uint8_t scenario, seed, piece, n_streams, high;
	uint16_t bytes, drop_at; /* drop_at 0: nobody drops */
} script;

static mini_world world;
static script plan;
static unsigned n_ends, n_wanted; /* connections that came to their on_close */
static bool dropped;

static uint8_t byte_at(size_t stream, size_t i)
{
	return (uint8_t)(stream * 31 + i * 7 + (i >> 8));
}

static void ended(void)
{
	n_ends++;
}

/* ---- a stream that sends a pattern, half closes, and checks that the same comes back ---- */

typedef struct talker {
	sp_stream *stream;
	sp_write req;
	uint8_t *out;
	size_t number, n, n_back;
	bool closed, failed, done;
} talker;

static void talker_finish(talker *t)
{
	if (t->done)
		return;
	t->done = true;
	sp_stream_close(t->stream);
}
static void talker_data(void *arg, const uint8_t *bytes, size_t n)
{
	talker *t = arg;
	SP_ASSERT(!t->closed && !t->done);
	for (size_t i = 0; i < n; i++)
		SP_ASSERT(bytes[i] == byte_at(t->number, t->n_back + i));
	t->n_back += n;
	SP_ASSERT(t->n_back <= t->n);
}
static void talker_end(void *arg)
{
	talker *t = arg;
	SP_ASSERT(dropped || t->n_back == t->n);
	talker_finish(t);
}
static void talker_error(void *arg, const sp_err *err)
{
	talker *t = arg;
	if (!dropped)
		fprintf(stderr, "stream %zu: %s, %zu of %zu back\n", t->number, err->msg, t->n_back, t->n);
	SP_ASSERT(dropped && err->code != SP_OK);
	t->failed = true;
	talker_finish(t);
}
static void end_session_when_quiet(void);

static void talker_close(void *arg)
{
	talker *t = arg;
	SP_ASSERT(!t->closed);
	t->closed = true;
	if ((plan.seed & 4) != 0) /* an owner that ends the session from a stream's last call */
		end_session_when_quiet();
}
static const sp_stream_handler talker_handler = {talker_data, talker_end, talker_error, talker_close};

static void talker_written(sp_write *req, sp_code code)
{
	talker *t = req->arg;
	SP_ASSERT(code == SP_OK || dropped);
	sp_free(t->out);
	t->out = NULL;
}

static void talker_start(talker *t, size_t number, sp_stream *s, size_t n)
{
	*t = (talker){.stream = s, .number = number, .n = n, .out = sp_alloc(n + 1)};
	for (size_t i = 0; i < n; i++)
		t->out[i] = byte_at(number, i);
	sp_stream_handle(s, &talker_handler, t);
	sp_stream_read(s, true);
	t->req = (sp_write){.n_iov = 3, .done = talker_written, .arg = t};
	t->req.iov[0] = (sp_iov){t->out, n / 3};
	t->req.iov[2] = (sp_iov){t->out + n / 3, n - n / 3};
	sp_stream_write(s, &t->req);
	sp_stream_shutdown(s);
}

/* ---- a stream that sends back what it gets, now and then not reading for a while ---- */

typedef struct echo_write {
	sp_write req;
	struct echoer *owner;
	uint8_t bytes[];
} echo_write;

typedef struct echoer {
	sp_stream *stream;
	sp_timer rest;
	size_t n_writes;
	bool got_end, closing;
} echoer;

static void echo_maybe_close(echoer *e)
{
	if (!e->got_end || e->n_writes > 0 || e->closing)
		return;
	e->closing = true;
	sp_timer_stop(&world.base, &e->rest);
	sp_stream_close(e->stream);
}
static void echo_written(sp_write *req, sp_code code)
{
	echo_write *w = SP_CONTAINER_OF(req, echo_write, req);
	SP_ASSERT(code == SP_OK || dropped || w->owner->closing);
	echoer *e = w->owner;
	e->n_writes--;
	sp_free(w);
	echo_maybe_close(e);
}
static void echo_rested(sp_timer *t)
{
	echoer *e = t->arg;
	sp_stream_read(e->stream, true);
}
static void echo_data(void *arg, const uint8_t *bytes, size_t n)
{
	echoer *e = arg;
	echo_write *w = sp_alloc(sizeof *w + n);
	memcpy(w->bytes, bytes, n);
	w->owner = e;
	w->req = (sp_write){.n_iov = 1, .done = echo_written};
	w->req.iov[0] = (sp_iov){w->bytes, n};
	e->n_writes++;
	sp_stream_write(e->stream, &w->req);
	if (sp_random_u64(&world.base) % 4 == 0) {
		sp_stream_read(e->stream, false);
		sp_timer_start(&world.base, &e->rest, 1000 + sp_random_u64(&world.base) % 5000, echo_rested);
	}
}
static void echo_end(void *arg)
{
	echoer *e = arg;
	e->got_end = true;
	sp_stream_shutdown(e->stream);
	echo_maybe_close(e);
}
static void echo_error(void *arg, const sp_err *err)
{
	echoer *e = arg;
	(void)err;
	if (e->closing)
		return;
	e->closing = true;
	sp_timer_stop(&world.base, &e->rest);
	sp_stream_close(e->stream);
}
static void echo_close(void *arg)
{
	echoer *e = arg;
	SP_ASSERT(e->n_writes == 0);
	sp_free(e);
}
static const sp_stream_handler echo_handler = {echo_data, echo_end, echo_error, echo_close};

static echoer *echo_start(sp_stream *s)
{
	echoer *e = SP_NEW(echoer);
	e->stream = s;
	e->rest.arg = e;
	sp_stream_handle(s, &echo_handler, e);
	sp_stream_read(s, true);
	return e;
}

/* ---- SPDY ---- */

static talker talkers[8];
static sp_spdy *spdy_client, *spdy_server;
static sp_timer watch, drop;

static void server_stream(void *arg, sp_stream *s, sp_str block)
{
	(void)arg;
	SP_ASSERT(sp_str_eq(sp_spdy_headers_get(block, SP_STR("kind")), SP_STR("talk")));
	SP_ASSERT(sp_spdy_stream_id(s) % 2 == 1);
	echo_start(s);
	sp_err err = {0};
	SP_ASSERT(sp_spdy_reply(s, NULL, 0, &err) == SP_OK);
}
static void client_stream(void *arg, sp_stream *s, sp_str block)
{
	(void)arg;
	(void)s;
	(void)block;
	SP_UNREACHABLE();
}
static void client_reply(void *arg, sp_stream *s, sp_str block)
{
	(void)arg;
	(void)block;
	SP_ASSERT(s->handler == &talker_handler);
}
static void client_closed(void *arg, const sp_err *err)
{
	(void)arg;
	(void)err;
	spdy_client = NULL;
	ended();
}
static void server_closed(void *arg, const sp_err *err)
{
	(void)arg;
	(void)err;
	spdy_server = NULL;
	ended();
}
static const sp_spdy_handler client_handler = {client_stream, client_reply, NULL, client_closed};
static const sp_spdy_handler server_handler = {server_stream, NULL, NULL, server_closed};

static bool all_quiet(void)
{
	for (size_t i = 0; i < plan.n_streams; i++) {
		if (!talkers[i].closed)
			return false;
	}
	return true;
}

static void end_session_when_quiet(void)
{
	if (all_quiet() && spdy_client != NULL)
		sp_spdy_close(spdy_client);
}

/* Ends the session when all talkers are done. */
static void watch_talkers(sp_timer *t)
{
	if (all_quiet())
		end_session_when_quiet();
	else
		sp_timer_start(&world.base, t, 1000000, watch_talkers);
}

static void drop_spdy(sp_timer *t)
{
	(void)t;
	dropped = true;
	sp_spdy *y = plan.seed % 2 == 0 ? spdy_client : spdy_server;
	if (y != NULL)
		sp_spdy_abort(y);
}

static void run_spdy(sp_stream *a, sp_stream *b)
{
	sp_spdy_conn_opts opts = {.high_bytes = 1000 + (size_t)plan.high * 100, .buffer_bytes_max = 5000};
	opts.core.window_bytes = 2000;
	opts.ping_every_ns = 3000000;
	opts.pong_timeout_ns = UINT64_C(3600) * 1000000000;
	SP_ASSERT(sp_spdy_open(&world.base, b, &opts, &server_handler, NULL, &spdy_server, NULL) == SP_OK);
	opts.core.client = true;
	SP_ASSERT(sp_spdy_open(&world.base, a, &opts, &client_handler, NULL, &spdy_client, NULL) == SP_OK);
	sp_spdy_header h = {SP_STR("Kind"), SP_STR("talk")};
	for (size_t i = 0; i < plan.n_streams; i++) {
		sp_stream *s = NULL;
		SP_ASSERT(sp_spdy_stream_open(spdy_client, &h, 1, false, &s, NULL) == SP_OK);
		talker_start(&talkers[i], i, s, plan.bytes);
	}
	sp_timer_start(&world.base, &watch, 1000000, watch_talkers);
	if (plan.drop_at != 0)
		sp_timer_start(&world.base, &drop, plan.drop_at * UINT64_C(1000), drop_spdy);
}

static void pair(sp_stream *ret[2])
{
	SP_ASSERT(sp_stream_pair(&world.base, ret, NULL) == SP_OK);
}

static void scenario_spdy(void)
{
	sp_stream *s[2];
	pair(s);
	n_wanted = 2;
	run_spdy(s[0], s[1]);
}

/* ---- SPDY in a tunnel, joined to a second tunnel on the way ---- */

static void splice_done(void *arg, const sp_err *err)
{
	(void)arg;
	(void)err;
	ended();
}

static sp_stream *tunnel(sp_stream *s, bool client)
{
	sp_ws_conn_opts o = {.core = {.client = client}, .high_bytes = 3000, .ping_every_ns = 5000000};
	sp_stream *t = NULL;
	SP_ASSERT(sp_ws_tunnel_open(&world.base, s, &o, &t, NULL) == SP_OK);
	return t;
}

static void scenario_tunnel(void)
{
	sp_stream *near[2], *far[2];
	pair(near);
	pair(far);
	n_wanted = 3;
	sp_splice *splice = NULL;
	SP_ASSERT(sp_splice_start(tunnel(near[1], false), far[0], splice_done, NULL, &splice, NULL) == SP_OK);
	run_spdy(tunnel(near[0], true), far[1]);
}

/* ---- WebSocket messages ---- */

typedef struct chat {
	sp_ws *ws;
	size_t n_sent, n_got, n_bytes;
	bool echo, full_seen;
} chat;
static chat chats[2];

static void chat_send(chat *c)
{
	uint8_t bytes[5000];
	while (c->ws != NULL && c->n_sent < plan.n_streams && !sp_ws_is_full(c->ws)) {
		size_t n = (plan.bytes + c->n_sent * 997) % sizeof bytes;
		for (size_t i = 0; i < n; i++)
			bytes[i] = byte_at(c->n_sent, i);
		sp_iov parts[2] = {{bytes, n / 2}, {bytes + n / 2, n - n / 2}};
		if (sp_ws_send(c->ws, SP_WS_BINARY, parts, 2, NULL) != SP_OK)
			return;
		c->n_sent++;
	}
}
static void chat_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	chat *c = arg;
	SP_ASSERT(kind == SP_WS_BINARY && last);
	SP_ASSERT(n == (plan.bytes + c->n_got * 997) % 5000);
	for (size_t i = 0; i < n; i++)
		SP_ASSERT(bytes[i] == byte_at(c->n_got, i));
	c->n_got++;
	if (c->echo)
		(void)sp_ws_send(c->ws, kind, &(sp_iov){bytes, n}, 1, NULL);
	else if (c->n_got == plan.n_streams)
		sp_ws_close(c->ws, SP_WS_NORMAL, SP_STR("done"));
}
static void chat_drain(void *arg)
{
	chat *c = arg;
	if (!c->echo)
		chat_send(c);
}
static void chat_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	chat *c = arg;
	(void)reason;
	SP_ASSERT(dropped || (err == NULL && code == SP_WS_NORMAL));
	SP_ASSERT(dropped || c->n_got == plan.n_streams);
	c->ws = NULL;
	ended();
}
static const sp_ws_handler chat_handler = {chat_message, chat_drain, chat_close};

static void drop_chat(sp_timer *t)
{
	(void)t;
	dropped = true;
	chat *c = &chats[plan.seed % 2];
	if (c->ws != NULL)
		sp_ws_abort(c->ws);
}

static void scenario_ws(void)
{
	sp_stream *s[2];
	pair(s);
	n_wanted = 2;
	for (size_t i = 0; i < 2; i++) {
		sp_ws_conn_opts o = {.high_bytes = 1000 + plan.high * 100u, .ping_every_ns = 100000};
		o.core.client = i == 0;
		chats[i] = (chat){.echo = i == 1};
		SP_ASSERT(sp_ws_open(&world.base, s[i], &o, &chat_handler, &chats[i], &chats[i].ws, NULL) ==
			  SP_OK);
		sp_ws_read(chats[i].ws, true);
	}
	if (plan.n_streams == 0)
		sp_ws_close(chats[0].ws, SP_WS_NORMAL, SP_STR("nothing to say"));
	chat_send(&chats[0]);
	if (plan.drop_at != 0)
		sp_timer_start(&world.base, &drop, plan.drop_at * UINT64_C(1000), drop_chat);
}

/* ---- exec over WebSocket, translated; the upstream echoes stdin to stdout and ends with a status ---- */

static sp_ws *exec_ws;
static sp_spdy *exec_spdy;
static const sp_channel_protocol *exec_protocol;
static size_t exec_n_out, exec_n_status;
static sp_stream *exec_error, *exec_out;
static sp_write exec_status;

static void quiet_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg;
	(void)bytes;
	(void)n;
}
static void quiet_end(void *arg)
{
	sp_stream **s = arg;
	sp_stream_close(*s);
}
static void quiet_error(void *arg, const sp_err *err)
{
	sp_stream **s = arg;
	(void)err;
	if (*s != NULL)
		sp_stream_close(*s);
}
static void quiet_close(void *arg)
{
	*(sp_stream **)arg = NULL;
}
static const sp_stream_handler quiet_handler = {quiet_data, quiet_end, quiet_error, quiet_close};

static void status_written(sp_write *req, sp_code code)
{
	(void)req;
	(void)code;
}

typedef struct in_write {
	sp_write req;
	uint8_t bytes[];
} in_write;
static void in_written(sp_write *req, sp_code code)
{
	(void)code;
	sp_free(SP_CONTAINER_OF(req, in_write, req));
}
static void in_data(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg;
	if (exec_out == NULL)
		return;
	in_write *w = sp_alloc(sizeof *w + n);
	memcpy(w->bytes, bytes, n);
	w->req = (sp_write){.n_iov = 1, .done = in_written};
	w->req.iov[0] = (sp_iov){w->bytes, n};
	sp_stream_write(exec_out, &w->req);
}
static void in_end(void *arg)
{
	(void)arg;
	if (exec_out != NULL)
		sp_stream_shutdown(exec_out);
	if (exec_error == NULL)
		return;
	exec_status = (sp_write){.n_iov = 1, .done = status_written};
	exec_status.iov[0] = (sp_iov){"{\"status\":\"Success\"}", 20};
	sp_stream_write(exec_error, &exec_status);
	sp_stream_shutdown(exec_error);
}
static const sp_stream_handler in_handler = {in_data, in_end, quiet_error, quiet_close};
static sp_stream *exec_in, *exec_other[2];

static void exec_stream(void *arg, sp_stream *s, sp_str block)
{
	(void)arg;
	sp_str type = sp_spdy_headers_get(block, SP_STR("streamtype"));
	bool in = sp_str_eq(type, SP_STR("stdin"));
	sp_stream **slot = in                                  ? &exec_in
			   : sp_str_eq(type, SP_STR("stdout")) ? &exec_out
			   : sp_str_eq(type, SP_STR("error"))  ? &exec_error
			   : sp_str_eq(type, SP_STR("resize")) ? &exec_other[0]
							       : &exec_other[1];
	SP_ASSERT(*slot == NULL);
	*slot = s;
	sp_stream_handle(s, in ? &in_handler : &quiet_handler, slot);
	sp_stream_read(s, true);
	SP_ASSERT(sp_spdy_reply(s, NULL, 0, NULL) == SP_OK);
	if (slot == &exec_other[1])
		sp_stream_shutdown(s);
}
static void exec_spdy_closed(void *arg, const sp_err *err)
{
	(void)arg;
	(void)err;
	exec_spdy = NULL;
	ended();
}
static const sp_spdy_handler exec_handler = {exec_stream, NULL, NULL, exec_spdy_closed};

static void exec_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	(void)arg;
	(void)kind;
	(void)last;
	SP_AUTO_BUF scratch;
	sp_buf_init(&scratch, 1 << 20);
	sp_channel_event ev;
	SP_ASSERT(sp_channel_decode(exec_protocol, SP_CHANNEL_COUNT, (sp_str){(const char *)bytes, n},
				    &scratch, &ev, NULL) == SP_OK);
	SP_ASSERT(ev.kind == SP_CHANNEL_DATA);
	if (ev.channel == SP_CHANNEL_ERROR) {
		SP_ASSERT(dropped || sp_str_eq(ev.bytes, SP_STR("{\"status\":\"Success\"}")));
		SP_ASSERT(dropped || exec_n_out == plan.bytes);
		exec_n_status++;
		return;
	}
	SP_ASSERT(ev.channel == SP_CHANNEL_STDOUT);
	for (size_t i = 0; i < ev.bytes.len; i++)
		SP_ASSERT((uint8_t)ev.bytes.ptr[i] == byte_at(3, exec_n_out + i));
	exec_n_out += ev.bytes.len;
}
static void exec_closed(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	(void)arg;
	(void)reason;
	SP_ASSERT(dropped || (err == NULL && code == SP_WS_NORMAL && exec_n_status == 1));
	exec_ws = NULL;
	ended();
}
static const sp_ws_handler exec_ws_handler = {exec_message, NULL, exec_closed};

static void exec_send(uint8_t channel, sp_str bytes)
{
	SP_AUTO_BUF scratch;
	sp_buf_init(&scratch, 1 << 20);
	uint8_t head = 0;
	sp_iov parts[2];
	sp_ws_kind kind = SP_WS_BINARY;
	SP_ASSERT(sp_channel_encode(exec_protocol, channel, bytes, &head, &scratch, parts, &kind, NULL) ==
		  SP_OK);
	SP_ASSERT(sp_ws_send(exec_ws, kind, parts, 2, NULL) == SP_OK);
}

static void drop_exec(sp_timer *t)
{
	(void)t;
	dropped = true;
	if (plan.seed % 2 == 0 && exec_ws != NULL)
		sp_ws_abort(exec_ws);
	else if (exec_spdy != NULL)
		sp_spdy_abort(exec_spdy);
}

static void scenario_translate(void)
{
	sp_stream *near[2], *far[2];
	pair(near);
	pair(far);
	n_wanted = 3;
	exec_n_out = exec_n_status = 0;
	exec_protocol = sp_channel_choose(SP_STR("v5.channel.k8s.io"), false, 5);
	sp_ws_conn_opts o = {.core = {.client = true}};
	SP_ASSERT(sp_ws_open(&world.base, near[0], &o, &exec_ws_handler, NULL, &exec_ws, NULL) == SP_OK);
	sp_spdy_conn_opts so = {.high_bytes = 2000};
	SP_ASSERT(sp_spdy_open(&world.base, far[1], &so, &exec_handler, NULL, &exec_spdy, NULL) == SP_OK);
	sp_translate_opts t = {.protocol = exec_protocol,
			       .in = true,
			       .out = true,
			       .err = plan.high % 2 == 0,
			       .tty = plan.high % 2 == 1};
	t.ws.high_bytes = 2000;
	sp_translate *translate = NULL;
	SP_ASSERT(sp_translate_start(&world.base, near[1], far[0], &t, splice_done, NULL, &translate, NULL) ==
		  SP_OK);
	sp_ws_read(exec_ws, true);
	uint8_t bytes[UINT16_MAX];
	for (size_t i = 0; i < plan.bytes; i++)
		bytes[i] = byte_at(3, i);
	for (size_t at = 0; at < plan.bytes; at += 700)
		exec_send(SP_CHANNEL_STDIN,
			  (sp_str){(char *)bytes + at, SP_MIN(plan.bytes - at, (size_t)700)});
	exec_send(SP_CHANNEL_RESIZE, SP_STR("{\"Width\":80,\"Height\":24}"));
	exec_send(SP_CHANNEL_CLOSE_SIGNAL, SP_STR("\0"));
	if (plan.drop_at != 0)
		sp_timer_start(&world.base, &drop, plan.drop_at * UINT64_C(1000), drop_exec);
}

/* ---- ttrpc ---- */

static sp_ttrpc_client *rpc_client;
static sp_ttrpc_server_conn *rpc_server;
static sp_ttrpc_rpc rpcs[8];
static unsigned n_rpcs_over;
static sp_timer call_timers[8];
static sp_ttrpc_call *waiting[8];

static void call_ready(sp_timer *t)
{
	sp_ttrpc_call **slot = t->arg;
	sp_ttrpc_call *call = *slot;
	*slot = NULL;
	sp_ttrpc_call_finish(call, NULL, SP_STR("late"));
}
static void on_call(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	size_t i = (uint8_t)payload.ptr[0] % SP_LEN(waiting);
	if (plan.high % 3 == 0) {
		sp_ttrpc_call_finish(call, NULL, payload);
		return;
	}
	SP_ASSERT(waiting[i] == NULL);
	waiting[i] = call;
	call_timers[i].arg = &waiting[i];
	sp_timer_start(&world.base, &call_timers[i], sp_random_u64(&world.base) % 20000, call_ready);
}
static const sp_ttrpc_method rpc_methods[] = {{SP_STR_INIT("Do"), .on_call = on_call}};
static const sp_ttrpc_service rpc_services[] = {{SP_STR_INIT("x.Y"), rpc_methods, 1, NULL}};

static void rpc_closed(void *arg, const sp_err *err)
{
	(void)err;
	*(void **)arg = NULL;
	ended();
}
static void rpc_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	(void)rpc;
	(void)payload;
	SP_ASSERT(dropped || status->code == SP_RPC_OK || status->code == SP_RPC_DEADLINE_EXCEEDED);
	if (++n_rpcs_over == plan.n_streams && rpc_client != NULL)
		sp_ttrpc_client_close(rpc_client);
}
static void drop_rpc(sp_timer *t)
{
	(void)t;
	dropped = true;
	if (plan.seed % 2 == 0 && rpc_server != NULL)
		sp_ttrpc_server_close(rpc_server);
	else if (rpc_client != NULL)
		sp_ttrpc_client_close(rpc_client);
}

static void scenario_ttrpc(void)
{
	sp_stream *s[2];
	pair(s);
	n_wanted = 2;
	n_rpcs_over = 0;
	sp_ttrpc_server_opts o = {
		.services = rpc_services, .n_services = 1, .on_close = rpc_closed, .arg = &rpc_server};
	SP_ASSERT(sp_ttrpc_serve(&world.base, s[1], &o, &rpc_server, NULL) == SP_OK);
	SP_ASSERT(sp_ttrpc_client_open(&world.base, s[0], rpc_closed, &rpc_client, &rpc_client, NULL) ==
		  SP_OK);
	uint8_t *payload = sp_alloc(plan.bytes + 1u);
	for (size_t i = 0; i < plan.n_streams; i++) {
		payload[0] = (uint8_t)i;
		rpcs[i] = (sp_ttrpc_rpc){.on_end = rpc_end};
		sp_ttrpc_call_opts c = {
			.service = SP_STR("x.Y"), .method = SP_STR("Do"), .timeout_ns = i % 2 * 10000};
		c.payload = (sp_str){(char *)payload, plan.bytes + 1u};
		SP_ASSERT(sp_ttrpc_client_call(rpc_client, &rpcs[i], &c, NULL) == SP_OK);
	}
	sp_free(payload);
	if (plan.n_streams == 0)
		sp_ttrpc_client_close(rpc_client);
	if (plan.drop_at != 0)
		sp_timer_start(&world.base, &drop, plan.drop_at * UINT64_C(1000), drop_rpc);
}

static void (*const scenarios[])(void) = {scenario_spdy, scenario_tunnel, scenario_ws, scenario_translate,
					  scenario_ttrpc};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 9)
		return 0;
	plan = (script){.scenario = data[0] % SP_LEN(scenarios),
			.seed = data[1],
			.piece = data[2],
			.n_streams = data[3] % 8,
			.high = data[4],
			.bytes = (uint16_t)(data[5] << 8 | data[6]),
			.drop_at = (uint16_t)(data[7] << 8 | data[8])};
	/* So many pieces and no more: a run takes a part of a second. */
	size_t piece = (size_t)1 + plan.piece * 16;
	plan.bytes = (uint16_t)SP_MIN((size_t)plan.bytes, piece * PIECES_MAX);
	int64_t live = sp_alloc_live();
	mini_world_init(&world, plan.seed, piece);
	n_ends = 0;
	dropped = false;
	watch = drop = (sp_timer){0};
	memset(talkers, 0, sizeof talkers);
	memset(waiting, 0, sizeof waiting);
	scenarios[plan.scenario]();
	sp_world_run(&world.base);
	SP_ASSERT(n_ends == n_wanted);
	for (size_t i = 0; i < SP_LEN(talkers); i++)
		SP_ASSERT(talkers[i].stream == NULL || (talkers[i].closed && talkers[i].out == NULL));
	mini_world_done(&world);
	SP_ASSERT(sp_alloc_live() == live);
	return 0;
}

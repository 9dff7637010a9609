/* SPDX-License-Identifier: Apache-2.0 */
/* Round trips of the framing cores with random content, cut at random places. */
#include "base/alloc.h"
#include "base/base64.h"
#include "base/limits.h"
#include "io/spdy/core.h"
#include "io/ttrpc/client_core.h"
#include "io/ttrpc/server_core.h"
#include "io/ws/core.h"
#include "lib/t.h"

#define ROUNDS 60

static sp_str random_bytes(size_t max)
{
	size_t n = t_random_below(max + 1);
	char *p = sp_new(T_ARENA, char, n + 1);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)t_random();
	return (sp_str){p, n};
}

SP_TEST(framing, base64_round_trip)
{
	for (size_t i = 0; i < ROUNDS; i++) {
		sp_str in = random_bytes(300);
		SP_AUTO_BUF text;
		sp_buf_init(&text, 1024);
		T_OK(sp_base64_append(&text, in.ptr, in.len));
		uint8_t out[512];
		size_t n = 0;
		T_OK(sp_base64_decode(sp_buf_view(&text), out, &n, T_ERR));
		T_EQ_STR(((sp_str){(char *)out, n}), in);
	}
}

/* ---- WebSocket ---- */

typedef struct ws_side {
	sp_ws_core *core;
	sp_buf out, got; /* got: kind, length, bytes of each message */
} ws_side;

static void ws_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	ws_side *s = arg;
	SP_ASSERT(last);
	sp_buf_char(&s->got, (char)kind);
	sp_buf_append(&s->got, &n, sizeof n);
	sp_buf_append(&s->got, bytes, n);
}
static void ws_closed(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	ws_side *s = arg;
	(void)code;
	(void)reason;
	if (err != NULL)
		sp_buf_printf(&s->got, "failed: %s", err->msg);
}
static const sp_ws_events ws_events = {ws_message, NULL, ws_closed};
static void ws_mask(void *arg, uint8_t key[4])
{
	(void)arg;
	for (size_t i = 0; i < 4; i++)
		key[i] = (uint8_t)t_random();
}
static void ws_done(void *arg)
{
	ws_side *s = arg;
	sp_ws_core_free(s->core);
	sp_buf_done(&s->out);
	sp_buf_done(&s->got);
	sp_free(s);
}
static sp_code ws_new(bool client, ws_side **ret)
{
	ws_side *s = SP_NEW(ws_side);
	sp_buf_init(&s->out, (size_t)64 << 20);
	sp_buf_init(&s->got, (size_t)64 << 20);
	T_DEFER(ws_done, s);
	*ret = s;
	sp_ws_opts o = {.client = client};
	return sp_ws_core_new(&o, &ws_events, s, ws_mask, NULL, &s->out, &s->core, T_ERR);
}

SP_TEST(framing, websocket_messages_survive)
{
	for (int client = 0; client < 2; client++) {
		ws_side *from = NULL, *to = NULL;
		T_OK(ws_new(client == 0, &from));
		T_OK(ws_new(client != 0, &to));
		SP_AUTO_BUF want;
		sp_buf_init(&want, (size_t)64 << 20);
		for (size_t i = 0; i < ROUNDS; i++) {
			sp_str bytes = random_bytes(i % 10 == 0 ? 70000 : 300);
			size_t half = t_random_below(bytes.len + 1);
			sp_iov parts[2] = {{bytes.ptr, half}, {bytes.ptr + half, bytes.len - half}};
			T_OK(sp_ws_core_send(from->core, SP_WS_BINARY, parts, 2, T_ERR));
			if (t_random_below(4) == 0)
				T_OK(sp_ws_core_ping(from->core, SP_STR("ping"), T_ERR));
			sp_buf_char(&want, SP_WS_BINARY);
			sp_buf_append(&want, &bytes.len, sizeof bytes.len);
			sp_buf_str(&want, bytes);
		}
		for (size_t at = 0; at < from->out.len;) {
			size_t n = 1 + t_random_below(t_random_below(2) == 0 ? 5 : 9000);
			n = SP_MIN(n, from->out.len - at);
			sp_ws_core_feed(to->core, (const uint8_t *)from->out.ptr + at, n);
			at += n;
		}
		T_OK(sp_buf_code(&want));
		T_OK(sp_buf_code(&to->got));
		T_TRUE(sp_str_eq(sp_buf_view(&to->got), sp_buf_view(&want)));
	}
}

/* ---- SPDY ---- */

#define STREAMS 8

typedef struct spdy_side {
	sp_spdy_core *core;
	sp_buf out;
	sp_spdy_cs *streams[STREAMS];
	sp_buf got[STREAMS];
	bool fin[STREAMS];
	size_t n_streams;
	size_t eaten[STREAMS];
	const char *failed;
} spdy_side;

static size_t index_of(const spdy_side *s, const sp_spdy_cs *cs)
{
	for (size_t i = 0; i < s->n_streams; i++) {
		if (s->streams[i] == cs)
			return i;
	}
	SP_UNREACHABLE();
}
static void spdy_stream(void *arg, sp_spdy_cs *cs)
{
	spdy_side *s = arg;
	s->streams[s->n_streams++] = cs;
	if (sp_spdy_core_reply(s->core, cs, NULL, 0, false, NULL) != SP_OK)
		s->failed = "reply";
}
static void spdy_block(void *arg, sp_spdy_cs *cs, sp_str block)
{
	(void)arg;
	(void)cs;
	(void)block;
}
static void spdy_data(void *arg, sp_spdy_cs *cs, const uint8_t *bytes, size_t n)
{
	spdy_side *s = arg;
	sp_buf_append(&s->got[index_of(s, cs)], bytes, n);
}
static void spdy_fin(void *arg, sp_spdy_cs *cs)
{
	spdy_side *s = arg;
	s->fin[index_of(s, cs)] = true;
}
static void spdy_reset(void *arg, sp_spdy_cs *cs, uint32_t status)
{
	(void)cs;
	(void)status;
	((spdy_side *)arg)->failed = "reset";
}
static void spdy_window(void *arg, sp_spdy_cs *cs)
{
	(void)arg;
	(void)cs;
}
static void spdy_number(void *arg, uint32_t n)
{
	(void)arg;
	(void)n;
}
static void spdy_failed(void *arg, const sp_err *err)
{
	(void)err;
	((spdy_side *)arg)->failed = "failed";
}
static const sp_spdy_events spdy_events = {spdy_stream, spdy_block,  spdy_block,  spdy_data,   spdy_fin,
					   spdy_reset,  spdy_window, spdy_number, spdy_number, spdy_failed};

static void spdy_done(void *arg)
{
	spdy_side *s = arg;
	for (size_t i = 0; i < s->n_streams; i++)
		sp_spdy_core_release(s->core, s->streams[i]);
	for (size_t i = 0; i < STREAMS; i++)
		sp_buf_done(&s->got[i]);
	sp_spdy_core_free(s->core);
	sp_buf_done(&s->out);
	sp_free(s);
}
static sp_code spdy_new(bool client, spdy_side **ret)
{
	spdy_side *s = SP_NEW(spdy_side);
	sp_buf_init(&s->out, (size_t)8 << 20);
	for (size_t i = 0; i < STREAMS; i++)
		sp_buf_init(&s->got[i], (size_t)1 << 20);
	T_DEFER(spdy_done, s);
	*ret = s;
	sp_spdy_opts o = {.client = client, .window_bytes = 1500};
	return sp_spdy_core_new(&o, &spdy_events, s, &s->out, &s->core, T_ERR);
}

/* Some of what waits on one side goes to the other. */
static void spdy_pass(spdy_side *from, spdy_side *to)
{
	size_t n = t_random_below(from->out.len + 1);
	sp_spdy_core_feed(to->core, (const uint8_t *)from->out.ptr, n);
	sp_buf_consume(&from->out, n);
}

/* The receiver uses up what it got, now and then. */
static void spdy_eat(spdy_side *s)
{
	for (size_t i = 0; i < s->n_streams; i++) {
		if (t_random_below(3) != 0)
			continue;
		sp_spdy_core_consumed(s->core, s->streams[i], s->got[i].len - s->eaten[i]);
		s->eaten[i] = s->got[i].len;
	}
}

SP_TEST(framing, spdy_streams_deliver_through_narrow_windows)
{
	spdy_side *c = NULL, *s = NULL;
	T_OK(spdy_new(true, &c));
	T_OK(spdy_new(false, &s));
	sp_str want[STREAMS];
	size_t sent[STREAMS] = {0};
	sp_spdy_header h = {SP_STR("streamtype"), SP_STR("data")};
	for (size_t i = 0; i < STREAMS; i++) {
		want[i] = random_bytes(20000);
		T_OK(sp_spdy_core_open(c->core, &h, 1, false, &c->streams[i], T_ERR));
		c->n_streams++;
	}
	size_t n_open = STREAMS;
	for (size_t round = 0; round < 100000 && n_open > 0; round++) {
		size_t i = t_random_below(STREAMS);
		if (sent[i] <= want[i].len) {
			size_t n = SP_MIN(want[i].len - sent[i], 1 + t_random_below(3000)), taken = 0;
			bool last = sent[i] + n == want[i].len;
			T_OK(sp_spdy_core_data(c->core, c->streams[i], (const uint8_t *)want[i].ptr + sent[i],
					       n, last, &taken, T_ERR));
			sent[i] += taken;
			if (last && taken == n) {
				sent[i] = want[i].len + 1;
				n_open--;
			}
		}
		spdy_pass(c, s);
		spdy_eat(s);
		spdy_pass(s, c);
	}
	T_EQ_U64(n_open, 0);
	for (size_t round = 0; round < 1000 && c->out.len + s->out.len > 0; round++) {
		spdy_pass(c, s);
		spdy_pass(s, c);
	}
	T_TRUE(c->failed == NULL && s->failed == NULL);
	T_EQ_U64(s->n_streams, STREAMS);
	for (size_t i = 0; i < STREAMS; i++) {
		t_row("stream %zu", i);
		T_OK(sp_buf_code(&s->got[i]));
		T_TRUE(s->fin[i]);
		T_TRUE(sp_str_eq(sp_buf_view(&s->got[i]), want[i]));
	}
}

/* ---- ttrpc ---- */

static void echo(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	sp_ttrpc_call_finish(call, NULL, payload);
}
static const sp_ttrpc_method echo_methods[] = {{SP_STR_INIT("Echo"), .on_call = echo}};
static const sp_ttrpc_service echo_services[] = {{SP_STR_INIT("x.Y"), echo_methods, 1, NULL}};

typedef struct rpc {
	sp_ttrpc_rpc rpc;
	sp_str want;
	bool right;
} rpc;
static void rpc_end(sp_ttrpc_rpc *r, const sp_ttrpc_status *status, sp_str payload)
{
	rpc *mine = r->arg;
	mine->right = status->code == SP_RPC_OK && sp_str_eq(payload, mine->want);
}

typedef struct ttrpc_pair {
	sp_ttrpc_client_core *client;
	sp_ttrpc_server_core *server;
	sp_buf to_server, to_client;
} ttrpc_pair;
static void ttrpc_done(void *arg)
{
	ttrpc_pair *p = arg;
	sp_ttrpc_client_core_free(p->client);
	sp_ttrpc_server_core_free(p->server);
	sp_buf_done(&p->to_server);
	sp_buf_done(&p->to_client);
	sp_free(p);
}

SP_TEST(framing, ttrpc_calls_come_back)
{
	ttrpc_pair *p = SP_NEW(ttrpc_pair);
	sp_buf_init(&p->to_server, (size_t)16 << 20);
	sp_buf_init(&p->to_client, (size_t)16 << 20);
	T_DEFER(ttrpc_done, p);
	T_OK(sp_ttrpc_client_core_new(&p->to_server, &p->client, T_ERR));
	T_OK(sp_ttrpc_server_core_new(echo_services, 1, 0, NULL, NULL, &p->to_client, &p->server, T_ERR));
	rpc *rpcs = sp_new(T_ARENA, rpc, ROUNDS);
	for (size_t i = 0; i < ROUNDS; i++) {
		rpcs[i] = (rpc){.rpc = {.on_end = rpc_end, .arg = &rpcs[i]},
				.want = random_bytes(i % 20 == 0 ? 200000 : 500)};
		sp_ttrpc_call_opts o = {
			.service = SP_STR("x.Y"), .method = SP_STR("Echo"), .payload = rpcs[i].want};
		T_OK(sp_ttrpc_client_core_call(p->client, &rpcs[i].rpc, &o, 0, T_ERR));
	}
	for (size_t round = 0; round < 100000 && p->to_server.len + p->to_client.len > 0; round++) {
		size_t n = t_random_below(t_random_below(2) == 0 ? 20 : p->to_server.len + 1);
		n = SP_MIN(n, p->to_server.len);
		T_OK(sp_ttrpc_server_core_feed(p->server, sp_str_sub(sp_buf_view(&p->to_server), 0, n), 0,
					       T_ERR));
		sp_buf_consume(&p->to_server, n);
		n = t_random_below(p->to_client.len + 1);
		T_OK(sp_ttrpc_client_core_feed(p->client, sp_str_sub(sp_buf_view(&p->to_client), 0, n),
					       T_ERR));
		sp_buf_consume(&p->to_client, n);
	}
	for (size_t i = 0; i < ROUNDS; i++) {
		t_row("call %zu", i);
		T_TRUE(rpcs[i].right);
	}
}

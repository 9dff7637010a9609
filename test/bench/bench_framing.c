/* SPDX-License-Identifier: Apache-2.0 */
/* Throughput of the framing cores without I/O, on one core: best of several runs. */
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "io/spdy/core.h"
#include "io/ttrpc/client_core.h"
#include "io/ttrpc/server_core.h"
#include "io/ws/core.h"

#define RUNS 7

static uint8_t block[32 << 10];
static uint64_t n_seen;

static double now_s(void)
{
	struct timespec ts;
	SP_ASSERT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) == 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double best(double (*run)(void))
{
	double most = 0;
	for (int i = 0; i < RUNS; i++) {
		double v = run();
		most = v > most ? v : most;
	}
	return most;
}

/* ---- WebSocket ---- */

static void ws_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	(void)arg, (void)kind, (void)bytes, (void)last;
	n_seen += n;
}
static void ws_closed(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	(void)arg, (void)code, (void)reason, (void)err;
	SP_UNREACHABLE();
}
static const sp_ws_events ws_events = {ws_message, NULL, ws_closed};
static void ws_mask(void *arg, uint8_t key[4])
{
	(void)arg;
	memcpy(key, "\x12\x34\x56\x78", 4);
}

static double run_ws(bool from_client, size_t size, size_t total, bool per_message)
{
	SP_AUTO_BUF out;
	SP_AUTO_BUF back;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_buf_init(&back, (size_t)1 << 20);
	sp_ws_core *from = NULL, *to = NULL;
	sp_ws_opts a = {.client = from_client}, b = {.client = !from_client};
	SP_ASSERT(sp_ws_core_new(&a, &ws_events, NULL, ws_mask, NULL, &out, &from, NULL) == SP_OK);
	SP_ASSERT(sp_ws_core_new(&b, &ws_events, NULL, ws_mask, NULL, &back, &to, NULL) == SP_OK);
	double start = now_s();
	size_t n = 0;
	for (n_seen = 0; n_seen < total; n++) {
		SP_ASSERT(sp_ws_core_send(from, SP_WS_BINARY, &(sp_iov){block, size}, 1, NULL) == SP_OK);
		sp_ws_core_feed(to, (const uint8_t *)out.ptr, out.len);
		sp_buf_clear(&out);
	}
	double seconds = now_s() - start;
	sp_ws_core_free(from);
	sp_ws_core_free(to);
	return per_message ? (double)n / seconds : (double)n_seen / seconds / 1e6;
}
static double ws_server(void)
{
	return run_ws(false, sizeof block, (size_t)256 << 20, false);
}
static double ws_client(void)
{
	return run_ws(true, sizeof block, (size_t)128 << 20, false);
}
static double ws_small(void)
{
	return run_ws(true, 100, (size_t)20 << 20, true);
}

/* ---- SPDY ---- */

static sp_spdy_core *spdy_to;
static sp_spdy_cs *spdy_taken;

static void spdy_stream(void *arg, sp_spdy_cs *s)
{
	(void)arg;
	spdy_taken = s;
	SP_ASSERT(sp_spdy_core_reply(spdy_to, s, NULL, 0, false, NULL) == SP_OK);
}
static void spdy_block(void *arg, sp_spdy_cs *s, sp_str b)
{
	(void)arg, (void)s, (void)b;
}
static void spdy_data(void *arg, sp_spdy_cs *s, const uint8_t *bytes, size_t n)
{
	(void)arg, (void)bytes;
	n_seen += n;
	if (s == spdy_taken)
		sp_spdy_core_consumed(spdy_to, s, n);
}
static void spdy_event(void *arg, sp_spdy_cs *s)
{
	(void)arg, (void)s;
}
static void spdy_reset(void *arg, sp_spdy_cs *s, uint32_t status)
{
	(void)arg, (void)s, (void)status;
}
static void spdy_number(void *arg, uint32_t n)
{
	(void)arg, (void)n;
}
static void spdy_failed(void *arg, const sp_err *err)
{
	(void)arg, (void)err;
	SP_UNREACHABLE();
}
static const sp_spdy_events spdy_events = {spdy_stream, spdy_block, spdy_block,  spdy_data,   spdy_event,
					   spdy_reset,  spdy_event, spdy_number, spdy_number, spdy_failed};

static void pass(sp_buf *from, sp_spdy_core *to)
{
	sp_spdy_core_feed(to, (const uint8_t *)from->ptr, from->len);
	sp_buf_clear(from);
}

typedef struct spdy_pair {
	sp_spdy_core *client;
	sp_buf out, back;
} spdy_pair;

static void spdy_begin(spdy_pair *p)
{
	sp_spdy_opts o = {.client = true}, so = {0};
	sp_buf_init(&p->out, (size_t)1 << 20);
	sp_buf_init(&p->back, (size_t)1 << 20);
	SP_ASSERT(sp_spdy_core_new(&o, &spdy_events, NULL, &p->out, &p->client, NULL) == SP_OK);
	SP_ASSERT(sp_spdy_core_new(&so, &spdy_events, NULL, &p->back, &spdy_to, NULL) == SP_OK);
	pass(&p->back, p->client);
	n_seen = 0;
}

static sp_spdy_cs *spdy_open(spdy_pair *p)
{
	sp_spdy_header h = {SP_STR("streamtype"), SP_STR("data")};
	sp_spdy_cs *s = NULL;
	SP_ASSERT(sp_spdy_core_open(p->client, &h, 1, false, &s, NULL) == SP_OK);
	return s;
}

static void spdy_end(spdy_pair *p)
{
	sp_spdy_core_free(p->client);
	sp_spdy_core_free(spdy_to);
	sp_buf_done(&p->out);
	sp_buf_done(&p->back);
}

static double spdy_bytes(void)
{
	spdy_pair p;
	spdy_begin(&p);
	sp_spdy_cs *s = spdy_open(&p);
	size_t taken = 0;
	double start = now_s();
	while (n_seen < (size_t)256 << 20) {
		SP_ASSERT(sp_spdy_core_data(p.client, s, block, sizeof block, false, &taken, NULL) == SP_OK);
		pass(&p.out, spdy_to);
		pass(&p.back, p.client);
	}
	double seconds = now_s() - start;
	sp_spdy_core_release(p.client, s);
	sp_spdy_core_release(spdy_to, spdy_taken);
	spdy_end(&p);
	return (double)n_seen / seconds / 1e6;
}

static double spdy_streams(void)
{
	spdy_pair p;
	spdy_begin(&p);
	size_t taken = 0, n = 20000;
	double start = now_s();
	for (size_t i = 0; i < n; i++) {
		sp_spdy_cs *s = spdy_open(&p);
		SP_ASSERT(sp_spdy_core_data(p.client, s, block, 100, true, &taken, NULL) == SP_OK);
		pass(&p.out, spdy_to);
		SP_ASSERT(sp_spdy_core_data(spdy_to, spdy_taken, block, 100, true, &taken, NULL) == SP_OK);
		sp_spdy_core_release(spdy_to, spdy_taken);
		pass(&p.back, p.client);
		sp_spdy_core_release(p.client, s);
	}
	double seconds = now_s() - start;
	spdy_end(&p);
	return (double)n / seconds;
}

/* ---- ttrpc ---- */

static void echo(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	sp_ttrpc_call_finish(call, NULL, payload);
}
static const sp_ttrpc_method methods[] = {{SP_STR_INIT("State"), .on_call = echo}};
static const sp_ttrpc_service services[] = {{SP_STR_INIT("containerd.task.v2.Task"), methods, 1, NULL}};

static void rpc_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	(void)rpc;
	SP_ASSERT(status->code == SP_RPC_OK);
	n_seen += payload.len;
}

static double ttrpc_calls(void)
{
	SP_AUTO_BUF out;
	SP_AUTO_BUF back;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_buf_init(&back, (size_t)1 << 20);
	sp_ttrpc_client_core *client = NULL;
	sp_ttrpc_server_core *server = NULL;
	SP_ASSERT(sp_ttrpc_client_core_new(&out, &client, NULL) == SP_OK);
	SP_ASSERT(sp_ttrpc_server_core_new(services, 1, 0, NULL, NULL, &back, &server, NULL) == SP_OK);
	sp_ttrpc_rpc rpc = {.on_end = rpc_end};
	sp_ttrpc_metadata md = {SP_STR(SP_TTRPC_NAMESPACE_KEY), SP_STR("k8s.io")};
	sp_ttrpc_call_opts o = {.service = SP_STR("containerd.task.v2.Task"),
				.method = SP_STR("State"),
				.payload = {(const char *)block, 80},
				.timeout_ns = 1000000000,
				.metadata = &md,
				.n_metadata = 1};
	double start = now_s();
	const size_t calls = 200000;
	for (size_t i = 0; i < calls; i++) {
		SP_ASSERT(sp_ttrpc_client_core_call(client, &rpc, &o, i, NULL) == SP_OK);
		SP_ASSERT(sp_ttrpc_server_core_feed(server, sp_buf_view(&out), i, NULL) == SP_OK);
		sp_buf_clear(&out);
		SP_ASSERT(sp_ttrpc_client_core_feed(client, sp_buf_view(&back), NULL) == SP_OK);
		sp_buf_clear(&back);
	}
	double seconds = now_s() - start;
	sp_ttrpc_client_core_free(client);
	sp_ttrpc_server_core_free(server);
	return (double)calls / seconds;
}

int main(void)
{
	static const struct {
		const char *name, *unit;
		double (*run)(void);
	} rows[] = {
		{"ws_server_to_client_32k", "MB/s", ws_server},
		{"ws_client_to_server_32k", "MB/s", ws_client},
		{"ws_masked_100b", "messages/s", ws_small},
		{"spdy_stream_32k", "MB/s", spdy_bytes},
		{"spdy_streams_open_close", "streams/s", spdy_streams},
		{"ttrpc_unary_core", "calls/s", ttrpc_calls},
	};
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = (uint8_t)(i * 31);
	for (size_t i = 0; i < SP_LEN(rows); i++)
		printf("bench %s %.0f %s peer=none\n", rows[i].name, best(rows[i].run), rows[i].unit);
	return 0;
}

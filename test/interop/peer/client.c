/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our clients against the Go servers under test/interop: client ws|spdy|ttrpc PORT. Exit status 0 when
 * everything came back as it should.
 */
#include "lib/mini_world.h"

#include "base/arena.h"
#include "base/num.h"
#include "io/spdy/session.h"
#include "io/ttrpc/conn.h"
#include "io/ws/handshake.h"
#include "io/ws/ws.h"

#include <netinet/in.h>

static mini_world world;
static int n_wrong;

static void wrong(const char *what, const char *detail)
{
	fprintf(stderr, "%s: %s\n", what, detail);
	n_wrong++;
}

static int dial(sp_str port)
{
	uint64_t v = 0;
	SP_ASSERT(sp_parse_u64(port, 1, UINT16_MAX, &v, NULL) == SP_OK);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)v)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SP_ASSERT(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
	return fd;
}

static sp_stream *stream_of(int fd)
{
	sp_stream *s = NULL;
	SP_ASSERT(sp_stream_from_fd(&world.base, fd, &s, NULL) == SP_OK);
	return s;
}

/* ---- WebSocket ---- */

static sp_ws *ws;
static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 1000000};
static size_t n_sent;

static uint8_t big[1000000];

static void ws_next(void)
{
	if (n_sent == SP_LEN(sizes)) {
		sp_ws_close(ws, SP_WS_NORMAL, SP_STR("enough"));
		return;
	}
	size_t n = sizes[n_sent++];
	SP_ASSERT(sp_ws_send(ws, SP_WS_BINARY, &(sp_iov){big, n}, 1, NULL) == SP_OK);
}
static void ws_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	(void)arg;
	if (!last || kind != SP_WS_BINARY || n != sizes[n_sent - 1] || memcmp(bytes, big, n) != 0)
		wrong("ws", "another message came back");
	ws_next();
}
static void ws_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	(void)arg;
	(void)reason;
	if (err != NULL || code != SP_WS_NORMAL || n_sent != SP_LEN(sizes))
		wrong("ws close", err != NULL ? err->msg : "too early or with another code");
	sp_world_stop(&world.base);
}
static const sp_ws_handler ws_handler = {ws_message, NULL, ws_close};

static void run_ws(int fd)
{
	static const uint8_t nonce[SP_WS_NONCE_BYTES] = "sampan interop!";
	char key[SP_WS_KEY_BYTES], accept[SP_WS_ACCEPT_BYTES], text[512], head[2048];
	sp_ws_key_make(nonce, key);
	sp_ws_accept_of((sp_str){key, sizeof key}, accept);
	int n = snprintf(text, sizeof text,
			 "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
			 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %.*s\r\n\r\n",
			 SP_WS_KEY_BYTES, key);
	SP_ASSERT(send(fd, text, (size_t)n, MSG_NOSIGNAL) == n);
	size_t len = 0;
	while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0)
		SP_ASSERT(len < sizeof head && recv(fd, head + len++, 1, 0) == 1);
	if (sp_str_find((sp_str){head, len}, (sp_str){accept, sizeof accept}) < 0)
		wrong("ws", "another Sec-WebSocket-Accept");
	sp_ws_conn_opts o = {.core = {.client = true}};
	SP_ASSERT(sp_ws_open(&world.base, stream_of(fd), &o, &ws_handler, NULL, &ws, NULL) == SP_OK);
	sp_ws_read(ws, true);
	ws_next();
}

/* ---- SPDY ---- */

#define STREAMS 20
#define STREAM_BYTES ((size_t)200000)

typedef struct talker {
	sp_stream *stream;
	sp_write req;
	size_t n_back;
} talker;

static sp_spdy *session;
static talker talkers[STREAMS];
static size_t n_replies, n_over;

static void written(sp_write *req, sp_code code)
{
	(void)req;
	if (code != SP_OK)
		wrong("spdy", "a write failed");
}
static void talker_data(void *arg, const uint8_t *bytes, size_t n)
{
	talker *t = arg;
	if (t->n_back + n > STREAM_BYTES || memcmp(bytes, big + t->n_back, n) != 0)
		wrong("spdy", "other bytes came back");
	t->n_back += n;
}
static void talker_end(void *arg)
{
	talker *t = arg;
	if (t->n_back != STREAM_BYTES)
		wrong("spdy", "bytes are missing");
	sp_stream_close(t->stream);
}
static void talker_error(void *arg, const sp_err *err)
{
	talker *t = arg;
	wrong("spdy stream", err->msg);
	sp_stream_close(t->stream);
}
static void talker_close(void *arg)
{
	(void)arg;
	if (++n_over == STREAMS)
		sp_spdy_close(session);
}
static const sp_stream_handler talker_handler = {talker_data, talker_end, talker_error, talker_close};

static void on_stream(void *arg, sp_stream *s, sp_str block)
{
	(void)arg;
	(void)block;
	wrong("spdy", "the server opened a stream");
	sp_stream_close(s);
}
static void on_reply(void *arg, sp_stream *s, sp_str block)
{
	(void)arg;
	(void)s;
	(void)block;
	n_replies++;
}
static void on_close(void *arg, const sp_err *err)
{
	(void)arg;
	if (err != NULL || n_replies != STREAMS)
		wrong("spdy close", err != NULL ? err->msg : "replies are missing");
	sp_world_stop(&world.base);
}
static const sp_spdy_handler spdy_handler = {on_stream, on_reply, NULL, on_close};

static void run_spdy(int fd)
{
	sp_spdy_conn_opts o = {.core = {.client = true}};
	SP_ASSERT(sp_spdy_open(&world.base, stream_of(fd), &o, &spdy_handler, NULL, &session, NULL) == SP_OK);
	sp_spdy_header h = {SP_STR("streamtype"), SP_STR("data")};
	for (size_t i = 0; i < STREAMS; i++) {
		talker *t = &talkers[i];
		SP_ASSERT(sp_spdy_stream_open(session, &h, 1, false, &t->stream, NULL) == SP_OK);
		sp_stream_handle(t->stream, &talker_handler, t);
		sp_stream_read(t->stream, true);
		t->req = (sp_write){.n_iov = 1, .done = written};
		t->req.iov[0] = (sp_iov){big, STREAM_BYTES};
		sp_stream_write(t->stream, &t->req);
		sp_stream_shutdown(t->stream);
	}
}

/* ---- ttrpc ---- */

#define CALLS 30

static sp_ttrpc_client *client;
static sp_arena texts;
static sp_ttrpc_rpc rpcs[CALLS + 2];
static size_t n_calls_over, n_messages;
static sp_buf payloads[CALLS + 2];

static void rpc_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	size_t i = (size_t)(rpc - rpcs);
	if (i < CALLS && (status->code != SP_RPC_OK || !sp_str_eq(payload, sp_buf_view(&payloads[i]))))
		wrong("ttrpc echo", status->code != SP_RPC_OK
					    ? sp_arena_printf(&texts, SP_FMT, SP_ARG(status->message)).ptr
					    : "another answer");
	if (i == CALLS &&
	    (status->code != SP_RPC_NOT_FOUND || !sp_str_eq(status->message, SP_STR("nothing in k8s.io"))))
		wrong("ttrpc status", "another status");
	if (i == CALLS + 1 && (status->code != SP_RPC_OK || n_messages != 10))
		wrong("ttrpc stream", "another end");
	if (++n_calls_over == CALLS + 2)
		sp_ttrpc_client_close(client);
}
static void rpc_data(sp_ttrpc_rpc *rpc, sp_str payload)
{
	(void)rpc;
	if (!sp_str_eq(payload, sp_buf_view(&payloads[1])))
		wrong("ttrpc stream", "another message");
	if (++n_messages == 10)
		SP_ASSERT(sp_ttrpc_client_close_send(client, rpc, NULL) == SP_OK);
}
static void client_closed(void *arg, const sp_err *err)
{
	(void)arg;
	if (err != NULL || n_calls_over != CALLS + 2)
		wrong("ttrpc close", err != NULL ? err->msg : "calls are missing");
	sp_world_stop(&world.base);
}

static void call(size_t i, const char *method, bool streams)
{
	sp_ttrpc_metadata md = {SP_STR(SP_TTRPC_NAMESPACE_KEY), SP_STR("k8s.io")};
	sp_ttrpc_call_opts o = {.service = SP_STR("interop.Test"),
				.method = sp_str_c(method),
				.metadata = &md,
				.n_metadata = 1};
	o.client_streams = o.server_streams = streams;
	o.payload = streams ? (sp_str){NULL, 0} : sp_buf_view(&payloads[i]);
	o.timeout_ns = UINT64_C(20) * 1000000000;
	rpcs[i] = (sp_ttrpc_rpc){.on_end = rpc_end, .on_data = rpc_data};
	SP_ASSERT(sp_ttrpc_client_call(client, &rpcs[i], &o, NULL) == SP_OK);
}

static void run_ttrpc(int fd)
{
	SP_ASSERT(sp_ttrpc_client_open(&world.base, stream_of(fd), client_closed, NULL, &client, NULL) ==
		  SP_OK);
	sp_arena_init(&texts, 1 << 20);
	for (size_t i = 0; i < SP_LEN(payloads); i++) {
		sp_buf_init(&payloads[i], 1 << 20);
		/* a field 1 of bytes: google.protobuf.BytesValue has the shape of our own first field */
		sp_str bytes = {(const char *)big, 1 + i * 10000};
		SP_ASSERT(sp_ttrpc_request_encode(&payloads[i], bytes, SP_STR(""), SP_STR(""), 0, NULL, 0) ==
			  SP_OK);
	}
	for (size_t i = 0; i < CALLS; i++)
		call(i, "Echo", false);
	call(CALLS, "Fail", false);
	call(CALLS + 1, "Chat", true);
	for (size_t i = 0; i < 10; i++)
		SP_ASSERT(sp_ttrpc_client_send(client, &rpcs[CALLS + 1], sp_buf_view(&payloads[1]), NULL) ==
			  SP_OK);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int fd);
	} rows[] = {{"ws", run_ws}, {"spdy", run_spdy}, {"ttrpc", run_ttrpc}};
	SP_ASSERT(argc == 3);
	mini_world_init(&world, 1, (size_t)1 << 20);
	world.real_time = true;
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		if (sp_str_eq(sp_str_c(argv[1]), sp_str_c(rows[i].name)))
			rows[i].run(dial(sp_str_c(argv[2])));
	}
	sp_world_run(&world.base);
	for (size_t i = 0; i < SP_LEN(payloads); i++)
		sp_buf_done(&payloads[i]);
	sp_arena_done(&texts);
	return n_wrong == 0 ? 0 : 1;
}

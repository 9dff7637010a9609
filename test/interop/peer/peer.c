/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server that the Go clients under test/interop talk to. Listens on a free port of 127.0.0.1, prints
 * "port N" and serves until its parent ends. What a connection speaks shows in its first bytes:
 *   GET  /echo       WebSocket: every message comes back
 *   GET  /exec       WebSocket channels, translated to SPDY inside this process
 *   GET  /tunnel     SPDY port-forward in a WebSocket tunnel
 *   POST /exec       SPDY remote command: stdin comes back on stdout; ?exit=N is its exit code
 *   POST /streams    SPDY: what comes on a stream goes back on it
 *   POST /forward    SPDY port-forward in pairs of streams: data comes back
 *   anything else    ttrpc, service "interop.Test"
 */
#include "lib/mini_world.h"

#include "io/spdy/forward.h"
#include "io/spdy/remote.h"
#include "io/spdy/translate.h"
#include "io/ttrpc/conn.h"
#include "io/ws/handshake.h"
#include "io/ws/tunnel.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>

static mini_world world;

/* ---- remote command and port-forward over SPDY ---- */

typedef enum service { EXEC, STREAMS, FORWARD } service;

typedef struct command {
	sp_remote_streams s;
	sp_remote_collect collect;
	sp_forward forward;
	service service;
	int exit_code;
	bool said;
} command;

typedef struct copy_write {
	sp_write req;
	char bytes[];
} copy_write;

static void copied(sp_write *req, sp_code code)
{
	(void)code;
	sp_free(SP_CONTAINER_OF(req, copy_write, req));
}

static void write_copy(sp_stream *to, sp_str bytes)
{
	if (to == NULL)
		return;
	copy_write *w = sp_alloc(sizeof *w + bytes.len);
	memcpy(w->bytes, bytes.ptr, bytes.len);
	w->req = (sp_write){.n_iov = 1, .done = copied};
	w->req.iov[0] = (sp_iov){w->bytes, bytes.len};
	sp_stream_write(to, &w->req);
}

static void send_status(command *c)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, 4096);
	if (c->said || c->s.error == NULL)
		return;
	c->said = true;
	if (c->exit_code == 0)
		(void)sp_remote_status_success(&text, c->collect.protocol);
	else
		(void)sp_remote_status_exit(&text, c->collect.protocol, c->exit_code, SP_STR("as \"asked\""));
	write_copy(c->s.error, sp_buf_view(&text));
	sp_stream_shutdown(c->s.error);
}

/* The command, or the mate of a forwarded stream, rides in a field that the peer has no other use for. */
static command *command_of(const sp_stream *s)
{
	return (command *)(uintptr_t)s->tls;
}

static void stream_data(void *arg, const uint8_t *bytes, size_t n)
{
	sp_stream *s = arg;
	command *c = command_of(s);
	sp_str text = {(const char *)bytes, n};
	if (c->service != EXEC)
		write_copy(s, text);
	else if (s == c->s.in)
		write_copy(c->s.out, text);
	else if (s == c->s.resize)
		write_copy(c->s.out, SP_STR("resized\n"));
}

static void stream_end(void *arg)
{
	sp_stream *s = arg;
	command *c = command_of(s);
	if (c->service != EXEC) {
		sp_stream_shutdown(s);
	} else if (s == c->s.in) {
		if (c->s.err != NULL) {
			write_copy(c->s.err, SP_STR("done\n"));
			sp_stream_shutdown(c->s.err);
		}
		if (c->s.out != NULL)
			sp_stream_shutdown(c->s.out);
		send_status(c);
	}
}

static void stream_error(void *arg, const sp_err *err)
{
	(void)err;
	sp_stream *s = arg;
	sp_stream_close(s);
}

static void stream_close(void *arg)
{
	sp_stream *s = arg;
	command *c = command_of(s);
	sp_stream **slots[] = {&c->s.in, &c->s.out, &c->s.err, &c->s.error, &c->s.resize};
	for (size_t i = 0; i < SP_LEN(slots); i++) {
		if (*slots[i] == s)
			*slots[i] = NULL;
	}
}

static const sp_stream_handler stream_handler = {stream_data, stream_end, stream_error, stream_close};

static void take_stream(command *c, sp_stream *s)
{
	if (s == NULL)
		return;
	s->tls = (const struct sp_tls_peer *)(uintptr_t)c;
	sp_stream_handle(s, &stream_handler, s);
	sp_stream_read(s, true);
}

static void on_ready(sp_remote_collect *collect, const sp_remote_streams *streams)
{
	command *c = collect->arg;
	c->s = *streams;
	take_stream(c, c->s.in);
	take_stream(c, c->s.out);
	take_stream(c, c->s.err);
	take_stream(c, c->s.error);
	take_stream(c, c->s.resize);
}

static void on_collect_timeout(sp_remote_collect *collect)
{
	(void)collect;
	fprintf(stderr, "timed out waiting for client to create streams\n");
}

static void on_pair(sp_forward *f, uint16_t port, sp_stream *data, sp_stream *error)
{
	SP_ASSERT(port == 8080);
	take_stream(f->arg, data);
	take_stream(f->arg, error); /* nothing to say: it ends when the client ends it */
}

static void on_stream(void *arg, sp_stream *s, sp_str block)
{
	command *c = arg;
	sp_err err = {0};
	(void)block;
	sp_code code = SP_OK;
	if (c->service == EXEC) {
		code = sp_remote_collect_add(&c->collect, s, &err);
	} else if (c->service == FORWARD) {
		code = sp_forward_add(&c->forward, s, &err); /* closes what it refuses */
	} else {
		SP_ASSERT(sp_spdy_reply(s, NULL, 0, &err) == SP_OK);
		take_stream(c, s);
	}
	if (code != SP_OK)
		fprintf(stderr, "stream refused: %s\n", err.msg);
	if (code != SP_OK && c->service == EXEC) {
		sp_spdy_reset(s, SP_SPDY_CANCEL);
		sp_stream_close(s);
	}
}

static void on_session_close(void *arg, const sp_err *err)
{
	command *c = arg; /* streams end after their session: the command stays until the process ends */
	if (c->service == FORWARD)
		sp_forward_done(&c->forward);
	if (err != NULL)
		fprintf(stderr, "spdy: %s\n", err->msg);
}

static const sp_spdy_handler spdy_handler = {on_stream, NULL, NULL, on_session_close};

static void serve_spdy(sp_stream *s, service service, bool tty, int exit_code)
{
	command *c = SP_NEW(command);
	c->service = service;
	c->exit_code = exit_code;
	c->collect = (sp_remote_collect){.world = &world.base,
					 .want_in = true,
					 .want_out = true,
					 .want_err = !tty,
					 .tty = tty,
					 .on_ready = on_ready,
					 .on_timeout = on_collect_timeout,
					 .arg = c};
	c->collect.protocol = sp_channel_choose(SP_STR("v4.channel.k8s.io"), true, 4);
	c->forward = (sp_forward){.world = &world.base, .on_pair = on_pair, .arg = c};
	if (service == EXEC)
		sp_remote_collect_start(&c->collect, 0);
	sp_forward_init(&c->forward);
	sp_spdy *y = NULL;
	sp_spdy_conn_opts o = {0};
	SP_ASSERT(sp_spdy_open(&world.base, s, &o, &spdy_handler, c, &y, NULL) == SP_OK);
}

/* ---- WebSocket ---- */

typedef struct echo {
	sp_ws *ws;
} echo;

static void echo_message(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last)
{
	echo *e = arg;
	SP_ASSERT(last);
	(void)sp_ws_send(e->ws, kind, &(sp_iov){bytes, n}, 1, NULL);
}
static void echo_close(void *arg, uint16_t code, sp_str reason, const sp_err *err)
{
	(void)code;
	(void)reason;
	(void)err;
	sp_free(arg);
}
static const sp_ws_handler echo_handler = {echo_message, NULL, echo_close};

static void serve_echo(sp_stream *s)
{
	echo *e = SP_NEW(echo);
	sp_ws_conn_opts o = {0};
	SP_ASSERT(sp_ws_open(&world.base, s, &o, &echo_handler, e, &e->ws, NULL) == SP_OK);
	sp_ws_read(e->ws, true);
}

static void translated(void *arg, const sp_err *err)
{
	(void)arg;
	if (err != NULL)
		fprintf(stderr, "translation: %s\n", err->msg);
}

static void serve_translate(sp_stream *s, const sp_channel_protocol *p, bool tty, int exit_code)
{
	sp_stream *pair[2];
	SP_ASSERT(sp_stream_pair(&world.base, pair, NULL) == SP_OK);
	serve_spdy(pair[1], EXEC, tty, exit_code);
	sp_translate_opts o = {.protocol = p, .in = true, .out = true, .err = !tty, .tty = tty};
	sp_translate *t = NULL;
	SP_ASSERT(sp_translate_start(&world.base, s, pair[0], &o, translated, NULL, &t, NULL) == SP_OK);
}

/* ---- ttrpc ---- */

static void rpc_echo(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	sp_ttrpc_call_finish(call, NULL, payload);
}
static void rpc_fail(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	(void)payload;
	sp_err err = {0};
	sp_str ns = sp_ttrpc_metadata_get(sp_ttrpc_call_request(call), SP_STR(SP_TTRPC_NAMESPACE_KEY));
	(void)sp_fail(&err, SP_ENOTFOUND, "nothing in namespace '" SP_FMT "'", SP_ARG(ns));
	sp_ttrpc_call_fail(call, &err);
}
static void rpc_hang(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	(void)call;
	(void)payload;
}
static void rpc_over(void *arg, sp_ttrpc_call *call)
{
	(void)arg;
	sp_ttrpc_call_finish(call, NULL, (sp_str){NULL, 0});
}
static void rpc_chat_begin(void *arg, sp_ttrpc_call *call, sp_str payload)
{
	(void)arg;
	if (payload.len > 0)
		(void)sp_ttrpc_call_send(call, payload, NULL);
}
static const sp_ttrpc_method methods[] = {
	{SP_STR_INIT("Echo"), .on_call = rpc_echo},
	{SP_STR_INIT("Fail"), .on_call = rpc_fail},
	{SP_STR_INIT("Hang"), .on_call = rpc_hang, .on_cancel = rpc_over},
	{SP_STR_INIT("Chat"), .client_streams = true, .server_streams = true, .on_call = rpc_chat_begin,
	 .on_data = rpc_chat_begin, .on_half_close = rpc_over, .on_cancel = rpc_over},
};
static const sp_ttrpc_service services[] = {{SP_STR_INIT("interop.Test"), methods, SP_LEN(methods), NULL}};

static void serve_ttrpc(sp_stream *s)
{
	sp_ttrpc_server_conn *c = NULL;
	sp_ttrpc_server_opts o = {.services = services, .n_services = 1};
	SP_ASSERT(sp_ttrpc_serve(&world.base, s, &o, &c, NULL) == SP_OK);
}

/* ---- the upgrade, just enough of HTTP/1.1 for these clients ---- */

static sp_str header(sp_str head, sp_str name)
{
	sp_str line;
	while (sp_str_cut(&head, '\n', &line)) {
		sp_str key;
		if (sp_str_cut(&line, ':', &key) && sp_str_eq_nocase(key, name))
			return sp_str_trim(line);
	}
	return (sp_str){NULL, 0};
}

static size_t read_head(int fd, char *buf, size_t size)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		(void)poll(&p, 1, -1);
		ssize_t n = recv(fd, buf, size, MSG_PEEK | MSG_DONTWAIT);
		if (n <= 0)
			return 0;
		if (n >= 4 && memcmp(buf, "GET ", 4) != 0 && memcmp(buf, "POST", 4) != 0)
			return 0;
		ptrdiff_t end = sp_str_find((sp_str){buf, (size_t)n}, SP_STR("\r\n\r\n"));
		if (end >= 0 && recv(fd, buf, (size_t)end + 4, 0) == end + 4)
			return (size_t)end + 4;
	}
}

static void answer(int fd, const char *upgrade, sp_str extra)
{
	char text[512];
	(void)snprintf(text, sizeof text,
		       "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n" SP_FMT
		       "\r\n",
		       upgrade, SP_ARG(extra));
	size_t n = strlen(text);
	SP_ASSERT(send(fd, text, n, MSG_NOSIGNAL) == (ssize_t)n);
}

static void serve_http(sp_stream *s, int fd, sp_str head)
{
	sp_str target = head;
	sp_str method;
	SP_ASSERT(sp_str_cut(&target, ' ', &method));
	bool exec = sp_str_starts(target, SP_STR("/exec"));
	bool tty = sp_str_find(target, SP_STR("tty=true")) >= 0;
	ptrdiff_t exit_at = sp_str_find(target, SP_STR("exit="));
	int exit_code = exit_at < 0 ? 0 : target.ptr[exit_at + 5] - '0';
	char extra[512];
	if (sp_str_eq_nocase(header(head, SP_STR("Upgrade")), SP_STR("websocket"))) {
		sp_str key = header(head, SP_STR("Sec-WebSocket-Key")),
		       list = header(head, SP_STR("Sec-WebSocket-Protocol"));
		char accept[SP_WS_ACCEPT_BYTES];
		SP_ASSERT(sp_ws_key_is_valid(key));
		sp_ws_accept_of(key, accept);
		const sp_channel_protocol *p = exec ? sp_channel_choose(list, false, 5) : NULL;
		sp_str chosen = p != NULL ? p->name : sp_channel_is_tunnel(list) ? list : (sp_str){NULL, 0};
		(void)snprintf(extra, sizeof extra, "Sec-WebSocket-Accept: " SP_FMT "\r\n%s" SP_FMT "%s",
			       SP_ARG(((sp_str){accept, sizeof accept})),
			       chosen.len > 0 ? "Sec-WebSocket-Protocol: " : "", SP_ARG(chosen),
			       chosen.len > 0 ? "\r\n" : "");
		answer(fd, "websocket", sp_str_c(extra));
		sp_ws_conn_opts o = {0};
		sp_stream *t = NULL;
		if (p != NULL) {
			serve_translate(s, p, tty, exit_code);
		} else if (chosen.len > 0) {
			SP_ASSERT(sp_ws_tunnel_open(&world.base, s, &o, &t, NULL) == SP_OK);
			serve_spdy(t, FORWARD, false, 0);
		} else {
			serve_echo(s);
		}
		return;
	}
	sp_str version = header(head, SP_STR("X-Stream-Protocol-Version"));
	(void)snprintf(extra, sizeof extra, "X-Stream-Protocol-Version: %s\r\n",
		       exec ? "v4.channel.k8s.io" : "portforward.k8s.io");
	answer(fd, "SPDY/3.1", version.len > 0 ? sp_str_c(extra) : (sp_str){NULL, 0});
	bool streams = sp_str_starts(target, SP_STR("/streams"));
	serve_spdy(s, exec ? EXEC : streams ? STREAMS : FORWARD, tty, exit_code);
}

static void on_accept(void *arg, sp_stream *s)
{
	static char head[8192];
	(void)arg;
	int fd = SP_CONTAINER_OF(s, mini_stream, base)->fd;
	size_t n = read_head(fd, head, sizeof head);
	if (n == 0)
		serve_ttrpc(s);
	else
		serve_http(s, fd, (sp_str){head, n});
}

/* ---- the process ---- */

int main(void)
{
	mini_world_init(&world, 1, (size_t)1 << 20);
	world.real_time = true;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SP_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 64) == 0);
	SP_ASSERT(getsockname(fd, (struct sockaddr *)&a, &len) == 0);
	world.listen_fd = fd;
	world.on_accept = on_accept;
	/* the client that started us is our life */
	SP_ASSERT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	printf("port %d\n", ntohs(a.sin_port));
	fflush(stdout);
	sp_world_run(&world.base);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server that the Go clients under test/interop talk to. Listens on a free port of 127.0.0.1, prints
 * "port N" and serves until its parent ends. What a connection speaks shows in its first bytes:
 *   GET  /echo       WebSocket: every message comes back
 *   GET  /exec       WebSocket channels, translated to SPDY inside this process
 *   GET  /tunnel     SPDY port-forward in a WebSocket tunnel
 *   POST /exec       SPDY remote command: stdin comes back on stdout; ?exit=N is its exit code
 *   POST /forward    SPDY port-forward: data comes back
 *   anything else    ttrpc, service "interop.Test"
 */
#include "lib/mini_world.h"

#include "io/spdy/translate.h"
#include "io/ttrpc/conn.h"
#include "io/ws/handshake.h"
#include "io/ws/tunnel.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>

static sp_world world;

/* ---- remote command and port-forward over SPDY ---- */

typedef struct command {
	sp_stream *in, *out, *err, *status, *resize;
	int exit_code;
	bool forward, said, in_ended;
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
	char text[512];
	if (c->said || c->status == NULL)
		return;
	c->said = true;
	if (c->exit_code == 0)
		(void)snprintf(text, sizeof text, "{\"metadata\":{},\"status\":\"Success\"}");
	else
		(void)snprintf(text, sizeof text,
			       "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"exit\",\"reason\":"
			       "\"NonZeroExitCode\","
			       "\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"%d\"}]}}",
			       c->exit_code);
	write_copy(c->status, sp_str_c(text));
	sp_stream_shutdown(c->status);
}

static sp_stream **slot_of(command *c, sp_str type)
{
	return sp_str_eq(type, SP_STR("stdin"))    ? &c->in
	       : sp_str_eq(type, SP_STR("stdout")) ? &c->out
	       : sp_str_eq(type, SP_STR("stderr")) ? &c->err
	       : sp_str_eq(type, SP_STR("error"))  ? &c->status
						   : &c->resize;
}

static void stream_data(void *arg, const uint8_t *bytes, size_t n)
{
	sp_stream *s = arg;
	command *c = s->tls == NULL ? NULL : (command *)(uintptr_t)s->tls; /* see on_stream */
	sp_str text = {(const char *)bytes, n};
	if (c->forward)
		write_copy(s, text);
	else if (s == c->in)
		write_copy(c->out, text);
	else if (s == c->resize)
		write_copy(c->out, SP_STR("resized\n"));
}

static void stream_end(void *arg)
{
	sp_stream *s = arg;
	command *c = (command *)(uintptr_t)s->tls;
	if (c->forward) {
		sp_stream_shutdown(s);
	} else if (s == c->in) {
		if (c->err != NULL) {
			write_copy(c->err, SP_STR("done\n"));
			sp_stream_shutdown(c->err);
		}
		if (c->out != NULL)
			sp_stream_shutdown(c->out);
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
	command *c = (command *)(uintptr_t)s->tls;
	sp_stream **slots[] = {&c->in, &c->out, &c->err, &c->status, &c->resize};
	for (size_t i = 0; i < SP_LEN(slots); i++) {
		if (*slots[i] == s)
			*slots[i] = NULL;
	}
}

static const sp_stream_handler stream_handler = {stream_data, stream_end, stream_error, stream_close};

static void on_stream(void *arg, sp_stream *s, sp_str block)
{
	command *c = arg;
	s->tls = (const struct sp_tls_peer *)(uintptr_t)
		c; /* the peer has no use for it: our command rides there */
	sp_stream_handle(s, &stream_handler, s);
	if (!c->forward)
		*slot_of(c, sp_spdy_headers_get(block, SP_STR("streamtype"))) = s;
	sp_stream_read(s, true);
	(void)!sp_spdy_reply(s, NULL, 0, NULL);
}

static void on_session_close(void *arg, const sp_err *err)
{
	(void)arg; /* streams end after their session: the command stays until the process ends */
	if (err != NULL)
		fprintf(stderr, "spdy: %s\n", err->msg);
}

static const sp_spdy_handler spdy_handler = {on_stream, NULL, NULL, on_session_close};

static void serve_spdy(sp_stream *s, bool forward, int exit_code)
{
	command *c = SP_NEW(command);
	c->forward = forward;
	c->exit_code = exit_code;
	sp_spdy *y = NULL;
	sp_spdy_conn_opts o = {0};
	SP_ASSERT(sp_spdy_open(&world, s, &o, &spdy_handler, c, &y, NULL) == SP_OK);
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
	SP_ASSERT(sp_ws_open(&world, s, &o, &echo_handler, e, &e->ws, NULL) == SP_OK);
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
	SP_ASSERT(sp_stream_pair(&world, pair, NULL) == SP_OK);
	serve_spdy(pair[1], false, exit_code);
	sp_translate_opts o = {.protocol = p, .in = true, .out = true, .err = !tty, .tty = tty};
	sp_translate *t = NULL;
	SP_ASSERT(sp_translate_start(&world, s, pair[0], &o, translated, NULL, &t, NULL) == SP_OK);
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
	SP_ASSERT(sp_ttrpc_serve(&world, s, &o, &c, NULL) == SP_OK);
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
			SP_ASSERT(sp_ws_tunnel_open(&world, s, &o, &t, NULL) == SP_OK);
			serve_spdy(t, true, 0);
		} else {
			serve_echo(s);
		}
		return;
	}
	sp_str version = header(head, SP_STR("X-Stream-Protocol-Version"));
	(void)snprintf(extra, sizeof extra, "X-Stream-Protocol-Version: %s\r\n",
		       exec ? "v4.channel.k8s.io" : "portforward.k8s.io");
	answer(fd, "SPDY/3.1", version.len > 0 ? sp_str_c(extra) : (sp_str){NULL, 0});
	serve_spdy(s, !exec, exit_code);
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
	sp_world_run(&world);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/file.h"
#include "lib/peer.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)

/* A server that echoes, a client, and what came of connecting. */
typedef struct net {
	sp_world *world;
	sp_listener *listener;
	sp_connect_req req;
	t_peer *client, *server;
	sp_code code;
	char text[240];
	unsigned n_accepted;
} net;

static void on_accept(void *arg, sp_stream *s)
{
	net *n = arg;
	n->n_accepted++;
	n->server = t_peer_new(n->world);
	n->server->echo = n->server->shutdown_on_end = true;
	t_peer_attach(n->server, s);
}

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	net *n = r->arg;
	n->code = err->code;
	(void)snprintf(n->text, sizeof n->text, "%s", err->msg);
	if (s == NULL) {
		sp_world_stop(n->world);
		return;
	}
	n->client = t_peer_new(n->world);
	t_peer_attach(n->client, s);
	t_peer_send(n->client, "ping", 4);
	sp_stream_shutdown(s);
	n->client->stop_on_end = n->client->stop_on_close = true;
}

static net *net_new(void)
{
	static net n;
	n = (net){.world = t_world_uv(), .req = {.done = on_connected}, .code = SP_EINTERNAL};
	n.req.arg = &n;
	return n.world == NULL ? NULL : &n;
}

/* A round trip to the address; the error of the test is set when there is none. */
static sp_code net_echo(net *n, sp_str to)
{
	n->client = n->server = NULL;
	n->code = SP_EINTERNAL;
	SP_TRY(sp_connect(n->world, &n->req, to, 5 * SECOND, T_ERR));
	SP_ASSERT(n->code == SP_EINTERNAL);
	sp_world_run(n->world);
	if (n->code != SP_OK)
		return sp_fail(T_ERR, n->code, "%s", n->text);
	if (n->client->got.len != 4 || n->server == NULL)
		return sp_fail(T_ERR, SP_EIO, "%zu bytes came back: %s", n->client->got.len,
			       n->client->error_text);
	return SP_OK;
}

SP_TEST(socket_uv, tcp)
{
	static const char *const rows[] = {"127.0.0.1:0", "[::1]:0", "[::]:0"};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		net *n = net_new();
		T_TRUE(n != NULL);
		sp_code code =
			sp_listen(n->world, sp_str_c(rows[i]), NULL, on_accept, n, &n->listener, T_ERR);
		if (i > 0 && (t_err()->sys_errno == EADDRNOTAVAIL || t_err()->sys_errno == EAFNOSUPPORT))
			continue; /* a machine without IPv6 */
		T_OK(code);
		sp_str bound = sp_listener_address(n->listener);
		T_TRUE(!sp_str_ends(bound, SP_STR(":0")));
		T_OK(net_echo(n, bound));
		if (i == 0) {
			T_EQ_STR(sp_str_c(n->client->stream->remote), bound);
			T_EQ_STR(sp_str_c(n->server->stream->remote), sp_str_c(n->client->stream->local));
			T_EQ_STR(sp_str_c(n->server->stream->local), bound);
			sp_peer_cred cred;
			T_CODE(sp_stream_peer_cred(n->client->stream, &cred, T_ERR), SP_EUNSUPPORTED);
		}
		if (i == 2) { /* takes IPv4 too, whose address shows as such */
			T_OK(net_echo(n, sp_arena_printf(T_ARENA, "127.0.0.1:" SP_FMT,
							 SP_ARG(sp_str_sub(bound, 5, bound.len)))));
			T_TRUE(sp_str_starts(sp_str_c(n->server->stream->remote), SP_STR("127.0.0.1:")));
		}
	}
}

SP_TEST(socket_uv, names_are_resolved)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	T_OK(sp_listen(n->world, SP_STR("127.0.0.1:0"), NULL, on_accept, n, &n->listener, T_ERR));
	sp_str bound = sp_listener_address(n->listener);
	T_OK(net_echo(
		n, sp_arena_printf(T_ARENA, "localhost:" SP_FMT, SP_ARG(sp_str_sub(bound, 10, bound.len)))));
}

SP_TEST(socket_uv, unix_path)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	sp_str address = sp_arena_printf(T_ARENA, "unix:%s/s", t_tmpdir());
	T_TRUE(address.ptr != NULL);
	sp_str path = sp_str_sub(address, 5, address.len);
	sp_listen_opts opts = {.unix_mode = 0666};
	T_OK(sp_listen(n->world, address, &opts, on_accept, n, &n->listener, T_ERR));
	T_EQ_STR(sp_listener_address(n->listener), address);
	sp_stat st;
	T_OK(sp_path_stat(n->world, path, &st, T_ERR));
	T_EQ_U64(st.mode, 0666);
	T_OK(net_echo(n, address));
	sp_peer_cred cred;
	T_OK(sp_stream_peer_cred(n->server->stream, &cred, T_ERR));
	T_EQ_I64(cred.pid, getpid());
	T_EQ_U64(cred.uid, getuid());
	/* alive: refused */
	sp_listener *second = NULL;
	T_CODE(sp_listen(n->world, address, NULL, on_accept, n, &second, T_ERR), SP_EUNAVAILABLE);
	sp_listener_close(n->listener);
	T_CODE(sp_path_stat(n->world, path, &st, NULL), SP_ENOTFOUND);
}

SP_TEST(socket_uv, stale_socket_file_is_replaced)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	sp_str address = sp_arena_printf(T_ARENA, "unix:%s/s", t_tmpdir());
	T_TRUE(address.ptr != NULL);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	memcpy(un.sun_path, address.ptr + 5, address.len - 5);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	T_EQ_I64(bind(fd, (const struct sockaddr *)&un, sizeof un), 0);
	T_EQ_I64(close(fd), 0);
	T_OK(sp_listen(n->world, address, NULL, on_accept, n, &n->listener, T_ERR));
	sp_stat st;
	T_OK(sp_path_stat(n->world, sp_str_sub(address, 5, address.len), &st, T_ERR));
	T_EQ_U64(st.mode, 0600);
	T_OK(net_echo(n, address));
	/* something else of that name stays */
	sp_str other = sp_arena_printf(T_ARENA, "unix:%s/file", t_tmpdir());
	T_OK(sp_file_replace(n->world, sp_str_sub(other, 5, other.len), SP_STR("x"), 0600, T_ERR));
	sp_listener *second = NULL;
	T_CODE(sp_listen(n->world, other, NULL, on_accept, n, &second, T_ERR), SP_EUNAVAILABLE);
	T_OK(sp_path_stat(n->world, sp_str_sub(other, 5, other.len), &st, T_ERR));
}

SP_TEST(socket_uv, abstract)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	sp_str address = sp_arena_printf(T_ARENA, "unix:@sampan-test-%d", getpid());
	T_OK(sp_listen(n->world, address, NULL, on_accept, n, &n->listener, T_ERR));
	T_EQ_STR(sp_listener_address(n->listener), address);
	T_OK(net_echo(n, address));
}

SP_TEST(socket_uv, listener_from_a_descriptor)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	T_EQ_I64(bind(fd, (const struct sockaddr *)&in, sizeof in), 0);
	sp_str address = sp_arena_printf(T_ARENA, "fd:%d", fd);
	T_CODE(sp_listen(n->world, address, NULL, on_accept, n, &n->listener, T_ERR), SP_EINVAL);
	T_EQ_I64(listen(fd, 5), 0);
	sp_code code = sp_listen(n->world, address, NULL, on_accept, n, &n->listener, T_ERR);
	if (code != SP_OK)
		(void)close(fd);
	T_OK(code);
	T_OK(net_echo(n, sp_listener_address(n->listener)));
}

SP_TEST(socket_uv, listen_errors)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	T_OK(sp_listen(n->world, SP_STR("127.0.0.1:0"), NULL, on_accept, n, &n->listener, T_ERR));
	sp_listener *second = NULL;
	T_CODE(sp_listen(n->world, sp_listener_address(n->listener), NULL, on_accept, n, &second, T_ERR),
	       SP_EUNAVAILABLE);
	T_CODE(sp_listen(n->world, SP_STR("localhost:0"), NULL, on_accept, n, &second, T_ERR), SP_EINVAL);
	T_CODE(sp_listen(n->world, SP_STR("fd:999"), NULL, on_accept, n, &second, T_ERR), SP_EIO);
	T_CODE(sp_listen(n->world, SP_STR("unix:/no/such/dir"), NULL, on_accept, n, &second, T_ERR),
	       SP_ENOTFOUND);
}

SP_TEST(socket_uv, connect_errors)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	T_CODE(sp_connect(n->world, &n->req, SP_STR("nonsense"), 0, T_ERR), SP_EINVAL);
	T_CODE(sp_connect(n->world, &n->req, SP_STR("fd:3"), 0, T_ERR), SP_EINVAL);
	T_OK(sp_listen(n->world, SP_STR("127.0.0.1:0"), NULL, on_accept, n, &n->listener, T_ERR));
	sp_str gone = sp_arena_try_dup(T_ARENA, sp_listener_address(n->listener));
	T_TRUE(gone.ptr != NULL);
	sp_listener_close(n->listener);
	T_OK(sp_connect(n->world, &n->req, gone, 5 * SECOND, T_ERR));
	sp_world_run(n->world);
	T_EQ_I64(n->code, SP_EUNAVAILABLE);
	T_EQ_STR(sp_str_c(n->text),
		 sp_arena_printf(T_ARENA, "connect to '" SP_FMT "': Connection refused", SP_ARG(gone)));
	T_OK(sp_connect(n->world, &n->req, SP_STR("unix:/no/such"), 5 * SECOND, T_ERR));
	sp_world_run(n->world);
	T_EQ_I64(n->code, SP_ENOTFOUND);
}

SP_TEST(socket_uv, connect_canceled_in_each_stage)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	T_OK(sp_listen(n->world, SP_STR("127.0.0.1:0"), NULL, on_accept, n, &n->listener, T_ERR));
	T_OK(sp_connect(n->world, &n->req, SP_STR("localhost:1"), SECOND, T_ERR));
	sp_connect_cancel(n->world, &n->req);
	sp_connect_cancel(n->world, &n->req);
	T_OK(sp_connect(n->world, &n->req, sp_listener_address(n->listener), SECOND, T_ERR));
	sp_connect_cancel(n->world, &n->req);
	T_OK(net_echo(n, sp_listener_address(n->listener)));
	T_EQ_U64(n->n_accepted, 1);
}

SP_TEST(socket_uv, connect_timeout)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	/* A server that accepts nobody: once its queue is full, the kernel does not answer. */
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fill[4];
	T_EQ_I64(bind(fd, (const struct sockaddr *)&in, sizeof in), 0);
	T_EQ_I64(listen(fd, 0), 0);
	T_EQ_I64(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	for (size_t i = 0; i < SP_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		T_TRUE(connect(fill[i], (const struct sockaddr *)&in, sizeof in) == 0 ||
		       errno == EINPROGRESS);
	}
	T_OK(sp_connect(n->world, &n->req, sp_arena_printf(T_ARENA, "127.0.0.1:%u", ntohs(in.sin_port)),
			SECOND / 20, T_ERR));
	sp_world_run(n->world);
	T_EQ_I64(n->code, SP_ETIMEOUT);
	for (size_t i = 0; i < SP_LEN(fill); i++)
		(void)close(fill[i]);
	(void)close(fd);
}

static int spare_fd = -1;

static void give_back(sp_timer *t)
{
	(void)t;
	(void)close(spare_fd);
}

SP_TEST(socket_uv, accepting_pauses_without_descriptors)
{
	net *n = net_new();
	T_TRUE(n != NULL);
	T_OK(sp_listen(n->world, SP_STR("127.0.0.1:0"), NULL, on_accept, n, &n->listener, T_ERR));
	T_OK(sp_connect(n->world, &n->req, sp_listener_address(n->listener), 20 * SECOND, T_ERR));
	/* The client's socket is the last one that fits, until one is given back. */
	spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int client = open("/dev/null", O_RDONLY | O_CLOEXEC);
	T_TRUE(spare_fd >= 0 && client > spare_fd);
	struct rlimit limit = {(rlim_t)client + 1, (rlim_t)client + 1};
	T_EQ_I64(setrlimit(RLIMIT_NOFILE, &limit), 0);
	(void)close(client);
	static sp_timer timer;
	sp_timer_start(n->world, &timer, 20000000, give_back);
	sp_world_run(n->world);
	T_EQ_C(sp_str_c(n->text), "");
	T_EQ_STR(sp_buf_view(&n->client->got), SP_STR("ping"));
}

/* ---- pipes ---- */

/* ---- datagrams ---- */

typedef struct post {
	sp_world *world;
	sp_udp *a, *b;
	char got[16];
	size_t n_got, n_packets;
	sp_udp_peer from; /* of the answer */
} post;

/* b answers everything in capitals; a takes the answer. */
static void on_post(void *arg, sp_udp *u, const sp_udp_peer *from, sp_str bytes)
{
	post *p = arg;
	char text[16];
	p->n_packets++;
	if (u == p->b) {
		size_t n = SP_MIN(bytes.len, sizeof text);
		for (size_t i = 0; i < n; i++)
			text[i] = (char)(bytes.ptr[i] & ~0x20);
		sp_udp_send(u, from, (sp_str){text, n});
		return;
	}
	p->from = *from;
	p->n_got = SP_MIN(bytes.len, sizeof p->got);
	memcpy(p->got, bytes.ptr, p->n_got);
	sp_world_stop(p->world);
}

SP_TEST(socket_uv, datagrams)
{
	post p = {.world = t_world_uv()};
	sp_udp_peer to;
	T_OK(sp_udp_open(p.world, SP_STR("127.0.0.1:0"), on_post, &p, &p.a, T_ERR));
	T_OK(sp_udp_open(p.world, SP_STR("127.0.0.1:0"), on_post, &p, &p.b, T_ERR));
	T_TRUE(sp_str_starts(sp_udp_address(p.b), SP_STR("127.0.0.1:")));
	T_OK(sp_udp_peer_of(p.world, sp_udp_address(p.b), &to, T_ERR));
	sp_udp_send(p.a, &to, SP_STR("hello"));
	sp_world_run(p.world);
	T_EQ_STR(((sp_str){p.got, p.n_got}), SP_STR("HELLO"));
	T_EQ_U64(p.n_packets, 2);
	/* An empty one is one, too. */
	sp_udp_send(p.a, &to, SP_STR(""));
	sp_world_run(p.world);
	T_EQ_U64(p.n_got, 0);
	sp_udp *none = NULL;
	T_CODE(sp_udp_open(p.world, sp_udp_address(p.b), on_post, &p, &none, T_ERR), SP_EUNAVAILABLE);
	T_CODE(sp_udp_open(p.world, SP_STR("unix:/tmp/x"), on_post, &p, &none, T_ERR), SP_EINVAL);
	T_CODE(sp_udp_peer_of(p.world, SP_STR("host:53"), &to, T_ERR), SP_EINVAL);
	sp_udp_close(p.b); /* a stays: the world closes it */
}

/* Bound to any, it answers from where it was asked, not from where the route begins. */
SP_TEST(socket_uv, datagrams_are_answered_from_where_they_went)
{
	static const struct {
		const char *server, *client, *asked;
	} rows[] = {
		{"0.0.0.0:0", "127.0.0.1:0", "127.0.0.2:"},
		{"[::]:0", "127.0.0.1:0", "127.0.0.3:"},
		{"[::]:0", "[::1]:0", "[::1]:"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		post p = {.world = t_world_uv()};
		sp_udp_peer to;
		t_row("%s %s", rows[i].server, rows[i].asked);
		T_OK(sp_udp_open(p.world, sp_str_c(rows[i].client), on_post, &p, &p.a, T_ERR));
		T_OK(sp_udp_open(p.world, sp_str_c(rows[i].server), on_post, &p, &p.b, T_ERR));
		sp_str bound = sp_udp_address(p.b);
		sp_str port = sp_str_sub(bound, (size_t)sp_str_rindex(bound, ':') + 1, bound.len);
		T_OK(sp_udp_peer_of(p.world, SP_CONCAT(T_ARENA, sp_str_c(rows[i].asked), port), &to, T_ERR));
		sp_udp_send(p.a, &to, SP_STR("who"));
		sp_world_run(p.world);
		T_EQ_STR(((sp_str){p.got, p.n_got}), SP_STR("WHO"));
		T_EQ_U64(p.from.len, to.len);
		T_TRUE(memcmp(p.from.room, to.room, to.len) == 0);
	}
}

SP_TEST(socket_uv, pipes)
{
	sp_world *w = t_world_uv();
	T_TRUE(w != NULL);
	int fds[2];
	sp_stream *s[2];
	T_EQ_I64(pipe2(fds, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		sp_code code = sp_stream_from_fd(w, fds[i], &s[i], T_ERR);
		if (code != SP_OK && i == 0)
			(void)close(fds[1]);
		if (code != SP_OK)
			(void)close(fds[i]);
		T_OK(code);
	}
	t_peer *in = t_peer_new(w), *out = t_peer_new(w);
	t_peer_attach(in, s[0]);
	t_peer_attach(out, s[1]);
	sp_stream_read(out->stream, false);
	t_peer_send(out, "through", 7);
	sp_stream_shutdown(out->stream);
	in->stop_on_end = true;
	sp_world_run(w);
	T_EQ_STR(sp_buf_view(&in->got), SP_STR("through"));
	t_peer_send(out, "late", 4);
	out->close_on_done = out->stop_on_close = true;
	sp_world_run(w);
	T_EQ_I64(out->done_code, SP_EINVAL);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sp_stream *none = NULL;
	T_CODE(sp_stream_from_fd(w, file, &none, NULL), SP_EFORBIDDEN);
	(void)close(file);
}

/* ---- processes ---- */

typedef struct child {
	sp_world *world;
	sp_process *process;
	sp_exit exit;
	unsigned n_exits, n_wanted;
} child;

static void on_exit_of(void *arg, sp_exit exit)
{
	child *c = arg;
	c->exit = exit;
	c->n_exits++;
	sp_world_stop(c->world);
}

/* Runs a shell script to its end; what it writes is in *ret. */
static sp_code shell(child *c, const char *script, sp_spawn_opts opts, sp_str *ret)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	int out[2];
	SP_ASSERT(pipe2(out, O_CLOEXEC) == 0);
	int fds[] = {-1, out[1], out[1], out[1], -1};
	opts.argv = argv;
	opts.fds = fds;
	opts.n_fds = SP_LEN(fds);
	sp_code code = sp_spawn(c->world, &opts, on_exit_of, c, &c->process, T_ERR);
	(void)close(out[1]);
	sp_stream *s = NULL;
	if (code == SP_OK)
		code = sp_stream_from_fd(c->world, out[0], &s, T_ERR);
	if (code != SP_OK) {
		(void)close(out[0]);
		return code;
	}
	t_peer *p = t_peer_new(c->world);
	t_peer_attach(p, s);
	p->stop_on_end = true;
	p->stop_on_close = true;
	while (p->n_ends + p->n_closes == 0 || c->n_exits == 0)
		sp_world_run(c->world);
	*ret = sp_buf_view(&p->got);
	return SP_OK;
}

SP_TEST(process_uv, runs_with_what_it_was_given)
{
	const char *env[] = {"A=1", NULL};
	child c = {.world = t_world_uv()};
	T_TRUE(c.world != NULL);
	sp_str got = {NULL, 0};
	T_OK(shell(&c,
		   "pwd; echo $A$HOME; cat; ls /proc/$$/fd | tr '\\n' ' '; "
		   "[ $(ps -o sid= -p $$) = $$ ] && echo leader; exit 7",
		   (sp_spawn_opts){.env = env, .cwd = "/usr", .new_session = true}, &got));
	T_TRUE(sp_str_starts(got, SP_STR("/usr\n1\n0 1 2 3 4 ")));
	T_TRUE(sp_str_ends(got, SP_STR("leader\n")));
	T_EQ_I64(c.exit.code, 7);
	T_EQ_I64(c.exit.signal, 0);
	T_EQ_U64(c.n_exits, 1);
	T_CODE(sp_process_kill(c.process, SIGTERM, T_ERR), SP_ENOTFOUND);
	sp_process_free(c.process);
}

SP_TEST(process_uv, ends_by_a_signal)
{
	child c = {.world = t_world_uv()};
	T_TRUE(c.world != NULL);
	const char *argv[] = {"/bin/cat", NULL};
	int in[2];
	T_EQ_I64(pipe2(in, O_CLOEXEC), 0);
	sp_code code = sp_spawn(c.world, &(sp_spawn_opts){.argv = argv, .fds = in, .n_fds = 1}, on_exit_of,
				&c, &c.process, T_ERR);
	(void)close(in[0]);
	if (code == SP_OK)
		code = sp_process_kill(c.process, SIGKILL, T_ERR);
	if (code == SP_OK)
		sp_world_run(c.world);
	(void)close(in[1]);
	T_OK(code);
	T_EQ_I64(c.exit.signal, SIGKILL);
	T_EQ_I64(c.exit.code, 128 + SIGKILL);
	T_TRUE(sp_process_pid(c.process) > 1);
}

SP_TEST(process_uv, children_get_default_signals)
{
	/* The kernel's struct sigaction; 32 is a signal that the C library does not let anybody ignore. */
	const unsigned long ignored[4] = {(unsigned long)SIG_IGN};
	T_EQ_I64(syscall(SYS_rt_sigaction, 32, ignored, NULL, (NSIG - 1) / 8), 0);
	T_TRUE(signal(SIGHUP, SIG_IGN) != SIG_ERR);
	child c = {.world = t_world_uv()};
	T_TRUE(c.world != NULL);
	sp_str got = {NULL, 0};
	T_OK(shell(&c, "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status | tr -d '\\n\\t'", (sp_spawn_opts){0},
		   &got));
	T_TRUE(sp_str_find(got, SP_STR("SigBlk:0000000000000000SigIgn:0000000000000000")) >= 0);
}

SP_TEST(process_uv, ids)
{
	if (geteuid() != 0)
		t_skip("needs root");
	child c = {.world = t_world_uv()};
	T_TRUE(c.world != NULL);
	sp_str got = {NULL, 0};
	T_OK(shell(&c, "id -u; id -g; id -G", (sp_spawn_opts){.set_ids = true, .uid = 65534, .gid = 65533},
		   &got));
	T_EQ_C(got, "65534\n65533\n65533\n");
}

/* The child holds the write end of the pipe: its end is read as the pipe's. */
SP_TEST(process_uv, dies_with_its_parent)
{
	int held[2];
	char c = 0;
	T_EQ_I64(pipe2(held, O_CLOEXEC), 0);
	pid_t middle = fork();
	if (middle == 0) {
		sp_process *p = NULL;
		const char *argv[] = {"/bin/sleep", "1000", NULL};
		const int fds[] = {-1, held[1], -1};
		const sp_spawn_opts o = {.argv = argv, .fds = fds, .n_fds = 3, .death_signal = SIGTERM};
		_exit(sp_spawn(t_world_uv(), &o, on_exit_of, NULL, &p, NULL) == SP_OK ? 0 : 1);
	}
	(void)close(held[1]);
	int status = -1;
	T_EQ_I64(waitpid(middle, &status, 0), middle);
	ssize_t n = read(held[0], &c, 1);
	(void)close(held[0]);
	T_EQ_I64(status, 0);
	T_EQ_I64(n, 0);
}

SP_TEST(process_uv, cannot_start)
{
	child c = {.world = t_world_uv()};
	T_TRUE(c.world != NULL);
	const char *none[] = {"/no/such/program", NULL}, *relative[] = {"sh", NULL},
		   *sh[] = {"/bin/sh", NULL};
	T_CODE(sp_spawn(c.world, &(sp_spawn_opts){.argv = none}, on_exit_of, &c, &c.process, T_ERR),
	       SP_ENOTFOUND);
	T_EQ_C(sp_str_c(t_err()->msg), "start '/no/such/program': No such file or directory");
	T_CODE(sp_spawn(c.world, &(sp_spawn_opts){.argv = relative}, on_exit_of, &c, &c.process, T_ERR),
	       SP_EINVAL);
	T_CODE(sp_spawn(c.world, &(sp_spawn_opts){.argv = sh, .cwd = "/no"}, on_exit_of, &c, &c.process,
			T_ERR),
	       SP_ENOTFOUND);
	T_EQ_C(sp_str_c(t_err()->msg), "working directory of '/bin/sh': No such file or directory");
	T_EQ_U64(c.n_exits, 0);
}

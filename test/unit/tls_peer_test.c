/* SPDX-License-Identifier: Apache-2.0 */
/* TLS over loopback TCP with programs this project did not write: openssl s_client and s_server, curl. */
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/file.h"
#include "io/tls.h"
#include "lib/peer.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)

typedef struct net {
	sp_world *world;
	sp_listener *listener;
	sp_tls_config *config;
	sp_tls_req req;
	sp_connect_req connect;
	t_peer *peer, *out;
	sp_process *process;
	sp_exit exit;
	unsigned n_exits;
	bool gave_up; /* a connection failed */
	sp_code code;
	char who[64], alpn[16];
	const char *answer;
	void (*on_request)(t_peer *p);
} net;

static net n;

static void give_up(void)
{
	n.gave_up = true;
	sp_world_stop(n.world);
}

static void on_tls(sp_tls_req *r, sp_stream *s, const sp_err *err)
{
	(void)r;
	n.code = err->code;
	if (s == NULL) {
		printf("%s\n", err->msg);
		give_up();
		return;
	}
	(void)snprintf(n.alpn, sizeof n.alpn, SP_FMT, SP_ARG(s->alpn));
	if (s->tls != NULL && s->tls->verified)
		(void)snprintf(n.who, sizeof n.who, SP_FMT, SP_ARG(s->tls->cert.common_name));
	n.peer = t_peer_new(n.world);
	n.peer->on_data = n.on_request;
	n.peer->stop_on_close = true;
	t_peer_attach(n.peer, s);
}

static void on_accept(void *arg, sp_stream *s)
{
	(void)arg;
	n.req = (sp_tls_req){.done = on_tls};
	if (sp_tls_accept(&n.req, s, n.config, T_ERR) != SP_OK)
		sp_stream_close(s);
}

static void on_exit_of(void *arg, sp_exit exit)
{
	(void)arg;
	n.exit = exit;
	n.n_exits++;
	sp_world_stop(n.world);
}

static void config_done(void *arg)
{
	(void)arg;
	n.config = sp_tls_config_unref(n.config);
}

/* Writes a certificate and its key as NAME.pem and NAME.key. */
static sp_code make(const char *name, const sp_x509_template *t, const sp_x509_ca *ca, sp_key **ret_key,
		    sp_str *ret_cert)
{
	SP_AUTO_BUF cert;
	SP_AUTO_BUF key;
	sp_buf_init(&cert, 1 << 16);
	sp_buf_init(&key, 1 << 16);
	SP_TRY(sp_key_new(ret_key, T_ERR));
	SP_TRY(sp_x509_issue(t, *ret_key, ca, &cert, T_ERR));
	SP_TRY(sp_key_print(*ret_key, &key, T_ERR));
	char path[128];
	(void)snprintf(path, sizeof path, "%s/%s.pem", t_tmpdir(), name);
	SP_TRY(sp_file_replace(n.world, sp_str_c(path), sp_buf_view(&cert), 0600, T_ERR));
	*ret_cert = sp_arena_try_dup(T_ARENA, sp_buf_view(&cert));
	(void)snprintf(path, sizeof path, "%s/%s.key", t_tmpdir(), name);
	return sp_file_replace(n.world, sp_str_c(path), sp_buf_view(&key), 0600, T_ERR);
}

static sp_code make_all(void)
{
	static const sp_str dns[] = {SP_STR_INIT("localhost")}, ips[] = {SP_STR_INIT("127.0.0.1")};
	struct timespec ts;
	SP_ASSERT(clock_gettime(CLOCK_REALTIME, &ts) == 0);
	sp_x509_template t = {.common_name = SP_STR("CA"),
			      .not_before_s = ts.tv_sec - 60,
			      .not_after_s = ts.tv_sec + 3600,
			      .usages = SP_X509_CA};
	SP_AUTO_KEY ca_key = NULL;
	SP_AUTO_KEY server_key = NULL;
	SP_AUTO_KEY client_key = NULL;
	sp_str pem = {NULL, 0};
	sp_x509_ca *ca = NULL;
	SP_TRY(make("ca", &t, NULL, &ca_key, &pem));
	SP_TRY(sp_x509_ca_new(pem, ca_key, &ca, T_ERR));
	t.common_name = SP_STR("server");
	t.usages = SP_X509_SERVER;
	t.dns = dns;
	t.ips = ips;
	t.n_dns = t.n_ips = 1;
	sp_code code = make("server", &t, ca, &server_key, &pem);
	t.common_name = SP_STR("client");
	t.usages = SP_X509_CLIENT;
	t.n_dns = t.n_ips = 0;
	if (code == SP_OK)
		code = make("client", &t, ca, &client_key, &pem);
	sp_x509_ca_free(ca);
	return code;
}

static sp_str file(const char *name)
{
	return sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), name);
}

static sp_code setup(void)
{
	n = (net){.code = SP_EINTERNAL};
	T_DEFER(config_done, NULL);
	n.world = t_world_uv();
	return n.world == NULL ? SP_EINTERNAL : make_all();
}

static sp_code serve(sp_tls_client_auth auth)
{
	static const sp_str alpn[] = {SP_STR_INIT("h2"), SP_STR_INIT("http/1.1")};
	SP_TRY(sp_tls_server_config_from_files(
		n.world, &(sp_tls_files){file("server.pem"), file("server.key"), file("ca.pem")},
		&(sp_tls_opts){.alpn = alpn, .n_alpn = 2, .client_auth = auth}, &n.config, T_ERR));
	return sp_listen(n.world, SP_STR("127.0.0.1:0"), NULL, on_accept, NULL, &n.listener, T_ERR);
}

static void end_child(void *arg)
{
	(void)arg;
	if (n.n_exits == 0)
		(void)!sp_process_kill(n.process, 9, NULL); /* it may have ended */
}

/* Starts a shell script in the test's directory; its output goes to n.out. PORT stands for the listener's. */
static sp_code shell(const char *script)
{
	const char *argv[] = {"/bin/sh", "-c", script, NULL};
	sp_str bound = n.listener == NULL ? SP_STR("x:0") : sp_listener_address(n.listener);
	const char *env[] = {
		"PATH=/usr/local/bin:/usr/bin:/bin",
		sp_arena_printf(T_ARENA, "PORT=" SP_FMT,
				SP_ARG(sp_str_sub(bound, (size_t)sp_str_rindex(bound, ':') + 1, bound.len)))
			.ptr,
		NULL};
	int out[2];
	SP_ASSERT(pipe2(out, O_CLOEXEC) == 0);
	const int fds[] = {-1, out[1], out[1]};
	sp_spawn_opts o = {.argv = argv, .env = env, .cwd = t_tmpdir(), .fds = fds, .n_fds = 3};
	sp_code code = sp_spawn(n.world, &o, on_exit_of, NULL, &n.process, T_ERR);
	(void)close(out[1]);
	if (code == SP_OK)
		T_DEFER(end_child, NULL);
	sp_stream *s = NULL;
	if (code == SP_OK)
		code = sp_stream_from_fd(n.world, out[0], &s, T_ERR);
	if (code != SP_OK) {
		(void)close(out[0]);
		return code;
	}
	n.out = t_peer_new(n.world);
	n.out->stop_on_end = n.out->stop_on_close = true;
	t_peer_attach(n.out, s);
	return SP_OK;
}

static void run_to_end(void)
{
	while (n.n_exits == 0 || n.out->n_ends + n.out->n_closes == 0)
		sp_world_run(n.world);
	if (n.exit.code != 0)
		printf(SP_FMT "\n", SP_ARG(sp_buf_view(&n.out->got)));
}

static void answer_http(t_peer *p)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nsampa";
	if (sp_str_find(sp_buf_view(&p->got), SP_STR("\r\n\r\n")) < 0)
		return;
	t_peer_send(p, answer, sizeof answer - 1);
	sp_stream_shutdown(p->stream);
}

SP_TEST(tls_peer, curl)
{
	T_OK(setup());
	T_OK(serve(SP_TLS_CLIENT_REQUEST));
	n.on_request = answer_http;
	T_OK(shell("exec curl -sS --http1.1 --cacert ca.pem --cert client.pem --key client.key "
		   "https://localhost:$PORT/x"));
	run_to_end();
	T_EQ_I64(n.exit.code, 0);
	T_EQ_STR(sp_buf_view(&n.out->got), SP_STR("sampa"));
	T_EQ_C(sp_str_c(n.who), "client");
	T_EQ_C(sp_str_c(n.alpn), "http/1.1");
	T_TRUE(sp_str_starts(sp_buf_view(&n.peer->got), SP_STR("GET /x HTTP/1.1\r\n")));
}

SP_TEST(tls_peer, curl_without_the_authority)
{
	T_OK(setup());
	T_OK(serve(SP_TLS_CLIENT_NONE));
	T_OK(shell("exec curl -sS https://127.0.0.1:$PORT/ 2>&1"));
	run_to_end();
	T_EQ_I64(n.exit.code, 60);
	T_EQ_I64(n.code, SP_EPROTO);
}

SP_TEST(tls_peer, s_client_with_tls12)
{
	T_OK(setup());
	T_OK(serve(SP_TLS_CLIENT_NONE));
	n.on_request = answer_http;
	T_OK(shell("printf 'GET / HTTP/1.1\\r\\n\\r\\n' | openssl s_client -tls1_2 -ign_eof -quiet "
		   "-verify_return_error -CAfile ca.pem -alpn h2 -servername localhost "
		   "-connect 127.0.0.1:$PORT 2>/dev/null"));
	run_to_end();
	T_EQ_I64(n.code, SP_OK);
	T_EQ_C(sp_str_c(n.alpn), "h2");
	T_TRUE(sp_str_ends(sp_buf_view(&n.out->got), SP_STR("sampa")));
}

SP_TEST(tls_peer, old_versions_are_refused)
{
	T_OK(setup());
	T_OK(serve(SP_TLS_CLIENT_NONE));
	T_OK(shell("openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0 -connect 127.0.0.1:$PORT </dev/null "
		   "2>&1; exit 0"));
	run_to_end();
	T_EQ_I64(n.code, SP_EPROTO);
}

SP_TEST(tls_peer, openssl_verifies_what_we_sign)
{
	T_OK(setup());
	T_OK(shell("openssl verify -x509_strict -purpose sslserver -CAfile ca.pem server.pem && "
		   "openssl verify -x509_strict -purpose sslclient -CAfile ca.pem client.pem && "
		   "! openssl verify -purpose sslserver -CAfile ca.pem client.pem 2>/dev/null"));
	run_to_end();
	T_EQ_I64(n.exit.code, 0);
}

static void on_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	(void)r;
	n.code = err->code;
	n.req = (sp_tls_req){.done = on_tls};
	if (s == NULL) {
		give_up();
	} else if (sp_tls_connect(&n.req, s, n.config, SP_STR("localhost"), T_ERR) != SP_OK) {
		sp_stream_close(s);
		give_up();
	}
}

/* s_server prints "ACCEPT HOST:PORT" once it listens. */
static void on_server_output(t_peer *out)
{
	sp_str text = sp_buf_view(&out->got);
	ptrdiff_t at = sp_str_find(text, SP_STR("ACCEPT "));
	ptrdiff_t end = at < 0 ? -1 : sp_str_index(sp_str_sub(text, (size_t)at, text.len), '\n');
	if (end < 0 || n.connect.done != NULL)
		return;
	sp_str line = sp_str_sub(text, (size_t)at, (size_t)(at + end));
	n.connect.done = on_connected;
	sp_str port = sp_str_sub(line, (size_t)sp_str_rindex(line, ':') + 1, line.len);
	sp_str to = sp_arena_printf(T_ARENA, "localhost:" SP_FMT, SP_ARG(port));
	if (sp_connect(n.world, &n.connect, to, 5 * SECOND, T_ERR) != SP_OK)
		give_up();
}

static void got_answer(t_peer *p)
{
	if (sp_str_find(sp_buf_view(&p->got), SP_STR("olleh")) >= 0)
		sp_world_stop(p->world);
}

SP_TEST(tls_peer, s_server)
{
	T_OK(setup());
	T_OK(sp_tls_client_config_from_files(
		n.world, &(sp_tls_files){file("client.pem"), file("client.key"), file("ca.pem")},
		&(sp_tls_opts){.tls13_only = true}, &n.config, T_ERR));
	T_OK(shell("exec openssl s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -CAfile "
		   "ca.pem -Verify 1 "
		   "-verify_return_error -rev -naccept 1 2>&1"));
	n.out->on_data = on_server_output;
	n.on_request = got_answer;
	while (n.peer == NULL && !n.gave_up && n.n_exits == 0 && n.out->n_ends + n.out->n_closes == 0) {
		/* until connected: the handshake is no reason to stop, so look at each output */
		n.out->stop_at = 1;
		sp_world_run(n.world);
	}
	/* A server that does not like us says so after our side of the handshake is done. */
	T_TRUE(n.peer != NULL && n.peer->n_closes == 0);
	t_peer_send(n.peer, "hello\n", 6);
	n.out->stop_at = 0;
	while (n.peer->got.len < 5 && n.n_exits + n.peer->n_closes == 0)
		sp_world_run(n.world);
	T_TRUE(sp_str_find(sp_buf_view(&n.peer->got), SP_STR("olleh")) >= 0);
	T_EQ_C(sp_str_c(n.who), "server");
	T_OK(sp_process_kill(n.process, 15, T_ERR));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A component's endpoints, asked by curl; the API server that would say who may is not there. */
#include <fcntl.h>
#include <unistd.h>

#include "client/status_server.h"
#include "lib/peer.h"
#include "lib/t.h"

static struct {
	sp_world *world;
	sp_client *client;
	sp_tls_config *tls;
	sp_status_server *server;
	t_peer *out;
	sp_process *process;
	unsigned n_exits, n_closed;
	bool is_ready;
} rig;

static bool fine(void *arg)
{
	(void)arg;
	return true;
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static bool ready(void *arg)
{
	return *(bool *)arg;
}

static sp_code write_page(void *arg, sp_buf *out)
{
	(void)arg;
	return sp_buf_str(out, SP_STR("a page\n"));
}

static const sp_status_check checks[] = {
	{SP_STR_INIT("never"), SP_STATUS_HEALTHZ | SP_STATUS_READYZ | SP_STATUS_LIVEZ, fine, never},
	{SP_STR_INIT("leaderElection"), SP_STATUS_HEALTHZ | SP_STATUS_READYZ, fine, NULL},
	{SP_STR_INIT("sync"), SP_STATUS_READYZ, ready, NULL},
};
static const sp_status_page pages[] = {{SP_STR_INIT("/page"), SP_STR_INIT("text/plain"), write_page},
				       {SP_STR_INIT("/metrics"), SP_STR_INIT("text/plain"), write_page}};

static sp_code own_tls(void)
{
	static const sp_str ips[] = {SP_STR_INIT("127.0.0.1")};
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF cert;
	SP_AUTO_BUF key_pem;
	int64_t now_s = sp_wall_ns(rig.world) / 1000000000;
	const sp_x509_template t = {.common_name = SP_STR("x"),
				    .ips = ips,
				    .n_ips = 1,
				    .not_before_s = now_s - 60,
				    .not_after_s = now_s + 3600,
				    .usages = SP_X509_SERVER};
	sp_buf_init(&cert, 1 << 16);
	sp_buf_init(&key_pem, 1 << 16);
	SP_TRY(sp_key_new(&key, T_ERR));
	SP_TRY(sp_x509_issue(&t, key, NULL, &cert, T_ERR));
	SP_TRY(sp_key_print(key, &key_pem, T_ERR));
	return sp_tls_server_config(
		&(sp_tls_opts){.cert_pem = sp_buf_view(&cert), .key_pem = sp_buf_view(&key_pem)}, &rig.tls,
		T_ERR);
}

static void on_closed(void *arg)
{
	(void)arg;
	rig.n_closed++;
	sp_world_stop(rig.world);
}

static void end(void *arg)
{
	unsigned n = 1;
	(void)arg;
	if (rig.server != NULL)
		sp_status_server_close(rig.server, on_closed, NULL);
	n += rig.server != NULL;
	sp_client_close(rig.client, on_closed, NULL);
	while (rig.n_closed < n)
		sp_world_run(rig.world);
	sp_status_server_free(rig.server);
	sp_client_free(rig.client);
	rig.tls = sp_tls_config_unref(rig.tls);
}

static sp_code begin(void)
{
	static const sp_client_config nobody = {.scheme = SP_STR_INIT("http"),
						.address = SP_STR_INIT("127.0.0.1:1"),
						.namespace_ = SP_STR_INIT("default")};
	memset(&rig, 0, sizeof rig);
	rig.world = t_world_uv();
	SP_TRY(sp_client_new(rig.world, &(sp_client_opts){.config = &nobody, .user_agent = SP_STR("t")},
			     &rig.client, T_ERR));
	T_DEFER(end, NULL);
	SP_TRY(own_tls());
	return sp_status_server_open(&(sp_status_opts){.client = rig.client,
						       .address = SP_STR("127.0.0.1:0"),
						       .tls = rig.tls,
						       .checks = checks,
						       .n_checks = SP_LEN(checks),
						       .pages = pages,
						       .n_pages = SP_LEN(pages),
						       .arg = &rig.is_ready,
						       .open = SP_STR("/healthz,/readyz, /livez,/pa*,/no*")},
				     &rig.server, T_ERR);
}

static void on_exit_of(void *arg, sp_exit exit)
{
	(void)arg;
	(void)exit;
	rig.n_exits++;
	sp_world_stop(rig.world);
}

/* "CODE BODY" of a path. */
static sp_str ask(const char *path)
{
	const char *url = sp_arena_printf(T_ARENA, "https://" SP_FMT "%s",
					  SP_ARG(sp_status_server_address(rig.server)), path)
				  .ptr;
	const char *argv[] = {"/bin/sh", "-c", "curl -sk -m 20 -o body -w '%{http_code} ' \"$0\" && cat body",
			      url, NULL};
	const char *env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
	int out[2];
	sp_stream *s = NULL;
	SP_ASSERT(pipe2(out, O_CLOEXEC) == 0);
	const int fds[] = {-1, out[1], -1};
	rig.n_exits = 0;
	const sp_spawn_opts o = {.argv = argv, .env = env, .cwd = t_tmpdir(), .fds = fds, .n_fds = 3};
	sp_code code = sp_spawn(rig.world, &o, on_exit_of, NULL, &rig.process, T_ERR);
	(void)close(out[1]);
	if (code == SP_OK)
		code = sp_stream_from_fd(rig.world, out[0], &s, T_ERR);
	if (code != SP_OK) {
		(void)close(out[0]);
		return (sp_str){0};
	}
	rig.out = t_peer_new(rig.world);
	rig.out->stop_on_end = rig.out->stop_on_close = true;
	t_peer_attach(rig.out, s);
	while (rig.n_exits == 0 || rig.out->n_ends + rig.out->n_closes == 0)
		sp_world_run(rig.world);
	return sp_buf_view(&rig.out->got);
}

SP_TEST(status_server, tells_health_to_anybody)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{"/healthz", "200 ok"},
		{"/livez", "200 ok"},
		{"/readyz", "500 [+]leaderElection ok\n[-]sync failed: reason withheld\nreadyz check "
			    "failed\n"},
		{"/readyz?exclude=sync", "200 ok"},
		{"/readyz?verbose&exclude=sync", "200 [+]leaderElection ok\n[+]sync excluded: "
						 "ok\nreadyz check passed\n"},
		{"/livez?verbose", "200 [+]ping ok\nlivez check passed\n"},
		{"/page", "200 a page\n"},
		{"/nothing", "404 404 page not found\n"},
	};
	T_OK(begin());
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].path);
		T_EQ_C(ask(rows[i].path), rows[i].want);
	}
	rig.is_ready = true;
	T_EQ_C(ask("/readyz"), "200 ok");
}

SP_TEST(status_server, tells_the_rest_to_whom_the_api_server_lets)
{
	T_OK(begin());
	/* It is not there to say so. */
	sp_str got = ask("/metrics");
	t_row(SP_FMT, SP_ARG(got));
	T_TRUE(sp_str_starts(got, SP_STR("500 Internal Server Error: \"/metrics\": ")));
	T_TRUE(sp_str_starts(ask("/healthz/ping"), SP_STR("500 ")));
}

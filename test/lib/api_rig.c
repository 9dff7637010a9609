/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "io/file.h"
#include "io/tls.h"
#include "io/uv/uv.h"
#include "keys/pki.h"
#include "lib/api_rig.h"

#define START_S 60
#define PAUSE_NS UINT64_C(2000000)

typedef struct figure {
	const char *name, *unit;
	int decimals;
	double ours, peer;
	bool has_ours, has_peer;
} figure;

typedef struct server {
	pid_t pids[2];
	size_t n_pids;
	pid_t scheduler; /* 0: none runs */
	bool is_peer;
	char address[32];
} server;

sp_world *rig_world;
static sp_arena arena;
static server target;
static keys_pki pki;
static char root[4096];
static sp_tls_config *admin_tls, *user_tls;
static sp_http_client *clients[RIG_CONNECTIONS];
static figure figures[128];
static size_t n_figures;

void rig_die(const char *what, const sp_err *err)
{
	(void)fprintf(stderr, "bench: %s: %s\n", what, err == NULL ? "failed" : err->msg);
	for (size_t i = 0; i < target.n_pids; i++)
		(void)kill(target.pids[i], SIGKILL);
	if (target.scheduler != 0)
		(void)kill(target.scheduler, SIGKILL);
	exit(1);
}

/* ---- figures ---- */

void rig_put(const char *name, double value, const char *unit, int decimals)
{
	figure *f = NULL;
	for (size_t i = 0; i < n_figures; i++)
		if (strcmp(figures[i].name, name) == 0)
			f = &figures[i];
	if (f == NULL) {
		SP_ASSERT(n_figures < SP_LEN(figures));
		f = &figures[n_figures++];
		*f = (figure){.name = name, .unit = unit, .decimals = decimals};
	}
	*(target.is_peer ? &f->peer : &f->ours) = value;
	*(target.is_peer ? &f->has_peer : &f->has_ours) = true;
}

void rig_print(const char *area, const char *peer)
{
	static size_t n_printed;
	for (; n_printed < n_figures; n_printed++) {
		const figure *f = &figures[n_printed];
		if (!f->has_ours)
			continue;
		(void)printf("bench %s_%s %.*f %s ", area, f->name, f->decimals, f->ours, f->unit);
		if (f->has_peer && f->peer > 0)
			(void)printf("peer=%s %.*f ratio=%.3f\n", peer, f->decimals, f->peer,
				     f->ours / f->peer);
		else
			(void)printf("peer=none\n");
	}
	(void)fflush(stdout);
}

double rig_clock_s(clockid_t id)
{
	struct timespec t = {0};
	(void)clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double rig_now_s(void)
{
	return rig_clock_s(CLOCK_MONOTONIC);
}

static double process_cpu_s(pid_t pid)
{
	clockid_t id;
	return clock_getcpuclockid(pid, &id) == 0 ? rig_clock_s(id) : 0;
}

double rig_server_cpu_s(void)
{
	double sum = 0;
	for (size_t i = 0; i < target.n_pids; i++)
		sum += process_cpu_s(target.pids[i]);
	return sum;
}

double rig_scheduler_cpu_s(void)
{
	return process_cpu_s(target.scheduler);
}

double rig_proc_mib(const char *file, const char *name)
{
	double kb = 0;
	for (size_t i = 0; i < target.n_pids; i++) {
		char path[64], line[256];
		size_t n = strlen(name);
		(void)snprintf(path, sizeof path, "/proc/%d/%s", (int)target.pids[i], file);
		FILE *f = fopen(path, "r");
		while (f != NULL && fgets(line, sizeof line, f) != NULL)
			if (strncmp(line, name, n) == 0 && line[n] == ':')
				kb += strtod(line + n + 1, NULL);
		if (f != NULL)
			(void)fclose(f);
	}
	return kb / 1024;
}

void rig_put_memory(const char *pss, const char *rss, const char *dirty)
{
	rig_put(pss, rig_proc_mib("smaps_rollup", "Pss"), "MiB", 1);
	rig_put(rss, rig_proc_mib("smaps_rollup", "Rss"), "MiB", 1);
	rig_put(dirty, rig_proc_mib("smaps_rollup", "Private_Dirty"), "MiB", 1);
}

/* ---- running the loop ---- */

static void on_time(sp_timer *t)
{
	*(bool *)t->arg = true;
	sp_world_stop(rig_world);
}

bool rig_run(uint64_t limit_ns)
{
	bool late = false;
	sp_timer t = {.arg = &late};
	sp_timer_start(rig_world, &t, limit_ns, on_time);
	sp_world_run(rig_world);
	sp_timer_stop(rig_world, &t);
	return !late;
}

/* ---- the connector: TCP, then TLS ---- */

typedef struct connecting {
	sp_http_dial *dial;
	sp_tls_req tls;
} connecting;

static void on_tls(sp_tls_req *r, sp_stream *s, const sp_err *err)
{
	connecting *c = r->arg;
	sp_http_dial *d = c->dial;
	sp_free(c);
	d->done(d, s, err);
}

static void on_tcp(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	connecting *c = r->arg;
	sp_http_dial *d = c->dial;
	sp_err own;
	if (s == NULL) {
		sp_free(c);
		d->done(d, NULL, err);
		return;
	}
	c->tls = (sp_tls_req){.done = on_tls, .arg = c};
	sp_tls_config *config = *(sp_tls_config *const *)d->tls_config;
	if (sp_tls_connect(&c->tls, s, config, d->server_name, &own) != SP_OK)
		rig_die("TLS", &own);
}

static sp_code dial(void *arg, sp_http_dial *d, sp_err *err)
{
	(void)arg;
	connecting *c = SP_NEW(connecting);
	c->dial = d;
	d->impl[0] = c;
	d->tcp = (sp_connect_req){.done = on_tcp, .arg = c};
	return sp_connect(d->world, &d->tcp, d->address, d->timeout_ns, err);
}

static void cancel(void *arg, sp_http_dial *d)
{
	(void)arg;
	connecting *c = d->impl[0];
	sp_connect_cancel(d->world, &d->tcp);
	sp_tls_cancel(&c->tls);
	sp_free(c);
}

static const sp_http_connector connector = {.dial = dial, .cancel = cancel};

void rig_open_clients(void)
{
	sp_err err;
	const sp_http_client_opts o = {.connector = &connector, .n_per_origin = 1};
	for (size_t i = 0; i < RIG_CONNECTIONS; i++)
		if (sp_http_client_new(rig_world, &o, &clients[i], &err) != SP_OK)
			rig_die("client", &err);
}

static void on_client_closed(void *arg)
{
	(void)arg;
	sp_world_stop(rig_world);
}

void rig_close_clients(void)
{
	for (size_t i = 0; i < RIG_CONNECTIONS; i++) {
		sp_http_client_close(clients[i], on_client_closed, NULL);
		(void)rig_run(RIG_PATIENCE_NS);
		sp_http_client_free(clients[i]);
		clients[i] = NULL;
	}
}

/* ---- one request ---- */

sp_code rig_start(size_t connection, const rig_ask *a, const sp_http_events *events, void *arg, sp_err *err)
{
	sp_http_exchange *ex;
	const sp_http_header headers[] = {
		{SP_STR("user-agent"), SP_STR("bench")},
		{SP_STR("accept"), a->accept.len > 0 ? a->accept : SP_STR("application/json")},
		{SP_STR("content-type"), a->type.len > 0 ? a->type : SP_STR("application/json")},
	};
	sp_http_request req = {.scheme = SP_STR("https"),
			       .address = sp_str_c(target.address),
			       .tls_config = a->as_admin ? &admin_tls : &user_tls,
			       .method = a->method,
			       .path = a->path,
			       .headers = headers,
			       .n_headers = a->body != NULL ? 3 : 2,
			       .body = a->body != NULL ? sp_bytes_try_dup(sp_str_c(a->body)) : NULL};
	sp_code code = sp_http_request_start(clients[connection], &req, events, arg, &ex, err);
	sp_bytes_unref(req.body);
	return code;
}

static void answer_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	rig_answer *a = ex->arg;
	if (a->n < sizeof a->head - 1)
		memcpy(a->head + a->n, bytes, SP_MIN(n, sizeof a->head - 1 - a->n));
	a->n += n;
}

static void answer_close(sp_http_exchange *ex, const sp_err *err)
{
	rig_answer *a = ex->arg;
	a->status = ex->status;
	a->failed = err != NULL;
	sp_world_stop(rig_world);
}

static const sp_http_events answer_events = {.on_body = answer_body, .on_close = answer_close};

rig_answer rig_call(const rig_ask *what)
{
	rig_answer a = {0};
	sp_err err;
	if (rig_start(0, what, &answer_events, &a, &err) != SP_OK || !rig_run(RIG_PATIENCE_NS))
		rig_die("request", NULL);
	return a;
}

void rig_must(const rig_ask *what)
{
	rig_answer a = rig_call(what);
	if (a.failed || a.status / 100 != 2) {
		(void)fprintf(stderr, SP_FMT " " SP_FMT ": %u %s\n", SP_ARG(what->method), SP_ARG(what->path),
			      a.status, a.head);
		rig_die("setting up", NULL);
	}
}

/* ---- processes ---- */

/* A port nobody has now. */
static unsigned free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &n) != 0)
		rig_die("port", NULL);
	(void)close(fd);
	return ntohs(a.sin_port);
}

static pid_t spawn(const char *log, const char *const *argv)
{
	pid_t pid = fork();
	if (pid == 0) {
		char path[4200];
		(void)snprintf(path, sizeof path, "%s/%s", root, log);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		(void)dup2(fd, 1);
		(void)dup2(fd, 2);
		(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	if (pid < 0)
		rig_die("fork", NULL);
	return pid;
}

static void spawn_server(const char *log, const char *const *argv)
{
	target.pids[target.n_pids++] = spawn(log, argv);
}

/* A C string in the arena. */
#define text(...) (sp_arena_printf(&arena, __VA_ARGS__).ptr)

const char *rig_flags[RIG_FLAGS_MAX + 1];

/* Behind the arguments that are there; argv has room for 32. */
static void add_flags(const char **argv)
{
	size_t n = 0;
	while (argv[n] != NULL)
		n++;
	for (size_t i = 0; rig_flags[i] != NULL; i++)
		argv[n++] = rig_flags[i];
}

static void spawn_ours(unsigned port)
{
	const char *argv[32] = {"build/release/sampan",
				"apiserver",
				"--bind-address",
				"127.0.0.1",
				"--data-dir",
				text("%s/data", root),
				"--secure-port",
				text("%u", port),
				"--client-ca-file",
				pki.ca_crt.ptr,
				"--tls-cert-file",
				pki.tls_crt.ptr,
				"--tls-private-key-file",
				pki.tls_key.ptr,
				"--service-account-signing-key-file",
				text("%s/pki/sa.key", root)};
	add_flags(argv);
	spawn_server("sampan.log", argv);
}

static void spawn_peer(unsigned port)
{
	const char *clients_at = text("http://127.0.0.1:%u", free_port());
	const char *peers_at = text("http://127.0.0.1:%u", free_port());
	const char *const etcd[] = {getenv("PEER_ETCD"),
				    text("--data-dir=%s/etcd", root),
				    text("--listen-client-urls=%s", clients_at),
				    text("--advertise-client-urls=%s", clients_at),
				    text("--listen-peer-urls=%s", peers_at),
				    text("--initial-advertise-peer-urls=%s", peers_at),
				    text("--initial-cluster=default=%s", peers_at),
				    "--log-level=error",
				    NULL};
	const char *api[32] = {getenv("PEER_KUBE_APISERVER"),
			       text("--etcd-servers=%s", clients_at),
			       "--bind-address=127.0.0.1",
			       text("--secure-port=%u", port),
			       text("--cert-dir=%s", root),
			       text("--client-ca-file=%s", pki.ca_crt.ptr),
			       text("--tls-cert-file=%s", pki.tls_crt.ptr),
			       text("--tls-private-key-file=%s", pki.tls_key.ptr),
			       text("--service-account-key-file=%s/pki/sa.pub", root),
			       text("--service-account-signing-key-file=%s/pki/sa.key", root),
			       "--service-account-issuer=https://kubernetes.default.svc",
			       "--service-cluster-ip-range=10.96.0.0/16",
			       "--authorization-mode=Node,RBAC"};
	add_flags(api);
	spawn_server("etcd.log", etcd);
	spawn_server("kube-apiserver.log", api);
}

void rig_server_start(bool peer)
{
	unsigned port = free_port();
	double began = rig_now_s();
	target = (server){.is_peer = peer};
	(void)snprintf(target.address, sizeof target.address, "127.0.0.1:%u", port);
	peer ? spawn_peer(port) : spawn_ours(port);
	for (;;) {
		sp_err err;
		rig_answer a = {0};
		const rig_ask what = {.path = SP_STR("/readyz"), .as_admin = true};
		if (rig_start(0, &what, &answer_events, &a, &err) == SP_OK && rig_run(RIG_PATIENCE_NS) &&
		    !a.failed && a.status == 200)
			break;
		if (rig_now_s() - began > START_S ||
		    waitpid(target.pids[target.n_pids - 1], NULL, WNOHANG) != 0)
			rig_die("the server does not get ready; see " RIG_DIR, NULL);
		(void)rig_run(PAUSE_NS);
	}
	rig_put("start", (rig_now_s() - began) * 1000, "ms", 0);
}

void rig_server_stop(void)
{
	for (size_t i = target.n_pids; i-- > 0;) {
		(void)kill(target.pids[i], SIGTERM);
		(void)waitpid(target.pids[i], NULL, 0);
	}
	target.n_pids = 0;
}

void rig_server_forget(void)
{
	SP_ASSERT(target.n_pids == 0);
	if (system(text("rm -rf %s/data %s/etcd", root, root)) != 0)
		rig_die("the servers' data", NULL);
}

/* ---- schedulers ---- */

/* One file for both: only the peer's client has a limit, and it is raised out of the way. */
static const char *scheduler_config(const char *kubeconfig)
{
	sp_err err;
	const char *path = text("%s/scheduler.json", root);
	sp_str config = sp_str_c(text(
		"{\"apiVersion\":\"kubescheduler.config.k8s.io/v1\",\"kind\":\"KubeSchedulerConfiguration\","
		"\"clientConnection\":{\"kubeconfig\":\"%s\",\"qps\":5000,\"burst\":5000},"
		"\"leaderElection\":{\"leaderElect\":false}}",
		kubeconfig));
	if (sp_file_replace(rig_world, sp_str_c(path), config, 0600, &err) != SP_OK)
		rig_die("the scheduler's configuration", &err);
	return path;
}

void rig_scheduler_start(void)
{
	static const keys_pki_client user = {.file = "scheduler.kubeconfig",
					     .user = SP_STR_INIT("system:kube-scheduler")};
	const keys_pki_opts o = {.dir = sp_str_c(text("%s/pki", root))};
	sp_err err;
	if (keys_pki_kubeconfig(rig_world, &arena, &o, sp_str_c(target.address), &user, &err) != SP_OK)
		rig_die("the scheduler's kubeconfig", &err);
	const char *kubeconfig = text("%s/pki/scheduler.kubeconfig", root);
	const char *config = scheduler_config(kubeconfig);
	const char *const ours[] = {"build/release/sampan",
				    "scheduler",
				    "--kubeconfig",
				    kubeconfig,
				    "--config",
				    config,
				    "--leader-elect=false",
				    "--secure-port=0",
				    NULL};
	const char *const peer[] = {getenv("PEER_KUBE_SCHEDULER"), "--config", config, "--secure-port=0",
				    NULL};
	target.scheduler = spawn("scheduler.log", target.is_peer ? peer : ours);
}

void rig_scheduler_stop(void)
{
	(void)kill(target.scheduler, SIGTERM);
	(void)waitpid(target.scheduler, NULL, 0);
	target.scheduler = 0;
}

/* ---- keys ---- */

static sp_tls_config *client_config(sp_str ca_pem, const sp_x509_ca *ca, const char *who)
{
	static const sp_str alpn[] = {SP_STR_INIT("h2")};
	sp_str organization = sp_str_c(who);
	sp_tls_config *config = NULL;
	sp_err err;
	int64_t now = sp_wall_ns(rig_world) / 1000000000;
	const sp_x509_template t = {.common_name = sp_str_c(who),
				    .organizations = &organization,
				    .n_organizations = 1,
				    .not_before_s = now - 60,
				    .not_after_s = now + 86400,
				    .usages = SP_X509_CLIENT};
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF pem;
	SP_AUTO_BUF key_pem;
	sp_buf_init(&pem, (size_t)1 << 20);
	sp_buf_init(&key_pem, (size_t)1 << 20);
	if (sp_key_new(&key, &err) != SP_OK || sp_key_print(key, &key_pem, &err) != SP_OK ||
	    sp_x509_issue(&t, key, ca, &pem, &err) != SP_OK)
		rig_die("client certificate", &err);
	const sp_tls_opts o = {.cert_pem = sp_buf_view(&pem),
			       .key_pem = sp_buf_view(&key_pem),
			       .ca_pem = ca_pem,
			       .alpn = alpn,
			       .n_alpn = 1};
	if (sp_tls_client_config(&o, &config, &err) != SP_OK)
		rig_die("client TLS", &err);
	return config;
}

/* The keys of both servers and of the generator. */
static sp_code make_keys(sp_err *err)
{
	const keys_pki_opts o = {.dir = sp_str_c(text("%s/pki", root))};
	sp_str ca_pem, key_pem;
	sp_x509_ca *ca = NULL;
	SP_AUTO_KEY key = NULL;
	SP_AUTO_KEY accounts = NULL;
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	SP_TRY(sp_dir_make(rig_world, o.dir, 0700, err));
	SP_TRY(keys_pki_ensure(rig_world, &arena, &o, &pki, err));
	SP_TRY(sp_file_read_arena(rig_world, pki.ca_crt, &arena, (size_t)1 << 20, &ca_pem, err));
	SP_TRY(sp_file_read_arena(rig_world, sp_str_c(text("%s/pki/ca.key", root)), &arena, (size_t)1 << 20,
				  &key_pem, err));
	SP_TRY(sp_key_parse(key_pem, &key, err));
	SP_TRY(sp_x509_ca_new(ca_pem, key, &ca, err));
	admin_tls = client_config(ca_pem, ca, "system:masters");
	user_tls = client_config(ca_pem, ca, "bench");
	sp_x509_ca_free(ca);
	SP_TRY(sp_key_new(&accounts, err));
	SP_TRY(sp_key_print(accounts, &out, err));
	SP_TRY(sp_file_replace(rig_world, sp_str_c(text("%s/pki/sa.key", root)), sp_buf_view(&out), 0600,
			       err));
	sp_buf_clear(&out);
	SP_TRY(sp_key_print_public(accounts, &out, err));
	return sp_file_replace(rig_world, sp_str_c(text("%s/pki/sa.pub", root)), sp_buf_view(&out), 0644,
			       err);
}

bool rig_has_peer(void)
{
	return getenv("PEER_KUBE_APISERVER") != NULL && getenv("PEER_ETCD") != NULL;
}

void rig_init(void)
{
	sp_err err = {0};
	struct rlimit files = {4096, 4096};
	(void)setrlimit(RLIMIT_NOFILE, &files);
	(void)signal(SIGPIPE, SIG_IGN);
	sp_arena_init(&arena, (size_t)16 << 20);
	if (system("rm -rf " RIG_DIR " && mkdir -p " RIG_DIR) != 0 || realpath(RIG_DIR, root) == NULL ||
	    sp_world_uv_new(&rig_world, &err) != SP_OK || make_keys(&err) != SP_OK)
		rig_die("setting up", &err);
}

int rig_done(void)
{
	sp_tls_config_unref(admin_tls);
	sp_tls_config_unref(user_tls);
	sp_world_uv_free(rig_world);
	sp_arena_done(&arena);
	return system("rm -rf " RIG_DIR);
}

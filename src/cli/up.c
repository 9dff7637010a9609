/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan up`: from a bare machine to a cluster that answers: the roles, their add-ons, a sample behind a
 * Service. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/addons.h"
#include "cli/checks.h"
#include "cli/cli.h"
#include "cli/host_names.h"
#include "cli/process.h"
#include "cli/running.h"
#include "cli/sample_image.h"
#include "client/informer.h"
#include "io/file.h"
#include "io/http.h"

#define NODE_SUFFIX "-node" /* and of the one that runs the container runtime */
#define KEYS_SUFFIX "-keys" /* of the name of the user that holds the keys */
#define AGAIN_NS UINT64_C(20000000)
#define MS_NS UINT64_C(1000000)
#define CALL_NS UINT64_C(5000000000)

typedef struct flags {
	sp_str data_dir, run_dir, user;
	int64_t port, timeout_s;
	bool no_sample;
} flags;

typedef struct up {
	flags f;
	cli_process base;
	const char *self;  /* this program */
	sp_str kubeconfig; /* the administrator's */
	sp_str log_file;   /* of the server */
	sp_str address;    /* of the node */
	uint64_t start_ns, step_ns;
	sp_process *child;
	sp_stream *ready; /* the server's standard output */
	sp_timer again, limit;
	sp_client_config config;
	sp_client *client;
	sp_informers *informers;
	sp_informer *nodes, *deployments;
	sp_informer_watch nodes_watch, deployments_watch;
	sp_call call;
	const cli_addon *addons;
	size_t n_addons, i_addon;
	sp_http_client *http;
	uint16_t status;
	sp_str service_ip, service_address;
	bool node_ready, sample_ready;
	const char *waiting_for;
	sp_code code;
	sp_err err;
} up;

/* ---- what people see ---- */

static void tick(up *u, const char *what)
{
	uint64_t now = sp_now_ns(u->base.world);
	printf("  ok  %-34s %6" PRIu64 " ms\n", what, (now - u->step_ns) / MS_NS);
	(void)fflush(stdout);
	u->step_ns = now;
}

static void fail(up *u, sp_code code, const sp_err *err)
{
	if (u->code != SP_OK)
		return;
	u->code = code;
	if (err != NULL && err != &u->err)
		u->err = *err;
	sp_world_stop(u->base.world);
}

static void on_limit(sp_timer *t)
{
	up *u = t->arg;
	(void)sp_fail(&u->err, SP_ETIMEOUT, "%s: not within %" PRId64 " s; see " SP_FMT, u->waiting_for,
		      u->f.timeout_s, SP_ARG(u->log_file));
	fail(u, SP_ETIMEOUT, &u->err);
}

/* Whether a shell finds this very program by its name: after `make up` it is in the build's directory. */
static bool is_installed(sp_str self)
{
	static const char *const paths[] = {"/usr/local/bin/sampan", "/usr/bin/sampan", "/bin/sampan"};
	for (size_t i = 0; i < SP_LEN(paths); i++) {
		if (sp_str_eq(self, sp_str_c(paths[i])))
			return true;
	}
	return false;
}

static void print_summary(const up *u, bool new)
{
	if (new)
		printf("\nsampan is up, after %.1f s.\n\n",
		       (double)(sp_now_ns(u->base.world) - u->start_ns) / 1e9);
	if (u->service_ip.len > 0)
		printf("  http://" SP_FMT "/   the sample, Service 'hello'\n\n", SP_ARG(u->service_ip));
	const char *name = is_installed(sp_str_c(u->self)) ? "sampan" : u->self;
	printf("  export KUBECONFIG=" SP_FMT "\n  kubectl get pods -A\n  %s status\n  %s down\n",
	       SP_ARG(u->kubeconfig), name, name);
}

/* ---- the sample answers ---- */

static void fetch(up *u);

static void on_fetch_again(sp_timer *t)
{
	fetch(t->arg);
}

static void on_fetched(sp_http_exchange *ex)
{
	((up *)ex->arg)->status = ex->status;
}

static void on_fetch_close(sp_http_exchange *ex, const sp_err *err)
{
	up *u = ex->arg;
	if (err == NULL && u->status == 200) {
		tick(u, "the sample answers at its Service");
		sp_world_stop(u->base.world);
		return;
	}
	/* Rules in the kernel follow the endpoint by a moment. */
	sp_timer_start(u->base.world, &u->again, AGAIN_NS, on_fetch_again);
}

static void fetch(up *u)
{
	static const sp_http_events events = {.on_response = on_fetched, .on_close = on_fetch_close};
	const sp_http_request q = {.address = u->service_address,
				   .deadline_ns = sp_now_ns(u->base.world) + CALL_NS};
	sp_http_exchange *ex = NULL;
	u->status = 0;
	u->waiting_for = "the sample's Service";
	sp_code code = sp_http_request_start(u->http, &q, &events, u, &ex, &u->err);
	if (code != SP_OK)
		fail(u, code, &u->err);
}

static void on_service(sp_call *c, const sp_answer *a)
{
	up *u = c->arg;
	yyjson_val *root = NULL;
	if (a->code != SP_OK || sp_json_parse(&u->base.arena, sp_arena_try_dup(&u->base.arena, a->body),
					      &root, &u->err) != SP_OK) {
		fail(u, a->code == SP_OK ? u->err.code : a->code, a->err);
		return;
	}
	u->service_ip = sp_json_str(yyjson_obj_get(yyjson_obj_get(root, "spec"), "clusterIP"));
	bool v6 = sp_str_index(u->service_ip, ':') >= 0;
	u->service_address =
		sp_arena_printf(&u->base.arena, v6 ? "[" SP_FMT "]:80" : SP_FMT ":80", SP_ARG(u->service_ip));
	fetch(u);
}

static void find_service(up *u)
{
	u->call = (sp_call){.done = on_service, .arg = u};
	sp_call_start(u->client, &u->call,
		      &(sp_ask){.verb = SP_ASK_GET,
				.gvr = SP_SERVICES,
				.ns = SP_STR("default"),
				.name = SP_STR(CLI_SAMPLE_NAME)});
}

/* ---- the sample runs ---- */

typedef struct deployment_view {
	sp_str name;
	int32_t available;
} deployment_view;
SP_VIEW(deployment_view_desc, deployment_view, "apps/v1/Deployment",
	SP_V(deployment_view, name, "metadata.name"),
	SP_V(deployment_view, available, "status.availableReplicas"));

static void on_deployment(void *arg, const sp_object *old, const sp_object *now)
{
	up *u = arg;
	deployment_view v;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	(void)old;
	if (now == NULL || u->sample_ready ||
	    sp_view(&a, now->json, &deployment_view_desc, &v, NULL) != SP_OK ||
	    !sp_str_eq(v.name, SP_STR(CLI_SAMPLE_NAME)) || v.available < 1)
		return;
	u->sample_ready = true;
	tick(u, "the sample runs");
	find_service(u);
}

/* ---- the node ---- */

static bool is_ready(yyjson_val *node)
{
	size_t i, n;
	yyjson_val *c;
	yyjson_arr_foreach(yyjson_obj_get(yyjson_obj_get(node, "status"), "conditions"), i, n, c)
	{
		if (sp_str_eq(sp_json_str(yyjson_obj_get(c, "type")), SP_STR("Ready")))
			return sp_str_eq(sp_json_str(yyjson_obj_get(c, "status")), SP_STR("True"));
	}
	return false;
}

static void follow(up *u, const sp_informer_opts *o, sp_informer **ret, sp_informer_watch *watch)
{
	sp_code code = sp_informers_get(u->informers, o, ret, &u->err);
	if (code != SP_OK) {
		fail(u, code, &u->err);
		return;
	}
	sp_informer_watch_add(*ret, watch);
	sp_informers_start(u->informers);
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	up *u = arg;
	yyjson_val *root = NULL;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	(void)old;
	if (now == NULL || u->node_ready || sp_json_parse(&a, now->json, &root, NULL) != SP_OK ||
	    !is_ready(root))
		return;
	u->node_ready = true;
	tick(u, "the node is ready");
	if (u->f.no_sample) {
		sp_world_stop(u->base.world);
		return;
	}
	u->waiting_for = "the sample";
	const sp_informer_opts o = {.gvr = SP_DEPLOYMENTS, .ns = SP_STR("default")};
	u->deployments_watch = (sp_informer_watch){.on_change = on_deployment, .arg = u};
	follow(u, &o, &u->deployments, &u->deployments_watch);
}

static void wait_for_node(up *u)
{
	const sp_informer_opts o = {.gvr = SP_NODES};
	u->waiting_for = "the node";
	u->nodes_watch = (sp_informer_watch){.on_change = on_node, .arg = u};
	follow(u, &o, &u->nodes, &u->nodes_watch);
}

/* ---- add-ons ---- */

static void apply_next(up *u);

static void on_applied(sp_call *c, const sp_answer *a)
{
	up *u = c->arg;
	if (a->code != SP_OK) {
		fail(u, a->code, a->err);
		return;
	}
	u->i_addon++;
	apply_next(u);
}

static bool is_of_sample(const cli_addon *a)
{
	return sp_str_eq(a->name, SP_STR(CLI_SAMPLE_NAME));
}

static void apply_next(up *u)
{
	while (u->i_addon < u->n_addons && u->f.no_sample && is_of_sample(&u->addons[u->i_addon]))
		u->i_addon++;
	if (u->i_addon == u->n_addons) {
		tick(u, "names and the sample are asked for");
		wait_for_node(u);
		return;
	}
	const cli_addon *a = &u->addons[u->i_addon];
	u->call = (sp_call){.done = on_applied, .arg = u};
	sp_call_start(u->client, &u->call,
		      &(sp_ask){.verb = SP_ASK_APPLY,
				.gvr = a->gvr,
				.ns = a->ns,
				.name = a->name,
				.body = a->json,
				.manager = SP_STR("sampan"),
				.force = true});
}

/* ---- the API ---- */

static void ask_ready(up *u);

static void on_ask_again(sp_timer *t)
{
	ask_ready(t->arg);
}

static void on_ready(sp_call *c, const sp_answer *a)
{
	up *u = c->arg;
	if (a->code != SP_OK) {
		sp_timer_start(u->base.world, &u->again, AGAIN_NS, on_ask_again);
		return;
	}
	tick(u, "the API answers");
	apply_next(u);
}

static void ask_ready(up *u)
{
	u->waiting_for = "the API";
	u->call = (sp_call){.done = on_ready, .arg = u};
	sp_call_start(u->client, &u->call,
		      &(sp_ask){.verb = SP_ASK_GET, .path = SP_STR("/readyz"), .within_ns = CALL_NS});
}

static sp_code open_client(up *u)
{
	SP_TRY(sp_client_config_load(u->base.world, &u->base.arena, u->kubeconfig, SP_STR(""), &u->config,
				     &u->err));
	const sp_client_opts o = {.config = &u->config, .user_agent = SP_STR("sampan-up")};
	SP_TRY(sp_client_new(u->base.world, &o, &u->client, &u->err));
	SP_TRY(sp_informers_new(u->client, u->base.log, &u->informers, &u->err));
	const sp_http_client_opts http = {.connector = &sp_http_connector_plain};
	SP_TRY(sp_http_client_new(u->base.world, &http, &u->http, &u->err));
	u->addons = cli_addons(&u->base.arena, u->address, &u->n_addons);
	return SP_OK;
}

/* ---- the server ---- */

/* It says a word when its roles are started, and says nothing when they cannot be. */
static void on_said(void *arg, const uint8_t *bytes, size_t n)
{
	up *u = arg;
	(void)bytes, (void)n;
	sp_stream_read(u->ready, false);
	tick(u, "keys are made, the roles started");
	sp_code code = open_client(u);
	if (code != SP_OK)
		fail(u, code, &u->err);
	else
		ask_ready(u);
}

static void on_silent(void *arg)
{
	up *u = arg;
	(void)sp_fail(&u->err, SP_EINTERNAL, "the server does not start; see " SP_FMT, SP_ARG(u->log_file));
	fail(u, SP_EINTERNAL, &u->err);
}

static void on_said_error(void *arg, const sp_err *err)
{
	(void)err;
	on_silent(arg);
}

static void on_server_exit(void *arg, sp_exit exit)
{
	(void)exit;
	on_silent(arg);
}

static sp_code spawn_server(up *u, int log_fd, int said_fd)
{
	const char *argv[] = {
		u->self,
		"server",
		SP_CONCAT(&u->base.arena, SP_STR("--data-dir="), u->f.data_dir).ptr,
		SP_CONCAT(&u->base.arena, SP_STR("--run-dir="), u->f.run_dir).ptr,
		sp_arena_printf(&u->base.arena, "--secure-port=%d", (int)u->f.port).ptr,
		SP_CONCAT(&u->base.arena, SP_STR("--advertise-address="), u->address).ptr,
		SP_CONCAT(&u->base.arena, SP_STR("--user="), u->f.user).ptr,
		SP_CONCAT(&u->base.arena, SP_STR("--keys-user="), u->f.user, SP_STR(KEYS_SUFFIX)).ptr,
		SP_CONCAT(&u->base.arena, SP_STR("--node-user="), u->f.user, SP_STR(NODE_SUFFIX)).ptr,
		NULL,
	};
	const int fds[] = {-1, said_fd, log_fd};
	const sp_spawn_opts o = {.argv = argv,
				 .env = cli_role_environment(&u->base.arena, true),
				 .fds = fds,
				 .n_fds = SP_LEN(fds),
				 .new_session = true};
	return sp_spawn(u->base.world, &o, on_server_exit, u, &u->child, &u->err);
}

static void start_server(up *u)
{
	static const sp_stream_handler handler = {on_said, on_silent, on_said_error, NULL};
	int said[2] = {-1, -1};
	int log_fd = open(u->log_file.ptr, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	sp_code code = SP_OK;
	if (log_fd < 0 || pipe2(said, O_CLOEXEC) != 0)
		code = sp_fail_sys(&u->err, errno, "log '" SP_FMT "'", SP_ARG(u->log_file));
	if (code == SP_OK)
		code = spawn_server(u, log_fd, said[1]);
	if (code == SP_OK)
		code = sp_stream_from_fd(u->base.world, said[0], &u->ready, &u->err);
	if (said[1] >= 0)
		(void)close(said[1]); /* ours only */
	if (log_fd >= 0)
		(void)close(log_fd);
	if (code != SP_OK) {
		fail(u, code, &u->err);
		return;
	}
	u->waiting_for = "the server";
	sp_stream_handle(u->ready, &handler, u);
	sp_stream_read(u->ready, true);
}

/* ---- before it: the image, the user ---- */

static void run_then(up *u, const char *const *argv, void (*on_exit)(void *arg, sp_exit exit))
{
	static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
					  NULL};
	static const int fds[] = {-1, -1, 2};
	const sp_spawn_opts o = {.argv = argv, .env = env, .fds = fds, .n_fds = SP_LEN(fds)};
	sp_code code = sp_spawn(u->base.world, &o, on_exit, u, &u->child, &u->err);
	if (code != SP_OK)
		fail(u, code, &u->err);
}

static bool ended_well(up *u, sp_exit exit, const char *what)
{
	sp_process_free(u->child);
	u->child = NULL;
	if (exit.code == 0)
		return true;
	(void)sp_fail(&u->err, SP_EINTERNAL, "%s failed (status %d)", what, exit.code);
	fail(u, SP_EINTERNAL, &u->err);
	return false;
}

static void on_imported(void *arg, sp_exit exit)
{
	up *u = arg;
	if (!ended_well(u, exit, "importing the sample's image"))
		return;
	tick(u, "the sample's image is made");
	start_server(u);
}

static void make_image(up *u)
{
	sp_str tar = sp_arena_printf(&u->base.arena, SP_FMT "/sample.tar", SP_ARG(u->f.data_dir));
	sp_str program = cli_beside(&u->base.arena, "sampan-sample");
	sp_code code = u->f.no_sample ? SP_OK
				      : cli_sample_image(u->base.world, &u->base.arena, program,
							 SP_STR(CLI_SAMPLE_IMAGE), tar, &u->err);
	if (code != SP_OK) {
		fail(u, code, &u->err);
		return;
	}
	if (u->f.no_sample) {
		start_server(u);
		return;
	}
	const char *argv[] = {u->self,
			      "image",
			      "import",
			      tar.ptr,
			      SP_CONCAT(&u->base.arena, SP_STR("--data-dir="), u->f.data_dir).ptr,
			      NULL};
	u->waiting_for = "the sample's image";
	run_then(u, argv, on_imported);
}

static void make_users(up *u);

static void on_user_made(void *arg, sp_exit exit)
{
	up *u = arg;
	if (!ended_well(u, exit, "useradd"))
		return;
	make_users(u);
}

/* That of the roles without need for root, that of the keys alone, that of the container runtime. */
static void make_users(up *u)
{
	const char *const suffixes[] = {"", KEYS_SUFFIX, NODE_SUFFIX};
	for (size_t i = 0; i < SP_LEN(suffixes); i++) {
		const char *name = SP_CONCAT(&u->base.arena, u->f.user, sp_str_c(suffixes[i])).ptr;
		if (getpwnam(name) != NULL)
			continue;
		const char *argv[] = {"/usr/sbin/useradd",
				      "--system",
				      "--no-create-home",
				      "--shell",
				      "/usr/sbin/nologin",
				      name,
				      NULL};
		u->waiting_for = "useradd";
		run_then(u, argv, on_user_made);
		return;
	}
	tick(u, "the users of the roles are there");
	make_image(u);
}

/* ---- the beginning ---- */

static sp_code check_machine(up *u)
{
	cli_finding *all = NULL;
	size_t n = 0, n_bad = 0;
	const cli_check_opts o = {.data_dir = u->f.data_dir, .port = (uint16_t)u->f.port};
	SP_TRY(cli_check_host(u->base.world, &u->base.arena, &o, &all, &n, &u->err));
	for (size_t i = 0; i < n; i++) {
		if (all[i].grade != CLI_BAD)
			continue;
		n_bad++;
		(void)fprintf(stderr, "sampan up: %s: " SP_FMT "; " SP_FMT "\n", all[i].what,
			      SP_ARG(all[i].found), SP_ARG(all[i].fix));
	}
	return n_bad == 0 ? SP_OK : sp_fail(&u->err, SP_EUNSUPPORTED, "this machine is not ready for it");
}

static sp_code start(up *u)
{
	SP_TRY(check_machine(u));
	SP_TRY(sp_dir_make(u->base.world, u->f.data_dir, 0755, &u->err));
	u->log_file = sp_arena_printf(&u->base.arena, SP_FMT "/server.log", SP_ARG(u->f.data_dir));
	u->address = cli_host_address(&u->base.arena);
	u->again.arg = u->limit.arg = u;
	sp_timer_start(u->base.world, &u->limit, (uint64_t)u->f.timeout_s * 1000 * MS_NS, on_limit);
	tick(u, "the machine has what it takes");
	make_users(u);
	return SP_OK;
}

static void on_closed(void *arg)
{
	sp_world_stop(((up *)arg)->base.world);
}

static void finish(up *u)
{
	if (u->base.world == NULL) { /* not even begun */
		cli_process_done(&u->base);
		return;
	}
	sp_timer_stop(u->base.world, &u->again);
	sp_timer_stop(u->base.world, &u->limit);
	sp_call_cancel(&u->call);
	sp_process_free(u->child);
	sp_informers_free(u->informers);
	if (u->http != NULL) {
		sp_http_client_close(u->http, on_closed, u);
		sp_world_run(u->base.world);
		sp_http_client_free(u->http);
	}
	if (u->client != NULL) {
		sp_client_close(u->client, on_closed, u);
		sp_world_run(u->base.world);
		sp_client_free(u->client);
	}
	cli_process_done(&u->base);
}

static sp_code run(up *u)
{
	cli_running r;
	sp_str self;
	SP_TRY(cli_process_open(&u->base, "up", SP_STR("error"), &u->err));
	SP_TRY(cli_self(&u->base.arena, &self, &u->err));
	u->self = self.ptr;
	u->kubeconfig =
		sp_arena_printf(&u->base.arena, SP_FMT "/pki/admin.kubeconfig", SP_ARG(u->f.data_dir));
	if (cli_running_find(&u->base.arena, u->f.run_dir, &r, &u->err) == SP_OK) {
		printf("sampan is up already.\n\n");
		print_summary(u, false);
		return SP_OK;
	}
	u->start_ns = u->step_ns = sp_now_ns(u->base.world);
	SP_TRY(start(u));
	sp_world_run(u->base.world);
	if (u->code == SP_OK)
		print_summary(u, true);
	return u->code;
}

int cli_up(int argc, char **argv)
{
	up u = {.f = {.data_dir = SP_STR("/var/lib/sampan"),
		      .run_dir = SP_STR("/run/sampan"),
		      .user = SP_STR("sampan"),
		      .port = 6443,
		      .timeout_s = 120}};
	const cli_flag table[] = {
		{"data-dir", CLI_STR, &u.f.data_dir, "what is kept: database, keys, images, log"},
		{"no-sample", CLI_BOOL, &u.f.no_sample, "deploy nothing"},
		{"run-dir", CLI_STR, &u.f.run_dir, "what is gone after a reboot: sockets, mounts"},
		{"secure-port", CLI_I64, &u.f.port, "port of the API"},
		{"timeout", CLI_I64, &u.f.timeout_s, "seconds to wait for everything together"},
		{"user", CLI_STR, &u.f.user,
		 "who runs what needs no root; made when missing, as are NAME-keys and NAME-node"},
	};
	int status;
	if (!cli_begin("up", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	if (u.f.port < 1 || u.f.port > 65535 || u.f.timeout_s < 1 || u.f.timeout_s > 86400) {
		(void)fprintf(stderr, "sampan up: --secure-port is 1 to 65535, --timeout 1 to 86400\n");
		return CLI_EXIT_USAGE;
	}
	sp_code code = run(&u);
	finish(&u);
	return cli_end("up", code, &u.err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan service-proxy`: what sends traffic for Services to their pods on this node. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/host_names.h"
#include "client/call.h"
#include "host/nft.h"
#include "io/uv/uv.h"
#include "network/services/proxy.h"
#include "network/services/rules.h"

typedef struct flags {
	sp_str kubeconfig, node, log_level;
	bool cleanup;
} flags;

typedef struct process {
	flags f;
	sp_arena arena;
	sp_world *world;
	sp_log *log;
	sp_client_config config;
	sp_client *client;
	sp_informers *informers;
	net_proxy *proxy;
	net_runner runner;
	sp_work work; /* the transaction under way */
	sp_str commands;
	sp_err work_err;
	sp_code work_code;
	void (*run_done)(void *arg, const sp_err *err);
	void *run_arg;
	sp_signal_watch *term, *interrupt;
	bool stopping;
} process;

static int64_t wall_ns(void *arg)
{
	return sp_wall_ns(((process *)arg)->world);
}

/* ---- running commands beside the loop ---- */

static void run_job(sp_work *job)
{
	process *p = job->arg;
	p->work_code = host_nft_run(p->commands, &p->work_err);
}

static void run_job_done(sp_work *job)
{
	process *p = job->arg;
	p->run_done(p->run_arg, p->work_code == SP_OK ? NULL : &p->work_err);
}

/* One transaction at a time: the proxy waits for each. The queue of jobs is never full then. */
static void run(net_runner *r, sp_str commands, void (*done)(void *arg, const sp_err *err), void *arg)
{
	process *p = SP_CONTAINER_OF(r, process, runner);
	p->commands = commands;
	p->run_done = done;
	p->run_arg = arg;
	p->work = (sp_work){.fn = run_job, .done = run_job_done, .arg = p};
	SP_ASSERT(sp_work_start(p->world, &p->work, NULL) == SP_OK);
}

/* ---- the end ---- */

static void on_client_closed(void *arg)
{
	sp_world_stop(((process *)arg)->world);
}

static void on_proxy_stopped(void *arg)
{
	process *p = arg;
	sp_client_close(p->client, on_client_closed, p);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	if (p->stopping)
		_exit(128 + signal); /* asked twice */
	p->stopping = true;
	net_proxy_stop(p->proxy, on_proxy_stopped, p);
}

/* ---- the beginning ---- */

static sp_code find_node(process *p, sp_err *err)
{
	if (p->f.node.len == 0)
		p->f.node = cli_host_name(&p->arena);
	if (p->f.node.len == 0)
		return sp_fail(err, SP_EINVAL, "this machine has no name: give --hostname-override");
	return SP_OK;
}

static sp_code start(process *p, sp_err *err)
{
	sp_log_level level;
	if (p->f.kubeconfig.len == 0)
		return sp_fail(err, SP_EINVAL, "--kubeconfig is missing");
	SP_TRY(sp_log_level_parse(p->f.log_level, &level, err));
	SP_TRY(find_node(p, err));
	sp_hash_key seed;
	sp_random(p->world, &seed, sizeof seed);
	sp_hash_seed_set(seed);
	p->log = sp_log_new(&(sp_log_opts){.level = level,
					   .format = isatty(STDERR_FILENO) ? SP_LOG_TEXT : SP_LOG_JSON,
					   .component = "service-proxy",
					   .wall_ns = wall_ns,
					   .write = sp_log_to_stderr,
					   .arg = p});
	sp_log_dump_on_crash(p->log);
	SP_TRY(sp_client_config_load(p->world, &p->arena, p->f.kubeconfig, SP_STR(""), &p->config, err));
	const sp_client_opts client = {.config = &p->config,
				       .user_agent = SP_STR("sampan-service-proxy/" SP_VERSION)};
	SP_TRY(sp_client_new(p->world, &client, &p->client, err));
	SP_TRY(sp_informers_new(p->client, p->log, &p->informers, err));
	const net_proxy_opts proxy = {
		.informers = p->informers, .runner = &p->runner, .log = p->log, .node = p->f.node};
	SP_TRY(net_proxy_new(p->world, &proxy, &p->proxy, err));
	SP_TRY(sp_signal_watch_new(p->world, SIGTERM, on_stop, p, &p->term, err));
	SP_TRY(sp_signal_watch_new(p->world, SIGINT, on_stop, p, &p->interrupt, err));
	sp_informers_start(p->informers);
	return SP_OK;
}

static void finish(process *p)
{
	net_proxy_free(p->proxy);
	sp_informers_free(p->informers);
	sp_client_free(p->client);
	sp_signal_watch_free(p->term);
	sp_signal_watch_free(p->interrupt);
	sp_log_free(p->log);
	sp_world_uv_free(p->world);
	sp_arena_done(&p->arena);
}

static sp_code cleanup(sp_err *err)
{
	SP_AUTO_BUF commands;
	sp_buf_init(&commands, 4096);
	(void)net_rules_remove(&commands);
	sp_code code = sp_buf_char(&commands, '\0');
	return code == SP_OK ? host_nft_run(sp_buf_view(&commands), err) : code;
}

static sp_code run_all(process *p, sp_err *err)
{
	if (p->f.cleanup)
		return cleanup(err);
	sp_arena_init(&p->arena, (size_t)8 << 20);
	sp_code code = sp_world_uv_new(&p->world, err);
	if (code == SP_OK)
		code = start(p, err);
	if (code == SP_OK)
		sp_world_run(p->world);
	finish(p);
	return code;
}

int cli_service_proxy(int argc, char **argv)
{
	process p = {.f = {.log_level = SP_STR("info")}, .runner = {run}};
	const cli_flag table[] = {
		{"cleanup", CLI_BOOL, &p.f.cleanup, "remove the rules of all services, and end"},
		{"hostname-override", CLI_STR, &p.f.node, "name of this node; default: of the machine"},
		{"kubeconfig", CLI_STR, &p.f.kubeconfig, "where the API server is, and who we are"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
	};
	sp_err err = {0};
	bool help;
	if (cli_flags_parse(table, SP_LEN(table), argc, argv, &help, &err) != SP_OK) {
		(void)fprintf(stderr, "sampan service-proxy: %s\n", err.msg);
		return CLI_EXIT_USAGE;
	}
	if (help) {
		cli_flags_help("sampan service-proxy [FLAGS]", table, SP_LEN(table));
		return 0;
	}
	sp_code code = run_all(&p, &err);
	if (code == SP_OK)
		return 0;
	(void)fprintf(stderr, "sampan service-proxy: %s\n", err.msg);
	return sp_code_lookup(code)->exit_code;
}

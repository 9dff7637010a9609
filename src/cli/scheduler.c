/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan scheduler`: the scheduler alone, against any Kubernetes API server; or about a snapshot on standard
 * input. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/process.h"
#include "client/election.h"
#include "scheduler/scheduler.h"
#include "scheduler/simulate.h"

#define CHUNK_BYTES ((size_t)256 << 10)

static sp_code read_input(sp_buf *in, sp_err *err)
{
	for (;;) {
		char *room = sp_buf_reserve(in, CHUNK_BYTES);
		if (room == NULL)
			return sp_fail(err, sp_buf_code(in), "the snapshot is too large");
		size_t n = fread(room, 1, CHUNK_BYTES, stdin);
		sp_buf_added(in, n);
		if (n > 0)
			continue;
		return ferror(stdin) != 0 ? sp_fail(err, SP_EIO, "standard input cannot be read") : SP_OK;
	}
}

static int simulate(void)
{
	SP_AUTO_BUF in;
	SP_AUTO_BUF out;
	sp_err err = {0};
	sp_buf_init(&in, SCHED_SNAPSHOT_BYTES_MAX);
	sp_buf_init(&out, SCHED_SNAPSHOT_BYTES_MAX * 4);
	sp_code code = read_input(&in, &err);
	if (code == SP_OK)
		code = sched_simulate(sp_buf_view(&in), &out, &err);
	if (code == SP_OK &&
	    (fwrite(out.ptr, 1, out.len, stdout) != out.len || putchar('\n') == EOF || fflush(stdout) != 0))
		code = sp_fail(&err, SP_EIO, "standard output cannot be written");
	if (code == SP_OK)
		return 0;
	(void)fprintf(stderr, "sampan scheduler simulate: %s\n", err.msg);
	return sp_code_lookup(code)->exit_code;
}

/* ---- live ---- */

typedef struct flags {
	sp_str kubeconfig, context, config, log_level, lease_ns, lease_name;
	bool leader_elect;
	int64_t seed;
} flags;

typedef struct process {
	flags f;
	cli_process base;
	sp_client *client;
	sp_election *election;
	scheduler *scheduler;
	sched_config *config;
	unsigned n_open; /* parts that are still to close */
	bool stopping;
	sp_code failed;
} process;

static void on_closed(void *arg)
{
	process *p = arg;
	if (--p->n_open == 0)
		sp_world_stop(p->base.world);
}

static void on_given_back(void *arg)
{
	process *p = arg;
	sp_client_close(p->client, on_closed, p);
}

static void stop(process *p)
{
	p->stopping = true;
	p->n_open = 1;
	if (p->scheduler != NULL) {
		p->n_open++;
		scheduler_close(p->scheduler, on_closed, p);
	}
	if (p->election != NULL)
		sp_election_close(p->election, on_given_back, p); /* the client is needed for that */
	else
		sp_client_close(p->client, on_closed, p);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	if (p->stopping)
		_exit(128 + signal); /* asked twice */
	stop(p);
}

static void lead(void *arg)
{
	process *p = arg;
	sp_err err = {0};
	const scheduler_opts o = {.client = p->client,
				  .log = p->base.log,
				  .config = p->config,
				  .seed = p->f.seed != 0 ? (uint64_t)p->f.seed
							 : sp_random_u64(p->base.world)};
	if (scheduler_new(&o, &p->scheduler, &err) == SP_OK)
		return;
	sp_log(p->base.log, SP_LOG_ERROR, "the scheduler does not start", SP_KE(&err));
	p->failed = err.code;
	if (!p->stopping)
		stop(p);
}

/* Whoever leads now must not be disturbed by us: whatever is under way ends with this process. */
static void on_lost(void *arg)
{
	process *p = arg;
	p->election = NULL;
	sp_log(p->base.log, SP_LOG_ERROR, "leadership lost: this process ends");
	_exit(1);
}

static sp_code open_client(process *p, sp_err *err)
{
	sp_client_config config;
	if (p->f.kubeconfig.len > 0) {
		SP_TRY(sp_client_config_load(p->base.world, &p->base.arena, p->f.kubeconfig, p->f.context,
					     &config, err));
	} else {
		SP_TRY(sp_client_config_in_cluster(
			p->base.world, &p->base.arena, sp_str_c(secure_getenv("KUBERNETES_SERVICE_HOST")),
			sp_str_c(secure_getenv("KUBERNETES_SERVICE_PORT")), SP_STR(""), &config, err));
	}
	return sp_client_new(
		p->base.world,
		&(sp_client_opts){.config = &config, .user_agent = SP_STR("sampan-scheduler/" SP_VERSION)},
		&p->client, err);
}

/* "host_4f1d…": unique for each process. */
static sp_code elect(process *p, sp_err *err)
{
	char host[256] = "";
	if (gethostname(host, sizeof host - 1) != 0)
		host[0] = '\0';
	sp_str identity = sp_arena_printf(&p->base.arena, "%s_%016llx", host,
					  (unsigned long long)sp_random_u64(p->base.world));
	const sp_election_opts o = {.client = p->client,
				    .log = p->base.log,
				    .ns = p->f.lease_ns,
				    .name = p->f.lease_name,
				    .identity = identity,
				    .on_leading = lead,
				    .on_lost = on_lost,
				    .arg = p};
	return sp_election_new(&o, &p->election, err);
}

static sp_code start(process *p, sp_err *err)
{
	SP_TRY(cli_process_open(&p->base, "scheduler", p->f.log_level, err));
	p->config = sp_new(&p->base.arena, sched_config, 1);
	sched_config_default(p->config);
	if (p->f.config.len > 0)
		SP_TRY(sched_config_load(p->base.world, &p->base.arena, p->f.config, p->config, err));
	SP_TRY(open_client(p, err));
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	if (p->f.leader_elect)
		return elect(p, err);
	lead(p);
	return SP_OK;
}

static void finish(process *p)
{
	scheduler_free(p->scheduler);
	sp_election_free(p->election);
	sp_client_free(p->client);
	cli_process_done(&p->base);
}

int cli_scheduler(int argc, char **argv)
{
	process p = {.f = {.log_level = SP_STR("info"),
			   .lease_ns = SP_STR("kube-system"),
			   .lease_name = SP_STR("kube-scheduler"),
			   .leader_elect = true}};
	const cli_flag table[] = {
		{"config", CLI_STR, &p.f.config, "file with a KubeSchedulerConfiguration"},
		{"context", CLI_STR, &p.f.context, "of the kubeconfig; default: its current one"},
		{"kubeconfig", CLI_STR, &p.f.kubeconfig, "where the API server is; default: the pod's own"},
		{"leader-elect", CLI_BOOL, &p.f.leader_elect, "work only while holding the lease"},
		{"leader-elect-resource-name", CLI_STR, &p.f.lease_name, "name of the lease"},
		{"leader-elect-resource-namespace", CLI_STR, &p.f.lease_ns, "its namespace"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"seed", CLI_I64, &p.f.seed, "of the choice among equally good nodes; 0: a random one"},
	};
	sp_err err = {0};
	int status;
	if (argc == 2 && strcmp(argv[1], "simulate") == 0)
		return simulate();
	if (!cli_begin("scheduler",
		       "sampan scheduler [FLAGS]\n       sampan scheduler simulate <SNAPSHOT >DECISIONS",
		       table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = start(&p, &err);
	if (code == SP_OK)
		sp_world_run(p.base.world);
	finish(&p);
	return code == SP_OK ? cli_end("scheduler", p.failed, NULL) : cli_end("scheduler", code, &err);
}

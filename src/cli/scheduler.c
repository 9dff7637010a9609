/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan scheduler`: the scheduler alone, against any Kubernetes API server; or about a snapshot on standard
 * input. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/leader.h"
#include "scheduler/metrics.h"
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

typedef struct process {
	cli_leader leader;
	sp_str config_file;
	int64_t seed;
	scheduler *scheduler; /* NULL: another process leads */
	sp_metrics *metrics;
	sched_config *config; /* in the arena: too large for the stack */
} process;

static process *of(cli_leader *l)
{
	return SP_CONTAINER_OF(l, process, leader);
}

static sp_code begin(cli_leader *l, sp_err *err)
{
	process *p = of(l);
	const scheduler_opts o = {.client = l->client,
				  .log = l->base.log,
				  .config = p->config,
				  .metrics = p->metrics,
				  .seed = p->seed != 0 ? (uint64_t)p->seed : sp_random_u64(l->base.world)};
	return scheduler_new(&o, &p->scheduler, err);
}

static void close_scheduler(cli_leader *l, void (*done)(void *arg), void *arg)
{
	scheduler_close(of(l)->scheduler, done, arg);
}

/* ---- what it tells ---- */

/* Who leads renews the lease or ends (cli/leader.h). */
static bool holds_or_waits(void *arg)
{
	(void)arg;
	return true;
}

static bool elects(void *arg)
{
	return ((const cli_leader *)arg)->elect;
}

static bool goes_on(void *arg)
{
	return !((const cli_leader *)arg)->is_stopping;
}

/* Who waits to lead knows nothing yet and is ready for that. */
static bool is_synced(void *arg)
{
	const process *p = of(arg);
	return p->scheduler == NULL || scheduler_is_ready(p->scheduler);
}

static const sp_status_check checks[] = {
	{SP_STR_INIT("leaderElection"), SP_STATUS_HEALTHZ | SP_STATUS_READYZ, holds_or_waits, elects},
	{SP_STR_INIT("shutdown"), SP_STATUS_READYZ, goes_on, NULL},
	{SP_STR_INIT("sched-handler-sync"), SP_STATUS_READYZ, is_synced, NULL},
};

static sp_code write_metrics(void *arg, sp_buf *out)
{
	process *p = of(arg);
	if (p->scheduler != NULL)
		scheduler_measure(p->scheduler);
	SP_TRY(sp_metrics_write(p->metrics, false, out));
	cli_leader_metrics(&p->leader, out);
	return sp_buf_code(out);
}

static sp_code write_config(void *arg, sp_buf *out)
{
	const process *p = of(arg);
	if (p->config == NULL)
		return SP_EUNAVAILABLE;
	(void)sp_buf_str(out, SP_STR("{\"componentconfig\":"));
	sched_config_print(p->config, out);
	(void)sp_buf_char(out, '}');
	return sp_buf_code(out);
}

static const sp_status_page pages[] = {
	{SP_STR_INIT("/metrics"), SP_STR_INIT("text/plain; version=0.0.4; charset=utf-8"), write_metrics},
	{SP_STR_INIT("/configz"), SP_STR_INIT("application/json"), write_config},
};

static sp_code start(process *p, sp_err *err)
{
	cli_leader *l = &p->leader;
	p->metrics = sched_metrics_new();
	SP_TRY(cli_leader_open(l, err));
	p->config = sp_new(&l->base.arena, sched_config, 1);
	sched_config_default(p->config);
	if (p->config_file.len == 0)
		return SP_OK;
	return sched_config_load(l->base.world, &l->base.arena, p->config_file, p->config, err);
}

int cli_scheduler(int argc, char **argv)
{
	process p = {.leader = {.log_level = SP_STR("info"),
				.lease_ns = SP_STR("kube-system"),
				.lease_name = SP_STR("kube-scheduler"),
				.elect = true,
				.component = "scheduler",
				.endpoints = CLI_ENDPOINTS_DEFAULTS(10259),
				.status = {.checks = checks,
					   .n_checks = SP_LEN(checks),
					   .pages = pages,
					   .n_pages = SP_LEN(pages)},
				.begin = begin,
				.close = close_scheduler}};
	const cli_flag table[] = {
		CLI_ENDPOINTS_FLAGS_FRONT(&p.leader.endpoints),
		{"config", CLI_STR, &p.config_file, "file with a KubeSchedulerConfiguration"},
		CLI_LEADER_FLAG_CONTEXT(&p.leader),
		CLI_LEADER_FLAGS(&p.leader),
		CLI_ENDPOINTS_FLAG_PORT(&p.leader.endpoints),
		{"seed", CLI_I64, &p.seed, "of the choice among equally good nodes; 0: a random one"},
		CLI_ENDPOINTS_FLAGS_TLS(&p.leader.endpoints),
	};
	static const char usage[] =
		"sampan scheduler [FLAGS]\n       sampan scheduler simulate <SNAPSHOT >DECISIONS";
	sp_err err = {0};
	int status;
	if (argc == 2 && strcmp(argv[1], "simulate") == 0)
		return simulate();
	if (!cli_begin("scheduler", usage, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = cli_leader_run(&p.leader, start(&p, &err), &err);
	scheduler_free(p.scheduler);
	cli_leader_done(&p.leader);
	sp_metrics_free(p.metrics);
	return cli_leader_end(&p.leader, code, &err);
}

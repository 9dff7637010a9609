/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan controllers`: the controllers alone, against any Kubernetes API server. */
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
#include "controllers/controller.h"
#include "io/file.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

typedef struct flags {
	sp_str kubeconfig, context, list, log_level, root_ca, lease_ns, lease_name, cluster_cidrs;
	bool leader_elect;
	int64_t terminated_pods, workers;
} flags;

typedef struct process {
	flags f;
	cli_process base;
	sp_client *client;
	sp_election *election;
	controllers *controllers;
	controllers_config config;
	unsigned n_open; /* parts that are still to close */
	bool stopping;
	sp_code failed;
} process;

/* ---- the end ---- */

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
	if (p->controllers != NULL) {
		p->n_open++;
		controllers_close(p->controllers, on_closed, p);
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

static void fail(process *p, sp_code code)
{
	p->failed = code;
	if (!p->stopping)
		stop(p);
}

/* ---- the beginning ---- */

static void lead(void *arg)
{
	process *p = arg;
	sp_err err = {0};
	const controllers_opts o = {
		.client = p->client, .log = p->base.log, .config = &p->config, .list = p->f.list};
	if (controllers_new(&o, &p->controllers, &err) == SP_OK)
		return;
	sp_log(p->base.log, SP_LOG_ERROR, "the controllers do not start", SP_KE(&err));
	fail(p, err.code);
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
	if (p->config.root_ca_pem.len == 0)
		p->config.root_ca_pem = config.ca_pem;
	return sp_client_new(
		p->base.world,
		&(sp_client_opts){.config = &config, .user_agent = SP_STR("sampan-controllers/" SP_VERSION)},
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
	SP_TRY(controllers_check_list(p->f.list, err));
	SP_TRY(cli_process_open(&p->base, "controllers", p->f.log_level, err));
	p->config.cluster_cidrs = p->f.cluster_cidrs;
	p->config.terminated_pods_most = (uint32_t)p->f.terminated_pods;
	p->config.n_workers = (uint32_t)p->f.workers;
	if (p->f.root_ca.len > 0)
		SP_TRY(sp_file_read_arena(p->base.world, p->f.root_ca, &p->base.arena, FILE_BYTES_MAX,
					  &p->config.root_ca_pem, err));
	SP_TRY(open_client(p, err));
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	if (p->f.leader_elect)
		return elect(p, err);
	lead(p);
	return SP_OK;
}

static void finish(process *p)
{
	controllers_free(p->controllers);
	sp_election_free(p->election);
	sp_client_free(p->client);
	cli_process_done(&p->base);
}

int cli_controllers(int argc, char **argv)
{
	process p = {.f = {.list = SP_STR("*"),
			   .log_level = SP_STR("info"),
			   .lease_ns = SP_STR("kube-system"),
			   .lease_name = SP_STR("kube-controller-manager"),
			   .terminated_pods = 12500,
			   .leader_elect = true}};
	const cli_flag table[] = {
		{"cluster-cidr", CLI_STR, &p.f.cluster_cidrs,
		 "ranges of pods' addresses, one of each family"},
		{"concurrent-syncs", CLI_I64, &p.f.workers,
		 "keys each controller works on at once; 0: its own"},
		{"context", CLI_STR, &p.f.context, "of the kubeconfig; default: its current one"},
		{"controllers", CLI_STR, &p.f.list, "which run: *, name or -name, separated by commas"},
		{"kubeconfig", CLI_STR, &p.f.kubeconfig, "where the API server is; default: the pod's own"},
		{"leader-elect", CLI_BOOL, &p.f.leader_elect, "work only while holding the lease"},
		{"leader-elect-resource-name", CLI_STR, &p.f.lease_name, "name of the lease"},
		{"leader-elect-resource-namespace", CLI_STR, &p.f.lease_ns, "its namespace"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"root-ca-file", CLI_STR, &p.f.root_ca,
		 "certificates that every namespace gets; default: the kubeconfig's"},
		{"terminated-pod-gc-threshold", CLI_I64, &p.f.terminated_pods,
		 "pods that are over and may stay"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("controllers", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = start(&p, &err);
	if (code == SP_OK)
		sp_world_run(p.base.world);
	finish(&p);
	return code == SP_OK ? cli_end("controllers", p.failed, NULL) : cli_end("controllers", code, &err);
}

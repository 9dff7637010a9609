/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan service-proxy`: what sends traffic for Services to their pods on this node. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/version.h"
#include "cli/cli.h"
#include "cli/host_names.h"
#include "cli/process.h"
#include "client/call.h"
#include "host/conntrack.h"
#include "host/nft/nft.h"
#include "host/routes.h"
#include "network/routes/routes.h"
#include "network/services/proxy.h"
#include "network/services/rules.h"

#define CLUSTERS_MAX 8u /* prefixes of --cluster-cidr */

typedef struct flags {
	sp_str kubeconfig, node, log_level, cluster_cidr, healthz, metrics, here;
	bool cleanup, pod_routes;
} flags;

typedef struct sweep_job {
	sp_work work;
	bool v4;
	bool (*is_stale)(const void *arg, const sp_flow *f);
	const void *arg;
	size_t n;
	sp_code code;
	sp_err err;
	void (*done)(void *arg, size_t n, const sp_err *err);
	void *done_arg;
} sweep_job;

typedef struct process {
	flags f;
	cli_process base;
	sp_client_config config;
	sp_client *client;
	sp_informers *informers;
	net_proxy *proxy;
	net_status status;
	net_health *health;
	net_runner runner;
	sp_informers *nodes; /* of the routes */
	net_routes *routes;
	sp_router router;
	sp_cidr clusters[CLUSTERS_MAX];
	size_t n_clusters;
	sp_work route_work;
	sp_route *wanted; /* being set */
	size_t n_wanted;
	sp_err route_err;
	sp_code route_code;
	void (*route_done)(void *arg, const sp_err *err);
	void *route_arg;
	sp_work work; /* the transaction under way */
	sp_str commands;
	sp_err work_err;
	sp_code work_code;
	void (*run_done)(void *arg, const sp_err *err);
	void *run_arg;
	sp_sweeper sweeper;
	sweep_job sweep; /* the one under way */
	bool stopping;
} process;

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
	SP_ASSERT(sp_work_start(p->base.world, &p->work, NULL) == SP_OK);
}

static void sweep_work(sp_work *job)
{
	sweep_job *s = job->arg;
	s->code = host_conntrack_sweep(s->v4, s->is_stale, s->arg, &s->n, &s->err);
}

static void sweep_work_done(sp_work *job)
{
	sweep_job *s = job->arg;
	s->done(s->done_arg, s->n, s->code == SP_OK ? NULL : &s->err);
}

static void sweep(sp_sweeper *sweeper, bool v4, bool (*is_stale)(const void *arg, const sp_flow *f),
		  const void *arg, void (*done)(void *arg, size_t n, const sp_err *err), void *done_arg)
{
	process *p = SP_CONTAINER_OF(sweeper, process, sweeper);
	p->sweep = (sweep_job){.work = {.fn = sweep_work, .done = sweep_work_done, .arg = &p->sweep},
			       .v4 = v4,
			       .is_stale = is_stale,
			       .arg = arg,
			       .done = done,
			       .done_arg = done_arg};
	SP_ASSERT(sp_work_start(p->base.world, &p->sweep.work, NULL) == SP_OK);
}

static void route_job(sp_work *job)
{
	process *p = job->arg;
	p->route_code = host_routes_set(p->wanted, p->n_wanted, &p->route_err);
}

static void route_job_done(sp_work *job)
{
	process *p = job->arg;
	sp_free(SP_TAKE(p->wanted));
	p->route_done(p->route_arg, p->route_code == SP_OK ? NULL : &p->route_err);
}

static void set_routes(sp_router *r, const sp_route *at, size_t n, void (*done)(void *arg, const sp_err *err),
		       void *arg)
{
	process *p = SP_CONTAINER_OF(r, process, router);
	p->wanted = sp_alloc((n + 1) * sizeof *p->wanted);
	for (size_t i = 0; i < n; i++)
		p->wanted[i] = at[i];
	p->n_wanted = n;
	p->route_done = done;
	p->route_arg = arg;
	p->route_work = (sp_work){.fn = route_job, .done = route_job_done, .arg = p};
	SP_ASSERT(sp_work_start(p->base.world, &p->route_work, NULL) == SP_OK);
}

/* ---- the end ---- */

static void on_client_closed(void *arg)
{
	sp_world_stop(((process *)arg)->base.world);
}

static void on_routes_stopped(void *arg)
{
	process *p = arg;
	sp_client_close(p->client, on_client_closed, p);
}

static void on_health_stopped(void *arg)
{
	process *p = arg;
	if (p->routes != NULL)
		net_routes_stop(p->routes, on_routes_stopped, p);
	else
		on_routes_stopped(p);
}

static void on_proxy_stopped(void *arg)
{
	net_health_stop(((process *)arg)->health, on_health_stopped, arg);
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
		p->f.node = cli_host_name(&p->base.arena);
	if (p->f.node.len == 0)
		return sp_fail(err, SP_EINVAL, "this machine has no name: give --hostname-override");
	return SP_OK;
}

static sp_code read_clusters(process *p, sp_err *err)
{
	sp_str rest = p->f.cluster_cidr, one;
	while (sp_str_next(&rest, ',', &one)) {
		if (p->n_clusters == CLUSTERS_MAX || !sp_cidr_parse(one, &p->clusters[p->n_clusters]))
			return sp_fail(err, SP_EINVAL, "--cluster-cidr: '" SP_FMT "' is no prefix",
				       SP_ARG(one));
		p->n_clusters++;
	}
	return SP_OK;
}

/* "NAMESPACE/NAME=IP" */
static sp_code read_here(process *p, net_proxy_opts *to, sp_err *err)
{
	sp_ip ip;
	to->here_ip = p->f.here;
	if (p->f.here.len > 0 && (!sp_str_cut(&to->here_ip, '=', &to->here) ||
				  sp_str_index(to->here, '/') < 0 || !sp_ip_parse(to->here_ip, &ip)))
		return sp_fail(err, SP_EINVAL, "--node-service: '" SP_FMT "' is no NAMESPACE/NAME=IP",
			       SP_ARG(p->f.here));
	return SP_OK;
}

static sp_code start_routes(process *p, sp_err *err)
{
	if (!p->f.pod_routes)
		return SP_OK;
	SP_TRY(sp_informers_new(p->client, p->base.log, &p->nodes, err));
	const net_routes_opts routes = {.informers = p->nodes,
					.router = &p->router,
					.log = p->base.log,
					.node = p->f.node,
					.clusters = p->clusters,
					.n_clusters = p->n_clusters};
	SP_TRY(net_routes_new(p->base.world, &routes, &p->routes, err));
	sp_informers_start(p->nodes);
	return SP_OK;
}

/* Of two on one machine the second one works, and can't be asked. */
static void listen_health(process *p, net_health_kind kind, sp_str address)
{
	sp_err err = {0};
	if (address.len > 0 && net_health_listen(p->health, kind, address, &err) != SP_OK)
		sp_log(p->base.log, SP_LOG_ERROR, "not to be asked", SP_KS("address", address), SP_KE(&err));
}

static sp_code start(process *p, sp_err *err)
{
	if (p->f.kubeconfig.len == 0)
		return sp_fail(err, SP_EINVAL, "--kubeconfig is missing");
	SP_TRY(read_clusters(p, err));
	SP_TRY(cli_process_open(&p->base, "service-proxy", p->f.log_level, err));
	SP_TRY(find_node(p, err));
	SP_TRY(sp_client_config_load(p->base.world, &p->base.arena, p->f.kubeconfig, SP_STR(""), &p->config,
				     err));
	const sp_client_opts client = {.config = &p->config,
				       .user_agent = SP_STR("sampan-service-proxy/" SP_VERSION)};
	SP_TRY(sp_client_new(p->base.world, &client, &p->client, err));
	SP_TRY(sp_informers_new(p->client, p->base.log, &p->informers, err));
	p->health = net_health_new(p->base.world, p->base.log, &p->status);
	net_proxy_opts proxy = {.informers = p->informers,
				.runner = &p->runner,
				.sweeper = &p->sweeper,
				.status = &p->status,
				.health = p->health,
				.log = p->base.log,
				.node = p->f.node};
	SP_TRY(read_here(p, &proxy, err));
	SP_TRY(net_proxy_new(p->base.world, &proxy, &p->proxy, err));
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	listen_health(p, NET_HEALTH_PROXY, p->f.healthz);
	listen_health(p, NET_HEALTH_METRICS, p->f.metrics);
	sp_informers_start(p->informers);
	return start_routes(p, err);
}

static void finish(process *p)
{
	net_proxy_free(p->proxy);
	net_health_free(p->health);
	net_routes_free(p->routes);
	if (p->nodes != NULL)
		sp_informers_free(p->nodes);
	sp_informers_free(p->informers);
	sp_client_free(p->client);
	cli_process_done(&p->base);
}

static sp_code cleanup(sp_err *err)
{
	SP_AUTO_BUF commands;
	sp_buf_init(&commands, 4096);
	SP_TRY(net_rules_remove(&commands));
	return host_nft_run(sp_buf_view(&commands), err);
}

static sp_code run_all(process *p, sp_err *err)
{
	if (p->f.cleanup)
		return cleanup(err);
	sp_code code = start(p, err);
	if (code == SP_OK)
		sp_world_run(p->base.world);
	finish(p);
	return code;
}

int cli_service_proxy(int argc, char **argv)
{
	process p = {.f = {.log_level = SP_STR("info"),
			   .healthz = SP_STR("0.0.0.0:10256"),
			   .metrics = SP_STR("127.0.0.1:10249")},
		     .runner = {run},
		     .sweeper = {sweep},
		     .router = {set_routes}};
	const cli_flag table[] = {
		{"cluster-cidr", CLI_STR, &p.f.cluster_cidr,
		 "ranges of pods' addresses, separated by commas: no --pod-routes to others; default: any"},
		{"cleanup", CLI_BOOL, &p.f.cleanup, "remove the rules of all services, and end"},
		{"healthz-bind-address", CLI_STR, &p.f.healthz,
		 "where /healthz and /livez are; empty: nowhere"},
		{"hostname-override", CLI_STR, &p.f.node, "name of this node; default: of the machine"},
		{"kubeconfig", CLI_STR, &p.f.kubeconfig, "where the API server is, and who we are"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"metrics-bind-address", CLI_STR, &p.f.metrics,
		 "where /metrics, /healthz and /proxyMode are; empty: nowhere"},
		{"node-service", CLI_STR, &p.f.here,
		 "NAMESPACE/NAME=IP: this node serves that Service itself, at that address"},
		{"pod-routes", CLI_BOOL, &p.f.pod_routes,
		 "keep routes to the pods of other nodes (their spec.podCIDRs by way of their InternalIP)"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("service-proxy", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = run_all(&p, &err);
	return cli_end("service-proxy", code, err.code != SP_OK ? &err : NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan controllers`: the controllers alone, against any Kubernetes API server. */
#include "base/duration.h"
#include "base/quantity.h"
#include "cli/cli.h"
#include "cli/leader.h"
#include "controllers/controller.h"
#include "io/file.h"
#include "keys/remote.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

typedef struct process {
	cli_leader leader;
	sp_str list, root_ca, cluster_cidrs, signing_endpoint;
	sp_str hpa_period, hpa_downscale, hpa_cpu, hpa_readiness, hpa_tolerance;
	int64_t terminated_pods, workers, node_mask, node_mask_v6;
	bool own_accounts;
	sp_accounts *accounts;
	controllers *controllers;
	sp_metrics *metrics;
	controllers_config config;
} process;

static process *of(cli_leader *l)
{
	return SP_CONTAINER_OF(l, process, leader);
}

static sp_code begin(cli_leader *l, sp_err *err)
{
	process *p = of(l);
	if (p->own_accounts)
		SP_TRY(sp_accounts_new(l->client, l->base.log, SP_STR("kube-system"), &p->accounts, err));
	const controllers_opts o = {.client = l->client,
				    .accounts = p->accounts,
				    .log = l->base.log,
				    .config = &p->config,
				    .list = p->list,
				    .metrics = p->metrics};
	return controllers_new(&o, &p->controllers, err);
}

static void close_controllers(cli_leader *l, void (*done)(void *arg), void *arg)
{
	process *p = of(l);
	controllers_close(p->controllers, done, arg);
	/* Jobs that wait for a certificate end. */
	if (p->config.cert_signer != NULL)
		p->config.cert_signer->cancel(p->config.cert_signer);
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

static const sp_status_check checks[] = {
	{SP_STR_INIT("leaderElection"), SP_STATUS_HEALTHZ, holds_or_waits, elects},
};

static sp_code write_metrics(void *arg, sp_buf *out)
{
	process *p = of(arg);
	if (p->controllers != NULL)
		controllers_measure(p->controllers);
	SP_TRY(sp_metrics_write(p->metrics, false, out));
	cli_leader_metrics(&p->leader, out);
	return sp_buf_code(out);
}

static const sp_status_page pages[] = {
	{SP_STR_INIT("/metrics"), SP_STR_INIT("text/plain; version=0.0.4; charset=utf-8"), write_metrics},
};

/* ---- flags ---- */

static sp_code read_duration(const char *flag, sp_str text, uint64_t *ret_ns, sp_err *err)
{
	int64_t ns;
	if (sp_duration_parse(text, &ns, err) != SP_OK || ns <= 0)
		return sp_fail(err, SP_EINVAL,
			       "--horizontal-pod-autoscaler-%s: '" SP_FMT "' is no duration above 0", flag,
			       SP_ARG(text));
	*ret_ns = (uint64_t)ns;
	return SP_OK;
}

static sp_code read_autoscaler_flags(process *p, sp_err *err)
{
	controllers_config *c = &p->config;
	sp_qty tolerance;
	SP_TRY(read_duration("sync-period", p->hpa_period, &c->hpa_period_ns, err));
	SP_TRY(read_duration("downscale-stabilization", p->hpa_downscale, &c->hpa_downscale_window_ns, err));
	SP_TRY(read_duration("cpu-initialization-period", p->hpa_cpu, &c->hpa_cpu_initialization_ns, err));
	SP_TRY(read_duration("initial-readiness-delay", p->hpa_readiness, &c->hpa_readiness_delay_ns, err));
	if (sp_qty_parse(p->hpa_tolerance, &tolerance, err) != SP_OK || tolerance.nanos <= 0)
		return sp_fail(err, SP_EINVAL,
			       "--horizontal-pod-autoscaler-tolerance: '" SP_FMT "' is no number above 0",
			       SP_ARG(p->hpa_tolerance));
	c->hpa_tolerance = (double)tolerance.nanos / 1e9;
	return SP_OK;
}

static sp_code start(process *p, sp_err *err)
{
	cli_leader *l = &p->leader;
	SP_TRY(controllers_check_list(p->list, err));
	SP_TRY(read_autoscaler_flags(p, err));
	p->metrics = sp_queue_metrics_new();
	SP_TRY(cli_leader_open(l, err));
	p->config.cluster_cidrs = p->cluster_cidrs;
	p->config.terminated_pods_most = (uint32_t)p->terminated_pods;
	p->config.node_mask = (uint32_t)p->node_mask;
	p->config.node_mask_v6 = (uint32_t)p->node_mask_v6;
	p->config.n_workers = (uint32_t)p->workers;
	p->config.root_ca_pem = l->config.ca_pem;
	if (p->signing_endpoint.len > 0)
		SP_TRY(keys_remote_certs_open(l->base.world, p->signing_endpoint, &p->config.cert_signer,
					      err));
	if (p->root_ca.len == 0)
		return SP_OK;
	return sp_file_read_arena(l->base.world, p->root_ca, &l->base.arena, FILE_BYTES_MAX,
				  &p->config.root_ca_pem, err);
}

int cli_controllers(int argc, char **argv)
{
	process p = {.leader = {.log_level = SP_STR("info"),
				.lease_ns = SP_STR("kube-system"),
				.lease_name = SP_STR("kube-controller-manager"),
				.elect = true,
				.component = "controllers",
				.endpoints = CLI_ENDPOINTS_DEFAULTS(10257),
				.status = {.checks = checks,
					   .n_checks = SP_LEN(checks),
					   .pages = pages,
					   .n_pages = SP_LEN(pages)},
				.begin = begin,
				.close = close_controllers},
		     .list = SP_STR("*"),
		     .hpa_period = SP_STR("15s"),
		     .hpa_downscale = SP_STR("5m0s"),
		     .hpa_cpu = SP_STR("5m0s"),
		     .hpa_readiness = SP_STR("30s"),
		     .hpa_tolerance = SP_STR("0.1"),
		     .terminated_pods = 12500};
	const cli_flag table[] = {
		CLI_ENDPOINTS_FLAGS_FRONT(&p.leader.endpoints),
		{"cluster-cidr", CLI_STR, &p.cluster_cidrs, "ranges of pods' addresses, one of each family"},
		{"cluster-signing-endpoint", CLI_STR, &p.signing_endpoint,
		 "socket of `sampan keys`, which signs certificates; default: nobody does"},
		{"concurrent-syncs", CLI_I64, &p.workers,
		 "keys each controller works on at once; 0: its own"},
		CLI_LEADER_FLAG_CONTEXT(&p.leader),
		{"controllers", CLI_STR, &p.list, "which run: *, name or -name, separated by commas"},
		{"horizontal-pod-autoscaler-cpu-initialization-period", CLI_STR, &p.hpa_cpu,
		 "after its start a pod's use of processors may not count"},
		{"horizontal-pod-autoscaler-downscale-stabilization", CLI_STR, &p.hpa_downscale,
		 "for that long the highest recommendation counts"},
		{"horizontal-pod-autoscaler-initial-readiness-delay", CLI_STR, &p.hpa_readiness,
		 "until then after a pod's start it is taken not to have been ready"},
		{"horizontal-pod-autoscaler-sync-period", CLI_STR, &p.hpa_period,
		 "how often each autoscaler is looked at"},
		{"horizontal-pod-autoscaler-tolerance", CLI_STR, &p.hpa_tolerance,
		 "how far from its target a metric changes nothing"},
		CLI_LEADER_FLAGS(&p.leader),
		{"node-cidr-mask-size-ipv4", CLI_I64, &p.node_mask,
		 "bits of the prefix of a node's pods, of --cluster-cidr; 0: 24"},
		{"node-cidr-mask-size-ipv6", CLI_I64, &p.node_mask_v6, "the same of IPv6; 0: 64"},
		{"root-ca-file", CLI_STR, &p.root_ca,
		 "certificates that every namespace gets; default: the kubeconfig's"},
		CLI_ENDPOINTS_FLAG_PORT(&p.leader.endpoints),
		{"terminated-pod-gc-threshold", CLI_I64, &p.terminated_pods,
		 "pods that are over and may stay"},
		CLI_ENDPOINTS_FLAGS_TLS(&p.leader.endpoints),
		{"use-service-account-credentials", CLI_BOOL, &p.own_accounts,
		 "each controller acts as its own service account of kube-system"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("controllers", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = cli_leader_run(&p.leader, start(&p, &err), &err);
	controllers_free(p.controllers);
	sp_accounts_free(p.accounts);
	if (p.config.cert_signer != NULL)
		p.config.cert_signer->free(p.config.cert_signer);
	cli_leader_done(&p.leader);
	sp_metrics_free(p.metrics);
	return cli_leader_end(&p.leader, code, &err);
}

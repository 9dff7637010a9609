/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan controllers`: the controllers alone, against any Kubernetes API server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/quantity.h"
#include "cli/cli.h"
#include "cli/controllers_flags.h"
#include "cli/leader.h"
#include "controllers/controller.h"
#include "io/file.h"
#include "keys/remote.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

#define FLAGS_BESIDE 24u /* of autoscaler_flags and node_flags together */

typedef struct process {
	cli_leader leader;
	sp_str list, root_ca, cluster_cidrs, signing_endpoint;
	sp_str hpa_period, hpa_downscale, hpa_cpu, hpa_readiness, hpa_tolerance, legacy_tokens;
	sp_str eviction_rate, secondary_rate, unhealthy, monitor_grace, startup_grace, service_cidrs;
	int64_t terminated_pods, workers, node_mask, node_mask_v4, node_mask_v6, large;
	bool own_accounts, no_force_detach, gives_ranges, collects_garbage;
	controllers_workers workers_of[CLI_SYNC_FLAGS_MAX];
	int64_t worker_values[CLI_SYNC_FLAGS_MAX];
	node_zone_limits zones;
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
		return sp_fail(err, SP_EINVAL, "--%s: '" SP_FMT "' is no duration above 0", flag,
			       SP_ARG(text));
	*ret_ns = (uint64_t)ns;
	return SP_OK;
}

static sp_code read_number(const char *flag, sp_str text, bool zero_too, double *ret, sp_err *err)
{
	sp_qty q;
	if (sp_qty_parse(text, &q, err) != SP_OK || q.nanos < (zero_too ? 0 : 1))
		return sp_fail(err, SP_EINVAL, "--%s: '" SP_FMT "' is no number %s", flag, SP_ARG(text),
			       zero_too ? "from 0 on" : "above 0");
	*ret = (double)q.nanos / 1e9;
	return SP_OK;
}

static sp_code read_autoscaler_flags(process *p, sp_err *err)
{
	controllers_config *c = &p->config;
	SP_TRY(read_duration("horizontal-pod-autoscaler-sync-period", p->hpa_period, &c->hpa_period_ns, err));
	SP_TRY(read_duration("horizontal-pod-autoscaler-downscale-stabilization", p->hpa_downscale,
			     &c->hpa_downscale_window_ns, err));
	SP_TRY(read_duration("horizontal-pod-autoscaler-cpu-initialization-period", p->hpa_cpu,
			     &c->hpa_cpu_initialization_ns, err));
	SP_TRY(read_duration("horizontal-pod-autoscaler-initial-readiness-delay", p->hpa_readiness,
			     &c->hpa_readiness_delay_ns, err));
	SP_TRY(read_duration("legacy-service-account-token-clean-up-period", p->legacy_tokens,
			     &c->legacy_token_unused_ns, err));
	return read_number("horizontal-pod-autoscaler-tolerance", p->hpa_tolerance, false, &c->hpa_tolerance,
			   err);
}

static sp_code read_range_flags(process *p, sp_err *err)
{
	controllers_config *c = &p->config;
	bool has_v6 = sp_str_find(p->cluster_cidrs, SP_STR(":")) >= 0;
	bool is_dual = sp_str_find(p->cluster_cidrs, SP_STR(",")) >= 0;
	if (p->node_mask != 0 && (is_dual || p->node_mask_v4 != 0 || p->node_mask_v6 != 0))
		return sp_fail(err, SP_EINVAL,
			       "--node-cidr-mask-size is for a range of one family; with two there are "
			       "--node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6");
	c->node_mask = (uint32_t)(p->node_mask != 0 && !has_v6 ? p->node_mask : p->node_mask_v4);
	c->node_mask_v6 = (uint32_t)(p->node_mask != 0 && has_v6 ? p->node_mask : p->node_mask_v6);
	c->cluster_cidrs = p->gives_ranges ? p->cluster_cidrs : SP_STR("");
	c->service_cidrs = p->service_cidrs;
	return SP_OK;
}

static sp_code read_node_flags(process *p, sp_err *err)
{
	controllers_config *c = &p->config;
	node_zone_limits *z = &p->zones;
	SP_TRY(read_number("node-eviction-rate", p->eviction_rate, true, &z->rate, err));
	SP_TRY(read_number("secondary-node-eviction-rate", p->secondary_rate, true, &z->secondary_rate, err));
	SP_TRY(read_number("unhealthy-zone-threshold", p->unhealthy, true, &z->unhealthy, err));
	SP_TRY(read_duration("node-monitor-grace-period", p->monitor_grace, &c->node_monitor_grace_ns, err));
	SP_TRY(read_duration("node-startup-grace-period", p->startup_grace, &c->node_startup_grace_ns, err));
	if (p->large < 0 || p->large > INT32_MAX)
		return sp_fail(err, SP_EINVAL, "--large-cluster-size-threshold is a number of nodes");
	z->large = (uint32_t)p->large;
	c->zone_limits = z;
	return read_range_flags(p, err);
}

static sp_code read_worker_flags(process *p, sp_err *err)
{
	for (size_t i = 0; i < CLI_SYNC_FLAGS_MAX && p->workers_of[i].controller != NULL; i++) {
		if (p->worker_values[i] < 0 || p->worker_values[i] > UINT16_MAX)
			return sp_fail(err, SP_EINVAL, "%s works on 0 to %d keys at once",
				       p->workers_of[i].controller, UINT16_MAX);
		p->workers_of[i].n = (uint32_t)p->worker_values[i];
		p->config.n_workers_of = i + 1;
	}
	p->config.workers_of = p->workers_of;
	return SP_OK;
}

static sp_code start(process *p, sp_err *err)
{
	cli_leader *l = &p->leader;
	SP_TRY(controllers_check_list(p->list, err));
	SP_TRY(read_autoscaler_flags(p, err));
	p->metrics = sp_queue_metrics_new();
	SP_TRY(read_node_flags(p, err));
	SP_TRY(read_worker_flags(p, err));
	SP_TRY(cli_leader_open(l, err));
	if (!p->collects_garbage)
		p->list = SP_CONCAT(&l->base.arena, SP_STR("-garbage-collector-controller,"), p->list);
	p->config.never_force_detach = p->no_force_detach;
	p->config.terminated_pods_most = (uint32_t)p->terminated_pods;
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

static int by_name(const void *a, const void *b)
{
	return strcmp(((const cli_flag *)a)->name, ((const cli_flag *)b)->name);
}

/* Those of autoscalers; `to` has room for FLAGS_BESIDE. */
static size_t autoscaler_flags(process *p, cli_flag *to)
{
	const cli_flag rows[] = {
		{"horizontal-pod-autoscaler-cpu-initialization-period", CLI_STR, &p->hpa_cpu,
		 "after its start a pod's use of processors may not count"},
		{"horizontal-pod-autoscaler-downscale-stabilization", CLI_STR, &p->hpa_downscale,
		 "for that long the highest recommendation counts"},
		{"horizontal-pod-autoscaler-initial-readiness-delay", CLI_STR, &p->hpa_readiness,
		 "until then after a pod's start it is taken not to have been ready"},
		{"horizontal-pod-autoscaler-sync-period", CLI_STR, &p->hpa_period,
		 "how often each autoscaler is looked at"},
		{"horizontal-pod-autoscaler-tolerance", CLI_STR, &p->hpa_tolerance,
		 "how far from its target a metric changes nothing"},
	};
	memcpy(to, rows, sizeof rows);
	return SP_LEN(rows);
}

/* Those of nodes, their ranges and their zones. */
static size_t node_flags(process *p, cli_flag *to)
{
	const cli_flag rows[] = {
		{"allocate-node-cidrs", CLI_BOOL, &p->gives_ranges,
		 "nodes get parts of --cluster-cidr, when there is one"},
		{"cluster-cidr", CLI_STR, &p->cluster_cidrs, "ranges of pods' addresses, one of each family"},
		{"large-cluster-size-threshold", CLI_I64, &p->large,
		 "nodes of a zone up to which an unhealthy one is left alone"},
		{"node-cidr-mask-size", CLI_I64, &p->node_mask,
		 "bits of the prefix of a node's pods when there is one family; 0: 24 or 64"},
		{"node-cidr-mask-size-ipv4", CLI_I64, &p->node_mask_v4,
		 "bits of the prefix of a node's pods, of --cluster-cidr; 0: 24"},
		{"node-cidr-mask-size-ipv6", CLI_I64, &p->node_mask_v6, "the same of IPv6; 0: 64"},
		{"node-eviction-rate", CLI_STR, &p->eviction_rate,
		 "nodes per second that pods are driven from when they fail"},
		{"node-monitor-grace-period", CLI_STR, &p->monitor_grace,
		 "a node that is silent for longer is not trusted"},
		{"node-startup-grace-period", CLI_STR, &p->startup_grace,
		 "the same of one that never said whether it is ready"},
		{"secondary-node-eviction-rate", CLI_STR, &p->secondary_rate,
		 "the rate of --node-eviction-rate in an unhealthy zone"},
		{"service-cluster-ip-range", CLI_STR, &p->service_cidrs,
		 "ranges of services, of which nodes get no part"},
		{"unhealthy-zone-threshold", CLI_STR, &p->unhealthy,
		 "the part of a zone's nodes, of 3 on, that makes it unhealthy when they fail"},
	};
	memcpy(to, rows, sizeof rows);
	return SP_LEN(rows);
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
		     .legacy_tokens = SP_STR("8760h0m0s"),
		     .hpa_downscale = SP_STR("5m0s"),
		     .hpa_cpu = SP_STR("5m0s"),
		     .hpa_readiness = SP_STR("30s"),
		     .hpa_tolerance = SP_STR("0.1"),
		     .eviction_rate = SP_STR("0.1"),
		     .secondary_rate = SP_STR("0.01"),
		     .unhealthy = SP_STR("0.55"),
		     .monitor_grace = SP_STR("50s"),
		     .startup_grace = SP_STR("1m0s"),
		     .large = 50,
		     .gives_ranges = true,
		     .collects_garbage = true,
		     .terminated_pods = 12500};
	const cli_flag own[] = {
		CLI_ENDPOINTS_FLAGS_FRONT(&p.leader.endpoints),
		{"cluster-signing-endpoint", CLI_STR, &p.signing_endpoint,
		 "socket of `sampan keys`, which signs certificates; default: nobody does"},
		{"concurrent-syncs", CLI_I64, &p.workers,
		 "keys each controller works on at once; 0: its own"},
		CLI_LEADER_FLAG_CONTEXT(&p.leader),
		{"controllers", CLI_STR, &p.list, "which run: *, name or -name, separated by commas"},
		{"disable-force-detach-on-timeout", CLI_BOOL, &p.no_force_detach,
		 "volumes of nodes that do not answer are never detached by force"},
		{"enable-garbage-collector", CLI_BOOL, &p.collects_garbage,
		 "false: as -garbage-collector-controller among --controllers"},
		CLI_LEADER_FLAGS(&p.leader),
		{"legacy-service-account-token-clean-up-period", CLI_STR, &p.legacy_tokens,
		 "tokens that were put into secrets unasked go when nobody used them for that long"},
		{"root-ca-file", CLI_STR, &p.root_ca,
		 "certificates that every namespace gets; default: the kubeconfig's"},
		CLI_ENDPOINTS_FLAG_PORT(&p.leader.endpoints),
		{"terminated-pod-gc-threshold", CLI_I64, &p.terminated_pods,
		 "pods that are over and may stay"},
		CLI_ENDPOINTS_FLAGS_TLS(&p.leader.endpoints),
		{"use-service-account-credentials", CLI_BOOL, &p.own_accounts,
		 "each controller acts as its own service account of kube-system"},
	};
	cli_flag table[SP_LEN(own) + FLAGS_BESIDE + CLI_SYNC_FLAGS_MAX];
	sp_err err = {0};
	int status;
	memcpy(table, own, sizeof own);
	size_t n = SP_LEN(own) + autoscaler_flags(&p, table + SP_LEN(own));
	n += node_flags(&p, table + n);
	n += cli_sync_flags(table + n, p.workers_of, p.worker_values);
	qsort(table, n, sizeof *table, by_name);
	if (cli_refuse_flags(argc, argv, table, n, &err) != SP_OK) {
		(void)fprintf(stderr, "sampan controllers: %s\n", err.msg);
		return CLI_EXIT_USAGE;
	}
	if (!cli_begin("controllers", NULL, table, n, argc, argv, &status))
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

/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan controllers`: the controllers alone, against any Kubernetes API server. */
#include "cli/cli.h"
#include "cli/leader.h"
#include "controllers/controller.h"
#include "io/file.h"
#include "keys/remote.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

typedef struct process {
	cli_leader leader;
	sp_str list, root_ca, cluster_cidrs, signing_endpoint;
	int64_t terminated_pods, workers, node_mask, node_mask_v6;
	bool own_accounts;
	sp_accounts *accounts;
	controllers *controllers;
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
				    .list = p->list};
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

static sp_code start(process *p, sp_err *err)
{
	cli_leader *l = &p->leader;
	SP_TRY(controllers_check_list(p->list, err));
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
				.begin = begin,
				.close = close_controllers},
		     .list = SP_STR("*"),
		     .terminated_pods = 12500};
	const cli_flag table[] = {
		{"cluster-cidr", CLI_STR, &p.cluster_cidrs, "ranges of pods' addresses, one of each family"},
		{"cluster-signing-endpoint", CLI_STR, &p.signing_endpoint,
		 "socket of `sampan keys`, which signs certificates; default: nobody does"},
		{"concurrent-syncs", CLI_I64, &p.workers,
		 "keys each controller works on at once; 0: its own"},
		CLI_LEADER_FLAG_CONTEXT(&p.leader),
		{"controllers", CLI_STR, &p.list, "which run: *, name or -name, separated by commas"},
		CLI_LEADER_FLAGS(&p.leader),
		{"node-cidr-mask-size-ipv4", CLI_I64, &p.node_mask,
		 "bits of the prefix of a node's pods, of --cluster-cidr; 0: 24"},
		{"node-cidr-mask-size-ipv6", CLI_I64, &p.node_mask_v6, "the same of IPv6; 0: 64"},
		{"root-ca-file", CLI_STR, &p.root_ca,
		 "certificates that every namespace gets; default: the kubeconfig's"},
		{"terminated-pod-gc-threshold", CLI_I64, &p.terminated_pods,
		 "pods that are over and may stay"},
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
	return cli_leader_end(&p.leader, code, &err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan agent`: a further node of a cluster: joined by a token the first time, then its roles under a
 * supervisor. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/config.h"
#include "cli/host_names.h"
#include "cli/join.h"
#include "cli/process.h"
#include "contracts/host.h"
#include "io/file.h"
#include "supervisor/supervisor.h"

#define ARGS_MAX 24u

typedef struct flags {
	cli_secret token;
	sp_str server, data_dir, run_dir, node_name, node_ip, node_user, log_level;
	sp_str cluster_cidr, cluster_dns, cluster_domain;
} flags;

typedef struct agent {
	flags f;
	cli_process base;
	sp_str self, kubeconfig;
	sp_process *joining;
	sup_role roles[SUP_ROLES_MAX];
	size_t n_roles;
	supervisor *supervisor;
	bool stopping;
	sp_code code;
	sp_err err;
} agent;

/* ---- roles ---- */

typedef struct args {
	agent *g;
	const char **at;
	size_t n;
} args;

static void add(args *a, const char *flag, sp_str value)
{
	SP_ASSERT(a->n + 1 < ARGS_MAX);
	a->at[a->n++] = sp_arena_printf(&a->g->base.arena, "--%s=" SP_FMT, flag, SP_ARG(value)).ptr;
	a->at[a->n] = NULL;
}

static sp_str below(agent *g, sp_str dir, const char *name)
{
	return sp_arena_printf(&g->base.arena, SP_FMT "/%s", SP_ARG(dir), name);
}

static args begin(agent *g, const char *verb)
{
	args a = {g, sp_new(&g->base.arena, const char *, ARGS_MAX), 0};
	a.at[a.n++] = g->self.ptr;
	a.at[a.n++] = verb;
	return a;
}

static sp_str cri_socket(agent *g)
{
	return SP_CONCAT(&g->base.arena, SP_STR("unix://"), below(g, g->f.run_dir, "cri.sock"));
}

static void cri_args(agent *g, args *a)
{
	add(a, "listen", cri_socket(g));
	add(a, "root", g->f.data_dir);
	add(a, "run-dir", below(g, g->f.run_dir, "runtime"));
	add(a, "cluster-cidr", g->f.cluster_cidr);
	add(a, "shim", cli_beside(&g->base.arena, "containerd-shim-sampan-v1"));
	add(a, "unpack", cli_beside(&g->base.arena, "sampan-unpack"));
	if (g->f.node_user.len > 0)
		add(a, "user", g->f.node_user); /* it forks its host process as root first */
}

static void node_args(agent *g, args *a)
{
	add(a, "kubeconfig", g->kubeconfig);
	add(a, "cert-dir", below(g, g->f.data_dir, "pki"));
	add(a, "container-runtime-endpoint", cri_socket(g));
	add(a, "node-name", g->f.node_name);
	add(a, "node-ip", g->f.node_ip);
	add(a, "root-dir", below(g, g->f.data_dir, "node"));
	add(a, "cluster-dns", g->f.cluster_dns);
	add(a, "cluster-domain", g->f.cluster_domain);
}

static void service_proxy_args(agent *g, args *a)
{
	add(a, "kubeconfig", g->kubeconfig);
	add(a, "hostname-override", g->f.node_name);
	add(a, "cluster-cidr", g->f.cluster_cidr);
	add(a, "pod-routes", SP_STR("true"));
	add(a, "node-service",
	    sp_arena_printf(&g->base.arena, "kube-system/kube-dns=" SP_FMT, SP_ARG(g->f.node_ip)));
}

/* Each node answers its own pods, also while the others are away. */
static void dns_args(agent *g, args *a)
{
	add(a, "kubeconfig", g->kubeconfig);
	add(a, "address", SP_STR("0.0.0.0:" CLI_DNS_PORT));
	add(a, "cluster-domain", g->f.cluster_domain);
}

/* Those that others are clients of come first. */
static const struct {
	const char *name, *verb;
	void (*args)(agent *g, args *a);
} plans[] = {
	{"dns", "dns", dns_args},
	{"service-proxy", "service-proxy", service_proxy_args},
	{"cri", "cri", cri_args},
	{"node", "node", node_args},
};

static void on_stopped(void *arg)
{
	sp_world_stop(((agent *)arg)->base.world);
}

static sp_code start_roles(agent *g, sp_err *err)
{
	for (size_t i = 0; i < SP_LEN(plans); i++) {
		args a = begin(g, plans[i].verb);
		plans[i].args(g, &a);
		add(&a, "log-level", g->f.log_level);
		g->roles[g->n_roles++] = (sup_role){.name = plans[i].name, .argv = a.at};
	}
	const sup_opts o = {.roles = g->roles,
			    .n_roles = g->n_roles,
			    .env = cli_role_environment(&g->base.arena, false),
			    .socket = sp_arena_printf(&g->base.arena, "unix:" SP_FMT "/supervisor.sock",
						      SP_ARG(g->f.run_dir)),
			    .log = g->base.log};
	return sup_new(g->base.world, &o, &g->supervisor, err);
}

/* ---- joining ---- */

static void on_joined(void *arg, sp_exit exit)
{
	agent *g = arg;
	sp_process_free(SP_TAKE(g->joining));
	if (exit.code != 0)
		g->code = sp_fail(&g->err, SP_EUNAVAILABLE, "this machine did not join");
	else if (!g->stopping)
		g->code = start_roles(g, &g->err);
	if (g->code != SP_OK || g->stopping)
		sp_world_stop(g->base.world);
}

/* In a process of its own: a supervisor reads nothing that comes from a network. The token goes by the
 * environment, which others can't see (and is wiped from our own command line: CLI_SECRET). */
static sp_code join(agent *g, sp_err *err)
{
	static const int fds[] = {-1, 1, 2};
	args a = begin(g, "join");
	add(&a, "server", g->f.server);
	add(&a, "data-dir", g->f.data_dir);
	add(&a, "node-name", g->f.node_name);
	add(&a, "log-level", g->f.log_level);
	const char *env[] = {cli_role_environment(&g->base.arena, false)[0],
			     sp_arena_printf(&g->base.arena, CLI_ENV_PREFIX "TOKEN=" SP_FMT,
					     SP_ARG(cli_secret_view(&g->f.token)))
				     .ptr,
			     NULL};
	const sp_spawn_opts o = {
		.argv = a.at, .env = env, .fds = fds, .n_fds = SP_LEN(fds), .death_signal = SIGTERM};
	return sp_spawn(g->base.world, &o, on_joined, g, &g->joining, err);
}

/* ---- the verb ---- */

static void on_stop(void *arg, int signal)
{
	agent *g = arg;
	if (g->stopping)
		return;
	g->stopping = true;
	sp_log(g->base.log, SP_LOG_INFO, "stopping");
	if (g->supervisor != NULL)
		sup_stop(g->supervisor, on_stopped, g);
	else if (g->joining == NULL || sp_process_kill(g->joining, signal, NULL) != SP_OK)
		sp_world_stop(g->base.world);
}

static sp_code check_flags(const flags *f, sp_err *err)
{
	if (!sp_str_starts(f->data_dir, SP_STR("/")) || !sp_str_starts(f->run_dir, SP_STR("/")))
		return sp_fail(err, SP_EINVAL, "--data-dir and --run-dir are absolute paths");
	if (f->run_dir.len > SP_HOST_RUN_DIR_BYTES - strlen("/runtime"))
		return sp_fail(err, SP_EINVAL, "--run-dir '" SP_FMT "' is too long: at most %zu bytes",
			       SP_ARG(f->run_dir), SP_HOST_RUN_DIR_BYTES - strlen("/runtime"));
	if (geteuid() != 0)
		return sp_fail(err, SP_EFORBIDDEN, "containers need root: run it with sudo");
	return SP_OK;
}

static sp_code start(agent *g, sp_err *err)
{
	sp_stat st;
	SP_TRY(check_flags(&g->f, err));
	SP_TRY(cli_process_open(&g->base, "supervisor", g->f.log_level, err));
	(void)umask(022);
	if (g->f.node_name.len == 0)
		g->f.node_name = cli_host_name(&g->base.arena);
	if (g->f.node_ip.len == 0)
		g->f.node_ip = cli_host_address(&g->base.arena);
	if (g->f.node_name.len == 0)
		return sp_fail(err, SP_EINVAL, "this machine has no name: give --node-name");
	if (g->f.node_ip.len == 0)
		return sp_fail(err, SP_EINVAL, "this machine has no address: give --node-ip");
	SP_TRY(cli_self(&g->base.arena, &g->self, err));
	SP_TRY(sp_dir_make(g->base.world, g->f.data_dir, 0755, err));
	SP_TRY(sp_dir_make(g->base.world, g->f.run_dir, 0755, err));
	g->kubeconfig = cli_join_kubeconfig(&g->base.arena, g->f.data_dir);
	SP_TRY(cli_process_on_stop(&g->base, on_stop, g, err));
	if (sp_path_stat(g->base.world, g->kubeconfig, &st, NULL) == SP_OK)
		return start_roles(g, err);
	if (g->f.server.len == 0 || g->f.token.len == 0)
		return sp_fail(
			err, SP_EINVAL,
			"this machine has not joined yet: --server and --token are needed ('sampan token "
			"create' on the server prints both)");
	return join(g, err);
}

int cli_agent(int argc, char **argv)
{
	agent g = {.f = {.data_dir = SP_STR("/var/lib/sampan"),
			 .run_dir = SP_STR("/run/sampan"),
			 .cluster_cidr = SP_STR(CLI_CLUSTER_CIDR),
			 .cluster_dns = SP_STR(CLI_DNS_ADDRESS),
			 .cluster_domain = SP_STR("cluster.local"),
			 .log_level = SP_STR("info")}};
	const cli_flag table[] = {
		{"cluster-cidr", CLI_STR, &g.f.cluster_cidr,
		 "prefix of the pods of all nodes, as the server has it"},
		{"cluster-dns", CLI_STR, &g.f.cluster_dns, "address of the service of the cluster's DNS"},
		{"cluster-domain", CLI_STR, &g.f.cluster_domain, "zone of services and pods"},
		{"data-dir", CLI_STR, &g.f.data_dir, "what is kept: certificates, images, volumes"},
		{"log-level", CLI_STR, &g.f.log_level, "error, warn, info, debug or trace"},
		{"node-ip", CLI_STR, &g.f.node_ip, "address of this node; default: of its first interface"},
		{"node-name", CLI_STR, &g.f.node_name, "name of this node; default: of the machine"},
		{"node-user", CLI_STR, &g.f.node_user,
		 "who runs the container runtime but for what needs root; empty: root"},
		{"run-dir", CLI_STR, &g.f.run_dir, "what is gone after a reboot: sockets, mounts"},
		{"server", CLI_STR, &g.f.server, "https://HOST:PORT of the cluster, to join"},
		{"token", CLI_SECRET, &g.f.token, "as 'sampan token create' prints it, to join"},
	};
	int status;
	if (!cli_begin("agent", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = start(&g, &g.err);
	if (code == SP_OK) {
		sp_world_run(g.base.world);
		code = g.code;
	}
	sup_free(g.supervisor);
	sp_process_free(g.joining);
	cli_process_done(&g.base);
	return cli_end("agent", code, &g.err);
}

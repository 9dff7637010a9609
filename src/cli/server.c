/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan server`: every finished role of one machine, under a supervisor. */
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/ip.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/cluster.h"
#include "cli/host_names.h"
#include "cli/listen_socket.h"
#include "cli/process.h"
#include "contracts/host.h"
#include "io/file.h"
#include "keys/pki.h"
#include "supervisor/supervisor.h"

#define ARGS_MAX 32u
#define NS_PER_S UINT64_C(1000000000)
#define LIFETIME_LEAST_S 20

typedef struct flags {
	sp_str data_dir, run_dir, bind_address, advertise, user, keys_user, node_user, log_level, node_name;
	sp_str service_cidr, cluster_cidr, cluster_dns, cluster_domain;
	sp_str lifetime;
	unsigned node_bits; /* of the prefix of a node's pods */
	int64_t port;
} flags;

/* Whom roles run as; not set: the invoking user. */
typedef struct ids {
	bool set;
	uint32_t uid, gid;
} ids;

typedef struct process {
	flags f;
	cli_process base;
	keys_pki pki;
	struct {
		sp_str crt, key;
	} kubelet_client, kubelet_serving;
	sp_str self; /* this program */
	sup_role roles[SUP_ROLES_MAX];
	size_t n_roles;
	supervisor *supervisor;
	int socket;       /* of the API */
	sp_arena scratch; /* of one making of keys */
	sp_timer renewal;
	int64_t lifetime_s;
	ids user, keys_user; /* of roles without need for root; of the keys */
	bool stopping;
} process;

/* ---- roles ---- */

typedef struct args {
	process *p;
	const char **at;
	size_t n;
} args;

static void add(args *a, const char *flag, sp_str value)
{
	SP_ASSERT(a->n + 1 < ARGS_MAX);
	a->at[a->n++] = sp_arena_printf(&a->p->base.arena, "--%s=" SP_FMT, flag, SP_ARG(value)).ptr;
}

static sp_str in_dir(args *a, sp_str dir, const char *name)
{
	return sp_arena_printf(&a->p->base.arena, SP_FMT "/%s", SP_ARG(dir), name);
}

static sp_str keys_socket(args *a)
{
	return in_dir(a, a->p->f.run_dir, "keys/keys.sock");
}

static void keys_args(args *a)
{
	const process *p = a->p;
	add(a, "cluster-signing-duration",
	    sp_arena_printf(&a->p->base.arena, "%llds", (long long)p->lifetime_s));
	add(a, "dir", in_dir(a, p->f.data_dir, "keys"));
	add(a, "ca-dir", in_dir(a, p->f.data_dir, "pki"));
	add(a, "listen", keys_socket(a));
	if (p->user.set)
		add(a, "allow-users", sp_arena_printf(&a->p->base.arena, "%u", (unsigned)p->user.uid));
}

static void api_args(args *a)
{
	const process *p = a->p;
	add(a, "service-account-signing-endpoint", keys_socket(a));
	add(a, "sampan-roles", SP_STR("true"));
	add(a, "data-dir", in_dir(a, p->f.data_dir, "api"));
	add(a, "secure-port", sp_arena_printf(&a->p->base.arena, "%u", (unsigned)p->f.port));
	add(a, "listen-fd", sp_arena_printf(&a->p->base.arena, "%d", SUP_SOCKET_FD));
	add(a, "advertise-address", p->f.advertise);
	add(a, "service-cluster-ip-range", p->f.service_cidr);
	add(a, "tls-cert-file", p->pki.tls_crt);
	add(a, "tls-private-key-file", p->pki.tls_key);
	add(a, "client-ca-file", p->pki.ca_crt);
	add(a, "kubelet-certificate-authority", p->pki.ca_crt);
	add(a, "kubelet-client-certificate", p->kubelet_client.crt);
	add(a, "kubelet-client-key", p->kubelet_client.key);
	add(a, "kubelet-preferred-address-types", SP_STR("InternalIP,ExternalIP,Hostname"));
}

/* Health is the supervisor's to know here, and there may be several such clusters on one machine. */
static void scheduler_args(args *a)
{
	add(a, "secure-port", SP_STR("0"));
}

static void controllers_args(args *a)
{
	const flags *f = &a->p->f;
	add(a, "secure-port", SP_STR("0"));
	sp_str bits = sp_arena_printf(&a->p->base.arena, "%u", f->node_bits);
	add(a, "cluster-cidr", f->cluster_cidr);
	add(a,
	    sp_str_index(f->cluster_cidr, ':') < 0 ? "node-cidr-mask-size-ipv4" : "node-cidr-mask-size-ipv6",
	    bits);
	add(a, "root-ca-file", a->p->pki.ca_crt);
	add(a, "cluster-signing-endpoint", keys_socket(a));
	add(a, "use-service-account-credentials", SP_STR("true"));
	add(a, "controllers",
	    SP_STR("*,token-cleaner-controller,bootstrap-signer-controller,kubelet-serving-approver"));
}

static sp_str cri_socket(args *a)
{
	return SP_CONCAT(&a->p->base.arena, SP_STR("unix://"), in_dir(a, a->p->f.run_dir, "cri.sock"));
}

static void cri_args(args *a)
{
	const process *p = a->p;
	add(a, "listen", cri_socket(a));
	add(a, "root", p->f.data_dir);
	add(a, "run-dir", in_dir(a, p->f.run_dir, "runtime"));
	add(a, "cluster-cidr", p->f.cluster_cidr);
	add(a, "shim", cli_beside(&a->p->base.arena, "containerd-shim-sampan-v1"));
	add(a, "unpack", cli_beside(&a->p->base.arena, "sampan-unpack"));
	if (p->f.node_user.len > 0)
		add(a, "user", p->f.node_user); /* it forks its host process as root first */
}

static void node_args(args *a)
{
	const process *p = a->p;
	add(a, "container-runtime-endpoint", cri_socket(a));
	add(a, "node-name", p->f.node_name);
	add(a, "node-ip", p->f.advertise);
	add(a, "root-dir", in_dir(a, p->f.data_dir, "node"));
	/* One machine, often somebody's own: its disk may be fuller than that of a server before pods go. */
	add(a, "eviction-hard",
	    SP_STR("imagefs.available<5%,imagefs.inodesFree<5%,memory.available<100Mi,nodefs.available<5%,"
		   "nodefs.inodesFree<5%"));
	add(a, "tls-cert-file", p->kubelet_serving.crt);
	add(a, "tls-private-key-file", p->kubelet_serving.key);
	add(a, "cluster-dns", p->f.cluster_dns);
	add(a, "cluster-domain", p->f.cluster_domain);
}

static void service_proxy_args(args *a)
{
	add(a, "hostname-override", a->p->f.node_name);
	add(a, "cluster-cidr", a->p->f.cluster_cidr);
	add(a, "pod-routes", SP_STR("true"));
}

static void dns_args(args *a)
{
	add(a, "address", SP_STR("0.0.0.0:" CLI_DNS_PORT));
	add(a, "cluster-domain", a->p->f.cluster_domain);
}

typedef struct role_plan {
	const char *name, *verb;
	void (*args)(args *a);
	enum { AS_USER, AS_KEYS, AS_ROOT } as;
	const char *user; /* whom the API server sees: "%" is the node's name; NULL: it is no client */
	const char *group;
} role_plan;

/* Those that others are clients of come first. */
static const role_plan plans[] = {
	{"keys", "keys", keys_args, AS_KEYS, NULL, NULL},
	{"api", "apiserver", api_args, AS_USER, NULL, NULL},
	{"controllers", "controllers", controllers_args, AS_USER, "system:kube-controller-manager", NULL},
	{"scheduler", "scheduler", scheduler_args, AS_USER, "system:kube-scheduler", NULL},
	{"dns", "dns", dns_args, AS_USER, "system:sampan-dns", NULL},
	{"service-proxy", "service-proxy", service_proxy_args, AS_ROOT, "system:kube-proxy", NULL},
	{"cri", "cri", cri_args, AS_ROOT, NULL, NULL},
	{"node", "node", node_args, AS_ROOT, "system:node:%", "system:nodes"},
};

static sp_str kubeconfig_of(process *p, const role_plan *plan)
{
	return sp_arena_printf(&p->base.arena, SP_FMT "/pki/%s.kubeconfig", SP_ARG(p->f.data_dir),
			       plan->name);
}

static void add_role(process *p, const role_plan *plan)
{
	args a = {p, sp_new(&p->base.arena, const char *, ARGS_MAX), 0};
	a.at[a.n++] = p->self.ptr;
	a.at[a.n++] = plan->verb;
	plan->args(&a);
	if (plan->user != NULL)
		add(&a, "kubeconfig", kubeconfig_of(p, plan));
	add(&a, "log-level", p->f.log_level);
	a.at[a.n] = NULL;
	const ids who = plan->as == AS_USER ? p->user : plan->as == AS_KEYS ? p->keys_user : (ids){0};
	p->roles[p->n_roles++] = (sup_role){.name = plan->name,
					    .argv = a.at,
					    .set_ids = who.set,
					    .uid = who.uid,
					    .gid = who.gid,
					    .socket = plan->args == api_args ? p->socket : 0};
}

/* ---- the beginning ---- */

/* Of a small prefix the only node gets all. */
static sp_code find_node_bits(flags *f, sp_err *err)
{
	sp_cidr all;
	if (!sp_cidr_parse(f->cluster_cidr, &all))
		return sp_fail(err, SP_EINVAL, "--cluster-cidr: '" SP_FMT "' is no prefix",
			       SP_ARG(f->cluster_cidr));
	f->node_bits = SP_MAX(all.ip.v4 ? 24u : 64u, all.n_bits);
	return SP_OK;
}

static sp_code check_flags(flags *f, sp_err *err)
{
	int64_t ns;
	SP_TRY(find_node_bits(f, err));
	if (f->port < 1 || f->port > 65535)
		return sp_fail(err, SP_EINVAL, "--secure-port is 1 to 65535");
	if (!sp_str_starts(f->data_dir, SP_STR("/")) || !sp_str_starts(f->run_dir, SP_STR("/")))
		return sp_fail(err, SP_EINVAL, "--data-dir and --run-dir are absolute paths");
	SP_TRY(sp_duration_parse(f->lifetime, &ns, err));
	if (ns < (int64_t)LIFETIME_LEAST_S * (int64_t)NS_PER_S)
		return sp_fail(err, SP_EINVAL, "--certificate-lifetime is %d s or more", LIFETIME_LEAST_S);
	if (f->run_dir.len > SP_HOST_RUN_DIR_BYTES - strlen("/runtime"))
		return sp_fail(err, SP_EINVAL,
			       "--run-dir '" SP_FMT
			       "' is too long: at most %zu bytes, for there are unix sockets below it",
			       SP_ARG(f->run_dir), SP_HOST_RUN_DIR_BYTES - strlen("/runtime"));
	return SP_OK;
}

static sp_code find_names(process *p, sp_err *err)
{
	if (p->f.advertise.len == 0)
		p->f.advertise = cli_host_address(&p->base.arena);
	if (p->f.node_name.len == 0)
		p->f.node_name = cli_host_name(&p->base.arena);
	if (p->f.node_name.len == 0)
		return sp_fail(err, SP_EINVAL, "this machine has no name: give --node-name");
	return SP_OK;
}

/* Without a name: the invoking user. */
static sp_code find_user(process *p, const char *flag, sp_str name, ids *ret, sp_err *err)
{
	if (name.len == 0)
		return SP_OK;
	const struct passwd *user = getpwnam(sp_arena_try_dup(&p->base.arena, name).ptr);
	if (user == NULL)
		return sp_fail(err, SP_ENOTFOUND, "%s: there is no user '" SP_FMT "'", flag, SP_ARG(name));
	if (geteuid() != 0)
		return sp_fail(err, SP_EFORBIDDEN, "%s needs root", flag);
	*ret = (ids){true, user->pw_uid, user->pw_gid};
	return SP_OK;
}

/* What a role without root has to read or to write. */
static sp_code give(process *p, const ids *to, sp_str path, uint32_t mode, sp_err *err)
{
	return to->set ? sp_path_own(p->base.world, path, to->uid, to->gid, mode, err) : SP_OK;
}

static sp_code make_client(process *p, const role_plan *plan, const keys_pki_opts *o, sp_str address,
			   sp_err *err)
{
	sp_str file = sp_arena_printf(&p->scratch, "%s.kubeconfig", plan->name), user = sp_str_c(plan->user);
	if (sp_str_ends(user, SP_STR("%")))
		user = SP_CONCAT(&p->scratch, sp_str_sub(user, 0, user.len - 1), p->f.node_name);
	const keys_pki_client c = {file.ptr, user, sp_str_c(plan->group)};
	SP_TRY(keys_pki_kubeconfig(p->base.world, &p->scratch, o, address, &c, err));
	return plan->as == AS_ROOT ? SP_OK : give(p, &p->user, kubeconfig_of(p, plan), 0600, err);
}

/* The keys process has what signs to itself. A key of tokens that the API server once had is its too. */
static sp_code give_keys(process *p, sp_str pki, sp_str api, sp_err *err)
{
	sp_arena *a = &p->scratch;
	sp_str dir = SP_CONCAT(a, p->f.data_dir, SP_STR("/keys")),
	       run = SP_CONCAT(a, p->f.run_dir, SP_STR("/keys"));
	sp_str key = SP_CONCAT(a, dir, SP_STR("/sa.key")), old = SP_CONCAT(a, api, SP_STR("/sa.key"));
	sp_stat st;
	SP_TRY(sp_dir_make(p->base.world, dir, 0700, err));
	SP_TRY(sp_dir_make(p->base.world, run, 0711, err));
	if (sp_path_stat(p->base.world, key, &st, NULL) == SP_ENOTFOUND &&
	    sp_path_stat(p->base.world, old, &st, NULL) == SP_OK) {
		SP_TRY(sp_path_rename(p->base.world, old, key, err));
		SP_TRY(give(p, &p->keys_user, key, 0600, err));
	}
	SP_TRY(give(p, &p->keys_user, dir, 0700, err));
	SP_TRY(give(p, &p->keys_user, run, 0711, err));
	return give(p, &p->keys_user, SP_CONCAT(a, pki, SP_STR("/ca.key")), 0600, err);
}

/* How the API server and the node know each other. */
static sp_code make_pairs(process *p, const keys_pki_opts *o, sp_err *err)
{
	const sp_str ips[] = {p->f.advertise, SP_STR("127.0.0.1"), SP_STR("::1")};
	const keys_pki_pair serving = {.file = "kubelet",
				       .name = SP_CONCAT(&p->scratch, SP_STR("system:node:"), p->f.node_name),
				       .group = SP_STR("system:nodes"),
				       .dns = &p->f.node_name,
				       .n_dns = 1,
				       .ips = ips,
				       .n_ips = SP_LEN(ips),
				       .serves = true};
	SP_TRY(keys_pki_pair_ensure(p->base.world, &p->scratch, o, &serving, &p->kubelet_serving.crt,
				    &p->kubelet_serving.key, err));
	SP_TRY(keys_pki_pair_ensure(p->base.world, &p->scratch, o, &keys_pki_kubelet_client,
				    &p->kubelet_client.crt, &p->kubelet_client.key, err));
	return give(p, &p->user, p->kubelet_client.key, 0600, err);
}

static sp_code make_keys(process *p, sp_err *err)
{
	sp_str dir = sp_arena_printf(&p->scratch, SP_FMT "/pki", SP_ARG(p->f.data_dir));
	const keys_pki_opts o = {.dir = dir,
				 .ips = &p->f.advertise,
				 .n_ips = 1,
				 .service_cidrs = p->f.service_cidr,
				 .lifetime_s = p->lifetime_s};
	sp_str address =
		sp_arena_printf(&p->scratch, SP_FMT ":%u", SP_ARG(p->f.advertise), (unsigned)p->f.port);
	SP_TRY(sp_dir_make(p->base.world, p->f.data_dir, 0755, err));
	SP_TRY(sp_dir_make(p->base.world, p->f.run_dir, 0755, err));
	sp_str api = sp_arena_printf(&p->scratch, SP_FMT "/api", SP_ARG(p->f.data_dir));
	SP_TRY(sp_dir_make(p->base.world, dir, 0711, err));
	SP_TRY(sp_dir_make(p->base.world, api, 0700, err));
	SP_TRY(give(p, &p->user, api, 0700, err));
	SP_TRY(keys_pki_ensure(p->base.world, &p->scratch, &o, &p->pki, err));
	SP_TRY(keys_pki_kubeconfig(p->base.world, &p->scratch, &o, address, &keys_pki_admin, err));
	SP_TRY(give(p, &p->user, p->pki.tls_key, 0600, err));
	SP_TRY(make_pairs(p, &o, err));
	SP_TRY(give_keys(p, dir, api, err));
	for (size_t i = 0; i < SP_LEN(plans); i++) {
		if (plans[i].user != NULL)
			SP_TRY(make_client(p, &plans[i], &o, address, err));
	}
	return SP_OK;
}

static void on_renewal(sp_timer *t);

/* Whoever uses them reads them again by himself, a little later (client/renew.c, cli/renewal.h). */
static void wait_for_renewal(process *p)
{
	int64_t s = p->lifetime_s - KEYS_PKI_LEFT(p->lifetime_s);
	p->renewal.arg = p;
	sp_timer_start(p->base.world, &p->renewal, (uint64_t)s * NS_PER_S, on_renewal);
}

/* What can't be made now (a full disk) is tried again: a tenth of the time before the end is left for it. */
static void on_renewal(sp_timer *t)
{
	process *p = t->arg;
	sp_err err = {0};
	sp_arena_reset(&p->scratch);
	if (make_keys(p, &err) == SP_OK) {
		sp_log(p->base.log, SP_LOG_INFO, "certificates made anew");
		wait_for_renewal(p);
		return;
	}
	sp_log(p->base.log, SP_LOG_ERROR, "certificates can't be made anew, it is tried again", SP_KE(&err));
	sp_timer_start(p->base.world, &p->renewal, (uint64_t)(p->lifetime_s / 50 + 1) * NS_PER_S, on_renewal);
}

static void on_stopped(void *arg)
{
	sp_world_stop(((process *)arg)->base.world);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	(void)signal;
	if (p->stopping)
		return;
	p->stopping = true;
	sp_log(p->base.log, SP_LOG_INFO, "stopping");
	sup_stop(p->supervisor, on_stopped, p);
}

static sp_code start(process *p, sp_err *err)
{
	SP_TRY(check_flags(&p->f, err));
	SP_TRY(cli_process_open(&p->base, "supervisor", p->f.log_level, err));
	sp_arena_init(&p->scratch, (size_t)4 << 20);
	(void)umask(022);
	SP_TRY(sp_duration_parse(p->f.lifetime, &p->lifetime_s, err));
	p->lifetime_s /= (int64_t)NS_PER_S;
	SP_TRY(find_names(p, err));
	SP_TRY(cli_self(&p->base.arena, &p->self, err));
	SP_TRY(find_user(p, "--user", p->f.user, &p->user, err));
	SP_TRY(find_user(p, "--keys-user", p->f.keys_user, &p->keys_user, err));
	SP_TRY(cli_listen_socket(p->f.bind_address, (uint16_t)p->f.port, &p->socket, err));
	SP_TRY(make_keys(p, err));
	wait_for_renewal(p);
	for (size_t i = 0; i < SP_LEN(plans); i++)
		add_role(p, &plans[i]);
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	const sup_opts o = {.roles = p->roles,
			    .n_roles = p->n_roles,
			    .env = cli_role_environment(&p->base.arena, false),
			    .socket = sp_arena_printf(&p->base.arena, "unix:" SP_FMT "/supervisor.sock",
						      SP_ARG(p->f.run_dir)),
			    .log = p->base.log};
	return sup_new(p->base.world, &o, &p->supervisor, err);
}

int cli_server(int argc, char **argv)
{
	process p = {.f = {.data_dir = SP_STR("/var/lib/sampan"),
			   .run_dir = SP_STR("/run/sampan"),
			   .bind_address = SP_STR("0.0.0.0"),
			   .service_cidr = SP_STR("10.96.0.0/16"),
			   .cluster_cidr = SP_STR(CLI_CLUSTER_CIDR),
			   .cluster_dns = SP_STR(CLI_DNS_ADDRESS),
			   .cluster_domain = SP_STR("cluster.local"),
			   .log_level = SP_STR("info"),
			   .lifetime = SP_STR("8760h"),
			   .port = 6443}};
	const cli_flag table[] = {
		{"advertise-address", CLI_STR, &p.f.advertise,
		 "address clients are told to use; default: of the first interface"},
		{"bind-address", CLI_STR, &p.f.bind_address, "address of the API to listen at"},
		{"certificate-lifetime", CLI_STR, &p.f.lifetime,
		 "of every certificate but the authority's; they are made anew when three tenths are left"},
		{"cluster-cidr", CLI_STR, &p.f.cluster_cidr,
		 "prefix of the pods of all nodes; each node gets a part: /24 of IPv4, /64 of IPv6"},
		{"cluster-dns", CLI_STR, &p.f.cluster_dns, "address of the service of the cluster's DNS"},
		{"cluster-domain", CLI_STR, &p.f.cluster_domain, "zone of services and pods"},
		{"data-dir", CLI_STR, &p.f.data_dir, "what is kept: database, keys, images"},
		{"keys-user", CLI_STR, &p.f.keys_user,
		 "who runs the keys process; default: the invoking user"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"node-name", CLI_STR, &p.f.node_name, "name of this node; default: of the machine"},
		{"node-user", CLI_STR, &p.f.node_user,
		 "whom the container runtime becomes beside its host process; default: the invoking user"},
		{"run-dir", CLI_STR, &p.f.run_dir, "what is gone after a reboot: sockets, mounts"},
		{"service-cluster-ip-range", CLI_STR, &p.f.service_cidr, "prefix of services' addresses"},
		{"secure-port", CLI_I64, &p.f.port, "port of the API"},
		{"user", CLI_STR, &p.f.user, "who runs what needs no root; default: the invoking user"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("server", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = start(&p, &err);
	if (code == SP_OK) {
		/* For who waits: a line, and no more of it. */
		printf("kubeconfig " SP_FMT "/pki/%s\n", SP_ARG(p.f.data_dir), keys_pki_admin.file);
		(void)fflush(stdout);
		sp_world_run(p.base.world);
	}
	sup_free(p.supervisor);
	if (p.base.world != NULL)
		sp_timer_stop(p.base.world, &p.renewal);
	sp_arena_done(&p.scratch);
	cli_process_done(&p.base);
	return cli_end("server", code, &err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* sampan node: the node agent as a process of its own, against any Kubernetes API and any CRI runtime. */
#include "node/agent.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/num.h"
#include "base/quantity.h"
#include "cli/cli.h"
#include "cli/host_names.h"
#include "cli/process.h"
#include "cli/renewal.h"
#include "client/call.h"
#include "client/certificate.h"
#include "contracts/local_path.h"
#include "io/file.h"
#include "node/cri_client.h"
#include "node/files.h"
#include "node/serve.h"

#define DNS_MAX 8u
#define CLIENT_FILE "node.pem"
#define SERVING_FILE "kubelet-serving.pem"

typedef struct flags {
	sp_str kubeconfig, context, node_name, node_ip, endpoint, root_dir, log_dir, local_path_dir;
	sp_str manifest_dir;
	sp_str cgroup_root, cgroup_driver, cluster_dns, cluster_domain, resolv_conf, log_level;
	sp_str address, client_ca, tls_cert, tls_key, cert_dir;
	int64_t pods_max, port, log_files, image_high, image_low;
	sp_str log_size, unsafe_sysctls;
	node_eviction_texts eviction;
	int64_t eviction_max_grace;
	sp_str eviction_transition;
} flags;

typedef struct process {
	flags f;
	cli_process base;
	sp_client *client;
	sp_cri *cri;
	node_agent *agent;
	node_server *server;
	sp_tls_config *tls;
	sp_client_config config;
	cli_renewal renewal;                        /* of the kubelet API's certificate, when files name it */
	sp_certificate *client_cert, *serving_cert; /* with --cert-dir */
	sp_str node_name;
	unsigned n_closing;
	bool stopping;
} process;

/* ---- the end ---- */

static void on_client_closed(void *arg)
{
	process *p = arg;
	sp_world_stop(p->base.world);
}

static void on_agent_closed(void *arg)
{
	process *p = arg;
	sp_client_close(p->client, on_client_closed, p);
}

static void on_server_closed(void *arg)
{
	process *p = arg;
	node_server_free(SP_TAKE(p->server));
	node_agent_close(p->agent, on_agent_closed, p);
}

/* Certificates are not asked for any more. */
static void on_cert_closed(void *arg)
{
	process *p = arg;
	if (--p->n_closing > 0)
		return;
	if (p->server != NULL)
		node_server_close(p->server, on_server_closed, p);
	else
		node_agent_close(p->agent, on_agent_closed, p);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	if (p->stopping)
		return;
	p->stopping = true;
	cli_renewal_stop(&p->renewal);
	sp_log(p->base.log, SP_LOG_INFO, "stopping; pods go on", SP_KI("signal", signal));
	p->n_closing = 1;
	sp_certificate *all[] = {p->client_cert, p->serving_cert};
	for (size_t i = 0; i < SP_LEN(all); i++) {
		p->n_closing += all[i] != NULL;
		if (all[i] != NULL)
			sp_certificate_close(all[i], on_cert_closed, p);
	}
	on_cert_closed(p);
}

/* ---- the beginning ---- */

static sp_code open_client(process *p, sp_err *err)
{
	if (p->f.kubeconfig.len == 0)
		return sp_fail(err, SP_EINVAL, "--kubeconfig is not given");
	SP_TRY(sp_client_config_load(p->base.world, &p->base.arena, p->f.kubeconfig, p->f.context, &p->config,
				     err));
	return sp_client_new(p->base.world,
			     &(sp_client_opts){.config = &p->config, .user_agent = SP_STR("sampan-node/0.1")},
			     &p->client, err);
}

/* ---- the kubelet API ---- */

/* A certificate of its own signature, as kubelet makes when it is given none: the API server looks at the
 * address only. */
static sp_code own_certificate(process *p, sp_str name, sp_str ip, sp_buf *cert, sp_buf *key_pem, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	int64_t now_s = sp_wall_ns(p->base.world) / 1000000000;
	SP_TRY(sp_key_new(&key, err));
	const sp_x509_template t = {.common_name = name,
				    .dns = &name,
				    .n_dns = 1,
				    .ips = &ip,
				    .n_ips = 1,
				    .not_before_s = now_s - 3600,
				    .not_after_s = now_s + (int64_t)365 * 24 * 3600,
				    .usages = SP_X509_SERVER};
	SP_TRY(sp_x509_issue(&t, key, NULL, cert, err));
	return sp_key_print(key, key_pem, err);
}

static sp_code tls_config(process *p, sp_str name, sp_str ip, sp_err *err)
{
	sp_tls_opts opts = {.ca_pem = p->config.ca_pem, .client_auth = SP_TLS_CLIENT_REQUEST};
	SP_AUTO_BUF cert;
	sp_buf_init(&cert, (size_t)64 << 10);
	SP_AUTO_BUF key;
	sp_buf_init(&key, (size_t)64 << 10);
	if (p->f.client_ca.len != 0)
		SP_TRY(sp_file_read_arena(p->base.world, p->f.client_ca, &p->base.arena, SP_LIMIT_PEM_BYTES,
					  &opts.ca_pem, err));
	if (p->f.tls_cert.len != 0)
		return sp_tls_server_config_from_files(
			p->base.world, &(sp_tls_files){.cert = p->f.tls_cert, .key = p->f.tls_key}, &opts,
			&p->tls, err);
	sp_code code =
		sp_buf_reserve(&key, 4096) == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a key") : SP_OK;
	if (code == SP_OK)
		code = own_certificate(p, name, ip, &cert, &key, err);
	opts.cert_pem = sp_buf_view(&cert);
	opts.key_pem = sp_buf_view(&key);
	if (code == SP_OK)
		code = sp_tls_server_config(&opts, &p->tls, err);
	sp_buf_cleanse(&key);
	return code;
}

static sp_code reload(void *arg, sp_err *err)
{
	process *p = arg;
	sp_tls_config *before = p->tls;
	sp_code code = tls_config(p, SP_STR(""), SP_STR(""), err);
	if (code != SP_OK)
		return code;
	node_server_set_tls(p->server, p->tls);
	(void)sp_tls_config_unref(before);
	return SP_OK;
}

/* ---- certificates that the node asks for by itself ---- */

static void on_client_cert(void *arg)
{
	sp_client_renew(((process *)arg)->client);
}

static void on_serving_cert(void *arg)
{
	process *p = arg;
	sp_err err = {0};
	p->f.tls_cert = p->f.tls_key =
		sp_arena_printf(&p->base.arena, SP_FMT "/" SERVING_FILE, SP_ARG(p->f.cert_dir));
	if (p->server != NULL && reload(p, &err) != SP_OK)
		sp_log(p->base.log, SP_LOG_ERROR, "the new certificate can't be used", SP_KE(&err));
}

static sp_code open_certificate(process *p, const char *file, sp_certificate_opts *o, sp_certificate **ret,
				sp_err *err)
{
	static const sp_str group = SP_STR_INIT("system:nodes");
	o->client = p->client;
	o->log = p->base.log;
	o->path = sp_arena_printf(&p->base.arena, SP_FMT "/%s", SP_ARG(p->f.cert_dir), file);
	o->names.common_name = SP_CONCAT(&p->base.arena, SP_STR("system:node:"), p->node_name);
	o->names.organizations = &group;
	o->names.n_organizations = 1;
	o->arg = p;
	return sp_certificate_new(o, ret, err);
}

/* A serving certificate that is there already is used from the start, else one of its own signature until
 * the first one comes. */
static sp_code open_certificates(process *p, sp_str name, sp_str ip, sp_err *err)
{
	p->node_name = name;
	if (p->f.cert_dir.len == 0)
		return SP_OK;
	sp_certificate_opts client = {.signer = SP_STR("kubernetes.io/kube-apiserver-client-kubelet"),
				      .usages = SP_STR("[\"digital signature\",\"client auth\"]"),
				      .changed = on_client_cert};
	sp_certificate_opts serving = {.signer = SP_STR("kubernetes.io/kubelet-serving"),
				       .usages = SP_STR("[\"digital signature\",\"server auth\"]"),
				       .names = {.dns = &name, .n_dns = 1, .ips = &ip, .n_ips = 1},
				       .changed = on_serving_cert};
	SP_TRY(open_certificate(p, CLIENT_FILE, &client, &p->client_cert, err));
	SP_TRY(open_certificate(p, SERVING_FILE, &serving, &p->serving_cert, err));
	if (sp_certificate_is_there(p->serving_cert))
		on_serving_cert(p);
	return SP_OK;
}

static sp_code open_server(process *p, sp_str name, sp_str ip, sp_err *err)
{
	if (p->f.port < 0)
		return SP_OK;
	SP_TRY(tls_config(p, name, ip, err));
	const node_server_opts opts = {.address = sp_arena_printf(&p->base.arena, SP_FMT ":%lld",
								  SP_ARG(p->f.address), (long long)p->f.port),
				       .tls = p->tls};
	SP_TRY(node_server_open(p->agent, &opts, &p->server, err));
	p->renewal = (cli_renewal){.world = p->base.world,
				   .log = p->base.log,
				   .path = p->f.tls_cert,
				   .reload = reload,
				   .arg = p};
	if (p->f.tls_cert.len > 0 && p->f.cert_dir.len == 0)
		cli_renewal_start(&p->renewal);
	return SP_OK;
}

/* U: kubeletconfig validation. */
static sp_code image_limits(const process *p, sp_err *err)
{
	if (p->f.image_high < 0 || p->f.image_high > 100)
		return sp_fail(err, SP_EINVAL,
			       "--image-gc-high-threshold %lld must be between 0 and 100, inclusive",
			       (long long)p->f.image_high);
	if (p->f.image_low < 0 || p->f.image_low >= p->f.image_high)
		return sp_fail(
			err, SP_EINVAL,
			"--image-gc-low-threshold %lld must be less than --image-gc-high-threshold %lld",
			(long long)p->f.image_low, (long long)p->f.image_high);
	return SP_OK;
}

/* U: kubeletconfig validation. */
static sp_code log_limits(const process *p, int64_t *ret_bytes, sp_err *err)
{
	sp_qty q;
	SP_TRY(sp_qty_parse(p->f.log_size, &q, err));
	*ret_bytes = sp_qty_value(&q);
	if (p->f.log_files < 2)
		return sp_fail(err, SP_EINVAL, "--container-log-max-files must be more than 1");
	return SP_OK;
}

/* U: kubeletconfig validation. */
static sp_code eviction(const process *p, node_eviction *ret, sp_err *err)
{
	*ret = (node_eviction){.max_grace_s = p->f.eviction_max_grace};
	SP_TRY(sp_duration_parse(p->f.eviction_transition, &ret->transition_ns, err));
	if (p->f.eviction_max_grace < 0 || ret->transition_ns < 0)
		return sp_fail(err, SP_EINVAL, "the times of evictions must not be negative");
	return node_eviction_parse(&p->f.eviction, ret, err);
}

static sp_code open_agent(process *p, sp_err *err)
{
	sp_str dns[DNS_MAX], rest = p->f.cluster_dns;
	size_t n_dns = 0;
	bool systemd = sp_str_eq(p->f.cgroup_driver, SP_STR("systemd"));
	if (!systemd && !sp_str_eq(p->f.cgroup_driver, SP_STR("cgroupfs")))
		return sp_fail(err, SP_EINVAL, "--cgroup-driver '" SP_FMT "' is not cgroupfs or systemd",
			       SP_ARG(p->f.cgroup_driver));
	int64_t log_bytes;
	SP_TRY(log_limits(p, &log_bytes, err));
	SP_TRY(image_limits(p, err));
	node_eviction thresholds;
	SP_TRY(eviction(p, &thresholds, err));
	while (rest.len > 0 && n_dns < DNS_MAX) {
		if (!sp_str_cut(&rest, ',', &dns[n_dns])) {
			dns[n_dns] = rest;
			rest.len = 0;
		}
		n_dns++;
	}
	SP_TRY(node_cri_client_new(p->base.world, p->f.endpoint, &p->cri, err));
	sp_str name = p->f.node_name.len != 0 ? p->f.node_name : cli_host_name(&p->base.arena);
	sp_str ip = p->f.node_ip.len != 0 ? p->f.node_ip : cli_host_address(&p->base.arena);
	const node_agent_opts opts = {.world = p->base.world,
				      .log = p->base.log,
				      .client = p->client,
				      .cri = p->cri,
				      .files = node_files(),
				      .node_name = name,
				      .node_ip = ip,
				      .root_dir = p->f.root_dir,
				      .log_dir = p->f.log_dir,
				      .manifest_dir = p->f.manifest_dir,
				      .local_path_dir = p->f.local_path_dir,
				      .cgroup_root = p->f.cgroup_root,
				      .systemd_cgroups = systemd,
				      .cluster_dns = dns,
				      .n_cluster_dns = n_dns,
				      .cluster_domain = p->f.cluster_domain,
				      .resolv_conf = p->f.resolv_conf,
				      .pods_max = p->f.pods_max,
				      .log_bytes_max = log_bytes,
				      .image_high = (unsigned)p->f.image_high,
				      .image_low = (unsigned)p->f.image_low,
				      .log_files_max = p->f.log_files,
				      .unsafe_sysctls = p->f.unsafe_sysctls,
				      .eviction = thresholds};
	SP_TRY(node_agent_new(&opts, &p->agent, err));
	SP_TRY(open_certificates(p, name, ip, err));
	SP_TRY(open_server(p, name, ip, err));
	if (p->server != NULL) {
		sp_str bound = node_server_address(p->server);
		uint64_t port;
		SP_TRY(sp_parse_u64(sp_str_sub(bound, (size_t)(sp_str_rindex(bound, ':') + 1), bound.len), 1,
				    65535, &port, err));
		node_agent_set_port(p->agent, (uint16_t)port);
		sp_log(p->base.log, SP_LOG_INFO, "serving", SP_KS("address", bound));
	}
	return SP_OK;
}

static sp_code start(process *p, sp_err *err)
{
	SP_TRY(cli_process_open(&p->base, "node", p->f.log_level, err));
	(void)umask(0022); /* directories of pods are read by their containers */
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	SP_TRY(open_client(p, err));
	return open_agent(p, err);
}

static void finish(process *p)
{
	node_server_free(p->server);
	node_agent_free(p->agent);
	sp_certificate_free(p->client_cert);
	sp_certificate_free(p->serving_cert);
	sp_tls_config_unref(p->tls);
	if (p->cri != NULL)
		p->cri->free(p->cri);
	sp_client_free(p->client);
	cli_process_done(&p->base);
}

int cli_node(int argc, char **argv)
{
	process p = {.f = {.endpoint = SP_STR("unix:///run/containerd/containerd.sock"),
			   .root_dir = SP_STR("/var/lib/sampan/node"),
			   .log_dir = SP_STR("/var/log/pods"),
			   .local_path_dir = SP_STR(SP_LOCAL_PATH_DIR),
			   .cgroup_root = SP_STR("kubepods"),
			   .cgroup_driver = SP_STR("cgroupfs"),
			   .cluster_domain = SP_STR("cluster.local"),
			   .resolv_conf = SP_STR("/etc/resolv.conf"),
			   .log_level = SP_STR("info"),
			   .address = SP_STR("0.0.0.0"),
			   .port = 10250,
			   .log_size = SP_STR("10Mi"),
			   .log_files = 5,
			   .image_high = 85,
			   .image_low = 80,
			   .eviction.hard = SP_STR(NODE_EVICTION_HARD),
			   .eviction_transition = SP_STR("5m"),
			   .pods_max = 110}};
	const cli_flag table[] = {
		{"address", CLI_STR, &p.f.address, "address of the kubelet API"},
		{"allowed-unsafe-sysctls", CLI_STR, &p.f.unsafe_sysctls,
		 "kernel settings that pods may set beyond the safe ones, by commas, as kernel.msg*"},
		{"cert-dir", CLI_STR, &p.f.cert_dir,
		 "where the node keeps the certificates that it asks the API for: its own as a client "
		 "(" CLIENT_FILE ") and of the kubelet API (" SERVING_FILE "); empty: it asks for none"},
		{"cgroup-driver", CLI_STR, &p.f.cgroup_driver, "of the runtime: cgroupfs or systemd"},
		{"cgroup-root", CLI_STR, &p.f.cgroup_root, "name of the cgroup that all pods are in"},
		{"client-ca-file", CLI_STR, &p.f.client_ca,
		 "who signs clients' certificates; default: the kubeconfig's authority"},
		{"cluster-dns", CLI_STR, &p.f.cluster_dns, "addresses of the cluster's DNS, by commas"},
		{"cluster-domain", CLI_STR, &p.f.cluster_domain, "domain of the cluster's DNS"},
		{"container-log-max-files", CLI_I64, &p.f.log_files, "files that a container's log may have"},
		{"container-log-max-size", CLI_STR, &p.f.log_size,
		 "how large one may be before the next is begun; 0: they grow"},
		{"container-runtime-endpoint", CLI_STR, &p.f.endpoint, "socket of the CRI runtime"},
		{"context", CLI_STR, &p.f.context, "context of the kubeconfig; default: its current one"},
		{"eviction-hard", CLI_STR, &p.f.eviction.hard,
		 "what must be left, else pods are evicted at once: memory.available, nodefs.available, "
		 "nodefs.inodesFree, imagefs.available, imagefs.inodesFree, pid.available; empty: never"},
		{"eviction-max-pod-grace-period", CLI_I64, &p.f.eviction_max_grace,
		 "seconds that pods get at most to end at a soft threshold"},
		{"eviction-minimum-reclaim", CLI_STR, &p.f.eviction.reclaim,
		 "what is to be won beyond a threshold, as nodefs.available=500Mi"},
		{"eviction-pressure-transition-period", CLI_STR, &p.f.eviction_transition,
		 "how long a condition of pressure stays after the last of it"},
		{"eviction-soft", CLI_STR, &p.f.eviction.soft,
		 "what must be left, else pods are evicted after a grace, as memory.available<1.5Gi"},
		{"eviction-soft-grace-period", CLI_STR, &p.f.eviction.soft_grace,
		 "those graces, as memory.available=1m30s"},
		{"image-gc-high-threshold", CLI_I64, &p.f.image_high,
		 "percent of the disk from which on unused images are removed; 100: never"},
		{"image-gc-low-threshold", CLI_I64, &p.f.image_low,
		 "percent of the disk down to which they are"},
		{"kubeconfig", CLI_STR, &p.f.kubeconfig, "how to reach the API"},
		{"local-path-dir", CLI_STR, &p.f.local_path_dir,
		 "where volumes of class local-path are made; empty: nowhere"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"max-pods", CLI_I64, &p.f.pods_max, "how many pods the node takes"},
		{"node-ip", CLI_STR, &p.f.node_ip, "address of the node; default: of its first interface"},
		{"node-name", CLI_STR, &p.f.node_name, "name of the node; default: the host's"},
		{"pod-log-dir", CLI_STR, &p.f.log_dir, "where logs of containers are"},
		{"pod-manifest-path", CLI_STR, &p.f.manifest_dir,
		 "directory of files that each describe a static pod; empty: none"},
		{"port", CLI_I64, &p.f.port, "of the kubelet API; 0: any, -1: none"},
		{"resolv-conf", CLI_STR, &p.f.resolv_conf, "resolver configuration that pods get"},
		{"root-dir", CLI_STR, &p.f.root_dir, "volumes and other files of pods"},
		{"tls-cert-file", CLI_STR, &p.f.tls_cert,
		 "certificate of the kubelet API; default: one of its own signature"},
		{"tls-private-key-file", CLI_STR, &p.f.tls_key, "its key"},
	};
	sp_err err = {0};
	int status;
	if (!cli_begin("node", NULL, table, SP_LEN(table), argc, argv, &status))
		return status;
	sp_code code = start(&p, &err);
	if (code == SP_OK)
		sp_world_run(p.base.world);
	if (code != SP_OK && p.agent != NULL) { /* it failed half way */
		on_stop(&p, 0);
		sp_world_run(p.base.world);
	}
	finish(&p);
	return cli_end("node", code, &err);
}

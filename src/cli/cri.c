/* SPDX-License-Identifier: Apache-2.0 */
/* `sampan cri`: the container runtime alone, as root, with its host process. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/cri_cleanup.h"
#include "cli/cri_user.h"
#include "cli/process.h"
#include "host/host.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "network/bridge.h"
#include "network/cni/cni.h"
#include "runtime/confine.h"
#include "runtime/handlers.h"
#include "runtime/host_client.h"
#include "runtime/image/pull.h"
#include "runtime/image_service.h"
#include "runtime/layers.h"
#include "runtime/runtime.h"
#include "runtime/server.h"

#define GRACE_NS UINT64_C(2000000000)
#define OPTIONS_BYTES 4096u

typedef struct flags {
	bool cleanup;
	sp_str listen, root, run_dir, log_level, shim, unpack, oci_runtime, cgroup_root, stream_address;
	sp_str runtime_handlers;
	sp_str cni_conf_dir, cni_bin_dir, user;
	sp_str bridge, if_prefix, pod_cidr, cluster_cidr, registry_config, namespace_;
	int64_t mtu;
} flags;

typedef struct process {
	flags f;
	cli_process base;
	sp_host *host;
	sp_pod_network *network, *cni;
	cri_user user;
	int socket_fd; /* bound while we were root; -1: not */
	rt_layers layers;
	image_store *images;
	image_registry *registry;
	rt_opts rt_opts;
	rt_handler *handlers;
	size_t n_handlers;
	network_bridge_opts bridge_opts;
	cni_opts cni_opts;
	rt *runtime;
	image_service *image_service;
	cri_server *server;
	cri_cleanup *cleanup;
	size_t n_open; /* parts that are still to be closed */
	bool stopping, failed;
} process;

/* ---- the host process ---- */

static void on_host_end(void *arg)
{
	sp_world_stop(arg);
}

/* containerd.runc.v1.Options: what the shim is told of the OCI runtime. */
static sp_str oci_options(const flags *f, const cri_user *u, sp_str program, sp_arena *a)
{
	typedef struct options {
		uint32_t io_uid, io_gid;
		sp_str binary_name, root;
	} options;
	static const sp_pb_slot slots[] = {
		SP_PB_SLOT(options, io_uid, 4, UINT32), SP_PB_SLOT(options, io_gid, 5, UINT32),
		SP_PB_SLOT(options, binary_name, 6, STRING), SP_PB_SLOT(options, root, 7, STRING)};
	static const sp_pb_message message = SP_PB_MESSAGE_OF("Options", options, slots);
	const options o = {.io_uid = u->uid,
			   .io_gid = u->gid,
			   .binary_name = program,
			   .root = SP_CONCAT(a, f->run_dir, SP_STR("/oci"))};
	SP_AUTO_BUF out;
	sp_buf_init(&out, OPTIONS_BYTES);
	sp_pb_encode(&message, &o, &out);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

/* sampan.shim.v1.Owner: of the shim's socket. */
static sp_str owner_of(const cri_user *u, sp_arena *a)
{
	static const sp_pb_slot slots[] = {SP_PB_SLOT(cri_user, uid, 1, UINT32),
					   SP_PB_SLOT(cri_user, gid, 2, UINT32)};
	static const sp_pb_message message = SP_PB_MESSAGE_OF("Owner", cri_user, slots);
	SP_AUTO_BUF out;
	sp_buf_init(&out, OPTIONS_BYTES);
	sp_pb_encode(&message, u, &out);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

/* The same in BootstrapParams: the standard input of `shim start`. Sockets of shims are ours: below the run
 * directory, where containerd's permissions do not matter. */
static sp_str shim_input(const flags *f, const cri_user *u, sp_arena *a)
{
	typedef struct any {
		sp_str type_url, value;
	} any;
	static const sp_pb_slot slots[] = {SP_PB_SLOT(any, type_url, 1, STRING),
					   SP_PB_SLOT(any, value, 2, BYTES)};
	static const sp_pb_message any_message = SP_PB_MESSAGE_OF("Any", any, slots);
	typedef struct extension {
		any *value;
	} extension;
	static const sp_pb_slot extension_slots[] = {SP_PB_SLOT_MSG(extension, value, 1, &any_message)};
	static const sp_pb_message extension_message =
		SP_PB_MESSAGE_OF("Extension", extension, extension_slots);
	typedef struct params {
		SP_PB_LIST(extension) extensions;
		sp_str socket_dir;
	} params;
	static const sp_pb_slot params_slots[] = {SP_PB_SLOT_MSGS(params, extensions, 8, &extension_message),
						  SP_PB_SLOT(params, socket_dir, 9, STRING)};
	static const sp_pb_message message = SP_PB_MESSAGE_OF("BootstrapParams", params, params_slots);
	any options = {.type_url = SP_STR("containerd.runc.v1.Options"),
		       .value = oci_options(f, u, f->oci_runtime, a)};
	any owner = {.type_url = SP_STR("sampan.shim.v1.Owner"), .value = owner_of(u, a)};
	extension extensions[] = {{.value = &options}, {.value = &owner}};
	params all = {.socket_dir = f->run_dir};
	all.extensions.at = extensions;
	all.extensions.n = SP_LEN(extensions);
	SP_AUTO_BUF out;
	sp_buf_init(&out, OPTIONS_BYTES);
	sp_pb_encode(&message, &all, &out);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

static int run_host(const flags *f, const cri_user *u, int fd)
{
	sp_arena a;
	sp_world *w;
	sp_stream *s;
	host *h;
	sp_err err;
	sp_arena_init(&a, 65536);
	(void)prctl(PR_SET_NAME, "sampan-host");
	(void)signal(SIGINT, SIG_IGN); /* of the terminal: it ends when the other side does */
	const host_opts opts = {.run_dir = f->run_dir,
				.shim = f->shim,
				.shim_options = shim_input(f, u, &a),
				.containerd = SP_STR("/bin/false"),
				.cni_bin_dirs = f->cni_bin_dir,
				.cni_conf_dir = f->cni_conf_dir,
				.images_dir = SP_CONCAT(&a, f->root, SP_STR("/images")),
				.unpack = f->unpack,
				.uid = u->uid,
				.gid = u->gid,
				.namespace_ = f->namespace_};
	sp_code code = host_give_up_rights(&err);
	if (code == SP_OK)
		code = sp_world_uv_new(&w, &err);
	if (code == SP_OK)
		code = sp_stream_from_fd(w, fd, &s, &err);
	if (code == SP_OK)
		code = host_new(w, s, &opts, on_host_end, w, &h, &err);
	if (code != SP_OK) {
		(void)fprintf(stderr, "sampan cri: host: %s\n", err.msg);
		return 1;
	}
	sp_world_run(w);
	host_free(h);
	sp_world_uv_free(w);
	sp_arena_done(&a);
	return 0;
}

/* Before there is a loop or a thread in this process. Returns only here; the child exits. */
static sp_code fork_host(const flags *f, const cri_user *u, int *ret_fd, sp_err *err)
{
	int fds[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return sp_fail_sys(err, errno, "socketpair");
	pid_t pid = fork();
	if (pid < 0)
		return sp_fail_sys(err, errno, "fork");
	if (pid == 0) {
		(void)close(fds[0]);
		_exit(run_host(f, u, fds[1]));
	}
	(void)close(fds[1]);
	*ret_fd = fds[0];
	return SP_OK;
}

/* ---- the end ---- */

static void on_part_closed(void *arg)
{
	process *p = arg;
	if (--p->n_open == 0)
		sp_world_stop(p->base.world);
}

static void on_host_gone(void *arg)
{
	process *p = arg;
	if (!p->stopping) {
		sp_log(p->base.log, SP_LOG_ERROR, "the host process is gone");
		_exit(1); /* containers stay; whoever started us starts us again, and all is adopted */
	}
	on_part_closed(p);
}

static void on_runtime_closed(void *arg)
{
	process *p = arg;
	p->n_open++;
	rt_host_client_close(p->host);
	on_part_closed(p);
}

static void on_server_closed(void *arg)
{
	process *p = arg;
	if (p->image_service != NULL)
		image_service_close(p->image_service, on_part_closed, p);
	else
		p->n_open--;
	rt_close(p->runtime, on_runtime_closed, p);
	image_store_close(p->images, on_part_closed, p);
	image_registry_close(p->registry, on_part_closed, p);
}

static void on_stop(void *arg, int signal)
{
	process *p = arg;
	if (p->stopping)
		_exit(128 + signal); /* asked twice */
	p->stopping = true;
	p->n_open = 4;
	if (p->server != NULL)
		cri_server_close(p->server, GRACE_NS, on_server_closed, p);
	else
		on_server_closed(p);
}

/* ---- the beginning ---- */

static void on_cleaned_up(void *arg, size_t n_pods, const sp_err *err)
{
	process *p = arg;
	p->failed = err != NULL;
	if (err != NULL)
		sp_log(p->base.log, SP_LOG_ERROR, "not everything could be removed", SP_KE(err));
	else
		sp_log(p->base.log, SP_LOG_INFO, "everything is removed", SP_KU("pods", n_pods));
	on_stop(p, SIGTERM);
}

static void on_recovered(void *arg)
{
	process *p = arg;
	sp_err err;
	if (p->stopping)
		return;
	if (p->f.cleanup) {
		const cri_cleanup_opts o = {.cri = rt_cri(p->runtime),
					    .host = p->host,
					    .bridge = p->f.bridge,
					    .done = on_cleaned_up,
					    .arg = p};
		cri_cleanup_start(&o, &p->cleanup);
		return;
	}
	sp_code code = SP_OK;
	sp_str address = SP_CONCAT(&p->base.arena, SP_STR("unix:"), p->f.listen);
	if (p->socket_fd >= 0) {
		address = sp_arena_printf(&p->base.arena, "fd:%d", p->socket_fd);
		if (listen(p->socket_fd, SOMAXCONN) != 0)
			code = sp_fail_sys(&err, errno, "listen");
	}
	if (code == SP_OK)
		code = image_service_new(p->base.world, p->images, p->registry, p->rt_opts.images_dir,
					 SP_CONCAT(&p->base.arena, SP_STR("unix:"), p->f.listen),
					 &p->image_service, &err);
	if (code == SP_OK)
		code = cri_server_new(p->base.world, rt_cri(p->runtime),
				      image_service_methods(p->image_service), address, &p->server, &err);
	if (code != SP_OK) {
		sp_log(p->base.log, SP_LOG_ERROR, "the socket can't be served", SP_KE(&err));
		p->failed = true;
		on_stop(p, SIGTERM);
		return;
	}
	sp_log(p->base.log, SP_LOG_INFO, "serving", SP_KS("address", p->f.listen));
}

static sp_code check_flags(flags *f, sp_err *err)
{
	/* crictl and kubelet write the address as a URL. */
	sp_str path = f->listen;
	if (sp_str_take(&path, SP_STR("unix://")))
		f->listen = path;
	else
		(void)sp_str_take(&f->listen, SP_STR("unix:"));
	const sp_str paths[] = {f->root,   f->run_dir,      f->shim,       f->unpack,
				f->listen, f->cni_conf_dir, f->cni_bin_dir};
	for (size_t i = 0; i < SP_LEN(paths); i++) {
		if (paths[i].len == 0 || paths[i].ptr[0] != '/')
			return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no absolute path", SP_ARG(paths[i]));
	}
	if (f->run_dir.len > SP_HOST_RUN_DIR_BYTES)
		return sp_fail(err, SP_EINVAL,
			       "--run-dir '" SP_FMT
			       "' has %zu bytes, at most %u are possible: the path of a unix "
			       "socket has 107, and there are sockets below it",
			       SP_ARG(f->run_dir), f->run_dir.len, SP_HOST_RUN_DIR_BYTES);
	if (f->mtu < 0 || f->mtu > 65535)
		return sp_fail(err, SP_EINVAL, "--mtu is 0 to 65535");
	return SP_OK;
}

/* "/a/b" of "/a/b/c". */
static sp_str parent(sp_str path)
{
	ptrdiff_t slash = sp_str_rindex(path, '/');
	return sp_str_sub(path, 0, slash > 0 ? (size_t)slash : 1);
}

static sp_code open_images(process *p, sp_err *err)
{
	sp_str dir = SP_CONCAT(&p->base.arena, p->f.root, SP_STR("/images"));
	rt_layers_init(&p->layers, p->host, dir);
	const image_store_opts store = {.dir = dir, .unpacker = &p->layers.unpacker, .allow_devices = true};
	const image_registry_opts registry = {.config_dir = p->f.registry_config};
	p->rt_opts.images_dir = dir;
	SP_TRY(image_store_open(p->base.world, &store, &p->images, err));
	return image_registry_new(p->base.world, &registry, &p->registry, err);
}

static sp_code open_runtime(process *p, sp_err *err)
{
	p->bridge_opts = (network_bridge_opts){.log = p->base.log,
					       .host = p->host,
					       .bridge = p->f.bridge,
					       .if_prefix = p->f.if_prefix,
					       .prefix = p->f.pod_cidr,
					       .cluster = p->f.cluster_cidr,
					       .mtu = (uint32_t)p->f.mtu};
	SP_TRY(network_bridge_new(p->base.world, &p->bridge_opts, &p->network, err));
	p->cni_opts = (cni_opts){
		.log = p->base.log,
		.host = p->host,
		.builtin = p->network,
		.conf_dir = p->user.set ? SP_CONCAT(&p->base.arena, p->f.run_dir, SP_STR(SP_HOST_CNI_DIR))
					: p->f.cni_conf_dir,
		.copied = p->user.set,
		.cache_dir = SP_CONCAT(&p->base.arena, p->f.root, SP_STR("/cni")),
		.ip_range = p->f.pod_cidr};
	p->cni = cni_new(p->base.world, &p->cni_opts);
	p->rt_opts.log = p->base.log;
	p->rt_opts.host = p->host;
	p->rt_opts.network = p->cni;
	p->rt_opts.images = p->images;
	p->rt_opts.registry = p->registry;
	p->rt_opts.state_dir = SP_CONCAT(&p->base.arena, p->f.root, SP_STR("/state"));
	p->rt_opts.run_dir = p->f.run_dir;
	p->rt_opts.shim_options = oci_options(&p->f, &p->user, p->f.oci_runtime, &p->base.arena);
	p->rt_opts.handlers = p->handlers;
	p->rt_opts.n_handlers = p->n_handlers;
	for (size_t i = 0; i < p->n_handlers; i++)
		p->handlers[i].shim_options =
			oci_options(&p->f, &p->user, p->handlers[i].shim_options, &p->base.arena);
	p->rt_opts.cgroup_root = p->f.cgroup_root;
	p->rt_opts.stream_address = p->f.stream_address;
	SP_TRY(rt_new(p->base.world, &p->rt_opts, &p->runtime, err));
	rt_recover(p->runtime, on_recovered, p);
	return SP_OK;
}

/* The last that root is needed for on this side, and that other programs, mounts and the like are possible.
 */
static sp_code give_up_root(process *p, sp_err *err)
{
	static const char *const dirs[] = {"/images", "/state", "/cni"};
	static const cri_user nobody;
	SP_TRY(cri_user_own(&nobody, parent(p->f.listen), err));
	for (size_t i = 0; i < SP_LEN(dirs); i++)
		SP_TRY(cri_user_own(&p->user, SP_CONCAT(&p->base.arena, p->f.root, sp_str_c(dirs[i])), err));
	if (p->user.set && !p->f.cleanup)
		SP_TRY(cri_user_bind(p->f.listen, &p->socket_fd, err));
	SP_TRY(cri_user_become(&p->user, err));
	return rt_confine(err);
}

static sp_code start(process *p, int host_fd, sp_err *err)
{
	sp_stream *s;
	SP_TRY(cli_process_open(&p->base, "cri", p->f.log_level, err));
	SP_TRY(sp_stream_from_fd(p->base.world, host_fd, &s, err));
	SP_TRY(rt_host_client_new(p->base.world, s, on_host_gone, p, &p->host, err));
	SP_TRY(open_images(p, err));
	SP_TRY(cli_process_on_stop(&p->base, on_stop, p, err));
	return open_runtime(p, err);
}

static void finish(process *p)
{
	cri_server_free(p->server);
	cri_cleanup_free(p->cleanup);
	rt_free(p->runtime);
	cni_free(p->cni);
	network_bridge_free(p->network);
	rt_host_client_free(p->host);
	cli_process_done(&p->base);
}

int cli_cri(int argc, char **argv)
{
	process p = {.socket_fd = -1};
	sp_err err = {0};
	int status;
	int fd = -1;
	sp_arena_init(&p.base.arena, (size_t)1 << 20);
	p.f = (flags){.listen = SP_STR("unix:///run/sampan/cri.sock"),
		      .root = SP_STR("/var/lib/sampan/cri"),
		      .run_dir = SP_STR("/run/sampan/cri"),
		      .log_level = SP_STR("info"),
		      .shim = cli_beside(&p.base.arena, "containerd-shim-sampan-v1"),
		      .unpack = cli_beside(&p.base.arena, "sampan-unpack"),
		      .cgroup_root = SP_STR("/sampan"),
		      .stream_address = SP_STR("127.0.0.1:0"),
		      .bridge = SP_STR("sampan0"),
		      .if_prefix = SP_STR("sp"),
		      .cni_conf_dir = SP_STR("/etc/cni/net.d"),
		      .cni_bin_dir = SP_STR("/opt/cni/bin"),
		      .registry_config = SP_STR("/etc/containerd/certs.d"),
		      .namespace_ = SP_STR("k8s.io")};
	const cli_flag table[] = {
		{"bridge", CLI_STR, &p.f.bridge, "bridge of the pod network"},
		{"cleanup", CLI_BOOL, &p.f.cleanup, "stop and remove every pod and the pod network, and end"},
		{"cgroup-root", CLI_STR, &p.f.cgroup_root, "cgroup of pods that name no parent"},
		{"cluster-cidr", CLI_STR, &p.f.cluster_cidr,
		 "prefix of the pods of all nodes, which see each other's own addresses; default: "
		 "that of this node's"},
		{"cni-bin-dir", CLI_STR, &p.f.cni_bin_dir, "CNI plugins; several with ':' between them"},
		{"cni-conf-dir", CLI_STR, &p.f.cni_conf_dir,
		 "CNI configurations, the first by name counts; none: the built-in network"},
		{"interface-prefix", CLI_STR, &p.f.if_prefix,
		 "first characters of pods' interfaces on the host"},
		{"listen", CLI_STR, &p.f.listen, "socket of CRI, unix:///path"},
		{"log-level", CLI_STR, &p.f.log_level, "error, warn, info, debug or trace"},
		{"mtu", CLI_I64, &p.f.mtu, "of pods' interfaces; 0: the kernel's default"},
		{"namespace", CLI_STR, &p.f.namespace_, "containerd namespace the shims are told"},
		{"oci-runtime", CLI_STR, &p.f.oci_runtime, "crun or runc; default: what the shim finds"},
		{"pod-cidr", CLI_STR, &p.f.pod_cidr,
		 "prefix of pods' addresses; default: as the node agent tells it (spec.podCIDR of its Node)"},
		{"registry-config", CLI_STR, &p.f.registry_config, "directory of hosts.toml files"},
		{"root", CLI_STR, &p.f.root, "images, records; survives a reboot"},
		{"run-dir", CLI_STR, &p.f.run_dir, "bundles, namespaces, sockets"},
		{"runtime-handlers", CLI_STR, &p.f.runtime_handlers,
		 "handlers that RuntimeClasses may name, and their OCI runtimes: name=program,name=/path"},
		{"shim", CLI_STR, &p.f.shim, "the shim program"},
		{"stream-address", CLI_STR, &p.f.stream_address,
		 "where exec, attach and port-forward are served"},
		{"unpack", CLI_STR, &p.f.unpack, "the helper that unpacks layers"},
		{"user", CLI_STR, &p.f.user,
		 "who this process becomes; what needs root is left to its host process. Default: who starts "
		 "it"},
	};
	if (!cli_begin("cri", NULL, table, SP_LEN(table), argc, argv, &status)) {
		sp_arena_done(&p.base.arena);
		return status;
	}
	sp_code code = check_flags(&p.f, &err);
	if (code == SP_OK)
		code = rt_handlers_parse(p.f.runtime_handlers, &p.base.arena, &p.handlers, &p.n_handlers,
					 &err);
	if (code == SP_OK)
		code = cri_user_find(p.f.user, &p.user, &err);
	if (code == SP_OK)
		code = fork_host(&p.f, &p.user, &fd, &err);
	if (code == SP_OK)
		code = give_up_root(&p, &err);
	if (code == SP_OK)
		code = start(&p, fd, &err);
	if (code == SP_OK)
		sp_world_run(p.base.world);
	finish(&p);
	return code == SP_OK && p.failed ? 1 : cli_end("cri", code, &err);
}

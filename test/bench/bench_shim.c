/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One container, driven as containerd drives it, by our shim and by containerd-shim-runc-v2 (on PATH, or
 * PEER_CONTAINERD_SHIM): time from `start` to a started process and from there to the end of Delete, private
 * memory of the shim meanwhile. Both run the same OCI runtime, runc; ours with crun besides. Needs root and
 * busybox.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "io/rpc_status.h"
#include "io/ttrpc/client_core.h"
#include "shim/child.h"
#include "shim/files.h"
#include "shim/messages.h"
#include "shim/unix.h"

#define RUNS 40
#define OURS "build/release/containerd-shim-sampan-v1"

typedef struct figures {
	double start_ms[RUNS], end_ms[RUNS];
	double private_kib;
	size_t n;
} figures;

static char dir[64], ns[32];

static double now_ms(void)
{
	struct timespec t;
	SP_ASSERT(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static const char *format(char *room, size_t n, const char *a, const char *b)
{
	int len = snprintf(room, n, "%s/%s", a, b);
	SP_ASSERT(len > 0 && (size_t)len < n);
	return room;
}

/* ---- calls, one at a time ---- */

typedef struct client {
	int fd;
	sp_buf out;
	sp_ttrpc_client_core *core;
	bool ended, ok;
	sp_buf answer;
} client;

static void on_end(sp_ttrpc_rpc *rpc, const sp_ttrpc_status *status, sp_str payload)
{
	client *c = rpc->arg;
	c->ended = true;
	c->ok = status->code == SP_RPC_OK;
	sp_buf_clear(&c->answer);
	sp_buf_str(&c->answer, payload);
	if (!c->ok)
		(void)fprintf(stderr, "shim: " SP_FMT "\n", SP_ARG(status->message));
}

static bool call(client *c, const char *method, const sp_pb_message *m, const void *req)
{
	sp_ttrpc_rpc rpc = {.on_end = on_end, .arg = c};
	SP_AUTO_BUF payload;
	sp_buf_init(&payload, (size_t)1 << 20);
	sp_pb_encode(m, req, &payload);
	const sp_ttrpc_call_opts o = {.service = SP_STR("containerd.task.v2.Task"),
				      .method = sp_str_c(method),
				      .payload = sp_buf_view(&payload)};
	c->ended = c->ok = false;
	if (sp_ttrpc_client_core_call(c->core, &rpc, &o, 0, NULL) != SP_OK)
		return false;
	if (write(c->fd, c->out.ptr, c->out.len) != (ssize_t)c->out.len)
		return false;
	sp_buf_clear(&c->out);
	while (!c->ended) {
		char bytes[4096];
		ssize_t n = read(c->fd, bytes, sizeof bytes);
		if (n <= 0 || sp_ttrpc_client_core_feed(c->core, (sp_str){bytes, (size_t)n}, NULL) != SP_OK) {
			sp_ttrpc_client_core_end(c->core, NULL);
			return false;
		}
	}
	return c->ok;
}

static bool open_client(client *c, const char *path)
{
	*c = (client){.fd = -1};
	sp_buf_init(&c->out, (size_t)8 << 20);
	sp_buf_init(&c->answer, (size_t)8 << 20);
	return shim_unix_connect(path, &c->fd, NULL) == SP_OK && fcntl(c->fd, F_SETFL, 0) == 0 &&
	       sp_ttrpc_client_core_new(&c->out, &c->core, NULL) == SP_OK;
}

static void close_client(client *c)
{
	if (c->core != NULL)
		sp_ttrpc_client_core_end(c->core, NULL);
	sp_ttrpc_client_core_free(c->core);
	if (c->fd >= 0)
		(void)close(c->fd);
	sp_buf_done(&c->out);
	sp_buf_done(&c->answer);
}

/* ---- a shim ---- */

/* Runs a program in the working directory; what it printed. */
static bool run(const char *path, const char *const *argv, sp_buf *out)
{
	int fds[2], pid, status;
	char bytes[512];
	ssize_t n;
	if (pipe2(fds, O_CLOEXEC) != 0)
		return false;
	const int child[] = {-1, fds[1], 2};
	const shim_spawn_opts o = {.path = path, .argv = argv, .fds = child, .n_fds = 3};
	sp_code code = shim_spawn(&o, &pid, NULL);
	(void)close(fds[1]);
	while (code == SP_OK && (n = read(fds[0], bytes, sizeof bytes)) > 0)
		sp_buf_append(out, bytes, (size_t)n);
	(void)close(fds[0]);
	return code == SP_OK && waitpid(pid, &status, 0) == pid && status == 0;
}

static double private_kib(uint32_t pid)
{
	char path[64];
	SP_AUTO_BUF text;
	sp_buf_init(&text, 65536);
	(void)snprintf(path, sizeof path, "/proc/%u/smaps_rollup", pid);
	if (shim_read_file(AT_FDCWD, path, &text, NULL) != SP_OK)
		return 0;
	double sum = 0;
	sp_str rest = sp_buf_view(&text), line;
	while (sp_str_cut(&rest, '\n', &line)) {
		uint64_t kib;
		if (!sp_str_take(&line, SP_STR("Private_Clean:")) &&
		    !sp_str_take(&line, SP_STR("Private_Dirty:")))
			continue;
		line = sp_str_trim(line);
		line.len -= SP_MIN(line.len, (size_t)3); /* " kB" */
		if (sp_parse_u64(line, 0, UINT64_MAX, &kib, NULL) == SP_OK)
			sum += (double)kib;
	}
	return sum;
}

static bool one_run(const char *shim, const char *oci, const char *bundle, figures *f)
{
	SP_AUTO_BUF address, options_bytes;
	sp_buf_init(&address, 4096);
	sp_buf_init(&options_bytes, 4096);
	char peer[64];
	const char *const argv[] = {shim,
				    "-namespace",
				    ns,
				    "-id",
				    "bench",
				    "-address",
				    format(peer, sizeof peer, dir, "c.sock"),
				    "-publish-binary",
				    "/bin/true",
				    "start",
				    NULL};
	double t0 = now_ms();
	if (!run(shim, argv, &address))
		return false;
	sp_str path = sp_str_trim(sp_buf_view(&address));
	(void)sp_str_take(&path, SP_STR("unix://"));
	client c;
	const shim_options options = {.binary_name = sp_str_c(oci)};
	sp_pb_encode(&shim_options_message, &options, &options_bytes);
	shim_any any = {SP_STR("containerd.runc.v1.Options"), sp_buf_view(&options_bytes)};
	const shim_create_req create = {.id = SP_STR("bench"), .bundle = sp_str_c(bundle), .options = &any};
	const shim_id_req id = {.id = SP_STR("bench")};
	const shim_shutdown_req end = {.id = SP_STR("bench")};
	shim_connect_resp connected = {0};
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	bool ok = open_client(&c, path.ptr) && call(&c, "Create", &shim_create_req_message, &create) &&
		  call(&c, "Start", &shim_id_req_message, &id);
	double t1 = now_ms();
	ok = ok && call(&c, "Connect", &shim_id_req_message, &id) &&
	     sp_pb_decode(&shim_connect_resp_message, sp_buf_view(&c.answer), &a, &connected, NULL) == SP_OK;
	double memory = private_kib(connected.shim_pid);
	const shim_kill_req kill_it = {.id = SP_STR("bench"), .signal = SIGKILL};
	double t2 = now_ms();
	ok = ok && call(&c, "Kill", &shim_kill_req_message, &kill_it) &&
	     call(&c, "Wait", &shim_id_req_message, &id) && call(&c, "Delete", &shim_id_req_message, &id);
	double t3 = now_ms();
	if (c.core != NULL)
		(void)call(&c, "Shutdown", &shim_shutdown_req_message, &end);
	sp_arena_done(&a);
	close_client(&c);
	if (!ok)
		return false;
	f->start_ms[f->n] = t1 - t0;
	f->end_ms[f->n] = t3 - t2;
	f->n++;
	f->private_kib = SP_MAX(f->private_kib, memory);
	return true;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double part(double *values, size_t n, double p)
{
	qsort(values, n, sizeof *values, by_value);
	return n == 0 ? 0 : values[(size_t)((double)(n - 1) * p)];
}

/* ---- what they run ---- */

static const char *on_path(const char *name, char *room, size_t n)
{
	static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
					   "/usr/bin",        "/sbin",          "/bin"};
	for (size_t i = 0; i < SP_LEN(dirs); i++) {
		if (access(format(room, n, dirs[i], name), X_OK) == 0)
			return room;
	}
	return NULL;
}

static const char config[] = "{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":"
			     "[\"/bin/busybox\",\"sleep\",\"1000\"],"
			     "\"env\":[\"PATH=/bin\"],\"cwd\":\"/"
			     "\"},\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"destination\":\"/proc\","
			     "\"type\":\"proc\",\"source\":\"proc\"}],\"linux\":{\"cgroupsPath\":\"/"
			     "sampan-bench\",\"namespaces\":[{\"type\":\"pid\"},"
			     "{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}]}}";

static bool make_bundle(const char *bundle)
{
	char path[256], copy[512], busybox[256];
	if (on_path("busybox", busybox, sizeof busybox) == NULL || mkdir(bundle, 0700) != 0)
		return false;
	if (shim_write_file(AT_FDCWD, format(path, sizeof path, bundle, "config.json"), sp_str_c(config),
			    0600, NULL) != SP_OK)
		return false;
	static const char *const dirs[] = {"rootfs", "rootfs/bin", "rootfs/proc"};
	for (size_t i = 0; i < SP_LEN(dirs); i++)
		(void)mkdir(format(path, sizeof path, bundle, dirs[i]), 0755);
	(void)snprintf(copy, sizeof copy, "cp %s %s/rootfs/bin/busybox", busybox, bundle);
	/* the shim's log, read by nobody but open */
	(void)format(path, sizeof path, bundle, "log");
	return system(copy) == 0 && mkfifo(path, 0600) == 0 &&
	       open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC) >= 0 && chdir(bundle) == 0;
}

typedef struct contender {
	const char *shim, *oci; /* shim NULL: absent */
	figures f;
} contender;

/* In turns, so that what else the machine does hits all alike. Ours is the first; the others may fail. */
static bool measure(contender *all, size_t n, const char *bundle)
{
	for (unsigned i = 0; i < RUNS; i++) {
		for (size_t j = 0; j < n; j++) {
			if (all[j].shim != NULL && !one_run(all[j].shim, all[j].oci, bundle, &all[j].f))
				all[j].shim = NULL;
		}
	}
	return all[0].f.n == RUNS;
}

static void print(const char *name, double ours, double peer, const char *unit)
{
	if (peer > 0)
		(void)printf("bench %s %.2f %s peer=containerd-shim-runc-v2 %.2f ratio=%.3f\n", name, ours,
			     unit, peer, ours / peer);
	else
		(void)printf("bench %s %.2f %s peer=none\n", name, ours, unit);
}

int main(void)
{
	enum { OURS_RUNC, PEER, OURS_CRUN, N };
	static contender all[N];
	char shim[256], there[256], crun[256], bundle[96], clean[192], runc[256], socket[96], here[128];
	int events;
	if (geteuid() != 0 || on_path("runc", runc, sizeof runc) == NULL ||
	    getcwd(here, sizeof here) == NULL) {
		(void)fprintf(stderr, "needs root and runc\n");
		return 0;
	}
	(void)snprintf(dir, sizeof dir, "/tmp/bench-shim.%d", (int)getpid());
	(void)snprintf(ns, sizeof ns, "bench-shim-%d", (int)getpid());
	(void)format(shim, sizeof shim, here, OURS);
	const char *theirs = getenv("PEER_CONTAINERD_SHIM");
	if (theirs == NULL)
		theirs = on_path("containerd-shim-runc-v2", there, sizeof there);
	all[OURS_RUNC] = (contender){.shim = shim, .oci = "runc"};
	all[PEER] = (contender){.shim = theirs, .oci = "runc"};
	all[OURS_CRUN] =
		(contender){.shim = on_path("crun", crun, sizeof crun) == NULL ? NULL : shim, .oci = "crun"};
	/* somebody to tell events: nobody reads them */
	bool ok =
		mkdir(dir, 0700) == 0 &&
		shim_unix_listen(format(socket, sizeof socket, dir, "ttrpc"), 0600, &events, NULL) == SP_OK &&
		setenv("TTRPC_ADDRESS", socket, 1) == 0 &&
		make_bundle(format(bundle, sizeof bundle, dir, "b")) && measure(all, N, bundle);
	if (ok) {
		figures *ours = &all[OURS_RUNC].f, *peer = &all[PEER].f, *light = &all[OURS_CRUN].f;
		print("shim_private", ours->private_kib, peer->private_kib, "KiB");
		print("shim_start_p50", part(ours->start_ms, RUNS, 0.5), part(peer->start_ms, peer->n, 0.5),
		      "ms");
		print("shim_start_p99", part(ours->start_ms, RUNS, 0.99), part(peer->start_ms, peer->n, 0.99),
		      "ms");
		print("shim_end_p50", part(ours->end_ms, RUNS, 0.5), part(peer->end_ms, peer->n, 0.5), "ms");
		if (light->n == RUNS)
			print("shim_start_crun_p50", part(light->start_ms, RUNS, 0.5),
			      part(peer->start_ms, peer->n, 0.5), "ms");
	}
	(void)snprintf(clean, sizeof clean, "rm -rf %s; rmdir /run/containerd/runc/%s", dir, ns);
	return chdir("/") == 0 && system(clean) == 0 && ok ? 0 : 1;
}

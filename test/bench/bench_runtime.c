/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods and containers by CRI, `sampan cri` beside containerd (on PATH, or PEER_CONTAINERD; ctr stands beside
 * it) with its shim, in turns in one run; both with runc, ours with crun besides. Pods have a network of
 * their own: the built-in bridge here, the CNI plugins bridge and host-local there (/usr/lib/cni or
 * PEER_CNI_BIN).
 *
 *   runtime_pod_*        RunPodSandbox
 *   runtime_pod_host_*   the same with the namespaces of the host: what it costs without anything to make, so
 * the difference is what a pool of sandboxes could save at most runtime_first_*      CreateContainer and
 * StartContainer of the first container of a pod (ours starts its shim then) runtime_pod_start_*  both of
 * them: from nothing to a running container runtime_container_* CreateContainer and StartContainer of one
 * more container runtime_end_*        StopPodSandbox and RemovePodSandbox with two running containers
 * runtime_oci_*        what of a container's start the OCI runtime takes itself (create and start), measured
 * around it in runs of their own: this program stands in for it then runtime_pod_private  private memory of
 * all that a pod with one container keeps running beside that container
 *
 * Needs root, busybox-static and python3.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "node/cri_client.h"

#define RUNS 60u
#define OCI_RUNS 15u
#define CALL_NS UINT64_C(60000000000)
#define TEXT_BYTES 512u

typedef enum what { POD, FIRST, POD_START, CONTAINER, END, POD_HOST, OCI, OCI_SHARE, WHATS_ } what;

typedef struct contender {
	const char *name; /* directory below dir */
	const char *oci;  /* name of the OCI runtime; NULL: not there */
	bool ours;        /* not containerd */
	sp_cri *cri;
	double ms[WHATS_][RUNS];
	unsigned n[WHATS_];
	double private_kib;
} contender;

enum { OURS, CRUN, PEER, CONTENDERS_ };

static contender all[CONTENDERS_] = {
	[OURS] = {.name = "ours", .oci = "runc", .ours = true},
	[CRUN] = {.name = "crun", .oci = "crun", .ours = true},
	[PEER] = {.name = "peer", .oci = "runc"},
};

static char dir[64], here[256];
static int own_pid;
static sp_world *world;

static double now_ms(void)
{
	struct timespec t;
	SP_ASSERT(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static SP_PRINTF(1, 2) bool run(const char *fmt, ...)
{
	char command[4096];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(command, sizeof command, fmt, args);
	va_end(args);
	SP_ASSERT(n > 0 && (size_t)n < sizeof command);
	return system(command) == 0;
}

/* ---- in place of the OCI runtime ---- */

/* DIR/NAME is a link to this program then: runs DIR/NAME.real and notes how long that took in DIR/oci.ms. */
static int stand_in(char **argv)
{
	extern char **environ;
	char path[TEXT_BYTES], line[64];
	int status = 0;
	pid_t pid;
	double t0 = now_ms();
	(void)snprintf(path, sizeof path, "%s.real", argv[0]);
	if (posix_spawn(&pid, path, NULL, NULL, argv, environ) != 0)
		return 127;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	int n = snprintf(line, sizeof line, "%.3f\n", now_ms() - t0);
	(void)snprintf(path, sizeof path, "%.*s/oci.ms", (int)(strrchr(argv[0], '/') - argv[0]), argv[0]);
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, line, (size_t)n) == n;
	if (fd >= 0)
		(void)close(fd);
	return ok && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static bool stand_in_for(const contender *c)
{
	return run("cd %s/%s && ln -s $(readlink %s) %s.real && ln -sf /proc/%d/exe %s", dir, c->name, c->oci,
		   c->oci, own_pid, c->oci);
}

/* The sum of what was noted since the last call. */
static double noted_ms(const contender *c)
{
	char path[TEXT_BYTES], line[64];
	double sum = 0;
	(void)snprintf(path, sizeof path, "%s/%s/oci.ms", dir, c->name);
	FILE *f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		sum += strtod(line, NULL);
	if (f != NULL)
		(void)fclose(f);
	(void)unlink(path);
	return sum;
}

/* ---- calls, one at a time ---- */

static char id[128]; /* what the last call answered with */
static bool ok;

static void on_done(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	const sp_cri_method *m = c->arg;
	ok = status == SP_RPC_OK;
	if (!ok)
		(void)fprintf(stderr, SP_FMT ": " SP_FMT "\n", SP_ARG(sp_cri_methods[*m].name),
			      SP_ARG(message));
	sp_str got = SP_STR("");
	if (ok && *m == SP_CRI_RUN_POD_SANDBOX)
		got = ((const sp_cri_run_pod_sandbox_response *)response)->pod_sandbox_id;
	if (ok && *m == SP_CRI_CREATE_CONTAINER)
		got = ((const sp_cri_create_container_response *)response)->container_id;
	(void)snprintf(id, sizeof id, SP_FMT, SP_ARG(got));
	sp_world_stop(world);
}

static bool call(const contender *c, sp_cri_method m, const void *request)
{
	sp_cri_call k = {.done = on_done, .arg = &m, .timeout_ns = CALL_NS};
	c->cri->call(c->cri, m, request, &k);
	sp_world_run(world);
	return ok;
}

static bool start_container(const contender *c, sp_str pod, sp_cri_pod_sandbox_config *pod_config,
			    const char *name)
{
	char container[sizeof id];
	sp_str command[] = {SP_STR("/bin/busybox"), SP_STR("sleep"), SP_STR("1000")};
	sp_cri_container_metadata metadata = {.name = sp_str_c(name)};
	sp_cri_image_spec image = {.image = SP_STR("example.com/bench:1")};
	sp_cri_linux_container_config linux_ = {0};
	sp_cri_container_config config = {
		.metadata = &metadata, .image = &image, .linux_ = &linux_, .log_path = sp_str_c(name)};
	config.command.at = command;
	config.command.n = SP_LEN(command);
	const sp_cri_create_container_request create = {
		.pod_sandbox_id = pod, .config = &config, .sandbox_config = pod_config};
	if (!call(c, SP_CRI_CREATE_CONTAINER, &create))
		return false;
	memcpy(container, id, sizeof container);
	const sp_cri_start_container_request start = {.container_id = sp_str_c(container)};
	return call(c, SP_CRI_START_CONTAINER, &start);
}

/* ---- memory ---- */

/* Shims of the contender and what else is their child, without the container. */
static double pods_private_kib(const contender *c)
{
	static const char script[] =
		"for p in $(pgrep -f -- \"-address $0/\"); do\n"
		"    for q in $p $(cat /proc/$p/task/*/children); do\n"
		"        tr '\\0' ' ' </proc/$q/cmdline | grep -q 'sleep 1000' || cat /proc/$q/smaps_rollup\n"
		"    done\n"
		"done 2>/dev/null | awk '/^Private_(Clean|Dirty)/ { n += $2 } END { print n }'";
	char command[TEXT_BYTES * 2], line[64];
	(void)snprintf(command, sizeof command, "sh -c '%s' %s/%s", "eval \"$SCRIPT\"", dir, c->name);
	SP_ASSERT(setenv("SCRIPT", script, 1) == 0);
	FILE *f = popen(command, "re");
	bool got = f != NULL && fgets(line, sizeof line, f) != NULL;
	if (f != NULL)
		(void)pclose(f);
	return got ? strtod(line, NULL) : 0;
}

/* ---- one run ---- */

static void note(contender *c, what w, double ms)
{
	c->ms[w][c->n[w]++] = ms;
}

static bool one_run(contender *c, unsigned i, bool with_oci)
{
	char name[64], pod[sizeof id];
	(void)snprintf(name, sizeof name, "p%u", i);
	sp_cri_pod_sandbox_metadata metadata = {
		.name = sp_str_c(name), .uid = sp_str_c(name), .namespace = SP_STR("bench")};
	sp_cri_linux_pod_sandbox_config linux_ = {0};
	sp_cri_pod_sandbox_config config = {.metadata = &metadata,
					    .hostname = sp_str_c(name),
					    .log_directory = sp_str_c(dir),
					    .linux_ = &linux_};
	const sp_cri_run_pod_sandbox_request make = {.config = &config};
	double t0 = now_ms();
	if (!call(c, SP_CRI_RUN_POD_SANDBOX, &make))
		return false;
	memcpy(pod, id, sizeof pod);
	(void)noted_ms(c);
	double t1 = now_ms();
	if (!start_container(c, sp_str_c(pod), &config, "a"))
		return false;
	double t2 = now_ms(), oci = noted_ms(c), memory = pods_private_kib(c), t3 = now_ms();
	if (!start_container(c, sp_str_c(pod), &config, "b"))
		return false;
	double t4 = now_ms();
	const sp_cri_stop_pod_sandbox_request stop = {.pod_sandbox_id = sp_str_c(pod)};
	const sp_cri_remove_pod_sandbox_request remove = {.pod_sandbox_id = sp_str_c(pod)};
	if (!call(c, SP_CRI_STOP_POD_SANDBOX, &stop) || !call(c, SP_CRI_REMOVE_POD_SANDBOX, &remove))
		return false;
	double t5 = now_ms();
	sp_cri_namespace_option node = {.network = SP_CRI_NAMESPACE_NODE, .ipc = SP_CRI_NAMESPACE_NODE};
	sp_cri_linux_sandbox_security_context security = {.namespace_options = &node};
	linux_.security_context = &security;
	config.hostname = SP_STR("");
	double t6 = now_ms();
	if (!call(c, SP_CRI_RUN_POD_SANDBOX, &make))
		return false;
	double t7 = now_ms();
	memcpy(pod, id, sizeof pod);
	if (!call(c, SP_CRI_STOP_POD_SANDBOX, &stop) || !call(c, SP_CRI_REMOVE_POD_SANDBOX, &remove))
		return false;
	if (with_oci) {
		note(c, OCI, oci);
		note(c, OCI_SHARE, oci / (t2 - t1) * 100);
		return true;
	}
	note(c, POD, t1 - t0);
	note(c, FIRST, t2 - t1);
	note(c, POD_START, t2 - t0);
	note(c, CONTAINER, t4 - t3);
	note(c, END, t5 - t4);
	note(c, POD_HOST, t7 - t6);
	c->private_kib = SP_MAX(c->private_kib, memory);
	return true;
}

/* In turns, so that what else the machine does hits all alike. The first must not fail. */
static bool measure(unsigned n, bool with_oci)
{
	for (unsigned i = 0; i < n; i++) {
		for (size_t k = 0; k < CONTENDERS_; k++) {
			if (all[k].oci != NULL && !one_run(&all[k], i + (with_oci ? RUNS : 0), with_oci)) {
				(void)fprintf(stderr, "bench runtime: %s drops out\n", all[k].name);
				all[k].oci = NULL;
			}
		}
	}
	return all[OURS].oci != NULL;
}

/* ---- who is measured ---- */

static const char images[] =
	"import sys; sys.path.insert(0, sys.argv[1] + '/test/e2e'); import image_make as m\n"
	"def program(path, name):\n"
	"    return m.Layer().dir('./').dir('bin').dir('proc').dir('dev').dir('sys').dir('etc').add(\n"
	"        name, open(path, 'rb').read(), mode=0o755).bytes()\n"
	"def image(file, tag, layer, args):\n"
	"    l = m.Layout(sys.argv[2] + '/' + file); l.name(l.image([(layer, '')], {'Entrypoint': args}), "
	"tag)\n"
	"    l.manifests[0]['annotations']['io.containerd.image.name'] = 'example.com/' + file + ':1'; "
	"l.close()\n"
	"image('bench', '1', program(sys.argv[3], 'bin/busybox'), ['/bin/busybox', 'sh'])\n"
	"image('pause', '1', program(sys.argv[1] + '/build/release/sampan-sample', 'bin/pause'), "
	"['/bin/pause'])\n";

static bool make_images(void)
{
	char path[TEXT_BYTES];
	(void)snprintf(path, sizeof path, "%s/images.py", dir);
	FILE *f = fopen(path, "we");
	if (f == NULL)
		return false;
	bool written = fputs(images, f) >= 0;
	return fclose(f) == 0 && written &&
	       run("python3 %s %s %s $(command -v busybox) >/dev/null", path, here, dir);
}

static bool wait_for_socket(const contender *c)
{
	return run("timeout 30 sh -c 'until [ -S %s/%s/cri.sock ]; do sleep 0.02; done'", dir, c->name);
}

/* $OURS: what every contender of ours is started with; the k-th has names of interfaces of its own. */
static bool start_ours(contender *c, size_t k)
{
	const char *b = here;
	char args[2048];
	(void)snprintf(
		args, sizeof args,
		"--listen unix://%s/%s/cri.sock --root %s/%s/root --run-dir %s/%s/run --bridge bn%zu-%d "
		"--interface-prefix b%zu --pod-cidr 10.%zu.0.0/24 --cgroup-root /bench-%d --oci-runtime "
		"%s/%s/%s --cni-conf-dir %s/none --shim %s/build/release/containerd-shim-sampan-v1 --unpack "
		"%s/build/release/sampan-unpack",
		dir, c->name, dir, c->name, dir, c->name, k, own_pid % 100000, k, 210 + k, own_pid, dir,
		c->name, c->oci, dir, b, b);
	return run("echo '%s' >%s/%s/args", args, dir, c->name) &&
	       run("%s/build/release/sampan image import %s/bench.tar --base-name example.com/bench "
		   "--data-dir "
		   "%s/%s/root >/dev/null 2>&1",
		   b, dir, dir, c->name) &&
	       run("%s/build/release/sampan cri $(cat %s/%s/args) >%s/%s/log 2>&1 & echo $! >%s/%s/pid", b,
		   dir, c->name, dir, c->name, dir, c->name) &&
	       wait_for_socket(c);
}

static bool start_peer(contender *c)
{
	const char *containerd = getenv("PEER_CONTAINERD"), *cni = getenv("PEER_CNI_BIN");
	char bin[TEXT_BYTES];
	cni = cni == NULL ? "/usr/lib/cni" : cni;
	(void)snprintf(bin, sizeof bin, "%s", containerd == NULL ? "/usr/bin/containerd" : containerd);
	if (strchr(bin, '/') == NULL || access(bin, X_OK) != 0 ||
	    !run("[ -x %s/bridge ] && [ -x %s/host-local ]", cni, cni))
		return false;
	*strrchr(bin, '/') = '\0';
	(void)snprintf(bin + strlen(bin), sizeof bin - strlen(bin), "/");
	return run("cd %s/peer && mkdir cni && cat >cni/1.conflist <<'END'\n"
		   "{\"cniVersion\":\"0.4.0\",\"name\":\"bench\",\"plugins\":[{\"type\":\"bridge\","
		   "\"bridge\":"
		   "\"bnp-%d\",\"isGateway\":true,\"ipam\":{\"type\":\"host-local\",\"dataDir\":\"%s/peer/"
		   "ipam\","
		   "\"ranges\":[[{\"subnet\":\"10.209.0.0/24\"}]],\"routes\":[{\"dst\":\"0.0.0.0/"
		   "0\"}]}}]}\nEND\n",
		   dir, own_pid % 100000, dir) &&
	       run("cd %s/peer && cat >c.toml <<'END'\nversion = 2\nroot = \"%s/peer/root\"\nstate = "
		   "\"%s/peer/state\"\n[grpc]\naddress = \"%s/peer/cri.sock\"\n"
		   "[plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"example.com/pause:1\"\n"
		   "stream_server_port = \"0\"\nrestrict_oom_score_adj = "
		   "true\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = "
		   "\"%s\"\n"
		   "conf_dir = "
		   "\"%s/peer/cni\"\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
		   "runtime_type = \"io.containerd.runc.v2\"\n"
		   "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\nBinaryName = "
		   "\"%s/peer/runc\"\nEND\n",
		   dir, dir, dir, dir, cni, dir, dir) &&
	       run("PATH=%s:$PATH %scontainerd -c %s/peer/c.toml >%s/peer/log 2>&1 & echo $! >%s/peer/pid",
		   bin, bin, dir, dir, dir) &&
	       wait_for_socket(c) &&
	       run("for i in bench pause; do timeout 60 %sctr -a %s/peer/cri.sock -n k8s.io images import "
		   "%s/$i.tar "
		   ">>%s/peer/log 2>&1 || exit 1; done",
		   bin, dir, dir, dir);
}

static bool start(contender *c, size_t k)
{
	char endpoint[TEXT_BYTES];
	(void)snprintf(endpoint, sizeof endpoint, "unix://%s/%s/cri.sock", dir, c->name);
	return run("mkdir %s/%s && ln -s $(command -v %s) %s/%s/%s", dir, c->name, c->oci, dir, c->name,
		   c->oci) &&
	       (c->ours ? start_ours(c, k) : start_peer(c)) &&
	       node_cri_client_new(world, sp_str_c(endpoint), &c->cri, NULL) == SP_OK;
}

/* ---- the end ---- */

static void stop(contender *c)
{
	if (c->cri != NULL)
		c->cri->free(c->cri);
	if (c->ours) {
		(void)run("cd %s/%s 2>/dev/null && [ -f args ] || exit 0; [ -f pid ] && kill $(cat pid) && "
			  "while kill -0 $(cat pid) 2>/dev/null; do sleep 0.02; done; "
			  "%s/build/release/sampan cri --cleanup $(cat args) "
			  ">>log 2>&1",
			  dir, c->name, here);
		return;
	}
	(void)run("cd %s/%s 2>/dev/null || exit 0; [ -f pid ] && kill $(cat pid) && while kill -0 $(cat pid) "
		  "2>/dev/null; do sleep 0.02; done; ip link del bnp-%d 2>/dev/null",
		  dir, c->name, own_pid % 100000);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double part(contender *c, what w, double p)
{
	qsort(c->ms[w], c->n[w], sizeof(double), by_value);
	return c->n[w] == 0 ? 0 : c->ms[w][(size_t)((double)(c->n[w] - 1) * p)];
}

static void print(const char *name, double ours, double peer, const char *unit)
{
	if (ours > 0 && peer > 0)
		(void)printf("bench %s %.2f %s peer=containerd %.2f ratio=%.3f\n", name, ours, unit, peer,
			     ours / peer);
	else if (ours > 0)
		(void)printf("bench %s %.2f %s peer=none\n", name, ours, unit);
}

static void print_all(void)
{
	static const struct {
		const char *text, *unit;
	} names[WHATS_] = {
		[POD] = {"pod", "ms"},
		[FIRST] = {"first", "ms"},
		[POD_START] = {"pod_start", "ms"},
		[CONTAINER] = {"container", "ms"},
		[END] = {"end", "ms"},
		[POD_HOST] = {"pod_host", "ms"},
		[OCI] = {"oci", "ms"},
		[OCI_SHARE] = {"oci_share", "%"},
	};
	static const struct {
		const char *text;
		double p;
	} parts[] = {{"p50", 0.5}, {"p99", 0.99}};
	static const char *const suffixes[] = {[OURS] = "", [CRUN] = "_crun"};
	char name[128];
	for (size_t k = 0; k < SP_LEN(suffixes); k++) {
		for (what w = POD; w < WHATS_; w++) {
			for (size_t i = 0; i < SP_LEN(parts); i++) {
				(void)snprintf(name, sizeof name, "runtime_%s%s_%s", names[w].text,
					       suffixes[k], parts[i].text);
				print(name, part(&all[k], w, parts[i].p), part(&all[PEER], w, parts[i].p),
				      names[w].unit);
			}
		}
	}
	print("runtime_pod_private", all[OURS].private_kib, all[PEER].private_kib, "KiB");
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');
	(void)argc;
	if (base != NULL && (strcmp(base, "/runc") == 0 || strcmp(base, "/crun") == 0))
		return stand_in(argv);
	own_pid = (int)getpid();
	if (geteuid() != 0 || getcwd(here, sizeof here) == NULL ||
	    !run("command -v runc busybox >/dev/null")) {
		(void)fprintf(stderr, "needs root, runc and busybox\n");
		return 0;
	}
	if (!run("command -v crun >/dev/null"))
		all[CRUN].oci = NULL;
	(void)snprintf(dir, sizeof dir, "/var/tmp/bench-rt-%d", own_pid);
	bool good = mkdir(dir, 0711) == 0 && make_images() && sp_world_uv_new(&world, NULL) == SP_OK;
	for (size_t k = 0; good && k < CONTENDERS_; k++) {
		if (all[k].oci != NULL && !start(&all[k], k)) {
			(void)fprintf(stderr, "bench runtime: %s does not start\n", all[k].name);
			all[k].oci = NULL;
		}
	}
	good = good && measure(RUNS, false);
	for (size_t k = 0; good && k < CONTENDERS_; k++) {
		if (all[k].oci != NULL)
			good = stand_in_for(&all[k]);
	}
	good = good && measure(OCI_RUNS, true);
	print_all();
	for (size_t k = 0; k < CONTENDERS_; k++)
		stop(&all[k]);
	(void)run("find /sys/fs/cgroup -depth -type d -path '*/bench-%d*' -exec rmdir {} + 2>/dev/null; %s "
		  "rm -rf %s",
		  own_pid, getenv("KEEP") == NULL ? "" : "echo", dir);
	return good ? 0 : 1;
}

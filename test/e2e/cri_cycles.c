/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For test/e2e/leaks.sh: starts `sampan cri`, runs pods through whole lives, kills its processes at any
 * instant, and has what is left counted in between.
 *
 *   cri_cycles SOCKET RUN-DIR IMAGE LOG-DIR CYCLES KILLS SEED COUNT-COMMAND SERVER…
 *
 * COUNT-COMMAND is run with the pid of the server; its output has to be the same before and after. Prints
 * what failed, then the sum.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/stream.h"
#include "io/uv/uv.h"
#include "node/cri_client.h"

#define LIVES 3
#define SHIMS_MAX 64
#define CALL_NS UINT64_C(30000000000)
#define KILL_NS_MAX UINT64_C(60000000)

enum step { RUN, CREATE, START, STOP, REMOVE, STOP_POD, REMOVE_POD, STEPS_ };

static const sp_cri_method methods[STEPS_] = {
	[RUN] = SP_CRI_RUN_POD_SANDBOX,           [CREATE] = SP_CRI_CREATE_CONTAINER,
	[START] = SP_CRI_START_CONTAINER,         [STOP] = SP_CRI_STOP_CONTAINER,
	[REMOVE] = SP_CRI_REMOVE_CONTAINER,       [STOP_POD] = SP_CRI_STOP_POD_SANDBOX,
	[REMOVE_POD] = SP_CRI_REMOVE_POD_SANDBOX,
};

/* One pod after the other, each from RunPodSandbox to RemovePodSandbox. */
typedef struct life {
	sp_cri_call call;
	enum step step;
	bool busy;
	int32_t port;
	char name[32], sandbox[80], container[80];
} life;

static struct {
	const char *socket, *run_dir, *image, *log_dir, *count;
	char **server;
	sp_world *world;
	sp_cri *cri;
	life lives[LIVES];
	sp_timer timer;
	sp_cri_call list;
	pid_t pid;
	int log_fd;
	sp_stream *output;
	uint64_t random;
	unsigned names, wanted; /* wanted: lives still to begin */
	unsigned lived;
	bool tolerant; /* a process was killed: calls of making may fail, those of removing may not */
	bool killed;
	unsigned failed, passed;
} g;

static uint64_t next_random(void)
{
	g.random ^= g.random << 13;
	g.random ^= g.random >> 7;
	g.random ^= g.random << 17;
	return g.random;
}

static void fail(const char *what, sp_str why)
{
	g.failed++;
	(void)printf("FAIL %s: " SP_FMT "\n", what, SP_ARG(why));
}

/* ---- lives ---- */

static void go(life *l);

static void keep_id(char room[80], sp_str id)
{
	(void)snprintf(room, 80, SP_FMT, SP_ARG(id));
}

static bool any_busy(void)
{
	for (size_t i = 0; i < LIVES; i++) {
		if (g.lives[i].busy)
			return true;
	}
	return false;
}

static void begin(life *l)
{
	if (g.wanted == 0) {
		if (!any_busy())
			sp_world_stop(g.world);
		return;
	}
	g.wanted--;
	(void)snprintf(l->name, sizeof l->name, "p%u", g.names++);
	l->sandbox[0] = l->container[0] = '\0';
	l->step = RUN;
	l->busy = true;
	go(l);
}

static void on_step(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	life *l = c->arg;
	l->busy = false;
	if (status != SP_RPC_OK) {
		if (!g.tolerant || l->step >= STOP_POD)
			fail(sp_cri_methods[methods[l->step]].name.ptr, message);
		if (l->step >= STOP_POD || l->sandbox[0] == '\0') {
			begin(l);
			return;
		}
		l->step = STOP_POD;
	} else {
		if (l->step == RUN)
			keep_id(l->sandbox,
				((const sp_cri_run_pod_sandbox_response *)response)->pod_sandbox_id);
		if (l->step == CREATE)
			keep_id(l->container,
				((const sp_cri_create_container_response *)response)->container_id);
		if (l->step == REMOVE_POD) {
			g.lived++;
			begin(l);
			return;
		}
		l->step++;
	}
	l->busy = true;
	go(l);
}

static void go(life *l)
{
	sp_str sandbox = sp_str_c(l->sandbox), container = sp_str_c(l->container);
	sp_str command[] = {SP_STR("busybox"), SP_STR("sleep"), SP_STR("1000")};
	sp_cri_port_mapping port = {.container_port = 80, .host_port = l->port};
	sp_cri_pod_sandbox_metadata pod_name = {
		.name = sp_str_c(l->name), .uid = sp_str_c(l->name), .namespace = SP_STR("leaks")};
	sp_cri_linux_pod_sandbox_config linux_pod = {0};
	/* Every other pod has users of its own, where that is possible. */
	sp_cri_id_mapping ids = {.host_id = 100000, .length = 65536};
	sp_cri_user_namespace users = {.uids = {.at = &ids, .n = 1}, .gids = {.at = &ids, .n = 1}};
	sp_cri_namespace_option namespaces = {.userns_options = &users};
	sp_cri_linux_sandbox_security_context pod_security = {.namespace_options = &namespaces};
	if (getenv("LEAK_USERS") != NULL && l->name[strlen(l->name) - 1] % 2 == 0)
		linux_pod.security_context = &pod_security;
	sp_cri_pod_sandbox_config pod = {.metadata = &pod_name,
					 .hostname = sp_str_c(l->name),
					 .log_directory = sp_str_c(g.log_dir),
					 .linux_ = &linux_pod};
	pod.port_mappings.at = &port;
	pod.port_mappings.n = 1;
	sp_cri_container_metadata name = {.name = SP_STR("main")};
	sp_cri_image_spec image = {.image = sp_str_c(g.image)};
	sp_cri_linux_container_config linux_container = {0};
	sp_cri_container_config config = {.metadata = &name,
					  .image = &image,
					  .log_path = SP_STR("main.log"),
					  .linux_ = &linux_container};
	sp_cri_mount volume = {.container_path = SP_STR("/v"), .readonly = true, .image = &image};
	config.mounts.at = &volume;
	config.mounts.n = 1;
	config.command.at = command;
	config.command.n = SP_LEN(command);
	const sp_cri_run_pod_sandbox_request run = {.config = &pod};
	const sp_cri_create_container_request create = {
		.pod_sandbox_id = sandbox, .config = &config, .sandbox_config = &pod};
	const sp_cri_start_container_request start = {.container_id = container};
	const sp_cri_stop_container_request stop = {.container_id = container};
	const sp_cri_remove_container_request remove = {.container_id = container};
	const sp_cri_stop_pod_sandbox_request stop_pod = {.pod_sandbox_id = sandbox};
	const sp_cri_remove_pod_sandbox_request remove_pod = {.pod_sandbox_id = sandbox};
	const void *const requests[STEPS_] = {
		[RUN] = &run,       [CREATE] = &create,     [START] = &start,          [STOP] = &stop,
		[REMOVE] = &remove, [STOP_POD] = &stop_pod, [REMOVE_POD] = &remove_pod};
	l->call = (sp_cri_call){.done = on_step, .arg = l, .timeout_ns = CALL_NS};
	g.cri->call(g.cri, methods[l->step], requests[l->step], &l->call);
}

/* `n` lives, or those that begin until the timer's function stops it. */
static void live(unsigned n)
{
	g.wanted = n;
	for (size_t i = 0; i < LIVES && g.wanted > 0; i++)
		begin(&g.lives[i]);
	if (any_busy())
		sp_world_run(g.world);
}

/* ---- the server ---- */

static void on_output(void *arg, const uint8_t *bytes, size_t n)
{
	(void)arg;
	if (write(g.log_fd, bytes, n) != (ssize_t)n)
		fail("log", SP_STR("write"));
}
static void on_output_end(void *arg)
{
	(void)arg;
}
static void on_output_error(void *arg, const sp_err *err)
{
	(void)arg;
	(void)err;
}
static const sp_stream_handler output_handler = {on_output, on_output_end, on_output_error, on_output_end};

/* Returns when it serves: it says so. */
static void start(void)
{
	int fds[2];
	char text[4096];
	size_t n = 0;
	sp_err err = {0};
	SP_ASSERT(pipe2(fds, O_CLOEXEC) == 0);
	g.pid = fork();
	if (g.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)dup2(fds[1], STDERR_FILENO);
		(void)execv(g.server[0], g.server);
		_exit(127);
	}
	(void)close(fds[1]);
	for (bool serves = false; !serves;) {
		ssize_t got = read(fds[0], text + n, sizeof text - 1 - n);
		if (got <= 0) {
			(void)printf("FAIL the server does not serve\n");
			exit(1);
		}
		on_output(NULL, (const uint8_t *)text + n, (size_t)got);
		n += (size_t)got;
		text[n] = '\0';
		serves = strstr(text, "serving") != NULL;
		/* A word may stand across two reads. */
		if (n > sizeof text / 2) {
			memmove(text, text + n - 16, 16);
			n = 16;
		}
	}
	SP_ASSERT(sp_stream_from_fd(g.world, fds[0], &g.output, &err) == SP_OK);
	sp_stream_handle(g.output, &output_handler, NULL);
	sp_stream_read(g.output, true);
	char endpoint[256];
	(void)snprintf(endpoint, sizeof endpoint, "unix://%s", g.socket);
	SP_ASSERT(node_cri_client_new(g.world, sp_str_c(endpoint), &g.cri, &err) == SP_OK);
}

/* It is ending or killed. Whatever was asked of it has no answer. */
static void ended(void)
{
	for (size_t i = 0; i < LIVES; i++) {
		if (g.lives[i].busy)
			g.cri->cancel(g.cri, &g.lives[i].call);
		g.lives[i].busy = false;
	}
	g.cri->free(g.cri);
	sp_stream_close(g.output);
	(void)waitpid(g.pid, NULL, 0);
}

/* ---- what is left ---- */

static void count(char room[512])
{
	char command[512];
	(void)snprintf(command, sizeof command, "%s %d", g.count, (int)g.pid);
	FILE *f = popen(command, "r");
	if (f == NULL || fgets(room, 512, f) == NULL)
		room[0] = '\0';
	if (f != NULL)
		(void)pclose(f);
	room[strcspn(room, "\n")] = '\0';
}

static void compare(const char *what, const char *before)
{
	char after[512];
	count(after);
	if (before[0] != '\0' && strcmp(before, after) == 0) {
		g.passed++;
		return;
	}
	g.failed++;
	(void)printf("FAIL %s: '%s' instead of '%s'\n", what, after, before);
}

/* ---- kills ---- */

static bool read_file(const char *path, char *room, size_t n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, room, n - 1);
	if (fd >= 0)
		(void)close(fd);
	if (got < 0)
		return false;
	for (ssize_t i = 0; i < got; i++)
		room[i] = room[i] == '\0' ? '\n' : room[i];
	room[got] = '\0';
	return true;
}

static pid_t host_pid(void)
{
	char path[64], text[512];
	(void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)g.pid, (int)g.pid);
	if (!read_file(path, text, sizeof text))
		return g.pid;
	for (char *at = text, *end; *at != '\0'; at = end) {
		char name[32];
		long pid = strtol(at, &end, 10);
		if (end == at)
			break;
		(void)snprintf(path, sizeof path, "/proc/%ld/comm", pid);
		if (read_file(path, name, sizeof name) && strcmp(name, "sampan-host\n") == 0)
			return (pid_t)pid;
	}
	return g.pid;
}

/* A shim of ours, or the server when there is none. */
static pid_t shim_pid(void)
{
	pid_t found[SHIMS_MAX];
	size_t n = 0;
	char path[300], text[4096], wanted[256];
	struct dirent *e;
	DIR *d = opendir("/proc");
	(void)snprintf(wanted, sizeof wanted, "\n-address\n%s\n", g.run_dir);
	while (d != NULL && (e = readdir(d)) != NULL && n < SHIMS_MAX) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		(void)snprintf(path, sizeof path, "/proc/%s/cmdline", e->d_name);
		if (read_file(path, text, sizeof text) && strstr(text, wanted) != NULL)
			found[n++] = (pid_t)strtol(e->d_name, NULL, 10);
	}
	if (d != NULL)
		(void)closedir(d);
	return n == 0 ? g.pid : found[next_random() % n];
}

static void on_time(sp_timer *t)
{
	static pid_t (*const who[])(void) = {host_pid, shim_pid};
	(void)t;
	unsigned kind = (unsigned)(next_random() % 3);
	pid_t pid = kind < SP_LEN(who) ? who[kind]() : g.pid;
	g.tolerant = true;
	/* one that ended since it was looked for is no kill; the server does not end by itself */
	if (kill(pid, SIGKILL) != 0) {
		pid = g.pid;
		(void)kill(pid, SIGKILL);
	}
	bool shim = kind == 1 && pid != g.pid;
	g.wanted = 0;
	g.killed = !shim;
	if (g.killed || !any_busy())
		sp_world_stop(g.world);
}

static void on_list(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	const sp_cri_list_pod_sandbox_response *r = response;
	(void)c;
	if (status != SP_RPC_OK)
		fail("ListPodSandbox", message);
	size_t n = status == SP_RPC_OK ? r->items.n : 0;
	if (n > LIVES)
		fail("ListPodSandbox", SP_STR("more pods than were made"));
	for (size_t i = 0; i < n && i < LIVES; i++) {
		keep_id(g.lives[i].sandbox, r->items.at[i].id);
		g.lives[i].step = STOP_POD;
		g.lives[i].busy = true;
		go(&g.lives[i]);
	}
	if (!any_busy())
		sp_world_stop(g.world);
}

/* The next start has all that was there; all of it can be removed. */
static void start_again(void)
{
	static const sp_cri_list_pod_sandbox_request all;
	ended();
	start();
	g.list = (sp_cri_call){.done = on_list, .timeout_ns = CALL_NS};
	g.cri->call(g.cri, SP_CRI_LIST_POD_SANDBOX, &all, &g.list);
	sp_world_run(g.world);
}

static void kill_some(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		g.killed = false;
		g.tolerant = false;
		sp_timer_start(g.world, &g.timer, next_random() % KILL_NS_MAX, on_time);
		live(UINT32_MAX);
		if (g.killed)
			start_again();
	}
	g.tolerant = false;
}

int main(int argc, char **argv)
{
	sp_err err = {0};
	char before[512];
	if (argc < 10)
		return 2;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	g.socket = argv[1];
	g.run_dir = argv[2];
	g.image = argv[3];
	g.log_dir = argv[4];
	unsigned cycles = (unsigned)strtoul(argv[5], NULL, 10), kills = (unsigned)strtoul(argv[6], NULL, 10);
	g.random = strtoull(argv[7], NULL, 10) * 2 + 1;
	g.count = argv[8];
	g.server = argv + 9;
	g.log_fd = STDERR_FILENO;
	for (size_t i = 0; i < LIVES; i++)
		g.lives[i].port = 41000 + (int32_t)i;
	SP_ASSERT(sp_world_uv_new(&g.world, &err) == SP_OK);
	start();
	live(LIVES); /* layers are unpacked, the bridge is made */
	count(before);
	live(cycles);
	compare("after the cycles", before);
	kill_some(kills);
	compare("after the kills", before);
	live(LIVES);
	compare("at the end", before);
	(void)kill(g.pid, SIGTERM);
	ended();
	(void)printf("%s\n%u lives, seed %s\n%u passed, %u failed\n", before, g.lived, argv[7], g.passed,
		     g.failed);
	return g.failed == 0 ? 0 : 1;
}

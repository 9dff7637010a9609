/* SPDX-License-Identifier: Apache-2.0 */
/* The host process's end of the seam with the runtime's end of it, in one process: what one request waits for
 * does not hold up the next. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cgroup.h"
#include "host/host.h"
#include "io/file.h"
#include "io/uv/uv.h"
#include "lib/t.h"
#include "runtime/host_client.h"

typedef struct rig {
	sp_world *world;
	host *host;
	sp_host *client;
	host_opts opts;
	bool host_over, client_over;
} rig;

typedef struct answer {
	sp_host_call call;
	rig *rig;
	bool ended;
	sp_code code;
	sp_err err;
	unsigned order; /* of all answers */
} answer;

static rig the_rig;
static unsigned n_answers;

static void on_host_end(void *arg)
{
	rig *r = arg;
	r->host_over = true;
	sp_world_stop(r->world);
}

static void on_client_close(void *arg)
{
	rig *r = arg;
	r->client_over = true;
	sp_world_stop(r->world);
}

static void rig_done(void *arg)
{
	rig *r = arg;
	if (r->client != NULL)
		rt_host_client_close(r->client);
	while (r->client != NULL && !(r->host_over && r->client_over))
		sp_world_run(r->world);
	rt_host_client_free(r->client);
	host_free(r->host);
	sp_world_uv_free(r->world);
}

static rig *begin(void)
{
	rig *r = &the_rig;
	sp_stream *ends[2];
	/* Descriptors, processes and workers are the subject; faults of memory have tests of their own. */
	if (t_torture())
		t_skip("real processes");
	*r = (rig){.opts = {.run_dir = sp_str_c(t_tmpdir())}};
	sp_code code = sp_world_uv_new(&r->world, T_ERR);
	SP_ASSERT(code == SP_OK);
	T_DEFER(rig_done, r);
	code = sp_stream_pair(r->world, ends, T_ERR);
	if (code == SP_OK)
		code = host_new(r->world, ends[0], &r->opts, on_host_end, r, &r->host, T_ERR);
	if (code == SP_OK)
		code = rt_host_client_new(r->world, ends[1], on_client_close, r, &r->client, T_ERR);
	SP_ASSERT(code == SP_OK);
	return r;
}

static void on_answer(sp_host_call *c, const void *response, const sp_err *err)
{
	answer *a = c->arg;
	(void)response;
	a->ended = true;
	a->order = ++n_answers;
	if (err != NULL) {
		a->code = err->code;
		a->err = *err;
	}
	sp_world_stop(a->rig->world);
}

static answer *call(rig *r, sp_host_method method, const void *request)
{
	answer *a = sp_new(T_ARENA, answer, 1);
	a->rig = r;
	a->call = (sp_host_call){.done = on_answer, .arg = a};
	r->client->call(r->client, method, request, &a->call);
	return a;
}

static answer *await(answer *a)
{
	while (!a->ended)
		sp_world_run(a->rig->world);
	return a;
}

#define T_ANSWER(a, want)                                                   \
	do {                                                                \
		const answer *t_a_ = await(a);                              \
		if (t_a_->code != (want))                                   \
			T_FAIL("%s: %u %s", #a, t_a_->code, t_a_->err.msg); \
	} while (0)

/* ---- ports ---- */

/* A socket at loopback, bound and perhaps listening; its port. */
static int open_port(int backlog, uint16_t *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, (const void *)&a, sizeof a) == 0 &&
		  (backlog < 0 || listen(fd, backlog) == 0) && getsockname(fd, (void *)&a, &n) == 0;
	SP_ASSERT(ok);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* Connections until one has to wait: the queue is full. */
static size_t fill(uint16_t port, int fds[], size_t n)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	for (size_t i = 0; i < n; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (const void *)&a, sizeof a);
	}
	return n;
}

SP_TEST(host_forward, tells_why_of_both_families)
{
	rig *r = begin();
	uint16_t port;
	int fd = open_port(-1, &port); /* nobody listens, and nobody else will */
	const sp_host_forward m = {.id = SP_STR("a"), .port = port};
	answer *a = await(call(r, SP_HOST_FORWARD, &m));
	(void)close(fd);
	T_TRUE(a->code != SP_OK);
	T_TRUE(sp_str_starts(sp_str_c(a->err.msg), SP_STR("failed to connect to localhost:")));
	T_TRUE(sp_str_find(sp_str_c(a->err.msg), SP_STR("IPv4: Connection refused, IPv6: ")) > 0);
	const sp_host_forward none = {.id = SP_STR("a"), .port = 70000};
	T_ANSWER(call(r, SP_HOST_FORWARD, &none), SP_EINVAL);
}

SP_TEST(host_forward, a_full_listener_holds_nobody_up)
{
	rig *r = begin();
	uint16_t full, open;
	int fds[8], listener = open_port(0, &full), other = open_port(8, &open);
	size_t n = fill(full, fds, SP_LEN(fds));
	const sp_host_forward waits = {.id = SP_STR("a"), .port = full},
			      goes = {.id = SP_STR("b"), .port = open};
	answer *first = call(r, SP_HOST_FORWARD, &waits);
	T_ANSWER(call(r, SP_HOST_FORWARD, &goes), SP_OK);
	bool waited = !first->ended;
	(void)close(listener); /* it is refused at its next try */
	await(first);
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	(void)close(other);
	T_TRUE(waited && first->code != SP_OK);
}

/* ---- processes ---- */

#define FREEZER "/sys/fs/cgroup/freezer/sampan-unit"

static bool poke(const char *file, const char *text)
{
	char path[128];
	(void)snprintf(path, sizeof path, FREEZER "/%s", file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static void thaw(void *arg)
{
	(void)arg;
	(void)poke("freezer.state", "THAWED");
}

static void drop(void *arg)
{
	(void)arg;
	(void)rmdir(FREEZER);
	(void)umount2(t_tmpdir(), MNT_DETACH);
}

/* A frozen process of cgroup version 1 does not die before it is thawed: as one that hangs in a device. */
SP_TEST(host_sandbox, processes_that_do_not_end_hold_nobody_up)
{
	sp_str pid;
	if (geteuid() != 0 || access("/sys/fs/cgroup/freezer/tasks", W_OK) != 0)
		t_skip("no freezer of cgroup version 1");
	T_DEFER(drop, NULL); /* after the rig */
	rig *r = begin();
	T_TRUE(mkdir(FREEZER, 0755) == 0);
	T_DEFER(thaw, NULL);                                             /* before it */
	T_TRUE(mount(t_tmpdir(), t_tmpdir(), NULL, MS_BIND, NULL) == 0); /* as pinned namespaces need it: */
	T_TRUE(mount(NULL, t_tmpdir(), NULL, MS_PRIVATE, NULL) == 0);
	const sp_host_sandbox_make make = {.id = SP_STR("a")}, make_other = {.id = SP_STR("b")};
	const sp_host_id id = {.id = SP_STR("a")};
	const sp_host_sandbox_remove gone = {.id = SP_STR("a")}, other_gone = {.id = SP_STR("b")};
	T_ANSWER(call(r, SP_HOST_SANDBOX_MAKE, &make), SP_OK);
	T_ANSWER(call(r, SP_HOST_PIDS_MAKE, &id), SP_OK);
	T_OK(sp_file_read_arena(r->world, sp_arena_printf(T_ARENA, "%s/sandboxes/a/pid", t_tmpdir()), T_ARENA,
				64, &pid, T_ERR));
	T_TRUE(poke("cgroup.procs", pid.ptr) && poke("freezer.state", "FROZEN"));
	answer *first = call(r, SP_HOST_SANDBOX_REMOVE, &gone);
	T_ANSWER(call(r, SP_HOST_SANDBOX_MAKE, &make_other), SP_OK);
	T_ANSWER(call(r, SP_HOST_SANDBOX_REMOVE, &other_gone), SP_OK);
	bool waited = !first->ended;
	thaw(NULL);
	T_ANSWER(first, SP_OK);
	T_TRUE(waited);
	T_TRUE(kill((pid_t)strtol(pid.ptr, NULL, 10), 0) != 0); /* reaped, too */
	T_TRUE(access(sp_arena_printf(T_ARENA, "%s/sandboxes/a", t_tmpdir()).ptr, F_OK) != 0);
}

/* A shim that was killed leaves sockets; those of other containers stay. */
SP_TEST(host_sandbox, sockets_of_a_removed_container)
{
	static const char *const goes[] = {"a0123456789abcdef", "x0123456789abcdef", "x0123456789abcdef77"};
	static const char *const stays[] = {"a0123456789abcdee", "x0123456789abcde", "b0123456789abcdef",
					    "0123456789abcdef"};
	rig *r = begin();
	const sp_host_id id = {.id = SP_STR("0123456789abcdef")};
	for (size_t i = 0; i < SP_LEN(goes); i++)
		T_OK(sp_file_replace(r->world, sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), goes[i]),
				     SP_STR(""), 0600, T_ERR));
	for (size_t i = 0; i < SP_LEN(stays); i++)
		T_OK(sp_file_replace(r->world, sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), stays[i]),
				     SP_STR(""), 0600, T_ERR));
	T_ANSWER(call(r, SP_HOST_BUNDLE_REMOVE, &id), SP_OK);
	for (size_t i = 0; i < SP_LEN(goes); i++)
		T_TRUE(access(sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), goes[i]).ptr, F_OK) != 0);
	for (size_t i = 0; i < SP_LEN(stays); i++)
		T_TRUE(access(sp_arena_printf(T_ARENA, "%s/%s", t_tmpdir(), stays[i]).ptr, F_OK) == 0);
}

/* Where a process is moved to the cgroup that it is in. */
SP_TEST(host_sandbox, files_of_cgroups)
{
	static const struct {
		const char *line, *file;
	} cases[] = {
		{"0::/a/b", "/sys/fs/cgroup//a/b/cgroup.procs"},
		{"0::/", "/sys/fs/cgroup//cgroup.procs"},
		{"4:memory:/", "/sys/fs/cgroup/memory/cgroup.procs"},
		{"3:cpu,cpuacct:/x:y", "/sys/fs/cgroup/cpu,cpuacct/x:y/cgroup.procs"},
		{"1:name=systemd:/x", "/sys/fs/cgroup/systemd/x/cgroup.procs"},
	};
	static const char *const none[] = {"", "4:memory", "4:memory:", "4:memory:x", "/x"};
	for (size_t i = 0; i < SP_LEN(cases); i++)
		T_EQ_C(host_cgroup_file(T_ARENA, sp_str_c(cases[i].line)), cases[i].file);
	for (size_t i = 0; i < SP_LEN(none); i++)
		T_TRUE(host_cgroup_file(T_ARENA, sp_str_c(none[i])).ptr == NULL);
}

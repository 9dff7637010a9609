/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes: namespaces without a process, kept alive by bind mounts; the files that pods see as their own.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/host_int.h"

static const struct {
	const char *name;
	int flag;
} kinds[] = {
	[HOST_NS_NET] = {"net", CLONE_NEWNET},
	[HOST_NS_IPC] = {"ipc", CLONE_NEWIPC},
	[HOST_NS_UTS] = {"uts", CLONE_NEWUTS},
	[HOST_NS_PID] = {"pid", CLONE_NEWPID}, /* of children; made in pids.c */
};

void host_leave(const host *h, int which)
{
	/* In a pod's namespace every later request would do harm. */
	SP_ASSERT(setns(h->ns[which], kinds[which].flag) == 0);
}

sp_code host_enter_net(const host *h, sp_str id, sp_err *err)
{
	host_path_buf path;
	SP_TRY(host_path_of(h, "sandboxes", id, "/ns/net", &path, err));
	int fd = open(path.text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path.text);
	int failed = setns(fd, CLONE_NEWNET) == 0 ? 0 : errno;
	(void)close(fd);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "enter %s", path.text);
}

/* ---- sysctls ---- */

/* The ones that belong to a namespace; a trailing '*' is any rest. */
static const struct {
	const char *name;
	uint8_t which;
} sysctls[] = {
	{"net.*", HOST_NS_NET},      {"kernel.shm*", HOST_NS_IPC}, {"kernel.msg*", HOST_NS_IPC},
	{"kernel.sem", HOST_NS_IPC}, {"fs.mqueue.*", HOST_NS_IPC}, {"kernel.domainname", HOST_NS_UTS},
};

static bool fits(sp_str name, const char *pattern)
{
	sp_str p = sp_str_c(pattern);
	if (p.ptr[p.len - 1] != '*')
		return sp_str_eq(name, p);
	return sp_str_starts(name, sp_str_sub(p, 0, p.len - 1));
}

static sp_code set_sysctl(const sp_pb_pair *s, const bool made[3], sp_err *err)
{
	char path[256] = "/proc/sys/";
	bool known = false;
	for (size_t i = 0; i < SP_LEN(sysctls) && !known; i++)
		known = made[sysctls[i].which] && fits(s->key, sysctls[i].name);
	size_t n = strlen(path);
	if (!known || s->key.len >= sizeof path - n || memchr(s->key.ptr, '/', s->key.len) != NULL ||
	    sp_str_find(s->key, SP_STR("..")) >= 0)
		return sp_fail(err, SP_EINVAL,
			       "sysctl \"" SP_FMT "\" is not allowed, it is not of the pod's namespaces",
			       SP_ARG(s->key));
	for (size_t i = 0; i < s->key.len; i++)
		path[n + i] = s->key.ptr[i] == '.' ? '/' : s->key.ptr[i];
	path[n + s->key.len] = '\0';
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path);
	int failed = write(fd, s->value.ptr, s->value.len) == (ssize_t)s->value.len ? 0 : errno;
	(void)close(fd);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "write %s", path);
}

/* ---- making ---- */

static sp_code pin(const host *h, sp_str id, int which, sp_err *err)
{
	host_path_buf path;
	char rest[32], from[64];
	(void)snprintf(rest, sizeof rest, "/ns/%s", kinds[which].name);
	(void)snprintf(from, sizeof from, "/proc/thread-self/ns/%s", kinds[which].name);
	SP_TRY(host_path_of(h, "sandboxes", id, rest, &path, err));
	int fd = open(path.text, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path.text);
	(void)close(fd);
	if (mount(from, path.text, NULL, MS_BIND, NULL) != 0)
		return sp_fail_sys(err, errno, "pin %s", path.text);
	return SP_OK;
}

static sp_code loopback_up(sp_err *err)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return sp_fail_sys(err, errno, "socket");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	int failed = ioctl(fd, SIOCSIFFLAGS, &request) == 0 ? 0 : errno;
	(void)close(fd);
	return failed == 0 ? SP_OK : sp_fail_sys(err, failed, "bring lo up");
}

/* In the new namespaces. */
static sp_code furnish(const host *h, const sp_host_sandbox_make *m, const bool want[3], sp_err *err)
{
	if (want[HOST_NS_NET])
		SP_TRY(loopback_up(err));
	if (want[HOST_NS_UTS] && m->hostname.len > 0 && sethostname(m->hostname.ptr, m->hostname.len) != 0)
		return sp_fail_sys(err, errno, "set the hostname '" SP_FMT "'", SP_ARG(m->hostname));
	for (size_t i = 0; i < m->sysctls.n; i++)
		SP_TRY(set_sysctl(&m->sysctls.at[i], want, err));
	for (int i = 0; i < 3; i++) {
		if (want[i])
			SP_TRY(pin(h, m->id, i, err));
	}
	return SP_OK;
}

/* A new one; or that of the holder. */
static bool enter_new(int which, const host_holder *holder)
{
	char path[64];
	if (holder->pid == 0)
		return unshare(kinds[which].flag) == 0;
	(void)snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)holder->pid, kinds[which].name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int failed = fd < 0 || setns(fd, kinds[which].flag) != 0 ? errno : 0;
	if (fd >= 0)
		(void)close(fd);
	errno = failed;
	return failed == 0;
}

static sp_code make_namespaces(const host *h, const sp_host_sandbox_make *m, sp_err *err)
{
	const bool want[3] = {m->net, m->ipc, m->uts};
	bool made[3] = {false};
	host_holder holder = {.pid = 0, .wait = -1};
	int flags = 0;
	for (int i = 0; i < 3; i++)
		flags |= want[i] ? kinds[i].flag : 0;
	sp_code code = m->uid_length > 0 ? host_holder_start(m, flags, &holder, err) : SP_OK;
	if (code == SP_OK && holder.pid != 0)
		code = host_users_pin(h, m->id, &holder, err);
	for (int i = 0; i < 3 && code == SP_OK; i++) {
		if (!want[i])
			continue;
		made[i] = enter_new(i, &holder);
		if (!made[i])
			code = sp_fail_sys(err, errno, "make a %s namespace", kinds[i].name);
	}
	host_holder_end(&holder);
	if (code == SP_OK)
		code = furnish(h, m, want, err);
	for (int i = 0; i < 3; i++) {
		if (made[i])
			host_leave(h, i);
	}
	return code;
}

static sp_code make_shm(const host *h, const sp_host_sandbox_make *m, sp_err *err)
{
	host_path_buf path;
	char data[64];
	SP_TRY(host_path_of(h, "sandboxes", m->id, "/shm", &path, err));
	SP_TRY(host_mkdir(path.text, 0700, err));
	(void)snprintf(data, sizeof data, "mode=1777,size=%llu", (unsigned long long)m->shm_bytes);
	if (mount("shm", path.text, "tmpfs", MS_NOEXEC | MS_NOSUID | MS_NODEV, data) != 0)
		return sp_fail_sys(err, errno, "mount %s", path.text);
	return SP_OK;
}

static sp_code make_files(const host *h, const sp_host_sandbox_make *m, sp_err *err)
{
	const struct {
		const char *rest;
		sp_str content;
	} files[] = {
		{"/hostname", m->hostname_file}, {"/hosts", m->hosts_file}, {"/resolv.conf", m->resolv_file}};
	host_path_buf path;
	for (size_t i = 0; i < SP_LEN(files); i++) {
		SP_TRY(host_path_of(h, "sandboxes", m->id, files[i].rest, &path, err));
		SP_TRY(host_write_file(path.text, files[i].content, 0644, err));
		if (m->uid_length > 0 && lchown(path.text, m->uid_host, m->gid_host) != 0)
			return sp_fail_sys(err, errno, "own %s", path.text);
	}
	return SP_OK;
}

static sp_code unmount_sandbox(const host *h, sp_str id, sp_err *err)
{
	static const char *const mounts[] = {"/shm", "/ns/net", "/ns/ipc", "/ns/uts", "/ns/user"};
	host_path_buf path;
	SP_TRY(host_pids_unpin(h, id, err));
	for (size_t i = 0; i < SP_LEN(mounts); i++) {
		SP_TRY(host_path_of(h, "sandboxes", id, mounts[i], &path, err));
		SP_TRY(host_unmount(path.text, err));
	}
	return SP_OK;
}

static sp_code remove_sandbox(const host *h, sp_str id, sp_err *err)
{
	host_path_buf path;
	SP_TRY(unmount_sandbox(h, id, err));
	SP_TRY(host_path_of(h, "sandboxes", id, "", &path, err));
	return host_remove_tree(path.text, err);
}

sp_code host_sandbox_make(host_request *r, const void *message, sp_err *err)
{
	const sp_host_sandbox_make *m = message;
	const host *h = r->h;
	host_path_buf path;
	host_cgroups_wake(r->h);
	/* Repeated after a crash: from the beginning. */
	SP_TRY(unmount_sandbox(h, m->id, err));
	SP_TRY(host_path_of(h, "sandboxes", m->id, "", &path, err));
	SP_TRY(host_mkdir(path.text, 0711, err));
	SP_TRY(host_path_of(h, "sandboxes", m->id, "/ns", &path, err));
	SP_TRY(host_mkdir(path.text, 0711, err));
	SP_TRY(make_files(h, m, err));
	sp_code code = make_namespaces(h, m, err);
	if (code == SP_OK && m->ipc)
		code = make_shm(h, m, err);
	if (code == SP_OK) {
		host_answer(r, NULL);
		return SP_OK;
	}
	(void)remove_sandbox(h, m->id, NULL);
	return code;
}

/* ---- removing ---- */

#define END_MS 10000

/* A sandbox whose processes have been killed and need a moment. */
typedef struct removal {
	host_run run;
	host_request *r;
	const sp_host_sandbox_remove *m; /* the request's */
	sp_work work;
	int pidfd;
	bool ended;
} removal;

static sp_code finish_removal(host_request *r, const sp_host_sandbox_remove *m, sp_err *err)
{
	SP_TRY(remove_sandbox(r->h, m->id, err));
	host_shim_forget(r->h, m->shim);
	host_answer(r, NULL);
	return SP_OK;
}

/* On a worker. */
static void await_end(sp_work *work)
{
	removal *x = work->arg;
	struct pollfd p = {.fd = x->pidfd, .events = POLLIN};
	int n;
	do
		n = poll(&p, 1, END_MS);
	while (n < 0 && errno == EINTR);
	x->ended = n == 1;
}

static void on_end(sp_work *work)
{
	removal *x = work->arg;
	sp_err err;
	siginfo_t info;
	sp_code code = SP_OK;
	(void)waitid(P_PIDFD, (id_t)x->pidfd, &info,
		     WEXITED | WNOHANG); /* fails when it is the child of a host process before us */
	(void)close(x->pidfd);
	if (!x->ended)
		code = sp_fail(&err, SP_ETIMEOUT, "processes of sandbox " SP_FMT " do not end",
			       SP_ARG(x->m->id));
	if (code == SP_OK)
		code = finish_removal(x->r, x->m, &err);
	if (code != SP_OK)
		host_refuse(x->r, &err);
	host_run_end(&x->run);
	sp_free(x);
}

/* It is finished, whether anybody is left to hear of it or not. */
static void stop_removal(host_run *r)
{
	(void)r;
}

sp_code host_sandbox_remove(host_request *r, const void *message, sp_err *err)
{
	const sp_host_sandbox_remove *m = message;
	SP_TRY(host_check_id(m->id, err));
	int pidfd = host_pids_end(r->h, m->id);
	if (pidfd < 0)
		return finish_removal(r, m, err);
	removal *x = SP_NEW(removal);
	*x = (removal){.r = r, .m = m, .pidfd = pidfd, .work = {.fn = await_end, .done = on_end, .arg = x}};
	sp_code code = sp_work_start(r->h->world, &x->work, err);
	if (code != SP_OK) {
		(void)close(pidfd);
		sp_free(x);
		return code;
	}
	host_run_begin(r->h, &x->run, stop_removal);
	return SP_OK;
}

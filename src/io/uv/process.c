/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes: fork, a few system calls, exec. Our own rather than libuv's, which watches SIGCHLD and reaps by
 * pid; a pidfd tells of exactly one process and cannot hit another one of the same number.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "io/uv/uv_int.h"

#define FDS_MAX 1024u

typedef struct process {
	sp_process base;
	sp_list node;
	uv_poll_t poll;
	int pidfd;
	void (*on_exit)(void *arg, sp_exit exit);
	void *arg;
	bool exited, forgotten;
} process;

/* What the child tells the parent when it could not become the program. */
typedef struct child_failure {
	int errnum;
	int step; /* of the table */
} child_failure;

/* ---- in the child: only calls that are safe after fork in a program with threads ---- */

/* First out of the way of the numbers to come, then into place. */
static bool child_fds(const sp_spawn_opts *o, int *moved, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int from = i < o->n_fds ? o->fds[i] : -1;
		if (from < 0) {
			int null = open("/dev/null", O_RDWR | O_CLOEXEC);
			if (null < 0)
				return false;
			moved[i] = fcntl(null, F_DUPFD_CLOEXEC, (int)n);
		} else {
			moved[i] = fcntl(from, F_DUPFD_CLOEXEC, (int)n);
		}
		if (moved[i] < 0)
			return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (dup2(moved[i], (int)i) < 0)
			return false;
	}
	return close_range((unsigned)n, ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

/* Raw calls: those of the C library would tell the threads, which are not there. */
static bool child_ids(const sp_spawn_opts *o)
{
	bool same = getuid() == o->uid && geteuid() == o->uid && getgid() == o->gid && getegid() == o->gid;
	if (same && o->uid != 0)
		return true;
	return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, o->gid, o->gid, o->gid) == 0 &&
	       syscall(SYS_setresuid, o->uid, o->uid, o->uid) == 0;
}

/*
 * Raw calls again: the C library refuses to touch its own two signals, and its posix_spawn leaves them
 * ignored in whatever it starts (make starts its recipes so).
 */
static void child_signals(void)
{
	/* The kernel's struct sigaction: handler (default), flags, restorer, mask. */
	static const unsigned long by_default[4];
	sigset_t none;
	for (int i = 1; i < NSIG; i++)
		(void)syscall(SYS_rt_sigaction, i, by_default, NULL,
			      (NSIG - 1) / 8); /* not SIGKILL, SIGSTOP */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

typedef struct child_plan {
	const sp_spawn_opts *o;
	int *moved; /* room for n_fds numbers */
	size_t n_fds;
	pid_t parent;
} child_plan;

static bool do_fds(const child_plan *c)
{
	return child_fds(c->o, c->moved, c->n_fds);
}

static bool do_session(const child_plan *c)
{
	return !c->o->new_session || setsid() >= 0;
}

static bool do_cwd(const child_plan *c)
{
	return chdir(c->o->cwd == NULL ? "/" : c->o->cwd) == 0;
}

static bool do_ids(const child_plan *c)
{
	return !c->o->set_ids || child_ids(c->o);
}

/* After the ids, whose change takes the wish back. A parent that died before is seen by its number. */
static bool do_death(const child_plan *c)
{
	if (c->o->death_signal == 0)
		return true;
	if (prctl(PR_SET_PDEATHSIG, c->o->death_signal) != 0)
		return false;
	if (getppid() != c->parent)
		(void)raise(SIGKILL);
	return true;
}

static bool do_exec(const child_plan *c)
{
	static char *const empty[] = {NULL};
	const sp_spawn_opts *o = c->o;
	(void)execve(o->argv[0], (char *const *)(uintptr_t)o->argv,
		     o->env == NULL ? empty : (char *const *)(uintptr_t)o->env);
	return false;
}

/* In this order; the directory before the rights go: as the parent sees it. */
static const struct {
	bool (*run)(const child_plan *c);
	const char *name;
} steps[] = {
	{do_fds, "descriptors of"},
	{do_session, "new session for"},
	{do_cwd, "working directory of"},
	{do_ids, "user and group of"},
	{do_death, "signal at the end of the parent for"},
	{do_exec, "start"},
};

SP_NORETURN static void child_main(const child_plan *c, int report)
{
	child_failure f = {0, 0};
	child_signals();
	/* Out of the way of the child's own numbers, too. */
	report = fcntl(report, F_DUPFD_CLOEXEC, (int)c->n_fds);
	while (report >= 0 && steps[f.step].run(c)) /* the last one never comes back with a yes */
		f.step++;
	f.errnum = errno;
	(void)!write(report, &f, sizeof f); /* the parent sees an end of file instead */
	_exit(127);
}

/* ---- in the parent ---- */

/* The pidfd of the running program, or the child's failure. */
static sp_code fork_exec(const sp_spawn_opts *o, pid_t *ret_pid, int *ret_pidfd, sp_err *err)
{
	size_t n_fds = SP_MAX(o->n_fds, (size_t)3);
	int report[2];
	int *moved = sp_try_alloc(n_fds * sizeof *moved);
	if (moved == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to start '%s'", o->argv[0]);
	if (pipe2(report, O_CLOEXEC) != 0) {
		sp_free(moved);
		return sp_fail_sys(err, errno, "start '%s'", o->argv[0]);
	}
	const child_plan plan = {o, moved, n_fds, getpid()};
	sigset_t all, old;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old); /* no handler of ours may run in the child */
	pid_t pid = fork();
	if (pid == 0)
		child_main(&plan, report[1]);
	int errnum = errno;
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)close(report[1]); /* the child has its own */
	sp_free(moved);
	child_failure f = {0};
	ssize_t n = 0;
	if (pid > 0) {
		do
			n = read(report[0], &f, sizeof f);
		while (n < 0 && errno == EINTR);
	}
	(void)close(report[0]); /* read only */
	if (pid < 0)
		return sp_fail_sys(err, errnum, "start '%s'", o->argv[0]);
	if (n == (ssize_t)sizeof f) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return sp_fail_sys(err, f.errnum, "%s '%s'", steps[f.step].name, o->argv[0]);
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd_open(pid, 0); /* close-on-exec by itself; not reaped yet, so it is our child */
	if (*ret_pidfd < 0) {
		errnum = errno;
		(void)kill(pid, SIGKILL); /* cannot be watched */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		return sp_fail_sys(err, errnum, "watch '%s'", o->argv[0]);
	}
	return SP_OK;
}

static void on_poll_closed(uv_handle_t *handle)
{
	sp_free(handle->data);
}

static void release(process *p)
{
	sp_list_remove(&p->node);
	uv_close((uv_handle_t *)&p->poll, on_poll_closed);
	(void)close(p->pidfd); /* nothing can be done about it */
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	process *p = poll->data;
	siginfo_t info = {0};
	if (!uvw_enter(uvw_of(p->base.world)))
		return;
	if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0)
		return;
	(void)uv_poll_stop(poll); /* cannot fail */
	p->exited = true;
	if (p->forgotten) {
		release(p);
		return;
	}
	bool by_signal = info.si_code != CLD_EXITED;
	sp_exit exit = {.code = by_signal ? 128 + info.si_status : info.si_status,
			.signal = by_signal ? info.si_status : 0};
	p->on_exit(p->arg, exit);
}

sp_code uvw_spawn(sp_world *base, const sp_spawn_opts *o, void (*on_exit)(void *arg, sp_exit exit), void *arg,
		  sp_process **ret, sp_err *err)
{
	uvw_world *w = uvw_of(base);
	pid_t pid = 0;
	SP_ASSERT(o->argv != NULL);
	SP_ASSERT(o->n_fds <= FDS_MAX);
	if (o->argv[0] == NULL || o->argv[0][0] != '/')
		return sp_fail(err, SP_EINVAL, "program '%s' is not an absolute path",
			       o->argv[0] == NULL ? "" : o->argv[0]);
	process *p = sp_try_alloc(sizeof *p);
	if (p == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory to start '%s'", o->argv[0]);
	sp_code code = fork_exec(o, &pid, &p->pidfd, err);
	if (code != SP_OK) {
		sp_free(p);
		return code;
	}
	SP_ASSERT(uv_poll_init(&w->loop, &p->poll, p->pidfd) == 0); /* a pidfd can be watched */
	p->base = (sp_process){.world = base, .pid = pid};
	p->poll.data = p;
	p->on_exit = on_exit;
	p->arg = arg;
	(void)uv_poll_start(&p->poll, UV_READABLE, on_ready); /* cannot fail on a live handle */
	sp_list_push_back(&w->processes, &p->node);
	*ret = &p->base;
	return SP_OK;
}

sp_code uvw_process_kill(sp_process *base, int signal, sp_err *err)
{
	const process *p = SP_CONTAINER_OF(base, process, base);
	if (p->exited)
		return sp_fail(err, SP_ENOTFOUND, "process %lld has ended", (long long)base->pid);
	if (pidfd_send_signal(p->pidfd, signal, NULL, 0) != 0)
		return sp_fail_sys(err, errno, "signal %d to process %lld", signal, (long long)base->pid);
	return SP_OK;
}

void uvw_process_free(sp_process *base)
{
	process *p = SP_CONTAINER_OF(base, process, base);
	SP_ASSERT(!p->forgotten);
	p->forgotten = true;
	if (p->exited)
		release(p); /* else when it ends: somebody has to reap it */
}

void uvw_processes_free_all(uvw_world *w)
{
	SP_LIST_FOREACH (n, &w->processes)
		release(SP_CONTAINER_OF(n, process, node));
}

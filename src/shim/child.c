/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define EARLY_MAX 4096u
#define FDS_MAX 8u

typedef struct early {
	sp_list node;
	shim_exit exit;
} early;

static void taken_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGCHLD);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGHUP);
}

static void early_drop(shim_reaper *r, early *e)
{
	sp_list_remove(&e->node);
	r->n_early--;
	sp_free(e);
}

static void deliver(shim_reaper *r, const shim_exit *e)
{
	SP_LIST_FOREACH (node, &r->children) {
		shim_child *c = SP_CONTAINER_OF(node, shim_child, node);
		if (c->pid == e->pid) {
			shim_child_remove(c);
			c->on_exit(c, e);
			return;
		}
	}
	if (r->n_holds == 0)
		return; /* an orphan of some container in our pid namespace */
	if (r->n_early == EARLY_MAX)
		early_drop(r, SP_CONTAINER_OF(r->early.next, early, node));
	early *kept = SP_NEW(early);
	kept->exit = *e;
	sp_list_push_back(&r->early, &kept->node);
	r->n_early++;
}

static void reap(shim_reaper *r)
{
	int status, pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		shim_exit e = {.pid = pid, .wall_ns = shim_wall_ns(NULL)};
		e.status = WIFSIGNALED(status) ? 128 + (uint32_t)WTERMSIG(status)
					       : (uint32_t)WEXITSTATUS(status);
		deliver(r, &e);
	}
}

static void on_signals(shim_watch *w, uint32_t events)
{
	(void)events;
	shim_reaper *r = w->arg;
	struct signalfd_siginfo info;
	if (read(w->fd, &info, sizeof info) != sizeof info)
		return;
	if (info.ssi_signo == SIGCHLD)
		reap(r);
	else
		r->on_signal(r->arg, (int)info.ssi_signo);
}

sp_code shim_reaper_init(shim_reaper *r, shim_loop *l, void (*on_signal)(void *arg, int signal), void *arg,
			 sp_err *err)
{
	sigset_t set;
	*r = (shim_reaper){.loop = l, .on_signal = on_signal, .arg = arg};
	sp_list_init(&r->children);
	sp_list_init(&r->early);
	taken_signals(&set);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		return sp_fail_sys(err, errno, "cannot become a reaper");
	r->watch = (shim_watch){
		.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .fn = on_signals, .arg = r};
	if (r->watch.fd < 0)
		return sp_fail_sys(err, errno, "signalfd");
	return shim_watch_set(l, &r->watch, EPOLLIN, err);
}

void shim_reaper_done(shim_reaper *r)
{
	shim_watch_close(r->loop, &r->watch);
	while (!sp_list_is_empty(&r->early))
		early_drop(r, SP_CONTAINER_OF(r->early.next, early, node));
}

void shim_reaper_hold(shim_reaper *r)
{
	r->n_holds++;
}

void shim_reaper_release(shim_reaper *r)
{
	SP_ASSERT(r->n_holds > 0);
	if (--r->n_holds > 0)
		return;
	while (!sp_list_is_empty(&r->early))
		early_drop(r, SP_CONTAINER_OF(r->early.next, early, node));
}

bool shim_child_add(shim_reaper *r, shim_child *c, int pid, shim_exit *ret)
{
	SP_LIST_FOREACH (node, &r->early) {
		early *e = SP_CONTAINER_OF(node, early, node);
		if (e->exit.pid == pid) {
			*ret = e->exit;
			early_drop(r, e);
			return true;
		}
	}
	SP_ASSERT(c->pid == 0);
	c->pid = pid;
	sp_list_push_back(&r->children, &c->node);
	return false;
}

void shim_child_remove(shim_child *c)
{
	if (c->pid == 0)
		return;
	sp_list_remove(&c->node);
	c->pid = 0;
}

/* ---- starting ---- */

/* First out of the way of the numbers to come, then into place. */
static bool child_fds(const shim_spawn_opts *o)
{
	int moved[FDS_MAX];
	for (size_t i = 0; i < o->n_fds; i++) {
		int from = o->fds[i] >= 0 ? o->fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
		moved[i] = fcntl(from, F_DUPFD_CLOEXEC, (int)FDS_MAX);
		if (moved[i] < 0)
			return false;
	}
	for (size_t i = 0; i < o->n_fds; i++) {
		if (dup2(moved[i], (int)i) < 0)
			return false;
	}
	return true;
}

/* Raw calls: the C library refuses to touch its own two signals. */
static void child_signals(void)
{
	/* The kernel's struct sigaction: handler (default), flags, restorer, mask. */
	static const unsigned long by_default[4];
	sigset_t none;
	for (int i = 1; i < NSIG; i++)
		(void)syscall(SYS_rt_sigaction, i, by_default, NULL, (NSIG - 1) / 8);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A parent that died before the wish was known is seen by its number. */
static bool child_death(const shim_spawn_opts *o, int parent)
{
	if (!o->dies_with_us)
		return true;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return false;
	if (getppid() != parent)
		(void)raise(SIGKILL);
	return true;
}

/* Tells an error number; the parent sees an end of file when the program runs. */
SP_NORETURN static void child_main(const shim_spawn_opts *o, int parent, int report)
{
	child_signals();
	report = fcntl(report, F_DUPFD_CLOEXEC, (int)FDS_MAX);
	if (report >= 0 && child_death(o, parent) && child_fds(o))
		(void)execve(o->path, (char *const *)(uintptr_t)o->argv,
			     o->env == NULL ? environ : (char *const *)(uintptr_t)o->env);
	int errnum = errno;
	(void)!write(report, &errnum, sizeof errnum);
	_exit(127);
}

/* 0, or the error number of a child that did not become the program. */
static int outcome(int report)
{
	int errnum = 0;
	ssize_t n;
	do
		n = read(report, &errnum, sizeof errnum);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof errnum ? errnum : 0;
}

sp_code shim_spawn(const shim_spawn_opts *o, int *ret_pid, sp_err *err)
{
	int report[2], parent = getpid();
	SP_ASSERT(o->n_fds <= FDS_MAX);
	if (pipe2(report, O_CLOEXEC) != 0)
		return sp_fail_sys(err, errno, "cannot start %s", o->path);
	int pid = fork();
	if (pid == 0)
		child_main(o, parent, report[1]);
	int errnum = pid < 0 ? errno : 0;
	(void)close(report[1]); /* the child has its own */
	if (pid > 0)
		errnum = outcome(report[0]);
	(void)close(report[0]); /* read only */
	if (pid > 0 && errnum != 0)
		(void)waitpid(pid, NULL, 0);
	*ret_pid = pid;
	return errnum == 0 ? SP_OK : sp_fail_sys(err, errnum, "cannot start %s", o->path);
}

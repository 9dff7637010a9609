/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
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

static int add_fds(posix_spawn_file_actions_t *actions, const shim_spawn_opts *o, int null_fd, int *spare)
{
	/* Twice: first all above the range that is written, so that no source is overwritten before its turn.
	 */
	int rc = 0;
	for (size_t i = 0; i < o->n_fds && rc == 0; i++) {
		spare[i] = fcntl(o->fds[i] < 0 ? null_fd : o->fds[i], F_DUPFD_CLOEXEC, (int)FDS_MAX + 3);
		if (spare[i] < 0)
			return errno;
		rc = posix_spawn_file_actions_adddup2(actions, spare[i], (int)i);
	}
	return rc;
}

static int spawn(const shim_spawn_opts *o, int null_fd, int *spare, int *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	int rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		return rc;
	rc = posix_spawnattr_init(&attr);
	if (rc == 0) {
		(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
		(void)posix_spawnattr_setsigmask(&attr, &none);
		(void)posix_spawnattr_setsigdefault(&attr, &all);
		rc = add_fds(&actions, o, null_fd, spare);
		/* posix_spawn takes char *const and changes nothing */
		union {
			const char *const *in;
			char *const *out;
		} argv = {o->argv}, env = {o->env};
		if (rc == 0)
			rc = posix_spawn(ret_pid, o->path, &actions, &attr, argv.out,
					 o->env == NULL ? environ : env.out);
		(void)posix_spawnattr_destroy(&attr);
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	return rc;
}

sp_code shim_spawn(const shim_spawn_opts *o, int *ret_pid, sp_err *err)
{
	int spare[FDS_MAX];
	SP_ASSERT(o->n_fds <= FDS_MAX);
	for (size_t i = 0; i < FDS_MAX; i++)
		spare[i] = -1;
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return sp_fail_sys(err, errno, "/dev/null");
	int rc = spawn(o, null_fd, spare, ret_pid);
	for (size_t i = 0; i < FDS_MAX; i++) {
		if (spare[i] >= 0)
			(void)close(spare[i]);
	}
	(void)close(null_fd);
	return rc == 0 ? SP_OK : sp_fail_sys(err, rc, "cannot start %s", o->path);
}

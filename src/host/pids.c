/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PID namespace shared by the containers of a pod. It needs a first process, which lives as long as the
 * namespace, waits for orphans and does nothing else: a child of the host process that outlives it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"
#include "host/host_int.h"
#include "io/file.h"

SP_NORETURN static void wait_for_orphans(void)
{
	sigset_t all;
	int signal;
	(void)prctl(PR_SET_NAME, "sampan-pod");
	(void)close_range(0, ~0u, 0);
	(void)setsid();
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	for (;;) {
		(void)sigwait(&all, &signal);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}

static sp_code pin(const host *h, sp_str id, pid_t pid, sp_err *err)
{
	host_path_buf path;
	char from[64], text[32];
	int n = snprintf(text, sizeof text, "%d", (int)pid);
	(void)snprintf(from, sizeof from, "/proc/%d/ns/pid", (int)pid);
	SP_TRY(host_path_of(h, "sandboxes", id, "/pid", &path, err));
	SP_TRY(host_write_file(path.text, (sp_str){text, (size_t)n}, 0600, err));
	SP_TRY(host_path_of(h, "sandboxes", id, "/ns/pid", &path, err));
	int fd = open(path.text, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		return sp_fail_sys(err, errno, "open %s", path.text);
	(void)close(fd);
	if (mount(from, path.text, NULL, MS_BIND, NULL) != 0)
		return sp_fail_sys(err, errno, "pin %s", path.text);
	return SP_OK;
}

/* The process of a namespace that is pinned; 0: there is none, or the number is somebody else's by now. */
static pid_t first_process(const host *h, sp_str id)
{
	host_path_buf path;
	struct stat pinned, now;
	char proc[64];
	uint64_t pid;
	SP_AUTO_BUF text;
	sp_buf_init(&text, 64);
	if (host_path_of(h, "sandboxes", id, "/pid", &path, NULL) != SP_OK ||
	    sp_file_read_all(h->world, sp_str_c(path.text), &text, NULL) != SP_OK ||
	    sp_parse_u64(sp_buf_view(&text), 1, INT32_MAX, &pid, NULL) != SP_OK ||
	    host_path_of(h, "sandboxes", id, "/ns/pid", &path, NULL) != SP_OK)
		return 0;
	(void)snprintf(proc, sizeof proc, "/proc/%d/ns/pid", (int)pid);
	if (stat(path.text, &pinned) != 0 || stat(proc, &now) != 0 || pinned.st_ino != now.st_ino ||
	    pinned.st_dev != now.st_dev)
		return 0;
	return (pid_t)pid;
}

int host_pids_end(const host *h, sp_str id)
{
	pid_t pid = first_process(h, id);
	int fd = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (fd >= 0 && pidfd_send_signal(fd, SIGKILL, NULL, 0) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

sp_code host_pids_unpin(const host *h, sp_str id, sp_err *err)
{
	host_path_buf path;
	SP_TRY(host_path_of(h, "sandboxes", id, "/ns/pid", &path, err));
	return host_unmount(path.text, err);
}

static sp_code start(const host *h, pid_t *ret, sp_err *err)
{
	if (unshare(CLONE_NEWPID) != 0)
		return sp_fail_sys(err, errno, "make a PID namespace");
	pid_t pid = fork();
	int failed = errno;
	if (pid == 0)
		wait_for_orphans();
	host_leave(h, HOST_NS_PID); /* of children to come */
	if (pid < 0)
		return sp_fail_sys(err, failed, "fork");
	*ret = pid;
	return SP_OK;
}

/* The same in a pod's user namespace, which cannot be left again: a child makes it, and its child is ours. */
static sp_code start_owned(int users, pid_t *ret, sp_err *err)
{
	int tell[2], status = 0;
	pid_t pid = 0;
	if (pipe2(tell, O_CLOEXEC) != 0)
		return sp_fail_sys(err, errno, "pipe");
	pid_t maker = fork();
	if (maker == 0) {
		if (setns(users, CLONE_NEWUSER) != 0 || unshare(CLONE_NEWPID) != 0)
			_exit(errno);
		pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
		if (pid == 0)
			wait_for_orphans();
		_exit(pid > 0 && write(tell[1], &pid, sizeof pid) == (ssize_t)sizeof pid ? 0 : errno);
	}
	int failed = maker < 0 ? errno : 0;
	(void)close(tell[1]);
	if (failed == 0 && read(tell[0], &pid, sizeof pid) != (ssize_t)sizeof pid)
		failed = EIO;
	if (maker > 0 && waitpid(maker, &status, 0) == maker && WIFEXITED(status) && WEXITSTATUS(status) != 0)
		failed = WEXITSTATUS(status);
	(void)close(tell[0]);
	if (failed != 0)
		return sp_fail_sys(err, failed, "make a PID namespace for the pod's users");
	*ret = pid;
	return SP_OK;
}

sp_code host_pids_make(host_request *r, const void *message, sp_err *err)
{
	const sp_host_id *m = message;
	const host *h = r->h;
	SP_TRY(host_check_id(m->id, err));
	if (first_process(h, m->id) > 0) {
		host_answer(r, NULL);
		return SP_OK;
	}
	pid_t pid = 0;
	int users;
	SP_TRY(host_users_open(h, m->id, &users, err));
	if (users >= 0) {
		sp_code made = start_owned(users, &pid, err);
		(void)close(users);
		SP_TRY(made);
	} else {
		SP_TRY(start(h, &pid, err));
	}
	sp_code code = pin(h, m->id, pid, err);
	if (code != SP_OK) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return code;
	}
	host_answer(r, NULL);
	return SP_OK;
}

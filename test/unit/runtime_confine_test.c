/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime's process can do behind its filter, and what not: each in a process of its own. */
#include "runtime/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/file.h"
#include "io/uv/uv.h"
#include "lib/t.h"

/* errno of what `fn` tried; 0: it could. 255: no filter. */
static int behind_filter(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		if (rt_confine(NULL) != SP_OK)
			_exit(255);
		errno = 0;
		_exit(fn() < 0 ? errno : 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int run_program(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};
	return execv("/bin/true", argv);
}
static int make_process(void)
{
	return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}
static int make_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}
static int mount_something(void)
{
	return mount("none", "/tmp", "tmpfs", 0, NULL);
}
static int trace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}
static int raw_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0);
}
static int signal_others(void)
{
	return kill(getppid(), 0);
}
static int type_for_others(void)
{
	return ioctl(0, TIOCSTI, "x");
}
static int load_bpf(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0);
}
static int uring(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL);
}
static int by_handle(void)
{
	return (int)syscall(SYS_open_by_handle_at, -1, NULL, 0);
}

SP_TEST(runtime_confine, what_it_gave_up)
{
	int (*const tries[])(void) = {run_program, make_process, make_namespace, mount_something,
				      trace,       raw_socket,   signal_others,  type_for_others,
				      load_bpf,    uring,        by_handle};
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	t_skip("sanitizers need more system calls");
#endif
	for (size_t i = 0; i < SP_LEN(tries); i++) {
		t_row("%zu", i);
		T_EQ_I64(behind_filter(tries[i]), EPERM);
	}
}

static void *do_nothing(void *arg)
{
	return arg;
}

static int use_thread(void)
{
	pthread_t t;
	if (pthread_create(&t, NULL, do_nothing, NULL) != 0)
		return -1;
	return pthread_join(t, NULL) == 0 ? 0 : -1;
}

/* By the C library's plugins: files, netlink, sockets. */
static int use_names(void)
{
	struct addrinfo *found = NULL;
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	return getaddrinfo("localhost", "80", &hints, &found) == 0 && found != NULL ? 0 : -1;
}

static void on_worked(sp_work *work)
{
	sp_world_stop(work->arg);
}

static void write_file(sp_work *work)
{
	sp_str path = sp_arena_printf(T_ARENA, "%s/d/f", t_tmpdir());
	sp_str dir = sp_arena_printf(T_ARENA, "%s/d", t_tmpdir());
	if (sp_dir_make(work->arg, dir, 0755, NULL) == SP_OK)
		(void)!sp_file_replace(work->arg, path, SP_STR("x"), 0644, NULL);
}

/* The loop, its workers, files on disk. */
static int use_loop(void)
{
	sp_world *w;
	if (sp_world_uv_new(&w, NULL) != SP_OK)
		return -1;
	sp_work work = {.fn = write_file, .done = on_worked, .arg = w};
	if (sp_work_start(w, &work, NULL) != SP_OK)
		return -1;
	sp_world_run(w);
	return access(sp_arena_printf(T_ARENA, "%s/d/f", t_tmpdir()).ptr, R_OK);
}

SP_TEST(runtime_confine, what_it_kept)
{
	int (*const tries[])(void) = {use_thread, use_names, use_loop};
	if (t_torture())
		t_skip("other processes");
	for (size_t i = 0; i < SP_LEN(tries); i++) {
		t_row("%zu", i);
		T_EQ_I64(behind_filter(tries[i]), 0);
	}
}

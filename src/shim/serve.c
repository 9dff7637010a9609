/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <unistd.h>

#include "shim/commands.h"
#include "shim/conn.h"
#include "shim/task.h"

#define LISTENER_FD 3
#define LAST_EVENTS_NS (5 * SHIM_S)

typedef struct server {
	shim_loop loop;
	shim_reaper reaper;
	shim_publisher *publisher;
	shim_tasks *tasks;
	shim_server sockets;
	sp_log *log;
	int log_fd;
	const char *socket; /* its path, or "" */
	shim_timer end;
	shim_turn settle;
	bool ending;
} server;

static void write_log(void *arg, sp_str line)
{
	const server *s = arg;
	if (s->log_fd >= 0 && write(s->log_fd, line.ptr, line.len) < 0)
		return; /* nobody reads it */
}

/* A FIFO of containerd's: open for both ways, it neither blocks nor breaks when the reader is away. */
static int open_log(const char *bundle)
{
	char path[4096];
	int n = snprintf(path, sizeof path, "%s/log", bundle);
	return n > 0 && (size_t)n < sizeof path ? open(path, O_RDWR | O_APPEND | O_NONBLOCK | O_CLOEXEC) : -1;
}

/* ---- the end ---- */

static void end_now(shim_timer *t)
{
	shim_loop_stop(t->arg);
}

/* Answers are out and events are told, or have had their time. */
static void maybe_end(server *s)
{
	if (s->ending && shim_publisher_is_idle(s->publisher) && !shim_server_is_busy(&s->sockets))
		shim_loop_stop(&s->loop);
}

static void on_settle(shim_turn *t)
{
	maybe_end(t->arg);
}

static void publisher_idle(void *arg)
{
	maybe_end(arg);
}

static void begin_end(void *arg)
{
	server *s = arg;
	if (s->ending)
		return;
	s->ending = true;
	/* The socket goes first: who comes now shall start another shim. */
	shim_server_stop_listening(&s->sockets);
	if (*s->socket != 0)
		(void)unlink(s->socket);
	shim_timer_start(&s->loop, &s->end, LAST_EVENTS_NS);
	shim_turn_call(&s->loop, &s->settle);
}

static void on_signal(void *arg, int signal)
{
	server *s = arg;
	if (signal == SIGHUP)
		shim_tasks_reopen_logs(s->tasks);
	else
		begin_end(s);
}

static void on_accept(void *arg)
{
	const server *s = arg;
	shim_publisher_retry(s->publisher);
}

/* ---- the life ---- */

static sp_code begin(server *s, const shim_args *args, sp_err *err)
{
	SP_TRY(shim_loop_init(&s->loop, err));
	SP_TRY(shim_reaper_init(&s->reaper, &s->loop, on_signal, s, err));
	const char *events = secure_getenv("TTRPC_ADDRESS"), *path = secure_getenv("PATH");
	s->publisher = shim_publisher_new(&s->loop, sp_str_c(events), sp_str_c(args->ns));
	shim_publisher_on_idle(s->publisher, publisher_idle, s);
	s->end = (shim_timer){.fn = end_now, .arg = &s->loop};
	shim_turn_init(&s->settle, on_settle, s);
	const shim_tasks_opts o = {
		.loop = &s->loop,
		.reaper = &s->reaper,
		.publisher = s->publisher,
		.log = s->log,
		.cgroups = shim_cgroup_detect("/sys/fs/cgroup"),
		.ns = sp_str_c(args->ns),
		.path = path == NULL ? SP_STR("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
				     : sp_str_c(path),
		.on_shutdown = begin_end,
		.arg = s,
	};
	s->tasks = shim_tasks_new(&o);
	s->sockets.on_accept = on_accept;
	s->sockets.arg = s;
	return shim_server_init(&s->sockets, &s->loop, LISTENER_FD, shim_tasks_services(s->tasks),
				SHIM_SERVICES, err);
}

int shim_serve(const shim_args *args)
{
	static server s; /* large, and the one of this process */
	char room[4096];
	sp_err err = {0};
	/* What one request needed is given back before the next. */
	(void)mallopt(M_TRIM_THRESHOLD, 32 << 10);
	(void)mallopt(M_MMAP_THRESHOLD, 64 << 10);
	(void)fcntl(LISTENER_FD, F_SETFD, FD_CLOEXEC);
	(void)close_range(LISTENER_FD + 1, ~0u, 0); /* whatever our starter forgot to close */
	/* A group, not a session of its own: the kernel's autogroups would weigh a session of one shim
	 * against whole others, and the OCI runtime's start took a third longer on a busy machine. */
	(void)setpgid(0, 0);
	s.socket = args->socket;
	s.log_fd = open_log(shim_bundle(args, room, sizeof room));
	if (chdir("/") != 0)
		return 1;
	const sp_log_opts log = {.level = args->debug ? SP_LOG_DEBUG : SP_LOG_INFO,
				 .format = SP_LOG_TEXT,
				 .component = "shim",
				 .wall_ns = shim_wall_ns,
				 .write = write_log,
				 .arg = &s};
	s.log = sp_log_new(&log);
	int status = 0;
	if (begin(&s, args, &err) == SP_OK) {
		shim_loop_run(&s.loop);
	} else {
		sp_log(s.log, SP_LOG_ERROR, "shim cannot start", SP_KE(&err));
		status = 1;
	}
	return status;
}

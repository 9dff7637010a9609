/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs started and processes reaped. The shim is the parent, or the sub-reaper, of everything it runs:
 * one SIGCHLD descriptor, waitpid until nothing is left, exits handed to whoever registered the pid. A
 * process that somebody will register only later (an OCI runtime's child, whose pid is in a file until then)
 * may end first: while shim_reaper_hold is in force unknown exits are kept for shim_child_add.
 */
#pragma once

#include "shim/loop.h"

typedef struct shim_exit {
	int pid;
	uint32_t status; /* exit status, or 128 + signal */
	int64_t wall_ns;
} shim_exit;

typedef struct shim_child {
	sp_list node;
	int pid; /* 0 = not registered */
	void (*on_exit)(struct shim_child *c, const shim_exit *e);
	void *arg;
} shim_child;

typedef struct shim_reaper {
	shim_loop *loop;
	shim_watch watch; /* of the signalfd */
	sp_list children;
	sp_list early;
	unsigned n_holds, n_early;
	void (*on_signal)(void *arg, int signal); /* SIGTERM, SIGINT, SIGHUP */
	void *arg;
} shim_reaper;

/* Blocks the signals it takes over, ignores SIGPIPE and makes this process a sub-reaper. */
sp_code shim_reaper_init(shim_reaper *r, shim_loop *l, void (*on_signal)(void *arg, int signal), void *arg,
			 sp_err *err) SP_MUST_USE;
void shim_reaper_done(shim_reaper *r);

void shim_reaper_hold(shim_reaper *r);
void shim_reaper_release(shim_reaper *r);

/* Registers c->pid = pid. True: it had ended already, *ret is how, and it is not registered. */
bool shim_child_add(shim_reaper *r, shim_child *c, int pid, shim_exit *ret) SP_MUST_USE;
/* Forgets it; harmless when not registered. */
void shim_child_remove(shim_child *c);

typedef struct shim_spawn_opts {
	const char *path;        /* absolute */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL = ours */
	const int *fds;          /* child's descriptor i is fds[i]; -1 = /dev/null */
	size_t n_fds;
	bool dies_with_us; /* SIGKILL when this process ends: what it does has no meaning without us */
} shim_spawn_opts;

/* With default signals; every other descriptor of ours is close-on-exec. */
sp_code shim_spawn(const shim_spawn_opts *o, int *ret_pid, sp_err *err) SP_MUST_USE;

/* Hands ownership of a descriptor out and leaves -1 behind. */
#define SHIM_TAKE_FD(fd)             \
	({                           \
		int shim_fd_ = (fd); \
		(fd) = -1;           \
		shim_fd_;            \
	})

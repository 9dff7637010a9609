/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roles of one machine as child processes: started, started again after they ended, stopped in reverse
 * order. It reads nothing from anybody: who connects to its socket is told the state as one JSON document,
 * and is closed.
 */
#pragma once

#include "base/buf.h"
#include "base/log.h"
#include "io/world.h"

#define SUP_ROLES_MAX 16u
#define SUP_SOCKET_FD 3
#define SUP_BACKOFF_MIN_NS UINT64_C(100000000)   /* before the first restart; doubled each time */
#define SUP_BACKOFF_MAX_NS UINT64_C(10000000000) /* and never longer */
#define SUP_GOOD_NS UINT64_C(30000000000)        /* a role that ran so long begins again with the minimum */
#define SUP_GRACE_NS UINT64_C(15000000000)       /* from SIGTERM to SIGKILL */

typedef struct sup_role {
	const char *name;
	const char *const *argv; /* NULL-terminated; argv[0] is an absolute path */
	bool set_ids;
	uint32_t uid, gid; /* with set_ids */
	int socket;        /* a descriptor that it gets as SUP_SOCKET_FD; 0: none */
} sup_role;

typedef struct sup_opts {
	const sup_role *roles;  /* in the order of their start; they and what they point to outlive it */
	size_t n_roles;         /* up to SUP_ROLES_MAX */
	const char *const *env; /* of every role */
	sp_str socket;          /* "unix:/run/…"; empty: none. Readable by its owner only */
	sp_log *log;
} sup_opts;

typedef struct supervisor supervisor;

/* Starts every role. SP_EINVAL, or what keeps the socket from being made; nothing runs then. */
sp_code sup_new(sp_world *w, const sup_opts *o, supervisor **ret, sp_err *err) SP_MUST_USE;

/* Stops the last role, then the one before it …; done comes when all have ended. Once. */
void sup_stop(supervisor *s, void (*done)(void *arg), void *arg);

/* After done. NULL is a no-op. */
void sup_free(supervisor *s);

/*
 * The state: {"roles":[{"name":…,"state":"running","pid":…,"restarts":…,"forMilliseconds":…,
 * "last":"exited with status 1"}]}. States: running, waiting (to be started again), stopping, stopped.
 */
sp_code sup_print(const supervisor *s, sp_buf *out);

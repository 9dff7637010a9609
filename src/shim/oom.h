/* SPDX-License-Identifier: Apache-2.0 */
/* Tells when the kernel killed for memory in a cgroup: by cgroup.event_control on version 1, by memory.events
 * on version 2. */
#pragma once

#include "shim/cgroup.h"
#include "shim/loop.h"

typedef struct shim_oom {
	shim_loop *loop;
	shim_watch watch; /* eventfd or inotify; -1: not watching */
	bool v2;
	char dir[SHIM_CGROUP_PATH_BYTES]; /* of the memory controller */
	uint64_t n_kills;                 /* version 2: as last seen */
	void (*fn)(void *arg);
	void *arg;
} shim_oom;

/* SP_ENOTFOUND, SP_EIO: this cgroup can't be watched; nothing is called then. */
sp_code shim_oom_start(shim_oom *o, shim_loop *l, const shim_cgroup_fs *fs, sp_str cgroup_text,
		       void (*fn)(void *arg), void *arg, sp_err *err) SP_MUST_USE;
/* Looks now: what happened before an exit is told before it. */
void shim_oom_check(shim_oom *o);
void shim_oom_stop(shim_oom *o);

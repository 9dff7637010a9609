/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups, version 1 and 2, below roots that are parameters (tests use trees of files). On version 1
 * every controller has a directory of its own below `root`, or a link to one it shares; where both versions
 * are mounted (root/unified) version 1 counts.
 */
#pragma once

#include "base/buf.h"

typedef struct shim_cgroup_fs {
	const char *root; /* "/sys/fs/cgroup" */
	bool v2;
} shim_cgroup_fs;

/* Which version stands at root: by the file system's type, as a cgroup2 mount below it proves nothing. */
shim_cgroup_fs shim_cgroup_detect(const char *root);

/*
 * Puts a process (0 = this one) into an existing group, on version 1 in every hierarchy that has the path.
 * SP_ENOTFOUND: no hierarchy has it. SP_EINVAL: "..", or no path.
 */
sp_code shim_cgroup_join(const shim_cgroup_fs *fs, sp_str path, int pid, sp_err *err) SP_MUST_USE;

/*
 * The directory of a controller ("memory", "cpu" …) for the process whose /proc/PID/cgroup is `text`. False:
 * it has none, or the path does not fit.
 */
#define SHIM_CGROUP_PATH_BYTES 512u
bool shim_cgroup_dir(const shim_cgroup_fs *fs, sp_str text, const char *controller,
		     char ret[SHIM_CGROUP_PATH_BYTES]);

/* Calls fn for every process in the directory and all below it. */
void shim_cgroup_pids(const char *dir, void (*fn)(void *arg, uint32_t pid), void *arg);

/*
 * Kills what runs in a group, waits for its end (2 s), and takes it away with all below it, on version 1 in
 * every hierarchy; none is fine. What is busy then stays. Only for absolute paths without ".." that are not
 * the root ("slice:prefix:name" is systemd's to remove).
 */
void shim_cgroup_remove(const shim_cgroup_fs *fs, sp_str path);

/*
 * Appends the io.containerd.cgroups.v1.Metrics or .v2.Metrics of a group; *ret_type is its type URL. What is
 * not there is left out.
 */
sp_code shim_cgroup_stats(const shim_cgroup_fs *fs, sp_str text, sp_buf *out, sp_str *ret_type,
			  sp_err *err) SP_MUST_USE;

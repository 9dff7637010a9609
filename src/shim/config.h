/* SPDX-License-Identifier: Apache-2.0 */
/* What the shim wants to know of a bundle's config.json, and the errors that OCI runtimes write to log.json.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"

#define SHIM_CONFIG_BYTES_MAX ((size_t)4 << 20)

typedef struct shim_config {
	sp_str group;    /* of io.containerd.runc.v2.group, else io.kubernetes.cri.sandbox-id; may be empty */
	sp_str cgroup;   /* linux.cgroupsPath as it stands there; may be empty */
	bool own_pid_ns; /* a pid namespace without a path: its end is the end of all its processes */
	bool shares_mounts; /* some mount is to be seen outside (rshared): the runtime must not run behind one
			     */
} shim_config;

/* Strings are in the arena. SP_EINVAL: not JSON of this shape. */
sp_code shim_config_parse(sp_str json, sp_arena *a, shim_config *ret, sp_err *err) SP_MUST_USE;

/* The msg of the last line {"level":"error", …} of a log, in the arena; empty: there is none. */
sp_str shim_log_error(sp_str lines, sp_arena *a);

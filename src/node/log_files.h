/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a container's log: the one that is written, and those before it, "0.log.20260102-150405" and
 * the like, all but the newest of them compressed (".gz"). All calls block. U: kubernetes
 * pkg/kubelet/logs/container_log_manager.go.
 */
#pragma once

#include "base/arena.h"
#include "io/file.h"

/* Makes room for one more: removes what is left of earlier tries and what is more than max_files with the one
 * written and the next, the oldest first; compresses the rest. */
sp_code node_log_make_room(sp_world *w, sp_str log, size_t max_files, sp_arena *a, sp_err *err) SP_MUST_USE;
/* The log and all that was set aside of it; none of them has to be there. */
sp_code node_log_remove(sp_world *w, sp_str log, sp_arena *a, sp_err *err) SP_MUST_USE;
/* The name that the log gets now; {NULL, 0} without room. */
sp_str node_log_rotated_name(sp_arena *a, sp_str log, int64_t wall_ns);

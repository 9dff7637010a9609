/* SPDX-License-Identifier: Apache-2.0 */
/* What pods leave in the kernel when nobody of theirs is left to take it away. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct sp_world sp_world;

/* Whether a path is the directory, or below it. */
bool cli_is_below(sp_str path, sp_str dir);

/* Takes off every mount at or below an absolute directory, the innermost first. */
sp_code cli_unmount_below(sp_world *w, sp_arena *a, sp_str dir, sp_err *err) SP_MUST_USE;

/* Removes the cgroup of that name and all below it, of every hierarchy, as far as no process is in them. */
sp_code cli_remove_cgroups(sp_world *w, sp_arena *a, sp_str name, sp_err *err) SP_MUST_USE;

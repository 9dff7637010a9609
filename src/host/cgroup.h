/* SPDX-License-Identifier: Apache-2.0 */
/* What is done for the cgroups of containers before there are any. */
#pragma once

#include "base/arena.h"
#include "base/str.h"

/*
 * The file that moves processes into the cgroup that a line of /proc/PID/cgroup names, where cgroups are
 * mounted below /sys/fs/cgroup as usual; NULL bytes when the line is none, or without memory. cgroups(7).
 */
sp_str host_cgroup_file(sp_arena *a, sp_str line);

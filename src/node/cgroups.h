/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups of pods below a mount point of either version: with v2 `root` is the one hierarchy, with v1 every
 * directory in it is one. The version is told by the file cgroup.controllers, so that a tree of plain files
 * will do for tests. Blocks.
 */
#pragma once

#include "contracts/pod_files.h"

sp_code node_cgroup_set(sp_str root, sp_str path, const sp_pod_cgroup *limits, sp_err *err) SP_MUST_USE;
sp_code node_cgroup_remove(sp_str root, sp_str path, sp_err *err) SP_MUST_USE;
/* cpu.weight of v2 for cpu.shares of v1: 2 … 262144 to 1 … 10000. */
uint64_t node_cpu_weight(int64_t shares);

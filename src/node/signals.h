/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine has left, from its files. U: what cadvisor and pkg/kubelet/server/stats make of them. */
#pragma once

#include "io/file.h"
#include "node/eviction.h"
#include "node/images.h"

typedef struct node_signals_input {
	sp_str root;          /* pods' directories are on the file system of that path */
	sp_str image_mount;   /* and images on that of this; empty: unknown */
	int64_t memory_bytes; /* of the machine */
	sp_code (*disk)(sp_str path, node_disk *ret, sp_err *err);
} node_signals_input;

/* Blocks. What can't be found stays unknown. The paths end with a NUL. */
void node_signals_read(sp_world *w, const node_signals_input *in, sp_arena *a, node_observations *ret);

/* The parts of it, of texts of files. The working set is what is used but for pages of files that nobody used
 * lately; `limit` 0: none. */
void node_signal_memory(int64_t capacity, int64_t limit, int64_t used, sp_str memory_stat, bool is_v1,
			node_observation *ret);
void node_signal_pids(sp_str loadavg, sp_str pid_max, sp_str threads_max, node_observation *ret);

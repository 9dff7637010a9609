/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories of pods that went while no agent was there to see it: they are removed once it is known which
 * pods there are. U: kubernetes pkg/kubelet/kubelet_volumes.go cleanupOrphanedPodDirs.
 */
#pragma once

#include "io/file.h"

/* A pod that has a directory. */
typedef struct node_leftover {
	sp_str uid;
	sp_str ns, name; /* as its directory of logs has them; empty: there is none */
} node_leftover;

typedef struct node_leftovers {
	node_leftover *at;
	size_t n;
} node_leftovers;

/* All pods that have one below ROOT/pods. Blocks. In the arena; what can't be listed is none. SP_ENOMEM at
 * the arena's ceiling. */
sp_code node_leftovers_read(sp_world *w, sp_str root, sp_str log_root, sp_arena *a, node_leftovers *ret,
			    sp_err *err) SP_MUST_USE;

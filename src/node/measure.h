/* SPDX-License-Identifier: Apache-2.0 */
/* What the pods of the agent use of memory and disk: gathered in three steps, for only the second may block.
 */
#pragma once

#include "node/node_int.h"

typedef struct node_measured {
	sp_str name, path;
	node_amount_of use;
} node_measured;

/* The directories of one pod. */
typedef struct node_measured_pod {
	sp_str uid;
	node_measured *volumes, *logs; /* logs: by container */
	size_t n_volumes, n_logs;
} node_measured_pod;

typedef struct node_measure {
	sp_arena *arena; /* everything is in it */
	node_measured_pod *pods;
	size_t n;
} node_measure;

/* Which directories: of the pods that run; limited: of those whose storage is limited only. SP_ENOMEM. */
sp_code node_measure_plan(const node_agent *a, bool limited, node_measure *m, sp_err *err) SP_MUST_USE;
/* Walks them. Blocks: from a worker job. */
void node_measure_walk(sp_pod_files *f, node_measure *m);
/* One entry for each pod that still runs, in the arena; lists of the runtime may be NULL. SP_ENOMEM. */
sp_code node_measure_uses(const node_agent *a, const node_measure *m,
			  const sp_cri_list_container_stats_response *containers,
			  const sp_cri_list_pod_sandbox_stats_response *boxes, node_pod_use **ret,
			  size_t *ret_n, sp_err *err) SP_MUST_USE;

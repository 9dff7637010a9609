/* SPDX-License-Identifier: Apache-2.0 */
/* What NodeResourcesFit and NodeResourcesBalancedAllocation share: one column of room and scores per request.
 * Every total begins with it, so that a pod without rules is decided by what changed since the one before. */
#pragma once

#include "scheduler/columns.h"
#include "scheduler/plugins/plugins.h"

/* The column of the pod's requests: bits = it fits, a = weighted scores of NodeResourcesFit and
 * BalancedAllocation, b = what is short (0: nothing). */
sp_code sched_fit_column(sched_cycle *c) SP_MUST_USE;

/* U: noderesources/balanced_allocation.go. False: the pod asks for none of the profile's resources. */
bool sched_balanced_applies(const sched_profile *p, const sched_state *st, const sched_spec *s);
int32_t sched_balanced_score(const sched_profile *p, const sched_state *st, const sched_spec *s,
			     uint32_t slot);

/* One resource of a node and a pod as scores see it. */
typedef struct sched_share {
	int64_t allocatable, used, asked;
} sched_share;

/* A resource by name; false when it does not count on this node (absent there, or an extended one the pod
 * does not ask for). `nonzero`: cpu and memory with the defaults for containers that do not ask. */
bool sched_share_of(const sched_state *st, const sched_spec *s, uint32_t slot, sp_str resource, bool nonzero,
		    sched_share *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pods of lower priority would have to go so that a pod fits. A dry run per node; nothing is changed.
 * U: plugins/defaultpreemption, framework/preemption.
 */
#pragma once

#include "scheduler/cycle.h"

typedef struct sched_candidate {
	uint32_t slot;
	const sched_pod **victims;      /* most important first */
	size_t n_victims, n_violations; /* of disruption budgets */
	/* What candidates are compared by. */
	int64_t sum_priorities;
	int32_t highest;           /* priority */
	const sched_pod *earliest; /* the victim of that priority that runs longest */
} sched_candidate;

typedef struct sched_preemption {
	bool eligible;
	sp_str message; /* what preemption adds to the pod's message; empty when there are candidates */
	sched_candidate *candidates; /* all that were found, or the best of them */
	size_t n_candidates;
	/* Nodes that were tried in vain, when all are told. */
	struct sched_tried {
		uint32_t slot;
		sched_status why;
	} * tried;
	size_t n_tried;
	size_t best; /* index of the candidate to take; n_candidates: none */
} sched_preemption;

/*
 * For the cycle's pod, right after a run that found no node. When `all`, all candidates are looked for and
 * told; else enough of them from a node on that `chance` chooses, and the best one is told. The result lives
 * in the cycle's arena. SP_ENOMEM.
 */
sp_code sched_preempt(sched_cycle *c, bool all, uint64_t chance, sched_preemption *ret) SP_MUST_USE;

/* True when candidate i is as good as the best one. */
bool sched_preempt_is_best(const sched_preemption *p, size_t i);

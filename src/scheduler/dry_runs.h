/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dry runs of preemption found on each node, kept from pod to pod of one spec and profile: a wave of
 * identical pods looks anew only at nodes that changed since. Only for pods to whom a node says everything:
 * with rules between pods, spread constraints or volumes a dry run depends on other nodes, too, and is not
 * kept; nor is one of a node that holds room for nominated pods, or while other pods' anti-affinity counts.
 */
#pragma once

#include "scheduler/preempt.h"

#define SCHED_DRY_REASONS_MAX 6u /* of one node; more are not kept */
#define SCHED_DRY_TEXTS_MAX 16u  /* different reasons */

typedef struct sched_dry_run {
	uint32_t generation;                               /* the memo's, or the node is to be tried */
	uint8_t n_reasons, reasons[SCHED_DRY_REASONS_MAX]; /* numbers of texts; when there is no candidate */
	sched_candidate found;                             /* without its victims; n_victims 0: none */
} sched_dry_run;

typedef struct sched_dry_memo {
	sp_str spec;                                       /* its key; a copy */
	uint64_t usage_seq, objects_seq, budgets_revision; /* of the state: taken in */
	uint32_t generation, cap;
	sched_dry_run *of; /* each slot */
	sp_str texts[SCHED_DRY_TEXTS_MAX];
	size_t n_texts;
} sched_dry_memo;

/* The memo for the cycle's pod, with what changed forgotten. NULL: nothing can be kept for it. */
sched_dry_memo *sched_dry_memo_for(sched_cycle *c) SP_MUST_USE;
/* NULL: not known. The memo may be NULL. */
const sched_dry_run *sched_dry_memo_find(const sched_cycle *c, const sched_dry_memo *m, uint32_t slot);
/* What a dry run of the node found; it may stay unkept. The memo may be NULL. */
void sched_dry_memo_keep(const sched_cycle *c, sched_dry_memo *m, const sched_candidate *found,
			 const sched_status *why);
void sched_dry_memo_free(sched_dry_memo *m);

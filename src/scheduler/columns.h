/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns derived from the node table for one class of pods (which nodes match a node selector, which have
 * room for certain requests and how they score): made once, then renewed only for the slots that changed
 * since. The least recently used ones go when there are too many.
 */
#pragma once

#include "scheduler/state.h"

#define SCHED_COLUMNS_MAX 256u

typedef struct sched_column sched_column;
struct sched_column {
	sp_str key;
	sched_column *older, *newer;
	const sched_change_log *log;
	uint64_t seq;            /* changes of the log taken in */
	uint32_t cap;            /* slots there is room for */
	uint32_t n;              /* slots computed */
	uint64_t *bits;          /* of each slot */
	int32_t *a, *b;          /* values of each slot; b may be absent */
	struct sched_best *best; /* of each word of slots, by `a`; or absent */
};

enum {
	SCHED_COLUMN_A = 1u << 0, /* has the values a */
	SCHED_COLUMN_B = 1u << 1,
	SCHED_COLUMN_BEST = 1u << 2, /* the best values of a are looked for */
};

typedef void sched_column_fn(const sched_state *st, sched_column *c, uint32_t slot, const void *arg);

/*
 * The column of a key, renewed: `one` is called for each slot that is out of date. It has to give the same
 * for equal keys. Good for the decision that asked: the newest ones never go. NULL: no memory.
 */
sched_column *sched_column_get(sched_state *st, sp_str key, const sched_change_log *log, unsigned parts,
			       sched_column_fn *one, const void *arg) SP_MUST_USE;
void sched_columns_done(sched_state *st);

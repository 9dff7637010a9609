/* SPDX-License-Identifier: Apache-2.0 */
/* "0/4 nodes are available: 1 Insufficient cpu, 3 …": U: framework/types.go (FitError). */
#pragma once

#include "scheduler/cycle.h"

/* Further reasons than this are left out of the text. */
#define SCHED_TALLY_MAX 128u

/* How many nodes say each reason. */
typedef struct sched_tally sched_tally;
struct sched_tally {
	struct {
		sp_str text;
		size_t n;
	} items[SCHED_TALLY_MAX];
	size_t n;
};

/* False: too many reasons. The text is not copied. */
bool sched_tally_add(sched_tally *t, sp_str text, size_t n);
/* {NULL, 0}: no room. */
sp_str sched_tally_text(sp_arena *a, const sched_tally *t, size_t n_nodes);

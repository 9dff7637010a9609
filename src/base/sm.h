/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State machines as tables. Anything with a lifecycle (pod, watch, stream, lease …) names its states in one
 * constant table and moves only where the table allows: a move that it does not list is a programmer error
 * and aborts with both names. The idea is that of dqlite's lib/sm: allowed moves as a bit set per state.
 */
#pragma once

#include "base/buf.h"
#include "base/defs.h"

#define SP_SM_STATES_MAX 64u

typedef struct sp_sm_state {
	const char *name;
	uint64_t next; /* SP_TO(state) | … */
	bool final;    /* nothing leaves it; `next` is 0 */
} sp_sm_state;

#define SP_TO(state) (UINT64_C(1) << (state))

typedef struct sp_sm {
	const sp_sm_state *states;
	const char *what; /* "pod": names the machine in texts */
	uint8_t n, now;
	/* Called after each move, may be NULL: for traces and metrics. */
	void (*moved)(void *arg, const struct sp_sm *m, uint8_t from);
	void *arg;
} sp_sm;

/* Starts in `first`. The table is checked: names, moves within the table, final states without moves. */
void sp_sm_init(sp_sm *m, const char *what, const sp_sm_state *states, size_t n, uint8_t first);

/* True when the table allows the move. A state may list itself. */
bool sp_sm_may(const sp_sm *m, uint8_t to);
/* Aborts, with both names, when the table does not allow it. */
void sp_sm_move(sp_sm *m, uint8_t to);

static inline const char *sp_sm_name(const sp_sm *m)
{
	return m->states[m->now].name;
}
static inline bool sp_sm_is_final(const sp_sm *m)
{
	return m->states[m->now].final;
}

/* The table as a Graphviz digraph; documents' pictures are made from it. */
sp_code sp_sm_dot(sp_buf *out, const char *what, const sp_sm_state *states, size_t n);

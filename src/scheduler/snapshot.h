/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot's objects, checked by their schema, and the state they make. */
#pragma once

#include "base/json.h"
#include "scheduler/state.h"

#define SCHED_SNAPSHOT_ARENA_BYTES ((size_t)4 << 30)

typedef struct sched_snapshot {
	sched_state *st;
	sp_arena arena;   /* of the text */
	sp_arena scratch; /* of one object */
	yyjson_val *root;
} sched_snapshot;

/* Parses and puts everything but the pods to decide into a new state. Call done in any case. */
sp_code sched_snapshot_open(sched_snapshot *s, sp_str text, sp_err *err) SP_MUST_USE;
void sched_snapshot_done(sched_snapshot *s);

/* One pod of the snapshot. `where` is for messages: "pending[3]". */
sp_code sched_snapshot_pod(sched_snapshot *s, yyjson_val *v, const char *where, sched_pod **ret,
			   sp_err *err) SP_MUST_USE;

typedef enum sched_step_kind {
	SCHED_STEP_SCHEDULE,
	SCHED_STEP_ADD_POD,
	SCHED_STEP_UPDATE_POD,
	SCHED_STEP_DELETE_POD,
	SCHED_STEP_SET_NODE,
	SCHED_STEP_DELETE_NODE,
	SCHED_STEP_SET_NAMESPACE,
	SCHED_STEP_KINDS_
} sched_step_kind;

/* Does a step of any kind but schedule; for that one *ret_pod gets the pod to decide, else NULL. */
sp_code sched_snapshot_step(sched_snapshot *s, yyjson_val *step, const char *where, sched_pod **ret_pod,
			    sp_err *err) SP_MUST_USE;

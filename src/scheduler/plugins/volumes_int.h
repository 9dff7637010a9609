/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files that keep volumes. */
#pragma once

#include "scheduler/plugins/volumes.h"

struct sched_volumes {
	sp_map objects[SCHED_VOLUME_KINDS_];
	sp_map uses;                            /* volume_uses.c: claim_use by key of the claim */
	sp_map nodes, watches, attachments;     /* the same: what is attached where, and why */
	sp_map assumed_claims, assumed_volumes; /* sched_assumption */
};

/* Made when it is not there yet. NULL: no memory. */
struct sched_volumes *sched_volumes_of(sched_state *st);
void sched_assumptions_done(struct sched_volumes *all);
void sched_uses_done(struct sched_volumes *all);
/* An object came, changed or went: what is attached is counted anew where that depends on it. */
sp_code sched_uses_follow(sched_state *st, sched_volume_kind kind, sp_str key) SP_MUST_USE;

/* All kinds begin with their key and their arena. */
typedef struct sched_volume_object {
	sp_str key;
	sp_arena arena;
} sched_volume_object;

/* volume_read.c: fills in an object of zeroes with an open arena. */
sp_code sched_volume_read(sched_volume_kind kind, yyjson_val *object, sched_volume_object *o) SP_MUST_USE;
size_t sched_volume_size(sched_volume_kind kind);

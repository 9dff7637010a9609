/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted for the rules of a spec: groups and topologies, asked for when the first pod of that spec
 * is to be placed and kept while such pods are around.
 */
#pragma once

#include "scheduler/profile.h"
#include "scheduler/state.h"

typedef struct sched_armed_one {
	sched_group *group; /* NULL for a spread constraint whose selector selects everything */
	sched_topology *topology;
} sched_armed_one;

typedef struct sched_armed {
	sp_arena arena;
	sched_armed_one *affinity, *anti, *soft, *hard,
		*weak; /* as the spec's lists; affinity share one group */
	/* Default spreading, of the services and sets at a revision of them. */
	uint64_t sources_revision;
	uint32_t profile_number;
	bool default_done;
	sp_arena default_arena;
	sched_armed_one *defaults;
	size_t n_defaults;
	const sched_spread *default_constraints; /* the profile's, with the selector found */
} sched_armed;

/* SP_ENOMEM: nothing was asked for. */
sp_code sched_arm(sched_state *st, sched_spec *s) SP_MUST_USE;
/* The default constraints of the spec's pods that say when_hard or not; for specs without constraints of
 * their own. */
sp_code sched_arm_defaults(sched_state *st, sched_spec *s, const sched_profile *p) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which changes may help a pod that was turned down, by the plugin that did so. A hint may be wrong in one
 * direction only: a change that helps always counts. U: EventsToRegister and the queueing hints of each
 * plugin.
 */
#pragma once

#include "scheduler/profile.h"
#include "scheduler/state.h"

/* What changed of a pending pod itself. */
typedef enum sched_own_change {
	SCHED_OWN_NOTHING, /* that a plugin reads */
	SCHED_OWN_SPEC,    /* labels, tolerations, requests, gates … */
} sched_own_change;

typedef enum sched_change_kind {
	SCHED_CHANGE_NODE, /* came or was updated: `node` is as it is now */
	SCHED_CHANGE_NODE_GONE,
	SCHED_CHANGE_POD_PLACED, /* bound, or changed where it is */
	SCHED_CHANGE_POD_GONE,   /* left its node; also one that was only taken to be there */
	SCHED_CHANGE_NAMESPACE,
	SCHED_CHANGE_VOLUME, /* an object that volumes are made of: `volume` and what follows it */
	SCHED_CHANGE_ANY,    /* everything is tried again */
} sched_change_kind;

typedef struct sched_change {
	sched_change_kind kind;
	const sched_node *node;
	const sched_pod *pod; /* before it is released */
	bool smaller;         /* POD_PLACED: it asks for less than before */
	uint8_t volume;       /* sched_volume_kind */
	bool went;            /* it is gone */
	sp_str key;           /* of the object */
} sched_change;

/* May the change help pods of this spec, which the plugin turned down? */
bool sched_hint(const sched_state *st, const sched_spec *s, sched_plugin_id plugin,
		const sched_change *change);

/* "AssignedPodDelete": what upstream calls such an event. */
sp_str sched_change_name(const sched_change *change);

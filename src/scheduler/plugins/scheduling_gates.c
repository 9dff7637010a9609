/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/schedulinggates/scheduling_gates.go. */
#include "scheduler/plugins/scheduling_gates.h"

sched_verdict sched_gates_check(sp_arena *a, const sched_spec *s, sched_status *why)
{
	if (s->n_gates == 0)
		return SCHED_OK;
	sp_str text = SP_STR("waiting for scheduling gates: [");
	for (size_t i = 0; i < s->n_gates && text.ptr != NULL; i++)
		text = SP_CONCAT(a, text, i == 0 ? SP_STR("") : SP_STR(" "), s->gates[i]);
	if (text.ptr != NULL)
		text = SP_CONCAT(a, text, SP_STR("]"));
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_SCHEDULING_GATES,
		     text.ptr == NULL ? SP_STR("waiting for scheduling gates") : text);
	return SCHED_UNRESOLVABLE;
}

const sched_plugin sched_scheduling_gates = {.name = "SchedulingGates"};
const sched_plugin sched_default_preemption = {.name = "DefaultPreemption"};

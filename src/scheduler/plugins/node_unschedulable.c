/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/nodeunschedulable/node_unschedulable.go. */
#include "scheduler/plugins/plugins.h"

/* A cordoned node is closed to pods that do not tolerate the taint that goes with it. */
static bool tolerates_cordon(const sched_cycle *c)
{
	static const sched_taint taint = {.key = SP_STR_INIT("node.kubernetes.io/unschedulable"),
					  .effect = SP_STR_INIT("NoSchedule")};
	return sched_tolerated(c->spec->tolerations, c->spec->n_tolerations, &taint);
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	if (tolerates_cordon(c))
		return;
	for (size_t w = 0; w < c->n_words; w++)
		nodes[w] &= ~c->st->t.unschedulable[w];
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	(void)o;
	if (!sched_bit(c->st->t.unschedulable, slot) || tolerates_cordon(c))
		return SCHED_OK;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_NODE_UNSCHEDULABLE,
		     SP_STR("node(s) were unschedulable"));
	return SCHED_UNRESOLVABLE;
}

const sched_plugin sched_node_unschedulable = {
	.name = "NodeUnschedulable", .filter = filter, .filter_node = filter_node};

/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/nodename/node_name.go. */
#include "scheduler/plugins/plugins.h"

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	(void)why;
	return c->pod->node_name.len == 0 ? SCHED_SKIP : SCHED_OK;
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	(void)o;
	if (sp_str_eq(c->pod->node_name, c->st->t.nodes[slot]->name))
		return SCHED_OK;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_NODE_NAME,
		     SP_STR("node(s) didn't match the requested node name"));
	return SCHED_UNRESOLVABLE;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	const sched_node *node = sched_find_node(c->st, c->pod->node_name);
	bool kept = node != NULL && node->exists && sched_bit(nodes, node->slot);
	for (size_t w = 0; w < c->n_words; w++)
		nodes[w] = 0;
	if (kept)
		sched_bit_set(nodes, node->slot);
}

const sched_plugin sched_node_name = {
	.name = "NodeName", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};

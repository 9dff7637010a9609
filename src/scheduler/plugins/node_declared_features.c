/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/nodedeclaredfeatures, component-helpers nodedeclaredfeatures. */
#include "scheduler/plugins/plugins.h"

static bool declares(const sched_node *node, sp_str feature)
{
	for (size_t i = 0; i < node->n_features; i++) {
		if (sp_str_eq(node->features[i], feature))
			return true;
	}
	return false;
}

static bool passes(const sched_cycle *c, uint32_t slot)
{
	const sched_node *node = c->st->t.nodes[slot];
	return (!c->spec->needs_restart_all ||
		declares(node, SP_STR("RestartAllContainersOnContainerExits"))) &&
	       (!c->spec->needs_user_namespaces_host_network ||
		declares(node, SP_STR("UserNamespacesHostNetworkSupport")));
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	(void)why;
	return c->spec->needs_restart_all || c->spec->needs_user_namespaces_host_network ? SCHED_OK
											 : SCHED_SKIP;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		if (!passes(c, slot))
			sched_bit_clear(nodes, slot);
	}
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	(void)o;
	if (passes(c, slot))
		return SCHED_OK;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_NODE_DECLARED_FEATURES,
		     SP_STR("node(s) didn't match Pod's required features"));
	return SCHED_UNRESOLVABLE;
}

const sched_plugin sched_node_declared_features = {
	.name = "NodeDeclaredFeatures", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};

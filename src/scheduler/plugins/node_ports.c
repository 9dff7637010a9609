/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/nodeports/node_ports.go, kube-scheduler framework/types.go (HostPortInfo). */
#include "scheduler/plugins/plugins.h"

static bool conflict(const sched_port *wanted, const sched_port *used)
{
	static const sp_str any = SP_STR_INIT("0.0.0.0");
	return wanted->port == used->port && sp_str_eq(wanted->protocol, used->protocol) &&
	       (sp_str_eq(wanted->ip, any) || sp_str_eq(used->ip, any) || sp_str_eq(wanted->ip, used->ip));
}

static bool same(const sched_port *a, const sched_port *b)
{
	return a->port == b->port && sp_str_eq(a->protocol, b->protocol) && sp_str_eq(a->ip, b->ip);
}

/*
 * Upstream keeps a set, not a count: in a dry run the last change decides, so a port that two pods hold
 * (bound by hand) is free as soon as one of them goes. Preemption has to choose what upstream chooses.
 */
static bool is_used(const sched_overlay *o, const sched_port *port, bool before)
{
	for (size_t i = o == NULL ? 0 : o->n_ports; i > 0; i--) {
		if (same(o->ports[i - 1].port, port))
			return o->ports[i - 1].by > 0;
	}
	return before;
}

static bool is_free(const sched_node *node, const sched_overlay *o, const sched_port *wanted)
{
	for (uint32_t i = 0; i < node->n_ports; i++) {
		if (conflict(wanted, node->ports[i].port) && is_used(o, node->ports[i].port, true))
			return false;
	}
	for (size_t i = 0; o != NULL && i < o->n_ports; i++) {
		if (conflict(wanted, o->ports[i].port) && is_used(o, o->ports[i].port, false))
			return false;
	}
	return true;
}

static bool all_free(const sched_cycle *c, uint32_t slot, const sched_overlay *o)
{
	for (size_t i = 0; i < c->spec->n_ports; i++) {
		if (!is_free(c->st->t.nodes[slot], o, &c->spec->ports[i]))
			return false;
	}
	return true;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	(void)why;
	return c->spec->n_ports == 0 ? SCHED_SKIP : SCHED_OK;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		if (!all_free(c, slot, NULL))
			sched_bit_clear(nodes, slot);
	}
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	if (all_free(c, slot, o))
		return SCHED_OK;
	sched_reason(why, SCHED_UNSCHEDULABLE, SCHED_P_NODE_PORTS,
		     SP_STR("node(s) didn't have free ports for the requested pod ports"));
	return SCHED_UNSCHEDULABLE;
}

const sched_plugin sched_node_ports = {
	.name = "NodePorts", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};

/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/volumezone/volume_zone.go. Labels of a volume that say in which zone or region it is. */
#include "scheduler/plugins/volumes.h"

static const struct {
	sp_str key, ga; /* of a node that has only the newer one */
} topology_labels[] = {
	{SP_STR_INIT("failure-domain.beta.kubernetes.io/zone"), SP_STR_INIT("topology.kubernetes.io/zone")},
	{SP_STR_INIT("failure-domain.beta.kubernetes.io/region"),
	 SP_STR_INIT("topology.kubernetes.io/region")},
	{SP_STR_INIT("topology.kubernetes.io/zone"), SP_STR_INIT("topology.kubernetes.io/zone")},
	{SP_STR_INIT("topology.kubernetes.io/region"), SP_STR_INIT("topology.kubernetes.io/region")},
};

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	(void)why; /* VolumeBinding has looked at the claims */
	for (size_t i = 0; c->volumes != NULL && i < c->volumes->n_volumes; i++) {
		for (size_t k = 0; c->volumes->volumes[i] != NULL && k < SP_LEN(topology_labels); k++) {
			const sched_pv *v = c->volumes->volumes[i];
			if (sched_label(v->labels, v->n_labels, topology_labels[k].key) != NULL)
				return SCHED_OK;
		}
	}
	return SCHED_SKIP;
}

/* Zones of a volume that is in several are joined by two underscores. */
static bool is_one_of(sp_str zones, sp_str zone)
{
	while (zones.len > 0) {
		ptrdiff_t at = sp_str_find(zones, SP_STR("__"));
		size_t end = at < 0 ? zones.len : (size_t)at;
		if (sp_str_eq(sp_str_sub(zones, 0, end), zone))
			return true;
		zones = sp_str_sub(zones, SP_MIN(end + 2, zones.len), zones.len);
	}
	return false;
}

static bool holds(const sched_pv *v, const sched_node *node)
{
	for (size_t k = 0; k < SP_LEN(topology_labels); k++) {
		const sp_str *zones = sched_label(v->labels, v->n_labels, topology_labels[k].key);
		const sp_str *zone = sched_node_label(node, topology_labels[k].key);
		if (zones == NULL)
			continue;
		if (zone == NULL)
			zone = sched_node_label(node, topology_labels[k].ga);
		if (zone == NULL || !is_one_of(*zones, *zone))
			return false;
	}
	return true;
}

static bool has_topology(const sched_node *node)
{
	for (size_t k = 0; k < SP_LEN(topology_labels); k++) {
		if (sched_node_label(node, topology_labels[k].key) != NULL)
			return true;
	}
	return false;
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	const sched_node *node = c->st->t.nodes[slot];
	(void)o;
	for (size_t i = 0; has_topology(node) && i < c->volumes->n_volumes; i++) {
		if (c->volumes->volumes[i] == NULL || holds(c->volumes->volumes[i], node))
			continue;
		sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_ZONE,
			     SP_STR("node(s) had no available volume zone"));
		return SCHED_UNRESOLVABLE;
	}
	return SCHED_OK;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		sched_status why = {0};
		if (filter_node(c, slot, NULL, &why) != SCHED_OK)
			sched_bit_clear(nodes, slot);
	}
}

const sched_plugin sched_volume_zone = {
	.name = "VolumeZone", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};

/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/volumerestrictions/volume_restrictions.go. */
#include "scheduler/plugins/volumes.h"

static bool shares_monitor(const sched_disk *a, const sched_disk *b)
{
	for (size_t i = 0; i < a->n_monitors; i++) {
		for (size_t k = 0; k < b->n_monitors; k++) {
			if (sp_str_eq(a->monitors[i], b->monitors[k]))
				return true;
		}
	}
	return false;
}

static bool conflict(const sched_disk *a, const sched_disk *b)
{
	if (a->kind != b->kind || !sp_str_eq(a->id, b->id))
		return false;
	if (a->kind == SCHED_DISK_AWS)
		return true;
	return !(a->read_only && b->read_only) && (a->kind != SCHED_DISK_RBD || shares_monitor(a, b));
}

static bool conflicts_with(const sched_spec *s, const sched_pod *pod)
{
	for (size_t i = 0; i < s->n_disks; i++) {
		for (size_t k = 0; k < pod->spec->n_disks; k++) {
			if (conflict(&s->disks[i], &pod->spec->disks[k]))
				return true;
		}
	}
	return false;
}

/* -1: the overlay took the pod away, 1: it brought it. */
static int sum_of(const sched_overlay *o, const sched_pod *pod)
{
	int by = 0;
	for (size_t i = 0; o != NULL && i < o->n_disk_pods; i++)
		by += o->disk_pods[i].pod == pod ? o->disk_pods[i].by : 0;
	return by;
}

static bool passes(const sched_cycle *c, uint32_t slot, const sched_overlay *o)
{
	const sched_node *node = c->st->t.nodes[slot];
	for (uint32_t i = 0; i < node->n_pods; i++) {
		if (node->pods[i]->spec->n_disks > 0 && conflicts_with(c->spec, node->pods[i]) &&
		    sum_of(o, node->pods[i]) >= 0)
			return false;
	}
	for (size_t i = 0; o != NULL && i < o->n_disk_pods; i++) {
		const sched_pod *pod = o->disk_pods[i].pod;
		if (pod->node != node && sum_of(o, pod) > 0 && conflicts_with(c->spec, pod))
			return false;
	}
	return true;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	(void)why;
	return c->spec->n_disks == 0 ? SCHED_SKIP : SCHED_OK;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		if (!passes(c, slot, NULL))
			sched_bit_clear(nodes, slot);
	}
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	if (passes(c, slot, o))
		return SCHED_OK;
	sched_reason(why, SCHED_UNSCHEDULABLE, SCHED_P_VOLUME_RESTRICTIONS,
		     SP_STR("node(s) had no available disk"));
	return SCHED_UNSCHEDULABLE;
}

const sched_plugin sched_volume_restrictions = {
	.name = "VolumeRestrictions", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};
const sched_plugin sched_node_volume_limits = {.name = "NodeVolumeLimits"};
const sched_plugin sched_volume_binding = {.name = "VolumeBinding"};
const sched_plugin sched_volume_zone = {.name = "VolumeZone"};

void sched_volumes_count(sched_state *st, const sched_pod *pod, int sign)
{
	(void)st;
	(void)pod;
	(void)sign;
}
void sched_volumes_done(sched_state *st)
{
	(void)st;
}

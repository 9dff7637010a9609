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

/* Claims that only one pod may use, and how many of them are in use. */
static sched_verdict single_claims(sched_cycle *c, sched_status *why)
{
	const sched_spec *s = c->spec;
	sp_str *single = sp_try_new(&c->arena, sp_str, s->n_claims + 1);
	c->volumes = sp_try_new(&c->arena, sched_volume_state, 1);
	if (single == NULL || c->volumes == NULL)
		return SCHED_FAILED;
	c->volumes->single = single;
	for (size_t i = 0; i < s->n_claims; i++) {
		sp_str key = sched_claim_key(&c->arena, c->pod, &s->claims[i]);
		const sched_pvc *pvc = key.ptr == NULL ? NULL : sched_find_pvc(c->st, key);
		if (s->claims[i].ephemeral)
			continue;
		if (pvc == NULL) {
			sp_str text = SP_CONCAT(&c->arena, SP_STR("persistentvolumeclaim \""),
						s->claims[i].name, SP_STR("\" not found"));
			sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_RESTRICTIONS,
				     text.ptr == NULL ? SP_STR("a persistentvolumeclaim is not found")
						      : text);
			return SCHED_UNRESOLVABLE;
		}
		if (!pvc->single_pod)
			continue;
		single[c->volumes->n_single++] = s->claims[i].name;
		c->volumes->in_use += sched_claim_uses(c->st, key) > 0;
	}
	return SCHED_OK;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	if (c->spec->n_claims > 0) {
		sched_verdict v = single_claims(c, why);
		if (v != SCHED_OK)
			return v;
	}
	bool claimed = c->volumes != NULL && c->volumes->in_use > 0;
	return c->spec->n_disks == 0 && !claimed ? SCHED_SKIP : SCHED_OK;
}

static bool claims_free(const sched_cycle *c, const sched_overlay *o)
{
	return c->volumes == NULL || c->volumes->in_use + (o == NULL ? 0 : o->claims) <= 0;
}

/* Every node is out while another pod has the claim; dry runs may take that pod away. */
static void overlay(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign)
{
	for (size_t i = 0; c->volumes != NULL && i < c->volumes->n_single; i++) {
		for (size_t k = 0; k < pod->spec->n_claims; k++) {
			if (!pod->spec->claims[k].ephemeral &&
			    sp_str_eq(pod->spec->claims[k].name, c->volumes->single[i]))
				o->claims += sign;
		}
	}
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		if (!passes(c, slot, NULL) || !claims_free(c, NULL))
			sched_bit_clear(nodes, slot);
	}
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	bool disks = passes(c, slot, o);
	if (disks && claims_free(c, o))
		return SCHED_OK;
	sched_reason(why, SCHED_UNSCHEDULABLE, SCHED_P_VOLUME_RESTRICTIONS,
		     !disks ? SP_STR("node(s) had no available disk")
			    : SP_STR("node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod "
				     "access mode "
				     "already in-use by another pod"));
	return SCHED_UNSCHEDULABLE;
}

const sched_plugin sched_volume_restrictions = {.name = "VolumeRestrictions",
						.prefilter = prefilter,
						.filter = filter,
						.filter_node = filter_node,
						.overlay = overlay};

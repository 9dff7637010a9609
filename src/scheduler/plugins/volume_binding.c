/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U: plugins/volumebinding/volume_binding.go, binder.go. Claims that are bound keep a pod to the nodes that
 * can have the volume. Claims that wait for their first consumer are not bound here yet: pods that have some
 * are refused clearly.
 */
#include "scheduler/plugins/volumes.h"

static sched_verdict reject(sched_cycle *c, sched_status *why, sp_str before, sp_str name, sp_str after)
{
	sp_str text = SP_CONCAT(&c->arena, before, SP_STR("\""), name, SP_STR("\""), after);
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_BINDING,
		     text.ptr == NULL ? SP_STR("a claim cannot be used") : text);
	return SCHED_UNRESOLVABLE;
}

/* The claim is there and usable at all. */
static sched_verdict check_claim(sched_cycle *c, const sched_claim *claim, sp_str key, const sched_pvc *pvc,
				 sched_status *why)
{
	sp_str name = sp_str_sub(key, c->pod->ns.len + 1, key.len);
	if (pvc == NULL && claim->ephemeral)
		return reject(c, why,
			      SP_STR("waiting for ephemeral volume controller to create the "
				     "persistentvolumeclaim "),
			      name, SP_STR(""));
	if (pvc == NULL)
		return reject(c, why, SP_STR("persistentvolumeclaim "), name, SP_STR(" not found"));
	if (pvc->lost) {
		sp_str after = SP_CONCAT(&c->arena, SP_STR(" bound to non-existent persistentvolume \""),
					 pvc->volume, SP_STR("\""));
		return reject(c, why, SP_STR("persistentvolumeclaim "), name, after);
	}
	if (pvc->deleting)
		return reject(c, why, SP_STR("persistentvolumeclaim "), name, SP_STR(" is being deleted"));
	return SCHED_OK;
}

static bool waits(const sched_state *st, const sched_pvc *pvc)
{
	const sched_storage_class *k =
		pvc->class_name.len == 0 ? NULL : sched_find_class(st, pvc->class_name);
	return pvc->volume.len == 0 && k != NULL && k->waits;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	const sched_spec *s = c->spec;
	bool immediate = false, delayed = false;
	if (s->n_claims == 0)
		return SCHED_SKIP;
	const sched_pv **volumes = sp_try_new(&c->arena, const sched_pv *, s->n_claims);
	if (c->volumes == NULL)
		c->volumes = sp_try_new(&c->arena, sched_volume_state, 1);
	if (volumes == NULL || c->volumes == NULL)
		return SCHED_FAILED;
	c->volumes->volumes = volumes;
	for (size_t i = 0; i < s->n_claims; i++) {
		sp_str key = sched_claim_key(&c->arena, c->pod, &s->claims[i]);
		if (key.ptr == NULL)
			return SCHED_FAILED;
		const sched_pvc *pvc = sched_find_pvc(c->st, key);
		sched_verdict v = check_claim(c, &s->claims[i], key, pvc, why);
		if (v != SCHED_OK)
			return v;
		if (pvc->bound)
			volumes[c->volumes->n_volumes++] = sched_find_pv(c->st, pvc->volume);
		else if (waits(c->st, pvc))
			delayed = true;
		else
			immediate = true;
	}
	if (!immediate && !delayed)
		return SCHED_OK;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_BINDING,
		     immediate ? SP_STR("pod has unbound immediate PersistentVolumeClaims")
			       : SP_STR("claims that wait for their first consumer are not bound by this "
					"scheduler"));
	return SCHED_UNRESOLVABLE;
}

static bool may_have(const sched_pv *v, const sched_node *node)
{
	for (size_t i = 0; i < v->n_terms; i++) {
		if (sched_node_term_holds(&v->terms[i], node))
			return true;
	}
	return !v->has_terms;
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	bool missing = false, elsewhere = false;
	(void)o;
	for (size_t i = 0; i < c->volumes->n_volumes; i++) {
		const sched_pv *v = c->volumes->volumes[i];
		missing |= v == NULL;
		elsewhere |= v != NULL && !may_have(v, c->st->t.nodes[slot]);
	}
	if (!missing && !elsewhere)
		return SCHED_OK;
	sched_reason(
		why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_BINDING,
		missing ? SP_STR("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
			: SP_STR("node(s) didn't match PersistentVolume's node affinity"));
	return SCHED_UNRESOLVABLE;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		sched_status why = {0};
		if (filter_node(c, slot, NULL, &why) != SCHED_OK)
			sched_bit_clear(nodes, slot);
	}
}

const sched_plugin sched_volume_binding = {
	.name = "VolumeBinding", .prefilter = prefilter, .filter = filter, .filter_node = filter_node};

/* Limits of drivers are not counted yet. */
const sched_plugin sched_node_volume_limits = {.name = "NodeVolumeLimits"};

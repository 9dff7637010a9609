/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U: plugins/volumebinding/volume_binding.go, binder.go. Claims that are bound keep a pod to the nodes that
 * can have the volume. Claims that wait for their first consumer need a free volume there or one that can be
 * made; they get it when the pod's node is chosen (prebind.c).
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
	if (claim->ephemeral && !sp_str_eq(pvc->controller_uid, c->pod->uid)) {
		sp_str text = SP_CONCAT(&c->arena, SP_STR("PVC "), key, SP_STR(" was not created for pod "),
					c->pod->key, SP_STR(" (pod is not owner)"));
		sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_BINDING,
			     text.ptr == NULL ? SP_STR("a claim cannot be used") : text);
		return SCHED_UNRESOLVABLE;
	}
	return SCHED_OK;
}

static bool waits(const sched_state *st, const sched_pvc *pvc)
{
	const sched_storage_class *k =
		pvc->class_name.len == 0 ? NULL : sched_find_class(st, pvc->class_name);
	return pvc->volume.len == 0 && k != NULL && k->waits;
}

/* The smallest first, so that small claims do not take large volumes. Equal ones keep their order. */
static void insert(sched_volume_state *s, const sched_pvc *pvc)
{
	size_t at = s->n_delayed++;
	for (; at > 0 && sp_qty_cmp(&s->delayed[at - 1].claim->size, &pvc->size) > 0; at--)
		s->delayed[at] = s->delayed[at - 1];
	s->delayed[at] = (sched_delayed){.claim = pvc};
}

static bool open_state(sched_cycle *c)
{
	size_t n = c->spec->n_claims;
	const sched_pv **volumes = sp_try_new(&c->arena, const sched_pv *, n);
	sched_delayed *delayed = sp_try_new(&c->arena, sched_delayed, n);
	if (c->volumes == NULL)
		c->volumes = sp_try_new(&c->arena, sched_volume_state, 1);
	if (volumes == NULL || delayed == NULL || c->volumes == NULL)
		return false;
	c->volumes->volumes = volumes;
	c->volumes->delayed = delayed;
	return true;
}

static bool is_listed(const sched_volume_state *s, const sched_pvc *pvc)
{
	for (size_t i = 0; i < s->n_delayed; i++) {
		if (s->delayed[i].claim == pvc)
			return true;
	}
	return false;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	const sched_spec *s = c->spec;
	bool immediate = false;
	if (s->n_claims == 0)
		return SCHED_SKIP;
	if (!open_state(c))
		return SCHED_FAILED;
	for (size_t i = 0; i < s->n_claims; i++) {
		sp_str key = sched_claim_key(&c->arena, c->pod, &s->claims[i]);
		if (key.ptr == NULL)
			return SCHED_FAILED;
		const sched_pvc *pvc = sched_find_pvc(c->st, key);
		sched_verdict v = check_claim(c, &s->claims[i], key, pvc, why);
		if (v != SCHED_OK)
			return v;
		if (pvc->bound)
			c->volumes->volumes[c->volumes->n_volumes++] = sched_find_pv(c->st, pvc->volume);
		else if (!waits(c->st, pvc))
			immediate = true;
		else if (!is_listed(c->volumes, pvc))
			insert(c->volumes, pvc);
	}
	for (size_t i = 0; i < c->volumes->n_delayed; i++) {
		if (!sched_delayed_open(c, &c->volumes->delayed[i]))
			return SCHED_FAILED;
	}
	if (!immediate)
		return SCHED_OK;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_BINDING,
		     SP_STR("pod has unbound immediate PersistentVolumeClaims"));
	return SCHED_UNRESOLVABLE;
}

static void add(sched_status *why, bool holds, sp_str reason)
{
	if (holds)
		sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_VOLUME_BINDING, reason);
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	const sched_node *node = c->st->t.nodes[slot];
	bool missing = false, elsewhere = false;
	(void)o;
	for (size_t i = 0; i < c->volumes->n_volumes && !missing && !elsewhere; i++) {
		const sched_pv *v = c->volumes->volumes[i];
		missing = v == NULL;
		elsewhere = v != NULL && !sched_bound_volume_reaches(c->st, v, node);
	}
	sched_volume_fit fit = sched_delayed_choose(c, node);
	if (!missing && !elsewhere && fit == SCHED_VOLUMES_FIT)
		return SCHED_OK;
	add(why, elsewhere, SP_STR("node(s) didn't match PersistentVolume's node affinity"));
	add(why, fit == SCHED_VOLUMES_NO_MATCH,
	    SP_STR("node(s) didn't find available persistent volumes to bind"));
	add(why, fit == SCHED_VOLUMES_NO_SPACE, SP_STR("node(s) did not have enough free storage"));
	add(why, missing,
	    SP_STR("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"));
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

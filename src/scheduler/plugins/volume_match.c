/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What claims that wait for their first consumer would get on a node. U: plugins/volumebinding/binder.go,
 * component-helpers storage/volume/pv_helpers.go. Of volumes of one size the first by name is taken, where
 * upstream takes any.
 */
#include <stdlib.h>

#include "scheduler/plugins/in_tree.h"
#include "scheduler/plugins/volumes.h"

static bool any_holds(const sched_node_term *terms, size_t n, bool has_terms, const sched_node *node)
{
	for (size_t i = 0; i < n; i++) {
		if (sched_node_term_holds(&terms[i], node))
			return true;
	}
	return !has_terms;
}

bool sched_volume_reaches(const sched_pv *v, const sched_node *node)
{
	return any_holds(v->terms, v->n_terms, v->has_terms, node);
}

static bool moved_on(const sched_state *st, const sched_in_tree *k, const sched_node *node)
{
	const sched_csi_node *csi = k == NULL ? NULL : sched_find_csi_node(st, node->name);
	for (size_t i = 0; csi != NULL && i < csi->n_moved; i++) {
		if (sp_str_eq(csi->moved[i], k->plugin))
			return true;
	}
	return false;
}

bool sched_bound_volume_reaches(const sched_state *st, const sched_pv *v, const sched_node *node)
{
	if (!moved_on(st, v->moved, node))
		return sched_volume_reaches(v, node);
	return !v->unknown && any_holds(v->moved_terms, v->n_moved_terms, v->moved_has_terms, node);
}

bool sched_volume_is_for(const sched_state *st, const sched_pv *v, const sched_pvc *claim)
{
	const sched_assumption *x = sched_assumed_volume(st, v->name);
	sp_str key = x != NULL ? x->to : v->ref_key, uid = x != NULL ? x->uid : v->ref_uid;
	return sp_str_eq(key, claim->key) && (uid.len == 0 || sp_str_eq(uid, claim->uid));
}

static bool is_taken(const sched_state *st, const sched_pv *v)
{
	return v->ref_key.len > 0 || sched_assumed_volume(st, v->name) != NULL;
}

static bool has_modes(const sched_pv *v, const sched_pvc *claim)
{
	for (size_t i = 0; i < claim->n_modes; i++) {
		size_t k = 0;
		while (k < v->n_modes && !sp_str_eq(v->modes[k], claim->modes[i]))
			k++;
		if (k == v->n_modes)
			return false;
	}
	return true;
}

/* What a volume needs even when it names the claim. */
static bool may_suit(const sched_pv *v, const sched_pvc *claim)
{
	return sp_str_eq(v->class_name, claim->class_name) && sp_qty_cmp(&v->size, &claim->size) >= 0 &&
	       v->is_block == claim->is_block && sp_str_eq(v->attributes, claim->attributes) && !v->deleting;
}

static bool suits(const sched_pv *v, const sched_pvc *claim)
{
	return v->available && has_modes(v, claim) &&
	       (!claim->has_selector || sp_labels_match(&claim->selector, v->labels, v->n_labels));
}

static int by_size(const void *a, const void *b)
{
	const sched_pv *x = *(const sched_pv *const *)a, *y = *(const sched_pv *const *)b;
	int d = sp_qty_cmp(&x->size, &y->size);
	return d != 0 ? d : sp_str_cmp(x->name, y->name);
}

static size_t count_volumes(const sched_state *st)
{
	size_t n = 0;
	for (size_t at = 0; sched_next_volume_object(st, SCHED_PV, &at) != NULL;)
		n++;
	return n;
}

/* A volume that names the claim is the only one that it may get. */
static bool find_volumes(sched_cycle *c, sched_delayed *d)
{
	const sched_pv *v;
	d->volumes = sp_try_new(&c->arena, const sched_pv *, count_volumes(c->st) + 1);
	if (d->volumes == NULL)
		return false;
	for (size_t at = 0; (v = sched_next_volume_object(c->st, SCHED_PV, &at)) != NULL;) {
		if (!may_suit(v, d->claim))
			continue;
		if (sched_volume_is_for(c->st, v, d->claim)) {
			d->volumes[0] = v;
			d->n_volumes = 1;
			return true;
		}
		if (!is_taken(c->st, v) && suits(v, d->claim))
			d->volumes[d->n_volumes++] = v;
	}
	if (d->n_volumes > 1)
		qsort(d->volumes, d->n_volumes, sizeof(void *), by_size);
	return true;
}

bool sched_delayed_open(sched_cycle *c, sched_delayed *d)
{
	const sched_assumption *x = sched_assumed_claim(c->st, d->claim->key);
	d->klass = sched_find_class(c->st, d->claim->class_name);
	d->has_node = x != NULL || d->claim->has_selected_node;
	d->node = x != NULL ? x->to : d->claim->selected_node;
	return d->has_node || find_volumes(c, d);
}

static bool is_chosen(const sched_volume_state *s, size_t before, const sched_pv *v)
{
	for (size_t i = 0; i < before; i++) {
		if (s->delayed[i].chosen == v)
			return true;
	}
	return false;
}

static void choose(sched_volume_state *s, size_t at, const sched_node *node)
{
	sched_delayed *d = &s->delayed[at];
	d->chosen = NULL;
	for (size_t i = 0; i < d->n_volumes && d->chosen == NULL; i++) {
		if (!is_chosen(s, at, d->volumes[i]) && sched_volume_reaches(d->volumes[i], node))
			d->chosen = d->volumes[i];
	}
}

/* -- provisioning --------------------------------------------------------------------------------------- */

static bool can_provision(const sched_storage_class *k, const sched_node *node)
{
	if (k->provisioner.len == 0 || sp_str_eq(k->provisioner, SP_STR("kubernetes.io/no-provisioner")))
		return false;
	for (size_t i = 0; i < k->n_topologies; i++) {
		if (sp_labels_match(&k->topologies[i], node->labels, node->n_labels))
			return true;
	}
	return k->n_topologies == 0;
}

static bool has_space(const sched_state *st, const sched_delayed *d, const sched_node *node)
{
	const sched_csi_driver *driver = sched_find_csi_driver(st, d->klass->provisioner);
	const sched_capacity *k;
	if (!d->claim->has_size || driver == NULL || !driver->counts_capacity)
		return true;
	for (size_t at = 0; (k = sched_next_volume_object(st, SCHED_CAPACITY, &at)) != NULL;) {
		if (sp_str_eq(k->class_name, d->klass->name) && k->has_limit && k->has_topology &&
		    sp_qty_value(&k->limit) >= sp_qty_value(&d->claim->size) &&
		    sp_labels_match(&k->topology, node->labels, node->n_labels))
			return true;
	}
	return false;
}

sched_volume_fit sched_delayed_choose(sched_cycle *c, const sched_node *node)
{
	sched_volume_state *s = c->volumes;
	for (size_t i = 0; i < s->n_delayed; i++) {
		if (s->delayed[i].has_node && !sp_str_eq(s->delayed[i].node, node->name))
			return SCHED_VOLUMES_NO_MATCH;
	}
	for (size_t i = 0; i < s->n_delayed; i++)
		choose(s, i, node);
	for (size_t i = 0; i < s->n_delayed; i++) {
		const sched_delayed *d = &s->delayed[i];
		if (d->chosen == NULL && !can_provision(d->klass, node))
			return SCHED_VOLUMES_NO_MATCH;
		if (d->chosen == NULL && !has_space(c->st, d, node))
			return SCHED_VOLUMES_NO_SPACE;
	}
	return SCHED_VOLUMES_FIT;
}

size_t sched_volumes_plan(sched_cycle *c, uint32_t slot)
{
	if (c->volumes == NULL || c->volumes->n_delayed == 0)
		return 0;
	(void)sched_delayed_choose(c, c->st->t.nodes[slot]);
	return c->volumes->n_delayed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Topologies: label keys of nodes that rules speak of, and the numbers of their values. */
#include "base/alloc.h"
#include "scheduler/counters_int.h"

static void drop_sets(sched_topology *t)
{
	for (size_t d = 0; d < SP_LEN(t->sets); d++) {
		sp_free(t->sets[d]);
		t->sets[d] = NULL;
	}
}

static void topology_free(sched_state *st, sched_topology *t)
{
	(void)sp_map_remove(&st->topologies, t->key);
	for (uint32_t d = 0; d < t->n_domains; d++)
		sp_free(sched_str_unconst(t->values[d]));
	sp_map_done(&t->by_value);
	drop_sets(t);
	sp_free(t->domain);
	sp_free(t->placed);
	sp_free(t->n_nodes);
	sp_free(t->values);
	sp_free(t->free);
	sp_free(sched_str_unconst(t->key));
	sp_free(t);
}

void sched_topology_unref(sched_state *st, sched_topology *t)
{
	if (t != NULL && --t->refs == 0)
		topology_free(st, t);
}

static bool grow_bits(uint64_t **bits, uint32_t old, uint32_t cap)
{
	return sched_grow_array(bits, SCHED_WORDS(old) + 1, SCHED_WORDS(cap) + 1);
}

/* Room for twice the domains here and in every counter over them. */
static sp_code grow(sched_state *st, sched_topology *t)
{
	uint32_t cap = t->cap == 0 ? 8 : t->cap * 2;
	if (!sched_grow_array(&t->n_nodes, t->cap, cap) || !sched_grow_array(&t->values, t->cap, cap) ||
	    !sched_grow_array(&t->free, t->cap, cap))
		return SP_ENOMEM;
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->groups, &i)) != NULL;) {
		sched_group *g = e->value;
		for (size_t k = 0; k < g->n_topos; k++) {
			if (g->topos[k].topology == t &&
			    (!sched_grow_array(&g->topos[k].count, t->cap, cap) ||
			     !grow_bits(&g->topos[k].any, t->cap, cap)))
				return SP_ENOMEM;
		}
	}
	for (size_t i = 0; (e = sp_map_next(&st->carried, &i)) != NULL;) {
		sched_carried *c = e->value;
		if (c->topology == t &&
		    (!sched_grow_array(&c->anti, t->cap, cap) ||
		     !sched_grow_array(&c->affinity, t->cap, cap) ||
		     !sched_grow_array(&c->soft, t->cap, cap) || !grow_bits(&c->any_anti, t->cap, cap)))
			return SP_ENOMEM;
	}
	t->cap = cap;
	return SP_OK;
}

/* The set of a number that is about to be used for the first time. */
static sp_code open_set(const sched_state *st, sched_topology *t, uint32_t d)
{
	if (d >= SCHED_DOMAIN_SETS || t->sets[d] != NULL)
		return SP_OK;
	t->sets[d] = sp_try_alloc((SCHED_WORDS(st->t.cap) + 1) * sizeof *t->sets[d]);
	return t->sets[d] == NULL ? SP_ENOMEM : SP_OK;
}

static sp_code domain_of(sched_state *st, sched_topology *t, sp_str value, uint32_t *ret)
{
	uintptr_t known = (uintptr_t)sp_map_get(&t->by_value, value);
	if (known != 0) {
		*ret = (uint32_t)(known - 1);
		return SP_OK;
	}
	if (t->n_free == 0 && t->n_domains == t->cap)
		SP_TRY(grow(st, t));
	sp_str text = {0};
	SP_TRY(sched_str_dup(value, &text));
	uint32_t d = t->n_free > 0 ? t->free[t->n_free - 1] : t->n_domains;
	sp_code code = d < t->n_domains ? SP_OK : open_set(st, t, d);
	if (code == SP_OK)
		code = sp_map_put(&t->by_value, text, (void *)((uintptr_t)d + 1), NULL);
	if (code != SP_OK) {
		sp_free(sched_str_unconst(text));
		return code;
	}
	if (t->n_free > 0)
		t->n_free--;
	else if (++t->n_domains == SCHED_DOMAIN_SETS + 1)
		drop_sets(t); /* too many by now */
	t->values[d] = text;
	*ret = d;
	return SP_OK;
}

static void leave(sched_topology *t, uint32_t slot)
{
	uint32_t d = t->domain[slot];
	if (d == SCHED_NO_DOMAIN)
		return;
	t->domain[slot] = SCHED_NO_DOMAIN;
	sched_bit_clear(t->placed, slot);
	t->n_displaced -= d != slot;
	if (sched_has_sets(t))
		sched_bit_clear(t->sets[d], slot);
	if (--t->n_nodes[d] > 0)
		return;
	(void)sp_map_remove(&t->by_value, t->values[d]);
	sp_free(sched_str_unconst(t->values[d]));
	t->values[d] = (sp_str){0};
	t->free[t->n_free++] = d;
	t->n_live--;
}

static sp_code place(sched_state *st, sched_topology *t, uint32_t slot, const sp_label *labels,
		     size_t n_labels)
{
	leave(t, slot);
	const sp_str *value = sched_label(labels, n_labels, t->key);
	uint32_t d;
	if (value == NULL)
		return SP_OK;
	SP_TRY(domain_of(st, t, *value, &d));
	t->domain[slot] = d;
	sched_bit_set(t->placed, slot);
	t->n_displaced += d != slot;
	if (sched_has_sets(t))
		sched_bit_set(t->sets[d], slot);
	if (t->n_nodes[d]++ == 0)
		t->n_live++;
	return SP_OK;
}

sp_code sched_topologies_place(sched_state *st, uint32_t slot, const sp_label *labels, size_t n_labels)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->topologies, &i)) != NULL;)
		SP_TRY(place(st, e->value, slot, labels, n_labels));
	return SP_OK;
}

void sched_topologies_leave(sched_state *st, uint32_t slot)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->topologies, &i)) != NULL;)
		leave(e->value, slot);
}

sp_code sched_topologies_grow(sched_state *st, uint32_t old_cap, uint32_t new_cap)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->topologies, &i)) != NULL;) {
		sched_topology *t = e->value;
		if (!sched_grow_array(&t->domain, old_cap, new_cap) ||
		    !grow_bits(&t->placed, old_cap, new_cap))
			return SP_ENOMEM;
		for (uint32_t d = 0; sched_has_sets(t) && d < t->n_domains; d++) {
			if (!grow_bits(&t->sets[d], old_cap, new_cap))
				return SP_ENOMEM;
		}
		for (uint32_t n = old_cap; n < new_cap; n++)
			t->domain[n] = SCHED_NO_DOMAIN;
	}
	return SP_OK;
}

static sp_code fill(sched_state *st, sched_topology *t)
{
	t->domain = sp_try_alloc((st->t.cap + 1) * sizeof *t->domain);
	t->placed = sp_try_alloc((SCHED_WORDS(st->t.cap) + 1) * sizeof *t->placed);
	if (t->domain == NULL || t->placed == NULL)
		return SP_ENOMEM;
	for (uint32_t n = 0; n < st->t.cap; n++)
		t->domain[n] = SCHED_NO_DOMAIN;
	for (uint32_t n = 0; n < st->t.n; n++) {
		const sched_node *node = st->t.nodes[n];
		if (node != NULL)
			SP_TRY(place(st, t, n, node->labels, node->n_labels));
	}
	return SP_OK;
}

sp_code sched_topology_get(sched_state *st, sp_str key, sched_topology **ret)
{
	sched_topology *t = sp_map_get(&st->topologies, key);
	if (t == NULL) {
		t = sp_try_alloc(sizeof *t);
		if (t == NULL)
			return SP_ENOMEM;
		sp_map_init(&t->by_value);
		t->hostname = sp_str_eq(key, SP_STR("kubernetes.io/hostname"));
		sp_code code = sched_str_dup(key, &t->key);
		if (code == SP_OK)
			code = fill(st, t);
		if (code == SP_OK)
			code = sp_map_put(&st->topologies, t->key, t, NULL);
		if (code != SP_OK) {
			topology_free(st, t);
			return code;
		}
	}
	t->refs++;
	*ret = t;
	return SP_OK;
}

/* -- filtering ------------------------------------------------------------------------------------------ */

static uint64_t word_of(const sched_topology *t, const uint64_t *domains, size_t w)
{
	return w < SCHED_WORDS(t->n_domains) ? domains[w] & t->placed[w] : 0;
}

static void filter_by_sets(const sched_topology *t, uint64_t *nodes, size_t n_words, uint64_t domains,
			   bool out)
{
	for (size_t w = 0; w < n_words; w++) {
		uint64_t in = 0;
		for (uint64_t left = domains; left != 0; left &= left - 1)
			in |= t->sets[__builtin_ctzll(left)][w];
		nodes[w] &= out ? ~in : in;
	}
}

static void filter_by_slot(const sched_topology *t, uint64_t *nodes, size_t n_words, const uint64_t *domains,
			   bool out)
{
	SCHED_BITS_EACH (slot, nodes, n_words) {
		uint32_t d = t->domain[slot];
		bool in = d != SCHED_NO_DOMAIN && sched_bit(domains, d);
		if (in == out)
			sched_bit_clear(nodes, slot);
	}
}

void sched_topology_filter(const sched_topology *t, uint64_t *nodes, size_t n_words, const uint64_t *domains,
			   bool out)
{
	if (sched_is_straight(t)) {
		for (size_t w = 0; w < n_words; w++)
			nodes[w] &= out ? ~word_of(t, domains, w) : word_of(t, domains, w);
	} else if (sched_has_sets(t)) {
		uint64_t live = t->n_domains == 0 ? 0 : domains[0] & (UINT64_MAX >> (64 - t->n_domains));
		filter_by_sets(t, nodes, n_words, live, out);
	} else {
		filter_by_slot(t, nodes, n_words, domains, out);
	}
}

static bool meet(const uint64_t *a, const uint64_t *b, size_t n_words)
{
	for (size_t w = 0; w < n_words; w++) {
		if ((a[w] & b[w]) != 0)
			return true;
	}
	return false;
}

uint64_t sched_domains_seen(const sched_topology *t, const uint64_t *nodes, size_t n_words)
{
	uint64_t seen = 0, lacking = 0;
	for (uint32_t d = 0; d < t->n_domains; d++)
		seen |= (uint64_t)meet(nodes, t->sets[d], n_words) << d;
	for (size_t w = 0; w < n_words; w++)
		lacking |= nodes[w] & ~t->placed[w];
	return seen | (uint64_t)(lacking != 0) << t->n_domains;
}

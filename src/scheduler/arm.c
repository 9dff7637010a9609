/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/arm.h"

#include <stdlib.h>

#include "scheduler/counters_int.h"
#include "scheduler/spec_int.h"

#define ARMED_ARENA_BYTES ((size_t)1 << 20)

static void drop(sched_state *st, sched_armed_one *list, size_t n)
{
	for (size_t i = 0; list != NULL && i < n; i++) {
		sched_group_unref(st, list[i].group);
		sched_topology_unref(st, list[i].topology);
	}
}

static void drop_defaults(sched_state *st, sched_armed *a)
{
	drop(st, a->defaults, a->n_defaults);
	a->defaults = NULL;
	a->n_defaults = 0;
	a->default_done = false;
	sp_arena_reset(&a->default_arena);
}

void sched_spec_disarm(sched_state *st, sched_spec *s)
{
	sched_armed *a = s->armed;
	if (a == NULL)
		return;
	drop(st, a->affinity, s->n_affinity);
	drop(st, a->anti, s->n_anti);
	drop(st, a->soft, s->n_soft);
	drop(st, a->hard, s->n_hard);
	drop(st, a->weak, s->n_weak);
	drop_defaults(st, a);
	sp_arena_done(&a->default_arena);
	sp_arena_done(&a->arena);
	sp_free(a);
	s->armed = NULL;
}

static sp_code ask(sched_state *st, const sched_matcher *const *matchers, size_t n, bool skip_terminating,
		   sp_str topology_key, sched_armed_one *ret)
{
	SP_TRY(sched_topology_get(st, topology_key, &ret->topology));
	SP_TRY(sched_group_get(st, matchers, n, skip_terminating, &ret->group));
	return sched_group_topology(st, ret->group, topology_key, &ret->topology);
}

static sp_code ask_terms(sched_state *st, sched_armed *a, const sched_term *terms, size_t n,
			 sched_armed_one **ret)
{
	*ret = sp_try_new(&a->arena, sched_armed_one, n + 1);
	if (*ret == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const sched_matcher *m = &terms[i].matcher;
		SP_TRY(ask(st, &m, 1, false, terms[i].topology_key, &(*ret)[i]));
	}
	return SP_OK;
}

/* One group of the pods that match all terms. */
static sp_code ask_conjunction(sched_state *st, sched_armed *a, const sched_spec *s)
{
	const sched_matcher **all = sp_try_new(&a->arena, const sched_matcher *, s->n_affinity + 1);
	a->affinity = sp_try_new(&a->arena, sched_armed_one, s->n_affinity + 1);
	if (all == NULL || a->affinity == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < s->n_affinity; i++)
		all[i] = &s->affinity[i].matcher;
	for (size_t i = 0; i < s->n_affinity; i++)
		SP_TRY(ask(st, all, s->n_affinity, false, s->affinity[i].topology_key, &a->affinity[i]));
	return SP_OK;
}

static bool selects_everything(const sp_selector *s)
{
	return s->n == 0 && !s->nothing;
}

static sp_code ask_spread(sched_state *st, sp_arena *arena, sp_str ns, const sched_spread *list, size_t n,
			  sched_armed_one **ret, size_t *ret_n)
{
	*ret = sp_try_new(arena, sched_armed_one, n + 1);
	if (*ret == NULL)
		return SP_ENOMEM;
	if (ret_n != NULL)
		*ret_n = n;
	for (size_t i = 0; i < n; i++) {
		const sched_spread *c = &list[i];
		if (selects_everything(&c->labels)) {
			SP_TRY(sched_topology_get(st, c->topology_key, &(*ret)[i].topology));
			continue;
		}
		sched_matcher m = {.labels = c->labels,
				   .namespaces = &ns,
				   .n_namespaces = 1,
				   .in_namespaces = {.nothing = true}};
		const sched_matcher *one = &m;
		m.key = SP_CONCAT(arena, ns, SP_STR(",;\x1c;"), c->labels_key);
		if (m.key.ptr == NULL)
			return SP_ENOMEM;
		SP_TRY(ask(st, &one, 1, true, c->topology_key, &(*ret)[i]));
	}
	return SP_OK;
}

sp_code sched_arm(sched_state *st, sched_spec *s)
{
	if (s->armed != NULL)
		return SP_OK;
	sched_armed *a = sp_try_alloc(sizeof *a);
	if (a == NULL)
		return SP_ENOMEM;
	sp_arena_init(&a->arena, ARMED_ARENA_BYTES);
	sp_arena_init(&a->default_arena, ARMED_ARENA_BYTES);
	s->armed = a;
	sp_code code = s->n_affinity == 0 ? SP_OK : ask_conjunction(st, a, s);
	if (code == SP_OK && s->n_anti > 0)
		code = ask_terms(st, a, s->anti, s->n_anti, &a->anti);
	if (code == SP_OK && s->n_soft > 0)
		code = ask_terms(st, a, s->soft, s->n_soft, &a->soft);
	if (code == SP_OK && s->n_hard > 0)
		code = ask_spread(st, &a->arena, s->pc->ns->name, s->hard, s->n_hard, &a->hard, NULL);
	if (code == SP_OK && s->n_weak > 0)
		code = ask_spread(st, &a->arena, s->pc->ns->name, s->weak, s->n_weak, &a->weak, NULL);
	if (code != SP_OK)
		sched_spec_disarm(st, s);
	return code;
}

/* -- default spreading ---------------------------------------------------------------------------------- */

/* Requirements of several selectors, all of which have to hold; equal ones once. U: plugins/helper/spread.go.
 */
typedef struct merged {
	sp_arena *arena;
	sp_requirement *reqs;
	size_t n, cap;
} merged;

static bool add_all(merged *m, const sp_selector *s)
{
	for (size_t i = 0; i < s->n; i++) {
		bool known = false;
		for (size_t k = 0; k < m->n && !known; k++)
			known = m->reqs[k].op == SP_SEL_EQ && s->reqs[i].op == SP_SEL_EQ &&
				sp_str_eq(m->reqs[k].key, s->reqs[i].key) &&
				sp_str_eq(m->reqs[k].values[0], s->reqs[i].values[0]);
		if (known)
			continue;
		if (m->n == m->cap) {
			size_t cap = m->cap * 2 + 8;
			sp_requirement *grown = sp_arena_try_grow(m->arena, m->reqs, m->cap * sizeof *grown,
								  cap * sizeof *grown);
			if (grown == NULL)
				return false;
			m->reqs = grown;
			m->cap = cap;
		}
		m->reqs[m->n++] = s->reqs[i];
	}
	return true;
}

static int by_key(const void *a, const void *b)
{
	const sp_requirement *x = a, *y = b;
	int order = sp_str_cmp(x->key, y->key);
	return order != 0 ? order : (int)x->op - (int)y->op;
}

static const struct {
	sp_str api, kind;
	sched_source_kind source;
} owners[] = {
	{SP_STR_INIT("v1"), SP_STR_INIT("ReplicationController"), SCHED_REPLICATION_CONTROLLER},
	{SP_STR_INIT("apps/v1"), SP_STR_INIT("ReplicaSet"), SCHED_REPLICA_SET},
	{SP_STR_INIT("apps/v1"), SP_STR_INIT("StatefulSet"), SCHED_STATEFUL_SET},
};

static const sched_source *owner_of(const sched_state *st, sp_arena *a, const sched_spec *s)
{
	for (size_t i = 0; i < SP_LEN(owners); i++) {
		if (!sp_str_eq(s->owner_api, owners[i].api) || !sp_str_eq(s->owner_kind, owners[i].kind))
			continue;
		sp_str key = SP_CONCAT(a, s->pc->ns->name, SP_STR("/"), s->owner_name);
		return key.ptr == NULL ? NULL : sp_map_get(&st->sources[owners[i].source], key);
	}
	return NULL;
}

/* ret->n is 0 when nothing selects the pod: then there are no default constraints. */
static sp_code default_selector(const sched_state *st, sp_arena *a, const sched_spec *s, sp_selector *ret)
{
	merged m = {.arena = a};
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->sources[SCHED_SERVICE], &i)) != NULL;) {
		const sched_source *service = e->value;
		if (service->has_selector && sp_str_eq(service->ns, s->pc->ns->name) &&
		    sp_labels_match(&service->selector, s->pc->labels, s->pc->n_labels) &&
		    !add_all(&m, &service->selector))
			return SP_ENOMEM;
	}
	const sched_source *owner = owner_of(st, a, s);
	if (owner != NULL && !owner->selector.nothing && !add_all(&m, &owner->selector))
		return SP_ENOMEM;
	if (m.n > 1)
		qsort(m.reqs, m.n, sizeof *m.reqs, by_key);
	*ret = (sp_selector){.reqs = m.reqs, .n = m.n};
	return SP_OK;
}

static sp_code make_defaults(sched_state *st, sched_spec *s, const sched_profile *p)
{
	sched_armed *a = s->armed;
	sp_selector selector;
	sp_str text;
	SP_TRY(default_selector(st, &a->default_arena, s, &selector));
	if (selector.n == 0)
		return SP_OK;
	SP_TRY(sched_selector_text(&a->default_arena, &selector, &text));
	sched_spread *list = sp_try_new(&a->default_arena, sched_spread, p->n_default_spread + 1);
	if (list == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < p->n_default_spread; i++) {
		list[i] = p->default_spread[i];
		list[i].labels = selector;
		list[i].labels_key = text;
	}
	a->default_constraints = list;
	return ask_spread(st, &a->default_arena, s->pc->ns->name, list, p->n_default_spread, &a->defaults,
			  &a->n_defaults);
}

sp_code sched_arm_defaults(sched_state *st, sched_spec *s, const sched_profile *p)
{
	sched_armed *a = s->armed;
	if (a->default_done && a->sources_revision == st->sources_revision && a->profile_number == p->number)
		return SP_OK;
	drop_defaults(st, a);
	sp_code code = make_defaults(st, s, p);
	if (code != SP_OK) {
		drop_defaults(st, a);
		return code;
	}
	a->default_done = true;
	a->sources_revision = st->sources_revision;
	a->profile_number = p->number;
	return SP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/counters_int.h"

/* -- matching ------------------------------------------------------------------------------------------- */

static bool names_namespace(const sched_matcher *m, sp_str ns)
{
	for (size_t i = 0; i < m->n_namespaces; i++) {
		if (sp_str_eq(m->namespaces[i], ns))
			return true;
	}
	return false;
}

bool sched_matches_placed(const sched_matcher *m, const sched_pod_class *pc)
{
	const sched_namespace *ns = pc->ns;
	bool in = names_namespace(m, ns->name) || sp_labels_match(&m->in_namespaces, NULL, 0) ||
		  (ns->exists && sp_labels_match(&m->in_namespaces, ns->labels, ns->n_labels));
	return in && sp_labels_match(&m->labels, pc->labels, pc->n_labels);
}

bool sched_matches_incoming(const sched_matcher *m, const sched_pod_class *pc)
{
	const sched_namespace *ns = pc->ns;
	return (names_namespace(m, ns->name) ||
		sp_labels_match(&m->in_namespaces, ns->labels, ns->n_labels)) &&
	       sp_labels_match(&m->labels, pc->labels, pc->n_labels);
}

static bool in_group(const sched_group *g, const sched_pod_class *pc)
{
	for (size_t i = 0; i < g->n_matchers; i++) {
		if (!sched_matches_placed(&g->matchers[i], pc))
			return false;
	}
	return true;
}

/* -- counting ------------------------------------------------------------------------------------------- */

static void count_group(sched_group *g, uint32_t slot, int by)
{
	g->node_count[slot] += (uint32_t)by;
	for (size_t i = 0; i < g->n_topos; i++) {
		sched_topo_count *c = &g->topos[i];
		uint32_t d = c->topology->domain[slot];
		if (d == SCHED_NO_DOMAIN)
			continue;
		c->count[d] += (uint32_t)by;
		sched_bit_put(c->any, d, c->count[d] > 0);
		c->total += (uint64_t)(int64_t)by;
	}
}

typedef enum role { ROLE_ANTI, ROLE_AFFINITY, ROLE_SOFT } role;

static void count_terms(const sched_term *terms, size_t n, role r, uint32_t slot, int sign)
{
	for (size_t i = 0; i < n; i++) {
		sched_carried *c = terms[i].carried;
		uint32_t d = c->topology->domain[slot];
		if (d == SCHED_NO_DOMAIN)
			continue;
		switch (r) {
		case ROLE_ANTI:
			c->anti[d] += sign;
			sched_bit_put(c->any_anti, d, c->anti[d] > 0);
			c->n_anti += (uint32_t)sign;
			break;
		case ROLE_AFFINITY:
			c->affinity[d] += sign;
			c->n_affinity += (uint32_t)sign;
			break;
		case ROLE_SOFT:
			c->soft[d] += (int64_t)sign * terms[i].weight;
			c->soft_weight += (int64_t)sign *
					  (terms[i].weight < 0 ? -(int64_t)terms[i].weight : terms[i].weight);
			c->n_soft += (uint32_t)sign;
			break;
		}
	}
}

void sched_count_pod(const sched_pod *pod, uint32_t slot, int sign)
{
	const sched_spec *s = pod->spec;
	for (uint32_t i = 0; i < s->pc->n_groups; i++) {
		sched_group *g = s->pc->groups[i];
		if (!g->skip_terminating || !pod->terminating)
			count_group(g, slot, sign);
	}
	count_terms(s->anti, s->n_anti, ROLE_ANTI, slot, sign);
	count_terms(s->affinity, s->n_affinity, ROLE_AFFINITY, slot, sign);
	count_terms(s->soft, s->n_soft, ROLE_SOFT, slot, sign);
}

/* -- groups --------------------------------------------------------------------------------------------- */

static sp_code copy_selector(sp_arena *a, const sp_selector *s, sp_selector *ret)
{
	sp_requirement *reqs = sp_try_new(a, sp_requirement, s->n + 1);
	if (reqs == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		sp_str *values = sp_try_new(a, sp_str, s->reqs[i].n_values + 1);
		reqs[i] = s->reqs[i];
		reqs[i].key = sp_arena_try_dup(a, s->reqs[i].key);
		if (values == NULL || reqs[i].key.ptr == NULL)
			return SP_ENOMEM;
		for (uint32_t k = 0; k < s->reqs[i].n_values; k++) {
			values[k] = sp_arena_try_dup(a, s->reqs[i].values[k]);
			if (values[k].len != s->reqs[i].values[k].len)
				return SP_ENOMEM;
		}
		reqs[i].values = values;
	}
	*ret = *s;
	ret->reqs = reqs;
	return SP_OK;
}

static sp_code copy_matcher(sp_arena *a, const sched_matcher *m, sched_matcher *ret)
{
	sp_str *namespaces = sp_try_new(a, sp_str, m->n_namespaces + 1);
	if (namespaces == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; i < m->n_namespaces; i++) {
		namespaces[i] = sp_arena_try_dup(a, m->namespaces[i]);
		if (namespaces[i].len != m->namespaces[i].len)
			return SP_ENOMEM;
	}
	ret->namespaces = namespaces;
	ret->n_namespaces = m->n_namespaces;
	ret->key = sp_arena_try_dup(a, m->key);
	if (ret->key.ptr == NULL)
		return SP_ENOMEM;
	SP_TRY(copy_selector(a, &m->labels, &ret->labels));
	return copy_selector(a, &m->in_namespaces, &ret->in_namespaces);
}

#define GROUP_ARENA_BYTES ((size_t)1 << 20)

static void drop_from_class(sched_pod_class *pc, const sched_group *g)
{
	for (uint32_t i = 0; i < pc->n_groups; i++) {
		if (pc->groups[i] == g) {
			pc->groups[i] = pc->groups[--pc->n_groups];
			return;
		}
	}
}

static void group_free(sched_state *st, sched_group *g)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->pod_classes, &i)) != NULL;)
		drop_from_class(e->value, g);
	(void)sp_map_remove(&st->groups, g->key);
	for (size_t i = 0; i < g->n_topos; i++) {
		sp_free(g->topos[i].count);
		sp_free(g->topos[i].any);
		sched_topology_unref(st, g->topos[i].topology);
	}
	sp_free(g->topos);
	sp_free(g->node_count);
	sp_arena_done(&g->arena);
	sp_free(g);
}

void sched_group_unref(sched_state *st, sched_group *g)
{
	if (g != NULL && --g->refs == 0)
		group_free(st, g);
}

/* Every pod on a node whose class is in the group. */
static void count_placed(const sched_state *st, sched_group *g)
{
	for (uint32_t n = 0; n < st->t.n; n++) {
		const sched_node *node = st->t.nodes[n];
		for (uint32_t i = 0; node != NULL && i < node->n_pods; i++) {
			const sched_pod *pod = node->pods[i];
			if (pod->spec->pc->mark && !(g->skip_terminating && pod->terminating))
				count_group(g, n, 1);
		}
	}
}

static sp_code group_fill(sched_state *st, sched_group *g)
{
	g->node_count = sp_try_alloc((st->t.cap + 1) * sizeof *g->node_count);
	if (g->node_count == NULL)
		return SP_ENOMEM;
	const sp_map_entry *e;
	bool any = false;
	for (size_t i = 0; (e = sp_map_next(&st->pod_classes, &i)) != NULL;) {
		sched_pod_class *pc = e->value;
		pc->mark = in_group(g, pc);
		any |= pc->mark;
		if (pc->mark && !sched_push(&pc->groups, &pc->n_groups, &pc->cap_groups, g))
			return SP_ENOMEM;
	}
	if (any)
		count_placed(st, g);
	return SP_OK;
}

static sp_str group_key(sp_arena *a, const sched_matcher *const *matchers, size_t n, bool skip_terminating)
{
	sp_str key = skip_terminating ? SP_STR("t") : SP_STR("a");
	for (size_t i = 0; i < n && key.ptr != NULL; i++)
		key = SP_CONCAT(a, key, SP_STR("\x1e"), matchers[i]->key);
	return key;
}

sp_code sched_group_get(sched_state *st, const sched_matcher *const *matchers, size_t n,
			bool skip_terminating, sched_group **ret)
{
	sched_group *g = sp_try_alloc(sizeof *g);
	if (g == NULL)
		return SP_ENOMEM;
	sp_arena_init(&g->arena, GROUP_ARENA_BYTES);
	g->key = group_key(&g->arena, matchers, n, skip_terminating);
	sched_group *known = g->key.ptr == NULL ? NULL : sp_map_get(&st->groups, g->key);
	if (known != NULL || g->key.ptr == NULL) {
		sp_arena_done(&g->arena);
		sp_free(g);
		if (known == NULL)
			return SP_ENOMEM;
		known->refs++;
		*ret = known;
		return SP_OK;
	}
	sched_matcher *copies = sp_try_new(&g->arena, sched_matcher, n);
	sp_code code = copies == NULL ? SP_ENOMEM : SP_OK;
	for (size_t i = 0; i < n && code == SP_OK; i++)
		code = copy_matcher(&g->arena, matchers[i], &copies[i]);
	g->matchers = copies;
	g->n_matchers = n;
	g->skip_terminating = skip_terminating;
	if (code == SP_OK)
		code = group_fill(st, g);
	if (code == SP_OK)
		code = sp_map_put(&st->groups, g->key, g, NULL);
	if (code != SP_OK) {
		group_free(st, g);
		return code;
	}
	g->refs = 1;
	*ret = g;
	return SP_OK;
}

const sched_topo_count *sched_group_count(const sched_group *g, const sched_topology *t)
{
	for (size_t i = 0; i < g->n_topos; i++) {
		if (g->topos[i].topology == t)
			return &g->topos[i];
	}
	return NULL;
}

sp_code sched_group_topology(sched_state *st, sched_group *g, sp_str key, sched_topology **ret)
{
	sched_topology *t;
	SP_TRY(sched_topology_get(st, key, &t));
	*ret = t;
	if (sched_group_count(g, t) != NULL) {
		t->refs--; /* the group holds it already */
		return SP_OK;
	}
	uint32_t *count = sp_try_alloc((t->cap + 1) * sizeof *count);
	uint64_t *any = sp_try_alloc((SCHED_WORDS(t->cap) + 1) * sizeof *any);
	if (count == NULL || any == NULL || !sched_grow_array(&g->topos, g->n_topos, g->n_topos + 1)) {
		sp_free(count);
		sp_free(any);
		sched_topology_unref(st, t);
		return SP_ENOMEM;
	}
	sched_topo_count *c = &g->topos[g->n_topos++];
	*c = (sched_topo_count){t, count, any, 0};
	for (uint32_t n = 0; n < st->t.n; n++) {
		if (t->domain[n] == SCHED_NO_DOMAIN)
			continue;
		count[t->domain[n]] += g->node_count[n];
		c->total += g->node_count[n];
		if (g->node_count[n] > 0)
			sched_bit_set(any, t->domain[n]);
	}
	return SP_OK;
}

/* -- carried terms -------------------------------------------------------------------------------------- */

static void drop_carried(sched_pod_class *pc, const sched_carried *c)
{
	for (uint32_t i = 0; i < pc->n_carried; i++) {
		if (pc->carried[i] == c) {
			pc->carried[i] = pc->carried[--pc->n_carried];
			return;
		}
	}
}

static void carried_free(sched_state *st, sched_carried *c)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->pod_classes, &i)) != NULL;)
		drop_carried(e->value, c);
	(void)sp_map_remove(&st->carried, c->key);
	sched_topology_unref(st, c->topology);
	sp_free(c->anti);
	sp_free(c->affinity);
	sp_free(c->soft);
	sp_free(c->any_anti);
	sp_arena_done(&c->arena);
	sp_free(c);
}

void sched_carried_unref(sched_state *st, sched_carried *c)
{
	if (c != NULL && --c->refs == 0)
		carried_free(st, c);
}

static sp_code carried_fill(sched_state *st, sched_carried *c, const sched_matcher *m, sp_str topology_key)
{
	SP_TRY(copy_matcher(&c->arena, m, &c->matcher));
	SP_TRY(sched_topology_get(st, topology_key, &c->topology));
	size_t cap = c->topology->cap + 1;
	c->anti = sp_try_alloc(cap * sizeof *c->anti);
	c->affinity = sp_try_alloc(cap * sizeof *c->affinity);
	c->soft = sp_try_alloc(cap * sizeof *c->soft);
	c->any_anti = sp_try_alloc((SCHED_WORDS(c->topology->cap) + 1) * sizeof *c->any_anti);
	if (c->anti == NULL || c->affinity == NULL || c->soft == NULL || c->any_anti == NULL)
		return SP_ENOMEM;
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->pod_classes, &i)) != NULL;) {
		sched_pod_class *pc = e->value;
		if (sched_matches_incoming(&c->matcher, pc) &&
		    !sched_push(&pc->carried, &pc->n_carried, &pc->cap_carried, c))
			return SP_ENOMEM;
	}
	return sp_map_put(&st->carried, c->key, c, NULL);
}

sp_code sched_carried_get(sched_state *st, const sched_matcher *m, sp_str topology_key, sched_carried **ret)
{
	sched_carried *c = sp_try_alloc(sizeof *c);
	if (c == NULL)
		return SP_ENOMEM;
	sp_arena_init(&c->arena, GROUP_ARENA_BYTES);
	c->key = SP_CONCAT(&c->arena, topology_key, SP_STR("\x1e"), m->key);
	sched_carried *known = c->key.ptr == NULL ? NULL : sp_map_get(&st->carried, c->key);
	if (known != NULL) {
		sp_arena_done(&c->arena);
		sp_free(c);
		known->refs++;
		*ret = known;
		return SP_OK;
	}
	sp_code code = c->key.ptr == NULL ? SP_ENOMEM : carried_fill(st, c, m, topology_key);
	if (code != SP_OK) {
		carried_free(st, c);
		return code;
	}
	c->refs = 1;
	*ret = c;
	return SP_OK;
}

sp_code sched_counters_grow(sched_state *st, uint32_t old_cap, uint32_t new_cap)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->groups, &i)) != NULL;) {
		sched_group *g = e->value;
		if (!sched_grow_array(&g->node_count, old_cap, new_cap))
			return SP_ENOMEM;
	}
	return sched_topologies_grow(st, old_cap, new_cap);
}

/* -- classes -------------------------------------------------------------------------------------------- */

#define CLASS_ARENA_BYTES ((size_t)1 << 20)

sp_code sched_namespace_get(sched_state *st, sp_str name, sched_namespace **ret)
{
	sched_namespace *ns = sp_map_get(&st->namespaces, name);
	if (ns == NULL) {
		ns = sp_try_alloc(sizeof *ns);
		if (ns == NULL)
			return SP_ENOMEM;
		sp_arena_init(&ns->arena, CLASS_ARENA_BYTES);
		sp_code code = sched_str_dup(name, &ns->name);
		if (code == SP_OK)
			code = sp_map_put(&st->namespaces, ns->name, ns, NULL);
		if (code != SP_OK) {
			sp_free(sched_str_unconst(ns->name));
			sp_free(ns);
			return code;
		}
	}
	*ret = ns;
	return SP_OK;
}

void sched_namespace_tidy(sched_state *st, sched_namespace *ns)
{
	if (ns->exists || ns->n_classes > 0)
		return;
	(void)sp_map_remove(&st->namespaces, ns->name);
	sp_arena_done(&ns->arena);
	sp_free(sched_str_unconst(ns->name));
	sp_free(ns);
}

static sp_code class_rules(sched_state *st, sched_pod_class *pc)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->groups, &i)) != NULL;) {
		if (in_group(e->value, pc) &&
		    !sched_push(&pc->groups, &pc->n_groups, &pc->cap_groups, (sched_group *)e->value))
			return SP_ENOMEM;
	}
	for (size_t i = 0; (e = sp_map_next(&st->carried, &i)) != NULL;) {
		sched_carried *c = e->value;
		if (sched_matches_incoming(&c->matcher, pc) &&
		    !sched_push(&pc->carried, &pc->n_carried, &pc->cap_carried, c))
			return SP_ENOMEM;
	}
	return SP_OK;
}

static void class_free(sched_state *st, sched_pod_class *pc)
{
	(void)sp_map_remove(&st->pod_classes, pc->key);
	if (pc->ns != NULL) {
		pc->ns->n_classes--;
		sched_namespace_tidy(st, pc->ns);
	}
	sp_free(pc->groups);
	sp_free(pc->carried);
	sp_arena_done(&pc->arena);
	sp_free(pc);
}

void sched_class_unref(sched_state *st, sched_pod_class *pc)
{
	if (pc != NULL && --pc->refs == 0)
		class_free(st, pc);
}

static sp_str class_key(sp_arena *a, sp_str ns, const sp_label *labels, size_t n)
{
	sp_buf b;
	sp_buf_init(&b, CLASS_ARENA_BYTES / 2);
	(void)sp_buf_str(&b, ns);
	for (size_t i = 0; i < n; i++) {
		(void)sp_buf_char(&b, '\x1e');
		(void)sp_buf_str(&b, labels[i].key);
		(void)sp_buf_char(&b, '=');
		(void)sp_buf_str(&b, labels[i].value);
	}
	sp_str key = sp_buf_code(&b) == SP_OK ? sp_arena_try_dup(a, sp_buf_view(&b)) : (sp_str){0};
	sp_buf_done(&b);
	return key;
}

static sp_code class_fill(sched_state *st, sched_pod_class *pc, sp_str ns)
{
	sched_namespace *in;
	SP_TRY(sched_namespace_get(st, ns, &in));
	pc->ns = in;
	in->n_classes++;
	SP_TRY(class_rules(st, pc));
	return sp_map_put(&st->pod_classes, pc->key, pc, NULL);
}

sp_code sched_class_get(sched_state *st, sp_str ns, yyjson_val *labels, sched_pod_class **ret, sp_err *err)
{
	sched_pod_class *pc = sp_try_alloc(sizeof *pc);
	if (pc == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a pod");
	sp_arena_init(&pc->arena, CLASS_ARENA_BYTES);
	sp_code code = sched_labels_read(&pc->arena, labels, &pc->labels, &pc->n_labels);
	if (code == SP_OK)
		pc->key = class_key(&pc->arena, ns, pc->labels, pc->n_labels);
	if (pc->key.ptr == NULL) {
		sp_arena_done(&pc->arena);
		sp_free(pc);
		return sp_fail(err, SP_ENOMEM, "no room for the labels of a pod");
	}
	sched_pod_class *known = sp_map_get(&st->pod_classes, pc->key);
	if (known != NULL) {
		sp_arena_done(&pc->arena);
		sp_free(pc);
		pc = known;
	} else if ((code = class_fill(st, pc, ns)) != SP_OK) {
		class_free(st, pc);
		return sp_fail(err, code, "no memory for the labels of a pod");
	}
	pc->refs++;
	*ret = pc;
	return SP_OK;
}

/* -- namespaces ----------------------------------------------------------------------------------------- */

/* What all pods of a class on nodes count for in its groups. */
static void count_class(const sched_state *st, const sched_pod_class *pc, int sign)
{
	for (uint32_t n = 0; n < st->t.n; n++) {
		const sched_node *node = st->t.nodes[n];
		for (uint32_t i = 0; node != NULL && i < node->n_pods; i++) {
			const sched_pod *pod = node->pods[i];
			for (uint32_t k = 0; pod->spec->pc == pc && k < pc->n_groups; k++) {
				if (!pc->groups[k]->skip_terminating || !pod->terminating)
					count_group(pc->groups[k], n, sign);
			}
		}
	}
}

sp_code sched_namespace_changed(sched_state *st, sched_namespace *ns)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&st->pod_classes, &i)) != NULL;) {
		sched_pod_class *pc = e->value;
		if (pc->ns != ns)
			continue;
		count_class(st, pc, -1);
		pc->n_groups = pc->n_carried = 0;
		SP_TRY(class_rules(st, pc));
		count_class(st, pc, 1);
	}
	return SP_OK;
}

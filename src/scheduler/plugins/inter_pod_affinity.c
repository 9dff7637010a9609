/* SPDX-License-Identifier: Apache-2.0 */
/*
 * U: plugins/interpodaffinity (filtering.go, scoring.go). Upstream walks all pods for each incoming one; here
 * the counts stand ready: of the groups this pod's terms ask for, and of the terms that placed pods carry.
 */
#include "scheduler/arm.h"
#include "scheduler/plugins/plugins.h"

/* -- filter --------------------------------------------------------------------------------------------- */

static bool is_meant_by_anti(const sched_pod_class *pc)
{
	for (uint32_t i = 0; i < pc->n_carried; i++) {
		if (pc->carried[i]->n_anti > 0)
			return true;
	}
	return false;
}

static const sched_topo_count **counts_of(sched_cycle *c, const sched_armed_one *armed, size_t n)
{
	const sched_topo_count **counts = sp_try_new(&c->arena, const sched_topo_count *, n + 1);
	for (size_t i = 0; counts != NULL && i < n; i++)
		counts[i] = sched_group_count(armed[i].group, armed[i].topology);
	return counts;
}

static bool matches_itself(const sched_spec *s)
{
	for (size_t i = 0; i < s->n_affinity; i++) {
		if (!sched_matches_placed(&s->affinity[i].matcher, s->pc))
			return false;
	}
	return s->n_affinity > 0;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	sched_spec *s = c->spec;
	(void)why;
	if (s->n_affinity == 0 && s->n_anti == 0)
		return is_meant_by_anti(s->pc) ? SCHED_OK : SCHED_SKIP;
	c->code = sched_arm(c->st, s);
	if (c->code != SP_OK)
		return SCHED_FAILED;
	c->affinity.affinity = counts_of(c, s->armed->affinity, s->n_affinity);
	c->affinity.anti = counts_of(c, s->armed->anti, s->n_anti);
	c->affinity.self = matches_itself(s);
	if (c->affinity.affinity != NULL && c->affinity.anti != NULL)
		return SCHED_OK;
	c->code = SP_ENOMEM;
	return SCHED_FAILED;
}

/* No placed pod matches all terms where it could count: then a pod that matches itself may be the first. */
static bool may_be_first(const sched_cycle *c, uint32_t slot, const sched_overlay *o)
{
	if (!c->affinity.self)
		return false;
	for (size_t i = 0; i < c->spec->n_affinity; i++) {
		const sched_topo_count *t = c->affinity.affinity[i];
		bool here = o != NULL && t->topology->domain[slot] != SCHED_NO_DOMAIN;
		if ((int64_t)t->total + (here ? o->affinity : 0) != 0)
			return false;
	}
	return true;
}

static bool affinity_holds(const sched_cycle *c, uint32_t slot, const sched_overlay *o)
{
	bool exist = true;
	for (size_t i = 0; i < c->spec->n_affinity; i++) {
		const sched_topo_count *t = c->affinity.affinity[i];
		uint32_t d = t->topology->domain[slot];
		if (d == SCHED_NO_DOMAIN)
			return false;
		exist &= (int64_t)t->count[d] + (o == NULL ? 0 : o->affinity) > 0;
	}
	return exist || may_be_first(c, slot, o);
}

static bool anti_holds(const sched_cycle *c, uint32_t slot, const sched_overlay *o)
{
	for (size_t i = 0; i < c->spec->n_anti; i++) {
		const sched_topo_count *t = c->affinity.anti[i];
		uint32_t d = t->topology->domain[slot];
		if (d != SCHED_NO_DOMAIN && (int64_t)t->count[d] + (o == NULL ? 0 : o->anti[i]) > 0)
			return false;
	}
	return true;
}

static bool placed_anti_holds(const sched_cycle *c, uint32_t slot, const sched_overlay *o)
{
	const sched_pod_class *pc = c->spec->pc;
	for (uint32_t i = 0; i < pc->n_carried; i++) {
		const sched_carried *k = pc->carried[i];
		uint32_t d = k->topology->domain[slot];
		if (d != SCHED_NO_DOMAIN && (int64_t)k->anti[d] + (o == NULL ? 0 : o->carried[i]) > 0)
			return false;
	}
	return true;
}

/* Every term needs its label; and a pod to be with, unless this one may be the first. */
static void filter_affinity(sched_cycle *c, uint64_t *nodes)
{
	bool first = may_be_first(c, 0, NULL);
	for (size_t i = 0; i < c->spec->n_affinity; i++) {
		const sched_topo_count *t = c->affinity.affinity[i];
		if (!first) {
			sched_topology_filter(t->topology, nodes, c->n_words, t->any, false);
			continue;
		}
		for (size_t w = 0; w < c->n_words; w++)
			nodes[w] &= t->topology->placed[w];
	}
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	const sched_pod_class *pc = c->spec->pc;
	filter_affinity(c, nodes);
	for (size_t i = 0; i < c->spec->n_anti; i++) {
		const sched_topo_count *t = c->affinity.anti[i];
		if (t->total > 0)
			sched_topology_filter(t->topology, nodes, c->n_words, t->any, true);
	}
	for (uint32_t i = 0; i < pc->n_carried; i++) {
		const sched_carried *k = pc->carried[i];
		if (k->n_anti > 0)
			sched_topology_filter(k->topology, nodes, c->n_words, k->any_anti, true);
	}
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	if (!affinity_holds(c, slot, o)) {
		sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_INTER_POD_AFFINITY,
			     SP_STR("node(s) didn't match pod affinity rules"));
		return SCHED_UNRESOLVABLE;
	}
	if (!anti_holds(c, slot, o)) {
		sched_reason(why, SCHED_UNSCHEDULABLE, SCHED_P_INTER_POD_AFFINITY,
			     SP_STR("node(s) didn't match pod anti-affinity rules"));
		return SCHED_UNSCHEDULABLE;
	}
	if (!placed_anti_holds(c, slot, o)) {
		sched_reason(why, SCHED_UNSCHEDULABLE, SCHED_P_INTER_POD_AFFINITY,
			     SP_STR("node(s) didn't satisfy existing pods anti-affinity rules"));
		return SCHED_UNSCHEDULABLE;
	}
	return SCHED_OK;
}

static bool is_in(const sched_pod_class *pc, const sched_group *g)
{
	for (uint32_t i = 0; i < pc->n_groups; i++) {
		if (pc->groups[i] == g)
			return true;
	}
	return false;
}

static void overlay(sched_cycle *c, sched_overlay *o, const sched_pod *pod, int sign)
{
	const sched_spec *s = c->spec;
	const sched_pod_class *pc = pod->spec->pc;
	if (s->n_affinity > 0 && is_in(pc, s->armed->affinity[0].group))
		o->affinity += sign;
	for (size_t i = 0; i < s->n_anti; i++) {
		if (is_in(pc, s->armed->anti[i].group))
			o->anti[i] += sign;
	}
	for (size_t k = 0; k < pod->spec->n_anti; k++) {
		for (uint32_t i = 0; i < s->pc->n_carried; i++) {
			if (s->pc->carried[i] == pod->spec->anti[k].carried)
				o->carried[i] += sign;
		}
	}
}

/* -- score ---------------------------------------------------------------------------------------------- */

static bool attracts(const sched_profile *p, const sched_carried *k)
{
	return k->n_soft > 0 || (p->hard_affinity_weight > 0 && k->n_affinity > 0);
}

static bool prescore(sched_cycle *c)
{
	sched_spec *s = c->spec;
	bool any = false;
	if (c->profile->ignore_preferred_of_placed && s->n_soft == 0)
		return false;
	for (uint32_t i = 0; i < s->pc->n_carried; i++)
		any |= attracts(c->profile, s->pc->carried[i]);
	if (s->n_soft == 0)
		return any;
	c->code = sched_arm(c->st, s);
	if (c->code != SP_OK)
		return false;
	c->affinity.soft = counts_of(c, s->armed->soft, s->n_soft);
	if (c->affinity.soft == NULL) {
		c->code = SP_ENOMEM;
		return false;
	}
	for (size_t i = 0; i < s->n_soft; i++)
		any |= c->affinity.soft[i]->total > 0;
	return any;
}

/* What each domain of one topology is worth, over all terms that speak of it. */
static int64_t *values_of(sched_cycle *c, const sched_topology *t)
{
	const sched_spec *s = c->spec;
	int64_t *value = sp_try_new(&c->arena, int64_t, t->n_domains + 1),
		hard = c->profile->hard_affinity_weight;
	for (size_t i = 0; value != NULL && i < s->n_soft; i++) {
		const sched_topo_count *k = c->affinity.soft[i];
		for (uint32_t d = 0; k->topology == t && k->total > 0 && d < t->n_domains; d++)
			value[d] += (int64_t)s->soft[i].weight * k->count[d];
	}
	for (uint32_t i = 0; value != NULL && i < s->pc->n_carried; i++) {
		const sched_carried *k = s->pc->carried[i];
		for (uint32_t d = 0; k->topology == t && attracts(c->profile, k) && d < t->n_domains; d++)
			value[d] += k->soft[d] + hard * k->affinity[d];
	}
	if (value == NULL)
		c->code = SP_ENOMEM;
	return value;
}

static const sched_topology *nth_topology(const sched_cycle *c, size_t i)
{
	return i < c->spec->n_soft ? c->affinity.soft[i]->topology
				   : c->spec->pc->carried[i - c->spec->n_soft]->topology;
}

/* The sums of each slot, over all topologies. */
static bool sum_all(sched_cycle *c)
{
	size_t n = c->spec->n_soft + c->spec->pc->n_carried;
	memset(c->sums, 0, c->st->t.n * sizeof *c->sums);
	for (size_t i = 0; i < n; i++) {
		const sched_topology *t = nth_topology(c, i);
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++)
			seen = nth_topology(c, k) == t;
		const int64_t *value = seen ? NULL : values_of(c, t);
		if (value != NULL)
			sched_k_gather(c->sums, t->domain, value, t->n_domains, c->st->t.n);
		if (c->code != SP_OK)
			return false;
	}
	return true;
}

/* The topology that all terms speak of; NULL: there are several. */
static const sched_topology *only_topology(const sched_cycle *c)
{
	size_t n = c->spec->n_soft + c->spec->pc->n_carried;
	for (size_t i = 1; i < n; i++) {
		if (nth_topology(c, i) != nth_topology(c, 0))
			return NULL;
	}
	return n == 0 ? NULL : nth_topology(c, 0);
}

#define TABLE_MAX 8192

static int32_t share(int64_t above, double range)
{
	double part = (double)above / range;
	return (int32_t)(SCHED_SCORE_MAX * part);
}

/* The scores of all sums up to a range; NULL: there are too many, or no room. */
static int32_t *shares(sched_cycle *c, int64_t range)
{
	int32_t *table =
		range >= TABLE_MAX ? NULL : sp_arena_try_array(&c->arena, (size_t)range + 1, sizeof *table);
	for (int64_t i = 0; table != NULL && i <= range; i++)
		table[i] = share(i, (double)range);
	return table;
}

/* The general way: sums of each slot. */
static void score_by_sum(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	int64_t min, max;
	if (!sum_all(c))
		return;
	sched_k_range64(c->sums, c->mask, c->st->t.n, &min, &max);
	if (raw != NULL)
		memcpy(raw, c->sums, c->st->t.n * sizeof *raw);
	if (max <= min)
		return;
	const int32_t *table = shares(c, max - min);
	for (uint32_t slot = 0; slot < c->st->t.n; slot++) {
		int64_t above = c->sums[slot] - min;
		if (c->mask[slot] != 0)
			c->one[slot] = table != NULL ? table[above] : share(above, (double)(max - min));
	}
	out->slots = c->one;
}

/* Few domains: each is worked out once. */
static void score_by_domain(sched_cycle *c, const sched_topology *t, sched_scores *out, int64_t *raw)
{
	const int64_t *value = values_of(c, t);
	int32_t *scores = sp_try_new(&c->arena, int32_t, t->n_domains + 1);
	int64_t min = INT64_MAX, max = INT64_MIN;
	if (value == NULL || scores == NULL) {
		c->code = SP_ENOMEM;
		return;
	}
	uint64_t seen = sched_domains_seen(t, c->feasible, c->n_words);
	for (uint64_t left = seen; left != 0; left &= left - 1) {
		int64_t v = value[__builtin_ctzll(left)];
		min = SP_MIN(min, v);
		max = SP_MAX(max, v);
	}
	for (uint32_t slot = 0; raw != NULL && slot < c->st->t.n; slot++)
		raw[slot] = value[SP_MIN(t->domain[slot], t->n_domains)];
	if (max <= min)
		return;
	for (uint64_t left = seen; left != 0; left &= left - 1) {
		int d = __builtin_ctzll(left);
		scores[d] = share(value[d] - min, (double)(max - min));
	}
	out->topology = t;
	out->domains = scores;
}

static int64_t magnitude(int64_t v)
{
	return v < 0 ? -v : v;
}

/* No sum is larger than this. */
static int64_t bound(const sched_cycle *c)
{
	const sched_spec *s = c->spec;
	int64_t sum = 0;
	for (size_t i = 0; i < s->n_soft; i++)
		sum += magnitude(s->soft[i].weight) * (int64_t)c->affinity.soft[i]->total;
	for (uint32_t i = 0; i < s->pc->n_carried; i++)
		sum += s->pc->carried[i]->soft_weight +
		       magnitude(c->profile->hard_affinity_weight) * s->pc->carried[i]->n_affinity;
	return sum;
}

/* A domain is a node: counts are read by slot, and the sums are small. */
static void score_by_node(sched_cycle *c, const sched_topology *t, sched_scores *out, int64_t *raw)
{
	const sched_spec *s = c->spec;
	size_t n = c->st->t.n, n_domains = SP_MIN(t->n_domains, n);
	int32_t *sum = c->one;
	memset(sum, 0, n * sizeof *sum);
	for (size_t i = 0; i < s->n_soft; i++) {
		if (c->affinity.soft[i]->total > 0)
			sched_k_add_counts(sum, c->affinity.soft[i]->count, s->soft[i].weight, n_domains);
	}
	for (uint32_t i = 0; i < s->pc->n_carried; i++) {
		const sched_carried *k = s->pc->carried[i];
		if (attracts(c->profile, k))
			sched_k_add_terms(sum, k->soft, k->affinity,
					  (int32_t)c->profile->hard_affinity_weight, n_domains);
	}
	for (size_t slot = 0; raw != NULL && slot < n; slot++)
		raw[slot] = sum[slot];
	int32_t min = sched_k_min(sum, c->mask, n), max = sched_k_max(sum, c->mask, n);
	const int32_t *table = max <= min ? NULL : shares(c, max - min);
	if (table != NULL)
		sched_k_look_up(sum, sum, c->mask, min, table, n);
	for (size_t slot = 0; table == NULL && max > min && slot < n; slot++)
		sum[slot] = c->mask[slot] == 0 ? 0 : share(sum[slot] - min, (double)(max - min));
	out->slots = max <= min ? NULL : sum;
}

static void score(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	const sched_topology *t = only_topology(c);
	if (t != NULL && sched_is_straight(t) && bound(c) < INT32_MAX / 2)
		score_by_node(c, t, out, raw);
	else if (t != NULL && sched_has_sets(t))
		score_by_domain(c, t, out, raw);
	else
		score_by_sum(c, out, raw);
}

const sched_plugin sched_inter_pod_affinity = {.name = "InterPodAffinity",
					       .prefilter = prefilter,
					       .filter = filter,
					       .filter_node = filter_node,
					       .overlay = overlay,
					       .prescore = prescore,
					       .score = score};

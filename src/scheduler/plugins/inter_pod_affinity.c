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

/* Marks of each domain, and of the lack of one; scratch of one call of filter. */
static uint8_t *marks(sched_cycle *c, const sched_topology *t, uint8_t none)
{
	uint8_t *bad = sp_try_new(&c->arena, uint8_t, t->n_domains + 1);
	if (bad == NULL)
		c->code = SP_ENOMEM;
	else
		bad[t->n_domains] = none;
	return bad;
}

/* Every term needs its label; and a pod to be with, unless this one may be the first. */
static void filter_affinity(sched_cycle *c, uint64_t *nodes)
{
	bool first = may_be_first(c, 0, NULL);
	for (size_t i = 0; i < c->spec->n_affinity; i++) {
		const sched_topo_count *t = c->affinity.affinity[i];
		uint8_t *bad = marks(c, t->topology, 1);
		for (uint32_t d = 0; bad != NULL && d < t->topology->n_domains; d++)
			bad[d] = !first && t->count[d] == 0;
		if (bad != NULL)
			sched_k_clear(nodes, t->topology->domain, bad, t->topology->n_domains, c->st->t.n);
	}
}

static void filter_anti(sched_cycle *c, uint64_t *nodes, const sched_topo_count *t)
{
	uint8_t *bad = t->total == 0 ? NULL : marks(c, t->topology, 0);
	for (uint32_t d = 0; bad != NULL && d < t->topology->n_domains; d++)
		bad[d] = t->count[d] > 0;
	if (bad != NULL)
		sched_k_clear(nodes, t->topology->domain, bad, t->topology->n_domains, c->st->t.n);
}

static void filter_placed(sched_cycle *c, uint64_t *nodes, const sched_carried *k)
{
	uint8_t *bad = k->n_anti == 0 ? NULL : marks(c, k->topology, 0);
	for (uint32_t d = 0; bad != NULL && d < k->topology->n_domains; d++)
		bad[d] = k->anti[d] > 0;
	if (bad != NULL)
		sched_k_clear(nodes, k->topology->domain, bad, k->topology->n_domains, c->st->t.n);
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	const sched_pod_class *pc = c->spec->pc;
	filter_affinity(c, nodes);
	for (size_t i = 0; i < c->spec->n_anti; i++)
		filter_anti(c, nodes, c->affinity.anti[i]);
	for (uint32_t i = 0; i < pc->n_carried; i++)
		filter_placed(c, nodes, pc->carried[i]);
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
static bool add_topology(sched_cycle *c, const sched_topology *t)
{
	const sched_spec *s = c->spec;
	int64_t *value = sp_try_new(&c->arena, int64_t, t->n_domains + 1),
		hard = c->profile->hard_affinity_weight;
	if (value == NULL)
		return false;
	for (size_t i = 0; i < s->n_soft; i++) {
		const sched_topo_count *k = c->affinity.soft[i];
		for (uint32_t d = 0; k->topology == t && k->total > 0 && d < t->n_domains; d++)
			value[d] += (int64_t)s->soft[i].weight * k->count[d];
	}
	for (uint32_t i = 0; i < s->pc->n_carried; i++) {
		const sched_carried *k = s->pc->carried[i];
		for (uint32_t d = 0; k->topology == t && attracts(c->profile, k) && d < t->n_domains; d++)
			value[d] += k->soft[d] + hard * k->affinity[d];
	}
	sched_k_gather(c->sums, t->domain, value, t->n_domains, c->st->t.n);
	return true;
}

static const sched_topology *nth_topology(const sched_cycle *c, size_t i)
{
	return i < c->spec->n_soft ? c->affinity.soft[i]->topology
				   : c->spec->pc->carried[i - c->spec->n_soft]->topology;
}

static bool add_all(sched_cycle *c)
{
	size_t n = c->spec->n_soft + c->spec->pc->n_carried;
	for (size_t i = 0; i < n; i++) {
		bool seen = false;
		for (size_t k = 0; k < i && !seen; k++)
			seen = nth_topology(c, k) == nth_topology(c, i);
		if (!seen && !add_topology(c, nth_topology(c, i)))
			return false;
	}
	return true;
}

#define TABLE_MAX 8192

static int32_t share(int64_t above, double range)
{
	double part = (double)above / range;
	return (int32_t)(SCHED_SCORE_MAX * part);
}

/* Sums to 0..100. There are few different ones as a rule: each is worked out once. */
static void normalise(const sched_cycle *c, int32_t *table, int64_t min, int64_t max, int32_t *out)
{
	double range = (double)(max - min);
	for (int64_t i = 0; table != NULL && i <= max - min; i++)
		table[i] = share(i, range);
	for (uint32_t slot = 0; slot < c->st->t.n; slot++) {
		int64_t above = c->sums[slot] - min;
		if (c->mask[slot] != 0)
			out[slot] = table != NULL ? table[above] : share(above, range);
	}
}

static const int32_t *score(sched_cycle *c, int32_t *out, int32_t *uniform, int64_t *raw)
{
	int64_t min, max;
	int32_t *table = NULL;
	memset(c->sums, 0, c->st->t.n * sizeof *c->sums);
	if (!add_all(c)) {
		c->code = SP_ENOMEM;
		return NULL;
	}
	sched_k_range64(c->sums, c->mask, c->st->t.n, &min, &max);
	if (raw != NULL)
		memcpy(raw, c->sums, c->st->t.n * sizeof *raw);
	*uniform = 0;
	if (max <= min)
		return NULL;
	if (max - min < TABLE_MAX)
		table = sp_try_new(&c->arena, int32_t, (size_t)(max - min) + 1);
	normalise(c, table, min, max, out);
	return out;
}

const sched_plugin sched_inter_pod_affinity = {.name = "InterPodAffinity",
					       .prefilter = prefilter,
					       .filter = filter,
					       .filter_node = filter_node,
					       .overlay = overlay,
					       .prescore = prescore,
					       .score = score};

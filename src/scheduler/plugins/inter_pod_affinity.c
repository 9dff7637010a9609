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

/* Clears the nodes of domains that count something. */
static void clear_domains(const sched_cycle *c, uint64_t *nodes, const sched_topo_count *t)
{
	if (t->total == 0)
		return;
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		uint32_t d = t->topology->domain[slot];
		if (d != SCHED_NO_DOMAIN && t->count[d] > 0)
			sched_bit_clear(nodes, slot);
	}
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	const sched_pod_class *pc = c->spec->pc;
	if (c->spec->n_affinity > 0) {
		SCHED_BITS_EACH (slot, nodes, c->n_words) {
			if (!affinity_holds(c, slot, NULL))
				sched_bit_clear(nodes, slot);
		}
	}
	for (size_t i = 0; i < c->spec->n_anti; i++)
		clear_domains(c, nodes, c->affinity.anti[i]);
	for (uint32_t i = 0; i < pc->n_carried; i++) {
		const sched_carried *k = pc->carried[i];
		if (k->n_anti == 0)
			continue;
		SCHED_BITS_EACH (slot, nodes, c->n_words) {
			uint32_t d = k->topology->domain[slot];
			if (d != SCHED_NO_DOMAIN && k->anti[d] > 0)
				sched_bit_clear(nodes, slot);
		}
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

static void sum_soft(const sched_cycle *c, int64_t *sum)
{
	for (size_t i = 0; i < c->spec->n_soft; i++) {
		const sched_topo_count *t = c->affinity.soft[i];
		int64_t weight = c->spec->soft[i].weight;
		if (t->total == 0)
			continue;
		SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
			uint32_t d = t->topology->domain[slot];
			if (d != SCHED_NO_DOMAIN)
				sum[slot] += weight * t->count[d];
		}
	}
}

static void sum_carried(const sched_cycle *c, int64_t *sum)
{
	const sched_pod_class *pc = c->spec->pc;
	for (uint32_t i = 0; i < pc->n_carried; i++) {
		const sched_carried *k = pc->carried[i];
		if (!attracts(c->profile, k))
			continue;
		SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
			uint32_t d = k->topology->domain[slot];
			if (d != SCHED_NO_DOMAIN)
				sum[slot] += k->soft[d] + c->profile->hard_affinity_weight * k->affinity[d];
		}
	}
}

static bool score(sched_cycle *c, int32_t *out, int32_t *uniform, int64_t *raw)
{
	int64_t *sum = c->sums, min = INT64_MAX, max = INT64_MIN;
	memset(sum, 0, c->st->t.n * sizeof *sum);
	sum_soft(c, sum);
	sum_carried(c, sum);
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		min = SP_MIN(min, sum[slot]);
		max = SP_MAX(max, sum[slot]);
	}
	if (raw != NULL)
		memcpy(raw, sum, c->st->t.n * sizeof *raw);
	*uniform = 0;
	if (max <= min)
		return false;
	double range = (double)(max - min);
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		double part = (double)(sum[slot] - min) / range;
		out[slot] = (int32_t)(SCHED_SCORE_MAX * part);
	}
	return true;
}

const sched_plugin sched_inter_pod_affinity = {.name = "InterPodAffinity",
					       .prefilter = prefilter,
					       .filter = filter,
					       .filter_node = filter_node,
					       .overlay = overlay,
					       .prescore = prescore,
					       .score = score};

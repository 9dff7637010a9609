/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/tainttoleration/taint_toleration.go. Worked out per set of taints, of which there are few. */
#include "scheduler/plugins/plugins.h"

static bool keeps_away(const sched_taint *t)
{
	return sp_str_eq(t->effect, SP_STR("NoSchedule")) || sp_str_eq(t->effect, SP_STR("NoExecute"));
}

/* Taints that only discourage and that nothing meant for them tolerates. */
static int32_t count_soft(const sched_spec *s, const sched_taint_class *tc)
{
	int32_t n = 0;
	for (size_t i = 0; i < tc->n_taints; i++) {
		if (!sp_str_eq(tc->taints[i].effect, SP_STR("PreferNoSchedule")))
			continue;
		n += !sched_tolerated(s->tolerations, s->n_tolerations, &tc->taints[i]);
	}
	return n;
}

static bool blocked(const sched_spec *s, const sched_taint_class *tc)
{
	for (size_t i = 0; i < tc->n_taints; i++) {
		if (keeps_away(&tc->taints[i]) &&
		    !sched_tolerated(s->tolerations, s->n_tolerations, &tc->taints[i]))
			return true;
	}
	return false;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	sched_state *st = c->st;
	(void)why;
	if (st->n_with_taints == 0)
		return SCHED_SKIP;
	c->taint_blocked = sp_try_new(&c->arena, uint8_t, st->n_taint_classes);
	c->taint_soft = sp_try_new(&c->arena, int32_t, st->n_taint_classes);
	if (c->taint_blocked == NULL || c->taint_soft == NULL)
		return SCHED_FAILED;
	for (uint32_t i = 1; i < st->n_taint_classes; i++) {
		const sched_taint_class *tc = st->taint_class_by_id[i];
		if (tc == NULL)
			continue;
		c->taint_blocked[i] = blocked(c->spec, tc);
		c->taint_soft[i] = count_soft(c->spec, tc);
	}
	return SCHED_OK;
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	SCHED_BITS_EACH (slot, nodes, c->n_words) {
		if (c->taint_blocked[c->st->t.taint_class[slot]] != 0)
			sched_bit_clear(nodes, slot);
	}
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	(void)o;
	if (c->taint_blocked[c->st->t.taint_class[slot]] == 0)
		return SCHED_OK;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_TAINT_TOLERATION,
		     SP_STR("node(s) had untolerated taint(s)"));
	return SCHED_UNRESOLVABLE;
}

static void score(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	if (c->st->n_soft_taints == 0 || c->taint_soft == NULL) {
		out->uniform = SCHED_SCORE_MAX;
		return;
	}
	for (uint32_t slot = 0; slot < c->st->t.n; slot++)
		c->one[slot] = c->taint_soft[c->st->t.taint_class[slot]];
	for (uint32_t slot = 0; raw != NULL && slot < c->st->t.n; slot++)
		raw[slot] = c->one[slot];
	sched_normalise(c, c->one, true, out);
}

const sched_plugin sched_taint_toleration = {.name = "TaintToleration",
					     .prefilter = prefilter,
					     .filter = filter,
					     .filter_node = filter_node,
					     .score = score};

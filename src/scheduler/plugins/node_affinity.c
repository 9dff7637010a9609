/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/nodeaffinity/node_affinity.go. */
#include "scheduler/columns.h"
#include "scheduler/plugins/need.h"
#include "scheduler/plugins/plugins.h"

static bool added_holds(const sched_cycle *c, const sched_node *node)
{
	if (!c->profile->has_added)
		return true;
	for (size_t i = 0; i < c->profile->n_added; i++) {
		if (sched_node_term_holds(&c->profile->added[i], node))
			return true;
	}
	return false;
}

static void need_one(const sched_state *st, sched_column *col, uint32_t slot, const void *arg)
{
	sched_bit_put(col->bits, slot, sched_need_holds(arg, st->t.nodes[slot]));
}

sp_code sched_need_column(sched_cycle *c)
{
	if (c->need != NULL || !c->spec->has_node_need)
		return SP_OK;
	sp_str key = SP_CONCAT(&c->arena, SP_STR("need\x1e"), c->spec->need_key);
	if (key.ptr != NULL)
		c->need = sched_column_get(c->st, key, &c->st->objects, 0, need_one, &c->spec->need);
	return c->need == NULL ? SP_ENOMEM : SP_OK;
}

static sched_verdict name_set(sched_cycle *c, sched_status *why)
{
	const sched_spec *s = c->spec;
	if (s->n_names == 0) {
		sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_NODE_AFFINITY,
			     SP_STR("pod affinity terms conflict"));
		return SCHED_UNRESOLVABLE;
	}
	c->name_set = sp_try_new(&c->arena, uint64_t, c->n_words + 1);
	if (c->name_set == NULL)
		return SCHED_FAILED;
	c->has_name_set = true;
	for (size_t i = 0; i < s->n_names; i++) {
		const sched_node *node = sched_find_node(c->st, s->names[i]);
		if (node != NULL && node->exists)
			sched_bit_set(c->name_set, node->slot);
	}
	return SCHED_OK;
}

static sched_verdict prefilter(sched_cycle *c, sched_status *why)
{
	if (!c->spec->has_node_need && !c->profile->has_added)
		return SCHED_SKIP;
	return c->spec->has_names ? name_set(c, why) : SCHED_OK;
}

static bool passes(sched_cycle *c, uint32_t slot)
{
	const sched_node *node = c->st->t.nodes[slot];
	return added_holds(c, node) && (!c->spec->has_node_need || sched_need_holds(&c->spec->need, node));
}

static void filter(sched_cycle *c, uint64_t *nodes)
{
	if (c->has_name_set || c->profile->has_added) { /* few nodes, or a rule that is not part of the key */
		SCHED_BITS_EACH (slot, nodes, c->n_words) {
			if (!passes(c, slot))
				sched_bit_clear(nodes, slot);
		}
		return;
	}
	c->code = sched_need_column(c);
	for (size_t w = 0; w < c->n_words && c->need != NULL; w++)
		nodes[w] &= c->need->bits[w];
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	(void)o;
	if (passes(c, slot))
		return SCHED_OK;
	sched_reason(why, SCHED_UNRESOLVABLE, SCHED_P_NODE_AFFINITY,
		     added_holds(c, c->st->t.nodes[slot])
			     ? SP_STR("node(s) didn't match Pod's node affinity/selector")
			     : SP_STR("node(s) didn't match scheduler-enforced node affinity"));
	return SCHED_UNRESOLVABLE;
}

/* -- score ---------------------------------------------------------------------------------------------- */

static int32_t sum_terms(const sched_node_term *terms, size_t n, const sched_node *node)
{
	int32_t sum = 0;
	for (size_t i = 0; i < n; i++) {
		if (sched_node_term_holds(&terms[i], node))
			sum += terms[i].weight;
	}
	return sum;
}

static void preferred_one(const sched_state *st, sched_column *col, uint32_t slot, const void *arg)
{
	const sched_spec *s = arg;
	col->a[slot] = sum_terms(s->preferred, s->n_preferred, st->t.nodes[slot]);
}

static bool prescore(sched_cycle *c)
{
	return c->spec->preferred_key.len > 0 || c->profile->n_added_preferred > 0;
}

static void score(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	int32_t *sum = c->one;
	const sched_profile *p = c->profile;
	const sched_column *col = NULL;
	if (c->spec->n_preferred > 0) {
		sp_str key = SP_CONCAT(&c->arena, SP_STR("preferred\x1e"), c->spec->preferred_key);
		if (key.ptr != NULL)
			col = sched_column_get(c->st, key, &c->st->objects, SCHED_COLUMN_A, preferred_one,
					       c->spec);
		if (col == NULL) {
			c->code = SP_ENOMEM;
			return;
		}
	}
	for (uint32_t slot = 0; slot < c->st->t.n; slot++)
		sum[slot] = col == NULL ? 0 : col->a[slot];
	if (p->n_added_preferred > 0) {
		SCHED_BITS_EACH (slot, c->feasible, c->n_words)
			sum[slot] +=
				sum_terms(p->added_preferred, p->n_added_preferred, c->st->t.nodes[slot]);
	}
	for (uint32_t slot = 0; raw != NULL && slot < c->st->t.n; slot++)
		raw[slot] = sum[slot];
	sched_normalise(c, sum, false, out);
}

const sched_plugin sched_node_affinity = {.name = "NodeAffinity",
					  .prefilter = prefilter,
					  .filter = filter,
					  .filter_node = filter_node,
					  .prescore = prescore,
					  .score = score};

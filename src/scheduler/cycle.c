/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/cycle.h"

#include <stdlib.h>

#include "scheduler/counters_int.h"
#include "scheduler/dry_runs.h"
#include "scheduler/plugins/fit.h"
#include "scheduler/plugins/plugins.h"
#include "scheduler/plugins/scheduling_gates.h"

#define CYCLE_ARENA_BYTES ((size_t)256 << 20)

void sched_cycle_init(sched_cycle *c, sched_state *st, const sched_profile *profile)
{
	*c = (sched_cycle){.st = st, .profile = profile};
	sp_arena_init(&c->arena, CYCLE_ARENA_BYTES);
}

void sched_cycle_done(sched_cycle *c)
{
	void *const arrays[] = {c->feasible, c->scratch_bits, c->masked, c->own_total, c->own_best,
				c->one,      c->mask,         c->sums,   c->reals};
	for (size_t i = 0; i < SP_LEN(arrays); i++)
		sp_free(arrays[i]);
	sched_dry_memo_free(c->dry_memo);
	sp_arena_done(&c->arena);
}

static sp_code widen(sched_cycle *c)
{
	uint32_t cap = c->st->t.cap;
	if (c->cap == cap)
		return SP_OK;
	if (!sched_grow_array(&c->feasible, SCHED_WORDS(c->cap), SCHED_WORDS(cap)) ||
	    !sched_grow_array(&c->scratch_bits, SCHED_WORDS(c->cap), SCHED_WORDS(cap)) ||
	    !sched_grow_array(&c->masked, SCHED_WORDS(c->cap), SCHED_WORDS(cap)) ||
	    !sched_grow_array(&c->own_best, SCHED_WORDS(c->cap), SCHED_WORDS(cap)) ||
	    !sched_grow_array(&c->own_total, c->cap, cap) || !sched_grow_array(&c->one, c->cap, cap) ||
	    !sched_grow_array(&c->mask, c->cap, cap) || !sched_grow_array(&c->sums, c->cap, cap) ||
	    !sched_grow_array(&c->reals, c->cap, cap))
		return SP_ENOMEM;
	c->cap = cap;
	return SP_OK;
}

/* Everything a plugin may have left from the pod before. */
static sp_code begin(sched_cycle *c, const sched_pod *pod)
{
	sp_arena_rewind(&c->arena);
	SP_TRY(widen(c));
	c->pod = pod;
	c->spec = pod->spec;
	c->code = SP_OK;
	memset(c->skip_filter, 0, sizeof c->skip_filter);
	memset(c->skip_score, 0, sizeof c->skip_score);
	c->preenqueue.n_reasons = c->prefilter.n_reasons = 0;
	c->preenqueue.verdict = c->prefilter.verdict = SCHED_OK;
	c->has_name_set = false;
	c->name_set = NULL;
	c->n_words = sched_words(c->st);
	c->n_feasible = 0;
	c->nominated_slot = c->tried_slot = SCHED_NO_DOMAIN;
	c->fit = (sched_fit_state){0};
	c->hard = c->weak = (sched_spread_state){0};
	c->affinity = (sched_affinity_state){0};
	c->need = NULL;
	c->taint_blocked = NULL;
	c->taint_soft = NULL;
	c->volumes = NULL;
	c->diagnosis = NULL;
	c->total = NULL;
	c->best = NULL;
	c->uniform = 0;
	memset(c->score, 0, sizeof c->score);
	memset(c->raw, 0, sizeof c->raw);
	if (c->n_words > 0) /* no node, no memory */
		memset(c->feasible, 0, c->n_words * sizeof *c->feasible);
	return SP_OK;
}

/* -- filters -------------------------------------------------------------------------------------------- */

static bool runs(const sched_cycle *c, size_t plugin)
{
	return c->profile->filters[plugin] && !c->skip_filter[plugin];
}

static void list_filters(sched_cycle *c)
{
	c->n_filters = 0;
	for (size_t p = 0; p < SCHED_PLUGINS_; p++) {
		if (runs(c, p) && sched_plugins[p]->filter != NULL)
			c->filters[c->n_filters++] = (uint8_t)p;
	}
}

static bool ask_plugins(sched_cycle *c)
{
	sched_status why; /* large: cleared where it is read */
	for (size_t p = 0; p < SCHED_PLUGINS_; p++) {
		if (!c->profile->filters[p] || sched_plugins[p]->prefilter == NULL)
			continue;
		why.verdict = SCHED_OK;
		why.plugin = SCHED_NO_PLUGIN;
		why.n_reasons = 0;
		sched_verdict v = sched_plugins[p]->prefilter(c, &why);
		if (v == SCHED_FAILED && c->code == SP_OK)
			c->code = SP_ENOMEM;
		if (v == SCHED_FAILED)
			return false;
		if (v == SCHED_SKIP)
			c->skip_filter[p] = true;
		if (v == SCHED_UNRESOLVABLE) {
			c->prefilter = why;
			return false;
		}
		if (v == SCHED_UNSCHEDULABLE && c->prefilter.verdict == SCHED_OK)
			c->prefilter =
				why; /* preemption may help: the others still prepare for its dry runs */
	}
	return c->prefilter.verdict == SCHED_OK;
}

/* False: no node needs to be looked at. */
static bool prefilter(sched_cycle *c)
{
	bool nodes = ask_plugins(c);
	list_filters(c);
	return nodes;
}

void sched_cycle_filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *ret)
{
	ret->verdict = SCHED_OK;
	ret->plugin = SCHED_NO_PLUGIN;
	ret->n_reasons = 0;
	for (size_t i = 0; i < c->n_filters; i++) {
		if (sched_plugins[c->filters[i]]->filter_node(c, slot, o, ret) != SCHED_OK)
			return;
		ret->n_reasons = 0;
	}
}

static bool has_to_yield(const sched_cycle *c, const sched_pod *nominated)
{
	return nominated->spec->priority >= c->spec->priority && !sp_str_eq(nominated->uid, c->pod->uid);
}

/* Pods nominated to the node that this pod has to yield to. */
static bool any_to_yield_to(const sched_cycle *c, uint32_t slot)
{
	const sched_node *node = c->st->t.nodes[slot];
	for (uint32_t i = 0; i < node->n_nominated; i++) {
		if (has_to_yield(c, node->nominated[i]))
			return true;
	}
	return false;
}

static bool add_nominated(sched_cycle *c, sched_overlay *o, int sign)
{
	const sched_node *node = c->st->t.nodes[o->slot];
	for (uint32_t i = 0; i < node->n_nominated; i++) {
		if (has_to_yield(c, node->nominated[i]) && !sched_overlay_pod(c, o, node->nominated[i], sign))
			return false;
	}
	return true;
}

/*
 * With those pods as if they were there, then without them: both have to pass. What a pod needs (affinity to
 * one of them, say) must not depend on a nomination.
 */
void sched_cycle_filter_nominated(sched_cycle *c, uint32_t slot, sched_overlay *o, sched_status *ret)
{
	if (sched_bit(c->st->t.has_nominated, slot) && any_to_yield_to(c, slot)) {
		sched_overlay *with = o != NULL ? o : sched_overlay_new(c, slot);
		size_t n_ports = with == NULL ? 0 : with->n_ports,
		       n_disk_pods = with == NULL ? 0 : with->n_disk_pods;
		if (with == NULL || !add_nominated(c, with, 1)) {
			c->code = SP_ENOMEM;
			ret->verdict = SCHED_FAILED;
			return;
		}
		sched_cycle_filter_node(c, slot, with, ret);
		if (!add_nominated(c, with, -1))
			c->code = SP_ENOMEM;
		with->n_ports = n_ports; /* their changes are taken back, not undone by further ones */
		with->n_disk_pods = n_disk_pods;
		if (ret->verdict != SCHED_OK)
			return;
	}
	sched_cycle_filter_node(c, slot, o, ret);
}

static void filter_all(sched_cycle *c)
{
	for (size_t w = 0; w < c->n_words; w++)
		c->feasible[w] = c->st->t.present[w] & (c->has_name_set ? c->name_set[w] : UINT64_MAX);
	for (size_t i = 0; i < c->n_filters && c->code == SP_OK; i++)
		sched_plugins[c->filters[i]]->filter(c, c->feasible);
}

/* Nodes that hold room for others are looked at again, one by one. */
static void filter_yielding(sched_cycle *c)
{
	if (c->st->n_nominated_nodes == 0)
		return;
	for (size_t w = 0; w < c->n_words; w++)
		c->scratch_bits[w] = c->feasible[w] & c->st->t.has_nominated[w];
	uint64_t *todo = c->scratch_bits;
	SCHED_BITS_EACH (slot, todo, c->n_words) {
		sched_status s;
		sched_cycle_filter_nominated(c, slot, NULL, &s);
		if (s.verdict != SCHED_OK)
			sched_bit_clear(c->feasible, slot);
	}
}

#ifdef SP_DEBUG
/* Both forms of the filters say the same of every node. */
static void check_filters(sched_cycle *c)
{
	for (uint32_t slot = 0; slot < c->st->t.n && c->code == SP_OK; slot++) {
		sched_status s;
		if (!sched_bit(c->st->t.present, slot) || (c->has_name_set && !sched_bit(c->name_set, slot)))
			continue;
		sched_cycle_filter_nominated(c, slot, NULL, &s);
		SP_ASSERT(c->code != SP_OK || (s.verdict == SCHED_OK) == sched_bit(c->feasible, slot));
	}
}
#endif

/* The pod's own nominated node comes first, alone, whatever the node set says. True: it fits. */
static bool try_nominated(sched_cycle *c)
{
	const sched_node *node =
		c->pod->nominated.len == 0 ? NULL : sched_find_node(c->st, c->pod->nominated);
	sched_status s;
	if (node == NULL || !node->exists)
		return false;
	sched_cycle_filter_nominated(c, node->slot, NULL, &s);
	if (s.verdict == SCHED_OK)
		c->nominated_slot = node->slot;
	else
		c->tried_slot = node->slot;
	return s.verdict == SCHED_OK;
}

/* -- scores --------------------------------------------------------------------------------------------- */

void sched_normalise(const sched_cycle *c, int32_t *raw, bool reverse, sched_scores *out)
{
	int32_t max = sched_k_max(raw, c->mask, c->st->t.n);
	if (max <= 0) {
		out->uniform = reverse ? SCHED_SCORE_MAX : 0;
		return;
	}
	SCHED_BITS_EACH (slot, c->feasible, c->n_words) {
		int32_t s = (int32_t)((int64_t)SCHED_SCORE_MAX * raw[slot] / max);
		raw[slot] = reverse ? SCHED_SCORE_MAX - s : s;
	}
	out->slots = raw;
}

static int32_t score_of(const sched_scores *s, uint32_t slot)
{
	if (s->slots != NULL)
		return s->slots[slot];
	if (s->domains != NULL)
		return s->domains[SP_MIN(s->topology->domain[slot], s->topology->n_domains)];
	return s->uniform;
}

/* For those who want to see: each plugin's part. */
static void keep_detail(sched_cycle *c, size_t plugin, const sched_scores *scores, int64_t weight)
{
	int32_t *kept = sp_try_new(&c->arena, int32_t, c->st->t.n + 1);
	if (kept == NULL) {
		c->code = SP_ENOMEM;
		return;
	}
	SCHED_BITS_EACH (slot, c->feasible, c->n_words)
		kept[slot] = (int32_t)(score_of(scores, slot) * weight);
	c->score[plugin] = kept;
}

/* A total of the decision's own, once a plugin tells nodes apart. */
static void add_scores(sched_cycle *c, const sched_scores *s, int32_t weight)
{
	size_t n = c->st->t.n;
	if (s->slots != NULL)
		sched_k_add(c->own_total, c->total, s->slots, weight, n);
	else if (s->domains != NULL)
		sched_k_add_gathered(c->own_total, c->total, s->topology->domain, s->domains,
				     s->topology->n_domains, weight, n);
	if (s->slots == NULL && s->domains == NULL) {
		c->uniform += (int64_t)s->uniform * weight;
		return;
	}
	c->total = c->own_total;
	c->best = c->own_best;
}

static void score_plugin(sched_cycle *c, size_t p)
{
	int64_t *raw = c->detail ? sp_try_new(&c->arena, int64_t, c->st->t.n + 1) : NULL;
	sched_scores scores = {0};
	int64_t weight = c->profile->weights[p];
	if (c->detail && raw == NULL)
		c->code = SP_ENOMEM;
	if (c->code != SP_OK)
		return;
	sched_plugins[p]->score(c, &scores, raw);
	if (c->code != SP_OK)
		return;
	c->raw[p] = raw;
	if (c->detail)
		keep_detail(c, p, &scores, weight);
	if (!sched_plugins[p]->in_base)
		add_scores(c, &scores, (int32_t)weight);
}

static void score_all(sched_cycle *c)
{
	c->code = sched_fit_column(c);
	if (c->code != SP_OK)
		return;
	c->total = c->fit.column->a;
	c->best = c->fit.column->best;
	sched_k_mask(c->mask, c->masked, c->feasible, c->st->t.n);
	for (size_t p = 0; p < SCHED_PLUGINS_ && c->code == SP_OK; p++) {
		const sched_plugin *plugin = sched_plugins[p];
		if (!c->profile->scores[p] || plugin->score == NULL || (plugin->in_base && !c->detail))
			continue;
		c->skip_score[p] = plugin->prescore != NULL && !plugin->prescore(c);
		if (!c->skip_score[p] && c->code == SP_OK)
			score_plugin(c, p);
	}
	if (c->total == c->own_total)
		memset(c->own_best, 0, c->n_words * sizeof *c->own_best);
}

sp_code sched_cycle_run(sched_cycle *c, const sched_pod *pod, bool score_always)
{
	if (c->st->broken)
		return SP_ENOMEM;
	SP_TRY(begin(c, pod));
	if (sched_gates_check(&c->arena, c->spec, &c->preenqueue) != SCHED_OK)
		return SP_OK;
	bool nodes = prefilter(c);
	if (!nodes || c->code != SP_OK)
		return c->code;
	bool chosen = try_nominated(c);
	if (c->code == SP_OK && chosen && !score_always) {
		sched_bit_set(c->feasible, c->nominated_slot);
		c->n_feasible = 1;
		return SP_OK;
	}
	if (c->code == SP_OK)
		filter_all(c);
	if (c->code == SP_OK)
		filter_yielding(c);
#ifdef SP_DEBUG
	if (c->code == SP_OK)
		check_filters(c);
#endif
	c->n_feasible = sched_bits_count(c->feasible, c->n_words);
	if (c->code == SP_OK && (c->n_feasible > 1 || (c->n_feasible == 1 && score_always)))
		score_all(c);
	return c->code;
}

/* -- the outcome ---------------------------------------------------------------------------------------- */

void sched_cycle_status(sched_cycle *c, uint32_t slot, sched_status *ret)
{
	if (c->prefilter.verdict != SCHED_OK) {
		*ret = c->prefilter;
		return;
	}
	if (c->has_name_set && slot != c->tried_slot && !sched_bit(c->name_set, slot)) {
		ret->n_reasons = 0;
		sched_reason(ret, SCHED_UNRESOLVABLE, SCHED_NO_PLUGIN,
			     SP_STR("node(s) didn't satisfy plugin(s) [NodeAffinity]"));
		return;
	}
	sched_cycle_filter_nominated(c, slot, NULL, ret);
}

static uint32_t first_feasible(const sched_cycle *c)
{
	SCHED_BITS_EACH (slot, c->feasible, c->n_words)
		return slot;
	SP_UNREACHABLE();
}

uint32_t sched_cycle_pick(const sched_cycle *c, uint64_t chance)
{
	if (c->nominated_slot != SCHED_NO_DOMAIN)
		return c->nominated_slot;
	if (c->n_feasible == 0)
		return SCHED_NO_DOMAIN;
	if (c->n_feasible == 1)
		return first_feasible(c);
	sched_k_best(c->best, c->total, c->mask, c->feasible, c->n_words);
	return sched_k_pick(c->best, c->total, c->feasible, c->n_words, chance);
}

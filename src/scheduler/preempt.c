/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/preempt.h"

#include <stdlib.h>

#include "scheduler/dry_runs.h"
#include "scheduler/message.h"

/* -- importance ----------------------------------------------------------------------------------------- */

/* A pod without a start has just been placed: it counts as starting now, later than all others. */
static int cmp_start(const sched_pod *a, const sched_pod *b)
{
	if (!a->has_start || !b->has_start)
		return (int)!a->has_start - (int)!b->has_start;
	if (a->start.seconds != b->start.seconds)
		return a->start.seconds < b->start.seconds ? -1 : 1;
	return a->start.nanos < b->start.nanos ? -1 : a->start.nanos > b->start.nanos;
}

/* Most important first: higher priority, then the one that runs longer, then by name so that runs repeat. */
static int by_importance(const void *a, const void *b)
{
	const sched_pod *x = *(const sched_pod *const *)a, *y = *(const sched_pod *const *)b;
	if (x->spec->priority != y->spec->priority)
		return x->spec->priority > y->spec->priority ? -1 : 1;
	int start = cmp_start(x, y);
	return start != 0 ? start : sp_str_cmp(x->key, y->key);
}

/* -- budgets -------------------------------------------------------------------------------------------- */

static bool is_disrupted(const sched_budget *b, sp_str name)
{
	for (size_t i = 0; i < b->n_disrupted; i++) {
		if (sp_str_eq(b->disrupted[i], name))
			return true;
	}
	return false;
}

static bool guards(const sched_budget *b, const sched_pod *pod)
{
	const sched_pod_class *pc = pod->spec->pc;
	return sp_str_eq(b->ns, pod->ns) && b->selector.n > 0 &&
	       sp_labels_match(&b->selector, pc->labels, pc->n_labels) && !is_disrupted(b, pod->name);
}

/* True for the pods whose eviction a budget does not allow any more, counting from the most important one. */
static sp_code find_violations(sched_cycle *c, const sched_pod **pods, size_t n, bool *ret)
{
	const sp_map *budgets = &c->st->budgets;
	size_t n_budgets = sp_map_count(budgets);
	int64_t *left = sp_try_new(&c->arena, int64_t, n_budgets + 1);
	const sp_map_entry *e;
	size_t k = 0;
	if (left == NULL)
		return SP_ENOMEM;
	for (size_t i = 0; (e = sp_map_next(budgets, &i)) != NULL;)
		left[k++] = ((const sched_budget *)e->value)->allowed;
	for (size_t p = 0; p < n; p++) {
		ret[p] = false;
		if (pods[p]->spec->pc->n_labels == 0)
			continue;
		k = 0;
		for (size_t i = 0; (e = sp_map_next(budgets, &i)) != NULL; k++) {
			if (guards(e->value, pods[p]) && --left[k] < 0)
				ret[p] = true;
		}
	}
	return SP_OK;
}

/* -- one node ------------------------------------------------------------------------------------------- */

typedef struct dry_run {
	sched_cycle *c;
	sched_overlay *o;
	const sched_pod **victims;
	size_t n_victims;
	sched_status *s; /* room: large */
} dry_run;

/* Puts a pod back; it becomes a victim when the incoming one does not fit beside it. */
static sp_code reprieve(dry_run *d, const sched_pod *pod, bool *ret_victim)
{
	if (!sched_overlay_pod(d->c, d->o, pod, 1))
		return SP_ENOMEM;
	sched_cycle_filter_nominated(d->c, d->o->slot, d->o, d->s);
	*ret_victim = d->s->verdict != SCHED_OK;
	if (!*ret_victim)
		return d->c->code;
	d->victims[d->n_victims++] = pod;
	return sched_overlay_pod(d->c, d->o, pod, -1) ? d->c->code : SP_ENOMEM;
}

static sp_code choose_victims(dry_run *d, const sched_pod **lower, size_t n, sched_candidate *ret)
{
	bool *violates = sp_try_new(&d->c->arena, bool, n + 1);
	size_t n_violating = 0;
	if (violates == NULL)
		return SP_ENOMEM;
	qsort(lower, n, sizeof(void *), by_importance);
	SP_TRY(find_violations(d->c, lower, n, violates));
	for (int violating = 1; violating >= 0; violating--) {
		for (size_t i = 0; i < n; i++) {
			bool victim;
			if (violates[i] != (violating != 0))
				continue;
			n_violating += violates[i];
			SP_TRY(reprieve(d, lower[i], &victim));
			ret->n_violations += victim && violates[i];
		}
	}
	if (n_violating != 0 && n_violating != n)
		qsort(d->victims, d->n_victims, sizeof(void *), by_importance);
	ret->victims = d->victims;
	ret->n_victims = d->n_victims;
	return SP_OK;
}

/* The start of the victim that runs longest among those of the highest priority. */
static const sched_pod *earliest(const sched_candidate *k)
{
	const sched_pod *first = k->victims[0];
	for (size_t i = 1; i < k->n_victims; i++) {
		const sched_pod *p = k->victims[i];
		if (p->spec->priority > first->spec->priority ||
		    (p->spec->priority == first->spec->priority && cmp_start(p, first) < 0))
			first = p;
	}
	return first;
}

static int64_t sum_priorities(const sched_candidate *k)
{
	int64_t sum = 0;
	for (size_t i = 0; i < k->n_victims; i++)
		sum += (int64_t)k->victims[i]->spec->priority + INT64_C(2147483648);
	return sum;
}

static void weigh(sched_candidate *k)
{
	k->highest = k->victims[0]->spec->priority;
	k->sum_priorities = sum_priorities(k);
	k->earliest = earliest(k);
}

/* A candidate, or why the node is none. */
static sp_code try_node(sched_cycle *c, uint32_t slot, sched_candidate *ret, sched_status *why)
{
	const sched_node *node = c->st->t.nodes[slot];
	const sched_pod **lower = sp_try_new(&c->arena, const sched_pod *, node->n_pods + 1);
	dry_run d = {.c = c,
		     .o = sched_overlay_new(c, slot),
		     .victims = sp_try_new(&c->arena, const sched_pod *, node->n_pods + 1),
		     .s = why};
	size_t n = 0;
	*ret = (sched_candidate){.slot = slot};
	why->verdict = SCHED_OK;
	why->n_reasons = 0;
	if (lower == NULL || d.o == NULL || d.victims == NULL)
		return SP_ENOMEM;
	for (uint32_t i = 0; i < node->n_pods; i++) {
		if (node->pods[i]->spec->priority >= c->spec->priority)
			continue;
		lower[n++] = node->pods[i];
		if (!sched_overlay_pod(c, d.o, node->pods[i], -1))
			return SP_ENOMEM;
	}
	if (n == 0) {
		sched_reason(why, SCHED_UNRESOLVABLE, SCHED_NO_PLUGIN,
			     SP_STR("No preemption victims found for incoming pod"));
		return SP_OK;
	}
	sched_cycle_filter_nominated(c, slot, d.o, why);
	if (c->code != SP_OK || why->verdict != SCHED_OK)
		return c->code;
	sp_code code = choose_victims(&d, lower, n, ret);
	why->verdict = SCHED_OK; /* of the last one that was tried to stay */
	why->n_reasons = 0;
	if (code == SP_OK && ret->n_victims > 0)
		weigh(ret);
	return code;
}

/* -- the choice ----------------------------------------------------------------------------------------- */

static int cmp_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* Below zero: a is the better one. */
static int compare(const sched_candidate *a, const sched_candidate *b)
{
	int order = cmp_i64((int64_t)a->n_violations, (int64_t)b->n_violations);
	if (order == 0)
		order = cmp_i64(a->highest, b->highest);
	if (order == 0)
		order = cmp_i64(a->sum_priorities, b->sum_priorities);
	if (order == 0)
		order = cmp_i64((int64_t)a->n_victims, (int64_t)b->n_victims);
	return order != 0 ? order : cmp_start(b->earliest, a->earliest);
}

bool sched_preempt_is_best(const sched_preemption *p, size_t i)
{
	return p->best < p->n_candidates && compare(&p->candidates[i], &p->candidates[p->best]) == 0;
}

/* -- the whole ------------------------------------------------------------------------------------------ */

static bool is_eligible(sched_cycle *c, sp_str *why)
{
	const sched_node *node =
		c->pod->nominated.len == 0 ? NULL : sched_find_node(c->st, c->pod->nominated);
	sched_status s;
	if (c->spec->preempts_never) {
		*why = SP_STR("preemption: not eligible due to preemptionPolicy=Never.");
		return false;
	}
	if (node == NULL || !node->exists)
		return true;
	sched_cycle_status(c, node->slot, &s);
	if (s.verdict == SCHED_UNRESOLVABLE)
		return true;
	for (uint32_t i = 0; i < node->n_pods; i++) {
		if (node->pods[i]->spec->priority < c->spec->priority && node->pods[i]->preempted) {
			*why = SP_STR(
				"preemption: not eligible due to a terminating pod on the nominated node.");
			return false;
		}
	}
	return true;
}

/* The nodes where removing pods may help. */
static uint32_t *potential_nodes(sched_cycle *c, size_t *ret_n)
{
	const sched_diagnosis *d = sched_cycle_diagnose(c);
	uint32_t *slots = sp_try_new(&c->arena, uint32_t, c->st->t.n_present + 1);
	*ret_n = 0;
	if (slots == NULL || d == NULL)
		return NULL;
	SCHED_BITS_EACH (slot, c->st->t.present, c->n_words) {
		if (d->verdict[slot] == SCHED_UNSCHEDULABLE)
			slots[(*ret_n)++] = slot;
	}
	return slots;
}

static size_t enough(const sched_profile *p, size_t n)
{
	size_t want = (size_t)((int64_t)n * p->min_candidates_percent / 100);
	want = SP_MAX(want, (size_t)p->min_candidates);
	return SP_MIN(want, n);
}

/* From node to node. */
typedef struct search {
	sched_cycle *c;
	bool all;
	sched_dry_memo *memo;
	sched_preemption *ret;
	size_t n_found, n_clean, n_failed;
	size_t cap_candidates, cap_tried;
	sched_tally *failures;
	size_t n_recalled[SCHED_DRY_TEXTS_MAX]; /* failures that say a text of the memo */
	sched_status why;                       /* large: one for all nodes */
} search;

static sp_str failure(search *x)
{
	const sched_cycle *c = x->c;
	sp_arena *a = &x->c->arena;
	for (size_t i = 0; x->memo != NULL && i < x->memo->n_texts; i++) {
		if (x->n_recalled[i] > 0)
			(void)sched_tally_add(x->failures, x->memo->texts[i], x->n_recalled[i]);
	}
	if (x->n_failed < c->st->t.n_present)
		(void)sched_tally_add(x->failures, SP_STR("Preemption is not helpful for scheduling"),
				      c->st->t.n_present - x->n_failed);
	sp_str text = sched_tally_text(a, x->failures, c->st->t.n_present);
	return text.ptr == NULL ? text : SP_CONCAT(a, SP_STR("preemption: "), text);
}

/* Pods lie apart in memory: the next node's are asked for while one node is tried. */
static void fetch_pods(const sched_cycle *c, uint32_t slot)
{
	const sched_node *node = c->st->t.nodes[slot];
	for (uint32_t i = 0; i < node->n_pods; i++) {
		__builtin_prefetch(node->pods[i]);
		__builtin_prefetch(&node->pods[i]->held);
	}
}

/* The first of equals stays the best one. */
static sp_code add_candidate(search *x, const sched_candidate *k)
{
	sched_preemption *ret = x->ret;
	x->n_found++;
	x->n_clean += k->n_violations == 0;
	if (!x->all && ret->n_candidates == 1) {
		if (compare(k, &ret->candidates[0]) < 0)
			ret->candidates[0] = *k;
		return SP_OK;
	}
	ret->candidates = sched_room(&x->c->arena, ret->candidates, ret->n_candidates, &x->cap_candidates,
				     sizeof *ret->candidates);
	if (ret->candidates == NULL)
		return SP_ENOMEM;
	ret->candidates[ret->n_candidates] = *k;
	if (compare(k, &ret->candidates[ret->best]) < 0)
		ret->best = ret->n_candidates;
	ret->n_candidates++;
	return SP_OK;
}

static sp_code add_failure(search *x, uint32_t slot)
{
	sched_preemption *ret = x->ret;
	for (size_t i = 0; i < x->why.n_reasons; i++)
		(void)sched_tally_add(x->failures, x->why.reasons[i], 1);
	x->n_failed++;
	if (!x->all)
		return SP_OK;
	ret->tried = sched_room(&x->c->arena, ret->tried, ret->n_tried, &x->cap_tried, sizeof *ret->tried);
	if (ret->tried == NULL)
		return SP_ENOMEM;
	ret->tried[ret->n_tried++] = (struct sched_tried){.slot = slot, .why = x->why};
	return SP_OK;
}

static sp_code look_at(search *x, uint32_t slot)
{
	sched_candidate k;
	SP_TRY(try_node(x->c, slot, &k, &x->why));
	sched_dry_memo_keep(x->c, x->memo, &k, &x->why);
	return k.n_victims > 0 ? add_candidate(x, &k) : add_failure(x, slot);
}

#ifdef SP_DEBUG
/* A dry run would find the same. */
static void check_known(search *x, const sched_dry_run *r)
{
	sched_candidate k;
	if (try_node(x->c, r->found.slot, &k, &x->why) != SP_OK)
		return;
	SP_ASSERT(k.n_victims == r->found.n_victims && k.n_violations == r->found.n_violations);
	SP_ASSERT(k.n_victims == 0 || compare(&k, &r->found) == 0);
	SP_ASSERT(k.n_victims > 0 || x->why.n_reasons == r->n_reasons);
	for (size_t i = 0; k.n_victims == 0 && i < r->n_reasons; i++)
		SP_ASSERT(sp_str_eq(x->why.reasons[i], x->memo->texts[r->reasons[i]]));
}
#endif

static sp_code recall(search *x, const sched_dry_run *r)
{
#ifdef SP_DEBUG
	check_known(x, r);
#endif
	if (r->found.n_victims > 0)
		return add_candidate(x, &r->found);
	for (size_t i = 0; i < r->n_reasons; i++)
		x->n_recalled[r->reasons[i]]++;
	x->n_failed++;
	return SP_OK;
}

/* Dry runs, from a node on, until there are enough candidates. */
static sp_code try_nodes(search *x, const uint32_t *slots, size_t n, size_t start, size_t want)
{
	size_t at = start;
	for (size_t i = 0; i < n && !(x->n_clean > 0 && x->n_found >= want); i++) {
		uint32_t slot = slots[at];
		at = at + 1 == n ? 0 : at + 1;
		const sched_dry_run *known = sched_dry_memo_find(x->c, x->memo, slot);
		if (known == NULL)
			fetch_pods(x->c, slots[at]);
		SP_TRY(known != NULL ? recall(x, known) : look_at(x, slot));
	}
	return SP_OK;
}

/* The memo does not know the victims. */
static sp_code name_victims(search *x)
{
	sched_candidate *k = x->ret->n_candidates == 0 ? NULL : &x->ret->candidates[x->ret->best];
	return k == NULL || k->victims != NULL ? SP_OK : try_node(x->c, k->slot, k, &x->why);
}

static sp_code find(search *x, uint64_t chance)
{
	sched_cycle *c = x->c;
	size_t n;
	uint32_t *slots = potential_nodes(c, &n);
	x->failures = sp_try_new(&c->arena, sched_tally, 1);
	if (slots == NULL || x->failures == NULL)
		return SP_ENOMEM;
	size_t want = x->all ? SIZE_MAX : enough(c->profile, n),
	       start = n == 0 || x->all ? 0 : (size_t)(chance % n);
	x->memo = x->all || n == 0 ? NULL : sched_dry_memo_for(c); /* it does not know all victims */
	SP_TRY(try_nodes(x, slots, n, start, want));
	SP_TRY(name_victims(x));
	if (x->n_found == 0)
		x->ret->message = failure(x);
	return c->code;
}

sp_code sched_preempt(sched_cycle *c, bool all, uint64_t chance, sched_preemption *ret)
{
	*ret = (sched_preemption){0};
	ret->eligible = is_eligible(c, &ret->message);
	if (!ret->eligible)
		return c->code;
	search *x = sp_try_new(&c->arena, search, 1);
	if (x == NULL)
		return SP_ENOMEM;
	x->c = c;
	x->all = all;
	x->ret = ret;
	return find(x, chance);
}

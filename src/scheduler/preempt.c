/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/preempt.h"

#include <stdlib.h>

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
	return code;
}

/* -- the choice ----------------------------------------------------------------------------------------- */

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

static int cmp_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

/* Below zero: a is the better one. */
static int compare(const sched_candidate *a, const sched_candidate *b)
{
	int order = cmp_i64((int64_t)a->n_violations, (int64_t)b->n_violations);
	if (order == 0)
		order = cmp_i64(a->victims[0]->spec->priority, b->victims[0]->spec->priority);
	if (order == 0)
		order = cmp_i64(sum_priorities(a), sum_priorities(b));
	if (order == 0)
		order = cmp_i64((int64_t)a->n_victims, (int64_t)b->n_victims);
	return order != 0 ? order : cmp_start(earliest(b), earliest(a));
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

static sp_str failure(sched_cycle *c, const sched_preemption *p)
{
	sched_tally *t = sp_try_new(&c->arena, sched_tally, 1);
	if (t == NULL)
		return (sp_str){0};
	for (size_t i = 0; i < p->n_tried; i++) {
		for (size_t k = 0; k < p->tried[i].why.n_reasons; k++)
			(void)sched_tally_add(t, p->tried[i].why.reasons[k], 1);
	}
	if (p->n_tried < c->st->t.n_present)
		(void)sched_tally_add(t, SP_STR("Preemption is not helpful for scheduling"),
				      c->st->t.n_present - p->n_tried);
	sp_str text = sched_tally_text(&c->arena, t, c->st->t.n_present);
	return text.ptr == NULL ? text : SP_CONCAT(&c->arena, SP_STR("preemption: "), text);
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

/* Dry runs, from a node on, until there are enough candidates. */
static sp_code try_nodes(sched_cycle *c, const uint32_t *slots, size_t n, size_t start, size_t want,
			 sched_preemption *ret)
{
	size_t n_clean = 0, cap_candidates = 0, cap_tried = 0;
	for (size_t i = 0; i < n && !(n_clean > 0 && ret->n_candidates >= want); i++) {
		uint32_t slot = slots[(start + i) % n];
		fetch_pods(c, slots[(start + i + 1) % n]);
		ret->candidates = sched_room(&c->arena, ret->candidates, ret->n_candidates, &cap_candidates,
					     sizeof *ret->candidates);
		ret->tried = sched_room(&c->arena, ret->tried, ret->n_tried, &cap_tried, sizeof *ret->tried);
		if (ret->candidates == NULL || ret->tried == NULL)
			return SP_ENOMEM;
		sched_candidate *k = &ret->candidates[ret->n_candidates];
		struct sched_tried *tried = &ret->tried[ret->n_tried];
		tried->slot = slot;
		SP_TRY(try_node(c, slot, k, &tried->why));
		if (k->n_victims == 0) {
			ret->n_tried++;
			continue;
		}
		n_clean += k->n_violations == 0;
		ret->n_candidates++;
	}
	return SP_OK;
}

sp_code sched_preempt(sched_cycle *c, bool all, uint64_t chance, sched_preemption *ret)
{
	*ret = (sched_preemption){0};
	ret->eligible = is_eligible(c, &ret->message);
	if (!ret->eligible)
		return c->code;
	size_t n;
	uint32_t *slots = potential_nodes(c, &n);
	if (slots == NULL)
		return SP_ENOMEM;
	size_t want = all ? SIZE_MAX : enough(c->profile, n),
	       start = n == 0 || all ? 0 : (size_t)(chance % n);
	SP_TRY(try_nodes(c, slots, n, start, want, ret));
	for (size_t i = 1; i < ret->n_candidates; i++) {
		if (compare(&ret->candidates[i], &ret->candidates[ret->best]) < 0)
			ret->best = i;
	}
	if (ret->n_candidates == 0)
		ret->message = failure(c, ret);
	return c->code;
}

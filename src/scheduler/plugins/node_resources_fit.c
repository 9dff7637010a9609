/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/noderesources/fit.go, least_allocated.go, most_allocated.go, requested_to_capacity_ratio.go. */
#include <math.h>

#include "base/num.h"
#include "scheduler/plugins/fit.h"

/* -- what is left on a node ----------------------------------------------------------------------------- */

static int64_t scalar_asked(const sched_requests *r, uint32_t resource)
{
	for (uint32_t i = 0; i < r->n_scalars; i++) {
		if (r->scalars[i].resource == resource)
			return r->scalars[i].amount;
	}
	return 0;
}

static bool is_ignored(const sched_profile *p, sp_str name)
{
	if (!sched_resource_is_extended(name))
		return false;
	for (size_t i = 0; i < p->n_ignored; i++) {
		if (sp_str_eq(p->ignored[i], name))
			return true;
	}
	sp_str rest = name, group = name;
	(void)sp_str_cut(&rest, '/', &group);
	for (size_t i = 0; i < p->n_ignored_groups; i++) {
		if (sp_str_eq(p->ignored_groups[i], group))
			return true;
	}
	return false;
}

static bool asks_nothing(const sched_requests *r)
{
	return r->cpu_milli == 0 && r->memory == 0 && r->ephemeral == 0 && r->n_scalars == 0;
}

/* As upstream compares: asked > allocatable - used. */
static bool lacks(int64_t asked, int64_t allocatable, int64_t used)
{
	return asked > 0 && asked > sp_i64_wrap_sub(allocatable, used);
}

/* Two bits of a cause: the resource is short, and no removal of pods can mend it. */
static uint32_t shortage(int64_t asked, int64_t allocatable, int64_t used)
{
	return !lacks(asked, allocatable, used) ? 0 : asked > allocatable ? 3 : 1;
}

#define CAUSE_SCALARS 4u      /* the first bit of what is not cpu, memory and the like */
#define CAUSE_SCALARS_MAX 12u /* that have bits */

/* What is short on a node, as a number; 0: nothing. */
static uint32_t cause_of(const sched_profile *p, const sched_state *st, const sched_spec *s, uint32_t slot)
{
	const sched_table *t = &st->t;
	const sched_requests *r = &s->requests.filter;
	uint32_t cause = (int64_t)t->n_pods[slot] + 1 > t->alloc_pods[slot];
	cause |= shortage(r->cpu_milli, t->alloc_cpu[slot], t->used_cpu[slot]) << 2;
	cause |= shortage(r->memory, t->alloc_memory[slot], t->used_memory[slot]) << 4;
	cause |= shortage(r->ephemeral, t->alloc_ephemeral[slot], t->used_ephemeral[slot]) << 6;
	for (uint32_t i = 0; i < r->n_scalars; i++) {
		uint32_t id = r->scalars[i].resource;
		if (!is_ignored(p, st->resource_names[id]))
			cause |= shortage(r->scalars[i].amount, t->alloc_scalar[id][slot],
					  t->used_scalar[id][slot])
				 << (2 * (CAUSE_SCALARS + SP_MIN(i, CAUSE_SCALARS_MAX - 1)));
	}
	return cause;
}

/* -- score ---------------------------------------------------------------------------------------------- */

bool sched_share_of(const sched_state *st, const sched_spec *s, uint32_t slot, sp_str resource, bool nonzero,
		    sched_share *ret)
{
	const sched_table *t = &st->t;
	if (sp_str_eq(resource, SP_STR("cpu")))
		*ret = (sched_share){t->alloc_cpu[slot], nonzero ? t->nonzero_cpu[slot] : t->used_cpu[slot],
				     nonzero ? s->requests.fit_cpu_milli : s->requests.held.cpu_milli};
	else if (sp_str_eq(resource, SP_STR("memory")))
		*ret = (sched_share){t->alloc_memory[slot],
				     nonzero ? t->nonzero_memory[slot] : t->used_memory[slot],
				     nonzero ? s->requests.fit_memory : s->requests.held.memory};
	else if (sp_str_eq(resource, SP_STR("ephemeral-storage")))
		*ret = (sched_share){t->alloc_ephemeral[slot], t->used_ephemeral[slot],
				     s->requests.held.ephemeral};
	else {
		uintptr_t id = (uintptr_t)sp_map_get(&st->resources, resource);
		int64_t asked = id == 0 ? 0 : scalar_asked(&s->requests.held, (uint32_t)(id - 1));
		if (id == 0 || (asked == 0 && sched_resource_is_scalar(resource)))
			return false;
		*ret = (sched_share){t->alloc_scalar[id - 1][slot], t->used_scalar[id - 1][slot], asked};
	}
	return ret->allocatable != 0;
}

static int64_t times_max(int64_t v)
{
	return sp_i64_wrap_mul(v, SCHED_SCORE_MAX);
}

static int64_t least(int64_t used, int64_t allocatable)
{
	return used > allocatable ? 0 : times_max(sp_i64_wrap_sub(allocatable, used)) / allocatable;
}

static int64_t most(int64_t used, int64_t allocatable)
{
	return times_max(SP_MIN(used, allocatable)) / allocatable;
}

/* A broken line through the shape's points. */
static int64_t ratio(const sched_profile *p, int64_t used, int64_t allocatable)
{
	int64_t u = used > allocatable ? SCHED_SCORE_MAX : times_max(used) / allocatable;
	for (size_t i = 0; i < p->n_shape; i++) {
		if (u > p->shape[i].utilization)
			continue;
		if (i == 0)
			return p->shape[0].score;
		int64_t u0 = p->shape[i - 1].utilization, s0 = p->shape[i - 1].score;
		return s0 + (p->shape[i].score - s0) * (u - u0) / (p->shape[i].utilization - u0);
	}
	return p->n_shape == 0 ? 0 : p->shape[p->n_shape - 1].score;
}

static int32_t fit_score(const sched_profile *p, const sched_state *st, const sched_spec *s, uint32_t slot)
{
	int64_t sum = 0, weights = 0;
	for (size_t i = 0; i < p->n_fit; i++) {
		sched_share share;
		if (!sched_share_of(st, s, slot, p->fit[i].name, true, &share))
			continue;
		int64_t used = sp_i64_wrap_add(share.used, share.asked), one;
		switch (p->strategy) {
		case SCHED_LEAST_ALLOCATED:
			one = least(used, share.allocatable);
			break;
		case SCHED_MOST_ALLOCATED:
			one = most(used, share.allocatable);
			break;
		case SCHED_REQUESTED_TO_CAPACITY_RATIO:
			one = ratio(p, used, share.allocatable);
			if (one <= 0)
				continue;
			break;
		default:
			SP_UNREACHABLE();
		}
		sum = sp_i64_wrap_add(sum, sp_i64_wrap_mul(one, p->fit[i].weight));
		weights += p->fit[i].weight;
	}
	if (weights == 0)
		return 0;
	if (p->strategy == SCHED_REQUESTED_TO_CAPACITY_RATIO)
		return (int32_t)round((double)sum / (double)weights);
	return (int32_t)(sum / weights);
}

/* -- the column ----------------------------------------------------------------------------------------- */

typedef struct fit_arg {
	const sched_profile *profile;
	const sched_spec *spec;
	bool balances; /* BalancedAllocation has something to say */
} fit_arg;

static void fit_one(const sched_state *st, sched_column *col, uint32_t slot, const void *arg)
{
	const fit_arg *f = arg;
	int64_t sum = 0;
	col->b[slot] = (int32_t)cause_of(f->profile, st, f->spec, slot);
	sched_bit_put(col->bits, slot, col->b[slot] == 0);
	if (f->profile->scores[SCHED_P_NODE_RESOURCES_FIT])
		sum += f->profile->weights[SCHED_P_NODE_RESOURCES_FIT] *
		       fit_score(f->profile, st, f->spec, slot);
	if (f->balances)
		sum += f->profile->weights[SCHED_P_BALANCED_ALLOCATION] *
		       sched_balanced_score(f->profile, st, f->spec, slot);
	col->a[slot] = (int32_t)sum;
}

/* Everything of the spec that the column depends on. */
static sp_str fit_key(const sched_cycle *c, sp_buf *b)
{
	const sched_pod_requests *r = &c->spec->requests;
	const int64_t numbers[] = {c->profile->number,  r->filter.cpu_milli, r->filter.memory,
				   r->filter.ephemeral, r->held.cpu_milli,   r->held.memory,
				   r->held.ephemeral,   r->fit_cpu_milli,    r->fit_memory,
				   r->filter.n_scalars};
	(void)sp_buf_str(b, SP_STR("fit\x1e"));
	(void)sp_buf_append(b, numbers, sizeof numbers);
	for (uint32_t i = 0; i < r->filter.n_scalars; i++) {
		const int64_t one[] = {r->filter.scalars[i].resource, r->filter.scalars[i].amount};
		(void)sp_buf_append(b, one, sizeof one);
	}
	return sp_buf_code(b) == SP_OK ? sp_buf_view(b) : (sp_str){0};
}

sp_code sched_fit_column(sched_cycle *c)
{
	if (c->fit.column != NULL)
		return SP_OK;
	const fit_arg arg = {c->profile, c->spec,
			     c->profile->scores[SCHED_P_BALANCED_ALLOCATION] &&
				     sched_balanced_applies(c->profile, c->st, c->spec)};
	SP_AUTO_BUF b;
	sp_buf_init(&b, (size_t)1 << 16);
	sp_str key = fit_key(c, &b);
	if (key.ptr != NULL)
		c->fit.column =
			sched_column_get(c->st, key, &c->st->usage,
					 SCHED_COLUMN_A | SCHED_COLUMN_B | SCHED_COLUMN_BEST, fit_one, &arg);
	return c->fit.column == NULL ? SP_ENOMEM : SP_OK;
}

/* -- plugin --------------------------------------------------------------------------------------------- */

static void filter(sched_cycle *c, uint64_t *nodes)
{
	c->code = sched_fit_column(c);
	for (size_t w = 0; w < c->n_words && c->fit.column != NULL; w++)
		nodes[w] &= c->fit.column->bits[w];
}

static void insufficient(sched_status *why, int64_t asked, int64_t allocatable, int64_t used, sp_str reason)
{
	if (!lacks(asked, allocatable, used))
		return;
	/* One shortage that no removal of pods can mend decides for all. */
	bool hopeless = asked > allocatable || why->verdict == SCHED_UNRESOLVABLE;
	sched_reason(why, hopeless ? SCHED_UNRESOLVABLE : SCHED_UNSCHEDULABLE, SCHED_P_NODE_RESOURCES_FIT,
		     reason);
}

static sched_verdict filter_node(sched_cycle *c, uint32_t slot, const sched_overlay *o, sched_status *why)
{
	static const sched_overlay none;
	const sched_table *t = &c->st->t;
	const sched_requests *r = &c->spec->requests.filter;
	const sched_overlay *d = o == NULL ? &none : o;
	why->verdict = SCHED_OK;
	if ((int64_t)t->n_pods[slot] + d->pods + 1 > t->alloc_pods[slot])
		sched_reason(why, SCHED_UNSCHEDULABLE, SCHED_P_NODE_RESOURCES_FIT, SP_STR("Too many pods"));
	if (asks_nothing(r))
		return why->verdict;
	insufficient(why, r->cpu_milli, t->alloc_cpu[slot], t->used_cpu[slot] + d->cpu,
		     SP_STR("Insufficient cpu"));
	insufficient(why, r->memory, t->alloc_memory[slot], t->used_memory[slot] + d->memory,
		     SP_STR("Insufficient memory"));
	insufficient(why, r->ephemeral, t->alloc_ephemeral[slot], t->used_ephemeral[slot] + d->ephemeral,
		     SP_STR("Insufficient ephemeral-storage"));
	for (uint32_t i = 0; i < r->n_scalars; i++) {
		uint32_t id = r->scalars[i].resource;
		int64_t used = t->used_scalar[id][slot] + (d->scalars == NULL ? 0 : d->scalars[id]);
		if (!lacks(r->scalars[i].amount, t->alloc_scalar[id][slot], used) ||
		    is_ignored(c->profile, c->st->resource_names[id]))
			continue;
		sp_str text = SP_CONCAT(&c->arena, SP_STR("Insufficient "), c->st->resource_names[id]);
		insufficient(why, r->scalars[i].amount, t->alloc_scalar[id][slot], used,
			     text.ptr == NULL ? SP_STR("Insufficient resources") : text);
	}
	return why->verdict;
}

/* The last bits stand for several resources when there are so many. */
static const int32_t *causes(sched_cycle *c)
{
	return c->fit.column == NULL || c->spec->requests.filter.n_scalars > CAUSE_SCALARS_MAX
		       ? NULL
		       : c->fit.column->b;
}

static void score(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	SCHED_BITS_EACH (slot, c->feasible, c->n_words)
		raw[slot] = c->one[slot] = fit_score(c->profile, c->st, c->spec, slot);
	out->slots = c->one;
}

const sched_plugin sched_node_resources_fit = {.name = "NodeResourcesFit",
					       .filter = filter,
					       .filter_node = filter_node,
					       .causes = causes,
					       .score = score,
					       .in_base = true};

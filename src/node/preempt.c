/* SPDX-License-Identifier: Apache-2.0 */
#include "node/preempt.h"

#include "node/eviction.h"
#include "node/resources.h"

/* What is still to be won. */
typedef struct needs {
	node_shortage at[NODE_SHORTAGES_MAX];
	size_t n;
} needs;

/* Pods, in memory for all of them. */
typedef struct pods {
	const node_pod **at;
	size_t n;
} pods;

static int64_t request_of(const node_pod *p, sp_str resource)
{
	return sp_str_eq(resource, SP_STR("pods")) ? 1 : node_pod_request(p, resource);
}

/* What is to be won yet when these go. */
static needs subtract(const needs *from, const pods *gone)
{
	needs left = {.n = 0};
	for (size_t i = 0; i < from->n; i++) {
		int64_t quantity = from->at[i].quantity;
		for (size_t k = 0; k < gone->n && quantity > 0; k++)
			quantity -= request_of(gone->at[k], from->at[i].resource);
		if (quantity > 0)
			left.at[left.n++] =
				(node_shortage){.resource = from->at[i].resource, .quantity = quantity};
	}
	return left;
}

static sp_code no_pods(const needs *left, sp_err *err)
{
	char text[400] = "";
	size_t used = 0;
	for (size_t i = 0; i < left->n && used < sizeof text; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "(res: " SP_FMT ", q: %lld), ",
					 SP_ARG(left->at[i].resource), (long long)left->at[i].quantity);
	return sp_fail(err, SP_EUNAVAILABLE,
		       "preemption: error finding a set of pods to preempt: no set of running pods found to "
		       "reclaim resources: [%s]",
		       text);
}

/* How far the pod alone is from what is needed: 0 is enough, each resource adds 1 at most. */
static double distance(const needs *from, const node_pod *p)
{
	double sum = 0;
	for (size_t i = 0; i < from->n; i++) {
		double all = (double)from->at[i].quantity;
		double left = (double)(from->at[i].quantity - request_of(p, from->at[i].resource));
		if (left > 0)
			sum += left / all * (left / all);
	}
	return sum;
}

/* Equal counts as smaller, as it does upstream. */
static bool is_smaller(const node_pod *a, const node_pod *b)
{
	static const sp_str order[] = {SP_STR_INIT("memory"), SP_STR_INIT("cpu")};
	for (size_t i = 0; i < SP_LEN(order); i++) {
		int64_t x = node_pod_request(a, order[i]), y = node_pod_request(b, order[i]);
		if (x != y)
			return x < y;
	}
	return true;
}

/* Takes the nearest pods out of `from` until nothing is missing; they are added to `to`. False: not enough.
 */
static bool take_nearest(pods *from, needs left, pods *to)
{
	while (left.n > 0) {
		double best = (double)(left.n + 1);
		size_t at = 0;
		if (from->n == 0)
			return false;
		for (size_t i = 0; i < from->n; i++) {
			double d = distance(&left, from->at[i]);
			/* both are made by the same steps: those that are equal are so exactly */
			if (d < best || (d <= best && is_smaller(from->at[i], from->at[at]))) {
				best = d;
				at = i;
			}
		}
		const pods one = {&from->at[at], 1};
		left = subtract(&left, &one);
		to->at[to->n++] = from->at[at];
		from->at[at] = from->at[--from->n];
	}
	return true;
}

/* U: kubetypes.Preemptable. */
static bool may_go(const node_pod *critical, const node_pod *p)
{
	yyjson_val *mine = sp_view_at(critical->tree, "spec.priority"),
		   *its = sp_view_at(p->tree, "spec.priority");
	if (node_pod_is_critical(critical) && !node_pod_is_critical(p))
		return true;
	return yyjson_is_int(mine) && yyjson_is_int(its) && yyjson_get_sint(mine) > yyjson_get_sint(its);
}

static bool make_pods(sp_arena *a, size_t n, pods *ret)
{
	ret->at = sp_try_new(a, const node_pod *, n + 1);
	return ret->at != NULL;
}

static void append(pods *to, const pods *more)
{
	for (size_t i = 0; i < more->n; i++)
		to->at[to->n++] = more->at[i];
}

/* All of one kind but what is chosen among the others. */
typedef struct sets {
	pods of[NODE_QOS_BEST_EFFORT + 1], chosen[NODE_QOS_BEST_EFFORT + 1], both;
} sets;

/* What is needed beyond the pods of these two sets. */
static needs beyond(sets *s, const needs *all, const pods *a, const pods *b)
{
	s->both.n = 0;
	append(&s->both, a);
	append(&s->both, b);
	return subtract(all, &s->both);
}

static sp_code sort(const node_pod *critical, const node_pod *const *from, size_t n, sp_arena *a, sets *ret,
		    sp_err *err)
{
	if (!make_pods(a, n, &ret->both))
		return sp_fail(err, SP_ENOMEM, "no memory to find pods to preempt");
	for (size_t q = 0; q < SP_LEN(ret->of); q++) {
		if (!make_pods(a, n, &ret->of[q]) || !make_pods(a, n, &ret->chosen[q]))
			return sp_fail(err, SP_ENOMEM, "no memory to find pods to preempt");
	}
	for (size_t i = 0; i < n; i++) {
		pods *to = &ret->of[node_qos_of(from[i])];
		if (to->at != NULL && may_go(critical, from[i]))
			to->at[to->n++] = from[i];
	}
	return SP_OK;
}

sp_code node_preempt_choose(const node_pod *critical, const node_pod *const *from, size_t n,
			    const node_shortage *lacks, size_t n_lacks, sp_arena *a, node_preempted *ret,
			    sp_err *err)
{
	sets s = {.both = {.n = 0}};
	needs all = {.n = SP_MIN(n_lacks, NODE_SHORTAGES_MAX)}, left;
	for (size_t i = 0; i < all.n; i++)
		all.at[i] = lacks[i];
	SP_TRY(sort(critical, from, n, a, &s, err));
	pods *guaranteed = &s.of[NODE_QOS_GUARANTEED], *burstable = &s.of[NODE_QOS_BURSTABLE],
	     *effort = &s.of[NODE_QOS_BEST_EFFORT];
	left = beyond(&s, &all, effort, burstable);
	needs last = subtract(&left, guaranteed);
	if (last.n > 0)
		return no_pods(&last, err);
	/* Each kind gives only what all of the lesser ones together can't. */
	pods *of_guaranteed = &s.chosen[NODE_QOS_GUARANTEED], *of_burstable = &s.chosen[NODE_QOS_BURSTABLE],
	     *of_effort = &s.chosen[NODE_QOS_BEST_EFFORT];
	(void)take_nearest(guaranteed, left, of_guaranteed);
	(void)take_nearest(burstable, beyond(&s, &all, effort, of_guaranteed), of_burstable);
	(void)take_nearest(effort, beyond(&s, &all, of_burstable, of_guaranteed), of_effort);
	s.both.n = 0;
	append(&s.both, of_effort);
	append(&s.both, of_burstable);
	append(&s.both, of_guaranteed);
	*ret = (node_preempted){.at = s.both.at, .n = s.both.n};
	return SP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* U: plugins/noderesources/balanced_allocation.go, resource_allocation.go. 64-bit floats, in upstream's
 * order. */
#include <math.h>

#include "base/num.h"
#include "scheduler/plugins/fit.h"

static int64_t balance(const double *fraction, size_t n, double total)
{
	double std = 0;
	if (n == 2) {
		std = fabs((fraction[0] - fraction[1]) / 2);
	} else if (n > 2) {
		double mean = total / (double)n, sum = 0;
		for (size_t i = 0; i < n; i++)
			sum = sum + (fraction[i] - mean) * (fraction[i] - mean);
		std = sqrt(sum / (double)n);
	}
	return (int64_t)((1 - std) * SCHED_SCORE_MAX);
}

int32_t sched_balanced_score(const sched_profile *p, const sched_state *st, const sched_spec *s,
			     uint32_t slot)
{
	double with[SCHED_RESOURCES_MAX], without[SCHED_RESOURCES_MAX], total_with = 0, total_without = 0;
	size_t n = 0;
	for (size_t i = 0; i < p->n_balanced; i++) {
		sched_share share;
		if (!sched_share_of(st, s, slot, p->balanced[i], false, &share))
			continue;
		with[n] = (double)sp_i64_wrap_add(share.used, share.asked) / (double)share.allocatable;
		without[n] = (double)share.used / (double)share.allocatable;
		with[n] = with[n] > 1 ? 1 : with[n];
		without[n] = without[n] > 1 ? 1 : without[n];
		total_with += with[n];
		total_without += without[n];
		n++;
	}
	int64_t change = balance(with, n, total_with) - balance(without, n, total_without);
	return (int32_t)(SCHED_SCORE_MAX / 2 + (SCHED_SCORE_MAX / 2 + change) / 2);
}

bool sched_balanced_applies(const sched_profile *p, const sched_state *st, const sched_spec *s)
{
	const sched_requests *r = &s->requests.held;
	for (size_t i = 0; i < p->n_balanced; i++) {
		sp_str name = p->balanced[i];
		uintptr_t id = (uintptr_t)sp_map_get(&st->resources, name);
		if ((sp_str_eq(name, SP_STR("cpu")) && r->cpu_milli != 0) ||
		    (sp_str_eq(name, SP_STR("memory")) && r->memory != 0) ||
		    (sp_str_eq(name, SP_STR("ephemeral-storage")) && r->ephemeral != 0))
			return true;
		for (uint32_t k = 0; id != 0 && k < r->n_scalars; k++) {
			if (r->scalars[k].resource == id - 1 && r->scalars[k].amount != 0)
				return true;
		}
	}
	return false;
}

static bool prescore(sched_cycle *c)
{
	return sched_balanced_applies(c->profile, c->st, c->spec);
}

static void score(sched_cycle *c, sched_scores *out, int64_t *raw)
{
	SCHED_BITS_EACH (slot, c->feasible, c->n_words)
		raw[slot] = c->one[slot] = sched_balanced_score(c->profile, c->st, c->spec, slot);
	out->slots = c->one;
}

const sched_plugin sched_balanced_allocation = {
	.name = "NodeResourcesBalancedAllocation", .prescore = prescore, .score = score, .in_base = true};

/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/hpa_limits.h"

#include <math.h>

#include "base/alloc.h"

#define NS_PER_S INT64_C(1000000000)

/* Without behavior a target at most doubles, but may always have four. */
#define GROW_FACTOR 2.0
#define GROW_LEAST 4.0

/* ---- moments ---- */

void hpa_past_done(hpa_past *p)
{
	sp_free(p->recommended.items);
	sp_free(p->grown.items);
	sp_free(p->shrunk.items);
	*p = (hpa_past){0};
}

static size_t oldest(const hpa_moments *m)
{
	size_t at = 0;
	for (size_t i = 1; i < m->n; i++) {
		if (m->items[i].at_ns < m->items[at].at_ns)
			at = i;
	}
	return at;
}

/* In the place of the oldest one when that counts no more, or there is no room. */
static void remember(hpa_moments *m, hpa_moment now, int64_t counts_after_ns)
{
	size_t old = oldest(m);
	if (m->n > 0 && m->items[old].at_ns < counts_after_ns) {
		m->items[old] = now;
		return;
	}
	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 8 : 2 * m->cap;
		hpa_moment *items = cap > HPA_MOMENTS_MAX ? NULL
							  : sp_try_realloc(m->items, m->cap * sizeof *items,
									   cap * sizeof *items);
		if (items == NULL) {
			if (m->n > 0)
				m->items[old] = now;
			return;
		}
		m->items = items;
		m->cap = cap;
	}
	m->items[m->n++] = now;
}

void hpa_past_begin(hpa_past *p, int32_t current, int64_t now_ns)
{
	if (p->recommended.n == 0)
		remember(&p->recommended, (hpa_moment){current, now_ns}, INT64_MIN);
}

static int32_t longest_period(const hpa_rules *r)
{
	int32_t most = 0;
	for (size_t i = 0; i < r->n; i++)
		most = SP_MAX(most, r->policies[i].period_s);
	return most;
}

void hpa_past_scaled(hpa_past *p, const hpa_bounds *b, int32_t from, int32_t to)
{
	bool grew = to > from;
	const hpa_rules *r = grew ? &b->up : &b->down;
	if (!b->has_behavior)
		return; /* nobody would ask */
	remember(grew ? &p->grown : &p->shrunk, (hpa_moment){grew ? to - from : from - to, b->now_ns},
		 b->now_ns - longest_period(r) * NS_PER_S);
}

/* ---- stabilization ---- */

#define LOWER "recent recommendations were lower than current one, applying the lowest recent recommendation"
#define HIGHER \
	"recent recommendations were higher than current one, applying the highest recent recommendation"

/* The highest recommendation of the window. */
static int32_t stabilize(hpa_past *p, const hpa_bounds *b, int32_t wanted, hpa_limited *ret)
{
	int64_t cut_ns = b->now_ns - b->window_s * NS_PER_S;
	int32_t most = wanted;
	for (size_t i = 0; i < p->recommended.n; i++) {
		if (p->recommended.items[i].at_ns >= cut_ns)
			most = SP_MAX(most, p->recommended.items[i].replicas);
	}
	remember(&p->recommended, (hpa_moment){wanted, b->now_ns}, cut_ns);
	ret->able_reason = "ScaleDownStabilized";
	ret->able_message = HIGHER;
	return most;
}

/* As near to what is as the recommendations of both windows allow. */
static int32_t stabilize_by_rules(hpa_past *p, const hpa_bounds *b, int32_t wanted, hpa_limited *ret)
{
	int64_t up_ns = b->now_ns - b->up.window_s * NS_PER_S;
	int64_t down_ns = b->now_ns - b->down.window_s * NS_PER_S;
	int32_t up = wanted, down = wanted, now = b->current;
	for (size_t i = 0; i < p->recommended.n; i++) {
		const hpa_moment *m = &p->recommended.items[i];
		if (m->at_ns > up_ns)
			up = SP_MIN(up, m->replicas);
		if (m->at_ns > down_ns)
			down = SP_MAX(down, m->replicas);
	}
	now = SP_MAX(now, up);
	now = SP_MIN(now, down);
	remember(&p->recommended, (hpa_moment){wanted, b->now_ns}, SP_MIN(up_ns, down_ns));
	bool grows = wanted >= b->current;
	ret->able_reason = grows ? "ScaleUpStabilized" : "ScaleDownStabilized";
	ret->able_message = grows ? LOWER : HIGHER;
	return now;
}

/* ---- how fast ---- */

static int32_t clamp(double v)
{
	if (!(v < (double)INT32_MAX))
		return INT32_MAX;
	return v <= (double)INT32_MIN ? INT32_MIN : (int32_t)v;
}

static int64_t changed_within(const hpa_moments *m, const hpa_bounds *b, int32_t period_s)
{
	int64_t cut_ns = b->now_ns - period_s * NS_PER_S, sum = 0;
	for (size_t i = 0; i < m->n; i++)
		sum += m->items[i].at_ns > cut_ns ? m->items[i].replicas : 0;
	return sum;
}

static double proposal(const hpa_policy *p, double at_start, bool up)
{
	double share = (double)p->value / 100;
	if (!p->is_percent)
		return up ? at_start + p->value : at_start - p->value;
	/* rounded up, or a small target would never grow */
	return up ? ceil(at_start * (1 + share)) : at_start * (1 - share);
}

/* How far the policies let the target go. */
static int32_t reach(const hpa_past *p, const hpa_bounds *b, const hpa_rules *r, bool up)
{
	/* The greatest change is the greatest number when it grows, the smallest when it shrinks. */
	bool take_most = (r->select == HPA_SELECT_MAX) == up;
	int32_t result = take_most ? INT32_MIN : INT32_MAX;
	if (r->select == HPA_SELECT_DISABLED)
		return b->current;
	for (size_t i = 0; i < r->n; i++) {
		const hpa_policy *policy = &r->policies[i];
		double at_start = (double)(b->current - changed_within(&p->grown, b, policy->period_s) +
					   changed_within(&p->shrunk, b, policy->period_s));
		int32_t now = clamp(proposal(policy, at_start, up));
		result = take_most ? SP_MAX(result, now) : SP_MIN(result, now);
	}
	return result;
}

/* ---- the ends ---- */

typedef struct edge {
	const char *reason, *message;
} edge;

static const edge fast = {"ScaleUpLimit",
			  "the desired replica count is increasing faster than the maximum scale rate"},
		  slow = {"ScaleDownLimit",
			  "the desired replica count is decreasing faster than the maximum scale rate"},
		  many = {"TooManyReplicas",
			  "the desired replica count is more than the maximum replica count"},
		  few = {"TooFewReplicas",
			 "the desired replica count is less than the minimum replica count"},
		  within = {"DesiredWithinRange", "the desired count is within the acceptable range"};

static int32_t by_range(const hpa_bounds *b, int32_t wanted, edge *ret)
{
	int32_t fastest = clamp(fmax(GROW_FACTOR * (double)b->current, GROW_LEAST));
	int32_t most = SP_MIN(b->most, fastest);
	*ret = wanted < b->least ? few : wanted <= most ? within : b->most > fastest ? fast : many;
	return wanted < b->least ? b->least : SP_MIN(wanted, most);
}

static int32_t by_rules(const hpa_past *p, const hpa_bounds *b, int32_t wanted, edge *ret)
{
	*ret = within;
	if (wanted > b->current) {
		int32_t far = SP_MAX(reach(p, b, &b->up, true), b->current);
		int32_t most = SP_MIN(b->most, far);
		if (wanted > most) {
			*ret = b->most > far ? fast : many;
			return most;
		}
	} else if (wanted < b->current) {
		int32_t far = SP_MIN(reach(p, b, &b->down, false), b->current);
		int32_t least = SP_MAX(b->least, far);
		if (wanted < least) {
			*ret = b->least < far ? slow : few;
			return least;
		}
	}
	return wanted;
}

hpa_limited hpa_limit(hpa_past *p, const hpa_bounds *b, int32_t wanted)
{
	hpa_limited r = {0};
	edge e;
	int32_t stable = (b->has_behavior ? stabilize_by_rules : stabilize)(p, b, wanted, &r);
	if (stable == wanted) {
		r.able_reason = "ReadyForNewScale";
		r.able_message = "recommended size matches current size";
	}
	r.replicas = b->has_behavior ? by_rules(p, b, stable, &e) : by_range(b, stable, &e);
	r.is_limited = r.replicas != stable;
	r.reason = e.reason;
	r.message = e.message;
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/hpa_calc.h"

#include <math.h>

#include "base/map.h"

/* Go leaves open what becomes of a number that is too large. */
static int32_t to_replicas(double v)
{
	if (!(v < (double)INT32_MAX))
		return INT32_MAX;
	return v <= (double)INT32_MIN ? INT32_MIN : (int32_t)v;
}

static int64_t to_amount(double v)
{
	if (!(v < (double)INT64_MAX))
		return INT64_MAX;
	return v <= (double)INT64_MIN ? INT64_MIN : (int64_t)v;
}

static bool is_within(const hpa_tolerance *t, double ratio)
{
	return 1.0 - t->down <= ratio && ratio <= 1.0 + t->up;
}

/* ---- which pods count ---- */

/* How a pod counts. */
typedef enum part { PART_READY, PART_UNREADY, PART_MISSING, PART_IGNORED } part;

/* A metric of a name: of a pod that is selected, or of another one. */
typedef struct value {
	const hpa_pod *pod; /* NULL: none that is selected */
	int64_t amount;
	bool counts;
} value;

typedef struct work {
	const hpa_calc *c;
	value *values; /* those of the pods, in their order, then others */
	part *parts;   /* of the pods */
	size_t n_values, n_ready, n_unready, n_missing;
} work;

/* A sample of a processor is worth nothing while the pod may still be starting. */
static bool is_starting(const hpa_calc *c, const hpa_pod *p, const hpa_sample *s)
{
	if (!p->has_ready || !p->has_started)
		return true;
	if (p->started_ns + c->cpu_initialization_ns > c->now_ns)
		return p->is_false_ready || s->at_ns < p->ready_ns + s->window_ns;
	return p->is_false_ready && p->started_ns + c->readiness_delay_ns > p->ready_ns;
}

static part part_of(const hpa_calc *c, const hpa_pod *p, const hpa_sample *s)
{
	if (p->is_going)
		return PART_IGNORED;
	if (p->is_pending)
		return PART_UNREADY;
	if (s == NULL)
		return PART_MISSING;
	return c->is_cpu && is_starting(c, p, s) ? PART_UNREADY : PART_READY;
}

static sp_code find_samples(const hpa_calc *c, sp_map *by_name)
{
	for (size_t i = 0; i < c->n_samples; i++)
		SP_TRY(sp_map_put(by_name, c->samples[i].name, (void *)(uintptr_t)&c->samples[i], NULL));
	return SP_OK;
}

static void group(work *w, sp_map *by_name)
{
	const hpa_calc *c = w->c;
	for (size_t i = 0; i < c->n_pods; i++) {
		const hpa_sample *s = sp_map_remove(by_name, c->pods[i].name);
		part p = part_of(c, &c->pods[i], s);
		w->parts[i] = p;
		w->n_ready += p == PART_READY;
		w->n_unready += p == PART_UNREADY;
		w->n_missing += p == PART_MISSING;
		w->values[w->n_values++] = (value){&c->pods[i], s == NULL ? 0 : s->value, p == PART_READY};
	}
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(by_name, &i)) != NULL;)
		w->values[w->n_values++] = (value){NULL, ((const hpa_sample *)e->value)->value, true};
}

static sp_code begin(sp_arena *a, const hpa_calc *c, work *ret)
{
	sp_map by_name;
	*ret = (work){.c = c,
		      .values = sp_try_new(a, value, c->n_pods + c->n_samples + 1),
		      .parts = sp_try_new(a, part, c->n_pods + 1)};
	if (ret->values == NULL || ret->parts == NULL)
		return SP_ENOMEM;
	sp_map_init(&by_name);
	sp_code code = find_samples(c, &by_name);
	if (code == SP_OK)
		group(ret, &by_name);
	sp_map_done(&by_name);
	return code;
}

/* ---- ratios ---- */

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;
	if (__builtin_add_overflow(a, b, &sum))
		return b > 0 ? INT64_MAX : INT64_MIN;
	return sum;
}

static int64_t percent(int64_t some, int64_t whole)
{
	return (int64_t)((__int128)some * 100 / whole);
}

/* Values that count, in number. */
static size_t count(const work *w)
{
	size_t n = 0;
	for (size_t i = 0; i < w->n_values; i++)
		n += w->values[i].counts;
	return n;
}

/* False: nothing was asked for by any of those that count. */
static bool ratio_of(const work *w, double *ret_ratio, hpa_result *ret)
{
	int64_t sum = 0, requests = 0, n = 0;
	for (size_t i = 0; i < w->n_values; i++) {
		const value *v = &w->values[i];
		if (!v->counts || (w->c->is_utilization && v->pod == NULL))
			continue;
		sum = add(sum, v->amount);
		requests = add(requests, v->pod == NULL ? 0 : v->pod->request);
		n++;
	}
	if (n == 0 || (w->c->is_utilization && requests == 0))
		return false;
	ret->average = sum / n;
	if (w->c->is_utilization) {
		int64_t used = percent(sum, requests);
		ret->utilization = to_replicas((double)used);
		*ret_ratio = (double)ret->utilization / (double)w->c->target;
	} else {
		*ret_ratio = (double)ret->average / (double)w->c->target;
	}
	return true;
}

/* What pods of a part are taken to use. */
static void suppose(work *w, part which, double ratio)
{
	const hpa_calc *c = w->c;
	for (size_t i = 0; i < c->n_pods; i++) {
		value *v = &w->values[i];
		if (w->parts[i] != which || ratio == 1.0)
			continue;
		v->counts = true;
		if (ratio > 1.0)
			v->amount = 0;
		else if (c->is_utilization)
			v->amount =
				(int64_t)((__int128)v->pod->request * SP_MAX(INT64_C(100), c->target) / 100);
		else
			v->amount = c->target;
	}
}

static const char no_match[] = "no metrics returned matched known pods";

static sp_code begin_checked(sp_arena *a, const hpa_calc *c, work *ret, sp_err *err)
{
	if (c->n_pods == 0)
		return sp_fail(err, SP_EINVAL,
			       "no pods returned by selector while calculating replica count");
	if (begin(a, c, ret) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for metrics of pods");
	if (count(ret) == 0)
		return sp_fail(err, SP_EINVAL,
			       "did not receive metrics for targeted pods (pods might be unready)");
	return SP_OK;
}

sp_code hpa_calc_check(sp_arena *a, const hpa_calc *c, sp_err *err)
{
	work w = {0};
	return begin_checked(a, c, &w, err);
}

sp_code hpa_calc_per_pod(sp_arena *a, const hpa_calc *c, hpa_result *ret, sp_err *err)
{
	work w = {0};
	double ratio, again;
	hpa_result other;
	SP_TRY(begin_checked(a, c, &w, err));
	*ret = (hpa_result){.replicas = c->current};
	if (!ratio_of(&w, &ratio, ret))
		return sp_fail(err, SP_EINVAL, "%s", no_match);
	bool up_with_unready = w.n_unready > 0 && ratio > 1.0;
	if (!up_with_unready && w.n_missing == 0) {
		if (!is_within(&c->tolerance, ratio))
			ret->replicas = to_replicas(ceil(ratio * (double)w.n_ready));
		return SP_OK;
	}
	suppose(&w, PART_MISSING, ratio);
	if (up_with_unready)
		suppose(&w, PART_UNREADY, ratio);
	if (!ratio_of(&w, &again, &other))
		return sp_fail(err, SP_EINVAL, "%s", no_match);
	/* What is only supposed does not turn the direction. */
	if (is_within(&c->tolerance, again) || (ratio < 1.0 && again > 1.0) || (ratio > 1.0 && again < 1.0))
		return SP_OK;
	int32_t replicas = to_replicas(ceil(again * (double)count(&w)));
	if ((again < 1.0 && replicas > c->current) || (again > 1.0 && replicas < c->current))
		return SP_OK;
	ret->replicas = replicas;
	return SP_OK;
}

/* ---- one value for all ---- */

sp_code hpa_calc_value(const hpa_calc *c, int64_t amount, hpa_result *ret, sp_err *err)
{
	double ratio = (double)amount / (double)c->target;
	size_t n_ready = 0;
	*ret = (hpa_result){.replicas = c->current, .average = amount};
	if (c->current == 0) {
		ret->replicas = to_replicas(ceil(ratio));
		return SP_OK;
	}
	if (is_within(&c->tolerance, ratio))
		return SP_OK;
	if (c->n_pods == 0)
		return sp_fail(
			err, SP_EINVAL,
			"unable to calculate ready pods: no pods returned by selector while calculating "
			"replica count");
	for (size_t i = 0; i < c->n_pods; i++)
		n_ready += c->pods[i].is_running && c->pods[i].is_ready;
	ret->replicas = to_replicas(ceil(ratio * (double)n_ready));
	return SP_OK;
}

hpa_result hpa_calc_share(const hpa_calc *c, int64_t amount, int32_t replicas)
{
	hpa_result r = {.replicas = replicas};
	double ratio = (double)amount / ((double)c->target * (double)replicas);
	if (!is_within(&c->tolerance, ratio))
		r.replicas = to_replicas(ceil((double)amount / (double)c->target));
	r.average = to_amount(ceil((double)amount / (double)replicas));
	return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Horizontal autoscalers without a server: replicas of metrics, and what limits them. */
#include "controllers/hpa_calc.h"
#include "controllers/hpa_kinds.h"
#include "controllers/hpa_limits.h"
#include "lib/t.h"

#define NS_PER_S INT64_C(1000000000)
#define NOW (10000 * NS_PER_S)

/* ---- replicas of a metric per pod ---- */

/* A pod by a letter: r ready for long, u not ready for long, p pending, f failed, n new (started and ready
 * just now), y young and not ready, o old that was never ready, x without a condition. */
static hpa_pod pod_of(char how, size_t i, int64_t request)
{
	static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9"};
	hpa_pod p = {.name = sp_str_c(names[i]),
		     .is_running = true,
		     .has_ready = true,
		     .is_ready = how == 'r' || how == 'n',
		     .is_false_ready = how == 'u' || how == 'y' || how == 'o',
		     .ready_ns = NOW - 1000 * NS_PER_S,
		     .has_started = true,
		     .started_ns = NOW - 2000 * NS_PER_S,
		     .request = request};
	p.is_pending = how == 'p';
	p.is_running = how != 'p' && how != 'f';
	p.is_going = how == 'f';
	if (how == 'n' || how == 'y')
		p.started_ns = p.ready_ns = NOW - 20 * NS_PER_S;
	if (how == 'o')
		p.ready_ns = p.started_ns + NS_PER_S;
	if (how == 'x')
		p.has_ready = false;
	return p;
}

typedef struct row {
	const char *pods;    /* a letter each */
	int64_t samples[10]; /* of them, in order; -1: none */
	int32_t current;
	int64_t target;
	bool usage; /* an average, not a utilization */
	bool memory;
	int32_t want;    /* -1: refused */
	int64_t average; /* percent, or the average itself */
} row;

static const row rows[] = {
	/* more */
	{"rrr", {300, 500, 700}, 3, 30, false, false, 5, 50},
	{"rrr", {300, 500, 700}, 3, 30, false, true, 5, 50},
	/* one pod is pending or has just begun: as if it used nothing */
	{"rrp", {300, 500, 700}, 3, 30, false, false, 3, 40},
	{"rrr", {300, 500, 700}, 3, 15, false, false, 10, 50},
	{"yrr", {300, 500, 700}, 3, 30, false, false, 4, 60},
	{"yrr", {300, 500, 700}, 3, 30, false, true, 5, 50},
	{"orr", {300, 500, 700}, 3, 30, false, false, 4, 60},
	{"urr", {300, 500, 700}, 3, 30, false, false, 5, 50},
	{"xrr", {300, 500, 700}, 3, 30, false, false, 4, 60},
	/* a sample of less than its window after the pod became ready */
	{"nrr", {300, 500, 700}, 3, 30, false, false, 4, 60},
	/* failed ones and those that go do not count */
	{"frr", {900, 500, 700}, 2, 30, false, false, 4, 60},
	/* fewer */
	{"rrrrr", {100, 300, 500, 250, 250}, 5, 50, false, false, 3, 28},
	{"rrrrp", {100, 300, 500, 250, 250}, 5, 50, false, false, 3, 28},
	/* within the tolerance */
	{"rrr", {1000, 1010, 1020}, 3, 100, false, false, 3, 101},
	{"rrr", {1090, 1100, 1110}, 3, 100, false, false, 3, 110},
	{"rrr", {1110, 1110, 1110}, 3, 100, false, false, 4, 111},
	/* missing ones turn nothing: none of a request when it grows, all of it when it shrinks */
	{"rr", {500, -1}, 2, 25, false, false, 2, 50},
	{"rrrr", {950, -1, -1, -1}, 4, 30, false, false, 4, 95},
	{"rrrr", {100, 200, -1, 300}, 4, 50, false, false, 4, 20},
	{"rrr", {100, 400, -1}, 3, 100, false, false, 2, 25},
	{"rrrrr", {100, 400, -1, 100, 100}, 5, 120, false, false, 2, 17},
	{"rr", {1000, -1}, 2, 1000, false, false, 2, 100},
	/* one of none, one pending */
	{"rrp", {1000, -1, -1}, 3, 50, false, false, 3, 100},
	/* averages */
	{"rrr", {20000, 10000, 30000}, 3, 15000, true, true, 4, 20000},
	{"rrp", {50000, 10000, 30000}, 3, 15000, true, true, 4, 30000},
	{"rrr", {12000, 12000, 12000}, 3, 12000, true, true, 3, 12000},
	{"rrr", {10000, -1, 10000}, 3, 20000, true, true, 2, 10000},
	{"rrr", {30000, -1, 30000}, 3, 20000, true, true, 3, 30000},
	/* nothing to go by */
	{"", {0}, 3, 30, false, false, -1, 0},
	{"pp", {100, 100}, 2, 30, false, false, -1, 0},
	{"rr", {-1, -1}, 2, 30, false, false, -1, 0},
};

SP_TEST(hpa, replicas)
{
	static const char *const why[] = {
		"no pods returned by selector while calculating replica count",
		"did not receive metrics for targeted pods (pods might be unready)",
		"did not receive metrics for targeted pods (pods might be unready)"};
	size_t n_bad = 0;
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		const row *w = &rows[i];
		hpa_pod pods[10];
		hpa_sample samples[10];
		hpa_result r;
		sp_err err = {0};
		hpa_calc c = {.pods = pods,
			      .n_pods = strlen(w->pods),
			      .samples = samples,
			      .current = w->current,
			      .tolerance = {0.1, 0.1},
			      .is_cpu = !w->memory,
			      .is_utilization = !w->usage,
			      .target = w->target,
			      .now_ns = NOW,
			      .cpu_initialization_ns = 300 * NS_PER_S,
			      .readiness_delay_ns = 30 * NS_PER_S};
		t_row("%zu: %s", i, w->pods);
		for (size_t k = 0; k < c.n_pods; k++) {
			pods[k] = pod_of(w->pods[k], k, 1000);
			if (w->samples[k] >= 0)
				samples[c.n_samples++] = (hpa_sample){pods[k].name, w->samples[k],
								      NOW - NS_PER_S, 60 * NS_PER_S};
		}
		sp_code code = hpa_calc_per_pod(T_ARENA, &c, &r, &err);
		if (w->want < 0) {
			T_EQ_I64(code, SP_EINVAL);
			T_EQ_C(sp_str_c(err.msg), why[n_bad++]);
			continue;
		}
		T_OK(code);
		T_EQ_I64(r.replicas, w->want);
		T_EQ_I64(w->usage ? r.average : r.utilization, w->average);
	}
}

/* Metrics of pods that are not selected, and pods that ask for nothing. */
SP_TEST(hpa, strangers)
{
	hpa_pod p = pod_of('r', 0, 0);
	hpa_sample s[2] = {{SP_STR("p0"), 500, NOW, NS_PER_S}, {SP_STR("other"), 700, NOW, NS_PER_S}};
	hpa_result r;
	hpa_calc c = {.pods = &p,
		      .n_pods = 1,
		      .samples = s,
		      .n_samples = 2,
		      .current = 1,
		      .tolerance = {0.1, 0.1},
		      .is_utilization = true,
		      .target = 50};
	T_CODE(hpa_calc_per_pod(T_ARENA, &c, &r, T_ERR), SP_EINVAL);
	T_EQ_C(sp_str_c(T_ERR->msg), "no metrics returned matched known pods");
	c.is_utilization = false;
	c.target = 300;
	T_OK(hpa_calc_per_pod(T_ARENA, &c, &r, T_ERR));
	T_EQ_I64(r.average, 600);
	T_EQ_I64(r.replicas, 2);
	/* tolerances of both directions */
	c.tolerance = (hpa_tolerance){.down = 0, .up = 1};
	T_OK(hpa_calc_per_pod(T_ARENA, &c, &r, T_ERR));
	T_EQ_I64(r.replicas, 1);
	s[0].value = s[1].value = INT64_MAX;
	T_OK(hpa_calc_per_pod(T_ARENA, &c, &r, T_ERR));
	T_EQ_I64(r.replicas, INT32_MAX);
}

SP_TEST(hpa, one_value)
{
	static const struct {
		int32_t current, n_ready, n_not;
		int64_t value, target;
		int32_t want;
	} cases[] = {{3, 3, 0, 20000, 15000, 4}, {3, 2, 1, 20000, 10000, 4},
		     {3, 3, 0, 10500, 10000, 3}, {5, 5, 0, 8600, 14400, 3},
		     {0, 0, 0, 25000, 10000, 3}, {0, 0, 0, 0, 10000, 0},
		     {3, 3, 0, 0, 10000, 0},     {1, 1, 0, INT64_MAX, 1, INT32_MAX}};
	for (size_t i = 0; i < SP_LEN(cases); i++) {
		hpa_pod pods[10];
		hpa_result r;
		hpa_calc c = {.pods = pods,
			      .current = cases[i].current,
			      .tolerance = {0.1, 0.1},
			      .target = cases[i].target};
		for (int32_t k = 0; k < cases[i].n_ready + cases[i].n_not; k++)
			pods[c.n_pods++] = pod_of(k < cases[i].n_ready ? 'r' : 'u', (size_t)k, 0);
		t_row("%zu", i);
		T_OK(hpa_calc_value(&c, cases[i].value, &r, T_ERR));
		T_EQ_I64(r.replicas, cases[i].want);
		T_EQ_I64(r.average, cases[i].value);
	}
	hpa_result r;
	hpa_calc none = {.current = 2, .tolerance = {0.1, 0.1}, .target = 10};
	T_CODE(hpa_calc_value(&none, 100, &r, T_ERR), SP_EINVAL);
	static const struct {
		int64_t value, target;
		int32_t replicas, want;
		int64_t share;
	} shares[] = {{8600, 2150, 3, 4, 2867},
		      {8600, 2867, 3, 3, 2867},
		      {8600, 10000, 3, 1, 2867},
		      {8600, 2150, 0, 4, INT64_MAX}};
	for (size_t i = 0; i < SP_LEN(shares); i++) {
		hpa_calc c = {.tolerance = {0.1, 0.1}, .target = shares[i].target};
		r = hpa_calc_share(&c, shares[i].value, shares[i].replicas);
		t_row("share %zu", i);
		T_EQ_I64(r.replicas, shares[i].want);
		T_EQ_I64(r.average, shares[i].share);
	}
}

/* ---- limits ---- */

static hpa_bounds bounds(int64_t at_s, int32_t current)
{
	return (hpa_bounds){
		.now_ns = at_s * NS_PER_S, .least = 1, .most = 100, .current = current, .window_s = 300};
}

SP_TEST(hpa, range)
{
	static const struct {
		int32_t current, wanted, least, most, want;
		const char *reason;
	} cases[] = {{1, 3, 1, 10, 3, "DesiredWithinRange"},
		     {1, 9, 1, 10, 4, "ScaleUpLimit"},
		     {3, 9, 1, 10, 6, "ScaleUpLimit"},
		     {3, 9, 1, 6, 6, "TooManyReplicas"},
		     {3, 9, 1, 5, 5, "TooManyReplicas"},
		     {3, 1, 2, 5, 2, "TooFewReplicas"},
		     {0, 4, 0, 10, 4, "DesiredWithinRange"},
		     {INT32_MAX, INT32_MAX, 1, INT32_MAX, INT32_MAX, "DesiredWithinRange"}};
	for (size_t i = 0; i < SP_LEN(cases); i++) {
		hpa_past p = {0};
		hpa_bounds b = bounds(1000, cases[i].current);
		b.least = cases[i].least;
		b.most = cases[i].most;
		hpa_limited l = hpa_limit(&p, &b, cases[i].wanted);
		hpa_past_done(&p);
		t_row("%zu", i);
		T_EQ_I64(l.replicas, cases[i].want);
		T_EQ_C(sp_str_c(l.reason), cases[i].reason);
		T_TRUE(l.is_limited == (cases[i].want != cases[i].wanted));
	}
}

/* Without behavior: down only when everything of the last five minutes says so. */
SP_TEST(hpa, stabilization)
{
	SP_CLEANUP(hpa_past_done) hpa_past p = {0};
	static const struct {
		int64_t at_s;
		int32_t wanted, want;
		const char *able;
	} steps[] = {{15, 5, 10, "ScaleDownStabilized"},  {30, 8, 10, "ScaleDownStabilized"},
		     {200, 12, 12, "ReadyForNewScale"},   {301, 3, 12, "ScaleDownStabilized"},
		     {499, 3, 12, "ScaleDownStabilized"}, {501, 4, 4, "ReadyForNewScale"}};
	hpa_past_begin(&p, 10, 0);
	hpa_past_begin(&p, 99, 0);
	for (size_t i = 0; i < SP_LEN(steps); i++) {
		const hpa_bounds b = bounds(steps[i].at_s, 10);
		hpa_limited l = hpa_limit(&p, &b, steps[i].wanted);
		t_row("%zu", i);
		T_EQ_I64(l.replicas, steps[i].want);
		T_EQ_C(sp_str_c(l.able_reason), steps[i].able);
	}
	T_TRUE(p.recommended.n < 7);
	for (int64_t s = 502; s < 5000; s++) {
		const hpa_bounds b = bounds(s, 4);
		(void)hpa_limit(&p, &b, 4);
	}
	T_TRUE(p.recommended.n <= 303);
	for (int64_t ms = 0; ms < 4000; ms++) {
		hpa_bounds b = bounds(6000, 4);
		b.now_ns += ms * 1000000;
		(void)hpa_limit(&p, &b, 4);
	}
	T_TRUE(p.recommended.n <= HPA_MOMENTS_MAX);
}

static hpa_bounds behaved(int64_t at_s, int32_t current)
{
	hpa_bounds b = bounds(at_s, current);
	b.has_behavior = true;
	b.up = (hpa_rules){.n = 2, .policies = {{false, 4, 15}, {true, 100, 15}}};
	b.down = (hpa_rules){.window_s = 300, .n = 1, .policies = {{true, 100, 15}}};
	return b;
}

SP_TEST(hpa, policies)
{
	SP_CLEANUP(hpa_past_done) hpa_past p = {0};
	hpa_bounds b = behaved(0, 2);
	/* four more or twice as many, the greater; then nothing more within the period */
	hpa_limited l = hpa_limit(&p, &b, 50);
	T_EQ_I64(l.replicas, 6);
	T_EQ_C(sp_str_c(l.reason), "ScaleUpLimit");
	hpa_past_scaled(&p, &b, 2, 6);
	b = behaved(10, 6);
	T_EQ_I64(hpa_limit(&p, &b, 50).replicas, 6);
	b = behaved(16, 6);
	T_EQ_I64(hpa_limit(&p, &b, 50).replicas, 12);
	b.up.select = HPA_SELECT_MIN;
	T_EQ_I64(hpa_limit(&p, &b, 50).replicas, 10);
	b.up.select = HPA_SELECT_DISABLED;
	T_EQ_I64(hpa_limit(&p, &b, 50).replicas, 6);
	b.up.select = HPA_SELECT_MAX;
	b.most = 7;
	l = hpa_limit(&p, &b, 50);
	T_EQ_I64(l.replicas, 7);
	T_EQ_C(sp_str_c(l.reason), "TooManyReplicas");
}

SP_TEST(hpa, policies_down)
{
	static const struct {
		hpa_select select;
		int32_t want;
		const char *reason;
	} cases[] = {{HPA_SELECT_MAX, 4, "ScaleDownLimit"},
		     {HPA_SELECT_MIN, 8, "ScaleDownLimit"},
		     {HPA_SELECT_DISABLED, 10, "ScaleDownLimit"}};
	for (size_t i = 0; i < SP_LEN(cases); i++) {
		hpa_past p = {0};
		hpa_bounds b = behaved(1000, 10);
		b.down = (hpa_rules){
			.select = cases[i].select, .n = 2, .policies = {{false, 2, 60}, {true, 60, 60}}};
		hpa_limited l = hpa_limit(&p, &b, 1);
		hpa_past_done(&p);
		t_row("%zu", i);
		T_EQ_I64(l.replicas, cases[i].want);
		T_EQ_C(sp_str_c(l.reason), cases[i].reason);
	}
	/* What was taken away within the period counts, and what was added gives back. */
	SP_CLEANUP(hpa_past_done) hpa_past p = {0};
	hpa_bounds b = behaved(1000, 10);
	b.down = (hpa_rules){.n = 1, .policies = {{false, 3, 60}}};
	hpa_past_scaled(&p, &b, 12, 10);
	T_EQ_I64(hpa_limit(&p, &b, 1).replicas, 9);
	b = behaved(1030, 9);
	b.down = (hpa_rules){.n = 1, .policies = {{false, 3, 60}}};
	hpa_past_scaled(&p, &b, 10, 9);
	T_EQ_I64(hpa_limit(&p, &b, 1).replicas, 9);
	b = behaved(1061, 9);
	b.down = (hpa_rules){.n = 1, .policies = {{false, 3, 60}}};
	T_EQ_I64(hpa_limit(&p, &b, 1).replicas, 7);
}

/* With behavior both directions have a window. */
SP_TEST(hpa, windows)
{
	SP_CLEANUP(hpa_past_done) hpa_past p = {0};
	hpa_bounds b = behaved(0, 5);
	b.up.window_s = 60;
	hpa_past_begin(&p, 5, 0);
	hpa_limited l = hpa_limit(&p, &b, 9);
	T_EQ_I64(l.replicas, 5);
	T_EQ_C(sp_str_c(l.able_reason), "ScaleUpStabilized");
	b.now_ns = 59 * NS_PER_S;
	T_EQ_I64(hpa_limit(&p, &b, 8).replicas, 5);
	b.now_ns = 61 * NS_PER_S;
	T_EQ_I64(hpa_limit(&p, &b, 9).replicas, 8);
	l = hpa_limit(&p, &b, 2);
	T_EQ_I64(l.replicas, 5);
	T_EQ_C(sp_str_c(l.able_reason), "ScaleDownStabilized");
	b.now_ns = 500 * NS_PER_S;
	T_EQ_I64(hpa_limit(&p, &b, 2).replicas, 2);
}

/* ---- kinds ---- */

static void kinds_done(void *k)
{
	hpa_kinds_done(k);
}

SP_TEST(hpa, kinds_are_known_for_a_while)
{
	const sp_gvr w = SP_GVR("example.com", "v1", "widgets"), w2 = SP_GVR("example.com", "v2", "widgets");
	hpa_kinds *k = sp_new(T_ARENA, hpa_kinds, 1);
	const sp_gvr *found;
	hpa_kinds_init(k);
	T_DEFER(kinds_done, k);
	T_TRUE(hpa_kinds_get(k, w.group, SP_STR("Widget"), 1000) == NULL);
	hpa_kinds_put(k, SP_STR("Widget"), &w, 1000);
	found = hpa_kinds_get(k, w.group, SP_STR("Widget"), 1000 + HPA_KINDS_FRESH_NS - 1);
	T_TRUE(found != NULL || t_torture());
	if (found == NULL)
		return;
	T_EQ_C(found->group, "example.com");
	T_EQ_C(found->version, "v1");
	T_EQ_C(found->resource, "widgets");
	T_TRUE(hpa_kinds_get(k, w.group, SP_STR("Widgets"), 1000) == NULL);
	T_TRUE(hpa_kinds_get(k, SP_STR("example.org"), SP_STR("Widget"), 1000) == NULL);
	T_TRUE(hpa_kinds_get(k, w.group, SP_STR("Widget"), 1000 + HPA_KINDS_FRESH_NS) == NULL);
	hpa_kinds_put(k, SP_STR("Widget"), &w2, 2000); /* told anew */
	found = hpa_kinds_get(k, w.group, SP_STR("Widget"), 2000);
	T_TRUE(found != NULL);
	if (!t_torture())
		T_EQ_C(found->version, "v2");
}

SP_TEST(hpa, kinds_have_a_limit)
{
	const sp_gvr w = SP_GVR("", "v1", "widgets");
	hpa_kinds *k = sp_new(T_ARENA, hpa_kinds, 1);
	hpa_kinds_init(k);
	T_DEFER(kinds_done, k);
	for (unsigned i = 0; i < 2 * HPA_KINDS_MAX; i++) {
		hpa_kinds_put(k, sp_arena_printf(T_ARENA, "K%u", i), &w, i);
		T_TRUE(sp_map_count(&k->entries) <= HPA_KINDS_MAX);
	}
	char *text = sp_arena_try_alloc(T_ARENA, 600);
	T_TRUE(text != NULL);
	memset(text, 'k', 600);
	hpa_kinds_put(k, (sp_str){text, 600}, &w, 1);
	T_TRUE(hpa_kinds_get(k, w.group, (sp_str){text, 600}, 1) == NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dry runs that are kept from pod to pod choose the victims that fresh ones choose, whatever happened to
 * nodes, pods, nominations and budgets in between.
 */
#include "lib/t.h"
#include "scheduler/preempt.h"

#define NODES 24u
#define PODS 90u
#define PENDING 3u
#define STEPS 150u

static const char *any(const char *const *list, size_t n)
{
	return list[t_random_below(n)];
}
#define ANY(...) \
	any((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#define HOST_PORT ",\"ports\":[{\"containerPort\":80,\"hostPort\":80}]"
#define ANTI                                                                                        \
	",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{" \
	"\"topologyKey\":\"zone\",\"labelSelector\":{\"matchLabels\":{\"app\":\"a\"}}}]}}"

static yyjson_val *parse(sp_str text)
{
	yyjson_val *v = NULL;
	return sp_json_parse(T_ARENA, text, &v, T_ERR) == SP_OK ? v : NULL;
}

static sp_code change_node(sched_state *st)
{
	int i = (int)t_random_below(NODES);
	if (t_random_below(8) == 0) {
		sched_remove_node(st, sp_arena_printf(T_ARENA, "n%d", i));
		return SP_OK;
	}
	yyjson_val *v = parse(sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"n%d\",\"labels\":{\"zone\":\"%s\"}},\"spec\":{%s},\"status\":{"
		"\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"8Gi\",\"pods\":\"20\"}}}",
		i, ANY("a", "b"),
		ANY("", "", "", "\"taints\":[{\"key\":\"t\",\"effect\":\"NoSchedule\"}]",
		    "\"unschedulable\":true"),
		ANY("4", "4", "4", "6")));
	return v == NULL ? SP_ENOMEM : sched_put_node(st, v, T_ERR);
}

/* place: members of the spec before the containers. */
static sp_code make_pod(sched_state *st, const char *name, int i, const char *place, const char *cpu,
			int priority, const char *more, sched_pod **ret)
{
	yyjson_val *v = parse(sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"%s%d\",\"namespace\":\"d\",\"uid\":\"%s%d\",\"labels\":{\"app\":"
		"\"%s\"}},"
		"\"spec\":{%s\"priority\":%d,\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{"
		"\"cpu\":"
		"\"%s\"}}%s}]%s},\"status\":{%s}}",
		name, i, name, i, ANY("a", "b", "c"), place, priority, cpu, ANY("", "", "", HOST_PORT), more,
		ANY("", "\"startTime\":\"2026-01-01T00:00:00Z\"", "\"startTime\":\"2026-01-01T00:00:05Z\"")));
	return v == NULL ? SP_ENOMEM : sched_pod_make(st, v, ret, T_ERR);
}

static sp_code change_pod(sched_state *st)
{
	int i = (int)t_random_below(PODS);
	sched_pod *pod;
	if (t_random_below(5) == 0) {
		sched_remove_pod(st, sp_arena_printf(T_ARENA, "d/p%d", i));
		return SP_OK;
	}
	const char *place = sp_arena_printf(T_ARENA, "\"nodeName\":\"n%d\",", (int)t_random_below(NODES)).ptr;
	SP_TRY(make_pod(st, "p", i, place, ANY("500m", "1", "1", "2"), (int)t_random_below(4) * 4,
			t_random_below(60) == 0 ? ANTI : "", &pod));
	return sched_put_pod(st, pod);
}

static sp_code change_budget(sched_state *st)
{
	int i = (int)t_random_below(2);
	if (t_random_below(3) == 0) {
		sched_remove_budget(st, SP_STR("d"), sp_arena_printf(T_ARENA, "b%d", i));
		return SP_OK;
	}
	yyjson_val *v = parse(sp_arena_printf(T_ARENA,
					      "{\"metadata\":{\"name\":\"b%d\",\"namespace\":\"d\"},\"spec\":"
					      "{\"selector\":{\"matchLabels\":{\"app\":"
					      "\"%s\"}}},\"status\":{\"disruptionsAllowed\":%d}}",
					      i, ANY("a", "b"), (int)t_random_below(2)));
	return v == NULL ? SP_ENOMEM : sched_put_budget(st, v, T_ERR);
}

static sp_code change_nomination(sched_state *st)
{
	sched_pod *pod = sched_find_pod(st, sp_arena_printf(T_ARENA, "d/w%d", (int)t_random_below(PENDING)));
	sp_str node = t_random_below(2) == 0 ? SP_STR("")
					     : sp_arena_printf(T_ARENA, "n%d", (int)t_random_below(NODES));
	return pod == NULL ? SP_OK : sched_nominate(st, pod, node);
}

static sp_code add_waiting(sched_state *st)
{
	for (unsigned i = 0; i < PENDING; i++) {
		sched_pod *pod;
		SP_TRY(make_pod(st, "w", (int)i, "", "2", 10, "", &pod));
		SP_TRY(sched_put_pod(st, pod));
	}
	return SP_OK;
}

/* ---- the same of both ---- */

static sp_code decide(sched_cycle *c, const sched_pod *pod, uint64_t chance, sched_preemption *ret)
{
	SP_TRY(sched_cycle_run(c, pod, false));
	return c->n_feasible > 0 ? SP_OK : sched_preempt(c, false, chance, ret);
}

static void same(const sched_preemption *a, const sched_preemption *b)
{
	T_EQ_U64(a->eligible, b->eligible);
	T_EQ_U64(a->n_candidates, b->n_candidates);
	T_EQ_STR(a->message, b->message);
	if (a->n_candidates == 0 || b->n_candidates == 0)
		return;
	const sched_candidate *x = &a->candidates[a->best], *y = &b->candidates[b->best];
	T_EQ_U64(x->slot, y->slot);
	T_EQ_U64(x->n_violations, y->n_violations);
	T_EQ_U64(x->n_victims, y->n_victims);
	for (size_t i = 0; i < x->n_victims && i < y->n_victims; i++)
		T_EQ_STR(x->victims[i]->key, y->victims[i]->key);
}

/* One of a few kinds of pods asks, so that the kept runs are mostly of use; what it would do may be done. */
static sp_code ask(sched_state *st, const sched_profile *profile, sched_cycle *kept)
{
	static const struct {
		const char *cpu, *more;
		int priority;
	} kinds[] = {{"2", "", 10}, {"2", "", 10}, {"4", "", 5}, {"5", "", 10}, {"2", ANTI, 10}};
	size_t k = t_random_below(SP_LEN(kinds));
	uint64_t chance = t_random_below(1000);
	sched_pod *pod;
	sched_cycle fresh;
	sched_preemption a = {0}, b = {0};
	SP_TRY(make_pod(st, "asks", 0, "", kinds[k].cpu, kinds[k].priority, kinds[k].more, &pod));
	SP_TRY(sched_put_pod(st, pod));
	sched_cycle_init(&fresh, st, profile);
	sp_code code = decide(kept, pod, chance, &a);
	if (code == SP_OK)
		code = decide(&fresh, pod, chance, &b);
	if (code == SP_OK)
		same(&a, &b);
	sched_cycle_done(&fresh);
	if (code == SP_OK && a.n_candidates > 0 && t_random_below(2) == 0)
		sched_remove_pod(st, a.candidates[a.best].victims[0]->key);
	sched_remove_pod(st, SP_STR("d/asks0"));
	return code;
}

static void run_sequence(void)
{
	static sp_code (*const changes[])(sched_state * st) = {change_node, change_pod,    change_pod,
							       change_pod,  change_budget, change_nomination};
	sched_profile *profile = sp_new(T_ARENA, sched_profile, 1);
	sched_cycle *kept = sp_new(T_ARENA, sched_cycle, 1);
	sched_profile_default(profile, false);
	profile->min_candidates = 3;
	sched_state *st = sched_state_new();
	T_TRUE(st != NULL);
	T_DEFER(sched_state_free, st);
	sched_cycle_init(kept, st, profile);
	T_DEFER(sched_cycle_done, kept);
	for (unsigned i = 0; i < NODES * 2; i++)
		T_OK(change_node(st));
	for (unsigned i = 0; i < PODS; i++)
		T_OK(change_pod(st));
	T_OK(add_waiting(st));
	for (size_t i = 0; i < (t_torture() ? STEPS / 10 : STEPS) && !t_failed(); i++) {
		if (t_random_below(3) > 0)
			T_OK(changes[t_random_below(SP_LEN(changes))](st));
		T_OK(ask(st, profile, kept));
	}
}

SP_TEST(scheduler_dry_runs, kept_ones_are_like_fresh_ones)
{
	size_t runs = t_torture() ? 1 : 30;
	for (size_t i = 0; i < runs && !t_failed(); i++) {
		t_row("run %zu", i);
		run_sequence();
	}
}

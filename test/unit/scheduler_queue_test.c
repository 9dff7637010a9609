/* SPDX-License-Identifier: Apache-2.0 */
/* The queue on a clock of our own: order, back-off, gates, and which changes wake whom. */
#include "lib/t.h"
#include "scheduler/queue.h"

#define S UINT64_C(1000000000)

typedef struct rig {
	sched_state *st;
	sched_queue q;
	bool ok;
} rig;

static rig *rig_new(void)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	r->st = sched_state_new();
	sched_queue_init(&r->q, r->st);
	return r;
}

static void rig_free(rig *r)
{
	sp_metrics_free(r->q.metrics);
	sched_queue_done(&r->q);
	sched_state_free(r->st);
}

static yyjson_val *parse(const char *text)
{
	yyjson_val *v = NULL;
	return sp_json_parse(T_ARENA, sp_str_c(text), &v, T_ERR) == SP_OK ? v : NULL;
}

/* A pending pod; `spec` begins with a comma when it says anything. */
static sp_code put_as(rig *r, const char *name, const char *app, const char *spec, sched_own_change change,
		      uint64_t now)
{
	sched_pod *pod;
	sp_str text = sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"%s\",\"labels\":"
		"{\"app\":\"%s\"}},\"spec\":{\"containers\":[{\"name\":\"c\"}]%s}}",
		name, name, app, spec);
	yyjson_val *v = text.ptr == NULL ? NULL : parse(text.ptr);
	if (r->st == NULL || v == NULL)
		return SP_ENOMEM;
	SP_TRY(sched_pod_make(r->st, v, &pod, T_ERR));
	SP_TRY(sched_put_pod(r->st, pod));
	return sched_queue_put(&r->q, pod, change, now);
}

static sp_code put(rig *r, const char *name, const char *spec, sched_own_change change, uint64_t now)
{
	return put_as(r, name, name, spec, change, now);
}

static sp_str pop(rig *r, uint64_t now)
{
	sched_queued *p = sched_queue_pop(&r->q, now);
	return p == NULL ? SP_STR("") : p->pod->name;
}

static void fail(rig *r, const char *name, uint32_t rejectors, uint64_t now)
{
	sp_str key = sp_arena_printf(T_ARENA, "d/%s", name);
	sched_queued *p = sched_queue_find(&r->q, key);
	if (p != NULL)
		sched_queue_failed(&r->q, p, rejectors, now);
}

SP_TEST(scheduler_queue, priority_then_age)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "old", "", SCHED_OWN_NOTHING, 1 * S));
	T_OK(put(r, "new", "", SCHED_OWN_NOTHING, 2 * S));
	T_OK(put(r, "vip", ",\"priority\":7", SCHED_OWN_NOTHING, 3 * S));
	T_OK(put(r, "humble", ",\"priority\":-7", SCHED_OWN_NOTHING, 0));
	T_EQ_C(pop(r, 4 * S), "vip");
	T_EQ_C(pop(r, 4 * S), "old");
	T_EQ_C(pop(r, 4 * S), "new");
	T_EQ_C(pop(r, 4 * S), "humble");
	T_EQ_C(pop(r, 4 * S), "");
}

SP_TEST(scheduler_queue, errors_back_off)
{
	static const uint64_t waits[] = {1, 2, 4, 8, 10, 10};
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "p", "", SCHED_OWN_NOTHING, 0));
	uint64_t now = 0;
	for (size_t i = 0; i < SP_LEN(waits); i++) {
		T_EQ_C(pop(r, now), "p");
		fail(r, "p", 0, now);
		/* Ends on whole seconds, one after the wait. */
		T_EQ_C(pop(r, now + waits[i] * S), "");
		now += (waits[i] + 1) * S;
		T_EQ_U64(sched_queue_flush(&r->q, now - 1), now);
	}
	T_EQ_C(pop(r, now), "p");
}

SP_TEST(scheduler_queue, rejected_pods_wait_for_what_helps)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "p", ",\"nodeSelector\":{\"disk\":\"ssd\"}", SCHED_OWN_NOTHING, 0));
	T_EQ_C(pop(r, 0), "p");
	fail(r, "p", 1u << SCHED_P_NODE_AFFINITY, 0);
	yyjson_val *plain = parse("{\"metadata\":{\"name\":\"n\"},\"status\":{\"allocatable\":{\"cpu\":\"1\","
				  "\"pods\":\"9\"}}}");
	yyjson_val *ssd = parse("{\"metadata\":{\"name\":\"n\",\"labels\":{\"disk\":\"ssd\"}}}");
	T_TRUE(plain != NULL && ssd != NULL);
	T_OK(sched_put_node(r->st, plain, T_ERR));
	sched_change c = {.kind = SCHED_CHANGE_NODE, .node = sched_find_node(r->st, SP_STR("n"))};
	sched_queue_event(&r->q, &c, 60 * S);
	T_EQ_C(pop(r, 60 * S), "");
	T_OK(sched_put_node(r->st, ssd, T_ERR));
	c.node = sched_find_node(r->st, SP_STR("n"));
	sched_queue_event(&r->q, &c, 61 * S);
	T_EQ_C(pop(r, 61 * S), "p");
}

SP_TEST(scheduler_queue, a_helped_pod_backs_off_first_unless_alone)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "a", "", SCHED_OWN_NOTHING, 0));
	T_EQ_C(pop(r, 0), "a");
	fail(r, "a", 1u << SCHED_P_NODE_RESOURCES_FIT, 0);
	T_OK(put(r, "b", "", SCHED_OWN_NOTHING, 0));
	sched_queue_event(&r->q, &(sched_change){.kind = SCHED_CHANGE_ANY}, 0);
	T_EQ_C(pop(r, 0), "b");
	T_EQ_C(pop(r, 0), "a"); /* nobody else waits */
}

SP_TEST(scheduler_queue, nobody_waits_for_ever)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "p", "", SCHED_OWN_NOTHING, 0));
	T_EQ_C(pop(r, 0), "p");
	fail(r, "p", 1u << SCHED_P_NODE_AFFINITY, 0);
	T_EQ_U64(sched_queue_flush(&r->q, 299 * S), 300 * S);
	T_EQ_C(pop(r, 299 * S), "");
	T_EQ_C(pop(r, 300 * S), "p");
}

SP_TEST(scheduler_queue, gates_hold_until_they_are_gone)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "p", ",\"schedulingGates\":[{\"name\":\"x.io/g\"}]", SCHED_OWN_NOTHING, 0));
	sched_queue_event(&r->q, &(sched_change){.kind = SCHED_CHANGE_ANY}, 1 * S);
	T_EQ_C(pop(r, 1 * S), "");
	T_EQ_U64(r->q.n_gated, 1);
	T_OK(put(r, "p", "", SCHED_OWN_SPEC, 2 * S));
	T_EQ_C(pop(r, 2 * S), "p");
	T_EQ_U64(r->q.n_gated, 0);
}

static void gone(rig *r, uint64_t now)
{
	const sched_change change = {.kind = SCHED_CHANGE_ANY};
	sched_queue_event(&r->q, &change, now);
}

SP_TEST(scheduler_queue, who_waits_for_victims_is_passed_by)
{
	const uint32_t fit = 1u << SCHED_P_NODE_RESOURCES_FIT;
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "p", "", SCHED_OWN_NOTHING, 0));
	T_EQ_C(pop(r, 0), "p");
	sched_queue_hold(&r->q, SP_STR("d/p"));
	sched_queue_hold(&r->q, SP_STR("d/p"));
	fail(r, "p", fit, 0);
	gone(r, 5 * S);
	T_EQ_C(pop(r, 5 * S), "");
	sched_queue_release(&r->q, SP_STR("d/p"), true, 5 * S);
	T_EQ_C(pop(r, 5 * S), ""); /* of another one */
	sched_queue_release(&r->q, SP_STR("d/p"), true, 5 * S);
	T_EQ_C(pop(r, 5 * S), "p");
	/* The last one begins to leave: then an event wakes it, as its end will. */
	sched_queue_hold(&r->q, SP_STR("d/p"));
	fail(r, "p", fit, 5 * S);
	sched_queue_release(&r->q, SP_STR("d/p"), false, 10 * S);
	T_EQ_C(pop(r, 10 * S), "");
	gone(r, 10 * S);
	T_EQ_C(pop(r, 10 * S), "p");
	/* Unknown ones, and one too many, are harmless. */
	sched_queue_release(&r->q, SP_STR("d/p"), true, 10 * S);
	sched_queue_release(&r->q, SP_STR("d/q"), true, 10 * S);
	sched_queue_hold(&r->q, SP_STR("d/q"));
}

SP_TEST(scheduler_queue, an_update_that_changes_nothing_wakes_nobody)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_OK(put(r, "p", "", SCHED_OWN_NOTHING, 0));
	T_EQ_C(pop(r, 0), "p");
	fail(r, "p", 1u << SCHED_P_TAINT_TOLERATION, 0);
	T_OK(put(r, "p", "", SCHED_OWN_NOTHING, 30 * S));
	T_EQ_C(pop(r, 30 * S), "");
	T_OK(put(r, "p", ",\"tolerations\":[{\"operator\":\"Exists\"}]", SCHED_OWN_SPEC, 31 * S));
	T_EQ_C(pop(r, 31 * S), "p");
	sched_queue_remove(&r->q, SP_STR("d/p"));
	T_TRUE(sched_queue_find(&r->q, SP_STR("d/p")) == NULL);
}

/* Which plugins a pod that leaves its node gives hope. */
SP_TEST(scheduler_queue, hints_of_a_pod_that_goes)
{
	static const struct {
		const char *waiting, *gone;
		sched_plugin_id plugin;
		bool helps;
	} rows[] = {
		{"", "", SCHED_P_NODE_RESOURCES_FIT, true},
		{"", "", SCHED_P_NODE_AFFINITY, false},
		{"", "", SCHED_P_TAINT_TOLERATION, false},
		{",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
		 "\"topologyKey\":\"z\","
		 "\"labelSelector\":{\"matchLabels\":{\"app\":\"gone\"}}}]}}",
		 "", SCHED_P_INTER_POD_AFFINITY, true},
		{",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
		 "\"topologyKey\":\"z\","
		 "\"labelSelector\":{\"matchLabels\":{\"app\":\"other\"}}}]}}",
		 "", SCHED_P_INTER_POD_AFFINITY, false},
		{"",
		 ",\"affinity\":{\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
		 "\"topologyKey\":\"z\","
		 "\"labelSelector\":{\"matchLabels\":{\"app\":\"waits\"}}}]}}",
		 SCHED_P_INTER_POD_AFFINITY, true},
		{",\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"z\",\"whenUnsatisfiable\":"
		 "\"DoNotSchedule\","
		 "\"labelSelector\":{\"matchLabels\":{\"app\":\"gone\"}}}]",
		 "", SCHED_P_POD_TOPOLOGY_SPREAD, true},
		{",\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"z\",\"whenUnsatisfiable\":"
		 "\"DoNotSchedule\","
		 "\"labelSelector\":{\"matchLabels\":{\"app\":\"waits\"}}}]",
		 "", SCHED_P_POD_TOPOLOGY_SPREAD, false},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		rig *r = rig_new();
		T_DEFER(rig_free, r);
		t_row("row %zu", i);
		T_OK(put(r, "waits", rows[i].waiting, SCHED_OWN_NOTHING, 0));
		T_OK(put(r, "gone", rows[i].gone, SCHED_OWN_NOTHING, 0));
		sched_change c = {.kind = SCHED_CHANGE_POD_GONE,
				  .pod = sched_find_pod(r->st, SP_STR("d/gone"))};
		const sched_pod *waits = sched_find_pod(r->st, SP_STR("d/waits"));
		T_EQ_I64(sched_hint(r->st, waits->spec, rows[i].plugin, &c), rows[i].helps);
	}
}

/* What helps one of them helps all, and others are not touched. */
SP_TEST(scheduler_queue, pods_that_wait_alike_are_woken_together)
{
	rig *r = rig_new();
	static const char roomy[] =
		"{\"metadata\":{\"name\":\"n\"},\"status\":{\"allocatable\":{\"pods\":\"1\"}}}";
	T_DEFER(rig_free, r);
	for (int i = 0; i < 6; i++) {
		static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
		T_OK(put_as(r, names[i], "same", "", SCHED_OWN_NOTHING, 0));
		(void)pop(r, 0);
		fail(r, names[i], 1u << (i < 4 ? SCHED_P_NODE_RESOURCES_FIT : SCHED_P_NODE_PORTS), 0);
	}
	T_EQ_U64(sp_map_count(&r->q.waiters_by_id), 2);
	/* One of them says something else from now on; it still waits. */
	T_OK(put_as(r, "d", "other", "", SCHED_OWN_NOTHING, 0));
	T_EQ_U64(sp_map_count(&r->q.waiters_by_id), 3);
	sched_queue_remove(&r->q, SP_STR("d/b"));
	T_OK(put_as(r, "x", "same", "", SCHED_OWN_NOTHING, 100 * S));
	sched_pod *gone = sched_find_pod(r->st, SP_STR("d/x"));
	sched_queue_remove(&r->q, SP_STR("d/x"));
	sched_queue_event(&r->q, &(sched_change){.kind = SCHED_CHANGE_POD_GONE, .pod = gone}, 100 * S);
	T_EQ_C(pop(r, 100 * S), "a");
	T_EQ_C(pop(r, 100 * S), "c");
	T_EQ_C(pop(r, 100 * S), "d");
	T_EQ_C(pop(r, 100 * S), "");
	T_EQ_U64(r->q.n_waiting, 2);
	T_EQ_U64(sp_map_count(&r->q.waiters_by_id), 1);
	T_OK(sched_put_node(r->st, parse(roomy), T_ERR));
	sched_queue_event(
		&r->q,
		&(sched_change){.kind = SCHED_CHANGE_NODE, .node = sched_find_node(r->st, SP_STR("n"))},
		100 * S);
	T_EQ_C(pop(r, 100 * S), "e");
	T_EQ_C(pop(r, 100 * S), "f");
	T_EQ_U64(sp_map_count(&r->q.waiters_by_id), 0);
}

static double incoming(const rig *r, const char *event, const char *queue)
{
	return sp_metric_get(r->q.metrics, SCHED_M_INCOMING, (sp_str[]){sp_str_c(event), sp_str_c(queue)});
}

SP_TEST(scheduler_queue, counts_who_comes_by_which_event)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	r->q.metrics = sched_metrics_new();
	T_OK(put(r, "p", "", SCHED_OWN_NOTHING, 0));
	T_OK(put(r, "gated", ",\"schedulingGates\":[{\"name\":\"g\"}]", SCHED_OWN_NOTHING, 0));
	T_EQ_C(pop(r, 0), "p");
	fail(r, "p", 1u << SCHED_P_NODE_RESOURCES_FIT, 0);
	const sched_pod *gone = sched_queue_find(&r->q, SP_STR("d/gated"))->pod;
	sched_queue_event(&r->q, &(sched_change){.kind = SCHED_CHANGE_POD_GONE, .pod = gone}, 0);
	T_EQ_C(pop(r, 9 * S), "p");
	fail(r, "p", 0, 9 * S);
	static const struct {
		const char *event, *queue;
		double n;
	} rows[] = {{"UnscheduledPodAdd", "active", 1},
		    {"UnscheduledPodAdd", "unschedulable", 1},
		    {"ScheduleAttemptFailure", "unschedulable", 1},
		    {"AssignedPodDelete", "backoff", 1},
		    {"BackoffComplete", "active", 1},
		    {"ScheduleAttemptFailure", "backoff", 1},
		    {"PopFromBackoffQ", "active", 0}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s %s", rows[i].event, rows[i].queue);
		T_TRUE(incoming(r, rows[i].event, rows[i].queue) == rows[i].n);
	}
}

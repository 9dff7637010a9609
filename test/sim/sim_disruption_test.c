/* SPDX-License-Identifier: Apache-2.0 */
/* Disruption budgets: what may go now, and evictions that ask for it. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "disruption-controller,replicaset-controller,deployment-controller"
#define BUDGETS SP_GVR("policy", "v1", "poddisruptionbudgets")
#define BUDGET(rule) \
	"{\"metadata\":{\"name\":\"b\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"a\"}}," rule "}}"
#define WORKLOAD(name, n)                                                                                  \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"replicas\":" #n                                 \
	",\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":" \
	"\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"
#define POD(name, owner)                                                        \
	"{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"app\":\"a\"}" owner \
	"},\"spec\":{\"containers\":[{"                                         \
	"\"name\":\"c\",\"image\":\"i\"}]}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static bool budget_is(t_ctl *t, const char *path, const char *want)
{
	return t_ctl_wait(t, BUDGETS, "default", "b", path, want);
}

static uint16_t evict(t_ctl *t, sp_str pod)
{
	sp_str body = sp_arena_printf(T_ARENA,
				      "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{"
				      "\"name\":\"" SP_FMT "\",\"namespace\":\"default\"}}",
				      SP_ARG(pod));
	t_ask(&t->user, &(sp_ask){.verb = SP_ASK_CREATE,
				  .gvr = SP_PODS,
				  .ns = SP_STR("default"),
				  .name = pod,
				  .subresource = SP_STR("eviction"),
				  .body = body});
	return t->user.status;
}

static sp_str name_of_pod(t_ctl *t, size_t i)
{
	size_t n;
	return t_ctl_text(yyjson_arr_get(t_ctl_list(t, SP_PODS, "default", "", &n), i), "metadata.name");
}

/* Whether there is an event with that reason. */
static bool told(t_ctl *t, const char *reason)
{
	size_t n;
	yyjson_val *all = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(t_ctl_text(yyjson_arr_get(all, i), "reason"), sp_str_c(reason)))
			return true;
	}
	return false;
}

SP_TEST(sim_disruption, rules)
{
	static const struct {
		const char *rule, *desired, *allowed, *reason;
	} rows[] = {
		{BUDGET("\"maxUnavailable\":1"), "4", "1", "SufficientPods"},
		{BUDGET("\"maxUnavailable\":\"30%\""), "3", "2", "SufficientPods"},
		{BUDGET("\"maxUnavailable\":9"), "0", "5", "SufficientPods"},
		{BUDGET("\"minAvailable\":\"50%\""), "3", "2", "SufficientPods"},
		{BUDGET("\"minAvailable\":5"), "5", "0", "InsufficientPods"},
	};
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default", WORKLOAD("d", 5)));
	T_TRUE(t_ctl_wait(t, SP_DEPLOYMENTS, "default", "d", "status.availableReplicas", "5"));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_TRUE(t_ctl_create(t, BUDGETS, "default", rows[i].rule));
		T_TRUE(budget_is(t, "status.desiredHealthy", rows[i].desired));
		T_TRUE(budget_is(t, "status.disruptionsAllowed", rows[i].allowed));
		T_TRUE(budget_is(t, "status.expectedPods", "5"));
		T_TRUE(budget_is(t, "status.currentHealthy", "5"));
		T_TRUE(budget_is(t, "status.observedGeneration", "1"));
		T_TRUE(budget_is(t, "status.conditions[0].reason", rows[i].reason));
		T_TRUE(t_ctl_delete(t, BUDGETS, "default", "b", ""));
	}
}

SP_TEST(sim_disruption, evictions)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", WORKLOAD("s", 3)));
	T_TRUE(t_ctl_create(t, BUDGETS, "default", BUDGET("\"maxUnavailable\":1")));
	T_TRUE(budget_is(t, "status.disruptionsAllowed", "1"));
	sp_str first = name_of_pod(t, 0), second = name_of_pod(t, 1);
	T_EQ_U64(evict(t, first), 201);
	T_EQ_U64(evict(t, second), 429);
	T_TRUE(sp_str_find(sp_buf_view(&t->user.body), SP_STR("\"reason\":\"DisruptionBudget\"")) >= 0);
	/* Its successor is ready: the next one may go. */
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", first.ptr));
	T_TRUE(budget_is(t, "status.disruptionsAllowed", "1"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, BUDGETS, "default", "b"), "status.disruptedPods"), "");
	T_EQ_U64(evict(t, second), 201);
	/* The budget changes, and is not trusted until that was seen. */
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", second.ptr));
	T_TRUE(t_ctl_patch(t, BUDGETS, "default", "b", "", "{\"spec\":{\"maxUnavailable\":0}}"));
	T_TRUE(budget_is(t, "status.observedGeneration", "2"));
	T_TRUE(budget_is(t, "status.conditions[0].status", "False"));
	T_TRUE(budget_is(t, "status.currentHealthy", "3")); /* a pod that only waits needs no budget */
	T_EQ_U64(evict(t, name_of_pod(t, 0)), 429);
}

SP_TEST(sim_disruption, pods_of_nobody)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("p", "")));
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("q", "")));
	T_TRUE(t_ctl_create(t, BUDGETS, "default", BUDGET("\"minAvailable\":1")));
	T_TRUE(budget_is(t, "status.expectedPods", "2"));
	T_TRUE(budget_is(t, "status.disruptionsAllowed", "1"));
	T_TRUE(t_ctl_patch(t, BUDGETS, "default", "b", "", "{\"spec\":{\"minAvailable\":\"50%\"}}"));
	T_TRUE(budget_is(t, "status.expectedPods", "0"));
	T_TRUE(budget_is(t, "status.disruptionsAllowed", "0"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(told(t, "UnmanagedPods"));
}

#define OWNED(api, kind, name, uid)                                                                \
	",\"ownerReferences\":[{\"apiVersion\":\"" api "\",\"kind\":\"" kind "\",\"name\":\"" name \
	"\",\"uid\":"                                                                              \
	"\"" uid "\",\"controller\":true}]"

SP_TEST(sim_disruption, owners_without_a_scale)
{
	static const struct {
		const char *pod, *why;
	} rows[] = {
		{POD("p", OWNED("batch/v1", "Job", "j", "1-2")),
		 "jobs.batch does not implement the scale subresource"},
		{POD("p", OWNED("example.com/v1", "Boat", "j", "1-2")),
		 "no matches for kind \"Boat\" in version \"example.com/v1\""},
		{POD("p", OWNED("apps/v1", "StatefulSet", "none", "1-2")),
		 "found no controllers for pod \"p\""},
	};
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		T_TRUE(t_ctl_create(t, SP_PODS, "default", rows[i].pod));
		T_TRUE(t_ctl_create(t, BUDGETS, "default", BUDGET("\"maxUnavailable\":1")));
		T_TRUE(budget_is(t, "status.conditions[0].reason", "SyncFailed"));
		T_TRUE(budget_is(t, "status.conditions[0].message", rows[i].why));
		T_TRUE(t_ctl_delete(t, BUDGETS, "default", "b", ""));
		T_TRUE(t_ctl_delete(t, SP_PODS, "default", "p", ""));
		T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "p"));
		t_ctl_run(t, 2 * SECOND);
	}
}

SP_TEST(sim_disruption, evictions_that_do_not_come)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("p", "")));
	T_TRUE(t_ctl_wait(t, SP_PODS, "default", "p", "status.phase", "Running"));
	T_TRUE(t_ctl_create(t, BUDGETS, "default", BUDGET("\"minAvailable\":0")));
	T_TRUE(budget_is(t, "status.disruptionsAllowed", "1"));
	sp_str pod_time = t_ctl_text(t_ctl_get(t, SP_PODS, "default", "p"), "metadata.creationTimestamp");
	sp_str status = sp_arena_printf(T_ARENA, "{\"status\":{\"disruptedPods\":{\"p\":\"" SP_FMT "\"}}}",
					SP_ARG(pod_time));
	T_TRUE(t_ctl_patch(t, BUDGETS, "default", "b", "status", status.ptr));
	T_TRUE(budget_is(t, "status.currentHealthy", "0"));
	sp_str mark =
		sp_arena_printf(T_ARENA,
				"{\"status\":{\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":"
				"\"True\",\"reason\":\"EvictionByEvictionAPI\",\"lastTransitionTime\":"
				"\"" SP_FMT "\"},{\"type\":\"Ready\",\"status\":\"True\"}]}}",
				SP_ARG(pod_time));
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", "p", "status", mark.ptr));
	t_ctl_run(t, 60 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, BUDGETS, "default", "b"), "status.currentHealthy"), "0");
	T_EQ_C(t_ctl_text(t_ctl_get(t, SP_PODS, "default", "p"), "status.conditions[0].status"), "True");
	t_ctl_run(t, 70 * SECOND);
	T_TRUE(budget_is(t, "status.currentHealthy", "1"));
	T_TRUE(told(t, "NotDeleted"));
	T_TRUE(t_ctl_wait(t, SP_PODS, "default", "p", "status.conditions[0].status", "False"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, SP_PODS, "default", "p"), "status.conditions[0].reason"), "");
}

SP_TEST(sim_disruption, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 30 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	const sp_ask asks[] = {{.verb = SP_ASK_CREATE,
				.gvr = SP_REPLICASETS,
				.ns = SP_STR("default"),
				.body = SP_STR(WORKLOAD("s", 4))},
			       {.verb = SP_ASK_CREATE,
				.gvr = BUDGETS,
				.ns = SP_STR("default"),
				.body = SP_STR(BUDGET("\"minAvailable\":\"75%\""))}};
	for (size_t i = 0; i < SP_LEN(asks); i++) {
		do
			t_ask(&t->user, &asks[i]);
		while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	}
	sp_sim_run_until(t->api.sim, 31 * SECOND);
	T_TRUE(budget_is(t, "status.disruptionsAllowed", "1"));
	T_TRUE(budget_is(t, "status.currentHealthy", "4"));
}

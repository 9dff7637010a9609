/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions in words. */
#include <string.h>

#include "lib/t.h"
#include "scheduler/explain.h"

static const char *node(const char *name, const char *spec, const char *cpu)
{
	return sp_arena_printf(
		       T_ARENA,
		       "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"kubernetes.io/hostname\":\"%s\"}},"
		       "\"spec\":{%s},\"status\":{\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"8Gi\","
		       "\"pods\":\"10\"}}}",
		       name, name, spec, cpu)
		.ptr;
}

static const char *pod(const char *name, const char *spec, const char *cpu)
{
	return sp_arena_printf(
		       T_ARENA,
		       "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"%s\"},"
		       "\"spec\":{%s\"schedulerName\":\"default-scheduler\",\"containers\":[{"
		       "\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]}}",
		       name, name, spec, cpu)
		.ptr;
}

static sp_str snapshot_of(const char *pending)
{
	static const char taints[] =
		"\"taints\":[{\"key\":\"gpu\",\"value\":\"yes\",\"effect\":\"NoSchedule\"}]";
	return sp_arena_printf(T_ARENA, "{\"nodes\":[%s,%s,%s,%s],\"pods\":[%s],\"pending\":[%s]}",
			       node("a", "", "4"), node("b", "\"unschedulable\":true", "4"),
			       node("c", taints, "4"), node("d", "", "1"),
			       pod("held", "\"nodeName\":\"d\",\"priority\":0,", "500m"), pending);
}

static bool says(const char *pending, const char *runs_on, const char *const *wants)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 100000);
	sp_str snapshot = snapshot_of(pending);
	if (sched_explain(snapshot, sp_str_c(runs_on), &out, t_err()) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "%s", t_err()->msg);
		return false;
	}
	for (; *wants != NULL; wants++) {
		if (sp_str_find(sp_buf_view(&out), sp_str_c(*wants)) < 0)
			(void)t_fail(__FILE__, __LINE__, "no '%s' in:\n" SP_FMT, *wants,
				     SP_ARG(sp_buf_view(&out)));
	}
	return true;
}

SP_TEST(scheduler_explain, nodes_and_what_would_have_to_change)
{
	static const char *const wants[] = {
		"pod default/p fits on 1 of 4 nodes; a is the one\n",
		"  a: yes, ",
		"NodeResourcesBalancedAllocation ",
		"  b: no. NodeUnschedulable: node(s) were unschedulable\n    allow pods there: kubectl "
		"uncordon b\n",
		"  c: no. TaintToleration: node(s) had untolerated taint",
		"    tolerate its taints, or remove them: gpu=yes:NoSchedule\n",
		"  d: no. NodeResourcesFit: Insufficient cpu\n"
		"    it asks for 2000m, 500m of 1000m are free: ask for less, or end pods there\n",
		NULL};
	T_TRUE(says(pod("p", "", "2"), "", wants));
}

SP_TEST(scheduler_explain, fits_nowhere)
{
	static const char *const wants[] = {
		"pod default/p fits on 0 of 4 nodes\n", "  a: no. NodeResourcesFit: Insufficient cpu\n",
		"it asks for 100000m, 4000m of 4000m are free", "preemption: ", NULL};
	T_TRUE(says(pod("p", "", "100"), "", wants));
	static const char *const victims[] = {"fits on 0 of 4 nodes\n",
					      "preemption: on d these would go for it: default/held\n", NULL};
	T_TRUE(says(pod("p", "\"priority\":100,\"nodeSelector\":{\"kubernetes.io/hostname\":\"d\"},", "1"),
		    "", victims));
}

SP_TEST(scheduler_explain, bound_and_gated)
{
	static const char *const bound[] = {
		"pod default/p is bound to a; were it not, now it fits on 2 of 4 nodes", NULL};
	T_TRUE(says(pod("p", "", "100m"), "a", bound));
	static const char *const gated[] = {
		"pod default/p is not placed on any node. SchedulingGates: waiting for scheduling gates: [g]",
		NULL};
	T_TRUE(says(pod("p", "\"schedulingGates\":[{\"name\":\"g\"}],", "1"), "", gated));
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1000);
	T_CODE(sched_explain(SP_STR("{\"pending\":[{}]}"), SP_STR(""), &out, T_ERR), SP_EINVAL);
	T_CODE(sched_explain(SP_STR("["), SP_STR(""), &out, T_ERR), SP_EINVAL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Taints of nodes and what they do to pods, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "node-lifecycle-controller,taint-eviction-controller"
#define NODE SP_NODES, "", "n1"
#define POD(name, more)                                                             \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"nodeName\":\"n1\"," more \
	"\"containers\":[{\"name\":\"c\","                                          \
	"\"image\":\"i\"}]}}"

static t_ctl *open_rig(void)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, LIST);
	if (t_failed())
		return t;
	(void)t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"n1\"}}");
	return t;
}

static bool set_ready(t_ctl *t, const char *node, const char *status)
{
	return t_ctl_patch(
		t, SP_NODES, "", node, "status",
		sp_arena_printf(T_ARENA,
				"{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
				status)
			.ptr);
}

/* Others of the cluster: without one that is ready nothing is driven away. They keep being heard of. */
static bool add_others(t_ctl *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *name = sp_arena_printf(T_ARENA, "other%u", i).ptr;
		if (!t_ctl_create(t, SP_NODES, "",
				  sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"%s\"}}", name).ptr) ||
		    !set_ready(t, name, "True") ||
		    !t_ctl_create(
			    t, SP_LEASES, "kube-node-lease",
			    sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"%s\"},\"spec\":{}}", name)
				    .ptr))
			return false;
	}
	return true;
}

static void run_others(t_ctl *t, unsigned n, unsigned seconds)
{
	static unsigned beats;
	char body[200];
	for (unsigned s = 0; s < seconds && !t_failed(); s += 10) {
		beats++;
		(void)snprintf(body, sizeof body,
			       "{\"spec\":{\"renewTime\":\"2026-01-02T%02u:%02u:%02u.000000Z\"}}",
			       beats / 360 % 24, beats / 6 % 60, beats % 6 * 10);
		for (unsigned i = 0; i < n; i++)
			(void)t_ctl_patch(t, SP_LEASES, "kube-node-lease",
					  sp_arena_printf(T_ARENA, "other%u", i).ptr, "", body);
		t_ctl_run(t, 10 * SECOND);
	}
}

/* What a kubelet does every ten seconds. */
static void beat(t_ctl *t, unsigned i)
{
	char body[200];
	(void)snprintf(body, sizeof body, "{\"spec\":{\"renewTime\":\"2026-01-01T00:%02u:%02u.000000Z\"}}",
		       i / 60, i % 60);
	(void)t_ctl_patch(t, SP_LEASES, "kube-node-lease", "n1", "", body);
}

static void ready(t_ctl *t)
{
	(void)t_ctl_patch(t, NODE, "status",
			  "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":"
			  "\"KubeletReady\","
			  "\"lastHeartbeatTime\":\"2026-01-01T00:00:00Z\",\"lastTransitionTime\":"
			  "\"2026-01-01T00:00:00Z\"}]}}");
	(void)t_ctl_create(t, SP_LEASES, "kube-node-lease",
			   "{\"metadata\":{\"name\":\"n1\"},\"spec\":{\"holderIdentity\":\"n1\","
			   "\"leaseDurationSeconds\":40,"
			   "\"renewTime\":\"2026-01-01T00:00:00.000000Z\"}}");
}

static bool is_tainted(t_ctl *t, const char *node, const char *key, const char *effect)
{
	yyjson_val *v, *taints = sp_view_at(t_ctl_get(t, SP_NODES, "", node), "spec.taints");
	size_t i, n;
	yyjson_arr_foreach(taints, i, n, v)
	{
		if (sp_str_eq(t_ctl_text(v, "key"), sp_str_c(key)) &&
		    sp_str_eq(t_ctl_text(v, "effect"), sp_str_c(effect)))
			return true;
	}
	return false;
}

static bool has_taint(t_ctl *t, const char *key, const char *effect)
{
	return is_tainted(t, "n1", key, effect);
}

SP_TEST(sim_nodes, taints_follow_conditions)
{
	t_ctl *t = open_rig();
	T_TRUE(!t_failed());
	T_TRUE(add_others(t, 1));
	T_TRUE(t_ctl_patch(t, NODE, "status",
			   "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":"
			   "\"DiskPressure\",\"status\":\"True\"}]}}"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_taint(t, "node.kubernetes.io/not-ready", "NoSchedule"));
	T_TRUE(has_taint(t, "node.kubernetes.io/not-ready", "NoExecute"));
	T_TRUE(has_taint(t, "node.kubernetes.io/disk-pressure", "NoSchedule"));
	ready(t);
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(!has_taint(t, "node.kubernetes.io/not-ready", "NoSchedule"));
	T_TRUE(t_ctl_patch(t, NODE, "",
			   "{\"spec\":{\"unschedulable\":true,\"taints\":[{\"key\":\"mine\",\"effect\":"
			   "\"NoSchedule\"}]}}"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_taint(t, "node.kubernetes.io/unschedulable", "NoSchedule"));
	T_TRUE(has_taint(t, "mine", "NoSchedule"));
	T_TRUE(t_ctl_patch(t, NODE, "", "{\"spec\":{\"unschedulable\":null}}"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(!has_taint(t, "node.kubernetes.io/unschedulable", "NoSchedule"));
	T_TRUE(has_taint(t, "mine", "NoSchedule"));
}

SP_TEST(sim_nodes, silence_is_noticed)
{
	t_ctl *t = open_rig();
	T_TRUE(!t_failed());
	ready(t);
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("p", "")));
	T_TRUE(t_ctl_wait(t, SP_PODS, "default", "p", "status.phase", "Running"));
	for (unsigned i = 1; i <= 10; i++) {
		beat(t, 10 * i);
		t_ctl_run(t, 10 * SECOND);
	}
	T_EQ_C(t_ctl_text(t_ctl_get(t, NODE), "status.conditions[0].status"), "True");
	T_TRUE(add_others(t, 1));
	run_others(t, 1, 60);
	yyjson_val *c, *v = t_ctl_get(t, NODE);
	size_t i, n, n_unknown = 0;
	yyjson_arr_foreach(sp_view_at(v, "status.conditions"), i, n, c) n_unknown +=
		sp_str_eq(t_ctl_text(c, "status"), SP_STR("Unknown"));
	T_EQ_U64(n_unknown, 4);
	T_TRUE(has_taint(t, "node.kubernetes.io/unreachable", "NoSchedule"));
	T_TRUE(has_taint(t, "node.kubernetes.io/unreachable", "NoExecute"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, SP_PODS, "default", "p"), "status.conditions[0].status"), "False");
	/* It comes back: the kubelet writes its status, the taints go. */
	T_TRUE(t_ctl_patch(t, NODE, "status",
			   "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":"
			   "\"KubeletReady\","
			   "\"lastHeartbeatTime\":\"2026-01-01T00:10:00Z\",\"lastTransitionTime\":"
			   "\"2026-01-01T00:10:00Z\"}]}}"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(!has_taint(t, "node.kubernetes.io/unreachable", "NoSchedule"));
	T_TRUE(!has_taint(t, "node.kubernetes.io/unreachable", "NoExecute"));
}

SP_TEST(sim_nodes, pods_leave_tainted_nodes)
{
	t_ctl *t = open_rig();
	T_TRUE(!t_failed());
	ready(t);
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("goes", "")));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("later", "\"tolerations\":[{\"key\":\"x\",\"operator\":\"Exists\",\"effect\":"
					 "\"NoExecute\",\"tolerationSeconds\":30}],")));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("stays", "\"tolerations\":[{\"operator\":\"Exists\"}],")));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(t_ctl_patch(t, NODE, "",
			   "{\"spec\":{\"taints\":[{\"key\":\"x\",\"effect\":\"NoExecute\"}]}}"));
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "goes"));
	t_ctl_run(t, 10 * SECOND);
	T_TRUE(t_ctl_get(t, SP_PODS, "default", "later") != NULL);
	t_ctl_run(t, 25 * SECOND);
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "later"));
	T_TRUE(t_ctl_get(t, SP_PODS, "default", "stays") != NULL);
}

static bool has_event(t_ctl *t, const char *reason, const char *message)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "reason"), sp_str_c(reason)) &&
		    sp_str_eq(t_ctl_text(v, "message"), sp_str_c(message)))
			return true;
	}
	return false;
}

SP_TEST(sim_nodes, nodes_are_greeted)
{
	t_ctl *t = open_rig();
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_patch(t, NODE, "",
			   "{\"metadata\":{\"labels\":{\"kubernetes.io/os\":\"linux\",\"kubernetes.io/arch\":"
			   "\"amd64\",\"beta.kubernetes.io/arch\":\"z80\"}}}"));
	t_ctl_run(t, 2 * SECOND);
	yyjson_val *labels = sp_view_at(t_ctl_get(t, NODE), "metadata.labels");
	T_EQ_C(sp_json_str(sp_json_last(labels, SP_STR("beta.kubernetes.io/os"))), "linux");
	T_EQ_C(sp_json_str(sp_json_last(labels, SP_STR("beta.kubernetes.io/arch"))), "amd64");
	T_TRUE(has_event(t, "RegisteredNode", "Node n1 event: Registered Node n1 in Controller"));
	T_TRUE(t_ctl_delete(t, NODE, ""));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_event(t, "RemovingNode", "Node n1 event: Removing Node n1 from Controller"));
}

/* When no node is ready the fault may be elsewhere: nothing is driven away, and what was to be is not. */
SP_TEST(sim_nodes, all_of_them_fail)
{
	t_ctl *t = open_rig();
	T_TRUE(!t_failed());
	T_TRUE(add_others(t, 1) && set_ready(t, "n1", "False"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(has_taint(t, "node.kubernetes.io/not-ready", "NoExecute"));
	T_TRUE(set_ready(t, "other0", "False"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(!has_taint(t, "node.kubernetes.io/not-ready", "NoExecute"));
	T_TRUE(has_taint(t, "node.kubernetes.io/not-ready", "NoSchedule"));
	T_TRUE(!is_tainted(t, "other0", "node.kubernetes.io/not-ready", "NoExecute"));
	T_TRUE(set_ready(t, "other0", "True"));
	run_others(t, 1, 20);
	T_TRUE(has_taint(t, "node.kubernetes.io/not-ready", "NoExecute"));
	T_TRUE(!is_tainted(t, "other0", "node.kubernetes.io/not-ready", "NoSchedule"));
}

/* One node in ten seconds; none of a small zone most of which fails. */
SP_TEST(sim_nodes, one_after_the_other)
{
	t_ctl *t = open_rig();
	T_TRUE(!t_failed());
	T_TRUE(add_others(t, 4) && set_ready(t, "n1", "True"));
	T_TRUE(set_ready(t, "other0", "False") && set_ready(t, "other1", "False"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(is_tainted(t, "other0", "node.kubernetes.io/not-ready", "NoExecute") !=
	       is_tainted(t, "other1", "node.kubernetes.io/not-ready", "NoExecute"));
	run_others(t, 4, 10);
	T_TRUE(is_tainted(t, "other0", "node.kubernetes.io/not-ready", "NoExecute") &&
	       is_tainted(t, "other1", "node.kubernetes.io/not-ready", "NoExecute"));
	T_TRUE(set_ready(t, "other2", "False")); /* three of five */
	run_others(t, 4, 60);
	T_TRUE(!is_tainted(t, "other2", "node.kubernetes.io/not-ready", "NoExecute"));
	T_TRUE(is_tainted(t, "other2", "node.kubernetes.io/not-ready", "NoSchedule"));
}

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

static bool has_taint(t_ctl *t, const char *key, const char *effect)
{
	yyjson_val *v, *taints = sp_view_at(t_ctl_get(t, NODE), "spec.taints");
	size_t i, n;
	yyjson_arr_foreach(taints, i, n, v)
	{
		if (sp_str_eq(t_ctl_text(v, "key"), sp_str_c(key)) &&
		    sp_str_eq(t_ctl_text(v, "effect"), sp_str_c(effect)))
			return true;
	}
	return false;
}

SP_TEST(sim_nodes, taints_follow_conditions)
{
	t_ctl *t = open_rig();
	T_TRUE(!t_failed());
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
	t_ctl_run(t, 60 * SECOND);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* ReplicaSets and ReplicationControllers against the API server, in the simulator. */
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "replicaset-controller,replicationcontroller-controller"
#define TEMPLATE                                                                                             \
	"\"template\":{\"metadata\":{\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\"," \
	"\"image\":\"i\"}]}}"
#define SET(n)                                                      \
	"{\"metadata\":{\"name\":\"s\"},\"spec\":{\"replicas\":" #n \
	",\"selector\":{\"matchLabels\":{\"app\":\"a\"}}," TEMPLATE "}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

SP_TEST(sim_replicas, up_and_down)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(5)));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.availableReplicas", "5"));
	yyjson_val *v = t_ctl_get(t, SP_REPLICASETS, "default", "s");
	T_EQ_C(t_ctl_text(v, "status.replicas"), "5");
	T_EQ_C(t_ctl_text(v, "status.fullyLabeledReplicas"), "5");
	T_EQ_C(t_ctl_text(v, "status.observedGeneration"), "1");
	size_t n;
	yyjson_val *pods = t_ctl_list(t, SP_PODS, "default", "", &n), *pod = yyjson_arr_get(pods, 0);
	T_EQ_U64(n, 5);
	T_EQ_C(t_ctl_text(pod, "metadata.generateName"), "s-");
	T_EQ_C(t_ctl_text(pod, "metadata.ownerReferences[0].kind"), "ReplicaSet");
	T_EQ_C(t_ctl_text(pod, "metadata.ownerReferences[0].controller"), "true");
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":2}}"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 2));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.replicas", "2"));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.observedGeneration", "2"));
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":0}}"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 0));
	t_ctl_run(t, 60 * SECOND);
	(void)t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	T_EQ_U64(n, 10); /* five made, five deleted, each once */
}

SP_TEST(sim_replicas, pods_that_go_are_replaced)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(2)));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.readyReplicas", "2"));
	size_t n;
	yyjson_val *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
	sp_str first = t_ctl_text(yyjson_arr_get(pods, 0), "metadata.name");
	sp_str second = t_ctl_text(yyjson_arr_get(pods, 1), "metadata.name");
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", first.ptr, ""));
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", first.ptr));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.readyReplicas", "2"));
	/* A failed one does not count, and stays. */
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", second.ptr, "status",
			   "{\"status\":{\"phase\":\"Failed\"}}"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 3));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.replicas", "2"));
}

SP_TEST(sim_replicas, orphans_are_adopted_and_strangers_released)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_PODS, "default",
		"{\"metadata\":{\"name\":\"lone\",\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{"
		"\"name\":\"c\",\"image\":\"i\"}]}}"));
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(2)));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.replicas", "2"));
	T_TRUE(t_ctl_wait(t, SP_PODS, "default", "lone", "metadata.ownerReferences[0].name", "s"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 2));
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", "lone", "", "{\"metadata\":{\"labels\":{\"app\":\"b\"}}}"));
	T_TRUE(t_ctl_wait(t, SP_PODS, "default", "lone", "metadata.ownerReferences[0].name", ""));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "app=a", 2));
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", "lone", "", "{\"metadata\":{\"labels\":{\"app\":\"a\"}}}"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 2)); /* one too many now */
}

SP_TEST(sim_replicas, a_quota_is_a_condition)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_RESOURCEQUOTAS, "default",
			    "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"pods\":\"2\"}}}"));
	T_TRUE(t_ctl_patch(t, SP_RESOURCEQUOTAS, "default", "q", "status",
			   "{\"status\":{\"hard\":{\"pods\":\"2\"},\"used\":{\"pods\":\"0\"}}}"));
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(5)));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.conditions[0].type", "ReplicaFailure"));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.conditions[0].reason", "FailedCreate"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 2));
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":2}}"));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.conditions[0].type", ""));
}

#define BINDINGS SP_GVR("rbac.authorization.k8s.io", "v1", "clusterrolebindings")
#define RIGHTS "system:controller:replicaset-controller"

/* Of deletions that are refused only the first hundred are tried; none of the others is waited for then. */
SP_TEST(sim_replicas, refused_deletions_are_tried_again)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(120)));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.availableReplicas", "120"));
	T_TRUE(t_ctl_delete(t, BINDINGS, "", RIGHTS, ""));
	t_ctl_run(t, SECOND);
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":0}}"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, SP_REPLICASETS, "default", "s"), "status.replicas"), "120");
	T_TRUE(t_ctl_create(t, BINDINGS, "",
			    "{\"metadata\":{\"name\":\"" RIGHTS "\"},\"roleRef\":{\"apiGroup\":"
			    "\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"" RIGHTS
			    "\"},\"subjects\":[{\"kind\":\"ServiceAccount\",\"namespace\":\"kube-system\","
			    "\"name\":\"replicaset-controller\"}]}"));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.replicas", "0"));
}

SP_TEST(sim_replicas, replication_controllers)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_REPLICATIONCONTROLLERS, "default",
			    "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"replicas\":3,\"selector\":{\"app\":"
			    "\"a\"}," TEMPLATE "}}"));
	T_TRUE(t_ctl_wait(t, SP_REPLICATIONCONTROLLERS, "default", "r", "status.availableReplicas", "3"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 3));
}

SP_TEST(sim_replicas, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 30 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	sp_ask create = {.verb = SP_ASK_CREATE,
			 .gvr = SP_REPLICASETS,
			 .ns = SP_STR("default"),
			 .body = SP_STR(SET(7))};
	do
		t_ask(&t->user, &create);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	sp_sim_run_until(t->api.sim, 31 * SECOND);
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.availableReplicas", "7"));
	t_ctl_run(t, 10 * SECOND);
	size_t n;
	(void)t_ctl_list(t, SP_PODS, "default", "", &n);
	T_EQ_U64(n, 7);
}

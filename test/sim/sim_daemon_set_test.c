/* SPDX-License-Identifier: Apache-2.0 */
/* DaemonSets against the API server, in the simulator. There is no scheduler: pods stay where their affinity
 * says. */
#include <stdio.h>

#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "daemonset-controller"
#define D SP_DAEMONSETS, "default", "d"
#define NODE(name) SP_NODES, "", name
#define BODY(image, more)                                                                                   \
	"{\"metadata\":{\"name\":\"d\",\"annotations\":{\"note\":\"x\"}},\"spec\":{\"selector\":{"          \
	"\"matchLabels\":{\"app\":\"a\"}}," more "\"template\":{\"metadata\":{\"labels\":{\"app\":\"a\"}}," \
	"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"
#define IMAGE(image) \
	"{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"

static bool add_node(t_ctl *t, const char *name)
{
	char body[200];
	(void)snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"zone\":\"%c\"}}}",
		       name, name[0]);
	/* A new node is not ready, until its kubelet says so. */
	return t_ctl_create(t, SP_NODES, "", body) &&
	       t_ctl_patch(t, SP_NODES, "", name, "", "{\"spec\":{\"taints\":null}}");
}

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static t_ctl *open_with_nodes(void)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	if (!t_failed() && add_node(t, "a") && add_node(t, "b") && add_node(t, "c"))
		return t;
	return t;
}

static sp_str target(yyjson_val *pod)
{
	return t_ctl_text(pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
			       "nodeSelectorTerms[0].matchFields[0].values[0]");
}

static bool is_ready(yyjson_val *pod)
{
	return t_ctl_text(pod, "metadata.deletionTimestamp").len == 0 &&
	       sp_str_eq(t_ctl_text(pod, "status.conditions[0].status"), SP_STR("True"));
}

static sp_str label(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(sp_view_at(v, "metadata.labels"), sp_str_c(name)));
}

SP_TEST(sim_daemon_set, one_on_each_node)
{
	t_ctl *t = open_with_nodes();
	size_t n, i, max;
	yyjson_val *v;
	bool seen[3] = {false};
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DAEMONSETS, "default", BODY("one", "")));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "3"));
	T_TRUE(t_ctl_wait(t, D, "status.observedGeneration", "1"));
	yyjson_val *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
	T_EQ_U64(n, 3);
	yyjson_arr_foreach(pods, i, max, v)
	{
		sp_str at = target(v);
		T_TRUE(at.len == 1 && at.ptr[0] >= 'a' && at.ptr[0] <= 'c' && !seen[at.ptr[0] - 'a']);
		seen[at.ptr[0] - 'a'] = true;
		T_EQ_C(t_ctl_text(v, "spec.tolerations[0].key"), "node.kubernetes.io/not-ready");
		T_EQ_C(t_ctl_text(v, "spec.tolerations[5].key"), "node.kubernetes.io/unschedulable");
		T_EQ_C(label(v, "pod-template-generation"), "1");
	}
	yyjson_val *set = t_ctl_get(t, D);
	T_EQ_C(t_ctl_text(set, "status.desiredNumberScheduled"), "3");
	T_EQ_C(t_ctl_text(set, "status.currentNumberScheduled"), "3");
	T_EQ_C(t_ctl_text(set, "status.updatedNumberScheduled"), "3");
	T_EQ_C(t_ctl_text(set, "status.numberReady"), "3");
	yyjson_val *r = yyjson_arr_get_first(t_ctl_list(t, SP_CONTROLLERREVISIONS, "default", "", &n));
	T_EQ_U64(n, 1);
	T_EQ_C(t_ctl_text(r, "metadata.annotations.note"), "x");
	T_EQ_STR(sp_str_sub(t_ctl_text(r, "metadata.name"), 2, 100), label(r, "controller-revision-hash"));
	T_EQ_STR(label(yyjson_arr_get_first(pods), "controller-revision-hash"),
		 label(r, "controller-revision-hash"));

	T_TRUE(add_node(t, "e")); /* one more node, one more pod */
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "4"));
	T_TRUE(t_ctl_patch(t, D, "",
			   "{\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"zone\":\"a\"}}}}}"));
	T_TRUE(t_ctl_wait(t, D, "status.desiredNumberScheduled", "1"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 1));
	T_TRUE(t_ctl_wait(t, D, "status.updatedNumberScheduled", "1"));
}

SP_TEST(sim_daemon_set, taints)
{
	t_ctl *t = open_with_nodes();
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_patch(t, NODE("a"), "",
			   "{\"spec\":{\"taints\":[{\"key\":\"x\",\"effect\":\"NoSchedule\"}]}}"));
	T_TRUE(t_ctl_create(t, SP_DAEMONSETS, "default", BODY("one", "")));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "2"));
	T_TRUE(t_ctl_patch(t, NODE("b"), "",
			   "{\"spec\":{\"taints\":[{\"key\":\"x\",\"effect\":\"NoSchedule\"}]}}"));
	T_TRUE(t_ctl_patch(t, NODE("c"), "",
			   "{\"spec\":{\"taints\":[{\"key\":\"x\",\"effect\":\"NoExecute\"}]}}"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 1)); /* b's stays, c's goes */
	T_TRUE(t_ctl_wait(t, D, "status.numberMisscheduled", "1"));
	T_TRUE(t_ctl_patch(t, NODE("c"), "",
			   "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/unschedulable\",\"effect\":"
			   "\"NoSchedule\"}]}}"));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "1"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 2));
}

SP_TEST(sim_daemon_set, rolls_within_its_bounds)
{
	t_ctl *t = open_with_nodes();
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DAEMONSETS, "default", BODY("one", "")));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "3"));
	T_TRUE(t_ctl_patch(t, D, "", IMAGE("two")));
	bool done = false;
	for (unsigned step = 0; step < 400 && !done; step++) {
		size_t i, max, n_ready = 0;
		yyjson_val *v, *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
		yyjson_arr_foreach(pods, i, max, v) n_ready += is_ready(v);
		T_TRUE(n_ready >= 2);
		T_TRUE(n <= 3);
		t_ctl_run(t, SECOND / 20);
		v = t_ctl_get(t, D);
		done = sp_str_eq(t_ctl_text(v, "status.updatedNumberScheduled"), SP_STR("3")) &&
		       sp_str_eq(t_ctl_text(v, "status.numberAvailable"), SP_STR("3")) &&
		       sp_str_eq(t_ctl_text(v, "status.observedGeneration"), SP_STR("2"));
	}
	T_TRUE(done);
	T_TRUE(t_ctl_patch(t, D, "", IMAGE("one"))); /* back: the first revision is number 3 now */
	T_TRUE(t_ctl_wait(t, D, "status.observedGeneration", "3"));
	T_TRUE(t_ctl_wait(t, D, "status.updatedNumberScheduled", "3"));
	yyjson_val *items = t_ctl_list(t, SP_CONTROLLERREVISIONS, "default", "", &n);
	T_EQ_U64(n, 2);
	sp_str first = t_ctl_text(yyjson_arr_get_first(items), "revision");
	sp_str second = t_ctl_text(yyjson_arr_get(items, 1), "revision");
	T_TRUE((sp_str_eq(first, SP_STR("3")) && sp_str_eq(second, SP_STR("2"))) ||
	       (sp_str_eq(first, SP_STR("2")) && sp_str_eq(second, SP_STR("3"))));
}

SP_TEST(sim_daemon_set, surges)
{
	t_ctl *t = open_with_nodes();
	size_t n, most = 0;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_DAEMONSETS, "default",
		BODY("one",
		     "\"updateStrategy\":{\"rollingUpdate\":{\"maxSurge\":1,\"maxUnavailable\":0}},")));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "3"));
	T_TRUE(t_ctl_patch(t, D, "", IMAGE("two")));
	for (unsigned step = 0; step < 200; step++) {
		size_t i, max, n_ready = 0;
		yyjson_val *v, *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
		yyjson_arr_foreach(pods, i, max, v) n_ready += is_ready(v);
		T_TRUE(n_ready >= 3);
		T_TRUE(n <= 5); /* one too many, and one that goes */
		most = SP_MAX(most, n);
		t_ctl_run(t, SECOND / 20);
	}
	T_TRUE(most > 3);
	T_TRUE(t_ctl_wait(t, D, "status.updatedNumberScheduled", "3"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 3));
}

SP_TEST(sim_daemon_set, on_delete_and_history)
{
	static const char *const images[] = {IMAGE("b"), IMAGE("c"), IMAGE("d")};
	t_ctl *t = open_with_nodes();
	size_t n, i, max, n_new = 0;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_DAEMONSETS, "default",
		BODY("a", "\"revisionHistoryLimit\":1,\"updateStrategy\":{\"type\":\"OnDelete\"},")));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "3"));
	for (size_t k = 0; k < SP_LEN(images); k++) {
		T_TRUE(t_ctl_patch(t, D, "", images[k]));
		t_ctl_run(t, 5 * SECOND);
	}
	/* That of the pods and that of the template are needed; one more would be kept. */
	T_TRUE(t_ctl_wait_count(t, SP_CONTROLLERREVISIONS, "default", "", 2));
	yyjson_val *v, *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
	sp_str one = t_ctl_text(yyjson_arr_get_first(pods), "metadata.name");
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", one.ptr, ""));
	T_TRUE(t_ctl_wait(t, D, "status.updatedNumberScheduled", "1"));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "3"));
	pods = t_ctl_list(t, SP_PODS, "default", "", &n);
	yyjson_arr_foreach(pods, i, max, v) n_new +=
		sp_str_eq(t_ctl_text(v, "spec.containers[0].image"), SP_STR("d"));
	T_EQ_U64(n_new, 1);
}

/* A kubelet that refuses every pod: it is tried again, less and less often. */
/* Two revisions of one template become one: the newest; pods of the other are relabelled, not replaced. */
SP_TEST(sim_daemon_set, one_revision_of_a_template)
{
	t_ctl *t = open_with_nodes();
	size_t n, i, max;
	yyjson_val *v;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DAEMONSETS, "default", BODY("one", "")));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "3"));
	yyjson_val *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
	sp_str uid = t_ctl_text(yyjson_arr_get_first(pods), "metadata.uid");
	yyjson_val *r = yyjson_arr_get_first(t_ctl_list(t, SP_CONTROLLERREVISIONS, "default", "", &n));
	SP_AUTO_BUF data;
	sp_buf_init(&data, 8192);
	T_OK(sp_json_write(&data, sp_view_at(r, "data")));
	sp_str set_uid = t_ctl_text(t_ctl_get(t, D), "metadata.uid");
	T_TRUE(t_ctl_create(
		t, SP_CONTROLLERREVISIONS, "default",
		sp_arena_printf(T_ARENA,
				"{\"metadata\":{\"name\":\"d-twin\",\"labels\":{\"app\":\"a\","
				"\"controller-revision-hash\":\"twin\"},\"ownerReferences\":[{\"apiVersion\":"
				"\"apps/v1\",\"kind\":\"DaemonSet\",\"name\":\"d\",\"uid\":\"" SP_FMT
				"\",\"controller\":true,\"blockOwnerDeletion\":true}]},\"data\":" SP_FMT
				",\"revision\":7}",
				SP_ARG(set_uid), SP_ARG(sp_buf_view(&data)))
			.ptr));
	T_TRUE(t_ctl_wait_gone(t, SP_CONTROLLERREVISIONS, "default", t_ctl_text(r, "metadata.name").ptr));
	T_TRUE(t_ctl_wait_count(t, SP_CONTROLLERREVISIONS, "default", "", 1));
	t_ctl_run(t, 5 * SECOND);
	pods = t_ctl_list(t, SP_PODS, "default", "", &n);
	T_EQ_U64(n, 3);
	T_EQ_STR(t_ctl_text(yyjson_arr_get_first(pods), "metadata.uid"), uid);
	yyjson_arr_foreach(pods, i, max, v) T_EQ_C(label(v, "controller-revision-hash"), "twin");
	T_TRUE(t_ctl_wait(t, D, "status.updatedNumberScheduled", "3"));
}

SP_TEST(sim_daemon_set, failed_pods_are_paced)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n, n_events = 0, i, max;
	yyjson_val *v;
	T_TRUE(!t_failed());
	t->phase = "Failed";
	T_TRUE(add_node(t, "a"));
	T_TRUE(t_ctl_create(t, SP_DAEMONSETS, "default", BODY("one", "")));
	t_ctl_run(t, 60 * SECOND);
	yyjson_val *events = t_ctl_list(t, SP_GVR("", "v1", "events"), "default", "", &n);
	yyjson_arr_foreach(events, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "reason"), SP_STR("FailedDaemonPod")))
			n_events++;
	}
	T_TRUE(n_events >= 4 && n_events <= 7); /* after 0, 1, 2, 4, 8, 16, 32 s */
	t->phase = NULL;
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "1"));
}

SP_TEST(sim_daemon_set, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	static const char *const names[] = {"a", "b", "c", "e"};
	o.faults.until_ns = 40 * SECOND;
	t_ctl *t = open_rig(&o);
	size_t n;
	T_TRUE(!t_failed());
	for (size_t i = 0; i < SP_LEN(names); i++) {
		sp_ask node = {
			.verb = SP_ASK_CREATE,
			.gvr = SP_NODES,
			.body = sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"%s\"}}", names[i])};
		do
			t_ask(&t->user, &node);
		while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
		sp_ask ready = {.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = sp_str_c(names[i]),
				.body = SP_STR("{\"spec\":{\"taints\":null}}")};
		do
			t_ask(&t->user, &ready);
		while (t->user.code != SP_OK && !t_failed());
	}
	sp_ask create = {.verb = SP_ASK_CREATE,
			 .gvr = SP_DAEMONSETS,
			 .ns = SP_STR("default"),
			 .body = SP_STR(BODY("one", ""))};
	do
		t_ask(&t->user, &create);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	t_ctl_run(t, 3 * SECOND);
	sp_ask change = {.verb = SP_ASK_MERGE_PATCH,
			 .gvr = SP_DAEMONSETS,
			 .ns = SP_STR("default"),
			 .name = SP_STR("d"),
			 .body = SP_STR(IMAGE("two"))};
	do
		t_ask(&t->user, &change);
	while (t->user.code != SP_OK && !t_failed());
	sp_sim_run_until(t->api.sim, 41 * SECOND);
	T_TRUE(t_ctl_wait(t, D, "status.updatedNumberScheduled", "4"));
	T_TRUE(t_ctl_wait(t, D, "status.numberAvailable", "4"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 4));
	(void)t_ctl_list(t, SP_CONTROLLERREVISIONS, "default", "", &n);
	T_TRUE(n == 1 || n == 2);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* StatefulSets against the API server, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "statefulset-controller"
#define S SP_STATEFULSETS, "default", "web"
#define POD(name) SP_PODS, "default", name
#define CLAIM(name) SP_PERSISTENTVOLUMECLAIMS, "default", name
#define TEMPLATE(image)                                                                                \
	"\"template\":{\"metadata\":{\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{\"name\":" \
	"\"c\",\"image\":\"" image "\"}]}}"
#define BODY(image, more)                                                                            \
	"{\"metadata\":{\"name\":\"web\",\"annotations\":{\"note\":\"x\"}},\"spec\":{\"selector\":{" \
	"\"matchLabels\":{\"app\":\"a\"}},\"serviceName\":\"svc\"," more                             \
	TEMPLATE(image) "}}"
#define IMAGE(image) \
	"{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"
#define CLAIMS                                                                                    \
	"\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{\"accessModes\":[" \
	"\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}],"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static sp_str label(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(sp_view_at(v, "metadata.labels"), sp_str_c(name)));
}

static sp_str pod_revision(t_ctl *t, const char *name)
{
	return label(t_ctl_get(t, SP_PODS, "default", name), "controller-revision-hash");
}

static bool is_ready(yyjson_val *pod)
{
	return t_ctl_text(pod, "metadata.deletionTimestamp").len == 0 &&
	       sp_str_eq(t_ctl_text(pod, "status.conditions[0].status"), SP_STR("True"));
}

SP_TEST(sim_stateful_set, makes_pods_with_an_identity)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_STATEFULSETS, "default",
			    BODY("one", "\"replicas\":3,\"ordinals\":{\"start\":2}," CLAIMS)));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "3"));
	T_TRUE(t_ctl_wait(t, S, "status.observedGeneration", "1"));
	yyjson_val *pod = t_ctl_get(t, POD("web-2"));
	T_EQ_C(label(pod, "statefulset.kubernetes.io/pod-name"), "web-2");
	T_EQ_C(label(pod, "apps.kubernetes.io/pod-index"), "2");
	T_EQ_C(t_ctl_text(pod, "spec.hostname"), "web-2");
	T_EQ_C(t_ctl_text(pod, "spec.subdomain"), "svc");
	T_EQ_C(t_ctl_text(pod, "metadata.generateName"), "web-");
	T_EQ_C(t_ctl_text(pod, "spec.volumes[0].name"), "data");
	T_EQ_C(t_ctl_text(pod, "spec.volumes[0].persistentVolumeClaim.claimName"), "data-web-2");
	yyjson_val *claim = t_ctl_get(t, CLAIM("data-web-4"));
	T_EQ_C(label(claim, "app"), "a");
	T_EQ_C(t_ctl_text(claim, "metadata.ownerReferences[0].name"), "");
	yyjson_val *v = t_ctl_get(t, S);
	sp_str revision = t_ctl_text(v, "status.currentRevision");
	T_EQ_STR(t_ctl_text(v, "status.updateRevision"), revision);
	T_EQ_STR(label(pod, "controller-revision-hash"), revision);
	T_EQ_C(t_ctl_text(v, "status.currentReplicas"), "3");
	T_EQ_C(t_ctl_text(v, "status.updatedReplicas"), "3");
	T_EQ_C(t_ctl_text(v, "status.collisionCount"), "0");
	yyjson_val *history = t_ctl_list(t, SP_CONTROLLERREVISIONS, "default", "", &n);
	T_EQ_U64(n, 1);
	yyjson_val *r = yyjson_arr_get_first(history);
	T_EQ_STR(t_ctl_text(r, "metadata.name"), revision);
	T_EQ_C(t_ctl_text(r, "revision"), "1");
	T_EQ_C(t_ctl_text(r, "metadata.annotations.note"), "x");
	T_EQ_STR(sp_str_sub(revision, 4, 100), label(r, "controller-revision-hash"));
	T_EQ_C(t_ctl_text(r, "data.spec.template.$patch"), "replace");
}

/* In order: a pod is there only while all before it are ready. */
SP_TEST(sim_stateful_set, goes_one_by_one)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	static const char *const names[] = {"web-0", "web-1", "web-2"};
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_STATEFULSETS, "default", BODY("one", "\"replicas\":3,")));
	for (unsigned step = 0; step < 100; step++) {
		size_t i, max, n;
		yyjson_val *v, *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
		bool ready[3] = {false}, there[3] = {false};
		yyjson_arr_foreach(pods, i, max, v)
		{
			for (size_t k = 0; k < 3; k++) {
				if (sp_str_eq(t_ctl_text(v, "metadata.name"), sp_str_c(names[k]))) {
					there[k] = true;
					ready[k] = is_ready(v);
				}
			}
		}
		T_TRUE(!there[1] || ready[0]);
		T_TRUE(!there[2] || ready[1]);
		t_ctl_run(t, SECOND / 20);
	}
	T_TRUE(t_ctl_wait(t, S, "status.readyReplicas", "3"));
	T_TRUE(t_ctl_patch(t, S, "scale", "{\"spec\":{\"replicas\":1}}"));
	T_TRUE(t_ctl_wait_gone(t, POD("web-2")));
	T_TRUE(t_ctl_wait_gone(t, POD("web-1")));
	T_TRUE(t_ctl_wait(t, S, "status.replicas", "1"));
	T_TRUE(is_ready(t_ctl_get(t, POD("web-0"))));
}

SP_TEST(sim_stateful_set, waits_for_what_is_not_ready)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	t->phase = "Pending";
	T_TRUE(t_ctl_create(t, SP_STATEFULSETS, "default", BODY("one", "\"replicas\":3,")));
	t_ctl_run(t, 5 * SECOND);
	(void)t_ctl_list(t, SP_PODS, "default", "", &n);
	T_EQ_U64(n, 1);
	T_TRUE(t_ctl_delete(t, SP_STATEFULSETS, "default", "web", "Orphan"));
	T_TRUE(t_ctl_create(
		t, SP_STATEFULSETS, "default",
		"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"a\"}},"
		"\"replicas\":4,\"serviceName\":\"s\",\"podManagementPolicy\":\"Parallel\"," TEMPLATE(
			"one") "}}"));
	T_TRUE(t_ctl_wait(t, SP_STATEFULSETS, "default", "p", "status.replicas", "4"));
}

SP_TEST(sim_stateful_set, rolls_out_and_back)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_STATEFULSETS, "default", BODY("one", "\"replicas\":3,")));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "3"));
	sp_str first = t_ctl_text(t_ctl_get(t, S), "status.currentRevision");
	T_TRUE(t_ctl_patch(t, S, "", IMAGE("two")));
	T_TRUE(t_ctl_wait(t, S, "status.observedGeneration", "2"));
	sp_str second = t_ctl_text(t_ctl_get(t, S), "status.updateRevision");
	T_TRUE(!sp_str_eq(first, second));
	for (unsigned step = 0; step < 200; step++) { /* from the top, one at a time */
		size_t n_ready = 0;
		static const char *const names[] = {"web-0", "web-1", "web-2"};
		bool is_new[3];
		for (size_t k = 0; k < 3; k++) {
			yyjson_val *pod = t_ctl_get(t, SP_PODS, "default", names[k]);
			n_ready += pod != NULL && is_ready(pod);
			is_new[k] = pod != NULL && sp_str_eq(label(pod, "controller-revision-hash"), second);
		}
		T_TRUE(n_ready >= 2);
		T_TRUE(!is_new[0] || is_new[1]);
		t_ctl_run(t, SECOND / 40);
	}
	T_TRUE(t_ctl_wait(t, S, "status.updatedReplicas", "3"));
	T_TRUE(t_ctl_wait(t, S, "status.currentRevision", second.ptr));
	T_TRUE(t_ctl_wait(t, S, "status.currentReplicas", "3"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, POD("web-0")), "spec.containers[0].image"), "two");

	T_TRUE(t_ctl_patch(t, S, "", IMAGE("one"))); /* back: the first revision is number 3 now */
	T_TRUE(t_ctl_wait(t, S, "status.currentRevision", first.ptr));
	T_EQ_C(t_ctl_text(t_ctl_get(t, SP_CONTROLLERREVISIONS, "default", first.ptr), "revision"), "3");
	(void)t_ctl_list(t, SP_CONTROLLERREVISIONS, "default", "", &n);
	T_EQ_U64(n, 2);
}

SP_TEST(sim_stateful_set, partition_keeps_the_lower)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_STATEFULSETS, "default",
		BODY("one", "\"replicas\":3,\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}},")));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "3"));
	sp_str first = t_ctl_text(t_ctl_get(t, S), "status.currentRevision");
	T_TRUE(t_ctl_patch(t, S, "", IMAGE("two")));
	T_TRUE(t_ctl_wait(t, S, "status.updatedReplicas", "1"));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "3"));
	sp_str second = t_ctl_text(t_ctl_get(t, S), "status.updateRevision");
	T_EQ_STR(pod_revision(t, "web-2"), second);
	T_TRUE(t_ctl_delete(t, POD("web-0"), "")); /* comes back from the old template */
	t_ctl_run(t, 3 * SECOND);
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "3"));
	T_EQ_STR(pod_revision(t, "web-0"), first);
	T_EQ_C(t_ctl_text(t_ctl_get(t, POD("web-0")), "spec.containers[0].image"), "one");
	T_EQ_C(t_ctl_text(t_ctl_get(t, S), "status.currentReplicas"), "2");
	T_TRUE(t_ctl_patch(t, S, "",
			   "{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}}}}"));
	T_TRUE(t_ctl_wait(t, S, "status.currentRevision", second.ptr));
}

SP_TEST(sim_stateful_set, on_delete_and_failed_pods)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_STATEFULSETS, "default",
			    BODY("one", "\"replicas\":2,\"updateStrategy\":{\"type\":\"OnDelete\"},")));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "2"));
	T_TRUE(t_ctl_patch(t, S, "", IMAGE("two")));
	T_TRUE(t_ctl_wait(t, S, "status.observedGeneration", "2"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, POD("web-1")), "spec.containers[0].image"), "one");
	T_TRUE(t_ctl_delete(t, POD("web-1"), ""));
	T_TRUE(t_ctl_wait(t, POD("web-1"), "spec.containers[0].image", "two"));
	T_TRUE(t_ctl_wait(t, S, "status.updatedReplicas", "1"));
	/* One that has failed is made anew. */
	sp_str uid = t_ctl_text(t_ctl_get(t, POD("web-0")), "metadata.uid");
	T_TRUE(t_ctl_patch(t, POD("web-0"), "status", "{\"status\":{\"phase\":\"Failed\"}}"));
	T_TRUE(t_ctl_wait(t, S, "status.updatedReplicas", "2"));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "2"));
	T_TRUE(!sp_str_eq(uid, t_ctl_text(t_ctl_get(t, POD("web-0")), "metadata.uid")));
}

SP_TEST(sim_stateful_set, claims_follow_the_policy)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_STATEFULSETS, "default",
		BODY("one",
		     "\"replicas\":2,\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"Delete\","
		     "\"whenScaled\":\"Delete\"}," CLAIMS)));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "2"));
	T_TRUE(t_ctl_wait(t, CLAIM("data-web-1"), "metadata.ownerReferences[0].kind", "StatefulSet"));
	T_TRUE(t_ctl_patch(t, S, "scale", "{\"spec\":{\"replicas\":1}}"));
	T_TRUE(t_ctl_wait(t, CLAIM("data-web-1"), "metadata.ownerReferences[0].kind", "Pod"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, CLAIM("data-web-1")), "metadata.ownerReferences[0].name"), "web-1");
	T_EQ_C(t_ctl_text(t_ctl_get(t, CLAIM("data-web-0")), "metadata.ownerReferences[0].kind"),
	       "StatefulSet");
	/* Without a garbage collector it stays; the claim of the pod that went is not for the next one of
	 * that name. */
	T_TRUE(t_ctl_patch(t, S, "scale", "{\"spec\":{\"replicas\":2}}"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(t_ctl_get(t, POD("web-1")) == NULL);
}

SP_TEST(sim_stateful_set, updates_with_claims)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_STATEFULSETS, "default", BODY("one", "\"replicas\":1," CLAIMS)));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "1"));
	sp_str uid = t_ctl_text(t_ctl_get(t, CLAIM("data-web-0")), "metadata.uid");
	T_TRUE(t_ctl_patch(t, S, "", IMAGE("two")));
	T_TRUE(t_ctl_wait(t, POD("web-0"), "spec.containers[0].image", "two"));
	T_TRUE(t_ctl_wait(t, S, "status.currentReplicas", "1"));
	T_EQ_STR(t_ctl_text(t_ctl_get(t, CLAIM("data-web-0")), "metadata.uid"), uid);
}

SP_TEST(sim_stateful_set, min_ready_and_history)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	static const char *const images[] = {IMAGE("b"), IMAGE("c"), IMAGE("d")};
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_STATEFULSETS, "default",
			    BODY("a", "\"replicas\":1,\"revisionHistoryLimit\":1,")));
	for (size_t i = 0; i < SP_LEN(images); i++) {
		T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "1"));
		T_TRUE(t_ctl_patch(t, S, "", images[i]));
		t_ctl_run(t, 5 * SECOND);
	}
	T_TRUE(t_ctl_wait_count(t, SP_CONTROLLERREVISIONS, "default", "", 2));
	(void)t_ctl_list(t, SP_PODS, "default", "", &n);
	T_EQ_U64(n, 1);
}

SP_TEST(sim_stateful_set, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 40 * SECOND;
	t_ctl *t = open_rig(&o);
	size_t n;
	T_TRUE(!t_failed());
	sp_ask create = {.verb = SP_ASK_CREATE,
			 .gvr = SP_STATEFULSETS,
			 .ns = SP_STR("default"),
			 .body = SP_STR(BODY("one", "\"replicas\":4," CLAIMS))};
	do
		t_ask(&t->user, &create);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	t_ctl_run(t, 5 * SECOND);
	sp_ask change = {.verb = SP_ASK_MERGE_PATCH,
			 .gvr = SP_STATEFULSETS,
			 .ns = SP_STR("default"),
			 .name = SP_STR("web"),
			 .body = SP_STR(IMAGE("two"))};
	do
		t_ask(&t->user, &change);
	while (t->user.code != SP_OK && !t_failed());
	sp_sim_run_until(t->api.sim, 41 * SECOND);
	T_TRUE(t_ctl_wait(t, S, "status.updatedReplicas", "4"));
	T_TRUE(t_ctl_wait(t, S, "status.availableReplicas", "4"));
	T_TRUE(t_ctl_wait(t, S, "status.currentReplicas", "4"));

	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 4));
	(void)t_ctl_list(t, SP_PERSISTENTVOLUMECLAIMS, "default", "", &n);
	T_EQ_U64(n, 4);
	(void)t_ctl_list(t, SP_CONTROLLERREVISIONS, "default", "", &n);
	T_TRUE(n == 1 || n == 2);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments over ReplicaSets against the API server, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "deployment-controller,replicaset-controller"
#define D SP_DEPLOYMENTS, "default", "d"
#define BODY(image, more)                                                                                   \
	"{\"metadata\":{\"name\":\"d\",\"annotations\":{\"note\":\"x\"}},\"spec\":{\"selector\":{"          \
	"\"matchLabels\":{\"app\":\"a\"}}," more "\"template\":{\"metadata\":{\"labels\":{\"app\":\"a\"}}," \
	"\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"
#define IMAGE(image) \
	"{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"" image "\"}]}}}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static sp_str condition(yyjson_val *v, const char *type, const char *field)
{
	yyjson_val *c;
	size_t i, n;
	yyjson_arr_foreach(sp_view_at(v, "status.conditions"), i, n, c)
	{
		if (sp_str_eq(t_ctl_text(c, "type"), sp_str_c(type)))
			return t_ctl_text(c, field);
	}
	return SP_STR("");
}

/* The set of that revision. */
static yyjson_val *set_of(t_ctl *t, const char *revision)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_REPLICASETS, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		yyjson_val *notes = sp_view_at(v, "metadata.annotations");
		sp_str r = sp_json_str(sp_json_last(notes, SP_STR("deployment.kubernetes.io/revision")));
		if (sp_str_eq(r, sp_str_c(revision)))
			return v;
	}
	return NULL;
}

SP_TEST(sim_deployment, rolls_out_and_back)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default", BODY("one", "\"replicas\":4,")));
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "4"));
	T_TRUE(t_ctl_wait(t, D, "status.observedGeneration", "1"));
	t_ctl_run(t, 5 * SECOND);
	yyjson_val *v = t_ctl_get(t, D);
	T_EQ_C(t_ctl_text(v, "status.updatedReplicas"), "4");
	T_EQ_C(t_ctl_text(v, "status.unavailableReplicas"), "");
	T_EQ_C(condition(v, "Available", "reason"), "MinimumReplicasAvailable");
	T_EQ_C(condition(v, "Progressing", "reason"), "NewReplicaSetAvailable");
	yyjson_val *first = set_of(t, "1");
	T_TRUE(first != NULL);
	sp_str name = t_ctl_text(first, "metadata.name");
	T_EQ_C(t_ctl_text(first, "metadata.annotations.note"), "x");
	T_TRUE(sp_str_starts(name, SP_STR("d-")));
	T_EQ_STR(sp_str_sub(name, 2, 100), sp_json_str(sp_json_last(sp_view_at(first, "metadata.labels"),
								    SP_STR("pod-template-hash"))));

	T_TRUE(t_ctl_patch(t, D, "", IMAGE("two")));
	T_TRUE(t_ctl_wait(t, D, "status.observedGeneration", "2"));
	T_TRUE(t_ctl_wait(t, D, "status.updatedReplicas", "4"));
	T_TRUE(t_ctl_wait(t, D, "status.replicas", "4"));
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "4"));
	yyjson_val *second = set_of(t, "2");
	T_TRUE(second != NULL);
	T_EQ_C(t_ctl_text(second, "spec.replicas"), "4");
	T_EQ_C(t_ctl_text(set_of(t, "1"), "spec.replicas"), "0");
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 4));

	T_TRUE(t_ctl_patch(t, D, "", IMAGE("one"))); /* back: the first set is revision 3 now */
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", name.ptr, "status.availableReplicas", "4"));
	t_ctl_run(t, 5 * SECOND);
	yyjson_val *third = set_of(t, "3");
	T_TRUE(third != NULL);
	T_EQ_STR(t_ctl_text(third, "metadata.name"), name);
	yyjson_val *notes = sp_view_at(third, "metadata.annotations");
	T_EQ_C(sp_json_str(sp_json_last(notes, SP_STR("deployment.kubernetes.io/revision-history"))), "1");
	v = t_ctl_get(t, D);
	T_EQ_C(sp_json_str(sp_json_last(sp_view_at(v, "metadata.annotations"),
					SP_STR("deployment.kubernetes.io/revision"))),
	       "3");
	(void)t_ctl_list(t, SP_REPLICASETS, "default", "", &n);
	T_EQ_U64(n, 2);
}

/* Pods that go and are still there are told of, by the set and by the deployment. */
SP_TEST(sim_deployment, pods_that_go_are_counted)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n, i, max;
	yyjson_val *v;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default", BODY("one", "\"replicas\":3,")));
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "3"));
	T_TRUE(t_ctl_wait(t, D, "status.terminatingReplicas", "0"));
	yyjson_val *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
	yyjson_arr_foreach(pods, i, max, v)
		T_TRUE(t_ctl_patch(t, SP_PODS, "default", t_ctl_text(v, "metadata.name").ptr, "",
				   "{\"metadata\":{\"finalizers\":[\"example.com/stay\"]}}"));
	T_TRUE(t_ctl_patch(t, D, "", "{\"spec\":{\"replicas\":1}}"));
	T_TRUE(t_ctl_wait(t, D, "status.terminatingReplicas", "2"));
	v = t_ctl_get(t, D);
	T_EQ_C(t_ctl_text(v, "status.replicas"), "1");
	v = yyjson_arr_get(t_ctl_list(t, SP_REPLICASETS, "default", "", &n), 0);
	T_EQ_C(t_ctl_text(v, "status.terminatingReplicas"), "2");
	T_EQ_C(t_ctl_text(v, "status.replicas"), "1");
	yyjson_arr_foreach(pods, i, max, v)
		T_TRUE(t_ctl_patch(t, SP_PODS, "default", t_ctl_text(v, "metadata.name").ptr, "",
				   "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_wait(t, D, "status.terminatingReplicas", "0"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 1));
}

/* A rolling update never has fewer or more pods than it may. */
SP_TEST(sim_deployment, keeps_its_bounds)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default",
			    BODY("one", "\"replicas\":10,\"strategy\":{\"rollingUpdate\":{\"maxSurge\":2,"
					"\"maxUnavailable\":\"25%\"}},")));
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "10"));
	T_TRUE(t_ctl_patch(t, D, "", IMAGE("two")));
	bool done = false;
	for (unsigned step = 0; step < 600 && !done; step++) {
		size_t n, i, max, n_ready = 0, n_active = 0;
		yyjson_val *v, *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
		yyjson_arr_foreach(pods, i, max, v)
		{
			if (t_ctl_text(v, "metadata.deletionTimestamp").len > 0)
				continue;
			n_active++;
			n_ready += sp_str_eq(t_ctl_text(v, "status.conditions[0].status"), SP_STR("True"));
		}
		T_TRUE(n_ready >= 8);
		T_TRUE(n_active <= 12);
		t_ctl_run(t, SECOND / 20);
		v = t_ctl_get(t, D);
		done = sp_str_eq(t_ctl_text(v, "status.updatedReplicas"), SP_STR("10")) &&
		       sp_str_eq(t_ctl_text(v, "status.replicas"), SP_STR("10")) &&
		       sp_str_eq(t_ctl_text(v, "status.observedGeneration"), SP_STR("2"));
	}
	T_TRUE(done);
}

SP_TEST(sim_deployment, recreate_waits_for_the_old)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default",
			    BODY("one", "\"replicas\":3,\"strategy\":{\"type\":\"Recreate\"},")));
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "3"));
	T_TRUE(t_ctl_patch(t, D, "", IMAGE("two")));
	bool done = false;
	for (unsigned step = 0; step < 600 && !done; step++) {
		size_t n, i, max, n_old = 0, n_new = 0;
		yyjson_val *v, *pods = t_ctl_list(t, SP_PODS, "default", "", &n);
		yyjson_arr_foreach(pods, i, max, v)
		{
			bool is_new = sp_str_eq(t_ctl_text(v, "spec.containers[0].image"), SP_STR("two"));
			n_new += is_new;
			n_old += !is_new;
		}
		T_TRUE(n_old == 0 || n_new == 0);
		t_ctl_run(t, SECOND / 20);
		done = n_new == 3;
	}
	T_TRUE(done);
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "3"));
}

SP_TEST(sim_deployment, scales_paused_in_proportion)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default",
			    BODY("one", "\"replicas\":10,\"strategy\":{\"rollingUpdate\":{\"maxSurge\":3,"
					"\"maxUnavailable\":2}},")));
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "10"));
	t->phase = "Pending"; /* new pods never get ready */
	T_TRUE(t_ctl_patch(t, D, "", IMAGE("two")));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(set_of(t, "1"), "spec.replicas"), "8");
	T_EQ_C(t_ctl_text(set_of(t, "2"), "spec.replicas"), "5");
	T_TRUE(t_ctl_patch(t, D, "", "{\"spec\":{\"replicas\":15}}"));
	t_ctl_run(t, 5 * SECOND); /* upstream's own example: 8 and 5 become 11 and 7 */
	T_EQ_C(t_ctl_text(set_of(t, "1"), "spec.replicas"), "11");
	T_EQ_C(t_ctl_text(set_of(t, "2"), "spec.replicas"), "7");
	T_TRUE(t_ctl_patch(t, D, "", "{\"spec\":{\"paused\":true}}"));
	t_ctl_run(t, 2 * SECOND);
	T_EQ_C(condition(t_ctl_get(t, D), "Progressing", "reason"), "DeploymentPaused");
	T_TRUE(t_ctl_patch(t, D, "", IMAGE("three"))); /* nothing moves */
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(set_of(t, "3") == NULL);
	T_TRUE(t_ctl_patch(t, D, "", "{\"spec\":{\"paused\":false}}"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(set_of(t, "3") != NULL);
}

SP_TEST(sim_deployment, tells_when_it_is_stuck)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	t->phase = "Pending";
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default",
			    BODY("one", "\"replicas\":2,\"progressDeadlineSeconds\":30,")));
	t_ctl_run(t, 20 * SECOND);
	yyjson_val *v = t_ctl_get(t, D);
	T_EQ_C(condition(v, "Progressing", "status"), "True");
	T_EQ_C(condition(v, "Available", "reason"), "MinimumReplicasUnavailable");
	t_ctl_run(t, 20 * SECOND);
	v = t_ctl_get(t, D);
	T_EQ_C(condition(v, "Progressing", "reason"), "ProgressDeadlineExceeded");
	T_EQ_C(condition(v, "Progressing", "status"), "False");
}

SP_TEST(sim_deployment, forgets_old_history)
{
	static const char *const images[] = {IMAGE("b"), IMAGE("c"), IMAGE("d"), IMAGE("e")};
	static const char *const generations[] = {"2", "3", "4", "5"};
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default",
			    BODY("a", "\"replicas\":1,\"revisionHistoryLimit\":2,")));
	for (size_t i = 0; i < SP_LEN(images); i++) {
		T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "1"));
		T_TRUE(t_ctl_patch(t, D, "", images[i]));
		T_TRUE(t_ctl_wait(t, D, "status.observedGeneration", generations[i]));
		t_ctl_run(t, 5 * SECOND);
	}
	T_TRUE(t_ctl_wait_count(t, SP_REPLICASETS, "default", "", 3));
	T_TRUE(set_of(t, "5") != NULL && set_of(t, "4") != NULL && set_of(t, "3") != NULL);
}

SP_TEST(sim_deployment, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 40 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	sp_ask create = {.verb = SP_ASK_CREATE,
			 .gvr = SP_DEPLOYMENTS,
			 .ns = SP_STR("default"),
			 .body = SP_STR(BODY("one", "\"replicas\":5,"))};
	do
		t_ask(&t->user, &create);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	t_ctl_run(t, 3 * SECOND);
	sp_ask change = {.verb = SP_ASK_MERGE_PATCH,
			 .gvr = SP_DEPLOYMENTS,
			 .ns = SP_STR("default"),
			 .name = SP_STR("d"),
			 .body = SP_STR(IMAGE("two"))};
	do
		t_ask(&t->user, &change);
	while (t->user.code != SP_OK && !t_failed());
	sp_sim_run_until(t->api.sim, 41 * SECOND);
	T_TRUE(t_ctl_wait(t, D, "status.updatedReplicas", "5"));
	T_TRUE(t_ctl_wait(t, D, "status.availableReplicas", "5"));
	T_TRUE(t_ctl_wait(t, D, "status.replicas", "5"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 5));
	size_t n;
	(void)t_ctl_list(t, SP_REPLICASETS, "default", "", &n);
	T_TRUE(n == 1 || n == 2); /* 1: the change came before the first was made */
}

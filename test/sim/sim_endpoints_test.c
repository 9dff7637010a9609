/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlices and Endpoints of services, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST \
	"endpointslice-controller,endpoints-controller,replicaset-controller,garbage-collector-controller"
#define EP(name) SP_ENDPOINTS, "default", name
#define SLICES SP_ENDPOINTSLICES, "default", "kubernetes.io/service-name=w"
#define SERVICE(more)                                                                                     \
	"{\"metadata\":{\"name\":\"w\",\"labels\":{\"l\":\"1\"}},\"spec\":{\"selector\":{\"app\":\"a\"}," \
	"\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":\"web\"}]" more "}}"
#define SET(n)                                                                                             \
	"{\"metadata\":{\"name\":\"s\"},\"spec\":{\"replicas\":" #n                                        \
	",\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":" \
	"\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"name\":\"web\","  \
	"\"containerPort\":8080}]}]}}}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

/* Endpoints of all slices of "w", those that are ready. */
static size_t count_ready(t_ctl *t, size_t *ret_slices)
{
	yyjson_val *v, *e, *slices = t_ctl_list(t, SLICES, ret_slices);
	size_t i, n, k, m, ready = 0;
	yyjson_arr_foreach(slices, i, n, v)
	{
		yyjson_arr_foreach(sp_view_at(v, "endpoints"), k, m, e) ready +=
			sp_str_eq(t_ctl_text(e, "conditions.ready"), SP_STR("true"));
	}
	return ready;
}

static bool wait_ready(t_ctl *t, size_t want)
{
	size_t n, got = 0;
	for (unsigned i = 0; i < 300; i++) {
		got = count_ready(t, &n);
		if (got == want)
			return true;
		t_ctl_run(t, SECOND / 5);
	}
	(void)t_fail(__FILE__, __LINE__, "%zu ready, not %zu", got, want);
	return false;
}

SP_TEST(sim_endpoints, follow_pods)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(t_ctl_wait_count(t, SLICES, 1)); /* an empty one says that there is nothing */
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(3)));
	T_TRUE(wait_ready(t, 3));
	yyjson_val *v = yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0);
	T_EQ_U64(n, 1);
	T_EQ_C(t_ctl_text(v, "addressType"), "IPv4");
	T_EQ_C(t_ctl_text(v, "metadata.generateName"), "w-");
	T_EQ_C(t_ctl_text(v, "metadata.labels.l"), "1");
	T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].name"), "w");
	T_EQ_C(t_ctl_text(v, "ports[0].port"), "8080");
	T_EQ_C(t_ctl_text(v, "ports[0].name"), "http");
	T_EQ_C(t_ctl_text(v, "endpoints[0].targetRef.kind"), "Pod");
	T_EQ_C(t_ctl_text(v, "endpoints[0].conditions.serving"), "true");
	yyjson_val *e = t_ctl_get(t, EP("w"));
	T_EQ_U64(yyjson_arr_size(sp_view_at(e, "subsets[0].addresses")), 3);
	T_EQ_C(t_ctl_text(e, "subsets[0].ports[0].port"), "8080");
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":1}}"));
	T_TRUE(wait_ready(t, 1));
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "",
			   "{\"metadata\":{\"labels\":{\"l\":null,\"m\":\"2\"}}}"));
	t_ctl_run(t, 3 * SECOND);
	v = yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0);
	T_EQ_C(t_ctl_text(v, "metadata.labels.l"), "");
	T_EQ_C(t_ctl_text(v, "metadata.labels.m"), "2");
	T_EQ_C(t_ctl_text(t_ctl_get(t, EP("w")), "metadata.labels.l"), "");
	T_TRUE(t_ctl_delete(t, SP_SERVICES, "default", "w", ""));
	T_TRUE(t_ctl_wait_count(t, SLICES, 0));
	T_TRUE(t_ctl_wait_gone(t, EP("w")));
}

SP_TEST(sim_endpoints, unready_pods)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	t->phase = "Running"; /* not ready */
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(2)));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_U64(count_ready(t, &n), 0);
	yyjson_val *v = yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0);
	T_EQ_U64(yyjson_arr_size(sp_view_at(v, "endpoints")), 2);
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, EP("w")), "subsets[0].notReadyAddresses")), 2);
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "",
			   "{\"spec\":{\"publishNotReadyAddresses\":true}}"));
	T_TRUE(wait_ready(t, 2));
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, EP("w")), "subsets[0].addresses")), 2);
}

/* 230 endpoints: three slices; what goes leaves its slice, what stays does not move. */
SP_TEST(sim_endpoints, many)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(230)));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.availableReplicas", "230"));
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(wait_ready(t, 230));
	T_TRUE(count_ready(t, &n) == 230 && n == 3);
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":150}}"));
	T_TRUE(wait_ready(t, 150));
	yyjson_val *v, *slices = t_ctl_list(t, SLICES, &n);
	size_t i, max;
	yyjson_arr_foreach(slices, i, max, v) T_TRUE(yyjson_arr_size(sp_view_at(v, "endpoints")) <= 100);
}

SP_TEST(sim_endpoints, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 30 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	const sp_ask asks[] = {
		{.verb = SP_ASK_CREATE,
		 .gvr = SP_SERVICES,
		 .ns = SP_STR("default"),
		 .body = SP_STR(SERVICE(""))},
		{.verb = SP_ASK_CREATE,
		 .gvr = SP_REPLICASETS,
		 .ns = SP_STR("default"),
		 .body = SP_STR(SET(20))},
	};
	for (size_t i = 0; i < SP_LEN(asks); i++) {
		do
			t_ask(&t->user, &asks[i]);
		while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	}
	sp_sim_run_until(t->api.sim, 31 * SECOND);
	T_TRUE(wait_ready(t, 20));
	t_ctl_run(t, 5 * SECOND);
	size_t n;
	/* Each once. Where a creation's answer was lost the rest went to a second slice, and what is there
	 * stays where it is, as upstream leaves it. */
	T_EQ_U64(count_ready(t, &n), 20);
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, EP("w")), "subsets[0].addresses")), 20);
}

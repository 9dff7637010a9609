/* SPDX-License-Identifier: Apache-2.0 */
/* Pods whose devices are tainted go, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "device-taint-eviction-controller,resourceclaim-controller"
#define CLAIMS SP_GVR("resource.k8s.io", "v1", "resourceclaims")
#define SLICES SP_GVR("resource.k8s.io", "v1", "resourceslices")
#define SLICE(name, generation, taints)                                                               \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"driver\":\"gpu.example.com\",\"pool\":{"   \
	"\"name\":\"p\",\"generation\":" generation ",\"resourceSliceCount\":1},\"nodeName\":\"n1\"," \
	"\"devices\":[{\"name\":\"other\",\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\"}]},{"   \
	"\"name\":\"d\",\"taints\":[" taints "]}]}}"
#define TAINT "{\"key\":\"broken\",\"value\":\"v\",\"effect\":\"NoExecute\"}"
#define CLAIM                                                                                               \
	"{\"metadata\":{\"name\":\"c\"},\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\",\"exactly\":{" \
	"\"deviceClassName\":\"gpu.example.com\"}}]}}}"
#define POD                                                                                           \
	"{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"resourceClaims\":[{\"name\":" \
	"\"x\",\"resourceClaimName\":\"c\"}],\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define ALLOCATION(tolerations)                                                                      \
	"{\"status\":{\"allocation\":{\"devices\":{\"results\":[{\"request\":\"r\",\"driver\":\"gpu" \
	".example.com\",\"pool\":\"p\",\"device\":\"d\",\"tolerations\":[" tolerations "]}]}}}}"

/* A running pod with the device d, whose claim tolerates what is told. */
static t_ctl *open_rig(const sp_sim_opts *o, const char *allocation)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	if (!t_ctl_open(t, o, LIST))
		return t;
	(void)(t_ctl_create(t, SLICES, "", SLICE("s", "1", "")) &&
	       t_ctl_create(t, CLAIMS, "default", CLAIM) &&
	       t_ctl_patch(t, CLAIMS, "default", "c", "status", allocation) &&
	       t_ctl_create(t, SP_PODS, "default", POD) &&
	       t_ctl_wait(t, SP_PODS, "default", "p", "status.phase", "Running") &&
	       t_ctl_wait(t, CLAIMS, "default", "c", "status.reservedFor[0].name", "p"));
	return t;
}

static bool taint(t_ctl *t, const char *taints)
{
	return t_ctl_patch(
		t, SLICES, "", "s", "",
		sp_arena_printf(
			T_ARENA,
			"{\"spec\":{\"devices\":[{\"name\":\"other\"},{\"name\":\"d\",\"taints\":[%s]}]}}",
			taints)
			.ptr);
}

static bool has_event(t_ctl *t, const char *message)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "reason"), SP_STR("DeviceTaintManagerEviction")) &&
		    sp_str_eq(t_ctl_text(v, "message"), sp_str_c(message)))
			return true;
	}
	return false;
}

/* The reason of a condition of the pod; empty: it has none. */
static sp_str reason_of(t_ctl *t, const char *type)
{
	yyjson_val *v, *all = sp_view_at(t_ctl_get(t, SP_PODS, "default", "p"), "status.conditions");
	size_t i, n;
	yyjson_arr_foreach(all, i, n, v)
	{
		if (sp_str_eq(t_ctl_text(v, "type"), sp_str_c(type)))
			return t_ctl_text(v, "reason");
	}
	return SP_STR("");
}

SP_TEST(sim_device_eviction, at_once)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()}, ALLOCATION(""));
	T_TRUE(!t_failed());
	t_ctl_run(t, 5 * SECOND); /* the taint of another device is nothing to it */
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", "p", "", "{\"metadata\":{\"finalizers\":[\"a/b\"]}}"));
	T_TRUE(taint(t, TAINT));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(reason_of(t, "DisruptionTarget"), "DeletionByDeviceTaintManager");
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", "p", "", "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "p"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "Marking for deletion"));
}

SP_TEST(sim_device_eviction, tolerated_for_a_while)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()},
			    ALLOCATION("{\"key\":\"broken\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","
				       "\"tolerationSeconds\":30}"));
	T_TRUE(!t_failed());
	T_TRUE(taint(t, TAINT));
	t_ctl_run(t, 20 * SECOND);
	T_TRUE(t_ctl_get(t, SP_PODS, "default", "p") != NULL);
	/* Repaired in time. */
	T_TRUE(taint(t, ""));
	t_ctl_run(t, 30 * SECOND);
	T_TRUE(t_ctl_get(t, SP_PODS, "default", "p") != NULL);
	T_TRUE(has_event(t, "Cancelling deletion"));
	T_TRUE(taint(t, TAINT));
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "p"));
}

SP_TEST(sim_device_eviction, tolerated_for_good)
{
	t_ctl *t =
		open_rig(&(sp_sim_opts){.seed = t_random()},
			 ALLOCATION("{\"key\":\"broken\",\"operator\":\"Equal\",\"value\":\"v\",\"effect\":"
				    "\"NoExecute\"}"));
	T_TRUE(!t_failed());
	T_TRUE(taint(t, TAINT ",{\"key\":\"x\",\"effect\":\"NoSchedule\"}"));
	t_ctl_run(t, 60 * SECOND);
	T_TRUE(t_ctl_get(t, SP_PODS, "default", "p") != NULL);
	T_TRUE(taint(t, "{\"key\":\"broken\",\"value\":\"w\",\"effect\":\"NoExecute\"}"));
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "p"));
}

SP_TEST(sim_device_eviction, newest_slices_count)
{
	t_ctl *t = open_rig(
		&(sp_sim_opts){.seed = t_random()},
		ALLOCATION("{\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":20}"));
	T_TRUE(!t_failed());
	T_TRUE(taint(t, TAINT));
	T_TRUE(t_ctl_create(t, SLICES, "", SLICE("next", "2", "")));
	t_ctl_run(t, 60 * SECOND);
	T_TRUE(t_ctl_get(t, SP_PODS, "default", "p") != NULL);
	T_TRUE(t_ctl_delete(t, SLICES, "", "next", ""));
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "p"));
}

/* ---- faults ---- */

/* Until the server has done it, however often the network fails. */
static void insist(t_ctl *t, const sp_ask *q)
{
	do
		t_ask(&t->user, q);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
}

SP_TEST(sim_device_eviction, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	const sp_str ns = SP_STR("default");
	o.faults.until_ns = 60 * SECOND;
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	T_TRUE(t_ctl_open(t, &o, LIST));
	insist(t, &(sp_ask){.verb = SP_ASK_CREATE, .gvr = SLICES, .body = SP_STR(SLICE("s", "1", TAINT))});
	insist(t, &(sp_ask){.verb = SP_ASK_CREATE, .gvr = CLAIMS, .ns = ns, .body = SP_STR(CLAIM)});
	insist(t, &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
			    .gvr = CLAIMS,
			    .ns = ns,
			    .name = SP_STR("c"),
			    .subresource = SP_STR("status"),
			    .body = SP_STR(ALLOCATION(""))});
	insist(t, &(sp_ask){.verb = SP_ASK_CREATE, .gvr = SP_PODS, .ns = ns, .body = SP_STR(POD)});
	t_ctl_run(t, 90 * SECOND);
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "p"));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "c", "status.reservedFor[0].name", ""));
}

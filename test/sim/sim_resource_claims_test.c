/* SPDX-License-Identifier: Apache-2.0 */
/* Claims on devices: made for pods, reserved, given back, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "resourceclaim-controller,garbage-collector-controller"
#define CLAIMS SP_GVR("resource.k8s.io", "v1", "resourceclaims")
#define TEMPLATES SP_GVR("resource.k8s.io", "v1", "resourceclaimtemplates")
#define REQUESTS                                                                                      \
	"\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\",\"exactly\":{\"deviceClassName\":\"gpu" \
	".example.com\"}}]}}"
#define TEMPLATE                                                                           \
	"{\"metadata\":{\"name\":\"t\"},\"spec\":{\"metadata\":{\"labels\":{\"a\":\"b\"}," \
	"\"annotations\":{\"x\":\"y\"}}," REQUESTS "}}"
#define CLAIM(name) "{\"metadata\":{\"name\":\"" name "\"}," REQUESTS "}"
#define POD(name, more, claims)                                                               \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{" more "\"resourceClaims\":[" claims \
	"],\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define FROM_TEMPLATE(name) "{\"name\":\"" name "\",\"resourceClaimTemplateName\":\"t\"}"
#define ON_NODE "\"nodeName\":\"n1\","

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

/* The name of the i-th claim that a pod's status tells. */
static const char *told(t_ctl *t, const char *pod, unsigned i)
{
	const char *path =
		sp_arena_printf(T_ARENA, "status.resourceClaimStatuses[%u].resourceClaimName", i).ptr;
	for (int k = 0; k < 300 && !t_failed(); k++) {
		sp_str name = t_ctl_text(t_ctl_get(t, SP_PODS, "default", pod), path);
		if (name.len > 0)
			return sp_arena_printf(T_ARENA, SP_FMT, SP_ARG(name)).ptr;
		t_ctl_run(t, SECOND / 5);
	}
	(void)t_fail(__FILE__, __LINE__, "pod %s is told no claim", pod);
	return "";
}

/* As the scheduler does: the finalizer, then where the devices are and for whom. */
static bool allocate(t_ctl *t, const char *claim, const char *pod)
{
	sp_str uid =
		pod == NULL ? SP_STR("") : t_ctl_text(t_ctl_get(t, SP_PODS, "default", pod), "metadata.uid");
	sp_str users = pod == NULL ? SP_STR("")
				   : sp_arena_printf(T_ARENA,
						     ",\"reservedFor\":[{\"resource\":\"pods\",\"name\":"
						     "\"%s\",\"uid\":\"" SP_FMT "\"}]",
						     pod, SP_ARG(uid));
	return t_ctl_patch(
		       t, CLAIMS, "default", claim, "",
		       "{\"metadata\":{\"finalizers\":[\"resource.kubernetes.io/delete-protection\"]}}") &&
	       t_ctl_patch(t, CLAIMS, "default", claim, "status",
			   sp_arena_printf(T_ARENA,
					   "{\"status\":{\"allocation\":{\"devices\":{\"results\":[{"
					   "\"request\":\"r\",\"driver\":\"gpu.example.com\",\"pool\":\"p\","
					   "\"device\":\"d\"}]}}" SP_FMT "}}",
					   SP_ARG(users))
				   .ptr);
}

SP_TEST(sim_resource_claims, made_from_templates)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, TEMPLATES, "default", TEMPLATE));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("p", "", FROM_TEMPLATE("one") "," FROM_TEMPLATE("two"))));
	const char *one = told(t, "p", 0), *two = told(t, "p", 1);
	T_TRUE(!t_failed());
	T_EQ_C(sp_str_sub(sp_str_c(one), 0, 6), "p-one-");
	T_EQ_C(sp_str_sub(sp_str_c(two), 0, 6), "p-two-");
	yyjson_val *v = t_ctl_get(t, CLAIMS, "default", one);
	T_EQ_C(t_ctl_text(v, "metadata.labels.a"), "b");
	T_EQ_C(t_ctl_text(v, "metadata.annotations.x"), "y");
	T_EQ_C(sp_json_str(sp_json_last(sp_view_at(v, "metadata.annotations"),
					SP_STR("resource.kubernetes.io/pod-claim-name"))),
	       "one");
	T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].kind"), "Pod");
	T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].controller"), "true");
	T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].blockOwnerDeletion"), "");
	T_EQ_C(t_ctl_text(v, "spec.devices.requests[0].exactly.deviceClassName"), "gpu.example.com");
	/* One that is deleted by mistake is made again; the other one stays told. */
	T_TRUE(t_ctl_delete(t, CLAIMS, "default", one, ""));
	t_ctl_run(t, 10 * SECOND);
	T_TRUE(t_ctl_wait_count(t, CLAIMS, "default", "", 2));
	const char *again = told(t, "p", 0);
	T_TRUE(!sp_str_eq(sp_str_c(again), sp_str_c(one)));
	T_EQ_C(sp_str_c(told(t, "p", 1)), two);
	/* They go with the pod. */
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "p", ""));
	T_TRUE(t_ctl_wait_count(t, CLAIMS, "default", "", 0));
}

SP_TEST(sim_resource_claims, long_names_are_cut_in_proportion)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, TEMPLATES, "default", TEMPLATE));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "",
				FROM_TEMPLATE("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"))));
	const char *name = told(t, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0);
	/* 60 and 38 letters of 100, of which 57 have room: 34 and 21. */
	T_EQ_C(sp_str_sub(sp_str_c(name), 0, 56), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbb");
}

/* An event about a pod with that reason and message. */
static bool has_event(t_ctl *t, const char *reason, const char *message)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "reason"), sp_str_c(reason)) &&
		    sp_str_eq(t_ctl_text(v, "message"), sp_str_c(message)) &&
		    sp_str_eq(t_ctl_text(v, "source.component"), SP_STR("resource_claim")))
			return true;
	}
	return false;
}

SP_TEST(sim_resource_claims, a_template_that_comes_late)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("p", "", FROM_TEMPLATE("one"))));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(has_event(t, "FailedResourceClaimCreation",
			 "PodResourceClaim one: resource claim template \"t\": "
			 "resourceclaimtemplate.resource.k8s.io \"t\" not found"));
	T_TRUE(t_ctl_create(t, TEMPLATES, "default", TEMPLATE));
	(void)told(t, "p", 0);
}

SP_TEST(sim_resource_claims, reserved_for_pods_on_nodes_and_given_back)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, CLAIMS, "default", CLAIM("shared")));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"n1\"}}"));
	T_TRUE(allocate(t, "shared", NULL));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("a", ON_NODE, "{\"name\":\"x\",\"resourceClaimName\":\"shared\"}")));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "shared", "status.reservedFor[0].name", "a"));
	T_TRUE(t_ctl_create(t, SP_PODS, "default",
			    POD("b", ON_NODE, "{\"name\":\"x\",\"resourceClaimName\":\"shared\"}")));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "shared", "status.reservedFor[1].name", "b"));
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "a", ""));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "shared", "status.reservedFor[0].name", "b"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, CLAIMS, "default", "shared"),
			  "status.allocation.devices.results[0].device"),
	       "d");
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", "b", "status", "{\"status\":{\"phase\":\"Succeeded\"}}"));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "shared", "status.reservedFor[0].name", ""));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "shared", "status.allocation.devices.results[0].device", ""));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "shared", "metadata.finalizers[0]", ""));
	T_TRUE(t_ctl_get(t, CLAIMS, "default", "shared") != NULL);
}

SP_TEST(sim_resource_claims, a_claim_of_a_pod_that_is_over_goes)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, TEMPLATES, "default", TEMPLATE));
	T_TRUE(t_ctl_create(t, SP_PODS, "default", POD("p", "", FROM_TEMPLATE("one"))));
	const char *claim = told(t, "p", 0);
	T_TRUE(allocate(t, claim, "p"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, CLAIMS, "default", claim), "status.reservedFor[0].name"), "p");
	T_TRUE(t_ctl_patch(t, SP_PODS, "default", "p", "status", "{\"status\":{\"phase\":\"Failed\"}}"));
	T_TRUE(t_ctl_wait_gone(t, CLAIMS, "default", claim));
	for (unsigned i = 0; i < 50; i++) { /* and is not made again */
		size_t n;
		(void)t_ctl_list(t, CLAIMS, "default", "", &n);
		T_EQ_U64(n, 0);
		t_ctl_run(t, SECOND / 10);
	}
	T_TRUE(t_ctl_get(t, SP_PODS, "default", "p") != NULL);
}

SP_TEST(sim_resource_claims, an_allocated_claim_that_nobody_uses_can_go)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, CLAIMS, "default", CLAIM("c")));
	T_TRUE(allocate(t, "c", NULL));
	t_ctl_run(t, 5 * SECOND); /* allocated and unused is no reason to take it */
	T_EQ_C(t_ctl_text(t_ctl_get(t, CLAIMS, "default", "c"),
			  "status.allocation.devices.results[0].device"),
	       "d");
	T_TRUE(t_ctl_delete(t, CLAIMS, "default", "c", ""));
	T_TRUE(t_ctl_wait_gone(t, CLAIMS, "default", "c"));
}

SP_TEST(sim_resource_claims, reservations_of_others_stay)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, CLAIMS, "default", CLAIM("c")));
	T_TRUE(allocate(t, "c", NULL));
	T_TRUE(t_ctl_patch(t, CLAIMS, "default", "c", "status",
			   "{\"status\":{\"reservedFor\":[{\"apiGroup\":\"example.com\",\"resource\":"
			   "\"things\",\"name\":\"x\",\"uid\":\"1\"},{\"resource\":\"pods\",\"name\":"
			   "\"never\",\"uid\":\"2\"}]}}"));
	T_TRUE(t_ctl_wait(t, CLAIMS, "default", "c", "status.reservedFor[1].name", ""));
	yyjson_val *v = t_ctl_get(t, CLAIMS, "default", "c");
	T_EQ_C(t_ctl_text(v, "status.reservedFor[0].name"), "x");
	T_EQ_C(t_ctl_text(v, "status.allocation.devices.results[0].device"), "d");
}

/* ---- faults ---- */

#define N_PODS 6u

/* Until the server has it, however often the network fails. */
static void insist(t_ctl *t, sp_gvr gvr, const char *json)
{
	do
		t_ask(&t->user, &(sp_ask){.verb = SP_ASK_CREATE,
					  .gvr = gvr,
					  .ns = SP_STR("default"),
					  .body = sp_str_c(json)});
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
}

SP_TEST(sim_resource_claims, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	char name[20];
	o.faults.until_ns = 40 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	insist(t, TEMPLATES, TEMPLATE);
	for (unsigned i = 0; i < N_PODS; i++) {
		(void)snprintf(name, sizeof name, "p%u", i);
		insist(t, SP_PODS,
		       sp_arena_printf(T_ARENA, POD("%s", "", FROM_TEMPLATE("one") "," FROM_TEMPLATE("two")),
				       name)
			       .ptr);
	}
	t_ctl_run(t, 90 * SECOND);
	for (unsigned i = 0; i < N_PODS; i++) {
		(void)snprintf(name, sizeof name, "p%u", i);
		for (unsigned k = 0; k < 2; k++) {
			yyjson_val *v = t_ctl_get(t, CLAIMS, "default", told(t, name, k));
			T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].name"), name);
		}
	}
	for (unsigned i = 0; i < N_PODS; i++) {
		(void)snprintf(name, sizeof name, "p%u", i);
		T_TRUE(t_ctl_delete(t, SP_PODS, "default", name, ""));
	}
	T_TRUE(t_ctl_wait_count(t, CLAIMS, "default", "", 0));
}

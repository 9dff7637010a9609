/* SPDX-License-Identifier: Apache-2.0 */
/* The status of admission policies: each generation is checked once, against built-in and custom kinds. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "validatingadmissionpolicy-status-controller"
#define POLICIES SP_GVR("admissionregistration.k8s.io", "v1", "validatingadmissionpolicies")
#define DEFINITIONS SP_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions")
#define SPEC(group, resource, expression)                                                     \
	"\"spec\":{\"matchConstraints\":{\"resourceRules\":[{\"apiGroups\":[\"" group         \
	"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"CREATE\"],\"resources\":[\"" resource \
	"\"]}]},\"validations\":[{\"expression\":\"" expression "\"}]}"
#define POLICY(group, resource, expression) \
	"{\"metadata\":{\"name\":\"p\"}," SPEC(group, resource, expression) "}"
#define WARNING "status.typeChecking.expressionWarnings[0].warning"
#define BOATS(n)                                                                                         \
	"{\"metadata\":{\"name\":\"boats." n "\"},\"spec\":{\"group\":\"" n                              \
	"\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"boats\",\"singular\":\"boat\",\"kind\":"    \
	"\"Boat\",\"listKind\":"                                                                         \
	"\"BoatList\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"     \
	"\"openAPIV3Schema\":{"                                                                          \
	"\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"length\":{" \
	"\"type\":"                                                                                      \
	"\"integer\"}}}}}}}]}}"

static t_ctl *open_rig(bool faults)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	if (!faults)
		t_no_faults();
	(void)t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, LIST);
	return t;
}

/* In spite of faults. */
static void create(t_ctl *t, sp_gvr gvr, const char *json)
{
	do
		t_ask(&t->user, &(sp_ask){.verb = SP_ASK_CREATE, .gvr = gvr, .body = sp_str_c(json)});
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
}

static bool is(t_ctl *t, const char *path, const char *want)
{
	return t_ctl_wait(t, POLICIES, "", "p", path, want);
}

SP_TEST(sim_policy_status, each_generation)
{
	t_ctl *t = open_rig(false);
	T_TRUE(!t_failed());
	create(t, POLICIES, POLICY("apps", "deployments", "object.spec.replicsa > 1"));
	T_TRUE(is(t, "status.observedGeneration", "1"));
	T_TRUE(is(t, "status.typeChecking.expressionWarnings[0].fieldRef", "spec.validations[0].expression"));
	T_TRUE(is(t, WARNING,
		  "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replicsa'\n"
		  " | object.spec.replicsa > 1\n"
		  " | ...........^\n"));
	/* Nothing is written twice. */
	sp_str before = t_ctl_text(t_ctl_get(t, POLICIES, "", "p"), "metadata.resourceVersion");
	t_ctl_run(t, 60 * SECOND);
	T_EQ_STR(t_ctl_text(t_ctl_get(t, POLICIES, "", "p"), "metadata.resourceVersion"), before);
	T_TRUE(t_ctl_patch(t, POLICIES, "", "p", "",
			   "{" SPEC("apps", "deployments", "object.spec.replicas > 1") "}"));
	T_TRUE(is(t, "status.observedGeneration", "2"));
	T_TRUE(is(t, WARNING, ""));
	/* That it was checked shows. */
	T_TRUE(sp_view_at(t_ctl_get(t, POLICIES, "", "p"), "status.typeChecking") != NULL);
}

SP_TEST(sim_policy_status, deleted_while_checked)
{
	t_ctl *t = open_rig(false);
	T_TRUE(!t_failed());
	create(t, POLICIES, POLICY("", "pods", "object.foo == 1"));
	T_TRUE(t_ctl_delete(t, POLICIES, "", "p", "Background"));
	t_ctl_run(t, 60 * SECOND);
	T_TRUE(t_ctl_get(t, POLICIES, "", "p") == NULL);
}

/* More definitions than a page has; the one that counts comes last. */
SP_TEST(sim_policy_status, custom_kinds)
{
	t_ctl *t = open_rig(true);
	T_TRUE(!t_failed());
	for (unsigned i = 0; i < 22; i++) {
		sp_str one = sp_arena_printf(T_ARENA, "%s", BOATS("harbor-00.example.com"));
		char *text = sp_arena_alloc(T_ARENA, one.len + 1);
		for (size_t k = 0; k <= one.len; k++) {
			bool tens = k > 8 && sp_str_eq(sp_str_sub(one, k - 7, k), SP_STR("harbor-"));
			bool ones = k > 8 && sp_str_eq(sp_str_sub(one, k - 8, k - 1), SP_STR("harbor-"));
			text[k] = tens ? (char)('0' + i / 10) : ones ? (char)('0' + i % 10) : one.ptr[k];
		}
		create(t, DEFINITIONS, text);
	}
	create(t, DEFINITIONS, BOATS("zz.example.com"));
	create(t, POLICIES,
	       POLICY("zz.example.com", "boats", "object.spec.length > 1 && object.spec.lenght == 'a'"));
	T_TRUE(is(t, "status.observedGeneration", "1"));
	T_TRUE(is(t, WARNING,
		  "zz.example.com/v1, Kind=Boat: ERROR: <input>:1:38: undefined field 'lenght'\n"
		  " | object.spec.length > 1 && object.spec.lenght == 'a'\n"
		  " | .....................................^\n"));
}

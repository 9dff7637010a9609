/* SPDX-License-Identifier: Apache-2.0 */
/* The garbage collector against the API server, in the simulator. */
#include "base/json_out.h"
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "garbage-collector-controller,replicaset-controller,deployment-controller"
#define MAP(name) SP_CONFIGMAPS, "default", name
#define DEPLOYMENT                                                                                        \
	"{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"app\":" \
	"\"a\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{"     \
	"\"name\":\"c\",\"image\":\"i\"}]}}}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	if (!t_failed())
		t_ctl_run(t, 5 * SECOND);
	return t;
}

static void make_deployment(t_ctl *t)
{
	T_TRUE(t_ctl_create(t, SP_DEPLOYMENTS, "default", DEPLOYMENT));
	T_TRUE(t_ctl_wait(t, SP_DEPLOYMENTS, "default", "d", "status.availableReplicas", "3"));
}

/* A config map; `owners` are pairs "name uid" of config maps, separated by commas. */
static sp_str make_map(t_ctl *t, const char *name, const char *owners, bool blocks)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4000);
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), sp_str_c(name));
	sp_jout_member_open(&j, SP_STR("ownerReferences"), '[');
	for (sp_str rest = sp_str_c(owners), one, owner; sp_str_cut(&rest, ',', &one);) {
		(void)sp_str_cut(&one, ' ', &owner);
		sp_jout_open(&j, '{');
		sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
		sp_jout_member_str(&j, SP_STR("kind"), SP_STR("ConfigMap"));
		sp_jout_member_str(&j, SP_STR("name"), owner);
		sp_jout_member_str(&j, SP_STR("uid"), one);
		sp_jout_member_bool(&j, SP_STR("blockOwnerDeletion"), blocks);
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (!t_ctl_create(t, SP_CONFIGMAPS, "default", out.ptr))
		return SP_STR("");
	return t_ctl_text(t_ctl_get(t, MAP(name)), "metadata.uid");
}

static const char *ref(const char *name, sp_str uid)
{
	return sp_arena_printf(T_ARENA, "%s " SP_FMT ",", name, SP_ARG(uid)).ptr;
}

SP_TEST(sim_garbage, background)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	make_deployment(t);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_delete(t, SP_DEPLOYMENTS, "default", "d", ""));
	T_TRUE(t_ctl_wait_count(t, SP_REPLICASETS, "default", "", 0));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 0));
}

SP_TEST(sim_garbage, foreground)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	make_deployment(t);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_delete(t, SP_DEPLOYMENTS, "default", "d", "Foreground"));
	bool gone = false;
	for (unsigned step = 0; step < 600 && !gone; step++) {
		size_t n_sets, n_pods;
		(void)t_ctl_list(t, SP_PODS, "default", "", &n_pods);
		(void)t_ctl_list(t, SP_REPLICASETS, "default", "", &n_sets);
		t_ask(&t->user,
		      &(sp_ask){.gvr = SP_DEPLOYMENTS, .ns = SP_STR("default"), .name = SP_STR("d")});
		gone = t->user.code == SP_ENOTFOUND;
		T_TRUE(!gone || n_sets == 0); /* it was there when these were counted, or they were none */
		T_TRUE(n_sets > 0 || n_pods == 0);
		t_ctl_run(t, SECOND / 20);
	}
	T_TRUE(gone);
}

SP_TEST(sim_garbage, orphans)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	make_deployment(t);
	T_TRUE(!t_failed());
	size_t n;
	T_TRUE(t_ctl_delete(t, SP_DEPLOYMENTS, "default", "d", "Orphan"));
	T_TRUE(t_ctl_wait_gone(t, SP_DEPLOYMENTS, "default", "d"));
	t_ctl_run(t, 10 * SECOND);
	yyjson_val *sets = t_ctl_list(t, SP_REPLICASETS, "default", "", &n);
	T_EQ_U64(n, 1);
	T_EQ_C(t_ctl_text(yyjson_arr_get(sets, 0), "metadata.ownerReferences[0].name"), "");
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 3));
}

SP_TEST(sim_garbage, another_owner_keeps_it)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	sp_str a = make_map(t, "a", "", false), b = make_map(t, "b", "", false);
	sp_str both = SP_CONCAT(T_ARENA, sp_str_c(ref("a", a)), sp_str_c(ref("b", b)));
	(void)make_map(t, "both", both.ptr, false);
	(void)make_map(t, "absent", ref("nobody", SP_STR("no-such-uid")), false);
	(void)make_map(t, "other-uid", ref("a", SP_STR("no-such-uid")), false);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_wait_gone(t, MAP("absent")));
	T_TRUE(t_ctl_wait_gone(t, MAP("other-uid")));
	T_TRUE(t_ctl_delete(t, MAP("a"), ""));
	t_ctl_run(t, 5 * SECOND);
	yyjson_val *v = t_ctl_get(t, MAP("both"));
	T_EQ_U64(yyjson_arr_size(sp_view_at(v, "metadata.ownerReferences")), 1);
	T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].name"), "b");
	T_TRUE(t_ctl_delete(t, MAP("b"), ""));
	T_TRUE(t_ctl_wait_gone(t, MAP("both")));
}

static void delete_circle(const char *policy)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	sp_str a = make_map(t, "a", "", false);
	sp_str b = make_map(t, "b", ref("a", a), true);
	sp_str c = make_map(t, "c", ref("b", b), true);
	T_TRUE(!t_failed());
	const char *patch =
		sp_arena_printf(
			T_ARENA,
			"{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
			"\"name\":\"c\",\"uid\":\"" SP_FMT "\",\"blockOwnerDeletion\":true}]}}",
			SP_ARG(c))
			.ptr;
	T_TRUE(t_ctl_patch(t, MAP("a"), "", patch));
	t_ctl_run(t, 3 * SECOND);
	T_TRUE(t_ctl_delete(t, MAP("b"), policy));
	T_TRUE(t_ctl_wait_gone(t, MAP("a")));
	T_TRUE(t_ctl_wait_gone(t, MAP("b")));
	T_TRUE(t_ctl_wait_gone(t, MAP("c")));
}

SP_TEST(sim_garbage, circles_go)
{
	delete_circle("Background");
}

SP_TEST(sim_garbage, circles_that_wait_go)
{
	delete_circle("Foreground");
}

/* An owner in another namespace counts as none, and that is told. */
SP_TEST(sim_garbage, owners_of_other_namespaces)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n, i, max;
	bool told = false;
	T_TRUE(!t_failed());
	sp_str uid = make_map(t, "owner", "", false);
	T_TRUE(t_ctl_create(t, SP_NAMESPACES, "", "{\"metadata\":{\"name\":\"other\"}}"));
	T_TRUE(t_ctl_create(
		t, SP_CONFIGMAPS, "other",
		sp_arena_printf(T_ARENA,
				"{\"metadata\":{\"name\":\"m\",\"ownerReferences\":[{\"apiVersion\":"
				"\"v1\",\"kind\":\"ConfigMap\",\"name\":\"owner\",\"uid\":\"" SP_FMT "\"}]}}",
				SP_ARG(uid))
			.ptr));
	T_TRUE(t_ctl_wait_gone(t, SP_CONFIGMAPS, "other", "m"));
	t_ctl_run(t, 2 * SECOND);
	sp_str want = sp_arena_printf(T_ARENA,
				      "ownerRef [v1/ConfigMap, namespace: other, name: owner, uid: " SP_FMT
				      "] does not exist in namespace \"other\"",
				      SP_ARG(uid));
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "other", "", &n);
	yyjson_arr_foreach(items, i, max, v) told =
		told || (sp_str_eq(t_ctl_text(v, "reason"), SP_STR("OwnerRefInvalidNamespace")) &&
			 sp_str_eq(t_ctl_text(v, "message"), want));
	T_TRUE(told);
	T_TRUE(t_ctl_get(t, MAP("owner")) != NULL);
}

SP_TEST(sim_garbage, follows_custom_kinds)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	const sp_gvr crds = SP_GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions");
	const sp_gvr things = SP_GVR("x.io", "v1", "things");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, crds, "",
		"{\"metadata\":{\"name\":\"things.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":"
		"\"Namespaced\",\"names\":{\"plural\":\"things\",\"kind\":\"Thing\"},\"versions\":[{"
		"\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
		"\"type\":\"object\"}}}]}}"));
	t_ctl_run(t, 5 * SECOND);
	sp_str a = make_map(t, "a", "", false);
	const char *body =
		sp_arena_printf(
			T_ARENA,
			"{\"apiVersion\":\"x.io/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"th\","
			"\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"a\","
			"\"uid\":\"" SP_FMT "\"}]}}",
			SP_ARG(a))
			.ptr;
	T_TRUE(t_ctl_create(t, things, "default", body));
	t_ctl_run(t, 3 * SECOND);
	T_TRUE(t_ctl_get(t, things, "default", "th") != NULL);
	T_TRUE(t_ctl_delete(t, MAP("a"), ""));
	T_TRUE(t_ctl_wait_gone(t, things, "default", "th"));
	T_TRUE(t_ctl_delete(t, crds, "", "things.x.io", ""));
	t_ctl_run(t, 10 * SECOND);
}

SP_TEST(sim_garbage, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 40 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	sp_ask create = {.verb = SP_ASK_CREATE,
			 .gvr = SP_DEPLOYMENTS,
			 .ns = SP_STR("default"),
			 .body = SP_STR(DEPLOYMENT)};
	do
		t_ask(&t->user, &create);
	while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	t_ctl_run(t, 10 * SECOND);
	sp_ask gone = {.verb = SP_ASK_DELETE,
		       .gvr = SP_DEPLOYMENTS,
		       .ns = SP_STR("default"),
		       .name = SP_STR("d"),
		       .body = SP_STR("{\"propagationPolicy\":\"Foreground\"}")};
	do
		t_ask(&t->user, &gone);
	while (t->user.code != SP_OK && t->user.code != SP_ENOTFOUND && !t_failed());
	sp_sim_run_until(t->api.sim, 41 * SECOND);
	T_TRUE(t_ctl_wait_gone(t, SP_DEPLOYMENTS, "default", "d"));
	T_TRUE(t_ctl_wait_count(t, SP_REPLICASETS, "default", "", 0));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 0));
}

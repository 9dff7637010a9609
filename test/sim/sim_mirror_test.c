/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints that somebody wrote, as EndpointSlices; cluster roles made of others. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST \
	"endpointslice-mirroring-controller,clusterrole-aggregation-controller,garbage-collector-controller"
#define SLICES SP_ENDPOINTSLICES, "default", "kubernetes.io/service-name=w"
#define ROLES SP_GVR("rbac.authorization.k8s.io", "v1", "clusterroles")

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static bool make_service(t_ctl *t)
{
	return t_ctl_create(t, SP_SERVICES, "default",
			    "{\"metadata\":{\"name\":\"w\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
}

/* Until the text of the first slice's value is that. */
static bool slice_is(t_ctl *t, const char *path, const char *want)
{
	sp_str is = {NULL, 0};
	for (int i = 0; i < 300 && !t_failed(); i++) {
		size_t n;
		is = t_ctl_text(yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0), path);
		if (sp_str_eq(is, sp_str_c(want)))
			return true;
		t_ctl_run(t, SECOND / 5);
	}
	(void)t_fail(__FILE__, __LINE__, "%s: '" SP_FMT "', not '%s'", path, SP_ARG(is), want);
	return false;
}

SP_TEST(sim_mirror, life)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(make_service(t));
	T_TRUE(t_ctl_create(t, SP_ENDPOINTS, "default",
			    "{\"metadata\":{\"name\":\"w\",\"labels\":{\"l\":\"1\"},\"annotations\":{\"a\":"
			    "\"b\"}},\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.2.3\"}],\"ports\":[{"
			    "\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}]}]}"));
	T_TRUE(slice_is(t, "endpoints[0].addresses[0]", "10.1.2.3"));
	T_TRUE(slice_is(t, "endpoints[0].conditions.ready", "true"));
	T_TRUE(slice_is(t, "addressType", "IPv4"));
	T_TRUE(slice_is(t, "ports[0].name", "http"));
	T_TRUE(slice_is(t, "metadata.labels.l", "1"));
	T_TRUE(slice_is(t, "metadata.annotations.a", "b"));
	T_TRUE(slice_is(t, "metadata.ownerReferences[0].kind", "Endpoints"));
	size_t n;
	sp_str name = t_ctl_text(yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0), "metadata.name");
	/* An address that changes is the same slice. */
	T_TRUE(t_ctl_patch(t, SP_ENDPOINTS, "default", "w", "",
			   "{\"subsets\":[{\"notReadyAddresses\":[{\"ip\":\"10.2.3.4\",\"nodeName\":\"n\"}],"
			   "\"ports\":[{\"name\":\"other\",\"port\":8080,\"protocol\":\"TCP\"}]}]}"));
	T_TRUE(slice_is(t, "endpoints[0].addresses[0]", "10.2.3.4"));
	T_TRUE(slice_is(t, "endpoints[0].conditions.ready", "false"));
	T_TRUE(slice_is(t, "endpoints[0].nodeName", "n"));
	T_TRUE(slice_is(t, "ports[0].port", "8080"));
	T_EQ_STR(t_ctl_text(yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0), "metadata.name"), name);
	T_EQ_U64(n, 1);
	T_TRUE(t_ctl_delete(t, SP_ENDPOINTS, "default", "w", ""));
	T_TRUE(t_ctl_wait_count(t, SLICES, 0));
}

SP_TEST(sim_mirror, ports_and_families)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(make_service(t));
	/* The first two subsets are one: the same addresses behind both ports. */
	T_TRUE(t_ctl_create(
		t, SP_ENDPOINTS, "default",
		"{\"metadata\":{\"name\":\"w\"},\"subsets\":[{\"addresses\":[{\"ip\":\"10.1.2.3\"}],"
		"\"ports\":[{\"name\":\"a\",\"port\":80}]},{\"addresses\":[{\"ip\":\"10.1.2.3\"}],\"ports\":"
		"[{\"name\":\"b\",\"port\":81}]},{\"addresses\":[{\"ip\":\"10.1.2.9\"},{\"ip\":"
		"\"2001:db8::1\"}],\"ports\":[{\"name\":\"c\",\"port\":82}]}]}"));
	T_TRUE(t_ctl_wait_count(t, SLICES, 3));
	size_t n, both = 0;
	yyjson_val *all = t_ctl_list(t, SLICES, &n);
	for (size_t i = 0; i < n; i++)
		both += yyjson_arr_size(sp_view_at(yyjson_arr_get(all, i), "ports")) == 2;
	T_EQ_U64(both, 1);
	/* A slice that somebody deletes comes again. */
	sp_str name = t_ctl_text(yyjson_arr_get(all, 0), "metadata.name");
	T_TRUE(t_ctl_delete(t, SP_ENDPOINTSLICES, "default", name.ptr, ""));
	T_TRUE(t_ctl_wait_count(t, SLICES, 3));
	t_ctl_run(t, 10 * SECOND);
	(void)t_ctl_list(t, SLICES, &n);
	T_EQ_U64(n, 3);
}

SP_TEST(sim_mirror, what_is_not_mirrored)
{
	static const char *const changes[] = {
		"{\"metadata\":{\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}}}",
		"{\"metadata\":{\"labels\":null,\"annotations\":{\"control-plane.alpha.kubernetes.io/"
		"leader\":\"x\"}}}",
	};
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_ENDPOINTS, "default",
			    "{\"metadata\":{\"name\":\"w\"},\"subsets\":[{\"addresses\":[{\"ip\":"
			    "\"10.1.2.3\"}],\"ports\":[{\"port\":80}]}]}"));
	t_ctl_run(t, 3 * SECOND);
	T_TRUE(t_ctl_wait_count(t, SLICES, 0)); /* no service */
	T_TRUE(make_service(t));
	T_TRUE(t_ctl_wait_count(t, SLICES, 1));
	for (size_t i = 0; i < SP_LEN(changes); i++) {
		T_TRUE(t_ctl_patch(t, SP_ENDPOINTS, "default", "w", "", changes[i]));
		T_TRUE(t_ctl_wait_count(t, SLICES, 0));
	}
	T_TRUE(t_ctl_patch(t, SP_ENDPOINTS, "default", "w", "", "{\"metadata\":{\"annotations\":null}}"));
	T_TRUE(t_ctl_wait_count(t, SLICES, 1));
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "", "{\"spec\":{\"selector\":{\"a\":\"b\"}}}"));
	T_TRUE(t_ctl_wait_count(t, SLICES, 0));
}

SP_TEST(sim_mirror, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 30 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	const sp_ask asks[] = {
		{.verb = SP_ASK_CREATE,
		 .gvr = SP_SERVICES,
		 .ns = SP_STR("default"),
		 .body = SP_STR("{\"metadata\":{\"name\":\"w\"},\"spec\":{\"ports\":[{\"port\":80}]}}")},
		{.verb = SP_ASK_CREATE,
		 .gvr = SP_ENDPOINTS,
		 .ns = SP_STR("default"),
		 .body = SP_STR("{\"metadata\":{\"name\":\"w\"},\"subsets\":[{\"addresses\":[{\"ip\":"
				"\"10.1.2.3\"}],\"ports\":[{\"port\":80}]}]}")}};
	for (size_t i = 0; i < SP_LEN(asks); i++) {
		do
			t_ask(&t->user, &asks[i]);
		while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	}
	sp_sim_run_until(t->api.sim, 31 * SECOND);
	T_TRUE(t_ctl_wait_count(t, SLICES, 1));
	t_ctl_run(t, 10 * SECOND);
	T_TRUE(t_ctl_wait_count(t, SLICES, 1));
}

#define PART(name, verb)                                                                                  \
	"{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"part\":\"yes\"}},\"rules\":[{\"apiGroups\":[" \
	"\"\"],\"resources\":[\"pods\"],\"verbs\":[\"" verb "\"]}]}"

SP_TEST(sim_roles, aggregated)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, ROLES, "",
		"{\"metadata\":{\"name\":\"whole\"},\"aggregationRule\":{\"clusterRoleSelectors\":"
		"[{\"matchLabels\":{\"part\":\"yes\"}}]}}"));
	T_TRUE(t_ctl_create(t, ROLES, "", PART("b", "get")));
	T_TRUE(t_ctl_wait(t, ROLES, "", "whole", "rules[0].verbs[0]", "get"));
	T_TRUE(t_ctl_create(t, ROLES, "", PART("a", "list")));
	T_TRUE(t_ctl_wait(t, ROLES, "", "whole", "rules[0].verbs[0]", "list"));
	T_TRUE(t_ctl_wait(t, ROLES, "", "whole", "rules[1].verbs[0]", "get"));
	/* The same rule twice is one. */
	T_TRUE(t_ctl_create(t, ROLES, "", PART("c", "get")));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(t_ctl_wait(t, ROLES, "", "whole", "rules[2].verbs[0]", ""));
	/* What somebody writes into it is undone. */
	T_TRUE(t_ctl_patch(t, ROLES, "", "whole", "", "{\"rules\":[]}"));
	T_TRUE(t_ctl_wait(t, ROLES, "", "whole", "rules[1].verbs[0]", "get"));
	T_TRUE(t_ctl_delete(t, ROLES, "", "a", ""));
	T_TRUE(t_ctl_wait(t, ROLES, "", "whole", "rules[0].verbs[0]", "get"));
}

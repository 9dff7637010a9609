/* SPDX-License-Identifier: Apache-2.0 */
/* What namespaces get and how they go, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST                                                                                       \
	"namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller," \
	"replicaset-controller"
#define ACCOUNT(ns) SP_SERVICEACCOUNTS, ns, "default"
#define ROOT_CA(ns) SP_CONFIGMAPS, ns, "kube-root-ca.crt"
#define NS_N SP_NAMESPACES, "", "n"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	t->config.root_ca_pem = SP_STR("PEM");
	(void)t_ctl_open(t, o, LIST);
	return t;
}

SP_TEST(sim_namespace, gets_its_objects)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_NAMESPACES, "", "{\"metadata\":{\"name\":\"n\"}}"));
	T_TRUE(t_ctl_wait(t, ACCOUNT("n"), "metadata.name", "default"));
	yyjson_val *v;
	t_ctl_run(t, 2 * SECOND);
	v = t_ctl_get(t, ROOT_CA("n"));
	T_EQ_C(sp_json_str(sp_json_last(sp_view_at(v, "data"), SP_STR("ca.crt"))), "PEM");
	T_EQ_C(sp_json_str(sp_json_last(sp_json_last(t_ctl_get(t, ROOT_CA("default")), SP_STR("data")),
					SP_STR("ca.crt"))),
	       "PEM");
	T_TRUE(t_ctl_delete(t, ACCOUNT("n"), ""));
	T_TRUE(t_ctl_wait(t, ACCOUNT("n"), "metadata.name", "default"));
	T_TRUE(t_ctl_delete(t, ROOT_CA("n"), ""));
	T_TRUE(t_ctl_wait(t, ROOT_CA("n"), "metadata.name", "kube-root-ca.crt"));
	T_TRUE(t_ctl_patch(t, ROOT_CA("n"), "", "{\"data\":{\"ca.crt\":\"other\"}}"));
	t_ctl_run(t, 2 * SECOND);
	v = t_ctl_get(t, ROOT_CA("n"));
	T_EQ_C(sp_json_str(sp_json_last(sp_view_at(v, "data"), SP_STR("ca.crt"))), "PEM");
}

static void fill(t_ctl *t)
{
	T_TRUE(t_ctl_create(t, SP_NAMESPACES, "", "{\"metadata\":{\"name\":\"n\"}}"));
	T_TRUE(t_ctl_wait(t, ACCOUNT("n"), "metadata.name", "default"));
	T_TRUE(t_ctl_create(t, SP_CONFIGMAPS, "n", "{\"metadata\":{\"name\":\"m\"}}"));
	T_TRUE(t_ctl_create(
		t, SP_REPLICASETS, "n",
		"{\"metadata\":{\"name\":\"s\"},\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{"
		"\"app\":\"a\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"a\"}},\"spec\":{"
		"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "n", "s", "status.availableReplicas", "3"));
}

SP_TEST(sim_namespace, goes_with_everything)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	fill(t);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_delete(t, NS_N, ""));
	T_TRUE(t_ctl_wait_gone(t, NS_N));
	(void)t_ctl_list(t, SP_PODS, "", "", &n);
	T_EQ_U64(n, 0);
	(void)t_ctl_list(t, SP_REPLICASETS, "", "", &n);
	T_EQ_U64(n, 0);
	T_TRUE(t_ctl_create(t, SP_NAMESPACES, "", "{\"metadata\":{\"name\":\"n\"}}"));
	T_TRUE(t_ctl_wait(t, ACCOUNT("n"), "metadata.name", "default"));
}

SP_TEST(sim_namespace, waits_for_finalizers)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	fill(t);
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_patch(t, SP_CONFIGMAPS, "n", "m", "", "{\"metadata\":{\"finalizers\":[\"x.io/f\"]}}"));
	T_TRUE(t_ctl_delete(t, NS_N, ""));
	t_ctl_run(t, 20 * SECOND);
	yyjson_val *v = t_ctl_get(t, NS_N), *c;
	T_EQ_C(t_ctl_text(v, "status.phase"), "Terminating");
	size_t i, n, seen = 0;
	yyjson_arr_foreach(sp_view_at(v, "status.conditions"), i, n, c)
	{
		sp_str type = t_ctl_text(c, "type");
		if (sp_str_eq(type, SP_STR("NamespaceContentRemaining"))) {
			seen++;
			T_EQ_C(t_ctl_text(c, "message"),
			       "Some resources are remaining: configmaps. has 1 resource instances");
		} else if (sp_str_eq(type, SP_STR("NamespaceFinalizersRemaining"))) {
			seen++;
			T_EQ_C(t_ctl_text(c, "message"),
			       "Some content in the namespace has finalizers remaining: "
			       "x.io/f in 1 resource instances");
		}
	}
	T_EQ_U64(n, 5);
	T_EQ_U64(seen, 2);
	T_TRUE(t_ctl_patch(t, SP_CONFIGMAPS, "n", "m", "", "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_wait_gone(t, NS_N));
}

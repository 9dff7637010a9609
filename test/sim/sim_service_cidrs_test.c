/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of services' addresses: they are told ready, and stay while addresses need them. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "service-cidr-controller"
#define ADDRESSES SP_GVR("networking.k8s.io", "v1", "ipaddresses")
#define RANGE(name, cidr) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"cidrs\":[\"" cidr "\"]}}"
#define ADDRESS(ip)                                                                                  \
	"{\"metadata\":{\"name\":\"" ip                                                              \
	"\",\"labels\":{\"ipaddress.kubernetes.io/managed-by\":\"ipallocator.k8s.io\",\"ipaddress."  \
	"kubernetes.io/ip-family\":\"IPv4\"}},\"spec\":{\"parentRef\":{\"group\":\"\",\"resource\":" \
	"\"services\",\"namespace\":\"default\",\"name\":\"s\"}}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

static bool is(t_ctl *t, const char *name, const char *status, const char *reason)
{
	return t_ctl_wait(t, SP_SERVICECIDRS, "", name, "status.conditions[0].status", status) &&
	       sp_str_eq(t_ctl_text(t_ctl_get(t, SP_SERVICECIDRS, "", name), "status.conditions[0].reason"),
			 sp_str_c(reason));
}

SP_TEST(sim_service_cidrs, ready_with_a_finalizer)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICECIDRS, "", RANGE("a", "10.90.0.0/24")));
	T_TRUE(is(t, "a", "True", ""));
	yyjson_val *v = t_ctl_get(t, SP_SERVICECIDRS, "", "a");
	T_EQ_C(t_ctl_text(v, "metadata.finalizers[0]"), "networking.k8s.io/service-cidr-finalizer");
	T_EQ_C(t_ctl_text(v, "status.conditions[0].message"), "Kubernetes Service CIDR is ready");
	/* Nobody needs it: it goes, but not at once. */
	T_TRUE(t_ctl_delete(t, SP_SERVICECIDRS, "", "a", ""));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(t_ctl_get(t, SP_SERVICECIDRS, "", "a") != NULL);
	T_TRUE(t_ctl_wait_gone(t, SP_SERVICECIDRS, "", "a"));
}

SP_TEST(sim_service_cidrs, stays_while_addresses_need_it)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICECIDRS, "", RANGE("a", "10.90.0.0/24")));
	T_TRUE(t_ctl_create(t, ADDRESSES, "", ADDRESS("10.90.0.7")));
	T_TRUE(is(t, "a", "True", ""));
	T_TRUE(t_ctl_delete(t, SP_SERVICECIDRS, "", "a", ""));
	T_TRUE(is(t, "a", "False", "Terminating"));
	T_EQ_C(t_ctl_text(t_ctl_get(t, SP_SERVICECIDRS, "", "a"), "status.conditions[0].message"),
	       "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new "
	       "ServiceCIDR");
	t_ctl_run(t, 30 * SECOND);
	T_TRUE(t_ctl_get(t, SP_SERVICECIDRS, "", "a") != NULL);
	T_TRUE(t_ctl_delete(t, ADDRESSES, "", "10.90.0.7", ""));
	T_TRUE(t_ctl_wait_gone(t, SP_SERVICECIDRS, "", "a"));
}

SP_TEST(sim_service_cidrs, another_range_takes_its_addresses)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICECIDRS, "", RANGE("a", "10.90.0.0/24")));
	T_TRUE(t_ctl_create(t, ADDRESSES, "", ADDRESS("10.90.0.7")));
	T_TRUE(t_ctl_create(t, ADDRESSES, "", ADDRESS("10.90.0.128")));
	T_TRUE(is(t, "a", "True", ""));
	T_TRUE(t_ctl_delete(t, SP_SERVICECIDRS, "", "a", ""));
	T_TRUE(is(t, "a", "False", "Terminating"));
	/* A half of it, whose broadcast and network addresses are nobody's, is not enough for both. */
	T_TRUE(t_ctl_create(t, SP_SERVICECIDRS, "", RANGE("half", "10.90.0.0/25")));
	T_TRUE(t_ctl_create(t, SP_SERVICECIDRS, "", RANGE("other", "10.90.0.128/25")));
	t_ctl_run(t, 30 * SECOND);
	T_TRUE(t_ctl_get(t, SP_SERVICECIDRS, "", "a") != NULL);
	T_TRUE(t_ctl_create(t, SP_SERVICECIDRS, "", RANGE("all", "10.90.0.0/16")));
	T_TRUE(t_ctl_wait_gone(t, SP_SERVICECIDRS, "", "a"));
}

SP_TEST(sim_service_cidrs, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 40 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	for (unsigned i = 0; i < 6; i++) {
		const char *json = sp_arena_printf(T_ARENA, RANGE("r%u", "10.9%u.0.0/24"), i, i).ptr;
		do
			t_ask(&t->user, &(sp_ask){.verb = SP_ASK_CREATE,
						  .gvr = SP_SERVICECIDRS,
						  .body = sp_str_c(json)});
		while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	}
	t_ctl_run(t, 60 * SECOND);
	T_TRUE(t_ctl_create(t, ADDRESSES, "", ADDRESS("10.90.0.7")));
	for (unsigned i = 0; i < 6; i++) {
		const char *name = sp_arena_printf(T_ARENA, "r%u", i).ptr;
		T_TRUE(is(t, name, "True", ""));
		T_TRUE(t_ctl_delete(t, SP_SERVICECIDRS, "", name, ""));
	}
	for (unsigned i = 1; i < 6; i++)
		T_TRUE(t_ctl_wait_gone(t, SP_SERVICECIDRS, "", sp_arena_printf(T_ARENA, "r%u", i).ptr));
	T_TRUE(is(t, "r0", "False", "Terminating"));
}

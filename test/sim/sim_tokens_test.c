/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of nodes that join, and what nodes get when they have: in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
/* id abcdef, secret 0123456789abcdef, for signing */
#define TOKEN(more)                                                                                        \
	"{\"metadata\":{\"name\":\"bootstrap-token-abcdef\"},\"type\":\"bootstrap.kubernetes.io/token\","  \
	"\"stringData\":{\"token-id\":\"abcdef\",\"token-secret\":\"0123456789abcdef\",\"usage-bootstrap-" \
	"signing\":\"true\"" more "}}"

/* HMAC of header and "hello" by another program. */
#define SIGNATURE                                    \
	"eyJhbGciOiJIUzI1NiIsImtpZCI6ImFiY2RlZiJ9.." \
	"MxsnbCjBaYzcbNIFa06F-wuF9LX26rhMlrL4zA1511s"

static t_ctl *open_rig(const char *list, const char *cidrs)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	t->config.cluster_cidrs = sp_str_c(cidrs);
	(void)t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, list);
	return t;
}

static sp_str signature(t_ctl *t)
{
	yyjson_val *data = sp_view_at(t_ctl_get(t, SP_CONFIGMAPS, "kube-public", "cluster-info"), "data");
	sp_str s = sp_json_str(sp_json_last(data, SP_STR("jws-kubeconfig-abcdef")));
	return s.ptr == NULL ? SP_STR("") : s;
}

SP_TEST(sim_tokens, sign_the_cluster)
{
	t_ctl *t = open_rig("bootstrap-signer-controller", "");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_CONFIGMAPS, "kube-public",
		"{\"metadata\":{\"name\":\"cluster-info\"},\"data\":{\"kubeconfig\":\"hello\"}}"));
	T_TRUE(t_ctl_create(t, SP_SECRETS, "kube-system", TOKEN("")));
	t_ctl_run(t, 2 * SECOND);
	T_EQ_C(signature(t), SIGNATURE);
	T_TRUE(t_ctl_delete(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef", ""));
	t_ctl_run(t, 2 * SECOND);
	T_EQ_C(signature(t), "");
}

SP_TEST(sim_tokens, expire)
{
	t_ctl *t = open_rig("token-cleaner-controller", "");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SECRETS, "kube-system", TOKEN("")));
	sp_str made = t_ctl_text(t_ctl_get(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef"),
				 "metadata.creationTimestamp");
	T_TRUE(made.len > 0);
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(t_ctl_get(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef") != NULL);
	sp_str patch =
		sp_arena_printf(T_ARENA, "{\"stringData\":{\"expiration\":\"" SP_FMT "\"}}", SP_ARG(made));
	T_TRUE(t_ctl_patch(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef", "", patch.ptr));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef"));
	/* What can't be read has passed. */
	T_TRUE(t_ctl_create(t, SP_SECRETS, "kube-system", TOKEN(",\"expiration\":\"soon\"")));
	T_TRUE(t_ctl_wait_gone(t, SP_SECRETS, "kube-system", "bootstrap-token-abcdef"));
}

/* Addresses of services are no pods'. */
SP_TEST(sim_ipam, services_are_spared)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	t->config.cluster_cidrs = SP_STR("10.1.0.0/22");
	t->config.service_cidrs = SP_STR("10.1.0.0/24,10.1.2.128/25");
	T_TRUE(t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, "node-ipam-controller"));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"a\"}}"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "a", "spec.podCIDR", "10.1.1.0/24"));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"b\"}}"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "b", "spec.podCIDR", "10.1.3.0/24"));
}

SP_TEST(sim_ipam, nodes_get_ranges)
{
	t_ctl *t = open_rig("node-ipam-controller,ttl-controller", "10.1.0.0/23, fd00::/63");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"a\"}}"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "a", "spec.podCIDR", "10.1.0.0/24"));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "a", "spec.podCIDRs[1]", "fd00::/64"));
	T_TRUE(t_ctl_create(t, SP_NODES, "",
			    "{\"metadata\":{\"name\":\"own\"},\"spec\":{\"podCIDR\":\"10.1.1.0/24\","
			    "\"podCIDRs\":[\"10.1.1.0/24\"]}}"));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"b\"}}"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "b", "spec.podCIDR", "")); /* there is no more */
	size_t n;
	yyjson_val *events = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	T_TRUE(n > 0);
	T_EQ_C(t_ctl_text(yyjson_arr_get(events, 0), "message"), "Node b status is now: CIDRNotAvailable");
	T_TRUE(t_ctl_delete(t, SP_NODES, "", "own", ""));
	T_TRUE(t_ctl_wait(t, SP_NODES, "", "b", "spec.podCIDR", "10.1.1.0/24"));
	yyjson_val *all = sp_view_at(t_ctl_get(t, SP_NODES, "", "b"), "metadata.annotations");
	T_EQ_C(sp_json_str(sp_json_last(all, SP_STR("node.alpha.kubernetes.io/ttl"))), "0");
}

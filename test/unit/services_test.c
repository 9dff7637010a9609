/* SPDX-License-Identifier: Apache-2.0 */
/* The service proxy's rules: from objects to nftables commands. */
#include "lib/t.h"
#include "network/services/rules.h"

#define NODE "n1"

static const char *const plain = "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\"},\"spec\":{\"type\":"
				 "\"ClusterIP\",\"clusterIPs\":"
				 "[\"10.96.0.10\"],\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\","
				 "\"port\":80,\"targetPort\":8080}]}}";

static sp_str slice(const char *endpoints)
{
	return sp_arena_printf(T_ARENA,
			       "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-1\"},\"addressType\":"
			       "\"IPv4\",\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":8080}],"
			       "\"endpoints\":[%s]}",
			       endpoints);
}

static const char ready_here[] =
	"{\"addresses\":[\"10.88.0.5\"],\"conditions\":{\"ready\":true},\"nodeName\":\"" NODE "\"}";
static const char ready_there[] =
	"{\"addresses\":[\"10.88.1.6\"],\"conditions\":{\"ready\":true},\"nodeName\":\"n2\"}";
static const char ending_here[] =
	"{\"addresses\":[\"10.88.0.7\"],\"conditions\":{\"ready\":false,\"serving\":"
	"true,\"terminating\":true},\"nodeName\":\"" NODE "\"}";
static const char broken_here[] = "{\"addresses\":[\"10.88.0.8\"],\"conditions\":{\"ready\":false},"
				  "\"nodeName\":\"" NODE "\"}";

static const net_place here = {.node = {NODE, sizeof NODE - 1}, .zone = {"z1", 2}};

static sp_code read_one(const char *service, const char *endpoints, net_service *ret)
{
	sp_str text = slice(endpoints);
	return net_service_read(T_ARENA, sp_str_c(service), &text, 1, NET_V4, &here, ret, T_ERR);
}

static sp_code rules_of(const char *service, const char *endpoints, net_rules *ret)
{
	net_service s = {0};
	SP_TRY(read_one(service, endpoints, &s));
	return net_rules_of(T_ARENA, &s, NET_V4, ret, T_ERR);
}

static sp_code diff(const net_rules *old, const net_rules *now, sp_str *ret)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	SP_TRY(net_rules_take(old, now, NET_V4, &out));
	SP_TRY(net_rules_put(old, now, NET_V4, &out));
	*ret = sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
	return ret->ptr == NULL && out.len > 0 ? SP_ENOMEM : SP_OK;
}

static bool has(sp_str text, const char *part)
{
	return sp_str_find(text, sp_str_c(part)) >= 0;
}

static const char *joined(const char *a, const char *b)
{
	return sp_arena_printf(T_ARENA, "%s,%s", a, b).ptr;
}

SP_TEST(services, backends_of_each_policy)
{
	const struct {
		const char *endpoints;
		size_t n_all, n_local;
		const char *first;
	} rows[] = {
		{"", 0, 0, NULL},
		{ready_here, 1, 1, "10.88.0.5"},
		{joined(ready_here, ready_there), 2, 1, "10.88.0.5"},
		{joined(ending_here, ready_there), 1, 1, "10.88.1.6"},
		{joined(broken_here, ending_here), 1, 1, "10.88.0.7"},
		{broken_here, 0, 0, NULL},
		{joined(ready_here, ready_here), 1, 1, "10.88.0.5"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("row %zu", i);
		net_service s = {0};
		T_OK(read_one(plain, rows[i].endpoints, &s));
		T_EQ_U64(s.n_ports, 1);
		T_EQ_U64(s.ports[0].all.n, rows[i].n_all);
		T_EQ_U64(s.ports[0].local.n, rows[i].n_local);
		if (rows[i].first != NULL)
			T_EQ_C(s.ports[0].all.at[0].ip, rows[i].first);
	}
}

#define HINTED(ip, ready, hints)                                       \
	"{\"addresses\":[\"" ip "\"],\"conditions\":{\"ready\":" ready \
	"},\"nodeName\":\"n2\",\"hints\":{" hints "}}"
#define ZONE(name) "\"forZones\":[{\"name\":\"" name "\"}]"
#define FOR(name) "\"forNodes\":[{\"name\":\"" name "\"}]"

SP_TEST(services, hints_say_whom_endpoints_are_for)
{
	static const struct {
		const char *endpoints, *all;
	} rows[] = {
		{HINTED("10.88.1.1", "true", ZONE("z1")) "," HINTED("10.88.1.2", "true", ZONE("z2")),
		 "10.88.1.1;"},
		/* none for our zone, one without a hint: all of them */
		{HINTED("10.88.1.1", "true", ZONE("z3")) "," HINTED("10.88.1.2", "true", ZONE("z2")),
		 "10.88.1.1;10.88.1.2;"},
		{HINTED("10.88.1.1", "true", ZONE("z1")) "," HINTED("10.88.1.2", "true", ""),
		 "10.88.1.1;10.88.1.2;"},
		/* those that are not ready have no say */
		{HINTED("10.88.1.1", "true", ZONE("z1")) "," HINTED("10.88.1.2", "false", ""), "10.88.1.1;"},
		{HINTED("10.88.1.1", "false", ZONE("z1")) "," HINTED("10.88.1.2", "true", ZONE("z2")),
		 "10.88.1.2;"},
		/* our node goes before our zone, when all have nodes */
		{HINTED("10.88.1.1", "true", ZONE("z1") "," FOR("n2")) "," HINTED("10.88.1.2", "true",
										  ZONE("z1") "," FOR(NODE)),
		 "10.88.1.2;"},
		{HINTED("10.88.1.1", "true", ZONE("z1") "," FOR("n2")) "," HINTED("10.88.1.2", "true",
										  ZONE("z2") "," FOR("n3")),
		 "10.88.1.1;"},
		{HINTED("10.88.1.1", "true", ZONE("z1") "," FOR(NODE)) "," HINTED("10.88.1.2", "true",
										  ZONE("z1")),
		 "10.88.1.1;10.88.1.2;"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		net_service s = {0};
		t_row("row %zu", i);
		sp_buf_init(&out, 1024);
		T_OK(read_one(plain, rows[i].endpoints, &s));
		for (size_t k = 0; k < s.ports[0].all.n; k++)
			(void)sp_buf_printf(&out, SP_FMT ";", SP_ARG(s.ports[0].all.at[k].ip));
		T_OK(sp_buf_code(&out));
		T_EQ_C(sp_buf_view(&out), rows[i].all);
	}
}

SP_TEST(services, flows_and_health_checks_know_other_endpoints)
{
	static const char udp[] =
		"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\"},\"spec\":{\"type\":\"LoadBalancer\","
		"\"clusterIPs\":[\"10.96.0.10\"],\"externalTrafficPolicy\":\"Local\",\"healthCheckNodePort\":"
		"32000,"
		"\"ports\":[{\"name\":\"http\",\"protocol\":\"UDP\",\"port\":80}]}}";
	sp_str text = sp_arena_printf(
		T_ARENA,
		"{\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"protocol\":\"UDP\","
		"\"port\":8080}],\"endpoints\":[%s,%s,%s]}",
		ready_here, ready_there, ending_here);
	net_service s = {0};
	T_OK(net_service_read(T_ARENA, sp_str_c(udp), &text, 1, NET_V4, &here, &s, T_ERR));
	T_EQ_U64(s.ports[0].all.n, 2);
	T_EQ_U64(s.ports[0].serving.n, 3);
	T_EQ_U64(s.n_local_ready, 1); /* not the one that ends */
	T_EQ_U64(s.health_port, 32000);
	/* Of TCP nobody asks; load balancers don't of a service for all nodes. */
	T_OK(read_one(plain, ready_here, &s));
	T_EQ_U64(s.ports[0].serving.n, 0);
	T_EQ_U64(s.health_port, 0);
}

SP_TEST(services, nothing_of_headless_external_and_other_families)
{
	static const char *const specs[] = {
		"{\"type\":\"ExternalName\",\"externalName\":\"x.y\",\"ports\":[{\"port\":80}]}",
		"{\"clusterIPs\":[\"None\"],\"ports\":[{\"port\":80}]}",
		"{\"clusterIPs\":[\"fd00::1\"],\"ports\":[{\"port\":80}]}",
	};
	for (size_t i = 0; i < SP_LEN(specs); i++) {
		t_row("row %zu", i);
		sp_str text =
			sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"a\"},\"spec\":%s}", specs[i]);
		net_rules r = {0};
		T_OK(rules_of(text.ptr, ready_here, &r));
		T_EQ_U64(r.n, 0);
	}
}

SP_TEST(services, from_nothing_to_two_endpoints_and_back)
{
	net_rules none = {0}, empty = {0}, one = {0}, two = {0};
	sp_str text = {NULL, 0};
	T_OK(rules_of(plain, "", &empty));
	T_OK(rules_of(plain, ready_here, &one));
	T_OK(rules_of(plain, joined(ready_here, ready_there), &two));
	T_OK(diff(&none, &empty, &text));
	T_EQ_C(text, "add element ip sampan-services cluster-ips { 10.96.0.10 }\n"
		     "add element ip sampan-services no-endpoint-services { 10.96.0.10 . tcp . 80 : "
		     "goto reject-chain }\n");
	T_OK(diff(&empty, &one, &text));
	T_TRUE(sp_str_starts(text,
			     SP_STR("delete element ip sampan-services no-endpoint-services { 10.96.0.10 . "
				    "tcp . 80 }\nadd chain ip sampan-services endpoint-")));
	T_TRUE(has(text, "ip saddr 10.88.0.5 jump mark-for-masquerade\n"));
	T_TRUE(has(text, "meta l4proto tcp dnat to 10.88.0.5:8080\n"));
	T_TRUE(has(text, "numgen random mod 1 vmap { 0 : goto endpoint-"));
	T_TRUE(has(text,
		   "add element ip sampan-services service-ips { 10.96.0.10 . tcp . 80 : goto service-"));
	/* One more endpoint: its chain, and the choice; no element changes. */
	T_OK(diff(&one, &two, &text));
	T_TRUE(has(text, "flush chain ip sampan-services service-"));
	T_TRUE(has(text, "numgen random mod 2 vmap { 0 : goto endpoint-"));
	T_TRUE(has(text, "dnat to 10.88.1.6:8080"));
	T_TRUE(!has(text, "element") && !has(text, "10.88.0.5"));
	T_OK(diff(&two, &two, &text));
	T_EQ_U64(text.len, 0);
	/* And away: elements first, then the chains, emptied before they go. */
	T_OK(diff(&two, &none, &text));
	T_TRUE(sp_str_starts(text, SP_STR("delete element ip sampan-services cluster-ips { 10.96.0.10 }\n"
					  "delete element ip sampan-services service-ips ")));
	T_TRUE(sp_str_find(text, SP_STR("flush chain")) < sp_str_find(text, SP_STR("delete chain")));
	T_TRUE(!has(text, "add "));
}

SP_TEST(services, policies_affinity_and_sources)
{
	static const char full[] =
		"{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web\"},\"spec\":{\"type\":\"LoadBalancer\","
		"\"clusterIPs\":[\"10.96.0.10\"],\"externalIPs\":[\"192.0.2.7\"],\"sessionAffinity\":"
		"\"ClientIP\","
		"\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":60}},\"externalTrafficPolicy\":"
		"\"Local\","
		"\"internalTrafficPolicy\":\"Local\",\"loadBalancerSourceRanges\":[\"198.51.100.0/"
		"24\"],\"ports\":["
		"{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,\"nodePort\":30080}]},\"status\":{"
		"\"loadBalancer\":{\"ingress\":[{\"ip\":\"203.0.113.9\"}]}}}";
	const net_rules none = {0};
	net_rules now = {0};
	sp_str text = {NULL, 0};
	T_OK(rules_of(full, joined(ready_here, ready_there), &now));
	T_OK(diff(&none, &now, &text));
	T_TRUE(has(text, "{ type ipv4_addr ; flags dynamic,timeout ; timeout 60s ; }"));
	T_TRUE(has(text, " update @affinity-"));
	T_TRUE(has(text, " ip saddr 198.51.100.0/24 goto external-"));
	T_TRUE(has(text, "service-ips { 10.96.0.10 . tcp . 80 : goto local-"));
	T_TRUE(has(text, "service-ips { 192.0.2.7 . tcp . 80 : goto firewall-"));
	T_TRUE(has(text, "service-ips { 203.0.113.9 . tcp . 80 : goto firewall-"));
	T_TRUE(has(text, "service-nodeports { tcp . 30080 : goto external-"));
	T_TRUE(has(text, "fib saddr type local jump mark-for-masquerade\n"));
	/* Nothing local: dropped, not sent elsewhere. */
	T_OK(rules_of(full, ready_there, &now));
	T_OK(diff(&none, &now, &text));
	T_TRUE(has(text, " drop\n"));
}

SP_TEST(services, one_that_this_node_serves_itself)
{
	static const char dns[] =
		"{\"metadata\":{\"namespace\":\"kube-system\",\"name\":\"kube-dns\"},\"spec\":{"
		"\"clusterIPs\":["
		"\"10.96.0.10\"],\"ports\":[{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\","
		"\"targetPort\":10053},"
		"{\"name\":\"other\",\"port\":80,\"protocol\":\"TCP\",\"targetPort\":\"web\"}]}}";
	sp_str slice_text;
	net_service s = {0};
	T_OK(net_service_here(T_ARENA, sp_str_c(dns), SP_STR("192.0.2.7"), &here, &slice_text, T_ERR));
	T_OK(net_service_read(T_ARENA, sp_str_c(dns), &slice_text, 1, NET_V4, &here, &s, T_ERR));
	T_EQ_U64(s.n_ports, 2);
	T_EQ_U64(s.ports[0].all.n, 1);
	T_EQ_C(s.ports[0].all.at[0].ip, "192.0.2.7");
	T_EQ_U64(s.ports[0].all.at[0].port, 10053);
	T_TRUE(s.ports[0].all.at[0].local);
	T_EQ_U64(s.ports[1].all.n, 0); /* a name: nobody knows whose */
}

SP_TEST(services, what_no_service_takes)
{
	static const char cidr[] = "{\"spec\":{\"cidrs\":[\"10.96.0.0/16\",\"fd00:96::/112\"]}}";
	const net_rules none = {0};
	net_strs cidrs = {0};
	net_rules before = {0}, now = {0};
	sp_str text = {NULL, 0};
	T_OK(net_rules_of_cidrs(T_ARENA, &cidrs, NET_V4, &before, T_ERR));
	T_OK(net_service_cidr_read(T_ARENA, sp_str_c(cidr), NET_V4, &cidrs, T_ERR));
	T_EQ_U64(cidrs.n, 1);
	T_OK(net_rules_of_cidrs(T_ARENA, &cidrs, NET_V4, &now, T_ERR));
	T_OK(diff(&none, &before, &text));
	T_EQ_C(text, "add chain ip sampan-services cluster-ips-check\n"
		     "add rule ip sampan-services cluster-ips-check ip daddr @cluster-ips reject\n");
	T_OK(diff(&before, &now, &text));
	T_EQ_C(text, "flush chain ip sampan-services cluster-ips-check\n"
		     "add rule ip sampan-services cluster-ips-check ip daddr @cluster-ips reject\n"
		     "add rule ip sampan-services cluster-ips-check ip daddr 10.96.0.0/16 drop\n");
}

SP_TEST(services, set_up_is_repeatable)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	T_OK(net_rules_setup(&out));
	T_TRUE(sp_str_starts(sp_buf_view(&out), SP_STR("add table ip sampan-services\ndelete table ip "
						       "sampan-services\nadd table ip sampan-services\n")));
	T_TRUE(has(sp_buf_view(&out),
		   "add map ip6 sampan-services service-ips { type ipv6_addr . inet_proto"));
	T_TRUE(!has(sp_buf_view(&out), "$"));
}

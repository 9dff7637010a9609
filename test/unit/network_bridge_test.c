/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of pods; the nftables program of host ports; attaching with a host that only writes down. */
#include "network/bridge.h"
#include "network/ipam.h"

#include "lib/t.h"

static sp_str text_of(const sp_ip *ip)
{
	char text[SP_IP_TEXT_BYTES];
	return sp_arena_try_dup(T_ARENA, (sp_str){text, sp_ip_print(text, ip)});
}

SP_TEST(network_ipam, addresses_are_given_once)
{
	SP_CLEANUP(network_ipam_done) network_ipam p = {.taken = NULL};
	sp_ip ip, gateway;
	T_OK(network_ipam_init(&p, SP_STR("10.1.0.0/29"), T_ERR));
	gateway = network_ipam_gateway(&p);
	T_EQ_STR(text_of(&gateway), SP_STR("10.1.0.1"));
	for (int i = 2; i < 7; i++) {
		char want[32];
		(void)snprintf(want, sizeof want, "10.1.0.%d", i);
		T_OK(network_ipam_take(&p, &ip, T_ERR));
		T_EQ_STR(text_of(&ip), sp_str_c(want));
	}
	T_EQ_U64(network_ipam_take(&p, &ip, T_ERR), SP_ETOOMANY);
	T_TRUE(sp_ip_parse(SP_STR("10.1.0.4"), &ip));
	T_EQ_U64(network_ipam_claim(&p, &ip, T_ERR), SP_ECONFLICT);
	network_ipam_release(&p, &ip);
	network_ipam_release(&p, &ip); /* harmless */
	T_OK(network_ipam_take(&p, &ip, T_ERR));
	T_EQ_STR(text_of(&ip), SP_STR("10.1.0.4"));
	T_EQ_U64(network_ipam_claim(&p, &gateway, T_ERR), SP_EINVAL);
	network_ipam_release(&p, &gateway);
	T_EQ_U64(network_ipam_take(&p, &ip, T_ERR), SP_ETOOMANY);
}

SP_TEST(network_ipam, an_address_rests_before_it_is_used_again)
{
	SP_CLEANUP(network_ipam_done) network_ipam p = {.taken = NULL};
	sp_ip first, second;
	T_OK(network_ipam_init(&p, SP_STR("fd00::/64"), T_ERR));
	T_OK(network_ipam_take(&p, &first, T_ERR));
	network_ipam_release(&p, &first);
	T_OK(network_ipam_take(&p, &second, T_ERR));
	T_EQ_STR(text_of(&first), SP_STR("fd00::2"));
	T_EQ_STR(text_of(&second), SP_STR("fd00::3"));
}

SP_TEST(network_ipam, bad_prefixes_are_refused)
{
	static const char *const texts[] = {"", "10.0.0.0", "10.0.0.0/31", "x/8", "::ffff:10.0.0.0/104"};
	for (size_t i = 0; i < SP_LEN(texts); i++) {
		SP_CLEANUP(network_ipam_done) network_ipam p = {.taken = NULL};
		T_EQ_U64(network_ipam_init(&p, sp_str_c(texts[i]), T_ERR), SP_EINVAL);
	}
}

/* ---- the bridge ---- */

typedef struct fake_host {
	sp_host base;
	sp_host_method methods[8];
	size_t n;
	char host_if[32], ruleset[4096];
	bool fails;
} fake_host;

static void fake_call(sp_host *h, sp_host_method m, const void *request, sp_host_call *c)
{
	fake_host *f = SP_CONTAINER_OF(h, fake_host, base);
	f->methods[f->n++] = m;
	if (m == SP_HOST_LINK_MAKE) {
		const sp_host_link_make *l = request;
		(void)snprintf(f->host_if, sizeof f->host_if, SP_FMT, SP_ARG(l->host_if));
	}
	if (m == SP_HOST_PORTS) {
		const sp_host_ports *p = request;
		(void)snprintf(f->ruleset, sizeof f->ruleset, SP_FMT, SP_ARG(p->ruleset));
	}
	sp_err err = {.code = SP_EIO, .msg = "no"};
	c->done(c, NULL, f->fails ? &err : NULL);
}

typedef struct outcome {
	sp_code code;
	char ip[32], host_if[32];
} outcome;

static void on_done(sp_pod_network_call *c, const sp_pod_attachment *a, const sp_err *err)
{
	outcome *o = c->arg;
	o->code = err == NULL ? SP_OK : err->code;
	if (a != NULL) {
		(void)snprintf(o->ip, sizeof o->ip, SP_FMT, SP_ARG(a->ips.at[0]));
		(void)snprintf(o->host_if, sizeof o->host_if, SP_FMT, SP_ARG(a->host_if));
	}
}

SP_TEST(network_bridge, a_pod_is_attached_and_detached)
{
	fake_host h = {.base = {.call = fake_call}};
	const network_bridge_opts opts = {.host = &h.base,
					  .bridge = SP_STR("b0"),
					  .if_prefix = SP_STR("t"),
					  .prefix = SP_STR("10.2.0.0/16")};
	sp_pod_network *n;
	outcome o = {.code = SP_EINTERNAL};
	sp_pod_network_call c = {.done = on_done, .arg = &o};
	sp_cri_port_mapping port = {.container_port = 80, .host_port = 8080};
	sp_cri_pod_sandbox_config config = {.hostname = {NULL, 0}};
	config.port_mappings.at = &port;
	config.port_mappings.n = 1;
	T_OK(network_bridge_new(NULL, &opts, &n, T_ERR));
	T_DEFER(network_bridge_free, n);
	n->attach(n, SP_STR("0123456789abcdef"), &config, &c);
	T_EQ_U64(o.code, SP_OK);
	T_EQ_STR(sp_str_c(o.ip), SP_STR("10.2.0.2"));
	T_EQ_STR(sp_str_c(o.host_if), SP_STR("t0123456789"));
	T_EQ_U64(h.n, 2);
	T_TRUE(strstr(h.ruleset, "tcp dport 8080 dnat to 10.2.0.2:80\n") != NULL);
	T_TRUE(strstr(h.ruleset, "ip saddr 10.2.0.0/16 ip daddr != 10.2.0.0/16 masquerade\n") != NULL);
	sp_str ip = sp_str_c(o.ip);
	sp_pod_attachment a = {.host_if = sp_str_c(o.host_if)};
	a.ips.at = &ip;
	a.ips.n = 1;
	T_EQ_U64(n->adopt(n, SP_STR("other"), &config, &a, T_ERR), SP_ECONFLICT);
	n->detach(n, SP_STR("0123456789abcdef"), &a, &c);
	T_EQ_U64(o.code, SP_OK);
	T_TRUE(strstr(h.ruleset, "8080") == NULL); /* the ports went with it */
	T_OK(n->adopt(n, SP_STR("other"), &config, &a, T_ERR));
}

/* The process before was killed after it had drawn the pod's ports and before it had written its address. */
/* Pods of other nodes are reached by their own addresses. */
SP_TEST(network_bridge, a_prefix_of_all_nodes)
{
	static const char *const bad[] = {"10.3.0.0/16", "10.2.0.0/17", "fd00::/8", "x"};
	SP_AUTO_BUF rules;
	sp_cidr own, all;
	sp_list ports;
	sp_pod_network *n = NULL;
	sp_buf_init(&rules, 4096);
	sp_list_init(&ports);
	T_TRUE(sp_cidr_parse(SP_STR("10.2.1.0/24"), &own) && sp_cidr_parse(SP_STR("10.2.0.0/16"), &all));
	network_ports_write(&rules, SP_STR("b0"), &own, &all, &ports);
	T_TRUE(sp_str_find(sp_buf_view(&rules),
			   SP_STR("ip saddr 10.2.1.0/24 ip daddr != 10.2.0.0/16 masquerade\n")) >= 0);
	network_bridge_opts opts = {
		.bridge = SP_STR("b0"), .if_prefix = SP_STR("t"), .prefix = SP_STR("10.2.0.0/16")};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		opts.cluster = sp_str_c(bad[i]);
		t_row("%zu", i);
		T_CODE(network_bridge_new(NULL, &opts, &n, T_ERR), SP_EINVAL);
	}
}

SP_TEST(network_bridge, rules_of_a_former_process_go)
{
	fake_host h = {.base = {.call = fake_call}};
	const network_bridge_opts opts = {.host = &h.base,
					  .bridge = SP_STR("b0"),
					  .if_prefix = SP_STR("t"),
					  .prefix = SP_STR("10.2.0.0/16")};
	sp_pod_network *n;
	outcome o = {.code = SP_EINTERNAL};
	sp_pod_network_call c = {.done = on_done, .arg = &o};
	const sp_pod_attachment none = {.host_if = {NULL, 0}};
	T_OK(network_bridge_new(NULL, &opts, &n, T_ERR));
	T_DEFER(network_bridge_free, n);
	n->detach(n, SP_STR("0123456789abcdef"), &none, &c);
	T_EQ_U64(o.code, SP_OK);
	T_EQ_U64(h.n, 2);
	T_EQ_U64(h.methods[1], SP_HOST_PORTS);
	T_TRUE(strstr(h.ruleset, "delete table ip sampan-b0") != NULL);
	n->detach(n, SP_STR("0123456789abcdef"), &none, &c);
	T_EQ_U64(h.n, 3); /* there is nothing more to draw */
}

SP_TEST(network_bridge, a_failed_attachment_takes_nothing)
{
	fake_host h = {.base = {.call = fake_call}, .fails = true};
	const network_bridge_opts opts = {.host = &h.base,
					  .bridge = SP_STR("b0"),
					  .if_prefix = SP_STR("t"),
					  .prefix = SP_STR("10.2.0.0/30")};
	sp_pod_network *n;
	outcome o = {.code = SP_OK};
	sp_pod_network_call c = {.done = on_done, .arg = &o};
	const sp_cri_pod_sandbox_config config = {.hostname = {NULL, 0}};
	T_OK(network_bridge_new(NULL, &opts, &n, T_ERR));
	T_DEFER(network_bridge_free, n);
	for (int i = 0; i < 4; i++) { /* there is one address only */
		n->attach(n, SP_STR("0123456789abcdef"), &config, &c);
		T_EQ_U64(o.code, SP_EIO);
	}
}

/* ---- a range that is told later ---- */

static sp_code attach_one(sp_pod_network *n, outcome *o, const char *id)
{
	sp_pod_network_call c = {.done = on_done, .arg = o};
	const sp_cri_pod_sandbox_config config = {.hostname = {NULL, 0}};
	n->attach(n, sp_str_c(id), &config, &c);
	return o->code;
}

static sp_pod_attachment attached(sp_str *ip)
{
	sp_pod_attachment a = {.host_if = SP_STR("t0123456789")};
	a.ips.at = ip;
	a.ips.n = 1;
	return a;
}

SP_TEST(network_bridge, no_pods_before_there_is_a_range)
{
	static const char *const bad[] = {"", "x", "10.3.0.0/24", "10.2.0.0/15", "10.2.0.0/31", "fd00::/64"};
	fake_host h = {.base = {.call = fake_call}};
	const network_bridge_opts opts = {.host = &h.base,
					  .bridge = SP_STR("b0"),
					  .if_prefix = SP_STR("t"),
					  .cluster = SP_STR("10.2.0.0/16")};
	const sp_cri_pod_sandbox_config config = {.hostname = {NULL, 0}};
	sp_pod_network *n;
	outcome o = {.code = SP_OK};
	sp_str ip = SP_STR("10.2.5.2"), other = SP_STR("10.2.9.9");
	sp_pod_attachment here = attached(&ip), there = attached(&other);
	T_OK(network_bridge_new(NULL, &opts, &n, T_ERR));
	T_DEFER(network_bridge_free, n);
	T_CODE(n->ready(n, T_ERR), SP_EUNAVAILABLE);
	T_CODE(attach_one(n, &o, "0123456789abcdef"), SP_EUNAVAILABLE);
	T_EQ_U64(h.n, 0);
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%s", bad[i]);
		T_CODE(n->set_range(n, sp_str_c(bad[i]), T_ERR), SP_EINVAL);
		T_CODE(n->ready(n, T_ERR), SP_EUNAVAILABLE);
	}
	/* Pods that were there before keep their addresses, as far as they are of the range. */
	T_OK(n->adopt(n, SP_STR("a"), &config, &here, T_ERR));
	T_OK(n->adopt(n, SP_STR("b"), &config, &there, T_ERR));
	T_TRUE(!n->is_stale(n, &there));
	T_OK(n->set_range(n, SP_STR("10.2.5.0/24"), T_ERR));
	T_OK(n->ready(n, T_ERR));
	T_TRUE(!n->is_stale(n, &here));
	T_TRUE(n->is_stale(n, &there));
	T_OK(attach_one(n, &o, "0123456789abcdef"));
	T_EQ_STR(sp_str_c(o.ip), SP_STR("10.2.5.3"));
	T_TRUE(strstr(h.ruleset, "ip saddr 10.2.5.0/24 ip daddr != 10.2.0.0/16 masquerade\n") != NULL);
}

SP_TEST(network_bridge, another_range)
{
	fake_host h = {.base = {.call = fake_call}};
	const network_bridge_opts opts = {.host = &h.base, .bridge = SP_STR("b0"), .if_prefix = SP_STR("t")};
	sp_pod_network *n;
	outcome o = {.code = SP_OK};
	sp_str ip = SP_STR("10.2.5.2");
	sp_pod_attachment first = attached(&ip);
	T_OK(network_bridge_new(NULL, &opts, &n, T_ERR));
	T_DEFER(network_bridge_free, n);
	T_OK(n->set_range(n, SP_STR("10.2.5.0/24"), T_ERR));
	T_OK(attach_one(n, &o, "0123456789abcdef"));
	/* The same again, a wider one: what is given stays given. */
	T_OK(n->set_range(n, SP_STR("10.2.5.0/24"), T_ERR));
	T_OK(n->set_range(n, SP_STR("10.2.4.0/22"), T_ERR));
	T_TRUE(!n->is_stale(n, &first));
	T_OK(attach_one(n, &o, "1123456789abcdef"));
	T_EQ_STR(sp_str_c(o.ip), SP_STR("10.2.4.2"));
	T_OK(n->set_range(n, SP_STR("10.2.5.0/24"), T_ERR));
	T_OK(attach_one(n, &o, "2123456789abcdef"));
	T_EQ_STR(sp_str_c(o.ip), SP_STR("10.2.5.3"));
	T_OK(n->set_range(n, SP_STR("10.9.0.0/24"), T_ERR));
	T_TRUE(n->is_stale(n, &first));
}

SP_TEST(network_bridge, a_range_of_its_own_stays)
{
	const network_bridge_opts opts = {
		.bridge = SP_STR("b0"), .if_prefix = SP_STR("t"), .prefix = SP_STR("10.2.0.0/16")};
	sp_str ip = SP_STR("10.9.0.2");
	sp_pod_attachment a = attached(&ip);
	sp_pod_network *n;
	T_OK(network_bridge_new(NULL, &opts, &n, T_ERR));
	T_DEFER(network_bridge_free, n);
	T_OK(n->ready(n, T_ERR));
	T_CODE(n->set_range(n, SP_STR("10.9.0.0/24"), T_ERR), SP_EUNSUPPORTED);
	T_TRUE(!n->is_stale(n, &a));
}

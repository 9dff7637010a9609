/* SPDX-License-Identifier: Apache-2.0 */
/* Which UDP flows the kernel must forget, and when it is looked. */
#include "lib/t.h"
#include "network/services/flows.h"

static net_strs strs(const char *const *at, size_t n)
{
	net_strs s = {sp_new(T_ARENA, sp_str, n + 1), n};
	for (size_t i = 0; i < n; i++)
		s.at[i] = sp_str_c(at[i]);
	return s;
}

static net_port *port(const char *protocol, uint16_t number, uint16_t node_port, const char *ip, uint16_t to)
{
	net_port *p = sp_new(T_ARENA, net_port, 1);
	*p = (net_port){.protocol = sp_str_c(protocol), .port = number, .node_port = node_port};
	if (ip != NULL) {
		p->serving = (net_backends){sp_new(T_ARENA, net_backend, 1), 1};
		p->serving.at[0] = (net_backend){.ip = sp_str_c(ip), .port = to};
	}
	return p;
}

static net_service service(const char *ip, const char *outside, net_port *p)
{
	return (net_service){.cluster_ips = strs(&ip, 1),
			     .outside_ips = strs(&outside, outside == NULL ? 0 : 1),
			     .ports = p,
			     .n_ports = 1};
}

static bool is_stale(const net_flows *f, const char *to, uint16_t to_port, const char *from,
		     uint16_t from_port)
{
	sp_flow flow = {.to_port = to_port, .from_port = from_port};
	return sp_ip_parse(sp_str_c(to), &flow.to) && sp_ip_parse(sp_str_c(from), &flow.from) &&
	       net_flows_is_stale(f, &flow);
}

static void flows_done(void *arg)
{
	net_flows_free(arg);
}

SP_TEST(network_flows, those_that_nobody_serves)
{
	net_flows *f = net_flows_new();
	T_DEFER(flows_done, f);
	const net_service dns = service("10.96.0.10", "192.0.2.7", port("udp", 53, 30053, "10.88.0.5", 5353)),
			  six = service("fd00:96::a", NULL, port("udp", 53, 0, "fd00:88::5", 5353)),
			  empty = service("10.96.0.11", NULL, port("udp", 53, 30054, NULL, 0));
	T_OK(net_flows_add(f, &empty, T_ERR));
	T_TRUE(net_flows_is_empty(f));
	T_OK(net_flows_add(f, &dns, T_ERR));
	T_OK(net_flows_add(f, &six, T_ERR));
	T_TRUE(!net_flows_is_empty(f));
	static const struct {
		const char *to;
		uint16_t to_port;
		const char *from;
		uint16_t from_port;
		bool stale;
	} rows[] = {
		{"10.96.0.10", 53, "10.88.0.5", 5353, false},
		{"10.96.0.10", 53, "10.88.0.6", 5353, true},   /* its endpoint is gone */
		{"10.96.0.10", 53, "10.88.0.5", 5354, true},   /* it is at another port now */
		{"10.96.0.10", 53, "10.96.0.10", 53, true},    /* from before there was a service */
		{"192.0.2.7", 53, "10.88.0.6", 5353, true},    /* an external address */
		{"192.0.2.7", 54, "10.88.0.6", 5353, false},   /* no port of it */
		{"192.0.2.9", 30053, "10.88.0.6", 5353, true}, /* the node port, at any address */
		{"192.0.2.9", 30053, "10.88.0.5", 5353, false},
		{"10.96.0.11", 53, "10.88.0.6", 5353, false}, /* a service without endpoints */
		{"192.0.2.9", 30054, "10.88.0.6", 5353, false},
		{"203.0.113.1", 53, "203.0.113.1", 53, false}, /* nothing to do with services */
		{"fd00:96::a", 53, "fd00:88::5", 5353, false},
		{"fd00:96::a", 53, "fd00:88::6", 5353, true},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("row %zu", i);
		T_TRUE(is_stale(f, rows[i].to, rows[i].to_port, rows[i].from, rows[i].from_port) ==
		       rows[i].stale);
	}
}

SP_TEST(network_flows, only_what_matters_to_them_is_a_change)
{
	const net_service none = {0}, empty = service("10.96.0.10", NULL, port("udp", 53, 0, NULL, 0)),
			  a = service("10.96.0.10", NULL, port("udp", 53, 0, "10.88.0.5", 5353)),
			  same = service("10.96.0.10", NULL, port("udp", 53, 0, "10.88.0.5", 5353)),
			  other = service("10.96.0.10", NULL, port("udp", 53, 0, "10.88.0.6", 5353)),
			  outside = service("10.96.0.10", "192.0.2.7", port("udp", 53, 0, "10.88.0.5", 5353)),
			  node = service("10.96.0.10", NULL, port("udp", 53, 30053, "10.88.0.5", 5353));
	T_TRUE(net_flows_alike(&none, &none));
	T_TRUE(net_flows_alike(&none, &empty));
	T_TRUE(net_flows_alike(&a, &same));
	const net_service *changes[] = {&none, &empty, &other, &outside, &node};
	for (size_t i = 0; i < SP_LEN(changes); i++) {
		t_row("row %zu", i);
		T_TRUE(!net_flows_alike(&a, changes[i]));
		T_TRUE(!net_flows_alike(changes[i], &a));
	}
}

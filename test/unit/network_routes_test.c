/* SPDX-License-Identifier: Apache-2.0 */
/* Routes to the pods of other nodes: what a node's object gives, and which the kernel is asked for. */
#include "lib/t.h"
#include "network/routes/routes.h"

#define NODE(cidrs, addresses) "{\"spec\":{" cidrs "},\"status\":{\"addresses\":[" addresses "]}}"
#define IP(ip) "{\"type\":\"InternalIP\",\"address\":\"" ip "\"}"

SP_TEST(network_routes, of_a_node)
{
	static const struct {
		const char *node, *routes;
	} rows[] = {
		{NODE("\"podCIDR\":\"10.1.2.0/24\"", IP("192.0.2.7")), "10.1.2.0/24 via 192.0.2.7;"},
		{NODE("\"podCIDR\":\"10.1.2.0/24\",\"podCIDRs\":[\"10.1.2.0/24\",\"fd00:1::/64\"]",
		      IP("192.0.2.7") "," IP("2001:db8::7")),
		 "10.1.2.0/24 via 192.0.2.7;fd00:1::/64 via 2001:db8::7;"},
		{NODE("\"podCIDRs\":[\"10.1.2.9/24\"]",
		      "{\"type\":\"Hostname\",\"address\":\"n\"}," IP("192.0.2.7")),
		 "10.1.2.0/24 via 192.0.2.7;"},
		/* nothing to go by */
		{NODE("\"podCIDR\":\"10.1.2.0/24\"", ""), ""},
		{NODE("\"podCIDR\":\"fd00::/64\"", IP("192.0.2.7")), ""},
		{NODE("", IP("192.0.2.7")), ""},
		{"{}", ""},
		{"[", ""},
		/* what would take more than pods' addresses */
		{NODE("\"podCIDR\":\"0.0.0.0/0\"", IP("192.0.2.7")), ""},
		{NODE("\"podCIDR\":\"10.0.0.0/7\"", IP("192.0.2.7")), ""},
		{NODE("\"podCIDR\":\"192.0.2.0/24\"", IP("192.0.2.7")), ""},
		{NODE("\"podCIDR\":\"127.0.0.0/8\"", IP("192.0.2.7")), ""},
		{NODE("\"podCIDR\":\"169.254.0.0/16\"", IP("192.0.2.7")), ""},
		{NODE("\"podCIDR\":\"10.1.2.0/24\"", IP("127.0.0.1")), ""},
		{NODE("\"podCIDR\":\"10.1.2.0/24\"", IP("0.0.0.0")), ""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		net_route at[NET_ROUTES_OF_NODE_MAX];
		SP_AUTO_BUF out;
		sp_buf_init(&out, 4096);
		size_t n = net_routes_of(sp_str_c(rows[i].node), at);
		for (size_t k = 0; k < n; k++) {
			char to[SP_IP_TEXT_BYTES], via[SP_IP_TEXT_BYTES];
			int n_to = (int)sp_cidr_print(to, &at[k].to),
			    n_via = (int)sp_ip_print(via, &at[k].via);
			T_OK(sp_buf_printf(&out, "%.*s via %.*s;", n_to, to, n_via, via));
		}
		t_row("%zu", i);
		T_EQ_C(sp_buf_view(&out), rows[i].routes);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "network/bridge.h"

static const char *const protocols[] = {[SP_CRI_TCP] = "tcp", [SP_CRI_UDP] = "udp", [SP_CRI_SCTP] = "sctp"};

static void put_ip(sp_buf *out, const sp_ip *ip)
{
	char text[SP_IP_TEXT_BYTES];
	sp_buf_append(out, text, sp_ip_print(text, ip));
}

static void put_port(sp_buf *out, const network_port *p)
{
	const char *family = p->pod.v4 ? "ip" : "ip6";
	sp_buf_str(out, SP_STR("    "));
	if (!sp_ip_is_unspecified(&p->host)) {
		sp_buf_printf(out, "%s daddr ", family);
		put_ip(out, &p->host);
		sp_buf_char(out, ' ');
	} else {
		sp_buf_str(out, SP_STR("fib daddr type local "));
	}
	sp_buf_printf(out, "%s dport %u dnat to ", protocols[p->protocol], p->host_port);
	if (!p->pod.v4)
		sp_buf_char(out, '[');
	put_ip(out, &p->pod);
	sp_buf_printf(out, "%s:%u\n", p->pod.v4 ? "" : "]", p->pod_port);
}

static void put_chain(sp_buf *out, const char *name, const char *hook, const char *priority, sp_list *ports)
{
	sp_buf_printf(out, "  chain %s {\n    type nat hook %s priority %s;\n", name, hook, priority);
	SP_LIST_FOREACH (n, ports)
		put_port(out, SP_CONTAINER_OF(n, network_port, node));
	sp_buf_str(out, SP_STR("  }\n"));
}

void network_ports_write(sp_buf *out, sp_str bridge, const sp_cidr *pods, const sp_cidr *cluster,
			 sp_list *ports)
{
	char prefix[SP_IP_TEXT_BYTES], all[SP_IP_TEXT_BYTES];
	int n_all = (int)sp_cidr_print(all, cluster);
	size_t n = sp_cidr_print(prefix, pods);
	const char *family = pods->ip.v4 ? "ip" : "ip6";
	/* Made first so that deleting cannot fail: libnftables runs all of it as one transaction. */
	sp_buf_printf(out, "table %s sampan-" SP_FMT " {}\ndelete table %s sampan-" SP_FMT "\n", family,
		      SP_ARG(bridge), family, SP_ARG(bridge));
	sp_buf_printf(out, "table %s sampan-" SP_FMT " {\n", family, SP_ARG(bridge));
	put_chain(out, "arriving", "prerouting", "-100", ports);
	put_chain(out, "local", "output", "-100", ports);
	sp_buf_printf(out,
		      "  chain leaving {\n    type nat hook postrouting priority 100;\n"
		      "    %s saddr %.*s %s daddr != %.*s masquerade\n",
		      family, (int)n, prefix, family, n_all, all);
	/* A pod that reaches itself through a host port, and the node through its loopback, would get answers
	 * from an address they did not ask. */
	sp_buf_printf(out, "    %s daddr %.*s ct status dnat %s saddr %.*s masquerade\n", family, (int)n,
		      prefix, family, (int)n, prefix);
	if (pods->ip.v4) {
		sp_buf_printf(out, "    ip saddr 127.0.0.0/8 ip daddr %.*s masquerade\n", (int)n, prefix);
		/* Host ports at the node's loopback need route_localnet; pods must not reach it for that. */
		sp_buf_printf(out,
			      "  }\n  chain guard {\n    type filter hook prerouting priority -300;\n"
			      "    iifname \"" SP_FMT "\" ip daddr 127.0.0.0/8 drop\n",
			      SP_ARG(bridge));
	}
	sp_buf_str(out, SP_STR("  }\n}\n"));
}

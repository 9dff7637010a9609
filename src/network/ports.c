/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "network/bridge.h"

static const char *const protocols[] = {[SP_CRI_TCP] = "tcp", [SP_CRI_UDP] = "udp", [SP_CRI_SCTP] = "sctp"};

static void put_ip(sp_buf *out, const sp_ip *ip)
{
	char text[SP_IP_TEXT_BYTES];
	sp_buf_append(out, text, sp_ip_print(text, ip));
}

/* "add rule FAMILY TABLE CHAIN ": what each rule begins with. */
static void put_rule(sp_buf *out, const char *family, sp_str bridge, const char *chain)
{
	sp_buf_printf(out, "add rule %s sampan-" SP_FMT " %s ", family, SP_ARG(bridge), chain);
}

static void put_chain(sp_buf *out, const char *family, sp_str bridge, const char *chain, const char *base)
{
	sp_buf_printf(out, "add chain %s sampan-" SP_FMT " %s { type %s ; }\n", family, SP_ARG(bridge), chain,
		      base);
}

static void put_port(sp_buf *out, const network_port *p)
{
	if (!sp_ip_is_unspecified(&p->host)) {
		sp_buf_printf(out, "%s daddr ", p->pod.v4 ? "ip" : "ip6");
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

static void put_ports(sp_buf *out, const char *family, sp_str bridge, sp_list *ports)
{
	static const char *const chains[][2] = {{"arriving", "nat hook prerouting priority -100"},
						{"local", "nat hook output priority -100"}};
	for (size_t i = 0; i < SP_LEN(chains); i++) {
		put_chain(out, family, bridge, chains[i][0], chains[i][1]);
		SP_LIST_FOREACH (n, ports) {
			const network_port *p = SP_CONTAINER_OF(n, network_port, node);
			put_rule(out, family, bridge, chains[i][0]);
			put_port(out, p);
		}
	}
}

void network_ports_write(sp_buf *out, sp_str bridge, const sp_cidr *pods, const sp_cidr *cluster,
			 sp_list *ports)
{
	char prefix[SP_IP_TEXT_BYTES], all[SP_IP_TEXT_BYTES];
	int n_all = (int)sp_cidr_print(all, cluster), n = (int)sp_cidr_print(prefix, pods);
	const char *family = pods->ip.v4 ? "ip" : "ip6";
	/* Made first so that deleting cannot fail: all of it is one transaction. */
	static const char *const anew[] = {"add", "delete", "add"};
	for (size_t i = 0; i < SP_LEN(anew); i++)
		sp_buf_printf(out, "%s table %s sampan-" SP_FMT "\n", anew[i], family, SP_ARG(bridge));
	put_ports(out, family, bridge, ports);
	put_chain(out, family, bridge, "leaving", "nat hook postrouting priority 100");
	put_rule(out, family, bridge, "leaving");
	sp_buf_printf(out, "%s saddr %.*s %s daddr != %.*s masquerade\n", family, n, prefix, family, n_all,
		      all);
	/* A pod that reaches itself through a host port, and the node through its loopback, would get answers
	 * from an address they did not ask. */
	put_rule(out, family, bridge, "leaving");
	sp_buf_printf(out, "%s daddr %.*s ct status dnat %s saddr %.*s masquerade\n", family, n, prefix,
		      family, n, prefix);
	if (!pods->ip.v4)
		return;
	put_rule(out, family, bridge, "leaving");
	sp_buf_printf(out, "ip saddr 127.0.0.0/8 ip daddr %.*s masquerade\n", n, prefix);
	/* Host ports at the node's loopback need route_localnet; pods must not reach it for that. */
	put_chain(out, family, bridge, "guard", "filter hook prerouting priority -300");
	put_rule(out, family, bridge, "guard");
	sp_buf_printf(out, "iifname \"" SP_FMT "\" ip daddr 127.0.0.0/8 drop\n", SP_ARG(bridge));
}

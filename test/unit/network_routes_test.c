/* SPDX-License-Identifier: Apache-2.0 */
/* Routes to the pods of other nodes: which prefixes nodes may have, and what the kernel is asked for. */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/netlink.h"
#include "host/routes.h"
#include "lib/t.h"
#include "network/routes/claims.h"

#define NODE(name, born, cidrs, addresses)                                                     \
	"{\"metadata\":{\"name\":\"" name "\",\"creationTimestamp\":\"2026-01-01T00:00:0" born \
	"Z\"},\"spec\":{" cidrs "},\"status\":{\"addresses\":[" addresses "]}}"
#define IP(ip) "{\"type\":\"InternalIP\",\"address\":\"" ip "\"}"
#define OUT(ip) "{\"type\":\"ExternalIP\",\"address\":\"" ip "\"}"
#define POD(cidr) "\"podCIDR\":\"" cidr "\""
#define PODS(cidrs) "\"podCIDRs\":[" cidrs "]"

static void on_refused(void *arg, const net_claim *c, const sp_cidr *prefix, const char *why)
{
	char text[SP_IP_TEXT_BYTES];
	int n = (int)sp_cidr_print(text, prefix);
	(void)sp_buf_printf(arg, "no " SP_FMT " %.*s: %s;", SP_ARG(c->name), n, text, why);
}

static void put_routes(sp_buf *out, const sp_route *at, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char to[SP_IP_TEXT_BYTES], via[SP_IP_TEXT_BYTES];
		int n_to = (int)sp_cidr_print(to, &at[i].to), n_via = (int)sp_ip_print(via, &at[i].via);
		(void)sp_buf_printf(out, "%.*s via %.*s;", n_to, to, n_via, via);
	}
}

#define INSANE ": pods can't have it, or its node's address;"
#define OUTSIDE ": it lies outside of --cluster-cidr;"
#define HOLDS ": the address of a node lies in it;"
#define TAKEN ": it overlaps that of another node;"

SP_TEST(network_routes, who_may_have_what)
{
	static const struct {
		const char *cluster, *nodes[4], *routes;
	} rows[] = {
		{"", {NODE("b", "2", POD("10.1.2.0/24"), IP("192.0.2.7"))}, "10.1.2.0/24 via 192.0.2.7;"},
		{"",
		 {NODE("b", "2", POD("10.1.2.0/24") "," PODS("\"10.1.2.0/24\",\"fd00:1::/64\""),
		       IP("192.0.2.7") "," IP("2001:db8::7"))},
		 "10.1.2.0/24 via 192.0.2.7;fd00:1::/64 via 2001:db8::7;"},
		{"",
		 {NODE("b", "2", PODS("\"10.1.2.9/24\""),
		       "{\"type\":\"Hostname\",\"address\":\"n\"}," IP("192.0.2.7"))},
		 "10.1.2.0/24 via 192.0.2.7;"},
		/* nothing to go by, yet */
		{"", {NODE("b", "2", POD("10.1.2.0/24"), OUT("192.0.2.7"))}, ""},
		{"", {NODE("b", "2", POD("fd00::/64"), IP("192.0.2.7"))}, ""},
		{"", {NODE("b", "2", "", IP("192.0.2.7")), "{}", "["}, ""},
		/* what would take more than pods' addresses */
		{"", {NODE("b", "2", POD("0.0.0.0/0"), IP("192.0.2.7"))}, "no b 0.0.0.0/0" INSANE},
		{"", {NODE("b", "2", POD("::/0"), IP("fd00::7"))}, "no b ::/0" INSANE},
		{"", {NODE("b", "2", POD("10.0.0.0/7"), IP("192.0.2.7"))}, "no b 10.0.0.0/7" INSANE},
		{"", {NODE("b", "2", POD("192.0.2.0/24"), IP("192.0.2.7"))}, "no b 192.0.2.0/24" INSANE},
		{"", {NODE("b", "2", POD("127.0.0.0/8"), IP("192.0.2.7"))}, "no b 127.0.0.0/8" INSANE},
		{"", {NODE("b", "2", POD("169.254.0.0/16"), IP("192.0.2.7"))}, "no b 169.254.0.0/16" INSANE},
		{"", {NODE("b", "2", POD("224.0.0.0/24"), IP("192.0.2.7"))}, "no b 224.0.0.0/24" INSANE},
		{"", {NODE("b", "2", POD("10.1.2.0/24"), IP("127.0.0.1"))}, "no b 10.1.2.0/24" INSANE},
		{"", {NODE("b", "2", POD("10.1.2.0/24"), IP("0.0.0.0"))}, "no b 10.1.2.0/24" INSANE},
		/* outside of the cluster's range, and wider than it */
		{"10.1.0.0/16",
		 {NODE("b", "2", POD("10.1.2.0/24"), IP("192.0.2.7")),
		  NODE("c", "3", POD("10.2.2.0/24"), IP("192.0.2.8")),
		  NODE("d", "4", POD("10.0.0.0/15"), IP("192.0.2.9"))},
		 "no c 10.2.2.0/24" OUTSIDE "no d 10.0.0.0/15" OUTSIDE "10.1.2.0/24 via 192.0.2.7;"},
		/* addresses of other nodes, and of this one */
		{"",
		 {NODE("b", "2", POD("198.51.100.0/24"), IP("192.0.2.7")),
		  NODE("c", "3", "", IP("198.51.100.9"))},
		 "no b 198.51.100.0/24" HOLDS},
		{"", {NODE("b", "2", POD("203.0.113.0/24"), IP("192.0.2.7"))}, "no b 203.0.113.0/24" HOLDS},
		/* somebody else's prefix: the older one keeps it, whatever the order, our own in any case */
		{"",
		 {NODE("c", "3", POD("10.1.2.128/25"), IP("192.0.2.8")),
		  NODE("b", "2", POD("10.1.2.0/24"), IP("192.0.2.7")),
		  NODE("d", "4", POD("10.1.0.0/16"), IP("192.0.2.9"))},
		 "no c 10.1.2.128/25" TAKEN "no d 10.1.0.0/16" TAKEN "10.1.2.0/24 via 192.0.2.7;"},
		{"", {NODE("b", "0", POD("10.9.9.64/26"), IP("192.0.2.7"))}, "no b 10.9.9.64/26" TAKEN},
		/* an address that a younger node says to have does not take away an older one's prefix */
		{"10.1.0.0/16",
		 {NODE("b", "2", POD("10.1.2.0/24"), IP("192.0.2.7")),
		  NODE("c", "3", POD("10.1.3.0/24"), IP("192.0.2.8") "," OUT("10.1.2.5"))},
		 "10.1.2.0/24 via 192.0.2.7;10.1.3.0/24 via 192.0.2.8;"},
	};
	static const char own[] = NODE("own", "1", POD("10.9.9.0/24"), IP("192.0.2.1") "," IP("203.0.113.5"));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		net_claim claims[5];
		sp_route at[SP_LEN(claims) * NET_CLAIM_PREFIXES_MAX];
		sp_cidr cluster;
		SP_AUTO_BUF out;
		size_t n = 0;
		sp_buf_init(&out, 4096);
		t_row("%zu", i);
		for (size_t k = 0; k < SP_LEN(rows[i].nodes) && rows[i].nodes[k] != NULL; k++)
			n += net_claim_read(T_ARENA, sp_str_c(rows[i].nodes[k]), &claims[n]);
		T_TRUE(net_claim_read(T_ARENA, sp_str_c(own), &claims[n++]));
		const net_grants g = {.own = SP_STR("own"),
				      .clusters = &cluster,
				      .n_clusters = sp_cidr_parse(sp_str_c(rows[i].cluster), &cluster),
				      .refused = on_refused,
				      .arg = &out};
		n = net_grants_make(&g, claims, n, at);
		put_routes(&out, at, n);
		T_EQ_C(sp_buf_view(&out), rows[i].routes);
	}
}

/* ---- the host's side, in a network namespace of its own ---- */

static sp_route route(const char *to, const char *via)
{
	sp_route r = {.via = {.v4 = false}};
	if (!sp_cidr_parse(sp_str_c(to), &r.to) || !sp_ip_parse(sp_str_c(via), &r.via))
		(void)t_fail(__FILE__, __LINE__, "no route: %s", to);
	return r;
}

/* lo is up, and the gateway's network is on it. */
static sp_code make_network(void)
{
	host_prefix p;
	host_nl m;
	int fd;
	SP_TRY(host_nl_socket(NETLINK_ROUTE, &fd, T_ERR));
	const struct ifinfomsg up = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	host_nl_begin(&m, RTM_NEWLINK, 0, &up, sizeof up);
	sp_code code = host_nl_talk(fd, &m, "lo up", T_ERR);
	if (code == SP_OK)
		code = host_prefix_parse(SP_STR("192.0.2.1/24"), &p, T_ERR);
	const struct ifaddrmsg fixed = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 1};
	host_nl_begin(&m, RTM_NEWADDR, NLM_F_CREATE, &fixed, sizeof fixed);
	host_nl_put(&m, IFA_LOCAL, p.bytes, p.n);
	host_nl_put(&m, IFA_ADDRESS, p.bytes, p.n);
	if (code == SP_OK)
		code = host_nl_talk(fd, &m, "an address", T_ERR);
	(void)close(fd);
	return code;
}

typedef struct told {
	sp_buf *out;
} told;

static void on_route(void *arg, uint16_t type, const uint8_t *bytes, size_t n)
{
	struct rtmsg head;
	struct rtattr a;
	if (type != RTM_NEWROUTE || n < sizeof head)
		return;
	memcpy(&head, bytes, sizeof head);
	if (head.rtm_protocol != HOST_ROUTES_PROTOCOL)
		return;
	for (size_t at = NLMSG_ALIGN(sizeof head); at + sizeof a <= n; at += RTA_ALIGN(a.rta_len)) {
		memcpy(&a, bytes + at, sizeof a);
		const uint8_t *v = bytes + at + RTA_LENGTH(0);
		if (a.rta_type == RTA_DST)
			(void)sp_buf_printf(((told *)arg)->out, "%u.%u.%u.%u/%u;", (unsigned)v[0],
					    (unsigned)v[1], (unsigned)v[2], (unsigned)v[3],
					    (unsigned)head.rtm_dst_len);
	}
}

static sp_code what_is_set(sp_buf *out)
{
	const struct rtmsg fixed = {.rtm_family = AF_INET};
	told t = {out};
	host_nl m;
	int fd;
	sp_buf_clear(out);
	SP_TRY(host_nl_socket(NETLINK_ROUTE, &fd, T_ERR));
	host_nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &fixed, sizeof fixed);
	sp_code code = host_nl_dump(fd, &m, on_route, &t, "routes", T_ERR);
	(void)close(fd);
	return code;
}

SP_TEST(network_routes, the_host_looks_itself)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	if (unshare(CLONE_NEWNET) != 0)
		t_skip("no network namespaces");
	T_OK(make_network());
	const sp_route good[] = {route("10.1.2.0/24", "192.0.2.7"), route("10.1.3.0/24", "192.0.2.8")};
	T_OK(host_routes_set(good, SP_LEN(good), T_ERR));
	T_OK(what_is_set(&out));
	T_EQ_C(sp_buf_view(&out), "10.1.2.0/24;10.1.3.0/24;");
	/* The machine's own address, the way out of it, itself as a gateway: refused, and the rest is set. */
	static const char *const bad[][2] = {
		{"192.0.2.0/28", "192.0.2.77"}, {"0.0.0.0/0", "192.0.2.7"},  {"128.0.0.0/1", "192.0.2.7"},
		{"127.0.0.0/8", "192.0.2.7"},   {"10.1.4.0/24", "10.1.4.1"},
	};
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		const sp_route all[] = {route(bad[i][0], bad[i][1]), good[1]};
		t_row("%zu", i);
		T_EQ_U64(host_routes_set(all, SP_LEN(all), T_ERR), SP_EINVAL);
		T_OK(what_is_set(&out));
		T_EQ_C(sp_buf_view(&out), "10.1.3.0/24;");
	}
	T_OK(host_routes_set(NULL, 0, T_ERR));
	T_OK(what_is_set(&out));
	T_EQ_U64(out.len, 0);
}

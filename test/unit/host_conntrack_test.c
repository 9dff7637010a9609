/* SPDX-License-Identifier: Apache-2.0 */
/* UDP flows in the kernel's connection tracking: what is read of them, and which are deleted. */
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/conntrack.h"
#include "host/netlink.h"
#include "lib/t.h"

typedef struct end {
	const char *ip;
	uint16_t port;
} end;

typedef struct row {
	uint8_t protocol;
	end from, to, back; /* back: who answers */
} row;

static const row flows[] = {
	{IPPROTO_UDP, {"192.0.2.1", 4000}, {"10.96.0.10", 53}, {"10.88.0.5", 5353}},
	{IPPROTO_UDP, {"192.0.2.1", 4001}, {"10.96.0.10", 53}, {"10.88.0.6", 5353}},
	{IPPROTO_UDP, {"192.0.2.1", 4002}, {"10.96.0.11", 53}, {"10.88.0.5", 5353}},
	{IPPROTO_TCP, {"192.0.2.1", 4000}, {"10.96.0.10", 53}, {"10.88.0.5", 5353}},
	{IPPROTO_UDP, {"2001:db8::1", 4000}, {"fd00:96::a", 53}, {"fd00:88::5", 5353}},
	{IPPROTO_UDP, {"2001:db8::1", 4001}, {"fd00:96::a", 53}, {"fd00:88::6", 5353}},
};

static void put_port(host_nl *m, uint16_t type, uint16_t port)
{
	const uint8_t bytes[] = {(uint8_t)(port >> 8), (uint8_t)port};
	host_nl_put(m, type, bytes, sizeof bytes);
}

static void put_tuple(host_nl *m, uint16_t type, uint8_t protocol, const end *src, const end *dst)
{
	host_prefix a, b;
	if (host_address_parse(sp_str_c(src->ip), &a, T_ERR) != SP_OK ||
	    host_address_parse(sp_str_c(dst->ip), &b, T_ERR) != SP_OK)
		return;
	size_t whole = host_nl_open(m, type | NLA_F_NESTED);
	size_t ips = host_nl_open(m, CTA_TUPLE_IP | NLA_F_NESTED);
	host_nl_put(m, a.n == 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, a.bytes, a.n);
	host_nl_put(m, b.n == 4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, b.bytes, b.n);
	host_nl_close(m, ips);
	size_t ports = host_nl_open(m, CTA_TUPLE_PROTO | NLA_F_NESTED);
	host_nl_put(m, CTA_PROTO_NUM, &protocol, 1);
	put_port(m, CTA_PROTO_SRC_PORT, src->port);
	put_port(m, CTA_PROTO_DST_PORT, dst->port);
	host_nl_close(m, ports);
	host_nl_close(m, whole);
}

/* As the kernel tells of it, and as it is asked for. */
static void put_flow(host_nl *m, const row *r)
{
	const struct nfgenmsg fixed = {.nfgen_family = sp_str_index(sp_str_c(r->to.ip), ':') >= 0 ? AF_INET6
												  : AF_INET};
	host_nl_begin(m, NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW, NLM_F_CREATE | NLM_F_EXCL, &fixed,
		      sizeof fixed);
	put_tuple(m, CTA_TUPLE_ORIG, r->protocol, &r->from, &r->to);
	put_tuple(m, CTA_TUPLE_REPLY, r->protocol, &r->back, &r->from);
	static const uint8_t hour[] = {0, 0, 0x0e, 0x10}, tcp_state = 3;
	host_nl_put(m, CTA_TIMEOUT, hour, sizeof hour);
	if (r->protocol == IPPROTO_TCP) {
		size_t info = host_nl_open(m, CTA_PROTOINFO | NLA_F_NESTED);
		size_t tcp = host_nl_open(m, CTA_PROTOINFO_TCP | NLA_F_NESTED);
		host_nl_put(m, CTA_PROTOINFO_TCP_STATE, &tcp_state, 1);
		host_nl_close(m, tcp);
		host_nl_close(m, info);
	}
}

static bool is_v4(const row *r)
{
	return sp_str_index(sp_str_c(r->to.ip), ':') < 0;
}

static bool is_at(const sp_ip *ip, uint16_t port, const end *e)
{
	sp_ip want;
	return sp_ip_parse(sp_str_c(e->ip), &want) && sp_ip_eq(&want, ip) && port == e->port;
}

SP_TEST(host_conntrack, flows_are_read)
{
	for (size_t i = 0; i < SP_LEN(flows); i++) {
		const row *r = &flows[i];
		bool is_udp = r->protocol == IPPROTO_UDP;
		host_nl m;
		host_flow f;
		t_row("row %zu", i);
		put_flow(&m, r);
		T_TRUE(!m.overflow);
		const uint8_t *bytes = m.bytes + NLMSG_HDRLEN;
		size_t n = m.len - NLMSG_HDRLEN;
		T_TRUE(host_flow_parse(bytes, n, is_v4(r), &f) == is_udp);
		T_TRUE(!host_flow_parse(bytes, n, !is_v4(r), &f));
		T_TRUE(!is_udp || (is_at(&f.flow.to, f.flow.to_port, &r->to) &&
				   is_at(&f.flow.from, f.flow.from_port, &r->back)));
		/* One that is cut has no reply any more, or less. */
		for (size_t cut = 0; cut < n - 8 && is_udp; cut++)
			T_TRUE(!host_flow_parse(bytes, SP_MIN(cut, (size_t)56), is_v4(r), &f));
	}
}

/* ---- the kernel's, in a network namespace of its own ---- */

static sp_code make_flows(void)
{
	int fd;
	sp_code code = SP_OK;
	SP_TRY(host_nl_socket(NETLINK_NETFILTER, &fd, T_ERR));
	for (size_t i = 0; i < SP_LEN(flows) && code == SP_OK; i++) {
		host_nl m;
		put_flow(&m, &flows[i]);
		code = host_nl_talk(fd, &m, "make a flow", T_ERR);
	}
	(void)close(fd);
	return code;
}

typedef struct told {
	size_t n;
	const end *gone;
} told;

static bool is_gone(const void *arg, const sp_flow *f)
{
	told *t = *(told *const *)arg;
	t->n++;
	return t->gone != NULL && is_at(&f->from, f->from_port, t->gone);
}

/* How many were told of, and deleted of these. */
static sp_code sweep(bool v4, const end *gone, size_t *ret_told, size_t *ret_deleted)
{
	told t = {.gone = gone}, *arg = &t;
	SP_TRY(host_conntrack_sweep(v4, is_gone, &arg, ret_deleted, T_ERR));
	*ret_told = t.n;
	return SP_OK;
}

SP_TEST(host_conntrack, stale_ones_go_and_others_stay)
{
	static const end v4 = {"10.88.0.5", 5353}, v6 = {"fd00:88::5", 5353}, none = {"10.88.0.5", 53};
	size_t n = 9, deleted = 9;
	if (unshare(CLONE_NEWNET) != 0)
		t_skip("no network namespaces");
	T_OK(sweep(true, &v4, &n, &deleted));
	T_EQ_U64(n + deleted, 0);
	T_OK(make_flows());
	T_OK(sweep(true, &none, &n, &deleted));
	T_EQ_U64(n, 3);
	T_EQ_U64(deleted, 0);
	T_OK(sweep(true, &v4, &n, &deleted));
	T_EQ_U64(n, 3);
	T_EQ_U64(deleted, 2);
	T_OK(sweep(true, &v4, &n, &deleted));
	T_EQ_U64(n, 1);
	T_EQ_U64(deleted, 0);
	T_OK(sweep(false, &v6, &n, &deleted));
	T_EQ_U64(n, 2);
	T_EQ_U64(deleted, 1);
	T_OK(sweep(false, NULL, &n, &deleted));
	T_EQ_U64(n, 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "host/conntrack.h"

#include <errno.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/netlink.h"

#define FLOWS_MAX ((size_t)1 << 20) /* deleted by one sweep; the next one takes the rest */
#define ORIG_PROTO_NUM (1u << 3)    /* the kernel's bit of CTA_FILTER_ORIG_FLAGS for the protocol */

static uint16_t type_of(uint8_t message)
{
	return (uint16_t)(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

/* ---- what the kernel says ---- */

typedef struct tuple {
	sp_ip src, dst;
	uint16_t src_port, dst_port;
	uint8_t protocol;
	unsigned has; /* bits of HAS_… */
} tuple;

enum { HAS_SRC = 1, HAS_DST = 2, HAS_PROTOCOL = 4, HAS_SRC_PORT = 8, HAS_DST_PORT = 16, HAS_ALL = 31 };

static bool take_ip(const uint8_t *bytes, size_t n, bool v4, sp_ip *ret)
{
	if (n != (v4 ? 4 : 16))
		return false;
	*ret = (sp_ip){.v4 = v4};
	if (v4)
		ret->bytes[10] = ret->bytes[11] = 0xff;
	memcpy(ret->bytes + (16 - n), bytes, n);
	return true;
}

static void take_ips(const uint8_t *bytes, size_t n, bool v4, tuple *t)
{
	uint16_t type;
	const uint8_t *value;
	size_t n_value;
	for (size_t at = 0; host_nl_next(bytes, n, &at, &type, &value, &n_value);) {
		if (type == (v4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC) && take_ip(value, n_value, v4, &t->src))
			t->has |= HAS_SRC;
		else if (type == (v4 ? CTA_IP_V4_DST : CTA_IP_V6_DST) && take_ip(value, n_value, v4, &t->dst))
			t->has |= HAS_DST;
	}
}

static void take_ports(const uint8_t *bytes, size_t n, tuple *t)
{
	uint16_t type;
	const uint8_t *value;
	size_t n_value;
	for (size_t at = 0; host_nl_next(bytes, n, &at, &type, &value, &n_value);) {
		if (type == CTA_PROTO_NUM && n_value == 1) {
			t->protocol = value[0];
			t->has |= HAS_PROTOCOL;
		} else if (type == CTA_PROTO_SRC_PORT && n_value == 2) {
			t->src_port = (uint16_t)(value[0] << 8 | value[1]);
			t->has |= HAS_SRC_PORT;
		} else if (type == CTA_PROTO_DST_PORT && n_value == 2) {
			t->dst_port = (uint16_t)(value[0] << 8 | value[1]);
			t->has |= HAS_DST_PORT;
		}
	}
}

static bool take_tuple(const uint8_t *bytes, size_t n, bool v4, tuple *ret)
{
	uint16_t type;
	const uint8_t *value;
	size_t n_value;
	*ret = (tuple){0};
	for (size_t at = 0; host_nl_next(bytes, n, &at, &type, &value, &n_value);) {
		if (type == CTA_TUPLE_IP)
			take_ips(value, n_value, v4, ret);
		else if (type == CTA_TUPLE_PROTO)
			take_ports(value, n_value, ret);
	}
	return ret->has == HAS_ALL && ret->protocol == IPPROTO_UDP;
}

static bool take_bytes(const uint8_t *value, size_t n_value, uint8_t *to, size_t n)
{
	if (n_value != n)
		return false;
	memcpy(to, value, n);
	return true;
}

bool host_flow_parse(const uint8_t *bytes, size_t n, bool v4, host_flow *ret)
{
	struct nfgenmsg head;
	host_flow f = {0};
	tuple there = {0}, back = {0};
	uint16_t type;
	const uint8_t *value;
	size_t n_value;
	if (n < sizeof head)
		return false;
	memcpy(&head, bytes, sizeof head);
	if (head.nfgen_family != (v4 ? AF_INET : AF_INET6))
		return false;
	for (size_t at = NLMSG_ALIGN(sizeof head); host_nl_next(bytes, n, &at, &type, &value, &n_value);) {
		if (type == CTA_TUPLE_ORIG && n_value <= sizeof f.tuple) {
			if (!take_tuple(value, n_value, v4, &there))
				return false;
			memcpy(f.tuple, value, n_value);
			f.n_tuple = (uint8_t)n_value;
		} else if (type == CTA_TUPLE_REPLY) {
			if (!take_tuple(value, n_value, v4, &back))
				return false;
		} else if (type == CTA_ZONE) {
			f.has_zone = take_bytes(value, n_value, f.zone, sizeof f.zone);
		} else if (type == CTA_ID) {
			f.has_id = take_bytes(value, n_value, f.id, sizeof f.id);
		}
	}
	if (there.has != HAS_ALL || back.has != HAS_ALL)
		return false;
	f.flow = (sp_flow){
		.to = there.dst, .to_port = there.dst_port, .from = back.src, .from_port = back.src_port};
	*ret = f;
	return true;
}

/* ---- what it is asked ---- */

typedef struct sweep {
	bool v4;
	bool (*is_stale)(const void *arg, const sp_flow *f);
	const void *arg;
	host_flow *at; /* stale ones */
	size_t n, cap;
} sweep;

static void on_flow(void *arg, uint16_t type, const uint8_t *bytes, size_t n)
{
	sweep *s = arg;
	host_flow f;
	if (type != type_of(IPCTNL_MSG_CT_NEW) || !host_flow_parse(bytes, n, s->v4, &f) ||
	    !s->is_stale(s->arg, &f.flow))
		return;
	if (s->n == s->cap) {
		size_t cap = s->cap == 0 ? 64 : s->cap * 2;
		host_flow *more =
			cap > FLOWS_MAX ? NULL
					: sp_try_realloc(s->at, s->cap * sizeof *s->at, cap * sizeof *s->at);
		if (more == NULL)
			return; /* what is there already goes */
		s->at = more;
		s->cap = cap;
	}
	s->at[s->n++] = f;
}

static void begin(host_nl *m, uint8_t message, uint16_t flags, bool v4)
{
	const struct nfgenmsg fixed = {.nfgen_family = v4 ? AF_INET : AF_INET6, .version = NFNETLINK_V0};
	host_nl_begin(m, type_of(message), flags, &fixed, sizeof fixed);
}

/* Kernels before 5.8 don't know the filter, and tell everything. */
static sp_code list(int fd, sweep *s, sp_err *err)
{
	static const uint8_t udp = IPPROTO_UDP;
	host_nl m;
	begin(&m, IPCTNL_MSG_CT_GET, NLM_F_DUMP, s->v4);
	size_t orig = host_nl_open(&m, CTA_TUPLE_ORIG | NLA_F_NESTED);
	size_t proto = host_nl_open(&m, CTA_TUPLE_PROTO | NLA_F_NESTED);
	host_nl_put(&m, CTA_PROTO_NUM, &udp, sizeof udp);
	host_nl_close(&m, proto);
	host_nl_close(&m, orig);
	size_t filter = host_nl_open(&m, CTA_FILTER | NLA_F_NESTED);
	host_nl_put_u32(&m, CTA_FILTER_ORIG_FLAGS, ORIG_PROTO_NUM);
	host_nl_put_u32(&m, CTA_FILTER_REPLY_FLAGS, 0);
	host_nl_close(&m, filter);
	return host_nl_dump(fd, &m, on_flow, s, "list the UDP flows", err);
}

static sp_code remove_flow(int fd, const host_flow *f, bool v4, sp_err *err)
{
	host_nl m;
	begin(&m, IPCTNL_MSG_CT_DELETE, 0, v4);
	host_nl_put(&m, CTA_TUPLE_ORIG | NLA_F_NESTED, f->tuple, f->n_tuple);
	if (f->has_zone)
		host_nl_put(&m, CTA_ZONE, f->zone, sizeof f->zone);
	if (f->has_id) /* so that one that took its place meanwhile stays */
		host_nl_put(&m, CTA_ID, f->id, sizeof f->id);
	return host_nl_talk(fd, &m, "delete a UDP flow", err);
}

static sp_code remove_all(int fd, const sweep *s, size_t *ret_n, sp_err *err)
{
	sp_code first = SP_OK;
	for (size_t i = 0; i < s->n; i++) {
		sp_err mine = {0};
		sp_code code = remove_flow(fd, &s->at[i], s->v4, &mine);
		*ret_n += code == SP_OK;
		if (code == SP_OK || mine.sys_errno == ENOENT || first != SP_OK)
			continue;
		first = code;
		if (err != NULL)
			*err = mine;
	}
	return first;
}

sp_code host_conntrack_sweep(bool v4, bool (*is_stale)(const void *arg, const sp_flow *f), const void *arg,
			     size_t *ret_n, sp_err *err)
{
	int fd = -1;
	sweep s = {.v4 = v4, .is_stale = is_stale, .arg = arg};
	*ret_n = 0;
	SP_TRY(host_nl_socket(NETLINK_NETFILTER, &fd, err));
	sp_code code = list(fd, &s, err);
	if (code == SP_OK)
		code = remove_all(fd, &s, ret_n, err);
	sp_free(s.at);
	close(fd);
	return code;
}

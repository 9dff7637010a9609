/* SPDX-License-Identifier: Apache-2.0 */
#include "host/routes.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/netlink.h"

#define ROUTES_MAX 16384u /* of ours that are there already; further ones stay */

typedef struct known {
	host_route *at;
	size_t n, cap;
} known;

static bool same(const host_route *a, const host_route *b)
{
	sp_ip x = sp_cidr_network(&a->to), y = sp_cidr_network(&b->to);
	return a->to.n_bits == b->to.n_bits && sp_ip_eq(&x, &y) && sp_ip_eq(&a->via, &b->via);
}

static bool has(const host_route *at, size_t n, const host_route *r)
{
	for (size_t i = 0; i < n; i++) {
		if (same(&at[i], r))
			return true;
	}
	return false;
}

/* ---- what is there ---- */

static sp_ip address_of(uint8_t family, const uint8_t *bytes)
{
	sp_ip ip = {.v4 = family == AF_INET};
	if (ip.v4) {
		ip.bytes[10] = ip.bytes[11] = 0xff;
		memcpy(ip.bytes + 12, bytes, 4);
	} else {
		memcpy(ip.bytes, bytes, 16);
	}
	return ip;
}

static void keep(known *k, const host_route *r)
{
	if (k->n == k->cap) {
		size_t cap = k->cap == 0 ? 64 : k->cap * 2;
		host_route *more =
			cap > ROUTES_MAX ? NULL
					 : sp_try_realloc(k->at, k->cap * sizeof *k->at, cap * sizeof *k->at);
		if (more == NULL)
			return;
		k->at = more;
		k->cap = cap;
	}
	k->at[k->n++] = *r;
}

static void on_route(void *arg, uint16_t type, const uint8_t *bytes, size_t n)
{
	struct rtmsg head;
	struct rtattr a;
	host_route r = {0};
	bool has_to = false, has_via = false;
	if (type != RTM_NEWROUTE || n < sizeof head)
		return;
	memcpy(&head, bytes, sizeof head);
	size_t size = head.rtm_family == AF_INET ? 4 : 16;
	if (head.rtm_protocol != HOST_ROUTES_PROTOCOL || head.rtm_table != RT_TABLE_MAIN ||
	    (head.rtm_family != AF_INET && head.rtm_family != AF_INET6))
		return;
	for (size_t at = NLMSG_ALIGN(sizeof head); at + sizeof a <= n; at += RTA_ALIGN(a.rta_len)) {
		memcpy(&a, bytes + at, sizeof a);
		if (a.rta_len < sizeof a || a.rta_len > n - at)
			return;
		if (a.rta_len - RTA_LENGTH(0) != size)
			continue;
		if (a.rta_type == RTA_DST) {
			r.to = (sp_cidr){.ip = address_of(head.rtm_family, bytes + at + RTA_LENGTH(0)),
					 .n_bits = head.rtm_dst_len};
			has_to = true;
		} else if (a.rta_type == RTA_GATEWAY) {
			r.via = address_of(head.rtm_family, bytes + at + RTA_LENGTH(0));
			has_via = true;
		}
	}
	if (has_to && has_via)
		keep(arg, &r);
}

static sp_code list(int fd, known *k, sp_err *err)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	for (size_t i = 0; i < SP_LEN(families); i++) {
		host_nl m;
		const struct rtmsg fixed = {.rtm_family = families[i]};
		host_nl_begin(&m, RTM_GETROUTE, NLM_F_DUMP, &fixed, sizeof fixed);
		SP_TRY(host_nl_dump(fd, &m, on_route, k, "routes", err));
	}
	return SP_OK;
}

/* ---- changes ---- */

static sp_code change(int fd, bool adds, const host_route *r, sp_err *err)
{
	sp_ip to = sp_cidr_network(&r->to);
	size_t size = to.v4 ? 4 : 16;
	char text[SP_IP_TEXT_BYTES + 32], prefix[SP_IP_TEXT_BYTES];
	const struct rtmsg fixed = {.rtm_family = to.v4 ? AF_INET : AF_INET6,
				    .rtm_dst_len = r->to.n_bits,
				    .rtm_table = RT_TABLE_MAIN,
				    .rtm_protocol = HOST_ROUTES_PROTOCOL,
				    .rtm_scope = RT_SCOPE_UNIVERSE,
				    .rtm_type = RTN_UNICAST};
	host_nl m;
	host_nl_begin(&m, adds ? RTM_NEWROUTE : RTM_DELROUTE, adds ? NLM_F_CREATE | NLM_F_REPLACE : 0, &fixed,
		      sizeof fixed);
	host_nl_put(&m, RTA_DST, to.bytes + 16 - size, size);
	host_nl_put(&m, RTA_GATEWAY, r->via.bytes + 16 - size, size);
	int n = (int)sp_cidr_print(prefix, &r->to);
	(void)snprintf(text, sizeof text, "route to %.*s", n, prefix);
	return host_nl_talk(fd, &m, text, err);
}

static void note(sp_code *first, sp_code code, sp_err *err, const sp_err *one)
{
	if (code == SP_OK || *first != SP_OK)
		return;
	*first = code;
	if (err != NULL)
		*err = *one;
}

sp_code host_routes_set(const host_route *at, size_t n, sp_err *err)
{
	known k = {0};
	int fd;
	sp_err one = {0};
	SP_TRY(host_nl_socket(&fd, err));
	sp_code code = list(fd, &k, err);
	for (size_t i = 0; i < k.n && code == SP_OK; i++) {
		if (!has(at, n, &k.at[i]))
			note(&code, change(fd, false, &k.at[i], &one), err, &one);
	}
	for (size_t i = 0; i < n; i++) {
		if (!has(k.at, k.n, &at[i]))
			note(&code, change(fd, true, &at[i], &one), err, &one);
	}
	sp_free(k.at);
	(void)close(fd);
	return code;
}

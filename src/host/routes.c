/* SPDX-License-Identifier: Apache-2.0 */
#include "host/routes.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "host/netlink.h"

#define ROUTES_MAX 16384u    /* of ours that are there already; further ones stay */
#define ADDRESSES_MAX 16384u /* of this machine; with more nothing is set */

typedef struct known {
	sp_route *at;
	size_t n, cap;
} known;

static bool same(const sp_route *a, const sp_route *b)
{
	sp_ip x = sp_cidr_network(&a->to), y = sp_cidr_network(&b->to);
	return a->to.n_bits == b->to.n_bits && sp_ip_eq(&x, &y) && sp_ip_eq(&a->via, &b->via);
}

static bool has(const sp_route *at, size_t n, const sp_route *r)
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

static void keep(known *k, const sp_route *r)
{
	if (k->n == k->cap) {
		size_t cap = k->cap == 0 ? 64 : k->cap * 2;
		sp_route *more = cap > ROUTES_MAX
					 ? NULL
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
	sp_route r = {0};
	uint16_t kind;
	const uint8_t *value;
	size_t n_value;
	bool has_to = false, has_via = false;
	if (type != RTM_NEWROUTE || n < sizeof head)
		return;
	memcpy(&head, bytes, sizeof head);
	size_t size = head.rtm_family == AF_INET ? 4 : 16;
	if (head.rtm_protocol != HOST_ROUTES_PROTOCOL || head.rtm_table != RT_TABLE_MAIN ||
	    (head.rtm_family != AF_INET && head.rtm_family != AF_INET6))
		return;
	for (size_t at = NLMSG_ALIGN(sizeof head); host_nl_next(bytes, n, &at, &kind, &value, &n_value);) {
		if (n_value != size)
			continue;
		if (kind == RTA_DST) {
			r.to = (sp_cidr){.ip = address_of(head.rtm_family, value),
					 .n_bits = head.rtm_dst_len};
			has_to = true;
		} else if (kind == RTA_GATEWAY) {
			r.via = address_of(head.rtm_family, value);
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

/* ---- what may be set ---- */

typedef struct locals {
	sp_ip *at;
	size_t n, cap;
	bool failed; /* not all of them are known */
} locals;

static void keep_address(locals *l, const sp_ip *ip)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		sp_ip *more = cap > ADDRESSES_MAX
				      ? NULL
				      : sp_try_realloc(l->at, l->cap * sizeof *l->at, cap * sizeof *l->at);
		if (more == NULL) {
			l->failed = true;
			return;
		}
		l->at = more;
		l->cap = cap;
	}
	l->at[l->n++] = *ip;
}

static void on_address(void *arg, uint16_t type, const uint8_t *bytes, size_t n)
{
	struct ifaddrmsg head;
	uint16_t kind;
	const uint8_t *value;
	size_t n_value;
	if (type != RTM_NEWADDR || n < sizeof head)
		return;
	memcpy(&head, bytes, sizeof head);
	size_t size = head.ifa_family == AF_INET ? 4 : 16;
	if (head.ifa_family != AF_INET && head.ifa_family != AF_INET6)
		return;
	for (size_t at = NLMSG_ALIGN(sizeof head); host_nl_next(bytes, n, &at, &kind, &value, &n_value);) {
		/* the other end of a pair of addresses is not for pods, either */
		if (n_value != size || (kind != IFA_LOCAL && kind != IFA_ADDRESS))
			continue;
		sp_ip ip = address_of(head.ifa_family, value);
		keep_address(arg, &ip);
	}
}

static sp_code list_addresses(int fd, locals *l, sp_err *err)
{
	const struct ifaddrmsg fixed = {.ifa_family = AF_UNSPEC};
	host_nl m;
	host_nl_begin(&m, RTM_GETADDR, NLM_F_DUMP, &fixed, sizeof fixed);
	SP_TRY(host_nl_dump(fd, &m, on_address, l, "addresses", err));
	return l->failed ? sp_fail(err, SP_ENOMEM, "too many addresses on this machine") : SP_OK;
}

static sp_code check(const locals *l, const sp_route *r, sp_err *err)
{
	char text[SP_IP_TEXT_BYTES];
	int n = (int)sp_cidr_print(text, &r->to);
	if (!sp_route_is_sane(r))
		return sp_fail(err, SP_EINVAL, "%.*s can't be a prefix of pods, or its gateway", n, text);
	for (size_t i = 0; i < l->n; i++) {
		if (sp_cidr_contains(&r->to, &l->at[i]))
			return sp_fail(err, SP_EINVAL, "an address of this machine lies in %.*s", n, text);
	}
	return SP_OK;
}

/* ---- changes ---- */

static sp_code change(int fd, bool adds, const sp_route *r, sp_err *err)
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

static sp_code apply(int fd, const known *k, const sp_route *at, size_t n, sp_err *err)
{
	sp_code code = SP_OK;
	sp_err one = {0};
	for (size_t i = 0; i < k->n && code == SP_OK; i++) {
		if (!has(at, n, &k->at[i]))
			note(&code, change(fd, false, &k->at[i], &one), err, &one);
	}
	for (size_t i = 0; i < n; i++) {
		if (!has(k->at, k->n, &at[i]))
			note(&code, change(fd, true, &at[i], &one), err, &one);
	}
	return code;
}

sp_code host_routes_set(const sp_route *at, size_t n, sp_err *err)
{
	known k = {0};
	locals l = {0};
	int fd;
	sp_err one = {0};
	sp_code refused = SP_OK;
	size_t n_good = 0;
	SP_TRY(host_nl_socket(NETLINK_ROUTE, &fd, err));
	sp_route *good = sp_try_alloc((n + 1) * sizeof *good);
	sp_code code = good == NULL ? sp_fail(err, SP_ENOMEM, "no memory for routes") : list(fd, &k, err);
	if (code == SP_OK)
		code = list_addresses(fd, &l, err);
	for (size_t i = 0; i < n && code == SP_OK && good != NULL; i++) {
		sp_code is = check(&l, &at[i], &one);
		note(&refused, is, err, &one);
		if (is == SP_OK)
			good[n_good++] = at[i];
	}
	if (code == SP_OK)
		code = apply(fd, &k, good, n_good, refused == SP_OK ? err : NULL);
	sp_free(k.at);
	sp_free(l.at);
	sp_free(good);
	(void)close(fd);
	return refused != SP_OK ? refused : code;
}

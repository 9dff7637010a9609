/* SPDX-License-Identifier: Apache-2.0 */
#include "network/ipam.h"

#include "base/alloc.h"
#include "base/num.h"

#define GATEWAY 1u

static sp_ip nth(const network_ipam *p, uint32_t i)
{
	sp_ip ip = sp_cidr_network(&p->prefix);
	sp_be32_put(ip.bytes + 12, sp_be32_get(ip.bytes + 12) + i);
	return ip;
}

static bool is_taken(const network_ipam *p, uint32_t i)
{
	return (p->taken[i / 64] >> (i % 64) & 1) != 0;
}

static void set(network_ipam *p, uint32_t i, bool on)
{
	uint64_t bit = UINT64_C(1) << (i % 64);
	if (on == is_taken(p, i))
		return;
	p->taken[i / 64] = on ? p->taken[i / 64] | bit : p->taken[i / 64] & ~bit;
	p->n_taken = on ? p->n_taken + 1 : p->n_taken - 1;
}

sp_code network_ipam_init(network_ipam *p, sp_str prefix, sp_err *err)
{
	*p = (network_ipam){.taken = NULL};
	if (!sp_cidr_parse(prefix, &p->prefix) || p->prefix.ip.mapped)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no prefix", SP_ARG(prefix));
	unsigned all = p->prefix.ip.v4 ? 32 : 128, host_bits = all - p->prefix.n_bits;
	if (host_bits < 2)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' has no room for pods", SP_ARG(prefix));
	p->n = UINT32_C(1) << SP_MIN(host_bits, NETWORK_IPAM_BITS);
	p->taken = sp_try_alloc((p->n + 63) / 64 * sizeof p->taken[0]);
	if (p->taken == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for the pods' addresses");
	set(p, 0, true);
	set(p, GATEWAY, true);
	if (p->prefix.ip.v4 && host_bits <= NETWORK_IPAM_BITS)
		set(p, p->n - 1, true);
	p->next = GATEWAY + 1;
	return SP_OK;
}

void network_ipam_done(network_ipam *p)
{
	sp_free(p->taken);
}

sp_code network_ipam_take(network_ipam *p, sp_ip *ret, sp_err *err)
{
	if (p->n_taken == p->n)
		return sp_fail(err, SP_ETOOMANY, "all %u addresses of the pod network are taken", p->n);
	while (is_taken(p, p->next))
		p->next = (p->next + 1) % p->n;
	set(p, p->next, true);
	*ret = nth(p, p->next);
	p->next = (p->next + 1) % p->n;
	return SP_OK;
}

/* The place of an address; false: not ours to give. */
static bool place_of(const network_ipam *p, const sp_ip *ip, uint32_t *ret)
{
	sp_ip first = nth(p, 0);
	if (ip->v4 != first.v4 || memcmp(ip->bytes, first.bytes, 12) != 0)
		return false;
	uint32_t i = sp_be32_get(ip->bytes + 12) - sp_be32_get(first.bytes + 12);
	*ret = i;
	return i > GATEWAY && i < p->n;
}

sp_code network_ipam_claim(network_ipam *p, const sp_ip *ip, sp_err *err)
{
	char text[SP_IP_TEXT_BYTES];
	uint32_t i;
	int n = (int)sp_ip_print(text, ip);
	if (!place_of(p, ip, &i))
		return sp_fail(err, SP_EINVAL, "%.*s is no address of the pod network", n, text);
	if (is_taken(p, i))
		return sp_fail(err, SP_ECONFLICT, "%.*s is taken already", n, text);
	set(p, i, true);
	return SP_OK;
}

bool network_ipam_has(const network_ipam *p, const sp_ip *ip)
{
	uint32_t i;
	return place_of(p, ip, &i);
}

void network_ipam_inherit(network_ipam *p, const network_ipam *from)
{
	for (uint32_t i = GATEWAY + 1; i < from->n; i++) {
		uint32_t k;
		sp_ip ip = nth(from, i);
		bool is_last = i + 1 == from->n && from->prefix.ip.v4; /* of IPv4 it is nobody's */
		if (is_taken(from, i) && !is_last && place_of(p, &ip, &k))
			set(p, k, true);
	}
}

void network_ipam_release(network_ipam *p, const sp_ip *ip)
{
	uint32_t i;
	if (place_of(p, ip, &i))
		set(p, i, false);
}

sp_ip network_ipam_gateway(const network_ipam *p)
{
	return nth(p, GATEWAY);
}

unsigned network_ipam_length(const network_ipam *p)
{
	return p->prefix.n_bits;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/services/pick.h"

#include "base/num.h"

/* U: calculateRangeOffset of both allocators. */
#define KEPT_MIN 16u
#define KEPT_IPS_MAX 256u
#define KEPT_IPS_SHARE 16u
#define KEPT_PORTS_MAX 128u
#define KEPT_PORTS_SHARE 32u
/* Of a /64: as many as a number here counts. */
#define ADDRESSES_MAX (UINT64_C(1) << 62)

/* ---- a free number ---- */

static bool pick_from(uint64_t from, uint64_t n, uint64_t random, bool (*taken)(void *, uint64_t), void *arg,
		      uint64_t *ret)
{
	uint64_t start = n == 0 ? 0 : random % n;
	for (uint64_t k = 0; k < SP_MIN(n, API_PICK_STEPS_MAX); k++) {
		uint64_t i = from + (start + k) % n;
		if (!taken(arg, i)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

bool api_pick(const api_range *r, uint64_t random, bool (*taken)(void *arg, uint64_t i), void *arg,
	      uint64_t *ret)
{
	uint64_t kept = SP_MIN(r->n_kept, r->n);
	return pick_from(kept, r->n - kept, random, taken, arg, ret) ||
	       pick_from(0, kept, random, taken, arg, ret);
}

/* A part of the whole, within limits; tiny ranges keep nothing. */
static uint64_t kept(uint64_t size, uint64_t share, uint64_t max)
{
	if (size < KEPT_MIN)
		return 0;
	uint64_t part = SP_MAX(size / share, (uint64_t)KEPT_MIN);
	return SP_MIN(part, max);
}

/* ---- addresses ---- */

static sp_ip plus(const sp_ip *ip, uint64_t n)
{
	sp_ip out = *ip;
	for (int i = 15; i >= 0 && n > 0; i--) {
		n += out.bytes[i];
		out.bytes[i] = (uint8_t)n;
		n >>= 8;
	}
	return out;
}

sp_code api_ip_range_parse(sp_str text, api_ip_range *ret, sp_err *err)
{
	sp_cidr c;
	if (!sp_cidr_parse(text, &c))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no prefix of addresses", SP_ARG(text));
	unsigned bits = (c.ip.v4 ? 32u : 128u) - c.n_bits;
	if (bits > 64)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "': prefixes have 64 bits or more", SP_ARG(text));
	uint64_t size = bits >= 62 ? ADDRESSES_MAX : UINT64_C(1) << bits;
	uint64_t lost = c.ip.v4 ? 2 : 1; /* the network's own, and IPv4's broadcast */
	sp_ip network = sp_cidr_network(&c);
	*ret = (api_ip_range){
		.cidr = c,
		.first = plus(&network, 1),
		.numbers = {size > lost ? size - lost : 0, kept(size, KEPT_IPS_SHARE, KEPT_IPS_MAX)}};
	return SP_OK;
}

sp_ip api_ip_range_at(const api_ip_range *r, uint64_t i)
{
	return plus(&r->first, i);
}

bool api_ip_range_has(const api_ip_range *r, const sp_ip *ip)
{
	sp_ip network = sp_cidr_network(&r->cidr), last = plus(&r->first, r->numbers.n);
	if (r->numbers.n == 0 || ip->v4 != r->cidr.ip.v4 || !sp_cidr_contains(&r->cidr, ip) ||
	    sp_ip_eq(ip, &network))
		return false;
	return !ip->v4 || !sp_ip_eq(ip, &last); /* IPv4's broadcast */
}

/* ---- ports ---- */

sp_code api_port_range_parse(sp_str text, api_port_range *ret, sp_err *err)
{
	sp_str rest = text, front;
	uint64_t first, second;
	bool by_size = sp_str_index(text, '+') >= 0;
	if (!sp_str_cut(&rest, by_size ? '+' : '-', &front) ||
	    sp_parse_u64(front, 1, 65535, &first, NULL) != SP_OK ||
	    sp_parse_u64(rest, 0, 65535, &second, NULL) != SP_OK)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no range of ports", SP_ARG(text));
	uint64_t last = by_size ? first + second : second;
	if (last < first || last > 65535)
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no range of ports", SP_ARG(text));
	*ret = (api_port_range){(uint16_t)first, (uint16_t)last};
	return SP_OK;
}

api_range api_port_range_numbers(const api_port_range *r)
{
	uint64_t n = (uint64_t)r->last - r->first + 1;
	return (api_range){n, kept(n, KEPT_PORTS_SHARE, KEPT_PORTS_MAX)};
}

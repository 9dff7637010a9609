/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/node_ranges.h"

#include "base/alloc.h"
#include "base/num.h"

#define WIDTH_MAX 16u
#define V4_OFFSET 96u /* IPv4 addresses stand in the last 32 of 128 bits */

/* Bits before the part's own prefix ends, of all 128. */
static uint32_t full_bits(const node_range *r, uint32_t n_bits)
{
	return r->all.ip.v4 ? V4_OFFSET + n_bits : n_bits;
}

sp_code node_range_init(node_range *r, sp_str cidr, uint32_t mask_v4, uint32_t mask_v6, sp_err *err)
{
	*r = (node_range){.n = 0};
	if (!sp_cidr_parse(cidr, &r->all))
		return sp_fail(err, SP_EINVAL, "'" SP_FMT "' is no range of addresses", SP_ARG(cidr));
	bool v4 = r->all.ip.v4;
	r->all.ip = sp_cidr_network(&r->all);
	r->n_bits = v4 ? mask_v4 : mask_v6;
	if (r->n_bits < r->all.n_bits || r->n_bits > (v4 ? 32u : 128u) ||
	    r->n_bits - r->all.n_bits > WIDTH_MAX)
		return sp_fail(err, SP_EINVAL, SP_FMT " cannot be cut into ranges of /%u for nodes",
			       SP_ARG(cidr), r->n_bits);
	r->n = 1u << (r->n_bits - r->all.n_bits);
	r->taken = sp_alloc(r->n);
	return SP_OK;
}

void node_range_done(node_range *r)
{
	sp_free(r->taken);
	*r = (node_range){.n = 0};
}

/* The part an address is in. */
static uint32_t part_of(const node_range *r, const sp_ip *ip)
{
	uint32_t at = 0;
	for (uint32_t bit = full_bits(r, r->all.n_bits); bit < full_bits(r, r->n_bits); bit++)
		at = at << 1 | ((uint32_t)ip->bytes[bit / 8] >> (7 - bit % 8) & 1u);
	return at;
}

void node_range_mark(node_range *r, const sp_cidr *c, bool taken)
{
	sp_ip ip = sp_cidr_network(c);
	uint32_t first = 0, n = r->n;
	if (r->n == 0 || c->ip.v4 != r->all.ip.v4)
		return;
	if (sp_cidr_contains(&r->all, &ip) && c->n_bits >= r->all.n_bits) {
		first = part_of(r, &ip);
		n = c->n_bits >= r->n_bits ? 1u : 1u << (r->n_bits - c->n_bits);
	} else if (!sp_cidr_contains(c, &r->all.ip)) {
		return;
	}
	for (uint32_t i = first; i < first + n && i < r->n; i++)
		r->taken[i] = taken;
}

bool node_range_take(node_range *r, sp_cidr *ret)
{
	for (uint32_t i = 0; i < r->n; i++) {
		uint32_t at = (r->next + i) % r->n;
		if (r->taken[at])
			continue;
		r->taken[at] = true;
		r->next = (at + 1) % r->n;
		*ret = (sp_cidr){.ip = r->all.ip, .n_bits = (uint8_t)r->n_bits};
		for (uint32_t bit = full_bits(r, r->n_bits); at != 0; at >>= 1) {
			bit--;
			ret->ip.bytes[bit / 8] |= (uint8_t)((at & 1u) << (7 - bit % 8));
		}
		return true;
	}
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of one prefix, given out one by one: the next free one after the last given, so that an address
 * rests before it is used again. The network's own address, the first (the gateway's) and the last of an IPv4
 * prefix are never given. Of prefixes with more than 16 host bits the first 65,536 addresses are used.
 */
#pragma once

#include "base/err.h"
#include "base/ip.h"

#define NETWORK_IPAM_BITS 16u

typedef struct network_ipam {
	sp_cidr prefix;
	uint32_t n, next, n_taken; /* addresses, counted from the network's own */
	uint64_t *taken;           /* bits */
} network_ipam;

/* SP_EINVAL: no prefix, or with less than 4 addresses. */
sp_code network_ipam_init(network_ipam *p, sp_str prefix, sp_err *err) SP_MUST_USE;
void network_ipam_done(network_ipam *p);

/* SP_ETOOMANY: all are taken. */
sp_code network_ipam_take(network_ipam *p, sp_ip *ret, sp_err *err) SP_MUST_USE;
/* A certain one. SP_ECONFLICT: taken already; SP_EINVAL: not of the prefix, or never given. */
sp_code network_ipam_claim(network_ipam *p, const sp_ip *ip, sp_err *err) SP_MUST_USE;
/* What `from` has given and `p` can give is taken in `p`, too. */
void network_ipam_inherit(network_ipam *p, const network_ipam *from);
/* Of the prefix, and one that is given. */
bool network_ipam_has(const network_ipam *p, const sp_ip *ip);
/* Harmless for addresses that are not taken. */
void network_ipam_release(network_ipam *p, const sp_ip *ip);
/* The address that stands for the node in this network. */
sp_ip network_ipam_gateway(const network_ipam *p);
/* Bits of the prefix as its family counts them. */
unsigned network_ipam_length(const network_ipam *p);

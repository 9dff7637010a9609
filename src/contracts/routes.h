/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between who knows the pods' prefixes of other nodes (network/routes) and who sets routes
 * (host/routes). Both sides look at each route, for they know different things:
 *
 * - who asks: the prefix lies within the cluster's (where that is known), holds no node's address and
 * overlaps no prefix of an older node;
 * - who sets, and has the rights to: sp_route_is_sane, and no address of this machine lies in the prefix. It
 *   relies on nothing that was looked at before.
 */
#pragma once

#include "base/err.h"
#include "base/ip.h"

typedef struct sp_route {
	sp_cidr to;
	sp_ip via;
} sp_route;

/* The narrowest prefixes that may be too wide for one node's pods. */
#define SP_ROUTE_BITS_V4_LEAST 8
#define SP_ROUTE_BITS_V6_LEAST 16

/* What pods of a node can be reached by: no default route nor one nearly as wide, one family, neither
 * loopback, link-local nor multicast, and its gateway does not lie in it. */
static inline bool sp_route_is_sane(const sp_route *r)
{
	sp_ip to = sp_cidr_network(&r->to);
	int least = r->to.ip.v4 ? SP_ROUTE_BITS_V4_LEAST : SP_ROUTE_BITS_V6_LEAST;
	bool is_multicast = r->to.ip.v4 ? to.bytes[12] >= 224 : to.bytes[0] == 0xff;
	return !r->to.ip.mapped && r->to.n_bits >= least && r->to.ip.v4 == r->via.v4 && !is_multicast &&
	       !sp_ip_is_loopback(&to) && !sp_ip_is_link_local_unicast(&to) && !sp_ip_is_unspecified(&to) &&
	       !sp_ip_is_unspecified(&r->via) && !sp_ip_is_loopback(&r->via) &&
	       !sp_cidr_contains(&r->to, &r->via);
}

/* One contains the other. Prefixes of two families don't. */
static inline bool sp_cidr_overlaps(const sp_cidr *a, const sp_cidr *b)
{
	return a->ip.v4 == b->ip.v4 &&
	       (a->n_bits <= b->n_bits ? sp_cidr_contains(a, &b->ip) : sp_cidr_contains(b, &a->ip));
}

typedef struct sp_router sp_router;
struct sp_router {
	/* These and no others; done comes once, from the loop, with the first that was refused, if any (the
	 * others are set). `at` is good until then. One call at a time. */
	void (*set)(sp_router *r, const sp_route *at, size_t n, void (*done)(void *arg, const sp_err *err),
		    void *arg);
};

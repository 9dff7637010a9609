/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which prefixes nodes may have routes to. Each Node claims prefixes; a claim is granted when it takes
 * nothing that is somebody else's. Pure. Nodes that are older come first, for only the API server says how
 * old one is.
 */
#pragma once

#include "base/arena.h"
#include "contracts/routes.h"

#define NET_CLAIM_PREFIXES_MAX 4u  /* of a node; further ones are left out */
#define NET_CLAIM_ADDRESSES_MAX 8u /* of a node; further ones are not minded */

typedef struct net_claim {
	sp_str name;    /* of the node */
	int64_t born_s; /* its creationTimestamp */
	sp_cidr prefixes[NET_CLAIM_PREFIXES_MAX];
	sp_ip addresses[NET_CLAIM_ADDRESSES_MAX]; /* its InternalIPs and ExternalIPs … */
	bool is_internal[NET_CLAIM_ADDRESSES_MAX];
	size_t n_prefixes, n_addresses;
} net_claim;

/* Reads a node's text. Texts point into it or into the arena. False: it can't be read, or no memory. */
bool net_claim_read(sp_arena *a, sp_str node_json, net_claim *ret);

typedef struct net_grants {
	sp_str own;              /* name of our node: it needs no routes, but has its prefixes */
	const sp_cidr *clusters; /* prefixes lie within one of these; none: anywhere */
	size_t n_clusters;
	/* A claim is not granted, and why. May be NULL. */
	void (*refused)(void *arg, const net_claim *c, const sp_cidr *prefix, const char *why);
	void *arg;
} net_grants;

/*
 * Sorts the claims by age and writes the routes of those that are granted: room for n *
 * NET_CLAIM_PREFIXES_MAX. Returns how many. Refused are prefixes outside of the cluster's, ones that hold a
 * node's address (of a younger node only where the cluster's range is not known), ones that overlap a prefix
 * of an older node or of our own, and what no node's pods can have (sp_route_is_sane). A prefix without an
 * InternalIP of its family is no claim yet.
 */
size_t net_grants_make(const net_grants *g, net_claim *claims, size_t n, sp_route *out);

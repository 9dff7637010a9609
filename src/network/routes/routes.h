/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes from this node to the pods of the others: spec.podCIDRs by way of the node's address. Enough where
 * the nodes share a link (or whatever is between them knows the prefixes, too); no overlay. Upstream leaves
 * this to its cloud provider's route controller or to a network plugin ("host-gw").
 */
#pragma once

#include "base/ip.h"
#include "base/log.h"
#include "client/informer.h"

#define NET_ROUTES_OF_NODE_MAX 4u

typedef struct net_route {
	sp_cidr to;
	sp_ip via;
} net_route;

/* Those of a node's text: one for each prefix that the node has an InternalIP of the family for. What no pod
 * network can be (wider than /8 or /16, loopback, the node's own address in it) is left out. */
size_t net_routes_of(sp_str node_json, net_route out[NET_ROUTES_OF_NODE_MAX]);

/* Who sets routes. */
typedef struct net_router {
	/* These and no others; done comes once, from the loop. `at` is good until then. */
	void (*set)(struct net_router *r, const net_route *at, size_t n,
		    void (*done)(void *arg, const sp_err *err), void *arg);
} net_router;

typedef struct net_routes_opts {
	sp_informers *informers; /* not started yet; outlives the routes */
	net_router *router;
	sp_log *log;
	sp_str node; /* our own name */
} net_routes_opts;

typedef struct net_routes net_routes;

sp_code net_routes_new(sp_world *w, const net_routes_opts *o, net_routes **ret, sp_err *err) SP_MUST_USE;
/* Sets none any more; done comes once, from the loop, when none is being set. */
void net_routes_stop(net_routes *r, void (*done)(void *arg), void *arg);
/* The routes stay as they are. NULL is a no-op. */
void net_routes_free(net_routes *r);

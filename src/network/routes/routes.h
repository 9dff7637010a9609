/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes from this node to the pods of the others: spec.podCIDRs by way of the node's address. Enough where
 * the nodes share a link (or whatever is between them knows the prefixes, too); no overlay. Upstream leaves
 * this to its cloud provider's route controller or to a network plugin ("host-gw").
 *
 * A Node object is written by its node, too, which may be mistaken or worse: a prefix that is not the node's
 * to have is refused (claims.h), and the log says so once.
 */
#pragma once

#include "base/log.h"
#include "client/informer.h"
#include "contracts/routes.h"
#include "network/routes/claims.h"

typedef struct net_routes_opts {
	sp_informers *informers; /* not started yet; outlives the routes */
	sp_router *router;
	sp_log *log;
	sp_str node;             /* our own name */
	const sp_cidr *clusters; /* where pods' addresses are; none: not known */
	size_t n_clusters;
} net_routes_opts;

typedef struct net_routes net_routes;

sp_code net_routes_new(sp_world *w, const net_routes_opts *o, net_routes **ret, sp_err *err) SP_MUST_USE;
/* Sets none any more; done comes once, from the loop, when none is being set. */
void net_routes_stop(net_routes *r, void (*done)(void *arg), void *arg);
/* The routes stay as they are. NULL is a no-op. */
void net_routes_free(net_routes *r);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service proxy of a node: follows Services and EndpointSlices and keeps the kernel's rules as they ask
 * for. Changes that come together are one transaction; behind it UDP flows that no endpoint serves any more
 * are taken away. U: kubernetes pkg/proxy.
 */
#pragma once

#include "base/log.h"
#include "client/informer.h"
#include "contracts/flows.h"
#include "network/services/health.h"

/* Who runs nftables commands. */
typedef struct net_runner {
	/* In one transaction; done comes once, from the loop. `commands` is good until then. */
	void (*run)(struct net_runner *r, sp_str commands, void (*done)(void *arg, const sp_err *err),
		    void *arg);
} net_runner;

typedef struct net_proxy_opts {
	sp_informers *informers; /* not started yet; outlives the proxy */
	net_runner *runner;
	sp_sweeper *sweeper;
	net_status *status; /* what is counted */
	net_health *health; /* is told of services' health check node ports */
	sp_log *log;
	sp_str node; /* our own name */
	/* A service ("namespace/name") that this node serves itself, at that address and its targetPorts,
	 * whatever its EndpointSlices say; "": none. */
	sp_str here, here_ip;
} net_proxy_opts;

typedef struct net_proxy net_proxy;

sp_code net_proxy_new(sp_world *w, const net_proxy_opts *o, net_proxy **ret, sp_err *err) SP_MUST_USE;
/* The rules stay as they are. Not while a transaction is under way: see net_proxy_stop. */
void net_proxy_free(net_proxy *p);
/* Begins no transaction any more; done comes once, from the loop, when none is under way. */
void net_proxy_stop(net_proxy *p, void (*done)(void *arg), void *arg);

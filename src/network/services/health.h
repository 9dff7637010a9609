/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where load balancers, probes and Prometheus ask the proxy, as they ask a kube-proxy: /healthz and /livez;
 * /metrics, /healthz and /proxyMode; and per service the healthCheckNodePort, which says how many of its
 * endpoints are ready on this node. HTTP without TLS, read only. U: kubernetes pkg/proxy/healthcheck,
 * cmd/kube-proxy/app/server.go (serveMetrics).
 */
#pragma once

#include "base/log.h"
#include "io/world.h"
#include "network/services/status.h"

typedef enum net_health_kind { NET_HEALTH_PROXY, NET_HEALTH_METRICS, NET_HEALTH_SERVICE } net_health_kind;

typedef struct net_health net_health;

/* `status` is told, and its answers are counted; it outlives this. */
net_health *net_health_new(sp_world *w, sp_log *log, net_status *status);
/* NET_HEALTH_PROXY or NET_HEALTH_METRICS, at an address as sp_listen takes it. */
sp_code net_health_listen(net_health *h, net_health_kind kind, sp_str address, sp_err *err) SP_MUST_USE;
/* A service's port from now on (0: none), at all addresses of the node, and its ready endpoints here. A port
 * that can't be had is logged, and tried again when the service changes. */
void net_health_service(net_health *h, sp_str ns, sp_str name, uint16_t port, size_t n_local);
/* Nobody is answered any more; done comes once, from the loop. */
void net_health_stop(net_health *h, void (*done)(void *arg), void *arg);
/* NULL is fine. Of one that listened only after the stop's done. */
void net_health_free(net_health *h);

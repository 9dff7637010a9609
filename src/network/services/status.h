/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service proxy knows of its own work, and how that is told under kube-proxy's names. Both families
 * are written in one transaction, so what is told of each is the same but for flows and endpoints.
 * U: kubernetes pkg/proxy/metrics/metrics.go, pkg/proxy/healthcheck/proxy_health.go.
 */
#pragma once

#include "base/buf.h"
#include "network/services/service.h"

#define NET_BUCKETS 15u

typedef struct net_histogram {
	uint64_t in[NET_BUCKETS]; /* each alone; above the last one: only in n */
	uint64_t n, sum_ns;
} net_histogram;

/* Zero-initialise. The proxy writes it, but for the last member. */
typedef struct net_status {
	int64_t queued_ns, updated_ns; /* wall clock; 0: never */
	uint64_t pending_ns;           /* since when something waits, monotonic; 0: nothing does */
	net_histogram sync, full, partial;
	net_histogram sweeps[NET_FAMILIES];
	uint64_t n_swept[NET_FAMILIES]; /* flows */
	uint64_t failures;
	uint64_t services, endpoints;                 /* changes seen */
	uint64_t services_pending, endpoints_pending; /* of these, not yet in a transaction */
	/* Ports with a policy Local and endpoints elsewhere only. */
	uint64_t no_local_internal[NET_FAMILIES], no_local_external[NET_FAMILIES];
	bool is_eligible;       /* our Node is there, and nobody is about to remove it */
	uint64_t answers[2][2]; /* /healthz, /livez; 200, 503 */
} net_status;

void net_histogram_add(net_histogram *h, uint64_t ns);
/* A service's part of no_local_…; `was` no more, `is` instead. */
void net_status_count(net_status *s, net_family f, const net_service *was, const net_service *is);

/* Nothing waits for a minute or longer. */
bool net_status_is_healthy(const net_status *s, uint64_t now_ns);
/* The body of /healthz (with `eligible`) or /livez. Errors are the buffer's. */
sp_code net_status_health(const net_status *s, uint64_t now_ns, int64_t wall_ns, bool eligible, sp_buf *out);
/* Everything in Prometheus' text. What never happened is left out, as it is upstream. */
sp_code net_status_metrics(const net_status *s, sp_buf *out);

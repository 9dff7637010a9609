/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which UDP flows the kernel must forget. A client that keeps its port stays with the endpoint its first
 * packet was sent to, for as long as it sends, also when nobody is there any more; TCP clients are told. So
 * flows to an address, or a node port, of a UDP service that are answered by no serving endpoint of it go;
 * those of a service without any endpoint stay. Traffic policies, hints and endpoints that end don't matter:
 * flows stay where they are while they are served. U: kubernetes pkg/proxy/conntrack/cleanup.go
 * (CleanStaleEntries).
 */
#pragma once

#include "contracts/flows.h"
#include "network/services/service.h"

typedef struct net_flows net_flows;

net_flows *net_flows_new(void);
void net_flows_free(net_flows *f);
/* Copies what it needs. Of two services with one address and port, the later one counts. */
sp_code net_flows_add(net_flows *f, const net_service *s, sp_err *err) SP_MUST_USE;
/* Whether any service was added that flows could go by. */
bool net_flows_is_empty(const net_flows *f);
/* `f` is a net_flows, that nobody changes meanwhile; from any thread. */
bool net_flows_is_stale(const void *f, const sp_flow *flow);

/* Two states of a service mean the same for flows. */
bool net_flows_alike(const net_service *a, const net_service *b);

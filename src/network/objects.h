/* SPDX-License-Identifier: Apache-2.0 */
/* What this room reads of Services, EndpointSlices and Nodes. */
#pragma once

#include "kube/view.h"

/* Of an EndpointSlice: whose it is. */
#define NET_SERVICE_LABEL "kubernetes.io/service-name"

typedef struct net_service_view {
	sp_str ns, name, type, affinity, internal_policy, external_policy, external_name;
	sp_vlist cluster_ips, external_ips, ports, ingress, sources;
	int32_t affinity_s, health_port;
} net_service_view;

typedef struct net_port_view {
	sp_str name, protocol;
	int32_t port, node_port;
} net_port_view;

typedef struct net_slice_view {
	sp_str ns, type;
	sp_vmap labels;
	sp_vlist endpoints, ports;
} net_slice_view;

typedef struct net_endpoint_view {
	sp_vlist addresses;
	bool ready, serving, terminating, has_ready, has_serving;
	sp_str node, hostname;
	sp_vlist zones, nodes; /* hints: whose clients it is for; elements have a "name" */
} net_endpoint_view;

typedef struct net_slice_port_view {
	sp_str name, protocol;
	int32_t port;
} net_slice_port_view;

typedef struct net_node_view {
	sp_str zone;       /* the label topology.kubernetes.io/zone */
	sp_str deleted_at; /* "": it stays */
	sp_vlist taints;   /* elements have a "key" */
} net_node_view;

/* Of an object's text; the view lives as long as the arena. */
sp_code net_view_service(sp_arena *a, sp_str json, net_service_view *ret, sp_err *err) SP_MUST_USE;
sp_code net_view_slice(sp_arena *a, sp_str json, net_slice_view *ret, sp_err *err) SP_MUST_USE;
sp_code net_view_node(sp_arena *a, sp_str json, net_node_view *ret, sp_err *err) SP_MUST_USE;
/* The prefixes of a ServiceCIDR. */
sp_code net_view_service_cidr(sp_arena *a, sp_str json, sp_vlist *ret, sp_err *err) SP_MUST_USE;
/* Of elements of their lists. */
net_port_view net_view_port(yyjson_val *item);
net_endpoint_view net_view_endpoint(yyjson_val *item);
net_slice_port_view net_view_slice_port(yyjson_val *item);

/* An endpoint without a condition is ready; one that is ready serves. */
bool net_endpoint_is_ready(const net_endpoint_view *e);

/* The service of a slice ("" when it has none); `object` is the slice's tree. */
sp_str net_slice_service(yyjson_val *object);

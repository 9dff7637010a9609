/* SPDX-License-Identifier: Apache-2.0 */
#include "network/objects.h"

SP_VIEW(service_view, net_service_view, "v1/Service", SP_V(net_service_view, ns, "metadata.namespace"),
	SP_V(net_service_view, name, "metadata.name"), SP_V(net_service_view, ports, "spec.ports"),
	SP_V(net_service_view, cluster_ips, "spec.clusterIPs"), SP_V(net_service_view, type, "spec.type"),
	SP_V(net_service_view, external_ips, "spec.externalIPs"),
	SP_V(net_service_view, affinity, "spec.sessionAffinity"),
	SP_V(net_service_view, affinity_s, "spec.sessionAffinityConfig.clientIP.timeoutSeconds"),
	SP_V(net_service_view, sources, "spec.loadBalancerSourceRanges"),
	SP_V(net_service_view, external_policy, "spec.externalTrafficPolicy"),
	SP_V(net_service_view, internal_policy, "spec.internalTrafficPolicy"),
	SP_V(net_service_view, external_name, "spec.externalName"),
	SP_V(net_service_view, health_port, "spec.healthCheckNodePort"),
	SP_V(net_service_view, ingress, "status.loadBalancer.ingress"));

SP_VIEW(port_view, net_port_view, "io.k8s.api.core.v1.ServicePort", SP_V(net_port_view, name, "name"),
	SP_V(net_port_view, protocol, "protocol"), SP_V(net_port_view, port, "port"),
	SP_V(net_port_view, node_port, "nodePort"));

SP_VIEW(slice_view, net_slice_view, "discovery.k8s.io/v1/EndpointSlice",
	SP_V(net_slice_view, ns, "metadata.namespace"), SP_V(net_slice_view, labels, "metadata.labels"),
	SP_V(net_slice_view, type, "addressType"), SP_V(net_slice_view, endpoints, "endpoints"),
	SP_V(net_slice_view, ports, "ports"));

SP_VIEW(endpoint_view, net_endpoint_view, "io.k8s.api.discovery.v1.Endpoint",
	SP_V(net_endpoint_view, addresses, "addresses"), SP_VH(net_endpoint_view, ready, "conditions.ready"),
	SP_VH(net_endpoint_view, serving, "conditions.serving"),
	SP_V(net_endpoint_view, terminating, "conditions.terminating"),
	SP_V(net_endpoint_view, node, "nodeName"), SP_V(net_endpoint_view, hostname, "hostname"),
	SP_V(net_endpoint_view, zones, "hints.forZones"), SP_V(net_endpoint_view, nodes, "hints.forNodes"));

SP_VIEW(slice_port_view, net_slice_port_view, "io.k8s.api.discovery.v1.EndpointPort",
	SP_V(net_slice_port_view, name, "name"), SP_V(net_slice_port_view, protocol, "protocol"),
	SP_V(net_slice_port_view, port, "port"));

typedef struct node_view {
	sp_vmap labels;
	sp_vlist taints;
	sp_str deleted_at;
} node_view;

SP_VIEW(node_view_desc, node_view, "v1/Node", SP_V(node_view, labels, "metadata.labels"),
	SP_V(node_view, deleted_at, "metadata.deletionTimestamp"), SP_V(node_view, taints, "spec.taints"));

typedef struct service_cidr_view {
	sp_vlist cidrs;
} service_cidr_view;

SP_VIEW(service_cidr_desc, service_cidr_view, "networking.k8s.io/v1/ServiceCIDR",
	SP_V(service_cidr_view, cidrs, "spec.cidrs"));

sp_code net_view_node(sp_arena *a, sp_str json, net_node_view *ret, sp_err *err)
{
	node_view v;
	SP_TRY(sp_view(a, json, &node_view_desc, &v, err));
	*ret = (net_node_view){.zone = sp_vmap_str(v.labels, SP_STR("topology.kubernetes.io/zone")),
			       .deleted_at = v.deleted_at,
			       .taints = v.taints};
	return SP_OK;
}

sp_code net_view_service_cidr(sp_arena *a, sp_str json, sp_vlist *ret, sp_err *err)
{
	service_cidr_view v;
	SP_TRY(sp_view(a, json, &service_cidr_desc, &v, err));
	*ret = v.cidrs;
	return SP_OK;
}

sp_code net_view_service(sp_arena *a, sp_str json, net_service_view *ret, sp_err *err)
{
	return sp_view(a, json, &service_view, ret, err);
}

sp_code net_view_slice(sp_arena *a, sp_str json, net_slice_view *ret, sp_err *err)
{
	return sp_view(a, json, &slice_view, ret, err);
}

net_port_view net_view_port(yyjson_val *item)
{
	net_port_view v;
	sp_view_fill(item, &port_view, &v);
	return v;
}

net_endpoint_view net_view_endpoint(yyjson_val *item)
{
	net_endpoint_view v;
	sp_view_fill(item, &endpoint_view, &v);
	return v;
}

net_slice_port_view net_view_slice_port(yyjson_val *item)
{
	net_slice_port_view v;
	sp_view_fill(item, &slice_port_view, &v);
	return v;
}

bool net_endpoint_is_ready(const net_endpoint_view *e)
{
	return !e->has_ready || e->ready;
}

sp_str net_slice_service(yyjson_val *object)
{
	yyjson_val *labels = yyjson_obj_get(yyjson_obj_get(object, "metadata"), "labels");
	return sp_json_str(yyjson_obj_get(labels, NET_SERVICE_LABEL));
}

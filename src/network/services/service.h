/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Service and its endpoints as the service proxy needs them: one entry per port, with the backends that
 * traffic of each policy may reach. Read from the objects' text; everything lives in the caller's arena.
 * U: kubernetes pkg/proxy/serviceport.go, endpointslicecache.go, topology.go.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef enum net_family { NET_V4, NET_V6, NET_FAMILIES } net_family;

typedef struct net_backend {
	sp_str ip;
	uint16_t port;
	bool local; /* on this node */
} net_backend;

typedef struct net_backends {
	net_backend *at;
	size_t n;
} net_backends;

typedef struct net_port {
	sp_str name;     /* may be empty */
	sp_str protocol; /* "tcp", "udp", "sctp" */
	uint16_t port, node_port;
	/* Ready ones; when there is none, those that serve until they end. `all`: those that this node is to
	 * use, by the hints of their slices. */
	net_backends all, local;
	net_backends serving; /* of UDP: whom flows may stay with, whatever the policy */
} net_port;

typedef struct net_strs {
	sp_str *at;
	size_t n;
} net_strs;

typedef struct net_service {
	sp_str ns, name;
	net_strs cluster_ips; /* of the family; none: headless, ExternalName or another family */
	net_strs outside_ips; /* externalIPs and addresses of load balancers */
	net_strs sources;     /* loadBalancerSourceRanges; empty: everybody */
	net_port *ports;
	size_t n_ports;
	uint32_t affinity_s;                 /* of client addresses; 0: none */
	bool internal_local, external_local; /* traffic policies */
	uint16_t health_port;                /* healthCheckNodePort, where load balancers ask; or 0 */
	size_t n_local_ready;                /* addresses of ready endpoints on this node */
} net_service;

/* Whose view it is. */
typedef struct net_place {
	sp_str node, zone; /* our own name; the label topology.kubernetes.io/zone, or "" */
} net_place;

/*
 * `service` is a Service's JSON, `slices` its EndpointSlices' (label kubernetes.io/service-name). A service
 * without any address of that family comes back with n_ports = 0. SP_EINVAL: text that no API server stores.
 */
sp_code net_service_read(sp_arena *a, sp_str service, const sp_str *slices, size_t n_slices,
			 net_family family, const net_place *place, net_service *ret,
			 sp_err *err) SP_MUST_USE;

/* Appends the prefixes of the family that a ServiceCIDR's JSON has. */
sp_code net_service_cidr_read(sp_arena *a, sp_str cidr, net_family family, net_strs *to,
			      sp_err *err) SP_MUST_USE;

/*
 * An EndpointSlice's JSON, in the arena, in place of a service's own: its only endpoint is `ip`, on this
 * node, at the targetPorts (of ports that have a number there) of the Service's JSON.
 */
sp_code net_service_here(sp_arena *a, sp_str service, sp_str ip, const net_place *place, sp_str *ret,
			 sp_err *err) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services and the pods behind them, for the controllers of EndpointSlices and Endpoints: which services a
 * change of a pod concerns, which pods a service has, and on which ports. U: k8s.io/endpointslice,
 * kubernetes pkg/controller/endpoint, endpointslice.
 */
#pragma once

#include "controllers/common.h"

#define SVC_PORTS_MAX 100u

typedef struct svc_view {
	sp_str created, deleted, type, cluster_ip, traffic;
	sp_vmap labels, annotations, selector;
	sp_vlist ports, families;
	bool publish_not_ready;
} svc_view;

/* A pod that is behind a service. */
typedef struct svc_pod {
	const sp_object *object;
	sp_str ip, node, hostname, subdomain, phase, deleted;
	sp_vlist ips, conditions, containers;
	sp_vmap labels;
	bool is_ready;
} svc_pod;

typedef struct svc_port {
	sp_str name, protocol, app_protocol;
	int64_t number;
} svc_port;

typedef struct svc_ports {
	svc_port at[SVC_PORTS_MAX];
	size_t n;
} svc_ports;

/* What both controllers begin with. */
typedef struct svc_controller {
	controller base;
	sp_informer *services, *pods;
	unsigned by_pair, pods_by_ns;
	sp_informer_watch service_watch, pod_watch;
} svc_controller;

sp_code svc_open(svc_controller *s, sp_err *err) SP_MUST_USE;

/* SP_ENOTFOUND: not a service whose endpoints are made here (no selector, ExternalName). */
sp_code svc_read(sp_arena *a, const sp_object *o, svc_view *ret, sp_err *err) SP_MUST_USE;
/* The pods it selects that have an address and are not over; they are held in the arena. Sorted by name. */
sp_code svc_read_pods(svc_controller *s, sp_arena *a, const sp_object *service, const svc_view *v,
		      svc_pod **ret, size_t *ret_n, sp_err *err) SP_MUST_USE;
/* The service's ports as this pod serves them; those it does not have are left out. */
void svc_ports_of(const svc_view *v, const svc_pod *p, svc_ports *ret);
bool svc_ports_equal(const svc_ports *a, const svc_ports *b);
/* Ports of a slice or of a subset of Endpoints; more than there is room for are left out. */
void svc_ports_read(sp_vlist list, svc_ports *ret);
/* "ports":[…]; with empty names or without. */
void svc_ports_write(sp_jout *j, const svc_ports *p, bool empty_names);
/* Since when its Ready condition is what it is; empty: it has none. */
sp_str svc_ready_since(const svc_pod *p);
/* The pod's address of that family; empty: none. */
sp_str svc_ip_of(const svc_pod *p, bool v6);
static inline bool svc_is_headless(const svc_view *v)
{
	return sp_str_eq(v->cluster_ip, SP_STR("None"));
}

/* An index of slices by the key of the service they are of; arg (a text) is who manages them. */
#define SVC_SLICE_MANAGED_BY "endpointslice.kubernetes.io/managed-by"
#define SVC_SLICE_SERVICE "kubernetes.io/service-name"
sp_index_fn svc_index_slices;

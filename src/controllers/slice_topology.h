/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What service.kubernetes.io/topology-mode: Auto needs beside the endpoints (topology_hints.h): the zones of
 * the nodes and their CPU, which services want it, and who has such hints, for the events.
 */
#pragma once

#include "controllers/common.h"
#include "controllers/key_set.h"
#include "controllers/topology_hints.h"

typedef struct slice_topology {
	controller *c;
	sp_informer *nodes, *services;
	unsigned services_auto; /* an index of those that want it */
	sp_informer_watch watch;
	sp_arena arena; /* of the zones */
	topology_zone *zones;
	size_t n_zones;  /* 0: too little is known of the nodes */
	bool is_counted; /* the zones are those of the nodes */
	key_set hinted;  /* services */
} slice_topology;

/* Follows what it needs of nodes; services are looked at again when zones change. */
sp_code slice_topology_open(slice_topology *t, controller *c, sp_informer *nodes, sp_informer *services,
			    sp_err *err) SP_MUST_USE;
void slice_topology_done(slice_topology *t);

bool slice_topology_is_auto(sp_vmap annotations);
/* Decides for one address family ("IPv4"), and says so by events of the service. SP_ENOMEM. */
sp_code slice_topology_hint(slice_topology *t, const sp_object *service, const char *family,
			    topology_slice *slices, size_t n) SP_MUST_USE;
/* The service does not want hints (any more). */
void slice_topology_off(slice_topology *t, const sp_object *service, const char *family);
/* It is gone. */
void slice_topology_forget(slice_topology *t, sp_str key);

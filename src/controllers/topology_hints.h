/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hints of service.kubernetes.io/topology-mode: Auto: each zone gets endpoints in proportion to the CPU of
 * its nodes, most of them its own. Pure. Where upstream goes through a map, zones are taken in their order
 * here. U: k8s.io/endpointslice/topologycache.
 */
#pragma once

#include "base/str.h"

typedef struct topology_zone {
	sp_str name;
	double ratio; /* of all CPU */
	/* of topology_hints */
	size_t least, most, n;
	double desired;
	size_t gives, receives;
} topology_zone;

typedef struct topology_endpoint {
	sp_str zone, hint; /* hint: as it is, then as it should be; empty: none */
	bool is_ready;
} topology_endpoint;

/* Endpoints that are written together. */
typedef struct topology_slice {
	topology_endpoint **endpoints;
	size_t n;
	bool is_written; /* anyway; else it is only when its hints are of no use */
} topology_slice;

typedef enum topology_outcome {
	TOPOLOGY_HINTED,
	TOPOLOGY_NO_NODES, /* fewer than two zones are known */
	TOPOLOGY_FEW_ENDPOINTS,
	TOPOLOGY_OVERLOAD, /* a zone would get a fifth more than its part */
	TOPOLOGY_NO_ZONE,  /* an endpoint that is ready has none */
} topology_outcome;

/* Decides the hints of all endpoints of one address family. Other outcomes than TOPOLOGY_HINTED leave no
 * hint. *ret_n: how many endpoints are ready. */
topology_outcome topology_hints(topology_zone *zones, size_t n_zones, topology_slice *slices, size_t n_slices,
				size_t *ret_n);
/* What upstream says, before "(N endpoints, M zones)" or ", addressType: …". */
const char *topology_message(topology_outcome o);

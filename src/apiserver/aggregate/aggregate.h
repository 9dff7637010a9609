/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregation: groups that another server answers for. An APIService that names a service has its path passed
 * on to a ready endpoint of it, with our front proxy's certificate and the user in X-Remote-* fields, as long
 * as that server answers for its group when it is asked every half minute. What it says it serves is part of
 * discovery. U: kube-aggregator pkg/apiserver/handler_proxy.go, handler_discovery.go,
 * pkg/controllers/status/remote/remote_available_controller.go.
 *
 * Endpoints are used as they stand in EndpointSlices (upstream's --enable-aggregator-routing), for this needs
 * no service proxy on the machine.
 */
#pragma once

#include "apiserver/request.h"
#include "kube/discovery.h"
#include "kube/openapi/openapi.h"

typedef struct api_aggregates api_aggregates;

/* The proxy's certificate and key are PEM, and copied. Aborts without memory. */
api_aggregates *api_aggregates_new(api_server *server, sp_str cert, sp_str key);
/* Asks nobody any more. */
void api_aggregates_stop(api_aggregates *g);
/* When nothing is under way and the proxies are closed. NULL is a no-op. */
void api_aggregates_free(api_aggregates *g);

/* Whether another server answers for the request's path; it is answered then, now or later. */
bool api_aggregate(api_request *r);

/* What others serve, for sp_disc_source; texts are good until the loop goes on. SP_ENOMEM. */
sp_code api_aggregates_discovery(api_aggregates *g, sp_arena *a, const sp_disc_remote **ret,
				 size_t *ret_n) SP_MUST_USE;

/* The OpenAPI v3 document of a remote group and version. */
typedef struct api_aggregate_doc {
	sp_str path, hash; /* "apis/GROUP/VERSION"; as its server names it */
} api_aggregate_doc;

/* Those that are known; texts in the arena. SP_ENOMEM. */
sp_code api_aggregates_docs(api_aggregates *g, sp_arena *a, api_aggregate_doc **ret,
			    size_t *ret_n) SP_MUST_USE;
/* Their documents of version 2, those of greater priority first; texts in the arena. SP_ENOMEM, SP_ETOOLARGE.
 */
sp_code api_aggregates_specs(api_aggregates *g, sp_arena *a, sp_openapi_remote **ret,
			     size_t *ret_n) SP_MUST_USE;
/* Grows whenever any of that changes. */
uint64_t api_aggregates_epoch(api_aggregates *g);

typedef enum api_aggregate_state {
	API_AGGREGATE_UNKNOWN,
	API_AGGREGATE_PASSED,
	API_AGGREGATE_FAILED
} api_aggregate_state;

/* What became of the last question to an APIService's server. may_ask: one that is not known to be well is
 * asked again. *ret_why (of the failure) is good until the loop goes on. */
api_aggregate_state api_aggregates_state(api_aggregates *g, sp_str name, bool may_ask, sp_str *ret_why);

/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted of requests, and the endpoints that tell it. U: apiserver pkg/endpoints/metrics/metrics.go,
 * pkg/endpoints/filters/metrics.go. */
#pragma once

#include "apiserver/request.h"

/* The request goes to its handler / is over. */
void api_measure_begin(api_request *r);
void api_measure_end(api_request *r);

typedef enum api_authn_result { API_AUTHN_SUCCESS, API_AUTHN_ERROR, API_AUTHN_FAILURE } api_authn_result;
void api_measure_authn(api_request *r, api_authn_result result);

void api_measure_watch_event(api_request *r);
/* A health check was asked and answered. */
void api_measure_check(api_server *s, sp_str endpoint, sp_str name, bool ok);

/* GET /metrics and /metrics/slis. */
void api_metrics_all(api_request *r);
void api_metrics_slis(api_request *r);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server counts about itself, under the names that a kube-apiserver uses, and the text that
 * Prometheus scrapes. A family is a row of a table; a series comes into being when it is first counted. There
 * are at most API_METRIC_SERIES_MAX series: what would make more is not counted, and that is a series of its
 * own. U: apiserver pkg/endpoints/metrics, pkg/util/flowcontrol/metrics, pkg/audit/metrics.go,
 * component-base metrics.
 */
#pragma once

#include "base/buf.h"

typedef enum api_metric {
	API_METRIC_REQUESTS,
	API_METRIC_REQUEST_SECONDS,
	API_METRIC_RESPONSE_SIZES,
	API_METRIC_INFLIGHT,
	API_METRIC_INQUEUE,
	API_METRIC_LONGRUNNING,
	API_METRIC_TERMINATIONS,
	API_METRIC_WATCH_EVENTS,
	API_METRIC_STORAGE_OBJECTS,
	API_METRIC_ADMISSION_STEP,
	API_METRIC_ADMISSION_CONTROLLER,
	API_METRIC_WEBHOOK_SECONDS,
	API_METRIC_WEBHOOK_REQUESTS,
	API_METRIC_WEBHOOK_REJECTIONS,
	API_METRIC_WEBHOOK_FAIL_OPEN,
	API_METRIC_CONVERSIONS,
	API_METRIC_CONVERSION_SECONDS,
	API_METRIC_AUTHENTICATED,
	API_METRIC_AUTH_ATTEMPTS,
	API_METRIC_AUDIT_EVENTS,
	API_METRIC_AUDIT_REJECTED,
	API_METRIC_AUDIT_ERRORS,
	API_METRIC_AUDIT_LEVELS,
	API_METRIC_FLOW_DISPATCHED,
	API_METRIC_FLOW_REJECTED,
	API_METRIC_FLOW_WAIT_SECONDS,
	API_METRIC_FLOW_EXECUTION_SECONDS,
	API_METRIC_FLOW_INQUEUE,
	API_METRIC_FLOW_EXECUTING,
	API_METRIC_FLOW_SEATS_USED,
	API_METRIC_FLOW_NOMINAL,
	API_METRIC_RESOURCE_OBJECTS,
	API_METRIC_HEALTHCHECK,
	API_METRIC_HEALTHCHECKS,
	API_METRIC_DROPPED_SERIES,
	API_METRIC_COUNT_
} api_metric;

#define API_METRIC_SERIES_MAX 20000u
#define API_METRIC_LABELS_MAX 9u

typedef struct api_metrics api_metrics;

api_metrics *api_metrics_new(void);
void api_metrics_free(api_metrics *m);

/* `labels` are the values, in the order of the family's names, as many as it has. A value is cut at 128
 * bytes.
 */
void api_metric_add(api_metrics *m, api_metric id, const sp_str *labels, double by);
void api_metric_set(api_metrics *m, api_metric id, const sp_str *labels, double to);
/* Of a histogram. */
void api_metric_observe(api_metrics *m, api_metric id, const sp_str *labels, double value);
/* The same n times; without a series when n is 0. */
void api_metric_observe_many(api_metrics *m, api_metric id, const sp_str *labels, double value, uint64_t n);
/* The value of a counter or gauge, the count of a histogram; 0 when there is no such series. For tests. */
double api_metric_get(const api_metrics *m, api_metric id, const sp_str *labels);
/* Forgets the series of a gauge whose things come and go. */
void api_metric_clear(api_metrics *m, api_metric id);

/* Everything as text of version 0.0.4: of /metrics, or of /metrics/slis. Errors are the buffer's. */
sp_code api_metrics_write(const api_metrics *m, bool slis, sp_buf *out);

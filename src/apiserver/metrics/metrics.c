/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/metrics/metrics.h"

#define COUNTER SP_METRIC_COUNTER
#define GAUGE SP_METRIC_GAUGE
#define HISTOGRAM SP_METRIC_HISTOGRAM

typedef sp_metric_bounds bounds;

/* Buckets as upstream's, so that its dashboards read them. */
static const bounds request_bounds = {
	{0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60},
	23};
static const bounds size_bounds = {{1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000}, 7};
static const bounds wait_bounds = {{0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30}, 13};

static const bounds admission_bounds = {{0.005, 0.025, 0.1, 0.5, 1, 2.5}, 6};
static const bounds webhook_bounds = {{0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25}, 8};
static const bounds conversion_bounds = {
	{0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 45, 60}, 15};

#define FLOW_LABELS                             \
	{                                       \
		"priority_level", "flow_schema" \
	}
#define REQUEST_SCOPE "group", "resource", "scope", "subresource", "verb", "version"

static const sp_metric_family families[API_METRIC_COUNT_] = {
	[API_METRIC_REQUESTS] =
		{.name = "apiserver_request_total",
		 .help = "Counter of apiserver requests broken out for each verb, dry run value, "
			 "group, version, resource, scope, component, and HTTP response code.",
		 .type = COUNTER,
		 .labels = {"code", "component", "dry_run", REQUEST_SCOPE}},
	[API_METRIC_REQUEST_SECONDS] =
		{.name = "apiserver_request_duration_seconds",
		 .help = "Response latency distribution in seconds for each verb, dry run "
			 "value, group, version, resource, subresource, scope and component.",
		 .type = HISTOGRAM,
		 .labels = {"component", "dry_run", REQUEST_SCOPE},
		 .bounds = &request_bounds},
	[API_METRIC_RESPONSE_SIZES] =
		{.name = "apiserver_response_sizes",
		 .help = "Response size distribution in bytes for each group, version, verb, "
			 "resource, subresource, scope and component.",
		 .type = HISTOGRAM,
		 .labels = {"component", REQUEST_SCOPE},
		 .bounds = &size_bounds},
	[API_METRIC_INFLIGHT] = {.name = "apiserver_current_inflight_requests",
				 .help = "Number of requests that are being executed, by kind of request.",
				 .type = GAUGE,
				 .labels = {"request_kind"}},
	[API_METRIC_INQUEUE] = {.name = "apiserver_current_inqueue_requests",
				.help = "Number of requests that wait in a queue, by kind of request.",
				.type = GAUGE,
				.labels = {"request_kind"}},
	[API_METRIC_LONGRUNNING] =
		{.name = "apiserver_longrunning_requests",
		 .help = "Gauge of all active long-running apiserver requests broken out by verb, "
			 "group, version, resource, scope and component.",
		 .type = GAUGE,
		 .labels = {"component", REQUEST_SCOPE}},
	[API_METRIC_TERMINATIONS] = {.name = "apiserver_request_terminations_total",
				     .help = "Number of requests which apiserver terminated in self-defense.",
				     .type = COUNTER,
				     .labels = {"code", "component", REQUEST_SCOPE}},
	[API_METRIC_WATCH_EVENTS] = {.name = "apiserver_watch_events_total",
				     .help = "Number of events sent in watch clients",
				     .type = COUNTER,
				     .labels = {"group", "resource", "version"}},
	[API_METRIC_STORAGE_OBJECTS] = {.name = "apiserver_storage_objects",
					.help = "Number of stored objects split by kind.",
					.type = GAUGE,
					.labels = {"resource"}},
	[API_METRIC_AUTHENTICATED] = {.name = "authenticated_user_requests",
				      .help = "Counter of authenticated requests broken out by username.",
				      .type = COUNTER,
				      .labels = {"username"}},
	[API_METRIC_AUTH_ATTEMPTS] = {.name = "authentication_attempts",
				      .help = "Counter of authenticated attempts.",
				      .type = COUNTER,
				      .labels = {"result"}},
	[API_METRIC_ADMISSION_STEP] =
		{.name = "apiserver_admission_step_admission_duration_seconds",
		 .help = "Admission sub-step latency histogram in seconds, broken out for each operation and "
			 "API resource and step type (validate or admit).",
		 .type = HISTOGRAM,
		 .labels = {"operation", "rejected", "type"},
		 .bounds = &admission_bounds},
	[API_METRIC_ADMISSION_CONTROLLER] =
		{.name = "apiserver_admission_controller_admission_duration_seconds",
		 .help = "Admission controller latency histogram in seconds, identified by name and broken "
			 "out "
			 "for each operation and API resource and type (validate or admit).",
		 .type = HISTOGRAM,
		 .labels = {"name", "operation", "rejected", "type"},
		 .bounds = &admission_bounds},
	[API_METRIC_WEBHOOK_SECONDS] =
		{.name = "apiserver_admission_webhook_admission_duration_seconds",
		 .help = "Admission webhook latency histogram in seconds, identified by name and broken out "
			 "for "
			 "each operation and API resource and type (validate or admit).",
		 .type = HISTOGRAM,
		 .labels = {"name", "operation", "rejected", "type"},
		 .bounds = &webhook_bounds},
	[API_METRIC_WEBHOOK_REQUESTS] = {.name = "apiserver_admission_webhook_request_total",
					 .help = "Webhooks that were asked, by what they said.",
					 .type = COUNTER,
					 .labels = {"code", "name", "operation", "rejected", "type"}},
	[API_METRIC_WEBHOOK_REJECTIONS] =
		{.name = "apiserver_admission_webhook_rejection_count",
		 .help = "Writes that a webhook refused, or that were refused because it could not be asked.",
		 .type = COUNTER,
		 .labels = {"error_type", "name", "operation", "rejection_code", "type"}},
	[API_METRIC_WEBHOOK_FAIL_OPEN] = {.name = "apiserver_admission_webhook_fail_open_count",
					  .help = "Webhooks that could not be asked and were passed over.",
					  .type = COUNTER,
					  .labels = {"name", "type"}},
	[API_METRIC_CONVERSIONS] =
		{.name = "apiserver_conversion_webhook_request_total",
		 .help = "Counter for conversion webhook requests with success/failure and "
			 "failure error type",
		 .type = COUNTER,
		 .labels = {"failure_type", "result"}},
	[API_METRIC_CONVERSION_SECONDS] = {.name = "apiserver_conversion_webhook_duration_seconds",
					   .help = "Conversion webhook request latency",
					   .type = HISTOGRAM,
					   .labels = {"failure_type", "result"},
					   .bounds = &conversion_bounds},
	[API_METRIC_AUDIT_EVENTS] =
		{.name = "apiserver_audit_event_total",
		 .help = "Counter of audit events generated and sent to the audit backend.",
		 .type = COUNTER},
	[API_METRIC_AUDIT_REJECTED] =
		{.name = "apiserver_audit_requests_rejected_total",
		 .help = "Counter of apiserver requests rejected due to an error in audit "
			 "logging backend.",
		 .type = COUNTER},
	[API_METRIC_AUDIT_ERRORS] =
		{.name = "apiserver_audit_error_total",
		 .help = "Counter of audit events that failed to be audited properly. Plugin "
			 "identifies the plugin affected by the error.",
		 .type = COUNTER,
		 .labels = {"plugin"}},
	[API_METRIC_AUDIT_LEVELS] = {.name = "apiserver_audit_level_total",
				     .help = "Counter of policy levels for audit events (1 per request).",
				     .type = COUNTER,
				     .labels = {"level"}},
	[API_METRIC_FLOW_DISPATCHED] =
		{.name = "apiserver_flowcontrol_dispatched_requests_total",
		 .help = "Number of requests executed by API Priority and Fairness subsystem",
		 .type = COUNTER,
		 .labels = FLOW_LABELS},
	[API_METRIC_FLOW_REJECTED] =
		{.name = "apiserver_flowcontrol_rejected_requests_total",
		 .help = "Number of requests rejected by API Priority and Fairness subsystem",
		 .type = COUNTER,
		 .labels = {"priority_level", "flow_schema", "reason"}},
	[API_METRIC_FLOW_WAIT_SECONDS] = {.name = "apiserver_flowcontrol_request_wait_duration_seconds",
					  .help = "Length of time a request spent waiting in its queue",
					  .type = HISTOGRAM,
					  .labels = {"priority_level", "flow_schema", "execute"},
					  .bounds = &wait_bounds},
	[API_METRIC_FLOW_EXECUTION_SECONDS] =
		{.name = "apiserver_flowcontrol_request_execution_seconds",
		 .help = "Duration of initial stage (for a watch) or any (for a "
			 "non-watch) stage of request execution in the API Priority "
			 "and Fairness subsystem",
		 .type = HISTOGRAM,
		 .labels = {"priority_level", "flow_schema", "type"},
		 .bounds = &wait_bounds},
	[API_METRIC_FLOW_INQUEUE] =
		{.name = "apiserver_flowcontrol_current_inqueue_requests",
		 .help = "Number of requests currently pending in queues of the API Priority and "
			 "Fairness subsystem",
		 .type = GAUGE,
		 .labels = FLOW_LABELS},
	[API_METRIC_FLOW_EXECUTING] =
		{.name = "apiserver_flowcontrol_current_executing_requests",
		 .help = "Number of requests in initial (for a watch) or any (for a non-watch) "
			 "execution stage in the API Priority and Fairness subsystem",
		 .type = GAUGE,
		 .labels = FLOW_LABELS},
	[API_METRIC_FLOW_SEATS_USED] =
		{.name = "apiserver_flowcontrol_current_executing_seats",
		 .help = "Concurrency (number of seats) occupied by the currently executing "
			 "(initial stage for a WATCH, any stage otherwise) requests in the "
			 "API Priority and Fairness subsystem",
		 .type = GAUGE,
		 .labels = FLOW_LABELS},
	[API_METRIC_FLOW_NOMINAL] =
		{.name = "apiserver_flowcontrol_nominal_limit_seats",
		 .help = "Nominal number of execution seats configured for each priority level",
		 .type = GAUGE,
		 .labels = {"priority_level"}},
	[API_METRIC_RESOURCE_OBJECTS] = {.name = "apiserver_resource_objects",
					 .help = "Number of stored objects split by kind.",
					 .type = GAUGE,
					 .labels = {"group", "resource"}},
	[API_METRIC_HEALTHCHECK] = {.name = "kubernetes_healthcheck",
				    .help = "This metric records the result of a single healthcheck.",
				    .type = GAUGE,
				    .labels = {"name", "type"},
				    .sli = true},
	[API_METRIC_HEALTHCHECKS] = {.name = "kubernetes_healthchecks_total",
				     .help = "This metric records the results of all healthcheck.",
				     .type = COUNTER,
				     .labels = {"name", "status", "type"},
				     .sli = true},
	[API_METRIC_DROPPED_SERIES] =
		{.name = "sampan_metrics_dropped_total",
		 .help = "Values that were not counted because there are too many series.",
		 .type = COUNTER},
};

api_metrics *api_metrics_new(void)
{
	return sp_metrics_new(families, SP_LEN(families), API_METRIC_SERIES_MAX, API_METRIC_DROPPED_SERIES);
}

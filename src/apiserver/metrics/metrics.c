/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/metrics/metrics.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/map.h"

#define VALUE_BYTES_MAX 128u
#define KEY_BYTES_MAX (API_METRIC_LABELS_MAX * (VALUE_BYTES_MAX + 1))
#define BOUNDS_MAX 24u

typedef enum type { COUNTER, GAUGE, HISTOGRAM } type;

typedef struct bounds {
	double at[BOUNDS_MAX];
	size_t n;
} bounds;

typedef struct family {
	const char *name, *help;
	type type;
	const char *labels[API_METRIC_LABELS_MAX];
	const bounds *bounds;
	bool sli; /* told at /metrics/slis */
} family;

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

static const family families[API_METRIC_COUNT_] = {
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

typedef struct series {
	double value; /* a histogram's sum */
	uint64_t count;
	uint64_t *buckets; /* of a histogram */
	sp_str key;        /* the values, each with a NUL behind it */
	char text[];
} series;

struct api_metrics {
	sp_map by_key[API_METRIC_COUNT_];
	size_t n_series;
};

api_metrics *api_metrics_new(void)
{
	api_metrics *m = SP_NEW(api_metrics);
	for (size_t i = 0; i < API_METRIC_COUNT_; i++)
		sp_map_init(&m->by_key[i]);
	return m;
}

void api_metric_clear(api_metrics *m, api_metric id)
{
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&m->by_key[id], &i)) != NULL;) {
		series *s = e->value;
		sp_free(s->buckets);
		sp_free(s);
		m->n_series--;
	}
	sp_map_done(&m->by_key[id]);
	sp_map_init(&m->by_key[id]);
}

void api_metrics_free(api_metrics *m)
{
	if (m == NULL)
		return;
	for (unsigned i = 0; i < API_METRIC_COUNT_; i++) {
		api_metric_clear(m, (api_metric)i);
		sp_map_done(&m->by_key[i]);
	}
	sp_free(m);
}

static size_t count_labels(const family *f)
{
	size_t n = 0;
	while (n < API_METRIC_LABELS_MAX && f->labels[n] != NULL)
		n++;
	return n;
}

static sp_str key_of(char room[KEY_BYTES_MAX], const family *f, const sp_str *labels)
{
	size_t at = 0;
	for (size_t i = 0, n = count_labels(f); i < n; i++) {
		size_t len = SP_MIN(labels[i].len, VALUE_BYTES_MAX);
		if (len > 0)
			memcpy(room + at, labels[i].ptr, len);
		at += len;
		room[at++] = '\0';
	}
	return (sp_str){room, at};
}

static series *make(api_metrics *m, api_metric id, sp_str key)
{
	const family *f = &families[id];
	bool room = m->n_series < API_METRIC_SERIES_MAX || id == API_METRIC_DROPPED_SERIES;
	series *s = room ? sp_try_alloc(sizeof *s + key.len + 1) : NULL;
	if (s == NULL)
		return NULL;
	if (f->type == HISTOGRAM && (s->buckets = sp_try_alloc(f->bounds->n * sizeof *s->buckets)) == NULL) {
		sp_free(s);
		return NULL;
	}
	if (key.len > 0)
		memcpy(s->text, key.ptr, key.len);
	s->key = (sp_str){s->text, key.len};
	if (sp_map_put(&m->by_key[id], s->key, s, NULL) != SP_OK) {
		sp_free(s->buckets);
		sp_free(s);
		return NULL;
	}
	m->n_series++;
	return s;
}

static series *need(api_metrics *m, api_metric id, const sp_str *labels)
{
	char room[KEY_BYTES_MAX];
	sp_str key = key_of(room, &families[id], labels);
	series *s = sp_map_get(&m->by_key[id], key);
	if (s == NULL)
		s = make(m, id, key);
	if (s == NULL && id != API_METRIC_DROPPED_SERIES)
		api_metric_add(m, API_METRIC_DROPPED_SERIES, NULL, 1);
	return s;
}

void api_metric_add(api_metrics *m, api_metric id, const sp_str *labels, double by)
{
	series *s = need(m, id, labels);
	if (s != NULL)
		s->value += by;
}

void api_metric_set(api_metrics *m, api_metric id, const sp_str *labels, double to)
{
	series *s = need(m, id, labels);
	if (s != NULL)
		s->value = to;
}

void api_metric_observe_many(api_metrics *m, api_metric id, const sp_str *labels, double value, uint64_t n)
{
	const bounds *b = families[id].bounds;
	series *s = n == 0 ? NULL : need(m, id, labels);
	if (s == NULL)
		return;
	s->value += value * (double)n;
	s->count += n;
	for (size_t i = b->n; i > 0 && value <= b->at[i - 1]; i--)
		s->buckets[i - 1] += n;
}

void api_metric_observe(api_metrics *m, api_metric id, const sp_str *labels, double value)
{
	api_metric_observe_many(m, id, labels, value, 1);
}

double api_metric_get(const api_metrics *m, api_metric id, const sp_str *labels)
{
	char room[KEY_BYTES_MAX];
	const series *s = sp_map_get(&m->by_key[id], key_of(room, &families[id], labels));
	if (s == NULL)
		return 0;
	return families[id].type == HISTOGRAM ? (double)s->count : s->value;
}

/* ---- text ---- */

static void write_escaped(sp_buf *out, sp_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c == '\n')
			(void)sp_buf_str(out, SP_STR("\\n"));
		else if (c == '"' || c == '\\')
			(void)sp_buf_printf(out, "\\%c", c);
		else
			(void)sp_buf_char(out, c);
	}
}

static void write_number(sp_buf *out, double v)
{
	if (v >= -1e15 && v <= 1e15 && v == (double)(int64_t)v)
		(void)sp_buf_i64(out, (int64_t)v);
	else
		(void)sp_buf_printf(out, "%.9g", v);
}

/* `NAMEsuffix{a="1",le="0.5"} `; le may be NULL. */
static void write_front(sp_buf *out, const family *f, const char *suffix, sp_str key, const char *le)
{
	sp_str value;
	const char *between = "{";
	(void)sp_buf_printf(out, "%s%s", f->name, suffix);
	for (size_t i = 0, n = count_labels(f); i < n && sp_str_cut(&key, '\0', &value); i++) {
		(void)sp_buf_printf(out, "%s%s=\"", between, f->labels[i]);
		write_escaped(out, value);
		(void)sp_buf_char(out, '"');
		between = ",";
	}
	if (le != NULL) {
		(void)sp_buf_printf(out, "%sle=\"%s\"", between, le);
		between = ",";
	}
	(void)sp_buf_str(out, between[0] == ',' ? SP_STR("} ") : SP_STR(" "));
}

static void write_histogram(sp_buf *out, const family *f, const series *s)
{
	char le[32];
	for (size_t i = 0; i < f->bounds->n; i++) {
		(void)snprintf(le, sizeof le, "%.10g", f->bounds->at[i]);
		write_front(out, f, "_bucket", s->key, le);
		(void)sp_buf_printf(out, "%llu\n", (unsigned long long)s->buckets[i]);
	}
	write_front(out, f, "_bucket", s->key, "+Inf");
	(void)sp_buf_printf(out, "%llu\n", (unsigned long long)s->count);
	write_front(out, f, "_sum", s->key, NULL);
	write_number(out, s->value);
	(void)sp_buf_char(out, '\n');
	write_front(out, f, "_count", s->key, NULL);
	(void)sp_buf_printf(out, "%llu\n", (unsigned long long)s->count);
}

sp_code api_metrics_write(const api_metrics *m, bool slis, sp_buf *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	for (size_t id = 0; id < API_METRIC_COUNT_; id++) {
		const family *f = &families[id];
		const sp_map_entry *e;
		if (f->sli != slis || sp_map_count(&m->by_key[id]) == 0)
			continue;
		(void)sp_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
				    types[f->type]);
		for (size_t i = 0; (e = sp_map_next(&m->by_key[id], &i)) != NULL;) {
			const series *s = e->value;
			if (f->type == HISTOGRAM) {
				write_histogram(out, f, s);
				continue;
			}
			write_front(out, f, "", s->key, NULL);
			write_number(out, s->value);
			(void)sp_buf_char(out, '\n');
		}
	}
	return sp_buf_code(out);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of metrics, and what the API server tells with it. */
#include "apiserver/admission/counts.h"
#include "apiserver/metrics/metrics.h"
#include "lib/api_ask.h"
#include "lib/t.h"

static void free_metrics(void *arg)
{
	sp_metrics_free(arg);
}

static void written(const api_metrics *m, bool slis, const char *like)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)16 << 20);
	T_TRUE(sp_metrics_write(m, slis, &text) == SP_OK);
	t_row(SP_FMT, SP_ARG(sp_buf_view(&text)));
	T_TRUE(t_is_like(sp_buf_view(&text), like));
}

SP_TEST(api_metrics, text)
{
	static const sp_str odd[] = {SP_STR_INIT("a\"b\\c\nd"), SP_STR_INIT("v")};
	static const sp_str wait[] = {SP_STR_INIT("l"), SP_STR_INIT("s"), SP_STR_INIT("true")};
	static const sp_str check[] = {SP_STR_INIT("etcd"), SP_STR_INIT("livez")};
	api_metrics *m = api_metrics_new();
	t_defer(free_metrics, m);
	written(m, false, "");
	sp_metric_add(m, API_METRIC_AUDIT_EVENTS, NULL, 1);
	sp_metric_add(m, API_METRIC_AUDIT_EVENTS, NULL, 2);
	sp_metric_set(m, API_METRIC_FLOW_INQUEUE, odd, 1.5);
	sp_metric_observe(m, API_METRIC_FLOW_WAIT_SECONDS, wait, 0.25);
	sp_metric_observe(m, API_METRIC_FLOW_WAIT_SECONDS, wait, 100);
	sp_metric_set(m, API_METRIC_HEALTHCHECK, check, 1);
	T_TRUE(sp_metric_get(m, API_METRIC_AUDIT_EVENTS, NULL) == 3);
	T_TRUE(sp_metric_get(m, API_METRIC_FLOW_WAIT_SECONDS, wait) == 2);
	written(m, false,
		"# HELP apiserver_audit_event_total Counter *\n# TYPE apiserver_audit_event_total counter\n"
		"apiserver_audit_event_total 3\n"
		"# HELP *\n# TYPE apiserver_flowcontrol_request_wait_duration_seconds histogram\n"
		"apiserver_flowcontrol_request_wait_duration_seconds_bucket{priority_level=\"l\",flow_schema="
		"\"s\","
		"execute=\"true\",le=\"0\"} 0\n*,le=\"0.2\"} 0\n*,le=\"0.5\"} 1\n*,le=\"30\"} "
		"1\n*,le=\"+Inf\"} 2\n"
		"apiserver_flowcontrol_request_wait_duration_seconds_sum{priority_level=\"l\",flow_schema="
		"\"s\",execute="
		"\"true\"} 100.25\n*_count{*} 2\n*"
		"apiserver_flowcontrol_current_inqueue_requests{priority_level=\"a\\\"b\\\\c\\nd\",flow_"
		"schema=\"v\"} 1.5\n");
	written(m, true,
		"# HELP kubernetes_healthcheck *\nkubernetes_healthcheck{name=\"etcd\",type=\"livez\"} 1\n");
}

SP_TEST(api_metrics, never_too_many)
{
	api_metrics *m = api_metrics_new();
	char name[16];
	t_defer(free_metrics, m);
	for (unsigned i = 0; i < API_METRIC_SERIES_MAX + 10; i++) {
		const sp_str label = {name, (size_t)snprintf(name, sizeof name, "u%u", i)};
		sp_metric_add(m, API_METRIC_AUTHENTICATED, &label, 1);
	}
	T_TRUE(sp_metric_get(m, API_METRIC_DROPPED_SERIES, NULL) == 10);
	sp_metric_clear(m, API_METRIC_AUTHENTICATED);
	sp_metric_add(m, API_METRIC_AUDIT_EVENTS, NULL, 1);
	T_TRUE(sp_metric_get(m, API_METRIC_AUDIT_EVENTS, NULL) == 1);
}

SP_TEST(api_metrics, what_requests_leave)
{
	static const t_ask_row rows[] = {
		{{.method = "GET", .path = "/api/v1/namespaces"}, 200, NULL},
		{{.method = "GET", .path = "/api/v1/namespaces/none"}, 404, NULL},
		{{.method = "GET", .path = "/no/such/path"}, 404, NULL},
		{{.method = "GET", .path = "/apis/no.such/v1/things"}, 404, NULL},
		{{.method = "GET", .path = "/livez/ping"}, 200, "ok"},
		{{.method = "POST",
		  .path = "/api/v1/namespaces/default/configmaps?dryRun=All",
		  .body = SP_STR_INIT("{\"metadata\":{\"name\":\"a\"}}")},
		 201,
		 NULL},
		{{.method = "GET", .path = "/metrics"},
		 200,
		 "*apiserver_request_total{code=\"200\",component=\"apiserver\",dry_run=\"\",group=\"\","
		 "resource="
		 "\"namespaces\",scope=\"cluster\",subresource=\"\",verb=\"LIST\",version=\"v1\"} 1\n"
		 "apiserver_request_total{code=\"404\",component=\"apiserver\",dry_run=\"\",group=\"\","
		 "resource="
		 "\"namespaces\",scope=\"resource\",subresource=\"\",verb=\"GET\",version=\"v1\"} 1\n"
		 "apiserver_request_total{code=\"404\",component=\"apiserver\",dry_run=\"\",group=\"\","
		 "resource=\"\","
		 "scope=\"\",subresource=\"\",verb=\"GET\",version=\"\"} 1\n*"
		 "subresource=\"/livez\",verb=\"GET\",version=\"\"} 1\n*dry_run=\"All\",*"
		 "authentication_attempts{result=\"success\"} *"},
		{{.method = "GET", .path = "/metrics/slis"},
		 200,
		 "*kubernetes_healthchecks_total{name=\"ping\",status=\"success\",type=\"livez\"} 1\n*"},
		{{.method = "GET",
		  .path = "/readyz?verbose&exclude=poststarthook%2Frbac%2Fbootstrap-roles&exclude=y"},
		 200,
		 "[+]ping ok\n*[+]poststarthook/rbac/bootstrap-roles excluded: ok\n[+]shutdown ok\nwarn: "
		 "some health checks "
		 "cannot be excluded: no matches for \"y\"\nreadyz check passed\n"},
		{{.method = "GET", .path = "/livez/shutdown"}, 404, NULL},
		{{.method = "GET", .path = "/readyz/shutdown"}, 200, "ok"},
	};
	t_asker *f = t_asker_open();
	if (f != NULL && t_api_restart(&f->api, 1000000000))
		t_ask_all(f, rows, SP_LEN(rows));
}

#define TOOK "apiserver_admission_controller_admission_duration_seconds"
#define OF_IT "{name=\"NamespaceLifecycle\",operation=\"DELETE\",rejected=\"true\",type=\"admit\""

/* The short ones are gathered, the long ones told at once; none loses its time. */
SP_TEST(api_metrics, times_of_plugins)
{
	static const uint64_t took_ns[] = {200000, 300000, 1500000, 30000000};
	t_asker *f = t_asker_open();
	if (f == NULL)
		return;
	size_t lifecycle = 0;
	while (strcmp(api_admission_plugins[lifecycle].name, "NamespaceLifecycle") != 0)
		lifecycle++;
	for (size_t i = 0; i < SP_LEN(took_ns); i++)
		api_count_plugin(f->api.server, API_OP_DELETE, lifecycle, false, true, took_ns[i]);
	const t_req q = {.method = "GET", .path = "/metrics"};
	t_ask_one(f, &q, 200,
		  "*" TOOK "_bucket" OF_IT ",le=\"0.005\"} 3\n" TOOK "_bucket" OF_IT ",le=\"0.025\"} 3\n" TOOK
		  "_bucket" OF_IT ",le=\"0.1\"} 4\n*" TOOK "_sum" OF_IT "} 0.032\n" TOOK "_count" OF_IT
		  "} 4\n*");
}

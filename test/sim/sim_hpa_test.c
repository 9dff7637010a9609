/* SPDX-License-Identifier: Apache-2.0 */
/* Horizontal autoscalers: targets follow what their pods are measured to use, and what others measure. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST "horizontal-pod-autoscaler-controller,deployment-controller,replicaset-controller"
#define HPAS SP_GVR("autoscaling", "v2", "horizontalpodautoscalers")
#define DEPLOYMENT                                                                                           \
	"{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":"      \
	"\"d\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"d\"}},\"spec\":{\"containers\":[{\"name\":" \
	"\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"memory\":\"100Mi\",\"cpu\":\"1\"}}}]}}}}"
#define HPA_OF(kind, name, more)                                                                          \
	"{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\"," \
	"\"kind\":\"" kind "\",\"name\":\"d\"},\"minReplicas\":1,\"maxReplicas\":6," more "}}"
#define HPA(more) HPA_OF("Deployment", "h", more)
#define MEMORY                                                                                        \
	"\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"memory\",\"target\":{\"type\":" \
	"\"Utilization\",\"averageUtilization\":50}}}]"

/* A node's kubelet, and a server of custom and external metrics: host "meter". */
typedef struct rig {
	t_ctl t;
	sp_world *world;
	sp_listener *listeners[2];
	sp_http_server *http;
	int64_t use_mib; /* of each pod that runs */
	int64_t value;   /* of every other metric */
	bool drained;
} rig;

static void put_pods(const rig *r, sp_buf *out)
{
	const sp_object *o;
	long long now_ms = (long long)(sp_wall_ns(r->world) / 1000000);
	(void)sp_buf_printf(out,
			    "node_cpu_usage_seconds_total %lld %lld\nnode_memory_working_set_bytes 9 %lld\n",
			    now_ms / 1000, now_ms, now_ms);
	for (size_t at = 0; (o = sp_informer_next(r->t.pods, &at)) != NULL;) {
		(void)sp_buf_printf(
			out,
			"container_cpu_usage_seconds_total{container=\"c\",namespace=\"default\",pod="
			"\"" SP_FMT
			"\"} %lld %lld\ncontainer_memory_working_set_bytes{container=\"c\",namespace="
			"\"default\",pod=\"" SP_FMT "\"} %lld %lld\n",
			SP_ARG(o->name), now_ms / 1000, now_ms, SP_ARG(o->name), (long long)r->use_mib << 20,
			now_ms);
	}
}

static void put_metrics(const rig *r, sp_str path, sp_buf *out)
{
	bool index = sp_str_ends(path, SP_STR("/v1beta1")) || sp_str_ends(path, SP_STR("/v1beta2"));
	if (index)
		(void)sp_buf_printf(out, "{\"kind\":\"APIResourceList\",\"resources\":[]}");
	else
		(void)sp_buf_printf(
			out,
			"{\"kind\":\"MetricValueList\",\"items\":[{\"describedObject\":{\"name\":"
			"\"x\"},\"metricName\":\"m\",\"timestamp\":\"2026-01-01T00:00:00Z\",\"value\":"
			"\"%lld\"}]}",
			(long long)r->value);
}

static void on_request(void *arg, sp_http_exchange *ex)
{
	const rig *r = arg;
	static const sp_http_header text = {SP_STR_INIT("content-type"), SP_STR_INIT("text/plain")},
				    json = {SP_STR_INIT("content-type"), SP_STR_INIT("application/json")};
	SP_AUTO_BUF out;
	bool is_kubelet = sp_str_eq(ex->path, SP_STR("/metrics/resource"));
	sp_buf_init(&out, 1 << 20);
	if (is_kubelet)
		put_pods(r, &out);
	else
		put_metrics(r, ex->path, &out);
	(void)!sp_http_respond(ex, 200, is_kubelet ? &text : &json, 1, sp_buf_view(&out), NULL);
}

static void on_accept(void *arg, sp_stream *s)
{
	sp_http_server_accept(((rig *)arg)->http, s);
}

static void on_drained(void *arg)
{
	((rig *)arg)->drained = true;
}

static bool is_drained(void *arg)
{
	return ((rig *)arg)->drained;
}

static void rig_done(void *arg)
{
	rig *r = arg;
	for (size_t i = 0; i < 2; i++)
		sp_listener_close(r->listeners[i]);
	if (r->http == NULL)
		return;
	sp_http_server_drain(r->http, 0, on_drained, r);
	(void)sp_sim_run(r->t.api.sim, is_drained, r, sp_sim_now_ns(r->t.api.sim) + 60 * SECOND);
	sp_http_server_free(r->http);
}

/* Creates in spite of faults. */
static void create(rig *r, sp_gvr gvr, const char *ns, const char *json)
{
	do
		t_ask(&r->t.user,
		      &(sp_ask){
			      .verb = SP_ASK_CREATE, .gvr = gvr, .ns = sp_str_c(ns), .body = sp_str_c(json)});
	while (r->t.user.code != SP_OK && r->t.user.code != SP_EEXISTS && !t_failed());
}

static void make_node(rig *r)
{
	create(r, SP_NODES, "", "{\"metadata\":{\"name\":\"n\"}}");
	do
		t_ask(&r->t.user,
		      &(sp_ask){
			      .verb = SP_ASK_MERGE_PATCH,
			      .gvr = SP_NODES,
			      .name = SP_STR("n"),
			      .subresource = SP_STR("status"),
			      .body = SP_STR("{\"status\":{\"addresses\":[{\"type\":\"Hostname\",\"address\":"
					     "\"meter\"}]}}")});
	while (r->t.user.code != SP_OK && !t_failed());
}

static rig *rig_open(const sp_sim_opts *o)
{
	static const char *const addresses[] = {"0.0.0.0:10250", "0.0.0.0:443"};
	rig *r = sp_new(T_ARENA, rig, 1);
	t_no_faults();
	r->use_mib = 50;
	r->t.config.hpa_downscale_window_ns = 30 * SECOND;
	if (!t_ctl_open(&r->t, o, LIST))
		return NULL;
	r->world = sp_sim_world(sp_sim_host_new(r->t.api.sim, "meter", NULL, NULL));
	const sp_http_server_opts http = {.on_request = on_request, .arg = r};
	t_defer(rig_done, r);
	if (sp_http_server_new(r->world, &http, &r->http, T_ERR) != SP_OK)
		return NULL;
	for (size_t i = 0; i < SP_LEN(addresses); i++) {
		if (sp_listen(r->world, sp_str_c(addresses[i]), NULL, on_accept, r, &r->listeners[i],
			      T_ERR) != SP_OK)
			return NULL;
	}
	make_node(r);
	create(r, SP_DEPLOYMENTS, "default", DEPLOYMENT);
	return t_failed() ? NULL : r;
}

static bool replicas(rig *r, const char *want)
{
	return t_ctl_wait(&r->t, SP_DEPLOYMENTS, "default", "d", "status.readyReplicas", want);
}

static bool condition(rig *r, const char *name, const char *type, const char *want)
{
	for (int i = 0; i < 1200 && !t_failed(); i++) {
		yyjson_val *list = sp_view_at(t_ctl_get(&r->t, HPAS, "default", name), "status.conditions"),
			   *c;
		size_t k, n;
		yyjson_arr_foreach(list, k, n, c)
		{
			sp_str is = sp_view_str_at(c, "type");
			if (sp_str_eq(is, sp_str_c(type)) &&
			    sp_str_eq(sp_view_str_at(c, "reason"), sp_str_c(want)))
				return true;
		}
		t_ctl_run(&r->t, SECOND / 10);
	}
	(void)t_fail(__FILE__, __LINE__, "%s: %s is not %s", name, type, want);
	return false;
}

static bool status(rig *r, const char *path, const char *want)
{
	return t_ctl_wait(&r->t, HPAS, "default", "h", path, want);
}

SP_TEST(sim_hpa, up_and_down)
{
	rig *r = rig_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(r != NULL && replicas(r, "2"));
	create(r, HPAS, "default", HPA(MEMORY));
	T_TRUE(status(r, "status.currentMetrics[0].resource.current.averageUtilization", "50"));
	T_TRUE(condition(r, "h", "ScalingActive", "ValidMetricFound"));
	T_TRUE(condition(r, "h", "AbleToScale", "ReadyForNewScale"));
	T_TRUE(condition(r, "h", "ScalingLimited", "DesiredWithinRange"));
	r->use_mib = 100;
	T_TRUE(replicas(r, "4"));
	T_TRUE(status(r, "status.currentMetrics[0].resource.current.averageValue", "100Mi"));
	/* at most six */
	T_TRUE(replicas(r, "6"));
	T_TRUE(condition(r, "h", "ScalingLimited", "TooManyReplicas"));
	r->use_mib = 10;
	T_TRUE(condition(r, "h", "AbleToScale", "ScaleDownStabilized"));
	T_TRUE(replicas(r, "2"));
	T_TRUE(replicas(r, "1"));
	T_TRUE(status(r, "status.desiredReplicas", "1"));
	size_t n;
	(void)t_ctl_list(&r->t, SP_EVENTS_CORE, "default", "", &n);
	T_TRUE(n > 0);
}

SP_TEST(sim_hpa, ends_of_the_range)
{
	rig *r = rig_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(r != NULL && replicas(r, "2"));
	create(r, HPAS, "default", HPA(MEMORY));
	T_TRUE(t_ctl_patch(&r->t, SP_DEPLOYMENTS, "default", "d", "", "{\"spec\":{\"replicas\":9}}"));
	T_TRUE(replicas(r, "6"));
	T_TRUE(condition(r, "h", "AbleToScale", "SucceededRescale"));
	T_TRUE(t_ctl_patch(&r->t, HPAS, "default", "h", "",
			   "{\"spec\":{\"minReplicas\":3,\"maxReplicas\":3}}"));
	T_TRUE(replicas(r, "3"));
	/* Somebody who wants none has none. */
	T_TRUE(t_ctl_patch(&r->t, SP_DEPLOYMENTS, "default", "d", "", "{\"spec\":{\"replicas\":0}}"));
	T_TRUE(condition(r, "h", "ScalingActive", "ScalingDisabled"));
	T_TRUE(t_ctl_wait(&r->t, SP_DEPLOYMENTS, "default", "d", "spec.replicas", "0"));
	T_TRUE(t_ctl_patch(&r->t, SP_DEPLOYMENTS, "default", "d", "", "{\"spec\":{\"replicas\":1}}"));
	T_TRUE(replicas(r, "3"));
}

static bool message(rig *r, const char *name, const char *want)
{
	yyjson_val *list = sp_view_at(t_ctl_get(&r->t, HPAS, "default", name), "status.conditions"), *c;
	size_t k, n;
	yyjson_arr_foreach(list, k, n, c)
	{
		if (sp_str_eq(sp_view_str_at(c, "message"), sp_str_c(want)))
			return true;
	}
	return t_fail(__FILE__, __LINE__, "%s: no '%s'", name, want);
}

#define EXTERNAL                                                                                      \
	"\"metrics\":[{\"type\":\"External\",\"external\":{\"metric\":{\"name\":\"q\",\"selector\":{" \
	"\"matchLabels\":{\"b\":\"c\"}}},\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"5\"}}}]"
#define PODS                                                                                          \
	"\"metrics\":[{\"type\":\"Pods\",\"pods\":{\"metric\":{\"name\":\"m\"},\"target\":{\"type\":" \
	"\"AverageValue\",\"averageValue\":\"5\"}}}]"
#define OBJECT                                                                                               \
	"\"metrics\":[{\"type\":\"Object\",\"object\":{\"describedObject\":{\"apiVersion\":\"v1\",\"kind\":" \
	"\"Service\",\"name\":\"s\"},\"metric\":{\"name\":\"m\"},\"target\":{\"type\":\"Value\",\"value\":"  \
	"\"5\"}}}]"

SP_TEST(sim_hpa, refusals)
{
	rig *r = rig_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(r != NULL && replicas(r, "2"));
	create(r, HPAS, "default", HPA_OF("Nothing", "n", MEMORY));
	T_TRUE(condition(r, "n", "AbleToScale", "FailedGetScale"));
	T_TRUE(message(r, "n",
		       "the HPA controller was unable to get the target's current scale: no matches for kind "
		       "\"Nothing\" in group \"apps\""));
	create(r, HPAS, "default", HPA_OF("StatefulSet", "s", MEMORY));
	T_TRUE(condition(r, "s", "AbleToScale", "FailedGetScale"));
	T_TRUE(message(r, "s",
		       "the HPA controller was unable to get the target's current scale: statefulsets.apps "
		       "\"d\" not found"));
	create(r, HPAS, "default", HPA(EXTERNAL));
	T_TRUE(condition(r, "h", "ScalingActive", "FailedGetExternalMetric"));
	T_TRUE(message(
		r, "h",
		"the HPA was unable to compute the replica count: unable to get external metric "
		"default/q/&LabelSelector{MatchLabels:map[string]string{b: c,},MatchExpressions:[]"
		"LabelSelectorRequirement{},}: unable to fetch metrics from external metrics API: the server "
		"could not find the requested resource (get q.external.metrics.k8s.io)"));
	/* A second one for the same pods. */
	create(r, HPAS, "default", HPA_OF("Deployment", "i", PODS));
	T_TRUE(condition(r, "i", "ScalingActive", "AmbiguousSelector"));
	T_TRUE(message(r, "i",
		       "pods by selector a=d are controlled by multiple HPAs: [{h default} {i default}]"));
	T_TRUE(condition(r, "h", "ScalingActive", "AmbiguousSelector"));
	T_TRUE(t_ctl_delete(&r->t, HPAS, "default", "h", ""));
	T_TRUE(condition(r, "i", "ScalingActive", "FailedGetPodsMetric"));
	T_TRUE(message(
		r, "i",
		"the HPA was unable to compute the replica count: unable to get metric m: unable to fetch "
		"metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered"));
	T_TRUE(t_ctl_wait(&r->t, SP_DEPLOYMENTS, "default", "d", "spec.replicas", "2"));
}

#define SERVE(version, group)                                                                         \
	"{\"metadata\":{\"name\":\"" version "." group "\"},\"spec\":{\"group\":\"" group             \
	"\",\"version\":\"" version "\",\"insecureSkipTLSVerify\":true,\"groupPriorityMinimum\":100," \
	"\"versionPriority\":10,\"service\":{"                                                        \
	"\"namespace\":\"default\",\"name\":\"s\"}}}"

SP_TEST(sim_hpa, metrics_of_others)
{
	static const sp_gvr services = {SP_STR_INIT("apiregistration.k8s.io"), SP_STR_INIT("v1"),
					SP_STR_INIT("apiservices")};
	rig *r = rig_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(r != NULL && replicas(r, "2"));
	create(r, SP_SERVICES, "default",
	       "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":443}]}}");
	create(r, SP_ENDPOINTSLICES, "default",
	       "{\"metadata\":{\"name\":\"e\",\"labels\":{\"kubernetes.io/"
	       "service-name\":\"s\"}},\"addressType\":"
	       "\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.6\"]}],\"ports\":[{\"name\":\"\",\"port\":"
	       "443}]}");
	create(r, services, "", SERVE("v1beta1", "external.metrics.k8s.io"));
	create(r, services, "", SERVE("v1beta1", "custom.metrics.k8s.io"));
	t_ctl_run(&r->t, 3 * SECOND);
	r->value = 20;
	create(r, HPAS, "default", HPA(EXTERNAL));
	T_TRUE(replicas(r, "4"));
	T_TRUE(status(r, "status.currentMetrics[0].external.current.averageValue", "5"));
	r->value = 12;
	T_TRUE(t_ctl_patch(&r->t, HPAS, "default", "h", "", "{\"spec\":{" OBJECT "}}"));
	T_TRUE(replicas(r, "6"));
	T_TRUE(status(r, "status.currentMetrics[0].object.current.value", "12"));
	T_TRUE(message(r, "h",
		       "the HPA was able to successfully calculate a replica count from Service metric m"));
}

SP_TEST(sim_hpa, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 60 * SECOND;
	rig *r = rig_open(&o);
	T_TRUE(r != NULL);
	create(r, HPAS, "default", HPA(MEMORY));
	t_ctl_run(&r->t, 20 * SECOND);
	r->use_mib = 90;
	t_ctl_run(&r->t, 20 * SECOND);
	sp_sim_run_until(r->t.api.sim, 61 * SECOND);
	T_TRUE(replicas(r, "6"));
	r->use_mib = 50;
	t_ctl_run(&r->t, 60 * SECOND);
	T_TRUE(status(r, "status.currentMetrics[0].resource.current.averageUtilization", "50"));
	T_TRUE(replicas(r, "6"));
	r->use_mib = 20;
	T_TRUE(replicas(r, "1"));
}

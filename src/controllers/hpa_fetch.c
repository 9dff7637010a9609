/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io. U: kubernetes
 * pkg/controller/podautoscaler/metrics/client.go, k8s.io/metrics pkg/client. */
#include "base/duration.h"
#include "base/quantity.h"
#include "base/url.h"
#include "controllers/hpa_int.h"
#include "kube/kinds/values.h"

#define PATH_BYTES_MAX ((size_t)64 << 10)
#define NS_PER_S INT64_C(1000000000)
#define WINDOW_DEFAULT_NS (60 * NS_PER_S)
#define CUSTOM "custom.metrics.k8s.io"

typedef struct fetch fetch;
struct fetch {
	hpa_run *x;
	hpa_fetched_fn *then;
	sp_str resource, container; /* of metrics.k8s.io */
	sp_str metric;
	yyjson_val *selector; /* of the metric, or NULL */
	yyjson_val *object;   /* custom: what it is of; NULL: the pods */
	sp_str plural;        /* of its kind: "deployments.apps" */
	const char *api;      /* "custom metrics API", for messages */
	sp_str asked;         /* the resource, for messages */
};

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

static void fail(fetch *f, sp_str why)
{
	f->then(f->x, NULL,
		sp_arena_printf(f->x->arena, "unable to fetch metrics from %s: " SP_FMT, f->api,
				SP_ARG(why)));
}

static fetch *begin(hpa_run *x, const char *api, hpa_fetched_fn *then)
{
	fetch *f = sp_new(x->arena, fetch, 1);
	*f = (fetch){.x = x, .then = then, .api = api};
	return f;
}

/* ---- answers ---- */

static bool milli(yyjson_val *v, int64_t *ret)
{
	sp_qty q;
	if (sp_qty_parse(sp_json_str(v), &q, NULL) != SP_OK)
		return false;
	*ret = sp_qty_milli(&q);
	return true;
}

/* What the containers of a PodMetrics use. False: one does not say. */
static bool sum_usage(const fetch *f, yyjson_val *item, int64_t *ret)
{
	yyjson_val *c;
	size_t i, n;
	int64_t one;
	bool found = false;
	*ret = 0;
	yyjson_arr_foreach(sp_json_last(item, SP_STR("containers")), i, n, c)
	{
		if (f->container.len > 0 && !sp_str_eq(text(c, "name"), f->container))
			continue;
		if (!milli(sp_json_last(sp_json_last(c, SP_STR("usage")), f->resource), &one))
			return false;
		*ret += one;
		found = true;
	}
	return found;
}

static bool read_pod_metrics(const fetch *f, yyjson_val *item, hpa_sample *ret)
{
	int64_t window = 0;
	(void)!sp_duration_parse(text(item, "window"), &window, NULL);
	*ret = (hpa_sample){.name = text(sp_json_last(item, SP_STR("metadata")), "name"),
			    .at_ns = ctl_seconds(text(item, "timestamp")) * NS_PER_S,
			    .window_ns = window};
	return sum_usage(f, item, &ret->value);
}

/* Of a MetricValue of either version. */
static bool read_custom(const fetch *f, yyjson_val *item, hpa_sample *ret)
{
	yyjson_val *window = sp_json_last(item, SP_STR("windowSeconds"));
	(void)f;
	if (window == NULL)
		window = sp_json_last(item, SP_STR("window"));
	*ret = (hpa_sample){.name = text(sp_json_last(item, SP_STR("describedObject")), "name"),
			    .at_ns = ctl_seconds(text(item, "timestamp")) * NS_PER_S,
			    .window_ns = yyjson_is_int(window) ? yyjson_get_sint(window) * NS_PER_S
							       : WINDOW_DEFAULT_NS};
	return milli(sp_json_last(item, SP_STR("value")), &ret->value);
}

static bool read_external(const fetch *f, yyjson_val *item, hpa_sample *ret)
{
	(void)f;
	*ret = (hpa_sample){.name = SP_STR("")};
	return milli(sp_json_last(item, SP_STR("value")), &ret->value);
}

/* Items that say nothing are left out. */
static void take_list(fetch *f, const sp_answer *a,
		      bool (*read)(const fetch *f, yyjson_val *item, hpa_sample *ret))
{
	hpa_run *x = f->x;
	yyjson_val *root, *item;
	size_t i, n;
	if (a->code != SP_OK) {
		fail(f, hpa_why(x, a, "get", f->asked));
		return;
	}
	if (sp_json_parse(x->arena, a->body, &root, NULL) != SP_OK) {
		fail(f, SP_STR("the answer is no JSON"));
		return;
	}
	yyjson_val *list = sp_json_last(root, SP_STR("items"));
	if (yyjson_arr_size(list) == 0 && f->object == NULL) {
		f->then(x, NULL, sp_arena_printf(x->arena, "no metrics returned from %s", f->api));
		return;
	}
	hpa_fetched found = {.samples = sp_try_new(x->arena, hpa_sample, yyjson_arr_size(list) + 1)};
	if (found.samples == NULL) {
		fail(f, SP_STR("no memory for metrics"));
		return;
	}
	yyjson_arr_foreach(list, i, n, item) found.n += read(f, item, &found.samples[found.n]);
	if (f->object != NULL && (yyjson_arr_size(list) != 1 || found.n != 1))
		fail(f,
		     sp_arena_printf(x->arena,
				     "the custom metrics API server returned %zu results when we asked for "
				     "exactly one",
				     yyjson_arr_size(list)));
	else
		f->then(x, &found, SP_STR(""));
}

/* ---- questions ---- */

static sp_str selector_of(hpa_run *x, yyjson_val *v)
{
	sp_selector s;
	SP_AUTO_BUF out;
	sp_buf_init(&out, PATH_BYTES_MAX);
	if (v != NULL &&
	    (sp_labels_of_object(x->arena, v, &s, NULL) != SP_OK || sp_selector_print(&out, &s) != SP_OK))
		return SP_STR("");
	return sp_arena_try_dup(x->arena, sp_buf_view(&out));
}

/* The target's own selector, in its canonical form. */
static sp_str pod_selector(hpa_run *x)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, PATH_BYTES_MAX);
	(void)!sp_selector_print(&out, &x->selector);
	return sp_arena_try_dup(x->arena, sp_buf_view(&out));
}

static void ask(fetch *f, sp_buf *path, sp_buf *query, void (*done)(sp_call *c, const sp_answer *a))
{
	hpa_run *x = f->x;
	if (sp_buf_code(path) != SP_OK || sp_buf_code(query) != SP_OK) {
		fail(f, SP_STR("the question is too long"));
		return;
	}
	x->call = (sp_call){.done = done, .arg = f};
	sp_call_start(x->h->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_GET, .path = sp_buf_view(path), .query = sp_buf_view(query)});
}

static void add_query(sp_buf *query, const char *key, sp_str value)
{
	if (value.len > 0)
		(void)!sp_query_add(query, key, value);
}

static void on_resource(sp_call *c, const sp_answer *a)
{
	take_list(c->arg, a, read_pod_metrics);
}

void hpa_fetch_resource(hpa_run *x, sp_str resource, sp_str container, hpa_fetched_fn *then)
{
	fetch *f = begin(x, "resource metrics API", then);
	SP_AUTO_BUF path, query;
	sp_buf_init(&path, PATH_BYTES_MAX);
	sp_buf_init(&query, PATH_BYTES_MAX);
	f->resource = resource;
	f->container = container;
	f->asked = SP_STR("pods.metrics.k8s.io");
	(void)sp_buf_printf(&path, "/apis/metrics.k8s.io/v1beta1/namespaces/" SP_FMT "/pods",
			    SP_ARG(x->o->ns));
	add_query(&query, "labelSelector", pod_selector(x));
	ask(f, &path, &query, on_resource);
}

static void on_custom(sp_call *c, const sp_answer *a)
{
	take_list(c->arg, a, read_custom);
}

static void ask_custom(fetch *f)
{
	hpa_run *x = f->x;
	SP_AUTO_BUF path, query;
	sp_buf_init(&path, PATH_BYTES_MAX);
	sp_buf_init(&query, PATH_BYTES_MAX);
	(void)sp_buf_printf(&path, "/apis/" CUSTOM "/%s/namespaces/" SP_FMT "/", x->h->custom_version,
			    SP_ARG(x->o->ns));
	if (f->plural.len > 0) {
		(void)sp_url_escape(&path, f->plural);
		(void)sp_buf_char(&path, '/');
		if (f->object == NULL)
			(void)sp_buf_char(&path, '*');
		else
			(void)sp_url_escape(&path, text(f->object, "name"));
		f->asked = sp_arena_printf(x->arena, SP_FMT "." CUSTOM, SP_ARG(f->plural));
	} else {
		(void)sp_buf_printf(&path, "metrics");
		f->asked = SP_STR("metrics." CUSTOM);
	}
	(void)sp_buf_char(&path, '/');
	(void)sp_url_escape(&path, f->metric);
	if (f->object == NULL)
		add_query(&query, "labelSelector", pod_selector(x));
	add_query(&query, "metricLabelSelector", selector_of(x, f->selector));
	ask(f, &path, &query, on_custom);
}

/* Which version of the group the server has; the first that is known here. */
static void on_group(sp_call *c, const sp_answer *a)
{
	static const char *const known[] = {"v1beta2", "v1beta1"};
	fetch *f = c->arg;
	hpa_run *x = f->x;
	yyjson_val *root, *v;
	size_t i, n;
	const char *found = NULL;
	if (a->code == SP_OK && sp_json_parse(x->arena, a->body, &root, NULL) == SP_OK) {
		yyjson_arr_foreach(sp_json_last(root, SP_STR("versions")), i, n, v)
		{
			sp_str version = text(v, "version");
			for (size_t k = 0; k < SP_LEN(known) && found == NULL; k++)
				found = sp_str_eq(version, sp_str_c(known[k])) ? known[k] : NULL;
		}
	}
	if (found == NULL) {
		fail(f, SP_STR("no custom metrics API (" CUSTOM ") registered"));
		return;
	}
	x->h->custom_version = found;
	x->h->custom_ns = sp_now_ns(x->h->base.world);
	ask_custom(f);
}

static void need_version(fetch *f)
{
	hpa_run *x = f->x;
	SP_AUTO_BUF path, query;
	/* U: the versions of pkg/controller/podautoscaler/metrics are forgotten once a period. */
	if (x->h->custom_version != NULL && sp_now_ns(x->h->base.world) - x->h->custom_ns < x->h->period_ns) {
		ask_custom(f);
		return;
	}
	sp_buf_init(&path, PATH_BYTES_MAX);
	sp_buf_init(&query, PATH_BYTES_MAX);
	(void)sp_buf_printf(&path, "/apis/" CUSTOM);
	ask(f, &path, &query, on_group);
}

void hpa_fetch_pods(hpa_run *x, sp_str metric, yyjson_val *selector, hpa_fetched_fn *then)
{
	fetch *f = begin(x, "custom metrics API", then);
	f->metric = metric;
	f->selector = selector;
	f->plural = SP_STR("pods");
	need_version(f);
}

static void on_resolved(hpa_run *x, const sp_gvr *gvr, sp_str why)
{
	fetch *f = x->call.arg;
	if (gvr == NULL) {
		fail(f, sp_arena_printf(x->arena, "unable to map kind " SP_FMT " to resource: " SP_FMT,
					SP_ARG(text(f->object, "kind")), SP_ARG(why)));
		return;
	}
	f->plural = gvr->group.len == 0 ? sp_arena_try_dup(x->arena, gvr->resource)
					: sp_arena_printf(x->arena, SP_FMT "." SP_FMT, SP_ARG(gvr->resource),
							  SP_ARG(gvr->group));
	need_version(f);
}

void hpa_fetch_object(hpa_run *x, yyjson_val *object, sp_str metric, yyjson_val *selector,
		      hpa_fetched_fn *then)
{
	fetch *f = begin(x, "custom metrics API", then);
	sp_str version = text(object, "apiVersion"), group;
	f->metric = metric;
	f->selector = selector;
	f->object = object;
	if (!sp_str_cut(&version, '/', &group))
		group = SP_STR("");
	/* The namespace is the autoscaler's, whatever its reference says. */
	if (group.len == 0 && sp_str_eq(text(object, "kind"), SP_STR("Namespace"))) {
		need_version(f);
		return;
	}
	x->call.arg = f;
	hpa_resolve(x, group, text(object, "kind"), on_resolved);
}

static void on_external(sp_call *c, const sp_answer *a)
{
	take_list(c->arg, a, read_external);
}

void hpa_fetch_external(hpa_run *x, sp_str metric, yyjson_val *selector, hpa_fetched_fn *then)
{
	fetch *f = begin(x, "external metrics API", then);
	SP_AUTO_BUF path, query;
	sp_buf_init(&path, PATH_BYTES_MAX);
	sp_buf_init(&query, PATH_BYTES_MAX);
	f->metric = metric;
	f->asked = sp_arena_printf(x->arena, SP_FMT ".external.metrics.k8s.io", SP_ARG(metric));
	(void)sp_buf_printf(&path, "/apis/external.metrics.k8s.io/v1beta1/namespaces/" SP_FMT "/",
			    SP_ARG(x->o->ns));
	(void)sp_url_escape(&path, metric);
	add_query(&query, "labelSelector", selector_of(x, selector));
	ask(f, &path, &query, on_external);
}

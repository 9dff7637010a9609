/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one sync: the target's scale, its metrics, a new scale, the status. */
#include "controllers/hpa_int.h"

#include "base/alloc.h"
#include "controllers/table.h"
#include "kube/kinds/values.h"

#define NS_PER_S UINT64_C(1000000000)
#define BODY_BYTES_MAX ((size_t)1 << 20)
#define TRIES_MAX 5u /* of a new scale that meets another one's */

SP_VIEW(hpa_desc, hpa_view, "autoscaling/v2/HorizontalPodAutoscaler",
	SP_V(hpa_view, kind, "spec.scaleTargetRef.kind"), SP_V(hpa_view, name, "spec.scaleTargetRef.name"),
	SP_V(hpa_view, api_version, "spec.scaleTargetRef.apiVersion"),
	SP_VH(hpa_view, least, "spec.minReplicas"), SP_V(hpa_view, most, "spec.maxReplicas"),
	SP_V(hpa_view, metrics, "spec.metrics"), SP_V(hpa_view, behavior, "spec.behavior"),
	SP_V(hpa_view, status, "status"), SP_V(hpa_view, conditions, "status.conditions"),
	SP_V(hpa_view, last_scale, "status.lastScaleTime"),
	SP_V(hpa_view, status_desired, "status.desiredReplicas"));

/* ---- what everybody needs ---- */

void hpa_event(const hpa_run *x, bool is_warning, const char *reason, sp_str message)
{
	const sp_event_ref about = ctl_event_ref(x->o, "autoscaling/v2", "HorizontalPodAutoscaler");
	sp_events_emitf(x->h->base.events, &about, is_warning, reason, SP_FMT, SP_ARG(message));
}

void hpa_condition(hpa_run *x, const char *type, bool is_true, const char *reason, sp_str message)
{
	const ctl_condition c = {.type = sp_str_c(type),
				 .status = is_true ? SP_STR("True") : SP_STR("False"),
				 .reason = sp_str_c(reason),
				 .message = message,
				 .transition = ctl_now(x->h->base.world, x->arena)};
	ctl_condition_set(&x->conditions, &c, true);
}

/* U: apimachinery pkg/api/errors, NewGenericServerResponse */
sp_str hpa_why(const hpa_run *x, const sp_answer *a, const char *verb, sp_str resource)
{
	static const struct {
		uint16_t status;
		const char *front;
	} plain[] = {{404, "the server could not find the requested resource"},
		     {503, "the server is currently unable to handle the request"}};
	sp_str why = a->message;
	for (size_t i = 0; i < SP_LEN(plain); i++) {
		if (a->status == plain[i].status &&
		    (a->reason.len == 0 || sp_str_eq(why, sp_str_c(plain[i].front))))
			return sp_arena_printf(x->arena, "%s (%s " SP_FMT ")", plain[i].front, verb,
					       SP_ARG(resource));
	}
	why = sp_arena_try_dup(x->arena, why.len > 0 || a->err == NULL ? why : sp_str_c(a->err->msg));
	return why.ptr == NULL ? SP_STR("no memory") : why;
}

/* ---- kinds and their resources ---- */

/* What autoscalers mostly scale need not be asked for. */
static const struct {
	const char *group, *kind;
	sp_gvr gvr;
} known_kinds[] = {
	{"apps", "Deployment", {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("deployments")}},
	{"apps", "StatefulSet", {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("statefulsets")}},
	{"apps", "ReplicaSet", {SP_STR_INIT("apps"), SP_STR_INIT("v1"), SP_STR_INIT("replicasets")}},
	{"",
	 "ReplicationController",
	 {SP_STR_INIT(""), SP_STR_INIT("v1"), SP_STR_INIT("replicationcontrollers")}},
};

static void resolved(hpa_run *x, const sp_gvr *found)
{
	const sp_gvr gvr = {sp_arena_try_dup(x->arena, found->group),
			    sp_arena_try_dup(x->arena, found->version),
			    sp_arena_try_dup(x->arena, found->resource)};
	if (gvr.version.ptr == NULL || gvr.resource.ptr == NULL)
		x->resolved(x, NULL, SP_STR("no memory"));
	else
		x->resolved(x, &gvr, SP_STR(""));
}

static void on_discovered(sp_discover *d, const sp_discovery *found, const sp_err *err)
{
	hpa_run *x = d->arg;
	const sp_api_resource *best = NULL;
	for (size_t i = 0; found != NULL && i < found->n; i++) {
		const sp_api_resource *r = &found->items[i];
		if (sp_str_eq(r->gvr.group, x->resolving_group) && sp_str_eq(r->kind, x->resolving_kind) &&
		    (best == NULL || r->preferred))
			best = r;
	}
	if (best == NULL) {
		x->resolved(x, NULL,
			    err != NULL
				    ? sp_arena_try_dup(x->arena, sp_str_c(err->msg))
				    : sp_arena_printf(x->arena,
						      "no matches for kind \"" SP_FMT "\" in group \"" SP_FMT
						      "\"",
						      SP_ARG(x->resolving_kind), SP_ARG(x->resolving_group)));
		return;
	}
	hpa_kinds_put(&x->h->kinds, x->resolving_kind, &best->gvr, sp_now_ns(x->h->base.world));
	resolved(x, &best->gvr);
}

void hpa_resolve(hpa_run *x, sp_str group, sp_str kind,
		 void (*then)(hpa_run *x, const sp_gvr *gvr, sp_str why))
{
	for (size_t i = 0; i < SP_LEN(known_kinds); i++) {
		if (sp_str_eq(group, sp_str_c(known_kinds[i].group)) &&
		    sp_str_eq(kind, sp_str_c(known_kinds[i].kind))) {
			then(x, &known_kinds[i].gvr, SP_STR(""));
			return;
		}
	}
	const sp_gvr *known = hpa_kinds_get(&x->h->kinds, group, kind, sp_now_ns(x->h->base.world));
	x->resolved = then;
	if (known != NULL) {
		resolved(x, known);
		return;
	}
	x->resolving_group = group;
	x->resolving_kind = kind;
	x->discover = (sp_discover){.done = on_discovered, .arg = x};
	sp_discover_start(x->h->base.client, &x->discover);
}

/* ---- the end: the status ---- */

/* Nothing was changed; what was wanted before stands. */
static void end_as_before(hpa_run *x)
{
	x->desired = (int32_t)x->v.status_desired;
	hpa_status_write(x);
}

/* ---- a new scale ---- */

static hpa_rules rules_of(yyjson_val *v, int32_t window_s)
{
	yyjson_val *p, *window = sp_json_last(v, SP_STR("stabilizationWindowSeconds"));
	sp_str select = sp_json_str(sp_json_last(v, SP_STR("selectPolicy")));
	size_t i, n;
	hpa_rules r = {.window_s = window != NULL ? (int32_t)yyjson_get_sint(window) : window_s};
	r.select = sp_str_eq(select, SP_STR("Disabled")) ? HPA_SELECT_DISABLED
		   : sp_str_eq(select, SP_STR("Min"))    ? HPA_SELECT_MIN
							 : HPA_SELECT_MAX;
	yyjson_arr_foreach(sp_json_last(v, SP_STR("policies")), i, n, p)
	{
		if (r.n == HPA_POLICIES_MAX)
			break;
		r.policies[r.n++] = (hpa_policy){
			.is_percent =
				sp_str_eq(sp_json_str(sp_json_last(p, SP_STR("type"))), SP_STR("Percent")),
			.value = (int32_t)yyjson_get_sint(sp_json_last(p, SP_STR("value"))),
			.period_s = (int32_t)yyjson_get_sint(sp_json_last(p, SP_STR("periodSeconds")))};
	}
	return r;
}

static int32_t least_of(const hpa_run *x)
{
	return x->v.has_least ? (int32_t)x->v.least : 1;
}

static hpa_bounds bounds_of(const hpa_run *x)
{
	yyjson_val *behavior = x->v.behavior;
	/* A wall clock that is set does not make recommendations older or newer. */
	return (hpa_bounds){
		.now_ns = (int64_t)sp_now_ns(x->h->base.world),
		.least = least_of(x),
		.most = (int32_t)x->v.most,
		.current = x->current,
		.has_behavior = yyjson_is_obj(behavior),
		.up = rules_of(sp_json_last(behavior, SP_STR("scaleUp")), 0),
		.down = rules_of(sp_json_last(behavior, SP_STR("scaleDown")), x->h->downscale_window_s),
		.window_s = x->h->downscale_window_s};
}

static void ask_scale(hpa_run *x, void (*done)(sp_call *c, const sp_answer *a))
{
	x->call = (sp_call){.done = done, .arg = x};
	sp_call_start(x->h->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_GET,
				.gvr = x->target,
				.ns = x->o->ns,
				.name = x->v.name,
				.subresource = SP_STR("scale")});
}

static sp_str resource_text(const hpa_run *x)
{
	if (x->target.group.len == 0)
		return x->target.resource;
	return sp_arena_printf(x->arena, SP_FMT "." SP_FMT, SP_ARG(x->target.resource),
			       SP_ARG(x->target.group));
}

static void put_scale(hpa_run *x);

static void on_scale_again(sp_call *c, const sp_answer *a)
{
	hpa_run *x = c->arg;
	if (a->code == SP_OK)
		x->scale = sp_arena_try_dup(x->arena, a->body);
	put_scale(x);
}

static void scale_failed(hpa_run *x, sp_str why)
{
	hpa_event(x, true, "FailedRescale",
		  sp_arena_printf(x->arena, "New size: %d; reason: " SP_FMT "; error: " SP_FMT, x->desired,
				  SP_ARG(x->rescale_reason), SP_ARG(why)));
	hpa_condition(x, "AbleToScale", false, "FailedUpdateScale",
		      sp_arena_printf(x->arena,
				      "the HPA controller was unable to update the target scale: " SP_FMT,
				      SP_ARG(why)));
	end_as_before(x);
}

static void on_scaled(sp_call *c, const sp_answer *a)
{
	hpa_run *x = c->arg;
	const hpa_bounds b = bounds_of(x);
	if (a->code == SP_ECONFLICT && ++x->n_tries < TRIES_MAX) {
		ask_scale(x, on_scale_again);
		return;
	}
	if (a->code != SP_OK) {
		scale_failed(x, hpa_why(x, a, "put", resource_text(x)));
		return;
	}
	hpa_condition(x, "AbleToScale", true, "SucceededRescale",
		      sp_arena_printf(x->arena,
				      "the HPA controller was able to update the target scale to %d",
				      x->desired));
	hpa_event(x, false, "SuccessfulRescale",
		  sp_arena_printf(x->arena, "New size: %d; reason: " SP_FMT, x->desired,
				  SP_ARG(x->rescale_reason)));
	hpa_past_scaled(&x->memory->past, &b, x->current, x->desired);
	ctl_condition_remove(&x->conditions, "ScaledToZero");
	x->rescaled = true;
	hpa_status_write(x);
}

/* What was got goes back with another number: the server sees whether it is still the newest. */
static void put_scale(hpa_run *x)
{
	yyjson_mut_val *scale;
	SP_AUTO_BUF body;
	yyjson_mut_doc *doc = sp_json_doc(x->arena);
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_code code = doc == NULL ? SP_ENOMEM : sp_json_parse_mut(x->arena, x->scale, doc, &scale, NULL);
	yyjson_mut_val *spec = code == SP_OK ? sp_kv_need_obj(doc, scale, "spec") : NULL;
	if (spec == NULL || !sp_kv_set_i64(doc, spec, "replicas", x->desired) ||
	    sp_json_write_mut(&body, scale) != SP_OK) {
		scale_failed(x, SP_STR("no memory for a scale"));
		return;
	}
	x->call = (sp_call){.done = on_scaled, .arg = x};
	sp_call_start(x->h->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_UPDATE,
				.gvr = x->target,
				.ns = x->o->ns,
				.name = x->v.name,
				.subresource = SP_STR("scale"),
				.body = sp_buf_view(&body)});
}

static void rescale(hpa_run *x, int32_t desired, sp_str reason)
{
	x->desired = desired;
	x->rescale_reason = reason;
	if (desired != x->current)
		put_scale(x);
	else
		hpa_status_write(x);
}

/* ---- from metrics to replicas ---- */

static void limit(hpa_run *x, int32_t wanted, sp_str metric)
{
	const hpa_bounds b = bounds_of(x);
	sp_str reason = SP_STR("");
	wanted = SP_MAX(wanted, 0);
	if (wanted > x->current)
		reason = sp_arena_printf(x->arena, SP_FMT " above target", SP_ARG(metric));
	else if (wanted < x->current)
		reason = SP_STR("All metrics below target");
	const hpa_limited l = hpa_limit(&x->memory->past, &b, wanted);
	hpa_condition(x, "AbleToScale", true, l.able_reason, sp_str_c(l.able_message));
	hpa_condition(x, "ScalingLimited", l.is_limited, l.reason, sp_str_c(l.message));
	rescale(x, l.replicas, reason);
}

static void metrics_failed(hpa_run *x, sp_str why)
{
	hpa_event(x, true, "FailedComputeMetricsReplicas", why);
	end_as_before(x);
}

/* The most that any metric asks for; with a metric missing there will not be fewer. */
static void on_metrics(hpa_run *x)
{
	const hpa_metric *best = NULL, *bad = NULL;
	size_t n_bad = 0;
	int32_t replicas = 0;
	x->has_statuses = true;
	for (size_t i = 0; i < x->n_metrics; i++) {
		const hpa_metric *m = &x->metrics[i];
		n_bad += m->failed;
		if (m->failed && bad == NULL)
			bad = m;
		if (m->failed || (replicas != 0 && m->replicas <= replicas))
			continue;
		best = m;
		replicas = m->replicas;
	}
	if (bad != NULL && (best == NULL || replicas < x->current)) {
		hpa_condition(x, "ScalingActive", false, bad->reason,
			      sp_arena_printf(x->arena,
					      "the HPA was unable to compute the replica count: " SP_FMT,
					      SP_ARG(bad->inner)));
		metrics_failed(x, sp_arena_printf(
					  x->arena,
					  "invalid metrics (%zu invalid out of %zu), first error is: " SP_FMT,
					  n_bad, x->n_metrics, SP_ARG(bad->message)));
		return;
	}
	sp_str name = best == NULL ? SP_STR("") : best->name;
	hpa_condition(
		x, "ScalingActive", true, "ValidMetricFound",
		sp_arena_printf(x->arena,
				"the HPA was able to successfully calculate a replica count from " SP_FMT,
				SP_ARG(name)));
	limit(x, replicas, name);
}

void hpa_metric_done(hpa_run *x)
{
	x->i_metric++;
	if (x->i_metric < x->n_metrics)
		hpa_metric_start(x);
	else
		on_metrics(x);
}

static void selector_failed(hpa_run *x, const char *event, const char *reason, sp_str condition, sp_str why)
{
	hpa_event(x, true, event, why);
	hpa_condition(x, "ScalingActive", false, reason, condition);
	metrics_failed(x, why);
}

static void start_metrics(hpa_run *x)
{
	sp_str why = {NULL, 0};
	sp_err err;
	size_t n = 0;
	if (x->selector_text.len == 0) {
		selector_failed(x, "SelectorRequired", "InvalidSelector",
				SP_STR("the HPA target's scale is missing a selector"),
				SP_STR("selector is required"));
		return;
	}
	if (sp_labels_parse(x->arena, x->selector_text, &x->selector, &why) != SP_OK) {
		why = sp_arena_printf(x->arena,
				      "couldn't convert selector into a corresponding internal selector "
				      "object: " SP_FMT,
				      SP_ARG(why));
		selector_failed(x, "InvalidSelector", "InvalidSelector", why, why);
		return;
	}
	if (hpa_keep_selector(x) != SP_OK || hpa_pods_read(x, &err) != SP_OK) {
		metrics_failed(x, SP_STR("no memory for pods"));
		return;
	}
	why = hpa_ambiguity(x);
	if (why.len > 0) {
		selector_failed(x, "AmbiguousSelector", "AmbiguousSelector", why, why);
		return;
	}
	x->specs = sp_try_new(x->arena, yyjson_val *, x->v.metrics.n + 1);
	x->metrics = sp_try_new(x->arena, hpa_metric, x->v.metrics.n + 1);
	if (x->specs == NULL || x->metrics == NULL) {
		metrics_failed(x, SP_STR("no memory for metrics"));
		return;
	}
	SP_VLIST_FOREACH(spec, x->v.metrics)
	{
		x->specs[n++] = spec;
	}
	x->n_metrics = n;
	if (n > 0)
		hpa_metric_start(x);
	else
		on_metrics(x);
}

/* ---- the target ---- */

static void no_scale(hpa_run *x, sp_str why)
{
	hpa_event(x, true, "FailedGetScale", why);
	hpa_condition(
		x, "AbleToScale", false, "FailedGetScale",
		sp_arena_printf(x->arena,
				"the HPA controller was unable to get the target's current scale: " SP_FMT,
				SP_ARG(why)));
	/* Nothing else of the status changes. */
	yyjson_val *current = sp_json_last(x->v.status, SP_STR("currentReplicas"));
	x->current = (int32_t)yyjson_get_sint(current);
	yyjson_val *metrics = sp_json_last(x->v.status, SP_STR("currentMetrics"));
	x->n_metrics = yyjson_arr_size(metrics);
	x->metrics = sp_try_new(x->arena, hpa_metric, x->n_metrics + 1);
	x->has_statuses = x->metrics != NULL && yyjson_is_arr(metrics);
	for (size_t i = 0; x->has_statuses && i < x->n_metrics; i++) {
		SP_AUTO_BUF text;
		sp_buf_init(&text, BODY_BYTES_MAX);
		(void)!sp_json_write(&text, yyjson_arr_get(metrics, i));
		x->metrics[i].status = sp_arena_try_dup(x->arena, sp_buf_view(&text));
	}
	end_as_before(x);
}

static void decide(hpa_run *x)
{
	int32_t least = least_of(x), most = (int32_t)x->v.most;
	hpa_condition(x, "AbleToScale", true, "SucceededGetScale",
		      SP_STR("the HPA controller was able to get the target's current scale"));
	hpa_past_begin(&x->memory->past, x->current, (int64_t)sp_now_ns(x->h->base.world));
	if (x->current == 0) {
		hpa_condition(x, "ScalingActive", false, "ScalingDisabled",
			      SP_STR("scaling is disabled since the replica count of the target is zero"));
		ctl_condition_remove(&x->conditions, "ScaledToZero");
		rescale(x, 0, SP_STR(""));
	} else if (x->current > most) {
		rescale(x, most, SP_STR("Current number of replicas above Spec.MaxReplicas"));
	} else if (x->current < least) {
		rescale(x, least, SP_STR("Current number of replicas below Spec.MinReplicas"));
	} else {
		start_metrics(x);
	}
}

static void on_scale(sp_call *c, const sp_answer *a)
{
	hpa_run *x = c->arg;
	yyjson_val *root;
	if (a->code != SP_OK) {
		no_scale(x, hpa_why(x, a, "get", resource_text(x)));
		return;
	}
	x->scale = sp_arena_try_dup(x->arena, a->body);
	if (x->scale.ptr == NULL || sp_json_parse(x->arena, a->body, &root, NULL) != SP_OK) {
		no_scale(x, SP_STR("the scale can't be read"));
		return;
	}
	yyjson_val *spec = sp_json_last(root, SP_STR("spec")), *status = sp_json_last(root, SP_STR("status"));
	x->current = (int32_t)yyjson_get_sint(sp_json_last(spec, SP_STR("replicas")));
	x->status_replicas = (int32_t)yyjson_get_sint(sp_json_last(status, SP_STR("replicas")));
	x->selector_text = sp_json_str(sp_json_last(status, SP_STR("selector")));
	decide(x);
}

static void on_target(hpa_run *x, const sp_gvr *gvr, sp_str why)
{
	if (gvr == NULL) {
		no_scale(x, why);
		return;
	}
	x->target = *gvr;
	ask_scale(x, on_scale);
}

/* ---- one sync ---- */

static hpa_memory *memory_free(hpa_memory *m)
{
	if (m == NULL)
		return NULL;
	hpa_past_done(&m->past);
	sp_arena_done(&m->arena);
	sp_free((void *)(uintptr_t)m->key.ptr);
	sp_free(m);
	return NULL;
}

static hpa_memory *memory_of(hpas *h, sp_str key)
{
	hpa_memory *m = sp_map_get(&h->memories, key);
	if (m != NULL)
		return m;
	m = sp_try_alloc(sizeof *m);
	char *copy = sp_try_alloc(key.len);
	if (m == NULL || copy == NULL) {
		sp_free(m);
		sp_free(copy);
		return NULL;
	}
	memcpy(copy, key.ptr, key.len);
	*m = (hpa_memory){.key = {copy, key.len}};
	sp_arena_init(&m->arena, (size_t)1 << 20);
	return sp_map_put(&h->memories, m->key, m, NULL) == SP_OK ? m : memory_free(m);
}

/* The group of an apiVersion. False: it is of no such form. */
static bool group_of(const hpa_run *x, sp_str *ret, sp_str *ret_why)
{
	sp_str rest = x->v.api_version;
	if (!sp_str_cut(&rest, '/', ret)) {
		*ret = SP_STR("");
		return true;
	}
	if (sp_str_index(rest, '/') < 0)
		return true;
	*ret_why = sp_arena_printf(x->arena, "unexpected GroupVersion string: " SP_FMT,
				   SP_ARG(x->v.api_version));
	return false;
}

static void sync_autoscaler(controller *base, sp_job *job)
{
	hpas *h = SP_CONTAINER_OF(base, hpas, base);
	const sp_object *o = sp_informer_get(h->autoscalers, job->key);
	sp_str group, why = {NULL, 0};
	if (o == NULL) {
		(void)memory_free(sp_map_remove(&h->memories, job->key));
		sp_job_done(job, SP_OK);
		return;
	}
	hpa_run *x = sp_new(job->arena, hpa_run, 1);
	*x = (hpa_run){.h = h,
		       .job = job,
		       .arena = job->arena,
		       .o = o,
		       .now_ns = sp_wall_ns(base->world),
		       .memory = memory_of(h, job->key)};
	if (x->memory == NULL || ctl_hold(job->arena, o) == NULL ||
	    sp_view(job->arena, o->json, &hpa_desc, &x->v, NULL) != SP_OK) {
		sp_job_done(job, SP_ENOMEM);
		return;
	}
	ctl_conditions_read(x->v.conditions, &x->conditions);
	if (group_of(x, &group, &why))
		hpa_resolve(x, group, x->v.kind, on_target);
	else
		no_scale(x, why);
}

/* A new one is looked at at once; a changed one at its time, for our own writes change it as well. */
static void on_autoscaler(void *arg, const sp_object *old, const sp_object *now)
{
	hpas *h = arg;
	const sp_object *o = now != NULL ? now : old;
	SP_ASSERT(o != NULL);
	if (old == NULL || now == NULL)
		sp_queue_add(h->base.queue, o->key);
	else
		sp_queue_add_after(h->base.queue, now->key, h->period_ns);
}

static void or_default(const controllers_config *c, hpas *h)
{
	h->period_ns = c->hpa_period_ns != 0 ? c->hpa_period_ns : 15 * NS_PER_S;
	h->downscale_window_s =
		c->hpa_downscale_window_ns != 0 ? (int32_t)(c->hpa_downscale_window_ns / NS_PER_S) : 300;
	h->cpu_initialization_ns =
		(int64_t)(c->hpa_cpu_initialization_ns != 0 ? c->hpa_cpu_initialization_ns : 300 * NS_PER_S);
	h->readiness_delay_ns =
		(int64_t)(c->hpa_readiness_delay_ns != 0 ? c->hpa_readiness_delay_ns : 30 * NS_PER_S);
	h->tolerance = c->hpa_tolerance > 0 ? c->hpa_tolerance : 0.1;
}

static sp_code open_autoscalers(controller *base, sp_err *err)
{
	hpas *h = SP_CONTAINER_OF(base, hpas, base);
	sp_map_init(&h->memories);
	hpa_kinds_init(&h->kinds);
	or_default(base->config, h);
	SP_TRY(controller_follow(base, SP_GVR("autoscaling", "v2", "horizontalpodautoscalers"), &hpa_desc,
				 &h->autoscalers, err));
	SP_TRY(controller_follow(base, SP_PODS, hpa_pod_view, &h->pods, err));
	SP_TRY(sp_informer_index(h->pods, sp_index_by_namespace, NULL, &h->pods_by_namespace, err));
	controller_watch(h->autoscalers, &h->watch, on_autoscaler, h);
	return SP_OK;
}

static void done(controller *base)
{
	hpas *h = SP_CONTAINER_OF(base, hpas, base);
	const sp_map_entry *e;
	for (size_t i = 0; (e = sp_map_next(&h->memories, &i)) != NULL;)
		(void)memory_free(e->value);
	sp_map_done(&h->memories);
	hpa_kinds_done(&h->kinds);
}

const controller_type controller_hpa = {.name = "horizontal-pod-autoscaler-controller",
					.account = "horizontal-pod-autoscaler",
					.component = "horizontal-pod-autoscaler",
					.size_bytes = sizeof(hpas),
					.open = open_autoscalers,
					.sync = sync_autoscaler,
					.done = done};

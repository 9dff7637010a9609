/* SPDX-License-Identifier: Apache-2.0 */
/* One metric of an autoscaler's spec: what it asks for, what it says in the status, why it can not. */
#include "base/quantity.h"
#include "controllers/hpa_int.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

typedef struct source source;

/* A type of metric. */
struct source {
	const char *type, *member, *reason;
	void (*fetch)(hpa_run *x, const source *s);
	/* "failed to get %s resource metric value": what stands for the %s. */
	const char *front, *back;
	const char *named_by; /* a member of the source; NULL: nothing stands there */
};

static yyjson_val *member(yyjson_val *v, const char *name)
{
	return sp_json_last(v, sp_str_c(name));
}

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(member(v, name));
}

/* ---- what the spec says ---- */

static const source *source_of(hpa_run *x);

static yyjson_val *spec_of(hpa_run *x)
{
	return member(x->specs[x->i_metric], source_of(x)->member);
}

static yyjson_val *target_of(hpa_run *x)
{
	return member(spec_of(x), "target");
}

static yyjson_val *metric_of(hpa_run *x)
{
	return member(spec_of(x), "metric");
}

static bool target_milli(hpa_run *x, const char *name, int64_t *ret)
{
	sp_qty q;
	yyjson_val *v = member(target_of(x), name);
	if (v == NULL || sp_qty_parse(sp_json_str(v), &q, NULL) != SP_OK)
		return false;
	*ret = sp_qty_milli(&q);
	return true;
}

/* Thousandths of a tolerance stand for too little: amounts are held exactly. */
static double fraction(yyjson_val *rules, double otherwise)
{
	sp_qty q;
	yyjson_val *v = member(rules, "tolerance");
	if (v == NULL || sp_qty_parse(sp_json_str(v), &q, NULL) != SP_OK)
		return otherwise;
	return (double)q.nanos / 1e9;
}

static hpa_calc calculation(hpa_run *x)
{
	const hpas *h = x->h;
	return (hpa_calc){.pods = x->pods,
			  .n_pods = x->n_pods,
			  .current = x->current,
			  .tolerance = {.down = fraction(member(x->v.behavior, "scaleDown"), h->tolerance),
					.up = fraction(member(x->v.behavior, "scaleUp"), h->tolerance)},
			  .now_ns = x->now_ns,
			  .cpu_initialization_ns = h->cpu_initialization_ns,
			  .readiness_delay_ns = h->readiness_delay_ns};
}

/* ---- ends ---- */

static hpa_metric *metric(hpa_run *x)
{
	return &x->metrics[x->i_metric];
}

/* `inner` is what the condition says, `why` what the whole is told with. */
static void fail_as(hpa_run *x, sp_str inner, sp_str why)
{
	const source *s = source_of(x);
	sp_str name = s->named_by == NULL ? SP_STR("") : text(spec_of(x), s->named_by);
	if (s->named_by != NULL && sp_str_eq(sp_str_c(s->named_by), SP_STR("metric")))
		name = text(metric_of(x), "name");
	hpa_event(x, true, s->reason, inner);
	*metric(x) = (hpa_metric){.failed = true,
				  .reason = s->reason,
				  .inner = inner,
				  .message = sp_arena_printf(x->arena, "%s" SP_FMT "%s: " SP_FMT, s->front,
							     SP_ARG(name), s->back, SP_ARG(why))};
	hpa_metric_done(x);
}

static void fail(hpa_run *x, sp_str why)
{
	fail_as(x, why, why);
}

static sp_str err_text(hpa_run *x, const sp_err *err)
{
	sp_str s = sp_arena_try_dup(x->arena, sp_str_c(err->msg));
	return s.ptr == NULL ? SP_STR("no memory") : s;
}

static void put_metric(sp_jout *j, hpa_run *x)
{
	yyjson_val *selector = member(metric_of(x), "selector");
	sp_jout_member_open(j, SP_STR("metric"), '{');
	sp_jout_member_str(j, SP_STR("name"), text(metric_of(x), "name"));
	if (selector != NULL) {
		sp_jout_key(j, SP_STR("selector"));
		(void)!sp_json_write(j->out, selector);
		j->comma = true;
	}
	sp_jout_close(j, '}');
}

static void put_identity(sp_jout *j, hpa_run *x)
{
	yyjson_val *spec = spec_of(x), *object = member(spec, "describedObject");
	if (metric_of(x) != NULL)
		put_metric(j, x);
	else
		sp_jout_member_str(j, SP_STR("name"), text(spec, "name"));
	if (member(spec, "container") != NULL)
		sp_jout_member_str(j, SP_STR("container"), text(spec, "container"));
	if (object != NULL) {
		sp_jout_key(j, SP_STR("describedObject"));
		(void)!sp_json_write(j->out, object);
		j->comma = true;
	}
}

/* {"type":…,"MEMBER":{…,"current":{…}}} */
static void succeed(hpa_run *x, const hpa_result *r, sp_str name, const char *key, bool binary,
		    bool with_utilization)
{
	const source *s = source_of(x);
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	sp_jout j = sp_jout_to(&out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("type"), sp_str_c(s->type));
	sp_jout_member_open(&j, sp_str_c(s->member), '{');
	put_identity(&j, x);
	sp_jout_member_open(&j, SP_STR("current"), '{');
	sp_jout_member_str(&j, sp_str_c(key), hpa_amount_text(x->arena, r->average, binary));
	if (with_utilization)
		sp_jout_member_i64(&j, SP_STR("averageUtilization"), r->utilization);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_str status = sp_arena_try_dup(x->arena, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || status.ptr == NULL) {
		fail(x, SP_STR("no memory for the status of a metric"));
		return;
	}
	*metric(x) = (hpa_metric){.replicas = r->replicas, .name = name, .status = status};
	hpa_metric_done(x);
}

/* ---- resources of pods and containers ---- */

static sp_str resource_why(hpa_run *x, bool is_usage, sp_str why)
{
	return sp_arena_printf(x->arena, "failed to get " SP_FMT " %s: " SP_FMT,
			       SP_ARG(text(spec_of(x), "name")), is_usage ? "usage" : "utilization",
			       SP_ARG(why));
}

static void on_resource(hpa_run *x, const hpa_fetched *found, sp_str why)
{
	sp_str resource = text(spec_of(x), "name"), container = text(spec_of(x), "container");
	hpa_calc c = calculation(x);
	hpa_result r;
	sp_err err = {0};
	bool is_usage = target_milli(x, "averageValue", &c.target);
	if (found == NULL) {
		fail(x, resource_why(x, is_usage,
				     sp_arena_printf(x->arena,
						     "unable to get metrics for resource " SP_FMT ": " SP_FMT,
						     SP_ARG(resource), SP_ARG(why))));
		return;
	}
	c.samples = found->samples;
	c.n_samples = found->n;
	c.is_cpu = sp_str_eq(resource, SP_STR("cpu"));
	sp_code code = SP_OK;
	if (!is_usage) {
		c.is_utilization = true;
		c.target = yyjson_get_sint(member(target_of(x), "averageUtilization"));
		code = hpa_calc_check(x->arena, &c, &err);
		if (code == SP_OK)
			code = hpa_pods_requests(x, container, resource, &err);
	}
	if (code == SP_OK)
		code = hpa_calc_per_pod(x->arena, &c, &r, &err);
	if (code != SP_OK) {
		fail(x, resource_why(x, is_usage, err_text(x, &err)));
		return;
	}
	bool is_container = container.len > 0;
	sp_str name =
		is_usage ? sp_arena_printf(x->arena, SP_FMT " resource", SP_ARG(resource))
			 : sp_arena_printf(x->arena, SP_FMT "%s resource utilization (percentage of request)",
					   SP_ARG(resource), is_container ? " container" : "");
	succeed(x, &r, name, "averageValue", sp_str_eq(resource, SP_STR("memory")), !is_usage);
}

static void fetch_resource(hpa_run *x, const source *s)
{
	yyjson_val *target = target_of(x);
	(void)s;
	if (member(target, "averageValue") == NULL && member(target, "averageUtilization") == NULL)
		fail(x, SP_STR("invalid resource metric source: neither an average utilization target nor an "
			       "average value (usage) target was set"));
	else
		hpa_fetch_resource(x, text(spec_of(x), "name"), text(spec_of(x), "container"), on_resource);
}

/* ---- metrics of pods ---- */

static void on_pods(hpa_run *x, const hpa_fetched *found, sp_str why)
{
	hpa_calc c = calculation(x);
	hpa_result r;
	sp_err err = {0};
	sp_str name = text(metric_of(x), "name");
	if (found == NULL) {
		fail(x, sp_arena_printf(x->arena, "unable to get metric " SP_FMT ": " SP_FMT, SP_ARG(name),
					SP_ARG(why)));
		return;
	}
	c.samples = found->samples;
	c.n_samples = found->n;
	if (!target_milli(x, "averageValue", &c.target))
		fail(x, SP_STR("invalid pods metric source: no average value target was set"));
	else if (hpa_calc_per_pod(x->arena, &c, &r, &err) != SP_OK)
		fail(x, err_text(x, &err));
	else
		succeed(x, &r, sp_arena_printf(x->arena, "pods metric " SP_FMT, SP_ARG(name)), "averageValue",
			false, false);
}

static void fetch_pods(hpa_run *x, const source *s)
{
	(void)s;
	hpa_fetch_pods(x, text(metric_of(x), "name"), member(metric_of(x), "selector"), on_pods);
}

/* ---- one value: of an object, or from outside ---- */

static sp_str selector_text(hpa_run *x)
{
	return hpa_selector_text(x->arena, member(metric_of(x), "selector"));
}

static sp_str value_name(hpa_run *x)
{
	return sp_arena_printf(x->arena, "external metric " SP_FMT "(" SP_FMT ")",
			       SP_ARG(text(metric_of(x), "name")), SP_ARG(selector_text(x)));
}

/* The sum, at most the greatest number. */
static int64_t total(const hpa_fetched *f)
{
	int64_t sum = 0;
	for (size_t i = 0; i < f->n; i++) {
		if (__builtin_add_overflow(sum, f->samples[i].value, &sum))
			return INT64_MAX;
	}
	return sum;
}

static void share(hpa_run *x, int64_t value, int64_t target)
{
	hpa_calc c = calculation(x);
	c.target = target;
	hpa_result r = hpa_calc_share(&c, value, x->status_replicas);
	succeed(x, &r, value_name(x), "averageValue", false, false);
}

static bool is_of_type(hpa_run *x, const char *type)
{
	return sp_str_eq(text(target_of(x), "type"), sp_str_c(type));
}

static sp_str object_why(hpa_run *x, sp_str why)
{
	yyjson_val *object = member(spec_of(x), "describedObject");
	return sp_arena_printf(x->arena,
			       "unable to get metric " SP_FMT ": " SP_FMT " on " SP_FMT " " SP_FMT "/" SP_FMT,
			       SP_ARG(text(metric_of(x), "name")), SP_ARG(why), SP_ARG(text(object, "kind")),
			       SP_ARG(x->o->ns), SP_ARG(text(object, "name")));
}

static void on_object(hpa_run *x, const hpa_fetched *found, sp_str why)
{
	hpa_calc c = calculation(x);
	hpa_result r;
	sp_err err = {0};
	bool is_value = is_of_type(x, "Value") && target_milli(x, "value", &c.target);
	sp_str name = text(metric_of(x), "name");
	if (found == NULL && is_value) {
		fail(x, object_why(x, why));
	} else if (found == NULL) {
		sp_str inner = object_why(x, why);
		fail_as(x, inner,
			sp_arena_printf(x->arena, "failed to get " SP_FMT " object metric: " SP_FMT,
					SP_ARG(name), SP_ARG(inner)));
	} else if (!is_value) {
		int64_t target = 1;
		(void)target_milli(x, "averageValue", &target);
		share(x, found->samples[0].value, target);
	} else if (hpa_calc_value(&c, found->samples[0].value, &r, &err) != SP_OK) {
		fail(x, err_text(x, &err));
	} else {
		succeed(x, &r,
			sp_arena_printf(x->arena, SP_FMT " metric " SP_FMT,
					SP_ARG(text(member(spec_of(x), "describedObject"), "kind")),
					SP_ARG(name)),
			"value", false, false);
	}
}

static void fetch_object(hpa_run *x, const source *s)
{
	yyjson_val *target = target_of(x);
	(void)s;
	if ((is_of_type(x, "Value") && member(target, "value") != NULL) ||
	    (is_of_type(x, "AverageValue") && member(target, "averageValue") != NULL))
		hpa_fetch_object(x, member(spec_of(x), "describedObject"), text(metric_of(x), "name"),
				 member(metric_of(x), "selector"), on_object);
	else
		fail(x, SP_STR("invalid object metric source: neither a value target nor an average value "
			       "target was set"));
}

static sp_str external_why(hpa_run *x, sp_str why)
{
	return sp_arena_printf(
		x->arena, "unable to get external metric " SP_FMT "/" SP_FMT "/" SP_FMT ": " SP_FMT,
		SP_ARG(x->o->ns), SP_ARG(text(metric_of(x), "name")), SP_ARG(selector_text(x)), SP_ARG(why));
}

static void on_external(hpa_run *x, const hpa_fetched *found, sp_str why)
{
	hpa_calc c = calculation(x);
	hpa_result r = {0};
	sp_err err = {0};
	int64_t target;
	bool is_share = target_milli(x, "averageValue", &target);
	sp_str name = text(metric_of(x), "name"), inner = {NULL, 0};
	if (found == NULL) {
		inner = external_why(x, why);
	} else if (is_share) {
		share(x, total(found), target);
		return;
	} else {
		(void)target_milli(x, "value", &c.target);
		if (hpa_calc_value(&c, total(found), &r, &err) != SP_OK)
			inner = err_text(x, &err);
	}
	if (inner.len == 0)
		succeed(x, &r, value_name(x), "value", false, false);
	else if (is_share)
		fail_as(x, inner,
			sp_arena_printf(x->arena, "failed to get " SP_FMT " external metric: " SP_FMT,
					SP_ARG(name), SP_ARG(inner)));
	else
		fail_as(x, inner,
			sp_arena_printf(x->arena, "failed to get external metric " SP_FMT ": " SP_FMT,
					SP_ARG(name), SP_ARG(inner)));
}

static void fetch_external(hpa_run *x, const source *s)
{
	yyjson_val *target = target_of(x);
	(void)s;
	if (member(target, "averageValue") == NULL && member(target, "value") == NULL)
		fail(x, SP_STR("invalid external metric source: neither a value target nor an average value "
			       "target was set"));
	else
		hpa_fetch_external(x, text(metric_of(x), "name"), member(metric_of(x), "selector"),
				   on_external);
}

/* ---- which ---- */

static void fetch_unknown(hpa_run *x, const source *s)
{
	sp_str why = sp_arena_printf(x->arena, "unknown metric source type \"" SP_FMT "\"",
				     SP_ARG(text(x->specs[x->i_metric], "type")));
	hpa_event(x, true, s->reason, why);
	*metric(x) = (hpa_metric){.failed = true, .reason = s->reason, .inner = why, .message = why};
	hpa_metric_done(x);
}

static const source sources[] = {
	{"Object", "object", "FailedGetObjectMetric", fetch_object, "failed to get object metric value", "",
	 NULL},
	{"Pods", "pods", "FailedGetPodsMetric", fetch_pods, "failed to get pods metric value", "", NULL},
	{"Resource", "resource", "FailedGetResourceMetric", fetch_resource, "failed to get ",
	 " resource metric value", "name"},
	{"ContainerResource", "containerResource", "FailedGetContainerResourceMetric", fetch_resource,
	 "failed to get ", " container metric value", "container"},
	{"External", "external", "FailedGetExternalMetric", fetch_external, "failed to get ",
	 " external metric value", "metric"},
};
static const source unknown = {"", "", "InvalidMetricSourceType", fetch_unknown, "", "", NULL};

static const source *source_of(hpa_run *x)
{
	sp_str type = text(x->specs[x->i_metric], "type");
	for (size_t i = 0; i < SP_LEN(sources); i++) {
		if (sp_str_eq(type, sp_str_c(sources[i].type)))
			return &sources[i];
	}
	return &unknown;
}

void hpa_metric_start(hpa_run *x)
{
	const source *s = source_of(x);
	s->fetch(x, s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of HorizontalPodAutoscaler. Those of v1 are those of v2 after conversion. */
#include "kube/kinds/autoscaler.h"

#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/resources.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

#define STABILIZATION_SECONDS_MAX 3600
#define PERIOD_SECONDS_MAX 1800

/* -- defaults ------------------------------------------------------------------------------------------- */

static void default_policies(sp_kind_ctx *c, yyjson_mut_val *rules, bool up)
{
	static const struct {
		const char *type;
		int64_t value;
		bool up_only;
	} policies[] = {{"Pods", 4, true}, {"Percent", 100, false}};
	yyjson_mut_val *list = yyjson_mut_arr(c->doc);
	/* a list that was sent empty stays, to be refused */
	if (sp_kv_has(rules, "policies"))
		return;
	for (size_t i = 0; i < SP_LEN(policies); i++) {
		if (policies[i].up_only && !up)
			continue;
		yyjson_mut_val *policy = yyjson_mut_arr_add_obj(c->doc, list);
		SP_KIND_NEED(c, policy != NULL &&
					sp_kv_set_str(c->doc, policy, "type", sp_str_c(policies[i].type)) &&
					sp_kv_set_i64(c->doc, policy, "value", policies[i].value) &&
					sp_kv_set_i64(c->doc, policy, "periodSeconds", 15));
	}
	SP_KIND_NEED(c, sp_kv_set(c->doc, rules, "policies", list));
}

static void default_rules(sp_kind_ctx *c, yyjson_mut_val *behavior, const char *name, bool up)
{
	yyjson_mut_val *rules = sp_kv_need_obj(c->doc, behavior, name);
	SP_KIND_NEED(c, rules != NULL);
	if (rules == NULL)
		return;
	if (up)
		sp_default_i64(c, rules, "stabilizationWindowSeconds", 0);
	if (!sp_kv_has(rules, "selectPolicy"))
		sp_default_str(c, rules, "selectPolicy", "Max");
	default_policies(c, rules, up);
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *behavior = sp_kv_path(obj, "spec", "behavior", NULL);
	sp_autoscaler_drop_annotations(obj);
	if (behavior == NULL)
		return;
	default_rules(c, behavior, "scaleUp", true);
	default_rules(c, behavior, "scaleDown", false);
}

/* -- what is scaled, and by what ------------------------------------------------------------------------ */

/* What the old object permits. */
typedef struct reference_options {
	bool any_version, no_group;
} reference_options;

/* What is wrong with an apiVersion, "" when nothing. */
static const char *version_fault(sp_arena *a, sp_str text, reference_options o)
{
	sp_str rest = text, head;
	if (o.any_version)
		return "";
	bool has_group = sp_str_cut(&rest, '/', &head);
	if (has_group && sp_str_index(rest, '/') >= 0) {
		sp_str whole = sp_arena_printf(a, "unexpected GroupVersion string: " SP_FMT, SP_ARG(text));
		sp_str terminated = sp_arena_printf(a, SP_FMT "%c", SP_ARG(whole), 0);
		return terminated.ptr != NULL ? terminated.ptr : "";
	}
	return !o.no_group && (!has_group || head.len == 0) ? "apiVersion must specify API group" : "";
}

static void path_segment(sp_violations *v, const sp_path *path, sp_str s, const char *absent)
{
	if (s.len == 0)
		sp_v_required(v, path, "%s", absent);
	else
		sp_v_faults(v, path, s, sp_name_path_segment(s));
}

static void reference(sp_violations *v, yyjson_mut_val *ref, const sp_path *path, reference_options o)
{
	sp_str version = sp_kv_str(ref, "apiVersion");
	path_segment(v, SP_AT(path, "kind"), sp_kv_str(ref, "kind"), "");
	path_segment(v, SP_AT(path, "name"), sp_kv_str(ref, "name"), "");
	const char *fault = version_fault(v->arena, version, o);
	if (fault[0] != 0)
		sp_v_invalid(v, SP_AT(path, "apiVersion"), version, "%s", fault);
}

static void target_value(sp_violations *v, yyjson_mut_val *target, const char *name, const sp_path *path)
{
	yyjson_mut_val *amount = sp_kv_get(target, name);
	if (amount != NULL && sp_kv_qty(amount).nanos <= 0)
		sp_v_invalid(v, SP_AT_STR(path, sp_str_c(name)), amount, "must be positive");
}

static void target_validate(sp_violations *v, yyjson_mut_val *target, const sp_path *path)
{
	static const char *const types[] = {"Utilization", "Value", "AverageValue"};
	sp_str type = sp_kv_str(target, "type");
	yyjson_mut_val *use = sp_kv_get(target, "averageUtilization");
	if (type.len == 0)
		sp_v_required(v, SP_AT(path, "type"), "must specify a metric target type");
	if (!SP_STR_IN(type, types))
		sp_v_invalid(v, SP_AT(path, "type"), sp_bad_named(type),
			     "must be either Utilization, Value, or AverageValue");
	target_value(v, target, "value", path);
	target_value(v, target, "averageValue", path);
	if (use != NULL && sp_kv_num(use, 0) < 1)
		sp_v_invalid(v, SP_AT(path, "averageUtilization"), use, "must be greater than 0");
}

/* Which figures a target needs. */
typedef struct target_rule {
	const char *first, *second;          /* one of them; second may be NULL */
	const char *asked;                   /* the member an error names when both are absent */
	const char *absent, *refused, *both; /* texts; `refused` is the member named when both are there */
} target_rule;

static void target_figures(sp_violations *v, yyjson_mut_val *target, const target_rule *r,
			   const sp_path *path)
{
	bool first = sp_kv_has(target, r->first), second = r->second != NULL && sp_kv_has(target, r->second);
	if (!first && !second)
		sp_v_required(v, SP_AT_STR(path, sp_str_c(r->asked)), "%s", r->absent);
	if (first && second && r->both != NULL)
		sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(r->refused)), "%s", r->both);
}

#define RAW_OR_USE "must set either a target raw value or a target utilization"
#define NOT_RAW_AND_USE "may not set both a target raw value and a target utilization"

/* The five sources of metrics; how their parts are checked. */
typedef struct metric_source {
	const char *type, *name;
	bool describes, has_metric, has_container;
	target_rule target;
} metric_source;

static const metric_source sources[] = {
	{"Object",
	 "object",
	 true,
	 true,
	 false,
	 {"value", "averageValue", "averageValue", "must set either a target value or averageValue", NULL,
	  NULL}},
	{"External",
	 "external",
	 false,
	 true,
	 false,
	 {"value", "averageValue", "averageValue",
	  "must set either a target value for metric or a per-pod target", "value",
	  "may not set both a target value for metric and a per-pod target"}},
	{"Pods",
	 "pods",
	 false,
	 true,
	 false,
	 {"averageValue", NULL, "averageValue", "must specify a positive target averageValue", NULL, NULL}},
	{"Resource",
	 "resource",
	 false,
	 false,
	 false,
	 {"averageUtilization", "averageValue", "averageUtilization", RAW_OR_USE, "averageValue",
	  NOT_RAW_AND_USE}},
	{"ContainerResource",
	 "containerResource",
	 false,
	 false,
	 true,
	 {"averageUtilization", "averageValue", "averageUtilization", RAW_OR_USE, "averageValue",
	  NOT_RAW_AND_USE}},
};

static void source_validate(sp_violations *v, const metric_source *s, yyjson_mut_val *src,
			    const sp_path *path, reference_options o)
{
	sp_str resource = sp_kv_str(src, "name"), container = sp_kv_str(src, "container");
	if (s->describes)
		reference(v, sp_kv_get(src, "describedObject"), SP_AT(path, "describedObject"), o);
	if (s->has_metric)
		path_segment(v, SP_AT(path, "metric.name"), sp_kv_str(sp_kv_get(src, "metric"), "name"),
			     "must specify a metric name");
	else if (resource.len == 0)
		sp_v_required(v, SP_AT(path, "name"), "must specify a resource name");
	else if (s->has_container)
		sp_res_container_name_validate(v, SP_AT(path, "name"), resource);
	if (s->has_container && container.len == 0)
		sp_v_required(v, SP_AT(path, "container"), "must specify a container");
	else if (s->has_container)
		sp_v_dns1123_label(v, SP_AT(path, "container"), container);
	target_validate(v, sp_kv_get(src, "target"), SP_AT(path, "target"));
	target_figures(v, sp_kv_get(src, "target"), &s->target, SP_AT(path, "target"));
}

static void metric_validate(sp_violations *v, yyjson_mut_val *metric, const sp_path *path,
			    reference_options o)
{
	static const char *const types[] = {"ContainerResource", "External", "Object", "Pods", "Resource"};
	sp_str type = sp_kv_str(metric, "type");
	const metric_source *expected = NULL;
	size_t n = 0;
	if (type.len == 0)
		sp_v_required(v, SP_AT(path, "type"), "must specify a metric source type");
	if (!SP_STR_IN(type, types))
		sp_v_not_supported(v, SP_AT(path, "type"), sp_bad_named(type), types, SP_LEN(types));
	for (size_t i = 0; i < SP_LEN(sources); i++) {
		yyjson_mut_val *src = sp_kv_get(metric, sources[i].name);
		if (sp_str_eq(type, sp_str_c(sources[i].type)))
			expected = &sources[i];
		if (src != NULL && n++ == 0)
			source_validate(v, &sources[i], src, SP_AT_STR(path, sp_str_c(sources[i].name)), o);
	}
	if (expected == NULL)
		sp_v_not_supported(v, SP_AT(path, "type"), sp_bad_named(type), types, SP_LEN(types));
	else if (!sp_kv_has(metric, expected->name))
		sp_v_required(v, SP_AT_STR(path, sp_str_c(expected->name)),
			      "must populate information for the given metric source");
	for (size_t i = 0; n > 1 && i < SP_LEN(sources); i++) {
		if (&sources[i] != expected && sp_kv_has(metric, sources[i].name))
			sp_v_forbidden(v, SP_AT_STR(path, sp_str_c(sources[i].name)),
				       "must populate the given metric source only");
	}
}

static void metrics_validate(sp_violations *v, yyjson_mut_val *spec, const sp_path *path, reference_options o)
{
	bool outside = false;
	SP_KV_EACH (metric, i, sp_kv_list(spec, "metrics")) {
		metric_validate(v, metric, SP_AT_I(path, i), o);
		outside =
			outside || sp_kv_is(metric, "type", "Object") || sp_kv_is(metric, "type", "External");
	}
	if (sp_kv_i64(spec, "minReplicas", 1) == 0 && !outside)
		sp_v_forbidden(
			v, path,
			"must specify at least one Object or External metric to support scaling to zero "
			"replicas");
}

/* -- behavior ------------------------------------------------------------------------------------------- */

static void policy_validate(sp_violations *v, yyjson_mut_val *policy, const sp_path *path)
{
	static const char *const types[] = {"Percent", "Pods"};
	sp_str type = sp_kv_str(policy, "type");
	int64_t value = sp_kv_i64(policy, "value", 0), period = sp_kv_i64(policy, "periodSeconds", 0);
	if (!SP_STR_IN(type, types))
		sp_v_not_supported(v, SP_AT(path, "type"), sp_bad_named(type), types, SP_LEN(types));
	if (value <= 0)
		sp_v_invalid(v, SP_AT(path, "value"), value, "must be greater than zero");
	if (period <= 0)
		sp_v_invalid(v, SP_AT(path, "periodSeconds"), period, "must be greater than zero");
	if (period > PERIOD_SECONDS_MAX)
		sp_v_invalid(v, SP_AT(path, "periodSeconds"), period, "must be less than or equal to %d",
			     PERIOD_SECONDS_MAX);
}

static void rules_validate(sp_violations *v, yyjson_mut_val *rules, const sp_path *path)
{
	static const char *const selects[] = {"Disabled", "Max", "Min"};
	sp_str select = sp_kv_str(rules, "selectPolicy");
	int64_t window = sp_kv_i64(rules, "stabilizationWindowSeconds", 0);
	const sp_path *at = SP_AT(path, "policies");
	if (rules == NULL)
		return;
	if (window < 0)
		sp_v_invalid(v, SP_AT(path, "stabilizationWindowSeconds"), window,
			     "must be greater than or equal to zero");
	if (window > STABILIZATION_SECONDS_MAX)
		sp_v_invalid(v, SP_AT(path, "stabilizationWindowSeconds"), window,
			     "must be less than or equal to %d", STABILIZATION_SECONDS_MAX);
	if (sp_kv_has(rules, "selectPolicy") && !SP_STR_IN(select, selects))
		sp_v_not_supported(v, SP_AT(path, "selectPolicy"), sp_bad_named(select), selects,
				   SP_LEN(selects));
	if (sp_kv_list(rules, "policies") == NULL)
		sp_v_required(v, at, "must specify at least one Policy");
	SP_KV_EACH (policy, i, sp_kv_list(rules, "policies")) {
		policy_validate(v, policy, SP_AT_I(at, i));
	}
	if (sp_kv_has(rules, "tolerance"))
		sp_v_qty_non_negative(v, SP_AT(path, "tolerance"), sp_kv_get(rules, "tolerance"));
}

/* -- the object ----------------------------------------------------------------------------------------- */

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *was = sp_kv_get(old, "spec");
	yyjson_mut_val *ref = sp_kv_get(spec, "scaleTargetRef"), *was_ref = sp_kv_get(was, "scaleTargetRef");
	const sp_path *path = SP_PATH("spec");
	int64_t min = sp_kv_i64(spec, "minReplicas", INT64_MIN), max = sp_kv_i64(spec, "maxReplicas", 0);
	int64_t lowest = sp_kv_i64(was, "minReplicas", 1) == 0 ? 0 : 1;
	reference_options target = {false, false}, described = {false, true};
	if (old != NULL && sp_str_eq(sp_kv_str(ref, "apiVersion"), sp_kv_str(was_ref, "apiVersion")) &&
	    sp_str_eq(sp_kv_str(ref, "kind"), sp_kv_str(was_ref, "kind")))
		target.any_version = true;
	else if (sp_kv_is(ref, "kind", "ReplicationController"))
		target.no_group = true;
	SP_KV_EACH (metric, i, sp_kv_list(was, "metrics")) {
		yyjson_mut_val *object = sp_kv_path(metric, "object", "describedObject", NULL);
		if (object != NULL &&
		    version_fault(c->arena, sp_kv_str(object, "apiVersion"), described)[0] != 0)
			described.any_version = true;
	}
	if (sp_kv_has(spec, "minReplicas") && min < lowest)
		sp_v_invalid(v, SP_AT(path, "minReplicas"), min, "must be greater than or equal to %lld",
			     (long long)lowest);
	if (max == 0)
		sp_v_required(v, SP_AT(path, "maxReplicas"), "must be set and greater than 0");
	else if (max < 0)
		sp_v_invalid(v, SP_AT(path, "maxReplicas"), max, "must be greater than or equal to 1");
	if (max < min)
		sp_v_invalid(v, SP_AT(path, "maxReplicas"), max,
			     "must be greater than or equal to `minReplicas`");
	reference(v, ref, SP_AT(path, "scaleTargetRef"), target);
	metrics_validate(v, spec, SP_AT(path, "metrics"), described);
	rules_validate(v, sp_kv_path(spec, "behavior", "scaleUp", NULL), SP_AT(path, "behavior.scaleUp"));
	rules_validate(v, sp_kv_path(spec, "behavior", "scaleDown", NULL), SP_AT(path, "behavior.scaleDown"));
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c, obj, NULL);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	spec_validate(c, obj, old);
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"currentReplicas", "desiredReplicas"};
	sp_meta_validate_update(c, obj, old);
	SP_V_COUNTS(c->errors, SP_PATH("status"), sp_kv_get(obj, "status"), counts);
}

/* -- columns -------------------------------------------------------------------------------------------- */

static yyjson_mut_val *reference_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *ref = sp_kv_path(obj, "spec", "scaleTargetRef", NULL);
	sp_str kind = sp_kv_str(ref, "kind"), name = sp_kv_str(ref, "name");
	return sp_cell_printf(c, SP_FMT "/" SP_FMT, SP_ARG(kind), SP_ARG(name));
}

static yyjson_mut_val *min_pods_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *min = sp_kv_path(obj, "spec", "minReplicas", NULL);
	if (min == NULL)
		return sp_cell_str(c, SP_STR("<unset>"));
	return sp_cell_printf(c, "%lld", (long long)sp_kv_num(min, 0));
}

static sp_str amount_text(yyjson_mut_val *object, const char *name, const char *absent)
{
	sp_str text = sp_kv_str(object, name);
	return text.len > 0 ? text : sp_str_c(absent);
}

/* Percent of a container or resource. */
static void percent_text(sp_buf *out, yyjson_mut_val *object, const char *absent)
{
	yyjson_mut_val *use = sp_kv_get(object, "averageUtilization");
	if (use != NULL)
		(void)sp_buf_printf(out, "%lld%%", (long long)sp_kv_num(use, 0));
	else
		(void)sp_buf_str(out, sp_str_c(absent));
}

static void metric_text(sp_buf *out, const metric_source *s, yyjson_mut_val *metric, yyjson_mut_val *status)
{
	yyjson_mut_val *src = sp_kv_get(metric, s->name), *target = sp_kv_get(src, "target");
	yyjson_mut_val *current = sp_kv_path(status, s->name, "current", NULL);
	bool average = sp_kv_has(target, "averageValue");
	if (!s->has_metric) {
		sp_str name = sp_kv_str(src, "name");
		(void)sp_buf_printf(out, SP_FMT ": ", SP_ARG(name));
		if (!average) {
			percent_text(out, current, "<unknown>");
			(void)sp_buf_char(out, '/');
			percent_text(out, target, "<auto>");
			return;
		}
	}
	const char *member = average ? "averageValue" : "value";
	sp_str now = amount_text(current, member, "<unknown>"), wanted = amount_text(target, member, "0");
	(void)sp_buf_printf(out, SP_FMT "/" SP_FMT "%s", SP_ARG(now), SP_ARG(wanted),
			    average && s->has_metric && strcmp(s->name, "pods") != 0 ? " (avg)" : "");
}

#define METRICS_SHOWN 2u

static yyjson_mut_val *targets_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_AUTO_BUF text = {.len = 0};
	yyjson_mut_val *metrics = sp_kv_path(obj, "spec", "metrics", NULL);
	yyjson_mut_val *statuses = sp_kv_path(obj, "status", "currentMetrics", NULL);
	size_t n = sp_kv_len(metrics);
	if (n == 0)
		return sp_cell_str(c, SP_STR("<none>"));
	sp_buf_init(&text, c->arena->limit_bytes);
	SP_KV_EACH (metric, i, metrics) {
		const metric_source *s = NULL;
		if (i >= METRICS_SHOWN)
			continue;
		for (size_t k = 0; k < SP_LEN(sources); k++)
			s = sp_kv_is(metric, "type", sources[k].type) ? &sources[k] : s;
		(void)sp_buf_str(&text, i > 0 ? SP_STR(", ") : SP_STR(""));
		if (s != NULL)
			metric_text(&text, s, metric,
				    i < sp_kv_len(statuses) ? yyjson_mut_arr_get(statuses, i) : NULL);
		else
			(void)sp_buf_str(&text, SP_STR("<unknown type>"));
	}
	if (n > METRICS_SHOWN)
		(void)sp_buf_printf(&text, " + %zu more...", n - METRICS_SHOWN);
	return sp_cell_buf(c, &text);
}

static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = sp_reset_spec}};
static const sp_cell cells[] = {{SP_STR_INIT("Reference"), reference_cell},
				{SP_STR_INIT("Targets"), targets_cell},
				{SP_STR_INIT("MinPods"), min_pods_cell}};

const sp_kind_hooks sp_hooks_autoscaler = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS,
	.defaults = defaults,
	.validate = validate,
	.validate_update = validate_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

/* -- autoscaling/v1 ------------------------------------------------------------------------------------- */

/* A copy in the stored version; NULL: no room (c->code). */
static yyjson_mut_val *as_v2(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(c->doc, obj);
	bool ok = copy != NULL && sp_autoscaler_v1_to_v2(c->arena, c->doc, copy);
	SP_KIND_NEED(c, ok);
	return ok ? copy : NULL;
}

/* Writers own what the way through upstream's internal type leaves: a target of the processor, no annotations
 * that say nothing. */
static void defaults_v1(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KIND_NEED(c, sp_autoscaler_v1_to_v2(c->arena, c->doc, obj) &&
				sp_autoscaler_v2_to_v1(c->arena, c->doc, obj));
}

static void validate_v1(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	validate(c, as_v2(c, obj));
}

static void validate_update_v1(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	validate_update(c, as_v2(c, obj), as_v2(c, old));
}

static yyjson_mut_val *targets_cell_v1(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return targets_cell(c, as_v2(c, obj));
}

static const sp_cell cells_v1[] = {{SP_STR_INIT("Reference"), reference_cell},
				   {SP_STR_INIT("Targets"), targets_cell_v1},
				   {SP_STR_INIT("MinPods"), min_pods_cell}};

const sp_kind_hooks sp_hooks_autoscaler_v1 = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_HAS_STATUS,
	.defaults = defaults_v1,
	.validate = validate_v1,
	.validate_update = validate_update_v1,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = cells_v1,
	.n_cells = SP_LEN(cells_v1),
	.field_annotations = sp_autoscaler_field_annotations,
	.to_stored = sp_autoscaler_v1_to_v2,
	.from_stored = sp_autoscaler_v2_to_v1,
};

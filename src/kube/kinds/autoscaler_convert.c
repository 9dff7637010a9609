/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/autoscaler.h"
#include "kube/kinds/go_json.h"
#include "kube/meta.h"

static const char metrics_key[] = "autoscaling.alpha.kubernetes.io/metrics";
static const char current_key[] = "autoscaling.alpha.kubernetes.io/current-metrics";
static const char conditions_key[] = "autoscaling.alpha.kubernetes.io/conditions";
static const char behavior_key[] = "autoscaling.alpha.kubernetes.io/behavior";

const char *const sp_autoscaler_field_annotations[] = {metrics_key, current_key, conditions_key, behavior_key,
						       NULL};

#define CPU_PERCENT 80

/* A member of v1's metric types, and where v2 has it. ZERO: an amount that v1 always shows. */
typedef struct member {
	const char *v1, *in, *v2; /* v2: the member of `in`, or of the source itself when that is NULL */
	bool zero;
} member;

typedef struct source {
	const char *name;
	const member *spec, *status;
	size_t n_spec, n_status;
} source;

static const member object_spec[] = {{"target", NULL, "describedObject", false},
				     {"metricName", "metric", "name", false},
				     {"targetValue", "target", "value", true},
				     {"selector", "metric", "selector", false},
				     {"averageValue", "target", "averageValue", false}};
static const member object_status[] = {{"target", NULL, "describedObject", false},
				       {"metricName", "metric", "name", false},
				       {"currentValue", "current", "value", true},
				       {"selector", "metric", "selector", false},
				       {"averageValue", "current", "averageValue", false}};
static const member pods_spec[] = {{"metricName", "metric", "name", false},
				   {"targetAverageValue", "target", "averageValue", true},
				   {"selector", "metric", "selector", false}};
static const member pods_status[] = {{"metricName", "metric", "name", false},
				     {"currentAverageValue", "current", "averageValue", true},
				     {"selector", "metric", "selector", false}};
static const member resource_spec[] = {{"name", NULL, "name", false},
				       {"targetAverageUtilization", "target", "averageUtilization", false},
				       {"targetAverageValue", "target", "averageValue", false}};
static const member resource_status[] = {
	{"name", NULL, "name", false},
	{"currentAverageUtilization", "current", "averageUtilization", false},
	{"currentAverageValue", "current", "averageValue", true}};
static const member container_spec[] = {{"name", NULL, "name", false},
					{"targetAverageUtilization", "target", "averageUtilization", false},
					{"targetAverageValue", "target", "averageValue", false},
					{"container", NULL, "container", false}};
static const member container_status[] = {
	{"name", NULL, "name", false},
	{"currentAverageUtilization", "current", "averageUtilization", false},
	{"currentAverageValue", "current", "averageValue", true},
	{"container", NULL, "container", false}};
static const member external_spec[] = {{"metricName", "metric", "name", false},
				       {"metricSelector", "metric", "selector", false},
				       {"targetValue", "target", "value", false},
				       {"targetAverageValue", "target", "averageValue", false}};
static const member external_status[] = {{"metricName", "metric", "name", false},
					 {"metricSelector", "metric", "selector", false},
					 {"currentValue", "current", "value", true},
					 {"currentAverageValue", "current", "averageValue", false}};

#define SOURCE(name, table)                                                                      \
	{                                                                                        \
		name, table##_spec, table##_status, SP_LEN(table##_spec), SP_LEN(table##_status) \
	}
static const source sources[] = {SOURCE("object", object), SOURCE("pods", pods), SOURCE("resource", resource),
				 SOURCE("containerResource", container), SOURCE("external", external)};

typedef struct conversion {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	bool ok;
} conversion;

static void need(conversion *x, bool ok)
{
	x->ok = x->ok && ok;
}

static yyjson_mut_val *copy(conversion *x, yyjson_mut_val *v)
{
	yyjson_mut_val *made = yyjson_mut_val_mut_copy(x->doc, v);
	need(x, made != NULL);
	return made;
}

/* The value of a member in a v2 source. */
static yyjson_mut_val *v2_value(yyjson_mut_val *from, const member *m)
{
	return sp_kv_get(m->in != NULL ? sp_kv_get(from, m->in) : from, m->v2);
}

static void set(conversion *x, yyjson_mut_val *object, const char *name, yyjson_mut_val *value)
{
	need(x, object != NULL && sp_kv_set(x->doc, object, name, value));
}

static yyjson_mut_val *to_v1(conversion *x, yyjson_mut_val *metric, bool status)
{
	yyjson_mut_val *out = yyjson_mut_obj(x->doc);
	set(x, out, "type", copy(x, sp_kv_get(metric, "type")));
	for (size_t i = 0; i < SP_LEN(sources); i++) {
		const member *members = status ? sources[i].status : sources[i].spec;
		size_t n = status ? sources[i].n_status : sources[i].n_spec;
		yyjson_mut_val *from = sp_kv_get(metric, sources[i].name);
		yyjson_mut_val *to = from != NULL ? yyjson_mut_obj(x->doc) : NULL;
		for (size_t k = 0; to != NULL && k < n; k++) {
			yyjson_mut_val *value = v2_value(from, &members[k]);
			if (value != NULL)
				set(x, to, members[k].v1, copy(x, value));
			else if (members[k].zero)
				set(x, to, members[k].v1, yyjson_mut_str(x->doc, "0"));
		}
		if (from != NULL)
			set(x, out, sources[i].name, to);
	}
	return out;
}

static bool is_zero(yyjson_mut_val *amount)
{
	return amount == NULL || sp_kv_qty(amount).nanos == 0;
}

/* v1's targets have no type; it follows from what is set. */
static void target_type(conversion *x, yyjson_mut_val *to, const char *name)
{
	yyjson_mut_val *target = sp_kv_need_obj(x->doc, to, "target");
	bool value = sp_kv_has(target, "value"), average = sp_kv_has(target, "averageValue");
	const char *type = "AverageValue";
	need(x, target != NULL);
	if (strcmp(name, "object") == 0) {
		type = average ? type : "Value";
		if (average && is_zero(sp_kv_get(target, "value")))
			sp_kv_drop(target, "value");
	} else if (strcmp(name, "external") == 0) {
		type = value ? "Value" : type;
	} else if (strcmp(name, "pods") != 0) {
		type = sp_kv_has(target, "averageUtilization") ? "Utilization" : type;
	}
	need(x, target != NULL && sp_kv_set_str(x->doc, target, "type", sp_str_c(type)));
}

static yyjson_mut_val *to_v2(conversion *x, yyjson_mut_val *metric, bool status)
{
	yyjson_mut_val *out = yyjson_mut_obj(x->doc);
	need(x, out != NULL && sp_kv_set_str(x->doc, out, "type", sp_kv_str(metric, "type")));
	for (size_t i = 0; i < SP_LEN(sources); i++) {
		const member *members = status ? sources[i].status : sources[i].spec;
		size_t n = status ? sources[i].n_status : sources[i].n_spec;
		yyjson_mut_val *from = sp_kv_get(metric, sources[i].name);
		yyjson_mut_val *to = from != NULL ? yyjson_mut_obj(x->doc) : NULL;
		for (size_t k = 0; to != NULL && k < n; k++) {
			yyjson_mut_val *value = sp_kv_get(from, members[k].v1), *into = to;
			if (members[k].in != NULL)
				into = sp_kv_need_obj(x->doc, to, members[k].in);
			if (value != NULL)
				set(x, into, members[k].v2, copy(x, value));
			else if (members[k].zero)
				set(x, into, members[k].v2, yyjson_mut_str(x->doc, "0"));
		}
		if (to != NULL && !status)
			target_type(x, to, sources[i].name);
		if (from != NULL)
			set(x, out, sources[i].name, to);
	}
	return out;
}

static bool is_cpu_percent(yyjson_mut_val *metric)
{
	yyjson_mut_val *cpu = sp_kv_get(metric, "resource");
	return sp_kv_is(metric, "type", "Resource") && sp_kv_is(cpu, "name", "cpu");
}

/* -- to v1 ---------------------------------------------------------------------------------------------- */

static void annotate(conversion *x, yyjson_mut_val *obj, const char *key, sp_str text)
{
	yyjson_mut_val *meta = sp_kv_need_obj(x->doc, obj, "metadata");
	yyjson_mut_val *annotations = meta != NULL ? sp_kv_need_obj(x->doc, meta, "annotations") : NULL;
	need(x, text.ptr != NULL && annotations != NULL && sp_kv_set_str(x->doc, annotations, key, text));
}

static void annotate_json(conversion *x, yyjson_mut_val *obj, const char *key, yyjson_mut_val *value)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, x->arena->limit_bytes);
	need(x, sp_json_write_mut(&text, value) == SP_OK);
	annotate(x, obj, key, sp_arena_try_dup(x->arena, sp_buf_view(&text)));
}

static const sp_go_field policy_fields[] = {{"Type", "type", SP_GO_STR, NULL},
					    {"Value", "value", SP_GO_I64, NULL},
					    {"PeriodSeconds", "periodSeconds", SP_GO_I64, NULL}};
static const sp_go_type go_policy = {policy_fields, SP_LEN(policy_fields)};
static const sp_go_field rules_fields[] = {
	{"StabilizationWindowSeconds", "stabilizationWindowSeconds", SP_GO_PTR, NULL},
	{"SelectPolicy", "selectPolicy", SP_GO_PTR, NULL},
	{"Policies", "policies", SP_GO_STRUCT_LIST, &go_policy},
	{"Tolerance", "tolerance", SP_GO_PTR, NULL}};
static const sp_go_type go_rules = {rules_fields, SP_LEN(rules_fields)};
static const sp_go_field behavior_fields[] = {{"ScaleUp", "scaleUp", SP_GO_STRUCT_PTR, &go_rules},
					      {"ScaleDown", "scaleDown", SP_GO_STRUCT_PTR, &go_rules}};
static const sp_go_type go_behavior = {behavior_fields, SP_LEN(behavior_fields)};

static void metrics_to_v1(conversion *x, yyjson_mut_val *obj, yyjson_mut_val *spec)
{
	yyjson_mut_val *others = yyjson_mut_arr(x->doc), *percent = NULL;
	SP_KV_EACH (metric, i, sp_kv_list(spec, "metrics")) {
		yyjson_mut_val *use = sp_kv_path(metric, "resource", "target", "averageUtilization", NULL);
		if (!is_cpu_percent(metric) || use == NULL)
			need(x, yyjson_mut_arr_append(others, to_v1(x, metric, false)));
		else if (percent == NULL)
			percent = use;
	}
	set(x, spec, "targetCPUUtilizationPercentage", percent != NULL ? copy(x, percent) : NULL);
	sp_kv_drop(spec, "metrics");
	if (sp_kv_len(others) > 0)
		annotate_json(x, obj, metrics_key, others);
}

static void status_to_v1(conversion *x, yyjson_mut_val *obj, yyjson_mut_val *status)
{
	yyjson_mut_val *metrics = yyjson_mut_arr(x->doc), *percent = NULL;
	SP_KV_EACH (metric, i, sp_kv_list(status, "currentMetrics")) {
		yyjson_mut_val *use = sp_kv_path(metric, "resource", "current", "averageUtilization", NULL);
		need(x, yyjson_mut_arr_append(metrics, to_v1(x, metric, true)));
		if (is_cpu_percent(metric) && use != NULL)
			percent = use;
	}
	if (sp_kv_len(metrics) > 0)
		annotate_json(x, obj, current_key, metrics);
	if (percent != NULL)
		set(x, status, "currentCPUUtilizationPercentage", copy(x, percent));
	sp_kv_drop(status, "currentMetrics");
	if (sp_kv_list(status, "conditions") != NULL)
		annotate_json(x, obj, conditions_key, sp_kv_list(status, "conditions"));
	sp_kv_drop(status, "conditions");
}

/* v1 always shows how many there are, before how many there should be. */
static void show_replicas(conversion *x, yyjson_mut_val *status)
{
	static const char wanted[] = "desiredReplicas";
	yyjson_mut_val *n = sp_kv_get(status, wanted);
	if (sp_kv_has(status, "currentReplicas"))
		return;
	sp_kv_drop(status, wanted);
	need(x, sp_kv_set_i64(x->doc, status, "currentReplicas", 0));
	if (n != NULL)
		need(x, sp_kv_set_i64(x->doc, status, wanted, sp_kv_num(n, 0)));
}

void sp_autoscaler_drop_annotations(yyjson_mut_val *obj)
{
	static const char *const keys[] = {metrics_key, current_key, conditions_key, behavior_key};
	for (size_t i = 0; i < SP_LEN(keys); i++)
		sp_kv_drop(sp_kv_get(sp_meta(obj), "annotations"), keys[i]);
}

bool sp_autoscaler_v2_to_v1(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	conversion x = {.arena = a, .doc = doc, .ok = true};
	yyjson_mut_val *spec = sp_kv_need_obj(doc, obj, "spec"), *status = sp_kv_need_obj(doc, obj, "status");
	if (spec == NULL || status == NULL)
		return false;
	yyjson_mut_val *behavior = sp_kv_get(spec, "behavior");
	sp_autoscaler_drop_annotations(obj);
	metrics_to_v1(&x, obj, spec);
	if (behavior != NULL)
		annotate(&x, obj, behavior_key, sp_go_struct(a, &go_behavior, behavior));
	sp_kv_drop(spec, "behavior");
	show_replicas(&x, status);
	status_to_v1(&x, obj, status);
	need(&x, sp_kv_set_str(doc, obj, "apiVersion", SP_STR("autoscaling/v1")));
	return x.ok;
}

/* -- to v2 ---------------------------------------------------------------------------------------------- */

/* An annotation's JSON; NULL when it is absent or none. */
static yyjson_mut_val *annotation_json(conversion *x, yyjson_mut_val *obj, const char *key)
{
	yyjson_mut_val *v = NULL;
	sp_str text = sp_meta_annotation(obj, key);
	if (text.len == 0 || sp_json_parse_mut(x->arena, text, x->doc, &v, NULL) != SP_OK)
		return NULL;
	return v;
}

static yyjson_mut_val *cpu_metric(conversion *x, const char *part, int64_t percent)
{
	yyjson_mut_val *metric = yyjson_mut_obj(x->doc), *cpu, *target;
	if (metric == NULL || (cpu = sp_kv_need_obj(x->doc, metric, "resource")) == NULL ||
	    (target = sp_kv_need_obj(x->doc, cpu, part)) == NULL) {
		x->ok = false;
		return metric;
	}
	need(x, sp_kv_set_str(x->doc, metric, "type", SP_STR("Resource")));
	need(x, sp_kv_set_str(x->doc, cpu, "name", SP_STR("cpu")));
	if (strcmp(part, "target") == 0)
		need(x, sp_kv_set_str(x->doc, target, "type", SP_STR("Utilization")));
	need(x, sp_kv_set_i64(x->doc, target, "averageUtilization", percent));
	return metric;
}

static void append(conversion *x, yyjson_mut_val *list, yyjson_mut_val *v)
{
	need(x, list != NULL && v != NULL && yyjson_mut_arr_append(list, v));
}

static void metrics_to_v2(conversion *x, yyjson_mut_val *obj, yyjson_mut_val *spec)
{
	static const char name[] = "targetCPUUtilizationPercentage";
	yyjson_mut_val *metrics = yyjson_mut_arr(x->doc), *others = annotation_json(x, obj, metrics_key);
	SP_KV_EACH (metric, i, others) {
		append(x, metrics, to_v2(x, metric, false));
	}
	if (sp_kv_has(spec, name))
		append(x, metrics, cpu_metric(x, "target", sp_kv_i64(spec, name, 0)));
	if (sp_kv_len(metrics) == 0)
		append(x, metrics, cpu_metric(x, "target", CPU_PERCENT));
	set(x, spec, "metrics", metrics);
	sp_kv_drop(spec, name);
}

/* The annotation has Go's names, which its parser takes in any case. */
static yyjson_mut_val *go_member(yyjson_mut_val *object, const char *name)
{
	SP_KV_EACH_MEMBER (key, val, i, object) {
		if (sp_str_eq_nocase(sp_jmut_str(key), sp_str_c(name)) && !yyjson_mut_is_null(val))
			return val;
	}
	return NULL;
}

static void take(conversion *x, yyjson_mut_val *to, yyjson_mut_val *from, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		yyjson_mut_val *v = go_member(from, names[i]);
		if (v != NULL)
			set(x, to, names[i], copy(x, v));
	}
}

static yyjson_mut_val *rules_of(conversion *x, yyjson_mut_val *from)
{
	static const char *const plain[] = {"stabilizationWindowSeconds", "selectPolicy", "tolerance"};
	static const char *const of_policy[] = {"type", "value", "periodSeconds"};
	yyjson_mut_val *rules = yyjson_mut_obj(x->doc), *list = go_member(from, "policies");
	take(x, rules, from, plain, SP_LEN(plain));
	yyjson_mut_val *policies = yyjson_mut_is_arr(list) ? yyjson_mut_arr(x->doc) : NULL;
	SP_KV_EACH (policy, i, list) {
		yyjson_mut_val *made = yyjson_mut_obj(x->doc);
		take(x, made, policy, of_policy, SP_LEN(of_policy));
		append(x, policies, made);
	}
	set(x, rules, "policies", policies);
	return rules;
}

static void behavior_to_v2(conversion *x, yyjson_mut_val *obj, yyjson_mut_val *spec)
{
	static const char *const names[] = {"scaleUp", "scaleDown"};
	yyjson_mut_val *from = annotation_json(x, obj, behavior_key), *to = NULL;
	for (size_t i = 0; i < SP_LEN(names); i++) {
		yyjson_mut_val *rules = go_member(from, names[i]);
		if (rules == NULL)
			continue;
		to = sp_kv_need_obj(x->doc, spec, "behavior");
		set(x, to, names[i], rules_of(x, rules));
	}
}

static void status_to_v2(conversion *x, yyjson_mut_val *obj, yyjson_mut_val *status)
{
	static const char name[] = "currentCPUUtilizationPercentage";
	yyjson_mut_val *others = annotation_json(x, obj, current_key), *metrics = yyjson_mut_arr(x->doc);
	yyjson_mut_val *conditions = annotation_json(x, obj, conditions_key);
	SP_KV_EACH (metric, i, others) {
		append(x, metrics, to_v2(x, metric, true));
	}
	if (!yyjson_mut_is_arr(others) && sp_kv_has(status, name))
		append(x, metrics, cpu_metric(x, "current", sp_kv_i64(status, name, 0)));
	sp_kv_drop(status, name);
	set(x, status, "currentMetrics", sp_kv_len(metrics) > 0 ? metrics : NULL);
	if (yyjson_mut_is_arr(conditions))
		set(x, status, "conditions", conditions);
}

bool sp_autoscaler_v1_to_v2(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	conversion x = {.arena = a, .doc = doc, .ok = true};
	yyjson_mut_val *spec = sp_kv_need_obj(doc, obj, "spec"), *status = sp_kv_need_obj(doc, obj, "status");
	if (spec == NULL || status == NULL)
		return false;
	metrics_to_v2(&x, obj, spec);
	behavior_to_v2(&x, obj, spec);
	status_to_v2(&x, obj, status);
	sp_autoscaler_drop_annotations(obj);
	need(&x, sp_kv_set_str(doc, obj, "apiVersion", SP_STR("autoscaling/v2")));
	return x.ok;
}

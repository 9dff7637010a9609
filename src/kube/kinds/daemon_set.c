/* SPDX-License-Identifier: Apache-2.0 */
/* DaemonSet and ControllerRevision of apps/v1. */
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

static yyjson_mut_val *template_of(yyjson_mut_val *obj)
{
	return sp_kv_path(obj, "spec", "template", NULL);
}

/*
 * The number of the template is a field of upstream's internal type only; clients see it as this annotation,
 * which they cannot set.
 */
static const char template_generation[] = "deprecated.daemonset.template.generation";

static const char *const field_annotations[] = {template_generation, NULL};

static int64_t number_of_template(yyjson_mut_val *obj)
{
	sp_str text = sp_meta_annotation(obj, template_generation);
	int64_t n = 0;
	for (size_t i = 0; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9' && n < INT64_MAX / 20;
	     i++)
		n = n * 10 + (text.ptr[i] - '0');
	return n;
}

static void set_number_of_template(sp_kind_ctx *c, yyjson_mut_val *obj, int64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof text, "%lld", (long long)n);
	yyjson_mut_val *meta = sp_kv_need_obj(c->doc, obj, "metadata");
	yyjson_mut_val *annotations = meta != NULL ? sp_kv_need_obj(c->doc, meta, "annotations") : NULL;
	SP_KIND_NEED(c, annotations != NULL && sp_kv_set_str(c->doc, annotations, template_generation,
							     (sp_str){text, (size_t)len}));
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	bool rolls = sp_rolling_update_defaults(c, obj, "updateStrategy") != NULL;
	yyjson_mut_val *rolling = sp_kv_path(obj, "spec", "updateStrategy", "rollingUpdate", NULL);
	if (rolling != NULL) {
		/* Without a default it is 0 by its way through upstream's internal type. */
		sp_default_i64(c, rolling, "maxUnavailable", rolls ? 1 : 0);
		sp_default_i64(c, rolling, "maxSurge", 0);
	}
	sp_pod_template_defaults(c, template_of(obj));
	/* Writers own the annotation, which is there as soon as the object has been upstream's internal one.
	 */
	set_number_of_template(c, obj, number_of_template(obj));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	set_number_of_template(c, obj, SP_MAX(number_of_template(obj), 1));
	sp_pod_template_drop_disabled(template_of(obj), NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_pod_template_drop_disabled(template_of(obj), template_of(old));
	bool changed = !sp_kv_equal(template_of(obj), template_of(old));
	set_number_of_template(c, obj, number_of_template(old) + (changed ? 1 : 0));
}

static void rolling_update(sp_violations *v, yyjson_mut_val *rolling, const sp_path *path)
{
	yyjson_mut_val *down = sp_kv_get(rolling, "maxUnavailable"), *up = sp_kv_get(rolling, "maxSurge");
	const sp_path *at_down = SP_AT(path, "maxUnavailable"), *at_up = SP_AT(path, "maxSurge");
	sp_v_int_or_percent(v, at_down, down);
	sp_v_int_or_percent(v, at_up, up);
	sp_v_at_most_100_percent(v, at_down, down);
	sp_v_at_most_100_percent(v, at_up, up);
	bool has_down = sp_int_or_percent(down) != 0, has_up = sp_int_or_percent(up) != 0;
	if (has_down && has_up)
		sp_v_invalid(v, at_up, up, "may not be set when maxUnavailable is non-zero");
	else if (!has_down && !has_up)
		sp_v_required(v, at_down, "cannot be 0 when maxSurge is 0");
}

static const sp_go_field rolling_fields[] = {{"MaxUnavailable", "maxUnavailable", SP_GO_PTR, NULL},
					     {"MaxSurge", "maxSurge", SP_GO_PTR, NULL}};
static const sp_go_type go_rolling = {rolling_fields, SP_LEN(rolling_fields)};
static const sp_go_field strategy_fields[] = {
	{"Type", "type", SP_GO_STR, NULL}, {"RollingUpdate", "rollingUpdate", SP_GO_STRUCT_PTR, &go_rolling}};
static const sp_go_type go_strategy = {strategy_fields, SP_LEN(strategy_fields)};

static void update_strategy(sp_kind_ctx *c, yyjson_mut_val *strategy, const sp_path *path)
{
	static const char *const types[] = {"RollingUpdate", "OnDelete"};
	yyjson_mut_val *rolling = sp_kv_get(strategy, "rollingUpdate");
	if (sp_kv_is(strategy, "type", "OnDelete"))
		return;
	if (!sp_kv_is(strategy, "type", "RollingUpdate"))
		sp_v_not_supported(c->errors, path,
				   sp_bad_text(sp_go_struct(c->arena, &go_strategy, strategy)), types,
				   SP_LEN(types));
	else if (rolling == NULL)
		sp_v_required(c->errors, SP_AT(path, "rollingUpdate"), "%s", "");
	else
		rolling_update(c->errors, rolling, SP_AT(path, "rollingUpdate"));
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options, bool bad_values)
{
	static const char *const counts[] = {"minReadySeconds"};
	static const char *const history[] = {"revisionHistoryLimit"};
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec"), *selector = sp_kv_get(spec, "selector");
	const sp_path *path = SP_PATH("spec");
	sp_label_selector_validate(v, SP_AT(path, "selector"), selector,
				   bad_values ? SP_LABEL_SELECTOR_BAD_VALUES : 0);
	sp_v_selects_template(c, spec, SP_AT(path, "template"));
	if (selector != NULL && sp_kv_selector_empty(selector))
		sp_v_invalid(v, SP_AT(path, "selector"), selector, "empty selector is invalid for daemonset");
	sp_pod_template_validate(c, sp_kv_get(spec, "template"), SP_AT(path, "template"), options);
	sp_v_runs_forever(v, sp_kv_get(spec, "template"), SP_AT(path, "template"), "DaemonSet");
	SP_V_COUNTS(v, path, spec, counts);
	update_strategy(c, sp_kv_get(spec, "updateStrategy"), SP_AT(path, "updateStrategy"));
	SP_V_COUNTS(v, path, spec, history);
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c, obj, sp_pod_template_options(c->arena, NULL), false);
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *was = sp_kv_path(old, "spec", "selector", NULL);
	sp_meta_validate_update(c, obj, old);
	sp_v_immutable(c->errors, SP_PATH("spec.selector"), sp_kv_path(obj, "spec", "selector", NULL), was);
	spec_validate(c, obj, sp_pod_template_options(c->arena, template_of(old)),
		      sp_label_selector_has_bad_value(was));
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"currentNumberScheduled", "numberMisscheduled",
					     "desiredNumberScheduled", "numberReady",
					     "observedGeneration",     "updatedNumberScheduled",
					     "numberAvailable",        "numberUnavailable",
					     "collisionCount"};
	sp_meta_validate_update(c, obj, old);
	SP_V_COUNTS(c->errors, SP_PATH("status"), sp_kv_get(obj, "status"), counts);
	sp_v_collisions(c->errors, obj, old);
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(obj));
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (number_of_template(obj) != number_of_template(old))
		sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(obj));
}

static yyjson_mut_val *node_selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return sp_cell_labels(c, sp_kv_path(obj, "spec", "template", "spec", "nodeSelector", NULL));
}

static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = sp_reset_spec}};
static const sp_cell cells[] = {{SP_STR_INIT("Node Selector"), node_selector_cell},
				SP_WORKLOAD_CELLS,
				{SP_STR_INIT("Selector"), sp_workload_selector_cell}};

const sp_kind_hooks sp_hooks_daemon_set = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = validate,
	.validate_update = validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = cells,
	.field_annotations = field_annotations,
	.n_cells = SP_LEN(cells),
};

/* -- ControllerRevision --------------------------------------------------------------------------------- */

static void revision_number(sp_violations *v, yyjson_mut_val *obj)
{
	sp_v_non_negative(v, SP_PATH("revision"), sp_kv_i64(obj, "revision", 0));
}

static void revision_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *data = sp_kv_get(obj, "data");
	sp_meta_validate(c, obj);
	revision_number(c->errors, obj);
	if (data == NULL)
		sp_v_required(c->errors, SP_PATH("data"), "data is mandatory");
	else if (!yyjson_mut_is_obj(data))
		sp_v_required(c->errors, SP_PATH("data"), "data must be a valid JSON object");
}

static void revision_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	yyjson_mut_val *data = sp_kv_get(obj, "data"), *was = sp_kv_get(old, "data");
	sp_meta_validate_update(c, obj, old);
	sp_meta_validate(c, obj);
	revision_number(c->errors, obj);
	if (data != was && !sp_jmut_equal(data, was))
		sp_v_invalid(c->errors, SP_PATH("data"), data, "field is immutable");
}

static yyjson_mut_val *controller_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	SP_KV_EACH (owner, i, sp_kv_list(sp_meta(obj), "ownerReferences")) {
		if (!sp_kv_bool(owner, "controller"))
			continue;
		sp_str group = sp_kv_str(owner, "apiVersion"), kind = sp_kv_str(owner, "kind");
		sp_str name = sp_kv_str(owner, "name");
		group = sp_str_sub(group, 0, (size_t)SP_MAX(sp_str_rindex(group, '/'), 0));
		sp_str text = sp_arena_printf(c->arena, SP_FMT "%s" SP_FMT, SP_ARG(kind),
					      group.len > 0 ? "." : "", SP_ARG(group));
		return sp_cell_printf(c, SP_FMT "%s" SP_FMT, SP_ARG(sp_cell_lower(c, text)),
				      text.len > 0 ? "/" : "", SP_ARG(name));
	}
	return sp_cell_str(c, SP_STR("<none>"));
}

static const sp_cell revision_cells[] = {{SP_STR_INIT("Controller"), controller_cell}};

const sp_kind_hooks sp_hooks_controller_revision = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE,
	.validate = revision_validate,
	.validate_update = revision_validate_update,
	.cells = revision_cells,
	.n_cells = SP_LEN(revision_cells),
};

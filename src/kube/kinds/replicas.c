/* SPDX-License-Identifier: Apache-2.0 */
/* Deployment and ReplicaSet of apps/v1: any number of equal pods. */
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

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_template_defaults(c, template_of(obj));
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	sp_pod_template_drop_disabled(template_of(obj), NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	sp_pod_template_drop_disabled(template_of(obj), template_of(old));
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_owner_name_warn(c, obj);
	sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(obj));
}

/* Only a change of the spec is worth a look. */
static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (sp_kv_i64(sp_meta(obj), "generation", 0) != sp_kv_i64(sp_meta(old), "generation", 0))
		sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(obj));
}

/* Selector and template, as upstream's ValidatePodTemplateSpecForReplicaSet. */
static void selector_and_template(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path, unsigned options)
{
	const sp_path *at = SP_AT(path, "template");
	yyjson_mut_val *pod_template = sp_kv_get(spec, "template");
	if (!sp_v_workload_selector(c, spec, path, "deployment", "invalid label selector"))
		return;
	if (!sp_kv_has(spec, "selector") || !sp_kv_selector_empty(sp_kv_get(spec, "selector")))
		sp_v_selects_template(c, spec, at);
	sp_pod_template_validate(c, pod_template, at, options);
	sp_v_runs_forever(c->errors, pod_template, at, "ReplicaSet");
}

/* -- Deployment ----------------------------------------------------------------------------------------- */

static void deployment_defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *rolling = sp_rolling_update_defaults(c, obj, "strategy");
	if (rolling != NULL) {
		sp_default_str(c, rolling, "maxUnavailable", "25%");
		sp_default_str(c, rolling, "maxSurge", "25%");
	}
	defaults(c, obj);
}

static void deployment_rolling(sp_violations *v, yyjson_mut_val *rolling, const sp_path *path)
{
	yyjson_mut_val *down = sp_kv_get(rolling, "maxUnavailable"), *up = sp_kv_get(rolling, "maxSurge");
	sp_v_int_or_percent(v, SP_AT(path, "maxUnavailable"), down);
	sp_v_int_or_percent(v, SP_AT(path, "maxSurge"), up);
	if (sp_int_or_percent(down) == 0 && sp_int_or_percent(up) == 0)
		sp_v_invalid(v, SP_AT(path, "maxUnavailable"), down, "may not be 0 when `maxSurge` is 0");
	sp_v_at_most_100_percent(v, SP_AT(path, "maxUnavailable"), down);
}

static const sp_go_field rolling_fields[] = {{"MaxUnavailable", "maxUnavailable", SP_GO_PTR, NULL},
					     {"MaxSurge", "maxSurge", SP_GO_PTR, NULL}};
static const sp_go_type go_rolling = {rolling_fields, SP_LEN(rolling_fields)};
static const sp_go_field strategy_fields[] = {
	{"Type", "type", SP_GO_STR, NULL}, {"RollingUpdate", "rollingUpdate", SP_GO_STRUCT_PTR, &go_rolling}};
static const sp_go_type go_strategy = {strategy_fields, SP_LEN(strategy_fields)};

static void deployment_strategy(sp_violations *v, yyjson_mut_val *strategy, const sp_path *path)
{
	static const char *const types[] = {"Recreate", "RollingUpdate"};
	yyjson_mut_val *rolling = sp_kv_get(strategy, "rollingUpdate");
	const sp_path *at = SP_AT(path, "rollingUpdate");
	if (sp_kv_is(strategy, "type", "Recreate")) {
		if (rolling != NULL)
			sp_v_forbidden(v, at, "may not be specified when strategy `type` is 'Recreate'");
	} else if (!sp_kv_is(strategy, "type", "RollingUpdate")) {
		sp_v_not_supported(v, path, sp_bad_text(sp_go_struct(v->arena, &go_strategy, strategy)),
				   types, SP_LEN(types));
	} else if (rolling == NULL) {
		sp_v_required(v, at, "this should be defaulted and never be nil");
	} else {
		deployment_rolling(v, rolling, at);
	}
}

static void deployment_spec(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	static const char *const before[] = {"replicas"};
	static const char *const after[] = {"minReadySeconds", "revisionHistoryLimit",
					    "progressDeadlineSeconds"};
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	SP_V_COUNTS(v, path, spec, before);
	selector_and_template(c, spec, path, options);
	deployment_strategy(v, sp_kv_get(spec, "strategy"), SP_AT(path, "strategy"));
	SP_V_COUNTS(v, path, spec, after);
	int64_t deadline = sp_kv_i64(spec, "progressDeadlineSeconds", INT64_MAX);
	if (deadline <= sp_kv_i64(spec, "minReadySeconds", 0))
		sp_v_invalid(v, SP_AT(path, "progressDeadlineSeconds"), deadline,
			     "must be greater than minReadySeconds");
}

static void deployment_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	deployment_spec(c, obj, sp_pod_template_options(c->arena, NULL));
}

static void deployment_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	deployment_spec(c, obj, sp_pod_template_options(c->arena, template_of(old)));
	sp_v_immutable(c->errors, SP_PATH("spec.selector"), sp_kv_path(obj, "spec", "selector", NULL),
		       sp_kv_path(old, "spec", "selector", NULL));
}

/* A new annotation is a new generation, too: some of them are part of a rollout. */
static void deployment_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	prepare_update(c, obj, old);
	if (!sp_kv_equal(sp_kv_get(sp_meta(obj), "annotations"), sp_kv_get(sp_meta(old), "annotations")))
		sp_meta_bump_generation(c, obj, old);
}

#define ABOVE_REPLICAS "cannot be greater than status.replicas"

static void deployment_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"observedGeneration",  "replicas",
					     "updatedReplicas",     "readyReplicas",
					     "availableReplicas",   "unavailableReplicas",
					     "terminatingReplicas", "collisionCount"};
	sp_violations *v = c->errors;
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	const sp_path *path = SP_PATH("status");
	sp_meta_validate_update(c, obj, old);
	SP_V_COUNTS(v, path, status, counts);
	sp_v_not_above(v, path, status, "updatedReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "readyReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "availableReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "availableReplicas", "readyReplicas",
		       "cannot be greater than readyReplicas");
	sp_v_collisions(v, obj, old);
}

static yyjson_mut_val *deployment_selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_selector s;
	SP_AUTO_BUF text = {.len = 0};
	if (!sp_kv_selector(c, sp_kv_path(obj, "spec", "selector", NULL), &s))
		return sp_cell_str(c, SP_STR("<invalid>"));
	sp_buf_init(&text, c->arena->limit_bytes);
	(void)sp_selector_print(&text, &s);
	return sp_cell_buf(c, &text);
}

static const sp_sub_hooks deployment_subs[] = {{.name = SP_STR_INIT("status"),
						.validate_update = deployment_status,
						.reset_fields = sp_reset_spec_labels}};
static const sp_cell deployment_cells[] = {{SP_STR_INIT("Ready"), sp_workload_ready_cell},
					   SP_WORKLOAD_CELLS,
					   {SP_STR_INIT("Selector"), deployment_selector_cell}};

const sp_kind_hooks sp_hooks_deployment = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS |
		 SP_KIND_STATUS_KEEPS_LABELS,
	.defaults = deployment_defaults,
	.prepare_create = prepare_create,
	.prepare_update = deployment_prepare_update,
	.validate = deployment_validate,
	.validate_update = deployment_validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = sp_reset_status,
	.subs = deployment_subs,
	.n_subs = SP_LEN(deployment_subs),
	.cells = deployment_cells,
	.n_cells = SP_LEN(deployment_cells),
};

/* -- ReplicaSet ----------------------------------------------------------------------------------------- */

static void replica_set_spec(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options)
{
	static const char *const counts[] = {"replicas", "minReadySeconds"};
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	SP_V_COUNTS(c->errors, SP_PATH("spec"), spec, counts);
	selector_and_template(c, spec, SP_PATH("spec"), options);
}

static void replica_set_validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	replica_set_spec(c, obj, sp_pod_template_options(c->arena, NULL));
}

static void replica_set_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_meta_validate_update(c, obj, old);
	replica_set_spec(c, obj, sp_pod_template_options(c->arena, template_of(old)));
	sp_v_immutable(c->errors, SP_PATH("spec.selector"), sp_kv_path(obj, "spec", "selector", NULL),
		       sp_kv_path(old, "spec", "selector", NULL));
}

static void replica_set_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"replicas",           "fullyLabeledReplicas",
					     "readyReplicas",      "availableReplicas",
					     "observedGeneration", "terminatingReplicas"};
	sp_violations *v = c->errors;
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	const sp_path *path = SP_PATH("status");
	sp_meta_validate_update(c, obj, old);
	SP_V_COUNTS(v, path, status, counts);
	sp_v_not_above(v, path, status, "fullyLabeledReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "readyReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "availableReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "availableReplicas", "readyReplicas",
		       "cannot be greater than readyReplicas");
}

static sp_str replicas_text(sp_arena *a, yyjson_mut_val *obj)
{
	return sp_arena_printf(a, "%lld", (long long)sp_kv_i64(sp_kv_get(obj, "status"), "replicas", 0));
}

static const sp_sub_hooks replica_set_subs[] = {{.name = SP_STR_INIT("status"),
						 .validate_update = replica_set_status,
						 .reset_fields = sp_reset_spec}};
static const sp_cell replica_set_cells[] = {SP_WORKLOAD_CELLS,
					    {SP_STR_INIT("Selector"), sp_workload_selector_cell}};
static const sp_selectable replica_set_fields[] = {{SP_STR_INIT("status.replicas"), replicas_text}};

const sp_kind_hooks sp_hooks_replica_set = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS,
	.defaults = defaults,
	.prepare_create = prepare_create,
	.prepare_update = prepare_update,
	.validate = replica_set_validate,
	.validate_update = replica_set_validate_update,
	.warn_create = warn_create,
	.warn_update = warn_update,
	.reset_fields = sp_reset_status,
	.subs = replica_set_subs,
	.n_subs = SP_LEN(replica_set_subs),
	.selectable = replica_set_fields,
	.n_selectable = SP_LEN(replica_set_fields),
	.cells = replica_set_cells,
	.n_cells = SP_LEN(replica_set_cells),
};

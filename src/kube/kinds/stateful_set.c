/* SPDX-License-Identifier: Apache-2.0 */
/* StatefulSet of apps/v1. */
#include "kube/formats.h"
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/pod.h"
#include "kube/kinds/pvc.h"
#include "kube/kinds/warn.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

static yyjson_mut_val *template_of(yyjson_mut_val *obj)
{
	return sp_kv_path(obj, "spec", "template", NULL);
}

/* Claims in a template are complete objects to upstream's conversion. */
static void claim_defaults(sp_kind_ctx *c, yyjson_mut_val *claim)
{
	yyjson_mut_val *status = sp_kv_need_obj(c->doc, claim, "status");
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, claim, "spec");
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, claim, "kind", SP_STR("PersistentVolumeClaim")));
	SP_KIND_NEED(c, sp_kv_set_str(c->doc, claim, "apiVersion", SP_STR("v1")));
	SP_KIND_NEED(c, status != NULL && spec != NULL);
	if (status == NULL || spec == NULL)
		return;
	if (sp_kv_str(status, "phase").len == 0)
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, status, "phase", SP_STR("Pending")));
	sp_pvc_spec_defaults(c, spec);
}

static void defaults(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_need_obj(c->doc, obj, "spec");
	yyjson_mut_val *strategy = spec != NULL ? sp_kv_need_obj(c->doc, spec, "updateStrategy") : NULL;
	SP_KIND_NEED(c, strategy != NULL);
	if (strategy == NULL)
		return;
	if (sp_kv_str(strategy, "type").len == 0) {
		SP_KIND_NEED(c, sp_kv_set_str(c->doc, strategy, "type", SP_STR("RollingUpdate")));
		SP_KIND_NEED(c, sp_kv_need_obj(c->doc, strategy, "rollingUpdate") != NULL);
	}
	yyjson_mut_val *rolling = sp_kv_get(strategy, "rollingUpdate");
	if (sp_kv_is(strategy, "type", "RollingUpdate") && rolling != NULL)
		sp_default_i64(c, rolling, "partition", 0);
	SP_KV_EACH (claim, i, sp_kv_list(spec, "volumeClaimTemplates")) {
		claim_defaults(c, claim);
	}
	sp_pod_template_defaults(c, template_of(obj));
}

/* Behind a feature gate that is off: dropped unless it is in use. */
static void drop_max_unavailable(yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char name[] = "maxUnavailable";
	yyjson_mut_val *was = sp_kv_path(old, "spec", "updateStrategy", "rollingUpdate", NULL);
	if (!sp_kv_has(was, name))
		sp_kv_drop(sp_kv_path(obj, "spec", "updateStrategy", "rollingUpdate", NULL), name);
}

static void prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	(void)c;
	drop_max_unavailable(obj, NULL);
	sp_pod_template_drop_disabled(template_of(obj), NULL);
}

static void prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	(void)c;
	drop_max_unavailable(obj, old);
	sp_pod_template_drop_disabled(template_of(obj), template_of(old));
}

/* What an update does not look at, because it cannot change or was bad before. */
enum { SKIP_SERVICE_NAME = 1u << 0, SKIP_CLAIMS = 1u << 1, SKIP_TEMPLATE = 1u << 2 };

static void rolling_update(sp_violations *v, yyjson_mut_val *rolling, const sp_path *path)
{
	yyjson_mut_val *down = sp_kv_get(rolling, "maxUnavailable");
	const sp_path *at = SP_AT(path, "maxUnavailable");
	sp_v_non_negative(v, SP_AT(path, "partition"), sp_kv_i64(rolling, "partition", 0));
	if (down == NULL)
		return;
	sp_v_int_or_percent(v, at, down);
	if (sp_int_or_percent(down) == 0)
		sp_v_invalid(v, at, down, "cannot be 0");
	sp_v_at_most_100_percent(v, at, down);
}

static const sp_go_field rolling_fields[] = {{"Partition", "partition", SP_GO_I64, NULL},
					     {"MaxUnavailable", "maxUnavailable", SP_GO_PTR, NULL}};
static const sp_go_type go_rolling = {rolling_fields, SP_LEN(rolling_fields)};
static const sp_go_field strategy_fields[] = {
	{"Type", "type", SP_GO_STR, NULL}, {"RollingUpdate", "rollingUpdate", SP_GO_STRUCT_PTR, &go_rolling}};
static const sp_go_type go_strategy = {strategy_fields, SP_LEN(strategy_fields)};

static void update_strategy(sp_kind_ctx *c, yyjson_mut_val *strategy, const sp_path *path)
{
	yyjson_mut_val *rolling = sp_kv_get(strategy, "rollingUpdate");
	const sp_path *at = SP_AT(path, "rollingUpdate");
	if (sp_kv_str(strategy, "type").len == 0) {
		sp_v_required(c->errors, path, "%s", "");
	} else if (sp_kv_is(strategy, "type", "OnDelete")) {
		if (rolling != NULL)
			sp_v_invalid(c->errors, at, sp_bad_text(sp_go_struct(c->arena, &go_rolling, rolling)),
				     "only allowed for updateStrategy 'RollingUpdate'");
	} else if (!sp_kv_is(strategy, "type", "RollingUpdate")) {
		sp_v_invalid(c->errors, path, sp_bad_text(sp_go_struct(c->arena, &go_strategy, strategy)),
			     "must be 'RollingUpdate' or 'OnDelete'");
	} else if (rolling != NULL) {
		rolling_update(c->errors, rolling, at);
	}
}

static void claim_retention(sp_violations *v, yyjson_mut_val *policy, const sp_path *path)
{
	static const char *const policies[] = {"Retain", "Delete"};
	static const char *const members[] = {"whenDeleted", "whenScaled"};
	for (size_t i = 0; policy != NULL && i < SP_LEN(members); i++) {
		sp_str s = sp_kv_str(policy, members[i]);
		if (!SP_STR_IN(s, policies))
			sp_v_not_supported(v, SP_AT_STR(path, sp_str_c(members[i])), sp_bad_named(s),
					   policies, SP_LEN(policies));
	}
}

/*
 * The template as its pods will have it: host name and subdomain are the controller's, and each claim
 * template is a volume. NULL: no room.
 */
static yyjson_mut_val *effective_template(sp_kind_ctx *c, yyjson_mut_val *spec)
{
	yyjson_mut_val *claims = sp_kv_list(spec, "volumeClaimTemplates");
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(c->doc, sp_kv_get(spec, "template"));
	yyjson_mut_val *pod = sp_kv_get(copy, "spec");
	sp_kv_drop(pod, "subdomain");
	sp_kv_drop(pod, "hostname");
	if (claims == NULL || pod == NULL)
		return copy;
	SP_AUTO_STRSET names = {0};
	yyjson_mut_val *volumes = yyjson_mut_arr(c->doc);
	SP_KV_EACH (claim, i, claims) {
		sp_str name = sp_meta_name(claim);
		yyjson_mut_val *volume = yyjson_mut_arr_add_obj(c->doc, volumes);
		if (!sp_strset_add(&names, name, c->errors)) {
			(void)yyjson_mut_arr_remove_last(volumes);
			continue;
		}
		yyjson_mut_val *source = sp_kv_need_obj(c->doc, volume, "persistentVolumeClaim");
		SP_KIND_NEED(c, source != NULL && sp_kv_set_str(c->doc, volume, "name", name) &&
					sp_kv_set_str(c->doc, source, "claimName", name));
	}
	SP_KV_EACH (volume, i, sp_kv_list(pod, "volumes")) {
		if (!sp_strset_has(&names, sp_kv_str(volume, "name")))
			SP_KIND_NEED(c,
				     yyjson_mut_arr_append(volumes, yyjson_mut_val_mut_copy(c->doc, volume)));
	}
	SP_KIND_NEED(c, sp_kv_set(c->doc, pod, "volumes", volumes));
	return copy;
}

static void pod_template(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path, unsigned options,
			 unsigned skip)
{
	yyjson_mut_val *whole = effective_template(c, spec);
	SP_KIND_NEED(c, whole != NULL || sp_kv_get(spec, "template") == NULL);
	if (!sp_kv_has(spec, "selector") || !sp_kv_selector_empty(sp_kv_get(spec, "selector")))
		sp_v_selects_template(c, spec, path);
	if ((skip & SKIP_TEMPLATE) == 0)
		sp_pod_template_validate(c, whole, path, options);
	sp_labels_validate(c->errors, SP_AT(path, "labels"), sp_kv_path(whole, "metadata", "labels", NULL));
	sp_annotations_validate(c->errors, SP_AT(path, "annotations"),
				sp_kv_path(whole, "metadata", "annotations", NULL));
}

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *spec, unsigned options, unsigned skip)
{
	static const char *const counts[] = {"replicas", "minReadySeconds"};
	static const char *const managements[] = {"OrderedReady", "Parallel"};
	sp_violations *v = c->errors;
	const sp_path *path = SP_PATH("spec");
	sp_str management = sp_kv_str(spec, "podManagementPolicy"), service = sp_kv_str(spec, "serviceName");
	if (management.len == 0)
		sp_v_required(v, SP_AT(path, "podManagementPolicy"), "%s", "");
	else if (!SP_STR_IN(management, managements))
		sp_v_invalid(v, SP_AT(path, "podManagementPolicy"), sp_bad_named(management),
			     "must be 'OrderedReady' or 'Parallel'");
	update_strategy(c, sp_kv_get(spec, "updateStrategy"), SP_AT(path, "updateStrategy"));
	claim_retention(v, sp_kv_get(spec, "persistentVolumeClaimRetentionPolicy"),
			SP_AT(path, "persistentVolumeClaimRetentionPolicy"));
	const sp_path *claims = SP_AT(path, "volumeClaimTemplates");
	SP_KV_EACH (claim, i, (skip & SKIP_CLAIMS) == 0 ? sp_kv_list(spec, "volumeClaimTemplates") : NULL) {
		sp_pvc_spec_validate(v, SP_AT(SP_AT_I(claims, i), "spec"), sp_kv_get(claim, "spec"));
	}
	SP_V_COUNTS(v, path, spec, counts);
	if (sp_kv_has(spec, "ordinals"))
		sp_v_non_negative(v, SP_AT(path, "ordinals.start"),
				  sp_kv_i64(sp_kv_get(spec, "ordinals"), "start", 0));
	if ((skip & SKIP_SERVICE_NAME) == 0 && service.len > 0)
		sp_v_dns1123_label(v, SP_AT(path, "serviceName"), service);
	if (sp_v_workload_selector(c, spec, path, "statefulset", ""))
		pod_template(c, spec, SP_AT(path, "template"), options, skip);
	sp_v_runs_forever(v, sp_kv_get(spec, "template"), SP_AT(path, "template"), "StatefulSet");
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_meta_validate(c, obj);
	spec_validate(c, sp_kv_get(obj, "spec"), sp_pod_template_options(c->arena, NULL), 0);
}

/* True when the stored spec would not pass today. */
static bool was_bad(sp_kind_ctx *c, yyjson_mut_val *old, unsigned options, unsigned skip)
{
	sp_violations found, *errors = c->errors;
	sp_violations_init(&found, c->arena);
	c->errors = &found;
	spec_validate(c, sp_kv_get(old, "spec"), options, skip);
	c->errors = errors;
	return found.n > 0;
}

/* A copy of the spec whose claims do not say their type: what is stored does not, what has its defaults does.
 */
static yyjson_mut_val *untyped_spec(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = yyjson_mut_val_mut_copy(c->doc, sp_kv_get(obj, "spec"));
	SP_KIND_NEED(c, spec != NULL);
	SP_KV_EACH (item, i, spec != NULL ? sp_kv_list(spec, "volumeClaimTemplates") : NULL) {
		sp_kv_drop(item, "kind");
		sp_kv_drop(item, "apiVersion");
	}
	return spec;
}

static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const mutable[] = {"replicas",
					      "template",
					      "updateStrategy",
					      "minReadySeconds",
					      "ordinals",
					      "revisionHistoryLimit",
					      "persistentVolumeClaimRetentionPolicy"};
	unsigned options = sp_pod_template_options(c->arena, template_of(old)),
		 skip = SKIP_SERVICE_NAME | SKIP_CLAIMS;
	sp_meta_validate_update(c, obj, old);
	if (was_bad(c, old, options, skip))
		skip |= SKIP_TEMPLATE;
	spec_validate(c, sp_kv_get(obj, "spec"), options, skip);
	yyjson_mut_val *rest = untyped_spec(c, obj), *before = untyped_spec(c, old);
	for (size_t i = 0; i < SP_LEN(mutable); i++)
		SP_KIND_NEED(c, rest != NULL && sp_kv_copy(c->doc, rest, before, mutable[i]));
	if (!sp_kv_equal(rest, before))
		sp_v_forbidden(c->errors, SP_PATH("spec"),
			       "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
			       "'template', 'updateStrategy', 'revisionHistoryLimit', "
			       "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden");
}

#define ABOVE_REPLICAS "cannot be greater than status.replicas"

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"replicas",        "readyReplicas",     "currentReplicas",
					     "updatedReplicas", "availableReplicas", "observedGeneration",
					     "collisionCount"};
	sp_violations *v = c->errors;
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	const sp_path *path = SP_PATH("status");
	SP_V_COUNTS(v, path, status, counts);
	sp_v_not_above(v, path, status, "readyReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "currentReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "updatedReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "availableReplicas", "replicas", ABOVE_REPLICAS);
	sp_v_not_above(v, path, status, "availableReplicas", "readyReplicas",
		       "cannot be greater than status.readyReplicas");
	sp_meta_validate_update(c, obj, old);
	sp_v_collisions(v, obj, old);
}

/* `child` is between the claim and its members in the warnings: upstream's update names it "Spec". */
static void warn_spec(sp_kind_ctx *c, yyjson_mut_val *obj, const char *child)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *claims = SP_PATH("spec.volumeClaimTemplates");
	SP_KV_EACH (claim, i, sp_kv_list(spec, "volumeClaimTemplates")) {
		const sp_path *item = SP_AT_I(claims, i);
		const sp_path *at = child != NULL ? SP_AT_STR(item, sp_str_c(child)) : item;
		sp_pvc_spec_warn(c, at, sp_kv_get(claim, "spec"));
	}
	if (sp_kv_i64(spec, "revisionHistoryLimit", 0) < 0)
		sp_warn(c, "spec.revisionHistoryLimit: a negative value retains all historical revisions; a "
			   "value >= 0 is recommended");
}

static void warn_create(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(obj));
	warn_spec(c, obj, NULL);
}

static void warn_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	if (sp_kv_i64(sp_meta(obj), "generation", 0) != sp_kv_i64(sp_meta(old), "generation", 0))
		sp_pod_template_warn(c, SP_PATH("spec.template"), template_of(obj));
	warn_spec(c, obj, "Spec");
}

static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = sp_reset_spec}};
static const sp_cell cells[] = {{SP_STR_INIT("Ready"), sp_workload_ready_cell}, SP_WORKLOAD_CELLS};

const sp_kind_hooks sp_hooks_stateful_set = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS,
	.name = sp_name_dns1123_label,
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
	.n_cells = SP_LEN(cells),
};

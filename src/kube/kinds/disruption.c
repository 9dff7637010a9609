/* SPDX-License-Identifier: Apache-2.0 */
/* PodDisruptionBudget of policy/v1. */
#include "kube/kinds/columns.h"
#include "kube/kinds/go_json.h"
#include "kube/kinds/hooks.h"
#include "kube/kinds/workload.h"
#include "kube/meta.h"

static const sp_go_field spec_fields[] = {
	{"MinAvailable", "minAvailable", SP_GO_PTR, NULL},
	{"Selector", "selector", SP_GO_PTR, NULL},
	{"MaxUnavailable", "maxUnavailable", SP_GO_PTR, NULL},
	{"UnhealthyPodEvictionPolicy", "unhealthyPodEvictionPolicy", SP_GO_PTR, NULL}};
static const sp_go_type go_spec = {spec_fields, SP_LEN(spec_fields)};

static void spec_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned selector_options)
{
	static const char *const policies[] = {"AlwaysAllow", "IfHealthyBudget"};
	static const char *const figures[] = {"minAvailable", "maxUnavailable"};
	sp_violations *v = c->errors;
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	const sp_path *path = SP_PATH("spec");
	sp_str policy = sp_kv_str(spec, "unhealthyPodEvictionPolicy");
	if (sp_kv_has(spec, "minAvailable") && sp_kv_has(spec, "maxUnavailable"))
		sp_v_invalid(v, path, sp_bad_text(sp_go_struct(c->arena, &go_spec, spec)),
			     "minAvailable and maxUnavailable cannot be both set");
	for (size_t i = 0; i < SP_LEN(figures); i++) {
		yyjson_mut_val *figure = sp_kv_get(spec, figures[i]);
		if (figure == NULL)
			continue;
		sp_v_int_or_percent(v, SP_AT_STR(path, sp_str_c(figures[i])), figure);
		sp_v_at_most_100_percent(v, SP_AT_STR(path, sp_str_c(figures[i])), figure);
	}
	sp_label_selector_validate(v, SP_AT(path, "selector"), sp_kv_get(spec, "selector"), selector_options);
	if (sp_kv_has(spec, "unhealthyPodEvictionPolicy") && !SP_STR_IN(policy, policies))
		sp_v_not_supported(v, SP_AT(path, "unhealthyPodEvictionPolicy"), sp_bad_named(policy),
				   policies, SP_LEN(policies));
}

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	spec_validate(c, obj, 0);
}

/* A selector that was malformed in any way may stay so. */
static void validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	sp_violations found;
	sp_violations_init(&found, c->arena);
	sp_label_selector_validate(&found, NULL, sp_kv_path(old, "spec", "selector", NULL), 0);
	spec_validate(c, obj, found.n > 0 ? SP_LABEL_SELECTOR_BAD_VALUES : 0);
}

static void status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const counts[] = {"disruptionsAllowed", "currentHealthy", "desiredHealthy",
					     "expectedPods"};
	yyjson_mut_val *status = sp_kv_get(obj, "status");
	(void)old;
	sp_conditions_validate(c->errors, SP_PATH("status.conditions"), sp_kv_list(status, "conditions"));
	SP_V_COUNTS(c->errors, SP_PATH("status"), status, counts);
}

static yyjson_mut_val *figure_cell(sp_kind_ctx *c, yyjson_mut_val *obj, const char *name)
{
	yyjson_mut_val *figure = sp_kv_path(obj, "spec", name, NULL);
	sp_int_or_str x = sp_kv_int_or_str(figure);
	if (figure == NULL)
		return sp_cell_str(c, SP_STR("N/A"));
	return x.is_str ? sp_cell_str(c, x.str) : sp_cell_printf(c, "%lld", (long long)x.num);
}

static yyjson_mut_val *min_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return figure_cell(c, obj, "minAvailable");
}

static yyjson_mut_val *max_cell(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	return figure_cell(c, obj, "maxUnavailable");
}

static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"), .validate_update = status_validate, .reset_fields = sp_reset_spec}};
static const sp_cell cells[] = {{SP_STR_INIT("Min Available"), min_cell},
				{SP_STR_INIT("Max Unavailable"), max_cell}};

const sp_kind_hooks sp_hooks_disruption_budget = {
	.flags = SP_KIND_GENERATION | SP_KIND_HAS_STATUS,
	.validate = validate,
	.validate_update = validate_update,
	.reset_fields = sp_reset_status,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.cells = cells,
	.n_cells = SP_LEN(cells),
};

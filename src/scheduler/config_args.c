/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments of plugins: pluginConfig of a profile. */
#include "scheduler/config_int.h"

static sp_code number(yyjson_val *v, const char *where, int64_t min, int64_t max, int64_t *ret, sp_err *err)
{
	if (!yyjson_is_int(v) || yyjson_get_sint(v) < min || yyjson_get_sint(v) > max)
		return sp_fail(err, SP_EINVAL, "%s is a number of %lld to %lld", where, (long long)min,
			       (long long)max);
	*ret = yyjson_get_sint(v);
	return SP_OK;
}

#define PROFILE(arg_) (((sched_profile_reader *)(arg_))->profile)
#define ARENA(arg_) (((sched_profile_reader *)(arg_))->arena)

/* -- InterPodAffinity, DefaultPreemption ---------------------------------------------------------------- */

static sp_code hard_weight(void *arg, yyjson_val *v, sp_err *err)
{
	return number(v, "hardPodAffinityWeight", 0, 100, &PROFILE(arg)->hard_affinity_weight, err);
}
static sp_code ignore_preferred(void *arg, yyjson_val *v, sp_err *err)
{
	(void)err;
	PROFILE(arg)->ignore_preferred_of_placed = yyjson_get_bool(v);
	return SP_OK;
}
static sp_code candidates_percent(void *arg, yyjson_val *v, sp_err *err)
{
	return number(v, "minCandidateNodesPercentage", 0, 100, &PROFILE(arg)->min_candidates_percent, err);
}
static sp_code candidates(void *arg, yyjson_val *v, sp_err *err)
{
	return number(v, "minCandidateNodesAbsolute", 0, INT32_MAX, &PROFILE(arg)->min_candidates, err);
}

static sp_code bind_timeout(void *arg, yyjson_val *v, sp_err *err)
{
	int64_t seconds = 0;
	SP_TRY(number(v, "bindTimeoutSeconds", 0, INT32_MAX, &seconds, err));
	PROFILE(arg)->bind_timeout_ns = (uint64_t)seconds * UINT64_C(1000000000);
	return SP_OK;
}

/* -- resources ------------------------------------------------------------------------------------------ */

static sp_code read_resources(yyjson_val *list, sched_resource_weight *out, size_t *ret_n, sp_err *err)
{
	*ret_n = 0;
	if (yyjson_arr_size(list) > SCHED_RESOURCES_MAX)
		return sp_fail(err, SP_EINVAL, "resources: more than %u", SCHED_RESOURCES_MAX);
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL; (*ret_n)++) {
		yyjson_val *weight = yyjson_obj_get(v, "weight");
		out[*ret_n] = (sched_resource_weight){sp_json_str(yyjson_obj_get(v, "name")), 1};
		if (weight != NULL)
			SP_TRY(number(weight, "weight", 1, 100, &out[*ret_n].weight, err));
	}
	return SP_OK;
}

static sp_code balanced_resources(void *arg, yyjson_val *v, sp_err *err)
{
	sched_profile *p = PROFILE(arg);
	sched_resource_weight list[SCHED_RESOURCES_MAX];
	SP_TRY(read_resources(v, list, &p->n_balanced, err));
	for (size_t i = 0; i < p->n_balanced; i++)
		p->balanced[i] = list[i].name;
	return SP_OK;
}

static sp_code texts(void *arg, yyjson_val *list, const sp_str **ret, size_t *ret_n)
{
	sp_str *all = sp_try_new(ARENA(arg), sp_str, yyjson_arr_size(list) + 1);
	if (all == NULL)
		return SP_ENOMEM;
	*ret = all;
	*ret_n = 0;
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;)
		all[(*ret_n)++] = sp_json_str(v);
	return SP_OK;
}
static sp_code ignored(void *arg, yyjson_val *v, sp_err *err)
{
	(void)err;
	return texts(arg, v, &PROFILE(arg)->ignored, &PROFILE(arg)->n_ignored);
}
static sp_code ignored_groups(void *arg, yyjson_val *v, sp_err *err)
{
	(void)err;
	return texts(arg, v, &PROFILE(arg)->ignored_groups, &PROFILE(arg)->n_ignored_groups);
}

static const struct {
	sp_str name;
	sched_strategy strategy;
} strategies[] = {
	{SP_STR_INIT("LeastAllocated"), SCHED_LEAST_ALLOCATED},
	{SP_STR_INIT("MostAllocated"), SCHED_MOST_ALLOCATED},
	{SP_STR_INIT("RequestedToCapacityRatio"), SCHED_REQUESTED_TO_CAPACITY_RATIO},
};

static sp_code strategy_type(void *arg, yyjson_val *v, sp_err *err)
{
	for (size_t i = 0; i < SP_LEN(strategies); i++) {
		if (sp_str_eq(sp_json_str(v), strategies[i].name)) {
			PROFILE(arg)->strategy = strategies[i].strategy;
			return SP_OK;
		}
	}
	return sp_fail(err, SP_EINVAL, "scoringStrategy: unknown type \"" SP_FMT "\"",
		       SP_ARG(sp_json_str(v)));
}
static sp_code strategy_resources(void *arg, yyjson_val *v, sp_err *err)
{
	return read_resources(v, PROFILE(arg)->fit, &PROFILE(arg)->n_fit, err);
}
static sp_code strategy_shape(void *arg, yyjson_val *v, sp_err *err)
{
	sched_profile *p = PROFILE(arg);
	yyjson_val *shape = yyjson_obj_get(v, "shape");
	p->n_shape = 0;
	if (yyjson_arr_size(shape) > SCHED_SHAPE_MAX)
		return sp_fail(err, SP_EINVAL, "shape: more than %u points", SCHED_SHAPE_MAX);
	yyjson_arr_iter it = yyjson_arr_iter_with(shape);
	for (yyjson_val *point; (point = yyjson_arr_iter_next(&it)) != NULL; p->n_shape++) {
		int64_t before = p->n_shape == 0 ? -1 : p->shape[p->n_shape - 1].utilization;
		SP_TRY(number(yyjson_obj_get(point, "utilization"), "utilization", before + 1, 100,
			      &p->shape[p->n_shape].utilization, err));
		SP_TRY(number(yyjson_obj_get(point, "score"), "score", 0, 10, &p->shape[p->n_shape].score,
			      err));
		p->shape[p->n_shape].score *= 10;
	}
	return SP_OK;
}
static sp_code strategy(void *arg, yyjson_val *v, sp_err *err)
{
	static const sched_config_member members[] = {{"type", strategy_type},
						      {"resources", strategy_resources},
						      {"requestedToCapacityRatio", strategy_shape}};
	return sched_config_members(v, "scoringStrategy", members, SP_LEN(members), arg, err);
}

/* -- PodTopologySpread, NodeAffinity -------------------------------------------------------------------- */

static sp_code defaulting(void *arg, yyjson_val *v, sp_err *err)
{
	sched_profile *p = PROFILE(arg);
	p->system_spread = sp_str_eq(sp_json_str(v), SP_STR("System"));
	if (!p->system_spread && !sp_str_eq(sp_json_str(v), SP_STR("List")))
		return sp_fail(err, SP_EINVAL, "defaultingType is System or List");
	return SP_OK;
}

/* Those that say DoNotSchedule first. */
static sp_code constraints(void *arg, yyjson_val *list, sp_err *err)
{
	static const sp_str whens[] = {SP_STR_INIT("DoNotSchedule"), SP_STR_INIT("ScheduleAnyway")};
	sched_profile *p = PROFILE(arg);
	sched_spread *all = sp_try_new(ARENA(arg), sched_spread, yyjson_arr_size(list) + 1);
	size_t n = 0;
	if (all == NULL)
		return SP_ENOMEM;
	for (size_t k = 0; k < SP_LEN(whens); k++) {
		yyjson_arr_iter it = yyjson_arr_iter_with(list);
		for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
			int64_t skew;
			if (!sp_str_eq(sp_json_str(yyjson_obj_get(v, "whenUnsatisfiable")), whens[k]))
				continue;
			SP_TRY(number(yyjson_obj_get(v, "maxSkew"), "maxSkew", 1, INT32_MAX, &skew, err));
			all[n++] =
				(sched_spread){.topology_key = sp_json_str(yyjson_obj_get(v, "topologyKey")),
					       .max_skew = (int32_t)skew,
					       .min_domains = 1,
					       .honor_affinity = true};
		}
		if (k == 0)
			p->n_default_spread_hard = n;
	}
	p->default_spread = all;
	p->n_default_spread = n;
	return SP_OK;
}

static sp_code added_affinity(void *arg, yyjson_val *v, sp_err *err)
{
	sched_profile *p = PROFILE(arg);
	yyjson_val *required = yyjson_obj_get(v, "requiredDuringSchedulingIgnoredDuringExecution");
	if (yyjson_obj_get(v, "preferredDuringSchedulingIgnoredDuringExecution") != NULL)
		return sp_fail(err, SP_EUNSUPPORTED, "addedAffinity: preferred terms are not supported");
	p->has_added = required != NULL;
	return sched_node_terms_read(ARENA(arg), required, &p->added, &p->n_added, err);
}

/* -- the list ------------------------------------------------------------------------------------------- */

static const sched_config_member inter_pod_affinity[] = {
	{"hardPodAffinityWeight", hard_weight}, {"ignorePreferredTermsOfExistingPods", ignore_preferred}};
static const sched_config_member default_preemption[] = {{"minCandidateNodesPercentage", candidates_percent},
							 {"minCandidateNodesAbsolute", candidates}};
static const sched_config_member node_affinity[] = {{"addedAffinity", added_affinity}};
static const sched_config_member fit[] = {{"ignoredResources", ignored},
					  {"ignoredResourceGroups", ignored_groups},
					  {"scoringStrategy", strategy}};
static const sched_config_member volume_binding[] = {{"bindTimeoutSeconds", bind_timeout}};
static const sched_config_member balanced[] = {{"resources", balanced_resources}};
static const sched_config_member spread[] = {{"defaultConstraints", constraints},
					     {"defaultingType", defaulting}};

static const struct {
	const char *name;
	const sched_config_member *members;
	size_t n;
} plugins[] = {
	{"InterPodAffinity", inter_pod_affinity, SP_LEN(inter_pod_affinity)},
	{"DefaultPreemption", default_preemption, SP_LEN(default_preemption)},
	{"NodeAffinity", node_affinity, SP_LEN(node_affinity)},
	{"NodeResourcesFit", fit, SP_LEN(fit)},
	{"NodeResourcesBalancedAllocation", balanced, SP_LEN(balanced)},
	{"PodTopologySpread", spread, SP_LEN(spread)},
	{"VolumeBinding", volume_binding, SP_LEN(volume_binding)},
};

/* args without the type that may stand in them. */
static sp_code read_args(void *arg, yyjson_val *args, size_t row, sp_err *err)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(args);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		sp_str name = sp_json_str(key);
		size_t i = 0;
		if (sp_str_eq(name, SP_STR("apiVersion")) || sp_str_eq(name, SP_STR("kind")))
			continue;
		while (i < plugins[row].n && !sp_str_eq(name, sp_str_c(plugins[row].members[i].name)))
			i++;
		if (i == plugins[row].n)
			return sp_fail(err, SP_EINVAL, "pluginConfig: %s: unknown field \"" SP_FMT "\"",
				       plugins[row].name, SP_ARG(name));
		SP_TRY(plugins[row].members[i].read(arg, yyjson_obj_iter_get_val(key), err));
	}
	return SP_OK;
}

sp_code sched_config_plugin_args(void *arg, yyjson_val *list, sp_err *err)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(list);
	for (yyjson_val *v; (v = yyjson_arr_iter_next(&it)) != NULL;) {
		sp_str name = sp_json_str(yyjson_obj_get(v, "name"));
		size_t row = 0;
		while (row < SP_LEN(plugins) && !sp_str_eq(name, sp_str_c(plugins[row].name)))
			row++;
		if (row == SP_LEN(plugins))
			return sp_fail(err, SP_EINVAL,
				       "pluginConfig: no arguments of \"" SP_FMT "\" are known",
				       SP_ARG(name));
		SP_TRY(read_args(arg, yyjson_obj_get(v, "args"), row, err));
	}
	return SP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/profile.h"

#include "scheduler/plugins/plugins.h"

static const sched_spread system_spread[] = {
	{.topology_key = SP_STR_INIT("kubernetes.io/hostname"),
	 .max_skew = 3,
	 .min_domains = 1,
	 .honor_affinity = true},
	{.topology_key = SP_STR_INIT("topology.kubernetes.io/zone"),
	 .max_skew = 5,
	 .min_domains = 1,
	 .honor_affinity = true},
};

static const struct {
	sched_plugin_id plugin;
	int64_t weight;
} scorers[] = {
	{SCHED_P_TAINT_TOLERATION, 3},    {SCHED_P_NODE_AFFINITY, 2},      {SCHED_P_NODE_RESOURCES_FIT, 1},
	{SCHED_P_POD_TOPOLOGY_SPREAD, 2}, {SCHED_P_INTER_POD_AFFINITY, 2}, {SCHED_P_BALANCED_ALLOCATION, 1},
	{SCHED_P_IMAGE_LOCALITY, 1},
};

void sched_profile_default(sched_profile *p, bool dynamic_resources)
{
	*p = (sched_profile){
		.scheduler_name = SP_STR("default-scheduler"),
		.preempts = true,
		.strategy = SCHED_LEAST_ALLOCATED,
		.fit = {{SP_STR("cpu"), 1}, {SP_STR("memory"), 1}},
		.n_fit = 2,
		.balanced = {SP_STR("cpu"), SP_STR("memory")},
		.n_balanced = 2,
		.hard_affinity_weight = 1,
		.system_spread = true,
		.default_spread = system_spread,
		.n_default_spread = SP_LEN(system_spread),
		.bind_timeout_ns = UINT64_C(600000000000),
		.min_candidates_percent = 10,
		.min_candidates = 100,
	};
	for (size_t i = 0; i < SCHED_PLUGINS_; i++)
		p->filters[i] = true;
	p->filters[SCHED_P_DYNAMIC_RESOURCES] = dynamic_resources;
	for (size_t i = 0; i < SP_LEN(scorers); i++) {
		p->scores[scorers[i].plugin] = true;
		p->weights[scorers[i].plugin] = scorers[i].weight;
	}
}

const sched_plugin *const sched_plugins[SCHED_PLUGINS_] = {
	[SCHED_P_SCHEDULING_GATES] = &sched_scheduling_gates,
	[SCHED_P_NODE_UNSCHEDULABLE] = &sched_node_unschedulable,
	[SCHED_P_NODE_NAME] = &sched_node_name,
	[SCHED_P_TAINT_TOLERATION] = &sched_taint_toleration,
	[SCHED_P_NODE_AFFINITY] = &sched_node_affinity,
	[SCHED_P_NODE_PORTS] = &sched_node_ports,
	[SCHED_P_NODE_RESOURCES_FIT] = &sched_node_resources_fit,
	[SCHED_P_VOLUME_RESTRICTIONS] = &sched_volume_restrictions,
	[SCHED_P_NODE_VOLUME_LIMITS] = &sched_node_volume_limits,
	[SCHED_P_VOLUME_BINDING] = &sched_volume_binding,
	[SCHED_P_VOLUME_ZONE] = &sched_volume_zone,
	[SCHED_P_POD_TOPOLOGY_SPREAD] = &sched_pod_topology_spread,
	[SCHED_P_INTER_POD_AFFINITY] = &sched_inter_pod_affinity,
	[SCHED_P_DYNAMIC_RESOURCES] = &sched_dynamic_resources,
	[SCHED_P_DEFAULT_PREEMPTION] = &sched_default_preemption,
	[SCHED_P_BALANCED_ALLOCATION] = &sched_balanced_allocation,
	[SCHED_P_IMAGE_LOCALITY] = &sched_image_locality,
	[SCHED_P_NODE_DECLARED_FEATURES] = &sched_node_declared_features,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a KubeSchedulerConfiguration says about one scheduler name: which plugins filter and score, with which
 * weights and arguments. U: pkg/scheduler/apis/config (types.go, v1/defaults.go).
 */
#pragma once

#include "scheduler/spec.h"

/* Evaluation order. */
typedef enum sched_plugin_id {
	SCHED_P_SCHEDULING_GATES,
	SCHED_P_NODE_UNSCHEDULABLE,
	SCHED_P_NODE_NAME,
	SCHED_P_TAINT_TOLERATION,
	SCHED_P_NODE_AFFINITY,
	SCHED_P_NODE_PORTS,
	SCHED_P_NODE_RESOURCES_FIT,
	SCHED_P_VOLUME_RESTRICTIONS,
	SCHED_P_NODE_VOLUME_LIMITS,
	SCHED_P_VOLUME_BINDING,
	SCHED_P_VOLUME_ZONE,
	SCHED_P_POD_TOPOLOGY_SPREAD,
	SCHED_P_INTER_POD_AFFINITY,
	SCHED_P_DYNAMIC_RESOURCES,
	SCHED_P_DEFAULT_PREEMPTION,
	SCHED_P_BALANCED_ALLOCATION,
	SCHED_P_IMAGE_LOCALITY,
	SCHED_P_NODE_DECLARED_FEATURES,
	SCHED_PLUGINS_,
	SCHED_NO_PLUGIN = 255
} sched_plugin_id;

typedef enum sched_strategy {
	SCHED_LEAST_ALLOCATED,
	SCHED_MOST_ALLOCATED,
	SCHED_REQUESTED_TO_CAPACITY_RATIO
} sched_strategy;

#define SCHED_RESOURCES_MAX 16u
#define SCHED_SHAPE_MAX 16u

typedef struct sched_resource_weight {
	sp_str name;
	int64_t weight;
} sched_resource_weight;

typedef struct sched_profile {
	sp_str scheduler_name;
	uint32_t number; /* among the profiles: part of the keys of what is derived */
	bool filters[SCHED_PLUGINS_], scores[SCHED_PLUGINS_];
	int64_t weights[SCHED_PLUGINS_];
	bool preempts;
	/* NodeResourcesFit */
	sched_strategy strategy;
	sched_resource_weight fit[SCHED_RESOURCES_MAX];
	size_t n_fit;
	struct {
		int64_t utilization, score; /* 0 to 100 both */
	} shape[SCHED_SHAPE_MAX];
	size_t n_shape;
	const sp_str *ignored, *ignored_groups;
	size_t n_ignored, n_ignored_groups;
	/* NodeResourcesBalancedAllocation */
	sp_str balanced[SCHED_RESOURCES_MAX];
	size_t n_balanced;
	/* InterPodAffinity */
	int64_t hard_affinity_weight;
	bool ignore_preferred_of_placed;
	/* PodTopologySpread: the defaults for pods that say nothing */
	bool system_spread; /* hostname and zone, not all of which a node needs to have */
	const sched_spread *default_spread;
	size_t n_default_spread;
	size_t n_default_spread_hard; /* those that say DoNotSchedule, which stand first */
	/* NodeAffinity */
	bool has_added;
	const sched_node_term *added, *added_preferred;
	size_t n_added, n_added_preferred;
	/* VolumeBinding */
	uint64_t bind_timeout_ns;
	/* DefaultPreemption */
	int64_t min_candidates_percent, min_candidates;
} sched_profile;

/* Upstream's default profile; DynamicResources on or off. */
void sched_profile_default(sched_profile *p, bool dynamic_resources);

/* SPDX-License-Identifier: Apache-2.0 */
/* Affinities and node selectors as Go prints them. U: pkg/apis/core/types.go */
#include "kube/kinds/go_rows.h"

LOCAL(node_selector_requirement, STR("Key", "key"), STR("Operator", "operator"), PTR("Values", "values"));
EXPORT(sp_go_node_selector_term,
       STRUCT_LIST("MatchExpressions", "matchExpressions", &node_selector_requirement),
       STRUCT_LIST("MatchFields", "matchFields", &node_selector_requirement));
EXPORT(sp_go_node_selector, STRUCT_LIST("NodeSelectorTerms", "nodeSelectorTerms", &sp_go_node_selector_term));
LOCAL(preferred_scheduling_term, I64("Weight", "weight"),
      STRUCT("Preference", "preference", &sp_go_node_selector_term));
LOCAL(node_affinity,
      STRUCT_PTR("RequiredDuringSchedulingIgnoredDuringExecution",
		 "requiredDuringSchedulingIgnoredDuringExecution", &sp_go_node_selector),
      STRUCT_LIST("PreferredDuringSchedulingIgnoredDuringExecution",
		  "preferredDuringSchedulingIgnoredDuringExecution", &preferred_scheduling_term));
LOCAL(pod_affinity_term, PTR("LabelSelector", "labelSelector"), PTR("Namespaces", "namespaces"),
      STR("TopologyKey", "topologyKey"), PTR("NamespaceSelector", "namespaceSelector"),
      PTR("MatchLabelKeys", "matchLabelKeys"), PTR("MismatchLabelKeys", "mismatchLabelKeys"));
LOCAL(weighted_pod_affinity_term, I64("Weight", "weight"),
      STRUCT("PodAffinityTerm", "podAffinityTerm", &pod_affinity_term));
LOCAL(pod_affinity,
      STRUCT_LIST("RequiredDuringSchedulingIgnoredDuringExecution",
		  "requiredDuringSchedulingIgnoredDuringExecution", &pod_affinity_term),
      STRUCT_LIST("PreferredDuringSchedulingIgnoredDuringExecution",
		  "preferredDuringSchedulingIgnoredDuringExecution", &weighted_pod_affinity_term));
LOCAL(pod_anti_affinity,
      STRUCT_LIST("RequiredDuringSchedulingIgnoredDuringExecution",
		  "requiredDuringSchedulingIgnoredDuringExecution", &pod_affinity_term),
      STRUCT_LIST("PreferredDuringSchedulingIgnoredDuringExecution",
		  "preferredDuringSchedulingIgnoredDuringExecution", &weighted_pod_affinity_term));
EXPORT(sp_go_affinity, STRUCT_PTR("NodeAffinity", "nodeAffinity", &node_affinity),
       STRUCT_PTR("PodAffinity", "podAffinity", &pod_affinity),
       STRUCT_PTR("PodAntiAffinity", "podAntiAffinity", &pod_anti_affinity));

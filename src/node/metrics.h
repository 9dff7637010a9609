/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in Prometheus' text: pure functions. U: kubernetes
 * pkg/kubelet/metrics/collectors/resource_metrics.go, pkg/kubelet/metrics/metrics.go. */
#pragma once

#include "contracts/cri.h"

/* What the machine uses, all of it. */
typedef struct node_use {
	bool has_cpu, has_memory, has_swap;
	uint64_t cpu_ns, memory_bytes, swap_bytes; /* memory_bytes: the working set */
	uint64_t memory_total, memory_used, swap_total;
	int64_t booted_s; /* since the epoch; 0: unknown */
	int64_t at_ns;    /* wall clock */
} node_use;

/* From the texts of /proc/stat and /proc/meminfo; ticks are those of a second. What is not in them stays
 * unknown. The working set is what is neither free nor pages of files that nobody used lately. */
void node_use_read(sp_str stat, sp_str meminfo, uint64_t ticks, node_use *ret);

/* /metrics/resource. Lists that are NULL were not to be had: the runtime failed (stats), or knows none (pods:
 * there are no metrics of pods then). */
typedef struct node_resource_input {
	const node_use *node;
	const sp_cri_list_container_stats_response *stats;
	const sp_cri_list_containers_response *containers;
	const sp_cri_list_pod_sandbox_stats_response *pods;
} node_resource_input;

void node_metrics_resource(sp_buf *out, const node_resource_input *in);

/* /metrics. Lists that are NULL count as empty. */
typedef struct node_own_input {
	sp_str node_name;
	const sp_cri_list_pod_sandbox_response *boxes;
	const sp_cri_list_containers_response *containers;
	uint64_t desired, desired_static, active, active_static;
	uint64_t images_freed; /* by image garbage collection, for space */
} node_own_input;

void node_metrics_own(sp_buf *out, const node_own_input *in);

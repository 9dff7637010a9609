/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /metrics/cadvisor: what the machine, pods and containers use, under the names that dashboards know. Pure.
 * The families that can be told from a runtime's statistics, with cAdvisor's names, helps and labels as a
 * kubelet gives them. U: cadvisor metrics/prometheus.go, kubernetes pkg/kubelet/server/server.go,
 * containerPrometheusLabelsFunc.
 */
#pragma once

#include "contracts/cri.h"
#include "node/metrics.h"

typedef struct node_cadvisor_input {
	const node_use *node;
	int64_t cpu_milli, memory_bytes; /* of the machine */
	sp_str boot_id, machine_id, system_uuid;
	/* The cgroup of a pod, in the arena; empty: not known. */
	sp_str (*cgroup_of)(void *arg, sp_str uid);
	void *arg;
	/* Lists that are NULL were not to be had. */
	const sp_cri_list_container_stats_response *stats;
	const sp_cri_list_containers_response *containers;
	const sp_cri_list_pod_sandbox_stats_response *pods;
} node_cadvisor_input;

/* Errors: those of the buffer. */
void node_cadvisor_write(sp_buf *out, const node_cadvisor_input *in);

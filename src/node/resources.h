/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amounts of a pod and what they become in cgroups: quality of service, shares, quotas, limits, the kernel's
 * killing order. U: kubernetes pkg/apis/core/v1/helper/qos/qos.go, pkg/kubelet/cm/helpers_linux.go,
 * pkg/kubelet/qos/policy.go, pkg/api/v1/resource/helpers.go.
 */
#pragma once

#include "base/quantity.h"
#include "node/pod.h"

typedef enum node_qos { NODE_QOS_GUARANTEED, NODE_QOS_BURSTABLE, NODE_QOS_BEST_EFFORT } node_qos;

/* By cpu and memory of all containers but ephemeral ones; the pod's own resources go first. */
node_qos node_qos_of(const node_pod *p);
/* "Guaranteed", "Burstable", "BestEffort". */
sp_str node_qos_text(node_qos q);

/* An amount of a resource list in whole units ("memory") or thousandths (milli), absent or unreadable: -1. */
int64_t node_amount(sp_vmap list, sp_str resource, bool milli);

/* cpu.shares and cpu.cfs_quota_us of thousandths of a CPU. No amount (below 0, or 0): 2 shares, no quota
 * (-1). */
#define NODE_CPU_PERIOD_US 100000
uint64_t node_cpu_shares(int64_t milli);
int64_t node_cpu_quota(int64_t milli);

/* What can be changed of a container that runs: thousandths of CPUs, bytes; 0: none. */
typedef struct node_amounts {
	int64_t cpu_request, cpu_limit, memory_request, memory_limit;
} node_amounts;
node_amounts node_amounts_of_lists(sp_vmap requests, sp_vmap limits);
static inline node_amounts node_amounts_of(const node_container *c)
{
	return node_amounts_of_lists(c->v.requests, c->v.limits);
}
bool node_amounts_eq(const node_amounts *a, const node_amounts *b);

/* What one container gets. */
typedef struct node_container_limits {
	int64_t cpu_shares, cpu_quota_us; /* quota -1: none */
	int64_t memory_bytes;             /* 0: none */
	int64_t oom_score_adj;
} node_container_limits;
/* `memory_capacity` is the node's. */
/* Of one resource: its own, or where it has none the pod's; below 0: none. U: getCPULimit, getMemoryLimit. */
int64_t node_container_limit(const node_pod *p, const node_container *c, sp_str resource);
node_container_limits node_limits_of(const node_pod *p, const node_container *c, int64_t memory_capacity);

/* What the whole pod gets in its cgroup; 0 and -1: not set. */
typedef struct node_pod_limits {
	int64_t cpu_shares, cpu_quota_us, memory_bytes;
} node_pod_limits;
node_pod_limits node_pod_limits_of(const node_pod *p);

/* What the runtime is told of the pod: its containers together, and what the runtime itself takes. Quota and
 * memory 0: not set. U: calculateSandboxResources, convertOverheadToLinuxResources. */
node_pod_limits node_sandbox_limits_of(const node_pod *p);
node_pod_limits node_overhead_limits_of(const node_pod *p);

/* Requests of a pod as the scheduler counts them: init containers, sidecars, overhead. In thousandths for
 * cpu, else whole units. */
int64_t node_pod_request(const node_pod *p, sp_str resource);
/* The same of limits; 0: nothing is limited. */
int64_t node_pod_limit(const node_pod *p, sp_str resource);

/* The pod's cgroup below `root` ("kubepods"): "/kubepods/burstable/pod<uid>", or with systemd
 * "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice". {NULL, 0} without room. */
sp_str node_pod_cgroup(sp_arena *a, sp_str root, const node_pod *p, bool systemd);

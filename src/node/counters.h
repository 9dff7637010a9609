/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent counts of its own work, under kubelet's names. U: kubernetes pkg/kubelet/metrics/metrics.go,
 * pkg/kubelet/metrics/collectors/volume_stats.go, pkg/kubelet/kuberuntime/instrumented_services.go. */
#pragma once

#include "contracts/cri.h"
#include "io/world.h"
#include "node/images.h"
#include "node/pod.h"

#define NODE_BUCKETS_MAX 25u
#define NODE_ERRORS_MAX 16u

/* Durations, in kubelet's buckets for each. */
typedef enum node_duration {
	NODE_DURATION_START, /* of a pod, from its first sight */
	NODE_DURATION_TURN,  /* of a pod's worker */
	NODE_DURATION_CALL,  /* of the runtime */
} node_duration;

typedef struct node_histogram {
	uint64_t in[NODE_BUCKETS_MAX]; /* each alone; above the last one: only in n */
	uint64_t n, sum_ns;
} node_histogram;

typedef enum node_turn_kind {
	NODE_TURN_CREATE,
	NODE_TURN_UPDATE,
	NODE_TURN_SYNC,
	NODE_TURN_KINDS_
} node_turn_kind;

#define NODE_REJECTIONS_ 12u /* reasons of rejections that are told apart: those of counters.c */

typedef struct node_start_error {
	sp_str reason; /* static */
	node_role role;
	uint64_t n;
} node_start_error;

#define NODE_PREEMPTIONS_MAX 16u

typedef struct node_preemptions {
	char signal[128];
	uint64_t n;
} node_preemptions;

typedef struct node_counters {
	node_histogram pod_start;
	node_histogram turns[NODE_TURN_KINDS_];
	uint64_t pods, pods_failed;
	uint64_t pods_of_users, pods_of_users_failed; /* of those: with users of their own */
	uint64_t containers[NODE_EPHEMERAL + 1];      /* by role */
	node_start_error errors[NODE_ERRORS_MAX];
	size_t n_errors;
	uint64_t rejected[NODE_REJECTIONS_]; /* pods, by reason */
	node_preemptions preemptions[NODE_PREEMPTIONS_MAX];
	size_t n_preemptions;
	node_histogram calls[SP_CRI_METHODS_];
	uint64_t call_errors[SP_CRI_METHODS_];
} node_counters;

void node_count(node_histogram *h, node_duration kind, uint64_t ns);
/* A container was not started; reason is static text. More than NODE_ERRORS_MAX kinds are not told apart. */
void node_count_error(node_counters *c, node_role role, const char *reason);

/* A pod ended to make room for a critical one; the signal is the resource that it lacked first. More than
 * NODE_PREEMPTIONS_MAX are not told apart. */
void node_count_preemption(node_counters *c, sp_str signal);

/* A pod was not let in. Reasons that are not told apart count as OutOfExtendedResources ("OutOf…") or Other.
 * U: recordAdmissionRejection. */
void node_count_rejection(node_counters *c, sp_str reason);

typedef struct node_eviction_count {
	sp_str signal; /* static */
	uint64_t n;
} node_eviction_count;

/* Of a claim that a pod of the node uses. */
typedef struct node_claim_disk {
	sp_str ns, claim;
	node_disk disk;
} node_claim_disk;

typedef struct node_counters_input {
	const node_counters *counters;
	const node_eviction_count *evictions;
	size_t n_evictions;
	const node_claim_disk *claims;
	size_t n_claims;
} node_counters_input;

/* Appends them in Prometheus' text; what never happened is left out, as it is upstream. */
void node_counters_write(sp_buf *out, const node_counters_input *in);

/* A runtime that counts the calls of another one, which has to outlive it. */
sp_cri *node_cri_counted(sp_world *w, sp_cri *inner, node_counters *to);

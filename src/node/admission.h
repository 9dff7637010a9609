/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a pod may begin on this node, whoever bound it: its sysctls, its operating system, room, the node's
 * labels and taints, host ports. Pure. U: kubernetes pkg/kubelet/lifecycle/predicate.go, in the order of
 * pkg/scheduler AdmissionCheck.
 */
#pragma once

#include "kube/node_fit.h"
#include "node/pod.h"
#include "node/sysctl.h"

#define NODE_SHORTAGES_MAX 32u

typedef struct node_refusal {
	char reason[384]; /* "OutOfcpu" …; empty: there is none */
	char message[512];
} node_refusal;

/* What the node has for pods, and what those on it have of it. */
typedef struct node_room {
	int64_t pods, cpu_milli, memory_bytes, ephemeral_bytes; /* allocatable */
	sp_vmap scalars;                                        /* and of every other resource */
	sp_fit_node self;                                       /* the node as its object has it */
	bool has_strict_groups;                                 /* supplementalGroupsPolicy: Strict */
	const node_sysctls *sysctls;                            /* that pods may set; NULL: the safe ones */
	const node_pod *const *others;                          /* that have begun and not ended */
	size_t n_others;
} node_room;

/* How much of a resource is missing. */
typedef struct node_shortage {
	sp_str resource; /* of the pod, or static */
	int64_t quantity;
} node_shortage;

/* All that stands against a pod. */
typedef struct node_findings {
	node_refusal why;   /* the first of it; without a reason: nothing */
	node_refusal other; /* the first that more room would not mend */
	node_shortage lacks[NODE_SHORTAGES_MAX];
	size_t n_lacks;
	bool only_affinity; /* nothing but the node's labels: they may be old */
} node_findings;

/* True: it may begin. */
bool node_admission_check(const node_pod *p, const node_room *room, node_findings *ret);

/* True when both want one port of the host. U: HostPortInfo.CheckConflict. */
bool node_ports_conflict(const node_pod *p, const node_pod *other);

/* Only resources, for pods that grow: cpu and memory. U: InsufficientResourceError. */
bool node_admission_fits(const node_pod *p, const node_room *room, node_refusal *ret);

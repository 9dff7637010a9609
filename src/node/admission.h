/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a pod may begin on this node, whoever bound it: its operating system, its sysctls, room, host
 * ports. Pure. U: kubernetes pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl/allowlist.go, in the
 * order of pkg/scheduler AdmissionCheck.
 */
#pragma once

#include "node/pod.h"

typedef struct node_refusal {
	char reason[64]; /* "OutOfcpu" …; empty: there is none */
	char message[256];
} node_refusal;

/* What the node has for pods, and what those on it have of it. */
typedef struct node_room {
	int64_t pods, cpu_milli, memory_bytes, ephemeral_bytes; /* allocatable */
	const node_pod *const *others;                          /* that have begun and not ended */
	size_t n_others;
} node_room;

/* True: it may begin. False: *ret says why not. */
bool node_admission_check(const node_pod *p, const node_room *room, node_refusal *ret);

/* True when both want one port of the host. U: HostPortInfo.CheckConflict. */
bool node_ports_conflict(const node_pod *p, const node_pod *other);

/* Only resources, for pods that grow: cpu and memory. U: InsufficientResourceError. */
bool node_admission_fits(const node_pod *p, const node_room *room, node_refusal *ret);

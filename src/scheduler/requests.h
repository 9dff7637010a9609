/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod asks of a node: containers, sidecars, init containers, pod-level resources, overhead, and
 * amounts that an in-place resize has allotted. U: component-helpers resource/helpers.go (PodRequests),
 * scheduler framework/types.go (CalculateResource).
 *
 * Sums are made of exact quantities and rounded up once at the end, as upstream does.
 */
#pragma once

#include "base/json.h"
#include "base/quantity.h"

/* What upstream takes a container to need that does not say: scoring only. */
#define SCHED_DEFAULT_CPU_MILLI 100
#define SCHED_DEFAULT_MEMORY_BYTES ((int64_t)200 << 20)

/* Of resources other than cpu, memory and ephemeral-storage: names are numbered by sched_state_resource. */
typedef struct sched_amount {
	uint32_t resource;
	int64_t amount;
} sched_amount;

typedef struct sched_requests {
	int64_t cpu_milli, memory, ephemeral;
	uint32_t n_scalars;
	const sched_amount *scalars; /* each resource once; zero amounts are kept */
} sched_requests;

typedef struct sched_state sched_state;

/* True for names that are counted beside cpu, memory, ephemeral-storage and pods: with a domain, huge pages,
 * attachable volumes. */
bool sched_resource_is_scalar(sp_str name);
/* Extended resources: with a domain that is not kubernetes.io. */
bool sched_resource_is_extended(sp_str name);

typedef struct sched_pod_requests {
	sched_requests filter; /* from the spec alone: what a pod to be placed has to find */
	sched_requests held;   /* what it takes on its node, resizes included */
	/* Held, with the defaults above for what containers do not ask. */
	int64_t nonzero_cpu_milli, nonzero_memory;
	/* The same of the spec alone and without pod-level resources: what NodeResourcesFit scores with. */
	int64_t fit_cpu_milli, fit_memory;
} sched_pod_requests;

/* `pod` is a v1 Pod; its status is looked at or not. What is returned lives in the arena. SP_EINVAL: a
 * quantity that cannot be read. */
sp_code sched_requests_read(sched_state *st, sp_arena *a, yyjson_val *pod, bool with_status,
			    sched_pod_requests *ret, sp_err *err) SP_MUST_USE;
/* True when the status says amounts of its own. */
bool sched_requests_in_status(yyjson_val *pod);

/* A ResourceList of a node's status; *ret_pods gets "pods". */
sp_code sched_allocatable_read(sched_state *st, sp_arena *a, yyjson_val *list, sched_requests *ret,
			       int64_t *ret_pods, sp_err *err) SP_MUST_USE;

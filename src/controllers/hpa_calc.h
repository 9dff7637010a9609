/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many replicas a metric asks for: pure. Amounts are thousandths. U: kubernetes
 * pkg/controller/podautoscaler/{replica_calculator,metrics/utilization}.go.
 *
 * Pods without a metric count as if they used what asks for the least change; pods that are not ready, or
 * whose sample is of their start, as if they used nothing when there is to be more of them.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

/* Metric usage this near to the target changes nothing. */
typedef struct hpa_tolerance {
	double down, up;
} hpa_tolerance;

/* A pod that the target's selector selects. Times in nanoseconds since the epoch. */
typedef struct hpa_pod {
	sp_str name;
	bool is_going;                            /* to be deleted, or failed: does not count at all */
	bool is_pending;                          /* by its phase */
	bool is_running;                          /* by its phase */
	bool has_ready, is_ready, is_false_ready; /* its condition Ready: there, True, False */
	int64_t ready_ns;                         /* when that changed last */
	bool has_started;
	int64_t started_ns;
	int64_t request; /* of utilization targets */
} hpa_pod;

/* What was measured of a pod. */
typedef struct hpa_sample {
	sp_str name;
	int64_t value, at_ns, window_ns;
} hpa_sample;

typedef struct hpa_calc {
	const hpa_pod *pods;
	size_t n_pods;
	const hpa_sample *samples;
	size_t n_samples;
	int32_t current; /* replicas */
	hpa_tolerance tolerance;
	bool is_cpu;         /* readiness and start matter */
	bool is_utilization; /* target is percent of requests, else an average per pod */
	int64_t target;
	int64_t now_ns, cpu_initialization_ns, readiness_delay_ns;
} hpa_calc;

typedef struct hpa_result {
	int32_t replicas;
	int32_t utilization; /* percent, of utilization targets */
	int64_t average;     /* per pod */
} hpa_result;

/* Whether there are pods and samples to go by; of targets that are utilizations to be asked before the pods'
 * requests are looked at, for its refusal comes first. Errors as below. */
sp_code hpa_calc_check(sp_arena *a, const hpa_calc *c, sp_err *err) SP_MUST_USE;

/* Of a metric with a value per pod. SP_EINVAL with upstream's text, SP_ENOMEM. */
sp_code hpa_calc_per_pod(sp_arena *a, const hpa_calc *c, hpa_result *ret, sp_err *err) SP_MUST_USE;

/* Of one value for all: its ratio to the target times the ready pods. `average` of the result is the value.
 * SP_EINVAL as above. */
sp_code hpa_calc_value(const hpa_calc *c, int64_t amount, hpa_result *ret, sp_err *err) SP_MUST_USE;

/* Of one value that is shared by `replicas` pods; `average` of the result is the share. */
hpa_result hpa_calc_share(const hpa_calc *c, int64_t amount, int32_t replicas);

/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler counts about itself, under kube-scheduler's names. U: pkg/scheduler/metrics/metrics.go.
 */
#pragma once

#include "base/metrics.h"

typedef enum sched_metric {
	SCHED_M_ATTEMPTS,
	SCHED_M_ATTEMPT_SECONDS,
	SCHED_M_ALGORITHM_SECONDS,
	SCHED_M_SLI_SECONDS,
	SCHED_M_POD_ATTEMPTS,
	SCHED_M_AFTER_FLUSH,
	SCHED_M_PENDING,
	SCHED_M_UNSCHEDULABLE,
	SCHED_M_INCOMING,
	SCHED_M_CACHE,
	SCHED_M_PREEMPTIONS,
	SCHED_M_VICTIMS,
	SCHED_M_DROPPED,
	SCHED_M_COUNT_
} sched_metric;

sp_metrics *sched_metrics_new(void);

/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/metrics.h"

#define SERIES_MAX 5000u

static const sp_metric_bounds attempt_bounds = {{0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
						 0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384},
						15};
static const sp_metric_bounds sli_bounds = {{0.01,   0.02,   0.04,   0.08,    0.16,    0.32,   0.64,
					     1.28,   2.56,   5.12,   10.24,   20.48,   40.96,  81.92,
					     163.84, 327.68, 655.36, 1310.72, 2621.44, 5242.88},
					    20};
static const sp_metric_bounds count_bounds = {{1, 2, 4, 8, 16}, 5};
static const sp_metric_bounds victim_bounds = {{1, 2, 4, 8, 16, 32, 64}, 7};

static const sp_metric_family families[SCHED_M_COUNT_] = {
	[SCHED_M_ATTEMPTS] = {.name = "scheduler_schedule_attempts_total",
			      .help = "[STABLE] Number of attempts to schedule pods, by the result.",
			      .type = SP_METRIC_COUNTER,
			      .labels = {"profile", "result"}},
	[SCHED_M_ATTEMPT_SECONDS] = {.name = "scheduler_scheduling_attempt_duration_seconds",
				     .help = "[STABLE] Scheduling attempt latency in seconds (scheduling "
					     "algorithm + binding)",
				     .type = SP_METRIC_HISTOGRAM,
				     .labels = {"profile", "result"},
				     .bounds = &attempt_bounds},
	[SCHED_M_ALGORITHM_SECONDS] = {.name = "scheduler_scheduling_algorithm_duration_seconds",
				       .help = "[ALPHA] Scheduling algorithm latency in seconds",
				       .type = SP_METRIC_HISTOGRAM,
				       .bounds = &attempt_bounds},
	[SCHED_M_SLI_SECONDS] =
		{.name = "scheduler_pod_scheduling_sli_duration_seconds",
		 .help = "[BETA] Latency of a pod being scheduled, from its first attempt on.",
		 .type = SP_METRIC_HISTOGRAM,
		 .labels = {"attempts"},
		 .bounds = &sli_bounds},
	[SCHED_M_POD_ATTEMPTS] = {.name = "scheduler_pod_scheduling_attempts",
				  .help = "[STABLE] Number of attempts to successfully schedule a pod.",
				  .type = SP_METRIC_HISTOGRAM,
				  .bounds = &count_bounds},
	[SCHED_M_AFTER_FLUSH] = {.name = "scheduler_pod_scheduled_after_flush_total",
				 .help = "[ALPHA] Number of pods that were scheduled after a wait for events "
					 "was given up.",
				 .type = SP_METRIC_COUNTER},
	[SCHED_M_PENDING] = {.name = "scheduler_pending_pods",
			     .help = "[STABLE] Number of pending pods, by the queue type.",
			     .type = SP_METRIC_GAUGE,
			     .labels = {"queue"}},
	[SCHED_M_UNSCHEDULABLE] =
		{.name = "scheduler_unschedulable_pods",
		 .help = "[BETA] The number of unschedulable pods broken down by plugin name.",
		 .type = SP_METRIC_GAUGE,
		 .labels = {"plugin", "profile"}},
	[SCHED_M_INCOMING] = {.name = "scheduler_queue_incoming_pods_total",
			      .help = "[STABLE] Number of pods added to scheduling queues by event and queue "
				      "type.",
			      .type = SP_METRIC_COUNTER,
			      .labels = {"event", "queue"}},
	[SCHED_M_CACHE] = {.name = "scheduler_cache_size",
			   .help = "[ALPHA] Number of nodes, pods, and assumed (bound) pods in the scheduler "
				   "cache.",
			   .type = SP_METRIC_GAUGE,
			   .labels = {"type"}},
	[SCHED_M_PREEMPTIONS] = {.name = "scheduler_preemption_attempts_total",
				 .help = "[STABLE] Total preemption attempts in the cluster till now",
				 .type = SP_METRIC_COUNTER},
	[SCHED_M_VICTIMS] = {.name = "scheduler_preemption_victims",
			     .help = "[STABLE] Number of selected preemption victims",
			     .type = SP_METRIC_HISTOGRAM,
			     .bounds = &victim_bounds},
	[SCHED_M_DROPPED] = {.name = "sampan_metrics_dropped_total",
			     .help = "Values that were not counted because there are too many series.",
			     .type = SP_METRIC_COUNTER},
};

sp_metrics *sched_metrics_new(void)
{
	return sp_metrics_new(families, SP_LEN(families), SERIES_MAX, SCHED_M_DROPPED);
}

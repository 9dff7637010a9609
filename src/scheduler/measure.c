/* SPDX-License-Identifier: Apache-2.0 */
/* What the live scheduler counts, and its gauges. */
#include <stdio.h>

#include "scheduler/live_int.h"
#include "scheduler/plugins/plugins.h"

#define NS_PER_S 1e9
#define ATTEMPTS_TOLD_APART 15u

static double since(const scheduler *s, uint64_t began_ns)
{
	return (double)(sp_clock_ns(s->world) - began_ns) / NS_PER_S;
}

void live_measure_attempt(scheduler *s, sp_str scheduler_name, live_result result, uint64_t began_ns)
{
	static const sp_str results[] = {[LIVE_SCHEDULED] = SP_STR_INIT("scheduled"),
					 [LIVE_UNSCHEDULABLE] = SP_STR_INIT("unschedulable"),
					 [LIVE_ERROR] = SP_STR_INIT("error")};
	const sp_str labels[] = {scheduler_name, results[result]};
	if (s->metrics == NULL)
		return;
	sp_metric_add(s->metrics, SCHED_M_ATTEMPTS, labels, 1);
	sp_metric_observe(s->metrics, SCHED_M_ATTEMPT_SECONDS, labels, since(s, began_ns));
}

void live_measure_decision(scheduler *s, uint64_t began_ns)
{
	if (s->metrics != NULL)
		sp_metric_observe(s->metrics, SCHED_M_ALGORITHM_SECONDS, NULL, since(s, began_ns));
}

void live_measure_bound(scheduler *s, sp_str scheduler_name, const struct sched_history *h)
{
	char text[16];
	if (s->metrics == NULL)
		return;
	live_measure_attempt(s, scheduler_name, LIVE_SCHEDULED, h->began_ns);
	int n = h->attempts >= ATTEMPTS_TOLD_APART ? snprintf(text, sizeof text, "%u+", ATTEMPTS_TOLD_APART)
						   : snprintf(text, sizeof text, "%u", h->attempts);
	const sp_str label = {text, (size_t)n};
	sp_metric_observe(s->metrics, SCHED_M_SLI_SECONDS, &label, since(s, h->first_ns));
	sp_metric_observe(s->metrics, SCHED_M_POD_ATTEMPTS, NULL, h->attempts);
	if (h->after_flush)
		sp_metric_add(s->metrics, SCHED_M_AFTER_FLUSH, NULL, 1);
}

void live_measure_preemption(scheduler *s, size_t n_victims)
{
	if (s->metrics == NULL)
		return;
	sp_metric_add(s->metrics, SCHED_M_PREEMPTIONS, NULL, 1);
	if (n_victims > 0)
		sp_metric_observe(s->metrics, SCHED_M_VICTIMS, NULL, (double)n_victims);
}

/* ---- gauges ---- */

static void set(scheduler *s, sched_metric id, const char *label, size_t to)
{
	const sp_str value = sp_str_c(label);
	sp_metric_set(s->metrics, id, &value, (double)to);
}

/* Pods that were turned down, under each plugin that did so. */
static void measure_unschedulable(scheduler *s)
{
	const sp_map_entry *e;
	sp_metric_clear(s->metrics, SCHED_M_UNSCHEDULABLE);
	for (size_t i = 0; (e = sp_map_next(&s->queue.by_key, &i)) != NULL;) {
		const sched_queued *q = e->value;
		uint32_t left = q->place == SCHED_GATED ? 1u << SCHED_P_SCHEDULING_GATES : q->rejectors;
		for (; left != 0; left &= left - 1) {
			const sp_str labels[] = {sp_str_c(sched_plugins[__builtin_ctz(left)]->name),
						 q->pod->spec->scheduler_name};
			sp_metric_add(s->metrics, SCHED_M_UNSCHEDULABLE, labels, 1);
		}
	}
}

static size_t count_assumed(const scheduler *s)
{
	const sp_map_entry *e;
	size_t n = 0;
	for (size_t i = 0; (e = sp_map_next(&s->st->pod_by_key, &i)) != NULL;)
		n += sched_is_assumed(e->value);
	return n;
}

static size_t count_placed(const scheduler *s)
{
	const sp_map_entry *e;
	size_t n = 0;
	for (size_t i = 0; (e = sp_map_next(&s->st->pod_by_key, &i)) != NULL;)
		n += ((const sched_pod *)e->value)->node_name.len > 0;
	return n;
}

void scheduler_measure(scheduler *s)
{
	if (s->metrics == NULL)
		return;
	set(s, SCHED_M_PENDING, "active", s->queue.active.n);
	set(s, SCHED_M_PENDING, "backoff", s->queue.backoff.n);
	set(s, SCHED_M_PENDING, "unschedulable", s->queue.n_waiting);
	set(s, SCHED_M_PENDING, "gated", s->queue.n_gated);
	set(s, SCHED_M_CACHE, "nodes", s->st->t.n_present);
	set(s, SCHED_M_CACHE, "pods", count_placed(s));
	set(s, SCHED_M_CACHE, "assumed_pods", count_assumed(s));
	measure_unschedulable(s);
}

bool scheduler_is_ready(const scheduler *s)
{
	return s->ready;
}

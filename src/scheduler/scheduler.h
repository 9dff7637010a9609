/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live scheduler: follows a cluster through its API server, decides, binds, tells why not, preempts. Any
 * Kubernetes API server will do. Who runs several of them elects a leader around this (client/election.h).
 *
 * One turn of the loop decides some pods one after the other; bindings and other writes go out behind, at
 * most `in_flight` bindings at a time. A pod counts on its node from the decision on.
 */
#pragma once

#include "base/metrics.h"
#include "client/call.h"
#include "scheduler/config.h"

typedef struct sp_log sp_log;
typedef struct scheduler scheduler;

typedef struct scheduler_opts {
	sp_client *client;
	sp_log *log;
	const sched_config *config; /* stays in place */
	uint64_t seed;              /* of the choice among equally good nodes */
	uint32_t in_flight;         /* 0: 256 */
	sp_metrics *metrics;        /* of sched_metrics_new (metrics.h); NULL: nothing is counted */
} scheduler_opts;

/* Begins to follow at once and to decide when everything is known. */
sp_code scheduler_new(const scheduler_opts *o, scheduler **ret, sp_err *err) SP_MUST_USE;
/* The cluster is known, and decisions are made. */
bool scheduler_is_ready(const scheduler *s);
/* Brings the gauges up to date, before they are told. */
void scheduler_measure(scheduler *s);
/* Stops; `done` comes once, from the loop. Writes under way are given up. Then free it. */
void scheduler_close(scheduler *s, void (*done)(void *arg), void *arg);
void scheduler_free(scheduler *s);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work queues of controllers: keys that want to be looked at. A key waits at most once however often it is
 * added, is never worked on twice at once (added meanwhile, it comes again afterwards), can be added after a
 * delay, and is tried again with growing pauses after a failure.
 *
 * The queue calls `work` with a job, up to n_workers at a time; the job ends, then or later, by exactly one
 * sp_job_done. U: client-go util/workqueue.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/metrics.h"

typedef struct sp_world sp_world;
typedef struct sp_queue sp_queue;

typedef struct sp_job {
	sp_queue *queue;
	sp_str key;
	uint32_t n_failures; /* in a row, before this try */
	sp_arena *arena;     /* of this job, reset when it is done; 256 MiB */
	void *state;         /* the worker's, NULL at first */
} sp_job;

typedef struct sp_queue_opts {
	const char *name; /* for metrics and logs; stays */
	void (*work)(void *arg, sp_job *job);
	void *arg;
	uint32_t n_workers;            /* 0: 5 */
	uint64_t base_ns, most_ns;     /* back-off of a key; 0: 5 ms, doubled up to 1000 s */
	uint32_t retries_per_s, burst; /* of all keys together; 0: 10 and 100 */
	sp_metrics *metrics;           /* of sp_queue_metrics_new; NULL: nothing is counted */
} sp_queue_opts;

/* Aborts without memory. */
sp_queue *sp_queue_new(sp_world *w, const sp_queue_opts *o);
/* No job is begun afterwards; those under way must still be ended. `done` comes once from the loop, when none
 * is left; then the queue may be freed. */
void sp_queue_close(sp_queue *q, void (*done)(void *arg), void *arg);
void sp_queue_free(sp_queue *q);

/* While it is paused no job is begun; keys gather. A new queue is not paused. */
void sp_queue_pause(sp_queue *q, bool on);

/* Copies the key. Without memory for it the process ends as by sp_alloc: a lost key would be an object nobody
 * looks at again. */
void sp_queue_add(sp_queue *q, sp_str key);
/* When it waits already for a later time, the earlier one counts. */
void sp_queue_add_after(sp_queue *q, sp_str key, uint64_t delay_ns);
/* After the back-off of one more failure. */
void sp_queue_add_failed(sp_queue *q, sp_str key);

/* Ends a job. SP_OK forgets its failures; anything else adds the key again with back-off. */
void sp_job_done(sp_job *job, sp_code code);
/* Ends it well, and looks at the key again after that time (0: at once). */
void sp_job_again(sp_job *job, uint64_t after_ns);

typedef struct sp_queue_stats {
	size_t n_waiting, n_delayed, n_running;
	uint64_t n_added, n_done, n_retries;
} sp_queue_stats;
sp_queue_stats sp_queue_counts(const sp_queue *q);

/* What queues count, each under its name. U: component-base metrics/prometheus/workqueue. */
sp_metrics *sp_queue_metrics_new(void);
/* Brings the gauges up to date, before they are told. */
void sp_queue_measure(const sp_queue *q);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods that wait for a node. Active ones are popped by priority, then by age; those that failed wait in
 * back-off; those that no node suits wait until something changes that the plugins which turned them down
 * care about (hints.h). U: pkg/scheduler/backend/queue.
 *
 * A pure library: the time comes with each call, in nanoseconds of any monotonic clock. Upstream replays the
 * events that came while a pod was being decided; here a decision and its outcome happen in one turn of the
 * loop, so none can come in between, and a pod whose binding fails later waits in back-off whatever happened.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "scheduler/hints.h"
#include "scheduler/metrics.h"

#define SCHED_UNSCHEDULABLE_MAX_NS UINT64_C(300000000000) /* then they are tried again whatever happened */

typedef enum sched_place {
	SCHED_NOWHERE,
	SCHED_ACTIVE,
	SCHED_BACKOFF,       /* was turned down, or an error came up */
	SCHED_WAITING,       /* for an event */
	SCHED_GATED,         /* for its gates */
	SCHED_BEING_DECIDED, /* popped, not done */
} sched_place;

/* Pods of one spec that the same plugins turned down: what helps one helps all. */
typedef struct sched_waiters {
	struct sched_waiters_id {
		const sched_spec *spec;
		uint64_t rejectors; /* bits of sched_plugin_id */
	} id;                       /* its key */
	sp_list pods;
	sp_list list; /* of the queue's */
} sched_waiters;

/* One pod, in place while the queue knows it. */
typedef struct sched_queued {
	sp_str key; /* its own copy: the pod is replaced by newer ones */
	const sched_pod *pod;
	uint64_t added_ns, since_ns; /* first seen; last time it failed or was added */
	uint64_t until_ns;           /* of back-off */
	uint64_t tried_ns;           /* first popped; 0: never */
	uint32_t attempts, n_rejected, n_errors;
	uint32_t rejectors;   /* bits of sched_plugin_id */
	uint32_t n_evictions; /* victims that have not begun to leave: no event moves it before */
	uint8_t place;        /* sched_place */
	bool flushed;         /* its wait for an event was given up, since it was popped last */
	sp_heap_node heap;
	sp_list list; /* waiting, gated */
	sched_waiters *with;
	sp_list beside; /* of `with` */
} sched_queued;

typedef struct sched_queue {
	const sched_state *st;
	sp_map by_key;
	sp_heap active, backoff;
	sp_list waiting, gated;
	sp_map waiters_by_id; /* of waiting pods */
	sp_list waiters;
	size_t n_waiting, n_gated;
	uint64_t initial_backoff_ns, max_backoff_ns;
	sp_metrics *metrics; /* NULL: nothing is counted */
} sched_queue;

void sched_queue_init(sched_queue *q, const sched_state *st);
/* Forgets all pods. */
void sched_queue_done(sched_queue *q);

/* A pending pod of the state that is new or replaces the one of its key (whose memory may be gone); what it
 * changed decides whether it is tried again. SP_ENOMEM. */
sp_code sched_queue_put(sched_queue *q, const sched_pod *pod, sched_own_change change,
			uint64_t now_ns) SP_MUST_USE;
/* Bound, deleted, or of another scheduler now. Harmless when unknown. */
void sched_queue_remove(sched_queue *q, sp_str key);
sched_queued *sched_queue_find(const sched_queue *q, sp_str key);

/* The next one to decide, or NULL; its caller says what came of it. Pods in back-off after a rejection are
 * taken early when nobody else waits. */
sched_queued *sched_queue_pop(sched_queue *q, uint64_t now_ns);
/* No node suits; `rejectors` are the plugins that said so. None: an error. */
void sched_queue_failed(sched_queue *q, sched_queued *p, uint32_t rejectors, uint64_t now_ns);

/*
 * A pod being decided has one more victim that it makes leave, and then one fewer. While there are any,
 * events pass it by: a node it waits for is not free before the last one. Then it waits for events as others
 * do, or goes on, when that last one `helps`: it is gone, or stays after all. Harmless when unknown. U:
 * framework/preemption (Executor), defaultpreemption (PreEnqueue).
 */
void sched_queue_hold(sched_queue *q, sp_str key);
void sched_queue_release(sched_queue *q, sp_str key, bool helps, uint64_t now_ns);

/* Something happened: pods that it may help go on. */
void sched_queue_event(sched_queue *q, const sched_change *change, uint64_t now_ns);

/* Ends back-offs and long waits that are over. Returns when to call again; UINT64_MAX: nothing waits for
 * time. */
uint64_t sched_queue_flush(sched_queue *q, uint64_t now_ns);

/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the live scheduler. */
#pragma once

#include "base/list.h"
#include "client/events.h"
#include "client/informer.h"
#include "scheduler/cycle.h"
#include "scheduler/preempt.h"
#include "scheduler/queue.h"
#include "scheduler/scheduler.h"

#define LIVE_BINDINGS 256u     /* under way at once, unless told otherwise */
#define LIVE_WRITES 4096u      /* of all kinds; more conditions are left to the next failure */
#define LIVE_PREBINDINGS 4096u /* pods that wait for their volumes */
#define LIVE_PODS_A_TURN 64    /* decided before the loop goes on */

typedef enum live_kind {
	LIVE_PODS,
	LIVE_NODES,
	LIVE_NAMESPACES,
	LIVE_SERVICES,
	LIVE_REPLICA_SETS,
	LIVE_STATEFUL_SETS,
	LIVE_REPLICATION_CONTROLLERS,
	LIVE_BUDGETS,
	LIVE_CLASSES,
	LIVE_VOLUMES,
	LIVE_CLAIMS,
	LIVE_DRIVERS,
	LIVE_CAPACITIES,
	LIVE_CSI_NODES,
	LIVE_ATTACHMENTS,
	LIVE_KINDS_
} live_kind;

typedef struct live_watch {
	sp_informer_watch watch;
	scheduler *s;
	live_kind kind;
} live_watch;

typedef struct live_profile {
	sched_cycle cycle;
	sp_events *events;
} live_profile;

struct scheduler {
	sp_client *client;
	sp_world *world;
	sp_log *log;
	const sched_config *config;
	uint64_t seed;
	uint32_t in_flight;
	sched_state *st;
	sched_queue queue;
	live_profile profiles[SCHED_PROFILES_MAX];
	sp_informers *informers;
	sp_informer *informer[LIVE_KINDS_];
	live_watch watches[LIVE_KINDS_];
	sp_metrics *metrics; /* NULL: nothing is counted */
	uint64_t began_ns;   /* the decision under way, by sp_clock_ns */
	sp_arena scratch;    /* of one object or one write */
	sp_defer turn;       /* decide some pods */
	sp_timer flush;
	sp_map evictions; /* key of a victim that has not begun to leave → live_eviction */
	sp_list writes;   /* under way */
	size_t n_writes, n_binding;
	sp_list prebinding; /* prebind.c */
	size_t n_prebinding;
	sp_defer prebind_check;
	bool ready, closing;
	void (*on_closed)(void *arg);
	void *closed_arg;
	sp_defer closed;
};

/* ---- following (follow.c) ---- */

sp_code live_follow(scheduler *s, sp_err *err) SP_MUST_USE;
/* The profile of a pod; NULL: it belongs to another scheduler. */
live_profile *live_profile_of(scheduler *s, const sched_pod *pod);
/* A pod as the cache has it now. */
void live_refresh(scheduler *s, sp_str key);
/* A pod left its node, or was never there after all: others may go on. */
void live_pod_gone(scheduler *s, const sched_pod *pod);

/* ---- deciding (live.c) ---- */

/* There may be something to decide. */
void live_wake(scheduler *s);
/* The state is broken: nothing can be decided any more. */
void live_broken(scheduler *s);

/* ---- counting (measure.c) ---- */

typedef enum live_result { LIVE_SCHEDULED, LIVE_UNSCHEDULABLE, LIVE_ERROR } live_result;
/* An attempt that began then (sp_clock_ns) is over. */
void live_measure_attempt(scheduler *s, sp_str scheduler_name, live_result result, uint64_t began_ns);
void live_measure_decision(scheduler *s, uint64_t began_ns);
/* A pod is bound. */
void live_measure_bound(scheduler *s, sp_str scheduler_name, const struct sched_history *h);
void live_measure_preemption(scheduler *s, size_t n_victims);

/* ---- volumes before the binding (prebind.c) ---- */

/* A pod that is assumed on its node, right after the decision (sched_volumes_plan says that there is
 * something to do): binds its claims, then the pod. */
void live_prebind(scheduler *s, sched_pod *pod, const sched_cycle *c);
/* Its pod is gone. {NULL, 0}: all end. */
void live_prebind_drop(scheduler *s, sp_str key);
/* Something about volumes changed: `prebind_check`. */
void live_prebind_check(sp_defer *d);

/* ---- writing (write.c) ---- */

/* Binds a pod that is assumed on its node. */
void live_bind(scheduler *s, const sched_pod *pod);
/* An assumed pod could not be bound after all: it goes back to the queue. */
void live_not_bound(scheduler *s, sched_pod *pod, sp_str text);
/* The condition of a pod that was not placed, and the node it is nominated to (empty: none). */
void live_tell(scheduler *s, const sched_pod *pod, sp_str reason, sp_str message, sp_str nominated);
/* Evicts a victim for a pod, which waits for that in the queue. */
void live_evict(scheduler *s, const sched_pod *victim, const sched_pod *for_pod);
/* It may have been a victim: it begins to leave; or it is gone, or stays after all, which helps. */
void live_evicted(scheduler *s, sp_str key, bool helps);
void live_event(scheduler *s, const sched_pod *pod, bool is_warning, const char *reason, const char *action,
		sp_str text);
void live_cancel_writes(scheduler *s);

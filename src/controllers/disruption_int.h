/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disruption budgets: how many pods of a set may be evicted now. The count is of what the owners of the pods
 * want, not of what there is. Also takes back the condition of pods that were to be evicted and stayed.
 * U: kubernetes pkg/controller/disruption.
 */
#pragma once

#include "client/discover.h"
#include "controllers/fan.h"
#include "controllers/pods.h"

/* Owners whose number of pods stands in a cache; others are asked for theirs. */
enum { OWNER_SET, OWNER_DEPLOYMENT, OWNER_REPLICATION, OWNER_STATEFUL, OWNER_N };

typedef struct disruptions {
	controller base;
	sp_informer *budgets, *pods, *owners[OWNER_N];
	unsigned budgets_by_namespace, pods_by_namespace;
	sp_informer_watch budget_watch, pod_watch;
} disruptions;

typedef struct budget_view {
	int64_t generation;
	yyjson_val *selector, *min_available, *max_unavailable, *status;
} budget_view;

/* An owner, found by a pod's reference. */
typedef struct budget_owner {
	ctl_owner ref;
	const ctl_pod *pod; /* one of its pods */
	sp_str uid;         /* of what is counted: a deployment instead of its set */
	int64_t scale;
	bool is_known;
} budget_owner;

/* How many pods the owners of these pods want together. */
typedef struct budget_scale {
	disruptions *d;
	sp_arena *arena;
	sp_str ns;
	const ctl_pod *pods;
	size_t n_pods;
	/* Once, maybe from inside budget_scale_start. */
	void (*done)(struct budget_scale *s);
	void *arg;

	int64_t total;
	size_t n_unmanaged;
	sp_code code;
	sp_err err; /* as upstream words it */
	/* of disruption_scale.c */
	budget_owner *owners;
	size_t n_owners, *asked, n_asked;
	const sp_api_resource *resources; /* of those asked, in their order */
	sp_discover discover;
	fan fan;
} budget_scale;

sp_code budget_scale_open(disruptions *d, sp_err *err) SP_MUST_USE;
void budget_scale_start(budget_scale *s);

/* Jobs about pods instead of budgets have keys with this in front. */
#define STALE_MARK "!"
/* Asks for a look at a pod that carries the mark of an eviction that did not happen. */
void stale_pod_enqueue(disruptions *d, const ctl_pod *p);
void stale_pod_sync(disruptions *d, sp_job *job, sp_str key);

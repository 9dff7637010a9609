/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sync of a DaemonSet: its history is brought up to date, its pods are put on the nodes they are meant
 * for, what should be made and deleted is marked (daemon_set_decide.c, without any call), then written, then
 * the status. Each write's event brings the next sync. U: kubernetes pkg/controller/daemon.
 */
#pragma once

#include "controllers/history.h"
#include "controllers/owned_pods.h"
#include "controllers/pods.h"
#include "kube/node_fit.h"

typedef struct ds_view {
	sp_str deleted, strategy;
	int64_t generation, min_ready_s, history;
	bool has_history;
	yyjson_val *selector, *template_, *max_unavailable, *max_surge;
	sp_vmap annotations;
	/* status */
	int64_t observed, n_desired, n_current, n_misscheduled, n_ready, n_updated, n_available,
		n_unavailable;
	int64_t collisions;
} ds_view;

/* ---- daemon_set_decide.c: what should be done ---- */

typedef struct ds_pod {
	ctl_pod pod;
	sp_str target;   /* the node it runs on or is meant for; empty: nobody knows */
	bool is_updated; /* from the present template */
	bool waits;      /* has failed, and is to stay for a while */
	/* decided */
	bool drop;
	/* of the list of a node */
	struct ds_pod *next;
} ds_pod;

typedef struct ds_node {
	sp_str name;
	bool exists;     /* false: only pods speak of it */
	bool should_run; /* a pod is to be there */
	bool may_stay;   /* one that is there is left alone */
	ds_pod *pods;    /* those that run first, then the oldest */
	/* decided */
	bool create;
} ds_node;

typedef struct ds_rules {
	bool allows_surge;
	int64_t max_unavailable, max_surge; /* of a rolling update */
	int64_t min_ready_s, now_s;
} ds_rules;

typedef struct ds_counts {
	int64_t n_desired, n_current, n_misscheduled, n_ready, n_updated, n_available;
	int64_t wait_s; /* until a pod is available; 0: none waits */
} ds_counts;

/* Where a pod is meant to be: its node, or the one its affinity names; empty: nobody knows. */
sp_str ds_target(sp_str node, yyjson_val *required_affinity);
/* Puts pods on a node's list in order. `pods` is sorted by ds_sort. */
void ds_sort(ds_pod *pods, size_t n);
/* One pod for each node that should have one, none elsewhere. True: something was marked. */
bool ds_manage(const ds_rules *r, ds_node *nodes, size_t n);
/* A step of a rolling update, when there was nothing else to do. */
void ds_roll(const ds_rules *r, ds_node *nodes, size_t n);
void ds_count(const ds_rules *r, const ds_node *nodes, size_t n, ds_counts *ret);
/* Whether a pod of that spec (with the tolerations of daemons) should run on a node, and may stay there. */
void ds_fit(yyjson_val *spec, const sp_fit_node *node, ds_node *ret);

/* ---- the sync ---- */

typedef struct ds_controller {
	controller base;
	sp_informer *sets, *pods, *nodes;
	unsigned pods_by_owner, pod_orphans;
	sp_informer_watch watch, node_watch;
	owned_pods owned;
	revisions revisions;
	sp_map failures; /* of ds_failure */
	uint64_t swept_ns;
} ds_controller;

typedef struct ds_run {
	ds_controller *c;
	sp_job *job;
	const sp_object *object;
	ds_view view;
	yyjson_val *spec; /* of the template, with the tolerations of daemons */
	bool may_act;     /* nothing is outstanding */
	sp_selector selector;
	history history;
	claim claim;
	ds_pod *pods;
	size_t n_pods;
	ds_node *nodes;
	size_t n_nodes;
	ds_rules rules;
	ds_node **creations;
	ds_pod **deletions;
	size_t n_creations, n_deletions;
	fan fan;
	sp_call call;
	sp_code code;
	sp_err err;
} ds_run;

/* daemon_set_pod.c: x->spec; and the pod of a node. */
sp_code ds_make_spec(ds_run *x, sp_err *err) SP_MUST_USE;
sp_code ds_pod_body(ds_run *x, sp_str node, sp_str *ret, sp_err *err) SP_MUST_USE;
/* The number that the template had before there were hashes; empty: none. */
sp_str ds_template_generation(const ds_run *x);

/* daemon_set_twins.c: whether two revisions are of the present template; makes one of them and ends the sync.
 */
bool ds_has_twins(const ds_run *x);
void ds_merge_twins(ds_run *x);

/* daemon_set_write.c: what was marked, then the status; ends the sync. */
void ds_write(ds_run *x);
void ds_end(ds_run *x, sp_code code, const sp_err *err);

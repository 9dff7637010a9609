/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sync of a Deployment: what there is is read into a dep_run, the steps mark what is to be (replicas of
 * ReplicaSets, a new one, old ones to delete, the status), then everything marked is written at once. Each
 * write's event brings the next sync. U: kubernetes pkg/controller/deployment.
 */
#pragma once

#include "controllers/claim.h"
#include "controllers/pods.h"

#define DEP_REVISION "deployment.kubernetes.io/revision"
#define DEP_HISTORY "deployment.kubernetes.io/revision-history"
#define DEP_DESIRED "deployment.kubernetes.io/desired-replicas"
#define DEP_MAX "deployment.kubernetes.io/max-replicas"
#define DEP_HASH "pod-template-hash"

typedef struct dep_view {
	sp_str deleted, strategy;
	int64_t generation, replicas, min_ready_s, history, deadline_s;
	bool has_replicas, has_history, has_deadline_s, paused;
	yyjson_val *selector, *template_, *max_surge, *max_unavailable;
	sp_vmap annotations, labels;
	/* status */
	int64_t n, n_updated, n_ready, n_available, n_unavailable, n_terminating, observed, collisions;
	bool has_n_terminating;
	sp_vlist conditions;
} dep_view;

/* A ReplicaSet of it. */
typedef struct dep_set {
	const sp_object *object;
	sp_str created, deleted;
	sp_vmap annotations;
	int64_t generation, replicas, min_ready_s;
	bool has_replicas;
	yyjson_val *template_;
	int64_t n, n_ready, n_available, n_terminating, observed;
	bool has_n_terminating;
	sp_vlist conditions;
	/* derived */
	int64_t revision; /* 0: none */
	int64_t want;     /* replicas it should have */
	bool touch;       /* its annotations of scale are to be written though `want` stays */
	sp_str patch;     /* further members of metadata.annotations, as text; empty: none */
	bool patch_min_ready, drop;
} dep_set;

typedef struct dep_counts {
	int64_t n, n_updated, n_ready, n_available, n_unavailable, collisions;
	int64_t n_terminating; /* -1: not known, a set does not tell */
} dep_counts;

typedef struct dep_controller {
	controller base;
	sp_informer *deployments, *sets, *pods;
	unsigned by_owner, orphans, by_namespace, pods_by_owner;
	sp_informer_watch watch, set_watch, pod_watch;
} dep_controller;

typedef struct dep_run {
	dep_controller *d;
	sp_job *job;
	const sp_object *object;
	dep_view view;
	int64_t replicas; /* spec.replicas with its default */
	claim claim;
	dep_set *sets;
	size_t n_sets;
	dep_set **old; /* by age, oldest first */
	size_t n_old;
	dep_set *newest;  /* of the present template, or NULL */
	int64_t revision; /* that the newest has or will have */
	ctl_conditions conditions;
	bool create; /* a ReplicaSet of the present template */
	sp_str create_name, create_body;
	int64_t create_replicas, collisions;
	/* writes */
	dep_set **writes;
	size_t n_writes;
	fan fan;
	sp_call call;
	bool scaled;
	sp_code code;
	sp_err err;
} dep_run;

/* ---- deployment_sets.c: which there are ---- */

extern const sp_view_desc *const dep_set_view;

sp_code dep_read_sets(dep_run *x, sp_err *err) SP_MUST_USE;
/* Marks annotations of the newest, or a new one to be made when `create`. */
sp_code dep_sync_revision(dep_run *x, bool create, sp_err *err) SP_MUST_USE;
/* Whether a template is the deployment's, but for the hash. */
bool dep_is_same_template(dep_run *x, yyjson_val *template_);
sp_str dep_annotation(sp_vmap annotations, const char *key);

/* ---- deployment_scale.c: how many replicas ---- */

int64_t dep_max_surge(const dep_run *x);
int64_t dep_max_unavailable(const dep_run *x);
static inline int64_t dep_max_replicas(const dep_run *x)
{
	return x->replicas + dep_max_surge(x);
}
int64_t dep_new_replicas(const dep_run *x, int64_t now);
bool dep_is_scaling(const dep_run *x);
void dep_scale(dep_run *x); /* the number of replicas changed */
bool dep_roll(dep_run *x);  /* a step of a rolling update; true: something was marked */
bool dep_recreate(dep_run *x, bool *ret_create);
bool dep_is_complete(const dep_run *x, const dep_counts *c);
sp_code dep_clean_up(dep_run *x, sp_err *err) SP_MUST_USE;

/* ---- deployment_status.c ---- */

dep_counts dep_count(const dep_run *x);
void dep_paused_condition(dep_run *x);
/* `rollout`: progress is judged too. */
void dep_conditions(dep_run *x, const dep_counts *c, bool rollout);
void dep_progress(dep_run *x, const char *status, const char *reason, sp_str message);
/* Writes when anything differs, then ends the sync. */
void dep_write_status(dep_run *x, bool rollout);
void dep_end(dep_run *x, sp_code code, const sp_err *err);

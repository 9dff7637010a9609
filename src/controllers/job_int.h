/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs. Every pod of a job carries a finalizer until it was counted: first its uid goes into
 * status.uncountedTerminatedPods, then the finalizer goes, then it becomes a number, each in a sync of its
 * own. U: kubernetes pkg/controller/job.
 */
#pragma once

#include "client/expect.h"
#include "controllers/claim.h"
#include "controllers/fan.h"
#include "controllers/pods.h"

#define JOB_FINALIZER "batch.kubernetes.io/job-tracking"
#define JOB_INDEX "batch.kubernetes.io/job-completion-index"
#define JOB_INDEX_FAILURES "batch.kubernetes.io/job-index-failure-count"
#define JOB_INDEX_IGNORED "batch.kubernetes.io/job-index-ignored-failure-count"

typedef struct job_view {
	sp_str deleted, mode, replacement, started, completed, restart_policy, managed_by;
	sp_str completed_indexes, failed_indexes;
	int64_t generation, parallelism, completions, backoff_limit, deadline_s, index_limit, bad_most;
	bool has_parallelism, has_completions, has_backoff_limit, has_deadline_s, suspend;
	bool has_index_limit, has_bad_most; /* backoffLimitPerIndex, maxFailedIndexes */
	yyjson_val *template_, *selector;
	sp_vlist failure_rules, success_rules; /* of the pod failure policy and the success policy */
	/* status */
	int64_t active, ready, terminating, succeeded, failed;
	sp_vlist conditions, uncounted_succeeded, uncounted_failed;
} job_view;

typedef struct job_pod {
	ctl_pod pod;
	sp_vlist finalizers, init_containers; /* the latter: statuses */
	bool tracked;                         /* has our finalizer */
	bool succeeded, failed;
	int64_t index;             /* of an Indexed job; -1: none */
	int64_t failures, ignored; /* of this index before this pod: counted ones and others */
	int64_t finished_s;
} job_pod;

/* What the pod failure policy says to a pod that failed. */
typedef enum job_action {
	JOB_NO_RULE, /* no rule speaks of it: it counts */
	JOB_IGNORE,
	JOB_COUNT,
	JOB_FAIL_INDEX,
	JOB_FAIL_JOB,
} job_action;

/* Failures in a row, for the pause before the next pod; kept between syncs. */
typedef struct job_record {
	uint32_t n_failures;
	int64_t last_s;
	size_t key_len;
	char key[];
} job_record;

typedef struct job_controller {
	controller base;
	sp_informer *jobs, *pods;
	unsigned by_job, by_owner, orphans, by_namespace; /* the last: of jobs */
	sp_informer_watch watch, pod_watch;
	sp_expect expect;
	sp_map records;
} job_controller;

typedef struct job_run {
	job_controller *c;
	sp_job *job;
	const sp_object *object;
	job_view view;
	claim claim;
	job_pod *pods;
	size_t n_pods;
	ctl_conditions conditions;
	/* what is and what should be */
	int64_t active, ready, terminating, succeeded, failed;      /* the last two: counted, all told */
	sp_buf uncounted_succeeded, uncounted_failed, indexes, bad; /* lists as text */
	int64_t n_uncounted;
	bool status_changed, indexed;
	/* Of an Indexed job, `completions` of each: has succeeded; may not be tried again; has a pod that
	 * runs or is waited for. */
	bool *done_indexes, *bad_indexes, *taken_indexes;
	int64_t n_bad;
	/* With a limit per index, `completions` of them: the failed pod whose finalizer stays until its
	 * successor carries on with its count, plus one; 0: none. */
	size_t *held;
	int64_t n_held;
	int64_t new_failures, last_failure_s;
	sp_str started, completed; /* times; empty: none */
	int64_t again_s;           /* look again after; 0: no */
	/* writes */
	size_t *doomed, n_doomed, *untrack, n_untrack;
	int64_t *create_indexes;
	size_t n_create;
	fan fan;
	sp_call call;
	sp_code code;
	sp_err err;
} job_run;

/* A pod that is going is replaced when it is over, and counts then. U: onlyReplaceFailedPods. */
static inline bool job_replaces_failed_only(const job_run *x)
{
	return sp_str_eq(x->view.replacement, SP_STR("Failed")) || x->view.failure_rules.n > 0;
}

/* job_count.c */
sp_code job_read_pods(job_run *x, sp_err *err) SP_MUST_USE;
sp_code job_count(job_run *x, sp_err *err) SP_MUST_USE;
/* Seconds of the pause after so many failures in a row, the last at that time, that are left. */
int64_t job_pause_left(const job_run *x, int64_t n_failures, int64_t last_s);

/* job_index.c: the indexes of an Indexed job */
sp_code job_index_open(job_run *x, sp_err *err) SP_MUST_USE;
/* Says what became of each index, by the pods; which pods are held. */
void job_index_count(job_run *x);
bool job_index_is_valid(const job_run *x, int64_t index);
bool job_index_holds(const job_run *x, size_t pod);
/* Adds the job's indexes that are in "0-2,5". */
void job_index_read(const job_run *x, sp_str text, bool *set);
/* "0-2,5" of the set of `n` indexes. */
void job_index_write(const bool *set, int64_t n, sp_buf *out);
/* Seconds until the index may have its next pod. */
int64_t job_index_pause_left(const job_run *x, int64_t index);
/* Annotations of the index's next pod that carry on with the count, as JSON members with a comma before them.
 */
sp_str job_index_counts(job_run *x, int64_t index);

/* job_policy.c: spec.podFailurePolicy, spec.successPolicy */
/* *ret_message (may be NULL): in the run's arena, for JOB_FAIL_JOB. */
job_action job_policy_of(const job_run *x, const job_pod *p, sp_str *ret_message);
/* True when the failed pod counts as a failure. */
bool job_policy_counts(const job_run *x, const job_pod *p);
/* The message of the first failed pod that ends the job; empty: none does. */
sp_str job_policy_fails(const job_run *x);
/* The message of the rule that is met; empty: none is. */
sp_str job_policy_succeeds(const job_run *x);

/* job_create.c */
sp_code job_pod_body(job_run *x, int64_t index, sp_str *ret, sp_err *err) SP_MUST_USE;

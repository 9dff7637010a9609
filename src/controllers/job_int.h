/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs. Every pod of a job carries a finalizer until it was counted: first its uid goes into
 * status.uncountedTerminatedPods, then the finalizer goes, then it becomes a number, each in a sync of its
 * own. U: kubernetes pkg/controller/job.
 */
#pragma once

#include "client/expect.h"
#include "controllers/fan.h"
#include "controllers/pods.h"

#define JOB_FINALIZER "batch.kubernetes.io/job-tracking"
#define JOB_INDEX "batch.kubernetes.io/job-completion-index"

typedef struct job_view {
	sp_str deleted, mode, replacement, started, completed, restart_policy, completed_indexes;
	int64_t generation, parallelism, completions, backoff_limit, deadline_s;
	bool has_parallelism, has_completions, has_backoff_limit, has_deadline_s, suspend;
	yyjson_val *template_;
	/* status */
	int64_t active, ready, terminating, succeeded, failed;
	sp_vlist conditions, uncounted_succeeded, uncounted_failed;
} job_view;

typedef struct job_pod {
	ctl_pod pod;
	sp_vlist finalizers;
	bool tracked; /* has our finalizer */
	bool succeeded, failed;
	int64_t index; /* of an Indexed job; -1: none */
	int64_t finished_s;
} job_pod;

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
	unsigned by_job;
	sp_informer_watch watch, pod_watch;
	sp_expect expect;
	sp_map records;
} job_controller;

typedef struct job_run {
	job_controller *c;
	sp_job *job;
	const sp_object *object;
	job_view view;
	job_pod *pods;
	size_t n_pods;
	ctl_conditions conditions;
	/* what is and what should be */
	int64_t active, ready, terminating, succeeded, failed; /* the last two: counted, all told */
	sp_buf uncounted_succeeded, uncounted_failed, indexes; /* lists as text */
	int64_t n_uncounted;
	bool status_changed, indexed;
	bool *done_indexes; /* completions of them */
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

/* job_count.c */
sp_code job_read_pods(job_run *x, sp_err *err) SP_MUST_USE;
sp_code job_count(job_run *x, sp_err *err) SP_MUST_USE;
/* "0-2,5" of the indexes that are done. */
void job_write_indexes(const job_run *x, sp_buf *out);

/* job_create.c */
sp_code job_pod_body(job_run *x, int64_t index, sp_str *ret, sp_err *err) SP_MUST_USE;

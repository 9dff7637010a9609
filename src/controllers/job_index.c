/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The indexes of an Indexed job, and the limit of failures per index. U: kubernetes
 * pkg/controller/job/indexed_job_utils.go, backoff_utils.go; KEP-3850.
 */
#include "base/num.h"
#include "controllers/job_int.h"

#define INDEXES_MAX 100000 /* upstream's own limit of an Indexed job with parallelism */

bool job_index_is_valid(const job_run *x, int64_t index)
{
	return index >= 0 && index < x->view.completions;
}

static void mark(const job_run *x, bool *set, int64_t index)
{
	if (job_index_is_valid(x, index))
		set[index] = true;
}

void job_index_read(const job_run *x, sp_str text, bool *set)
{
	sp_str one, first;
	while (text.len > 0) {
		int64_t from, to;
		(void)sp_str_next(&text, ',', &one);
		if (!sp_str_cut(&one, '-', &first))
			first = one;
		if (sp_parse_i64(first, 0, INT32_MAX, &from, NULL) != SP_OK ||
		    sp_parse_i64(one, 0, INT32_MAX, &to, NULL) != SP_OK)
			return;
		for (; from <= to && from < x->view.completions; from++)
			mark(x, set, from);
	}
}

void job_index_write(const bool *set, int64_t n, sp_buf *out)
{
	for (int64_t i = 0; i < n; i++) {
		int64_t to = i;
		if (!set[i])
			continue;
		while (to + 1 < n && set[to + 1])
			to++;
		if (out->len > 0)
			(void)sp_buf_char(out, ',');
		(void)sp_buf_i64(out, i);
		if (to > i)
			(void)sp_buf_char(out, to == i + 1 ? ',' : '-');
		if (to > i)
			(void)sp_buf_i64(out, to);
		i = to;
	}
}

sp_code job_index_open(job_run *x, sp_err *err)
{
	if (x->view.completions > INDEXES_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %d indexes", INDEXES_MAX);
	size_t n = (size_t)x->view.completions + 1;
	x->done_indexes = sp_try_new(x->job->arena, bool, n);
	x->bad_indexes = sp_try_new(x->job->arena, bool, n);
	x->taken_indexes = sp_try_new(x->job->arena, bool, n);
	if (x->done_indexes == NULL || x->bad_indexes == NULL || x->taken_indexes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for indexes");
	job_index_read(x, x->view.completed_indexes, x->done_indexes);
	if (!x->view.has_index_limit)
		return SP_OK;
	x->held = sp_try_new(x->job->arena, size_t, n);
	if (x->held == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for indexes");
	job_index_read(x, x->view.failed_indexes, x->bad_indexes);
	return SP_OK;
}

/* ---- what became of them ---- */

static void mark_pod(job_run *x, const job_pod *p)
{
	bool waits = job_replaces_failed_only(x);
	if (p->tracked && p->succeeded)
		mark(x, x->done_indexes, p->index);
	if (!ctl_pod_is_over(&p->pod) && (p->pod.deleted.len == 0 || waits))
		mark(x, x->taken_indexes, p->index);
}

static bool ends_its_index(const job_run *x, const job_pod *p)
{
	if (job_policy_of(x, p, NULL) == JOB_FAIL_INDEX)
		return true;
	return job_policy_counts(x, p) && p->failures >= x->view.index_limit;
}

/* Of the failed pods of an index that is to be tried again, the one that knows the highest count. */
static void hold(job_run *x, size_t i)
{
	const job_pod *p = &x->pods[i];
	if (!p->tracked || !p->failed || !job_index_is_valid(x, p->index))
		return;
	if (x->done_indexes[p->index] || x->bad_indexes[p->index] || x->taken_indexes[p->index])
		return;
	size_t *held = &x->held[p->index];
	const job_pod *other = *held == 0 ? NULL : &x->pods[*held - 1];
	if (other != NULL && other->failures + other->ignored > p->failures + p->ignored)
		return;
	x->n_held += other == NULL;
	*held = i + 1;
}

void job_index_count(job_run *x)
{
	for (size_t i = 0; i < x->n_pods; i++)
		mark_pod(x, &x->pods[i]);
	if (!x->view.has_index_limit)
		return;
	for (size_t i = 0; i < x->n_pods; i++) {
		const job_pod *p = &x->pods[i];
		if (p->tracked && p->failed && job_index_is_valid(x, p->index) &&
		    !x->done_indexes[p->index] && ends_its_index(x, p))
			x->bad_indexes[p->index] = true;
	}
	for (int64_t i = 0; i < x->view.completions; i++)
		x->n_bad += x->bad_indexes[i];
	/* A job that is ending makes no successors. */
	if (ctl_condition_find(&x->conditions, "FailureTarget") != NULL ||
	    ctl_condition_find(&x->conditions, "SuccessCriteriaMet") != NULL)
		return;
	for (size_t i = 0; i < x->n_pods; i++)
		hold(x, i);
}

bool job_index_holds(const job_run *x, size_t pod)
{
	int64_t index = x->pods[pod].index;
	return x->held != NULL && job_index_is_valid(x, index) && x->held[index] == pod + 1;
}

/* ---- the next pod of an index ---- */

int64_t job_index_pause_left(const job_run *x, int64_t index)
{
	if (x->held == NULL || x->held[index] == 0)
		return 0;
	const job_pod *p = &x->pods[x->held[index] - 1];
	int64_t last = p->finished_s != 0 ? p->finished_s : ctl_seconds(p->pod.deleted);
	return job_pause_left(x, p->failures + p->ignored + 1, last);
}

sp_str job_index_counts(job_run *x, int64_t index)
{
	int64_t failures = 0, ignored = 0;
	if (x->held == NULL)
		return SP_STR("");
	if (x->held[index] != 0) {
		const job_pod *p = &x->pods[x->held[index] - 1];
		bool counts = job_policy_counts(x, p);
		failures = p->failures + counts;
		ignored = p->ignored + !counts;
	}
	sp_str text =
		sp_arena_printf(x->job->arena, ",\"" JOB_INDEX_FAILURES "\":\"%lld\"", (long long)failures);
	if (ignored == 0)
		return text;
	return sp_arena_printf(x->job->arena, SP_FMT ",\"" JOB_INDEX_IGNORED "\":\"%lld\"", SP_ARG(text),
			       (long long)ignored);
}

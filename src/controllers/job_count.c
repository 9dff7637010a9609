/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "controllers/job_int.h"

#define INDEXES_MAX 100000 /* upstream's own limit of an Indexed job with parallelism */

typedef struct extra_view {
	sp_vlist finalizers;
} extra_view;
SP_VIEW(extra_view_desc, extra_view, "v1/Pod", SP_V(extra_view, finalizers, "metadata.finalizers"));

/* ---- pods ---- */

static bool has_ours(sp_vlist finalizers)
{
	SP_VLIST_FOREACH(v, finalizers)
	{
		if (sp_str_eq(sp_json_str(v), SP_STR(JOB_FINALIZER)))
			return true;
	}
	return false;
}

static int64_t finished_at(const ctl_pod *p)
{
	int64_t at = 0;
	SP_VLIST_FOREACH(v, p->containers)
	{
		yyjson_val *end = sp_json_last(sp_json_last(v, SP_STR("state")), SP_STR("terminated"));
		at = SP_MAX(at, ctl_seconds(sp_json_str(sp_json_last(end, SP_STR("finishedAt")))));
	}
	return at;
}

static sp_code read_pod(job_run *x, const sp_object *o, job_pod *ret, sp_err *err)
{
	extra_view extra;
	yyjson_val *root;
	SP_TRY(ctl_pod_read(x->job->arena, o, &ret->pod, err));
	SP_TRY(sp_json_parse(x->job->arena, o->json, &root, err));
	sp_view_fill(root, &extra_view_desc, &extra);
	bool failed = sp_str_eq(ret->pod.phase, SP_STR("Failed"));
	bool replaces_going = !sp_str_eq(x->view.replacement, SP_STR("Failed"));
	ret->finalizers = extra.finalizers;
	ret->tracked = has_ours(extra.finalizers);
	ret->succeeded = sp_str_eq(ret->pod.phase, SP_STR("Succeeded"));
	ret->failed = failed || (replaces_going && ret->pod.deleted.len > 0 && !ret->succeeded);
	ret->finished_s = finished_at(&ret->pod);
	sp_str index = sp_vmap_str(ret->pod.annotations, SP_STR(JOB_INDEX));
	if (sp_parse_i64(index, 0, INT32_MAX, &ret->index, NULL) != SP_OK)
		ret->index = -1;
	return SP_OK;
}

sp_code job_read_pods(job_run *x, sp_err *err)
{
	const sp_object *o;
	size_t n = sp_informer_find_count(x->c->pods, x->c->by_job, x->job->key);
	x->pods = sp_try_new(x->job->arena, job_pod, n + 1);
	x->doomed = sp_try_new(x->job->arena, size_t, n + 1);
	x->untrack = sp_try_new(x->job->arena, size_t, n + 1);
	if (x->pods == NULL || x->doomed == NULL || x->untrack == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", n);
	sp_index_at at = sp_informer_find(x->c->pods, x->c->by_job, x->job->key);
	while ((o = sp_index_next(&at)) != NULL) {
		job_pod *p = &x->pods[x->n_pods];
		ctl_owner owner;
		if (ctl_hold(x->job->arena, o) == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for %zu pods", n);
		SP_TRY(read_pod(x, o, p, err));
		/* Those of another job of that name are its own syncs' matter, when it was gone. */
		bool ours = x->object == NULL || (ctl_controller_of(p->pod.owners, &owner) &&
						  sp_str_eq(owner.uid, x->object->uid));
		if (ours)
			x->n_pods++;
		else if (p->tracked)
			x->again_s = 1;
	}
	return SP_OK;
}

/* ---- indexes ---- */

static void mark(job_run *x, int64_t index)
{
	if (index < 0 || index >= x->view.completions || x->done_indexes[index])
		return;
	x->done_indexes[index] = true;
}

/* "1,3-5,7" */
static void mark_text(job_run *x, sp_str text)
{
	sp_str one, first;
	while (text.len > 0) {
		int64_t from, to;
		if (!sp_str_cut(&text, ',', &one)) {
			one = text;
			text.len = 0;
		}
		if (!sp_str_cut(&one, '-', &first))
			first = one;
		if (sp_parse_i64(first, 0, INT32_MAX, &from, NULL) != SP_OK ||
		    sp_parse_i64(one, 0, INT32_MAX, &to, NULL) != SP_OK)
			return;
		for (; from <= to && from < x->view.completions; from++)
			mark(x, from);
	}
}

void job_write_indexes(const job_run *x, sp_buf *out)
{
	for (int64_t i = 0; i < x->view.completions; i++) {
		int64_t to = i;
		if (!x->done_indexes[i])
			continue;
		while (to + 1 < x->view.completions && x->done_indexes[to + 1])
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

/* ---- counting ---- */

static void add_text(sp_buf *list, sp_str s)
{
	if (list->len > 0)
		(void)sp_buf_char(list, ',');
	(void)sp_json_write_str(list, s);
}

static const job_pod *find_tracked(const job_run *x, sp_str uid)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		if (x->pods[i].tracked && sp_str_eq(x->pods[i].pod.object->uid, uid))
			return &x->pods[i];
	}
	return NULL;
}

/* Of those whose uid is written: a pod without its finalizer becomes a number, others stay in the list. */
static int64_t settle(job_run *x, sp_vlist list, sp_buf *out)
{
	int64_t n = 0;
	SP_VLIST_FOREACH(v, list)
	{
		if (find_tracked(x, sp_json_str(v)) == NULL) {
			n++;
			x->status_changed = true;
		} else {
			add_text(out, sp_json_str(v));
			x->n_uncounted++;
		}
	}
	return n;
}

static bool is_written(sp_vlist list, sp_str uid)
{
	SP_VLIST_FOREACH(v, list)
	{
		if (sp_str_eq(sp_json_str(v), uid))
			return true;
	}
	return false;
}

static void count_over(job_run *x, size_t i)
{
	job_pod *p = &x->pods[i];
	sp_str uid = p->pod.object->uid;
	bool written =
		is_written(x->view.uncounted_succeeded, uid) || is_written(x->view.uncounted_failed, uid);
	if (p->succeeded && x->indexed)
		mark(x, p->index);
	x->untrack[x->n_untrack++] = i;
	if (written)
		return;
	x->status_changed = true;
	x->n_uncounted++;
	if (p->succeeded) {
		/* An Indexed job counts its indexes instead. */
		add_text(&x->uncounted_succeeded, uid);
		return;
	}
	add_text(&x->uncounted_failed, uid);
	x->new_failures++;
	x->last_failure_s =
		SP_MAX(x->last_failure_s, p->finished_s != 0 ? p->finished_s : ctl_now_s(x->c->base.world));
}

static int64_t n_items(const sp_buf *list)
{
	int64_t n = list->len > 0;
	for (size_t i = 0; i < list->len; i++)
		n += list->ptr[i] == ',';
	return n;
}

sp_code job_count(job_run *x, sp_err *err)
{
	x->indexed = sp_str_eq(x->view.mode, SP_STR("Indexed"));
	if (x->indexed && x->view.completions > INDEXES_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %d indexes", INDEXES_MAX);
	x->done_indexes = sp_try_new(x->job->arena, bool, x->indexed ? (size_t)x->view.completions + 1 : 1);
	if (x->done_indexes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for indexes");
	if (x->indexed)
		mark_text(x, x->view.completed_indexes);
	int64_t succeeded =
		x->view.succeeded + settle(x, x->view.uncounted_succeeded, &x->uncounted_succeeded);
	x->view.failed += settle(x, x->view.uncounted_failed, &x->uncounted_failed);
	for (size_t i = 0; i < x->n_pods; i++) {
		job_pod *p = &x->pods[i];
		bool over = ctl_pod_is_over(&p->pod);
		x->active += ctl_pod_is_active(&p->pod);
		x->ready += ctl_pod_is_active(&p->pod) && p->pod.is_ready;
		x->terminating += p->pod.deleted.len > 0 && !over;
		if (p->tracked && (p->succeeded || p->failed))
			count_over(x, i);
	}
	x->view.succeeded = succeeded; /* what the status is to say */
	x->succeeded = succeeded + n_items(&x->uncounted_succeeded);
	x->failed = x->view.failed + n_items(&x->uncounted_failed);
	if (x->indexed) {
		x->succeeded = 0;
		for (int64_t i = 0; i < x->view.completions; i++)
			x->succeeded += x->done_indexes[i];
		x->view.succeeded = x->succeeded;
	}
	if (sp_buf_code(&x->uncounted_succeeded) != SP_OK || sp_buf_code(&x->uncounted_failed) != SP_OK)
		return sp_fail(err, SP_ETOOLARGE, "no room for uncounted pods");
	return SP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "controllers/job_int.h"

typedef struct extra_view {
	sp_vlist finalizers, init_containers;
} extra_view;
SP_VIEW(extra_view_desc, extra_view, "v1/Pod", SP_V(extra_view, finalizers, "metadata.finalizers"),
	SP_V(extra_view, init_containers, "status.initContainerStatuses"));

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

static int64_t number_of(const ctl_pod *p, const char *annotation, int64_t otherwise)
{
	int64_t n;
	sp_str text = sp_vmap_str(p->annotations, sp_str_c(annotation));
	return sp_parse_i64(text, 0, INT32_MAX, &n, NULL) == SP_OK ? n : otherwise;
}

static sp_code read_pod(job_run *x, const sp_object *o, job_pod *ret, sp_err *err)
{
	extra_view extra;
	yyjson_val *root;
	SP_TRY(ctl_pod_read(x->job->arena, o, &ret->pod, err));
	SP_TRY(sp_json_parse(x->job->arena, o->json, &root, err));
	sp_view_fill(root, &extra_view_desc, &extra);
	bool failed = sp_str_eq(ret->pod.phase, SP_STR("Failed"));
	bool replaces_going = !job_replaces_failed_only(x);
	ret->finalizers = extra.finalizers;
	ret->init_containers = extra.init_containers;
	ret->tracked = has_ours(extra.finalizers);
	ret->succeeded = sp_str_eq(ret->pod.phase, SP_STR("Succeeded"));
	ret->failed = failed || (replaces_going && ret->pod.deleted.len > 0 && !ret->succeeded);
	ret->finished_s = finished_at(&ret->pod);
	ret->index = number_of(&ret->pod, JOB_INDEX, -1);
	ret->failures = number_of(&ret->pod, JOB_INDEX_FAILURES, 0);
	ret->ignored = number_of(&ret->pod, JOB_INDEX_IGNORED, 0);
	return SP_OK;
}

sp_code job_read_pods(job_run *x, sp_err *err)
{
	const sp_object *o;
	size_t n = sp_informer_find_count(x->c->pods, x->c->by_job, x->job->key) + x->claim.n_owned;
	x->pods = sp_try_new(x->job->arena, job_pod, n + 1);
	x->doomed = sp_try_new(x->job->arena, size_t, n + 1);
	x->untrack = sp_try_new(x->job->arena, size_t, n + 1);
	if (x->pods == NULL || x->doomed == NULL || x->untrack == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", n);
	for (size_t i = 0; i < x->claim.n_owned; i++)
		SP_TRY(read_pod(x, x->claim.owned[i], &x->pods[x->n_pods++], err));
	sp_index_at at = sp_informer_find(x->c->pods, x->c->by_job, x->job->key);
	while ((o = sp_index_next(&at)) != NULL) {
		job_pod *p = &x->pods[x->n_pods];
		ctl_owner owner;
		if (ctl_hold(x->job->arena, o) == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for %zu pods", n);
		SP_TRY(read_pod(x, o, p, err));
		if (x->object == NULL)
			x->n_pods++;
		/* Those of another job of that name are its own syncs' matter, when it was gone. */
		else if (p->tracked && ctl_controller_of(p->pod.owners, &owner) &&
			 !sp_str_eq(owner.uid, x->object->uid))
			x->again_s = 1;
	}
	return SP_OK;
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
	x->untrack[x->n_untrack++] = i;
	if (written || (!p->succeeded && x->indexed && !job_index_is_valid(x, p->index)))
		return;
	if (!p->succeeded && !job_policy_counts(x, p))
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

static void count_pods(job_run *x)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		const ctl_pod *p = &x->pods[i].pod;
		x->active += ctl_pod_is_active(p);
		x->ready += ctl_pod_is_active(p) && p->is_ready;
		x->terminating += p->deleted.len > 0 && !ctl_pod_is_over(p);
	}
	if (x->indexed)
		job_index_count(x);
	for (size_t i = 0; i < x->n_pods; i++) {
		const job_pod *p = &x->pods[i];
		if (p->tracked && (p->succeeded || p->failed) && !job_index_holds(x, i))
			count_over(x, i);
	}
}

sp_code job_count(job_run *x, sp_err *err)
{
	x->indexed = sp_str_eq(x->view.mode, SP_STR("Indexed"));
	if (x->indexed)
		SP_TRY(job_index_open(x, err));
	int64_t succeeded =
		x->view.succeeded + settle(x, x->view.uncounted_succeeded, &x->uncounted_succeeded);
	x->view.failed += settle(x, x->view.uncounted_failed, &x->uncounted_failed);
	count_pods(x);
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

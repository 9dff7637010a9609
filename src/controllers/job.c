/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/job_int.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/num.h"
#include "controllers/deletion.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define JOB_MANAGER "kubernetes.io/job-controller"
#define BURST 500
#define BODY_BYTES_MAX ((size_t)4 << 20)
#define PAUSE_S 10
#define PAUSE_MOST_S 600

SP_VIEW(job_view_desc, job_view, "batch/v1/Job", SP_V(job_view, deleted, "metadata.deletionTimestamp"),
	SP_V(job_view, mode, "spec.completionMode"), SP_V(job_view, replacement, "spec.podReplacementPolicy"),
	SP_V(job_view, started, "status.startTime"), SP_V(job_view, completed, "status.completionTime"),
	SP_V(job_view, restart_policy, "spec.template.spec.restartPolicy"),
	SP_V(job_view, managed_by, "spec.managedBy"),
	SP_V(job_view, completed_indexes, "status.completedIndexes"),
	SP_V(job_view, failed_indexes, "status.failedIndexes"),
	SP_VH(job_view, index_limit, "spec.backoffLimitPerIndex"),
	SP_VH(job_view, bad_most, "spec.maxFailedIndexes"),
	SP_V(job_view, failure_rules, "spec.podFailurePolicy.rules"),
	SP_V(job_view, success_rules, "spec.successPolicy.rules"),
	SP_V(job_view, generation, "metadata.generation"), SP_VH(job_view, parallelism, "spec.parallelism"),
	SP_VH(job_view, completions, "spec.completions"), SP_VH(job_view, backoff_limit, "spec.backoffLimit"),
	SP_VH(job_view, deadline_s, "spec.activeDeadlineSeconds"), SP_V(job_view, suspend, "spec.suspend"),
	SP_V(job_view, template_, "spec.template"), SP_V(job_view, selector, "spec.selector"),
	SP_V(job_view, active, "status.active"), SP_V(job_view, ready, "status.ready"),
	SP_V(job_view, terminating, "status.terminating"), SP_V(job_view, succeeded, "status.succeeded"),
	SP_V(job_view, failed, "status.failed"), SP_V(job_view, conditions, "status.conditions"),
	SP_V(job_view, uncounted_succeeded, "status.uncountedTerminatedPods.succeeded"),
	SP_V(job_view, uncounted_failed, "status.uncountedTerminatedPods.failed"));

/* ---- events ---- */

static void keys_of_pod(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *list = sp_json_last(sp_json_last(object, SP_STR("metadata")), SP_STR("ownerReferences"));
	ctl_owner owner;
	(void)arg;
	if (!ctl_controller_of((sp_vlist){yyjson_arr_get_first(list), yyjson_arr_size(list)}, &owner) ||
	    !sp_str_eq(owner.kind, SP_STR("Job")))
		return;
	const sp_str parts[] = {o->ns, SP_STR("/"), owner.name};
	sp_index_emit_parts(keys, parts, SP_LEN(parts));
}

/* Told of a pod that was or is: its job looks at it. */
static void tell_owner(job_controller *c, sp_arena *a, const sp_object *o, const ctl_pod *p, bool is_new,
		       bool going)
{
	ctl_owner owner;
	if (!ctl_controller_of(p->owners, &owner) || !sp_str_eq(owner.kind, SP_STR("Job")))
		return;
	sp_str key = sp_object_key_join(a, o->ns, owner.name);
	if (is_new)
		sp_expect_created(&c->expect, key);
	if (going)
		sp_expect_deleted(&c->expect, key, o->uid);
	sp_queue_add(c->base.queue, key);
}

/* A pod that nobody controls: whichever job might adopt it looks. */
static void wake_matching(job_controller *c, const sp_object *pod)
{
	const sp_object *o;
	sp_index_at at = sp_informer_find(c->jobs, c->by_namespace, pod->ns);
	while ((o = sp_index_next(&at)) != NULL)
		sp_queue_add(c->base.queue, o->key);
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	job_controller *c = arg;
	ctl_pod was, is;
	ctl_owner owner;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	bool had = old != NULL && ctl_pod_read(&a, old, &was, NULL) == SP_OK;
	bool has = now != NULL && ctl_pod_read(&a, now, &is, NULL) == SP_OK;
	if (had)
		tell_owner(c, &a, old, &was, false, now == NULL);
	if (has) {
		tell_owner(c, &a, now, &is, old == NULL, is.deleted.len > 0);
		if (!ctl_controller_of(is.owners, &owner) && is.deleted.len == 0 &&
		    (!had || ctl_controller_of(was.owners, &owner) ||
		     !yyjson_equals(was.labels.object, is.labels.object)))
			wake_matching(c, now);
	}
	sp_arena_done(&a);
}

/* ---- failures in a row ---- */

static job_record *record_of(job_controller *c, sp_str key)
{
	job_record *r = sp_map_get(&c->records, key);
	if (r != NULL)
		return r;
	r = sp_try_alloc(sizeof *r + key.len);
	if (r == NULL)
		return NULL;
	r->key_len = key.len;
	memcpy(r->key, key.ptr, key.len);
	if (sp_map_put(&c->records, (sp_str){r->key, key.len}, r, NULL) == SP_OK)
		return r;
	sp_free(r);
	return NULL;
}

int64_t job_pause_left(const job_run *x, int64_t n_failures, int64_t last_s)
{
	int64_t pause = PAUSE_S;
	if (n_failures == 0)
		return 0;
	for (int64_t i = 1; i < n_failures && pause < PAUSE_MOST_S; i++)
		pause *= 2;
	pause = SP_MIN(pause, (int64_t)PAUSE_MOST_S);
	return SP_MAX(last_s + pause - ctl_now_s(x->c->base.world), INT64_C(0));
}

/* Seconds until the next pod may be made. */
static int64_t pause_left(const job_run *x)
{
	const int64_t now_s = ctl_now_s(x->c->base.world);
	job_record *r = sp_map_get(&x->c->records, x->job->key);
	int64_t n = (r == NULL ? 0 : (int64_t)r->n_failures) + x->new_failures;
	/* A clock that was set back: the pause begins again, it does not last until that time comes. */
	if (r != NULL)
		r->last_s = SP_MIN(r->last_s, now_s);
	int64_t last_s = SP_MAX(r == NULL ? INT64_C(0) : r->last_s, x->last_failure_s);
	return job_pause_left(x, n, SP_MIN(last_s, now_s));
}

/* Only when they are written: a status that has to be written again counts no failure twice. */
static void keep_failures(const job_run *x)
{
	job_record *r = x->new_failures > 0 ? record_of(x->c, x->job->key) : NULL;
	if (r == NULL)
		return;
	r->n_failures += (uint32_t)x->new_failures;
	r->last_s = SP_MAX(r->last_s, x->last_failure_s);
}

static void forget(job_controller *c, sp_str key)
{
	sp_free(sp_map_remove(&c->records, key));
	sp_expect_forget(&c->expect, key);
}

/* ---- the end ---- */

static void release(job_run *x)
{
	sp_buf_done(&x->uncounted_succeeded);
	sp_buf_done(&x->uncounted_failed);
	sp_buf_done(&x->indexes);
	sp_buf_done(&x->bad);
}

static void end(job_run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT && err != NULL)
		sp_log(x->c->base.log, SP_LOG_WARN, "job: trying again", SP_KS("key", x->job->key),
		       SP_KE(err));
	release(x);
	if (code == SP_OK && x->again_s > 0)
		sp_job_again(x->job, (uint64_t)x->again_s * NS_PER_S);
	else
		sp_job_done(x->job, code);
}

/* ---- finalizers ---- */

static sp_code ask_untrack(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	job_run *x = f->arg;
	const job_pod *p = &x->pods[x->untrack[i]];
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), p->pod.object->uid);
	sp_jout_member_open(&j, SP_STR("$deleteFromPrimitiveList/finalizers"), '[');
	sp_jout_str(&j, SP_STR(JOB_FINALIZER));
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	q->verb = SP_ASK_STRATEGIC_PATCH;
	q->gvr = SP_PODS;
	q->ns = p->pod.object->ns;
	q->name = p->pod.object->name;
	q->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body));
	return q->body.ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a patch");
}

static sp_code on_untracked(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void on_all_untracked(fan *f)
{
	job_run *x = f->arg;
	if (x->code == SP_OK && f->code != SP_OK) {
		x->code = f->code;
		x->err = f->err;
	}
	end(x, x->code, &x->err);
}

static void untrack(job_run *x)
{
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_untrack,
		       .ask = ask_untrack,
		       .each = on_untracked,
		       .done = on_all_untracked,
		       .arg = x};
	fan_start(&x->fan);
}

/* ---- status ---- */

static void on_status(sp_call *c, const sp_answer *a)
{
	job_run *x = c->arg;
	if (a->code == SP_OK) {
		keep_failures(x);
		untrack(x); /* their uids are written */
	} else {
		end(x, a->code == SP_ENOTFOUND ? SP_OK : a->code, a->err);
	}
}

static void write_time(sp_jout *j, const char *name, sp_str text)
{
	sp_jout_key(j, sp_str_c(name));
	if (text.len > 0)
		sp_jout_str(j, text);
	else
		sp_jout_null(j);
}

static void write_list(sp_jout *j, const char *name, const sp_buf *list)
{
	sp_jout_member_open(j, sp_str_c(name), '[');
	if (list->len > 0)
		sp_jout_raw(j, sp_buf_view(list));
	sp_jout_close(j, ']');
}

static void write_status(job_run *x)
{
	const job_view *v = &x->view;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	if (x->indexed)
		job_index_write(x->done_indexes, x->view.completions, &x->indexes);
	if (x->held != NULL)
		job_index_write(x->bad_indexes, x->view.completions, &x->bad);
	bool changed = x->status_changed || x->conditions.changed || x->active != v->active ||
		       x->ready != v->ready || x->terminating != v->terminating ||
		       !sp_str_eq(x->started, v->started) || !sp_str_eq(x->completed, v->completed) ||
		       (x->indexed && !sp_str_eq(sp_buf_view(&x->indexes), v->completed_indexes)) ||
		       !sp_str_eq(sp_buf_view(&x->bad), v->failed_indexes);
	if (!changed) {
		untrack(x);
		return;
	}
	sp_jout jout = sp_jout_to(&body), *j = &jout;
	ctl_status_open(j, x->object);
	sp_jout_member_i64(j, SP_STR("active"), x->active);
	sp_jout_member_i64(j, SP_STR("ready"), x->ready);
	sp_jout_member_i64(j, SP_STR("terminating"), x->terminating);
	sp_jout_member_i64(j, SP_STR("succeeded"), v->succeeded);
	sp_jout_member_i64(j, SP_STR("failed"), v->failed);
	write_time(j, "startTime", x->started);
	if (x->completed.len > 0)
		write_time(j, "completionTime", x->completed);
	if (x->indexed)
		sp_jout_member_str(j, SP_STR("completedIndexes"), sp_buf_view(&x->indexes));
	if (x->held != NULL)
		sp_jout_member_str(j, SP_STR("failedIndexes"), sp_buf_view(&x->bad));
	sp_jout_member_open(j, SP_STR("uncountedTerminatedPods"), '{');
	write_list(j, "succeeded", &x->uncounted_succeeded);
	write_list(j, "failed", &x->uncounted_failed);
	sp_jout_close(j, '}');
	ctl_conditions_write(j, &x->conditions);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	x->call = (sp_call){.done = on_status, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_JOBS,
				.ns = x->object->ns,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

/* ---- pods ---- */

static sp_event_ref about(const job_run *x)
{
	return ctl_event_ref(x->object, "batch/v1", "Job");
}

static sp_code ask_pod(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	job_run *x = f->arg;
	if (i < x->n_doomed)
		return ctl_deletion(x->job->arena, SP_PODS, x->pods[x->doomed[i]].pod.object, NULL, q, err);
	q->gvr = SP_PODS;
	q->ns = x->object->ns;
	q->verb = SP_ASK_CREATE;
	return job_pod_body(x, x->create_indexes[i - x->n_doomed], &q->body, err);
}

static void tell_pod(job_run *x, const sp_answer *a, const char *reason, const char *what)
{
	const sp_object *o;
	sp_event_ref ref = about(x);
	if (sp_object_parse(x->job->arena, a->body, NULL, &o, NULL) != SP_OK)
		return;
	sp_events_emitf(x->c->base.events, &ref, false, reason, "%s pod: " SP_FMT, what, SP_ARG(o->name));
	sp_object_unref(o);
}

static sp_code on_pod_written(fan *f, size_t i, const sp_answer *a)
{
	job_run *x = f->arg;
	sp_event_ref ref = about(x);
	bool creates = i >= x->n_doomed;
	if (a->code == SP_OK) {
		tell_pod(x, a, creates ? "SuccessfulCreate" : "SuccessfulDelete",
			 creates ? "Created" : "Deleted");
		if (creates)
			x->active++;
		return SP_OK;
	}
	if (creates)
		sp_expect_created(&x->c->expect, x->job->key);
	else
		sp_expect_deleted(&x->c->expect, x->job->key, x->pods[x->doomed[i]].pod.object->uid);
	bool going = ctl_namespace_goes(a);
	if (going || (!creates && ctl_is_deleted(a)))
		return SP_OK;
	sp_events_emitf(x->c->base.events, &ref, true, creates ? "FailedCreate" : "FailedDelete",
			"Error %s: " SP_FMT, creates ? "creating" : "deleting", SP_ARG(a->message));
	return a->code;
}

static void on_all_pods(fan *f)
{
	job_run *x = f->arg;
	for (size_t i = f->n - f->n_skipped; i < f->n; i++) {
		if (i >= x->n_doomed)
			sp_expect_created(&x->c->expect, x->job->key);
		else
			sp_expect_deleted(&x->c->expect, x->job->key, x->pods[x->doomed[i]].pod.object->uid);
	}
	x->code = f->code;
	x->err = f->err;
	write_status(x);
}

static sp_code change_pods(job_run *x, sp_err *err)
{
	sp_str *uids = sp_try_new(x->job->arena, sp_str, x->n_doomed + 1);
	if (uids == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for pods");
	for (size_t i = 0; i < x->n_doomed; i++)
		uids[i] = x->pods[x->doomed[i]].pod.object->uid;
	if (sp_expect_set(&x->c->expect, x->job->key, (uint32_t)x->n_create, uids, x->n_doomed) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for expectations");
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_doomed + x->n_create,
		       .first = x->n_create > 0 ? 1 : 0,
		       .ask = ask_pod,
		       .each = on_pod_written,
		       .done = on_all_pods,
		       .arg = x};
	fan_start(&x->fan);
	return SP_OK;
}

/* ---- decisions ---- */

static void set_as(job_run *x, const char *type, bool is, sp_str reason, sp_str message)
{
	sp_str now = ctl_now(x->c->base.world, x->job->arena);
	ctl_condition_set(&x->conditions,
			  &(ctl_condition){.type = sp_str_c(type),
					   .status = is ? SP_STR("True") : SP_STR("False"),
					   .reason = reason,
					   .message = message,
					   .transition = now,
					   .probe = now},
			  false);
}

static void set(job_run *x, const char *type, bool is, const char *reason, const char *message)
{
	set_as(x, type, is, sp_str_c(reason), sp_str_c(message));
}

static bool is_true(job_run *x, const char *type)
{
	const ctl_condition *c = ctl_condition_find(&x->conditions, type);
	return c != NULL && sp_str_eq(c->status, SP_STR("True"));
}

static void doom_active(job_run *x, int64_t n)
{
	for (size_t i = 0; i < x->n_pods && n > 0; i++) {
		if (ctl_pod_is_active(&x->pods[i].pod)) {
			x->doomed[x->n_doomed++] = i;
			n--;
		}
	}
}

static int64_t restarts(const job_run *x)
{
	int64_t n = 0;
	for (size_t i = 0; i < x->n_pods; i++) {
		SP_VLIST_FOREACH(v, x->pods[i].pod.containers)
		n += yyjson_get_sint(sp_json_last(v, SP_STR("restartCount")));
	}
	return n;
}

static void look_again(job_run *x, int64_t s)
{
	if (x->again_s == 0 || s < x->again_s)
		x->again_s = s;
}

static bool is_past_deadline(job_run *x)
{
	if (!x->view.has_deadline_s || x->started.len == 0 || x->view.suspend)
		return false;
	int64_t left = ctl_seconds(x->started) + x->view.deadline_s - ctl_now_s(x->c->base.world);
	if (left > 0)
		look_again(x, left);
	return left <= 0;
}

/* Too many indexes failed, or all are over and some failed. */
static bool fails_by_indexes(job_run *x)
{
	if (x->n_bad == 0)
		return false;
	if (x->view.has_bad_most && x->n_bad > x->view.bad_most)
		set(x, "FailureTarget", true, "MaxFailedIndexesExceeded",
		    "Job has exceeded the specified maximal number of failed indexes");
	else if (x->n_bad + x->succeeded >= x->view.completions)
		set(x, "FailureTarget", true, "FailedIndexes", "Job has failed indexes");
	else
		return false;
	return true;
}

/* The job has failed: its pods go, and when they are gone it says so. */
static bool fails(job_run *x)
{
	int64_t limit = x->view.has_backoff_limit ? x->view.backoff_limit : 6;
	bool on_failure = sp_str_eq(x->view.restart_policy, SP_STR("OnFailure"));
	if (ctl_condition_find(&x->conditions, "FailureTarget") != NULL)
		return true;
	sp_str message = job_policy_fails(x);
	if (message.len > 0)
		set_as(x, "FailureTarget", true, SP_STR("PodFailurePolicy"), message);
	else if (x->failed > limit ||
		 (on_failure && x->failed + restarts(x) > 0 && restarts(x) >= limit && restarts(x) > 0))
		set(x, "FailureTarget", true, "BackoffLimitExceeded",
		    "Job has reached the specified backoff limit");
	else if (is_past_deadline(x))
		set(x, "FailureTarget", true, "DeadlineExceeded",
		    "Job was active longer than specified deadline");
	else
		return fails_by_indexes(x);
	return true;
}

static bool is_not_over(const job_run *x)
{
	return x->active > 0 || x->terminating > 0 || x->n_uncounted > 0 || x->n_held > 0;
}

static void finish_failed(job_run *x)
{
	const ctl_condition *target = ctl_condition_find(&x->conditions, "FailureTarget");
	ctl_condition failed = *target;
	sp_event_ref ref = about(x);
	doom_active(x, INT64_MAX);
	if (is_not_over(x))
		return;
	failed.type = SP_STR("Failed");
	failed.transition = failed.probe = ctl_now(x->c->base.world, x->job->arena);
	ctl_condition_set(&x->conditions, &failed, false);
	sp_events_emit(x->c->base.events, &(sp_event){.about = ref,
						      .is_warning = true,
						      .reason = failed.reason,
						      .message = failed.message});
}

/* The success criteria are met, now or before; the condition says which. */
static bool succeeds(job_run *x)
{
	if (ctl_condition_find(&x->conditions, "SuccessCriteriaMet") != NULL)
		return true;
	sp_str message = job_policy_succeeds(x);
	bool complete = x->view.has_completions ? x->succeeded >= x->view.completions
						: x->succeeded > 0 && x->active == 0;
	if (message.len > 0)
		set_as(x, "SuccessCriteriaMet", true, SP_STR("SuccessPolicy"), message);
	else if (complete)
		set(x, "SuccessCriteriaMet", true, "CompletionsReached",
		    "Reached expected number of succeeded pods");
	return message.len > 0 || complete;
}

static void finish_complete(job_run *x)
{
	ctl_condition complete = *ctl_condition_find(&x->conditions, "SuccessCriteriaMet");
	sp_event_ref ref = about(x);
	doom_active(x, INT64_MAX);
	if (is_not_over(x))
		return;
	set_as(x, "Complete", true, complete.reason, complete.message);
	x->completed = ctl_now(x->c->base.world, x->job->arena);
	/* The clock may have been set back: a job that ends before it began is refused. */
	if (ctl_seconds(x->completed) < ctl_seconds(x->started))
		x->completed = x->started;
	sp_events_emitf(x->c->base.events, &ref, false, "Completed", "Job completed");
}

static void suspend(job_run *x)
{
	sp_event_ref ref = about(x);
	doom_active(x, INT64_MAX);
	if (is_true(x, "Suspended"))
		return;
	set(x, "Suspended", true, "JobSuspended", "Job suspended");
	x->started = SP_STR("");
	sp_events_emitf(x->c->base.events, &ref, false, "Suspended", "Job suspended");
}

static void resume(job_run *x)
{
	sp_event_ref ref = about(x);
	if (is_true(x, "Suspended")) {
		set(x, "Suspended", false, "JobResumed", "Job resumed");
		x->started = ctl_now(x->c->base.world, x->job->arena);
		sp_events_emitf(x->c->base.events, &ref, false, "Resumed", "Job resumed");
	}
	if (x->started.len == 0)
		x->started = ctl_now(x->c->base.world, x->job->arena);
}

static sp_code want_pods(job_run *x, int64_t n, sp_err *err)
{
	int64_t n_wanted = SP_MIN(n, (int64_t)BURST);
	x->create_indexes = sp_try_new(x->job->arena, int64_t, (size_t)n_wanted);
	if (x->create_indexes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for pods");
	for (; !x->indexed && n_wanted > 0; n_wanted--)
		x->create_indexes[x->n_create++] = -1;
	for (int64_t index = 0; n_wanted > 0 && index < x->view.completions; index++) {
		if (x->done_indexes[index] || x->bad_indexes[index] || x->taken_indexes[index])
			continue;
		int64_t left = job_index_pause_left(x, index);
		if (left > 0)
			look_again(x, left);
		else
			x->create_indexes[x->n_create++] = index;
		n_wanted--;
	}
	return SP_OK;
}

static sp_code manage(job_run *x, sp_err *err)
{
	int64_t parallelism = x->view.has_parallelism ? x->view.parallelism : 1, want;
	int64_t busy = x->active;
	if (job_replaces_failed_only(x))
		busy += x->terminating; /* replaced only when they are over */
	if (!x->view.has_completions)
		want = x->succeeded > 0 ? SP_MIN(x->active, parallelism) : parallelism;
	else
		want = SP_MIN(x->view.completions - x->succeeded, parallelism);
	if (x->active > want) {
		doom_active(x, x->active - want);
		return SP_OK;
	}
	if (busy >= want)
		return SP_OK;
	int64_t left = x->held == NULL ? pause_left(x) : 0; /* each index has its own pause */
	if (left > 0) {
		look_again(x, left);
		return SP_OK;
	}
	return want_pods(x, want - busy, err);
}

static sp_code decide(job_run *x, sp_err *err)
{
	if (fails(x))
		finish_failed(x);
	else if (succeeds(x))
		finish_complete(x);
	else if (x->view.suspend)
		suspend(x);
	else {
		resume(x);
		SP_TRY(manage(x, err));
	}
	return change_pods(x, err);
}

/* ---- a sync ---- */

/* The job is gone or going: nothing counts any more. */
static void let_go(job_run *x)
{
	for (size_t i = 0; i < x->n_pods; i++) {
		if (x->pods[i].tracked)
			x->untrack[x->n_untrack++] = i;
	}
	untrack(x);
}

static sp_code look_at_pods(job_run *x, sp_err *err)
{
	SP_TRY(job_read_pods(x, err));
	if (x->object == NULL || x->view.deleted.len > 0 || is_true(x, "Complete") || is_true(x, "Failed")) {
		let_go(x);
		return SP_OK;
	}
	x->started = x->view.started;
	x->completed = x->view.completed;
	SP_TRY(job_count(x, err));
	if (!sp_expect_is_met(&x->c->expect, x->job->key)) {
		write_status(x);
		return SP_OK;
	}
	return decide(x, err);
}

static void on_claimed(claim *k)
{
	job_run *x = k->arg;
	sp_err err = k->err;
	sp_code code = k->code == SP_OK ? look_at_pods(x, &err) : k->code;
	if (code != SP_OK)
		end(x, code, &err);
}

static sp_code claim_pods(job_run *x, sp_err *err)
{
	claim *k = &x->claim;
	*k = (claim){.c = &x->c->base,
		     .arena = x->job->arena,
		     .children = x->c->pods,
		     .children_gvr = SP_PODS,
		     .by_owner = x->c->by_owner,
		     .orphans = x->c->orphans,
		     .owner = x->object,
		     .owner_gvr = SP_JOBS,
		     .owner_api_version = "batch/v1",
		     .owner_kind = "Job",
		     .owner_is_going = x->view.deleted.len > 0,
		     .finalizer = JOB_FINALIZER,
		     .done = on_claimed,
		     .arg = x};
	SP_TRY(ctl_selector(x->job->arena, x->view.selector, false, &k->selector, err));
	claim_start(k);
	return SP_OK;
}

static sp_code begin(job_run *x, sp_err *err)
{
	if (x->object == NULL)
		return look_at_pods(x, err);
	SP_TRY(sp_view(x->job->arena, x->object->json, &job_view_desc, &x->view, err));
	ctl_conditions_read(x->view.conditions, &x->conditions);
	if (x->view.managed_by.len > 0 && !sp_str_eq(x->view.managed_by, SP_STR(JOB_MANAGER))) {
		end(x, SP_OK, NULL); /* another's job */
		return SP_OK;
	}
	return claim_pods(x, err);
}

static void sync_job(controller *base, sp_job *job)
{
	job_controller *c = SP_CONTAINER_OF(base, job_controller, base);
	const sp_object *o = sp_informer_get(c->jobs, job->key);
	job_run *x = sp_new(job->arena, job_run, 1);
	sp_err err = {0};
	*x = (job_run){.c = c, .job = job, .object = o == NULL ? NULL : ctl_hold(job->arena, o)};
	sp_buf_init(&x->uncounted_succeeded, BODY_BYTES_MAX);
	sp_buf_init(&x->uncounted_failed, BODY_BYTES_MAX);
	sp_buf_init(&x->indexes, BODY_BYTES_MAX);
	sp_buf_init(&x->bad, BODY_BYTES_MAX);
	if (o == NULL)
		forget(c, job->key);
	sp_code code = o != NULL && x->object == NULL ? SP_ENOMEM : begin(x, &err);
	if (code != SP_OK)
		end(x, code, &err);
}

static sp_code open_jobs(controller *base, sp_err *err)
{
	job_controller *c = SP_CONTAINER_OF(base, job_controller, base);
	sp_expect_init(&c->expect, base->world);
	sp_map_init(&c->records);
	SP_TRY(controller_follow(base, SP_JOBS, &job_view_desc, &c->jobs, err));
	SP_TRY(controller_follow(base, SP_PODS, ctl_pod_view, &c->pods, err));
	SP_TRY(sp_informer_index(c->pods, keys_of_pod, NULL, &c->by_job, err));
	SP_TRY(sp_informer_index(c->pods, sp_index_by_controller, NULL, &c->by_owner, err));
	SP_TRY(sp_informer_index(c->pods, ctl_index_orphans, NULL, &c->orphans, err));
	SP_TRY(sp_informer_index(c->jobs, sp_index_by_namespace, NULL, &c->by_namespace, err));
	controller_watch(c->jobs, &c->watch, controller_enqueue, base);
	controller_watch(c->pods, &c->pod_watch, on_pod, c);
	return SP_OK;
}

static void done(controller *base)
{
	job_controller *c = SP_CONTAINER_OF(base, job_controller, base);
	sp_map_done_values(&c->records);
	sp_expect_done(&c->expect);
}

const controller_type controller_job = {.name = "job-controller",
					.size_bytes = sizeof(job_controller),
					.open = open_jobs,
					.sync = sync_job,
					.done = done};

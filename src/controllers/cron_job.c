/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CronJobs: a Job for each time of the schedule. Times that were missed count as one, the last; more than 100
 * of them are told of. U: kubernetes pkg/controller/cronjob.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/num.h"
#include "controllers/deletion.h"
#include "controllers/fan.h"
#include "controllers/table.h"
#include "io/file.h"
#include "kube/kinds/cron.h"

#define NS_PER_S UINT64_C(1000000000)
#define BODY_BYTES_MAX ((size_t)4 << 20)
#define ZONE_DIR "/usr/share/zoneinfo/"
#define ZONE_BYTES_MAX ((size_t)1 << 20)
#define MISSED_MOST 100
#define STEPS_MOST 100000 /* times that are walked over in one sync */

typedef struct cron_view {
	sp_str deleted, created, schedule, zone, policy, last;
	sp_str last_success;
	bool suspend, has_deadline_s, has_keep, has_keep_failed;
	int64_t deadline_s, keep, keep_failed;
	yyjson_val *template_;
	sp_vlist active;
} cron_view;
SP_VIEW(cron_view_desc, cron_view, "batch/v1/CronJob", SP_V(cron_view, deleted, "metadata.deletionTimestamp"),
	SP_V(cron_view, created, "metadata.creationTimestamp"), SP_V(cron_view, schedule, "spec.schedule"),
	SP_V(cron_view, zone, "spec.timeZone"), SP_V(cron_view, policy, "spec.concurrencyPolicy"),
	SP_V(cron_view, last, "status.lastScheduleTime"),
	SP_V(cron_view, last_success, "status.lastSuccessfulTime"), SP_V(cron_view, suspend, "spec.suspend"),
	SP_VH(cron_view, deadline_s, "spec.startingDeadlineSeconds"),
	SP_VH(cron_view, keep, "spec.successfulJobsHistoryLimit"),
	SP_VH(cron_view, keep_failed, "spec.failedJobsHistoryLimit"),
	SP_V(cron_view, template_, "spec.jobTemplate"), SP_V(cron_view, active, "status.active"));

typedef struct job_view {
	sp_str deleted, started, completed, created;
	sp_vlist conditions;
} job_view;
SP_VIEW(job_view_desc, job_view, "batch/v1/Job", SP_V(job_view, deleted, "metadata.deletionTimestamp"),
	SP_V(job_view, started, "status.startTime"), SP_V(job_view, completed, "status.completionTime"),
	SP_V(job_view, created, "metadata.creationTimestamp"),
	SP_V(job_view, conditions, "status.conditions"));

typedef struct cron_controller {
	controller base;
	sp_informer *crons, *jobs;
	unsigned by_owner;
	sp_informer_watch watch, job_watch;
} cron_controller;

typedef struct child {
	const sp_object *object;
	job_view view;
	bool complete, failed, active; /* active: in the status' list, now or from now on */
} child;

typedef struct run {
	cron_controller *c;
	sp_job *job;
	const sp_object *object;
	cron_view view;
	child *children;
	size_t n_children;
	yyjson_val **unseen;         /* of the status' list: jobs that the cache does not have */
	size_t n_unseen, n_unlisted; /* unlisted: of the children, not over and not in that list */
	sp_zone zone;
	bool has_zone;
	sp_work zone_job;
	sp_code zone_code;
	/* decided */
	int64_t due_s, next_s; /* 0: none */
	sp_str last, last_success, name, body;
	bool starts, status_changed;
	size_t *doomed, n_doomed;
	sp_str new_uid;
	fan fan;
	sp_call call;
	sp_code code;
	sp_err err;
} run;

/* ---- events ---- */

static void on_job(void *arg, const sp_object *old, const sp_object *now)
{
	cron_controller *c = arg;
	const sp_object *o = now != NULL ? now : old;
	ctl_owner owner;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	if (ctl_controller_of_object(&a, o, &owner) && sp_str_eq(owner.kind, SP_STR("CronJob")))
		sp_queue_add(c->base.queue, sp_object_key_join(&a, o->ns, owner.name));
	sp_arena_done(&a);
}

static void tell(run *x, bool warn, const char *reason, sp_str text)
{
	sp_event_ref ref = ctl_event_ref(x->object, "batch/v1", "CronJob");
	sp_events_emitf(x->c->base.events, &ref, warn, reason, SP_FMT, SP_ARG(text));
}

#define TELL(x, warn, reason, ...) tell((x), (warn), (reason), sp_arena_printf((x)->job->arena, __VA_ARGS__))

static void end(run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT && err != NULL)
		sp_log(x->c->base.log, SP_LOG_WARN, "cron job: trying again", SP_KS("key", x->job->key),
		       SP_KE(err));
	int64_t left = x->next_s - ctl_now_s(x->c->base.world);
	if (code == SP_OK && x->next_s > 0) /* a little late, never early */
		sp_job_again(x->job, (uint64_t)SP_MAX(left, INT64_C(0)) * NS_PER_S + NS_PER_S / 10);
	else
		sp_job_done(x->job, code);
}

/* ---- the jobs it made ---- */

static bool has_condition(sp_vlist list, const char *type)
{
	SP_VLIST_FOREACH(v, list)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("type"))), sp_str_c(type)) &&
		    sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("status"))), SP_STR("True")))
			return true;
	}
	return false;
}

static sp_str text_of(yyjson_val *v, const char *member)
{
	return sp_json_str(sp_json_last(v, sp_str_c(member)));
}

static bool is_listed(sp_vlist active, sp_str uid)
{
	SP_VLIST_FOREACH(v, active)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(v, SP_STR("uid"))), uid))
			return true;
	}
	return false;
}

static sp_code read_children(run *x, sp_err *err)
{
	const sp_object *o;
	size_t n = sp_informer_find_count(x->c->jobs, x->c->by_owner, x->object->uid);
	x->children = sp_try_new(x->job->arena, child, n + 1);
	x->doomed = sp_try_new(x->job->arena, size_t, n + 1);
	x->unseen = sp_try_new(x->job->arena, yyjson_val *, x->view.active.n + 1);
	if (x->children == NULL || x->doomed == NULL || x->unseen == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu jobs", n);
	sp_index_at at = sp_informer_find(x->c->jobs, x->c->by_owner, x->object->uid);
	while ((o = sp_index_next(&at)) != NULL) {
		child *k = &x->children[x->n_children++];
		k->object = ctl_hold(x->job->arena, o);
		if (k->object == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for %zu jobs", n);
		SP_TRY(sp_view(x->job->arena, o->json, &job_view_desc, &k->view, err));
		k->complete = has_condition(k->view.conditions, "Complete");
		k->failed = has_condition(k->view.conditions, "Failed");
	}
	return SP_OK;
}

static bool is_child(const run *x, sp_str uid)
{
	for (size_t i = 0; i < x->n_children; i++) {
		if (sp_str_eq(x->children[i].object->uid, uid))
			return true;
	}
	return false;
}

static void look_at_children(run *x)
{
	size_t n_active = 0;
	SP_VLIST_FOREACH(v, x->view.active)
	{
		if (!is_child(x, sp_json_str(sp_json_last(v, SP_STR("uid")))))
			x->unseen[x->n_unseen++] = v;
	}
	for (size_t i = 0; i < x->n_children; i++) {
		child *k = &x->children[i];
		bool listed = is_listed(x->view.active, k->object->uid), over = k->complete || k->failed;
		k->active = !over && listed;
		n_active += k->active;
		x->n_unlisted += !over && !listed;
		if (over && listed)
			TELL(x, false, "SawCompletedJob", "Saw completed job: " SP_FMT ", condition: %s",
			     SP_ARG(k->object->name), k->complete ? "Complete" : "Failed");
		if (k->complete && ctl_seconds(k->view.completed) > ctl_seconds(x->last_success))
			x->last_success = k->view.completed;
	}
	x->status_changed = n_active + x->n_unseen != x->view.active.n ||
			    !sp_str_eq(x->last_success, x->view.last_success);
}

static int by_start(const void *a, const void *b)
{
	const child *p = *(child *const *)a, *q = *(child *const *)b;
	int d = sp_str_cmp(p->view.started, q->view.started);
	return d != 0 ? d : sp_str_cmp(p->object->name, q->object->name);
}

static void doom_oldest(run *x, bool failed, int64_t keep)
{
	child **over = sp_try_new(x->job->arena, child *, x->n_children + 1);
	size_t n = 0;
	for (size_t i = 0; i < x->n_children && over != NULL; i++) {
		child *k = &x->children[i];
		if ((failed ? k->failed : k->complete) && k->view.deleted.len == 0)
			over[n++] = k;
	}
	if ((int64_t)n <= keep)
		return;
	qsort(over, n, sizeof(void *), by_start);
	for (size_t i = 0; i < n - (size_t)keep; i++)
		x->doomed[x->n_doomed++] = (size_t)(over[i] - x->children);
}

/* ---- times ---- */

static bool next_time(const run *x, const sp_cron *cron, int64_t after_s, int64_t *ret)
{
	sp_time t;
	if (!sp_cron_next(cron, x->has_zone ? &x->zone : NULL, (sp_time){.seconds = after_s}, &t))
		return false;
	*ret = t.seconds;
	return true;
}

/* The last time up to now since the last one that was kept, and the next one. */
static void find_times(run *x, const sp_cron *cron)
{
	int64_t now = ctl_now_s(x->c->base.world), from = ctl_seconds(x->view.created), t, n = 0;
	if (x->view.last.len > 0)
		from = ctl_seconds(x->view.last);
	if (x->view.has_deadline_s)
		from = SP_MAX(from, now - x->view.deadline_s);
	while (n < STEPS_MOST && next_time(x, cron, from, &t) && t <= now) {
		x->due_s = from = t;
		n++;
	}
	if (n > MISSED_MOST)
		tell(x, true, "TooManyMissedTimes",
		     SP_STR("too many missed start times. Set or decrease .spec.startingDeadlineSeconds or "
			    "check "
			    "clock skew"));
	if (next_time(x, cron, now, &t))
		x->next_s = t;
}

static bool is_too_late(run *x)
{
	if (!x->view.has_deadline_s || x->due_s + x->view.deadline_s >= ctl_now_s(x->c->base.world))
		return false;
	char text[SP_TIME_TEXT_BYTES];
	size_t n = sp_time_print(text, (sp_time){.seconds = x->due_s}, 0);
	TELL(x, true, "MissSchedule", "Missed scheduled time to start a job: " SP_FMT,
	     SP_ARG(((sp_str){text, n})));
	return true;
}

/* ---- a new job ---- */

static void copy_members(sp_jout *j, yyjson_val *map)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(map);
	yyjson_val *k;
	while ((k = yyjson_obj_iter_next(&it)) != NULL)
		sp_jout_member_str(j, sp_json_str(k), sp_json_str(yyjson_obj_iter_get_val(k)));
}

static sp_code write_job(run *x, sp_err *err)
{
	char due[SP_TIME_TEXT_BYTES];
	yyjson_val *meta = sp_json_last(x->view.template_, SP_STR("metadata"));
	SP_AUTO_BUF out, owner;
	sp_buf_init(&out, BODY_BYTES_MAX);
	sp_buf_init(&owner, 4096);
	x->name = sp_arena_printf(x->job->arena, SP_FMT "-%lld", SP_ARG(x->object->name),
				  (long long)(x->due_s / 60));
	x->last = sp_arena_try_dup(x->job->arena,
				   (sp_str){due, sp_time_print(due, (sp_time){.seconds = x->due_s}, 0)});
	(void)sp_patch_owner(
		&owner, &(sp_owner){SP_STR("batch/v1"), SP_STR("CronJob"), x->object->name, x->object->uid});
	sp_jout jout = sp_jout_to(&out), *j = &jout;
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("name"), x->name);
	sp_jout_member_open(j, SP_STR("labels"), '{');
	copy_members(j, sp_json_last(meta, SP_STR("labels")));
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	copy_members(j, sp_json_last(meta, SP_STR("annotations")));
	sp_jout_member_str(j, SP_STR("batch.kubernetes.io/cronjob-scheduled-timestamp"), x->last);
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("ownerReferences"), '[');
	sp_jout_raw(j, sp_buf_view(&owner));
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
	sp_jout_key(j, SP_STR("spec"));
	(void)sp_json_write(&out, sp_json_last(x->view.template_, SP_STR("spec")));
	(void)sp_buf_char(&out, '}');
	x->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || x->body.ptr == NULL || x->name.ptr == NULL || x->last.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a job");
	x->starts = true;
	return SP_OK;
}

/* ---- writing ---- */

static void on_status(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND)
		end(x, a->code, a->err);
	else
		end(x, x->code, &x->err);
}

static void write_ref(sp_jout *j, sp_str ns, sp_str name, sp_str uid)
{
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("Job"));
	sp_jout_member_str(j, SP_STR("namespace"), ns);
	sp_jout_member_str(j, SP_STR("name"), name);
	sp_jout_member_str(j, SP_STR("uid"), uid);
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("batch/v1"));
	sp_jout_close(j, '}');
}

static void write_status(run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	if (!x->status_changed) {
		end(x, x->code, &x->err);
		return;
	}
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, x->object);
	sp_jout_member_open(&j, SP_STR("active"), '[');
	for (size_t i = 0; i < x->n_children; i++) {
		const child *k = &x->children[i];
		if (k->active)
			write_ref(&j, k->object->ns, k->object->name, k->object->uid);
	}
	for (size_t i = 0; i < x->n_unseen; i++) {
		if (x->unseen[i] == NULL)
			continue;
		write_ref(&j, text_of(x->unseen[i], "namespace"), text_of(x->unseen[i], "name"),
			  text_of(x->unseen[i], "uid"));
	}
	if (x->new_uid.len > 0)
		write_ref(&j, x->object->ns, x->name, x->new_uid);
	sp_jout_close(&j, ']');
	if (x->last.len > 0)
		sp_jout_member_str(&j, SP_STR("lastScheduleTime"), x->last);
	if (x->last_success.len > 0)
		sp_jout_member_str(&j, SP_STR("lastSuccessfulTime"), x->last_success);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	x->call = (sp_call){.done = on_status, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_CRONJOBS,
				.ns = x->object->ns,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	run *x = f->arg;
	(void)err;
	if (i < x->n_doomed)
		return ctl_deletion(x->job->arena, SP_JOBS, x->children[x->doomed[i]].object,
				    &(sp_delete_opts){.propagation = SP_STR("Background")}, q, err);
	q->gvr = SP_JOBS;
	q->ns = x->object->ns;
	q->verb = SP_ASK_CREATE;
	q->body = x->body;
	return SP_OK;
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	run *x = f->arg;
	const sp_object *o;
	if (i < x->n_doomed) {
		if (a->code == SP_OK)
			TELL(x, false, "SuccessfulDelete", "Deleted job " SP_FMT,
			     SP_ARG(x->children[x->doomed[i]].object->name));
		return ctl_is_deleted(a) ? SP_OK : a->code;
	}
	if (a->code == SP_OK && sp_object_parse(x->job->arena, a->body, NULL, &o, NULL) == SP_OK) {
		x->new_uid = sp_arena_try_dup(x->job->arena, o->uid);
		sp_object_unref(o);
		x->status_changed = true;
		TELL(x, false, "SuccessfulCreate", "Created job " SP_FMT, SP_ARG(x->name));
		return SP_OK;
	}
	x->last = x->view.last;
	if (a->code == SP_EEXISTS) { /* made by a sync whose status was not written */
		const sp_object *have = sp_informer_get_in(x->c->jobs, x->object->ns, x->name);
		ctl_owner owner;
		if (have == NULL || !ctl_controller_of_object(x->job->arena, have, &owner) ||
		    !sp_str_eq(owner.uid, x->object->uid))
			return a->code;
		char due[SP_TIME_TEXT_BYTES];
		x->new_uid = sp_arena_try_dup(x->job->arena, have->uid);
		x->last = sp_arena_try_dup(
			x->job->arena, (sp_str){due, sp_time_print(due, (sp_time){.seconds = x->due_s}, 0)});
		x->status_changed = true;
		return SP_OK;
	}
	TELL(x, true, "FailedCreate", "Error creating job: " SP_FMT, SP_ARG(a->message));
	return a->code;
}

static void on_all(fan *f)
{
	run *x = f->arg;
	x->code = f->code;
	x->err = f->err;
	write_status(x);
}

static void write_all(run *x)
{
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_doomed + (x->starts ? 1 : 0),
		       .ask = ask,
		       .each = each,
		       .done = on_all,
		       .arg = x};
	fan_start(&x->fan);
}

/* ---- decisions ---- */

static size_t count_unseen(const run *x)
{
	size_t n = 0;
	for (size_t i = 0; i < x->n_unseen; i++)
		n += x->unseen[i] != NULL;
	return n;
}

static size_t n_active(const run *x)
{
	size_t n = count_unseen(x);
	for (size_t i = 0; i < x->n_children; i++)
		n += x->children[i].active;
	return n;
}

static void replace_active(run *x)
{
	for (size_t i = 0; i < x->n_children; i++) {
		if (!x->children[i].active)
			continue;
		x->children[i].active = false;
		x->doomed[x->n_doomed++] = i;
		x->status_changed = true;
	}
}

static sp_code schedule(run *x, sp_err *err)
{
	sp_cron cron;
	sp_str why;
	if (sp_cron_parse(x->job->arena, x->view.schedule, &cron, &why) != SP_OK) {
		TELL(x, true, "UnparseableSchedule", "unparseable schedule: \"" SP_FMT "\" : " SP_FMT,
		     SP_ARG(x->view.schedule), SP_ARG(why));
		return SP_OK;
	}
	find_times(x, &cron);
	if (x->due_s == 0 || is_too_late(x))
		return SP_OK;
	if (n_active(x) > 0 && sp_str_eq(x->view.policy, SP_STR("Forbid"))) {
		tell(x, false, "JobAlreadyActive",
		     SP_STR("Not starting job because prior execution is running and concurrency policy is "
			    "Forbid"));
		return SP_OK;
	}
	if (sp_str_eq(x->view.policy, SP_STR("Replace"))) {
		if (count_unseen(x) > 0)
			return sp_fail(err, SP_ECONFLICT, "the cache does not have the job to replace yet");
		replace_active(x);
	}
	return write_job(x, err);
}

static void decide(run *x)
{
	sp_err err = {0};
	sp_code code = SP_OK;
	if (!x->view.suspend && x->view.deleted.len == 0)
		code = schedule(x, &err);
	if (code == SP_OK)
		write_all(x);
	else
		end(x, code, &err);
}

/* ---- caches that are behind ---- */

/* The server knows whether a job that the status lists is gone, and whether it lists one that the cache's
 * state does not. */
static sp_code ask_about(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	bool unseen = i < x->n_unseen;
	(void)err;
	q->verb = SP_ASK_GET;
	q->gvr = unseen ? SP_JOBS : SP_CRONJOBS;
	q->ns = x->object->ns;
	q->name = unseen ? text_of(x->unseen[i], "name") : x->object->name;
	return SP_OK;
}

static void adopt_listed(run *x, sp_vlist active)
{
	for (size_t i = 0; i < x->n_children; i++) {
		child *k = &x->children[i];
		if (k->complete || k->failed || k->active)
			continue;
		k->active = is_listed(active, k->object->uid);
		if (!k->active)
			TELL(x, true, "UnexpectedJob",
			     "Saw a job that the controller did not create or forgot: " SP_FMT,
			     SP_ARG(k->object->name));
	}
}

static sp_code on_about(fan *f, size_t i, const sp_answer *a)
{
	run *x = f->arg;
	cron_view live;
	if (i < x->n_unseen) {
		if (a->code != SP_ENOTFOUND)
			return a->code;
		TELL(x, false, "MissingJob", "Active job went missing: " SP_FMT,
		     SP_ARG(text_of(x->unseen[i], "name")));
		x->unseen[i] = NULL;
		x->status_changed = true;
		return SP_OK;
	}
	if (a->code == SP_OK && sp_view(x->job->arena, a->body, &cron_view_desc, &live, NULL) == SP_OK)
		adopt_listed(x, live.active);
	return a->code;
}

static void find_zone(run *x);

static void on_asked(fan *f)
{
	run *x = f->arg;
	if (f->code == SP_OK)
		find_zone(x);
	else
		end(x, f->code, &f->err);
}

static void ask_server(run *x)
{
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_unseen + (x->n_unlisted > 0 ? 1 : 0),
		       .ask = ask_about,
		       .each = on_about,
		       .done = on_asked,
		       .arg = x};
	fan_start(&x->fan);
}

/* ---- zones ---- */

static void zone_read(sp_work *w)
{
	run *x = w->arg;
	sp_str path = SP_CONCAT(x->job->arena, SP_STR(ZONE_DIR), x->view.zone), bytes;
	x->zone_code =
		sp_file_read_arena(x->c->base.world, path, x->job->arena, ZONE_BYTES_MAX, &bytes, &x->err);
	if (x->zone_code == SP_OK)
		x->zone_code = sp_zone_parse(x->job->arena, bytes, &x->zone, &x->err);
}

static void zone_done(sp_work *w)
{
	run *x = w->arg;
	x->has_zone = x->zone_code == SP_OK;
	if (x->has_zone) {
		decide(x);
		return;
	}
	TELL(x, true, "UnknownTimeZone", "invalid timeZone: \"" SP_FMT "\"", SP_ARG(x->view.zone));
	end(x, SP_OK, NULL);
}

static void find_zone(run *x)
{
	bool utc = x->view.zone.len == 0 || sp_str_eq(x->view.zone, SP_STR("Etc/UTC")) ||
		   sp_str_eq(x->view.zone, SP_STR("UTC"));
	if (utc || !sp_zone_exists(x->view.zone)) {
		decide(x);
		return;
	}
	x->zone_job = (sp_work){.fn = zone_read, .done = zone_done, .arg = x};
	sp_code code = sp_work_start(x->c->base.world, &x->zone_job, &x->err);
	if (code != SP_OK)
		end(x, code, &x->err);
}

static sp_code begin(run *x, sp_err *err)
{
	SP_TRY(sp_view(x->job->arena, x->object->json, &cron_view_desc, &x->view, err));
	x->last = x->view.last;
	x->last_success = x->view.last_success;
	SP_TRY(read_children(x, err));
	look_at_children(x);
	doom_oldest(x, false, x->view.has_keep ? x->view.keep : 3);
	doom_oldest(x, true, x->view.has_keep_failed ? x->view.keep_failed : 1);
	if (x->n_unseen > 0 || x->n_unlisted > 0)
		ask_server(x);
	else
		find_zone(x);
	return SP_OK;
}

static void sync_cron(controller *base, sp_job *job)
{
	cron_controller *c = SP_CONTAINER_OF(base, cron_controller, base);
	const sp_object *o = sp_informer_get(c->crons, job->key);
	sp_err err = {0};
	if (o == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job, .object = ctl_hold(job->arena, o)};
	sp_code code = x->object == NULL ? SP_ENOMEM : begin(x, &err);
	if (code != SP_OK)
		end(x, code, &err);
}

static sp_code open_crons(controller *base, sp_err *err)
{
	cron_controller *c = SP_CONTAINER_OF(base, cron_controller, base);
	SP_TRY(controller_follow(base, SP_CRONJOBS, &cron_view_desc, &c->crons, err));
	SP_TRY(controller_follow(base, SP_JOBS, &job_view_desc, &c->jobs, err));
	SP_TRY(sp_informer_index(c->jobs, sp_index_by_controller, NULL, &c->by_owner, err));
	controller_watch(c->crons, &c->watch, controller_enqueue, base);
	controller_watch(c->jobs, &c->job_watch, on_job, c);
	return SP_OK;
}

const controller_type controller_cron_job = {.name = "cronjob-controller",
					     .size_bytes = sizeof(cron_controller),
					     .open = open_crons,
					     .sync = sync_cron};

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/num.h"
#include "controllers/deployment_int.h"

#define NS_PER_S UINT64_C(1000000000)
#define BODY_BYTES_MAX ((size_t)1 << 20)

void dep_end(dep_run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT && err != NULL)
		sp_log(x->d->base.log, SP_LOG_WARN, "deployment: trying again", SP_KS("key", x->job->key),
		       SP_KE(err));
	sp_job_done(x->job, code);
}

/* ---- counting ---- */

/* A set that was never synced has no pods; one that was and does not tell (an older server drops it, another
 * controller does not write it) makes the sum unknown. */
static void count_terminating(dep_counts *c, const dep_set *s)
{
	bool is_new = s->observed == 0 && !s->has_n_terminating;
	if (c->n_terminating < 0 || is_new)
		return;
	c->n_terminating = s->has_n_terminating ? c->n_terminating + s->n_terminating : -1;
}

static bool is_terminating_told(const dep_view *v, const dep_counts *c)
{
	return c->n_terminating < 0 ? !v->has_n_terminating
				    : v->has_n_terminating && v->n_terminating == c->n_terminating;
}

dep_counts dep_count(const dep_run *x)
{
	dep_counts c = {.collisions = x->collisions};
	int64_t wanted = 0;
	for (size_t i = 0; i < x->n_sets; i++) {
		const dep_set *s = &x->sets[i];
		wanted += s->replicas;
		c.n += s->n;
		c.n_ready += s->n_ready;
		c.n_available += s->n_available;
		count_terminating(&c, s);
	}
	if (x->newest != NULL)
		c.n_updated = x->newest->n;
	c.n_unavailable = SP_MAX(wanted - c.n_available, INT64_C(0));
	return c;
}

/* ---- conditions ---- */

static void set(dep_run *x, const char *type, const char *status, const char *reason, sp_str message)
{
	sp_str now = ctl_now(x->d->base.world, x->job->arena);
	ctl_condition_set(&x->conditions,
			  &(ctl_condition){.type = sp_str_c(type),
					   .status = sp_str_c(status),
					   .reason = sp_str_c(reason),
					   .message = message,
					   .transition = now,
					   .update = now},
			  false);
}

void dep_progress(dep_run *x, const char *status, const char *reason, sp_str message)
{
	set(x, "Progressing", status, reason, message);
}

static bool has_deadline(const dep_run *x)
{
	return x->view.has_deadline_s && x->view.deadline_s != INT32_MAX;
}

static bool reason_is(const ctl_condition *c, const char *reason)
{
	return c != NULL && sp_str_eq(c->reason, sp_str_c(reason));
}

void dep_paused_condition(dep_run *x)
{
	const ctl_condition *c = ctl_condition_find(&x->conditions, "Progressing");
	if (!has_deadline(x) || reason_is(c, "ProgressDeadlineExceeded"))
		return;
	bool said = reason_is(c, "DeploymentPaused");
	if (x->view.paused && !said)
		dep_progress(x, "Unknown", "DeploymentPaused", SP_STR("Deployment is paused"));
	else if (!x->view.paused && said)
		dep_progress(x, "Unknown", "DeploymentResumed", SP_STR("Deployment is resumed"));
}

static bool has_progressed(const dep_run *x, const dep_counts *c)
{
	const dep_view *v = &x->view;
	return c->n_updated > v->n_updated || c->n - c->n_updated < v->n - v->n_updated ||
	       c->n_ready > v->n_ready || c->n_available > v->n_available;
}

/* Seconds until it counts as stuck; 0 or less: it does. INT64_MAX: never. */
static int64_t seconds_left(dep_run *x)
{
	const ctl_condition *c = ctl_condition_find(&x->conditions, "Progressing");
	if (!has_deadline(x) || c == NULL || reason_is(c, "NewReplicaSetAvailable"))
		return INT64_MAX;
	if (reason_is(c, "ProgressDeadlineExceeded"))
		return 0;
	return ctl_seconds(c->update) + x->view.deadline_s - ctl_now_s(x->d->base.world);
}

/* "ReplicaSet "x" WHAT", or of the deployment when it has none. */
static sp_str message(const dep_run *x, const char *what)
{
	bool set_ = x->newest != NULL || x->create;
	sp_str name = x->newest != NULL ? x->newest->object->name
		      : x->create       ? x->create_name
					: x->object->name;
	return sp_arena_printf(x->job->arena, "%s \"" SP_FMT "\" %s", set_ ? "ReplicaSet" : "Deployment",
			       SP_ARG(name), what);
}

static void judge_progress(dep_run *x, const dep_counts *c)
{
	ctl_condition *now = ctl_condition_find(&x->conditions, "Progressing");
	if (!has_deadline(x)) {
		ctl_condition_remove(&x->conditions, "Progressing");
		return;
	}
	if (c->n == c->n_updated && reason_is(now, "NewReplicaSetAvailable"))
		return;
	if (dep_is_complete(x, c)) {
		dep_progress(x, "True", "NewReplicaSetAvailable", message(x, "has successfully progressed."));
	} else if (has_progressed(x, c)) {
		ctl_condition was = now == NULL ? (ctl_condition){.observed_generation = 0} : *now;
		ctl_condition_remove(&x->conditions, "Progressing"); /* its time of update is now */
		dep_progress(x, "True", "ReplicaSetUpdated", message(x, "is progressing."));
		now = ctl_condition_find(&x->conditions, "Progressing");
		if (now != NULL && sp_str_eq(was.status, SP_STR("True")))
			now->transition = was.transition;
	} else if (seconds_left(x) < 0) {
		dep_progress(x, "False", "ProgressDeadlineExceeded",
			     message(x, "has timed out progressing."));
	}
}

static void copy_failure(dep_run *x)
{
	ctl_conditions theirs;
	const ctl_condition *failure = NULL;
	if (x->newest != NULL) {
		ctl_conditions_read(x->newest->conditions, &theirs);
		failure = ctl_condition_find(&theirs, "ReplicaFailure");
	}
	for (size_t i = 0; i < x->n_old && failure == NULL; i++) {
		ctl_conditions_read(x->old[i]->conditions, &theirs);
		failure = ctl_condition_find(&theirs, "ReplicaFailure");
	}
	if (failure == NULL) {
		ctl_condition_remove(&x->conditions, "ReplicaFailure");
		return;
	}
	ctl_condition mine = *failure;
	mine.update = mine.transition;
	ctl_condition_set(&x->conditions, &mine, false);
}

void dep_conditions(dep_run *x, const dep_counts *c, bool rollout)
{
	if (c->n_available >= x->replicas - dep_max_unavailable(x))
		set(x, "Available", "True", "MinimumReplicasAvailable",
		    SP_STR("Deployment has minimum availability."));
	else
		set(x, "Available", "False", "MinimumReplicasUnavailable",
		    SP_STR("Deployment does not have minimum availability."));
	if (!rollout)
		return;
	judge_progress(x, c);
	copy_failure(x);
}

/* ---- writing ---- */

static void on_written(sp_call *call, const sp_answer *a)
{
	dep_run *x = call->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND)
		dep_end(x, a->code, a->err);
	else
		dep_end(x, x->code, &x->err);
}

static bool is_as_written(const dep_run *x, const dep_counts *c, bool has_revision)
{
	const dep_view *v = &x->view;
	return has_revision && !x->conditions.changed && v->observed == v->generation && c->n == v->n &&
	       c->n_updated == v->n_updated && c->n_ready == v->n_ready && c->n_available == v->n_available &&
	       c->n_unavailable == v->n_unavailable && is_terminating_told(v, c) &&
	       c->collisions == v->collisions;
}

static void write_body(const dep_run *x, sp_buf *out, const dep_counts *c, sp_str revision)
{
	char text[SP_NUM_TEXT_BYTES];
	sp_jout jout = sp_jout_to(out), *j = &jout;
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("uid"), x->object->uid);
	sp_jout_member_str(j, SP_STR("resourceVersion"),
			   (sp_str){text, sp_print_u64(text, x->object->revision)});
	if (revision.len > 0) { /* the status of a deployment may be written with annotations */
		sp_jout_member_open(j, SP_STR("annotations"), '{');
		sp_jout_member_str(j, SP_STR(DEP_REVISION), revision);
		sp_jout_close(j, '}');
	}
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("status"), '{');
	sp_jout_member_i64(j, SP_STR("observedGeneration"), x->view.generation);
	sp_jout_member_i64(j, SP_STR("replicas"), c->n);
	sp_jout_member_i64(j, SP_STR("updatedReplicas"), c->n_updated);
	sp_jout_member_i64(j, SP_STR("readyReplicas"), c->n_ready);
	sp_jout_member_i64(j, SP_STR("availableReplicas"), c->n_available);
	sp_jout_member_i64(j, SP_STR("unavailableReplicas"), c->n_unavailable);
	if (c->n_terminating >= 0)
		sp_jout_member_i64(j, SP_STR("terminatingReplicas"), c->n_terminating);
	else
		sp_jout_member_raw(j, SP_STR("terminatingReplicas"), SP_STR("null"));
	if (c->collisions > 0)
		sp_jout_member_i64(j, SP_STR("collisionCount"), c->collisions);
	ctl_conditions_write(j, &x->conditions);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

void dep_write_status(dep_run *x, bool rollout)
{
	char text[SP_NUM_TEXT_BYTES];
	dep_counts c = dep_count(x);
	sp_str revision = {text, sp_print_i64(text, x->revision)};
	bool wants_revision = x->newest != NULL || x->create;
	bool has_revision =
		!wants_revision || sp_str_eq(dep_annotation(x->view.annotations, DEP_REVISION), revision);
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	dep_conditions(x, &c, rollout);
	int64_t left = seconds_left(x);
	if (left != INT64_MAX && left > 0)
		sp_queue_add_after(x->d->base.queue, x->job->key, ((uint64_t)left + 1) * NS_PER_S);
	if (is_as_written(x, &c, has_revision)) {
		dep_end(x, x->code, &x->err);
		return;
	}
	write_body(x, &body, &c, has_revision ? SP_STR("") : revision);
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->d->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_DEPLOYMENTS,
				.ns = x->object->ns,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

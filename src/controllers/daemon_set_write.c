/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "controllers/daemon_set_int.h"

#define NS_PER_S UINT64_C(1000000000)
#define BURST 250u /* BurstReplicas: creations, and deletions, of one sync */

void ds_end(ds_run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && code != SP_ECONFLICT && err != NULL)
		sp_log(x->c->base.log, SP_LOG_WARN, "daemon set: trying again", SP_KS("key", x->job->key),
		       SP_KE(err));
	sp_job_done(x->job, code);
}

static void note(ds_run *x, sp_code code, const sp_err *err)
{
	if (x->code != SP_OK || code == SP_OK)
		return;
	x->code = code;
	if (err != NULL)
		x->err = *err;
}

/* ---- the status ---- */

static void on_status(sp_call *c, const sp_answer *a)
{
	ds_run *x = c->arg;
	if (a->code != SP_ENOTFOUND)
		note(x, a->code, a->err);
	ds_end(x, x->code, &x->err);
}

static bool is_as_written(const ds_run *x, const ds_counts *c)
{
	const ds_view *v = &x->view;
	return c->n_desired == v->n_desired && c->n_current == v->n_current &&
	       c->n_misscheduled == v->n_misscheduled && c->n_ready == v->n_ready &&
	       c->n_updated == v->n_updated && c->n_available == v->n_available &&
	       c->n_desired - c->n_available == v->n_unavailable && x->history.collisions == v->collisions &&
	       (!x->may_act || v->observed >= v->generation);
}

static void write_status(ds_run *x)
{
	ds_counts c;
	SP_AUTO_BUF body;
	sp_buf_init(&body, 65536);
	ds_count(&x->rules, x->nodes, x->n_nodes, &c);
	if (c.wait_s > 0)
		sp_queue_add_after(x->c->base.queue, x->job->key, (uint64_t)c.wait_s * NS_PER_S);
	if (is_as_written(x, &c)) {
		ds_end(x, x->code, &x->err);
		return;
	}
	sp_jout jout = sp_jout_to(&body), *j = &jout;
	ctl_status_open(j, x->object);
	sp_jout_member_i64(j, SP_STR("currentNumberScheduled"), c.n_current);
	sp_jout_member_i64(j, SP_STR("numberMisscheduled"), c.n_misscheduled);
	sp_jout_member_i64(j, SP_STR("desiredNumberScheduled"), c.n_desired);
	sp_jout_member_i64(j, SP_STR("numberReady"), c.n_ready);
	if (x->may_act) /* else what it asks for has not been done yet */
		sp_jout_member_i64(j, SP_STR("observedGeneration"), x->view.generation);
	sp_jout_member_i64(j, SP_STR("updatedNumberScheduled"), c.n_updated);
	sp_jout_member_i64(j, SP_STR("numberAvailable"), c.n_available);
	sp_jout_member_i64(j, SP_STR("numberUnavailable"), c.n_desired - c.n_available);
	if (x->history.collisions > 0)
		sp_jout_member_i64(j, SP_STR("collisionCount"), x->history.collisions);
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
	x->call = (sp_call){.done = on_status, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = SP_DAEMONSETS,
				.ns = x->object->ns,
				.name = x->object->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

/* ---- history ---- */

static void on_trimmed(history *h)
{
	ds_run *x = h->arg;
	note(x, h->code, &h->err);
	write_status(x);
}

static bool has_pods(const ds_run *x, const ctl_revision *r)
{
	sp_str hash = ctl_revision_hash_of(r);
	for (size_t i = 0; i < x->n_pods; i++) {
		if (sp_str_eq(sp_vmap_str(x->pods[i].pod.labels, SP_STR(CTL_REVISION_HASH)), hash))
			return true;
	}
	return false;
}

static void trim(ds_run *x)
{
	history *h = &x->history;
	int64_t n_old = 0;
	if (!x->may_act || x->code != SP_OK) {
		write_status(x);
		return;
	}
	for (size_t i = 0; i < h->n; i++) {
		h->all[i].is_live = h->all[i].is_equal || has_pods(x, &h->all[i]);
		n_old += !h->all[i].is_equal;
	}
	h->done = on_trimmed;
	history_trim(h, n_old - (x->view.has_history ? x->view.history : 10));
}

/* ---- pods ---- */

static sp_event_ref about(const ds_run *x)
{
	return ctl_event_ref(x->object, "apps/v1", "DaemonSet");
}

static sp_code ask_deletion(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const ds_run *x = f->arg;
	return ctl_deletion(x->job->arena, SP_PODS, x->deletions[i]->pod.object, NULL, q, err);
}

static sp_code on_deleted(fan *f, size_t i, const sp_answer *a)
{
	ds_run *x = f->arg;
	const sp_event_ref ref = about(x);
	return owned_pod_deleted(&x->c->owned, x->job, &ref, x->deletions[i]->pod.object, a);
}

static void on_all_deleted(fan *f)
{
	ds_run *x = f->arg;
	for (size_t i = f->n - f->n_skipped; i < f->n; i++)
		sp_expect_deleted(&x->c->owned.expect, x->job->key, x->deletions[i]->pod.object->uid);
	note(x, f->code, &f->err);
	trim(x);
}

static void delete_all(ds_run *x)
{
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_deletions,
		       .ask = ask_deletion,
		       .each = on_deleted,
		       .done = on_all_deleted,
		       .arg = x};
	fan_start(&x->fan);
}

static sp_code ask_creation(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	ds_run *x = f->arg;
	q->verb = SP_ASK_CREATE;
	q->gvr = SP_PODS;
	q->ns = x->object->ns;
	return ds_pod_body(x, x->creations[i]->name, &q->body, err);
}

static sp_code on_created(fan *f, size_t i, const sp_answer *a)
{
	ds_run *x = f->arg;
	const sp_event_ref ref = about(x);
	(void)i;
	return owned_pod_created(&x->c->owned, x->job, &ref, a);
}

static void on_all_created(fan *f)
{
	ds_run *x = f->arg;
	for (size_t i = 0; i < f->n_skipped; i++)
		sp_expect_created(&x->c->owned.expect, x->job->key);
	note(x, f->code, &f->err);
	delete_all(x);
}

static sp_code list(ds_run *x, sp_err *err)
{
	sp_str *uids = sp_try_new(x->job->arena, sp_str, BURST);
	x->creations = sp_try_new(x->job->arena, ds_node *, BURST);
	x->deletions = sp_try_new(x->job->arena, ds_pod *, BURST);
	if (uids == NULL || x->creations == NULL || x->deletions == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for pods");
	for (size_t i = 0; i < x->n_nodes && x->n_creations < BURST; i++) {
		if (x->nodes[i].create)
			x->creations[x->n_creations++] = &x->nodes[i];
	}
	for (size_t i = 0; i < x->n_pods && x->n_deletions < BURST; i++) {
		if (!x->pods[i].drop)
			continue;
		uids[x->n_deletions] = x->pods[i].pod.object->uid;
		x->deletions[x->n_deletions++] = &x->pods[i];
	}
	if (x->n_creations + x->n_deletions > 0 &&
	    sp_expect_set(&x->c->owned.expect, x->job->key, (uint32_t)x->n_creations, uids, x->n_deletions) !=
		    SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for expectations");
	return SP_OK;
}

void ds_write(ds_run *x)
{
	sp_err err = {0};
	sp_code code = list(x, &err);
	if (code != SP_OK) {
		ds_end(x, code, &err);
		return;
	}
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_creations,
		       .first = 1,
		       .ask = ask_creation,
		       .each = on_created,
		       .done = on_all_created,
		       .arg = x};
	fan_start(&x->fan);
}

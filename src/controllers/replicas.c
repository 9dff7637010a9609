/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/replicas.h"

#include <stdio.h>

#include "base/log.h"
#include "controllers/claim.h"
#include "controllers/pod_template.h"

#define NS_PER_S UINT64_C(1000000000)
#define BURST 500 /* burstReplicas: creations or deletions of one sync */
#define BODY_BYTES_MAX ((size_t)4 << 20)

/* One sync. */
typedef struct run {
	replicas_controller *r;
	sp_job *job;
	const sp_object *owner;
	replicas_view view;
	claim claim;
	ctl_pod *pods;                /* active ones */
	size_t n_pods, n_terminating; /* the latter are not among them */
	const ctl_pod **doomed;
	size_t n_doomed;
	int64_t n_wanted; /* more (or, below zero, fewer) than there are */
	sp_str body;      /* of a new pod */
	fan fan;
	sp_call call;
	sp_code code; /* of creating and deleting */
	sp_err err;
} run;

/* ---- the end of a sync ---- */

static void end(run *x, sp_code code, const sp_err *err)
{
	if (code != SP_OK && err != NULL && code != SP_ECONFLICT && x->r->base.log != NULL)
		sp_log(x->r->base.log, SP_LOG_WARN, "replicas: trying again", SP_KC("kind", x->r->kind->kind),
		       SP_KS("key", x->job->key), SP_KE(err));
	sp_job_done(x->job, code);
}

/* ---- status ---- */

typedef struct counts {
	int64_t n, n_labeled, n_ready, n_available, wait_s;
} counts;

static bool has_all_labels(sp_vmap labels, yyjson_val *wanted)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(wanted);
	yyjson_val *key;
	while ((key = yyjson_obj_iter_next(&it)) != NULL) {
		sp_str v = sp_vmap_str(labels, sp_json_str(key));
		if (v.ptr == NULL || !sp_str_eq(v, sp_json_str(yyjson_obj_iter_get_val(key))))
			return false;
	}
	return true;
}

static counts count(const run *x)
{
	counts c = {.n = (int64_t)x->n_pods};
	int64_t now_s = ctl_now_s(x->r->base.world);
	yyjson_val *labels =
		sp_json_last(sp_json_last(x->view.template_, SP_STR("metadata")), SP_STR("labels"));
	for (size_t i = 0; i < x->n_pods; i++) {
		int64_t wait_s;
		c.n_labeled += has_all_labels(x->pods[i].labels, labels);
		c.n_ready += x->pods[i].is_ready;
		c.n_available += ctl_pod_is_available(&x->pods[i], x->view.min_ready_s, now_s, &wait_s);
		if (wait_s > 0 && (c.wait_s == 0 || wait_s < c.wait_s))
			c.wait_s = wait_s;
	}
	return c;
}

static void set_failure(run *x, ctl_conditions *conditions)
{
	sp_arena *a = x->job->arena;
	if (x->code == SP_OK) {
		ctl_condition_remove(conditions, "ReplicaFailure");
		return;
	}
	if (ctl_condition_find(conditions, "ReplicaFailure") != NULL)
		return;
	ctl_condition_set(
		conditions,
		&(ctl_condition){.type = SP_STR("ReplicaFailure"),
				 .status = SP_STR("True"),
				 .reason = x->n_wanted > 0 ? SP_STR("FailedCreate") : SP_STR("FailedDelete"),
				 .message = sp_str_c(x->err.msg),
				 .transition = ctl_now(x->r->base.world, a)},
		false);
}

static void on_status(sp_call *c, const sp_answer *a)
{
	run *x = c->arg;
	if (a->code != SP_OK && a->code != SP_ENOTFOUND)
		end(x, a->code, a->err);
	else
		end(x, x->code, &x->err);
}

static bool is_terminating_told(const run *x)
{
	const replicas_view *v = &x->view;
	return !x->r->kind->tells_terminating ||
	       (v->has_n_terminating && v->n_terminating == (int64_t)x->n_terminating);
}

static void write_status(run *x)
{
	const replicas_view *v = &x->view;
	counts n = count(x);
	ctl_conditions conditions;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	ctl_conditions_read(v->conditions, &conditions);
	set_failure(x, &conditions);
	if (n.wait_s > 0)
		sp_queue_add_after(x->r->base.queue, x->job->key, (uint64_t)n.wait_s * NS_PER_S);
	if (!conditions.changed && n.n == v->n && n.n_labeled == v->n_labeled && n.n_ready == v->n_ready &&
	    n.n_available == v->n_available && is_terminating_told(x) && v->observed == v->generation) {
		end(x, x->code, &x->err);
		return;
	}
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, x->owner);
	sp_jout_member_i64(&j, SP_STR("replicas"), n.n);
	sp_jout_member_i64(&j, SP_STR("fullyLabeledReplicas"), n.n_labeled);
	sp_jout_member_i64(&j, SP_STR("readyReplicas"), n.n_ready);
	sp_jout_member_i64(&j, SP_STR("availableReplicas"), n.n_available);
	if (x->r->kind->tells_terminating)
		sp_jout_member_i64(&j, SP_STR("terminatingReplicas"), (int64_t)x->n_terminating);
	sp_jout_member_i64(&j, SP_STR("observedGeneration"), v->generation);
	ctl_conditions_write(&j, &conditions);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	x->call = (sp_call){.done = on_status, .arg = x};
	sp_call_start(x->r->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = x->r->kind->gvr,
				.ns = x->owner->ns,
				.name = x->owner->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

/* ---- creating and deleting ---- */

static sp_event_ref about(const run *x)
{
	return ctl_event_ref(x->owner, x->r->kind->api_version, x->r->kind->kind);
}

static sp_code ask_create(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	(void)i;
	(void)err;
	q->verb = SP_ASK_CREATE;
	q->gvr = SP_PODS;
	q->ns = x->owner->ns;
	q->body = x->body;
	return SP_OK;
}

static sp_code on_created(fan *f, size_t i, const sp_answer *a)
{
	run *x = f->arg;
	const sp_event_ref ref = about(x);
	(void)i;
	sp_code code = owned_pod_created(&x->r->owned, x->job, &ref, a);
	if (code != SP_OK)
		(void)snprintf(x->err.msg, sizeof x->err.msg, SP_FMT, SP_ARG(a->message));
	return code;
}

static void on_all_created(fan *f)
{
	run *x = f->arg;
	for (size_t i = 0; i < f->n_skipped; i++)
		sp_expect_created(&x->r->owned.expect, x->job->key);
	x->code = f->code;
	write_status(x);
}

static sp_code create_body(run *x, sp_err *err)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, BODY_BYTES_MAX);
	const pod_template t = {.template_ = x->view.template_,
				.generate_name = SP_CONCAT(x->job->arena, x->owner->name, SP_STR("-")),
				.owner = x->owner,
				.owner_api_version = x->r->kind->api_version,
				.owner_kind = x->r->kind->kind};
	(void)pod_template_write(&out, &t);
	x->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&out));
	if (sp_buf_code(&out) != SP_OK || x->body.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a pod");
	return SP_OK;
}

static sp_code create(run *x, sp_err *err)
{
	uint32_t n = (uint32_t)x->n_wanted;
	SP_TRY(create_body(x, err));
	if (sp_expect_set(&x->r->owned.expect, x->job->key, n, NULL, 0) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for expectations");
	x->fan = (fan){.client = x->r->base.client,
		       .arena = x->job->arena,
		       .n = n,
		       .first = 1,
		       .ask = ask_create,
		       .each = on_created,
		       .done = on_all_created,
		       .arg = x};
	fan_start(&x->fan);
	return SP_OK;
}

static sp_code ask_delete(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const run *x = f->arg;
	return ctl_deletion(x->job->arena, SP_PODS, x->doomed[i]->object, NULL, q, err);
}

static sp_code on_deleted(fan *f, size_t i, const sp_answer *a)
{
	run *x = f->arg;
	const sp_event_ref ref = about(x);
	return owned_pod_deleted(&x->r->owned, x->job, &ref, x->doomed[i]->object, a);
}

static void on_all_deleted(fan *f)
{
	run *x = f->arg;
	for (size_t i = f->n - f->n_skipped; i < f->n; i++)
		sp_expect_deleted(&x->r->owned.expect, x->job->key, x->doomed[i]->object->uid);
	x->code = f->code;
	x->err = f->err;
	write_status(x);
}

static sp_code choose(run *x, size_t n, sp_err *err)
{
	const ctl_pod **all = sp_try_new(x->job->arena, const ctl_pod *, x->n_pods);
	sp_str *uids = sp_try_new(x->job->arena, sp_str, n);
	const ctl_pod **related = sp_try_new(x->job->arena, const ctl_pod *, x->n_pods);
	if (all == NULL || uids == NULL || related == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", x->n_pods);
	for (size_t i = 0; i < x->n_pods; i++)
		all[i] = related[i] = &x->pods[i];
	SP_TRY(ctl_pods_rank(x->job->arena, all, x->n_pods, related, x->n_pods, err));
	for (size_t i = 0; i < n; i++)
		uids[i] = all[i]->object->uid;
	if (sp_expect_set(&x->r->owned.expect, x->job->key, 0, uids, n) != SP_OK)
		return sp_fail(err, SP_ENOMEM, "no memory for expectations");
	x->doomed = all;
	x->n_doomed = n;
	return SP_OK;
}

static sp_code delete (run *x, sp_err *err)
{
	SP_TRY(choose(x, (size_t)-x->n_wanted, err));
	x->fan = (fan){.client = x->r->base.client,
		       .arena = x->job->arena,
		       .n = x->n_doomed,
		       .ask = ask_delete,
		       .each = on_deleted,
		       .done = on_all_deleted,
		       .arg = x};
	fan_start(&x->fan);
	return SP_OK;
}

/* ---- a sync ---- */

static sp_code read_pods(run *x, sp_err *err)
{
	const claim *k = &x->claim;
	x->pods = sp_try_new(x->job->arena, ctl_pod, k->n_owned + 1);
	if (x->pods == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", k->n_owned);
	for (size_t i = 0; i < k->n_owned; i++) {
		SP_TRY(ctl_pod_read(x->job->arena, k->owned[i], &x->pods[x->n_pods], err));
		if (ctl_pod_is_active(&x->pods[x->n_pods]))
			x->n_pods++;
		else if (!ctl_pod_is_over(&x->pods[x->n_pods]))
			x->n_terminating++;
	}
	return SP_OK;
}

static void on_claimed(claim *k)
{
	run *x = k->arg;
	sp_err err = {0};
	sp_code code = k->code;
	if (code != SP_OK) {
		end(x, code, &k->err);
		return;
	}
	code = read_pods(x, &err);
	int64_t wanted = (x->view.has_replicas ? x->view.replicas : 1) - (int64_t)x->n_pods;
	bool may = sp_expect_is_met(&x->r->owned.expect, x->job->key) && x->view.deleted.len == 0;
	x->n_wanted = wanted > BURST ? BURST : wanted < -BURST ? -BURST : wanted;
	if (code == SP_OK && (!may || x->n_wanted == 0))
		write_status(x);
	else if (code == SP_OK)
		code = x->n_wanted > 0 ? create(x, &err) : delete (x, &err);
	if (code != SP_OK)
		end(x, code, &err);
}

/* Pods that are over are nobody's to adopt. */
static bool may_adopt(claim *k, const sp_object *o, yyjson_val *object)
{
	sp_str phase = sp_json_str(sp_json_last(sp_json_last(object, SP_STR("status")), SP_STR("phase")));
	(void)k;
	(void)o;
	return !sp_str_eq(phase, SP_STR("Succeeded")) && !sp_str_eq(phase, SP_STR("Failed"));
}

static sp_code begin(run *x, sp_err *err)
{
	replicas_controller *r = x->r;
	claim *k = &x->claim;
	SP_TRY(sp_view(x->job->arena, x->owner->json, r->kind->view, &x->view, err));
	*k = (claim){.c = &r->base,
		     .arena = x->job->arena,
		     .children = r->pods,
		     .children_gvr = SP_PODS,
		     .by_owner = r->by_owner,
		     .orphans = r->orphans,
		     .owner = x->owner,
		     .owner_gvr = r->kind->gvr,
		     .owner_api_version = r->kind->api_version,
		     .owner_kind = r->kind->kind,
		     .owner_is_going = x->view.deleted.len > 0,
		     .may_adopt = may_adopt,
		     .done = on_claimed,
		     .arg = x};
	return ctl_selector(x->job->arena, x->view.selector, r->kind->map_selector, &k->selector, err);
}

void replicas_sync(controller *c, sp_job *job)
{
	replicas_controller *r = SP_CONTAINER_OF(c, replicas_controller, base);
	const sp_object *owner = sp_informer_get(r->owners, job->key);
	sp_err err = {0};
	if (owner == NULL) {
		sp_expect_forget(&r->owned.expect, job->key);
		sp_job_done(job, SP_OK);
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	x->r = r;
	x->job = job;
	x->owner = ctl_hold(job->arena, owner);
	sp_code code = x->owner == NULL ? sp_fail(&err, SP_ENOMEM, "no memory") : begin(x, &err);
	if (code == SP_OK)
		claim_start(&x->claim);
	else
		end(x, code, &err);
}

sp_code replicas_open(replicas_controller *r, const replicas_kind *kind, sp_err *err)
{
	controller *c = &r->base;
	r->kind = kind;
	owned_pods_init(&r->owned, c, kind->api_version, kind->kind);
	SP_TRY(controller_follow(c, kind->gvr, kind->view, &r->owners, err));
	SP_TRY(controller_follow(c, SP_PODS, ctl_pod_view, &r->pods, err));
	SP_TRY(sp_informer_index(r->pods, sp_index_by_controller, NULL, &r->by_owner, err));
	SP_TRY(sp_informer_index(r->pods, ctl_index_orphans, NULL, &r->orphans, err));
	controller_watch(r->owners, &r->owner_watch, controller_enqueue, c);
	return owned_pods_follow(&r->owned, r->owners, r->pods, err);
}

void replicas_done(controller *c)
{
	replicas_controller *r = SP_CONTAINER_OF(c, replicas_controller, base);
	owned_pods_done(&r->owned);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A claim and those who use it: pods that are over or gone lose their reservation; with the last of them the
 * allocation goes, and then the finalizer that the allocation had brought. A claim that was made for a pod
 * goes when the pod will not run any more. A pod that the cache lacks is asked for at the server: taking a
 * reservation from a pod that is just being bound would give its devices to another. U: kubernetes
 * pkg/controller/resourceclaim syncClaim.
 */
#include "controllers/deletion.h"
#include "controllers/fan.h"
#include "controllers/resource_claim_int.h"

typedef struct user {
	yyjson_val *reservation;
	sp_str name, uid;
	bool is_gone;
} user;

typedef struct claim_run {
	resource_claims *c;
	sp_job *job;
	const sp_object *claim; /* as it is now, after our writes */
	rc_claim view;
	user *users, **doubtful;
	size_t n, n_left, n_doubtful;
	fan fan;
	sp_call call;
} claim_run;

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

/* ---- the claim of a pod that will not run ---- */

static void end(claim_run *x)
{
	ctl_owner owner;
	rc_pod pod;
	const sp_object *o = NULL;
	bool of_pod = ctl_controller_of(x->view.owners, &owner) &&
		      sp_str_eq(owner.api_version, SP_STR("v1")) && sp_str_eq(owner.kind, SP_STR("Pod"));
	if (x->n_left == 0 && of_pod && x->view.deleted.len == 0)
		o = sp_informer_get_in(x->c->pods, x->claim->ns, owner.name);
	sp_code code = o == NULL ? SP_OK : sp_view(x->job->arena, o->json, rc_pod_view, &pod, NULL);
	if (o == NULL || code != SP_OK) /* one that the cache lacks is the garbage collector's */
		sp_job_done(x->job, code);
	else if (!sp_str_eq(o->uid, owner.uid) || rc_is_over(&pod))
		ctl_delete(x->c->base.client, x->job, RC_CLAIMS, x->claim, NULL);
	else
		sp_job_done(x->job, SP_OK);
}

/* ---- writing ---- */

/* The answer is the claim from now on. */
static sp_code take(claim_run *x, const sp_answer *a)
{
	const sp_object *o;
	SP_TRY(sp_object_parse(x->job->arena, a->body, NULL, &o, NULL));
	bool held = ctl_hold(x->job->arena, o) != NULL;
	sp_object_unref(o);
	if (!held)
		return SP_ENOMEM;
	x->claim = o;
	return sp_view(x->job->arena, o->json, rc_claim_view, &x->view, NULL);
}

static void on_finalized(sp_call *c, const sp_answer *a)
{
	claim_run *x = c->arg;
	sp_code code = a->code == SP_OK ? take(x, a) : a->code;
	if (code == SP_OK)
		end(x);
	else
		sp_job_done(x->job, code == SP_ENOTFOUND ? SP_OK : code);
}

static void drop_finalizer(claim_run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, RC_BODY_BYTES_MAX);
	(void)sp_patch_finalizers(&body, x->claim, x->view.finalizers, SP_STR(RC_FINALIZER), SP_STR(""));
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = on_finalized, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = RC_CLAIMS,
				.ns = x->claim->ns,
				.name = x->claim->name,
				.body = sp_buf_view(&body)});
}

static void on_released(sp_call *c, const sp_answer *a)
{
	claim_run *x = c->arg;
	sp_code code = a->code == SP_OK ? take(x, a) : a->code;
	if (code != SP_OK)
		sp_job_done(x->job, code == SP_ENOTFOUND ? SP_OK : code);
	else if (rc_has_finalizer(&x->view) && x->view.allocation == NULL)
		drop_finalizer(x);
	else
		end(x);
}

/* The reservations that stay, and no allocation when none does. */
static void release(claim_run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, RC_BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, x->claim);
	sp_jout_key(&j, SP_STR("reservedFor"));
	if (x->n_left == 0) {
		sp_jout_null(&j);
	} else {
		sp_jout_open(&j, '[');
		for (size_t i = 0; i < x->n; i++) {
			if (x->users[i].is_gone)
				continue;
			if (j.comma)
				(void)sp_buf_str(&body, SP_STR(","));
			(void)sp_json_write(&body, x->users[i].reservation);
			j.comma = true;
		}
		sp_jout_close(&j, ']');
	}
	if (x->n_left == 0 && rc_has_finalizer(&x->view)) {
		sp_jout_key(&j, SP_STR("allocation"));
		sp_jout_null(&j);
	}
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = on_released, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = RC_CLAIMS,
				.ns = x->claim->ns,
				.name = x->claim->name,
				.subresource = SP_STR("status"),
				.body = sp_buf_view(&body)});
}

static void act(claim_run *x)
{
	x->n_left = 0;
	for (size_t i = 0; i < x->n; i++)
		x->n_left += !x->users[i].is_gone;
	bool going = x->view.deleted.len > 0 && rc_has_finalizer(&x->view) && x->n_left == 0;
	if (x->n_left < x->n || (going && x->view.allocation != NULL))
		release(x);
	else if (going)
		drop_finalizer(x);
	else
		end(x);
}

/* ---- who still uses it ---- */

static sp_code ask_pod(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const claim_run *x = f->arg;
	(void)err;
	*q = (sp_ask){.verb = SP_ASK_GET, .gvr = SP_PODS, .ns = x->claim->ns, .name = x->doubtful[i]->name};
	return SP_OK;
}

static sp_code each_pod(fan *f, size_t i, const sp_answer *a)
{
	const claim_run *x = f->arg;
	user *u = x->doubtful[i];
	const sp_object *o;
	if (a->code == SP_ENOTFOUND) {
		u->is_gone = true;
		return SP_OK;
	}
	if (a->code != SP_OK)
		return a->code;
	SP_TRY(sp_object_parse(x->job->arena, a->body, NULL, &o, NULL));
	u->is_gone = !sp_str_eq(o->uid, u->uid);
	sp_object_unref(o);
	return SP_OK;
}

static void on_pods(fan *f)
{
	claim_run *x = f->arg;
	if (f->code == SP_OK)
		act(x);
	else
		sp_job_done(x->job, f->code);
}

/* Whoever is no pod stays: nobody here knows how they end. */
static sp_code look_at(claim_run *x, yyjson_val *reservation)
{
	user *u = &x->users[x->n++];
	rc_pod pod;
	*u = (user){reservation, text(reservation, "name"), text(reservation, "uid"), false};
	if (text(reservation, "apiGroup").len > 0 ||
	    !sp_str_eq(text(reservation, "resource"), SP_STR("pods")))
		return SP_OK;
	const sp_object *o = sp_informer_get_in(x->c->pods, x->claim->ns, u->name);
	if (o == NULL) {
		x->doubtful[x->n_doubtful++] = u;
		return SP_OK;
	}
	SP_TRY(sp_view(x->job->arena, o->json, rc_pod_view, &pod, NULL));
	u->is_gone = !sp_str_eq(o->uid, u->uid) || rc_is_over(&pod);
	return SP_OK;
}

void rc_sync_claim(resource_claims *c, sp_job *job, const sp_object *o)
{
	claim_run *x = sp_new(job->arena, claim_run, 1);
	*x = (claim_run){.c = c, .job = job, .claim = o};
	sp_code code = sp_view(job->arena, o->json, rc_claim_view, &x->view, NULL);
	x->users = sp_try_new(job->arena, user, x->view.reserved.n + 1);
	x->doubtful = sp_try_new(job->arena, user *, x->view.reserved.n + 1);
	if (code == SP_OK && (x->users == NULL || x->doubtful == NULL))
		code = SP_ETOOLARGE;
	SP_VLIST_FOREACH(reservation, x->view.reserved)
	{
		if (code == SP_OK)
			code = look_at(x, reservation);
	}
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	x->fan = (fan){.client = c->base.client,
		       .arena = job->arena,
		       .n = x->n_doubtful,
		       .ask = ask_pod,
		       .each = each_pod,
		       .done = on_pods,
		       .arg = x};
	fan_start(&x->fan);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod and its claims: those that come from templates are made, owned by the pod, and their names are told
 * in its status; a pod that was given a node without the scheduler (which reserves by itself) gets its
 * allocated claims reserved. U: kubernetes pkg/controller/resourceclaim syncPod, handleClaim.
 */
#include "controllers/fan.h"
#include "controllers/resource_claim_int.h"

#define MANAGER "ResourceClaimController" /* of the pod's status */
#define BASE_BYTES_MAX 57u                /* of a generated name, before its random end */

/* An entry of the pod's spec.resourceClaims that is made from a template. */
typedef struct entry {
	sp_str name;  /* in the pod */
	sp_str claim; /* empty: to be made, or none is needed */
	sp_str template_;
} entry;

typedef struct pod_run {
	resource_claims *c;
	sp_job *job;
	const sp_object *pod;
	rc_pod view;
	entry *entries, **missing;
	size_t n, n_missing;
	bool is_news;              /* there is something to be told in the status */
	const sp_object **reserve; /* claims */
	size_t n_reserve;
	fan fan;
	sp_call call;
} pod_run;

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

/* ---- reserving ---- */

static bool is_reserved(const pod_run *x, const rc_claim *v)
{
	SP_VLIST_FOREACH(r, v->reserved)
	{
		if (sp_str_eq(text(r, "uid"), x->pod->uid))
			return true;
	}
	return false;
}

static bool is_owned(const pod_run *x, const rc_claim *v)
{
	ctl_owner owner;
	return ctl_controller_of(v->owners, &owner) && sp_str_eq(owner.uid, x->pod->uid);
}

static sp_code ask_reserve(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const pod_run *x = f->arg;
	const sp_object *o = x->reserve[i];
	rc_claim v;
	SP_AUTO_BUF body;
	sp_buf_init(&body, RC_BODY_BYTES_MAX);
	SP_TRY(sp_view(x->job->arena, o->json, rc_claim_view, &v, err));
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, o);
	sp_jout_member_open(&j, SP_STR("reservedFor"), '[');
	SP_VLIST_FOREACH(r, v.reserved)
	{
		if (j.comma)
			(void)sp_buf_str(&body, SP_STR(","));
		(void)sp_json_write(&body, r);
		j.comma = true;
	}
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("resource"), SP_STR("pods"));
	sp_jout_member_str(&j, SP_STR("name"), x->pod->name);
	sp_jout_member_str(&j, SP_STR("uid"), x->pod->uid);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	*q = (sp_ask){.verb = SP_ASK_MERGE_PATCH,
		      .gvr = RC_CLAIMS,
		      .ns = o->ns,
		      .name = o->name,
		      .subresource = SP_STR("status"),
		      .body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body))};
	return sp_buf_code(&body) == SP_OK && q->body.ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for reservations");
}

static void on_reserved(fan *f)
{
	const pod_run *x = f->arg;
	sp_job_done(x->job, f->code);
}

/* Not SP_OK: a claim is not this pod's. */
static sp_code look_at_reservation(pod_run *x, yyjson_val *e)
{
	rc_claim v;
	rc_name name = rc_name_of(&x->view, e);
	const sp_object *o =
		name.name.len == 0 ? NULL : sp_informer_get_in(x->c->claims, x->pod->ns, name.name);
	if (o == NULL)
		return SP_OK; /* seen as soon as it is there */
	SP_TRY(sp_view(x->job->arena, o->json, rc_claim_view, &v, NULL));
	if (name.is_made && !is_owned(x, &v))
		return SP_EINVAL;
	if (v.allocation == NULL || is_reserved(x, &v))
		return SP_OK;
	if (ctl_hold(x->job->arena, o) == NULL)
		return SP_ENOMEM;
	x->reserve[x->n_reserve++] = o;
	return SP_OK;
}

static void reserve(pod_run *x)
{
	sp_code code = SP_OK;
	if (x->view.node.len > 0) {
		x->reserve = sp_try_new(x->job->arena, const sp_object *, x->view.claims.n);
		if (x->reserve == NULL)
			code = SP_ETOOLARGE;
		SP_VLIST_FOREACH(e, x->view.claims)
		{
			if (code == SP_OK)
				code = look_at_reservation(x, e);
		}
	}
	if (code != SP_OK || x->n_reserve == 0) {
		sp_job_done(x->job, code);
		return;
	}
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = x->n_reserve,
		       .first = 1,
		       .ask = ask_reserve,
		       .done = on_reserved,
		       .arg = x};
	fan_start(&x->fan);
}

/* ---- telling ---- */

static void on_told(sp_call *c, const sp_answer *a)
{
	pod_run *x = c->arg;
	if (a->code != SP_OK)
		sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
	else
		reserve(x);
}

/* All names, not the new ones only: what is applied replaces what was applied before. */
static void tell(pod_run *x)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, RC_BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("Pod"));
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"), x->pod->name);
	sp_jout_member_str(&j, SP_STR("uid"), x->pod->uid);
	sp_jout_close(&j, '}');
	sp_jout_member_open(&j, SP_STR("status"), '{');
	sp_jout_member_open(&j, SP_STR("resourceClaimStatuses"), '[');
	for (size_t i = 0; i < x->n; i++) {
		sp_jout_open(&j, '{');
		sp_jout_member_str(&j, SP_STR("name"), x->entries[i].name);
		if (x->entries[i].claim.len > 0)
			sp_jout_member_str(&j, SP_STR("resourceClaimName"), x->entries[i].claim);
		sp_jout_close(&j, '}');
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = on_told, .arg = x};
	sp_call_start(x->c->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_APPLY,
				.gvr = SP_PODS,
				.ns = x->pod->ns,
				.name = x->pod->name,
				.subresource = SP_STR("status"),
				.manager = SP_STR(MANAGER),
				.force = true,
				.body = sp_buf_view(&body)});
}

/* ---- making ---- */

static void complain(const pod_run *x, const entry *e, const char *what, sp_str why)
{
	const sp_event_ref about = ctl_event_ref(x->pod, "v1", "Pod");
	sp_events_emitf(x->c->base.events, &about, true, "FailedResourceClaimCreation",
			"PodResourceClaim " SP_FMT ": %s" SP_FMT, SP_ARG(e->name), what, SP_ARG(why));
}

/* Both names are cut in proportion when they are too long together. */
static sp_str generate_name(sp_arena *a, sp_str pod, sp_str name)
{
	size_t len = pod.len + name.len + 2;
	if (len <= BASE_BYTES_MAX)
		return SP_CONCAT(a, pod, SP_STR("-"), name, SP_STR("-"));
	return SP_CONCAT(a, sp_str_sub(pod, 0, pod.len * BASE_BYTES_MAX / len), SP_STR("-"),
			 sp_str_sub(name, 0, name.len * BASE_BYTES_MAX / len));
}

static void write_annotations(sp_jout *j, yyjson_val *have, sp_str name)
{
	size_t i, n;
	yyjson_val *k, *v;
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	yyjson_obj_foreach(have, i, n, k, v)
	{
		if (!sp_str_eq(sp_json_str(k), SP_STR(RC_ANNOTATION)))
			sp_jout_member_str(j, sp_json_str(k), sp_json_str(v));
	}
	sp_jout_member_str(j, SP_STR(RC_ANNOTATION), name);
	sp_jout_close(j, '}');
}

static void write_owner(sp_jout *j, const sp_object *pod)
{
	sp_jout_member_open(j, SP_STR("ownerReferences"), '[');
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("Pod"));
	sp_jout_member_str(j, SP_STR("name"), pod->name);
	sp_jout_member_str(j, SP_STR("uid"), pod->uid);
	sp_jout_member_bool(j, SP_STR("controller"), true);
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
}

static void write_claim(sp_jout *j, const pod_run *x, const entry *e, yyjson_val *spec)
{
	yyjson_val *meta = sp_json_last(spec, SP_STR("metadata"));
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("generateName"), generate_name(x->job->arena, x->pod->name, e->name));
	ctl_copy_member(j, meta, "labels");
	write_annotations(j, sp_json_last(meta, SP_STR("annotations")), e->name);
	write_owner(j, x->pod);
	sp_jout_close(j, '}');
	ctl_copy_member(j, spec, "spec");
	sp_jout_close(j, '}');
}

static sp_code ask_claim(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const pod_run *x = f->arg;
	const entry *e = x->missing[i];
	const sp_object *t = sp_informer_get_in(x->c->templates, x->pod->ns, e->template_);
	yyjson_val *root;
	SP_AUTO_BUF body;
	sp_buf_init(&body, RC_BODY_BYTES_MAX);
	if (t == NULL) {
		complain(x, e, "",
			 sp_arena_printf(x->job->arena,
					 "resource claim template \"" SP_FMT
					 "\": resourceclaimtemplate.resource.k8s.io \"" SP_FMT "\" not found",
					 SP_ARG(e->template_), SP_ARG(e->template_)));
		return sp_fail(err, SP_ENOTFOUND, "no template " SP_FMT, SP_ARG(e->template_));
	}
	SP_TRY(sp_json_parse(x->job->arena, t->json, &root, err));
	sp_jout j = sp_jout_to(&body);
	write_claim(&j, x, e, sp_json_last(root, SP_STR("spec")));
	*q = (sp_ask){.verb = SP_ASK_CREATE,
		      .gvr = RC_CLAIMS,
		      .ns = x->pod->ns,
		      .body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body))};
	return sp_buf_code(&body) == SP_OK && q->body.ptr != NULL
		       ? SP_OK
		       : sp_fail(err, SP_ETOOLARGE, "no room for a claim");
}

static sp_code each_claim(fan *f, size_t i, const sp_answer *a)
{
	const pod_run *x = f->arg;
	entry *e = x->missing[i];
	const sp_object *o = NULL;
	if (a->code != SP_OK) {
		if (!ctl_namespace_goes(a))
			complain(x, e, "create ResourceClaim : ", a->message);
		return a->code;
	}
	SP_TRY(sp_object_parse(x->job->arena, a->body, NULL, &o, NULL));
	rc_made_note(x->c, x->job->arena, x->pod->uid, e->name, o);
	e->claim = sp_arena_try_dup(x->job->arena, o->name);
	sp_object_unref(o);
	return e->claim.ptr == NULL ? SP_ENOMEM : SP_OK;
}

static void on_made(fan *f)
{
	pod_run *x = f->arg;
	if (f->code != SP_OK)
		sp_job_done(x->job, f->code);
	else if (x->is_news)
		tell(x);
	else
		reserve(x);
}

/* ---- looking ---- */

/* The claim that was made for an entry, when the pod does not tell it. */
static sp_str find(const pod_run *x, sp_str name)
{
	const sp_object *o;
	rc_claim v;
	sp_index_at at = sp_informer_find(x->c->claims, x->c->claims_by_owner, x->pod->uid);
	while ((o = sp_index_next(&at)) != NULL) {
		if (sp_view(x->job->arena, o->json, rc_claim_view, &v, NULL) == SP_OK &&
		    sp_str_eq(o->ns, x->pod->ns) &&
		    sp_str_eq(sp_vmap_str(v.annotations, SP_STR(RC_ANNOTATION)), name))
			return sp_arena_try_dup(x->job->arena, o->name);
	}
	return rc_made_name(x->c, x->job->arena, x->pod->uid, name);
}

static bool is_there(const pod_run *x, sp_str claim)
{
	rc_claim v;
	const sp_object *o = sp_informer_get_in(x->c->claims, x->pod->ns, claim);
	return o != NULL && sp_view(x->job->arena, o->json, rc_claim_view, &v, NULL) == SP_OK &&
	       is_owned(x, &v);
}

static void look_at(pod_run *x, yyjson_val *v)
{
	rc_name known = rc_name_of(&x->view, v);
	entry *e = &x->entries[x->n];
	if (!known.is_made)
		return;
	x->n++;
	*e = (entry){.name = text(v, "name"),
		     .claim = known.name,
		     .template_ = text(v, "resourceClaimTemplateName")};
	if (known.is_settled && (known.name.len == 0 || is_there(x, known.name)))
		return;
	e->claim = find(x, e->name);
	if (e->claim.len == 0)
		x->missing[x->n_missing++] = e;
	if (e->claim.len == 0 || !sp_str_eq(e->claim, known.name))
		x->is_news = true;
}

void rc_sync_pod(resource_claims *c, sp_job *job, const sp_object *o)
{
	pod_run *x = sp_new(job->arena, pod_run, 1);
	*x = (pod_run){.c = c, .job = job, .pod = o};
	sp_code code = sp_view(job->arena, o->json, rc_pod_view, &x->view, NULL);
	/* One that is over gets no claim again for the one that was just taken from it. */
	if (code != SP_OK || x->view.deleted.len > 0 || rc_is_over(&x->view)) {
		sp_job_done(job, code);
		return;
	}
	x->entries = sp_try_new(job->arena, entry, x->view.claims.n + 1);
	x->missing = sp_try_new(job->arena, entry *, x->view.claims.n + 1);
	if (x->entries == NULL || x->missing == NULL) {
		sp_job_done(job, SP_ETOOLARGE);
		return;
	}
	SP_VLIST_FOREACH(v, x->view.claims)
	look_at(x, v);
	x->fan = (fan){.client = c->base.client,
		       .arena = job->arena,
		       .n = x->n_missing,
		       .first = 1,
		       .ask = ask_claim,
		       .each = each_claim,
		       .done = on_made,
		       .arg = x};
	fan_start(&x->fan);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims of pods' ephemeral volumes: made from the template in the pod, named POD-VOLUME, owned by the pod so
 * that they go with it. A claim of that name that is another's is never touched. U: kubernetes
 * pkg/controller/volume/ephemeral.
 */
#include "controllers/fan.h"
#include "controllers/table.h"
#include "controllers/volumes.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)

typedef struct pod_view {
	sp_str deleted;
	sp_vlist volumes;
} pod_view;
SP_VIEW(pod_desc, pod_view, "v1/Pod", SP_V(pod_view, deleted, "metadata.deletionTimestamp"),
	SP_V(pod_view, volumes, "spec.volumes"));

typedef struct claim_view {
	sp_vlist owners;
} claim_view;
SP_VIEW(claim_desc, claim_view, "v1/PersistentVolumeClaim",
	SP_V(claim_view, owners, "metadata.ownerReferences"));

typedef struct ephemeral {
	controller base;
	sp_informer *pods, *claims;
	unsigned pods_by;
	sp_informer_watch pod_watch, claim_watch;
} ephemeral;

typedef struct eph_run {
	ephemeral *e;
	sp_job *job;
	const sp_object *pod;
	yyjson_val **missing; /* volumes whose claims are to be made */
	size_t n;
	fan fan;
} eph_run;

static sp_str volume_name(yyjson_val *volume)
{
	return sp_json_str(sp_json_last(volume, SP_STR("name")));
}

static void complain(const eph_run *x, yyjson_val *volume, sp_str why)
{
	const sp_event_ref about = ctl_event_ref(x->pod, "v1", "Pod");
	sp_events_emitf(x->e->base.events, &about, true, "FailedBinding",
			"ephemeral volume " SP_FMT ": " SP_FMT, SP_ARG(volume_name(volume)), SP_ARG(why));
}

/* ---- making ---- */

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const eph_run *x = f->arg;
	yyjson_val *source = sp_json_last(x->missing[i], SP_STR("ephemeral"));
	yyjson_val *template = sp_json_last(source, SP_STR("volumeClaimTemplate"));
	yyjson_val *meta = sp_json_last(template, SP_STR("metadata"));
	SP_AUTO_BUF body, owner;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_buf_init(&owner, 4096);
	(void)sp_patch_owner(&owner, &(sp_owner){SP_STR("v1"), SP_STR("Pod"), x->pod->name, x->pod->uid});
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("name"),
			   SP_CONCAT(x->job->arena, x->pod->name, SP_STR("-"), volume_name(x->missing[i])));
	ctl_copy_member(&j, meta, "annotations");
	ctl_copy_member(&j, meta, "labels");
	sp_jout_member_open(&j, SP_STR("ownerReferences"), '[');
	sp_jout_raw(&j, sp_buf_view(&owner));
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	ctl_copy_member(&j, template, "spec");
	sp_jout_close(&j, '}');
	q->verb = SP_ASK_CREATE;
	q->gvr = SP_PERSISTENTVOLUMECLAIMS;
	q->ns = x->pod->ns;
	q->body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body));
	if (sp_buf_code(&body) != SP_OK || sp_buf_code(&owner) != SP_OK || q->body.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a claim");
	return SP_OK;
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	const eph_run *x = f->arg;
	if (a->code == SP_OK)
		return SP_OK;
	/* One that is there already will be seen, and looked at, soon. */
	if (a->code != SP_EEXISTS)
		complain(x, x->missing[i],
			 sp_arena_printf(x->job->arena, "create PVC " SP_FMT "-" SP_FMT ": " SP_FMT,
					 SP_ARG(x->pod->name), SP_ARG(volume_name(x->missing[i])),
					 SP_ARG(a->message)));
	return a->code;
}

static void on_made(fan *f)
{
	const eph_run *x = f->arg;
	sp_job_done(x->job, f->code);
}

/* ---- looking ---- */

static bool is_pods_claim(const eph_run *x, const sp_object *claim)
{
	claim_view v;
	ctl_owner owner;
	return sp_view(x->job->arena, claim->json, &claim_desc, &v, NULL) == SP_OK &&
	       ctl_controller_of(v.owners, &owner) && sp_str_eq(owner.uid, x->pod->uid);
}

/* Not SP_OK: a claim is somebody else's. */
static sp_code look_at(eph_run *x, yyjson_val *volume)
{
	if (sp_json_last(volume, SP_STR("ephemeral")) == NULL)
		return SP_OK;
	sp_str name = SP_CONCAT(x->job->arena, x->pod->name, SP_STR("-"), volume_name(volume));
	const sp_object *claim = name.ptr == NULL ? NULL : sp_informer_get_in(x->e->claims, x->pod->ns, name);
	if (claim == NULL) {
		x->missing[x->n++] = volume;
		return SP_OK;
	}
	if (is_pods_claim(x, claim))
		return SP_OK;
	complain(x, volume,
		 sp_arena_printf(x->job->arena,
				 "PVC " SP_FMT " was not created for pod " SP_FMT " (pod is not owner)",
				 SP_ARG(claim->key), SP_ARG(x->pod->key)));
	return SP_EINVAL;
}

static void sync_pod(controller *base, sp_job *job)
{
	ephemeral *e = SP_CONTAINER_OF(base, ephemeral, base);
	const sp_object *o = sp_informer_get(e->pods, job->key);
	eph_run *x = sp_new(job->arena, eph_run, 1);
	pod_view v = {.deleted = {NULL, 0}};
	sp_code code = SP_OK;
	*x = (eph_run){.e = e, .job = job, .pod = o};
	if (o != NULL)
		code = ctl_hold(job->arena, o) == NULL ? SP_ENOMEM
						       : sp_view(job->arena, o->json, &pod_desc, &v, NULL);
	x->missing = sp_try_new(job->arena, yyjson_val *, v.volumes.n + 1);
	if (code == SP_OK && x->missing == NULL)
		code = SP_ETOOLARGE;
	if (code != SP_OK || o == NULL || v.deleted.len > 0) {
		sp_job_done(job, code);
		return;
	}
	SP_VLIST_FOREACH(volume, v.volumes)
	{
		code = look_at(x, volume);
		if (code != SP_OK)
			break;
	}
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	x->fan = (fan){.client = base->client,
		       .arena = job->arena,
		       .n = x->n,
		       .ask = ask,
		       .each = each,
		       .done = on_made,
		       .arg = x};
	fan_start(&x->fan);
}

/* ---- changes ---- */

static bool has_ephemeral(const sp_object *o)
{
	pod_view v;
	bool found = false;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_view(&a, o->json, &pod_desc, &v, NULL) == SP_OK) {
		SP_VLIST_FOREACH(volume, v.volumes)
		found = found || sp_json_last(volume, SP_STR("ephemeral")) != NULL;
	}
	sp_arena_done(&a);
	return found;
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	ephemeral *e = arg;
	if (old == NULL && has_ephemeral(now)) /* volumes of pods do not change */
		sp_queue_add(e->base.queue, now->key);
}

static void on_claim(void *arg, const sp_object *old, const sp_object *now)
{
	ephemeral *e = arg;
	const sp_object *o;
	if (now != NULL)
		return;
	sp_index_at at = sp_informer_find(e->pods, e->pods_by, old->key);
	while ((o = sp_index_next(&at)) != NULL)
		sp_queue_add(e->base.queue, o->key);
}

static sp_code open_ephemeral(controller *base, sp_err *err)
{
	ephemeral *e = SP_CONTAINER_OF(base, ephemeral, base);
	SP_TRY(controller_follow(base, SP_PODS, &pod_desc, &e->pods, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMECLAIMS, &claim_desc, &e->claims, err));
	SP_TRY(sp_informer_index(e->pods, vol_index_pods, NULL, &e->pods_by, err));
	controller_watch(e->pods, &e->pod_watch, on_pod, e);
	controller_watch(e->claims, &e->claim_watch, on_claim, e);
	return SP_OK;
}

const controller_type controller_ephemeral_volume = {.name = "ephemeral-volume-controller",
						     .component = "ephemeral_volume",
						     .size_bytes = sizeof(ephemeral),
						     .open = open_ephemeral,
						     .sync = sync_pod};

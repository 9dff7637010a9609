/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finalizers that keep claims while pods use them, volumes while they are bound and classes of attributes
 * while claims or volumes name them. A claim is only let go when neither the cache nor the server knows a pod
 * with it. U: kubernetes pkg/controller/volume/pvcprotection, pvprotection, vacprotection.
 */
#include "controllers/table.h"
#include "controllers/volumes.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define PAGE "500"
#define PAGE_BYTES_MAX ((size_t)256 << 20)

typedef struct pod_view {
	sp_str node, deleted, uid;
	int64_t grace_s;
	bool has_grace_s;
	sp_vlist volumes;
} pod_view;
SP_VIEW(pod_desc, pod_view, "v1/Pod", SP_V(pod_view, node, "spec.nodeName"),
	SP_V(pod_view, deleted, "metadata.deletionTimestamp"), SP_V(pod_view, uid, "metadata.uid"),
	SP_VH(pod_view, grace_s, "metadata.deletionGracePeriodSeconds"),
	SP_V(pod_view, volumes, "spec.volumes"));

typedef struct protected_view {
	sp_str deleted, phase;
	sp_vlist finalizers, owners;
} protected_view;
SP_VIEW(claim_desc, protected_view, "v1/PersistentVolumeClaim",
	SP_V(protected_view, deleted, "metadata.deletionTimestamp"),
	SP_V(protected_view, phase, "status.phase"), SP_V(protected_view, finalizers, "metadata.finalizers"),
	SP_V(protected_view, owners, "metadata.ownerReferences"));
SP_VIEW(volume_desc, protected_view, "v1/PersistentVolume",
	SP_V(protected_view, deleted, "metadata.deletionTimestamp"),
	SP_V(protected_view, phase, "status.phase"), SP_V(protected_view, finalizers, "metadata.finalizers"),
	SP_V(protected_view, owners, "metadata.ownerReferences"));

typedef struct protection {
	controller base;
	sp_informer *objects, *pods; /* pods: of claims only */
	unsigned pods_by;
	sp_informer_watch object_watch, pod_watch;
	sp_informer *claims, *volumes; /* of classes only */
	unsigned claims_by, volumes_by;
	sp_informer_watch claim_watch, volume_watch;
	const char *finalizer;
	sp_gvr gvr;
} protection;

typedef struct guard_run {
	protection *p;
	sp_job *job;
	const sp_object *object;
	protected_view view;
	sp_call call;
} guard_run;

/* ---- the finalizer ---- */

static void on_written(sp_call *c, const sp_answer *a)
{
	guard_run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static bool is_mine(const guard_run *x, yyjson_val *v)
{
	return sp_str_eq(sp_json_str(v), sp_str_c(x->p->finalizer));
}

static bool has_mine(const guard_run *x)
{
	SP_VLIST_FOREACH(v, x->view.finalizers)
	{
		if (is_mine(x, v))
			return true;
	}
	return false;
}

/* The list with or without it, written at the revision it was read from. */
static void write_finalizers(guard_run *x, bool with)
{
	sp_str mine = sp_str_c(x->p->finalizer);
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	(void)sp_patch_finalizers(&body, x->object, x->view.finalizers, mine, with ? mine : SP_STR(""));
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->p->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = x->p->gvr,
				.ns = x->object->ns,
				.name = x->object->name,
				.body = sp_buf_view(&body)});
}

/* NULL: the job has ended. */
static guard_run *read_object(controller *base, sp_job *job, const sp_view_desc *desc)
{
	protection *p = SP_CONTAINER_OF(base, protection, base);
	const sp_object *o = sp_informer_get(p->objects, job->key);
	guard_run *x = sp_new(job->arena, guard_run, 1);
	sp_code code = SP_OK;
	*x = (guard_run){.p = p, .job = job, .object = o};
	if (o != NULL)
		code = ctl_hold(job->arena, o) == NULL ? SP_ENOMEM
						       : sp_view(job->arena, o->json, desc, &x->view, NULL);
	if (o != NULL && code == SP_OK)
		return x;
	sp_job_done(job, code);
	return NULL;
}

/* ---- claims ---- */

static bool is_shut_down(const pod_view *p)
{
	return p->deleted.len > 0 && p->has_grace_s && p->grace_s == 0;
}

static bool uses(const guard_run *x, sp_str pod_name, const pod_view *p)
{
	ctl_owner owner;
	bool owned = ctl_controller_of(x->view.owners, &owner) && sp_str_eq(owner.uid, p->uid);
	if (p->node.len == 0)
		return false;
	SP_VLIST_FOREACH(v, p->volumes)
	{
		yyjson_val *source = sp_json_last(v, SP_STR("persistentVolumeClaim"));
		if (sp_str_eq(sp_json_str(sp_json_last(source, SP_STR("claimName"))), x->object->name))
			return true;
		if (is_shut_down(p) || sp_json_last(v, SP_STR("ephemeral")) == NULL || !owned)
			continue;
		sp_str rest = x->object->name;
		if (sp_str_take(&rest, pod_name) && sp_str_take(&rest, SP_STR("-")) &&
		    sp_str_eq(rest, sp_json_str(sp_json_last(v, SP_STR("name")))))
			return true;
	}
	return false;
}

static bool is_used_in_cache(const guard_run *x)
{
	const sp_object *o;
	pod_view p;
	sp_index_at at = sp_informer_find(x->p->pods, x->p->pods_by, x->object->key);
	while ((o = sp_index_next(&at)) != NULL) {
		if (sp_view(x->job->arena, o->json, &pod_desc, &p, NULL) != SP_OK || uses(x, o->name, &p))
			return true; /* also one that can't be read */
	}
	return false;
}

static void ask_pods(guard_run *x, sp_str token);

static void on_pods(sp_call *c, const sp_answer *a)
{
	guard_run *x = c->arg;
	yyjson_val *root, *v;
	size_t i, n;
	sp_code code = a->code == SP_OK ? sp_json_parse(x->job->arena, a->body, &root, NULL) : a->code;
	if (code != SP_OK) {
		sp_job_done(x->job, code);
		return;
	}
	yyjson_arr_foreach(sp_json_last(root, SP_STR("items")), i, n, v)
	{
		pod_view p;
		yyjson_val *meta = sp_json_last(v, SP_STR("metadata"));
		sp_view_fill(v, &pod_desc, &p);
		if (uses(x, sp_json_str(sp_json_last(meta, SP_STR("name"))), &p)) {
			sp_job_done(x->job, SP_OK); /* its end will tell */
			return;
		}
	}
	yyjson_val *meta = sp_json_last(root, SP_STR("metadata"));
	sp_str token = sp_json_str(sp_json_last(meta, SP_STR("continue")));
	if (token.len > 0)
		ask_pods(x, token);
	else
		write_finalizers(x, false);
}

static void ask_pods(guard_run *x, sp_str token)
{
	SP_AUTO_BUF query;
	sp_buf_init(&query, (size_t)64 << 10);
	(void)sp_query_add(&query, "limit", SP_STR(PAGE));
	if (token.len > 0)
		(void)sp_query_add(&query, "continue", token);
	if (sp_buf_code(&query) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&query));
		return;
	}
	x->call = (sp_call){.done = on_pods, .arg = x};
	sp_call_start(x->p->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_LIST,
				.gvr = SP_PODS,
				.ns = x->object->ns,
				.query = sp_buf_view(&query),
				.answer_bytes = PAGE_BYTES_MAX});
}

static void sync_claim(controller *base, sp_job *job)
{
	guard_run *x = read_object(base, job, &claim_desc);
	if (x == NULL)
		return;
	bool going = x->view.deleted.len > 0, mine = has_mine(x);
	if (!going && !mine)
		write_finalizers(x, true);
	else if (going && mine && !is_used_in_cache(x))
		ask_pods(x, SP_STR(""));
	else
		sp_job_done(job, SP_OK);
}

/* Whatever happens to a pod may set a claim free. */
static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	protection *p = arg;
	const sp_object *o = now != NULL ? now : old;
	pod_view view;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_view(&a, o->json, &pod_desc, &view, NULL) == SP_OK) {
		SP_VLIST_FOREACH(v, view.volumes)
		{
			yyjson_val *source = sp_json_last(v, SP_STR("persistentVolumeClaim"));
			sp_str name = sp_json_str(sp_json_last(source, SP_STR("claimName")));
			if (sp_json_last(v, SP_STR("ephemeral")) != NULL)
				name = SP_CONCAT(&a, o->name, SP_STR("-"),
						 sp_json_str(sp_json_last(v, SP_STR("name"))));
			sp_str key = name.len == 0 ? name : sp_object_key_join(&a, o->ns, name);
			if (key.len > 0)
				sp_queue_add(p->base.queue, key);
		}
	}
	sp_arena_done(&a);
}

static sp_code open_claims(controller *base, sp_err *err)
{
	protection *p = SP_CONTAINER_OF(base, protection, base);
	p->finalizer = "kubernetes.io/pvc-protection";
	p->gvr = SP_PERSISTENTVOLUMECLAIMS;
	SP_TRY(controller_follow(base, p->gvr, &claim_desc, &p->objects, err));
	SP_TRY(controller_follow(base, SP_PODS, &pod_desc, &p->pods, err));
	SP_TRY(sp_informer_index(p->pods, vol_index_pods, NULL, &p->pods_by, err));
	controller_watch(p->objects, &p->object_watch, controller_enqueue, base);
	controller_watch(p->pods, &p->pod_watch, on_pod, p);
	return SP_OK;
}

const controller_type controller_claim_protection = {.name = "persistentvolumeclaim-protection-controller",
						     .account = "pvc-protection-controller",
						     .size_bytes = sizeof(protection),
						     .open = open_claims,
						     .sync = sync_claim};

/* ---- volumes ---- */

/* Whether it is in use is known: the finalizer is there until it goes unused. */
static void settle(guard_run *x, sp_job *job, bool used)
{
	bool going = x->view.deleted.len > 0, mine = has_mine(x);
	if (!going && !mine)
		write_finalizers(x, true);
	else if (going && mine && !used)
		write_finalizers(x, false);
	else
		sp_job_done(job, SP_OK);
}

static void sync_volume(controller *base, sp_job *job)
{
	guard_run *x = read_object(base, job, &volume_desc);
	if (x == NULL)
		return;
	settle(x, job, sp_str_eq(x->view.phase, SP_STR("Bound")));
}

static sp_code open_volumes(controller *base, sp_err *err)
{
	protection *p = SP_CONTAINER_OF(base, protection, base);
	p->finalizer = "kubernetes.io/pv-protection";
	p->gvr = SP_PERSISTENTVOLUMES;
	SP_TRY(controller_follow(base, p->gvr, &volume_desc, &p->objects, err));
	controller_watch(p->objects, &p->object_watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_volume_protection = {.name = "persistentvolume-protection-controller",
						      .account = "pv-protection-controller",
						      .size_bytes = sizeof(protection),
						      .n_workers = 1,
						      .open = open_volumes,
						      .sync = sync_volume};

/* ---- classes of attributes ---- */

#define CLASSES SP_GVR("storage.k8s.io", "v1", "volumeattributesclasses")

SP_VIEW(class_desc, protected_view, "storage.k8s.io/v1/VolumeAttributesClass",
	SP_V(protected_view, deleted, "metadata.deletionTimestamp"),
	SP_V(protected_view, finalizers, "metadata.finalizers"));

typedef struct user_view {
	sp_str wanted, current, target;
} user_view;
SP_VIEW(claim_user_desc, user_view, "v1/PersistentVolumeClaim",
	SP_V(user_view, wanted, "spec.volumeAttributesClassName"),
	SP_V(user_view, current, "status.currentVolumeAttributesClassName"),
	SP_V(user_view, target, "status.modifyVolumeStatus.targetVolumeAttributesClassName"));
SP_VIEW(volume_user_desc, user_view, "v1/PersistentVolume",
	SP_V(user_view, wanted, "spec.volumeAttributesClassName"));

/* arg: the view of who names them. */
static void keys_of_user(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	user_view v;
	(void)o;
	sp_view_fill(object, arg, &v);
	sp_index_emit(keys, v.wanted);
	sp_index_emit(keys, v.current);
	sp_index_emit(keys, v.target);
}

/* Classes that it named before: it may have been the last. */
static void wake_classes(protection *p, const sp_object *old, const sp_view_desc *desc)
{
	user_view v;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	if (old != NULL && sp_view(&a, old->json, desc, &v, NULL) == SP_OK) {
		const sp_str names[] = {v.wanted, v.current, v.target};
		for (size_t i = 0; i < SP_LEN(names); i++) {
			if (names[i].len > 0)
				sp_queue_add(p->base.queue, names[i]);
		}
	}
	sp_arena_done(&a);
}

static void on_claim_user(void *arg, const sp_object *old, const sp_object *now)
{
	(void)now;
	wake_classes(arg, old, &claim_user_desc);
}

static void on_volume_user(void *arg, const sp_object *old, const sp_object *now)
{
	(void)now;
	wake_classes(arg, old, &volume_user_desc);
}

static void sync_class(controller *base, sp_job *job)
{
	guard_run *x = read_object(base, job, &class_desc);
	if (x == NULL)
		return;
	const protection *p = x->p;
	bool used = sp_informer_find_count(p->claims, p->claims_by, job->key) > 0 ||
		    sp_informer_find_count(p->volumes, p->volumes_by, job->key) > 0;
	settle(x, job, used);
}

static sp_code open_classes(controller *base, sp_err *err)
{
	protection *p = SP_CONTAINER_OF(base, protection, base);
	p->finalizer = "kubernetes.io/vac-protection";
	p->gvr = CLASSES;
	SP_TRY(controller_follow(base, p->gvr, &class_desc, &p->objects, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMECLAIMS, &claim_user_desc, &p->claims, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMES, &volume_user_desc, &p->volumes, err));
	SP_TRY(sp_informer_index(p->claims, keys_of_user, (void *)(uintptr_t)&claim_user_desc, &p->claims_by,
				 err));
	SP_TRY(sp_informer_index(p->volumes, keys_of_user, (void *)(uintptr_t)&volume_user_desc,
				 &p->volumes_by, err));
	controller_watch(p->objects, &p->object_watch, controller_enqueue, base);
	controller_watch(p->claims, &p->claim_watch, on_claim_user, p);
	controller_watch(p->volumes, &p->volume_watch, on_volume_user, p);
	return SP_OK;
}

const controller_type controller_class_protection = {.name = "volumeattributesclass-protection-controller",
						     .size_bytes = sizeof(protection),
						     .n_workers = 1,
						     .open = open_classes,
						     .sync = sync_class};

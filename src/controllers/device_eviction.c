/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods whose claims hold devices with NoExecute taints go: at once, or when the time is over for which the
 * claim tolerates them, counted from when the taint was added. Taints are those of the pool's newest
 * ResourceSlices; what a taint means is looked up again when the time has come. U: kubernetes
 * pkg/controller/devicetainteviction (DeviceTaintRules are off there by default).
 */
#include "controllers/deletion.h"
#include "controllers/key_set.h"
#include "controllers/resource_claim_int.h"
#include "kube/node_fit.h"

#define NS_PER_S UINT64_C(1000000000)
#define SLICES SP_GVR("resource.k8s.io", "v1", "resourceslices")

typedef struct slice_view {
	sp_str driver, pool;
	int64_t generation;
	sp_vlist devices;
} slice_view;
SP_VIEW(slice_desc, slice_view, "resource.k8s.io/v1/ResourceSlice", SP_V(slice_view, driver, "spec.driver"),
	SP_V(slice_view, pool, "spec.pool.name"), SP_V(slice_view, generation, "spec.pool.generation"),
	SP_V(slice_view, devices, "spec.devices"));

typedef struct evictor {
	controller base;
	sp_informer *pods, *claims, *slices;
	unsigned pods_by_claim, claims_by_pool, slices_by_pool;
	sp_informer_watch pod_watch, claim_watch, slice_watch;
	key_set waiting; /* pods that will have to go: when they need not, they are told */
} evictor;

typedef struct evict_run {
	evictor *c;
	sp_job *job;
	const sp_object *pod;
	ctl_eviction eviction;
} evict_run;

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

static sp_str pool_key(sp_arena *a, sp_str driver, sp_str pool)
{
	return SP_CONCAT(a, driver, SP_STR("/"), pool);
}

/* ---- when ---- */

/* Seconds since 1970 at which a taint of an allocated device ends its users; INT64_MAX: never. */
static int64_t due_of_taint(yyjson_val *result, yyjson_val *taint)
{
	int64_t since = ctl_seconds(text(taint, "timeAdded")), least = INT64_MAX;
	bool tolerated = false;
	yyjson_val *t;
	size_t i, n;
	yyjson_arr_foreach(sp_json_last(result, SP_STR("tolerations")), i, n, t)
	{
		yyjson_val *seconds = sp_json_last(t, SP_STR("tolerationSeconds"));
		if (!sp_str_eq(text(t, "effect"), SP_STR("NoExecute")) || !sp_fit_tolerates(t, taint))
			continue;
		if (!yyjson_is_int(seconds))
			return INT64_MAX;
		int64_t most = SP_MAX(yyjson_get_sint(seconds), INT64_C(0));
		least = SP_MIN(least, most);
		tolerated = true;
	}
	if (!tolerated)
		return 0; /* whatever the clock says of whoever added it */
	return least > INT64_MAX - since ? INT64_MAX : since + least;
}

static int64_t due_of_device(yyjson_val *result, yyjson_val *device)
{
	int64_t due = INT64_MAX;
	yyjson_val *taint;
	size_t i, n;
	yyjson_arr_foreach(sp_json_last(device, SP_STR("taints")), i, n, taint)
	{
		if (sp_str_eq(text(taint, "effect"), SP_STR("NoExecute")))
			due = SP_MIN(due, due_of_taint(result, taint));
	}
	return due;
}

/* The device as the newest slices of its pool have it; NULL: in none. */
static yyjson_val *find_device(const evictor *c, sp_arena *a, yyjson_val *result)
{
	sp_str name = text(result, "device");
	sp_str key = pool_key(a, text(result, "driver"), text(result, "pool"));
	int64_t newest = INT64_MIN;
	yyjson_val *found = NULL;
	const sp_object *o;
	slice_view v;
	sp_index_at at = sp_informer_find(c->slices, c->slices_by_pool, key);
	while ((o = sp_index_next(&at)) != NULL) {
		if (sp_view(a, o->json, &slice_desc, &v, NULL) != SP_OK || v.generation < newest)
			continue;
		if (v.generation > newest)
			found = NULL; /* what was found is of old */
		newest = v.generation;
		SP_VLIST_FOREACH(device, v.devices)
		{
			if (found == NULL && sp_str_eq(text(device, "name"), name))
				found = device;
		}
	}
	return found;
}

static bool is_for(const sp_object *pod, bool is_made, const rc_claim *claim)
{
	ctl_owner owner;
	if (is_made && !(ctl_controller_of(claim->owners, &owner) && sp_str_eq(owner.uid, pod->uid)))
		return false;
	SP_VLIST_FOREACH(r, claim->reserved)
	{
		if (sp_str_eq(text(r, "uid"), pod->uid))
			return true;
	}
	return false;
}

static int64_t due_of_claim(const evictor *c, sp_arena *a, const sp_object *pod, const rc_name *name)
{
	rc_claim v;
	int64_t due = INT64_MAX;
	yyjson_val *result;
	size_t i, n;
	const sp_object *o = name->name.len == 0 ? NULL : sp_informer_get_in(c->claims, pod->ns, name->name);
	if (o == NULL || sp_view(a, o->json, rc_claim_view, &v, NULL) != SP_OK ||
	    !is_for(pod, name->is_made, &v))
		return due;
	yyjson_val *devices = sp_json_last(v.allocation, SP_STR("devices"));
	yyjson_arr_foreach(sp_json_last(devices, SP_STR("results")), i, n, result)
	{
		yyjson_val *device = find_device(c, a, result);
		int64_t mine = due_of_device(result, device);
		due = SP_MIN(due, mine);
	}
	return due;
}

static int64_t due_of_pod(const evictor *c, sp_arena *a, const sp_object *o)
{
	rc_pod v;
	int64_t due = INT64_MAX;
	if (o == NULL || sp_view(a, o->json, rc_pod_view, &v, NULL) != SP_OK || v.node.len == 0 ||
	    v.deleted.len > 0 || rc_is_over(&v))
		return due;
	SP_VLIST_FOREACH(entry, v.claims)
	{
		rc_name name = rc_name_of(&v, entry);
		due = SP_MIN(due, due_of_claim(c, a, o, &name));
	}
	return due;
}

/* ---- the end of a pod ---- */

static void tell(const evictor *c, const sp_object *pod, const char *what)
{
	sp_event_ref about = ctl_event_ref(pod, "v1", "Pod");
	sp_events_emitf(c->base.events, &about, false, "DeviceTaintManagerEviction", "%s", what);
}

static void evict(evict_run *x)
{
	sp_str now = ctl_now(x->c->base.world, x->job->arena);
	tell(x->c, x->pod, "Marking for deletion");
	x->eviction = (ctl_eviction){.client = x->c->base.client, .job = x->job, .pod = x->pod};
	ctl_evict(&x->eviction, now, "DeletionByDeviceTaintManager",
		  "Device Taint manager: deleting due to NoExecute taint");
}

static void sync_pod(controller *base, sp_job *job)
{
	evictor *c = SP_CONTAINER_OF(base, evictor, base);
	const sp_object *o = sp_informer_get(c->pods, job->key);
	int64_t due = due_of_pod(c, job->arena, o), now = ctl_now_s(base->world);
	if (due == INT64_MAX) {
		if (key_set_remove(&c->waiting, job->key) && o != NULL)
			tell(c, o, "Cancelling deletion");
		sp_job_done(job, SP_OK);
		return;
	}
	if (due > now) {
		(void)key_set_add(&c->waiting, job->key); /* without memory it is not told */
		/* No longer than a day at once: nobody gets a time that does not fit. */
		sp_job_again(job, (uint64_t)SP_MIN(due - now, INT64_C(86400)) * NS_PER_S);
		return;
	}
	evict_run *x = sp_new(job->arena, evict_run, 1);
	*x = (evict_run){.c = c, .job = job, .pod = ctl_hold(job->arena, o)};
	(void)key_set_remove(&c->waiting, job->key);
	if (x->pod == NULL)
		sp_job_done(job, SP_ENOMEM);
	else
		evict(x);
}

/* ---- changes ---- */

static void index_claims(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	rc_claim v;
	yyjson_val *result;
	size_t i, n;
	(void)arg;
	(void)o;
	sp_view_fill(object, rc_claim_view, &v);
	yyjson_val *devices = sp_json_last(v.allocation, SP_STR("devices"));
	yyjson_arr_foreach(sp_json_last(devices, SP_STR("results")), i, n, result)
	{
		const sp_str parts[] = {text(result, "driver"), SP_STR("/"), text(result, "pool")};
		sp_index_emit_parts(keys, parts, SP_LEN(parts));
	}
}

static void index_slices(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	slice_view v;
	(void)arg;
	(void)o;
	sp_view_fill(object, &slice_desc, &v);
	sp_index_emit_parts(keys, (const sp_str[]){v.driver, SP_STR("/"), v.pool}, 3);
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	evictor *c = arg;
	rc_pod v;
	sp_arena a;
	if (now == NULL) {
		(void)key_set_remove(&c->waiting, old->key);
		return;
	}
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_view(&a, now->json, rc_pod_view, &v, NULL) == SP_OK && v.claims.n > 0 && v.node.len > 0)
		sp_queue_add(c->base.queue, now->key);
	sp_arena_done(&a);
}

static void add_users(evictor *c, const sp_object *claim)
{
	const sp_object *o;
	sp_index_at at = sp_informer_find(c->pods, c->pods_by_claim, claim->key);
	while ((o = sp_index_next(&at)) != NULL)
		sp_queue_add(c->base.queue, o->key);
}

static void on_claim(void *arg, const sp_object *old, const sp_object *now)
{
	add_users(arg, now != NULL ? now : old);
}

static void on_slice(void *arg, const sp_object *old, const sp_object *now)
{
	evictor *c = arg;
	slice_view v;
	const sp_object *o;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	/* The pool of a slice does not change. */
	if (sp_view(&a, (now != NULL ? now : old)->json, &slice_desc, &v, NULL) == SP_OK) {
		sp_str key = pool_key(&a, v.driver, v.pool);
		sp_index_at at = sp_informer_find(c->claims, c->claims_by_pool, key);
		while ((o = sp_index_next(&at)) != NULL)
			add_users(c, o);
	}
	sp_arena_done(&a);
}

static sp_code open_evictor(controller *base, sp_err *err)
{
	evictor *c = SP_CONTAINER_OF(base, evictor, base);
	key_set_init(&c->waiting);
	SP_TRY(controller_follow(base, SP_PODS, rc_pod_view, &c->pods, err));
	SP_TRY(controller_follow(base, RC_CLAIMS, rc_claim_view, &c->claims, err));
	SP_TRY(controller_follow(base, SLICES, &slice_desc, &c->slices, err));
	SP_TRY(sp_informer_index(c->pods, rc_index_pods, NULL, &c->pods_by_claim, err));
	SP_TRY(sp_informer_index(c->claims, index_claims, NULL, &c->claims_by_pool, err));
	SP_TRY(sp_informer_index(c->slices, index_slices, NULL, &c->slices_by_pool, err));
	controller_watch(c->pods, &c->pod_watch, on_pod, c);
	controller_watch(c->claims, &c->claim_watch, on_claim, c);
	controller_watch(c->slices, &c->slice_watch, on_slice, c);
	return SP_OK;
}

static void done(controller *base)
{
	evictor *c = SP_CONTAINER_OF(base, evictor, base);
	key_set_done(&c->waiting);
}

const controller_type controller_device_eviction = {.name = "device-taint-eviction-controller",
						    .size_bytes = sizeof(evictor),
						    .n_workers = 8,
						    .open = open_evictor,
						    .sync = sync_pod,
						    .done = done};

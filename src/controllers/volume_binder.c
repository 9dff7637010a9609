/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims and volumes find each other. A claim takes the volume it names, or that names it, or the smallest
 * that suits it; a claim whose class waits for its first consumer takes none before the scheduler has chosen;
 * for one that finds none the class's provisioner is asked. Both sides point at each other in the end, volume
 * first, so whoever stops in between finds what to go on with. Every branch is written out.
 * U: kubernetes pkg/controller/volume/persistentvolume/pv_controller.go. Where upstream looks at everything
 * every 15 s, here a volume or class that appears wakes the claims that wait for it.
 */
#include "controllers/table.h"
#include "controllers/volume_binder_int.h"

#define KEY_BYTES (SP_OBJECT_KEY_BYTES + 2u)

typedef struct pod_use {
	sp_str node, phase;
} pod_use;
SP_VIEW(pod_desc, pod_use, "v1/Pod", SP_V(pod_use, node, "spec.nodeName"),
	SP_V(pod_use, phase, "status.phase"));

void bind_look_at(binder *b, char kind, sp_str key)
{
	char text[KEY_BYTES];
	if (key.len + 2 > sizeof text)
		return; /* longer than names may be */
	text[0] = kind;
	text[1] = '/';
	if (key.len > 0)
		memcpy(text + 2, key.ptr, key.len);
	sp_queue_add(b->base.queue, (sp_str){text, key.len + 2});
}

/* ---- provisioning ---- */

static void external_said(bind_run *x)
{
	bind_claim_event(x, false, "ExternalProvisioning",
			 sp_arena_printf(x->job->arena,
					 "Waiting for a volume to be created either by the external "
					 "provisioner '" SP_FMT
					 "' or manually by the system administrator. If volume creation is "
					 "delayed, please verify that the provisioner is running and "
					 "correctly registered.",
					 SP_ARG(sp_vmap_str(x->claim.annotations, VOL_PROVISIONER))));
	bind_done(x);
}

static void ask_provisioner(bind_run *x, sp_str provisioner)
{
	if (sp_str_eq(sp_vmap_str(x->claim.annotations, VOL_PROVISIONER), provisioner)) {
		external_said(x);
		return;
	}
	SP_AUTO_BUF notes;
	sp_buf_init(&notes, 4096);
	sp_jout j = sp_jout_to(&notes);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, VOL_PROVISIONER_BETA, provisioner);
	sp_jout_member_str(&j, VOL_PROVISIONER, provisioner);
	sp_jout_close(&j, '}');
	if (sp_buf_code(&notes) != SP_OK)
		sp_job_done(x->job, sp_buf_code(&notes));
	else
		bind_write_claim(x, sp_buf_view(&notes), SP_STR(""), external_said);
}

static void provision(bind_run *x, const vol_class *class)
{
	if (class == NULL)
		bind_claim_event(x, true, "ProvisioningFailed",
				 sp_arena_printf(x->job->arena,
						 "storageclass.storage.k8s.io \"" SP_FMT "\" not found",
						 SP_ARG(x->claim.class_name)));
	else if (sp_str_starts(class->provisioner, SP_STR("kubernetes.io/")))
		bind_claim_event(x, true, "ProvisioningFailed",
				 SP_CONCAT(x->job->arena, SP_STR("no volume plugin matched name: "),
					   class->provisioner));
	else {
		ask_provisioner(x, class->provisioner);
		return;
	}
	bind_done(x);
}

/* ---- the default class ---- */

static bool is_default(const vol_class *c)
{
	return sp_str_eq(sp_vmap_str(c->annotations, SP_STR("storageclass.kubernetes.io/is-default-class")),
			 SP_STR("true")) ||
	       sp_str_eq(sp_vmap_str(c->annotations,
				     SP_STR("storageclass.beta.kubernetes.io/is-default-class")),
			 SP_STR("true"));
}

/* The newest of them; empty: there is none. */
static sp_str default_class(const bind_run *x)
{
	const sp_object *o;
	sp_str best = SP_STR("");
	int64_t best_s = 0;
	for (size_t at = 0; (o = sp_informer_next(x->b->classes, &at)) != NULL;) {
		vol_class c;
		if (vol_class_read(x->job->arena, o, &c, NULL) != SP_OK || !is_default(&c))
			continue;
		int64_t s = ctl_seconds(c.created);
		if (best.len == 0 || s > best_s || (s == best_s && sp_str_cmp(o->name, best) < 0)) {
			best = o->name;
			best_s = s;
		}
	}
	return best;
}

/* ---- claims that have no volume yet ---- */

static void say_waiting(bind_run *x)
{
	const sp_object *o;
	sp_str names = SP_STR("");
	size_t n = 0;
	sp_index_at at = sp_informer_find(x->b->pods, x->b->pods_by, x->claim.object->key);
	while ((o = sp_index_next(&at)) != NULL) {
		pod_use p;
		if (sp_view(x->job->arena, o->json, &pod_desc, &p, NULL) != SP_OK || p.node.len > 0 ||
		    sp_str_eq(p.phase, SP_STR("Succeeded")) || sp_str_eq(p.phase, SP_STR("Failed")))
			continue;
		names = SP_CONCAT(x->job->arena, names, n > 0 ? SP_STR(",") : SP_STR(""), o->name);
		n++;
	}
	if (n == 0)
		bind_claim_event(x, false, "WaitForFirstConsumer",
				 SP_STR("waiting for first consumer to be created before binding"));
	else
		bind_claim_event(x, false, "WaitForPodScheduled",
				 sp_arena_printf(x->job->arena, "waiting for %s " SP_FMT " to be scheduled",
						 n == 1 ? "pod" : "pods", SP_ARG(names)));
}

static void find_none(bind_run *x, const vol_class *class)
{
	bool delayed = class != NULL && vol_waits(class);
	sp_str fallback = x->claim.has_class ? SP_STR("") : default_class(x);
	if (fallback.len > 0) {
		sp_str spec =
			SP_CONCAT(x->job->arena, SP_STR("{\"storageClassName\":\""), fallback, SP_STR("\"}"));
		if (spec.ptr == NULL)
			sp_job_done(x->job, SP_ETOOLARGE);
		else /* it comes again with its class */
			bind_write_claim(x, SP_STR(""), spec, bind_done);
		return;
	}
	if (delayed && !vol_has(x->claim.annotations, VOL_SELECTED_NODE)) {
		say_waiting(x);
	} else if (x->claim.class_name.len > 0) {
		provision(x, class);
		return;
	} else {
		bind_claim_event(x, false, "FailedBinding",
				 SP_STR("no persistent volumes available for this claim and no storage class "
					"is set"));
	}
	bind_claim_status(x, "Pending", NULL, bind_done);
}

static sp_code look_at_all(bind_run *x, vol_search *s, char kind, sp_str rest, sp_err *err)
{
	const sp_object *o;
	sp_str key = vol_index_key(x->job->arena, kind, rest);
	if (key.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a key");
	sp_index_at at = sp_informer_find(x->b->volumes.informer, x->b->volumes_by, key);
	while ((o = sp_index_next(&at)) != NULL) {
		vol_volume v;
		SP_TRY(vol_volume_read(x->job->arena, newest_of(&x->b->volumes, o), &v, err));
		vol_search_look(s, &v);
	}
	return SP_OK;
}

static sp_code find_volume(bind_run *x, bool delayed, sp_err *err)
{
	vol_search s;
	SP_TRY(vol_search_init(x->job->arena, &x->claim, delayed, &s, err));
	SP_TRY(look_at_all(x, &s, '=', x->claim.object->key, err));
	/* Also when it waits: one of these may have been given to it a moment ago. */
	SP_TRY(look_at_all(x, &s, '+', x->claim.class_name, err));
	if (s.best.object != NULL && ctl_hold(x->job->arena, s.best.object) == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a volume");
	x->volume = s.best;
	return SP_OK;
}

static void sync_free(bind_run *x)
{
	vol_class class = {0};
	sp_err err = {0};
	sp_code code = SP_OK;
	const sp_object *o = sp_informer_get(x->b->classes, x->claim.class_name);
	if (o != NULL)
		code = ctl_hold(x->job->arena, o) == NULL ? sp_fail(&err, SP_ENOMEM, "no memory for a class")
							  : vol_class_read(x->job->arena, o, &class, &err);
	if (code == SP_OK)
		code = find_volume(x, o != NULL && vol_waits(&class), &err);
	if (code != SP_OK)
		bind_end(x, code, &err);
	else if (x->volume.object != NULL)
		bind_together(x);
	else
		find_none(x, o == NULL ? NULL : &class);
}

/* ---- claims that name a volume ---- */

/* False: there is none, or it could not be read; then the run has ended. */
static bool read_named(bind_run *x, bool *ret_there)
{
	const sp_object *o = newest_get(&x->b->volumes, x->claim.volume);
	sp_err err = {0};
	*ret_there = o != NULL;
	if (o == NULL)
		return true;
	sp_code code = ctl_hold(x->job->arena, o) == NULL
			       ? sp_fail(&err, SP_ENOMEM, "no memory for a volume")
			       : vol_volume_read(x->job->arena, o, &x->volume, &err);
	if (code != SP_OK)
		bind_end(x, code, &err);
	return code == SP_OK;
}

static void sync_taken(bind_run *x)
{
	bind_claim_event(x, true, "FailedBinding",
			 sp_arena_printf(x->job->arena,
					 "volume \"" SP_FMT "\" already bound to a different claim.",
					 SP_ARG(x->claim.volume)));
	if (vol_has(x->claim.annotations, VOL_BOUND_BY_CONTROLLER)) {
		sp_err err;
		(void)sp_fail(&err, SP_EINVAL,
			      "invalid binding of claim \"" SP_FMT "\" to volume \"" SP_FMT
			      "\": volume already claimed by \"" SP_FMT "/" SP_FMT "\"",
			      SP_ARG(x->claim.object->key), SP_ARG(x->claim.volume), SP_ARG(x->volume.ref_ns),
			      SP_ARG(x->volume.ref_name));
		bind_end(x, SP_EINVAL, &err);
		return;
	}
	bind_claim_status(x, "Pending", NULL, bind_done);
}

static void sync_naming(bind_run *x)
{
	bool there;
	if (!read_named(x, &there))
		return;
	const char *why =
		!there || x->volume.ref != NULL ? NULL : vol_why_not(x->job->arena, &x->volume, &x->claim);
	if (!there) {
		bind_claim_status(x, "Pending", NULL, bind_done);
	} else if (why != NULL) {
		bind_claim_event(x, true, "VolumeMismatch",
				 sp_arena_printf(x->job->arena,
						 "Cannot bind to requested volume \"" SP_FMT "\": %s",
						 SP_ARG(x->claim.volume), why));
		bind_claim_status(x, "Pending", NULL, bind_done);
	} else if (x->volume.ref == NULL || vol_is_bound_to(&x->volume, &x->claim)) {
		bind_together(x);
	} else {
		sync_taken(x);
	}
}

static void sync_bound(bind_run *x)
{
	bool there;
	if (x->claim.volume.len == 0) {
		bind_claim_lost(x, "ClaimLost",
				"Bound claim has lost reference to PersistentVolume. Data on the volume is "
				"lost!");
		return;
	}
	if (!read_named(x, &there))
		return;
	if (!there)
		bind_claim_lost(x, "ClaimLost",
				"Bound claim has lost its PersistentVolume. Data on the volume is lost!");
	else if (x->volume.ref == NULL || sp_str_eq(x->volume.ref_uid, x->claim.object->uid))
		bind_together(x);
	else
		bind_claim_lost(x, "ClaimMisbound",
				"Two claims are bound to the same volume, this one is bound incorrectly");
}

static void sync_claim(bind_run *x)
{
	if (vol_has(x->claim.annotations, VOL_BIND_COMPLETED))
		sync_bound(x);
	else if (x->claim.volume.len > 0)
		sync_naming(x);
	else
		sync_free(x);
}

/* ---- keys ---- */

static void wake_claims(binder *b, sp_arena *a, char kind, sp_str rest)
{
	const sp_object *o;
	sp_str key = vol_index_key(a, kind, rest);
	if (key.ptr == NULL)
		return;
	sp_index_at at = sp_informer_find(b->claims.informer, b->claims_by, key);
	while ((o = sp_index_next(&at)) != NULL)
		bind_look_at(b, 'c', o->key);
}

static void sync_key(controller *base, sp_job *job)
{
	binder *b = SP_CONTAINER_OF(base, binder, base);
	bind_run *x = sp_new(job->arena, bind_run, 1);
	char kind = job->key.ptr[0];
	sp_str rest = sp_str_sub(job->key, 2, job->key.len);
	sp_err err = {0};
	*x = (bind_run){.b = b, .job = job};
	if (kind == 'p') {
		wake_claims(b, job->arena, '+', rest);
		bind_done(x);
		return;
	}
	const sp_object *o = newest_get(kind == 'c' ? &b->claims : &b->volumes, rest);
	if (o == NULL) {
		bind_done(x);
		return;
	}
	if (ctl_hold(job->arena, o) == NULL) {
		(void)sp_fail(&err, SP_ENOMEM, "no memory for an object");
		bind_end(x, SP_ENOMEM, &err);
		return;
	}
	sp_code code = kind == 'c' ? vol_claim_read(job->arena, o, &x->claim, &err)
				   : vol_volume_read(job->arena, o, &x->volume, &err);
	if (code != SP_OK)
		bind_end(x, code, &err);
	else if (kind == 'c')
		sync_claim(x);
	else
		bind_sync_volume(x);
}

/* ---- changes ---- */

static void on_claim(void *arg, const sp_object *old, const sp_object *now)
{
	binder *b = arg;
	const sp_object *o = now != NULL ? now : old, *v;
	char key[KEY_BYTES];
	bind_look_at(b, 'c', o->key);
	if (o->key.len + 1 > sizeof key)
		return;
	key[0] = '=';
	memcpy(key + 1, o->key.ptr, o->key.len);
	sp_index_at at = sp_informer_find(b->volumes.informer, b->volumes_by, (sp_str){key, o->key.len + 1});
	while ((v = sp_index_next(&at)) != NULL)
		bind_look_at(b, 'v', v->name);
}

static void on_volume(void *arg, const sp_object *old, const sp_object *now)
{
	binder *b = arg;
	const sp_object *o = now != NULL ? now : old;
	vol_volume v;
	sp_arena a;
	bind_look_at(b, 'v', o->name);
	sp_arena_init(&a, (size_t)16 << 20);
	if (vol_volume_read(&a, o, &v, NULL) == SP_OK) {
		sp_str claim = v.ref == NULL ? SP_STR("") : sp_object_key_join(&a, v.ref_ns, v.ref_name);
		if (claim.len > 0)
			bind_look_at(b, 'c', claim);
		else if (now != NULL && sp_str_eq(v.phase, SP_STR("Available")))
			bind_look_at(b, 'p', v.class_name);
		wake_claims(b, &a, '=', o->name);
	}
	sp_arena_done(&a);
}

static void on_class(void *arg, const sp_object *old, const sp_object *now)
{
	binder *b = arg;
	bind_look_at(b, 'p', (now != NULL ? now : old)->name);
	if (now != NULL)
		bind_look_at(b, 'p', SP_STR("")); /* it may be the default */
}

static sp_code open_binder(controller *base, sp_err *err)
{
	binder *b = SP_CONTAINER_OF(base, binder, base);
	sp_informer *claims, *volumes;
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMECLAIMS, vol_claim_view, &claims, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMES, vol_volume_view, &volumes, err));
	SP_TRY(controller_follow(base, SP_STORAGECLASSES, vol_class_view, &b->classes, err));
	SP_TRY(controller_follow(base, SP_PODS, &pod_desc, &b->pods, err));
	SP_TRY(sp_informer_index(claims, vol_index_claims, NULL, &b->claims_by, err));
	SP_TRY(sp_informer_index(volumes, vol_index_volumes, NULL, &b->volumes_by, err));
	SP_TRY(sp_informer_index(b->pods, vol_index_pods, NULL, &b->pods_by, err));
	newest_init(&b->claims, claims);
	newest_init(&b->volumes, volumes);
	controller_watch(claims, &b->claim_watch, on_claim, b);
	controller_watch(volumes, &b->volume_watch, on_volume, b);
	controller_watch(b->classes, &b->class_watch, on_class, b);
	return SP_OK;
}

static void done_binder(controller *base)
{
	binder *b = SP_CONTAINER_OF(base, binder, base);
	newest_done(&b->claims);
	newest_done(&b->volumes);
}

const controller_type controller_volume_binder = {.name = "persistentvolume-binder-controller",
						  .account = "persistent-volume-binder",
						  .component = "persistentvolume-controller",
						  .size_bytes = sizeof(binder),
						  .open = open_binder,
						  .sync = sync_key,
						  .done = done_binder};

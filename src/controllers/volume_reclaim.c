/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a volume: free, of a claim, or given back. Every branch is written out; a volume whose
 * claim the cache lacks is only given back when the server lacks it too.
 */
#include "controllers/volume_binder_int.h"

static bool phase_is(const bind_run *x, const char *phase)
{
	return sp_str_eq(x->volume.phase, sp_str_c(phase));
}

static bool is_given_back(const bind_run *x)
{
	return phase_is(x, "Released") || phase_is(x, "Failed");
}

/* ---- giving back ---- */

static void reclaim_delete(bind_run *x)
{
	const vol_volume *v = &x->volume;
	sp_str by = sp_vmap_str(v->annotations, VOL_PROVISIONED_BY);
	/* Whoever provisioned it follows the phase and deletes. */
	if ((by.len > 0 && !sp_str_starts(by, SP_STR("kubernetes.io/"))) || (by.len == 0 && v->csi != NULL)) {
		bind_done(x);
		return;
	}
	bind_volume_failed(x, "VolumeFailedDelete",
			   sp_arena_printf(x->job->arena,
					   "error getting deleter volume plugin for volume \"" SP_FMT
					   "\": no deletable volume plugin matched",
					   SP_ARG(v->object->name)));
}

static void reclaim(bind_run *x)
{
	sp_str how = x->volume.reclaim;
	if (vol_has(x->volume.annotations, VOL_MIGRATED_TO) || sp_str_eq(how, SP_STR("Retain")))
		bind_done(x);
	else if (sp_str_eq(how, SP_STR("Delete")))
		reclaim_delete(x);
	else if (sp_str_eq(how, SP_STR("Recycle")))
		bind_volume_failed(x, "VolumeFailedRecycle",
				   SP_STR("No recycler plugin found for the volume!"));
	else
		bind_volume_failed(x, "VolumeUnknownReclaimPolicy",
				   SP_STR("Volume has unrecognized PersistentVolumeReclaimPolicy"));
}

static void give_back(bind_run *x)
{
	if (is_given_back(x))
		reclaim(x);
	else
		bind_volume_phase(x, "Released", SP_STR(""), reclaim);
}

/* ---- taking the claim off ---- */

static void set_available(bind_run *x)
{
	bind_volume_phase(x, "Available", SP_STR(""), bind_done);
}

static void unbind(bind_run *x)
{
	if (vol_has(x->volume.annotations, VOL_BOUND_BY_CONTROLLER))
		bind_write_volume(x, SP_STR("{\"pv.kubernetes.io/bound-by-controller\":null}"),
				  SP_STR("{\"claimRef\":null}"), set_available);
	else /* somebody reserved it for a claim of that name: it stays so */
		bind_write_volume(x, SP_STR(""), SP_STR("{\"claimRef\":{\"uid\":null}}"), set_available);
}

/* ---- with a claim ---- */

static void sync_unbound_claim(bind_run *x)
{
	if (vol_modes_differ(&x->volume, &x->claim)) {
		bind_volume_event(x, true, "VolumeMismatch",
				  sp_arena_printf(x->job->arena,
						  "Cannot bind PersistentVolume to requested "
						  "PersistentVolumeClaim \"" SP_FMT
						  "\" due to incompatible volumeMode.",
						  SP_ARG(x->claim.object->name)));
		bind_claim_event(x, true, "VolumeMismatch",
				 sp_arena_printf(x->job->arena,
						 "Cannot bind PersistentVolume \"" SP_FMT
						 "\" to requested PersistentVolumeClaim due to "
						 "incompatible volumeMode.",
						 SP_ARG(x->volume.object->name)));
	} else {
		bind_look_at(x->b, 'c', x->claim.object->key);
	}
	bind_done(x);
}

static void with_claim(bind_run *x)
{
	if (x->claim.volume.len == 0) {
		sync_unbound_claim(x);
	} else if (sp_str_eq(x->claim.volume, x->volume.object->name)) {
		bind_volume_phase(x, "Bound", SP_STR(""), bind_done);
	} else if (vol_has(x->volume.annotations, VOL_PROVISIONED_BY) &&
		   sp_str_eq(x->volume.reclaim, SP_STR("Delete"))) {
		give_back(x); /* made for a claim that has another one now */
	} else {
		unbind(x);
	}
}

static void on_live(sp_call *c, const sp_answer *a)
{
	bind_run *x = c->arg;
	const sp_object *o = NULL;
	sp_err err = {0};
	if (a->code == SP_ENOTFOUND) {
		give_back(x);
		return;
	}
	sp_code code = a->code;
	if (code == SP_OK)
		code = sp_object_parse(x->job->arena, a->body, NULL, &o, &err);
	else if (a->err != NULL)
		err = *a->err;
	const sp_object *held = code == SP_OK ? ctl_hold(x->job->arena, o) : NULL;
	sp_object_unref(o);
	if (code == SP_OK && held == NULL)
		code = sp_fail(&err, SP_ENOMEM, "no memory for a claim");
	if (code == SP_OK)
		code = vol_claim_read(x->job->arena, held, &x->claim, &err);
	if (code != SP_OK)
		bind_end(x, code, &err);
	else if (sp_str_eq(x->claim.object->uid, x->volume.ref_uid))
		with_claim(x);
	else
		give_back(x);
}

static void ask_claim(bind_run *x)
{
	x->call = (sp_call){.done = on_live, .arg = x};
	sp_call_start(x->b->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_GET,
				.gvr = SP_PERSISTENTVOLUMECLAIMS,
				.ns = x->volume.ref_ns,
				.name = x->volume.ref_name});
}

void bind_sync_volume(bind_run *x)
{
	const vol_volume *v = &x->volume;
	sp_err err = {0};
	if (v->ref == NULL || v->ref_uid.len == 0) { /* free, or reserved for a claim that is not there yet */
		set_available(x);
		return;
	}
	sp_str key = sp_object_key_join(x->job->arena, v->ref_ns, v->ref_name);
	const sp_object *claim = key.ptr == NULL ? NULL : newest_get(&x->b->claims, key);
	if (claim == NULL && is_given_back(x)) {
		reclaim(x);
	} else if (claim == NULL || !sp_str_eq(claim->uid, v->ref_uid)) {
		ask_claim(x);
	} else {
		sp_code code = ctl_hold(x->job->arena, claim) == NULL
				       ? sp_fail(&err, SP_ENOMEM, "no memory for a claim")
				       : vol_claim_read(x->job->arena, claim, &x->claim, &err);
		if (code == SP_OK)
			with_claim(x);
		else
			bind_end(x, code, &err);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/num.h"
#include "controllers/volume_binder_int.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)

void bind_end(bind_run *x, sp_code code, const sp_err *err)
{
	if (code == SP_ENOTFOUND)
		code = SP_OK; /* gone: an event tells, or has told */
	if (code != SP_OK && code != SP_ECONFLICT)
		sp_log(x->b->base.log, SP_LOG_WARN, "persistentvolume-binder: trying again",
		       SP_KS("key", x->job->key), SP_KE(err));
	sp_job_done(x->job, code);
}

/* ---- events ---- */

static void emit(bind_run *x, const sp_object *o, const char *kind, bool is_warning, const char *reason,
		 sp_str message)
{
	const sp_event_ref about = ctl_event_ref(o, "v1", kind);
	sp_events_emitf(x->b->base.events, &about, is_warning, reason, SP_FMT, SP_ARG(message));
}

void bind_claim_event(bind_run *x, bool is_warning, const char *reason, sp_str message)
{
	emit(x, x->claim.object, "PersistentVolumeClaim", is_warning, reason, message);
}

void bind_volume_event(bind_run *x, bool is_warning, const char *reason, sp_str message)
{
	emit(x, x->volume.object, "PersistentVolume", is_warning, reason, message);
}

/* ---- one write ---- */

/* The answer is the object from now on, here and for the runs that follow. */
static sp_code take(bind_run *x, sp_str body, sp_err *err)
{
	const sp_object *o = NULL;
	SP_TRY(sp_object_parse(x->job->arena, body, NULL, &o, err));
	const sp_object *held = ctl_hold(x->job->arena, o);
	if (held != NULL)
		newest_note(x->of_claim ? &x->b->claims : &x->b->volumes, o);
	sp_object_unref(o);
	if (held == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an object");
	return x->of_claim ? vol_claim_read(x->job->arena, held, &x->claim, err)
			   : vol_volume_read(x->job->arena, held, &x->volume, err);
}

static void on_written(sp_call *c, const sp_answer *a)
{
	bind_run *x = c->arg;
	sp_err err = {0};
	sp_code code = a->code;
	if (code == SP_OK)
		code = take(x, a->body, &err);
	else if (a->err != NULL)
		err = *a->err;
	if (code != SP_OK)
		bind_end(x, code, &err);
	else
		x->then(x);
}

static void write_object(bind_run *x, bool of_claim, const char *subresource, sp_buf *body, bind_then *then)
{
	const sp_object *o = of_claim ? x->claim.object : x->volume.object;
	if (sp_buf_code(body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(body));
		return;
	}
	x->of_claim = of_claim;
	x->then = then;
	x->call = (sp_call){.done = on_written, .arg = x};
	sp_call_start(x->b->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_UPDATE,
				.gvr = of_claim ? SP_PERSISTENTVOLUMECLAIMS : SP_PERSISTENTVOLUMES,
				.ns = o->ns,
				.name = o->name,
				.subresource = sp_str_c(subresource),
				.body = sp_buf_view(body)});
}

static void write_main(bind_run *x, bool of_claim, sp_str annotations, sp_str spec, bind_then *then)
{
	const sp_object *o = of_claim ? x->claim.object : x->volume.object;
	char revision[SP_NUM_TEXT_BYTES];
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), o->uid);
	sp_jout_member_str(&j, SP_STR("resourceVersion"),
			   (sp_str){revision, sp_print_u64(revision, o->revision)});
	if (annotations.len > 0)
		sp_jout_member_raw(&j, SP_STR("annotations"), annotations);
	sp_jout_close(&j, '}');
	if (spec.len > 0)
		sp_jout_member_raw(&j, SP_STR("spec"), spec);
	sp_jout_close(&j, '}');
	write_object(x, of_claim, "", &body, then);
}

void bind_write_claim(bind_run *x, sp_str annotations, sp_str spec, bind_then *then)
{
	write_main(x, true, annotations, spec, then);
}

void bind_write_volume(bind_run *x, sp_str annotations, sp_str spec, bind_then *then)
{
	write_main(x, false, annotations, spec, then);
}

/* ---- status ---- */

void bind_volume_phase(bind_run *x, const char *phase, sp_str message, bind_then *then)
{
	if (sp_str_eq(x->volume.phase, sp_str_c(phase))) {
		then(x);
		return;
	}
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, x->volume.object);
	sp_jout_member_str(&j, SP_STR("phase"), sp_str_c(phase));
	sp_jout_key(&j, SP_STR("message"));
	if (message.len > 0)
		sp_jout_str(&j, message);
	else
		sp_jout_null(&j);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	write_object(x, false, "status", &body, then);
}

static bool lists_equal(sp_vlist a, sp_vlist b)
{
	yyjson_val *v = b.first;
	if (a.n != b.n)
		return false;
	SP_VLIST_FOREACH(u, a)
	{
		if (!sp_str_eq(sp_json_str(u), sp_json_str(v)))
			return false;
		v = unsafe_yyjson_get_next(v);
	}
	return true;
}

static void member_or_null(sp_jout *j, const char *name, yyjson_val *v)
{
	sp_jout_key(j, sp_str_c(name));
	if (v == NULL) {
		sp_jout_null(j);
		return;
	}
	(void)sp_json_write(j->out, v);
	j->comma = true;
}

static void modes_or_null(sp_jout *j, const vol_volume *v)
{
	if (v == NULL || v->modes.n == 0) {
		member_or_null(j, "accessModes", NULL);
		return;
	}
	sp_jout_member_open(j, SP_STR("accessModes"), '[');
	SP_VLIST_FOREACH(mode, v->modes) sp_jout_str(j, sp_json_str(mode));
	sp_jout_close(j, ']');
}

/* Members that differ; false: none does. */
static bool claim_members(sp_jout *j, const vol_claim *c, sp_str phase, const vol_volume *v)
{
	bool other_phase = !sp_str_eq(c->phase, phase), changed = other_phase;
	sp_str size = v == NULL ? SP_STR("") : sp_vmap_str(v->capacity, SP_STR("storage"));
	if (other_phase)
		sp_jout_member_str(j, SP_STR("phase"), phase);
	if (!lists_equal(c->modes_now, v == NULL ? (sp_vlist){NULL, 0} : v->modes)) {
		modes_or_null(j, v);
		changed = true;
	}
	/* Of a bound claim the size is the resizer's. */
	if (v == NULL ? c->capacity.object != NULL
		      : other_phase && !sp_str_eq(size, sp_vmap_str(c->capacity, SP_STR("storage")))) {
		member_or_null(j, "capacity", v == NULL ? NULL : v->capacity.object);
		changed = true;
	}
	if (v == NULL && c->has_attributes_now) {
		member_or_null(j, "currentVolumeAttributesClassName", NULL);
		changed = true;
	} else if (v != NULL && v->has_attributes && sp_str_eq(c->phase, SP_STR("Pending")) &&
		   !sp_str_eq(c->attributes_now, v->attributes)) {
		sp_jout_member_str(j, SP_STR("currentVolumeAttributesClassName"), v->attributes);
		changed = true;
	}
	return changed;
}

void bind_claim_status(bind_run *x, const char *phase, const vol_volume *v, bind_then *then)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	ctl_status_open(&j, x->claim.object);
	bool changed = claim_members(&j, &x->claim, sp_str_c(phase), v);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (changed)
		write_object(x, true, "status", &body, then);
	else
		then(x);
}

static void claim_said(bind_run *x)
{
	bind_claim_event(x, true, x->reason, x->message);
	bind_done(x);
}

void bind_claim_lost(bind_run *x, const char *reason, const char *message)
{
	x->reason = reason;
	x->message = sp_str_c(message);
	if (sp_str_eq(x->claim.phase, SP_STR("Lost")))
		bind_done(x);
	else
		bind_claim_status(x, "Lost", NULL, claim_said);
}

static void volume_said(bind_run *x)
{
	bind_volume_event(x, true, x->reason, x->message);
	bind_done(x);
}

void bind_volume_failed(bind_run *x, const char *reason, sp_str message)
{
	x->reason = reason;
	x->message = message;
	if (sp_str_eq(x->volume.phase, SP_STR("Failed")))
		bind_done(x);
	else
		bind_volume_phase(x, "Failed", message, volume_said);
}

/* ---- binding ---- */

static void set_claim_status(bind_run *x)
{
	bind_claim_status(x, "Bound", &x->volume, bind_done);
}

static void set_claim(bind_run *x)
{
	const vol_claim *c = &x->claim;
	bool other = !sp_str_eq(c->volume, x->volume.object->name);
	bool by_us = other && !vol_has(c->annotations, VOL_BOUND_BY_CONTROLLER);
	if (!other && vol_has(c->annotations, VOL_BIND_COMPLETED)) {
		set_claim_status(x);
		return;
	}
	sp_str notes = by_us ? SP_STR("{\"pv.kubernetes.io/bind-completed\":\"yes\","
				      "\"pv.kubernetes.io/bound-by-controller\":\"yes\"}")
			     : SP_STR("{\"pv.kubernetes.io/bind-completed\":\"yes\"}");
	sp_str spec = other ? SP_CONCAT(x->job->arena, SP_STR("{\"volumeName\":\""), x->volume.object->name,
					SP_STR("\"}"))
			    : SP_STR("");
	if (other && spec.ptr == NULL) {
		sp_job_done(x->job, SP_ETOOLARGE);
		return;
	}
	bind_write_claim(x, notes, spec, set_claim_status);
}

static void set_volume_phase(bind_run *x)
{
	bind_volume_phase(x, "Bound", SP_STR(""), set_claim);
}

void bind_together(bind_run *x)
{
	const sp_object *c = x->claim.object;
	const vol_volume *v = &x->volume;
	bool by_us = !vol_is_bound_to(v, &x->claim) && !vol_has(v->annotations, VOL_BOUND_BY_CONTROLLER);
	bool named = v->ref != NULL && sp_str_eq(v->ref_name, c->name) && sp_str_eq(v->ref_ns, c->ns) &&
		     sp_str_eq(v->ref_uid, c->uid);
	if (named && !by_us) {
		set_volume_phase(x);
		return;
	}
	sp_str spec = sp_arena_printf(
		x->job->arena,
		"{\"claimRef\":{\"kind\":\"PersistentVolumeClaim\",\"namespace\":\"" SP_FMT
		"\",\"name\":\"" SP_FMT "\",\"uid\":\"" SP_FMT
		"\",\"apiVersion\":\"v1\",\"resourceVersion\":\"%llu\"}}",
		SP_ARG(c->ns), SP_ARG(c->name), SP_ARG(c->uid), (unsigned long long)c->revision);
	if (spec.ptr == NULL) {
		sp_job_done(x->job, SP_ETOOLARGE);
		return;
	}
	bind_write_volume(x,
			  by_us ? SP_STR("{\"pv.kubernetes.io/bound-by-controller\":\"yes\"}") : SP_STR(""),
			  spec, set_volume_phase);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the binder: volume_binder.c decides about claims, volume_reclaim.c about volumes,
 * volume_write.c writes. */
#pragma once

#include "controllers/newest.h"
#include "controllers/volumes.h"

typedef struct binder {
	controller base;
	newest claims, volumes;
	sp_informer *classes, *pods;
	unsigned volumes_by, claims_by, pods_by; /* vol_index_… */
	sp_informer_watch claim_watch, volume_watch, class_watch;
} binder;

/* One look at one claim or one volume. */
typedef struct bind_run {
	binder *b;
	sp_job *job;
	vol_claim claim;   /* object NULL: none */
	vol_volume volume; /* the same */
	sp_call call;
	void (*then)(struct bind_run *x); /* after a write */
	bool of_claim;                    /* what is written */
	const char *phase, *reason; /* of the status under way, and of the event that follows; or NULL */
	sp_str message;
} bind_run;

void bind_end(bind_run *x, sp_code code, const sp_err *err);
static inline void bind_done(bind_run *x)
{
	bind_end(x, SP_OK, NULL);
}

void bind_claim_event(bind_run *x, bool is_warning, const char *reason, sp_str message);
void bind_volume_event(bind_run *x, bool is_warning, const char *reason, sp_str message);

/* ---- writes: each ends the run when it fails, else goes on with `then`, the object being the new one ----
 */

typedef void bind_then(bind_run *x);
/* What stands in metadata (annotations) and spec, as JSON objects or empty. */
void bind_write_claim(bind_run *x, sp_str annotations, sp_str spec, bind_then *then);
void bind_write_volume(bind_run *x, sp_str annotations, sp_str spec, bind_then *then);
/* `v` NULL: without a volume. Nothing is written when it is so already. */
void bind_claim_status(bind_run *x, const char *phase, const vol_volume *v, bind_then *then);
void bind_volume_phase(bind_run *x, const char *phase, sp_str message, bind_then *then);
/* The same with an event, when the phase was another one. */
void bind_claim_lost(bind_run *x, const char *reason, const char *message);
void bind_volume_failed(bind_run *x, const char *reason, sp_str message);

/* Claim and volume to each other, in four steps. */
void bind_together(bind_run *x);

/* ---- keys of the queue: "c/NS/NAME", "v/NAME", "p/CLASS" (the claims of a class that wait) ---- */

void bind_look_at(binder *b, char kind, sp_str key);

/* The run's volume; its object is set. */
void bind_sync_volume(bind_run *x);

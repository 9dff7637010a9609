/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims that were made larger. None of the plugins that are left in kube-controller-manager can make a
 * volume larger by itself: a claim is told whom it waits for, and a volume of a plugin that became a CSI
 * driver names that driver's resizer. U: kubernetes pkg/controller/volume/expand.
 */
#include "base/quantity.h"
#include "controllers/common.h"
#include "controllers/table.h"
#include "controllers/volume_names.h"

#define RESIZER "volume.kubernetes.io/storage-resizer"
#define BODY_BYTES_MAX ((size_t)16 << 10)

typedef struct claim_view {
	sp_str phase, volume;
	sp_vmap requests, capacity, annotations;
} claim_view;
SP_VIEW(claim_desc, claim_view, "v1/PersistentVolumeClaim", SP_V(claim_view, phase, "status.phase"),
	SP_V(claim_view, volume, "spec.volumeName"), SP_V(claim_view, requests, "spec.resources.requests"),
	SP_V(claim_view, capacity, "status.capacity"), SP_V(claim_view, annotations, "metadata.annotations"));

typedef struct volume_view {
	sp_str claim_ns, claim_uid;
	/* Which of them is there is all that counts (vol_moved_of). */
	yyjson_val *aws, *azure_disk, *azure_file, *cinder, *gce, *portworx, *vsphere;
} volume_view;
SP_VIEW(volume_desc, volume_view, "v1/PersistentVolume",
	SP_V(volume_view, claim_ns, "spec.claimRef.namespace"),
	SP_V(volume_view, claim_uid, "spec.claimRef.uid"),
	SP_V(volume_view, aws, "spec.awsElasticBlockStore"), SP_V(volume_view, azure_disk, "spec.azureDisk"),
	SP_V(volume_view, azure_file, "spec.azureFile"), SP_V(volume_view, cinder, "spec.cinder"),
	SP_V(volume_view, gce, "spec.gcePersistentDisk"), SP_V(volume_view, portworx, "spec.portworxVolume"),
	SP_V(volume_view, vsphere, "spec.vsphereVolume"));

typedef struct expander {
	controller base;
	sp_informer *claims, *volumes;
	sp_informer_watch watch;
} expander;

typedef struct exp_run {
	expander *e;
	sp_job *job;
	const sp_object *claim;
	sp_call call;
} exp_run;

static sp_qty storage_of(sp_vmap map)
{
	sp_qty q = {0};
	(void)!sp_qty_parse(sp_vmap_str(map, SP_STR("storage")), &q, NULL);
	return q;
}

static void tell(const exp_run *x, bool is_warning, sp_str text)
{
	const sp_event_ref about = ctl_event_ref(x->claim, "v1", "PersistentVolumeClaim");
	sp_events_emitf(x->e->base.events, &about, is_warning, "ExternalExpanding", SP_FMT, SP_ARG(text));
}

/* ---- the resizer's name ---- */

static void on_named(sp_call *c, const sp_answer *a)
{
	exp_run *x = c->arg;
	if (a->code != SP_OK)
		tell(x, true,
		     sp_arena_printf(x->job->arena,
				     "error setting resizer annotation to pvc " SP_FMT ", with error " SP_FMT,
				     SP_ARG(x->claim->key), SP_ARG(a->message)));
	sp_job_done(x->job, a->code);
}

static void name_resizer(exp_run *x, const claim_view *v, const char *driver)
{
	SP_AUTO_BUF body;
	if (sp_str_eq(sp_vmap_str(v->annotations, SP_STR(RESIZER)), sp_str_c(driver))) {
		sp_job_done(x->job, SP_OK);
		return;
	}
	sp_buf_init(&body, BODY_BYTES_MAX);
	(void)sp_buf_printf(
		&body, "{\"metadata\":{\"uid\":\"" SP_FMT "\",\"annotations\":{\"" RESIZER "\":\"%s\"}}}",
		SP_ARG(x->claim->uid), driver);
	x->call = (sp_call){.done = on_named, .arg = x};
	sp_call_start(x->e->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_PERSISTENTVOLUMECLAIMS,
				.ns = x->claim->ns,
				.name = x->claim->name,
				.subresource = SP_STR("status"), /* as far as its role goes */
				.body = sp_buf_view(&body)});
}

/* ---- looking ---- */

/* SP_ENOTFOUND: the volume is not there, or not the claim's (yet). */
static sp_code find_volume(const exp_run *x, const claim_view *v, const vol_moved **ret)
{
	const sp_object *o = sp_informer_get(x->e->volumes, v->volume);
	volume_view volume;
	yyjson_val *tree;
	if (o == NULL)
		return SP_ENOTFOUND;
	SP_TRY(sp_json_parse(x->job->arena, o->json, &tree, NULL));
	sp_view_fill(tree, &volume_desc, &volume);
	*ret = vol_moved_of(sp_json_last(tree, SP_STR("spec")));
	return sp_str_eq(volume.claim_ns, x->claim->ns) && sp_str_eq(volume.claim_uid, x->claim->uid)
		       ? SP_OK
		       : SP_ENOTFOUND;
}

static void sync_claim(controller *base, sp_job *job)
{
	expander *e = SP_CONTAINER_OF(base, expander, base);
	const sp_object *o = sp_informer_get(e->claims, job->key);
	claim_view v;
	const vol_moved *moved = NULL;
	if (o == NULL) {
		sp_job_done(job, SP_OK);
		return;
	}
	exp_run *x = sp_new(job->arena, exp_run, 1);
	*x = (exp_run){.e = e, .job = job, .claim = o};
	sp_code code = ctl_hold(job->arena, o) == NULL ? SP_ENOMEM
						       : sp_view(job->arena, o->json, &claim_desc, &v, NULL);
	if (code == SP_OK)
		code = find_volume(x, &v, &moved);
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	const sp_qty wanted = storage_of(v.requests), there = storage_of(v.capacity);
	if (sp_qty_cmp(&wanted, &there) <= 0) {
		sp_job_done(job, SP_OK);
	} else if (moved == NULL) {
		tell(x, false, SP_STR("waiting for an external controller to expand this PVC"));
		sp_job_done(job, SP_OK);
	} else {
		tell(x, false,
		     sp_arena_printf(
			     job->arena,
			     "CSI migration enabled for %s; waiting for external resizer to expand the pvc",
			     moved->plugin));
		name_resizer(x, &v, moved->driver);
	}
}

/* ---- changes ---- */

static bool read_claim(sp_arena *a, const sp_object *o, claim_view *ret)
{
	return sp_view(a, o->json, &claim_desc, ret, NULL) == SP_OK;
}

/* A bound claim that is new here, wants more than before, or has got more. */
static void on_claim(void *arg, const sp_object *old, const sp_object *now)
{
	expander *e = arg;
	claim_view v, before;
	sp_arena a;
	if (now == NULL)
		return;
	sp_arena_init(&a, (size_t)4 << 20);
	if (read_claim(&a, now, &v) && sp_str_eq(v.phase, SP_STR("Bound"))) {
		bool grew = old == NULL || !read_claim(&a, old, &before);
		if (!grew) {
			const sp_qty wants = storage_of(v.requests), wanted = storage_of(before.requests);
			const sp_qty has = storage_of(v.capacity), had = storage_of(before.capacity);
			grew = sp_qty_cmp(&wants, &wanted) > 0 || sp_qty_cmp(&has, &had) > 0;
		}
		if (grew)
			sp_queue_add(e->base.queue, now->key);
	}
	sp_arena_done(&a);
}

static sp_code open_expander(controller *base, sp_err *err)
{
	expander *e = SP_CONTAINER_OF(base, expander, base);
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMECLAIMS, &claim_desc, &e->claims, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMES, &volume_desc, &e->volumes, err));
	controller_watch(e->claims, &e->watch, on_claim, e);
	return SP_OK;
}

const controller_type controller_volume_expand = {.name = "persistentvolume-expander-controller",
						  .account = "expand-controller",
						  .component = "volume_expand",
						  .size_bytes = sizeof(expander),
						  .open = open_expander,
						  .sync = sync_claim};

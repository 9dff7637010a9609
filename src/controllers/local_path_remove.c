/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of class local-path that are given back under Delete: the object is deleted at once, its finalizer
 * goes when the node says that the directory is gone (contracts/local_path.h), or when there is no such node
 * any more.
 */
#include "base/num.h"
#include "controllers/local_path_int.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)

/* ---- the node's notes ---- */

static void patch_note(local_run *x, sp_str volume, const char *value)
{
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	sp_jout j = sp_jout_to(&body);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("metadata"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), x->node_object->uid);
	sp_jout_member_open(&j, SP_STR("annotations"), '{');
	sp_jout_key(&j, SP_CONCAT(x->job->arena, SP_STR(SP_LOCAL_PATH_NOTE), volume));
	if (value != NULL)
		sp_jout_str(&j, sp_str_c(value));
	else
		sp_jout_null(&j);
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = local_on_written, .arg = x};
	sp_call_start(x->l->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_NODES,
				.name = x->node_object->name,
				.body = sp_buf_view(&body)});
}

void local_sync_node(local_run *x, sp_str name)
{
	const sp_object *o;
	yyjson_val *key, *value;
	size_t i, n;
	sp_index_at at = sp_informer_find(x->l->volumes, x->l->volumes_by_node, name);
	while ((o = sp_index_next(&at)) != NULL)
		local_look_at(x->l, 'v', o->name);
	sp_code code = local_read_node(x, name);
	if (code != SP_OK || x->node_object == NULL) {
		sp_job_done(x->job, code);
		return;
	}
	yyjson_obj_foreach(x->node.annotations.object, i, n, key, value)
	{
		sp_str volume = sp_json_str(key);
		if (!sp_str_take(&volume, SP_STR(SP_LOCAL_PATH_NOTE)) || !sp_local_path_is_volume(volume) ||
		    !sp_str_eq(sp_json_str(value), SP_STR(SP_LOCAL_PATH_REMOVED)) ||
		    sp_informer_get(x->l->volumes, volume) != NULL)
			continue;
		patch_note(x, volume, NULL); /* the node's change brings the next */
		return;
	}
	sp_job_done(x->job, SP_OK);
}

/* ---- the volume ---- */

static void delete_object(local_run *x)
{
	const sp_object *o = x->volume.object;
	char revision[SP_NUM_TEXT_BYTES];
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	(void)sp_patch_delete_opts(
		&body, &(sp_delete_opts){.uid = o->uid,
					 .revision = {revision, sp_print_u64(revision, o->revision)}});
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = local_on_written, .arg = x};
	sp_call_start(x->l->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_DELETE,
				.gvr = SP_PERSISTENTVOLUMES,
				.name = o->name,
				.body = sp_buf_view(&body)});
}

static void drop_finalizer(local_run *x)
{
	const sp_object *o = x->volume.object;
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	(void)sp_patch_finalizers(&body, o, x->volume.finalizers, SP_STR(LOCAL_FINALIZER), SP_STR(""));
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	x->call = (sp_call){.done = local_on_written, .arg = x};
	sp_call_start(x->l->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_PERSISTENTVOLUMES,
				.name = o->name,
				.body = sp_buf_view(&body)});
}

/* Only the server knows that a node is gone: what the cache lacks may be new. */
static void on_node_known(sp_call *c, const sp_answer *a)
{
	local_run *x = c->arg;
	if (a->code == SP_ENOTFOUND)
		drop_finalizer(x);
	else
		local_end(x, a->code, a->err); /* there: its event comes */
}

static void ask_node(local_run *x, sp_str name)
{
	x->call = (sp_call){.done = on_node_known, .arg = x};
	sp_call_start(x->l->base.client, &x->call, &(sp_ask){.gvr = SP_NODES, .name = name});
}

static void complain(local_run *x)
{
	const sp_event_ref about = ctl_event_ref(x->volume.object, "v1", "PersistentVolume");
	sp_events_emitf(x->l->base.events, &about, true, "VolumeFailedDelete",
			"node \"" SP_FMT "\" does not remove directories of volumes",
			SP_ARG(x->node_object->name));
	local_end(x, SP_OK, NULL);
}

static bool is_ours(const vol_volume *v)
{
	return sp_str_eq(sp_vmap_str(v->annotations, VOL_PROVISIONED_BY),
			 SP_STR(SP_LOCAL_PATH_PROVISIONER)) &&
	       sp_local_path_is_volume(v->object->name);
}

static bool has_finalizer(const vol_volume *v)
{
	SP_VLIST_FOREACH(f, v->finalizers)
	{
		if (sp_str_eq(sp_json_str(f), SP_STR(LOCAL_FINALIZER)))
			return true;
	}
	return false;
}

static void remove_directory(local_run *x)
{
	sp_str node = sp_vmap_str(x->volume.annotations, LOCAL_NODE_NOTE);
	sp_code code = local_read_node(x, node);
	if (code != SP_OK) {
		sp_job_done(x->job, code);
		return;
	}
	if (x->node_object == NULL) {
		ask_node(x, node);
		return;
	}
	sp_str key = SP_CONCAT(x->job->arena, SP_STR(SP_LOCAL_PATH_NOTE), x->volume.object->name);
	if (key.ptr == NULL) {
		sp_job_done(x->job, SP_ENOMEM);
		return;
	}
	sp_str state = sp_vmap_str(x->node.annotations, key);
	if (sp_str_eq(state, SP_STR(SP_LOCAL_PATH_REMOVED)))
		drop_finalizer(x);
	else if (state.len > 0)
		local_end(x, SP_OK, NULL); /* asked for; the node's change brings us back */
	else if (vol_has(x->node.annotations, SP_STR(SP_LOCAL_PATH_DIR_NOTE)))
		patch_note(x, x->volume.object->name, SP_LOCAL_PATH_REMOVE);
	else
		complain(x);
}

void local_sync_volume(local_run *x)
{
	const vol_volume *v = &x->volume;
	bool given_back = sp_str_eq(v->phase, SP_STR("Released")) || sp_str_eq(v->phase, SP_STR("Failed"));
	if (!is_ours(v) || !given_back || !sp_str_eq(v->reclaim, SP_STR("Delete")))
		local_end(x, SP_OK, NULL);
	else if (v->deleted.len == 0)
		delete_object(x);
	else if (has_finalizer(v))
		remove_directory(x);
	else
		local_end(x, SP_OK, NULL);
}

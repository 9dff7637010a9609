/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The provisioner of class local-path: a volume is a directory of the node that the scheduler has chosen for
 * the claim's first pod. It works as the external provisioners of other storage do: the binder asks for it by
 * an annotation of the claim. Removal stands in local_path_remove.c, the seam to the nodes in
 * contracts/local_path.h. U: sigs.k8s.io/sig-storage-lib-external-provisioner.
 */
#include "base/log.h"
#include "controllers/local_path_int.h"
#include "controllers/table.h"

#define BODY_BYTES_MAX ((size_t)1 << 20)
#define KEY_BYTES (SP_OBJECT_KEY_BYTES + 2u)
#define OURS SP_STR(SP_LOCAL_PATH_PROVISIONER)

SP_VIEW(node_desc, local_node, "v1/Node", SP_V(local_node, labels, "metadata.labels"),
	SP_V(local_node, annotations, "metadata.annotations"));

void local_look_at(local *l, char kind, sp_str key)
{
	char text[KEY_BYTES];
	if (key.len == 0 || key.len + 2 > sizeof text)
		return;
	text[0] = kind;
	text[1] = '/';
	memcpy(text + 2, key.ptr, key.len);
	sp_queue_add(l->base.queue, (sp_str){text, key.len + 2});
}

void local_end(local_run *x, sp_code code, const sp_err *err)
{
	if (code == SP_ENOTFOUND)
		code = SP_OK; /* gone meanwhile */
	if (code != SP_OK && code != SP_ECONFLICT)
		sp_log(x->l->base.log, SP_LOG_WARN, "local-path-provisioner: trying again",
		       SP_KS("key", x->job->key), SP_KE(err));
	sp_job_done(x->job, code);
}

void local_on_written(sp_call *c, const sp_answer *a)
{
	local_end(c->arg, a->code, a->err);
}

sp_code local_read_node(local_run *x, sp_str name)
{
	x->node_object = sp_informer_get(x->l->nodes, name);
	if (x->node_object == NULL)
		return SP_OK;
	if (ctl_hold(x->job->arena, x->node_object) == NULL)
		return SP_ENOMEM;
	return sp_view(x->job->arena, x->node_object->json, &node_desc, &x->node, NULL);
}

/* ---- making ---- */

static void say(local_run *x, bool is_warning, const char *reason, sp_str message)
{
	const sp_event_ref about = ctl_event_ref(x->claim.object, "v1", "PersistentVolumeClaim");
	sp_events_emitf(x->l->base.events, &about, is_warning, reason, SP_FMT, SP_ARG(message));
}

static void on_made(sp_call *c, const sp_answer *a)
{
	local_run *x = c->arg;
	if (a->code == SP_OK)
		say(x, false, "ProvisioningSucceeded",
		    SP_CONCAT(x->job->arena, SP_STR("Successfully provisioned volume "), x->volume_name));
	local_end(x, a->code == SP_EEXISTS ? SP_OK : a->code, a->err);
}

static void write_meta(local_run *x, sp_jout *j, sp_str reclaim)
{
	sp_jout_member_open(j, SP_STR("metadata"), '{');
	sp_jout_member_str(j, SP_STR("name"), x->volume_name);
	sp_jout_member_open(j, SP_STR("annotations"), '{');
	sp_jout_member_str(j, VOL_PROVISIONED_BY, OURS);
	sp_jout_member_str(j, LOCAL_NODE_NOTE, x->node_object->name);
	sp_jout_close(j, '}');
	if (sp_str_eq(reclaim, SP_STR("Delete"))) {
		const sp_str finalizer = SP_STR(LOCAL_FINALIZER);
		sp_jout_member_strs(j, SP_STR("finalizers"), &finalizer, 1);
	}
	sp_jout_close(j, '}');
}

static void write_affinity(sp_jout *j, sp_str hostname)
{
	sp_jout_member_open(j, SP_STR("nodeAffinity"), '{');
	sp_jout_member_open(j, SP_STR("required"), '{');
	sp_jout_member_open(j, SP_STR("nodeSelectorTerms"), '[');
	sp_jout_open(j, '{');
	sp_jout_member_open(j, SP_STR("matchExpressions"), '[');
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("key"), SP_STR("kubernetes.io/hostname"));
	sp_jout_member_str(j, SP_STR("operator"), SP_STR("In"));
	sp_jout_member_strs(j, SP_STR("values"), &hostname, 1);
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
	sp_jout_close(j, ']');
	sp_jout_close(j, '}');
	sp_jout_close(j, '}');
}

static void write_claim_ref(sp_jout *j, const sp_object *claim)
{
	sp_jout_member_open(j, SP_STR("claimRef"), '{');
	sp_jout_member_str(j, SP_STR("kind"), SP_STR("PersistentVolumeClaim"));
	sp_jout_member_str(j, SP_STR("apiVersion"), SP_STR("v1"));
	sp_jout_member_str(j, SP_STR("namespace"), claim->ns);
	sp_jout_member_str(j, SP_STR("name"), claim->name);
	sp_jout_member_str(j, SP_STR("uid"), claim->uid);
	sp_jout_close(j, '}');
}

static void write_spec(local_run *x, sp_jout *j, sp_str reclaim)
{
	sp_str dir = sp_vmap_str(x->node.annotations, SP_STR(SP_LOCAL_PATH_DIR_NOTE));
	sp_str path = SP_CONCAT(x->job->arena, dir.len > 0 ? dir : SP_STR(SP_LOCAL_PATH_DIR), SP_STR("/"),
				x->volume_name);
	sp_jout_member_open(j, SP_STR("spec"), '{');
	sp_jout_member_open(j, SP_STR("capacity"), '{');
	sp_jout_member_str(j, SP_STR("storage"), sp_vmap_str(x->claim.requests, SP_STR("storage")));
	sp_jout_close(j, '}');
	sp_jout_member_open(j, SP_STR("accessModes"), '[');
	SP_VLIST_FOREACH(mode, x->claim.modes) sp_jout_str(j, sp_json_str(mode));
	sp_jout_close(j, ']');
	sp_jout_member_str(j, SP_STR("volumeMode"), SP_STR("Filesystem"));
	sp_jout_member_str(j, SP_STR("persistentVolumeReclaimPolicy"), reclaim);
	sp_jout_member_str(j, SP_STR("storageClassName"), x->claim.class_name);
	sp_jout_member_open(j, SP_STR("hostPath"), '{');
	sp_jout_member_str(j, SP_STR("path"), path);
	sp_jout_member_str(j, SP_STR("type"), SP_STR("DirectoryOrCreate"));
	sp_jout_close(j, '}');
	write_affinity(j, sp_vmap_str(x->node.labels, SP_STR("kubernetes.io/hostname")));
	write_claim_ref(j, x->claim.object);
	sp_jout_close(j, '}');
}

static void make(local_run *x, const vol_class *class)
{
	sp_str reclaim = class->reclaim.len > 0 ? class->reclaim : SP_STR("Delete");
	SP_AUTO_BUF body;
	sp_buf_init(&body, BODY_BYTES_MAX);
	sp_jout j = sp_jout_to(&body);
	x->volume_name = SP_CONCAT(x->job->arena, SP_STR("pvc-"), x->claim.object->uid);
	sp_jout_open(&j, '{');
	write_meta(x, &j, reclaim);
	write_spec(x, &j, reclaim);
	sp_jout_close(&j, '}');
	if (sp_buf_code(&body) != SP_OK) {
		sp_job_done(x->job, sp_buf_code(&body));
		return;
	}
	say(x, false, "Provisioning",
	    sp_arena_printf(x->job->arena,
			    "External provisioner is provisioning volume for claim \"" SP_FMT "\"",
			    SP_ARG(x->claim.object->key)));
	x->call = (sp_call){.done = on_made, .arg = x};
	sp_call_start(
		x->l->base.client, &x->call,
		&(sp_ask){.verb = SP_ASK_CREATE, .gvr = SP_PERSISTENTVOLUMES, .body = sp_buf_view(&body)});
}

/* ---- deciding ---- */

static void fail(local_run *x, sp_str why)
{
	say(x, true, "ProvisioningFailed",
	    sp_arena_printf(x->job->arena,
			    "failed to provision volume with StorageClass \"" SP_FMT "\": " SP_FMT,
			    SP_ARG(x->claim.class_name), SP_ARG(why)));
}

/* The scheduler shall choose again. */
static void reschedule(local_run *x)
{
	sp_str body =
		sp_arena_printf(x->job->arena,
				"{\"metadata\":{\"uid\":\"" SP_FMT "\",\"resourceVersion\":\"%llu\","
				"\"annotations\":{\"volume.kubernetes.io/selected-node\":null}}}",
				SP_ARG(x->claim.object->uid), (unsigned long long)x->claim.object->revision);
	if (body.ptr == NULL) {
		sp_job_done(x->job, SP_ETOOLARGE);
		return;
	}
	x->call = (sp_call){.done = local_on_written, .arg = x};
	sp_call_start(x->l->base.client, &x->call,
		      &(sp_ask){.verb = SP_ASK_MERGE_PATCH,
				.gvr = SP_PERSISTENTVOLUMECLAIMS,
				.ns = x->claim.object->ns,
				.name = x->claim.object->name,
				.body = body});
}

/* Why a directory can't be what the claim wants; NULL: it can. */
static const char *why_not(const vol_claim *c)
{
	SP_VLIST_FOREACH(mode, c->modes)
	{
		sp_str s = sp_json_str(mode);
		if (!sp_str_eq(s, SP_STR("ReadWriteOnce")) && !sp_str_eq(s, SP_STR("ReadWriteOncePod")))
			return "only access modes ReadWriteOnce and ReadWriteOncePod are possible on a "
			       "directory of a node";
	}
	if (sp_str_eq(c->mode, SP_STR("Block")))
		return "a directory is no block device";
	if (c->source != NULL || c->source_ref != NULL)
		return "a volume can't be filled from a data source";
	return c->selector != NULL ? "claim.Spec.Selector is not supported" : NULL;
}

static void provision(local_run *x, const vol_class *class)
{
	sp_str node = sp_vmap_str(x->claim.annotations, VOL_SELECTED_NODE);
	const char *why = why_not(&x->claim);
	if (node.len == 0 && vol_waits(class)) {
		local_end(x, SP_OK, NULL); /* the scheduler chooses again */
		return;
	}
	if (why == NULL && node.len == 0)
		why = "the class must have volumeBindingMode WaitForFirstConsumer: no node was chosen";
	if (why != NULL) {
		fail(x, sp_str_c(why));
		local_end(x, SP_OK, NULL);
		return;
	}
	sp_code code = local_read_node(x, node);
	if (code != SP_OK) {
		sp_job_done(x->job, code);
	} else if (x->node_object == NULL) {
		fail(x, SP_CONCAT(x->job->arena, SP_STR("failed to get target node: nodes \""), node,
				  SP_STR("\" not found")));
		reschedule(x);
	} else if (sp_vmap_str(x->node.labels, SP_STR("kubernetes.io/hostname")).len == 0) {
		fail(x, SP_CONCAT(x->job->arena, SP_STR("node \""), node,
				  SP_STR("\" has no label kubernetes.io/hostname")));
		reschedule(x);
	} else {
		make(x, class);
	}
}

static bool wants_us(const vol_claim *c)
{
	return c->volume.len == 0 && c->deleted.len == 0 &&
	       sp_str_eq(sp_vmap_str(c->annotations, VOL_PROVISIONER), OURS);
}

static void sync_claim(local_run *x)
{
	vol_class class;
	const sp_object *o = wants_us(&x->claim) ? sp_informer_get(x->l->classes, x->claim.class_name) : NULL;
	if (o == NULL) {
		local_end(x, SP_OK, NULL);
		return;
	}
	sp_code code = ctl_hold(x->job->arena, o) == NULL ? SP_ENOMEM
							  : vol_class_read(x->job->arena, o, &class, NULL);
	if (code == SP_OK && sp_str_eq(class.provisioner, OURS))
		provision(x, &class);
	else
		sp_job_done(x->job, code);
}

static void sync_key(controller *base, sp_job *job)
{
	local *l = SP_CONTAINER_OF(base, local, base);
	local_run *x = sp_new(job->arena, local_run, 1);
	char kind = job->key.ptr[0];
	sp_str rest = sp_str_sub(job->key, 2, job->key.len);
	*x = (local_run){.l = l, .job = job};
	if (kind == 'n') {
		local_sync_node(x, rest);
		return;
	}
	const sp_object *o = sp_informer_get(kind == 'c' ? l->claims : l->volumes, rest);
	sp_code code = SP_OK;
	if (o != NULL)
		code = ctl_hold(job->arena, o) == NULL ? SP_ENOMEM
		       : kind == 'c'                   ? vol_claim_read(job->arena, o, &x->claim, NULL)
						       : vol_volume_read(job->arena, o, &x->volume, NULL);
	if (o == NULL || code != SP_OK)
		sp_job_done(job, code);
	else if (kind == 'c')
		sync_claim(x);
	else
		local_sync_volume(x);
}

/* ---- changes ---- */

static void on_claim(void *arg, const sp_object *old, const sp_object *now)
{
	(void)old;
	if (now != NULL)
		local_look_at(arg, 'c', now->key);
}

static sp_str node_note(yyjson_val *object)
{
	yyjson_val *notes = sp_json_last(sp_json_last(object, SP_STR("metadata")), SP_STR("annotations"));
	return sp_json_str(sp_json_last(notes, LOCAL_NODE_NOTE));
}

static void index_by_node(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)o;
	sp_index_emit(keys, node_note(object));
}

/* Of one that is gone the node still has the note that it was removed. */
static void on_volume(void *arg, const sp_object *old, const sp_object *now)
{
	local *l = arg;
	sp_arena a;
	yyjson_val *v;
	if (now != NULL) {
		local_look_at(l, 'v', now->name);
		return;
	}
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_json_parse(&a, old->json, &v, NULL) == SP_OK)
		local_look_at(l, 'n', node_note(v));
	sp_arena_done(&a);
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	local_look_at(arg, 'n', (now != NULL ? now : old)->name);
}

static sp_code open_local(controller *base, sp_err *err)
{
	local *l = SP_CONTAINER_OF(base, local, base);
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMECLAIMS, vol_claim_view, &l->claims, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMES, vol_volume_view, &l->volumes, err));
	SP_TRY(controller_follow(base, SP_STORAGECLASSES, vol_class_view, &l->classes, err));
	SP_TRY(controller_follow(base, SP_NODES, &node_desc, &l->nodes, err));
	SP_TRY(sp_informer_index(l->volumes, index_by_node, NULL, &l->volumes_by_node, err));
	controller_watch(l->claims, &l->claim_watch, on_claim, l);
	controller_watch(l->volumes, &l->volume_watch, on_volume, l);
	controller_watch(l->nodes, &l->node_watch, on_node, l);
	return SP_OK;
}

const controller_type controller_local_path = {.name = "local-path-provisioner",
					       .component = SP_LOCAL_PATH_PROVISIONER,
					       .size_bytes = sizeof(local),
					       .open = open_local,
					       .sync = sync_key};

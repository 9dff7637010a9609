/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attach-detach controller: VolumeAttachments for volumes of pods that were given a node, which whoever
 * attaches (a CSI driver's external attacher) answers, and what is attached in the status of nodes, which
 * kubelets wait for. There are two kinds of work: a volume (every place of it, so that one that is exclusive
 * is never begun at two nodes) and a node's status. U: kubernetes pkg/controller/volume/attachdetach.
 */
#include <string.h>

#include "controllers/attach_int.h"
#include "controllers/table.h"
#include "controllers/volumes.h"

#define ARENA_BYTES_MAX ((size_t)16 << 20)

/* What the caches keep, read as trees. */
typedef struct pod_view {
	sp_str node, phase, deleted;
	sp_vlist volumes, statuses;
} pod_view;
SP_VIEW(pod_desc, pod_view, "v1/Pod", SP_V(pod_view, node, "spec.nodeName"),
	SP_V(pod_view, phase, "status.phase"), SP_V(pod_view, deleted, "metadata.deletionTimestamp"),
	SP_V(pod_view, volumes, "spec.volumes"), SP_V(pod_view, statuses, "status.containerStatuses"));

typedef struct claim_view {
	sp_str volume, phase;
	sp_vlist owners;
} claim_view;
SP_VIEW(claim_desc, claim_view, "v1/PersistentVolumeClaim", SP_V(claim_view, volume, "spec.volumeName"),
	SP_V(claim_view, phase, "status.phase"), SP_V(claim_view, owners, "metadata.ownerReferences"));

typedef struct volume_view {
	yyjson_val *ref, *csi, *iscsi, *fc, *ebs, *azure, *cinder, *gce, *vsphere, *portworx;
	sp_vlist modes;
	sp_vmap labels;
} volume_view;
SP_VIEW(volume_desc, volume_view, "v1/PersistentVolume", SP_V(volume_view, ref, "spec.claimRef"),
	SP_V(volume_view, modes, "spec.accessModes"), SP_V(volume_view, labels, "metadata.labels"),
	SP_V(volume_view, csi, "spec.csi"), SP_V(volume_view, iscsi, "spec.iscsi"),
	SP_V(volume_view, fc, "spec.fc"), SP_V(volume_view, ebs, "spec.awsElasticBlockStore"),
	SP_V(volume_view, azure, "spec.azureDisk"), SP_V(volume_view, cinder, "spec.cinder"),
	SP_V(volume_view, gce, "spec.gcePersistentDisk"), SP_V(volume_view, vsphere, "spec.vsphereVolume"),
	SP_V(volume_view, portworx, "spec.portworxVolume"));

SP_VIEW(attachment_desc, att_attachment_view, "storage.k8s.io/v1/VolumeAttachment",
	SP_V(att_attachment_view, node, "spec.nodeName"),
	SP_V(att_attachment_view, volume, "spec.source.persistentVolumeName"),
	SP_V(att_attachment_view, deleted, "metadata.deletionTimestamp"),
	SP_V(att_attachment_view, attached, "status.attached"),
	SP_V(att_attachment_view, attach_error, "status.attachError"),
	SP_V(att_attachment_view, detach_error, "status.detachError"));
const sp_view_desc *const att_attachment_desc = &attachment_desc;

typedef struct driver_view {
	bool attach_required;
} driver_view;
SP_VIEW(driver_desc, driver_view, "storage.k8s.io/v1/CSIDriver",
	SP_V(driver_view, attach_required, "spec.attachRequired"));

SP_VIEW(node_desc, att_node_view, "v1/Node", SP_V(att_node_view, annotations, "metadata.annotations"),
	SP_V(att_node_view, taints, "spec.taints"), SP_V(att_node_view, conditions, "status.conditions"),
	SP_V(att_node_view, attached, "status.volumesAttached"),
	SP_V(att_node_view, in_use, "status.volumesInUse"));

bool att_node_read(const attach *t, sp_arena *a, sp_str name, att_node_view *ret)
{
	const sp_object *o = sp_informer_get(t->nodes, name);
	return o != NULL && ctl_hold(a, o) != NULL && sp_view(a, o->json, &node_desc, ret, NULL) == SP_OK;
}

static sp_str listed_name(yyjson_val *v, bool attached)
{
	return sp_json_str(attached ? sp_json_last(v, SP_STR("name")) : v);
}

bool att_node_lists(const att_node_view *v, bool attached, sp_str volume)
{
	SP_VLIST_FOREACH(item, attached ? v->attached : v->in_use)
	{
		if (sp_str_eq(listed_name(item, attached), volume))
			return true;
	}
	return false;
}

/* ---- what changed ---- */

void att_enqueue(attach *t, sp_str kind, sp_str name)
{
	char room[1200];
	size_t n = kind.len + name.len;
	if (name.len == 0 || n > sizeof room) /* longer than an index has */
		return;
	memcpy(room, kind.ptr, kind.len);
	memcpy(room + kind.len, name.ptr, name.len);
	sp_queue_add(t->base.queue, (sp_str){room, n});
}

static void enqueue_places(attach *t, sp_str node)
{
	const att_node *n = att_node_find(&t->memory, node);
	if (n == NULL)
		return;
	SP_LIST_FOREACH (l, &n->places)
		att_enqueue(t, ATT_VOLUME_KEY, ATT_PLACE_OF_NODE(l)->volume->name);
}

typedef struct pod_state {
	char node[256];
	size_t node_len;
	bool counts;
} pod_state;

static pod_state state_of_pod(const sp_object *o)
{
	pod_state s = {.node_len = 0};
	yyjson_val *pod;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES_MAX);
	if (o != NULL && sp_json_parse(&a, o->json, &pod, NULL) == SP_OK) {
		sp_str node = sp_view_str_at(pod, "spec.nodeName");
		s.node_len = SP_MIN(node.len, sizeof s.node);
		if (s.node_len > 0)
			memcpy(s.node, node.ptr, s.node_len);
		s.counts = s.node_len > 0 && att_pod_counts(pod);
	}
	sp_arena_done(&a);
	return s;
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	attach *t = arg;
	pod_state before = state_of_pod(old), after = state_of_pod(now);
	if (before.counts == after.counts)
		return;
	att_enqueue_pod(t, now != NULL ? now : old);
	if (before.counts) /* also those whose claims are gone already */
		enqueue_places(t, (sp_str){before.node, before.node_len});
}

static void enqueue_volume(attach *t, const sp_object *o)
{
	yyjson_val *pv;
	vol_name name;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES_MAX);
	if (o != NULL && sp_json_parse(&a, o->json, &pv, NULL) == SP_OK && vol_name_of_pv(pv, &name))
		att_enqueue(t, ATT_VOLUME_KEY, vol_name_unique(&a, &name));
	sp_arena_done(&a);
}

static void on_claim(void *arg, const sp_object *old, const sp_object *now)
{
	attach *t = arg;
	claim_view v;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES_MAX);
	if (sp_view(&a, (now != NULL ? now : old)->json, &claim_desc, &v, NULL) == SP_OK)
		enqueue_volume(t, sp_informer_get(t->volumes, v.volume));
	sp_arena_done(&a);
}

/* An attachment of a volume that is known has a place. */
static void look_at_attachment(attach *t, const sp_object *o)
{
	yyjson_val *pv;
	vol_name name;
	att_attachment_view v;
	sp_arena a;
	att_place *p = att_place_of_attachment(&t->memory, o->name);
	sp_arena_init(&a, ARENA_BYTES_MAX);
	if (p == NULL && sp_view(&a, o->json, &attachment_desc, &v, NULL) == SP_OK) {
		const sp_object *volume = sp_informer_get(t->volumes, v.volume);
		if (volume != NULL && sp_json_parse(&a, volume->json, &pv, NULL) == SP_OK &&
		    vol_name_of_pv(pv, &name))
			p = att_place_get(&t->memory, vol_name_unique(&a, &name), v.node);
	}
	sp_arena_done(&a);
	if (p != NULL)
		att_enqueue(t, ATT_VOLUME_KEY, p->volume->name);
}

static void on_attachment(void *arg, const sp_object *old, const sp_object *now)
{
	look_at_attachment(arg, now != NULL ? now : old);
}

static void on_volume(void *arg, const sp_object *old, const sp_object *now)
{
	attach *t = arg;
	const sp_object *o;
	enqueue_volume(t, old);
	enqueue_volume(t, now);
	if (now == NULL)
		return;
	sp_index_at at = sp_informer_find(t->attachments, t->attachments_by_volume, now->name);
	while ((o = sp_index_next(&at)) != NULL)
		look_at_attachment(t, o);
}

static bool is_managed(const sp_object *o)
{
	att_node_view v = {.taints = {0}};
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES_MAX);
	bool managed = o != NULL && sp_view(&a, o->json, &node_desc, &v, NULL) == SP_OK &&
		       sp_vmap_str(v.annotations, ATT_MANAGED).ptr != NULL;
	sp_arena_done(&a);
	return managed;
}

/* What its status lists was attached once, by whomever. */
static void take_over(attach *t, const sp_object *o)
{
	att_node_view v;
	sp_arena a;
	sp_arena_init(&a, ARENA_BYTES_MAX);
	if (sp_view(&a, o->json, &node_desc, &v, NULL) == SP_OK) {
		SP_VLIST_FOREACH(item, v.attached)
		(void)att_place_get(&t->memory, listed_name(item, true), o->name);
	}
	sp_arena_done(&a);
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	attach *t = arg;
	const sp_object *o = now != NULL ? now : old, *pod;
	if (o == NULL || (old != NULL && now != NULL && sp_str_eq(old->json, now->json)))
		return;
	if (old == NULL)
		take_over(t, o);
	if (is_managed(now) && !is_managed(old)) {
		sp_index_at at = sp_informer_find(t->pods, t->pods_by_node, o->name);
		while ((pod = sp_index_next(&at)) != NULL)
			att_enqueue_pod(t, pod);
	}
	enqueue_places(t, o->name);
	att_enqueue(t, ATT_NODE_KEY, o->name);
}

/* A driver begins or ends to attach: rare. */
static void on_driver(void *arg, const sp_object *old, const sp_object *now)
{
	attach *t = arg;
	const sp_object *o;
	(void)old;
	(void)now;
	for (size_t at = 0; (o = sp_informer_next(t->volumes, &at)) != NULL;)
		enqueue_volume(t, o);
}

/* ---- the controller ---- */

static void sync_key(controller *base, sp_job *job)
{
	attach *t = SP_CONTAINER_OF(base, attach, base);
	sp_str name = job->key;
	if (sp_str_take(&name, ATT_NODE_KEY))
		att_sync_node(t, job, name);
	else if (sp_str_take(&name, ATT_VOLUME_KEY))
		att_sync_volume(t, job, name);
}

static sp_code open_indexes(attach *t, sp_err *err)
{
	SP_TRY(sp_informer_index(t->pods, vol_index_pods, NULL, &t->pods_by_claim, err));
	SP_TRY(sp_informer_index(t->pods, att_index_pods, NULL, &t->pods_by_name, err));
	SP_TRY(sp_informer_index(t->pods, att_index_pods_by_node, NULL, &t->pods_by_node, err));
	SP_TRY(sp_informer_index(t->volumes, att_index_volumes, NULL, &t->volumes_by_name, err));
	return sp_informer_index(t->attachments, att_index_attachments, NULL, &t->attachments_by_volume, err);
}

static sp_code open_attach(controller *base, sp_err *err)
{
	attach *t = SP_CONTAINER_OF(base, attach, base);
	SP_TRY(att_memory_init(&t->memory, err));
	SP_TRY(controller_follow(base, SP_PODS, &pod_desc, &t->pods, err));
	SP_TRY(controller_follow(base, SP_NODES, &node_desc, &t->nodes, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMECLAIMS, &claim_desc, &t->claims, err));
	SP_TRY(controller_follow(base, SP_PERSISTENTVOLUMES, &volume_desc, &t->volumes, err));
	SP_TRY(controller_follow(base, SP_VOLUMEATTACHMENTS, &attachment_desc, &t->attachments, err));
	SP_TRY(controller_follow(base, SP_CSIDRIVERS, &driver_desc, &t->drivers, err));
	SP_TRY(open_indexes(t, err));
	controller_watch(t->pods, &t->pod_watch, on_pod, t);
	controller_watch(t->nodes, &t->node_watch, on_node, t);
	controller_watch(t->claims, &t->claim_watch, on_claim, t);
	controller_watch(t->volumes, &t->volume_watch, on_volume, t);
	controller_watch(t->attachments, &t->attachment_watch, on_attachment, t);
	controller_watch(t->drivers, &t->driver_watch, on_driver, t);
	return SP_OK;
}

static void done_attach(controller *base)
{
	att_memory_done(&SP_CONTAINER_OF(base, attach, base)->memory);
}

const controller_type controller_attach = {.name = "persistentvolume-attach-detach-controller",
					   .component = "attachdetach-controller",
					   .account = "attachdetach-controller",
					   .size_bytes = sizeof(attach),
					   .open = open_attach,
					   .sync = sync_key,
					   .done = done_attach};

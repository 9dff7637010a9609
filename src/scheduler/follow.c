/* SPDX-License-Identifier: Apache-2.0 */
/* What the watches bring becomes state, and wakes pods that it may help. */
#include "base/log.h"
#include "scheduler/live_int.h"
#include "scheduler/plugins/volumes.h"

live_profile *live_profile_of(scheduler *s, const sched_pod *pod)
{
	for (size_t i = 0; i < s->config->n_profiles; i++) {
		if (sp_str_eq(s->config->profiles[i].scheduler_name, pod->spec->scheduler_name))
			return &s->profiles[i];
	}
	return NULL;
}

static void happened(scheduler *s, const sched_change *change)
{
	sched_queue_event(&s->queue, change, sp_now_ns(s->world));
	live_wake(s);
}

void live_pod_gone(scheduler *s, const sched_pod *pod)
{
	happened(s, &(sched_change){.kind = SCHED_CHANGE_POD_GONE, .pod = pod});
}

/* A tree of the object, in the scratch arena. */
static yyjson_val *tree(scheduler *s, const sp_object *o)
{
	yyjson_val *v = NULL;
	sp_err err;
	sp_arena_rewind(&s->scratch);
	if (sp_json_parse(&s->scratch, o->json, &v, &err) != SP_OK)
		sp_log(s->log, SP_LOG_ERROR, "an object cannot be read", SP_KS("object", o->key),
		       SP_KE(&err));
	return v;
}

static void check(scheduler *s, sp_code code, const sp_object *o, const sp_err *err)
{
	if (code == SP_OK)
		return;
	sp_log(s->log, SP_LOG_ERROR, "an object does not count", SP_KS("object", o->key), SP_KE(err));
	if (s->st->broken)
		live_broken(s);
}

/* ---- pods ---- */

static void pod_removed(scheduler *s, sp_str key)
{
	sched_pod *pod = sched_find_pod(s->st, key);
	sched_queue_remove(&s->queue, key);
	live_prebind_drop(s, key);
	if (pod == NULL)
		return;
	/* The pod leaves its node before others look whether that helps them: so they are told first and
	 * decide later. */
	if (pod->node_name.len > 0 || pod->nominated.len > 0)
		live_pod_gone(s, pod);
	sched_remove_pod(s->st, key);
	live_evicted(s, key, true);
}

static bool asks_less(const sched_pod *now, const sched_pod *before)
{
	return now->held.cpu_milli < before->held.cpu_milli || now->held.memory < before->held.memory ||
	       now->held.ephemeral < before->held.ephemeral || now->held.n_scalars < before->held.n_scalars;
}

/* It stands on a node: bound by us, by somebody else, or changed there. */
static void pod_bound(scheduler *s, sched_pod *pod)
{
	const sched_pod *before = sched_find_pod(s->st, pod->key);
	bool was_there = before != NULL && before->node_name.len > 0;
	/* Only labels, deletion and amounts of a placed pod can change. */
	bool same = was_there && before->spec == pod->spec && before->terminating == pod->terminating;
	bool smaller = was_there && asks_less(pod, before);
	sched_queue_remove(&s->queue, pod->key);
	if (sched_put_pod(s->st, pod) != SP_OK) {
		live_broken(s);
		return;
	}
	if (pod->terminating)
		live_evicted(s, pod->key, false);
	if (!same || smaller)
		happened(s, &(sched_change){.kind = SCHED_CHANGE_POD_PLACED, .pod = pod, .smaller = smaller});
	live_wake(s);
}

static void pod_pending(scheduler *s, sched_pod *pod)
{
	const sched_pod *before = sched_find_pod(s->st, pod->key);
	bool ours = live_profile_of(s, pod) != NULL;
	/* What we decided counts until the server says where it is, or that it is nowhere. */
	bool assumed = before != NULL && before->node_name.len > 0 && sp_str_eq(before->uid, pod->uid);
	if (assumed || (!ours && pod->nominated.len == 0)) {
		if (!assumed)
			pod_removed(s, pod->key);
		sched_pod_free(s->st, pod);
		return;
	}
	bool changed = before == NULL || before->spec != pod->spec || before->terminating != pod->terminating;
	if (sched_put_pod(s->st, pod) != SP_OK ||
	    (ours && sched_queue_put(&s->queue, pod, changed ? SCHED_OWN_SPEC : SCHED_OWN_NOTHING,
				     sp_now_ns(s->world)) != SP_OK)) {
		live_broken(s);
		return;
	}
	live_wake(s);
}

static void on_pod(scheduler *s, const sp_object *old, const sp_object *now)
{
	sched_pod *pod;
	sp_err err = {0};
	if (now == NULL || (old != NULL && !sp_str_eq(old->uid, now->uid)))
		pod_removed(s, now == NULL ? old->key : now->key);
	if (now == NULL)
		return;
	yyjson_val *v = tree(s, now);
	sp_code code = v == NULL ? SP_EINVAL : sched_pod_make(s->st, v, &pod, &err);
	check(s, code, now, &err);
	if (code != SP_OK)
		return;
	if (pod->node_name.len > 0)
		pod_bound(s, pod);
	else
		pod_pending(s, pod);
}

void live_refresh(scheduler *s, sp_str key)
{
	const sp_object *o = sp_informer_get(s->informer[LIVE_PODS], key);
	if (o != NULL)
		on_pod(s, NULL, o);
	else
		pod_removed(s, key);
}

/* ---- the others ---- */

/* Heartbeats change nothing that counts. */
static bool same_node(const sp_object *old, const sp_object *now)
{
	return old != NULL && sp_str_eq(old->json, now->json);
}

static void on_node(scheduler *s, const sp_object *old, const sp_object *now)
{
	sp_err err = {0};
	if (now == NULL) {
		sched_remove_node(s->st, old->name);
		happened(s, &(sched_change){.kind = SCHED_CHANGE_NODE_GONE});
		return;
	}
	if (same_node(old, now))
		return;
	yyjson_val *v = tree(s, now);
	sp_code code = v == NULL ? SP_EINVAL : sched_put_node(s->st, v, &err);
	check(s, code, now, &err);
	if (code == SP_OK)
		happened(s, &(sched_change){.kind = SCHED_CHANGE_NODE,
					    .node = sched_find_node(s->st, now->name)});
}

static void on_namespace(scheduler *s, const sp_object *old, const sp_object *now)
{
	sp_err err = {0};
	yyjson_val *v = now == NULL ? NULL : tree(s, now);
	sp_code code = now == NULL ? sched_remove_namespace(s->st, old->name)
		       : v == NULL ? SP_EINVAL
				   : sched_put_namespace(s->st, v, &err);
	check(s, code, now == NULL ? old : now, &err);
	happened(s, &(sched_change){.kind = SCHED_CHANGE_NAMESPACE});
}

static void on_budget(scheduler *s, const sp_object *old, const sp_object *now)
{
	sp_err err = {0};
	if (now == NULL) {
		sched_remove_budget(s->st, old->ns, old->name);
		return;
	}
	yyjson_val *v = tree(s, now);
	check(s, v == NULL ? SP_EINVAL : sched_put_budget(s->st, v, &err), now, &err);
}

static void on_source(scheduler *s, sched_source_kind kind, const sp_object *old, const sp_object *now)
{
	sp_err err = {0};
	if (now == NULL) {
		sched_remove_source(s->st, kind, old->ns, old->name);
		return;
	}
	yyjson_val *v = tree(s, now);
	check(s, v == NULL ? SP_EINVAL : sched_put_source(s->st, kind, v, &err), now, &err);
}

static void on_volume(scheduler *s, sched_volume_kind kind, const sp_object *old, const sp_object *now)
{
	sp_err err = {0};
	yyjson_val *v = now == NULL ? NULL : tree(s, now);
	sched_change change = {.kind = SCHED_CHANGE_VOLUME,
			       .volume = (uint8_t)kind,
			       .key = now == NULL ? old->key : now->key,
			       .went = now == NULL};
	if (now == NULL)
		sched_remove_volume_object(s->st, kind, old->key);
	else
		check(s, v == NULL ? SP_EINVAL : sched_put_volume_object(s->st, kind, v, &err), now, &err);
	happened(s, &change);
	sp_defer_call(s->world, &s->prebind_check);
}

/* ---- watches ---- */

static const char *const pod_paths[] = {
	"spec",
	"status.nominatedNodeName",
	"status.startTime",
	"status.conditions",
	"status.containerStatuses",
	"status.initContainerStatuses",
	"status.resources",
	"status.allocatedResources",
};
static const char *const node_paths[] = {"spec.taints", "spec.unschedulable", "status.allocatable",
					 "status.images", "status.declaredFeatures"};
static const char *const namespace_paths[] = {"metadata.labels"};
static const char *const source_paths[] = {"spec.selector"};
static const char *const budget_paths[] = {"spec.selector", "status.disruptionsAllowed",
					   "status.disruptedPods"};

static const char *const class_paths[] = {"volumeBindingMode", "provisioner", "allowedTopologies"};
static const char *const volume_paths[] = {
	"spec.nodeAffinity",
	"spec.capacity",
	"spec.accessModes",
	"spec.storageClassName",
	"spec.volumeMode",
	"spec.claimRef",
	"status.phase",
	"spec.volumeAttributesClassName",
	"spec.csi.driver",
	"spec.csi.volumeHandle",
	"spec.awsElasticBlockStore",
	"spec.gcePersistentDisk",
	"spec.azureDisk",
	"spec.cinder",
	"spec.portworxVolume",
};
static const char *const csi_node_paths[] = {"spec.drivers"};
static const char *const attachment_paths[] = {"spec"};
static const char *const driver_paths[] = {"spec.storageCapacity"};
static const char *const capacity_paths[] = {"storageClassName", "capacity", "maximumVolumeSize",
					     "nodeTopology"};
static const char *const claim_paths[] = {
	"spec.volumeName", "spec.storageClassName", "spec.accessModes", "spec.resources",
	"spec.selector",   "spec.volumeMode",       "status.phase",     "spec.volumeAttributesClassName"};

static const struct {
	sp_gvr gvr;
	const char *field_selector;
	const char *const *paths;
	size_t n_paths;
} kinds[LIVE_KINDS_] = {
#define KIND(group_, resource_, selector_, paths_)                                                   \
	{                                                                                            \
		{SP_STR_INIT(group_), SP_STR_INIT("v1"), SP_STR_INIT(resource_)}, selector_, paths_, \
			SP_LEN(paths_)                                                               \
	}
	[LIVE_PODS] = KIND("", "pods", "status.phase!=Succeeded,status.phase!=Failed", pod_paths),
	[LIVE_NODES] = KIND("", "nodes", "", node_paths),
	[LIVE_NAMESPACES] = KIND("", "namespaces", "", namespace_paths),
	[LIVE_SERVICES] = KIND("", "services", "", source_paths),
	[LIVE_REPLICA_SETS] = KIND("apps", "replicasets", "", source_paths),
	[LIVE_STATEFUL_SETS] = KIND("apps", "statefulsets", "", source_paths),
	[LIVE_REPLICATION_CONTROLLERS] = KIND("", "replicationcontrollers", "", source_paths),
	[LIVE_BUDGETS] = KIND("policy", "poddisruptionbudgets", "", budget_paths),
	[LIVE_CLASSES] = KIND("storage.k8s.io", "storageclasses", "", class_paths),
	[LIVE_VOLUMES] = KIND("", "persistentvolumes", "", volume_paths),
	[LIVE_CLAIMS] = KIND("", "persistentvolumeclaims", "", claim_paths),
	[LIVE_DRIVERS] = KIND("storage.k8s.io", "csidrivers", "", driver_paths),
	[LIVE_CAPACITIES] = KIND("storage.k8s.io", "csistoragecapacities", "", capacity_paths),
	[LIVE_CSI_NODES] = KIND("storage.k8s.io", "csinodes", "", csi_node_paths),
	[LIVE_ATTACHMENTS] = KIND("storage.k8s.io", "volumeattachments", "", attachment_paths),
#undef KIND
};

static void on_change(void *arg, const sp_object *old, const sp_object *now)
{
	live_watch *w = arg;
	scheduler *s = w->s;
	if (s->closing || s->st->broken)
		return;
	switch (w->kind) {
	case LIVE_PODS:
		on_pod(s, old, now);
		return;
	case LIVE_NODES:
		on_node(s, old, now);
		return;
	case LIVE_NAMESPACES:
		on_namespace(s, old, now);
		return;
	case LIVE_BUDGETS:
		on_budget(s, old, now);
		return;
	case LIVE_SERVICES:
		on_source(s, SCHED_SERVICE, old, now);
		return;
	case LIVE_REPLICA_SETS:
		on_source(s, SCHED_REPLICA_SET, old, now);
		return;
	case LIVE_STATEFUL_SETS:
		on_source(s, SCHED_STATEFUL_SET, old, now);
		return;
	case LIVE_REPLICATION_CONTROLLERS:
		on_source(s, SCHED_REPLICATION_CONTROLLER, old, now);
		return;
	case LIVE_CLASSES:
		on_volume(s, SCHED_STORAGE_CLASS, old, now);
		return;
	case LIVE_VOLUMES:
		on_volume(s, SCHED_PV, old, now);
		return;
	case LIVE_CLAIMS:
		on_volume(s, SCHED_PVC, old, now);
		return;
	case LIVE_DRIVERS:
		on_volume(s, SCHED_CSI_DRIVER, old, now);
		return;
	case LIVE_CAPACITIES:
		on_volume(s, SCHED_CAPACITY, old, now);
		return;
	case LIVE_CSI_NODES:
		on_volume(s, SCHED_CSI_NODE, old, now);
		return;
	case LIVE_ATTACHMENTS:
		on_volume(s, SCHED_ATTACHMENT, old, now);
		return;
	case LIVE_KINDS_:
		break;
	}
	SP_UNREACHABLE();
}

sp_code live_follow(scheduler *s, sp_err *err)
{
	SP_TRY(sp_informers_new(s->client, s->log, &s->informers, err));
	for (size_t k = 0; k < LIVE_KINDS_; k++) {
		const sp_informer_opts o = {.gvr = kinds[k].gvr,
					    .field_selector = sp_str_c(kinds[k].field_selector)};
		SP_TRY(sp_informers_get(s->informers, &o, &s->informer[k], err));
		for (size_t i = 0; i < kinds[k].n_paths; i++) {
			if (sp_informer_keep_path(s->informer[k], sp_str_c(kinds[k].paths[i])) != SP_OK)
				return sp_fail(err, SP_ENOMEM, "no memory for the watches");
		}
		s->watches[k] = (live_watch){.s = s, .kind = (live_kind)k};
		s->watches[k].watch.on_change = on_change;
		s->watches[k].watch.arg = &s->watches[k];
		sp_informer_watch_add(s->informer[k], &s->watches[k].watch);
	}
	return SP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/snapshot.h"

#include <stdio.h>

#include "kube/decode.h"
#include "kube/encode.h"
#include "scheduler/plugins/volumes.h"

#define OBJECT_BYTES_MAX ((size_t)16 << 20)
#define WHERE_BYTES 64

/* -- one object ----------------------------------------------------------------------------------------- */

/* The object as an API server would store it; what its kind does not have is an error. */
static sp_code canonical(sched_snapshot *s, yyjson_val *v, sp_str group, sp_str version, sp_str kind,
			 const char *where, yyjson_val **ret, sp_err *err)
{
	const sp_kind *k = sp_kind_by_kind(group, version, kind);
	sp_strict *strict;
	yyjson_mut_val *object = NULL;
	sp_err why = {0};
	SP_ASSERT(k != NULL);
	if (!yyjson_is_obj(v))
		return sp_fail(err, SP_EINVAL, "%s is not an object", where);
	sp_arena_rewind(&s->scratch);
	yyjson_mut_doc *doc = sp_json_doc(&s->scratch);
	strict = sp_try_new(&s->scratch, sp_strict, 1);
	if (doc == NULL || strict == NULL)
		return sp_fail(err, SP_ENOMEM, "%s: no memory", where);
	SP_AUTO_BUF text;
	sp_buf_init(&text, OBJECT_BYTES_MAX);
	SP_TRY(sp_json_write(&text, v));
	sp_code code = sp_decode_json(&s->scratch, k->schema, sp_buf_view(&text), doc, strict, &object, &why);
	if (code != SP_OK)
		return sp_fail(err, code, "%s: %s", where, why.msg);
	if (strict->n > 0)
		return sp_fail(err, SP_EINVAL, "%s: " SP_FMT, where, SP_ARG(strict->items[0]));
	sp_buf_clear(&text);
	SP_TRY(sp_encode_json(&text, k->schema, object));
	return sp_json_parse(&s->scratch, sp_buf_view(&text), ret, err);
}

static sp_code name_of(yyjson_val *object, bool namespaced, const char *where, sp_err *err)
{
	yyjson_val *meta = yyjson_obj_get(object, "metadata");
	if (sp_json_str(yyjson_obj_get(meta, "name")).len == 0)
		return sp_fail(err, SP_EINVAL, "%s has no metadata.name", where);
	if (namespaced && sp_json_str(yyjson_obj_get(meta, "namespace")).len == 0)
		return sp_fail(err, SP_EINVAL, "%s has no metadata.namespace", where);
	return SP_OK;
}

sp_code sched_snapshot_pod(sched_snapshot *s, yyjson_val *v, const char *where, sched_pod **ret, sp_err *err)
{
	yyjson_val *pod;
	sp_err why = {0};
	SP_TRY(canonical(s, v, SP_STR(""), SP_STR("v1"), SP_STR("Pod"), where, &pod, err));
	SP_TRY(name_of(pod, true, where, err));
	sp_code code = sched_pod_make(s->st, pod, ret, &why);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "%s: %s", where, why.msg);
}

/* -- lists ---------------------------------------------------------------------------------------------- */

static sp_code put_node(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	yyjson_val *node;
	SP_TRY(canonical(s, v, SP_STR(""), SP_STR("v1"), SP_STR("Node"), where, &node, err));
	SP_TRY(name_of(node, false, where, err));
	return sched_put_node(s->st, node, err);
}

static sp_code put_namespace(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	yyjson_val *ns;
	SP_TRY(canonical(s, v, SP_STR(""), SP_STR("v1"), SP_STR("Namespace"), where, &ns, err));
	SP_TRY(name_of(ns, false, where, err));
	return sched_put_namespace(s->st, ns, err);
}

static sp_code put_bound(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	sched_pod *pod;
	SP_TRY(sched_snapshot_pod(s, v, where, &pod, err));
	if (pod->node_name.len == 0) {
		sched_pod_free(s->st, pod);
		return sp_fail(err, SP_EINVAL, "%s has no spec.nodeName", where);
	}
	sp_code code = sched_put_pod(s->st, pod);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "%s: no memory", where);
}

static sp_code put_new(sched_snapshot *s, yyjson_val *v, const char *where, bool bound, sp_err *err)
{
	sched_pod *pod;
	SP_TRY(sched_snapshot_pod(s, v, where, &pod, err));
	bool twice = sched_find_pod(s->st, pod->key) != NULL;
	if (twice || bound != (pod->node_name.len > 0) || (!bound && pod->nominated.len == 0)) {
		sp_code code =
			twice   ? sp_fail(err, SP_EINVAL, "%s: there is a pod " SP_FMT " already", where,
					  SP_ARG(pod->key))
			: bound ? sp_fail(err, SP_EINVAL, "%s has no spec.nodeName", where)
				: sp_fail(err, SP_EINVAL,
					  "%s is not a pending pod with status.nominatedNodeName", where);
		sched_pod_free(s->st, pod);
		return code;
	}
	sp_code code = sched_put_pod(s->st, pod);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "%s: no memory", where);
}

static sp_code put_pod(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_new(s, v, where, true, err);
}

static sp_code put_nominated(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_new(s, v, where, false, err);
}

static sp_code put_budget(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	yyjson_val *pdb;
	SP_TRY(canonical(s, v, SP_STR("policy"), SP_STR("v1"), SP_STR("PodDisruptionBudget"), where, &pdb,
			 err));
	SP_TRY(name_of(pdb, true, where, err));
	return sched_put_budget(s->st, pdb, err);
}

static sp_code put_source(sched_snapshot *s, yyjson_val *v, const char *where, sched_source_kind kind,
			  sp_err *err)
{
	static const sp_str kinds[SCHED_SOURCE_KINDS_][2] = {
		[SCHED_SERVICE] = {SP_STR_INIT(""), SP_STR_INIT("Service")},
		[SCHED_REPLICA_SET] = {SP_STR_INIT("apps"), SP_STR_INIT("ReplicaSet")},
		[SCHED_STATEFUL_SET] = {SP_STR_INIT("apps"), SP_STR_INIT("StatefulSet")},
		[SCHED_REPLICATION_CONTROLLER] = {SP_STR_INIT(""), SP_STR_INIT("ReplicationController")},
	};
	yyjson_val *object;
	SP_TRY(canonical(s, v, kinds[kind][0], SP_STR("v1"), kinds[kind][1], where, &object, err));
	SP_TRY(name_of(object, true, where, err));
	return sched_put_source(s->st, kind, object, err);
}

static sp_code put_service(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_source(s, v, where, SCHED_SERVICE, err);
}
static sp_code put_replica_set(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_source(s, v, where, SCHED_REPLICA_SET, err);
}
static sp_code put_stateful_set(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_source(s, v, where, SCHED_STATEFUL_SET, err);
}
static sp_code put_replication_controller(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_source(s, v, where, SCHED_REPLICATION_CONTROLLER, err);
}

static sp_code put_volume(sched_snapshot *s, yyjson_val *v, const char *where, sched_volume_kind kind,
			  sp_err *err)
{
	static const sp_str kinds[SCHED_VOLUME_KINDS_][2] = {
		[SCHED_PVC] = {SP_STR_INIT(""), SP_STR_INIT("PersistentVolumeClaim")},
		[SCHED_PV] = {SP_STR_INIT(""), SP_STR_INIT("PersistentVolume")},
		[SCHED_STORAGE_CLASS] = {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("StorageClass")},
		[SCHED_CSI_DRIVER] = {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("CSIDriver")},
		[SCHED_CAPACITY] = {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("CSIStorageCapacity")},
		[SCHED_CSI_NODE] = {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("CSINode")},
		[SCHED_ATTACHMENT] = {SP_STR_INIT("storage.k8s.io"), SP_STR_INIT("VolumeAttachment")},
	};
	yyjson_val *object;
	SP_TRY(canonical(s, v, kinds[kind][0], SP_STR("v1"), kinds[kind][1], where, &object, err));
	SP_TRY(name_of(object, kind == SCHED_PVC || kind == SCHED_CAPACITY, where, err));
	return sched_put_volume_object(s->st, kind, object, err);
}

static sp_code put_pvc(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_volume(s, v, where, SCHED_PVC, err);
}
static sp_code put_pv(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_volume(s, v, where, SCHED_PV, err);
}
static sp_code put_class(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_volume(s, v, where, SCHED_STORAGE_CLASS, err);
}

static sp_code put_driver(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_volume(s, v, where, SCHED_CSI_DRIVER, err);
}
static sp_code put_capacity(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_volume(s, v, where, SCHED_CAPACITY, err);
}
static sp_code put_csi_node(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_volume(s, v, where, SCHED_CSI_NODE, err);
}
static sp_code put_attachment(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err)
{
	return put_volume(s, v, where, SCHED_ATTACHMENT, err);
}

/* In the order they are put; the last two are read by the simulator. */
static const struct {
	sp_str name;
	sp_code (*put)(sched_snapshot *s, yyjson_val *v, const char *where, sp_err *err);
} lists[] = {
	{SP_STR_INIT("namespaces"), put_namespace},
	{SP_STR_INIT("nodes"), put_node},
	{SP_STR_INIT("services"), put_service},
	{SP_STR_INIT("replicasets"), put_replica_set},
	{SP_STR_INIT("statefulsets"), put_stateful_set},
	{SP_STR_INIT("replicationcontrollers"), put_replication_controller},
	{SP_STR_INIT("poddisruptionbudgets"), put_budget},
	{SP_STR_INIT("storageclasses"), put_class},
	{SP_STR_INIT("persistentvolumes"), put_pv},
	{SP_STR_INIT("persistentvolumeclaims"), put_pvc},
	{SP_STR_INIT("csidrivers"), put_driver},
	{SP_STR_INIT("csistoragecapacities"), put_capacity},
	{SP_STR_INIT("csinodes"), put_csi_node},
	{SP_STR_INIT("volumeattachments"), put_attachment},
	{SP_STR_INIT("pods"), put_pod},
	{SP_STR_INIT("nominated"), put_nominated},
	{SP_STR_INIT("pending"), NULL},
	{SP_STR_INIT("steps"), NULL},
};

static sp_code check_members(yyjson_val *root, sp_err *err)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(root);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		size_t i = 0;
		while (i < SP_LEN(lists) && !sp_str_eq(sp_json_str(key), lists[i].name))
			i++;
		if (i == SP_LEN(lists))
			return sp_fail(err, SP_EINVAL, "the snapshot has an unknown member \"" SP_FMT "\"",
				       SP_ARG(sp_json_str(key)));
		yyjson_val *v = yyjson_obj_iter_get_val(key);
		if (!yyjson_is_arr(v) && !yyjson_is_null(v))
			return sp_fail(err, SP_EINVAL, SP_FMT " is not a list", SP_ARG(lists[i].name));
	}
	if (sp_json_last(root, SP_STR("pending")) != NULL && sp_json_last(root, SP_STR("steps")) != NULL)
		return sp_fail(err, SP_EINVAL, "the snapshot has both pending and steps");
	return SP_OK;
}

sp_code sched_snapshot_open(sched_snapshot *s, sp_str text, sp_err *err)
{
	*s = (sched_snapshot){.st = sched_state_new()};
	sp_arena_init(&s->arena, SCHED_SNAPSHOT_ARENA_BYTES);
	sp_arena_init(&s->scratch, OBJECT_BYTES_MAX * 8);
	if (s->st == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory");
	SP_TRY(sp_json_parse(&s->arena, text, &s->root, err));
	if (!yyjson_is_obj(s->root))
		return sp_fail(err, SP_EINVAL, "the snapshot is not a JSON object");
	SP_TRY(check_members(s->root, err));
	for (size_t i = 0; i < SP_LEN(lists); i++) {
		size_t n = 0;
		yyjson_arr_iter it = yyjson_arr_iter_with(sp_json_last(s->root, lists[i].name));
		for (yyjson_val *v; lists[i].put != NULL && (v = yyjson_arr_iter_next(&it)) != NULL; n++) {
			char where[WHERE_BYTES];
			(void)snprintf(where, sizeof where, SP_FMT "[%zu]", SP_ARG(lists[i].name), n);
			SP_TRY(lists[i].put(s, v, where, err));
		}
	}
	return SP_OK;
}

void sched_snapshot_done(sched_snapshot *s)
{
	sched_state_free(s->st);
	sp_arena_done(&s->scratch);
	sp_arena_done(&s->arena);
}

/* -- steps ---------------------------------------------------------------------------------------------- */

static const sp_str step_names[SCHED_STEP_KINDS_] = {
	[SCHED_STEP_SCHEDULE] = SP_STR_INIT("schedule"),
	[SCHED_STEP_ADD_POD] = SP_STR_INIT("addPod"),
	[SCHED_STEP_UPDATE_POD] = SP_STR_INIT("updatePod"),
	[SCHED_STEP_DELETE_POD] = SP_STR_INIT("deletePod"),
	[SCHED_STEP_SET_NODE] = SP_STR_INIT("setNode"),
	[SCHED_STEP_DELETE_NODE] = SP_STR_INIT("deleteNode"),
	[SCHED_STEP_SET_NAMESPACE] = SP_STR_INIT("setNamespace"),
};

static sp_code text_of(yyjson_val *v, const char *where, sp_str *ret, sp_err *err)
{
	if (!yyjson_is_str(v))
		return sp_fail(err, SP_EINVAL, "%s: a name was expected", where);
	*ret = sp_json_str(v);
	return SP_OK;
}

sp_code sched_snapshot_step(sched_snapshot *s, yyjson_val *step, const char *where, sched_pod **ret_pod,
			    sp_err *err)
{
	size_t kind = 0;
	sp_str name;
	*ret_pod = NULL;
	if (!yyjson_is_obj(step) || yyjson_obj_size(step) != 1)
		return sp_fail(err, SP_EINVAL, "%s is not an object with one member", where);
	yyjson_obj_iter it = yyjson_obj_iter_with(step);
	yyjson_val *key = yyjson_obj_iter_next(&it), *v = yyjson_obj_iter_get_val(key);
	while (kind < SCHED_STEP_KINDS_ && !sp_str_eq(sp_json_str(key), step_names[kind]))
		kind++;
	switch (kind) {
	case SCHED_STEP_SCHEDULE:
		return sched_snapshot_pod(s, v, where, ret_pod, err);
	case SCHED_STEP_ADD_POD:
	case SCHED_STEP_UPDATE_POD:
		return put_bound(s, v, where, err);
	case SCHED_STEP_DELETE_POD:
		SP_TRY(text_of(v, where, &name, err));
		sched_remove_pod(s->st, name);
		return SP_OK;
	case SCHED_STEP_SET_NODE:
		return put_node(s, v, where, err);
	case SCHED_STEP_DELETE_NODE:
		SP_TRY(text_of(v, where, &name, err));
		sched_remove_node(s->st, name);
		return SP_OK;
	case SCHED_STEP_SET_NAMESPACE:
		return put_namespace(s, v, where, err);
	default:
		return sp_fail(err, SP_EINVAL, "%s: unknown step \"" SP_FMT "\"", where,
			       SP_ARG(sp_json_str(key)));
	}
}

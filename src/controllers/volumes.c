/* SPDX-License-Identifier: Apache-2.0 */
#include "controllers/volumes.h"

SP_VIEW(claim_desc, vol_claim, "v1/PersistentVolumeClaim",
	SP_V(vol_claim, deleted, "metadata.deletionTimestamp"), SP_V(vol_claim, volume, "spec.volumeName"),
	SP_VH(vol_claim, class_spec, "spec.storageClassName"), SP_V(vol_claim, mode, "spec.volumeMode"),
	SP_V(vol_claim, attributes, "spec.volumeAttributesClassName"), SP_V(vol_claim, phase, "status.phase"),
	SP_VH(vol_claim, attributes_now, "status.currentVolumeAttributesClassName"),
	SP_V(vol_claim, annotations, "metadata.annotations"), SP_V(vol_claim, labels, "metadata.labels"),
	SP_V(vol_claim, requests, "spec.resources.requests"), SP_V(vol_claim, capacity, "status.capacity"),
	SP_V(vol_claim, modes, "spec.accessModes"), SP_V(vol_claim, modes_now, "status.accessModes"),
	SP_V(vol_claim, finalizers, "metadata.finalizers"), SP_V(vol_claim, selector, "spec.selector"),
	SP_V(vol_claim, source, "spec.dataSource"), SP_V(vol_claim, source_ref, "spec.dataSourceRef"));

SP_VIEW(volume_desc, vol_volume, "v1/PersistentVolume",
	SP_V(vol_volume, deleted, "metadata.deletionTimestamp"), SP_V(vol_volume, mode, "spec.volumeMode"),
	SP_V(vol_volume, class_spec, "spec.storageClassName"),
	SP_VH(vol_volume, attributes, "spec.volumeAttributesClassName"),
	SP_V(vol_volume, phase, "status.phase"),
	SP_V(vol_volume, reclaim, "spec.persistentVolumeReclaimPolicy"),
	SP_V(vol_volume, ref_ns, "spec.claimRef.namespace"), SP_V(vol_volume, ref_name, "spec.claimRef.name"),
	SP_V(vol_volume, ref_uid, "spec.claimRef.uid"), SP_V(vol_volume, ref, "spec.claimRef"),
	SP_V(vol_volume, annotations, "metadata.annotations"), SP_V(vol_volume, labels, "metadata.labels"),
	SP_V(vol_volume, capacity, "spec.capacity"), SP_V(vol_volume, modes, "spec.accessModes"),
	SP_V(vol_volume, finalizers, "metadata.finalizers"), SP_V(vol_volume, csi, "spec.csi"));

SP_VIEW(class_desc, vol_class, "storage.k8s.io/v1/StorageClass", SP_V(vol_class, provisioner, "provisioner"),
	SP_V(vol_class, binding, "volumeBindingMode"), SP_V(vol_class, reclaim, "reclaimPolicy"),
	SP_V(vol_class, created, "metadata.creationTimestamp"),
	SP_V(vol_class, annotations, "metadata.annotations"), SP_V(vol_class, parameters, "parameters"),
	SP_V(vol_class, mount_options, "mountOptions"));

const sp_view_desc *const vol_claim_view = &claim_desc;
const sp_view_desc *const vol_volume_view = &volume_desc;
const sp_view_desc *const vol_class_view = &class_desc;

/* ---- reading ---- */

bool vol_has(sp_vmap annotations, sp_str key)
{
	return annotations.object != NULL && sp_json_last(annotations.object, key) != NULL;
}

/* What is no quantity was never let in; it counts as nothing. */
static sp_qty storage_of(sp_vmap amounts)
{
	sp_qty q = {.nanos = 0};
	sp_str text = sp_vmap_str(amounts, SP_STR("storage"));
	if (text.len > 0)
		(void)(sp_qty_parse(text, &q, NULL) == SP_OK);
	return q;
}

sp_code vol_claim_read(sp_arena *a, const sp_object *o, vol_claim *ret, sp_err *err)
{
	SP_TRY(sp_view(a, o->json, &claim_desc, ret, err));
	ret->object = o;
	ret->has_class = ret->has_class_spec || vol_has(ret->annotations, VOL_CLASS_BETA);
	ret->class_name = vol_has(ret->annotations, VOL_CLASS_BETA)
				  ? sp_vmap_str(ret->annotations, VOL_CLASS_BETA)
				  : ret->class_spec;
	ret->asks = storage_of(ret->requests);
	return SP_OK;
}

sp_code vol_volume_read(sp_arena *a, const sp_object *o, vol_volume *ret, sp_err *err)
{
	SP_TRY(sp_view(a, o->json, &volume_desc, ret, err));
	ret->object = o;
	ret->class_name = vol_has(ret->annotations, VOL_CLASS_BETA)
				  ? sp_vmap_str(ret->annotations, VOL_CLASS_BETA)
				  : ret->class_spec;
	ret->size = storage_of(ret->capacity);
	return SP_OK;
}

sp_code vol_class_read(sp_arena *a, const sp_object *o, vol_class *ret, sp_err *err)
{
	return sp_view(a, o->json, &class_desc, ret, err);
}

/* ---- matching ---- */

bool vol_is_bound_to(const vol_volume *v, const vol_claim *c)
{
	return v->ref != NULL && sp_str_eq(v->ref_name, c->object->name) &&
	       sp_str_eq(v->ref_ns, c->object->ns) &&
	       (v->ref_uid.len == 0 || sp_str_eq(v->ref_uid, c->object->uid));
}

static bool is_block(sp_str mode)
{
	return sp_str_eq(mode, SP_STR("Block"));
}

bool vol_modes_differ(const vol_volume *v, const vol_claim *c)
{
	return is_block(v->mode) != is_block(c->mode);
}

static bool list_has(sp_vlist list, sp_str text)
{
	SP_VLIST_FOREACH(v, list)
	{
		if (sp_str_eq(sp_json_str(v), text))
			return true;
	}
	return false;
}

static bool has_access_modes(const vol_volume *v, const vol_claim *c)
{
	SP_VLIST_FOREACH(mode, c->modes)
	{
		if (!list_has(v->modes, sp_json_str(mode)))
			return false;
	}
	return true;
}

const char *vol_why_not(sp_arena *a, const vol_volume *v, const vol_claim *c)
{
	if (v->deleted.len > 0)
		return sp_arena_printf(a, "the volume is marked for deletion \"" SP_FMT "\"",
				       SP_ARG(v->object->name))
			.ptr;
	if (sp_qty_value(&v->size) < sp_qty_value(&c->asks))
		return "requested PV is too small";
	if (!sp_str_eq(v->class_name, c->class_name))
		return "storageClassName does not match";
	if (!sp_str_eq(v->attributes, c->attributes))
		return "volumeAttributesClassName does not match";
	if (vol_modes_differ(v, c))
		return "incompatible volumeMode";
	return has_access_modes(v, c) ? NULL : "incompatible accessMode";
}

sp_code vol_search_init(sp_arena *a, const vol_claim *c, bool delayed, vol_search *ret, sp_err *err)
{
	*ret = (vol_search){.claim = c, .delayed = delayed, .has_selector = c->selector != NULL};
	return c->selector == NULL ? SP_OK : ctl_selector(a, c->selector, false, &ret->selector, err);
}

/* Few access modes go before many, then the smaller size; names decide, so that it is always the same one. */
static bool is_better(const vol_volume *v, const vol_volume *than)
{
	if (v->modes.n != than->modes.n)
		return v->modes.n < than->modes.n;
	int d = sp_qty_cmp(&v->size, &than->size);
	return d != 0 ? d < 0 : sp_str_cmp(v->object->name, than->object->name) < 0;
}

void vol_search_look(vol_search *s, const vol_volume *v)
{
	const vol_claim *c = s->claim;
	bool names_it = vol_is_bound_to(v, c);
	if ((v->ref != NULL && !names_it) || s->best_names_claim || sp_qty_cmp(&v->size, &c->asks) < 0 ||
	    vol_modes_differ(v, c) || !sp_str_eq(v->attributes, c->attributes) || v->deleted.len > 0 ||
	    !has_access_modes(v, c))
		return;
	if (!names_it) {
		if (s->delayed || !sp_str_eq(v->phase, SP_STR("Available")) ||
		    !sp_str_eq(v->class_name, c->class_name) ||
		    (s->has_selector && !sp_labels_match_json(&s->selector, v->labels.object)) ||
		    (s->best.object != NULL && !is_better(v, &s->best)))
			return;
	}
	s->best = *v;
	s->best_names_claim = names_it;
}

/* ---- indexes ---- */

static sp_str text_at(yyjson_val *v, const char *first, const char *second)
{
	return sp_json_str(sp_json_last(sp_json_last(v, sp_str_c(first)), sp_str_c(second)));
}

static sp_str class_at(yyjson_val *object)
{
	yyjson_val *notes = sp_json_last(sp_json_last(object, SP_STR("metadata")), SP_STR("annotations"));
	yyjson_val *beta = notes == NULL ? NULL : sp_json_last(notes, VOL_CLASS_BETA);
	return beta != NULL ? sp_json_str(beta) : text_at(object, "spec", "storageClassName");
}

void vol_index_volumes(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *ref = sp_json_last(sp_json_last(object, SP_STR("spec")), SP_STR("claimRef"));
	(void)arg;
	(void)o;
	if (ref == NULL) {
		sp_index_emit_parts(keys, (const sp_str[]){SP_STR("+"), class_at(object)}, 2);
		return;
	}
	sp_str ns = sp_json_str(sp_json_last(ref, SP_STR("namespace")));
	sp_str name = sp_json_str(sp_json_last(ref, SP_STR("name")));
	sp_index_emit_parts(keys, (const sp_str[]){SP_STR("="), ns, SP_STR("/"), name}, 4);
}

void vol_index_claims(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	sp_str volume = text_at(object, "spec", "volumeName");
	(void)arg;
	(void)o;
	if (volume.len > 0)
		sp_index_emit_parts(keys, (const sp_str[]){SP_STR("="), volume}, 2);
	else
		sp_index_emit_parts(keys, (const sp_str[]){SP_STR("+"), class_at(object)}, 2);
}

void vol_index_pods(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	yyjson_val *v, *volumes = sp_json_last(sp_json_last(object, SP_STR("spec")), SP_STR("volumes"));
	size_t i, n;
	(void)arg;
	yyjson_arr_foreach(volumes, i, n, v)
	{
		sp_str name = text_at(v, "persistentVolumeClaim", "claimName");
		sp_str slash = SP_STR("/"), own = sp_json_str(sp_json_last(v, SP_STR("name")));
		if (name.len > 0)
			sp_index_emit_parts(keys, (const sp_str[]){o->ns, slash, name}, 3);
		else if (sp_json_last(v, SP_STR("ephemeral")) != NULL)
			sp_index_emit_parts(keys, (const sp_str[]){o->ns, slash, o->name, SP_STR("-"), own},
					    5);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* StorageObjectInUseProtection, DefaultStorageClass and PersistentVolumeClaimResize.
 * U: kubernetes
 * plugin/pkg/admission/storage/{storageobjectinuseprotection,storageclass/setdefault,persistentvolume/resize}/admission.go
 */
#include "apiserver/admission/admission.h"
#include "kube/meta.h"

#define STORAGE_CLASSES "/registry/storageclasses/"
#define CLASS_ANNOTATION "volume.beta.kubernetes.io/storage-class"

static bool add_finalizer(const api_admit *a, const char *finalizer)
{
	sp_kind_ctx *c = &a->w->ctx;
	yyjson_mut_val *list =
		sp_kv_need_list(c->doc, sp_kv_need_obj(c->doc, a->obj, "metadata"), "finalizers");
	SP_KV_EACH (f, i, list) {
		if (sp_str_eq(sp_jmut_str(f), sp_str_c(finalizer)))
			return true;
	}
	SP_KIND_NEED(c, yyjson_mut_arr_add_strcpy(c->doc, list, finalizer));
	return true;
}

bool api_admit_storage_protection(const api_admit *a)
{
	if (a->op != API_OP_CREATE)
		return true;
	if (api_admit_is(a, "", "persistentvolumeclaims", ""))
		return add_finalizer(a, "kubernetes.io/pvc-protection");
	if (api_admit_is(a, "", "persistentvolumes", ""))
		return add_finalizer(a, "kubernetes.io/pv-protection");
	return true;
}

/* ---- the default class ---- */

static const char *const default_annotations[] = {"storageclass.kubernetes.io/is-default-class",
						  "storageclass.beta.kubernetes.io/is-default-class"};

bool api_admit_default_storage_class(const api_admit *a)
{
	if (a->op != API_OP_CREATE || !api_admit_is(a, "", "persistentvolumeclaims", ""))
		return true;
	yyjson_mut_val *spec = sp_kv_need_obj(a->w->doc, a->obj, "spec");
	if (sp_kv_has(spec, "storageClassName") || sp_meta_annotation(a->obj, CLASS_ANNOTATION).len > 0)
		return true;
	yyjson_mut_val *class =
		api_admit_default_class(a, STORAGE_CLASSES, default_annotations, SP_LEN(default_annotations));
	if (class != NULL)
		SP_KIND_NEED(&a->w->ctx,
			     sp_kv_set_str(a->w->doc, spec, "storageClassName", sp_meta_name(class)));
	return true;
}

/* ---- claims that grow ---- */

static sp_str class_of(yyjson_mut_val *claim)
{
	sp_str old = sp_meta_annotation(claim, CLASS_ANNOTATION);
	return old.len > 0 ? old : sp_kv_str(sp_kv_get(claim, "spec"), "storageClassName");
}

static sp_qty size_of(yyjson_mut_val *claim)
{
	return sp_kv_qty(sp_kv_get(sp_kv_path(claim, "spec", "resources", "requests", NULL), "storage"));
}

static bool may_grow(const api_admit *a)
{
	sp_str class = class_of(a->obj);
	if (class.len == 0 || !sp_str_eq(class, class_of(a->old)))
		return false;
	return sp_kv_bool(api_admit_load(a, STORAGE_CLASSES, SP_STR(""), class), "allowVolumeExpansion");
}

bool api_admit_claim_resize(const api_admit *a)
{
	if (a->op != API_OP_UPDATE || !api_admit_is(a, "", "persistentvolumeclaims", ""))
		return true;
	sp_qty now = size_of(a->obj), was = size_of(a->old);
	if (sp_qty_cmp(&now, &was) <= 0)
		return true;
	if (!sp_kv_is(sp_kv_get(a->old, "status"), "phase", "Bound"))
		return api_admit_forbid(a, "Only bound persistent volume claims can be expanded");
	return may_grow(a) ||
	       api_admit_forbid(a, "only dynamically provisioned pvc can be resized and the storageclass "
				   "that provisions the pvc must support resize");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* StorageObjectInUseProtection and DefaultStorageClass.
 * U: kubernetes
 * plugin/pkg/admission/storage/{storageobjectinuseprotection,storageclass/setdefault}/admission.go */
#include "apiserver/admission/admission.h"
#include "kube/meta.h"

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

static bool is_default(yyjson_mut_val *class)
{
	return sp_str_eq(sp_meta_annotation(class, "storageclass.kubernetes.io/is-default-class"),
			 SP_STR("true")) ||
	       sp_str_eq(sp_meta_annotation(class, "storageclass.beta.kubernetes.io/is-default-class"),
			 SP_STR("true"));
}

/* The newest of the defaults, by name where they are of one second. */
static bool look_at(void *arg, yyjson_mut_val *obj)
{
	yyjson_mut_val **found = arg;
	if (!is_default(obj))
		return true;
	if (*found == NULL) {
		*found = obj;
		return true;
	}
	int order = sp_str_cmp(sp_kv_str(sp_meta(obj), "creationTimestamp"),
			       sp_kv_str(sp_meta(*found), "creationTimestamp"));
	if (order > 0 || (order == 0 && sp_str_cmp(sp_meta_name(obj), sp_meta_name(*found)) < 0))
		*found = obj;
	return true;
}

bool api_admit_default_storage_class(const api_admit *a)
{
	if (a->op != API_OP_CREATE || !api_admit_is(a, "", "persistentvolumeclaims", ""))
		return true;
	yyjson_mut_val *spec = sp_kv_need_obj(a->w->doc, a->obj, "spec"), *class = NULL;
	if (sp_kv_has(spec, "storageClassName") ||
	    sp_meta_annotation(a->obj, "volume.beta.kubernetes.io/storage-class").len > 0)
		return true;
	(void)api_admit_each(a, "/registry/storageclasses/", SP_STR(""), look_at, &class);
	if (class != NULL)
		SP_KIND_NEED(&a->w->ctx,
			     sp_kv_set_str(a->w->doc, spec, "storageClassName", sp_meta_name(class)));
	return true;
}

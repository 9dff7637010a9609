/* SPDX-License-Identifier: Apache-2.0 */
/* RuntimeClass: what a pod's runtime costs and where it is. U: kubernetes
 * plugin/pkg/admission/runtimeclass/admission.go, pkg/util/tolerations. */
#include "apiserver/admission/admission.h"
#include "apiserver/admission/tolerations.h"
#include "kube/meta.h"

#define MISMATCH "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"

static bool concerns(const api_admit *a)
{
	return a->op == API_OP_CREATE && api_admit_is(a, "", "pods", "");
}

static yyjson_mut_val *spec_of(const api_admit *a)
{
	return sp_kv_get(a->obj, "spec");
}

/* The pod's class; NULL when it names none. False: it is not there, answered. */
static bool find_class(const api_admit *a, yyjson_mut_val **ret)
{
	sp_str name = sp_kv_str(spec_of(a), "runtimeClassName");
	*ret = NULL;
	if (!sp_kv_has(spec_of(a), "runtimeClassName"))
		return true;
	*ret = api_admit_load(a, "/registry/runtimeclasses/", SP_STR(""), name);
	return *ret != NULL ||
	       api_admit_forbid(a, "pod rejected: RuntimeClass \"" SP_FMT "\" not found", SP_ARG(name));
}

static bool set_overhead(const api_admit *a, yyjson_mut_val *class)
{
	yyjson_mut_val *overhead = sp_kv_get(class, "overhead");
	yyjson_mut_val *fixed = sp_kv_map(overhead, "podFixed"), *own = sp_kv_map(spec_of(a), "overhead");
	if (overhead == NULL)
		return true;
	if (own != NULL && !sp_kv_equal(fixed, own))
		return api_admit_forbid(a, MISMATCH);
	sp_kv_drop(spec_of(a), "overhead");
	if (fixed != NULL)
		SP_KIND_NEED(&a->w->ctx, sp_kv_set(a->w->doc, spec_of(a), "overhead",
						   yyjson_mut_val_mut_copy(a->w->doc, fixed)));
	return true;
}

static bool set_node_selector(const api_admit *a, yyjson_mut_val *wanted)
{
	yyjson_mut_val *own = sp_kv_need_obj(a->w->doc, spec_of(a), "nodeSelector");
	SP_KV_EACH_MEMBER (key, value, i, wanted) {
		sp_str k = sp_jmut_str(key), v = sp_jmut_str(value);
		yyjson_mut_val *had = sp_jmut_get(own, k);
		if (had != NULL && !sp_str_eq(sp_jmut_str(had), v))
			return api_admit_forbid(a,
						"conflict: runtimeClass.scheduling.nodeSelector[" SP_FMT
						"] = " SP_FMT "; pod.spec.nodeSelector[" SP_FMT "] = " SP_FMT,
						SP_ARG(k), SP_ARG(v), SP_ARG(k), SP_ARG(sp_jmut_str(had)));
		SP_KIND_NEED(&a->w->ctx, own != NULL && sp_jmut_set_str(a->w->doc, own, k, v));
	}
	return true;
}

bool api_admit_runtime_class(const api_admit *a)
{
	yyjson_mut_val *class = NULL;
	if (!concerns(a))
		return true;
	if (!find_class(a, &class) || !set_overhead(a, class))
		return false;
	yyjson_mut_val *scheduling = sp_kv_get(class, "scheduling");
	yyjson_mut_val *selector = sp_kv_map(scheduling, "nodeSelector");
	yyjson_mut_val *tolerations = sp_kv_list(scheduling, "tolerations");
	if (selector != NULL && !set_node_selector(a, selector))
		return false;
	if (tolerations != NULL)
		SP_KIND_NEED(&a->w->ctx,
			     api_tolerations_merge(a->w->doc,
						   sp_kv_need_list(a->w->doc, spec_of(a), "tolerations"),
						   tolerations));
	return true;
}

bool api_admit_runtime_class_validate(const api_admit *a)
{
	yyjson_mut_val *class = NULL;
	if (!concerns(a))
		return true;
	if (!find_class(a, &class))
		return false;
	yyjson_mut_val *overhead = sp_kv_get(class, "overhead"), *own = sp_kv_map(spec_of(a), "overhead");
	if (overhead != NULL)
		return sp_kv_equal(sp_kv_map(overhead, "podFixed"), own) || api_admit_forbid(a, MISMATCH);
	return own == NULL || api_admit_forbid(a, "pod rejected: Pod Overhead set without corresponding "
						  "RuntimeClass defined Overhead");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* DefaultIngressClass. U: kubernetes plugin/pkg/admission/network/defaultingressclass/admission.go */
#include "apiserver/admission/admission.h"
#include "kube/meta.h"

bool api_admit_default_ingress_class(const api_admit *a)
{
	static const char *const annotations[] = {"ingressclass.kubernetes.io/is-default-class"};
	if (a->op != API_OP_CREATE || !api_admit_is(a, "networking.k8s.io", "ingresses", ""))
		return true;
	yyjson_mut_val *spec = sp_kv_need_obj(a->w->doc, a->obj, "spec");
	if (sp_kv_has(spec, "ingressClassName") ||
	    sp_kv_has(sp_kv_get(sp_meta(a->obj), "annotations"), "kubernetes.io/ingress.class"))
		return true;
	yyjson_mut_val *class =
		api_admit_default_class(a, "/registry/ingressclasses/", annotations, SP_LEN(annotations));
	if (class != NULL)
		SP_KIND_NEED(&a->w->ctx,
			     sp_kv_set_str(a->w->doc, spec, "ingressClassName", sp_meta_name(class)));
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing is created in a namespace that is not there or on its way out; three namespaces stay for ever.
 * U: apiserver pkg/admission/plugin/namespace/lifecycle/admission.go */
#include "apiserver/admission/admission.h"
#include "kube/meta.h"

static bool refuse_deletion(const api_admit *a)
{
	static const char *const immortal[] = {"default", "kube-system", "kube-public"};
	sp_str name = sp_meta_name(a->old);
	if (!sp_str_in(name, immortal, SP_LEN(immortal)))
		return true;
	return api_admit_forbid(a, "this namespace may not be deleted");
}

static bool refuse_terminating(const api_admit *a, sp_str ns)
{
	sp_str text = sp_arena_printf(&a->w->arena,
				      "unable to create new content in namespace " SP_FMT
				      " because it is being terminated",
				      SP_ARG(ns));
	const sp_status_cause cause = {
		SP_STR("NamespaceTerminating"),
		sp_arena_printf(&a->w->arena, "namespace " SP_FMT " is being terminated", SP_ARG(ns)),
		SP_STR("metadata.namespace")};
	sp_status s = sp_status_forbidden(&a->w->arena, a->w->res->gr, sp_meta_name(a->obj), text);
	s.causes = &cause;
	s.n_causes = 1;
	return api_admit_refuse(a, &s);
}

bool api_admit_namespace_lifecycle(const api_admit *a)
{
	if (a->op == API_OP_DELETE && api_admit_is(a, "", "namespaces", ""))
		return refuse_deletion(a);
	/* Reviews of access are answered for any namespace. */
	if (a->op != API_OP_CREATE || !a->w->res->kind->namespaced ||
	    sp_str_eq(a->w->res->kind->group, SP_STR("authorization.k8s.io")))
		return true;
	sp_str ns = sp_meta_namespace(a->obj);
	yyjson_mut_val *namespace_ = api_admit_need_namespace(a, ns);
	if (namespace_ == NULL)
		return false;
	return !sp_kv_is(sp_kv_get(namespace_, "status"), "phase", "Terminating") ||
	       refuse_terminating(a, ns);
}

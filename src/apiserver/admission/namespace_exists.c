/* SPDX-License-Identifier: Apache-2.0 */
/* NamespaceExists: whatever is written has a namespace that is there. U: kubernetes
 * plugin/pkg/admission/namespace/exists/admission.go */
#include "apiserver/admission/admission.h"

bool api_admit_namespace_exists(const api_admit *a)
{
	sp_str ns = a->w->res->kind->namespaced ? api_admit_namespace(a) : SP_STR("");
	return a->op == API_OP_CONNECT || ns.len == 0 || api_admit_need_namespace(a, ns) != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* OwnerReferencesPermissionEnforcement: who changes owners could also delete the object, and who makes an
 * owner wait for it could put finalizers on that owner. U: kubernetes plugin/pkg/admission/gc/gc_admission.go
 */
#include "apiserver/admission/admission.h"
#include "apiserver/auth.h"
#include "kube/meta.h"

static yyjson_mut_val *owners_of(yyjson_mut_val *obj)
{
	return sp_kv_list(sp_meta(obj), "ownerReferences");
}

static bool allows(const api_admit *a, const api_attributes *what, sp_str *ret_reason)
{
	return api_decide(a->w->server, &a->w->arena, &a->w->r->user, what, ret_reason) == API_ALLOW;
}

static bool may_delete(const api_admit *a)
{
	sp_str reason;
	const api_reqinfo *i = &a->w->r->info;
	const api_attributes what = {.is_resource = true,
				     .verb = SP_STR("delete"),
				     .group = i->group,
				     .resource = i->resource,
				     .subresource = i->subresource,
				     .ns = api_admit_namespace(a),
				     .name = api_admit_name(a)};
	return allows(a, &what, &reason) ||
	       api_admit_forbid(a, "cannot set an ownerRef on a resource you can't delete: " SP_FMT ", <nil>",
				SP_ARG(reason));
}

static bool may_finalize_anything(const api_admit *a)
{
	sp_str reason;
	static const api_attributes what = {.is_resource = true,
					    .verb = SP_STR_INIT("update"),
					    .group = SP_STR_INIT("*"),
					    .resource = SP_STR_INIT("*"),
					    .subresource = SP_STR_INIT("finalizers"),
					    .name = SP_STR_INIT("*")};
	return allows(a, &what, &reason);
}

/* What is served as that kind; NULL: nothing is. */
static const sp_kind *kind_of(const api_admit *a, sp_str group, sp_str version, sp_str kind)
{
	const sp_kind *const *customs = NULL;
	size_t n = 0;
	api_server *s = a->w->server;
	const api_resource *res = api_resource_by_kind(&s->resources, group, version, kind);
	if (res != NULL)
		return res->kind->plural.len > 0 ? res->kind : NULL;
	if (api_customs_kinds(s->customs, &a->w->arena, &customs, &n, NULL) != SP_OK)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const sp_kind *k = customs[i];
		if (sp_str_eq(k->kind, kind) && sp_str_eq(k->group, group) && sp_str_eq(k->version, version))
			return k;
	}
	return NULL;
}

static bool may_finalize(const api_admit *a, yyjson_mut_val *owner)
{
	sp_str api_version = sp_kv_str(owner, "apiVersion"), version = api_version, group = {NULL, 0}, reason;
	if (!sp_str_cut(&version, '/', &group))
		group = SP_STR("");
	const sp_kind *k = kind_of(a, group, version, sp_kv_str(owner, "kind"));
	if (k == NULL)
		return api_admit_forbid(
			a,
			"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
			"APIVersion " SP_FMT " Kind " SP_FMT ": no matches for kind \"" SP_FMT
			"\" in version \"" SP_FMT "\"",
			SP_ARG(api_version), SP_ARG(sp_kv_str(owner, "kind")),
			SP_ARG(sp_kv_str(owner, "kind")), SP_ARG(api_version));
	const api_attributes what = {.is_resource = true,
				     .verb = SP_STR("update"),
				     .group = k->group,
				     .resource = k->plural,
				     .subresource = SP_STR("finalizers"),
				     .ns = k->namespaced ? api_admit_namespace(a) : SP_STR(""),
				     .name = sp_kv_str(owner, "name")};
	return allows(a, &what, &reason) ||
	       api_admit_forbid(a,
				"cannot set blockOwnerDeletion if an ownerReference refers to a resource you "
				"can't set finalizers on: " SP_FMT ", <nil>",
				SP_ARG(reason));
}

/* Did this owner wait for the object before? Of equal uids the last counts. */
static bool blocked_before(const api_admit *a, yyjson_mut_val *owner)
{
	bool blocked = false;
	SP_KV_EACH (old, i, owners_of(a->old)) {
		if (sp_str_eq(sp_kv_str(old, "uid"), sp_kv_str(owner, "uid")))
			blocked = sp_kv_bool(old, "blockOwnerDeletion");
	}
	return blocked;
}

static bool blocks_newly(const api_admit *a, yyjson_mut_val *owner)
{
	return sp_kv_bool(owner, "blockOwnerDeletion") && !blocked_before(a, owner);
}

static bool any_blocks_newly(const api_admit *a)
{
	SP_KV_EACH (owner, i, owners_of(a->obj)) {
		if (blocks_newly(a, owner))
			return true;
	}
	return false;
}

bool api_admit_owner_references(const api_admit *a)
{
	if ((a->op != API_OP_CREATE && a->op != API_OP_UPDATE) || api_admit_is(a, "", "pods", "status") ||
	    sp_kv_equal(owners_of(a->obj), owners_of(a->old)))
		return true;
	if (a->op == API_OP_UPDATE && !may_delete(a))
		return false;
	if (!any_blocks_newly(a) || may_finalize_anything(a))
		return true;
	SP_KV_EACH (owner, i, owners_of(a->obj)) {
		if (blocks_newly(a, owner) && !may_finalize(a, owner))
			return false;
	}
	return true;
}

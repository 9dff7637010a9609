/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/admin_access.h"

#include "kube/meta.h"

#define GROUP "resource.k8s.io"
#define LABEL "resource.kubernetes.io/admin-access"

static bool is_labelled(const api_admit *a)
{
	yyjson_mut_val *ns = api_admit_load(a, "/registry/namespaces/", SP_STR(""), api_admit_namespace(a));
	return ns != NULL && sp_kv_is(sp_kv_map(sp_meta(ns), "labels"), LABEL, "true");
}

/* The first item that asks for it; `exactly`: within that member. False: none. */
static bool find(yyjson_mut_val *list, bool exactly, size_t *ret)
{
	SP_KV_EACH (item, i, list) {
		yyjson_mut_val *of = exactly ? sp_kv_get(item, "exactly") : item;
		if (sp_kv_bool(of, "adminAccess")) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static void forbid(const api_admit *a, const sp_path *list, size_t i)
{
	if (!is_labelled(a))
		sp_v_forbidden(&a->w->errors, SP_AT(SP_AT_I(list, i), "adminAccess"),
			       "admin access to devices requires the `" LABEL
			       ": true` label on the containing namespace");
}

static yyjson_mut_val *granted(yyjson_mut_val *claim)
{
	return sp_kv_list(sp_kv_path(claim, "status", "allocation", "devices", NULL), "results");
}

void api_admin_access_check(const api_admit *a)
{
	size_t i, before;
	bool is_template = api_admit_is(a, GROUP, "resourceclaimtemplates", "");
	bool is_claim = api_admit_is(a, GROUP, "resourceclaims", "");
	yyjson_mut_val *spec = sp_kv_get(a->obj, "spec");
	if (is_template)
		spec = sp_kv_get(spec, "spec");
	/* Specs never change, and upstream names the path of a claim for both. */
	if ((is_template || is_claim) && a->op == API_OP_CREATE &&
	    find(sp_kv_list(sp_kv_get(spec, "devices"), "requests"), true, &i))
		forbid(a, SP_PATH("spec.devices.requests"), i);
	if (api_admit_is(a, GROUP, "resourceclaims", "status") && !find(granted(a->old), false, &before) &&
	    find(granted(a->obj), false, &i))
		forbid(a, SP_PATH("status.allocation.devices.results"), i);
}

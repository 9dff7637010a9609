/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/pod.h"

#include "kube/kinds/hooks.h"
#include "kube/kinds/pod_int.h"
#include "kube/kinds/warn.h"
#include "kube/meta.h"

static void validate(sp_kind_ctx *c, yyjson_mut_val *obj)
{
	yyjson_mut_val *spec = sp_kv_get(obj, "spec");
	sp_pod_whole_validate(c, obj, SP_POD_IS_POD, true);
	if (sp_kv_list(spec, "ephemeralContainers") != NULL)
		sp_v_forbidden(c->errors, SP_PATH("spec.ephemeralContainers"), "cannot be set on create");
	if (sp_kv_str(spec, "nodeName").len > 0 && sp_kv_list(spec, "schedulingGates") != NULL)
		sp_v_forbidden(c->errors, SP_PATH("spec.nodeName"),
			       "cannot be set until all schedulingGates have been cleared");
}

static void status_warn(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old)
{
	static const char *const lists[] = {"podIPs", "hostIPs"};
	(void)old;
	for (size_t k = 0; k < SP_LEN(lists); k++) {
		const sp_path *path = SP_AT_STR(SP_PATH("status"), sp_str_c(lists[k]));
		SP_KV_EACH (item, i, sp_kv_list(sp_kv_get(obj, "status"), lists[k]))
			sp_ip_warn(c, SP_AT(SP_AT_I(path, i), "ip"), sp_kv_str(item, "ip"));
	}
}

static sp_str host_network(sp_arena *a, yyjson_mut_val *obj)
{
	(void)a;
	return sp_kv_bool(sp_kv_get(obj, "spec"), "hostNetwork") ? SP_STR("true") : SP_STR("false");
}

static sp_str first_ip(sp_arena *a, yyjson_mut_val *obj)
{
	(void)a;
	return sp_kv_str(yyjson_mut_arr_get_first(sp_kv_list(sp_kv_get(obj, "status"), "podIPs")), "ip");
}

static const sp_selectable selectable[] = {
	{SP_STR_INIT("spec.nodeName"), NULL},
	{SP_STR_INIT("spec.restartPolicy"), NULL},
	{SP_STR_INIT("spec.schedulerName"), NULL},
	{SP_STR_INIT("spec.serviceAccountName"), NULL},
	{SP_STR_INIT("spec.hostNetwork"), host_network},
	{SP_STR_INIT("status.phase"), NULL},
	{SP_STR_INIT("status.podIP"), first_ip},
	{SP_STR_INIT("status.nominatedNodeName"), NULL},
};

static const char *const reset[] = {"status", NULL};
static const char *const status_reset[] = {"spec", "metadata.deletionTimestamp", "metadata.ownerReferences",
					   NULL};

static const sp_sub_hooks subs[] = {
	{.name = SP_STR_INIT("status"),
	 .prepare_update = sp_pod_prepare_status,
	 .validate_update = sp_pod_validate_status,
	 .warn_update = status_warn,
	 .reset_fields = status_reset},
	{.name = SP_STR_INIT("ephemeralcontainers"),
	 .prepare_update = sp_pod_prepare_ephemeral,
	 .validate_update = sp_pod_validate_ephemeral},
	{.name = SP_STR_INIT("resize"),
	 .prepare_update = sp_pod_prepare_resize,
	 .validate_update = sp_pod_validate_resize},
};

const sp_kind_hooks sp_hooks_pod = {
	.flags = SP_KIND_UNCONDITIONAL_UPDATE | SP_KIND_GENERATION | SP_KIND_HAS_STATUS |
		 SP_KIND_STATUS_ON_CREATE | SP_KIND_GRACEFUL_DELETE | SP_KIND_RETURNS_DELETED,
	.defaults = sp_pod_defaults,
	.prepare_create = sp_pod_prepare_create,
	.prepare_update = sp_pod_prepare_update,
	.validate = validate,
	.validate_update = sp_pod_validate_update,
	.warn_create = sp_pod_warn,
	.reset_fields = reset,
	.subs = subs,
	.n_subs = SP_LEN(subs),
	.selectable = selectable,
	.n_selectable = SP_LEN(selectable),
	.cells = sp_pod_cells,
	.n_cells = 7,
};

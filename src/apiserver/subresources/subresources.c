/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/subresources/subresources.h"

#include "kube/meta.h"

/* `body` instead of a resource: every resource whose subresource has that kind of body. */
static const struct {
	sp_str group, resource, subresource, body, verb;
	api_handler *fn;
} handlers[] = {
	{SP_STR_INIT(""),
	 SP_STR_INIT("pods"),
	 SP_STR_INIT("binding"),
	 {NULL, 0},
	 SP_STR_INIT("create"),
	 api_bind_pod},
	{SP_STR_INIT(""), SP_STR_INIT("bindings"), {NULL, 0}, {NULL, 0}, SP_STR_INIT("create"), api_bind_pod},
	{SP_STR_INIT(""),
	 SP_STR_INIT("pods"),
	 SP_STR_INIT("eviction"),
	 {NULL, 0},
	 SP_STR_INIT("create"),
	 api_evict_pod},
	{SP_STR_INIT(""),
	 SP_STR_INIT("pods"),
	 SP_STR_INIT("log"),
	 {NULL, 0},
	 SP_STR_INIT("get"),
	 api_pod_log},
	{{NULL, 0}, {NULL, 0}, SP_STR_INIT("scale"), SP_STR_INIT("Scale"), SP_STR_INIT("get"), api_scale_get},
	{{NULL, 0},
	 {NULL, 0},
	 SP_STR_INIT("scale"),
	 SP_STR_INIT("Scale"),
	 SP_STR_INIT("update"),
	 api_scale_update},
	{{NULL, 0},
	 {NULL, 0},
	 SP_STR_INIT("scale"),
	 SP_STR_INIT("Scale"),
	 SP_STR_INIT("patch"),
	 api_scale_patch},
};

api_handler *api_special_handler(const api_request *r)
{
	sp_str body = r->sub == NULL ? SP_STR("") : r->sub->kind;
	for (size_t i = 0; i < SP_LEN(handlers); i++) {
		if (!sp_str_eq(handlers[i].subresource, r->info.subresource) ||
		    !sp_str_eq(handlers[i].verb, r->info.verb))
			continue;
		if (handlers[i].body.len > 0 ? sp_str_eq(handlers[i].body, body)
					     : sp_str_eq(handlers[i].group, r->res->gr.group) &&
						       sp_str_eq(handlers[i].resource, r->res->gr.resource))
			return handlers[i].fn;
	}
	return NULL;
}

bool api_pod_condition_set(api_write *w, yyjson_mut_val *pod, yyjson_mut_val *condition)
{
	yyjson_mut_val *status = sp_kv_need_obj(w->doc, pod, "status");
	yyjson_mut_val *list = status == NULL ? NULL : sp_kv_need_list(w->doc, status, "conditions");
	if (list == NULL || condition == NULL ||
	    !sp_kv_set_str(w->doc, condition, "lastTransitionTime", w->now_str))
		return false;
	SP_KV_EACH (was, i, list) {
		if (!sp_str_eq(sp_kv_str(was, "type"), sp_kv_str(condition, "type")))
			continue;
		if (sp_str_eq(sp_kv_str(was, "status"), sp_kv_str(condition, "status")) &&
		    !sp_kv_copy(w->doc, condition, was, "lastTransitionTime"))
			return false;
		(void)yyjson_mut_arr_replace(list, i, condition);
		return true;
	}
	return yyjson_mut_arr_append(list, condition);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The scheduler's word: which node a pod runs on. U: kubernetes pkg/registry/core/pod/storage/storage.go,
 * BindingREST. Nobody comes to own the field by it. */
#include "apiserver/admission/hooks.h"
#include "apiserver/subresources/subresources.h"
#include "kube/meta.h"

static const sp_group_resource pods_binding = {SP_STR_INIT(""), SP_STR_INIT("pods/binding")};

static bool conflict(api_write *w, sp_str name, sp_str why)
{
	sp_status s = sp_status_conflict(&w->arena, pods_binding, name, why);
	api_write_refuse(w, &s);
	return false;
}

static bool check_binding(api_write *w, yyjson_mut_val *binding)
{
	if (!sp_str_eq(sp_meta_name(binding), w->r->info.name)) {
		sp_status s =
			sp_status_bad_request(SP_STR("name in URL does not match name in Binding object"));
		api_write_refuse(w, &s);
		return false;
	}
	sp_kind_hooks const *hooks = w->body_res->kind->hooks;
	hooks->validate(&w->ctx, binding);
	if (w->errors.n == 0)
		return true;
	/* Upstream says it so, without a reason. */
	sp_status s = {.code = 500, .message = sp_violations_text(&w->arena, &w->errors)};
	api_write_refuse(w, &s);
	return false;
}

static bool check_pod(api_write *w, yyjson_mut_val *binding, yyjson_mut_val *pod)
{
	yyjson_mut_val *meta = sp_meta(pod), *spec = sp_kv_get(pod, "spec");
	sp_str name = sp_meta_name(pod), node = sp_kv_str(spec, "nodeName");
	sp_str uid = sp_kv_str(sp_meta(binding), "uid");
	sp_str rv = sp_kv_str(sp_meta(binding), "resourceVersion");
	if (uid.len > 0 && !sp_str_eq(uid, sp_kv_str(meta, "uid")))
		return conflict(w, name, api_write_precondition_text(w, "UID", uid, sp_kv_str(meta, "uid")));
	if (rv.len > 0 && !sp_str_eq(rv, sp_kv_str(meta, "resourceVersion")))
		return conflict(w, name,
				api_write_precondition_text(w, "ResourceVersion", rv,
							    sp_kv_str(meta, "resourceVersion")));
	if (sp_kv_has(meta, "deletionTimestamp"))
		return conflict(w, name,
				sp_arena_printf(&w->arena,
						"pod " SP_FMT
						" is being deleted, cannot be assigned to a host",
						SP_ARG(name)));
	if (node.len > 0)
		return conflict(w, name,
				sp_arena_printf(&w->arena,
						"pod " SP_FMT " is already assigned to node \"" SP_FMT "\"",
						SP_ARG(name), SP_ARG(node)));
	if (sp_kv_list(spec, "schedulingGates") != NULL)
		return conflict(w, name,
				sp_arena_printf(&w->arena,
						"pod " SP_FMT " has non-empty .spec.schedulingGates",
						SP_ARG(name)));
	return true;
}

static bool copy_over(api_write *w, yyjson_mut_val *binding, yyjson_mut_val *pod, const char *member)
{
	yyjson_mut_val *from = sp_kv_map(sp_meta(binding), member);
	if (from == NULL)
		return true;
	yyjson_mut_val *to = sp_kv_need_obj(w->doc, sp_meta(pod), member);
	if (to == NULL)
		return false;
	SP_KV_EACH_MEMBER (key, value, i, from) {
		if (!sp_jmut_set_str(w->doc, to, sp_jmut_str(key), sp_jmut_str(value)))
			return false;
	}
	return true;
}

static bool assign(api_write *w, yyjson_mut_val *binding, yyjson_mut_val *pod)
{
	yyjson_mut_val *scheduled = yyjson_mut_obj(w->doc);
	sp_kv_drop(sp_kv_get(pod, "status"), "nominatedNodeName");
	return scheduled != NULL &&
	       sp_kv_set_str(w->doc, sp_kv_get(pod, "spec"), "nodeName",
			     sp_kv_str(sp_kv_get(binding, "target"), "name")) &&
	       copy_over(w, binding, pod, "annotations") && copy_over(w, binding, pod, "labels") &&
	       sp_kv_set_str(w->doc, scheduled, "type", SP_STR("PodScheduled")) &&
	       sp_kv_set_str(w->doc, scheduled, "status", SP_STR("True")) &&
	       api_pod_condition_set(w, pod, scheduled);
}

/* Again from here when the pod has changed: the binding was admitted. */
static void bind(api_write *w)
{
	sp_err err;
	yyjson_mut_val *binding = w->arg, *pod = NULL;
	if (w->r->info.name.len == 0) { /* the old way, and the body names none */
		sp_status s = sp_status_bad_request(SP_STR("Name parameter required."));
		api_write_refuse(w, &s);
		return;
	}
	sp_code code = api_write_load(w, w->r->info.name, &pod, &err);
	if (code != SP_OK) {
		api_write_fail(w, code, &err);
		return;
	}
	if (!check_pod(w, binding, pod))
		return;
	if (!assign(w, binding, pod)) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return;
	}
	w->obj = pod;
	api_write_commit(w);
}

static void on_admitted(api_write *w)
{
	w->arg = w->obj;
	w->again = bind;
	bind(w);
}

static void on_mutated(api_write *w)
{
	const api_admit admit = {.w = w, .op = API_OP_CREATE, .obj = w->obj, .is_body = true};
	if (check_binding(w, w->obj))
		api_admit_validating(&admit, on_admitted);
}

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	w->body = body;
	w->reply = api_write_reply_success;
	if (!api_write_decode(w, w->body) || !api_write_namespace(w))
		return;
	if (w->r->sub == NULL) /* the old way: only the body tells the name */
		w->r->info.name = sp_meta_name(w->obj);
	const api_admit admit = {.w = w, .op = API_OP_CREATE, .obj = w->obj, .is_body = true};
	if (api_admit_mutate(&admit))
		api_hooks_mutate(&admit, on_mutated);
}

void api_bind_pod(api_request *r)
{
	const api_resources *all = &r->server->resources;
	api_write *w = api_write_new(r, "CreateOptions", false);
	if (w == NULL)
		return;
	w->body_res = api_resource_by_kind(all, SP_STR(""), SP_STR("v1"), SP_STR("Binding"));
	w->res = r->res = api_resource_by_kind(all, SP_STR(""), SP_STR("v1"), SP_STR("Pod"));
	w->ctx.kind = w->res->kind;
	w->ctx.subresource = SP_STR("binding");
	api_read_body(r, on_body);
}

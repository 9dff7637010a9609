/* SPDX-License-Identifier: Apache-2.0 */
/* Scale: replicas, seen and set without knowing the kind. U: kubernetes
 * pkg/registry/apps/deployment/storage/storage.go (ScaleREST), pkg/apis/autoscaling/validation. */
#include "apiserver/subresources/subresources.h"
#include "base/limits.h"
#include "kube/apply/apply.h"
#include "kube/encode.h"
#include "kube/meta.h"
#include "kube/selector.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

/* ---- the selector as text ---- */

/* A selector of labels, or in replication controllers the labels themselves. */
static bool write_selector(sp_arena *a, const api_resource *res, yyjson_mut_val *selector, sp_buf *out)
{
	sp_selector s;
	sp_str why;
	yyjson_val *root = NULL;
	SP_AUTO_BUF json;
	bool plain = res->kind->group.len == 0;
	sp_buf_init(&json, TEXT_BYTES_MAX);
	if (selector == NULL)
		return true;
	(void)sp_buf_str(&json, plain ? SP_STR("{\"matchLabels\":") : SP_STR(""));
	if (sp_json_write_mut(&json, selector) != SP_OK)
		return false;
	(void)sp_buf_str(&json, plain ? SP_STR("}") : SP_STR(""));
	return sp_json_parse(a, sp_buf_view(&json), &root, NULL) == SP_OK &&
	       sp_labels_of_object(a, root, &s, &why) == SP_OK && sp_selector_print(out, &s) == SP_OK;
}

/* ---- object to scale ---- */

static bool fill(sp_arena *a, yyjson_mut_doc *doc, const api_resource *res, yyjson_mut_val *object,
		 yyjson_mut_val *scale)
{
	static const char *const members[] = {"name", "namespace", "uid", "resourceVersion",
					      "creationTimestamp"};
	yyjson_mut_val *meta = sp_kv_need_obj(doc, scale, "metadata");
	yyjson_mut_val *spec = sp_kv_need_obj(doc, scale, "spec");
	yyjson_mut_val *status = sp_kv_need_obj(doc, scale, "status"), *from = sp_kv_get(object, "spec");
	SP_AUTO_BUF selector;
	sp_buf_init(&selector, TEXT_BYTES_MAX);
	if (meta == NULL || spec == NULL || status == NULL ||
	    !write_selector(a, res, sp_kv_get(from, "selector"), &selector))
		return false;
	for (size_t i = 0; i < SP_LEN(members); i++) {
		if (!sp_kv_copy(doc, meta, sp_meta(object), members[i]))
			return false;
	}
	return sp_kv_copy(doc, spec, from, "replicas") &&
	       sp_kv_set_i64(doc, status, "replicas",
			     sp_kv_i64(sp_kv_get(object, "status"), "replicas", 0)) &&
	       (selector.len == 0 || sp_kv_set_str(doc, status, "selector", sp_buf_view(&selector)));
}

static yyjson_mut_val *show(sp_arena *a, yyjson_mut_doc *doc, const api_resource *res, yyjson_mut_val *object)
{
	yyjson_mut_val *scale = yyjson_mut_obj(doc);
	if (scale == NULL || !sp_kv_set_str(doc, scale, "kind", SP_STR("Scale")) ||
	    !sp_kv_set_str(doc, scale, "apiVersion", SP_STR("autoscaling/v1")) ||
	    !fill(a, doc, res, object, scale))
		return NULL;
	return scale;
}

/* ---- scale to object ---- */

static bool check(api_write *w, yyjson_mut_val *scale)
{
	sp_violations v;
	sp_violations_init(&v, &w->arena);
	int64_t n = sp_kv_i64(sp_kv_get(scale, "spec"), "replicas", 0);
	sp_v_non_negative(&v, SP_PATH("spec.replicas"), n);
	if (v.n == 0)
		return true;
	const sp_group_resource scale_kind = {SP_STR("autoscaling"), SP_STR("Scale")};
	sp_status s = sp_status_invalid(&w->arena, scale_kind, w->r->info.name, &v);
	api_write_refuse(w, &s);
	return false;
}

/* Who owns the replicas through this write. An apply has found it out already. */
static bool track(api_write *w, yyjson_mut_val *old, yyjson_mut_val *scale, yyjson_mut_val *object)
{
	sp_apply_request req;
	yyjson_mut_val *live = show(&w->arena, w->doc, w->res, old);
	if (live == NULL || !api_scale_owners_show(w, old, live) || !api_write_apply_request(w, &req))
		return false;
	if (!w->is_apply && sp_apply_track(&req, live, scale) != SP_OK)
		return false;
	return api_scale_owners_take(w, old, scale, object);
}

static bool take(api_write *w, yyjson_mut_val *old)
{
	yyjson_mut_val *scale = w->obj, *object = yyjson_mut_val_mut_copy(w->doc, old);
	yyjson_mut_val *from = sp_meta(scale), *meta = sp_meta(object);
	if (!check(w, scale))
		return false;
	int64_t replicas = sp_kv_i64(sp_kv_get(scale, "spec"), "replicas", 0);
	if (object == NULL || !sp_kv_set_i64(w->doc, sp_kv_get(object, "spec"), "replicas", replicas) ||
	    !track(w, old, scale, object) ||
	    (sp_kv_has(from, "uid") && !sp_kv_copy(w->doc, meta, from, "uid")) ||
	    (sp_kv_has(from, "resourceVersion") && !sp_kv_copy(w->doc, meta, from, "resourceVersion"))) {
		api_write_fail(w, SP_ETOOLARGE, NULL);
		return false;
	}
	w->is_apply = true; /* the owners are told */
	w->obj = object;
	return true;
}

const api_view api_scale_view = {.show = show, .show_owners = api_scale_owners_show, .take = take};

/* ---- answers ---- */

static void reply(api_request *r, sp_arena *a, const api_resource *res, sp_str json, uint64_t revision)
{
	sp_err err;
	yyjson_mut_val *object = NULL, *scale;
	yyjson_mut_doc *doc = sp_json_doc(a);
	const api_resource *body = api_subresource_body(&r->server->resources, res, r->sub);
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_code code = doc == NULL ? SP_ENOMEM : sp_json_parse_mut(a, json, doc, &object, &err);
	if (code == SP_OK) {
		scale = show(a, doc, res, object);
		code = scale == NULL ? SP_ETOOLARGE : sp_encode_json(&text, body->kind->schema, scale);
	}
	if (code != SP_OK) {
		api_reply_error(r, code, NULL);
		return;
	}
	r->res = body;
	api_reply_object(r, 200, sp_buf_view(&text), revision);
}

static void reply_write(api_write *w, sp_str json, uint64_t revision)
{
	reply(w->r, &w->arena, w->res, json, revision);
}

void api_write_show_as(api_write *w, const api_view *view)
{
	w->view = view;
	w->body_res = api_subresource_body(&w->server->resources, w->res, w->r->sub);
	w->reply = reply_write;
}

void api_scale_get(api_request *r)
{
	sp_err err;
	sp_store_value value = {0};
	sp_record rec;
	if (!api_get_options_check(r))
		return;
	sp_code code = api_load(r, r->info.ns, r->info.name, &value, &rec, &err);
	if (code != SP_OK) {
		api_reply_error(r, code, &err);
		return;
	}
	SP_AUTO_BYTES held = value.record;
	SP_AUTO_BUF json;
	sp_buf_init(&json, SP_LIMIT_STORED_VALUE_BYTES + 64);
	code = api_object_json(&json, r->res, &rec, value.revision);
	if (code != SP_OK)
		api_reply_error(r, code, NULL);
	else
		reply(r, r->arena, r->res, sp_buf_view(&json), value.revision);
	(void)held;
}

void api_scale_update(api_request *r)
{
	api_update_view(r, &api_scale_view);
}

void api_scale_patch(api_request *r)
{
	api_patch_view(r, &api_scale_view);
}

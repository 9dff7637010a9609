/* SPDX-License-Identifier: Apache-2.0 */
/* The scale of a custom resource, by the paths its definition names. U: apiextensions-apiserver
 * pkg/registry/customresource/etcd.go, ScaleREST. */
#include "apiserver/custom/custom_int.h"
#include "apiserver/write.h"
#include "base/limits.h"
#include "base/yaml.h"
#include "kube/decode.h"
#include "kube/encode.h"
#include "kube/meta.h"
#include "kube/patch/json_patch.h"
#include "kube/patch/merge_patch.h"
#include "kube/protobuf.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)
/* What a patch sees where there are no replicas; nobody can want it. */
#define NO_REPLICAS INT32_MIN

static const sp_schema *scale_schema(void)
{
	return sp_schema_by_name(SP_STR("io.k8s.api.autoscaling.v1.Scale"));
}

/* ---- values at paths ---- */

/* The next step of a path; false when it was the last. */
static bool next_step(sp_str *path, sp_str *ret)
{
	bool more = sp_str_cut(path, '.', ret);
	if (!more)
		*ret = *path;
	return more;
}

static yyjson_mut_val *value_at(yyjson_mut_val *obj, sp_str path)
{
	sp_str step;
	(void)sp_str_take(&path, SP_STR("."));
	for (bool more = true; more && obj != NULL;) {
		more = next_step(&path, &step);
		obj = sp_jmut_get(obj, step);
	}
	return obj;
}

/* Makes the objects on the way. False: no room, or something else stands there. */
static bool set_at(yyjson_mut_doc *doc, yyjson_mut_val *obj, sp_str path, int64_t n)
{
	sp_str step;
	(void)sp_str_take(&path, SP_STR("."));
	while (next_step(&path, &step)) {
		yyjson_mut_val *below = sp_jmut_get(obj, step);
		if (below == NULL) {
			below = yyjson_mut_obj(doc);
			if (below == NULL || !sp_jmut_set(doc, obj, step, below))
				return false;
		}
		if (!yyjson_mut_is_obj(below))
			return false;
		obj = below;
	}
	yyjson_mut_val *value = yyjson_mut_sint(doc, n);
	return value != NULL && sp_jmut_set(doc, obj, step, value);
}

/* ---- object to scale ---- */

static bool fill(yyjson_mut_doc *doc, const api_custom *v, yyjson_mut_val *obj, yyjson_mut_val *scale)
{
	static const char *const members[] = {"name", "namespace", "uid", "resourceVersion",
					      "creationTimestamp"};
	yyjson_mut_val *meta = sp_kv_need_obj(doc, scale, "metadata");
	yyjson_mut_val *spec = sp_kv_need_obj(doc, scale, "spec");
	yyjson_mut_val *status = sp_kv_need_obj(doc, scale, "status");
	yyjson_mut_val *replicas = value_at(obj, v->spec_replicas);
	sp_str selector = sp_jmut_str(v->label_selector.len > 0 ? value_at(obj, v->label_selector) : NULL);
	if (meta == NULL || spec == NULL || status == NULL)
		return false;
	for (size_t i = 0; i < SP_LEN(members); i++) {
		if (!sp_kv_copy(doc, meta, sp_meta(obj), members[i]))
			return false;
	}
	return sp_kv_set_i64(doc, spec, "replicas",
			     replicas == NULL ? NO_REPLICAS : sp_kv_num(replicas, 0)) &&
	       sp_kv_set_i64(doc, status, "replicas", sp_kv_num(value_at(obj, v->status_replicas), 0)) &&
	       (selector.len == 0 || sp_kv_set_str(doc, status, "selector", selector));
}

static yyjson_mut_val *show(yyjson_mut_doc *doc, const api_custom *v, yyjson_mut_val *obj)
{
	yyjson_mut_val *scale = yyjson_mut_obj(doc);
	if (scale == NULL || !sp_kv_set_str(doc, scale, "kind", SP_STR("Scale")) ||
	    !sp_kv_set_str(doc, scale, "apiVersion", SP_STR("autoscaling/v1")) || !fill(doc, v, obj, scale))
		return NULL;
	return scale;
}

static bool has_replicas(yyjson_mut_val *scale)
{
	return sp_kv_i64(sp_kv_get(scale, "spec"), "replicas", 0) != NO_REPLICAS;
}

static void reply_scale(api_request *r, yyjson_mut_val *scale)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	sp_code code = scale == NULL ? SP_ETOOLARGE : sp_encode_json(&text, scale_schema(), scale);
	r->out.shape = API_SHAPE_OBJECT;
	if (code != SP_OK)
		api_reply_error(r, code, NULL);
	else
		api_reply_json(r, 200, scale_schema(), sp_buf_view(&text));
}

/* ---- get ---- */

static void reply_record(api_request *r, const sp_record *rec, uint64_t revision)
{
	sp_err err;
	yyjson_mut_val *obj = NULL, *scale;
	const api_custom *v = r->res->custom;
	yyjson_mut_doc *doc = sp_json_doc(r->arena);
	if (doc == NULL) {
		api_reply_error(r, SP_ETOOLARGE, NULL);
		return;
	}
	sp_code code = api_object_tree_as(r->arena, r->res, rec, revision, doc, &obj, &err);
	if (code != SP_OK) {
		api_reply_error(r, code, &err);
		return;
	}
	scale = show(doc, v, obj);
	if (scale == NULL || has_replicas(scale)) {
		reply_scale(r, scale);
		return;
	}
	sp_status s = sp_status_internal(
		r->arena, sp_arena_printf(r->arena, "the spec replicas field \"" SP_FMT "\" does not exist",
					  SP_ARG(v->spec_replicas)));
	api_reply_status(r, &s);
}

static void get(api_request *r)
{
	if (api_get_options_check(r))
		api_load_served(r, reply_record);
}

/* ---- writes ---- */

static bool refuse(api_write *w, uint16_t code, sp_str reason, sp_str message)
{
	sp_status s = {.code = code, .reason = reason, .message = message};
	api_write_refuse(w, &s);
	return false;
}

static bool refuse_body(api_write *w, const char *why)
{
	return refuse(
		w, 400, SP_STR("BadRequest"),
		sp_arena_printf(&w->arena, "Scale in version \"v1\" cannot be handled as a Scale: %s", why));
}

static sp_code decode_json(api_write *w, sp_str json, yyjson_mut_val **ret, sp_err *err)
{
	return sp_decode_json(&w->arena, scale_schema(), json, w->doc, NULL, ret, err);
}

static sp_code decode_yaml(api_write *w, yyjson_mut_val **ret, sp_err *err)
{
	yyjson_mut_val *tree = NULL;
	sp_str complaints;
	SP_AUTO_BUF json;
	sp_buf_init(&json, TEXT_BYTES_MAX);
	SP_TRY(sp_yaml_parse(&w->arena, w->body, w->doc, &complaints, &tree, err));
	SP_TRY(sp_json_write_mut(&json, tree));
	return decode_json(w, sp_buf_view(&json), ret, err);
}

static sp_code decode_protobuf(api_write *w, yyjson_mut_val **ret, sp_err *err)
{
	sp_protobuf_envelope envelope;
	SP_TRY(sp_protobuf_open(w->body, &envelope, err));
	return sp_protobuf_decode(&w->arena, scale_schema(), envelope.raw, SP_STR("autoscaling/v1"),
				  SP_STR("Scale"), w->doc, ret, err);
}

/* The scale that a PUT sends. False: answered. */
static bool read_scale(api_write *w, yyjson_mut_val **ret)
{
	api_media media = API_MEDIA_COUNT_;
	sp_err err = {0};
	if (!api_content_type(sp_http_get(&w->r->ex->headers, SP_HTTP_CONTENT_TYPE), API_MEDIA_ALL, &media))
		return refuse(w, 415, SP_STR("UnsupportedMediaType"),
			      SP_STR("the body of the request was in an unknown format"));
	sp_code code = media == API_MEDIA_YAML       ? decode_yaml(w, ret, &err)
		       : media == API_MEDIA_PROTOBUF ? decode_protobuf(w, ret, &err)
						     : decode_json(w, w->body, ret, &err);
	if (code == SP_EINVAL)
		return refuse_body(w, err.msg);
	if (code != SP_OK)
		api_write_fail(w, code, &err);
	return code == SP_OK;
}

/* The scale that a PATCH makes of the one there is. False: answered. */
static bool patch_scale(api_write *w, yyjson_mut_val *scale, yyjson_mut_val **ret)
{
	sp_str type = {NULL, 0};
	yyjson_mut_val *patched = NULL;
	sp_patch_error perr = {0};
	sp_err err = {0};
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	(void)api_media_essence(sp_http_get(&w->r->ex->headers, SP_HTTP_CONTENT_TYPE), &type);
	bool merge = sp_str_eq_nocase(type, SP_STR("application/merge-patch+json"));
	if (!merge && !sp_str_eq_nocase(type, SP_STR("application/json-patch+json")))
		return refuse(
			w, 415, SP_STR("UnsupportedMediaType"),
			SP_STR("the body of the request was in an unknown format - accepted media types "
			       "include: application/json-patch+json, application/merge-patch+json"));
	sp_code code = merge ? sp_merge_patch_apply(&w->arena, w->doc, scale, w->body, &patched, &perr)
			     : sp_json_patch_apply(&w->arena, w->doc, scale, w->body, &patched, &perr);
	if (code != SP_OK)
		return refuse(w, perr.status, perr.reason, perr.message);
	code = sp_encode_any(&text, patched);
	if (code == SP_OK)
		code = decode_json(w, sp_buf_view(&text), ret, &err);
	if (code == SP_EINVAL)
		return refuse_body(w, err.msg);
	if (code != SP_OK)
		api_write_fail(w, code, &err);
	return code == SP_OK;
}

static bool take(api_write *w, yyjson_mut_val *old, yyjson_mut_val *scale)
{
	const api_custom *v = w->res->custom;
	yyjson_mut_val *from = sp_meta(scale);
	w->obj = yyjson_mut_val_mut_copy(w->doc, old);
	if (!has_replicas(scale))
		return refuse(w, 400, SP_STR("BadRequest"),
			      sp_arena_printf(&w->arena,
					      "the spec replicas field \"" SP_FMT "\" cannot be empty",
					      SP_ARG(v->spec_replicas)));
	bool ok = w->obj != NULL &&
		  set_at(w->doc, w->obj, v->spec_replicas,
			 sp_kv_i64(sp_kv_get(scale, "spec"), "replicas", 0)) &&
		  (!sp_kv_has(from, "uid") || sp_kv_copy(w->doc, sp_meta(w->obj), from, "uid")) &&
		  (!sp_kv_has(from, "resourceVersion") ||
		   sp_kv_copy(w->doc, sp_meta(w->obj), from, "resourceVersion"));
	if (!ok)
		api_write_fail(w, SP_ETOOLARGE, NULL);
	return ok;
}

static void reply(api_write *w, sp_str json, uint64_t revision)
{
	yyjson_mut_val *obj = NULL;
	(void)revision;
	sp_code code = sp_json_parse_mut(&w->arena, json, w->doc, &obj, NULL);
	if (code != SP_OK)
		api_reply_error(w->r, code, NULL);
	else
		reply_scale(w->r, show(w->doc, w->res->custom, obj));
}

static void run_seen(api_write *w)
{
	yyjson_mut_val *old = NULL, *scale = NULL, *before;
	sp_err err;
	bool is_put = w->r->ex->method_id == SP_HTTP_PUT;
	sp_code code = api_write_load(w, w->r->info.name, &old, &err);
	before = code == SP_OK ? show(w->doc, w->res->custom, old) : NULL;
	if (code != SP_OK || before == NULL) {
		api_write_fail(w, code != SP_OK ? code : SP_ETOOLARGE, &err);
		return;
	}
	if ((is_put ? read_scale(w, &scale) : patch_scale(w, before, &scale)) && take(w, old, scale))
		api_write_update(w, old);
}

static void run(api_write *w)
{
	api_write_see(w, w->r->info.ns, w->r->info.name, run_seen);
}

static void on_body(api_request *r, sp_str body)
{
	api_write *w = r->state;
	w->body = body;
	w->reply = reply;
	if (r->ex->method_id != SP_HTTP_PUT)
		w->again = run; /* a PUT names the revision it is meant for, or has no say */
	run(w);
}

void api_custom_scale(api_request *r)
{
	bool is_put = r->ex->method_id == SP_HTTP_PUT;
	if (sp_str_eq(r->info.verb, SP_STR("get")))
		get(r);
	else if (api_write_new(r, is_put ? "UpdateOptions" : "PatchOptions", false) != NULL)
		api_read_body(r, on_body);
}

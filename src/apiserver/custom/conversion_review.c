/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/custom/conversion_review.h"

#include "base/json_out.h"
#include "base/quote.h"
#include "kube/meta.h"

#define MESSAGE_BYTES_MAX ((size_t)64 << 10)

/* ---- the question ---- */

static sp_str review_version(const api_conversion_question *q)
{
	return q->v1beta1 ? SP_STR("apiextensions.k8s.io/v1beta1") : SP_STR("apiextensions.k8s.io/v1");
}

sp_code api_conversion_write(sp_buf *out, const api_conversion_question *q)
{
	sp_jout j = sp_jout_to(out);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("kind"), SP_STR("ConversionReview"));
	sp_jout_member_str(&j, SP_STR("apiVersion"), review_version(q));
	sp_jout_member_open(&j, SP_STR("request"), '{');
	sp_jout_member_str(&j, SP_STR("uid"), q->uid);
	sp_jout_member_str(&j, SP_STR("desiredAPIVersion"), q->api_version);
	sp_jout_member_open(&j, SP_STR("objects"), '[');
	for (size_t i = 0; i < q->n; i++)
		sp_jout_raw(&j, q->objects[i]);
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	sp_jout_close(&j, '}');
	return sp_buf_code(out);
}

/* ---- one object of the answer ---- */

typedef struct reading {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	const api_conversion_question *q;
	size_t i;
} reading;

/* A fault stays one when there is no room to say which. */
static sp_str told(sp_str why)
{
	return why.ptr != NULL ? why : SP_STR("no room for what is wrong with the converted object");
}

/* "conversion webhook for stable.example.com/v1, Kind=Foo" and what follows. */
static sp_str says(const reading *r, const char *what, sp_str why)
{
	return told(sp_arena_printf(r->arena, "conversion webhook for " SP_FMT " %s" SP_FMT,
				    SP_ARG(r->q->from), what, SP_ARG(why)));
}

/* As %T prints what Go decoded. */
static const char *go_type(yyjson_mut_val *v)
{
	switch (yyjson_mut_get_type(v)) {
	case YYJSON_TYPE_BOOL:
		return "bool";
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_NUM:
		return yyjson_mut_is_real(v) ? "float64" : "int64";
	case YYJSON_TYPE_ARR:
		return "[]interface {}";
	case YYJSON_TYPE_OBJ:
		return "map[string]interface {}";
	default:
		return "<nil>";
	}
}

/* A group and a version as upstream prints them: "/" stands only where there is a group. */
static sp_str wrong(const reading *r, const char *what, sp_str expected, sp_str got)
{
	return told(sp_arena_printf(r->arena,
				    "conversion webhook for " SP_FMT
				    " returned invalid object at index %zu: invalid %s (expected " SP_FMT
				    ", received " SP_FMT ")",
				    SP_ARG(r->q->from), r->i, what, SP_ARG(expected), SP_ARG(got)));
}

static sp_str check_type(const reading *r, yyjson_mut_val *obj)
{
	sp_str version = sp_kv_str(obj, "apiVersion"), kind = sp_kv_str(obj, "kind");
	if (kind.len == 0) {
		SP_AUTO_BUF text;
		sp_buf_init(&text, MESSAGE_BYTES_MAX);
		sp_code code = sp_json_write_mut(&text, obj);
		return told(sp_arena_printf(r->arena, "Object 'Kind' is missing in '" SP_FMT "'",
					    SP_ARG(code == SP_OK ? sp_buf_view(&text) : SP_STR("…"))));
	}
	if (!sp_str_eq(version, r->q->api_version))
		return wrong(r, "groupVersion", r->q->api_version, version);
	if (!sp_str_eq(kind, r->q->kind))
		return wrong(r, "kind", r->q->kind, kind);
	return (sp_str){NULL, 0};
}

/* What a webhook may not change. U: validateConvertedObject */
static sp_str check_identity(const reading *r, yyjson_mut_val *from, yyjson_mut_val *obj)
{
	static const struct {
		const char *field, *name;
	} fields[] = {{"name", "name"}, {"namespace", "namespace"}, {"uid", "UID"}};
	for (size_t i = 0; i < SP_LEN(fields); i++) {
		sp_str e = sp_kv_str(sp_meta(from), fields[i].field),
		       a = sp_kv_str(sp_meta(obj), fields[i].field);
		if (!sp_str_eq(e, a))
			return says(r, "returned invalid object: ",
				    sp_arena_printf(r->arena, "must have the same %s: " SP_FMT " != " SP_FMT,
						    fields[i].name, SP_ARG(e), SP_ARG(a)));
	}
	return (sp_str){NULL, 0};
}

static bool is_text_map(const reading *r, const char *field, yyjson_mut_val *map, sp_str *ret_why)
{
	SP_KV_EACH_MEMBER (key, value, i, map) {
		if (yyjson_mut_is_str(value))
			continue;
		*ret_why = sp_arena_printf(
			r->arena, "metadata.%s[" SP_FMT "] must be a string, but is %s in converted object",
			field, SP_ARG(sp_jmut_str(key)), go_type(value));
		return false;
	}
	return true;
}

/* Labels or annotations of the answer, into the metadata of the original. False: *ret_why, or no room. */
static bool take_map(const reading *r, const char *field, yyjson_mut_val *meta, yyjson_mut_val *answered,
		     sp_str *ret_why)
{
	yyjson_mut_val *old = sp_kv_get(meta, field), *new = sp_kv_get(answered, field);
	sp_violations v;
	if (new == NULL || yyjson_mut_is_null(new)) {
		sp_kv_drop(meta, field);
		return true;
	}
	if (!yyjson_mut_is_obj(new)) {
		*ret_why = sp_arena_printf(r->arena, "invalid metadata.%s of type %s in converted object",
					   field, go_type(new));
		return false;
	}
	if (!is_text_map(r, field, new, ret_why))
		return false;
	if (old == NULL || !sp_jmut_equal(old, new)) {
		sp_violations_init(&v, r->arena);
		if (sp_str_eq(sp_str_c(field), SP_STR("labels")))
			sp_labels_validate(&v, SP_PATH("metadata.labels"), new);
		else
			sp_annotations_validate(&v, SP_PATH("metadata.annotation"), new);
		if (v.n > 0 || v.code != SP_OK) {
			*ret_why = sp_violations_text(r->arena, &v);
			return false;
		}
	}
	yyjson_mut_val *copy = yyjson_mut_val_mut_copy(r->doc, new);
	return copy != NULL && sp_kv_set(r->doc, meta, field, copy);
}

/* U: restoreObjectMeta. False: *ret_why, or no room. */
static bool restore_metadata(const reading *r, yyjson_mut_val *from, yyjson_mut_val *obj, sp_str *ret_why)
{
	yyjson_mut_val *answered = sp_meta(obj), *meta;
	if (answered == NULL) {
		*ret_why = SP_STR("missing metadata in converted object");
		return false;
	}
	if (!yyjson_mut_is_obj(answered)) {
		*ret_why = sp_arena_printf(r->arena, "invalid metadata of type %s in converted object",
					   go_type(answered));
		return false;
	}
	meta = yyjson_mut_val_mut_copy(r->doc, sp_meta(from));
	return meta != NULL && take_map(r, "labels", meta, answered, ret_why) &&
	       take_map(r, "annotations", meta, answered, ret_why) &&
	       sp_kv_set(r->doc, obj, "metadata", meta);
}

static sp_str no_object(const reading *r, yyjson_mut_val *v)
{
	const char *type = yyjson_mut_is_str(v)    ? "string"
			   : yyjson_mut_is_num(v)  ? "number"
			   : yyjson_mut_is_bool(v) ? "bool"
						   : "array";
	if (yyjson_mut_is_null(v))
		return SP_STR("unexpected end of JSON input");
	return told(sp_arena_printf(
		r->arena, "json: cannot unmarshal %s into Go value of type map[string]interface {}", type));
}

static sp_code read_object(const reading *r, yyjson_mut_val *obj, api_conversion_answer *ret)
{
	yyjson_mut_val *from = NULL;
	sp_str why = {NULL, 0};
	*ret = (api_conversion_answer){NULL, {NULL, 0}};
	SP_TRY(sp_json_parse_mut(r->arena, r->q->objects[r->i], r->doc, &from, NULL));
	if (!yyjson_mut_is_obj(obj)) {
		ret->why = no_object(r, obj);
		return SP_OK;
	}
	ret->why = check_type(r, obj);
	if (ret->why.len == 0)
		ret->why = check_identity(r, from, obj);
	if (ret->why.len > 0)
		return SP_OK;
	if (restore_metadata(r, from, obj, &why))
		ret->obj = obj;
	else if (why.len > 0)
		ret->why = says(r, "returned invalid metadata: ", why);
	else
		return SP_ETOOLARGE;
	return SP_OK;
}

/* ---- the answer ---- */

static sp_code failed(const reading *r, sp_str why, sp_str *ret_why)
{
	*ret_why = says(r, "failed: ", why);
	return SP_EINVAL;
}

/* "/v1, Kind=X" where a group is missing, as upstream prints it. */
static sp_str type_text(const reading *r, sp_str api_version, sp_str kind)
{
	bool slash = sp_str_index(api_version, '/') >= 0;
	return sp_arena_printf(r->arena, "%s" SP_FMT ", Kind=" SP_FMT, slash ? "" : "/", SP_ARG(api_version),
			       SP_ARG(kind));
}

static bool is_review(sp_str version, sp_str kind)
{
	return sp_str_eq(kind, SP_STR("ConversionReview")) &&
	       (sp_str_eq(version, SP_STR("apiextensions.k8s.io/v1")) ||
		sp_str_eq(version, SP_STR("apiextensions.k8s.io/v1beta1")));
}

/* v1beta1 is not so particular about what answers it. */
static sp_code check_review(const reading *r, yyjson_mut_val *root, yyjson_mut_val *response, sp_str *ret_why)
{
	sp_str version = sp_kv_str(root, "apiVersion"), kind = sp_kv_str(root, "kind"),
	       uid = sp_kv_str(response, "uid");
	if (kind.len > 0 && version.len > 0 && !is_review(version, kind))
		return failed(r,
			      sp_arena_printf(r->arena,
					      "no kind \"" SP_FMT "\" is registered for version \"" SP_FMT
					      "\" in scheme \"pkg/runtime/scheme.go:111\"",
					      SP_ARG(kind), SP_ARG(version)),
			      ret_why);
	if (!r->q->v1beta1 &&
	    (!sp_str_eq(version, review_version(r->q)) || !sp_str_eq(kind, SP_STR("ConversionReview"))))
		return failed(r,
			      sp_arena_printf(r->arena,
					      "expected webhook response of apiextensions.k8s.io/v1, "
					      "Kind=ConversionReview, got " SP_FMT,
					      SP_ARG(type_text(r, version, kind))),
			      ret_why);
	if (!yyjson_mut_is_obj(response))
		return failed(r, SP_STR("no response provided"), ret_why);
	if (r->q->v1beta1 || sp_str_eq(uid, r->q->uid))
		return SP_OK;
	return failed(r,
		      sp_arena_printf(r->arena, "expected response.uid=\"" SP_FMT "\", got \"" SP_FMT "\"",
				      SP_ARG(r->q->uid), SP_ARG(uid)),
		      ret_why);
}

static sp_code check_result(const reading *r, yyjson_mut_val *response, sp_str *ret_why)
{
	yyjson_mut_val *result = sp_kv_get(response, "result");
	sp_str status = sp_kv_str(result, "status"), message = sp_kv_str(result, "message");
	if (sp_str_eq(status, SP_STR("Success")))
		return SP_OK;
	if (message.len > 0)
		return failed(r, message, ret_why);
	return failed(r,
		      sp_arena_printf(r->arena, "response.result.status was '" SP_FMT "', not 'Success'",
				      SP_ARG(status)),
		      ret_why);
}

sp_code api_conversion_read(sp_arena *a, yyjson_mut_doc *doc, const api_conversion_question *q, sp_str text,
			    api_conversion_answer *ret, sp_str *ret_why)
{
	reading r = {.arena = a, .doc = doc, .q = q};
	yyjson_mut_val *root = NULL;
	sp_err err;
	*ret_why = (sp_str){NULL, 0};
	sp_code code = sp_json_parse_mut(a, text, doc, &root, &err);
	if (code == SP_EINVAL)
		return failed(&r,
			      sp_arena_printf(a, "couldn't get version/kind; json parse error: %s", err.msg),
			      ret_why);
	if (code != SP_OK)
		return code;
	yyjson_mut_val *response = sp_kv_get(root, "response");
	SP_TRY(check_review(&r, root, response, ret_why));
	SP_TRY(check_result(&r, response, ret_why));
	yyjson_mut_val *list = sp_kv_list(response, "convertedObjects");
	if (sp_kv_len(list) != q->n) {
		*ret_why = told(sp_arena_printf(
			a, "conversion webhook for " SP_FMT " returned %zu objects, expected %zu",
			SP_ARG(q->from), sp_kv_len(list), q->n));
		return SP_EINVAL;
	}
	SP_KV_EACH (obj, i, list) {
		r.i = i;
		SP_TRY(read_object(&r, obj, &ret[i]));
	}
	return SP_OK;
}

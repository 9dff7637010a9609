/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/object.h"

#include "apiserver/custom/custom.h"
#include "base/limits.h"
#include "base/num.h"
#include "kube/encode.h"
#include "kube/meta.h"

/* Beyond the limit of stored values an object is refused by the store; this bounds the text before it. */
#define OBJECT_BYTES_MAX (SP_LIMIT_REQUEST_BODY_BYTES * 2)

#define CONVERT_BYTES_MAX ((size_t)64 << 20)

static const sp_str indexed_field = SP_STR_INIT("spec.nodeName");

static bool collect_labels(sp_arena *a, yyjson_mut_val *obj, sp_record_info *info)
{
	yyjson_mut_val *labels = sp_kv_map(sp_meta(obj), "labels");
	size_t n = sp_kv_len(labels);
	sp_record_pair *pairs = sp_try_new(a, sp_record_pair, n + 1);
	if (pairs == NULL)
		return false;
	SP_KV_EACH_MEMBER (key, value, i, labels)
		pairs[i] = (sp_record_pair){sp_jmut_str(key), sp_jmut_str(value)};
	info->labels = pairs;
	info->n_labels = n;
	return true;
}

static bool collect_fields(sp_arena *a, const sp_kind *kind, yyjson_mut_val *obj, sp_record_info *info)
{
	const sp_kind_hooks *hooks = kind->hooks;
	size_t n = hooks == NULL ? 0 : hooks->n_selectable;
	sp_record_pair *pairs = sp_try_new(a, sp_record_pair, n + 1);
	if (pairs == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		pairs[i].key = hooks->selectable[i].name;
		if (!sp_kind_field(hooks, a, obj, pairs[i].key, &pairs[i].value))
			return false;
		if (sp_str_eq(pairs[i].key, indexed_field))
			info->i_indexed = i;
	}
	info->fields = pairs;
	info->n_fields = n;
	return true;
}

/* Cuts the marker out of the text; its place is where the revision goes. */
static uint32_t cut_marker(sp_buf *text, sp_str marker)
{
	ptrdiff_t at = sp_str_find(sp_buf_view(text), marker);
	SP_ASSERT(at >= 0);
	size_t from = (size_t)at + marker.len;
	memmove(text->ptr + at, text->ptr + from, text->len - from);
	text->len -= marker.len;
	return (uint32_t)at;
}

/* The record of an object that is of the kind. */
static sp_code build(sp_arena *a, const sp_kind *kind, uint64_t schema_hash, yyjson_mut_doc *doc,
		     yyjson_mut_val *obj, sp_str marker, sp_bytes **ret, sp_err *err)
{
	SP_ASSERT(marker.len == API_OBJECT_MARKER_BYTES);
	sp_record_info info = {.group = kind->group,
			       .version = kind->version,
			       .kind = kind->kind,
			       .schema_hash = schema_hash,
			       .encoding = SP_RECORD_JSON,
			       .i_indexed = SP_RECORD_NO_INDEX};
	if (!sp_kv_set_str(doc, sp_kv_need_obj(doc, obj, "metadata"), "resourceVersion", marker) ||
	    !collect_labels(a, obj, &info) || !collect_fields(a, kind, obj, &info))
		return sp_fail(err, SP_ETOOLARGE, "no room for the object");
	SP_AUTO_BUF text;
	sp_buf_init(&text, OBJECT_BYTES_MAX);
	sp_code code = sp_encode_json(&text, kind->schema, obj);
	if (code != SP_OK)
		return sp_fail(err, code, "the object can't be written as JSON");
	info.splice = cut_marker(&text, marker);
	sp_kv_drop(sp_meta(obj), "resourceVersion");
	return sp_record_build(&info, sp_buf_view(&text), ret, err);
}

sp_code api_object_record(sp_arena *a, const api_resource *res, yyjson_mut_doc *doc, yyjson_mut_val *obj,
			  sp_str marker, sp_bytes **ret, sp_err *err)
{
	if (res->custom != NULL) {
		obj = api_custom_to_stored(res->custom, doc, obj);
		if (obj == NULL)
			return sp_fail(err, SP_ETOOLARGE, "no room for the object");
	} else if (res->kind != res->stored) {
		obj = yyjson_mut_val_mut_copy(doc, obj);
		if (obj == NULL || !api_object_to_stored(res, a, doc, obj))
			return sp_fail(err, SP_ETOOLARGE, "no room for the object");
	}
	return build(a, res->stored, res->schema_hash, doc, obj, marker, ret, err);
}

sp_code api_object_record_served(sp_arena *a, const api_resource *res, yyjson_mut_doc *doc,
				 yyjson_mut_val *obj, sp_str marker, sp_bytes **ret, sp_err *err)
{
	SP_ASSERT(res->custom != NULL);
	return build(a, res->kind, res->custom->hash, doc, obj, marker, ret, err);
}

bool api_object_to_stored(const api_resource *res, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	const sp_kind_hooks *hooks = res->kind->hooks;
	return hooks == NULL || hooks->to_stored == NULL || hooks->to_stored(a, doc, obj);
}

bool api_object_to_served(const api_resource *res, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj)
{
	const sp_kind_hooks *hooks = res->kind->hooks;
	return hooks == NULL || hooks->from_stored == NULL || hooks->from_stored(a, doc, obj);
}

sp_code api_object_raw(sp_buf *out, const sp_record *rec, uint64_t revision)
{
	static const sp_str field = SP_STR_INIT(",\"resourceVersion\":\"");
	if (rec->splice == SP_RECORD_NO_SPLICE)
		return sp_buf_str(out, rec->object);
	if (revision == 0 && rec->splice >= field.len) {
		/* Never stored: it has none, and something always stands in front of it. */
		(void)sp_buf_str(out, sp_str_sub(rec->object, 0, rec->splice - field.len));
		return sp_buf_str(out, sp_str_sub(rec->object, rec->splice + 1, rec->object.len));
	}
	(void)sp_buf_str(out, sp_str_sub(rec->object, 0, rec->splice));
	(void)sp_buf_u64(out, revision);
	return sp_buf_str(out, sp_str_sub(rec->object, rec->splice, rec->object.len));
}

static sp_code convert(sp_buf *out, const api_resource *res, const sp_record *rec, uint64_t revision)
{
	sp_arena scratch;
	yyjson_mut_val *obj = NULL;
	SP_AUTO_BUF text;
	sp_buf_init(&text, OBJECT_BYTES_MAX);
	sp_arena_init(&scratch, CONVERT_BYTES_MAX);
	sp_code code = api_object_raw(&text, rec, revision);
	yyjson_mut_doc *doc = sp_json_doc(&scratch);
	if (code == SP_OK)
		code = doc == NULL ? SP_ENOMEM
				   : sp_json_parse_mut(&scratch, sp_buf_view(&text), doc, &obj, NULL);
	if (code == SP_OK && !api_object_to_served(res, &scratch, doc, obj))
		code = SP_ETOOLARGE;
	if (code == SP_OK)
		code = sp_encode_json(out, res->kind->schema, obj);
	sp_arena_done(&scratch);
	return code;
}

sp_code api_object_json(sp_buf *out, const api_resource *res, const sp_record *rec, uint64_t revision)
{
	if (res->custom != NULL)
		return api_custom_is_current(res->custom, rec)
			       ? api_object_raw(out, rec, revision)
			       : api_custom_json(out, res->custom, rec, revision);
	return res->kind == res->stored ? api_object_raw(out, rec, revision)
					: convert(out, res, rec, revision);
}

sp_code api_object_tree(sp_arena *a, const sp_record *rec, uint64_t revision, yyjson_mut_doc *doc,
			yyjson_mut_val **ret, sp_err *err)
{
	char text[SP_NUM_TEXT_BYTES];
	yyjson_mut_val *obj = NULL;
	SP_TRY(sp_json_parse_mut(a, rec->object, doc, &obj, err));
	if (!sp_kv_set_str(doc, sp_kv_need_obj(doc, obj, "metadata"), "resourceVersion",
			   (sp_str){text, sp_print_u64(text, revision)}))
		return sp_fail(err, SP_ETOOLARGE, "no room for the object");
	*ret = obj;
	return SP_OK;
}

sp_code api_object_tree_as(sp_arena *a, const api_resource *res, const sp_record *rec, uint64_t revision,
			   yyjson_mut_doc *doc, yyjson_mut_val **ret, sp_err *err)
{
	yyjson_mut_val *obj = NULL;
	bool ok = true;
	SP_TRY(api_object_tree(a, rec, revision, doc, &obj, err));
	if (res->custom == NULL)
		ok = api_object_to_served(res, a, doc, obj);
	else if (!api_custom_is_current(res->custom, rec))
		ok = api_custom_from_stored(res->custom, doc, obj);
	if (!ok)
		return sp_fail(err, SP_ETOOLARGE, "no room for the object");
	*ret = obj;
	return SP_OK;
}

sp_str api_object_rest(sp_arena *a, const api_resource *res, sp_str ns, sp_str name)
{
	if (!res->kind->namespaced)
		return sp_arena_try_dup(a, name);
	return SP_CONCAT(a, ns, SP_STR("/"), name);
}

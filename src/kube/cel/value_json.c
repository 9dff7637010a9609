/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as values, read through a schema. U: apiserver pkg/cel/common/valuesunstructured.go */
#include "base/base64.h"
#include "base/duration.h"
#include "base/json_int.h"
#include "kube/cel/lib.h"

/* A value of either kind: both begin with the same tag and payload. */
typedef struct any {
	const yyjson_val *v;
	uint8_t rep;
} any;

const char *cel_go_type(uint64_t tag)
{
	switch (sp_json_tag_type(tag)) {
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_BOOL:
		return "bool";
	case YYJSON_TYPE_NUM:
		return sp_json_tag_subtype(tag) == YYJSON_SUBTYPE_REAL ? "float64" : "int64";
	case YYJSON_TYPE_ARR:
		return "[]interface {}";
	case YYJSON_TYPE_OBJ:
		return "map[string]interface {}";
	default:
		return "<nil>";
	}
}

static sp_cel_val wrong(cel_ctx *c, any j, const char *want)
{
	if (c == NULL)
		return CEL_ERR("invalid data");
	return cel_errorf(c, "invalid data, expected %s, got %s", want, cel_go_type(j.v->tag));
}

static sp_str text_of(any j)
{
	return (sp_str){j.v->uni.str, sp_json_tag_len(j.v->tag)};
}

static sp_cel_val view(any j, sp_cel_kind kind, const sp_schema *schema, bool root)
{
	return (sp_cel_val){.kind = (uint8_t)kind,
			    .rep = j.rep,
			    .flags = root ? CEL_V_ROOT : 0,
			    .ptr = j.v,
			    .schema = schema};
}

static sp_cel_val number(any j)
{
	uint64_t u = j.v->uni.u64;
	switch (sp_json_tag_subtype(j.v->tag)) {
	case YYJSON_SUBTYPE_UINT: /* beyond int64 Go's decoder takes a double */
		return u <= INT64_MAX ? sp_cel_of_int((int64_t)u) : sp_cel_of_double((double)u);
	case YYJSON_SUBTYPE_SINT:
		return sp_cel_of_int(j.v->uni.i64);
	default:
		return sp_cel_of_double(j.v->uni.f64);
	}
}

static sp_cel_val natural(any j)
{
	switch (sp_json_tag_type(j.v->tag)) {
	case YYJSON_TYPE_BOOL:
		return sp_cel_of_bool(sp_json_tag_subtype(j.v->tag) == YYJSON_SUBTYPE_TRUE);
	case YYJSON_TYPE_NUM:
		return number(j);
	case YYJSON_TYPE_STR:
		return sp_cel_of_str(text_of(j));
	case YYJSON_TYPE_ARR:
		return view(j, SP_CEL_LIST, NULL, false);
	case YYJSON_TYPE_OBJ:
		return view(j, SP_CEL_MAP, NULL, false);
	default:
		return sp_cel_of_null();
	}
}

static sp_cel_val bytes(cel_ctx *c, sp_str s)
{
	sp_err err;
	size_t n;
	if (c == NULL)
		return CEL_ERR("invalid data");
	uint8_t *out = sp_arena_try_alloc(c->arena, s.len / 4 * 3 + 3);
	if (out == NULL)
		return cel_oom(c);
	if (sp_base64_decode(s, out, &n, &err) != SP_OK)
		return cel_errorf(c, "Invalid byte formatted string " SP_FMT ": %s", SP_ARG(s), err.msg);
	return cel_bytes((sp_str){(const char *)out, n});
}

static sp_cel_val duration(cel_ctx *c, sp_str s)
{
	sp_err err;
	int64_t ns;
	if (sp_duration_parse(s, &ns, &err) == SP_OK)
		return cel_duration(ns);
	return c == NULL ? CEL_ERR("invalid data")
			 : cel_errorf(c, "Invalid duration " SP_FMT ": %s", SP_ARG(s), err.msg);
}

/* RFC 3339, a date alone, or a time without an offset, which counts as UTC. */
static sp_cel_val timestamp(cel_ctx *c, sp_str s, bool date)
{
	char text[64];
	sp_time t;
	sp_err err;
	const char *tail = date ? "T00:00:00Z" : "Z";
	if (!date && sp_time_parse(s, &t, &err) == SP_OK)
		return sp_cel_of_time(t);
	if (s.len + 12 < sizeof(text)) {
		memcpy(text, s.ptr == NULL ? "" : s.ptr, s.len);
		memcpy(text + s.len, tail, strlen(tail));
		if (sp_time_parse((sp_str){text, s.len + strlen(tail)}, &t, &err) == SP_OK)
			return sp_cel_of_time(t);
	}
	if (c == NULL)
		return CEL_ERR("invalid data");
	return cel_errorf(c, "Invalid %s formatted string " SP_FMT ": %s", date ? "date" : "date-time",
			  SP_ARG(s), err.msg);
}

static sp_cel_val text(cel_ctx *c, any j, const sp_schema *s)
{
	if (sp_json_tag_type(j.v->tag) != YYJSON_TYPE_STR)
		return wrong(c, j, "string");
	sp_str str = text_of(j), format = cel_schema_format(s);
	if (s->kind == SP_K_BYTES || sp_str_eq(format, SP_STR("byte")))
		return bytes(c, str);
	if (s->kind == SP_K_TIME || s->kind == SP_K_MICROTIME || sp_str_eq(format, SP_STR("date-time")))
		return timestamp(c, str, false);
	if (sp_str_eq(format, SP_STR("date")))
		return timestamp(c, str, true);
	if (sp_str_eq(format, SP_STR("duration")))
		return duration(c, str);
	return sp_cel_of_str(str);
}

static sp_cel_val of_any(cel_ctx *c, any j, const sp_schema *s, bool root)
{
	if (s == NULL)
		return natural(j);
	yyjson_type type = sp_json_tag_type(j.v->tag);
	if (type == YYJSON_TYPE_NULL)
		return (s->flags & SP_S_NULLABLE) != 0
			       ? sp_cel_of_null()
			       : CEL_ERR("invalid data, got null for schema with nullable=false");
	bool real = type == YYJSON_TYPE_NUM && sp_json_tag_subtype(j.v->tag) == YYJSON_SUBTYPE_REAL;
	switch (s->kind) {
	case SP_K_INT_OR_STRING:
		if (type == YYJSON_TYPE_STR || (type == YYJSON_TYPE_NUM && !real))
			return natural(j);
		return CEL_ERR("invalid data, expected XIntOrString value to be either a string or integer");
	case SP_K_OBJECT:
	case SP_K_MAP:
		if (type != YYJSON_TYPE_OBJ)
			return CEL_ERR(
				"invalid data, expected a map for the provided schema with type=object");
		return view(j, SP_CEL_MAP, s, root);
	case SP_K_LIST:
		if (type != YYJSON_TYPE_ARR)
			return CEL_ERR(
				"invalid data, expected an array for the provided schema with type=array");
		return view(j, SP_CEL_LIST, s, false);
	case SP_K_BOOL:
		return type == YYJSON_TYPE_BOOL ? natural(j) : wrong(c, j, "bool");
	case SP_K_I32:
	case SP_K_I64:
		return type == YYJSON_TYPE_NUM && !real ? natural(j) : wrong(c, j, "int");
	case SP_K_F64:
		if (type != YYJSON_TYPE_NUM)
			return wrong(c, j, "float");
		return sp_cel_of_double(real ? j.v->uni.f64
					: sp_json_tag_subtype(j.v->tag) == YYJSON_SUBTYPE_SINT
						? (double)j.v->uni.i64
						: (double)j.v->uni.u64);
	case SP_K_STRING:
	case SP_K_BYTES:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
		return text(c, j, s);
	default:
		return natural(j);
	}
}

sp_cel_val cel_of_json(cel_ctx *c, const yyjson_val *v, const sp_schema *schema, bool root)
{
	return v == NULL ? sp_cel_of_null() : of_any(c, (any){v, CEL_JSON}, schema, root);
}

sp_cel_val cel_of_mut(cel_ctx *c, const yyjson_mut_val *v, const sp_schema *schema, bool root)
{
	return v == NULL ? sp_cel_of_null()
			 : of_any(c, (any){(const yyjson_val *)(const void *)v, CEL_MUT}, schema, root);
}

sp_cel_val sp_cel_of_json(const yyjson_val *v, const sp_schema *schema, bool root)
{
	return cel_of_json(NULL, v, schema, root);
}

sp_cel_val sp_cel_of_mut(const yyjson_mut_val *v, const sp_schema *schema, bool root)
{
	return cel_of_mut(NULL, v, schema, root);
}

sp_cel_val sp_cel_of_lazy(const sp_cel_lazy *obj)
{
	return (sp_cel_val){.kind = SP_CEL_STRUCT, .rep = CEL_LAZY, .ptr = obj};
}

/* ---- values as JSON ---- */

typedef struct writer {
	cel_ctx ctx;
	yyjson_mut_doc *doc;
	bool exact; /* numbers as they are */
	unsigned depth;
	sp_err *err;
} writer;

static sp_code write_value(writer *w, sp_cel_val v, yyjson_mut_val **ret);

static sp_code no_json(writer *w, sp_cel_val v)
{
	return sp_fail(w->err, SP_EINVAL,
		       "type conversion error from '" SP_FMT "' to 'google.protobuf.Value'",
		       SP_ARG(sp_cel_type_name(v)));
}

static sp_code write_list(writer *w, sp_cel_val v, yyjson_mut_val **ret)
{
	yyjson_mut_val *list = yyjson_mut_arr(w->doc), *item;
	sp_cel_val key, elem;
	cel_iter it = cel_iter_of(v);
	while (cel_iter_next(&w->ctx, &it, &key, &elem)) {
		SP_TRY(write_value(w, elem, &item));
		if (!yyjson_mut_arr_append(list, item))
			return SP_ETOOLARGE;
	}
	*ret = list;
	return list == NULL ? SP_ETOOLARGE : SP_OK;
}

static bool key_text(writer *w, sp_cel_val key, sp_buf *out)
{
	switch (key.kind) {
	case SP_CEL_STRING:
		return sp_buf_str(out, sp_cel_str(key)) == SP_OK;
	case SP_CEL_BOOL:
		return !w->exact && sp_buf_str(out, sp_str_c(key.b ? "true" : "false")) == SP_OK;
	case SP_CEL_INT:
		return !w->exact && sp_buf_i64(out, key.i) == SP_OK;
	case SP_CEL_UINT:
		return !w->exact && sp_buf_u64(out, key.u) == SP_OK;
	default:
		return false;
	}
}

static sp_code write_map(writer *w, sp_cel_val v, yyjson_mut_val **ret)
{
	SP_AUTO_BUF name;
	sp_buf_init(&name, CEL_TEXT_BYTES_MAX);
	yyjson_mut_val *map = yyjson_mut_obj(w->doc), *item;
	sp_cel_val key, elem;
	cel_iter it = cel_iter_of(v);
	while (cel_iter_next(&w->ctx, &it, &key, &elem)) {
		sp_buf_clear(&name);
		if (!key_text(w, key, &name))
			return sp_fail(w->err, SP_EINVAL, "map key of type " SP_FMT ", not string",
				       SP_ARG(sp_cel_type_name(key)));
		SP_TRY(write_value(w, elem, &item));
		yyjson_mut_val *k = yyjson_mut_strncpy(w->doc, name.ptr == NULL ? "" : name.ptr, name.len);
		if (!yyjson_mut_obj_add(map, k, item))
			return SP_ETOOLARGE;
	}
	*ret = map;
	return map == NULL ? SP_ETOOLARGE : SP_OK;
}

static sp_code write_text(writer *w, const sp_buf *b, yyjson_mut_val **ret)
{
	if (sp_buf_code(b) != SP_OK)
		return sp_buf_code(b);
	*ret = yyjson_mut_strncpy(w->doc, b->ptr == NULL ? "" : b->ptr, b->len);
	return *ret == NULL ? SP_ETOOLARGE : SP_OK;
}

#define EXACT_MAX (INT64_C(1) << 53)

static sp_code write_other(writer *w, sp_cel_val v, yyjson_mut_val **ret)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	char text[SP_TIME_TEXT_BYTES];
	switch (v.kind) {
	case SP_CEL_INT:
		(void)sp_buf_i64(&out, v.i);
		break;
	case SP_CEL_UINT:
		(void)sp_buf_u64(&out, v.u);
		break;
	case SP_CEL_BYTES:
		(void)sp_base64_append(&out, v.text, v.len);
		break;
	case SP_CEL_TIMESTAMP:
		(void)sp_buf_append(&out, text, cel_time_text(text, v));
		break;
	case SP_CEL_DURATION:
		(void)cel_duration_seconds(&out, v.i);
		(void)sp_buf_char(&out, 's');
		break;
	default:
		return no_json(w, v);
	}
	return write_text(w, &out, ret);
}

static sp_code write_value(writer *w, sp_cel_val v, yyjson_mut_val **ret)
{
	sp_code code = SP_OK;
	if (w->depth++ > SP_JSON_BUILD_DEPTH)
		return sp_fail(w->err, SP_ETOOLARGE, "nested too deeply");
	*ret = NULL;
	switch (v.kind) {
	case SP_CEL_NULL:
		*ret = yyjson_mut_null(w->doc);
		break;
	case SP_CEL_BOOL:
		*ret = yyjson_mut_bool(w->doc, v.b);
		break;
	case SP_CEL_INT:
		if (w->exact || (v.i >= -EXACT_MAX && v.i <= EXACT_MAX))
			*ret = yyjson_mut_sint(w->doc, v.i);
		else
			code = write_other(w, v, ret);
		break;
	case SP_CEL_UINT:
		if (w->exact || v.u <= (uint64_t)EXACT_MAX)
			*ret = yyjson_mut_uint(w->doc, v.u);
		else
			code = write_other(w, v, ret);
		break;
	case SP_CEL_DOUBLE:
		*ret = yyjson_mut_real(w->doc, v.d);
		break;
	case SP_CEL_STRING:
		*ret = yyjson_mut_strncpy(w->doc, v.len == 0 ? "" : v.text, v.len);
		break;
	case SP_CEL_LIST:
		code = write_list(w, v, ret);
		break;
	case SP_CEL_MAP:
	case SP_CEL_STRUCT:
		code = write_map(w, v, ret);
		break;
	case SP_CEL_OPTIONAL:
		code = v.ptr == NULL ? no_json(w, v) : write_value(w, *cel_optional_ptr(v), ret);
		break;
	case SP_CEL_ERROR:
		code = sp_fail(w->err, SP_EINVAL, SP_FMT, SP_ARG(sp_cel_error_text(v)));
		break;
	default:
		code = write_other(w, v, ret);
		break;
	}
	w->depth--;
	return code == SP_OK && *ret == NULL ? SP_ETOOLARGE : code;
}

static sp_code to_json(sp_cel_run *run, sp_cel_val v, yyjson_mut_doc *doc, bool exact, yyjson_mut_val **ret,
		       sp_err *err)
{
	writer w = {.ctx = {.run = run, .arena = run->arena}, .doc = doc, .exact = exact, .err = err};
	yyjson_mut_val *made = NULL;
	SP_TRY(write_value(&w, v, &made));
	*ret = made;
	return SP_OK;
}

sp_code sp_cel_to_json(sp_cel_run *run, sp_cel_val v, yyjson_mut_doc *doc, yyjson_mut_val **ret, sp_err *err)
{
	return to_json(run, v, doc, false, ret, err);
}

sp_code sp_cel_to_object(sp_cel_run *run, sp_cel_val v, yyjson_mut_doc *doc, yyjson_mut_val **ret,
			 sp_err *err)
{
	return to_json(run, v, doc, true, ret, err);
}

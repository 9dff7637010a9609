/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/patch/unstructured.h"

#include "base/base64.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/quantity.h"
#include "base/time.h"
#include "kube/codec/canon.h"
#include "kube/patch/patch_int.h"

/* What Go calls the type of a value in a map[string]interface{}, and its kind where that is shorter. */
static const char *kind_of(yyjson_mut_val *v)
{
	switch (sp_canon_type(v)) {
	case YYJSON_TYPE_STR:
		return "string";
	case YYJSON_TYPE_BOOL:
		return "bool";
	case YYJSON_TYPE_NUM:
		return yyjson_mut_is_real(v) ? "float64" : "int64";
	case YYJSON_TYPE_ARR:
		return "slice";
	case YYJSON_TYPE_OBJ:
		return "map";
	default:
		return "";
	}
}

static const char *const go_scalars[SP_K_COUNT_] = {[SP_K_STRING] = "string",
						    [SP_K_BOOL] = "bool",
						    [SP_K_I32] = "int32",
						    [SP_K_I64] = "int64",
						    [SP_K_F64] = "float64"};

static bool is_whole(yyjson_mut_val *v)
{
	double d = yyjson_mut_get_real(v);
	return d >= -9223372036854775808.0 && d < 9223372036854775808.0 && (double)(int64_t)d == d;
}

/* Numbers become each other unless a fraction would be lost; a text is made of a whole number's code point,
 * which is refused; all else has no conversion. */
static bool scalar_fault(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, sp_str *ret)
{
	yyjson_type type = sp_canon_type(v);
	const char *want = go_scalars[s->kind];
	bool number = s->kind == SP_K_I32 || s->kind == SP_K_I64 || s->kind == SP_K_F64;
	if ((s->kind == SP_K_STRING && type == YYJSON_TYPE_STR) ||
	    (s->kind == SP_K_BOOL && type == YYJSON_TYPE_BOOL))
		return false;
	if (type == YYJSON_TYPE_NUM) {
		bool real = yyjson_mut_is_real(v);
		if (number && (!real || s->kind == SP_K_F64 || is_whole(v)))
			return false;
		if (number || (s->kind == SP_K_STRING && !real)) {
			sp_str go = s->go_type.len == 0 ? sp_str_c(want) : s->go_type;
			size_t cut = (size_t)(sp_str_rindex(go, '/') + 1);
			sp_str name = sp_str_sub(go, cut, go.len);
			*ret = sp_arena_printf(a, "cannot convert %s to " SP_FMT, kind_of(v), SP_ARG(name));
			return true;
		}
	}
	*ret = sp_arena_printf(a, "unrecognized type: %s", want);
	return true;
}

static bool bytes_fault(sp_arena *a, yyjson_mut_val *v, sp_str *ret)
{
	sp_str text = sp_jmut_str(v);
	sp_err err;
	size_t n;
	if (yyjson_mut_is_arr(v))
		return false;
	if (!yyjson_mut_is_str(v)) {
		*ret = sp_arena_printf(a, "cannot restore slice from %s", kind_of(v));
		return true;
	}
	uint8_t *out = sp_arena_try_alloc(a, text.len + 4);
	if (out == NULL || sp_base64_decode(text, out, &n, &err) == SP_OK)
		return false;
	*ret = sp_arena_printf(a, "error decoding from json: %s", err.msg);
	return true;
}

/* What a type that reads itself makes of a text. */
static bool text_fault(sp_arena *a, const sp_schema *s, sp_str text, sp_str *ret)
{
	sp_err err;
	sp_time t;
	int64_t ns;
	sp_code code = SP_OK;
	if (s->kind == SP_K_QUANTITY)
		code = sp_qty_text(a, sp_str_trim(text), &text, &err);
	else if (s->kind == SP_K_DURATION)
		code = sp_duration_parse(text, &ns, &err);
	else if (s->kind == SP_K_TIME)
		code = sp_time_parse(text, &t, &err);
	else if (s->kind == SP_K_MICROTIME)
		code = sp_time_parse_micro(text, &t, &err);
	if (code == SP_OK)
		return false;
	*ret = sp_arena_try_dup(a, sp_str_c(err.msg));
	return true;
}

/* Types that read themselves get a text of the value alone: its place in the object is not told. */
static bool self_read_fault(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, sp_str *ret)
{
	int64_t n = yyjson_mut_is_sint(v) ? yyjson_mut_get_sint(v) : 0;
	bool text = yyjson_mut_is_str(v), number = s->kind == SP_K_INT_OR_STRING;
	bool fits = number && yyjson_mut_is_int(v) &&
		    (yyjson_mut_is_sint(v) ? n >= INT32_MIN : yyjson_mut_get_uint(v) <= INT32_MAX);
	if (text)
		return text_fault(a, s, sp_jmut_str(v), ret);
	if (s->kind == SP_K_QUANTITY) /* its form is all that can be wrong */
		return !yyjson_mut_is_num(v) && text_fault(a, s, SP_STR("?"), ret);
	if (fits)
		return false;
	SP_AUTO_BUF shown;
	sp_buf_init(&shown, 64);
	if (number && yyjson_mut_is_num(v) &&
	    (sp_buf_char(&shown, ' ') != SP_OK || sp_json_write_mut(&shown, v) != SP_OK))
		return false;
	*ret = sp_arena_printf(a, "json: cannot unmarshal %s" SP_FMT " into Go value of type %s",
			       sp_patch_json_word(v), SP_ARG(sp_buf_view(&shown)),
			       number ? "int32" : "string");
	return true;
}

static bool fault(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, size_t depth, sp_str *ret);

static bool object_fault(sp_arena *a, const sp_schema *s, yyjson_mut_val *object, size_t depth, sp_str *ret)
{
	for (sp_canon_iter it = sp_canon_members(s); sp_canon_next(&it);) {
		yyjson_mut_val *v = sp_jmut_get(object, it.field->name);
		if (v != NULL && fault(a, it.field->schema, v, depth, ret))
			return true;
	}
	return false;
}

static bool elements_fault(sp_arena *a, const sp_schema *items, yyjson_mut_val *v, size_t depth, sp_str *ret)
{
	if (yyjson_mut_is_obj(v)) {
		for (sp_members m = sp_members_of(v); sp_members_next(&m);)
			if (fault(a, items, sp_members_value(&m), depth, ret))
				return true;
		return false;
	}
	yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(v);
	for (yyjson_mut_val *item; (item = yyjson_mut_arr_iter_next(&it)) != NULL;)
		if (fault(a, items, item, depth, ret))
			return true;
	return false;
}

static bool fault(sp_arena *a, const sp_schema *s, yyjson_mut_val *v, size_t depth, sp_str *ret)
{
	static const struct {
		const char *text;
		yyjson_type type;
	} containers[SP_K_COUNT_] = {[SP_K_OBJECT] = {"cannot restore struct from: ", YYJSON_TYPE_OBJ},
				     [SP_K_LIST] = {"cannot restore slice from ", YYJSON_TYPE_ARR},
				     [SP_K_MAP] = {"cannot restore map from ", YYJSON_TYPE_OBJ}};
	if (yyjson_mut_is_null(v) || depth == SP_JSON_BUILD_DEPTH || (s->flags & SP_S_CRD) != 0)
		return false;
	if (go_scalars[s->kind] != NULL)
		return scalar_fault(a, s, v, ret);
	if (s->kind == SP_K_BYTES)
		return bytes_fault(a, v, ret);
	if (s->kind == SP_K_INT_OR_STRING || s->kind == SP_K_TIME || s->kind == SP_K_MICROTIME ||
	    s->kind == SP_K_DURATION || s->kind == SP_K_QUANTITY)
		return self_read_fault(a, s, v, ret);
	if (containers[s->kind].text == NULL)
		return false;
	if (sp_canon_type(v) != containers[s->kind].type) {
		*ret = sp_arena_printf(a, "%s%s", containers[s->kind].text, kind_of(v));
		return true;
	}
	if (s->kind == SP_K_OBJECT)
		return object_fault(a, s, v, depth + 1, ret);
	return elements_fault(a, s->items, v, depth + 1, ret);
}

/* Go's conversion keeps the low bits; a whole number with a point is a number all the same. */
static void fit_scalar(const sp_schema *s, yyjson_mut_val *v)
{
	if (yyjson_mut_is_real(v) && is_whole(v) && (s->kind == SP_K_I32 || s->kind == SP_K_I64))
		(void)yyjson_mut_set_sint(v, (int64_t)yyjson_mut_get_real(v));
	if (yyjson_mut_is_int(v) && s->kind == SP_K_I32)
		(void)yyjson_mut_set_sint(v, (int32_t)(uint32_t)yyjson_mut_get_uint(v));
}

static void fit(const sp_schema *s, yyjson_mut_val *v, size_t depth)
{
	if (depth == SP_JSON_BUILD_DEPTH || (s->flags & SP_S_CRD) != 0)
		return;
	fit_scalar(s, v);
	if (s->kind == SP_K_OBJECT && yyjson_mut_is_obj(v)) {
		for (sp_canon_iter it = sp_canon_members(s); sp_canon_next(&it);) {
			yyjson_mut_val *member = sp_jmut_get(v, it.field->name);
			if (member != NULL)
				fit(it.field->schema, member, depth + 1);
		}
	} else if (s->kind == SP_K_MAP && yyjson_mut_is_obj(v)) {
		for (sp_members m = sp_members_of(v); sp_members_next(&m);)
			fit(s->items, sp_members_value(&m), depth + 1);
	} else if (s->kind == SP_K_LIST && yyjson_mut_is_arr(v)) {
		yyjson_mut_arr_iter it = yyjson_mut_arr_iter_with(v);
		for (yyjson_mut_val *item; (item = yyjson_mut_arr_iter_next(&it)) != NULL;)
			fit(s->items, item, depth + 1);
	}
}

void sp_unstructured_fit(const sp_schema *schema, yyjson_mut_val *object)
{
	fit(schema, object, 0);
}

bool sp_unstructured_fault(sp_arena *a, const sp_schema *schema, yyjson_mut_val *object, sp_str *ret)
{
	return fault(a, schema, object, 0, ret);
}

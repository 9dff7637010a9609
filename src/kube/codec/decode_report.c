/* SPDX-License-Identifier: Apache-2.0 */
/* Errors and complaints of the decoder, in Go's words. */
#include "base/limits.h"
#include "base/quote.h"
#include "kube/codec/decode_int.h"

sp_code sp_decoder_no_room(sp_decoder *d)
{
	return sp_fail(d->err, SP_ETOOLARGE, "the object needs more memory than is allowed here");
}

/* "core/v1.PodSpec" to "v1.PodSpec", or "PodSpec" when only the name is wanted. */
static sp_str go_name(const sp_schema *s, bool package)
{
	ptrdiff_t cut = sp_str_rindex(s->go_type, package ? '/' : '.');
	return sp_str_sub(s->go_type, (size_t)(cut + 1), s->go_type.len);
}

static void write_type(sp_buf *out, const sp_schema *s)
{
	static const char *const names[SP_K_COUNT_] = {
		[SP_K_ANY] = "interface {}",
		[SP_K_STRING] = "string",
		[SP_K_BOOL] = "bool",
		[SP_K_I32] = "int32",
		[SP_K_I64] = "int64",
		[SP_K_F64] = "float64",
		[SP_K_BYTES] = "[]uint8",
		[SP_K_QUANTITY] = "resource.Quantity",
		[SP_K_TIME] = "v1.Time",
		[SP_K_MICROTIME] = "v1.MicroTime",
		[SP_K_DURATION] = "v1.Duration",
		[SP_K_INT_OR_STRING] = "intstr.IntOrString",
		[SP_K_RAW] = "runtime.RawExtension",
		[SP_K_FIELDS_V1] = "v1.FieldsV1",
		[SP_K_JSON] = "v1.JSON",
		[SP_K_PROPS_OR_ARRAY] = "v1.JSONSchemaPropsOrArray",
		[SP_K_PROPS_OR_BOOL] = "v1.JSONSchemaPropsOrBool",
		[SP_K_PROPS_OR_STRINGS] = "v1.JSONSchemaPropsOrStringArray",
	};
	if (s->kind == SP_K_MAP && s->items->kind == SP_K_QUANTITY) {
		sp_buf_str(out, SP_STR("v1.ResourceList"));
		return;
	}
	while (s->go_type.len == 0 && (s->kind == SP_K_LIST || s->kind == SP_K_MAP)) {
		sp_buf_str(out, s->kind == SP_K_LIST ? SP_STR("[]") : SP_STR("map[string]"));
		s = s->items;
	}
	if (s->go_type.len != 0)
		sp_buf_str(out, go_name(s, true));
	else
		sp_buf_str(out, sp_str_c(names[s->kind] != NULL ? names[s->kind] : "struct {}"));
}

/* Fields only, joined by points; keys and indexes do not show. */
static void write_fields(sp_buf *out, const sp_place *at)
{
	if (at == NULL)
		return;
	write_fields(out, at->up);
	if (at->kind != SP_PLACE_FIELD)
		return;
	sp_str parts[] = {at->via[0], at->via[1], at->name};
	for (size_t i = 0; i < SP_LEN(parts); i++) {
		if (parts[i].len == 0)
			continue;
		sp_buf_char(out, '.');
		sp_buf_str(out, parts[i]);
	}
}

static const sp_place *innermost_field(const sp_place *at)
{
	while (at != NULL && at->kind != SP_PLACE_FIELD)
		at = at->up;
	return at;
}

static sp_code mismatch(sp_err *err, const sp_place *at, sp_str what, const sp_schema *want, const char *type)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 16);
	const sp_place *field = innermost_field(at);
	sp_buf_str(&out, SP_STR("json: cannot unmarshal "));
	sp_buf_str(&out, what);
	sp_buf_str(&out, field == NULL ? SP_STR(" into Go value") : SP_STR(" into Go struct field "));
	if (field != NULL) {
		sp_buf_str(&out, go_name(field->owner, false));
		write_fields(&out, field);
	}
	sp_buf_str(&out, SP_STR(" of type "));
	if (want != NULL)
		write_type(&out, want);
	else
		sp_buf_str(&out, sp_str_c(type));
	if (sp_buf_code(&out) != SP_OK)
		return sp_fail(err, SP_EINVAL, "json: cannot unmarshal a value");
	sp_str message = sp_buf_view(&out);
	return sp_fail(err, SP_EINVAL, SP_FMT, SP_ARG(message));
}

void sp_decoder_mismatch(sp_decoder *d, const sp_place *at, sp_str what, const sp_schema *want)
{
	if (d->saved.code == SP_OK)
		(void)mismatch(&d->saved, at, what, want, NULL);
}

sp_code sp_decoder_refuse(sp_decoder *d, const sp_place *at, sp_str what, const char *want)
{
	return mismatch(d->err, at, what, NULL, want);
}

void sp_decoder_save(sp_decoder *d, const sp_err *err)
{
	if (d->saved.code == SP_OK)
		d->saved = *err;
}

sp_str sp_decoder_what(sp_decoder *d, const yyjson_val *v, bool full)
{
	switch (sp_val_type(v)) {
	case YYJSON_TYPE_STR:
		return SP_STR("string");
	case YYJSON_TYPE_BOOL:
		return SP_STR("bool");
	case YYJSON_TYPE_ARR:
		return SP_STR("array");
	case YYJSON_TYPE_OBJ:
		return SP_STR("object");
	case YYJSON_TYPE_RAW:
		if (full) {
			sp_str text = sp_str_sub(sp_val_text(v), 0, SP_ERR_MSG_BYTES);
			text = sp_arena_printf(d->arena, "number " SP_FMT, SP_ARG(text));
			if (text.ptr != NULL)
				return text;
		}
		return SP_STR("number");
	default:
		return SP_STR("null");
	}
}

static void write_path(sp_buf *out, const sp_place *at)
{
	if (at == NULL)
		return;
	write_path(out, at->up);
	if (at->kind == SP_PLACE_INDEX) {
		sp_buf_char(out, '[');
		sp_buf_u64(out, at->index);
		sp_buf_char(out, ']');
		return;
	}
	if (at->up != NULL)
		sp_buf_char(out, '.');
	sp_buf_str(out, at->name);
}

sp_code sp_decoder_complain(sp_decoder *d, sp_complaint what, const sp_place *at, sp_str name)
{
	sp_strict *s = d->strict;
	if (s == NULL || s->n == SP_STRICT_MAX)
		return SP_OK;
	SP_AUTO_BUF path;
	SP_AUTO_BUF text;
	sp_buf_init(&path, SP_LIMIT_REQUEST_BODY_BYTES * 2);
	sp_buf_init(&text, SP_LIMIT_REQUEST_BODY_BYTES * 16);
	write_path(&path, at);
	if (at != NULL)
		sp_buf_char(&path, '.');
	sp_buf_str(&path, name);
	sp_buf_str(&text, what == SP_UNKNOWN_FIELD ? SP_STR("unknown field ") : SP_STR("duplicate field "));
	if (sp_buf_code(&path) != SP_OK || sp_quote_go(&text, sp_buf_view(&path)) != SP_OK)
		return sp_decoder_no_room(d);
	for (size_t i = 0; i < s->n; i++) {
		if (sp_str_eq(s->items[i], sp_buf_view(&text)))
			return SP_OK;
	}
	sp_str kept = sp_arena_try_dup(d->arena, sp_buf_view(&text));
	if (kept.ptr == NULL)
		return sp_decoder_no_room(d);
	s->items[s->n++] = kept;
	return SP_OK;
}

sp_str sp_strict_text(sp_arena *a, const sp_strict *strict)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, SP_LIMIT_REQUEST_BODY_BYTES * 16);
	sp_buf_str(&out, SP_STR("strict decoding error: "));
	for (size_t i = 0; i < strict->n; i++) {
		if (i > 0)
			sp_buf_str(&out, SP_STR(", "));
		sp_buf_str(&out, strict->items[i]);
	}
	return sp_buf_code(&out) == SP_OK ? sp_arena_try_dup(a, sp_buf_view(&out)) : (sp_str){NULL, 0};
}

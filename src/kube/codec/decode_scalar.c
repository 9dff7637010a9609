/* SPDX-License-Identifier: Apache-2.0 */
/* Values without members of their own, and values of any type. */
#include <stdlib.h>

#include "base/base64.h"
#include "base/duration.h"
#include "base/map.h"
#include "base/quantity.h"
#include "base/time.h"
#include "kube/codec/decode_int.h"

static sp_code made(sp_decoder *d, yyjson_mut_val *v, yyjson_mut_val **ret)
{
	*ret = v;
	return v != NULL ? SP_OK : sp_decoder_no_room(d);
}

static sp_code made_text(sp_decoder *d, sp_str s, yyjson_mut_val **ret)
{
	return made(d, s.ptr == NULL ? NULL : yyjson_mut_strn(d->doc, s.ptr, s.len), ret);
}

/* Integers of Go: no fraction, no exponent. False: reported or refused by the caller. */
static bool take_int(const yyjson_val *v, bool wide, int64_t *ret)
{
	return sp_val_type(v) == YYJSON_TYPE_RAW && sp_json_raw_i64(v, ret) &&
	       (wide || (*ret >= INT32_MIN && *ret <= INT32_MAX));
}

static sp_code decode_string(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			     yyjson_mut_val **ret)
{
	if (sp_val_type(v) == YYJSON_TYPE_STR)
		return made_text(d, sp_val_text(v), ret);
	sp_decoder_mismatch(d, at, sp_decoder_what(d, v, false), s);
	return SP_OK;
}

static sp_code decode_bool(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			   yyjson_mut_val **ret)
{
	if (sp_val_type(v) == YYJSON_TYPE_BOOL)
		return made(d, yyjson_mut_bool(d->doc, unsafe_yyjson_is_true(v)), ret);
	sp_decoder_mismatch(d, at, sp_decoder_what(d, v, false), s);
	return SP_OK;
}

static sp_code made_int(sp_decoder *d, int64_t n, yyjson_mut_val **ret)
{
	return made(d, n < 0 ? yyjson_mut_sint(d->doc, n) : yyjson_mut_uint(d->doc, (uint64_t)n), ret);
}

static sp_code decode_int(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			  yyjson_mut_val **ret)
{
	int64_t n;
	if (take_int(v, s->kind == SP_K_I64, &n))
		return made_int(d, n, ret);
	sp_decoder_mismatch(d, at, sp_decoder_what(d, v, true), s);
	return SP_OK;
}

static sp_code decode_float(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			    yyjson_mut_val **ret)
{
	double f;
	if (sp_val_type(v) == YYJSON_TYPE_RAW && sp_json_raw_f64(v, &f))
		return made(d, yyjson_mut_real(d->doc, f), ret);
	sp_decoder_mismatch(d, at, sp_decoder_what(d, v, true), s);
	return SP_OK;
}

/* Go also reads an array of small numbers into bytes. */
static sp_code bytes_of_array(sp_decoder *d, const sp_place *at, yyjson_val *v, sp_buf *out)
{
	static const sp_schema byte = {.kind = SP_K_I32, .go_type = SP_STR_INIT("uint8")};
	yyjson_val *item = unsafe_yyjson_get_first(v);
	for (size_t n = sp_val_count(v), i = 0; i < n; i++, item = unsafe_yyjson_get_next(item)) {
		int64_t b = 0;
		sp_place place = {.up = at, .kind = SP_PLACE_INDEX, .index = i};
		bool fits = sp_val_type(item) == YYJSON_TYPE_NULL ||
			    (take_int(item, false, &b) && b >= 0 && b <= UINT8_MAX);
		if (!fits)
			sp_decoder_mismatch(d, &place, sp_decoder_what(d, item, true), &byte);
		sp_buf_char(out, fits ? (char)(uint8_t)b : 0);
	}
	return sp_buf_code(out) == SP_OK ? SP_OK : sp_decoder_no_room(d);
}

static sp_code decode_bytes(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			    yyjson_mut_val **ret)
{
	SP_AUTO_BUF bytes;
	sp_buf_init(&bytes, (size_t)1 << 26);
	sp_err err = {0};
	size_t n = 0;
	if (sp_val_type(v) == YYJSON_TYPE_ARR) {
		SP_TRY(bytes_of_array(d, at, v, &bytes));
		n = bytes.len;
	} else if (sp_val_type(v) == YYJSON_TYPE_STR) {
		sp_str text = sp_val_text(v);
		char *p = sp_buf_reserve(&bytes, text.len + 4);
		if (p == NULL)
			return sp_decoder_no_room(d);
		if (sp_base64_decode(text, (uint8_t *)p, &n, &err) != SP_OK) {
			sp_decoder_save(d, &err);
			return SP_OK;
		}
	} else {
		sp_decoder_mismatch(d, at, sp_decoder_what(d, v, false), s);
		return SP_OK;
	}
	size_t len = sp_base64_text_len(n);
	char *text = sp_arena_try_alloc(d->arena, len + 1);
	if (text == NULL)
		return sp_decoder_no_room(d);
	if (n != 0)
		sp_base64_encode(text, bytes.ptr, n);
	return made_text(d, (sp_str){text, len}, ret);
}

static sp_code decode_quantity(sp_decoder *d, yyjson_val *v, yyjson_mut_val **ret)
{
	/* Upstream hands the raw text to the parser, whatever it is: only its form can be wrong. */
	yyjson_type type = sp_val_type(v);
	sp_str text = type == YYJSON_TYPE_STR || type == YYJSON_TYPE_RAW ? sp_str_trim(sp_val_text(v))
									 : SP_STR("?");
	SP_TRY(sp_qty_text(d->arena, text, &text, d->err));
	return made_text(d, text, ret);
}

static sp_code decode_time(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			   yyjson_mut_val **ret)
{
	bool micro = s->kind == SP_K_MICROTIME;
	sp_time t = {0};
	if (sp_val_type(v) != YYJSON_TYPE_STR)
		return sp_decoder_refuse(d, at, sp_decoder_what(d, v, false), "string");
	SP_TRY(micro ? sp_time_parse_micro(sp_val_text(v), &t, d->err)
		     : sp_time_parse(sp_val_text(v), &t, d->err));
	if (t.seconds == SP_TIME_ZERO_SECONDS && (t.nanos == 0 || !micro))
		return SP_OK;
	char text[SP_TIME_TEXT_BYTES];
	size_t len = sp_time_print(text, t, micro ? 6 : 0);
	if (len == 0)
		return sp_fail(d->err, SP_EINVAL, "Time.MarshalJSON: year outside of range [0,9999]");
	return made_text(d, sp_arena_try_dup(d->arena, (sp_str){text, len}), ret);
}

static sp_code decode_duration(sp_decoder *d, const sp_place *at, yyjson_val *v, yyjson_mut_val **ret)
{
	int64_t ns = 0;
	if (sp_val_type(v) != YYJSON_TYPE_STR)
		return sp_decoder_refuse(d, at, sp_decoder_what(d, v, false), "string");
	SP_TRY(sp_duration_parse(sp_val_text(v), &ns, d->err));
	return made_text(d, sp_duration_print(d->arena, ns), ret);
}

static sp_code decode_int_or_string(sp_decoder *d, const sp_place *at, yyjson_val *v, yyjson_mut_val **ret)
{
	int64_t n;
	if (sp_val_type(v) == YYJSON_TYPE_STR)
		return made_text(d, sp_val_text(v), ret);
	if (take_int(v, false, &n))
		return made_int(d, n, ret);
	return sp_decoder_refuse(d, at, sp_decoder_what(d, v, true), "int32");
}

sp_code sp_decode_scalar(sp_decoder *d, const sp_schema *s, const sp_place *at, yyjson_val *v,
			 yyjson_mut_val **ret)
{
	switch ((sp_schema_kind)s->kind) {
	case SP_K_STRING:
		return decode_string(d, s, at, v, ret);
	case SP_K_BOOL:
		return decode_bool(d, s, at, v, ret);
	case SP_K_I32:
	case SP_K_I64:
		return decode_int(d, s, at, v, ret);
	case SP_K_F64:
		return decode_float(d, s, at, v, ret);
	case SP_K_BYTES:
		return decode_bytes(d, s, at, v, ret);
	case SP_K_QUANTITY:
		return decode_quantity(d, v, ret);
	case SP_K_TIME:
	case SP_K_MICROTIME:
		return decode_time(d, s, at, v, ret);
	case SP_K_DURATION:
		return decode_duration(d, at, v, ret);
	case SP_K_INT_OR_STRING:
		return decode_int_or_string(d, at, v, ret);
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
		return sp_decode_raw(d, v, ret);
	case SP_K_ANY:
	case SP_K_OBJECT:
	case SP_K_LIST:
	case SP_K_MAP:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_COUNT_:
	default:
		SP_UNREACHABLE();
	}
}

/* A number of interface{}: int64 when its text has no point and fits, else a double. */
static sp_code any_number(sp_decoder *d, const sp_place *at, yyjson_val *v, yyjson_mut_val **ret)
{
	static const sp_schema number = {.kind = SP_K_F64};
	int64_t n;
	double f;
	if (sp_json_raw_i64(v, &n))
		return made_int(d, n, ret);
	if (sp_json_raw_f64(v, &f))
		return made(d, yyjson_mut_real(d->doc, f), ret);
	sp_decoder_mismatch(d, at, sp_decoder_what(d, v, true), &number);
	return made(d, yyjson_mut_null(d->doc), ret);
}

static int by_key(const void *a, const void *b)
{
	const sp_pair *x = a;
	const sp_pair *y = b;
	int c = sp_str_cmp(x->key, y->key);
	return c != 0 ? c : (x->order > y->order) - (x->order < y->order);
}

yyjson_mut_val *sp_decode_sorted(sp_decoder *d, sp_pair *pairs, size_t n)
{
	yyjson_mut_val *object = yyjson_mut_obj(d->doc);
	bool sorted = true;
	for (size_t i = 1; i < n && sorted; i++)
		sorted = sp_str_cmp(pairs[i - 1].key, pairs[i].key) < 0;
	if (!sorted)
		qsort(pairs, n, sizeof *pairs, by_key);
	for (size_t i = 0; i < n && object != NULL; i++) {
		if (i + 1 < n && sp_str_eq(pairs[i].key, pairs[i + 1].key))
			continue; /* the last one counts */
		yyjson_mut_val *key = yyjson_mut_strn(d->doc, pairs[i].key.ptr, pairs[i].key.len);
		if (key == NULL || !yyjson_mut_obj_add(object, key, pairs[i].value))
			return NULL;
	}
	return object;
}

static sp_code any_object(sp_decoder *d, const sp_place *at, yyjson_val *v, yyjson_mut_val **ret)
{
	size_t n = sp_val_count(v);
	sp_pair *pairs = sp_try_new(d->arena, sp_pair, n + 1);
	SP_CLEANUP(sp_map_done) sp_map seen;
	sp_map_init(&seen);
	if (pairs == NULL)
		return sp_decoder_no_room(d);
	yyjson_val *key = unsafe_yyjson_get_first(v);
	for (size_t i = 0; i < n; i++, key = unsafe_yyjson_get_next(key + 1)) {
		pairs[i].key = sp_val_text(key);
		pairs[i].order = i;
		void *old = NULL;
		if (d->strict != NULL && sp_map_put(&seen, pairs[i].key, &pairs[i], &old) != SP_OK)
			return sp_decoder_no_room(d);
		if (old != NULL)
			SP_TRY(sp_decoder_complain(d, SP_DUPLICATE_FIELD, at, pairs[i].key));
		sp_place place = {.up = at, .kind = SP_PLACE_KEY, .name = pairs[i].key};
		SP_TRY(sp_decode_any(d, &place, key + 1, &pairs[i].value));
	}
	return made(d, sp_decode_sorted(d, pairs, n), ret);
}

static sp_code any_array(sp_decoder *d, const sp_place *at, yyjson_val *v, yyjson_mut_val **ret)
{
	yyjson_mut_val *list = yyjson_mut_arr(d->doc);
	if (list == NULL)
		return sp_decoder_no_room(d);
	yyjson_val *item = unsafe_yyjson_get_first(v);
	for (size_t n = sp_val_count(v), i = 0; i < n; i++, item = unsafe_yyjson_get_next(item)) {
		yyjson_mut_val *made_item = NULL;
		sp_place place = {.up = at, .kind = SP_PLACE_INDEX, .index = i};
		SP_TRY(sp_decode_any(d, &place, item, &made_item));
		yyjson_mut_arr_append(list, made_item);
	}
	*ret = list;
	return SP_OK;
}

sp_code sp_decode_any(sp_decoder *d, const sp_place *at, yyjson_val *v, yyjson_mut_val **ret)
{
	switch (sp_val_type(v)) {
	case YYJSON_TYPE_OBJ:
		return any_object(d, at, v, ret);
	case YYJSON_TYPE_ARR:
		return any_array(d, at, v, ret);
	case YYJSON_TYPE_RAW:
		return any_number(d, at, v, ret);
	case YYJSON_TYPE_STR:
		return made_text(d, sp_val_text(v), ret);
	case YYJSON_TYPE_BOOL:
		return made(d, yyjson_mut_bool(d->doc, unsafe_yyjson_is_true(v)), ret);
	default:
		return made(d, yyjson_mut_null(d->doc), ret);
	}
}

/* A number whose text is not what would be written for it stays text. */
static sp_code number_of_text(sp_decoder *d, yyjson_mut_val *v)
{
	sp_str text = {v->uni.str, (size_t)(v->tag >> YYJSON_TAG_BIT)};
	yyjson_val raw = {.tag = v->tag};
	raw.uni.str = v->uni.str;
	int64_t n;
	double f;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 64);
	if (sp_json_raw_i64(&raw, &n)) {
		sp_buf_i64(&out, n);
		if (!sp_str_eq(sp_buf_view(&out), text))
			return SP_OK;
		if (n < 0)
			unsafe_yyjson_set_sint(v, n);
		else
			unsafe_yyjson_set_uint(v, (uint64_t)n);
	} else if (sp_json_raw_f64(&raw, &f)) {
		if (sp_json_write_f64(&out, f) != SP_OK)
			return sp_decoder_no_room(d);
		if (sp_str_eq(sp_buf_view(&out), text))
			unsafe_yyjson_set_real(v, f);
	}
	return SP_OK;
}

sp_code sp_decode_raw(sp_decoder *d, yyjson_val *v, yyjson_mut_val **ret)
{
	yyjson_mut_val *copy = NULL;
	SP_TRY(sp_json_thaw(d->arena, v, &copy, d->err));
	size_t n = sp_val_type(v) >= YYJSON_TYPE_ARR ? v->uni.ofs / sizeof *v : 1;
	for (size_t i = 0; i < n; i++) {
		if (sp_canon_type(&copy[i]) == YYJSON_TYPE_RAW)
			SP_TRY(number_of_text(d, &copy[i]));
	}
	*ret = copy;
	return SP_OK;
}

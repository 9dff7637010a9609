/* SPDX-License-Identifier: Apache-2.0 */
/* Stored JSON to protobuf, in one pass over the parsed text. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/base64.h"
#include "base/duration.h"
#include "base/limits.h"
#include "base/pb.h"
#include "base/time.h"
#include "kube/codec/canon.h"
#include "kube/protobuf.h"

#define SLOTS_MAX 128u

typedef struct encoder {
	sp_buf *out;
	sp_err *err;
	size_t depth;
} encoder;

static sp_code encode_message(encoder *e, const sp_schema *s, const yyjson_val *v);
static sp_code encode_value(encoder *e, const sp_schema *s, uint32_t number, const yyjson_val *v);

static yyjson_type type_of(const yyjson_val *v)
{
	return (yyjson_type)(v->tag & YYJSON_TYPE_MASK);
}

static size_t count_of(const yyjson_val *v)
{
	return (size_t)(v->tag >> YYJSON_TAG_BIT);
}

static sp_str text_of(const yyjson_val *v)
{
	return (sp_str){v->uni.str, count_of(v)};
}

static bool is_none(const yyjson_val *v)
{
	return v == NULL || type_of(v) == YYJSON_TYPE_NULL;
}

static bool is_true(const yyjson_val *v)
{
	return (v->tag & YYJSON_TAG_MASK) == (YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE);
}

/* What follows v, which stands in the array of the parsed text. */
static const yyjson_val *after(const yyjson_val *v)
{
	return type_of(v) >= YYJSON_TYPE_ARR ? v + v->uni.ofs / sizeof *v : v + 1;
}

static sp_code misfit(encoder *e, const sp_schema *s)
{
	return sp_fail(e->err, SP_EINVAL, "a stored value does not fit its field of type %u", s->kind);
}

static sp_code encode_int(encoder *e, const sp_schema *s, uint32_t number, const yyjson_val *v)
{
	int64_t n = 0;
	if (!is_none(v) && (type_of(v) != YYJSON_TYPE_RAW || !sp_json_raw_i64(v, &n)))
		return misfit(e, s);
	sp_pb_uint(e->out, number, (uint64_t)n);
	return SP_OK;
}

static sp_code encode_float(encoder *e, const sp_schema *s, uint32_t number, const yyjson_val *v)
{
	double f = 0;
	uint64_t bits;
	if (!is_none(v) && (type_of(v) != YYJSON_TYPE_RAW || !sp_json_raw_f64(v, &f)))
		return misfit(e, s);
	memcpy(&bits, &f, sizeof bits);
	sp_pb_fixed64(e->out, number, bits);
	return SP_OK;
}

static sp_code encode_bytes(encoder *e, const sp_schema *s, uint32_t number, const yyjson_val *v)
{
	if (is_none(v))
		return SP_OK; /* nil */
	if (type_of(v) != YYJSON_TYPE_STR)
		return misfit(e, s);
	sp_str text = text_of(v);
	size_t opened = sp_pb_open(e->out, number);
	char *p = sp_buf_reserve(e->out, text.len);
	size_t n = 0;
	if (p != NULL && text.len != 0)
		SP_TRY(sp_base64_decode(text, (uint8_t *)p, &n, e->err));
	if (p != NULL)
		sp_buf_added(e->out, n);
	sp_pb_close(e->out, opened);
	return SP_OK;
}

static sp_code encode_time(encoder *e, const sp_schema *s, const yyjson_val *v)
{
	sp_time t = {0};
	if (is_none(v))
		return SP_OK;
	if (type_of(v) != YYJSON_TYPE_STR)
		return misfit(e, s);
	SP_TRY(sp_time_parse(text_of(v), &t, e->err));
	uint32_t nanos = s->kind == SP_K_MICROTIME ? t.nanos / 1000 * 1000 : 0;
	if (t.seconds == SP_TIME_ZERO_SECONDS && nanos == 0)
		return SP_OK;
	sp_pb_uint(e->out, 1, (uint64_t)t.seconds);
	/* Only MicroTime sends what is below a second. */
	sp_pb_uint(e->out, 2, nanos);
	return SP_OK;
}

static sp_code encode_duration(encoder *e, const sp_schema *s, const yyjson_val *v)
{
	int64_t ns = 0;
	if (!is_none(v) && type_of(v) != YYJSON_TYPE_STR)
		return misfit(e, s);
	if (!is_none(v))
		SP_TRY(sp_duration_parse(text_of(v), &ns, e->err));
	sp_pb_uint(e->out, 1, (uint64_t)ns);
	return SP_OK;
}

static sp_code encode_int_or_string(encoder *e, const sp_schema *s, const yyjson_val *v)
{
	bool text = !is_none(v) && type_of(v) == YYJSON_TYPE_STR;
	sp_pb_uint(e->out, 1, text ? 1 : 0);
	SP_TRY(encode_int(e, s, 2, text ? NULL : v));
	sp_pb_bytes(e->out, 3, text ? text_of(v) : SP_STR(""));
	return SP_OK;
}

/*
 * Upstream keeps the bytes of a request here and escapes them for HTML only when it writes JSON. What our
 * text had escaped for that goes back, from `from` on.
 */
static void unescape(sp_buf *out, size_t from)
{
	static const struct {
		char escape[7], text[4];
	} table[] = {{"\\u003c", "<"},
		     {"\\u003e", ">"},
		     {"\\u0026", "&"},
		     {"\\u2028", "\xe2\x80\xa8"},
		     {"\\u2029", "\xe2\x80\xa9"}};
	size_t to = from;
	for (size_t i = from; i < out->len;) {
		size_t n = out->ptr[i] == '\\' ? 2 : 1;
		size_t k = 0;
		while (k < SP_LEN(table) &&
		       (n == 1 || out->len - i < 6 || memcmp(out->ptr + i, table[k].escape, 6) != 0))
			k++;
		sp_str text = k < SP_LEN(table) ? sp_str_c(table[k].text) : (sp_str){out->ptr + i, n};
		memmove(out->ptr + to, text.ptr, text.len);
		to += text.len;
		i += k < SP_LEN(table) ? 6 : n;
	}
	out->len = to;
	out->ptr[to] = '\0';
}

static sp_code encode_raw(encoder *e, const yyjson_val *v)
{
	if (is_none(v))
		return SP_OK;
	size_t opened = sp_pb_open(e->out, 1);
	SP_TRY(sp_json_write(e->out, v));
	if (sp_buf_code(e->out) == SP_OK)
		unescape(e->out, opened);
	sp_pb_close(e->out, opened);
	return SP_OK;
}

static sp_code encode_list(encoder *e, const sp_schema *items, uint32_t number, const yyjson_val *v)
{
	const yyjson_val *item = v + 1;
	for (size_t n = count_of(v); n > 0; n--, item = after(item))
		SP_TRY(encode_value(e, items, number, item));
	return SP_OK;
}

static sp_code encode_props(encoder *e, const sp_schema *s, const yyjson_val *v)
{
	static const sp_schema text = {.kind = SP_K_STRING};
	bool with_bool = s->kind == SP_K_PROPS_OR_BOOL;
	if (with_bool)
		sp_pb_uint(e->out, 1, type_of(v) == YYJSON_TYPE_OBJ || is_true(v) ? 1 : 0);
	if (type_of(v) == YYJSON_TYPE_OBJ)
		return encode_value(e, s->items, with_bool ? 2 : 1, v);
	if (type_of(v) != YYJSON_TYPE_ARR)
		return SP_OK;
	return encode_list(e, s->kind == SP_K_PROPS_OR_STRINGS ? &text : s->items, 2, v);
}

/* The content of a value that is a message. */
static sp_code encode_content(encoder *e, const sp_schema *s, const yyjson_val *v)
{
	switch ((sp_schema_kind)s->kind) {
	case SP_K_QUANTITY:
		if (!is_none(v) && type_of(v) != YYJSON_TYPE_STR)
			return misfit(e, s);
		sp_pb_bytes(e->out, 1, is_none(v) ? SP_STR("0") : text_of(v));
		return SP_OK;
	case SP_K_TIME:
	case SP_K_MICROTIME:
		return encode_time(e, s, v);
	case SP_K_DURATION:
		return encode_duration(e, s, v);
	case SP_K_INT_OR_STRING:
		return encode_int_or_string(e, s, v);
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
		return encode_raw(e, v);
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
		return is_none(v) ? SP_OK : encode_props(e, s, v);
	case SP_K_LIST: /* wrapped */
		if (!is_none(v) && type_of(v) != YYJSON_TYPE_ARR)
			return misfit(e, s);
		return is_none(v) ? SP_OK : encode_list(e, s->items, 1, v);
	case SP_K_OBJECT:
		return encode_message(e, s, v);
	case SP_K_ANY:
	case SP_K_STRING:
	case SP_K_BOOL:
	case SP_K_I32:
	case SP_K_I64:
	case SP_K_F64:
	case SP_K_BYTES:
	case SP_K_MAP:
	case SP_K_COUNT_:
	default:
		return misfit(e, s);
	}
}

/* One value under its tag; NULL and null are the zero value. */
static sp_code encode_value(encoder *e, const sp_schema *s, uint32_t number, const yyjson_val *v)
{
	switch ((sp_schema_kind)s->kind) {
	case SP_K_STRING:
		if (!is_none(v) && type_of(v) != YYJSON_TYPE_STR)
			return misfit(e, s);
		sp_pb_bytes(e->out, number, is_none(v) ? SP_STR("") : text_of(v));
		return SP_OK;
	case SP_K_BOOL:
		sp_pb_uint(e->out, number, !is_none(v) && is_true(v) ? 1 : 0);
		return SP_OK;
	case SP_K_I32:
	case SP_K_I64:
		return encode_int(e, s, number, v);
	case SP_K_F64:
		return encode_float(e, s, number, v);
	case SP_K_BYTES:
		return encode_bytes(e, s, number, v);
	case SP_K_QUANTITY:
	case SP_K_TIME:
	case SP_K_MICROTIME:
	case SP_K_DURATION:
	case SP_K_INT_OR_STRING:
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
	case SP_K_LIST:
	case SP_K_OBJECT:
	case SP_K_ANY:
	case SP_K_MAP:
	case SP_K_COUNT_:
	default:
		break;
	}
	if (e->depth == SP_LIMIT_JSON_DEPTH)
		return sp_fail(e->err, SP_ETOOLARGE, "exceeded max depth");
	size_t opened = sp_pb_open(e->out, number);
	e->depth++;
	SP_TRY(encode_content(e, s, v));
	e->depth--;
	sp_pb_close(e->out, opened);
	return SP_OK;
}

static int by_key(const void *a, const void *b)
{
	return sp_str_cmp(text_of(*(const yyjson_val *const *)a), text_of(*(const yyjson_val *const *)b));
}

static sp_code encode_entry(encoder *e, const sp_schema *items, uint32_t number, const yyjson_val *key)
{
	size_t opened = sp_pb_open(e->out, number);
	sp_pb_bytes(e->out, 1, text_of(key));
	SP_TRY(encode_value(e, items, 2, key + 1));
	sp_pb_close(e->out, opened);
	return SP_OK;
}

/* Keys that are not in order: other than canonical text. */
static sp_code encode_sorted(encoder *e, const sp_schema *items, uint32_t number, const yyjson_val *v)
{
	size_t n = count_of(v);
	const yyjson_val **keys = sp_try_alloc(n * sizeof(void *));
	const yyjson_val *key = v + 1;
	sp_code code = SP_OK;
	if (keys == NULL)
		return sp_fail(e->err, SP_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++, key = after(key + 1))
		keys[i] = key;
	qsort(keys, n, sizeof(void *), by_key);
	for (size_t i = 0; i < n && code == SP_OK; i++)
		code = encode_entry(e, items, number, keys[i]);
	sp_free(keys);
	return code;
}

static sp_code encode_map(encoder *e, const sp_schema *items, uint32_t number, const yyjson_val *v)
{
	const yyjson_val *key = v + 1;
	const yyjson_val *last = NULL;
	for (size_t n = count_of(v); n > 0; n--, key = after(key + 1)) {
		if (last != NULL && sp_str_cmp(text_of(last), text_of(key)) >= 0)
			return encode_sorted(e, items, number, v);
		last = key;
	}
	key = v + 1;
	for (size_t n = count_of(v); n > 0; n--, key = after(key + 1))
		SP_TRY(encode_entry(e, items, number, key));
	return SP_OK;
}

static sp_code encode_field(encoder *e, const sp_field *f, const yyjson_val *v)
{
	const sp_schema *s = f->schema;
	bool nil = s->kind == SP_K_LIST || s->kind == SP_K_MAP || s->kind == SP_K_ANY ||
		   (f->flags & SP_F_POINTER) != 0;
	if (f->number == 0 || (nil && is_none(v)))
		return SP_OK;
	bool wrapped = (s->flags & SP_S_WRAPPED) != 0;
	if (s->kind != SP_K_LIST && s->kind != SP_K_MAP)
		return encode_value(e, s, f->number, v);
	if (type_of(v) != (s->kind == SP_K_LIST ? YYJSON_TYPE_ARR : YYJSON_TYPE_OBJ))
		return misfit(e, s);
	if (s->kind == SP_K_MAP)
		return encode_map(e, s->items, f->number, v);
	return wrapped ? encode_value(e, s, f->number, v) : encode_list(e, s->items, f->number, v);
}

/* The fields of an object whose slots begin at `base`; those of inline ones stand in blocks. */
static sp_code encode_fields(encoder *e, const sp_schema *s, const yyjson_val *const *slots, size_t base)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		const sp_field *f = &s->fields[s->by_number[i]];
		if (!sp_canon_is_inline(f)) {
			SP_TRY(encode_field(e, f, slots[base + s->by_number[i]]));
			continue;
		}
		if (f->number == 0)
			continue;
		size_t opened = sp_pb_open(e->out, f->number);
		SP_TRY(encode_fields(e, f->schema, slots, base + sp_canon_block(s, f)));
		sp_pb_close(e->out, opened);
	}
	return SP_OK;
}

static sp_code encode_message(encoder *e, const sp_schema *s, const yyjson_val *v)
{
	SP_CANON_SCRATCH const yyjson_val *slots[SLOTS_MAX];
	size_t n_slots = sp_canon_slots(s);
	size_t hint = 0;
	SP_ASSERT(n_slots <= SLOTS_MAX);
	memset((void *)slots, 0, n_slots * sizeof(void *));
	if (!is_none(v) && type_of(v) != YYJSON_TYPE_OBJ)
		return misfit(e, s);
	const yyjson_val *key = is_none(v) ? NULL : v + 1;
	for (size_t n = is_none(v) ? 0 : count_of(v); n > 0; n--, key = after(key + 1)) {
		sp_canon_at found;
		if (!sp_canon_find(s, text_of(key), hint, &found))
			continue;
		slots[found.slot] = key + 1;
		hint = found.slot + 1;
	}
	return encode_fields(e, s, slots, 0);
}

bool sp_protobuf_has(const sp_schema *schema)
{
	for (size_t i = 0; i < schema->n_fields; i++) {
		if (schema->fields[i].number != 0)
			return !sp_canon_is_any(schema);
	}
	return false;
}

static sp_code finish(const sp_buf *out, sp_err *err)
{
	sp_code code = sp_buf_code(out);
	return code == SP_OK ? SP_OK
			     : sp_fail(err, code, "the protobuf form needs more room than is allowed");
}

sp_code sp_protobuf_encode_raw(sp_arena *a, sp_buf *out, const sp_schema *schema, sp_str json, sp_err *err)
{
	yyjson_val *root = NULL;
	SP_TRY(sp_json_parse_raw(a, json, &root, err));
	encoder e = {.out = out, .err = err};
	SP_TRY(encode_message(&e, schema, root));
	return finish(out, err);
}

static void put_type_meta(sp_buf *out, sp_str api_version, sp_str kind)
{
	static const char magic[] = "k8s";
	sp_buf_append(out, magic, sizeof magic);
	size_t opened = sp_pb_open(out, 1);
	sp_pb_bytes(out, 1, api_version);
	sp_pb_bytes(out, 2, kind);
	sp_pb_close(out, opened);
}

void sp_protobuf_begin(sp_buf *out, sp_str api_version, sp_str kind, size_t raw_len)
{
	put_type_meta(out, api_version, kind);
	sp_pb_tag(out, 2, SP_PB_LEN);
	sp_pb_varint(out, raw_len);
}

void sp_protobuf_end(sp_buf *out)
{
	sp_pb_bytes(out, 3, SP_STR("")); /* contentEncoding */
	sp_pb_bytes(out, 4, SP_STR("")); /* contentType */
}

sp_code sp_protobuf_encode(sp_arena *a, sp_buf *out, const sp_schema *schema, sp_str json, sp_err *err)
{
	yyjson_val *root = NULL;
	SP_TRY(sp_json_parse_raw(a, json, &root, err));
	encoder e = {.out = out, .err = err};
	put_type_meta(out, sp_json_str(sp_json_last(root, SP_STR("apiVersion"))),
		      sp_json_str(sp_json_last(root, SP_STR("kind"))));
	size_t opened = sp_pb_open(out, 2);
	SP_TRY(encode_message(&e, schema, root));
	sp_pb_close(out, opened);
	sp_protobuf_end(out);
	return finish(out, err);
}

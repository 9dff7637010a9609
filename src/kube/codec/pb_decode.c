/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf to canonical form. */
#include "base/base64.h"
#include "base/duration.h"
#include "base/num.h"
#include "base/pb.h"
#include "base/quantity.h"
#include "base/time.h"
#include "base/utf8.h"
#include "kube/codec/decode_int.h"
#include "kube/protobuf.h"

#define DEPTH_MAX 256u

static const uint8_t magic[] = {'k', '8', 's', 0};

static sp_code wrong_wire(sp_err *err, unsigned wire, sp_str field)
{
	/* Go's field names begin with a capital. */
	char first = field.len != 0 ? field.ptr[0] : '?';
	sp_str rest = sp_str_sub(field, 1, field.len);
	if (first >= 'a' && first <= 'z')
		first = (char)(first - 'a' + 'A');
	return sp_fail(err, SP_EINVAL, "proto: wrong wireType = %u for field %c" SP_FMT, wire, first,
		       SP_ARG(rest));
}

/* Takes the bytes of field `f` of a fixed message. */
static sp_code as_bytes(const sp_pb_field *f, const char *name, sp_str *ret, sp_err *err)
{
	if (f->wire != SP_PB_LEN)
		return wrong_wire(err, f->wire, sp_str_c(name));
	*ret = f->bytes;
	return SP_OK;
}

static sp_code as_int(const sp_pb_field *f, const char *name, int64_t *ret, sp_err *err)
{
	if (f->wire != SP_PB_VARINT)
		return wrong_wire(err, f->wire, sp_str_c(name));
	*ret = (int64_t)f->value;
	return SP_OK;
}

static sp_code open_type_meta(sp_str in, sp_protobuf_envelope *e, sp_err *err)
{
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "TypeMeta", &f, err));
		if (f.number == 1)
			SP_TRY(as_bytes(&f, "APIVersion", &e->api_version, err));
		else if (f.number == 2)
			SP_TRY(as_bytes(&f, "Kind", &e->kind, err));
	}
	return SP_OK;
}

sp_code sp_protobuf_open(sp_str body, sp_protobuf_envelope *ret, sp_err *err)
{
	sp_protobuf_envelope e = {0};
	sp_str in = body;
	sp_str type_meta = {0};
	if (body.len == 0)
		return sp_fail(err, SP_EINVAL, "empty data");
	if (!sp_str_take(&in, (sp_str){(const char *)magic, sizeof magic}))
		return sp_fail(
			err, SP_EINVAL,
			"provided data does not appear to be a protobuf message, expected prefix [107 56 "
			"115 0]");
	if (in.len == 0)
		return sp_fail(err, SP_EINVAL, "empty body");
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "Unknown", &f, err));
		if (f.number == 1) {
			SP_TRY(as_bytes(&f, "TypeMeta", &type_meta, err));
			SP_TRY(open_type_meta(type_meta, &e, err));
		} else if (f.number == 2) {
			SP_TRY(as_bytes(&f, "Raw", &e.raw, err));
		} else if (f.number == 3) {
			SP_TRY(as_bytes(&f, "ContentEncoding", &e.content_encoding, err));
		} else if (f.number == 4) {
			SP_TRY(as_bytes(&f, "ContentType", &e.content_type, err));
		}
	}
	*ret = e;
	return SP_OK;
}

typedef struct reader {
	sp_decoder d;
	size_t depth;
} reader;

static sp_code read_message(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val **slots, size_t base);
static sp_code read_content(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val *old,
			    yyjson_mut_val **ret);

static sp_code made(reader *r, yyjson_mut_val *v, yyjson_mut_val **ret)
{
	*ret = v;
	return v != NULL ? SP_OK : sp_decoder_no_room(&r->d);
}

/* Text as JSON can carry it: each malformed byte of UTF-8 becomes U+FFFD. {NULL, 0}: no room. */
static sp_str mended(reader *r, sp_str s)
{
	if (sp_str_is_utf8(s))
		return s.len != 0 ? s : SP_STR("");
	char *out = s.len > SIZE_MAX / 3 ? NULL : sp_arena_try_alloc(r->d.arena, s.len * 3);
	size_t n = 0;
	for (size_t i = 0; out != NULL && i < s.len;) {
		uint32_t rune;
		i += sp_utf8_decode(sp_str_sub(s, i, s.len), &rune);
		n += sp_utf8_encode(out + n, rune);
	}
	return (sp_str){out, n};
}

static sp_code made_text(reader *r, sp_str s, yyjson_mut_val **ret)
{
	s = mended(r, s);
	return made(r, s.ptr == NULL ? NULL : yyjson_mut_strn(r->d.doc, s.ptr, s.len), ret);
}

static sp_code made_int(reader *r, int64_t n, yyjson_mut_val **ret)
{
	return made(r, n < 0 ? yyjson_mut_sint(r->d.doc, n) : yyjson_mut_uint(r->d.doc, (uint64_t)n), ret);
}

static sp_code read_quantity(reader *r, sp_str in, yyjson_mut_val **ret)
{
	sp_str text = SP_STR("0");
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "Quantity", &f, r->d.err));
		if (f.number != 1)
			continue;
		SP_TRY(as_bytes(&f, "String_", &text, r->d.err));
		SP_TRY(sp_qty_text(r->d.arena, text, &text, r->d.err));
	}
	return made_text(r, text, ret);
}

static sp_code read_time(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val **ret)
{
	int64_t seconds = 0;
	int64_t nanos = 0;
	*ret = NULL;
	if (in.len == 0)
		return SP_OK;
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "Timestamp", &f, r->d.err));
		if (f.number == 1)
			SP_TRY(as_int(&f, "Seconds", &seconds, r->d.err));
		else if (f.number == 2)
			SP_TRY(as_int(&f, "Nanos", &nanos, r->d.err));
	}
	bool micro = s->kind == SP_K_MICROTIME;
	int32_t micros = micro ? (int32_t)(uint32_t)(uint64_t)nanos / 1000 : 0;
	/* time.Unix takes nanoseconds outside of a second. */
	int64_t carry = micros / 1000000 - (micros % 1000000 < 0 ? 1 : 0);
	sp_time t = {.nanos = (uint32_t)(micros - carry * 1000000) * 1000};
	char text[SP_TIME_TEXT_BYTES];
	size_t len = sp_add(seconds, carry, &t.seconds) ? sp_time_print(text, t, micro ? 6 : 0) : 0;
	if (len == 0)
		return sp_fail(r->d.err, SP_EINVAL, "Time.MarshalJSON: year outside of range [0,9999]");
	if (t.seconds == SP_TIME_ZERO_SECONDS && t.nanos == 0)
		return SP_OK;
	sp_str kept = sp_arena_try_dup(r->d.arena, (sp_str){text, len});
	return kept.ptr == NULL ? sp_decoder_no_room(&r->d) : made_text(r, kept, ret);
}

static sp_code read_duration(reader *r, sp_str in, yyjson_mut_val **ret)
{
	int64_t ns = 0;
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "Duration", &f, r->d.err));
		if (f.number == 1)
			SP_TRY(as_int(&f, "Duration", &ns, r->d.err));
	}
	sp_str text = sp_duration_print(r->d.arena, ns);
	return text.ptr == NULL ? sp_decoder_no_room(&r->d) : made_text(r, text, ret);
}

static sp_code read_int_or_string(reader *r, sp_str in, yyjson_mut_val **ret)
{
	int64_t type = 0;
	int64_t number = 0;
	sp_str text = {0};
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "IntOrString", &f, r->d.err));
		if (f.number == 1)
			SP_TRY(as_int(&f, "Type", &type, r->d.err));
		else if (f.number == 2)
			SP_TRY(as_int(&f, "IntVal", &number, r->d.err));
		else if (f.number == 3)
			SP_TRY(as_bytes(&f, "StrVal", &text, r->d.err));
	}
	return type == 1 ? made_text(r, text, ret) : made_int(r, (int32_t)(uint32_t)(uint64_t)number, ret);
}

static sp_code read_raw(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val **ret)
{
	sp_str raw = {0};
	yyjson_val *v = NULL;
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, s->kind == SP_K_RAW ? "RawExtension" : "JSON", &f, r->d.err));
		if (f.number == 1)
			SP_TRY(as_bytes(&f, "Raw", &raw, r->d.err));
	}
	*ret = NULL;
	if (raw.len == 0)
		return SP_OK;
	SP_TRY(sp_json_parse_raw(r->d.arena, raw, &v, r->d.err));
	if (sp_val_type(v) == YYJSON_TYPE_NULL)
		return SP_OK;
	return sp_decode_raw(&r->d, v, ret);
}

static sp_code read_bytes(reader *r, sp_str bytes, yyjson_mut_val **ret)
{
	size_t len = sp_base64_text_len(bytes.len);
	char *text = sp_arena_try_alloc(r->d.arena, len + 1);
	if (text == NULL)
		return sp_decoder_no_room(&r->d);
	if (bytes.len != 0)
		sp_base64_encode(text, bytes.ptr, bytes.len);
	return made_text(r, (sp_str){text, len}, ret);
}

static sp_code append(reader *r, yyjson_mut_val **list, yyjson_mut_val *item)
{
	if (*list == NULL)
		*list = yyjson_mut_arr(r->d.doc);
	return *list != NULL && item != NULL && yyjson_mut_arr_append(*list, item)
		       ? SP_OK
		       : sp_decoder_no_room(&r->d);
}

/* The schema, or the list of schemas or strings, of an apiextensions union. */
static sp_code read_props(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val **ret)
{
	yyjson_mut_val *schema = NULL;
	yyjson_mut_val *list = NULL;
	bool with_bool = s->kind == SP_K_PROPS_OR_BOOL;
	bool strings = s->kind == SP_K_PROPS_OR_STRINGS;
	int64_t allows = 0;
	while (in.len != 0) {
		sp_pb_field f = {0};
		sp_str bytes = {0};
		yyjson_mut_val *item = NULL;
		SP_TRY(sp_pb_next(&in, "JSONSchemaProps", &f, r->d.err));
		if (f.number > 2)
			continue;
		if (f.number == 1 && with_bool) {
			SP_TRY(as_int(&f, "Allows", &allows, r->d.err));
			continue;
		}
		SP_TRY(as_bytes(&f,
				f.number == 1 || with_bool ? "Schema"
				: strings                  ? "Property"
							   : "JSONSchemas",
				&bytes, r->d.err));
		if (f.number == 1 || with_bool) {
			SP_TRY(read_content(r, s->items, bytes, schema, &schema));
			continue;
		}
		SP_TRY(strings ? made_text(r, bytes, &item) : read_content(r, s->items, bytes, NULL, &item));
		SP_TRY(append(r, &list, item));
	}
	*ret = list != NULL ? list : schema;
	return with_bool && schema == NULL ? made(r, yyjson_mut_bool(r->d.doc, allows != 0), ret) : SP_OK;
}

static sp_code read_object(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val *old,
			   yyjson_mut_val **ret)
{
	yyjson_mut_val **slots = sp_try_new(r->d.arena, yyjson_mut_val *, sp_canon_slots(s) + 1);
	if (slots == NULL)
		return sp_decoder_no_room(&r->d);
	if (old != NULL && sp_canon_type(old) == YYJSON_TYPE_OBJ) {
		for (sp_members it = sp_members_of(old); sp_members_next(&it);) {
			sp_canon_at found;
			if (sp_canon_find(s, sp_members_name(&it), 0, &found))
				slots[found.slot] = sp_members_value(&it);
		}
	}
	SP_TRY(read_message(r, s, in, slots, 0));
	return sp_decode_build(&r->d, s, slots, ret);
}

/* A value that is a message. `old` is what came before under the same number: objects merge. */
static sp_code read_content(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val *old,
			    yyjson_mut_val **ret)
{
	sp_code code;
	if (r->depth == DEPTH_MAX)
		return sp_fail(r->d.err, SP_ETOOLARGE, "exceeded max depth");
	r->depth++;
	switch ((sp_schema_kind)s->kind) {
	case SP_K_QUANTITY:
		code = read_quantity(r, in, ret);
		break;
	case SP_K_TIME:
	case SP_K_MICROTIME:
		code = read_time(r, s, in, ret);
		break;
	case SP_K_DURATION:
		code = read_duration(r, in, ret);
		break;
	case SP_K_INT_OR_STRING:
		code = read_int_or_string(r, in, ret);
		break;
	case SP_K_RAW:
	case SP_K_FIELDS_V1:
	case SP_K_JSON:
		code = read_raw(r, s, in, ret);
		break;
	case SP_K_PROPS_OR_ARRAY:
	case SP_K_PROPS_OR_BOOL:
	case SP_K_PROPS_OR_STRINGS:
		code = read_props(r, s, in, ret);
		break;
	case SP_K_OBJECT:
		code = read_object(r, s, in, old, ret);
		break;
	case SP_K_LIST:
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
		SP_UNREACHABLE();
	}
	r->depth--;
	return code;
}

/* A wrapped list's message {items = 1}. */
static sp_code read_wrapped(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val **ret);

static sp_code read_number(reader *r, const sp_schema *s, uint64_t v, yyjson_mut_val **ret)
{
	double f;
	if (s->kind == SP_K_BOOL)
		return made(r, yyjson_mut_bool(r->d.doc, v != 0), ret);
	if (s->kind == SP_K_I32)
		return made_int(r, (int32_t)(uint32_t)v, ret);
	if (s->kind == SP_K_I64)
		return made_int(r, (int64_t)v, ret);
	memcpy(&f, &v, sizeof f);
	if (!__builtin_isfinite(f))
		return sp_fail(r->d.err, SP_EINVAL, "json: unsupported value: not a finite number");
	return made(r, yyjson_mut_real(r->d.doc, f), ret);
}

/* One value that is no plain list or map. */
static sp_code read_value(reader *r, const sp_schema *s, sp_str name, const sp_pb_field *f,
			  yyjson_mut_val *old, yyjson_mut_val **ret)
{
	static const uint8_t wires[SP_K_COUNT_] = {
		[SP_K_STRING] = SP_PB_LEN, [SP_K_BYTES] = SP_PB_LEN, [SP_K_F64] = SP_PB_I64};
	bool number =
		s->kind == SP_K_BOOL || s->kind == SP_K_I32 || s->kind == SP_K_I64 || s->kind == SP_K_F64;
	if (f->wire != (number ? wires[s->kind] : SP_PB_LEN))
		return wrong_wire(r->d.err, f->wire, name);
	if (number)
		return read_number(r, s, f->value, ret);
	if (s->kind == SP_K_STRING)
		return made_text(r, f->bytes, ret);
	if (s->kind == SP_K_BYTES)
		return read_bytes(r, f->bytes, ret);
	if (s->kind == SP_K_LIST)
		return read_wrapped(r, s, f->bytes, ret);
	return read_content(r, s, f->bytes, old, ret);
}

static sp_code read_element(reader *r, const sp_schema *s, sp_str name, const sp_pb_field *f,
			    yyjson_mut_val **ret)
{
	yyjson_mut_val *v = NULL;
	SP_TRY(read_value(r, s, name, f, NULL, &v));
	if (v == NULL)
		SP_TRY(sp_decode_zero(&r->d, s, &v));
	*ret = v;
	return SP_OK;
}

/* Adds to a list; numbers may come packed. */
static sp_code read_repeated(reader *r, const sp_schema *items, sp_str name, const sp_pb_field *f,
			     yyjson_mut_val **list)
{
	yyjson_mut_val *v = NULL;
	bool varint = items->kind == SP_K_BOOL || items->kind == SP_K_I32 || items->kind == SP_K_I64;
	if (!varint || f->wire != SP_PB_LEN) {
		SP_TRY(read_element(r, items, name, f, &v));
		return append(r, list, v);
	}
	for (sp_str in = f->bytes; in.len != 0;) {
		uint64_t n;
		if (!sp_pb_take_varint(&in, &n))
			return sp_fail(r->d.err, SP_EINVAL, "unexpected EOF");
		SP_TRY(read_number(r, items, n, &v));
		SP_TRY(append(r, list, v));
	}
	return SP_OK;
}

static sp_code read_wrapped(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val **ret)
{
	yyjson_mut_val *list = NULL;
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "ExtraValue", &f, r->d.err));
		if (f.number == 1)
			SP_TRY(read_repeated(r, s->items, SP_STR("Items"), &f, &list));
	}
	*ret = list;
	return SP_OK;
}

/* Adds an entry to a map, after those it has; the last one of a name counts. */
static sp_code read_entry(reader *r, const sp_schema *items, sp_str name, const sp_pb_field *entry,
			  yyjson_mut_val **map)
{
	sp_str key = {0};
	yyjson_mut_val *value = NULL;
	if (entry->wire != SP_PB_LEN)
		return wrong_wire(r->d.err, entry->wire, name);
	for (sp_str in = entry->bytes; in.len != 0;) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, "Entry", &f, r->d.err));
		if (f.number == 1)
			SP_TRY(as_bytes(&f, "Key", &key, r->d.err));
		else if (f.number == 2)
			SP_TRY(read_value(r, items, SP_STR("Value"), &f, NULL, &value));
	}
	if (value == NULL)
		SP_TRY(sp_decode_zero(&r->d, items, &value));
	if (*map == NULL)
		*map = yyjson_mut_obj(r->d.doc);
	yyjson_mut_val *k = NULL;
	SP_TRY(made_text(r, key, &k));
	return *map != NULL && k != NULL && yyjson_mut_obj_add(*map, k, value) ? SP_OK
									       : sp_decoder_no_room(&r->d);
}

static sp_code sort_map(reader *r, yyjson_mut_val **map)
{
	size_t n = 0;
	sp_pair *pairs = sp_try_new(r->d.arena, sp_pair, unsafe_yyjson_get_len(*map) + 1);
	if (pairs == NULL)
		return sp_decoder_no_room(&r->d);
	for (sp_members it = sp_members_of(*map); sp_members_next(&it); n++)
		pairs[n] = (sp_pair){sp_members_name(&it), sp_members_value(&it), n};
	return made(r, sp_decode_sorted(&r->d, pairs, n), map);
}

static sp_code read_field(reader *r, const sp_field *field, const sp_pb_field *f, yyjson_mut_val **slot)
{
	const sp_schema *s = field->schema;
	if (s->kind == SP_K_MAP)
		return read_entry(r, s->items, field->name, f, slot);
	if (s->kind == SP_K_LIST && (s->flags & SP_S_WRAPPED) == 0)
		return read_repeated(r, s->items, field->name, f, slot);
	return read_value(r, s, field->name, f, *slot, slot);
}

/* Fields into the slots from `base` on. */
static sp_code read_message(reader *r, const sp_schema *s, sp_str in, yyjson_mut_val **slots, size_t base)
{
	char name[64];
	size_t cut = (size_t)(sp_str_rindex(s->go_type, '.') + 1);
	sp_str go_name = sp_str_sub(s->go_type, cut, SP_MIN(s->go_type.len, cut + sizeof name - 1));
	if (go_name.len != 0)
		memcpy(name, go_name.ptr, go_name.len);
	name[go_name.len] = '\0';
	while (in.len != 0) {
		sp_pb_field f = {0};
		SP_TRY(sp_pb_next(&in, name, &f, r->d.err));
		const sp_field *field = sp_schema_field_by_number(s, f.number);
		if (field == NULL || field->schema->kind == SP_K_ANY)
			continue;
		if (sp_canon_is_inline(field)) {
			if (f.wire != SP_PB_LEN)
				return wrong_wire(r->d.err, f.wire, field->name);
			SP_TRY(read_message(r, field->schema, f.bytes, slots,
					    base + sp_canon_block(s, field)));
		} else
			SP_TRY(read_field(r, field, &f, &slots[base + (size_t)(field - s->fields)]));
	}
	for (size_t i = 0; i < s->n_fields; i++) {
		yyjson_mut_val **slot = &slots[base + i];
		if (s->fields[i].schema->kind == SP_K_MAP && *slot != NULL)
			SP_TRY(sort_map(r, slot));
	}
	return SP_OK;
}

static sp_code put_type_meta(reader *r, const sp_schema *s, sp_str name, sp_str value, yyjson_mut_val **slots)
{
	sp_canon_at found;
	if (value.len == 0 || !sp_canon_find(s, name, 0, &found) || !sp_canon_is_type_meta(found.field))
		return SP_OK;
	sp_str text = sp_arena_try_dup(r->d.arena, value);
	return text.ptr == NULL ? sp_decoder_no_room(&r->d) : made_text(r, text, &slots[found.slot]);
}

sp_code sp_protobuf_decode(sp_arena *a, const sp_schema *schema, sp_str raw, sp_str api_version, sp_str kind,
			   yyjson_mut_doc *doc, yyjson_mut_val **ret, sp_err *err)
{
	reader r = {.d = {.arena = a, .doc = doc, .err = err}};
	yyjson_mut_val **slots = sp_try_new(a, yyjson_mut_val *, sp_canon_slots(schema) + 1);
	/* Texts of the tree point into the message. */
	sp_str copy = sp_arena_try_dup(a, raw);
	if (slots == NULL || (copy.ptr == NULL && raw.len != 0))
		return sp_decoder_no_room(&r.d);
	SP_TRY(read_message(&r, schema, copy, slots, 0));
	SP_TRY(put_type_meta(&r, schema, SP_STR("kind"), kind, slots));
	SP_TRY(put_type_meta(&r, schema, SP_STR("apiVersion"), api_version, slots));
	return sp_decode_build(&r.d, schema, slots, ret);
}

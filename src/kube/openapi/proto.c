/* SPDX-License-Identifier: Apache-2.0 */
/* JSON documents to protobuf, by the tables of proto_v2.c and proto_v3.c. */
#include "base/num.h"
#include "kube/openapi/proto_int.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2 };
#define VARINT_BYTES 10u

static size_t varint(char *out, uint64_t v)
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		out[n++] = (char)(unsigned char)(v | 0x80);
	out[n++] = (char)(unsigned char)v;
	return n;
}

static void put_varint(sp_buf *out, uint64_t v)
{
	char bytes[VARINT_BYTES];
	(void)sp_buf_append(out, bytes, varint(bytes, v));
}

static void put_tag(sp_buf *out, uint8_t number, unsigned wire)
{
	put_varint(out, (uint64_t)number << 3 | wire);
}

/* A message is written where it stands; its length moves it up when it is known. */
static size_t open_message(sp_buf *out, uint8_t number)
{
	put_tag(out, number, WIRE_BYTES);
	return out->len;
}

static void close_message(sp_buf *out, size_t from)
{
	char bytes[VARINT_BYTES];
	if (sp_buf_code(out) != SP_OK)
		return;
	size_t len = out->len - from, n = varint(bytes, len);
	if (sp_buf_reserve(out, n) == NULL)
		return;
	memmove(out->ptr + from + n, out->ptr + from, len);
	memcpy(out->ptr + from, bytes, n);
	sp_buf_added(out, n);
}

static void put_string(sp_buf *out, uint8_t number, sp_str s)
{
	put_tag(out, number, WIRE_BYTES);
	put_varint(out, s.len);
	(void)sp_buf_str(out, s);
}

static void put_bool(sp_buf *out, uint8_t number, bool v)
{
	put_tag(out, number, WIRE_VARINT);
	put_varint(out, v);
}

static void put_double(sp_buf *out, uint8_t number, double d)
{
	uint64_t bits;
	char bytes[8];
	memcpy(&bits, &d, sizeof(bits));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(unsigned char)(bits >> (8 * i));
	put_tag(out, number, WIRE_64);
	(void)sp_buf_append(out, bytes, sizeof(bytes));
}

static void put_any(sp_buf *out, uint8_t number, yyjson_val *v)
{
	size_t any = open_message(out, number), yaml = open_message(out, 2);
	(void)sp_json_write(out, v);
	close_message(out, yaml);
	close_message(out, any);
}

static void put_default(sp_buf *out, uint8_t number, yyjson_val *v)
{
	size_t at = open_message(out, number);
	if (yyjson_is_num(v))
		put_double(out, 1, yyjson_get_num(v));
	else if (yyjson_is_bool(v))
		put_bool(out, 2, yyjson_get_bool(v));
	else if (yyjson_is_str(v))
		put_string(out, 3, sp_json_str(v));
	close_message(out, at);
}

static void put_strings(sp_buf *out, uint8_t number, yyjson_val *v)
{
	if (yyjson_is_str(v))
		put_string(out, number, sp_json_str(v));
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it)) != NULL;)
		put_string(out, number, sp_json_str(item));
}

static void put_message(sp_buf *out, uint8_t number, const pb_message *m, yyjson_val *v);

static void put_field(sp_buf *out, const pb_field *f, yyjson_val *v)
{
	yyjson_arr_iter it = yyjson_arr_iter_with(v);
	yyjson_val *item;
	switch ((pb_kind)f->kind) {
	case PB_STRING:
		put_string(out, f->number, sp_json_str(v));
		break;
	case PB_BOOL:
		put_bool(out, f->number, yyjson_is_true(v));
		break;
	case PB_INT:
		put_tag(out, f->number, WIRE_VARINT);
		put_varint(out, (uint64_t)yyjson_get_sint(v));
		break;
	case PB_DOUBLE:
		put_double(out, f->number, yyjson_get_num(v));
		break;
	case PB_STRINGS:
		put_strings(out, f->number, v);
		break;
	case PB_MESSAGE:
		put_message(out, f->number, f->message, v);
		break;
	case PB_MESSAGES:
		while ((item = yyjson_arr_iter_next(&it)) != NULL)
			put_message(out, f->number, f->message, item);
		break;
	case PB_ANY:
		put_any(out, f->number, v);
		break;
	case PB_ANYS:
		while ((item = yyjson_arr_iter_next(&it)) != NULL)
			put_any(out, f->number, item);
		break;
	case PB_DEFAULT:
		put_default(out, f->number, v);
		break;
	}
}

static const pb_field *find_field(const pb_message *m, sp_str name)
{
	for (size_t i = 0; i < m->n_fields; i++)
		if (sp_str_eq(m->fields[i].json, name))
			return &m->fields[i];
	return NULL;
}

static void put_named(sp_buf *out, uint8_t number, sp_str name, const pb_message *m, yyjson_val *v)
{
	size_t at = open_message(out, number);
	put_string(out, 1, name);
	if (m != NULL)
		put_message(out, 2, m, v);
	else
		put_any(out, 2, v);
	close_message(out, at);
}

static void put_members(sp_buf *out, const pb_message *m, yyjson_val *v)
{
	yyjson_obj_iter it = yyjson_obj_iter_with(v);
	if (m->strings != 0)
		put_strings(out, m->strings, v);
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&it)) != NULL;) {
		sp_str name = sp_json_str(key);
		yyjson_val *val = yyjson_obj_iter_get_val(key);
		const pb_field *f = find_field(m, name);
		if (f != NULL)
			put_field(out, f, val);
		else if (m->extensions != 0 && sp_str_starts(name, SP_STR("x-")))
			put_named(out, m->extensions, name, NULL, val);
		else if (m->map != 0)
			put_named(out, m->map, name, m->map_value, val);
	}
}

/* The depth is that of the document, which its parser limits. */
static void put_message(sp_buf *out, uint8_t number, const pb_message *m, yyjson_val *v)
{
	uint8_t wraps[PB_WRAPS_MAX];
	size_t opened[PB_WRAPS_MAX], n = 0, at = open_message(out, number);
	if (m->boolean != 0 && yyjson_is_bool(v)) {
		put_bool(out, m->boolean, yyjson_get_bool(v));
		close_message(out, at);
		return;
	}
	if (m->choose != NULL)
		n = m->choose(v, &m, wraps);
	for (size_t i = 0; i < n; i++)
		opened[i] = open_message(out, wraps[i]);
	put_members(out, m, v);
	while (n > 0)
		close_message(out, opened[--n]);
	close_message(out, at);
}

static sp_code encode(sp_arena *a, sp_buf *out, sp_str json, const pb_message *m, sp_err *err)
{
	yyjson_val *root = NULL;
	SP_TRY(sp_json_parse(a, json, &root, err));
	if (!yyjson_is_obj(root))
		return sp_fail(err, SP_EINVAL, "an OpenAPI document is an object");
	put_members(out, m, root);
	sp_code code = sp_buf_code(out);
	return code == SP_OK ? SP_OK : sp_fail(err, code, "no room for an OpenAPI document");
}

sp_code sp_openapi_v2_proto(sp_arena *a, sp_buf *out, sp_str json, sp_err *err)
{
	return encode(a, out, json, &pb_v2_document, err);
}

sp_code sp_openapi_v3_proto(sp_arena *a, sp_buf *out, sp_str json, sp_err *err)
{
	return encode(a, out, json, &pb_v3_document, err);
}

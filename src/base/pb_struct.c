/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pb_struct.h"

#include "base/pb.h"

#define DEPTH_MAX 64

static const sp_pb_slot pair_slots[] = {
	SP_PB_SLOT(sp_pb_pair, key, 1, STRING),
	SP_PB_SLOT(sp_pb_pair, value, 2, STRING),
};
const sp_pb_message sp_pb_pair_message = SP_PB_MESSAGE_OF("Entry", sp_pb_pair, pair_slots);

/* Every list of the structs has this shape. */
typedef struct any_list {
	char *at;
	size_t n;
} any_list;

static const struct {
	uint8_t wire, size;
} kinds[] = {
	[SP_PB_KIND_BOOL] = {SP_PB_VARINT, sizeof(bool)},
	[SP_PB_KIND_INT32] = {SP_PB_VARINT, sizeof(int32_t)},
	[SP_PB_KIND_INT64] = {SP_PB_VARINT, sizeof(int64_t)},
	[SP_PB_KIND_UINT32] = {SP_PB_VARINT, sizeof(uint32_t)},
	[SP_PB_KIND_UINT64] = {SP_PB_VARINT, sizeof(uint64_t)},
	[SP_PB_KIND_DOUBLE] = {SP_PB_I64, sizeof(double)},
	[SP_PB_KIND_STRING] = {SP_PB_LEN, sizeof(sp_str)},
	[SP_PB_KIND_BYTES] = {SP_PB_LEN, sizeof(sp_str)},
	[SP_PB_KIND_MESSAGE] = {SP_PB_LEN, sizeof(void *)},
};

static size_t element_size(const sp_pb_slot *s)
{
	return s->kind == SP_PB_KIND_MESSAGE ? s->message->size : kinds[s->kind].size;
}

/* ---- reading ---- */

static sp_code malformed(sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "proto: cannot parse invalid wire-format data");
}

static sp_code no_memory(const sp_pb_message *m, sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory for a %s message", m->name);
}

/* Tables are short and fields come in their order: the next slot is the likely one. */
static const sp_pb_slot *find_slot(const sp_pb_message *m, uint32_t number, size_t *at)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		size_t k = *at + i < m->n_slots ? *at + i : *at + i - m->n_slots;
		if (m->slots[k].number == number) {
			*at = k;
			return &m->slots[k];
		}
	}
	return NULL;
}

static void put_number(uint8_t kind, uint64_t v, void *to)
{
	switch (kind) {
	case SP_PB_KIND_BOOL:
		*(bool *)to = v != 0;
		break;
	case SP_PB_KIND_INT32:
	case SP_PB_KIND_UINT32:
		*(uint32_t *)to = (uint32_t)v;
		break;
	default:
		memcpy(to, &v, sizeof v);
		break;
	}
}

/* Room for one more element, cleared; grown by doubling. */
static void *push(const sp_pb_slot *s, any_list *list, sp_arena *a)
{
	size_t size = element_size(s), n = list->n;
	if ((n & (n - 1)) == 0) {
		size_t room = n == 0 ? 1 : 2 * n;
		if (room > SIZE_MAX / size)
			return NULL;
		char *at = sp_arena_try_grow(a, list->at, n * size, room * size);
		if (at == NULL)
			return NULL;
		list->at = at;
	}
	void *to = list->at + n * size;
	memset(to, 0, size);
	list->n++;
	return to;
}

static sp_code decode(const sp_pb_message *m, sp_str in, sp_arena *a, void *ret, int depth, sp_err *err);

static sp_code put_message(const sp_pb_slot *s, sp_str bytes, sp_arena *a, void *to, int depth, sp_err *err)
{
	if (s->is_list)
		return decode(s->message, bytes, a, to, depth, err);
	void **at = to;
	if (*at == NULL) {
		void *made = sp_arena_try_alloc(a, s->message->size);
		if (made == NULL)
			return no_memory(s->message, err);
		memset(made, 0, s->message->size);
		*at = made;
	}
	return decode(s->message, bytes, a, *at, depth, err);
}

static sp_code put_packed(const sp_pb_message *m, const sp_pb_slot *s, sp_str bytes, sp_arena *a,
			  any_list *list, sp_err *err)
{
	while (bytes.len > 0) {
		uint64_t v = 0;
		if (s->kind == SP_PB_KIND_DOUBLE) {
			if (bytes.len < sizeof v)
				return malformed(err);
			memcpy(&v, bytes.ptr, sizeof v);
			bytes = sp_str_sub(bytes, sizeof v, bytes.len);
		} else if (!sp_pb_take_varint(&bytes, &v)) {
			return malformed(err);
		}
		void *to = push(s, list, a);
		if (to == NULL)
			return no_memory(m, err);
		put_number(s->kind, v, to);
	}
	return SP_OK;
}

static sp_code put_field(const sp_pb_message *m, const sp_pb_slot *s, const sp_pb_field *f, sp_arena *a,
			 void *ret, int depth, sp_err *err)
{
	uint8_t wire = kinds[s->kind].wire;
	void *to = (char *)ret + s->offset;
	if (s->is_list && wire != SP_PB_LEN && f->wire == SP_PB_LEN)
		return put_packed(m, s, f->bytes, a, to, err);
	if (f->wire != wire)
		return SP_OK; /* as an unknown field */
	if (s->is_list && (to = push(s, to, a)) == NULL)
		return no_memory(m, err);
	if (s->kind == SP_PB_KIND_MESSAGE)
		return put_message(s, f->bytes, a, to, depth + 1, err);
	if (s->kind == SP_PB_KIND_STRING && !sp_str_is_utf8(f->bytes))
		return sp_fail(err, SP_EINVAL, "string field contains invalid UTF-8");
	if (wire == SP_PB_LEN)
		*(sp_str *)to = f->bytes;
	else
		put_number(s->kind, f->value, to);
	return SP_OK;
}

static sp_code decode(const sp_pb_message *m, sp_str in, sp_arena *a, void *ret, int depth, sp_err *err)
{
	size_t at = 0;
	if (depth > DEPTH_MAX)
		return malformed(err);
	while (in.len > 0) {
		sp_pb_field f = {0};
		if (sp_pb_next(&in, m->name, &f, NULL) != SP_OK)
			return malformed(err);
		const sp_pb_slot *s = find_slot(m, f.number, &at);
		if (s != NULL)
			SP_TRY(put_field(m, s, &f, a, ret, depth, err));
	}
	return SP_OK;
}

sp_code sp_pb_decode(const sp_pb_message *m, sp_str bytes, sp_arena *a, void *ret, sp_err *err)
{
	memset(ret, 0, m->size);
	return decode(m, bytes, a, ret, 0, err);
}

/* ---- writing ---- */

static uint64_t number_of(uint8_t kind, const void *from)
{
	uint64_t v = 0;
	switch (kind) {
	case SP_PB_KIND_BOOL:
		return *(const bool *)from;
	case SP_PB_KIND_INT32:
		return (uint64_t)(int64_t) * (const int32_t *)from;
	case SP_PB_KIND_UINT32:
		return *(const uint32_t *)from;
	default:
		memcpy(&v, from, sizeof v);
		return v;
	}
}

static void put_one(const sp_pb_slot *s, const void *from, bool always, sp_buf *out)
{
	if (s->kind == SP_PB_KIND_MESSAGE) {
		const void *message = s->is_list ? from : *(void *const *)from;
		if (message == NULL)
			return;
		size_t opened = sp_pb_open(out, s->number);
		sp_pb_encode(s->message, message, out);
		sp_pb_close(out, opened);
	} else if (kinds[s->kind].wire == SP_PB_LEN) {
		const sp_str *text = from;
		if (text->len > 0 || always)
			sp_pb_bytes(out, s->number, *text);
	} else {
		uint64_t v = number_of(s->kind, from);
		if (v == 0)
			return;
		if (s->kind == SP_PB_KIND_DOUBLE)
			sp_pb_fixed64(out, s->number, v);
		else
			sp_pb_uint(out, s->number, v);
	}
}

static void put_list(const sp_pb_slot *s, const any_list *list, sp_buf *out)
{
	size_t size = element_size(s);
	bool packed = kinds[s->kind].wire != SP_PB_LEN;
	if (list->n == 0)
		return;
	size_t opened = packed ? sp_pb_open(out, s->number) : 0;
	for (size_t i = 0; i < list->n; i++) {
		const char *from = list->at + i * size;
		if (!packed)
			put_one(s, from, true, out);
		else if (s->kind == SP_PB_KIND_DOUBLE)
			(void)sp_buf_append(out, from, sizeof(double)); /* sticky */
		else
			sp_pb_varint(out, number_of(s->kind, from));
	}
	if (packed)
		sp_pb_close(out, opened);
}

void sp_pb_encode(const sp_pb_message *m, const void *from, sp_buf *out)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		const sp_pb_slot *s = &m->slots[i];
		const void *field = (const char *)from + s->offset;
		if (s->is_list)
			put_list(s, field, out);
		else
			put_one(s, field, false, out);
	}
}

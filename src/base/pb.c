/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pb.h"

#define VARINT_BYTES_MAX 10

static sp_code cut_off(sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "unexpected EOF");
}

/* Bits above the 64th are refused, as google.golang.org/protobuf does; Kubernetes' generated code drops them.
 */
static sp_code take_varint(sp_str *in, uint64_t *ret, sp_err *err)
{
	uint64_t v = 0;
	for (size_t i = 0; i < VARINT_BYTES_MAX; i++) {
		if (i == in->len)
			return cut_off(err);
		uint8_t b = (uint8_t)in->ptr[i];
		if (i == VARINT_BYTES_MAX - 1 && b > 1)
			break;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80) {
			*in = (sp_str){in->ptr + i + 1, in->len - i - 1};
			*ret = v;
			return SP_OK;
		}
	}
	return sp_fail(err, SP_EINVAL, "proto: integer overflow");
}

bool sp_pb_take_varint(sp_str *in, uint64_t *ret)
{
	return take_varint(in, ret, NULL) == SP_OK;
}

static sp_code take_fixed(sp_str *in, size_t n, uint64_t *ret, sp_err *err)
{
	uint64_t v = 0;
	if (in->len < n)
		return cut_off(err);
	for (size_t i = n; i > 0; i--)
		v = v << 8 | (uint8_t)in->ptr[i - 1];
	*in = (sp_str){in->ptr + n, in->len - n};
	*ret = v;
	return SP_OK;
}

static sp_code take_value(sp_str *in, sp_pb_field *f, sp_err *err)
{
	uint64_t n = 0;
	switch (f->wire) {
	case SP_PB_VARINT:
		return take_varint(in, &f->value, err);
	case SP_PB_I64:
		return take_fixed(in, 8, &f->value, err);
	case SP_PB_I32:
		return take_fixed(in, 4, &f->value, err);
	case SP_PB_LEN:
		SP_TRY(take_varint(in, &n, err));
		if (n > INT64_MAX)
			return sp_fail(err, SP_EINVAL, "proto: negative length found during unmarshaling");
		if (n > in->len)
			return cut_off(err);
		f->bytes = (sp_str){in->ptr, (size_t)n};
		*in = (sp_str){in->ptr + n, in->len - (size_t)n};
		return SP_OK;
	default:
		return sp_fail(err, SP_EINVAL, "proto: illegal wireType %u", f->wire);
	}
}

/* The rest of a group whose start was taken. */
static sp_code skip_group(sp_str *in, sp_err *err)
{
	for (size_t depth = 1; depth > 0;) {
		uint64_t tag = 0;
		SP_TRY(take_varint(in, &tag, err));
		sp_pb_field f = {.wire = (uint8_t)(tag & 7)};
		if (f.wire == SP_PB_GROUP)
			depth++;
		else if (f.wire == SP_PB_GROUP_END)
			depth--;
		else
			SP_TRY(take_value(in, &f, err));
	}
	return SP_OK;
}

sp_code sp_pb_next(sp_str *in, const char *message, sp_pb_field *ret, sp_err *err)
{
	uint64_t tag = 0;
	SP_TRY(take_varint(in, &tag, err));
	int32_t number = (int32_t)(uint32_t)(tag >> 3);
	sp_pb_field f = {.number = (uint32_t)number, .wire = (uint8_t)(tag & 7)};
	if (f.wire == SP_PB_GROUP_END)
		return sp_fail(err, SP_EINVAL, "proto: %s: wiretype end group for non-group", message);
	if (number <= 0)
		return sp_fail(err, SP_EINVAL, "proto: %s: illegal tag %d (wire type %llu)", message, number,
			       (unsigned long long)tag);
	if (f.wire == SP_PB_GROUP)
		SP_TRY(skip_group(in, err));
	else
		SP_TRY(take_value(in, &f, err));
	*ret = f;
	return SP_OK;
}

static size_t put_varint(char *p, uint64_t v)
{
	size_t n = 0;
	for (; v >= 0x80; v >>= 7)
		p[n++] = (char)(uint8_t)(v | 0x80);
	p[n++] = (char)(uint8_t)v;
	return n;
}

static size_t put_tag(char *p, uint32_t number, sp_pb_wire wire)
{
	return put_varint(p, (uint64_t)number << 3 | (uint64_t)wire);
}

void sp_pb_varint(sp_buf *out, uint64_t v)
{
	char bytes[VARINT_BYTES_MAX];
	sp_buf_append(out, bytes, put_varint(bytes, v));
}

void sp_pb_tag(sp_buf *out, uint32_t number, sp_pb_wire wire)
{
	char bytes[VARINT_BYTES_MAX];
	sp_buf_append(out, bytes, put_tag(bytes, number, wire));
}

void sp_pb_uint(sp_buf *out, uint32_t number, uint64_t v)
{
	char bytes[VARINT_BYTES_MAX * 2];
	size_t n = put_tag(bytes, number, SP_PB_VARINT);
	n += put_varint(bytes + n, v);
	sp_buf_append(out, bytes, n);
}

void sp_pb_fixed64(sp_buf *out, uint32_t number, uint64_t v)
{
	char bytes[8];
	for (size_t i = 0; i < sizeof bytes; i++, v >>= 8)
		bytes[i] = (char)(uint8_t)v;
	sp_pb_tag(out, number, SP_PB_I64);
	sp_buf_append(out, bytes, sizeof bytes);
}

void sp_pb_bytes(sp_buf *out, uint32_t number, sp_str s)
{
	char bytes[VARINT_BYTES_MAX * 2];
	size_t n = put_tag(bytes, number, SP_PB_LEN);
	n += put_varint(bytes + n, s.len);
	sp_buf_append(out, bytes, n);
	sp_buf_str(out, s);
}

size_t sp_pb_open(sp_buf *out, uint32_t number)
{
	char bytes[VARINT_BYTES_MAX + 1];
	size_t n = put_tag(bytes, number, SP_PB_LEN);
	bytes[n++] = 0;
	sp_buf_append(out, bytes, n);
	return out->len;
}

void sp_pb_close(sp_buf *out, size_t opened)
{
	if (sp_buf_code(out) != SP_OK)
		return;
	size_t n = out->len - opened;
	size_t more = 0;
	for (size_t v = n; v >= 0x80; v >>= 7)
		more++;
	if (more > 0) {
		if (sp_buf_reserve(out, more) == NULL)
			return;
		sp_buf_added(out, more);
		memmove(out->ptr + opened + more, out->ptr + opened, n);
	}
	char *p = out->ptr + opened - 1;
	for (; n >= 0x80; n >>= 7)
		*p++ = (char)(uint8_t)(n | 0x80);
	*p = (char)(uint8_t)n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ttrpc/message.h"

enum { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };

typedef struct field {
	uint32_t number;
	uint8_t wire;
	uint64_t value; /* varint */
	sp_str bytes;   /* WIRE_LEN */
} field;

/* ---- reading ---- */

static bool take_varint(sp_str *in, uint64_t *ret)
{
	uint64_t v = 0;
	for (size_t i = 0; i < in->len && i < 10; i++) {
		uint8_t b = (uint8_t)in->ptr[i];
		if (i == 9 && b > 1)
			return false;
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if ((b & 0x80) == 0) {
			*in = sp_str_sub(*in, i + 1, in->len);
			*ret = v;
			return true;
		}
	}
	return false;
}

static bool take_bytes(sp_str *in, uint64_t n, sp_str *ret)
{
	if (n > in->len)
		return false;
	*ret = (sp_str){in->ptr, (size_t)n};
	*in = sp_str_sub(*in, (size_t)n, in->len);
	return true;
}

/* The next field; groups and reserved wire types are malformed here. */
static bool take_field(sp_str *in, field *ret)
{
	uint64_t tag = 0, n = 0;
	sp_str skipped;
	if (!take_varint(in, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
		return false;
	*ret = (field){.number = (uint32_t)(tag >> 3), .wire = (uint8_t)(tag & 7)};
	switch (ret->wire) {
	case WIRE_VARINT:
		return take_varint(in, &ret->value);
	case WIRE_LEN:
		return take_varint(in, &n) && take_bytes(in, n, &ret->bytes);
	case WIRE_I64:
		return take_bytes(in, 8, &skipped);
	case WIRE_I32:
		return take_bytes(in, 4, &skipped);
	default:
		return false;
	}
}

static sp_code malformed(sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "proto: cannot parse invalid wire-format data");
}

static sp_code as_text(const field *f, sp_str *ret, sp_err *err)
{
	if (f->wire != WIRE_LEN)
		return malformed(err);
	if (!sp_str_is_utf8(f->bytes))
		return sp_fail(err, SP_EINVAL, "string field contains invalid UTF-8");
	*ret = f->bytes;
	return SP_OK;
}

static sp_code decode_pair(sp_str bytes, sp_ttrpc_metadata *ret, sp_err *err)
{
	*ret = (sp_ttrpc_metadata){0};
	field f;
	while (bytes.len > 0) {
		if (!take_field(&bytes, &f))
			return malformed(err);
		if (f.number == 1)
			SP_TRY(as_text(&f, &ret->key, err));
		else if (f.number == 2)
			SP_TRY(as_text(&f, &ret->value, err));
	}
	return SP_OK;
}

sp_code sp_ttrpc_request_decode(sp_str bytes, sp_ttrpc_request *ret, sp_err *err)
{
	sp_ttrpc_request r = {.raw = bytes};
	size_t n_pairs = 0;
	field f;
	while (bytes.len > 0) {
		if (!take_field(&bytes, &f))
			return malformed(err);
		if (f.number == 1) {
			SP_TRY(as_text(&f, &r.service, err));
		} else if (f.number == 2) {
			SP_TRY(as_text(&f, &r.method, err));
		} else if (f.number == 3 && f.wire == WIRE_LEN) {
			r.payload = f.bytes;
		} else if (f.number == 4 && f.wire == WIRE_VARINT) {
			r.timeout_ns = (int64_t)f.value;
		} else if (f.number == 5 && f.wire == WIRE_LEN) {
			sp_ttrpc_metadata pair;
			if (++n_pairs > SP_TTRPC_METADATA_MAX)
				return sp_fail(err, SP_EINVAL, "more than %u metadata entries",
					       SP_TTRPC_METADATA_MAX);
			SP_TRY(decode_pair(f.bytes, &pair, err));
		} else if (f.number <= 5) {
			return malformed(err);
		}
	}
	*ret = r;
	return SP_OK;
}

bool sp_ttrpc_metadata_next(const sp_ttrpc_request *r, size_t *i, sp_ttrpc_metadata *ret)
{
	sp_str rest = sp_str_sub(r->raw, *i, r->raw.len);
	field f;
	while (rest.len > 0 && take_field(&rest, &f)) {
		if (f.number != 5 || f.wire != WIRE_LEN)
			continue;
		*i = r->raw.len - rest.len;
		return decode_pair(f.bytes, ret, NULL) == SP_OK;
	}
	*i = r->raw.len;
	return false;
}

sp_str sp_ttrpc_metadata_get(const sp_ttrpc_request *r, sp_str key)
{
	sp_ttrpc_metadata pair;
	for (size_t i = 0; sp_ttrpc_metadata_next(r, &i, &pair);) {
		if (sp_str_eq_nocase(pair.key, key))
			return pair.value;
	}
	return (sp_str){NULL, 0};
}

static sp_code decode_status(sp_str bytes, sp_ttrpc_status *ret, sp_err *err)
{
	*ret = (sp_ttrpc_status){0};
	field f;
	while (bytes.len > 0) {
		sp_str from = bytes;
		if (!take_field(&bytes, &f))
			return malformed(err);
		if (f.number == 1 && f.wire == WIRE_VARINT) {
			ret->code = (int32_t)(uint32_t)f.value;
		} else if (f.number == 2) {
			SP_TRY(as_text(&f, &ret->message, err));
		} else if (f.number == 3 && f.wire == WIRE_LEN) {
			/* They stand together in every encoder; a later separate one replaces. */
			size_t n = from.len - bytes.len;
			bool joins = ret->details.len > 0 && ret->details.ptr + ret->details.len == from.ptr;
			ret->details = joins ? (sp_str){ret->details.ptr, ret->details.len + n}
					     : (sp_str){from.ptr, n};
		} else if (f.number <= 3) {
			return malformed(err);
		}
	}
	return SP_OK;
}

sp_code sp_ttrpc_response_decode(sp_str bytes, sp_ttrpc_response *ret, sp_err *err)
{
	sp_ttrpc_response r = {0};
	field f;
	while (bytes.len > 0) {
		if (!take_field(&bytes, &f))
			return malformed(err);
		if (f.number == 1 && f.wire == WIRE_LEN)
			SP_TRY(decode_status(f.bytes, &r.status, err));
		else if (f.number == 2 && f.wire == WIRE_LEN)
			r.payload = f.bytes;
		else if (f.number <= 2)
			return malformed(err);
	}
	*ret = r;
	return SP_OK;
}

/* ---- writing ---- */

static size_t varint_len(uint64_t v)
{
	size_t n = 1;
	while (v >= 0x80) {
		v >>= 7;
		n++;
	}
	return n;
}

static void put_varint(sp_buf *out, uint64_t v)
{
	char bytes[10];
	size_t n = 0;
	while (v >= 0x80) {
		bytes[n++] = (char)(uint8_t)(v | 0x80);
		v >>= 7;
	}
	bytes[n++] = (char)v;
	sp_buf_append(out, bytes, n);
}

static void put_tag(sp_buf *out, uint32_t number, uint8_t wire)
{
	put_varint(out, (uint64_t)number << 3 | wire);
}

static size_t len_size(sp_str s)
{
	return 1 + varint_len(s.len) + s.len;
}

static void put_len(sp_buf *out, uint32_t number, sp_str s)
{
	put_tag(out, number, WIRE_LEN);
	put_varint(out, s.len);
	sp_buf_str(out, s);
}

static void put_text(sp_buf *out, uint32_t number, sp_str s)
{
	if (s.len > 0)
		put_len(out, number, s);
}

sp_code sp_ttrpc_request_encode(sp_buf *out, sp_str service, sp_str method, sp_str payload,
				int64_t timeout_ns, const sp_ttrpc_metadata *metadata, size_t n_metadata)
{
	put_text(out, 1, service);
	put_text(out, 2, method);
	put_text(out, 3, payload);
	if (timeout_ns != 0) {
		put_tag(out, 4, WIRE_VARINT);
		put_varint(out, (uint64_t)timeout_ns);
	}
	for (size_t i = 0; i < n_metadata; i++) {
		const sp_ttrpc_metadata *m = &metadata[i];
		put_tag(out, 5, WIRE_LEN);
		put_varint(out, (m->key.len > 0 ? len_size(m->key) : 0) +
					(m->value.len > 0 ? len_size(m->value) : 0));
		put_text(out, 1, m->key);
		put_text(out, 2, m->value);
	}
	return sp_buf_code(out);
}

static size_t status_size(const sp_ttrpc_status *s)
{
	/* a negative code is ten bytes long, as protobuf's int32 is */
	size_t n = s->code != 0 ? 1 + varint_len((uint64_t)(int64_t)s->code) : 0;
	return n + (s->message.len > 0 ? len_size(s->message) : 0) + s->details.len;
}

sp_code sp_ttrpc_response_encode(sp_buf *out, const sp_ttrpc_status *status, sp_str payload)
{
	if (status != NULL && status->code != SP_RPC_OK) {
		put_tag(out, 1, WIRE_LEN);
		put_varint(out, status_size(status));
		put_tag(out, 1, WIRE_VARINT);
		put_varint(out, (uint64_t)(int64_t)status->code);
		put_text(out, 2, status->message);
		sp_buf_str(out, status->details);
	}
	put_text(out, 2, payload);
	return sp_buf_code(out);
}

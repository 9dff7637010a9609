/* SPDX-License-Identifier: Apache-2.0 */
#include "io/ttrpc/message.h"

#include "base/pb.h"

/* ---- reading ---- */

/* The next field; groups are malformed here. */
static bool take_field(sp_str *in, sp_pb_field *ret)
{
	return sp_pb_next(in, "message", ret, NULL) == SP_OK && ret->wire != SP_PB_GROUP;
}

static sp_code malformed(sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "proto: cannot parse invalid wire-format data");
}

static sp_code as_text(const sp_pb_field *f, sp_str *ret, sp_err *err)
{
	if (f->wire != SP_PB_LEN)
		return malformed(err);
	if (!sp_str_is_utf8(f->bytes))
		return sp_fail(err, SP_EINVAL, "string field contains invalid UTF-8");
	*ret = f->bytes;
	return SP_OK;
}

static sp_code decode_pair(sp_str bytes, sp_ttrpc_metadata *ret, sp_err *err)
{
	*ret = (sp_ttrpc_metadata){0};
	sp_pb_field f = {0};
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
	sp_pb_field f = {0};
	while (bytes.len > 0) {
		if (!take_field(&bytes, &f))
			return malformed(err);
		if (f.number == 1) {
			SP_TRY(as_text(&f, &r.service, err));
		} else if (f.number == 2) {
			SP_TRY(as_text(&f, &r.method, err));
		} else if (f.number == 3 && f.wire == SP_PB_LEN) {
			r.payload = f.bytes;
		} else if (f.number == 4 && f.wire == SP_PB_VARINT) {
			r.timeout_ns = (int64_t)f.value;
		} else if (f.number == 5 && f.wire == SP_PB_LEN) {
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
	sp_pb_field f = {0};
	while (rest.len > 0 && take_field(&rest, &f)) {
		if (f.number != 5 || f.wire != SP_PB_LEN)
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
	sp_pb_field f = {0};
	while (bytes.len > 0) {
		sp_str from = bytes;
		if (!take_field(&bytes, &f))
			return malformed(err);
		if (f.number == 1 && f.wire == SP_PB_VARINT) {
			ret->code = (int32_t)(uint32_t)f.value;
		} else if (f.number == 2) {
			SP_TRY(as_text(&f, &ret->message, err));
		} else if (f.number == 3 && f.wire == SP_PB_LEN) {
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
	sp_pb_field f = {0};
	while (bytes.len > 0) {
		if (!take_field(&bytes, &f))
			return malformed(err);
		if (f.number == 1 && f.wire == SP_PB_LEN)
			SP_TRY(decode_status(f.bytes, &r.status, err));
		else if (f.number == 2 && f.wire == SP_PB_LEN)
			r.payload = f.bytes;
		else if (f.number <= 2)
			return malformed(err);
	}
	*ret = r;
	return SP_OK;
}

/* ---- writing ---- */

static void put_text(sp_buf *out, uint32_t number, sp_str s)
{
	if (s.len > 0)
		sp_pb_bytes(out, number, s);
}

sp_code sp_ttrpc_request_encode(sp_buf *out, sp_str service, sp_str method, sp_str payload,
				int64_t timeout_ns, const sp_ttrpc_metadata *metadata, size_t n_metadata)
{
	put_text(out, 1, service);
	put_text(out, 2, method);
	put_text(out, 3, payload);
	if (timeout_ns != 0)
		sp_pb_uint(out, 4, (uint64_t)timeout_ns);
	for (size_t i = 0; i < n_metadata; i++) {
		const sp_ttrpc_metadata *m = &metadata[i];
		size_t opened = sp_pb_open(out, 5);
		put_text(out, 1, m->key);
		put_text(out, 2, m->value);
		sp_pb_close(out, opened);
	}
	return sp_buf_code(out);
}

sp_code sp_ttrpc_response_encode(sp_buf *out, const sp_ttrpc_status *status, sp_str payload)
{
	if (status != NULL && status->code != SP_RPC_OK) {
		size_t opened = sp_pb_open(out, 1);
		/* A negative code is ten bytes long, as protobuf's int32 is. */
		sp_pb_uint(out, 1, (uint64_t)(int64_t)status->code);
		put_text(out, 2, status->message);
		sp_buf_str(out, status->details);
		sp_pb_close(out, opened);
	}
	put_text(out, 2, payload);
	return sp_buf_code(out);
}

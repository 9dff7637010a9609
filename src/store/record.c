/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include "base/limits.h"
#include "base/num.h"

enum { FORMAT = 1, FIXED_BYTES = 28, PAIR_BYTES = 4, INDEXED_MAX = 254 };

static sp_code check_pairs(const sp_record_pair *pairs, size_t n, size_t n_max, const char *what,
			   size_t *bytes, sp_err *err)
{
	if (n > n_max)
		return sp_fail(err, SP_EINVAL, "record has %zu %s, at most %zu fit", n, what, n_max);
	for (size_t i = 0; i < n; i++) {
		if (pairs[i].key.len > UINT16_MAX || pairs[i].value.len > UINT16_MAX)
			return sp_fail(err, SP_EINVAL, "one of the record's %s is longer than 65535 bytes",
				       what);
		*bytes += PAIR_BYTES + pairs[i].key.len + pairs[i].value.len; /* at most 2^16 * 2^18 */
	}
	return SP_OK;
}

static sp_code check_info(const sp_record_info *info, sp_str object, size_t *header_bytes, sp_err *err)
{
	if (info->group.len > UINT8_MAX || info->version.len > UINT8_MAX || info->kind.len > UINT8_MAX)
		return sp_fail(err, SP_EINVAL, "group, version or kind is longer than 255 bytes");
	if (object.len > SP_LIMIT_STORED_VALUE_BYTES)
		return sp_fail(err, SP_ETOOLARGE, "object of %zu bytes exceeds the limit of %zu", object.len,
			       SP_LIMIT_STORED_VALUE_BYTES);
	if (info->encoding != SP_RECORD_JSON && info->encoding != SP_RECORD_PROTOBUF)
		return sp_fail(err, SP_EINVAL, "unknown encoding %u of a record", (unsigned)info->encoding);
	if (info->splice != SP_RECORD_NO_SPLICE && info->splice > object.len)
		return sp_fail(err, SP_EINVAL, "splice point %u lies outside the object", info->splice);
	if (info->i_indexed != SP_RECORD_NO_INDEX && info->i_indexed >= info->n_fields)
		return sp_fail(err, SP_EINVAL, "indexed field %zu does not exist", info->i_indexed);
	*header_bytes = FIXED_BYTES + info->group.len + info->version.len + info->kind.len;
	SP_TRY(check_pairs(info->labels, info->n_labels, UINT16_MAX, "labels", header_bytes, err));
	SP_TRY(check_pairs(info->fields, info->n_fields, INDEXED_MAX, "fields", header_bytes, err));
	if (*header_bytes > SP_LIMIT_RECORD_HEADER_BYTES)
		return sp_fail(err, SP_ETOOLARGE,
			       "labels and selectable fields take %zu bytes, the limit is %zu", *header_bytes,
			       SP_LIMIT_RECORD_HEADER_BYTES);
	return SP_OK;
}

static uint8_t *put_bytes(uint8_t *at, sp_str s)
{
	if (s.len > 0)
		memcpy(at, s.ptr, s.len);
	return at + s.len;
}

static uint8_t *put_pairs(uint8_t *at, const sp_record_pair *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		sp_be16_put(at, (uint16_t)pairs[i].key.len);
		sp_be16_put(at + 2, (uint16_t)pairs[i].value.len);
		at = put_bytes(put_bytes(at + PAIR_BYTES, pairs[i].key), pairs[i].value);
	}
	return at;
}

sp_code sp_record_build(const sp_record_info *info, sp_str object, sp_bytes **ret, sp_err *err)
{
	size_t header_bytes = 0;
	SP_TRY(check_info(info, object, &header_bytes, err));
	sp_bytes *b = sp_bytes_try_new(header_bytes + object.len);
	if (b == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a record of %zu bytes",
			       header_bytes + object.len);
	uint8_t *p = (uint8_t *)b->data;
	p[0] = FORMAT;
	p[1] = (uint8_t)info->encoding;
	p[2] = info->i_indexed == SP_RECORD_NO_INDEX ? 0 : (uint8_t)(info->i_indexed + 1);
	p[3] = (uint8_t)info->group.len;
	p[4] = (uint8_t)info->version.len;
	p[5] = (uint8_t)info->kind.len;
	sp_be16_put(p + 6, 0);
	sp_be64_put(p + 8, info->schema_hash);
	sp_be32_put(p + 16, info->splice);
	sp_be16_put(p + 20, (uint16_t)info->n_labels);
	sp_be16_put(p + 22, (uint16_t)info->n_fields);
	sp_be32_put(p + 24, (uint32_t)header_bytes);
	uint8_t *at =
		put_bytes(put_bytes(put_bytes(p + FIXED_BYTES, info->group), info->version), info->kind);
	at = put_pairs(put_pairs(at, info->labels, info->n_labels), info->fields, info->n_fields);
	SP_ASSERT(at == p + header_bytes);
	(void)put_bytes(at, object);
	*ret = b;
	return SP_OK;
}

bool sp_record_pair_next(sp_str *packed, sp_record_pair *ret)
{
	if (packed->len < PAIR_BYTES)
		return false;
	const uint8_t *p = (const uint8_t *)packed->ptr;
	size_t n_key = sp_be16_get(p), n_value = sp_be16_get(p + 2);
	if (packed->len - PAIR_BYTES < n_key + n_value)
		return false;
	ret->key = (sp_str){packed->ptr + PAIR_BYTES, n_key};
	ret->value = (sp_str){packed->ptr + PAIR_BYTES + n_key, n_value};
	*packed = sp_str_sub(*packed, PAIR_BYTES + n_key + n_value, packed->len);
	return true;
}

bool sp_record_pair_find(sp_str packed, sp_str key, sp_str *ret)
{
	sp_record_pair pair;
	while (sp_record_pair_next(&packed, &pair)) {
		if (sp_str_eq(pair.key, key)) {
			*ret = pair.value;
			return true;
		}
	}
	return false;
}

/* Cuts n pairs off the front; *i_wanted's value (when it is among them) goes to *ret_wanted. */
static bool take_pairs(sp_str *in, size_t n, size_t i_wanted, sp_str *ret_packed, sp_str *ret_wanted)
{
	sp_str rest = *in;
	sp_record_pair pair;
	for (size_t i = 0; i < n; i++) {
		if (!sp_record_pair_next(&rest, &pair))
			return false;
		if (i == i_wanted)
			*ret_wanted = pair.value;
	}
	*ret_packed = (sp_str){in->ptr, in->len - rest.len};
	*in = rest;
	return true;
}

static sp_str take(sp_str *in, size_t n)
{
	sp_str head = {in->ptr, n};
	*in = sp_str_sub(*in, n, in->len);
	return head;
}

sp_code sp_record_decode(sp_str record, sp_record *ret, sp_err *err)
{
	if (record.len < FIXED_BYTES)
		return sp_fail(err, SP_EINVAL, "record of %zu bytes is too short", record.len);
	const uint8_t *p = (const uint8_t *)record.ptr;
	if (p[0] != FORMAT || (p[1] != SP_RECORD_JSON && p[1] != SP_RECORD_PROTOBUF) ||
	    sp_be16_get(p + 6) != 0)
		return sp_fail(err, SP_EINVAL, "record of unknown format %u, encoding %u", p[0], p[1]);
	sp_record r = {.schema_hash = sp_be64_get(p + 8),
		       .encoding = (sp_record_encoding)p[1],
		       .splice = sp_be32_get(p + 16),
		       .n_labels = sp_be16_get(p + 20),
		       .n_fields = sp_be16_get(p + 22),
		       .is_indexed = p[2] != 0};
	size_t header_bytes = sp_be32_get(p + 24), n_names = (size_t)p[3] + p[4] + p[5];
	if (header_bytes > record.len || header_bytes > SP_LIMIT_RECORD_HEADER_BYTES ||
	    header_bytes < FIXED_BYTES + n_names || r.n_fields > INDEXED_MAX || p[2] > r.n_fields)
		return sp_fail(err, SP_EINVAL, "record header is malformed");
	r.object = sp_str_sub(record, header_bytes, record.len);
	if (r.splice != SP_RECORD_NO_SPLICE && r.splice > r.object.len)
		return sp_fail(err, SP_EINVAL, "splice point of a record lies outside its object");
	sp_str in = sp_str_sub(record, FIXED_BYTES, header_bytes), unused;
	r.group = take(&in, p[3]);
	r.version = take(&in, p[4]);
	r.kind = take(&in, p[5]);
	if (!take_pairs(&in, r.n_labels, SIZE_MAX, &r.labels, &unused) ||
	    !take_pairs(&in, r.n_fields, (size_t)p[2] - 1, &r.fields, &r.indexed) || in.len != 0)
		return sp_fail(err, SP_EINVAL, "record header is malformed");
	*ret = r;
	return SP_OK;
}

sp_code sp_record_header_bytes(sp_str record, size_t *ret, sp_err *err)
{
	size_t n = record.len < FIXED_BYTES ? 0 : sp_be32_get((const uint8_t *)record.ptr + 24);
	if (n < FIXED_BYTES || n > record.len)
		return sp_fail(err, SP_EINVAL, "record header is malformed");
	*ret = n;
	return SP_OK;
}

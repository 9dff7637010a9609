/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/hash.h"
#include "base/num.h"
#include "store/lmdb/core.h"

void core_state_put(uint8_t out[CORE_STATE_BYTES], const core_state *s)
{
	sp_be64_put(out, s->revision);
	sp_be64_put(out + 8, s->compacted);
	sp_be64_put(out + 16, s->trimmed);
	sp_be64_put(out + 24, s->n_objects);
	sp_be64_put(out + 32, s->history_bytes);
}

sp_code core_state_get(sp_str in, core_state *ret, sp_err *err)
{
	if (in.len != CORE_STATE_BYTES)
		return sp_fail(err, SP_EIO, "the store's state has %zu bytes, not %d", in.len,
			       CORE_STATE_BYTES);
	const uint8_t *p = (const uint8_t *)in.ptr;
	core_state s = {sp_be64_get(p), sp_be64_get(p + 8), sp_be64_get(p + 16), sp_be64_get(p + 24),
			sp_be64_get(p + 32)};
	if (s.revision == 0 || s.compacted > s.revision || s.trimmed > s.compacted)
		return sp_fail(err, SP_EIO, "the store's state is damaged");
	*ret = s;
	return SP_OK;
}

void log_record_put_head(uint8_t *out, const log_record *r)
{
	SP_ASSERT(r->rest.len <= UINT16_MAX);
	sp_be64_put(out, r->create_revision);
	sp_be64_put(out + 8, r->prev_revision);
	sp_be32_put(out + 16, r->resource);
	sp_be16_put(out + 20, (uint16_t)r->rest.len);
	out[22] = r->is_delete;
	out[23] = 0;
	memcpy(out + LOG_FIXED_BYTES, r->rest.ptr, r->rest.len);
}

sp_code log_record_get(sp_str in, log_record *ret, sp_err *err)
{
	const uint8_t *p = (const uint8_t *)in.ptr;
	if (in.len < LOG_FIXED_BYTES || p[22] > 1 || p[23] != 0 ||
	    in.len - LOG_FIXED_BYTES < sp_be16_get(p + 20) || sp_be16_get(p + 20) == 0)
		return sp_fail(err, SP_EIO, "a record of the change log is damaged");
	size_t n_rest = sp_be16_get(p + 20);
	*ret = (log_record){.create_revision = sp_be64_get(p),
			    .prev_revision = sp_be64_get(p + 8),
			    .resource = sp_be32_get(p + 16),
			    .is_delete = p[22] != 0,
			    .rest = {in.ptr + LOG_FIXED_BYTES, n_rest},
			    .stored = sp_str_sub(in, LOG_FIXED_BYTES + n_rest, in.len)};
	return SP_OK;
}

static void key_start(core_key *k, uint32_t resource, sp_str rest)
{
	SP_ASSERT(rest.len <= SP_LIMIT_STORE_REST_BYTES + 1);
	sp_be32_put(k->bytes, resource);
	if (rest.len > 0)
		memcpy(k->bytes + 4, rest.ptr, rest.len);
	k->len = 4 + rest.len;
}

void core_key_version(core_key *k, uint32_t resource, sp_str rest, uint64_t revision)
{
	key_start(k, resource, rest);
	k->bytes[k->len] = 0;
	sp_be64_put(k->bytes + k->len + 1, ~revision);
	k->len += 9;
}

void core_key_from(core_key *k, uint32_t resource, sp_str rest)
{
	key_start(k, resource, rest);
	/* Versions have a NUL behind the rest; 1 is above all of them and below every longer rest. */
	if (rest.len > 0 && rest.ptr[rest.len - 1] == '\0')
		k->bytes[k->len - 1] = 1;
}

void core_key_index(core_key *k, uint32_t resource, sp_str value, sp_str rest)
{
	sp_be32_put(k->bytes, resource);
	sp_be64_put(k->bytes + 4, sp_fnv1a64(value));
	if (rest.len > 0)
		memcpy(k->bytes + 12, rest.ptr, rest.len);
	k->len = 12 + rest.len;
}

bool core_key_split(const MDB_val *key, uint32_t *ret_resource, sp_str *ret_rest, uint64_t *ret_revision)
{
	if (key->mv_size < 4 + 1 + 9)
		return false;
	const uint8_t *p = key->mv_data;
	*ret_resource = sp_be32_get(p);
	*ret_rest = (sp_str){(const char *)p + 4, key->mv_size - 13};
	*ret_revision = ~sp_be64_get(p + key->mv_size - 8);
	return true;
}

sp_code core_fail(int rc, const char *what, sp_err *err)
{
	SP_ASSERT(rc != 0);
	switch (rc) {
	case MDB_MAP_FULL:
		return sp_fail(err, SP_EUNAVAILABLE, "%s: the store has reached its maximum size", what);
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return sp_fail(err, SP_EUNAVAILABLE, "%s: the disk is full (%s)", what, strerror(rc));
	case ENOMEM:
		return sp_fail(err, SP_ENOMEM, "%s: no memory", what);
	case MDB_PANIC:
		return sp_fail(err, SP_EIO, "%s: an earlier write failed; restart to see what is on the disk",
			       what);
	default:
		return sp_fail(err, SP_EIO, "%s: %s", what, mdb_strerror(rc));
	}
}

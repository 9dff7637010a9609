/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from the data file: records of the change log, keys, the state. What decodes is written back
 * alike. */
#include "base/limits.h"
#include "store/lmdb/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_log(sp_str in)
{
	static uint8_t out[LOG_FIXED_BYTES + UINT16_MAX];
	log_record r;
	if (log_record_get(in, &r, NULL) != SP_OK)
		return;
	log_record_put_head(out, &r);
	size_t n = LOG_FIXED_BYTES + r.rest.len;
	SP_ASSERT(n + r.stored.len == in.len && memcmp(out, in.ptr, n) == 0);
}

static void check_key(sp_str in)
{
	core_key key;
	uint32_t resource;
	uint64_t revision;
	sp_str rest;
	MDB_val v = core_val(in.ptr, in.len);
	if (!core_key_split(&v, &resource, &rest, &revision) || rest.len > SP_LIMIT_STORE_REST_BYTES)
		return;
	core_key_version(&key, resource, rest, revision);
	SP_ASSERT(key.len == in.len && memcmp(key.bytes + in.len - 8, in.ptr + in.len - 8, 8) == 0);
	SP_ASSERT(memcmp(key.bytes, in.ptr, in.len - 9) == 0);
}

static void check_state(sp_str in)
{
	uint8_t out[CORE_STATE_BYTES];
	core_state s;
	if (core_state_get(in, &s, NULL) != SP_OK)
		return;
	core_state_put(out, &s);
	SP_ASSERT(memcmp(out, in.ptr, in.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	sp_str in = {(const char *)data, n};
	check_log(in);
	check_key(in);
	check_state(in);
	return 0;
}

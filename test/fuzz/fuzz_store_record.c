/* SPDX-License-Identifier: Apache-2.0 */
/* Record headers: anything may be read from a damaged disk; what decodes is rebuilt byte for byte. */
#include "base/arena.h"
#include "base/limits.h"
#include "store/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static sp_record_pair *unpack(sp_arena *a, sp_str packed, size_t n)
{
	sp_record_pair *pairs = sp_new(a, sp_record_pair, n + 1);
	for (size_t i = 0; i < n; i++)
		SP_ASSERT(sp_record_pair_next(&packed, &pairs[i]));
	SP_ASSERT(packed.len == 0);
	return pairs;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	sp_str in = {(const char *)data, n};
	sp_record r;
	if (sp_record_decode(in, &r, NULL) != SP_OK || r.object.len > SP_LIMIT_STORED_VALUE_BYTES)
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)16 << 20);
	sp_record_info info = {.group = r.group,
			       .version = r.version,
			       .kind = r.kind,
			       .schema_hash = r.schema_hash,
			       .encoding = r.encoding,
			       .splice = r.splice,
			       .labels = unpack(&a, r.labels, r.n_labels),
			       .n_labels = r.n_labels,
			       .fields = unpack(&a, r.fields, r.n_fields),
			       .n_fields = r.n_fields,
			       .i_indexed = r.is_indexed ? (size_t)data[2] - 1 : SP_RECORD_NO_INDEX};
	sp_bytes *b = NULL;
	SP_ASSERT(sp_record_build(&info, r.object, &b, NULL) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_bytes_view(b), in));
	if (r.is_indexed)
		SP_ASSERT(sp_str_eq(r.indexed, info.fields[info.i_indexed].value));
	b = sp_bytes_unref(b);
	sp_arena_done(&a);
	return 0;
}

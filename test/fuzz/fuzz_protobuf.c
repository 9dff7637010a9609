/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf: first byte which kind, then a message. The wire reader takes it or says why not; what the codec
 * accepts is JSON, and that makes a message that gives the same JSON.
 */
#include "base/pb.h"
#include "kube/encode.h"
#include "kube/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(sp_str in)
{
	sp_err err = {0};
	sp_pb_field f;
	while (in.len != 0) {
		size_t before = in.len;
		if (sp_pb_next(&in, "M", &f, &err) != SP_OK) {
			SP_ASSERT(err.msg[0] != '\0');
			return;
		}
		SP_ASSERT(in.len < before);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 65536)
		return 0;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	const sp_kind *kind = sp_kinds[data[0] % sp_n_kinds];
	sp_str raw = {(const char *)data + 1, size - 1};
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *v;
	sp_protobuf_envelope e;
	sp_err err = {0};
	SP_AUTO_BUF json;
	SP_AUTO_BUF pb;
	SP_AUTO_BUF again;
	sp_buf_init(&json, (size_t)8 << 20);
	sp_buf_init(&pb, (size_t)8 << 20);
	sp_buf_init(&again, (size_t)8 << 20);
	walk(raw);
	(void)!sp_protobuf_open(raw, &e, NULL);
	SP_ASSERT(doc != NULL);
	if (!sp_protobuf_has(kind->schema))
		return 0;
	if (sp_protobuf_decode(&a, kind->schema, raw, SP_STR("v1"), kind->kind, doc, &v, &err) != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		return 0;
	}
	if (sp_encode_json(&json, kind->schema, v) != SP_OK)
		return 0;
	sp_code code = sp_protobuf_encode_raw(&a, &pb, kind->schema, sp_buf_view(&json), &err);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	if (code != SP_OK)
		return 0;
	SP_ASSERT(sp_protobuf_decode(&a, kind->schema, sp_buf_view(&pb), SP_STR("v1"), kind->kind, doc, &v,
				     &err) == SP_OK);
	SP_ASSERT(sp_encode_json(&again, kind->schema, v) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_buf_view(&again), sp_buf_view(&json)));
	return 0;
}

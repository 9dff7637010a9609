/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON decoder by schema. First byte: which kind. What is accepted is written, read back and written the
 * same, becomes protobuf and comes back from it.
 */
#include "kube/decode.h"
#include "kube/defaults.h"
#include "kube/encode.h"
#include "kube/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void through_protobuf(sp_arena *a, const sp_kind *kind, sp_str json, yyjson_mut_doc *doc)
{
	SP_AUTO_BUF pb;
	SP_AUTO_BUF back;
	sp_buf_init(&pb, (size_t)8 << 20);
	sp_buf_init(&back, (size_t)8 << 20);
	sp_err err = {0};
	sp_protobuf_envelope e;
	yyjson_mut_val *v;
	sp_code code = sp_protobuf_encode(a, &pb, kind->schema, json, &err);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	if (code != SP_OK)
		return;
	SP_ASSERT(sp_protobuf_open(sp_buf_view(&pb), &e, &err) == SP_OK);
	code = sp_protobuf_decode(a, kind->schema, e.raw, e.api_version, e.kind, doc, &v, &err);
	SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
	if (code != SP_OK)
		return;
	SP_ASSERT(sp_encode_json(&back, kind->schema, v) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_buf_view(&back), json));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 65536)
		return 0;
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	const sp_kind *kind = sp_kinds[data[0] % sp_n_kinds];
	sp_str text = {(const char *)data + 1, size - 1};
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *v;
	sp_strict strict = {0};
	sp_err err = {0};
	SP_AUTO_BUF json;
	SP_AUTO_BUF again;
	sp_buf_init(&json, (size_t)8 << 20);
	sp_buf_init(&again, (size_t)8 << 20);
	sp_str api_version;
	sp_str name;
	(void)!sp_decode_type_meta(&a, text, &api_version, &name, NULL);
	SP_ASSERT(doc != NULL);
	if (sp_decode_json(&a, kind->schema, text, doc, &strict, &v, &err) != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		return 0;
	}
	SP_ASSERT(sp_encode_json(&json, kind->schema, v) == SP_OK);
	SP_ASSERT(sp_decode_json(&a, kind->schema, sp_buf_view(&json), doc, NULL, &v, &err) == SP_OK);
	SP_ASSERT(sp_encode_json(&again, kind->schema, v) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_buf_view(&again), sp_buf_view(&json)));
	if (sp_protobuf_has(kind->schema))
		through_protobuf(&a, kind, sp_buf_view(&json), doc);
	SP_ASSERT(sp_default(doc, kind->schema, v, NULL) == SP_OK);
	return 0;
}

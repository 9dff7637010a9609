/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: the reader and the explaining reader agree on what keeps the grammar; what is written reads back as
 * the same value and is written the same again.
 */
#include "base/json.h"
#include "base/json_int.h"

/* -0.0 is written -0 and that is the integer 0, in Go too: only the second text is a fixed point. */
static bool has_negative_zero(const yyjson_val *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_json_tag_type(v[i].tag) == YYJSON_TYPE_NUM &&
		    sp_json_tag_subtype(v[i].tag) == YYJSON_SUBTYPE_REAL && v[i].uni.f64 == 0)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 65536)
		return 0;
	sp_str text = {(const char *)data, size};
	SP_CLEANUP(sp_arena_done) sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	yyjson_val *v;
	sp_err err = {0};
	sp_code code = sp_json_parse(&a, text, &v, &err);
	sp_code grammar = sp_json_explain(text, NULL);
	SP_ASSERT(code != SP_OK || grammar == SP_OK);
	if (code != SP_OK) {
		SP_ASSERT(err.msg[0] != '\0');
		SP_ASSERT(grammar != SP_OK ||
			  sp_str_starts(sp_str_c(err.msg), SP_STR("json: cannot unmarshal number")));
		return 0;
	}
	SP_AUTO_BUF out;
	SP_AUTO_BUF again;
	sp_buf_init(&out, (size_t)1 << 20);
	sp_buf_init(&again, (size_t)1 << 20);
	SP_ASSERT(sp_json_write(&out, v) == SP_OK);
	yyjson_mut_doc *doc = sp_json_doc(&a);
	yyjson_mut_val *first;
	yyjson_mut_val *second;
	SP_ASSERT(doc != NULL);
	SP_ASSERT(sp_json_thaw(&a, v, &first, NULL) == SP_OK);
	SP_ASSERT(sp_json_parse_mut(&a, sp_buf_view(&out), doc, &second, NULL) == SP_OK);
	if (has_negative_zero(v, sp_json_tag_is_container(v->tag) ? v->uni.ofs / sizeof *v : 1)) {
		sp_buf_clear(&out);
		SP_ASSERT(sp_json_write_mut(&out, second) == SP_OK);
		SP_ASSERT(sp_json_parse_mut(&a, sp_buf_view(&out), doc, &second, NULL) == SP_OK);
		first = second;
	}
	SP_ASSERT(sp_json_write_mut(&again, second) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_buf_view(&out), sp_buf_view(&again)));
	sp_buf_clear(&again);
	SP_ASSERT(sp_json_write_mut(&again, first) == SP_OK);
	SP_ASSERT(sp_str_eq(sp_buf_view(&out), sp_buf_view(&again)));
	sp_buf_clear(&again);
	SP_ASSERT(sp_json_write_go(&again, first) == SP_OK);
	return 0;
}

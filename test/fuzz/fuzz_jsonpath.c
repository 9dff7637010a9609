/* SPDX-License-Identifier: Apache-2.0 */
/* A JSONPath and an object, parted by a line feed: compiled, evaluated, shown as cells; and spans of the
 * object's text. */
#include "base/json_span.h"
#include "kube/jsonpath.h"
#include "kube/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void row(sp_arena *a, sp_str path, sp_str type, sp_str object)
{
	sp_column column = {.name = SP_STR("c"), .type = type, .path = path};
	sp_kind kind = {.kind = SP_STR("Thing"), .columns = &column, .n_columns = 1};
	sp_table_options options = {.include = SP_TABLE_METADATA};
	const sp_table_plan *plan;
	sp_table t;
	sp_buf out;
	sp_buf_init(&out, (size_t)4 << 20);
	if (sp_table_plan_make(a, &kind, &plan, NULL) == SP_OK) {
		sp_table_init(&t, plan, &options, &out);
		if (sp_table_row(&t, object, NULL) == SP_OK) {
			yyjson_val *v;
			sp_code code = sp_json_parse(a, sp_buf_view(&out), &v, NULL);
			SP_ASSERT(code == SP_OK || code == SP_ETOOLARGE);
		}
		sp_table_done(&t);
	}
	sp_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const sp_str types[] = {SP_STR_INIT("string"), SP_STR_INIT("integer"), SP_STR_INIT("number"),
				       SP_STR_INIT("date")};
	sp_str object = {(const char *)data, size}, path, span;
	if (size > 1 << 13 || !sp_str_cut(&object, '\n', &path))
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)64 << 20);
	if (sp_json_span(object, SP_STR("metadata"), &span) == SP_OK)
		SP_ASSERT(span.ptr >= object.ptr && span.ptr + span.len <= object.ptr + object.len);
	for (size_t i = 0; i < SP_LEN(types); i++)
		row(&a, path, types[i], object);
	sp_arena_done(&a);
	return 0;
}

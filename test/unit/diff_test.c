/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/diff.h"

#include "lib/t.h"

static yyjson_mut_val *tree(yyjson_mut_doc *doc, const char *json)
{
	yyjson_mut_val *v = NULL;
	return sp_json_parse_mut(T_ARENA, sp_str_c(json), doc, &v, NULL) == SP_OK ? v : NULL;
}

SP_TEST(diff, shows_lines_around_a_change)
{
	static const struct {
		const char *old, *now, *want;
	} rows[] = {
		{"{\"a\":1}", "{\"a\":1}", ""},
		{"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}",
		 "@@ -1,4 +1,4 @@\n {\n  \"a\": 1,\n- \"b\": 2\n+ \"b\": 3\n }\n"},
		{"[0,1,2,3,4,5,6,7,8,9]", "[0,1,2,3,5,6,7,8,9]",
		 "@@ -3,7 +3,6 @@\n  1,\n  2,\n  3,\n- 4,\n  5,\n  6,\n  7,\n"},
		{"[1,2,3,4,5,6,7,8,9,10]", "[0,2,3,4,5,6,7,8,9,11]",
		 "@@ -1,5 +1,5 @@\n [\n- 1,\n+ 0,\n  2,\n  3,\n  4,\n@@ -8,5 +8,5 @@\n  7,\n  8,\n  9,\n- "
		 "10\n+ 11\n ]\n"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].old);
		yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
		T_TRUE(doc != NULL);
		sp_kind_ctx c = {.arena = T_ARENA, .doc = doc};
		yyjson_mut_val *old = tree(doc, rows[i].old), *now = tree(doc, rows[i].now);
		T_TRUE(old != NULL && now != NULL);
		T_EQ_C(sp_kind_diff(&c, old, now), rows[i].want);
	}
}

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

/*
 * From 200 lines on, a line that comes more than once in a hundred starts no match: the equal lines 7 after
 * the change are found only next to others, as difflib does it.
 */
SP_TEST(diff, popular_lines_start_no_match)
{
	SP_AUTO_BUF old, now;
	sp_buf_init(&old, 1 << 16);
	sp_buf_init(&now, 1 << 16);
	T_OK(sp_buf_str(&old, SP_STR("[1,7,2")));
	T_OK(sp_buf_str(&now, SP_STR("[3,7,4")));
	for (unsigned i = 0; i < 200; i++) {
		T_OK(sp_buf_printf(&old, ",%u", i < 5 ? 7 : 1000 + i));
		T_OK(sp_buf_printf(&now, ",%u", i < 5 ? 7 : 1000 + i));
	}
	T_OK(sp_buf_char(&old, ']'));
	T_OK(sp_buf_char(&now, ']'));
	sp_kind_ctx c = {.arena = T_ARENA};
	T_EQ_C(sp_kind_diff_texts(&c, sp_buf_view(&old), sp_buf_view(&now)),
	       "@@ -1,7 +1,7 @@\n [\n- 1,\n- 7,\n- 2,\n+ 3,\n+ 7,\n+ 4,\n  7,\n  7,\n  7,\n");
}

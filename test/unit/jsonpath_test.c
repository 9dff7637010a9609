/* SPDX-License-Identifier: Apache-2.0 */
/* JSONPath: cells of columns as upstream's code makes them, and its messages. */
#include "kube/jsonpath.h"

#include "kube/table.h"
#include "lib/t.h"

static const char object[] = "{\"metadata\":{\"name\":\"x\"},\"a\":{\"b\":\"x\",\"n\":3,\"f\":1.5,\"t\":true,"
			     "\"z\":null,\"e\":1e-7,\"big\":1e21,"
			     "\"i\":2.9,\"m\":{\"y\":1,\"x\":\"<\"},\"d.t\":\"dot\"},\"l\":[\"p\",\"q\","
			     "\"r\"],\"c\":[{\"type\":\"A\",\"status\":"
			     "\"False\",\"n\":1},{\"type\":\"Ready\",\"status\":\"True\",\"n\":2},{\"n\":2.5}"
			     "],\"s\":\"text\",\"o\":[]}";

/* A column of each type: string, integer, number, boolean. */
static const struct {
	const char *path, *cells[4];
} rows[] = {
	{".a.b", {"\"x\"", "null", "null", "null"}},
	{".a.n", {"\"3\"", "3", "3", "null"}},
	{".a.f", {"\"1.5\"", "1", "1.5", "null"}},
	{".a.t", {"\"true\"", "null", "null", "true"}},
	{".a.z", {"\"\\u003cno value\\u003e\"", "null", "null", "null"}},
	{".a.e", {"\"1e-07\"", "0", "1e-7", "null"}},
	{".a.big", {"\"1e+21\"", "-9223372036854775808", "1e+21", "null"}},
	{".a.m", {"\"{\\\"x\\\":\\\"\\\\u003c\\\",\\\"y\\\":1}\"", "null", "null", "null"}},
	{".l", {"\"[\\\"p\\\",\\\"q\\\",\\\"r\\\"]\"", "null", "null", "null"}},
	{".missing.x", {"null", "null", "null", "null"}},
	{".l[0]", {"\"p\"", "null", "null", "null"}},
	{".l[-1]", {"\"r\"", "null", "null", "null"}},
	{".l[3]", {"null", "null", "null", "null"}},
	{".l[*]", {"\"p\"", "null", "null", "null"}},
	{".l[1:]", {"\"q\"", "null", "null", "null"}},
	{".l[0:3:2]", {"\"p\"", "null", "null", "null"}},
	{".l[2:1]", {"null", "null", "null", "null"}},
	{".l[1:1]", {"null", "null", "null", "null"}},
	{".l[0:9]", {"null", "null", "null", "null"}},
	{".l[::0]", {"null", "null", "null", "null"}},
	{".l[0,2]", {"\"p\"", "null", "null", "null"}},
	{".l[5,0]", {"null", "null", "null", "null"}},
	{".c[?(@.type==\"Ready\")].status", {"\"True\"", "null", "null", "null"}},
	{".c[?(@.type=='A')].n", {"\"1\"", "1", "1", "null"}},
	{".c[?(@.n>1)].type", {"null", "null", "null", "null"}},
	{".c[?(@.n==2)].type", {"null", "null", "null", "null"}},
	{".c[?(@.type)].n", {"\"1\"", "1", "1", "null"}},
	{".c[?(@.nope)].n", {"null", "null", "null", "null"}},
	{".c[?(@.n!=1)].n", {"null", "null", "null", "null"}},
	{".c[?(@.n=1)].n", {"null", "null", "null", "null"}},
	{".c[?(@.type==\"x y\")].n", {"null", "null", "null", "null"}},
	{".c[?(@.type<\"B\")].n", {"\"1\"", "1", "1", "null"}},
	{".a[?(@.x==1)]", {"null", "null", "null", "null"}},
	{"...", {"null", "null", "null", "null"}},
	{".s.x", {"null", "null", "null", "null"}},
	{".s[0]", {"null", "null", "null", "null"}},
	{".a['b']", {"\"x\"", "null", "null", "null"}},
	{".a.d\\.t", {"\"dot\"", "null", "null", "null"}},
	{".a['d\\.t']", {"\"dot\"", "null", "null", "null"}},
	{".c[0].type.", {"null", "null", "null", "null"}},
	{"a", {"null", "null", "null", "null"}},
	{"'lit'", {"\"lit\"", "null", "null", "null"}},
	{"true", {"\"true\"", "null", "null", "true"}},
	{".o[0]", {"null", "null", "null", "null"}},
	{".o[*]", {"null", "null", "null", "null"}},
	{"$.a.b", {"\"x\"", "null", "null", "null"}},
	{"@.a.b", {"\"x\"", "null", "null", "null"}},
	{".a .b", {"\"x\"", "null", "null", "null"}},
	{".a}.b",
	 {"\"{\\\"b\\\":\\\"x\\\",\\\"big\\\":1e+21,\\\"d.t\\\":\\\"dot\\\",\\\"e\\\":1e-7,\\\"f\\\":1.5,"
	  "\\\"i\\\":2.9,\\\"m\\\":{\\\"x\\\":\\\"\\\\u003c\\\",\\\"y\\\":1},\\\"n\\\":3,\\\"t\\\":true,"
	  "\\\"z\\\":null}\"",
	  "null", "null", "null"}},
	{".c[0]['type','status']", {"\"A\"", "null", "null", "null"}},
	{".c[*].n", {"\"1\"", "1", "1", "null"}},
	{"range", {"null", "null", "null", "null"}},
	{"\"q\\\"q\"", {"\"q\\\"q\"", "null", "null", "null"}},
	{"'\\u0041'", {"\"A\"", "null", "null", "null"}},
	{"1.5", {"\"1.5\"", "1", "1.5", "null"}},
	{".c[?(1==1)].n", {"\"1\"", "1", "1", "null"}},
	{".c[?(@.type in 'x')].n", {"\"1\"", "1", "1", "null"}},
	{".c[?(@.n>=2)].n", {"null", "null", "null", "null"}},
	{".a.i", {"\"2.9\"", "2", "2.9", "null"}},
	{".c[?(@.status==true)].n", {"null", "null", "null", "null"}},
	{"[0]", {"null", "null", "null", "null"}},
	{".l.[1]", {"null", "null", "null", "null"}},
	{".l..", {"\"[\\\"p\\\",\\\"q\\\",\\\"r\\\"]\"", "null", "null", "null"}},
	{".c[?(@.o[0])].n", {"null", "null", "null", "null"}},
	{".c[?(@.type[0])].n", {"\"1\"", "1", "1", "null"}},
};

static const struct {
	const char *path, *why;
} bad[] = {
	{".a[\"b\"]", "invalid array index \"b\""},
	{"{.a}", "unrecognized character in action: U+007B '{'"},
	{".a[", "unterminated array"},
	{".l[x]", "invalid array index x"},
	{".l[1", "unterminated array"},
	{"'un", "unterminated quoted string"},
	{".c[?(@.type==\"a\"", "unterminated filter"},
	{".c[?(@.a)x", "unclosed array expect ]"},
	{"#", "unrecognized character in action: U+0023 '#'"},
	{".l[0 ]", "invalid array index 0 "},
	{".l['x'", "unterminated array"},
	{"-", "cannot parse number -"},
	{"1.5.5", "cannot parse number 1.5.5"},
};

static sp_code cell(const char *path, sp_str type, sp_buf *out)
{
	sp_column column = {.name = SP_STR("c"), .type = type, .path = sp_str_c(path)};
	sp_kind kind = {.kind = SP_STR("Thing"), .columns = &column, .n_columns = 1};
	sp_table_options options = {.include = SP_TABLE_NONE};
	const sp_table_plan *plan;
	sp_table t;
	SP_TRY(sp_table_plan_make(T_ARENA, &kind, &plan, T_ERR));
	sp_table_init(&t, plan, &options, out);
	sp_code code = sp_table_row(&t, sp_str_c(object), T_ERR);
	sp_table_done(&t);
	return code;
}

SP_TEST(jsonpath, cells_as_upstream)
{
	static const sp_str types[] = {SP_STR_INIT("string"), SP_STR_INIT("integer"), SP_STR_INIT("number"),
				       SP_STR_INIT("boolean")};
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	for (size_t i = 0; i < SP_LEN(rows); i++)
		for (size_t k = 0; k < SP_LEN(types); k++) {
			t_row("%s as " SP_FMT, rows[i].path, SP_ARG(types[k]));
			sp_buf_clear(&out);
			T_OK(cell(rows[i].path, types[k], &out));
			sp_str want = sp_arena_printf(T_ARENA, "{\"cells\":[\"x\",%s],\"object\":null}",
						      rows[i].cells[k]);
			T_EQ_STR(sp_buf_view(&out), want);
		}
}

SP_TEST(jsonpath, messages)
{
	const sp_jsonpath *p;
	for (size_t i = 0; i < SP_LEN(bad); i++) {
		t_row("%s", bad[i].path);
		T_CODE(sp_jsonpath_compile(T_ARENA, sp_str_c(bad[i].path), &p, T_ERR), SP_EINVAL);
		T_EQ_C(sp_str_c(T_ERR->msg), bad[i].why);
	}
}

SP_TEST(jsonpath, limits)
{
	const sp_jsonpath *p;
	SP_AUTO_BUF text;
	sp_buf_init(&text, 1 << 20);
	for (unsigned i = 0; i <= SP_JSONPATH_NODES_MAX; i++)
		(void)sp_buf_str(&text, SP_STR(".a"));
	T_CODE(sp_jsonpath_compile(T_ARENA, sp_buf_view(&text), &p, T_ERR), SP_ETOOLARGE);
	sp_buf_clear(&text);
	for (unsigned i = 0; i <= SP_JSONPATH_DEPTH; i++)
		(void)sp_buf_str(&text, SP_STR("[?("));
	for (unsigned i = 0; i <= SP_JSONPATH_DEPTH; i++)
		(void)sp_buf_str(&text, SP_STR(")]"));
	T_TRUE(sp_jsonpath_compile(T_ARENA, sp_buf_view(&text), &p, T_ERR) != SP_OK);
}

/* The item itself on one side of a filter: its list lives as long as the results. */
SP_TEST(jsonpath, bug_filter_of_the_item)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	T_OK(cell(".l[?(@==\"q\")]", SP_STR("string"), &out));
	T_EQ_C(sp_buf_view(&out), "{\"cells\":[\"x\",\"q\"],\"object\":null}");
	sp_buf_clear(&out);
	T_OK(cell(".l[?(@}x==\"q\")]", SP_STR("string"), &out));
	T_EQ_C(sp_buf_view(&out), "{\"cells\":[\"x\",\"q\"],\"object\":null}");
}

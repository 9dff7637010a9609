/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t.h"
#include "base/toml.h"

static sp_code parse(const char *text, sp_str *ret)
{
	yyjson_mut_doc *doc = sp_json_doc(t_arena());
	yyjson_mut_val *root;
	sp_buf out;
	if (doc == NULL)
		return SP_ENOMEM;
	SP_TRY(sp_toml_parse(t_arena(), sp_str_c(text), doc, &root, t_err()));
	sp_buf_init(&out, 1 << 16);
	sp_code code = sp_json_write_mut(&out, root);
	*ret = sp_arena_try_dup(t_arena(), sp_buf_view(&out));
	sp_buf_done(&out);
	return code;
}

SP_TEST(toml, becomes_json)
{
	static const struct {
		const char *toml, *json;
	} rows[] = {
		{"", "{}"},
		{"# only\n\n", "{}"},
		{"a = 1\r\nb=-2 # c\nc = +3\nd = 1_000\ne = 0x_ff", NULL},
		{"a = 1\nb = -2\nc = +3\nd = 1_000\ne = 0xff\nf = 0o17\ng = 0b101",
		 "{\"a\":1,\"b\":-2,\"c\":3,\"d\":1000,\"e\":255,\"f\":15,\"g\":5}"},
		{"a = 1.5\nb = 1e3\nc = -0.25", "{\"a\":1.5,\"b\":1000,\"c\":-0.25}"},
		{"a = true\nb = false", "{\"a\":true,\"b\":false}"},
		{"a = \"x\\ty\\u00e9\\U0001F600\"", "{\"a\":\"x\\ty\xc3\xa9\xf0\x9f\x98\x80\"}"},
		{"a = 'C:\\x'", "{\"a\":\"C:\\\\x\"}"},
		{"a = \"\"\"\nx\ny\\\n   z\"\"\"\"", "{\"a\":\"x\\nyz\\\"\"}"},
		{"a = '''\nx'y\n'''", "{\"a\":\"x'y\\n\"}"},
		{"a = [1, [2, 'x',],\n # c\n]", "{\"a\":[1,[2,\"x\"]]}"},
		{"a.b.\"c d\" = 1\na.e = 2", "{\"a\":{\"b\":{\"c d\":1},\"e\":2}}"},
		{"a = {b = 1, c.d = 2}\ne = {}", "{\"a\":{\"b\":1,\"c\":{\"d\":2}},\"e\":{}}"},
		{"[a]\nb = 1\n[a.\"http://x\"]\nc = 2\n[d]",
		 "{\"a\":{\"b\":1,\"http://x\":{\"c\":2}},\"d\":{}}"},
		{"[[a]]\nb=1\n[a.c]\nd=1\n[[a]]\nb=2\n[a.c]\nd=2",
		 "{\"a\":[{\"b\":1,\"c\":{\"d\":1}},{\"b\":2,\"c\":{\"d\":2}}]}"},
		{"\"\" = 1", "{\"\":1}"},
		{"a = 1\na = 2", NULL},
		{"[a]\n[a]", NULL},
		{"a = 1\n[a]", NULL},
		{"a", NULL},
		{"a =", NULL},
		{"a = 1 b = 2", NULL},
		{"a = 1979-05-27T07:32:00Z", NULL},
		{"a = inf", NULL},
		{"a = 01", NULL},
		{"a = 1__0", NULL},
		{"a = _1", NULL},
		{"a = \"x", NULL},
		{"a = \"x\ny\"", NULL},
		{"a = \"\\x\"", NULL},
		{"a = \"\\ud800\"", NULL},
		{"a = [1 2]", NULL},
		{"a = {b = 1", NULL},
		{"a = {b = 1,}", NULL},
		{"[a", NULL},
		{"[[a]", NULL},
		{"a = 9223372036854775808", NULL},
		{"a = \xff", NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_str json = {NULL, 0};
		t_row("%s", rows[i].toml);
		sp_code code = parse(rows[i].toml, &json);
		if (rows[i].json == NULL) {
			T_TRUE(code == SP_EINVAL || code == SP_ETOOLARGE || code == SP_ENOMEM);
			continue;
		}
		T_OK(code);
		T_EQ_C(json, rows[i].json);
	}
}

SP_TEST(toml, depth_has_a_limit)
{
	char text[256] = "a = ";
	sp_str json;
	memset(text + 4, '[', 200);
	T_CODE(parse(text, &json), SP_ETOOLARGE);
}

SP_TEST(toml, names_the_line)
{
	sp_str json;
	T_CODE(parse("a = 1\n\nb = \"x\n", &json), SP_EINVAL);
	T_TRUE(strncmp(t_err()->msg, "line 3: ", 8) == 0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* YAML both ways. test/golden/codec/yaml.json holds what sigs.k8s.io/yaml makes of each input. */
#include "base/yaml.h"
#include "lib/t.h"

static sp_str member(yyjson_val *row, const char *name)
{
	return sp_json_str(sp_json_last(row, sp_str_c(name)));
}

static void check_row(yyjson_val *row)
{
	sp_err err = {0};
	sp_str strict = {0};
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)1 << 20);
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v = NULL;
	T_TRUE(doc != NULL);
	sp_code code = sp_yaml_parse(T_ARENA, member(row, "in"), doc, NULL, &v, &err);
	if (code != SP_OK) {
		T_EQ_STR(sp_str_c(err.msg), member(row, "err"));
		return;
	}
	T_EQ_STR(member(row, "err"), SP_STR(""));
	T_OK(sp_json_write_mut(&out, v));
	T_EQ_STR(sp_buf_view(&out), member(row, "json"));
	sp_buf_clear(&out);
	T_OK(sp_yaml_write(&out, v, T_ERR));
	T_EQ_STR(sp_buf_view(&out), member(row, "yaml"));
	T_OK(sp_yaml_parse(T_ARENA, member(row, "in"), doc, &strict, &v, T_ERR));
	T_EQ_STR(strict, member(row, "strict"));
}

SP_TEST(yaml, as_in_go)
{
	yyjson_val *rows;
	T_OK(sp_json_parse(T_ARENA, t_file("test/golden/codec/yaml.json"), &rows, T_ERR));
	size_t i, n;
	yyjson_val *row;
	yyjson_arr_foreach(rows, i, n, row)
	{
		sp_str in = member(row, "in");
		t_row(SP_FMT, SP_ARG(in));
		check_row(row);
	}
	T_TRUE(n > 50);
}

static sp_code parse(const char *text, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	return doc == NULL ? SP_ENOMEM : sp_yaml_parse(T_ARENA, sp_str_c(text), doc, NULL, &v, err);
}

/* Where upstream's text shows the key in Go's syntax, ours shows its type. */
SP_TEST(yaml, keys_that_are_no_text)
{
	static const struct {
		const char *in, *message;
	} rows[] = {
		{"null: a", "unsupported map key of type: <nil>"},
		{"99999999999999999999999999999999: a\n18446744073709551615: b",
		 "unsupported map key of type: uint64"},
		{"? [a]\n: b", "yaml: invalid map key: []interface {}"},
		{"{a: b}: c", "yaml: invalid map key: map[interface {}]interface {}"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_err err = {0};
		t_row("%s", rows[i].in);
		T_CODE(parse(rows[i].in, &err), SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].message);
	}
}

SP_TEST(yaml, bounds_what_aliases_make)
{
	sp_err err = {0};
	T_CODE(parse("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
		     "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
		     "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
		     "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n",
		     &err),
	       SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg), "yaml: document contains excessive aliasing");
	T_CODE(parse("a: &a\n  <<: *a\n", &err), SP_EINVAL);
	T_EQ_C(sp_str_c(err.msg), "yaml: anchor 'a' value contains itself");
	char deep[1200];
	memset(deep, '[', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	T_TRUE(parse(deep, &err) != SP_OK);
}

SP_TEST(yaml, unicode_breaks_read_back)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	yyjson_mut_val *back;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	T_TRUE(doc != NULL);
	T_OK(sp_json_parse_mut(T_ARENA, SP_STR("[\"a\\u2028b\",\"\\u0085\",\"\\u2029\"]"), doc, &v, T_ERR));
	T_OK(sp_yaml_write(&out, v, T_ERR));
	T_EQ_C(sp_buf_view(&out), "- \"a\\Lb\"\n- \"\\N\"\n- \"\\P\"\n");
	T_OK(sp_yaml_parse(T_ARENA, sp_buf_view(&out), doc, NULL, &back, T_ERR));
	T_TRUE(sp_jmut_equal(v, back));
}

SP_TEST(yaml, a_key_that_looks_like_a_merge_reads_back)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	yyjson_mut_val *back;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	T_TRUE(doc != NULL);
	T_OK(sp_yaml_parse(T_ARENA, SP_STR("!local <<: x\n"), doc, NULL, &v, T_ERR));
	T_OK(sp_yaml_write(&out, v, T_ERR));
	T_EQ_C(sp_buf_view(&out), "\"<<\": x\n");
	T_OK(sp_yaml_parse(T_ARENA, sp_buf_view(&out), doc, NULL, &back, T_ERR));
	T_TRUE(sp_jmut_equal(v, back));
}

SP_TEST(yaml, what_is_no_utf8_is_binary)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *back;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 4096);
	T_TRUE(doc != NULL);
	yyjson_mut_val *v = yyjson_mut_strn(doc, "\xff\xfe", 2);
	T_TRUE(v != NULL);
	T_OK(sp_yaml_write(&out, v, T_ERR));
	T_EQ_C(sp_buf_view(&out), "!!binary //4=\n");
	T_OK(sp_yaml_parse(T_ARENA, sp_buf_view(&out), doc, NULL, &back, T_ERR));
	T_TRUE(sp_jmut_equal(v, back));
}

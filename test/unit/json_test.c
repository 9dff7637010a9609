/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "lib/t.h"

static sp_code rewrite(sp_str text, sp_buf *out, sp_err *err)
{
	yyjson_val *v;
	SP_TRY(sp_json_parse(T_ARENA, text, &v, err));
	SP_TRY(sp_json_write(out, v));
	return sp_buf_code(out);
}

static sp_code rewrite_mut(sp_str text, sp_buf *out, sp_err *err)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	if (doc == NULL)
		return SP_ENOMEM;
	yyjson_mut_val *v;
	SP_TRY(sp_json_parse_mut(T_ARENA, text, doc, &v, err));
	return sp_json_write_mut(out, v);
}

/* What every RFC 8259 reader must take, and the text that Go would write for it. */
static const struct {
	const char *name;
	sp_str in;
	const char *out;
} accepted[] = {
	{"empty array", SP_STR_INIT("[]"), "[]"},
	{"blanks of all four kinds", SP_STR_INIT(" \t\r\n[ \t\r\n] \t\r\n"), "[]"},
	{"nested empties", SP_STR_INIT("[[],{},[{}]]"), "[[],{},[{}]]"},
	{"scalars at the top", SP_STR_INIT("null"), "null"},
	{"true", SP_STR_INIT("true"), "true"},
	{"false", SP_STR_INIT("\n false"), "false"},
	{"zero", SP_STR_INIT("0"), "0"},
	{"minus zero is an integer", SP_STR_INIT("-0"), "0"},
	{"minus zero with a fraction", SP_STR_INIT("-0.0"), "-0"},
	{"largest signed", SP_STR_INIT("9223372036854775807"), "9223372036854775807"},
	{"smallest signed", SP_STR_INIT("-9223372036854775808"), "-9223372036854775808"},
	{"largest unsigned", SP_STR_INIT("18446744073709551615"), "18446744073709551615"},
	{"one above it", SP_STR_INIT("18446744073709551616"), "18446744073709552000"},
	{"one below the smallest", SP_STR_INIT("-9223372036854775809"), "-9223372036854776000"},
	{"fraction", SP_STR_INIT("123.456789"), "123.456789"},
	{"whole fraction", SP_STR_INIT("100.0"), "100"},
	{"exponents", SP_STR_INIT("[1e2,1E+2,1e-2,1.5e00]"), "[100,100,0.01,1.5]"},
	{"smallest plain exponent", SP_STR_INIT("[0.000001,0.0000001]"), "[0.000001,1e-7]"},
	{"largest plain exponent", SP_STR_INIT("[100000000000000000000.0,1e21]"),
	 "[100000000000000000000,1e+21]"},
	{"denormal", SP_STR_INIT("5e-324"), "5e-324"},
	{"largest double", SP_STR_INIT("1.7976931348623157e308"), "1.7976931348623157e+308"},
	{"underflow", SP_STR_INIT("1e-400"), "0"},
	{"long fraction", SP_STR_INIT("0.1000000000000000055511151231257827"), "0.1"},
	{"short escapes", SP_STR_INIT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
	{"control bytes", SP_STR_INIT("\"\\u0000\\u0001\\u001f\\u007f\""), "\"\\u0000\\u0001\\u001f\x7f\""},
	{"markup is hidden", SP_STR_INIT("\"<a href=x>&\""), "\"\\u003ca href=x\\u003e\\u0026\""},
	{"markup behind 16 plain bytes", SP_STR_INIT("\"0123456789abcdef0123456789abcde<\""),
	 "\"0123456789abcdef0123456789abcde\\u003c\""},
	{"escaped plane 0", SP_STR_INIT("\"\\u20AC\\u00e9\""), "\"\xe2\x82\xac\xc3\xa9\""},
	{"escaped pair", SP_STR_INIT("\"\\uD83D\\udef6\""), "\"\xf0\x9f\x9b\xb6\""},
	{"raw text of all lengths", SP_STR_INIT("\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\xb6\""),
	 "\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x9b\xb6\""},
	{"line separators", SP_STR_INIT("\"\xe2\x80\xa8\\u2029\""), "\"\\u2028\\u2029\""},
	{"noncharacters", SP_STR_INIT("\"\xef\xbf\xbf\\uFFFE\""), "\"\xef\xbf\xbf\xef\xbf\xbe\""},
	{"high surrogate alone", SP_STR_INIT("[\"\\ud800\"]"), "[\"\xef\xbf\xbd\"]"},
	{"low surrogate alone", SP_STR_INIT("[\"x\\udc00y\"]"), "[\"x\xef\xbf\xbdy\"]"},
	{"high and a plain escape", SP_STR_INIT("\"\\ud800\\u0041\""), "\"\xef\xbf\xbd\x41\""},
	{"two highs and a low", SP_STR_INIT("\"\\ud800\\ud83d\\udef6\""), "\"\xef\xbf\xbd\xf0\x9f\x9b\xb6\""},
	{"a backslash before it", SP_STR_INIT("\"\\\\ud800\\ud800\""), "\"\\\\ud800\xef\xbf\xbd\""},
	{"malformed text", SP_STR_INIT("\"\xff\xc3\""), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	{"surrogate in text", SP_STR_INIT("{\"\xed\xa0\x80\":1}"),
	 "{\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\":1}"},
	{"empty key", SP_STR_INIT("{\"\":0}"), "{\"\":0}"},
	{"repeated key is kept", SP_STR_INIT("{\"a\":1,\"a\":2}"), "{\"a\":1,\"a\":2}"},
	{"members and elements", SP_STR_INIT("{\"a\" : [1, {\"b\" :null}] , \"c\":{}}"),
	 "{\"a\":[1,{\"b\":null}],\"c\":{}}"},
};

SP_TEST(json, reads_what_the_standard_allows)
{
	for (size_t i = 0; i < SP_LEN(accepted); i++) {
		t_row("%s", accepted[i].name);
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 16);
		T_OK(rewrite(accepted[i].in, &out, T_ERR));
		T_EQ_C(sp_buf_view(&out), accepted[i].out);
	}
}

SP_TEST(json, editable_trees_write_the_same)
{
	for (size_t i = 0; i < SP_LEN(accepted); i++) {
		t_row("%s", accepted[i].name);
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 16);
		T_OK(rewrite_mut(accepted[i].in, &out, T_ERR));
		T_EQ_C(sp_buf_view(&out), accepted[i].out);
	}
}

#define AT_VALUE "looking for beginning of value"
#define AT_KEY "looking for beginning of object key string"

/* What no reader may take, with the words of Go's encoding/json. */
static const struct {
	const char *name;
	sp_str in;
	const char *message;
} refused[] = {
	{"nothing", SP_STR_INIT(""), "unexpected end of JSON input"},
	{"blanks only", SP_STR_INIT(" \n"), "unexpected end of JSON input"},
	{"open array", SP_STR_INIT("["), "unexpected end of JSON input"},
	{"open array after comma", SP_STR_INIT("[1,"), "unexpected end of JSON input"},
	{"open array after element", SP_STR_INIT("[1"), "unexpected end of JSON input"},
	{"open object", SP_STR_INIT("{"), "unexpected end of JSON input"},
	{"open object after key", SP_STR_INIT("{\"a\""), "unexpected end of JSON input"},
	{"open object after colon", SP_STR_INIT("{\"a\":"), "unexpected end of JSON input"},
	{"open object after member", SP_STR_INIT("{\"a\":1"), "unexpected end of JSON input"},
	{"open string", SP_STR_INIT("\"abc"), "unexpected end of JSON input"},
	{"cut escape", SP_STR_INIT("\"\\"), "invalid character ' ' in string escape code"},
	{"cut hex escape", SP_STR_INIT("\"\\u12"),
	 "invalid character ' ' in \\u hexadecimal character escape"},
	{"cut literal", SP_STR_INIT("tru"), "invalid character ' ' in literal true (expecting 'e')"},
	{"cut number", SP_STR_INIT("-"), "invalid character ' ' in numeric literal"},
	{"cut fraction", SP_STR_INIT("[1."), "invalid character ' ' after decimal point in numeric literal"},
	{"cut exponent", SP_STR_INIT("1e+"), "invalid character ' ' in exponent of numeric literal"},
	{"comma after the last element", SP_STR_INIT("[1,]"), "invalid character ']' " AT_VALUE},
	{"comma before the first element", SP_STR_INIT("[,1]"), "invalid character ',' " AT_VALUE},
	{"two commas", SP_STR_INIT("[1,,2]"), "invalid character ',' " AT_VALUE},
	{"comma after the last member", SP_STR_INIT("{\"a\":0,}"), "invalid character '}' " AT_KEY},
	{"no comma", SP_STR_INIT("[1 2]"), "invalid character '2' after array element"},
	{"no comma between members", SP_STR_INIT("{\"a\":1 \"b\":2}"),
	 "invalid character '\"' after object key:value pair"},
	{"no colon", SP_STR_INIT("{\"a\" 1}"), "invalid character '1' after object key"},
	{"comma for colon", SP_STR_INIT("{\"a\",1}"), "invalid character ',' after object key"},
	{"colon in array", SP_STR_INIT("[\"a\":1]"), "invalid character ':' after array element"},
	{"wrong bracket", SP_STR_INIT("[1}"), "invalid character '}' after array element"},
	{"wrong brace", SP_STR_INIT("{\"a\":1]"), "invalid character ']' after object key:value pair"},
	{"closing alone", SP_STR_INIT("]"), "invalid character ']' " AT_VALUE},
	{"number as key", SP_STR_INIT("{1:1}"), "invalid character '1' " AT_KEY},
	{"bare key", SP_STR_INIT("{a:1}"), "invalid character 'a' " AT_KEY},
	{"single quotes", SP_STR_INIT("['a']"), "invalid character '\\'' " AT_VALUE},
	{"comment", SP_STR_INIT("[1/* x */]"), "invalid character '/' after array element"},
	{"line comment", SP_STR_INIT("// x\n1"), "invalid character '/' " AT_VALUE},
	{"two values", SP_STR_INIT("1 2"), "invalid character '2' after top-level value"},
	{"closing twice", SP_STR_INIT("{}}"), "invalid character '}' after top-level value"},
	{"leading zero", SP_STR_INIT("012"), "invalid character '1' after top-level value"},
	{"leading zero in array", SP_STR_INIT("[-012]"), "invalid character '1' after array element"},
	{"leading plus", SP_STR_INIT("+1"), "invalid character '+' " AT_VALUE},
	{"leading point", SP_STR_INIT("[.5]"), "invalid character '.' " AT_VALUE},
	{"ending point", SP_STR_INIT("[1.]"), "invalid character ']' after decimal point in numeric literal"},
	{"point and exponent", SP_STR_INIT("[1.e3]"),
	 "invalid character 'e' after decimal point in numeric literal"},
	{"empty exponent", SP_STR_INIT("[1e]"), "invalid character ']' in exponent of numeric literal"},
	{"hexadecimal", SP_STR_INIT("[0x1]"), "invalid character 'x' after array element"},
	{"letters in a number", SP_STR_INIT("[-a]"), "invalid character 'a' in numeric literal"},
	{"NaN", SP_STR_INIT("[NaN]"), "invalid character 'N' " AT_VALUE},
	{"infinity", SP_STR_INIT("[-Infinity]"), "invalid character 'I' in numeric literal"},
	{"wrong case", SP_STR_INIT("[True]"), "invalid character 'T' " AT_VALUE},
	{"wrong literal", SP_STR_INIT("[nul]"), "invalid character ']' in literal null (expecting 'l')"},
	{"literal goes on", SP_STR_INIT("[truex]"), "invalid character 'x' after array element"},
	{"line break in string", SP_STR_INIT("\"a\nb\""), "invalid character '\\n' in string literal"},
	{"tab in string", SP_STR_INIT("[\"\t\"]"), "invalid character '\\t' in string literal"},
	{"NUL in string", SP_STR_INIT("\"\0\""), "invalid character '\\x00' in string literal"},
	{"unknown escape", SP_STR_INIT("\"\\x\""), "invalid character 'x' in string escape code"},
	{"NUL as escape", SP_STR_INIT("\"\\\0\""), "invalid character '\\x00' in string escape code"},
	{"wrong hex", SP_STR_INIT("\"\\u00G0\""),
	 "invalid character 'G' in \\u hexadecimal character escape"},
	{"byte order mark", SP_STR_INIT("\xef\xbb\xbf{}"), "invalid character '\xc3\xaf' " AT_VALUE},
	{"no-break space", SP_STR_INIT("\xa0[]"), "invalid character '\\u00a0' " AT_VALUE},
	{"high control", SP_STR_INIT("[\x80]"), "invalid character '\\u0080' " AT_VALUE},
	{"soft hyphen", SP_STR_INIT("[\xad]"), "invalid character '\\u00ad' " AT_VALUE},
	{"delete", SP_STR_INIT("\x7f"), "invalid character '\\x7f' " AT_VALUE},
	{"backslash", SP_STR_INIT("\\"), "invalid character '\\\\' " AT_VALUE},
	{"form feed", SP_STR_INIT("[\f]"), "invalid character '\\f' " AT_VALUE},
	{"NUL after the value", SP_STR_INIT("1\0"), "invalid character '\\x00' after top-level value"},
	{"malformed text outside", SP_STR_INIT("[\"\xff\",\xff]"), "invalid character '\xc3\xbf' " AT_VALUE},
	{"too large", SP_STR_INIT("[1,-1e400]"),
	 "json: cannot unmarshal number -1e400 into Go value of type float64"},
	{"too large and malformed", SP_STR_INIT("[\"\xff\",1e999]"),
	 "json: cannot unmarshal number 1e999 into Go value of type float64"},
};

SP_TEST(json, refuses_the_rest_in_the_words_of_go)
{
	for (size_t i = 0; i < SP_LEN(refused); i++) {
		t_row("%s", refused[i].name);
		yyjson_val *v = NULL;
		sp_err err = {0};
		T_CODE(sp_json_parse(T_ARENA, refused[i].in, &v, &err), SP_EINVAL);
		T_TRUE(v == NULL);
		T_EQ_C(sp_str_c(err.msg), refused[i].message);
	}
}

static sp_str nest(size_t depth, const char *open, const char *inner, const char *close)
{
	size_t n_open = strlen(open);
	size_t n_close = strlen(close);
	size_t n = depth * (n_open + n_close) + strlen(inner);
	char *p = sp_arena_alloc(T_ARENA, n + 1);
	for (size_t i = 0; i < depth; i++)
		memcpy(p + i * n_open, open, n_open);
	memcpy(p + depth * n_open, inner, strlen(inner));
	for (size_t i = 0; i < depth; i++)
		memcpy(p + depth * n_open + strlen(inner) + i * n_close, close, n_close);
	return (sp_str){p, n};
}

SP_TEST(json, depth_has_a_ceiling)
{
	yyjson_val *v;
	yyjson_mut_val *m;
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	sp_str most = nest(SP_LIMIT_JSON_DEPTH, "[", "1", "]");
	T_OK(sp_json_parse(T_ARENA, most, &v, T_ERR));
	T_OK(sp_json_write(&out, v));
	T_EQ_STR(sp_buf_view(&out), most);
	T_OK(sp_json_parse_mut(T_ARENA, most, doc, &m, T_ERR));
	T_CODE(sp_json_parse(T_ARENA, nest(SP_LIMIT_JSON_DEPTH, "{\"a\":", "{}", "}"), &v, T_ERR),
	       SP_ETOOLARGE);
	T_EQ_C(sp_str_c(T_ERR->msg), "exceeded max depth");
	T_CODE(sp_json_parse(T_ARENA, nest(SP_LIMIT_JSON_DEPTH + 1, "[", "", "]"), &v, T_ERR), SP_ETOOLARGE);
	T_CODE(sp_json_parse(T_ARENA, nest(100000, "[{\"a\":", "", ""), &v, T_ERR), SP_ETOOLARGE);
	/* Two siblings of the last allowed depth. */
	sp_str wide = nest(SP_LIMIT_JSON_DEPTH - 1, "[", "[],[[", "]");
	T_CODE(sp_json_parse(T_ARENA, wide, &v, T_ERR), SP_ETOOLARGE);
	T_OK(sp_json_parse(T_ARENA, nest(SP_LIMIT_JSON_DEPTH - 1, "[", "[],[]", "]"), &v, T_ERR));
}

SP_TEST(json, built_trees_have_a_ceiling_too)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	yyjson_mut_val *v = yyjson_mut_int(doc, 1);
	T_TRUE(v != NULL);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	for (size_t i = 0; i < SP_JSON_BUILD_DEPTH; i++) {
		yyjson_mut_val *around = yyjson_mut_arr(doc);
		T_TRUE(around != NULL && yyjson_mut_arr_append(around, v));
		v = around;
	}
	T_OK(sp_json_write_mut(&out, v));
	T_OK(sp_json_write_go(&out, v));
	T_TRUE(sp_jmut_equal(v, v));
	yyjson_mut_val *around = yyjson_mut_arr(doc);
	T_TRUE(around != NULL && yyjson_mut_arr_append(around, v));
	sp_buf_clear(&out);
	T_CODE(sp_json_write_mut(&out, around), SP_ETOOLARGE);
	sp_buf_clear(&out);
	T_CODE(sp_json_write_go(&out, around), SP_ETOOLARGE);
}

SP_TEST(json, the_arena_is_the_ceiling_of_memory)
{
	SP_CLEANUP(sp_arena_done) sp_arena small;
	sp_arena_init(&small, 4096);
	yyjson_val *v;
	T_CODE(sp_json_parse(&small, nest(400, "[", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", "]"), &v,
			     T_ERR),
	       SP_ETOOLARGE);
	T_TRUE(sp_str_find(sp_str_c(T_ERR->msg), SP_STR("needs more memory")) >= 0);
	T_CODE(sp_json_parse(&small, nest(4000, " ", "1", " "), &v, NULL), SP_ETOOLARGE);
}

SP_TEST(json, writing_stops_at_the_buffers_limit)
{
	yyjson_val *v;
	T_OK(sp_json_parse(T_ARENA, SP_STR("{\"a\":[1,2.5,\"text\",true]}"), &v, T_ERR));
	SP_AUTO_BUF whole;
	sp_buf_init(&whole, 100);
	T_OK(sp_json_write(&whole, v));
	for (size_t limit = 0; limit < whole.len; limit++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, limit);
		T_CODE(sp_json_write(&out, v), SP_ETOOLARGE);
		T_EQ_U64(out.len, 0);
	}
}

SP_TEST(json, no_text_for_infinity)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 100);
	T_CODE(sp_json_write_f64(&out, __builtin_inf()), SP_EINVAL);
	T_CODE(sp_json_write_f64(&out, __builtin_nan("")), SP_EINVAL);
}

SP_TEST(json, malformed_strings_are_written_with_an_escape)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 100);
	T_OK(sp_json_write_str(&out, SP_STR("a\xff\xc3(\xed\xa0\x80")));
	T_EQ_C(sp_buf_view(&out), "\"a\\ufffd\\ufffd(\\ufffd\\ufffd\\ufffd\"");
	sp_buf_clear(&out);
	T_OK(sp_json_write_str(&out, (sp_str){NULL, 0}));
	T_EQ_C(sp_buf_view(&out), "\"\"");
}

SP_TEST(json, the_last_of_equal_keys_counts)
{
	yyjson_val *v;
	T_OK(sp_json_parse(T_ARENA, SP_STR("{\"a\":1,\"b\":[{}],\"a\":\"x\",\"c\":2}"), &v, T_ERR));
	T_EQ_C(sp_json_str(sp_json_last(v, SP_STR("a"))), "x");
	T_TRUE(yyjson_is_arr(sp_json_last(v, SP_STR("b"))));
	T_TRUE(sp_json_last(v, SP_STR("d")) == NULL);
	T_TRUE(sp_json_last(sp_json_last(v, SP_STR("b")), SP_STR("a")) == NULL);
	T_TRUE(sp_json_last(NULL, SP_STR("a")) == NULL);
}

static sp_code parse_text(yyjson_mut_doc *doc, sp_str text, yyjson_mut_val **ret)
{
	return doc == NULL ? SP_ENOMEM : sp_json_parse_mut(T_ARENA, text, doc, ret, T_ERR);
}

SP_TEST(json, members_are_set_replaced_and_removed_in_order)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	T_OK(parse_text(doc, SP_STR("{\"a\":{\"x\":[1,2]},\"b\":2}"), &v));
	T_TRUE(sp_jmut_set_str(doc, v, SP_STR("a"), SP_STR("one")));
	T_TRUE(sp_jmut_set(doc, v, SP_STR("c"), yyjson_mut_obj(doc)));
	T_TRUE(sp_jmut_set_str(doc, sp_jmut_get(v, SP_STR("c")), SP_STR("d"), SP_STR("")));
	T_TRUE(sp_jmut_remove(v, SP_STR("b")));
	T_TRUE(!sp_jmut_remove(v, SP_STR("b")));
	T_TRUE(!sp_jmut_set(doc, v, SP_STR("e"), NULL));
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1000);
	T_OK(sp_json_write_mut(&out, v));
	T_EQ_C(sp_buf_view(&out), "{\"a\":\"one\",\"c\":{\"d\":\"\"}}");
	T_EQ_C(sp_jmut_str(sp_jmut_path(v, "c", "d", NULL)), "");
	T_TRUE(sp_jmut_path(v, "c", "x", "y", NULL) == NULL);
	T_TRUE(sp_jmut_path(v, NULL) == v);
	T_TRUE(sp_jmut_get(sp_jmut_get(v, SP_STR("a")), SP_STR("x")) == NULL);
	/* The value that stands there already. */
	T_TRUE(sp_jmut_set(doc, v, SP_STR("a"), sp_jmut_get(v, SP_STR("a"))));
	T_TRUE(sp_jmut_remove(v, SP_STR("a")));
	T_TRUE(sp_jmut_remove(v, SP_STR("c")));
	sp_buf_clear(&out);
	T_OK(sp_json_write_mut(&out, v));
	T_EQ_C(sp_buf_view(&out), "{}");
}

SP_TEST(json, members_in_order)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"{}", "{}"},
		{"{\"b\":1}", "{\"b\":1}"},
		{"{\"c\":1,\"a\":{\"z\":1,\"y\":2},\"b\":3}", "{\"a\":{\"z\":1,\"y\":2},\"b\":3,\"c\":1}"},
		{"{\"b\":1,\"a\":1,\"b\":2,\"a\":2,\"\":0}", "{\"\":0,\"a\":1,\"a\":2,\"b\":1,\"b\":2}"},
		{"{\"e\":5,\"d\":4,\"c\":3,\"b\":2,\"a\":1,\"aa\":0}",
		 "{\"a\":1,\"aa\":0,\"b\":2,\"c\":3,\"d\":4,\"e\":5}"},
		{"[2,1]", "[2,1]"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
		yyjson_mut_val *v;
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1000);
		t_row("%s", rows[i].text);
		T_OK(parse_text(doc, sp_str_c(rows[i].text), &v));
		T_TRUE(sp_jmut_sort(T_ARENA, v));
		T_OK(sp_json_write_mut(&out, v));
		T_EQ_C(sp_buf_view(&out), rows[i].want);
	}
}

SP_TEST(json, removing_takes_every_member_of_that_name)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	yyjson_mut_val *v;
	T_OK(parse_text(doc, SP_STR("{\"a\":1,\"b\":2,\"a\":3,\"a\":4}"), &v));
	T_EQ_I64(yyjson_mut_get_int(sp_jmut_get(v, SP_STR("a"))), 4);
	T_TRUE(sp_jmut_remove(v, SP_STR("a")));
	T_TRUE(sp_jmut_get(v, SP_STR("a")) == NULL);
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1000);
	T_OK(sp_json_write_mut(&out, v));
	T_EQ_C(sp_buf_view(&out), "{\"b\":2}");
}

SP_TEST(json, equality_is_of_values)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} rows[] = {
		{"{\"a\":1,\"b\":[true,null]}", "{\"b\":[true,null],\"a\":1}", true},
		{"[1,2]", "[2,1]", false},
		{"[1,2]", "[1,2,3]", false},
		{"{\"a\":1}", "{\"b\":1}", false},
		{"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
		{"1", "1.0", false},
		{"1.50", "1.5", true},
		{"0", "-0", true},
		{"-1", "18446744073709551615", false},
		{"9223372036854775807", "9223372036854775807", true},
		{"\"a\"", "\"\\u0061\"", true},
		{"\"a\"", "\"a\\u0000\"", false},
		{"true", "false", false},
		{"null", "false", false},
		{"{}", "[]", false},
		{"{}", "{}", true},
		{"[]", "[]", true},
		{"[[],{}]", "[[],{}]", true},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s ? %s", rows[i].a, rows[i].b);
		yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
		yyjson_mut_val *a;
		yyjson_mut_val *b;
		T_OK(parse_text(doc, sp_str_c(rows[i].a), &a));
		T_OK(parse_text(doc, sp_str_c(rows[i].b), &b));
		T_TRUE(sp_jmut_equal(a, b) == rows[i].equal);
		T_TRUE(sp_jmut_equal(b, a) == rows[i].equal);
		T_TRUE(sp_jmut_equal(a, a));
	}
	T_TRUE(sp_jmut_equal(NULL, NULL));
}

SP_TEST(json, equality_of_large_reversed_objects)
{
	yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
	T_TRUE(doc != NULL);
	yyjson_mut_val *a = yyjson_mut_obj(doc);
	yyjson_mut_val *b = yyjson_mut_obj(doc);
	T_TRUE(a != NULL && b != NULL);
	enum { N = 2000 };
	for (int i = 0; i < N; i++) {
		sp_str up = sp_arena_printf(T_ARENA, "k%d", i);
		sp_str down = sp_arena_printf(T_ARENA, "k%d", N - 1 - i);
		T_TRUE(up.ptr != NULL && down.ptr != NULL);
		T_TRUE(yyjson_mut_obj_add_int(doc, a, up.ptr, i));
		T_TRUE(yyjson_mut_obj_add_int(doc, b, down.ptr, N - 1 - i));
	}
	T_TRUE(sp_jmut_equal(a, b));
	T_TRUE(sp_jmut_set_str(doc, b, SP_STR("k7"), SP_STR("other")));
	T_TRUE(!sp_jmut_equal(a, b));
}

SP_TEST(json, go_text_for_messages)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"{\"b\":null,\"a\":[1,\"x y\",true,{\"c\":[]}],\"d\":{}}",
		 "map[a:[1 x y true map[c:[]]] b:<nil> d:map[]]"},
		{"[1000000.0,123456789.5,999999.5,100000.0]", "[1e+06 1.234567895e+08 999999.5 100000]"},
		{"[0.0001,0.00001,1e-300,-2.5,0.0]", "[0.0001 1e-05 1e-300 -2.5 0]"},
		{"[-5,18446744073709551615]", "[-5 18446744073709551615]"},
		{"\"<&>\"", "<&>"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].in);
		yyjson_mut_doc *doc = sp_json_doc(T_ARENA);
		yyjson_mut_val *v;
		T_OK(parse_text(doc, sp_str_c(rows[i].in), &v));
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1000);
		T_OK(sp_json_write_go(&out, v));
		T_EQ_C(sp_buf_view(&out), rows[i].out);
	}
}

SP_TEST(utf8, one_character_at_a_time)
{
	static const struct {
		sp_str in;
		uint32_t rune;
		size_t len, last_len;
	} rows[] = {
		{SP_STR_INIT("a"), 'a', 1, 1},
		{SP_STR_INIT("\0"), 0, 1, 1},
		{SP_STR_INIT("\xc3\xa9"), 0xe9, 2, 2},
		{SP_STR_INIT("\xe2\x82\xac"), 0x20ac, 3, 3},
		{SP_STR_INIT("\xef\xbf\xbd"), 0xfffd, 3, 3},
		{SP_STR_INIT("\xf0\x9f\x9b\xb6"), 0x1f6f6, 4, 4},
		{SP_STR_INIT("\xf4\x8f\xbf\xbf"), 0x10ffff, 4, 4},
		{SP_STR_INIT("\xf4\x90\x80\x80"), SP_RUNE_ERROR, 1, 1},
		{SP_STR_INIT("\xc0\x80"), SP_RUNE_ERROR, 1, 1},
		{SP_STR_INIT("\xe2\x82"), SP_RUNE_ERROR, 1, 1},
		{SP_STR_INIT("\x80\x80\x80\x80\x80"), SP_RUNE_ERROR, 1, 1},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu", i);
		uint32_t rune = 1;
		T_EQ_U64(sp_utf8_decode(rows[i].in, &rune), rows[i].len);
		T_EQ_U64(rune, rows[i].rune);
		T_EQ_U64(sp_utf8_decode_last(rows[i].in, &rune), rows[i].last_len);
		T_EQ_U64(rune, rows[i].rune);
		char text[SP_UTF8_MAX_BYTES];
		sp_str again = {text, sp_utf8_encode(text, rune)};
		if (rune != SP_RUNE_ERROR)
			T_EQ_STR(again, rows[i].in);
	}
	T_EQ_U64(sp_utf8_count(SP_STR("a\xe2\x82\xac\xff\xff")), 4);
	char text[SP_UTF8_MAX_BYTES];
	T_EQ_STR(((sp_str){text, sp_utf8_encode(text, 0xd800)}), SP_STR("\xef\xbf\xbd"));
	T_EQ_STR(((sp_str){text, sp_utf8_encode(text, 0x110000)}), SP_STR("\xef\xbf\xbd"));
}

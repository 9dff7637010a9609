/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/json_span.h"
#include "lib/t.h"

SP_TEST(json_str, text_of_a_value)
{
	static const struct {
		const char *value, *want; /* want NULL: SP_EINVAL */
	} rows[] = {
		{"\"\"", ""},
		{"\"a\\\"b\\\\c\\/d\\n\\t\"", "a\"b\\c/d\n\t"},
		{"\"\\u0041\\u00e9\"", "A\xc3\xa9"},
		{"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
		{"\"\\ud83dx\"", "\xef\xbf\xbdx"},
		{"\"\\u12\"", NULL},
		{"\"\\x\"", NULL},
		{"\"\\", NULL},
		{"x", NULL},
		{"", NULL},
		{"\"", NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out;
		sp_buf_init(&out, 256);
		t_row("%s", rows[i].value);
		sp_code code = sp_json_span_text(sp_str_c(rows[i].value), &out);
		if (rows[i].want == NULL) {
			T_CODE(code, SP_EINVAL);
			continue;
		}
		T_OK(code);
		T_EQ_C(sp_buf_view(&out), rows[i].want);
	}
}

SP_TEST(json_str, what_is_written_reads_back)
{
	char text[64];
	for (unsigned i = 0; i < 200; i++) {
		SP_AUTO_BUF json, back;
		size_t n = t_random_below(sizeof text);
		for (size_t j = 0; j < n; j++)
			text[j] = (char)t_random_below(128);
		sp_buf_init(&json, 4096);
		sp_buf_init(&back, 4096);
		T_OK(sp_json_write_str(&json, (sp_str){text, n}));
		T_OK(sp_json_span_text(sp_buf_view(&json), &back));
		T_EQ_STR(sp_buf_view(&back), ((sp_str){text, n}));
	}
}

SP_TEST(json_str, elements)
{
	sp_str in = SP_STR(" [ 1 , {\"a\":[2,3]},\"x,y\" ] "), one;
	static const char *const want[] = {"1", "{\"a\":[2,3]}", "\"x,y\""};
	for (size_t i = 0; i < SP_LEN(want); i++) {
		T_TRUE(sp_json_span_next(&in, &one));
		T_EQ_C(one, want[i]);
	}
	T_TRUE(!sp_json_span_next(&in, &one));
	static const char *const none[] = {"", "[]", "{}", "[", "[,"};
	for (size_t i = 0; i < SP_LEN(none); i++) {
		in = sp_str_c(none[i]);
		t_row("%s", none[i]);
		T_TRUE(!sp_json_span_next(&in, &one));
	}
}

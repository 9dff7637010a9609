/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "lib/t.h"

SP_TEST(base64, rfc_4648_vectors_both_ways)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"}};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i][0]);
		SP_AUTO_BUF b;
		sp_buf_init(&b, 64);
		T_OK(sp_base64_append(&b, rows[i][0], strlen(rows[i][0])));
		T_EQ_C(sp_buf_view(&b), rows[i][1]);
		uint8_t out[16];
		size_t n = 99;
		T_OK(sp_base64_decode(sp_str_c(rows[i][1]), out, &n, T_ERR));
		T_EQ_C(((sp_str){(char *)out, n}), rows[i][0]);
	}
}

/* Expected outcomes taken from Go's base64.StdEncoding.DecodeString. */
SP_TEST(base64, tolerates_and_refuses_as_go_does)
{
	static const struct {
		const char *in, *out; /* out NULL: err is the position */
		size_t at;
	} rows[] = {
		{"Zm\r\n9v", "foo", 0}, {"Zg==\n", "f", 0}, {"Zg=\n=", "f", 0}, {"Zh==", "f", 0},
		{"Zg", NULL, 0},        {"Zg=", NULL, 3},   {"Z===", NULL, 1},  {"Zm9v=", NULL, 4},
		{"Zg=x", NULL, 2},      {"Zg==x", NULL, 4}, {"Zm9!", NULL, 3},  {"Zm8=Zg==", NULL, 4},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].in);
		uint8_t out[16];
		size_t n = 99;
		sp_err err = {0};
		sp_code code = sp_base64_decode(sp_str_c(rows[i].in), out, &n, &err);
		if (rows[i].out != NULL) {
			T_CODE(code, SP_OK);
			T_EQ_C(((sp_str){(char *)out, n}), rows[i].out);
			continue;
		}
		T_CODE(code, SP_EINVAL);
		T_EQ_U64(n, 99);
		T_EQ_STR(sp_str_c(err.msg),
			 sp_arena_printf(T_ARENA, "illegal base64 data at input byte %zu", rows[i].at));
	}
}

SP_TEST(base64, in_place_decoding)
{
	char text[] = "c2FtcGFu";
	size_t n = 0;
	T_OK(sp_base64_decode(sp_str_c(text), (uint8_t *)text, &n, T_ERR));
	T_EQ_C(((sp_str){text, n}), "sampan");
}

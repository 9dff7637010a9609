/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"
#include "lib/t.h"

SP_TEST(duration, text_as_go_writes_it)
{
	static const struct {
		const char *in;
		int64_t ns;
		const char *out;
	} rows[] = {
		{"0", 0, "0s"},
		{"-0s", 0, "0s"},
		{"1ns", 1, "1ns"},
		{"1.5us", 1500, "1.5\xc2\xb5s"},
		{"2\xce\xbcs", 2000, "2\xc2\xb5s"},
		{"1050us", 1050000, "1.05ms"},
		{".5s", 500000000, "500ms"},
		{"1h", INT64_C(3600000000000), "1h0m0s"},
		{"90s", INT64_C(90000000000), "1m30s"},
		{"-1m0.25s", INT64_C(-60250000000), "-1m0.25s"},
		{"1h1m1.000000001s", INT64_C(3661000000001), "1h1m1.000000001s"},
		{"9223372036854775807ns", INT64_MAX, "2562047h47m16.854775807s"},
		{"-9223372036854775808ns", INT64_MIN, "-2562047h47m16.854775808s"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].in);
		int64_t ns = 1;
		T_OK(sp_duration_parse(sp_str_c(rows[i].in), &ns, T_ERR));
		T_EQ_I64(ns, rows[i].ns);
		T_EQ_C(sp_duration_print(T_ARENA, ns), rows[i].out);
	}
}

SP_TEST(duration, refuses_what_go_refuses)
{
	static const char *const rows[] = {
		"", "-", "1", ".s", "s", "1x", "1s ", "9223372036854775808ns", "3000000h", "1..5s"};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		int64_t ns;
		T_CODE(sp_duration_parse(sp_str_c(rows[i]), &ns, NULL), SP_EINVAL);
	}
}

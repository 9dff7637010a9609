/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t.h"
#include "base/time.h"

SP_TEST(time, text_both_ways)
{
	static const struct {
		const char *in;
		int64_t seconds;
		uint32_t nanos;
		unsigned n_digits;
		const char *out;
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0, 0, 0, "1970-01-01T00:00:00Z"},
		{"1969-12-31T23:59:59.5Z", -1, 500000000, 6, "1969-12-31T23:59:59.500000Z"},
		{"2024-02-29T12:34:56.123456789Z", 1709210096, 123456789, 6, "2024-02-29T12:34:56.123456Z"},
		{"2024-12-31T23:30:00-01:30", 1735693200, 0, 0, "2025-01-01T01:00:00Z"},
		{"2000-03-01T00:00:00+05:30", 951849000, 0, 0, "2000-02-29T18:30:00Z"},
		{"0000-01-01T00:00:00Z", INT64_C(-62167219200), 0, 0, "0000-01-01T00:00:00Z"},
		{"0001-01-01T00:00:00Z", INT64_C(-62135596800), 0, 0, "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999999999999Z", INT64_C(253402300799), 999999999, 9,
		 "9999-12-31T23:59:59.999999999Z"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].in);
		sp_time t;
		char text[SP_TIME_TEXT_BYTES];
		T_OK(sp_time_parse(sp_str_c(rows[i].in), &t, T_ERR));
		T_EQ_C(((sp_str){text, sp_time_print(text, t, rows[i].n_digits)}), rows[i].out);
		T_EQ_I64(t.seconds, rows[i].seconds);
		T_EQ_U64(t.nanos, rows[i].nanos);
	}
	char text[SP_TIME_TEXT_BYTES];
	T_EQ_U64(sp_time_print(text, (sp_time){INT64_C(253402300800), 0}, 0), 0);
	T_EQ_U64(sp_time_print(text, (sp_time){INT64_C(-62167219201), 0}, 0), 0);
}

SP_TEST(time, refuses_the_rest)
{
	static const char *const rows[] = {"",
					   "2024-02-30T00:00:00Z",
					   "2023-02-29T00:00:00Z",
					   "2024-00-01T00:00:00Z",
					   "2024-01-00T00:00:00Z",
					   "2024-13-01T00:00:00Z",
					   "2024-01-01T24:00:00Z",
					   "2024-01-01T00:60:00Z",
					   "2024-01-01T00:00:60Z",
					   "2024-01-01 00:00:00Z",
					   "2024-01-01T00:00:00",
					   "2024-01-01T00:00:00.Z",
					   "2024-01-01T00:00:00+24:00",
					   "2024-01-01T00:00:00Zx",
					   "24-01-01T00:00:00Z"};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		sp_time t;
		T_CODE(sp_time_parse(sp_str_c(rows[i]), &t, NULL), SP_EINVAL);
	}
}

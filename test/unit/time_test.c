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
					   "2024-01-01T00:00:00+25:00",
					   "2024-01-01T00:00:00Zx",
					   "24-01-01T00:00:00Z"};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		sp_time t;
		T_CODE(sp_time_parse(sp_str_c(rows[i]), &t, NULL), SP_EINVAL);
	}
}

/* Expectations: time.Parse of Go. */
SP_TEST(time, errors_in_gos_words)
{
	static const struct {
		bool micro;
		const char *in, *message;
	} rows[] = {
		{false, "",
		 "parsing time \"\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"2006\""},
		{false, "x",
		 "parsing time \"x\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"x\" as \"2006\""},
		{false, "20-01-01",
		 "parsing time \"20-01-01\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"20-01-01\" as "
		 "\"2006\""},
		{false, "2024-13-01T00:00:00Z", "parsing time \"2024-13-01T00:00:00Z\": month out of range"},
		{false, "2024-1-01T00:00:00Z",
		 "parsing time \"2024-1-01T00:00:00Z\" as \"2006-01-02T15:04:05Z07:00\": cannot parse "
		 "\"1-01T00:00:00Z\" as \"01\""},
		{false, "2024-02-30T00:00:00Z", "parsing time \"2024-02-30T00:00:00Z\": day out of range"},
		{false, "2024-02-00T00:00:00Z", "parsing time \"2024-02-00T00:00:00Z\": day out of range"},
		{false, "2024-02-03 00:00:00Z",
		 "parsing time \"2024-02-03 00:00:00Z\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \" "
		 "00:00:00Z\" as \"T\""},
		{false, "2024-02-03T24:00:00Z", "parsing time \"2024-02-03T24:00:00Z\": hour out of range"},
		{false, "2024-02-03T00:60:00Z", "parsing time \"2024-02-03T00:60:00Z\": minute out of range"},
		{false, "2024-02-03T00:00:61Z", "parsing time \"2024-02-03T00:00:61Z\": second out of range"},
		{false, "2024-02-03T00:00:00.Z",
		 "parsing time \"2024-02-03T00:00:00.Z\" as \"2006-01-02T15:04:05Z07:00\": cannot parse "
		 "\".Z\" as \"Z07:00\""},
		{false, "2024-02-03T00:00:00",
		 "parsing time \"2024-02-03T00:00:00\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" "
		 "as \"Z07:00\""},
		{false, "2024-02-03T00:00:00Zx", "parsing time \"2024-02-03T00:00:00Zx\": extra text: \"x\""},
		{false, "2024-02-03T00:00:00+25:00",
		 "parsing time \"2024-02-03T00:00:00+25:00\": time zone offset hour out of range"},
		{false, "2024-02-03T00:00:00+2500",
		 "parsing time \"2024-02-03T00:00:00+2500\" as \"2006-01-02T15:04:05Z07:00\": cannot parse "
		 "\"+2500\" as \"Z07:00\""},
		{false, "2024-02-03T00:00:00.000001+01:61",
		 "parsing time \"2024-02-03T00:00:00.000001+01:61\": time zone offset minute out of range"},
		{false, "a\"\\\001\303\251",
		 "parsing time \"a\\\"\\\\\\x01\\xc3\\xa9\" as \"2006-01-02T15:04:05Z07:00\": cannot parse "
		 "\"a\\\"\\\\\\x01\\xc3\\xa9\" as \"2006\""},
		{false, "2024-02-03",
		 "parsing time \"2024-02-03\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"T\""},
		{true, "",
		 "parsing time \"\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"\" as \"2006\""},
		{true, "x",
		 "parsing time \"x\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"x\" as "
		 "\"2006\""},
		{true, "20-01-01",
		 "parsing time \"20-01-01\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse "
		 "\"20-01-01\" as \"2006\""},
		{true, "2024-13-01T00:00:00Z", "parsing time \"2024-13-01T00:00:00Z\": month out of range"},
		{true, "2024-1-01T00:00:00Z",
		 "parsing time \"2024-1-01T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse "
		 "\"1-01T00:00:00Z\" as \"01\""},
		{true, "2024-02-30T00:00:00Z",
		 "parsing time \"2024-02-30T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \"Z\" as \".000000\""},
		{true, "2024-02-00T00:00:00Z",
		 "parsing time \"2024-02-00T00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \"Z\" as \".000000\""},
		{true, "2024-02-03 00:00:00Z",
		 "parsing time \"2024-02-03 00:00:00Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \" 00:00:00Z\" as \"T\""},
		{true, "2024-02-03T24:00:00Z", "parsing time \"2024-02-03T24:00:00Z\": hour out of range"},
		{true, "2024-02-03T00:60:00Z", "parsing time \"2024-02-03T00:60:00Z\": minute out of range"},
		{true, "2024-02-03T00:00:61Z", "parsing time \"2024-02-03T00:00:61Z\": second out of range"},
		{true, "2024-02-03T00:00:00.Z",
		 "parsing time \"2024-02-03T00:00:00.Z\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \".Z\" as \".000000\""},
		{true, "2024-02-03T00:00:00",
		 "parsing time \"2024-02-03T00:00:00\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse "
		 "\"\" as \".000000\""},
		{true, "2024-02-03T00:00:00Zx",
		 "parsing time \"2024-02-03T00:00:00Zx\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \"Zx\" as \".000000\""},
		{true, "2024-02-03T00:00:00+25:00",
		 "parsing time \"2024-02-03T00:00:00+25:00\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \"+25:00\" as \".000000\""},
		{true, "2024-02-03T00:00:00+2500",
		 "parsing time \"2024-02-03T00:00:00+2500\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \"+2500\" as \".000000\""},
		{true, "2024-02-03T00:00:00.000001+01:61",
		 "parsing time \"2024-02-03T00:00:00.000001+01:61\": time zone offset minute out of range"},
		{true, "2024-02-03T00:00:00.1234567Z",
		 "parsing time \"2024-02-03T00:00:00.1234567Z\" as \"2006-01-02T15:04:05.000000Z07:00\": "
		 "cannot parse \"7Z\" as \"Z07:00\""},
		{true, "a\"\\\001\303\251",
		 "parsing time \"a\\\"\\\\\\x01\\xc3\\xa9\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot "
		 "parse \"a\\\"\\\\\\x01\\xc3\\xa9\" as \"2006\""},
		{true, "2024-02-03",
		 "parsing time \"2024-02-03\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"\" as "
		 "\"T\""},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].in);
		sp_time t;
		sp_err err = {0};
		sp_str text = sp_str_c(rows[i].in);
		T_CODE(rows[i].micro ? sp_time_parse_micro(text, &t, &err) : sp_time_parse(text, &t, &err),
		       SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].message);
	}
}

SP_TEST(time, long_rubbish_is_told)
{
	char text[600];
	memset(text, 0xff, sizeof text);
	sp_time t;
	sp_err err = {0};
	T_CODE(sp_time_parse((sp_str){text, sizeof text}, &t, &err), SP_EINVAL);
	T_TRUE(sp_str_starts(sp_str_c(err.msg), SP_STR("parsing time \"\\xff\\xff")));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quantity.h"
#include "lib/t.h"

static const char wrong_form[] =
	"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
static const char wrong_suffix[] = "unable to parse quantity's suffix";

SP_TEST(quantity, prints_the_canonical_form)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"0", "0"},
		{"0Ki", "0"},
		{"1", "1"},
		{"100m", "100m"},
		{"0.1", "100m"},
		{".5", "500m"},
		{"1000m", "1"},
		{"1500m", "1500m"},
		{"1.5", "1500m"},
		{"1000", "1k"},
		{"1024", "1024"},
		{"1500k", "1500k"},
		{"+12M", "12M"},
		{"-3G", "-3G"},
		{"1Ki", "1Ki"},
		{"1024Ki", "1Mi"},
		{"1536Mi", "1536Mi"},
		{"1.5Gi", "1536Mi"},
		{"0.5Ki", "512"},
		{"0.1Ki", "102400m"},
		{"0.0001Ki", "102400u"},
		{"1.1Ki", "1126400m"},
		{"8Ei", "9223372036854775807"},
		{"100Ei", "9223372036854775807"},
		{"-100Ei", "-9223372036854775807"},
		{"1e3", "1e3"},
		{"12e4", "120e3"},
		{"1E3", "1e3"},
		{"1e-3", "1e-3"},
		{"5E", "5E"},
		{"1n", "1n"},
		{"0.1n", "1n"},
		{"0.00000000000000000000000000000001", "1n"},
		{"-0.1n", "-1n"},
		{"1.0000000001", "1000000001n"},
		{"9223372036854775808", "9223372036854775808"},
		{"007", "7"},
		{"1.", "1"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].in);
		sp_qty q;
		T_OK(sp_qty_parse(sp_str_c(rows[i].in), &q, T_ERR));
		sp_str text = sp_qty_print(T_ARENA, q);
		T_EQ_C(text, rows[i].out);
		sp_qty again;
		T_OK(sp_qty_parse(text, &again, T_ERR));
		T_TRUE(sp_qty_cmp(&q, &again) == 0);
		T_EQ_C(sp_qty_print(T_ARENA, again), rows[i].out);
	}
}

SP_TEST(quantity, refuses_with_upstreams_words)
{
	static const struct {
		sp_str in;
		const char *message;
	} rows[] = {
		{SP_STR_INIT(""), wrong_form},      {SP_STR_INIT("1 "), wrong_form},
		{SP_STR_INIT(" 1"), wrong_form},    {SP_STR_INIT("1.1.1"), wrong_form},
		{SP_STR_INIT("--1"), wrong_suffix}, {SP_STR_INIT("1\0"), wrong_form},
		{SP_STR_INIT("abc"), wrong_form},   {SP_STR_INIT("1ki"), wrong_suffix},
		{SP_STR_INIT("1K"), wrong_suffix},  {SP_STR_INIT("1mi"), wrong_suffix},
		{SP_STR_INIT("1e"), wrong_suffix},  {SP_STR_INIT("1e+"), wrong_suffix},
		{SP_STR_INIT("1e+-3"), wrong_form}, {SP_STR_INIT("1Mi5"), wrong_suffix},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%zu " SP_FMT, i, SP_ARG(rows[i].in));
		sp_qty q;
		sp_err err = {0};
		T_CODE(sp_qty_parse(rows[i].in, &q, &err), SP_EINVAL);
		T_EQ_C(sp_str_c(err.msg), rows[i].message);
	}
	sp_qty q;
	T_CODE(sp_qty_parse(SP_STR("1e40"), &q, NULL), SP_ETOOLARGE);
}

SP_TEST(quantity, rounds_up_and_adds)
{
	sp_qty a;
	sp_qty b;
	T_OK(sp_qty_parse(SP_STR("1500m"), &a, T_ERR));
	T_OK(sp_qty_parse(SP_STR("1Ki"), &b, T_ERR));
	T_EQ_I64(sp_qty_value(&a), 2);
	T_EQ_I64(sp_qty_milli(&a), 1500);
	T_TRUE(sp_qty_cmp(&a, &b) < 0);
	T_TRUE(sp_qty_add(&a, &b));
	T_EQ_C(sp_qty_print(T_ARENA, a), "1025500m");
	T_TRUE(sp_qty_sub(&a, &b));
	T_EQ_C(sp_qty_print(T_ARENA, a), "1500m");
	sp_qty zero = {0};
	T_TRUE(sp_qty_add(&zero, &b));
	T_EQ_C(sp_qty_print(T_ARENA, zero), "1Ki");
	T_OK(sp_qty_parse(SP_STR("-1n"), &a, T_ERR));
	T_EQ_I64(sp_qty_value(&a), -1);
	sp_qty most = {.nanos = (__int128)(((unsigned __int128)1 << 127) - 1)};
	T_TRUE(!sp_qty_add(&most, &b));
	T_EQ_I64(sp_qty_value(&most), INT64_MAX);
}

SP_TEST(quantity, any_amount_held_is_printed_and_read_exactly)
{
	static const char *const rows[] = {
		".66666666664Pi",
		"1234567890123456789123456789n",
		"170141183460469231731687303715884105727n",
		"-170141183460469231731687303715884105727n",
		"0.170141183460469231731687303715884105727",
		"12345678901234567890.123456789",
		"7.123456789012345678901234567890123456789Ki",
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i]);
		sp_qty q;
		sp_qty again;
		T_OK(sp_qty_parse(sp_str_c(rows[i]), &q, T_ERR));
		sp_str text = sp_qty_print(T_ARENA, q);
		T_OK(sp_qty_parse(text, &again, T_ERR));
		T_TRUE(sp_qty_cmp(&q, &again) == 0);
		T_EQ_STR(sp_qty_print(T_ARENA, again), text);
	}
	sp_qty q;
	T_CODE(sp_qty_parse(SP_STR("170141183460469231731687303715884105728n"), &q, NULL), SP_ETOOLARGE);
}

/* Expectations: encoding/json of resource.Quantity after decoding the same text. */
SP_TEST(quantity, text_is_kept_where_upstream_keeps_it)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"0", "0"},
		{"000", "0"},
		{"0.5", "500m"},
		{"1.500", "1.500"},
		{"1.5", "1500m"},
		{"+5", "+5"},
		{"-0", "0"},
		{"1000", "1k"},
		{"1.000", "1"},
		{"12E6", "12E6"},
		{"12e5", "1200e3"},
		{"1024Ki", "1Mi"},
		{"1025Ki", "1025Ki"},
		{"1032Ki", "1032Ki"},
		{"0100m", "0100m"},
		{"100.000m", "100m"},
		{"1.5Gi", "1536Mi"},
		{"5.", "5."},
		{"1000m", "1"},
		{"2000", "2k"},
		{"1e3", "1e3"},
		{"123456789012345678", "123456789012345678"},
		{"1234567890123456789", "1234567890123456789"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		t_row("%s", rows[i].in);
		sp_str text;
		T_OK(sp_qty_text(T_ARENA, sp_str_c(rows[i].in), &text, T_ERR));
		T_EQ_C(text, rows[i].out);
		T_OK(sp_qty_text(T_ARENA, text, &text, T_ERR));
		T_EQ_C(text, rows[i].out);
	}
}

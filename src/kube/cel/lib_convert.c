/* SPDX-License-Identifier: Apache-2.0 */
/* Conversions between types. U: cel-go common/stdlib, ConvertToType of common/types */
#include "base/duration.h"
#include "base/num.h"
#include "kube/cel/lib.h"

static sp_cel_val same(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0];
}

static sp_cel_val to_type(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return cel_type_val(cel_type_of(a[0]));
}

static sp_cel_val from_text(const char *to)
{
	static const struct {
		const char *to;
		sp_cel_val error;
	} errors[] = {
		{"int", CEL_ERR("type conversion error from 'string' to 'int'")},
		{"uint", CEL_ERR("type conversion error from 'string' to 'uint'")},
		{"double", CEL_ERR("type conversion error from 'string' to 'double'")},
		{"bool", CEL_ERR("type conversion error from 'string' to 'bool'")},
		{"duration", CEL_ERR("type conversion error from 'string' to 'google.protobuf.Duration'")},
		{"timestamp", CEL_ERR("type conversion error from 'string' to 'google.protobuf.Timestamp'")},
	};
	for (size_t i = 0; i < SP_LEN(errors); i++) {
		if (strcmp(errors[i].to, to) == 0)
			return errors[i].error;
	}
	return CEL_ERR("type conversion error");
}

/* strconv.ParseBool. */
static sp_cel_val text_to_bool(cel_ctx *c, const sp_cel_val *a)
{
	static const char *const words[] = {"1", "t", "T", "true",  "TRUE",  "True",
					    "0", "f", "F", "false", "FALSE", "False"};
	(void)c;
	for (size_t i = 0; i < SP_LEN(words); i++) {
		if (sp_str_eq(sp_cel_str(a[0]), sp_str_c(words[i])))
			return sp_cel_of_bool(i < 6);
	}
	return from_text("bool");
}

static sp_cel_val text_to_bytes(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return cel_bytes(sp_cel_str(a[0]));
}

static sp_cel_val bytes_to_text(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_str_is_utf8(sp_cel_str(a[0])) ? sp_cel_of_str(sp_cel_str(a[0]))
						: CEL_ERR("invalid UTF-8 in bytes, cannot convert to string");
}

static sp_cel_val text_to_double(cel_ctx *c, const sp_cel_val *a)
{
	double d;
	(void)c;
	return cel_parse_f64(sp_cel_str(a[0]), &d) ? sp_cel_of_double(d) : from_text("double");
}

static sp_cel_val int_to_double(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_double((double)a[0].i);
}

static sp_cel_val uint_to_double(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_double((double)a[0].u);
}

/* Declared, and not implemented. */
static sp_cel_val int_to_duration(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	(void)a;
	return CEL_ERR("type conversion error from 'int' to 'google.protobuf.Duration'");
}

static sp_cel_val text_to_duration(cel_ctx *c, const sp_cel_val *a)
{
	int64_t ns;
	(void)c;
	return sp_duration_parse(sp_cel_str(a[0]), &ns, NULL) == SP_OK ? cel_duration(ns)
								       : from_text("duration");
}

static sp_cel_val double_to_int(cel_ctx *c, const sp_cel_val *a)
{
	int64_t i;
	(void)c;
	return cel_f64_to_i64(a[0].d, &i) ? sp_cel_of_int(i) : CEL_ERR("integer overflow");
}

static sp_cel_val time_to_int(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_int(a[0].i);
}

static sp_cel_val text_to_int(cel_ctx *c, const sp_cel_val *a)
{
	int64_t i;
	sp_str s = sp_cel_str(a[0]);
	(void)c;
	(void)(s.len > 1 && s.ptr[1] != '-' && sp_str_take(&s, SP_STR("+")));
	return sp_parse_i64(s, INT64_MIN, INT64_MAX, &i, NULL) == SP_OK ? sp_cel_of_int(i) : from_text("int");
}

static sp_cel_val uint_to_int(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].u <= INT64_MAX ? sp_cel_of_int((int64_t)a[0].u) : CEL_ERR("integer overflow");
}

static sp_cel_val double_to_uint(cel_ctx *c, const sp_cel_val *a)
{
	uint64_t u;
	(void)c;
	return cel_f64_to_u64(a[0].d, &u) ? sp_cel_of_uint(u) : CEL_ERR("unsigned integer overflow");
}

static sp_cel_val int_to_uint(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].i >= 0 ? sp_cel_of_uint((uint64_t)a[0].i) : CEL_ERR("unsigned integer overflow");
}

static sp_cel_val text_to_uint(cel_ctx *c, const sp_cel_val *a)
{
	uint64_t u;
	(void)c;
	return sp_parse_u64(sp_cel_str(a[0]), 0, UINT64_MAX, &u, NULL) == SP_OK ? sp_cel_of_uint(u)
										: from_text("uint");
}

static sp_cel_val to_text(cel_ctx *c, const sp_cel_val *a)
{
	SP_AUTO_BUF out;
	char time[SP_TIME_TEXT_BYTES];
	sp_buf_init(&out, 4096);
	switch (a[0].kind) {
	case SP_CEL_BOOL:
		return sp_cel_of_str(a[0].b ? SP_STR("true") : SP_STR("false"));
	case SP_CEL_INT:
		(void)sp_buf_i64(&out, a[0].i);
		break;
	case SP_CEL_UINT:
		(void)sp_buf_u64(&out, a[0].u);
		break;
	case SP_CEL_DOUBLE:
		(void)cel_f64_g(&out, a[0].d);
		break;
	case SP_CEL_TIMESTAMP:
		(void)sp_buf_append(&out, time, cel_time_text(time, a[0]));
		break;
	default:
		(void)cel_duration_seconds(&out, a[0].i);
		(void)sp_buf_char(&out, 's');
		break;
	}
	return cel_buf_text(c, &out);
}

static sp_cel_val int_to_time(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return cel_time_in_range(a[0].i) ? sp_cel_of_time((sp_time){a[0].i, 0})
					 : CEL_ERR("timestamp overflow");
}

static sp_cel_val text_to_time(cel_ctx *c, const sp_cel_val *a)
{
	sp_time t;
	(void)c;
	if (sp_time_parse(sp_cel_str(a[0]), &t, NULL) != SP_OK)
		return from_text("timestamp");
	return cel_time_in_range(t.seconds) ? sp_cel_of_time(t) : CEL_ERR("timestamp overflow");
}

#define T(t) &sp_cel_##t

CEL_LIBRARY(cel_lib_convert, 0,
	    {.name = "type",
	     .id = "type",
	     .impl = to_type,
	     .operator_ = true,
	     .result = &cel_t_type_a,
	     .args = {&cel_t_a}},
	    CEL_FN("bool", "bool_to_bool", same, T(bool), T(bool)),
	    CEL_FN("bool", "string_to_bool", text_to_bool, T(bool), T(string)),
	    CEL_FN("bytes", "bytes_to_bytes", same, T(bytes), T(bytes)),
	    CEL_FN_COST("bytes", "string_to_bytes", CEL_COST_TO_BYTES, text_to_bytes, T(bytes), T(string)),
	    CEL_FN("double", "double_to_double", same, T(double), T(double)),
	    CEL_FN("double", "int64_to_double", int_to_double, T(double), T(int)),
	    CEL_FN("double", "string_to_double", text_to_double, T(double), T(string)),
	    CEL_FN("double", "uint64_to_double", uint_to_double, T(double), T(uint)),
	    CEL_FN("duration", "duration_to_duration", same, T(duration), T(duration)),
	    CEL_FN("duration", "int64_to_duration", int_to_duration, T(duration), T(int)),
	    CEL_FN("duration", "string_to_duration", text_to_duration, T(duration), T(string)),
	    {.name = "dyn",
	     .id = "to_dyn",
	     .impl = same,
	     .operator_ = true,
	     .result = T(dyn),
	     .args = {&cel_t_a}},
	    CEL_FN("int", "int64_to_int64", same, T(int), T(int)),
	    CEL_FN("int", "double_to_int64", double_to_int, T(int), T(double)),
	    CEL_FN("int", "duration_to_int64", time_to_int, T(int), T(duration)),
	    CEL_FN("int", "string_to_int64", text_to_int, T(int), T(string)),
	    CEL_FN("int", "timestamp_to_int64", time_to_int, T(int), T(timestamp)),
	    CEL_FN("int", "uint64_to_int64", uint_to_int, T(int), T(uint)),
	    CEL_FN("string", "string_to_string", same, T(string), T(string)),
	    CEL_FN("string", "bool_to_string", to_text, T(string), T(bool)),
	    CEL_FN_COST("string", "bytes_to_string", CEL_COST_TO_STRING, bytes_to_text, T(string), T(bytes)),
	    CEL_FN("string", "double_to_string", to_text, T(string), T(double)),
	    CEL_FN("string", "duration_to_string", to_text, T(string), T(duration)),
	    CEL_FN("string", "int64_to_string", to_text, T(string), T(int)),
	    CEL_FN("string", "timestamp_to_string", to_text, T(string), T(timestamp)),
	    CEL_FN("string", "uint64_to_string", to_text, T(string), T(uint)),
	    CEL_FN("timestamp", "timestamp_to_timestamp", same, T(timestamp), T(timestamp)),
	    CEL_FN("timestamp", "int64_to_timestamp", int_to_time, T(timestamp), T(int)),
	    CEL_FN("timestamp", "string_to_timestamp", text_to_time, T(timestamp), T(string)),
	    CEL_FN("uint", "uint64_to_uint64", same, T(uint), T(uint)),
	    CEL_FN("uint", "double_to_uint64", double_to_uint, T(uint), T(double)),
	    CEL_FN("uint", "int64_to_uint64", int_to_uint, T(uint), T(int)),
	    CEL_FN("uint", "string_to_uint64", text_to_uint, T(uint), T(string)));

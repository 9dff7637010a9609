/* SPDX-License-Identifier: Apache-2.0 */
/* The types of plain scalars, as Go's yaml.v2 tells them. */
#include "base/num.h"
#include "base/yaml_int.h"

static const struct {
	const char *text;
	uint8_t tag;
	int8_t value; /* booleans; sign of infinities, 0 for NaN */
} words[] = {
	{"y", SP_YAML_BOOL, 1},       {"Y", SP_YAML_BOOL, 1},       {"yes", SP_YAML_BOOL, 1},
	{"Yes", SP_YAML_BOOL, 1},     {"YES", SP_YAML_BOOL, 1},     {"true", SP_YAML_BOOL, 1},
	{"True", SP_YAML_BOOL, 1},    {"TRUE", SP_YAML_BOOL, 1},    {"on", SP_YAML_BOOL, 1},
	{"On", SP_YAML_BOOL, 1},      {"ON", SP_YAML_BOOL, 1},      {"n", SP_YAML_BOOL, 0},
	{"N", SP_YAML_BOOL, 0},       {"no", SP_YAML_BOOL, 0},      {"No", SP_YAML_BOOL, 0},
	{"NO", SP_YAML_BOOL, 0},      {"false", SP_YAML_BOOL, 0},   {"False", SP_YAML_BOOL, 0},
	{"FALSE", SP_YAML_BOOL, 0},   {"off", SP_YAML_BOOL, 0},     {"Off", SP_YAML_BOOL, 0},
	{"OFF", SP_YAML_BOOL, 0},     {"", SP_YAML_NULL, 0},        {"~", SP_YAML_NULL, 0},
	{"null", SP_YAML_NULL, 0},    {"Null", SP_YAML_NULL, 0},    {"NULL", SP_YAML_NULL, 0},
	{".nan", SP_YAML_FLOAT, 0},   {".NaN", SP_YAML_FLOAT, 0},   {".NAN", SP_YAML_FLOAT, 0},
	{".inf", SP_YAML_FLOAT, 1},   {".Inf", SP_YAML_FLOAT, 1},   {".INF", SP_YAML_FLOAT, 1},
	{"+.inf", SP_YAML_FLOAT, 1},  {"+.Inf", SP_YAML_FLOAT, 1},  {"+.INF", SP_YAML_FLOAT, 1},
	{"-.inf", SP_YAML_FLOAT, -1}, {"-.Inf", SP_YAML_FLOAT, -1}, {"-.INF", SP_YAML_FLOAT, -1},
};

static bool resolve_word(sp_str text, sp_yaml_scalar *ret)
{
	if (text.len > 5)
		return false;
	for (size_t i = 0; i < SP_LEN(words); i++) {
		if (!sp_str_eq(text, sp_str_c(words[i].text)))
			continue;
		*ret = (sp_yaml_scalar){.tag = words[i].tag};
		if (ret->tag == SP_YAML_BOOL)
			ret->boolean = words[i].value != 0;
		else if (ret->tag == SP_YAML_FLOAT)
			ret->f64 = words[i].value == 0  ? __builtin_nan("")
				   : words[i].value > 0 ? __builtin_inf()
							: -__builtin_inf();
		return true;
	}
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t digits(sp_str s, size_t from)
{
	size_t n = 0;
	while (from + n < s.len && is_digit(s.ptr[from + n]))
		n++;
	return n;
}

/* One or two digits off the front, within [lo, hi]. */
static bool take_short(sp_str *in, int64_t lo, int64_t hi, int64_t *ret)
{
	size_t n = SP_MIN(digits(*in, 0), (size_t)2);
	int64_t v = 0;
	if (n == 0)
		return false;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (in->ptr[i] - '0');
	*in = sp_str_sub(*in, n, in->len);
	*ret = v;
	return v >= lo && v <= hi;
}

static bool take_zone(sp_str *in)
{
	int64_t v;
	if (sp_str_take(in, SP_STR("Z")))
		return true;
	if (in->len != 6 || (in->ptr[0] != '+' && in->ptr[0] != '-') || in->ptr[3] != ':' ||
	    digits(*in, 1) != 2 || digits(*in, 4) != 2)
		return false;
	sp_str hour = sp_str_sub(*in, 1, 3);
	sp_str minute = sp_str_sub(*in, 4, 6);
	*in = sp_str_sub(*in, 6, in->len);
	return take_short(&hour, 0, 24, &v) && take_short(&minute, 0, 60, &v);
}

static bool take_clock(sp_str *in)
{
	int64_t v;
	if (!take_short(in, 0, 23, &v) || !sp_str_take(in, SP_STR(":")) || !take_short(in, 0, 59, &v) ||
	    !sp_str_take(in, SP_STR(":")) || !take_short(in, 0, 59, &v))
		return false;
	size_t fraction = in->len != 0 && (in->ptr[0] == '.' || in->ptr[0] == ',') ? digits(*in, 1) : 0;
	if (fraction != 0)
		*in = sp_str_sub(*in, fraction + 1, in->len);
	return true;
}

/* "2006-1-2", with 'T' or 't', a time and a zone, or with a blank and a time. */
static bool is_timestamp(sp_str in)
{
	static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t month;
	int64_t day;
	uint64_t year;
	if (digits(in, 0) != 4 || sp_parse_u64(sp_str_sub(in, 0, 4), 0, 9999, &year, NULL) != SP_OK)
		return false;
	in = sp_str_sub(in, 4, in.len);
	if (!sp_str_take(&in, SP_STR("-")) || !take_short(&in, 1, 12, &month) ||
	    !sp_str_take(&in, SP_STR("-")) || !take_short(&in, 1, 31, &day))
		return false;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (day > days[month - 1] + (month == 2 && leap ? 1 : 0))
		return false;
	if (in.len == 0)
		return true;
	if (sp_str_take(&in, SP_STR("T")) || sp_str_take(&in, SP_STR("t")))
		return take_clock(&in) && take_zone(&in) && in.len == 0;
	return sp_str_take(&in, SP_STR(" ")) && take_clock(&in) && in.len == 0;
}

/* Integers as strconv.ParseInt(s, 0, 64) reads them: 0x, 0o, 0b, a leading 0 for octal. */
static bool parse_int(sp_str s, sp_yaml_scalar *ret)
{
	bool negative = s.len != 0 && s.ptr[0] == '-';
	bool sign = negative || (s.len != 0 && s.ptr[0] == '+');
	unsigned base = 10;
	uint64_t v = 0;
	s = sp_str_sub(s, sign ? 1 : 0, s.len);
	if (s.len > 1 && s.ptr[0] == '0') {
		char c = (char)(s.ptr[1] | 0x20);
		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s = sp_str_sub(s, c == 'x' || c == 'b' || c == 'o' ? 2 : 1, s.len);
	}
	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		unsigned digit = is_digit(c)                              ? (unsigned)(c - '0')
				 : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (unsigned)((c | 0x20) - 'a') + 10
									  : 99;
		if (digit >= base || !sp_mul(v, base, &v) || !sp_add(v, digit, &v))
			return false;
	}
	if (negative) {
		if (v > (uint64_t)INT64_MAX + 1)
			return false;
		*ret = (sp_yaml_scalar){.tag = SP_YAML_INT, .i64 = (int64_t)(0 - v)};
	} else if (v <= INT64_MAX) {
		*ret = (sp_yaml_scalar){.tag = SP_YAML_INT, .i64 = (int64_t)v};
	} else if (!sign) {
		*ret = (sp_yaml_scalar){.tag = SP_YAML_UINT, .u64 = v};
	} else {
		return false;
	}
	return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?, rewritten in JSON's grammar to be read. */
static bool parse_float(sp_str s, sp_yaml_scalar *ret)
{
	char text[320];
	size_t n = 0;
	bool negative = s.len != 0 && s.ptr[0] == '-';
	if (negative || (s.len != 0 && s.ptr[0] == '+'))
		s = sp_str_sub(s, 1, s.len);
	while (s.len > 1 && s.ptr[0] == '0' && is_digit(s.ptr[1]))
		s = sp_str_sub(s, 1, s.len);
	if (s.len + 8 > sizeof text)
		return false;
	size_t whole = digits(s, 0);
	bool point = whole < s.len && s.ptr[whole] == '.';
	size_t fraction = point ? digits(s, whole + 1) : 0;
	if (whole == 0 && fraction == 0)
		return false;
	text[n++] = negative ? '-' : '0';
	n = negative ? 1 : 0;
	if (whole == 0)
		text[n++] = '0';
	memcpy(text + n, s.ptr, whole);
	n += whole;
	if (fraction != 0) {
		memcpy(text + n, s.ptr + whole, fraction + 1);
		n += fraction + 1;
	}
	sp_str rest = sp_str_sub(s, whole + (point ? fraction + 1 : 0), s.len);
	if (rest.len != 0) {
		size_t sign = rest.len > 1 && (rest.ptr[1] == '-' || rest.ptr[1] == '+') ? 1 : 0;
		size_t exponent = digits(rest, 1 + sign);
		if ((rest.ptr[0] | 0x20) != 'e' || exponent == 0 || 1 + sign + exponent != rest.len)
			return false;
		memcpy(text + n, rest.ptr, rest.len);
		n += rest.len;
	}
	text[n] = '\0';
	yyjson_val raw = {.tag = (uint64_t)n << YYJSON_TAG_BIT | YYJSON_TYPE_RAW};
	raw.uni.str = text;
	*ret = (sp_yaml_scalar){.tag = SP_YAML_FLOAT};
	return sp_json_raw_f64(&raw, &ret->f64);
}

sp_yaml_scalar sp_yaml_resolve(sp_str text)
{
	sp_yaml_scalar out = {.tag = SP_YAML_STR};
	char plain[320];
	size_t n = 0;
	if (resolve_word(text, &out))
		return out;
	char first = text.ptr[0];
	if (first == '.') {
		sp_yaml_scalar number;
		return parse_float(text, &number) ? number : out;
	}
	if (!is_digit(first) && first != '-' && first != '+')
		return out;
	if (is_timestamp(text)) {
		out.tag = SP_YAML_TIMESTAMP;
		return out;
	}
	/* Underscores may stand anywhere in a number. */
	for (size_t i = 0; i < text.len; i++) {
		if (n == sizeof plain)
			return out;
		if (text.ptr[i] != '_')
			plain[n++] = text.ptr[i];
	}
	sp_yaml_scalar number;
	sp_str s = {plain, n};
	return parse_int(s, &number) || parse_float(s, &number) ? number : out;
}

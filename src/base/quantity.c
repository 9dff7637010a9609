/* SPDX-License-Identifier: Apache-2.0 */
#include "base/quantity.h"

#include "base/num.h"

typedef unsigned __int128 u128;

#define NANOS_PER_UNIT 1000000000

static const struct suffix {
	char text[3];
	uint8_t binary;
	int8_t exponent;
} suffixes[] = {
	{"", 0, 0},    {"n", 0, -9},  {"u", 0, -6},  {"m", 0, -3},  {"k", 0, 3},   {"M", 0, 6},
	{"G", 0, 9},   {"T", 0, 12},  {"P", 0, 15},  {"E", 0, 18},  {"Ki", 1, 10}, {"Mi", 1, 20},
	{"Gi", 1, 30}, {"Ti", 1, 40}, {"Pi", 1, 50}, {"Ei", 1, 60},
};

static const struct suffix *suffix_find(sp_str text)
{
	for (size_t i = 0; i < SP_LEN(suffixes); i++) {
		if (sp_str_eq(text, sp_str_c(suffixes[i].text)))
			return &suffixes[i];
	}
	return NULL;
}

static const char *suffix_of(bool binary, int exponent)
{
	for (size_t i = 0; i < SP_LEN(suffixes); i++) {
		if ((suffixes[i].binary != 0) == binary && suffixes[i].exponent == exponent)
			return suffixes[i].text;
	}
	return NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The digits of a number as mantissa * 10^exponent; `rest` when nonzero digits were cut off below that. */
typedef struct digits {
	u128 mantissa;
	int64_t exponent;
	bool full, rest;
} digits;

/* Takes digits as long as int128 holds them: the printer writes any amount it holds in nano units. */
static void digits_take(digits *d, sp_str *in, bool fraction)
{
	const u128 most = ((u128)1 << 127) - 1;
	while (in->len != 0 && is_digit(*in->ptr)) {
		unsigned digit = (unsigned)(*in->ptr - '0');
		*in = sp_str_sub(*in, 1, in->len);
		d->full = d->full || d->mantissa > (most - digit) / 10;
		if (d->full) {
			d->rest = d->rest || digit != 0;
			d->exponent += fraction ? 0 : 1;
			continue;
		}
		d->mantissa = d->mantissa * 10 + digit;
		d->exponent -= fraction ? 1 : 0;
	}
}

/* Cuts the digits that leave no room for a factor of 2^60. */
static void digits_make_room(digits *d)
{
	const u128 most = (u128)1 << 67;
	for (; d->mantissa >= most; d->exponent++) {
		d->rest = d->rest || d->mantissa % 10 != 0;
		d->mantissa /= 10;
	}
}

/* Multiplies by a power of ten, rounding up. False: over the range. */
static bool scale(digits *d, int64_t exponent)
{
	const u128 most = ((u128)1 << 127) - 1;
	for (; exponent > 0 && d->mantissa != 0; exponent--) {
		if (d->mantissa > most / 10)
			return false;
		d->mantissa *= 10;
	}
	for (; exponent < 0 && d->mantissa != 0; exponent++) {
		d->rest = d->rest || d->mantissa % 10 != 0;
		d->mantissa /= 10;
	}
	if (d->rest && d->mantissa == most)
		return false;
	d->mantissa += d->rest ? 1 : 0;
	return true;
}

static bool suffix_is_formed(sp_str s)
{
	size_t i = 0;
	while (i < s.len && s.ptr[i] != '\0' && strchr("eEinumkKMGTP", s.ptr[i]) != NULL)
		i++;
	if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+'))
		i++;
	while (i < s.len && is_digit(s.ptr[i]))
		i++;
	return i == s.len;
}

static sp_code suffix_read(sp_str s, int64_t *ret_exponent, sp_qty_format *ret_format, sp_err *err)
{
	const struct suffix *known = suffix_find(s);
	if (known != NULL) {
		*ret_exponent = (int64_t)known->exponent;
		*ret_format = known->binary ? SP_QTY_BINARY_SI : SP_QTY_DECIMAL_SI;
		return SP_OK;
	}
	*ret_format = SP_QTY_DECIMAL_EXPONENT;
	sp_str number = sp_str_sub(s, 1, s.len);
	if (number.len > 1 && number.ptr[0] == '+')
		number = sp_str_sub(number, 1, number.len);
	if (s.len > 1 && (s.ptr[0] == 'e' || s.ptr[0] == 'E') &&
	    sp_parse_i64(number, INT32_MIN, INT32_MAX, ret_exponent, NULL) == SP_OK)
		return SP_OK;
	return sp_fail(err, SP_EINVAL, "unable to parse quantity's suffix");
}

sp_code sp_qty_parse(sp_str text, sp_qty *ret, sp_err *err)
{
	const u128 binary_most = (u128)INT64_MAX * NANOS_PER_UNIT;
	sp_str in = text;
	bool negative = in.len != 0 && *in.ptr == '-';
	if (in.len != 0 && (*in.ptr == '-' || *in.ptr == '+'))
		in = sp_str_sub(in, 1, in.len);
	digits d = {0};
	digits_take(&d, &in, false);
	if (sp_str_take(&in, SP_STR(".")))
		digits_take(&d, &in, true);
	if (text.len == 0 || !suffix_is_formed(in))
		return sp_fail(err, SP_EINVAL,
			       "quantities must match the regular expression "
			       "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
	int64_t exponent = 0;
	sp_qty_format format = SP_QTY_DECIMAL_SI;
	SP_TRY(suffix_read(in, &exponent, &format, err));
	bool binary = format == SP_QTY_BINARY_SI;
	if (binary) {
		digits_make_room(&d);
		d.mantissa <<= exponent;
	}
	exponent = d.exponent + 9 + (binary ? 0 : exponent);
	/* Digits cut above a nano unit: more than int128 holds. */
	bool fits = (binary || !d.rest || exponent <= 0) && scale(&d, exponent);
	if (!fits && !binary)
		return sp_fail(err, SP_ETOOLARGE, "quantity '" SP_FMT "' is too large", SP_ARG(text));
	if (binary && (!fits || d.mantissa > binary_most))
		d.mantissa = binary_most;
	if (binary && d.mantissa < NANOS_PER_UNIT && d.mantissa != 0)
		format = SP_QTY_DECIMAL_SI;
	*ret = (sp_qty){.nanos = negative ? -(__int128)d.mantissa : (__int128)d.mantissa, .format = format};
	return SP_OK;
}

/* The length of the digits at the front of s, and their value's low bits. */
static size_t digits_len(sp_str s, unsigned *low)
{
	size_t n = 0;
	for (; n < s.len && is_digit(s.ptr[n]); n++)
		*low = *low * 10 + (unsigned)(s.ptr[n] - '0');
	return n;
}

/* True when upstream's fast path keeps the text of a well-formed quantity instead of printing it anew. */
static bool text_is_kept(sp_str s)
{
	int64_t exponent = 0;
	sp_qty_format format = SP_QTY_DECIMAL_SI;
	unsigned low = 0;
	if (s.len != 0 && (*s.ptr == '-' || *s.ptr == '+'))
		s = sp_str_sub(s, 1, s.len);
	while (sp_str_take(&s, SP_STR("0")))
		;
	size_t whole = digits_len(s, &low);
	sp_str rest = sp_str_sub(s, whole, s.len);
	bool point = sp_str_take(&rest, SP_STR("."));
	size_t fraction = point ? digits_len(rest, &low) : 0;
	sp_str suffix = sp_str_sub(rest, fraction, rest.len);
	if (whole == 0 || suffix_read(suffix, &exponent, &format, NULL) != SP_OK)
		return false;
	if (format == SP_QTY_BINARY_SI)
		return fraction == 0 && (int64_t)whole + exponent * 3 / 10 <= 14 && (low & 7) != 0;
	/* Three zeros at the end, over the point if need be. */
	size_t zeros = 0;
	for (size_t i = fraction; i > 0 && rest.ptr[i - 1] == '0'; i--)
		zeros++;
	if (zeros == fraction) {
		for (size_t i = whole; i > 0 && s.ptr[i - 1] == '0'; i--)
			zeros++;
	}
	int64_t scale_of = exponent - (int64_t)fraction;
	return whole + fraction <= 18 && scale_of >= -9 && scale_of % 3 == 0 && zeros < 3;
}

sp_code sp_qty_text(sp_arena *a, sp_str text, sp_str *ret, sp_err *err)
{
	sp_qty q = {0};
	SP_TRY(sp_qty_parse(text, &q, err));
	*ret = text_is_kept(text) ? sp_arena_try_dup(a, text) : sp_qty_print(a, q);
	return ret->ptr != NULL ? SP_OK : sp_fail(err, SP_ETOOLARGE, "no room for a quantity");
}

static u128 magnitude(__int128 v)
{
	return v < 0 ? -(u128)v : (u128)v;
}

/* Decimal text without suffix; u128 has at most 39 digits. */
static sp_str print_u128(char text[40], u128 v)
{
	size_t i = 40;
	do {
		text[--i] = (char)('0' + (int)(v % 10));
		v /= 10;
	} while (v != 0);
	return (sp_str){text + i, 40 - i};
}

sp_str sp_qty_print(sp_arena *a, sp_qty q)
{
	u128 v = magnitude(q.nanos);
	char text[40];
	const char *sign = q.nanos < 0 ? "-" : "";
	if (v == 0)
		return sp_arena_try_dup(a, SP_STR("0"));
	if (q.format == SP_QTY_BINARY_SI && v >= (u128)1024 * NANOS_PER_UNIT && v % NANOS_PER_UNIT == 0) {
		v /= NANOS_PER_UNIT;
		int exponent = 0;
		for (; exponent < 60 && v % 1024 == 0; exponent += 10)
			v /= 1024;
		sp_str number = print_u128(text, v);
		return sp_arena_printf(a, "%s" SP_FMT "%s", sign, SP_ARG(number),
				       exponent == 0 ? "" : suffix_of(true, exponent));
	}
	int exponent = -9;
	for (; v % 1000 == 0; exponent += 3)
		v /= 1000;
	sp_str number = print_u128(text, v);
	const char *suffix = q.format == SP_QTY_DECIMAL_EXPONENT ? NULL : suffix_of(false, exponent);
	if (suffix != NULL || exponent == 0)
		return sp_arena_printf(a, "%s" SP_FMT "%s", sign, SP_ARG(number),
				       suffix == NULL ? "" : suffix);
	return sp_arena_printf(a, "%s" SP_FMT "e%d", sign, SP_ARG(number), exponent);
}

static int64_t rounded(const sp_qty *q, unsigned unit)
{
	u128 v = magnitude(q->nanos);
	v = v / unit + (v % unit != 0 ? 1 : 0);
	if (v > (u128)INT64_MAX)
		return q->nanos < 0 ? INT64_MIN : INT64_MAX;
	return q->nanos < 0 ? -(int64_t)v : (int64_t)v;
}

int64_t sp_qty_value(const sp_qty *q)
{
	return rounded(q, NANOS_PER_UNIT);
}

int64_t sp_qty_milli(const sp_qty *q)
{
	return rounded(q, NANOS_PER_UNIT / 1000);
}

int sp_qty_cmp(const sp_qty *a, const sp_qty *b)
{
	return (a->nanos > b->nanos) - (a->nanos < b->nanos);
}

bool sp_qty_add(sp_qty *a, const sp_qty *b)
{
	__int128 sum;
	if (!sp_add(a->nanos, b->nanos, &sum))
		return false;
	if (a->nanos == 0)
		a->format = b->format;
	a->nanos = sum;
	return true;
}

bool sp_qty_sub(sp_qty *a, const sp_qty *b)
{
	__int128 difference;
	if (!sp_sub(a->nanos, b->nanos, &difference))
		return false;
	if (a->nanos == 0)
		a->format = b->format;
	a->nanos = difference;
	return true;
}

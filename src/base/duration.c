/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include "base/num.h"

static const struct {
	const char *text;
	uint64_t ns;
} units[] = {
	{"ns", 1},       {"us", 1000},      {"\xc2\xb5s", 1000},          {"\xce\xbcs", 1000},
	{"ms", 1000000}, {"s", 1000000000}, {"m", UINT64_C(60000000000)}, {"h", UINT64_C(3600000000000)},
};

static uint64_t unit_ns(sp_str text)
{
	for (size_t i = 0; i < SP_LEN(units); i++) {
		if (sp_str_eq(text, sp_str_c(units[i].text)))
			return units[i].ns;
	}
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* One "12.5ms" from the front, added to *sum. Digits below a nanosecond are dropped. */
static bool take_part(sp_str *in, uint64_t *sum)
{
	uint64_t whole = 0;
	uint64_t fraction = 0;
	uint64_t divisor = 1;
	size_t i = 0;
	size_t n_digits = 0;
	for (; i < in->len && is_digit(in->ptr[i]); i++, n_digits++) {
		if (!sp_mul(whole, 10u, &whole) || !sp_add(whole, (uint64_t)(in->ptr[i] - '0'), &whole))
			return false;
	}
	if (i < in->len && in->ptr[i] == '.') {
		for (i++; i < in->len && is_digit(in->ptr[i]); i++, n_digits++) {
			if (divisor == UINT64_C(100000000000000000))
				continue;
			fraction = fraction * 10 + (uint64_t)(in->ptr[i] - '0');
			divisor *= 10;
		}
	}
	size_t from = i;
	while (i < in->len && in->ptr[i] != '.' && !is_digit(in->ptr[i]))
		i++;
	uint64_t ns = unit_ns(sp_str_sub(*in, from, i));
	if (ns == 0 || n_digits == 0 || !sp_mul(whole, ns, &whole))
		return false;
	*in = sp_str_sub(*in, i, in->len);
	uint64_t below = (uint64_t)((unsigned __int128)fraction * ns / divisor);
	return sp_add(*sum, whole, sum) && sp_add(*sum, below, sum) && *sum <= UINT64_C(1) << 63;
}

sp_code sp_duration_parse(sp_str text, int64_t *ret_ns, sp_err *err)
{
	sp_str in = text;
	bool negative = in.len != 0 && *in.ptr == '-';
	if (in.len != 0 && (*in.ptr == '-' || *in.ptr == '+'))
		in = sp_str_sub(in, 1, in.len);
	uint64_t sum = 0;
	bool ok = in.len != 0;
	if (sp_str_eq(in, SP_STR("0")))
		in.len = 0;
	while (ok && in.len != 0)
		ok = take_part(&in, &sum);
	if (!ok || (!negative && sum > INT64_MAX))
		return sp_fail(err, SP_EINVAL, "time: invalid duration \"" SP_FMT "\"", SP_ARG(text));
	*ret_ns = !negative ? (int64_t)sum : sum > INT64_MAX ? INT64_MIN : -(int64_t)sum;
	return SP_OK;
}

/* "12.5": v in units of 10^digits, without zeros at the end. */
static sp_str print_fraction(sp_arena *a, uint64_t v, uint64_t unit, int digits)
{
	uint64_t below = v % unit;
	if (below == 0)
		return sp_arena_printf(a, "%llu", (unsigned long long)(v / unit));
	for (; below % 10 == 0; digits--)
		below /= 10;
	return sp_arena_printf(a, "%llu.%0*llu", (unsigned long long)(v / unit), digits,
			       (unsigned long long)below);
}

sp_str sp_duration_print(sp_arena *a, int64_t ns)
{
	uint64_t v = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	const char *sign = ns < 0 ? "-" : "";
	if (v == 0)
		return sp_arena_try_dup(a, SP_STR("0s"));
	if (v < 1000000000) {
		int digits = v < 1000 ? 0 : v < 1000000 ? 3 : 6;
		const char *unit = digits == 0 ? "ns" : digits == 3 ? "\xc2\xb5s" : "ms";
		sp_str number = print_fraction(a, v, digits == 0 ? 1 : digits == 3 ? 1000 : 1000000, digits);
		return number.ptr == NULL ? number
					  : sp_arena_printf(a, "%s" SP_FMT "%s", sign, SP_ARG(number), unit);
	}
	uint64_t minutes = v / UINT64_C(60000000000);
	sp_str seconds = print_fraction(a, v % UINT64_C(60000000000), 1000000000, 9);
	if (seconds.ptr == NULL)
		return seconds;
	if (minutes == 0)
		return sp_arena_printf(a, "%s" SP_FMT "s", sign, SP_ARG(seconds));
	if (minutes < 60)
		return sp_arena_printf(a, "%s%um" SP_FMT "s", sign, (unsigned)minutes, SP_ARG(seconds));
	return sp_arena_printf(a, "%s%uh%um" SP_FMT "s", sign, (unsigned)(minutes / 60),
			       (unsigned)(minutes % 60), SP_ARG(seconds));
}

/* "AxBy", without the second part when it is zero or has no unit. */
static size_t print_parts(char *out, int64_t a, char a_unit, int64_t b, char b_unit)
{
	size_t n = sp_print_i64(out, a);
	out[n++] = a_unit;
	if (b == 0)
		return n;
	n += sp_print_i64(out + n, b);
	out[n++] = b_unit;
	return n;
}

size_t sp_duration_human(char out[SP_DURATION_HUMAN_BYTES], int64_t ns)
{
	const int64_t year = 365;
	int64_t s = ns / 1000000000, m = s / 60, h = m / 60, d = h / 24;
	if (s < -1) {
		static const sp_str invalid = SP_STR_INIT("<invalid>");
		memcpy(out, invalid.ptr, invalid.len);
		return invalid.len;
	}
	if (s < 120)
		return print_parts(out, SP_MAX(s, 0), 's', 0, 's');
	if (m < 10)
		return print_parts(out, m, 'm', s % 60, 's');
	if (m < 180)
		return print_parts(out, m, 'm', 0, 's');
	if (h < 8)
		return print_parts(out, h, 'h', m % 60, 'm');
	if (h < 48)
		return print_parts(out, h, 'h', 0, 'm');
	if (d < 8)
		return print_parts(out, d, 'd', h % 24, 'h');
	if (d < year * 2)
		return print_parts(out, d, 'd', 0, 'h');
	return print_parts(out, d / year, 'y', d < year * 8 ? d % year : 0, 'd');
}

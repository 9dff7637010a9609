/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

/* Days since 1970-01-01 of a day in the proleptic Gregorian calendar; years begin in March here. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
	int64_t next = month == 12 ? days_of(year + 1, 1, 1) : days_of(year, month + 1, 1);
	return next - days_of(year, month, 1);
}

/* n digits at the front, up to max. */
static bool take_number(sp_str *in, size_t n, int64_t max, int64_t *ret)
{
	int64_t v = 0;
	if (in->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (in->ptr[i] < '0' || in->ptr[i] > '9')
			return false;
		v = v * 10 + (in->ptr[i] - '0');
	}
	*in = sp_str_sub(*in, n, in->len);
	*ret = v;
	return v <= max;
}

static bool take_fraction(sp_str *in, uint32_t *ret_nanos)
{
	uint32_t unit = 100000000;
	int64_t digit = 0;
	if (!sp_str_take(in, SP_STR(".")))
		return true;
	if (!take_number(in, 1, 9, &digit))
		return false;
	do {
		*ret_nanos += (uint32_t)digit * unit;
		unit /= 10;
	} while (take_number(in, 1, 9, &digit));
	return true;
}

static bool take_offset(sp_str *in, int64_t *ret_seconds)
{
	int64_t hours = 0;
	int64_t minutes = 0;
	*ret_seconds = 0;
	if (sp_str_take(in, SP_STR("Z")))
		return true;
	bool west = sp_str_starts(*in, SP_STR("-"));
	if (!sp_str_take(in, west ? SP_STR("-") : SP_STR("+")) || !take_number(in, 2, 23, &hours) ||
	    !sp_str_take(in, SP_STR(":")) || !take_number(in, 2, 59, &minutes))
		return false;
	*ret_seconds = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

sp_code sp_time_parse(sp_str text, sp_time *ret, sp_err *err)
{
	sp_str in = text;
	int64_t year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset = 0;
	uint32_t nanos = 0;
	bool ok = take_number(&in, 4, 9999, &year) && sp_str_take(&in, SP_STR("-")) &&
		  take_number(&in, 2, 12, &month) && sp_str_take(&in, SP_STR("-")) &&
		  take_number(&in, 2, 31, &day) && sp_str_take(&in, SP_STR("T")) &&
		  take_number(&in, 2, 23, &hour) && sp_str_take(&in, SP_STR(":")) &&
		  take_number(&in, 2, 59, &minute) && sp_str_take(&in, SP_STR(":")) &&
		  take_number(&in, 2, 59, &second) && take_fraction(&in, &nanos) && take_offset(&in, &offset);
	if (!ok || in.len != 0 || month < 1 || day < 1 || day > month_days(year, month))
		return sp_fail(err, SP_EINVAL, "time '" SP_FMT "' is not in the form of RFC 3339",
			       SP_ARG(text));
	*ret = (sp_time){days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset,
			 nanos};
	return SP_OK;
}

static char *put(char *p, int64_t v, size_t n, char after)
{
	for (size_t i = n; i > 0; i--, v /= 10)
		p[i - 1] = (char)('0' + v % 10);
	p[n] = after;
	return p + n + 1;
}

size_t sp_time_print(char out[SP_TIME_TEXT_BYTES], sp_time t, unsigned n_digits)
{
	SP_ASSERT(n_digits <= 9);
	if (t.seconds < days_of(0, 1, 1) * 86400 || t.seconds >= days_of(10000, 1, 1) * 86400)
		return 0;
	int64_t second = t.seconds % 86400;
	second += second < 0 ? 86400 : 0;
	int64_t days = (t.seconds - second) / 86400;
	int64_t year = 1970 + days / 366;
	year = year < 0 || days < 0 ? 1970 + (days - 365) / 365 : year;
	year = year < 0 ? 0 : year;
	while (days_of(year + 1, 1, 1) <= days)
		year++;
	int64_t month = 1;
	while (month < 12 && days_of(year, month + 1, 1) <= days)
		month++;
	char *p = put(out, year, 4, '-');
	p = put(p, month, 2, '-');
	p = put(p, days - days_of(year, month, 1) + 1, 2, 'T');
	p = put(p, second / 3600, 2, ':');
	p = put(p, second / 60 % 60, 2, ':');
	p = put(p, second % 60, 2, n_digits == 0 ? 'Z' : '.');
	int64_t fraction = t.nanos;
	for (unsigned i = n_digits; i < 9; i++)
		fraction /= 10;
	if (n_digits != 0)
		p = put(p, fraction, n_digits, 'Z');
	return (size_t)(p - out);
}

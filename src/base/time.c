/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include "base/buf.h"

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

static bool is_digit_at(sp_str s, size_t i)
{
	return i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9';
}

/* Two digits (one will do when `loose` and no second follows), or false. */
static bool take_two(sp_str *in, bool loose, int64_t *ret)
{
	bool two = is_digit_at(*in, 1);
	if (!is_digit_at(*in, 0) || (!two && !loose))
		return false;
	*ret = two ? (in->ptr[0] - '0') * 10 + (in->ptr[1] - '0') : in->ptr[0] - '0';
	*in = sp_str_sub(*in, two ? 2 : 1, in->len);
	return true;
}

/* A point or comma and n digits, those below a nanosecond dropped. */
static bool take_fraction(sp_str *in, size_t n, uint32_t *ret_nanos)
{
	uint32_t unit = 100000000;
	uint32_t nanos = 0;
	if (in->len < n + 1 || (in->ptr[0] != '.' && in->ptr[0] != ','))
		return false;
	for (size_t i = 1; i <= n; i++, unit /= 10) {
		if (!is_digit_at(*in, i))
			return false;
		nanos += (uint32_t)(in->ptr[i] - '0') * unit;
	}
	*in = sp_str_sub(*in, n + 1, in->len);
	*ret_nanos = nanos;
	return true;
}

static bool take_seconds(sp_str *in, bool fraction_follows, int64_t *ret, uint32_t *ret_nanos)
{
	if (!take_two(in, false, ret))
		return false;
	size_t n = 0;
	if (fraction_follows || in->len == 0 || (in->ptr[0] != '.' && in->ptr[0] != ','))
		return true;
	while (is_digit_at(*in, n + 1))
		n++;
	return n == 0 || take_fraction(in, n, ret_nanos);
}

static bool take_year(sp_str *in, int64_t *ret)
{
	int64_t year = 0;
	for (size_t i = 0; i < 4; i++) {
		if (!is_digit_at(*in, i))
			return false;
		year = year * 10 + (in->ptr[i] - '0');
	}
	*in = sp_str_sub(*in, 4, in->len);
	*ret = year;
	return true;
}

/* *ret_range names what is out of range. */
static bool take_offset(sp_str *in, int64_t *ret_seconds, const char **ret_range)
{
	int64_t hours = 0;
	int64_t minutes = 0;
	*ret_seconds = 0;
	if (sp_str_take(in, SP_STR("Z")))
		return true;
	sp_str s = sp_str_sub(*in, 0, 6);
	bool west = sp_str_starts(s, SP_STR("-"));
	*in = sp_str_sub(*in, s.len, in->len);
	if (s.len < 6 || (!west && s.ptr[0] != '+') || s.ptr[3] != ':')
		return false;
	sp_str h = sp_str_sub(s, 1, 3);
	sp_str m = sp_str_sub(s, 4, 6);
	if (!take_two(&h, false, &hours) || !take_two(&m, false, &minutes))
		return false;
	if (hours > 24)
		*ret_range = "time zone offset hour";
	else if (minutes > 60)
		*ret_range = "time zone offset minute";
	*ret_seconds = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

/* Texts as Go's package time quotes them in errors. */
static void quote(sp_buf *out, sp_str s)
{
	sp_buf_char(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = (uint8_t)s.ptr[i];
		if (c >= 0x80 || c < ' ')
			sp_buf_printf(out, "\\x%02x", c);
		else
			sp_buf_printf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
	}
	sp_buf_char(out, '"');
}

/* What a step of the layout takes. */
enum step { LITERAL, YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, MICROS, OFFSET };

typedef struct layout_step {
	enum step what;
	char text[8];
} layout_step;

typedef struct fields {
	int64_t year, month, day, hour, minute, second, offset;
	uint32_t nanos;
	bool micros;
	const char *range;
} fields;

/* Notes a number that was read and is not in [lo, hi]. */
static bool ranged(fields *f, bool ok, const int64_t *v, int64_t lo, int64_t hi, const char *name)
{
	if (ok && (*v < lo || *v > hi))
		f->range = name;
	return ok;
}

static bool take_step(fields *f, const layout_step *step, sp_str *in)
{
	switch (step->what) {
	case LITERAL:
		return sp_str_take(in, sp_str_c(step->text));
	case YEAR:
		return take_year(in, &f->year);
	case MONTH:
		return ranged(f, take_two(in, false, &f->month), &f->month, 1, 12, "month");
	case DAY:
		return take_two(in, false, &f->day);
	case HOUR:
		return ranged(f, take_two(in, true, &f->hour), &f->hour, 0, 23, "hour");
	case MINUTE:
		return ranged(f, take_two(in, false, &f->minute), &f->minute, 0, 59, "minute");
	case SECOND:
		return ranged(f, take_seconds(in, f->micros, &f->second, &f->nanos), &f->second, 0, 59,
			      "second");
	case MICROS:
		return take_fraction(in, 6, &f->nanos);
	case OFFSET:
	default:
		return take_offset(in, &f->offset, &f->range);
	}
}

static sp_code refuse(sp_err *err, sp_str text, sp_str rest, const char *element, bool micros,
		      const char *why)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)SP_ERR_MSG_BYTES * 16);
	sp_buf_str(&out, SP_STR("parsing time "));
	quote(&out, sp_str_sub(text, 0, SP_ERR_MSG_BYTES));
	if (element != NULL) {
		sp_buf_printf(&out, " as \"2006-01-02T15:04:05%sZ07:00\": cannot parse ",
			      micros ? ".000000" : "");
		quote(&out, sp_str_sub(rest, 0, SP_ERR_MSG_BYTES));
		sp_buf_printf(&out, " as \"%s\"", element);
	} else if (why != NULL) {
		sp_buf_printf(&out, ": %s out of range", why);
	} else {
		sp_buf_str(&out, SP_STR(": extra text: "));
		quote(&out, sp_str_sub(rest, 0, SP_ERR_MSG_BYTES));
	}
	sp_str message = sp_buf_view(&out);
	return sp_fail(err, SP_EINVAL, SP_FMT, SP_ARG(message));
}

static sp_code parse(sp_str text, bool micros, sp_time *ret, sp_err *err)
{
	static const layout_step layout[] = {
		{YEAR, "2006"}, {LITERAL, "-"},      {MONTH, "01"},     {LITERAL, "-"}, {DAY, "02"},
		{LITERAL, "T"}, {HOUR, "15"},        {LITERAL, ":"},    {MINUTE, "04"}, {LITERAL, ":"},
		{SECOND, "05"}, {MICROS, ".000000"}, {OFFSET, "Z07:00"}};
	sp_str in = text;
	fields f = {.micros = micros};
	for (size_t i = 0; i < SP_LEN(layout); i++) {
		sp_str hold = in;
		if (layout[i].what == MICROS && !micros)
			continue;
		bool ok = take_step(&f, &layout[i], &in);
		if (f.range != NULL)
			return refuse(err, text, in, NULL, micros, f.range);
		if (!ok)
			return refuse(err, text, hold, layout[i].text, micros, NULL);
	}
	if (in.len != 0)
		return refuse(err, text, in, NULL, micros, NULL);
	if (f.day < 1 || f.day > month_days(f.year, f.month))
		return refuse(err, text, in, NULL, micros, "day");
	*ret = (sp_time){days_of(f.year, f.month, f.day) * 86400 + f.hour * 3600 + f.minute * 60 + f.second -
				 f.offset,
			 f.nanos};
	return SP_OK;
}

sp_code sp_time_parse(sp_str text, sp_time *ret, sp_err *err)
{
	return parse(text, false, ret, err);
}

sp_code sp_time_parse_micro(sp_str text, sp_time *ret, sp_err *err)
{
	return parse(text, true, ret, err);
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

int64_t sp_time_ns(sp_time t)
{
	int64_t ns;
	if (__builtin_mul_overflow(t.seconds, INT64_C(1000000000), &ns) ||
	    __builtin_add_overflow(ns, (int64_t)t.nanos, &ns))
		return t.seconds < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

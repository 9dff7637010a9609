/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/zone.h"

#define DAY_SECONDS 86400

/* -- the calendar --------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b)
{
	int64_t q = a / b;
	return a % b < 0 ? q - 1 : q;
}

/* Days since 1970 of a date in the proleptic Gregorian calendar; the year begins in March to the sums. */
static int64_t days_of(int64_t year, int32_t month, int32_t day)
{
	int64_t y = year - (month <= 2 ? 1 : 0), era = floor_div(y, 400), of_era = y - era * 400;
	int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static sp_civil civil_of(int64_t seconds)
{
	int64_t days = floor_div(seconds, DAY_SECONDS), clock = seconds - days * DAY_SECONDS;
	int64_t z = days + 719468, era = floor_div(z, 146097), of_era = z - era * 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
	sp_civil c = {.day = (int32_t)(of_year - (153 * m + 2) / 5 + 1),
		      .month = (int32_t)(m < 10 ? m + 3 : m - 9)};
	c.year = y + era * 400 + (c.month <= 2 ? 1 : 0);
	c.hour = (int32_t)(clock / 3600);
	c.minute = (int32_t)(clock / 60 % 60);
	c.second = (int32_t)(clock % 60);
	c.weekday = (int32_t)((days % 7 + 11) % 7); /* 1970 began on a Thursday */
	return c;
}

static bool is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* -- offsets -------------------------------------------------------------------------------------------- */

/* Seconds from the start of a year (UTC) to the change a rule names, with clocks `offset` ahead before it. */
static int64_t rule_seconds(int64_t year, const sp_zone_day *r, int32_t offset)
{
	int64_t day = r->day;
	if (r->kind == SP_ZONE_JULIAN) {
		day = r->day - 1 + (is_leap(year) && r->day >= 60 ? 1 : 0);
	} else if (r->kind == SP_ZONE_MONTH_WEEK_DAY) {
		int64_t first = days_of(year, r->month, 1);
		int64_t next = r->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, r->month + 1, 1);
		int64_t weekday = ((first % 7) + 11) % 7;
		int64_t hit = first + (r->day - weekday + 7) % 7 + INT64_C(7) * (r->week - 1);
		while (hit >= next)
			hit -= 7;
		day = hit - days_of(year, 1, 1);
	}
	return day * DAY_SECONDS + r->seconds - offset;
}

/* After the last change. The span is exact near a change and otherwise that of the year, as upstream's. */
static int32_t offset_by_rule(const sp_zone *z, int64_t when, int64_t *from, int64_t *until)
{
	int64_t year = civil_of(when).year, start_of_year = days_of(year, 1, 1) * DAY_SECONDS;
	int64_t at = when - start_of_year;
	if (!z->has_dst)
		return z->std_offset;
	int64_t start = rule_seconds(year, &z->dst_start, z->std_offset);
	int64_t end = rule_seconds(year, &z->dst_end, z->dst_offset);
	int32_t outer = z->std_offset, inner = z->dst_offset;
	if (end < start) { /* the south: summer is around new year */
		int64_t swap = start;
		start = end;
		end = swap;
		outer = z->dst_offset;
		inner = z->std_offset;
	}
	if (at < start) {
		*from = start_of_year;
		*until = start_of_year + start;
		return outer;
	}
	*from = start_of_year + (at >= end ? end : start);
	*until = start_of_year + (at >= end ? INT64_C(365) * DAY_SECONDS : end);
	return at >= end ? outer : inner;
}

int32_t sp_zone_offset(const sp_zone *z, int64_t when, int64_t *ret_from, int64_t *ret_until)
{
	int64_t from = INT64_MIN, until = INT64_MAX;
	int32_t offset = z != NULL ? z->first_offset : 0;
	size_t lo = 0, hi = z != NULL ? z->n_changes : 0;
	while (lo < hi) { /* lo: changes at or before the instant */
		size_t mid = lo + (hi - lo) / 2;
		if (z->changes[mid].from <= when)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo > 0) {
		offset = z->changes[lo - 1].offset;
		from = z->changes[lo - 1].from;
	}
	if (z != NULL && lo < z->n_changes)
		until = z->changes[lo].from;
	else if (z != NULL && z->has_rule)
		offset = offset_by_rule(z, when, &from, &until);
	if (ret_from != NULL)
		*ret_from = from;
	if (ret_until != NULL)
		*ret_until = until;
	return offset;
}

sp_civil sp_civil_at(const sp_zone *z, int64_t when)
{
	return civil_of(when + sp_zone_offset(z, when, NULL, NULL));
}

int64_t sp_civil_instant(const sp_zone *z, const sp_civil *c)
{
	int64_t months = c->year * 12 + c->month - 1, year = floor_div(months, 12);
	int64_t when = (days_of(year, (int32_t)(months - year * 12) + 1, 1) + c->day - 1) * DAY_SECONDS +
		       c->hour * INT64_C(3600) + c->minute * INT64_C(60) + c->second;
	int64_t from, until;
	int32_t offset = sp_zone_offset(z, when, &from, &until);
	if (offset != 0) {
		int64_t utc = when - offset;
		if (utc < from || utc >= until)
			offset = sp_zone_offset(z, utc, NULL, NULL);
		when -= offset;
	}
	return when;
}

/* -- the rule at the end of a file, a POSIX TZ text ----------------------------------------------------- */

static bool take_name(sp_str *in)
{
	sp_str s = *in;
	size_t n = 0;
	if (sp_str_take(&s, SP_STR("<"))) {
		ptrdiff_t end = sp_str_index(s, '>');
		if (end < 0)
			return false;
		*in = sp_str_sub(s, (size_t)end + 1, s.len);
		return true;
	}
	while (n < s.len && strchr("0123456789,+-", s.ptr[n]) == NULL)
		n++;
	*in = sp_str_sub(s, n, s.len);
	return n >= 3;
}

static bool take_number(sp_str *in, int32_t min, int32_t max, int32_t *ret)
{
	int32_t n = 0;
	size_t i = 0;
	for (; i < in->len && in->ptr[i] >= '0' && in->ptr[i] <= '9'; i++) {
		n = n * 10 + (in->ptr[i] - '0');
		if (n > max)
			return false;
	}
	*in = sp_str_sub(*in, i, in->len);
	*ret = n;
	return i > 0 && n >= min;
}

/* [+-]hh[:mm[:ss]], hours up to a week. */
static bool take_clock(sp_str *in, int32_t *ret)
{
	bool negative = sp_str_take(in, SP_STR("-"));
	int32_t hours, minutes = 0, seconds = 0;
	if (!negative)
		(void)sp_str_take(in, SP_STR("+"));
	if (!take_number(in, 0, 24 * 7, &hours))
		return false;
	if (sp_str_take(in, SP_STR(":")) && !take_number(in, 0, 59, &minutes))
		return false;
	if (sp_str_take(in, SP_STR(":")) && !take_number(in, 0, 59, &seconds))
		return false;
	int32_t all = hours * 3600 + minutes * 60 + seconds;
	*ret = negative ? -all : all;
	return true;
}

static bool take_day(sp_str *in, sp_zone_day *ret)
{
	bool ok;
	*ret = (sp_zone_day){.seconds = 2 * 3600};
	if (sp_str_take(in, SP_STR("J"))) {
		ret->kind = SP_ZONE_JULIAN;
		ok = take_number(in, 1, 365, &ret->day);
	} else if (sp_str_take(in, SP_STR("M"))) {
		ret->kind = SP_ZONE_MONTH_WEEK_DAY;
		ok = take_number(in, 1, 12, &ret->month) && sp_str_take(in, SP_STR(".")) &&
		     take_number(in, 1, 5, &ret->week) && sp_str_take(in, SP_STR(".")) &&
		     take_number(in, 0, 6, &ret->day);
	} else {
		ret->kind = SP_ZONE_DAY_OF_YEAR;
		ok = take_number(in, 0, 365, &ret->day);
	}
	if (ok && sp_str_take(in, SP_STR("/")))
		ok = take_clock(in, &ret->seconds);
	return ok;
}

static bool take_rule(sp_str s, sp_zone *z)
{
	int32_t west;
	if (!take_name(&s) || !take_clock(&s, &west))
		return false;
	z->std_offset = -west;
	z->has_dst = s.len > 0 && s.ptr[0] != ',';
	if (!z->has_dst)
		return true;
	z->dst_offset = z->std_offset + 3600;
	if (!take_name(&s))
		return false;
	if (s.len > 0 && s.ptr[0] != ',') {
		if (!take_clock(&s, &west))
			return false;
		z->dst_offset = -west;
	}
	if (s.len == 0)
		s = SP_STR(",M3.2.0,M11.1.0");
	return sp_str_take(&s, SP_STR(",")) && take_day(&s, &z->dst_start) && sp_str_take(&s, SP_STR(",")) &&
	       take_day(&s, &z->dst_end) && s.len == 0;
}

/* -- the file ------------------------------------------------------------------------------------------- */

typedef struct counts {
	size_t n_ut, n_std, n_leap, n_changes, n_types, n_chars;
} counts;

#define HEADER_BYTES 44u
#define TYPE_BYTES 6u
/* No zone has a thousand changes. */
#define PART_MAX 65536u

static uint32_t u32_at(sp_str s, size_t at)
{
	const uint8_t *p = (const uint8_t *)s.ptr + at;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool take_header(sp_str *in, counts *ret, char *ret_version)
{
	size_t *const to[] = {&ret->n_ut,      &ret->n_std,   &ret->n_leap,
			      &ret->n_changes, &ret->n_types, &ret->n_chars};
	if (in->len < HEADER_BYTES || !sp_str_starts(*in, SP_STR("TZif")))
		return false;
	*ret_version = in->ptr[4];
	for (size_t i = 0; i < SP_LEN(to); i++) {
		*to[i] = u32_at(*in, 20 + 4 * i);
		if (*to[i] > PART_MAX)
			return false;
	}
	*in = sp_str_sub(*in, HEADER_BYTES, in->len);
	return true;
}

static size_t body_bytes(const counts *n, size_t word)
{
	return n->n_changes * (word + 1) + n->n_types * TYPE_BYTES + n->n_chars + n->n_leap * (word + 4) +
	       n->n_std + n->n_ut;
}

/* What clocks show before the first change: as upstream guesses it. */
static int32_t first_offset(sp_str indexes, sp_str types, const counts *n)
{
	bool used = false;
	size_t first = 0;
	for (size_t i = 0; i < n->n_changes; i++)
		used = used || indexes.ptr[i] == 0;
	if (used && n->n_changes > 0) {
		size_t k = (unsigned char)indexes.ptr[0];
		bool found = false;
		if (types.ptr[k * TYPE_BYTES + 4] != 0) {
			while (k-- > 0 && !found) {
				found = types.ptr[k * TYPE_BYTES + 4] == 0;
				first = found ? k : first;
			}
		}
		for (size_t i = 0; i < n->n_types && !found; i++) {
			found = types.ptr[i * TYPE_BYTES + 4] == 0;
			first = found ? i : first;
		}
	}
	return (int32_t)u32_at(types, first * TYPE_BYTES);
}

static sp_code malformed(sp_err *err)
{
	return sp_fail(err, SP_EINVAL, "malformed time zone information");
}

sp_code sp_zone_parse(sp_arena *a, sp_str bytes, sp_zone *ret, sp_err *err)
{
	counts n;
	char version;
	size_t word = 4;
	sp_zone z = {.changes = NULL};
	if (!take_header(&bytes, &n, &version))
		return malformed(err);
	if (version >= '2') {
		size_t skip = body_bytes(&n, word);
		if (bytes.len < skip)
			return malformed(err);
		bytes = sp_str_sub(bytes, skip, bytes.len);
		word = 8;
		if (!take_header(&bytes, &n, &version))
			return malformed(err);
	}
	size_t size = body_bytes(&n, word);
	if (bytes.len < size || n.n_types == 0)
		return malformed(err);
	sp_str indexes = sp_str_sub(bytes, n.n_changes * word, bytes.len);
	sp_str types = sp_str_sub(indexes, n.n_changes, indexes.len);
	sp_zone_change *changes = sp_try_new(a, sp_zone_change, n.n_changes + 1);
	if (changes == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a time zone");
	for (size_t i = 0; i < n.n_changes; i++) {
		size_t type = (unsigned char)indexes.ptr[i];
		int64_t when = (int32_t)u32_at(bytes, i * word);
		if (word == 8)
			when = (int64_t)((uint64_t)u32_at(bytes, i * 8) << 32 | u32_at(bytes, i * 8 + 4));
		if (type >= n.n_types || (i > 0 && when <= changes[i - 1].from))
			return malformed(err);
		changes[i] = (sp_zone_change){when, (int32_t)u32_at(types, type * TYPE_BYTES)};
	}
	z.changes = changes;
	z.n_changes = n.n_changes;
	z.first_offset = first_offset(indexes, types, &n);
	sp_str footer = sp_str_sub(bytes, size, bytes.len);
	if (word == 8 && footer.len > 2 && footer.ptr[0] == '\n' && footer.ptr[footer.len - 1] == '\n')
		z.has_rule = take_rule(sp_str_sub(footer, 1, footer.len - 1), &z);
	*ret = z;
	return SP_OK;
}

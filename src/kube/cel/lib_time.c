/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of timestamps and durations. Zones are fixed offsets, "", "UTC" and those that the environment can
 * look up. U: cel-go common/types/{timestamp,duration}.go, common/stdlib */
#include "base/num.h"
#include "kube/cel/lib.h"
#include "kube/kinds/zone.h"

typedef enum part {
	YEAR,
	MONTH,
	DAY_OF_YEAR,
	DAY_OF_MONTH,
	DATE,
	DAY_OF_WEEK,
	HOURS,
	MINUTES,
	SECONDS,
	MILLIS
} part;

static bool is_leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int32_t day_of_year(const sp_civil *t)
{
	static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	return before[t->month - 1] + t->day - 1 + (t->month > 2 && is_leap(t->year) ? 1 : 0);
}

static sp_cel_val part_of(sp_cel_val t, const sp_zone *zone, int32_t offset, part p)
{
	sp_civil at = sp_civil_at(zone, t.i + offset);
	switch (p) {
	case YEAR:
		return sp_cel_of_int(at.year);
	case MONTH:
		return sp_cel_of_int(at.month - 1);
	case DAY_OF_YEAR:
		return sp_cel_of_int(day_of_year(&at));
	case DAY_OF_MONTH:
		return sp_cel_of_int(at.day - 1);
	case DATE:
		return sp_cel_of_int(at.day);
	case DAY_OF_WEEK:
		return sp_cel_of_int(at.weekday);
	case HOURS:
		return sp_cel_of_int(at.hour);
	case MINUTES:
		return sp_cel_of_int(at.minute);
	case SECONDS:
		return sp_cel_of_int(at.second);
	case MILLIS:
		return sp_cel_of_int(t.n / 1000000);
	}
	return sp_cel_of_null();
}

/* Go's Atoi, whose errors name it. */
static sp_cel_val number(cel_ctx *c, sp_str s, int64_t *ret)
{
	sp_str digits = s;
	(void)(s.len > 1 && s.ptr[1] != '-' && sp_str_take(&digits, SP_STR("+")));
	if (sp_parse_i64(digits, INT32_MIN, INT32_MAX, ret, NULL) == SP_OK)
		return sp_cel_of_null();
	return cel_errorf(c, "strconv.Atoi: parsing \"" SP_FMT "\": invalid syntax", SP_ARG(s));
}

static sp_cel_val offset_of(cel_ctx *c, sp_str tz, size_t colon, int32_t *ret)
{
	int64_t hours, minutes;
	sp_cel_val bad = number(c, sp_str_sub(tz, 0, colon), &hours);
	if (!cel_is_err(bad))
		bad = number(c, sp_str_sub(tz, colon + 1, tz.len), &minutes);
	if (cel_is_err(bad))
		return bad;
	int64_t total = hours * 60 + (tz.ptr[0] == '-' ? -minutes : minutes);
	if (total < -1000000 || total > 1000000) /* years: nobody's clock */
		return CEL_ERR("timestamp overflow");
	*ret = (int32_t)total * 60;
	return bad;
}

static sp_cel_val in_zone(cel_ctx *c, const sp_cel_val *a, part p)
{
	sp_str tz = sp_cel_str(a[1]);
	ptrdiff_t colon = sp_str_index(tz, ':');
	int32_t offset = 0;
	if (colon >= 0) {
		sp_cel_val bad = offset_of(c, tz, (size_t)colon, &offset);
		return cel_is_err(bad) ? bad : part_of(a[0], NULL, offset, p);
	}
	if (tz.len == 0 || sp_str_eq(tz, SP_STR("UTC")))
		return part_of(a[0], NULL, 0, p);
	const sp_cel_zones *zones = c->run->zones;
	const sp_zone *zone = zones == NULL || !sp_zone_exists(tz) ? NULL : zones->find(zones->arg, tz);
	if (zone == NULL)
		return cel_errorf(c, "unknown time zone " SP_FMT, SP_ARG(tz));
	return part_of(a[0], zone, 0, p);
}

static sp_cel_val duration_part(sp_cel_val d, part p)
{
	static const int64_t unit[] = {[HOURS] = INT64_C(3600000000000),
				       [MINUTES] = INT64_C(60000000000),
				       [SECONDS] = 1000000000,
				       [MILLIS] = 1000000};
	return sp_cel_of_int(d.i / unit[p]);
}

#define PART(fn, p)                                                \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a)      \
	{                                                          \
		(void)c;                                           \
		return part_of(a[0], NULL, 0, p);                  \
	}                                                          \
	static sp_cel_val fn##_in(cel_ctx *c, const sp_cel_val *a) \
	{                                                          \
		return in_zone(c, a, p);                           \
	}
#define DURATION_PART(fn, p)                                       \
	static sp_cel_val fn##_of(cel_ctx *c, const sp_cel_val *a) \
	{                                                          \
		(void)c;                                           \
		return duration_part(a[0], p);                     \
	}
PART(year, YEAR)
PART(month, MONTH)
PART(yday, DAY_OF_YEAR)
PART(mday, DAY_OF_MONTH)
PART(date, DATE)
PART(wday, DAY_OF_WEEK)
PART(hours, HOURS)
PART(minutes, MINUTES)
PART(seconds, SECONDS)
PART(millis, MILLIS)
DURATION_PART(hours, HOURS)
DURATION_PART(minutes, MINUTES)
DURATION_PART(seconds, SECONDS)
DURATION_PART(millis, MILLIS)

#define BOTH(name, id, fn)                                                                               \
	CEL_MEMBER(name, "timestamp_to_" id, fn, &sp_cel_int, &sp_cel_timestamp),                        \
		CEL_MEMBER(name, "timestamp_to_" id "_with_tz", fn##_in, &sp_cel_int, &sp_cel_timestamp, \
			   &sp_cel_string)
#define OF_DURATION(name, id, fn) CEL_MEMBER(name, "duration_to_" id, fn##_of, &sp_cel_int, &sp_cel_duration)

CEL_LIBRARY(cel_lib_time, 0, BOTH("getFullYear", "year", year), BOTH("getMonth", "month", month),
	    BOTH("getDayOfYear", "day_of_year", yday), BOTH("getDayOfMonth", "day_of_month", mday),
	    BOTH("getDate", "day_of_month_1_based", date), BOTH("getDayOfWeek", "day_of_week", wday),
	    BOTH("getHours", "hours", hours), OF_DURATION("getHours", "hours", hours),
	    BOTH("getMinutes", "minutes", minutes), OF_DURATION("getMinutes", "minutes", minutes),
	    BOTH("getSeconds", "seconds", seconds), OF_DURATION("getSeconds", "seconds", seconds),
	    BOTH("getMilliseconds", "milliseconds", millis),
	    OF_DURATION("getMilliseconds", "milliseconds", millis));

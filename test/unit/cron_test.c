/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules of CronJobs and the zones they run in. Times were computed with Go's time and robfig/cron. */
#include "kube/kinds/cron.h"

#include "lib/t.h"

static sp_code parse(const char *text, sp_cron *ret, sp_str *ret_why)
{
	return sp_cron_parse(T_ARENA, sp_str_c(text), ret, ret_why);
}

SP_TEST(cron, refuses_with_upstreams_words)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{"", "empty spec string"},
		{"bad", "expected exactly 5 fields, found 1: [bad]"},
		{"* * * *", "expected exactly 5 fields, found 4: [* * * *]"},
		{"a * * * *", "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax"},
		{"60 * * * *", "end of range (60) above maximum (59): 60"},
		{"* * 0 * *", "beginning of range (0) below minimum (1): 0"},
		{"9-5 * * * *", "beginning of range (9) beyond end of range (5): 9-5"},
		{"1-2-3 * * * *", "too many hyphens: 1-2-3"},
		{"1/2/3 * * * *", "too many slashes: 1/2/3"},
		{"*/0 * * * *", "step of range should be a positive number: */0"},
		{"*/-2 * * * *", "negative number (-2) not allowed: -2"},
		{"99999999999999999999 * * * *",
		 "failed to parse int from 99999999999999999999: strconv.Atoi: parsing "
		 "\"99999999999999999999\": value out of range"},
		{"@never", "unrecognized descriptor: @never"},
		{"@every x", "failed to parse duration @every x: time: invalid duration \"x\""},
		{"TZ=0", "invalid schedule format: runtime error: slice bounds out of range [:-1]"},
		{"TZ=Mars/Base * * * * *", "provided bad location Mars/Base: unknown time zone Mars/Base"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		sp_cron cron;
		sp_str why;
		t_row("%s", rows[i].text);
		T_CODE(parse(rows[i].text, &cron, &why), SP_EINVAL);
		T_EQ_C(why, rows[i].why);
	}
}

/* Fridays at half past four on even days; each figure once. */
static void check_next(const char *schedule, const sp_zone *zone, const char *after, const char *want)
{
	sp_cron cron;
	sp_str why;
	sp_time from, at = {0, 0};
	char text[SP_TIME_TEXT_BYTES];
	t_row("%s after %s", schedule, after);
	T_OK(parse(schedule, &cron, &why));
	T_OK(sp_time_parse(sp_str_c(after), &from, T_ERR));
	bool found = sp_cron_next(&cron, zone, from, &at);
	T_TRUE(found == (want != NULL));
	if (want != NULL)
		T_EQ_C(((sp_str){text, sp_time_print(text, at, 0)}), want);
}

SP_TEST(cron, next_in_utc)
{
	static const struct {
		const char *schedule, *after, *want;
	} rows[] = {
		{"*/15 * * * *", "2012-07-09T14:45:00Z", "2012-07-09T15:00:00Z"},
		{"*/15 * * * *", "2012-07-09T14:59:59Z", "2012-07-09T15:00:00Z"},
		{"20-35/15 * * * *", "2012-07-09T15:45:00Z", "2012-07-09T16:20:00Z"},
		{"20-35/15 1/2 * * *", "2012-07-09T23:35:00Z", "2012-07-10T01:20:00Z"},
		{"0 0 1 2 *", "2012-07-09T00:00:00Z", "2013-02-01T00:00:00Z"},
		{"0 0 * feb mon", "2012-07-09T23:35:00Z", "2013-02-04T00:00:00Z"},
		{"0 0 29 2 ?", "2012-07-09T23:35:00Z", "2016-02-29T00:00:00Z"},
		{"0 0 30 2 *", "2012-07-09T23:35:00Z", NULL},
		{"0 0 31 4 *", "2012-07-09T23:35:00Z", NULL},
		{"0 0 13 * 5", "2012-07-09T00:00:00Z", "2012-07-13T00:00:00Z"},
		{"0 0 14 * 5", "2012-07-13T00:00:00Z", "2012-07-14T00:00:00Z"},
		{"@hourly", "2012-12-31T23:59:59Z", "2013-01-01T00:00:00Z"},
		{"@weekly", "2012-07-09T00:00:00Z", "2012-07-15T00:00:00Z"},
		{"@yearly", "2012-07-09T00:00:00Z", "2013-01-01T00:00:00Z"},
		{"@every 90s", "2012-07-09T00:00:00Z", "2012-07-09T00:01:30Z"},
		{"@every 10ms", "2012-07-09T00:00:00Z", "2012-07-09T00:00:01Z"},
		{", * * * *", "2012-07-09T00:00:00Z", NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++)
		check_next(rows[i].schedule, NULL, rows[i].after, rows[i].want);
}

/* Clocks one hour ahead, two from the last Sunday of March to that of October: central Europe. */
static sp_zone berlin(void)
{
	return (sp_zone){.first_offset = 3600,
			 .has_rule = true,
			 .has_dst = true,
			 .std_offset = 3600,
			 .dst_offset = 7200,
			 .dst_start = {SP_ZONE_MONTH_WEEK_DAY, 0, 5, 3, 7200},
			 .dst_end = {SP_ZONE_MONTH_WEEK_DAY, 0, 5, 10, 10800}};
}

SP_TEST(cron, next_across_clock_changes)
{
	static const struct {
		const char *schedule, *after, *want;
	} rows[] = {
		{"0 12 * * *", "2024-01-10T00:00:00Z", "2024-01-10T11:00:00Z"},
		{"0 12 * * *", "2024-07-10T00:00:00Z", "2024-07-10T10:00:00Z"},
		/* half past two is skipped in spring and comes twice in autumn */
		{"30 2 * * *", "2024-03-30T12:00:00Z", "2024-04-01T00:30:00Z"},
		{"30 2 * * *", "2024-10-26T12:00:00Z", "2024-10-27T00:30:00Z"},
		{"30 2 * * *", "2024-10-27T00:30:00Z", "2024-10-27T01:30:00Z"},
		{"0 0 * * *", "2024-10-27T00:30:00Z", "2024-10-27T23:00:00Z"},
	};
	sp_zone zone = berlin();
	for (size_t i = 0; i < SP_LEN(rows); i++)
		check_next(rows[i].schedule, &zone, rows[i].after, rows[i].want);
}

SP_TEST(zone, names)
{
	T_TRUE(sp_zone_exists(SP_STR("UTC")));
	T_TRUE(sp_zone_exists(SP_STR("Europe/Berlin")));
	T_TRUE(sp_zone_exists(SP_STR("America/Argentina/Buenos_Aires")));
	T_TRUE(sp_zone_exists(SP_STR("Zulu")));
	T_TRUE(!sp_zone_exists(SP_STR("europe/berlin")));
	T_TRUE(!sp_zone_exists(SP_STR("")));
	T_TRUE(!sp_zone_exists(SP_STR("Europe/Berlin ")));
}

/* A version 2 file with one change and a rule. */
static sp_str small_file(void)
{
	static const char bytes[] = "\124\132\151\146\062\000\000\000\000\000\000\000\000\000\000\000\000\000"
				    "\000\000\000\000\000\000"
				    "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\001\000\000"
				    "\000\004\000\000\000\000"
				    "\000\000\125\124\103\000\124\132\151\146\062\000\000\000\000\000\000\000"
				    "\000\000\000\000\000\000"
				    "\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\001"
				    "\000\000\000\002\000\000"
				    "\000\010\000\000\000\000\000\000\000\144\001\000\000\016\020\000\000\000"
				    "\000\034\040\001\004\103"
				    "\105\124\000\103\105\123\000\012\103\105\124\055\061\103\105\123\124\054"
				    "\115\063\056\065\056\060"
				    "\054\115\061\060\056\065\056\060\057\063\012";
	return (sp_str){bytes, sizeof bytes - 1};
}

SP_TEST(zone, reads_a_file)
{
	sp_zone z;
	int64_t from, until;
	T_OK(sp_zone_parse(T_ARENA, small_file(), &z, T_ERR));
	T_EQ_I64(z.n_changes, 1);
	T_EQ_I64(sp_zone_offset(&z, 99, &from, &until), 3600);
	T_EQ_I64(until, 100);
	T_EQ_I64(sp_zone_offset(&z, 1719792000, NULL, NULL), 7200); /* July 2024 */
	T_EQ_I64(sp_zone_offset(&z, 1704067200, NULL, NULL), 3600); /* January 2024 */
	/* the very second of the change */
	T_EQ_I64(sp_zone_offset(&z, 1711846799, NULL, NULL), 3600);
	T_EQ_I64(sp_zone_offset(&z, 1711846800, &from, &until), 7200);
	T_EQ_I64(from, 1711846800);
	sp_civil c = sp_civil_at(&z, 1711846800);
	T_EQ_I64(c.year, 2024);
	T_EQ_I64(c.month, 3);
	T_EQ_I64(c.day, 31);
	T_EQ_I64(c.hour, 3);
	T_EQ_I64(c.weekday, 0);
	T_EQ_I64(sp_civil_instant(&z, &c), 1711846800);
}

SP_TEST(zone, refuses_what_is_cut)
{
	sp_str whole = small_file();
	sp_zone z;
	T_CODE(sp_zone_parse(T_ARENA, SP_STR("TZif"), &z, T_ERR), SP_EINVAL);
	for (size_t n = 0; n + 30 < whole.len; n++)
		T_CODE(sp_zone_parse(T_ARENA, sp_str_sub(whole, 0, n), &z, T_ERR), SP_EINVAL);
}

SP_TEST(zone, calendar)
{
	for (size_t i = 0; i < 2000; i++) {
		int64_t when = (int64_t)(t_random_below(UINT64_C(1) << 40)) - (INT64_C(1) << 39);
		sp_civil c = sp_civil_at(NULL, when);
		T_EQ_I64(sp_civil_instant(NULL, &c), when);
		T_TRUE(c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= 31);
	}
	sp_civil c = {.year = 2023, .month = 14, .day = 31, .hour = -1};
	T_EQ_I64(sp_civil_instant(NULL, &c), 1709334000); /* 2024-03-01T23:00:00Z */
}

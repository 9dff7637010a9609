/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/cron.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/duration.h"
#include "base/quote.h"
#include "base/utf8.h"

#define STAR (UINT64_C(1) << 63)

typedef struct bounds {
	uint32_t min, max;
	const char *const *names; /* the n-th is min + n */
	size_t n_names;
} bounds;

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
					  "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

enum { MINUTE = 0, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
static const bounds fields[FIELDS] = {
	[MINUTE] = {0, 59, NULL, 0},
	[HOUR] = {0, 23, NULL, 0},
	[DAY] = {1, 31, NULL, 0},
	[MONTH] = {1, 12, month_names, SP_LEN(month_names)},
	[WEEKDAY] = {0, 6, weekday_names, SP_LEN(weekday_names)},
};

typedef struct parser {
	sp_arena *arena;
	sp_str why;
	sp_code code;
} parser;

static void refuse(parser *p, const char *fmt, ...) SP_PRINTF(2, 3);
static void refuse(parser *p, const char *fmt, ...)
{
	SP_AUTO_BUF text = {.len = 0};
	if (p->code != SP_OK)
		return;
	p->code = SP_EINVAL;
	sp_buf_init(&text, p->arena->limit_bytes);
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	char *room = n > 0 ? sp_buf_reserve(&text, (size_t)n + 1) : NULL;
	if (room != NULL) {
		(void)vsnprintf(room, (size_t)n + 1, fmt, again);
		sp_buf_added(&text, (size_t)n);
	}
	va_end(again);
	va_end(ap);
	p->why = sp_arena_try_dup(p->arena, sp_buf_view(&text));
}

/* Go's strconv.Atoi, and not negative. */
static uint64_t number(parser *p, sp_str s)
{
	sp_str digits = s;
	bool negative = sp_str_take(&digits, SP_STR("-"));
	if (!negative)
		(void)sp_str_take(&digits, SP_STR("+"));
	uint64_t n = 0, most = (uint64_t)INT64_MAX + (negative ? 1 : 0);
	bool syntax = digits.len == 0, range = false;
	for (size_t i = 0; i < digits.len && !syntax && !range; i++) {
		uint64_t digit = (uint64_t)(unsigned char)digits.ptr[i] - '0';
		syntax = digit > 9;
		range = !syntax && n > (most - digit) / 10;
		n = n * 10 + digit;
	}
	if (syntax || range) {
		SP_AUTO_BUF quoted;
		sp_buf_init(&quoted, p->arena->limit_bytes);
		(void)sp_quote_go(&quoted, s);
		sp_str q = sp_buf_view(&quoted);
		refuse(p, "failed to parse int from " SP_FMT ": strconv.Atoi: parsing " SP_FMT ": %s",
		       SP_ARG(s), SP_ARG(q), syntax ? "invalid syntax" : "value out of range");
	} else if (negative && n > 0) {
		refuse(p, "negative number (-%llu) not allowed: " SP_FMT, (unsigned long long)n, SP_ARG(s));
	}
	return n;
}

static uint64_t number_or_name(parser *p, sp_str s, const bounds *b)
{
	for (size_t i = 0; i < b->n_names; i++) {
		if (sp_str_eq_nocase(s, sp_str_c(b->names[i])))
			return b->min + i;
	}
	return number(p, s);
}

/* Splits at every `sep`; returns how many parts there are, the first two are kept. */
static size_t split(sp_str s, char sep, sp_str parts[2])
{
	size_t n = 0;
	sp_str part;
	for (bool more = true; more; n++) {
		more = sp_str_cut(&s, sep, &part);
		if (!more)
			part = s;
		if (n < 2)
			parts[n] = part;
	}
	return n;
}

static uint64_t bits_of(uint64_t from, uint64_t to, uint64_t step)
{
	uint64_t bits = 0;
	for (uint64_t i = from; i <= to; i++) {
		if ((i - from) % step == 0)
			bits |= UINT64_C(1) << i;
	}
	return bits;
}

/* "*", "5", "1-5", each with "/2": one item of a field. */
static uint64_t range_of(parser *p, sp_str expr, const bounds *b)
{
	sp_str parts[2] = {{NULL, 0}}, ends[2] = {{NULL, 0}};
	size_t n_parts = split(expr, '/', parts), n_ends = split(parts[0], '-', ends);
	uint64_t from = b->min, to = b->max, step = 1, extra = 0;
	if (sp_str_eq(ends[0], SP_STR("*")) || sp_str_eq(ends[0], SP_STR("?"))) {
		extra = STAR;
	} else {
		from = number_or_name(p, ends[0], b);
		to = n_ends == 2 && p->code == SP_OK ? number_or_name(p, ends[1], b) : from;
		if (n_ends > 2)
			refuse(p, "too many hyphens: " SP_FMT, SP_ARG(expr));
	}
	if (n_parts == 2 && p->code == SP_OK) {
		step = number(p, parts[1]);
		to = n_ends == 1 ? b->max : to;
		extra = step > 1 ? 0 : extra;
	} else if (n_parts > 2) {
		refuse(p, "too many slashes: " SP_FMT, SP_ARG(expr));
	}
	if (p->code != SP_OK)
		return 0;
	if (from < b->min)
		refuse(p, "beginning of range (%llu) below minimum (%u): " SP_FMT, (unsigned long long)from,
		       b->min, SP_ARG(expr));
	else if (to > b->max)
		refuse(p, "end of range (%llu) above maximum (%u): " SP_FMT, (unsigned long long)to, b->max,
		       SP_ARG(expr));
	else if (from > to)
		refuse(p, "beginning of range (%llu) beyond end of range (%llu): " SP_FMT,
		       (unsigned long long)from, (unsigned long long)to, SP_ARG(expr));
	else if (step == 0)
		refuse(p, "step of range should be a positive number: " SP_FMT, SP_ARG(expr));
	return p->code == SP_OK ? bits_of(from, to, step) | extra : 0;
}

static uint64_t field_of(parser *p, sp_str text, const bounds *b)
{
	uint64_t bits = 0;
	sp_str item;
	for (bool more = true; more && p->code == SP_OK;) {
		more = sp_str_cut(&text, ',', &item);
		if (!more)
			item = text;
		if (item.len > 0)
			bits |= range_of(p, item, b);
	}
	return bits;
}

/* Go's unicode.IsSpace. */
static bool is_space(uint32_t rune)
{
	static const uint32_t others[] = {0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000};
	if ((rune >= 9 && rune <= 13) || rune == ' ' || (rune >= 0x2000 && rune <= 0x200a))
		return true;
	for (size_t i = 0; i < SP_LEN(others); i++) {
		if (rune == others[i])
			return true;
	}
	return false;
}

/* The next word; empty at the end. */
static sp_str next_word(sp_str *in)
{
	size_t from = 0, to;
	uint32_t rune;
	while (from < in->len) {
		size_t n = sp_utf8_decode(sp_str_sub(*in, from, in->len), &rune);
		if (!is_space(rune))
			break;
		from += n;
	}
	for (to = from; to < in->len;) {
		size_t n = sp_utf8_decode(sp_str_sub(*in, to, in->len), &rune);
		if (is_space(rune))
			break;
		to += n;
	}
	sp_str word = sp_str_sub(*in, from, to);
	*in = sp_str_sub(*in, to, in->len);
	return word;
}

static void five_fields(parser *p, sp_str text, sp_cron *ret)
{
	SP_AUTO_BUF shown;
	sp_str words[FIELDS], word;
	size_t n = 0;
	sp_buf_init(&shown, p->arena->limit_bytes);
	while ((word = next_word(&text)).len > 0) {
		if (n < FIELDS)
			words[n] = word;
		(void)sp_buf_str(&shown, n > 0 ? SP_STR(" ") : SP_STR(""));
		(void)sp_buf_str(&shown, word);
		n++;
	}
	if (n != FIELDS) {
		sp_str list = sp_buf_view(&shown);
		refuse(p, "expected exactly 5 fields, found %zu: [" SP_FMT "]", n, SP_ARG(list));
		return;
	}
	uint64_t *const to[FIELDS] = {[MINUTE] = &ret->minutes,
				      [HOUR] = &ret->hours,
				      [DAY] = &ret->days,
				      [MONTH] = &ret->months,
				      [WEEKDAY] = &ret->weekdays};
	for (size_t i = 0; i < FIELDS; i++)
		*to[i] = field_of(p, words[i], &fields[i]);
}

#define ALL(field) (bits_of(fields[field].min, fields[field].max, 1) | STAR)

static void descriptor(parser *p, sp_str text, sp_cron *ret)
{
	static const struct {
		sp_str name;
		bool month, day, weekday, hour; /* the first of it only */
	} known[] = {
		{SP_STR_INIT("@yearly"), true, true, false, true},
		{SP_STR_INIT("@annually"), true, true, false, true},
		{SP_STR_INIT("@monthly"), false, true, false, true},
		{SP_STR_INIT("@weekly"), false, false, true, true},
		{SP_STR_INIT("@daily"), false, false, false, true},
		{SP_STR_INIT("@midnight"), false, false, false, true},
		{SP_STR_INIT("@hourly"), false, false, false, false},
	};
	for (size_t i = 0; i < SP_LEN(known); i++) {
		if (!sp_str_eq(known[i].name, text))
			continue;
		ret->minutes = 1;
		ret->hours = known[i].hour ? 1 : ALL(HOUR);
		ret->days = known[i].day ? 1u << 1 : ALL(DAY);
		ret->months = known[i].month ? 1u << 1 : ALL(MONTH);
		ret->weekdays = known[i].weekday ? 1 : ALL(WEEKDAY);
		return;
	}
	sp_str span = text;
	sp_err err;
	int64_t ns;
	if (!sp_str_take(&span, SP_STR("@every ")))
		refuse(p, "unrecognized descriptor: " SP_FMT, SP_ARG(text));
	else if (sp_duration_parse(span, &ns, &err) != SP_OK)
		refuse(p, "failed to parse duration " SP_FMT ": %s", SP_ARG(text), err.msg);
	else
		ret->every_seconds = SP_MAX(ns / INT64_C(1000000000), 1);
}

/* "TZ=Asia/Tokyo " in front; what follows goes back to *text. */
static void zone_prefix(parser *p, sp_str *text, sp_cron *ret)
{
	sp_str rest = *text;
	if (!sp_str_take(&rest, SP_STR("TZ=")) && !sp_str_take(&rest, SP_STR("CRON_TZ=")))
		return;
	ptrdiff_t blank = sp_str_index(rest, ' ');
	if (blank < 0) {
		/* upstream's parser falls over here, and its caller catches it */
		refuse(p, "invalid schedule format: runtime error: slice bounds out of range [:-1]");
		return;
	}
	sp_str zone = sp_str_sub(rest, 0, (size_t)blank);
	if (zone.len == 0)
		zone = SP_STR("UTC");
	if (!sp_zone_exists(zone) && !sp_str_eq(zone, SP_STR("Local")))
		refuse(p, "provided bad location " SP_FMT ": unknown time zone " SP_FMT, SP_ARG(zone),
		       SP_ARG(zone));
	ret->zone = zone;
	*text = sp_str_trim(sp_str_sub(rest, (size_t)blank, rest.len));
}

sp_code sp_cron_parse(sp_arena *a, sp_str text, sp_cron *ret, sp_str *ret_why)
{
	parser p = {.arena = a};
	*ret = (sp_cron){.minutes = 0};
	if (text.len == 0)
		refuse(&p, "empty spec string");
	else
		zone_prefix(&p, &text, ret);
	if (p.code == SP_OK && sp_str_starts(text, SP_STR("@")))
		descriptor(&p, text, ret);
	else if (p.code == SP_OK)
		five_fields(&p, text, ret);
	*ret_why = p.why;
	return p.code;
}

static bool has(uint64_t bits, int32_t n)
{
	return (bits >> n & 1) != 0;
}

/* Restricted by both, a day needs only one of them. */
static bool day_matches(const sp_cron *cron, const sp_civil *t)
{
	bool day = has(cron->days, t->day), weekday = has(cron->weekdays, t->weekday);
	return ((cron->days | cron->weekdays) & STAR) != 0 ? day && weekday : day || weekday;
}

/* The walk to the next match: each step goes to the start of a later month, day, hour or minute. */
typedef struct walk {
	const sp_cron *cron;
	const sp_zone *zone;
	int64_t at;
	bool moved; /* the smaller figures are zero already */
} walk;

/* The walk's moment on the wall clock. */
static sp_civil civil(const walk *w)
{
	return sp_civil_at(w->zone, w->at);
}

/* To midnight, of the first of the month when asked, unless the walk is at such a place already. */
static void to_start(walk *w, bool of_month)
{
	sp_civil t = civil(w);
	if (w->moved)
		return;
	t.day = of_month ? 1 : t.day;
	t.hour = t.minute = t.second = 0;
	w->moved = true;
	w->at = sp_civil_instant(w->zone, &t);
}

/* Later by whole days or months, at the same time of the day. */
static void later(walk *w, int32_t months, int32_t days)
{
	sp_civil t = civil(w);
	t.month += months;
	t.day += days;
	w->at = sp_civil_instant(w->zone, &t);
}

/* Each returns false when it wrapped into the next bigger unit, so that all has to be looked at again. */
static bool find_month(walk *w)
{
	while (!has(w->cron->months, civil(w).month)) {
		to_start(w, true);
		later(w, 1, 0);
		if (civil(w).month == 1)
			return false;
	}
	return true;
}

static bool find_day(walk *w)
{
	for (sp_civil t = civil(w); !day_matches(w->cron, &t); t = civil(w)) {
		to_start(w, false);
		later(w, 0, 1);
		/* a midnight that does not exist leaves the clock at one or at 23 */
		t = civil(w);
		if (t.hour != 0)
			w->at += t.hour > 12 ? (24 - t.hour) * 3600 : -t.hour * 3600;
		if (civil(w).day == 1)
			return false;
	}
	return true;
}

static bool find_hour(walk *w)
{
	for (sp_civil t = civil(w); !has(w->cron->hours, t.hour); t = civil(w)) {
		if (!w->moved) {
			t.minute = t.second = 0;
			w->at = sp_civil_instant(w->zone, &t);
			w->moved = true;
		}
		w->at += 3600;
		if (civil(w).hour == 0)
			return false;
	}
	return true;
}

static bool find_minute(walk *w)
{
	for (sp_civil t = civil(w); !has(w->cron->minutes, t.minute); t = civil(w)) {
		if (!w->moved) {
			int64_t over = w->at % 60;
			w->at -= over < 0 ? over + 60 : over;
			w->moved = true;
		}
		w->at += 60;
		if (civil(w).minute == 0)
			return false;
	}
	return true;
}

static bool find_second(walk *w)
{
	while (civil(w).second != 0) {
		w->at += 1;
		w->moved = true;
		if (civil(w).second == 0)
			return false;
	}
	return true;
}

#define YEARS_MAX 5

bool sp_cron_next(const sp_cron *cron, const sp_zone *zone, sp_time after, sp_time *ret)
{
	walk w = {.cron = cron, .zone = zone, .at = after.seconds + 1};
	if (cron->every_seconds != 0) {
		*ret = (sp_time){.seconds = after.seconds + cron->every_seconds};
		return true;
	}
	/* a field of commas only, which upstream searches five years for */
	if (cron->minutes == 0 || cron->hours == 0 || cron->months == 0)
		return false;
	int64_t last_year = sp_civil_at(zone, w.at).year + YEARS_MAX;
	while (sp_civil_at(zone, w.at).year <= last_year) {
		if (find_month(&w) && find_day(&w) && find_hour(&w) && find_minute(&w) && find_second(&w)) {
			*ret = (sp_time){.seconds = w.at};
			/* clocks of a broken zone may lead back */
			return w.at > after.seconds;
		}
	}
	return false;
}

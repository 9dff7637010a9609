/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones: which names exist, and the offset from UTC at an instant, from the bytes of a TZif file
 * (RFC 9636). U: Go time/zoneinfo.go and zoneinfo_read.go, whose choices in doubtful moments (hours that
 * happen twice or not at all) are kept, because schedules depend on them.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* True for the name of a zone or a link to one; "UTC" is one. Case matters. */
bool sp_zone_exists(sp_str name);

/* From `from` on (seconds since 1970, UTC) clocks are `offset` seconds ahead of UTC. */
typedef struct sp_zone_change {
	int64_t from;
	int32_t offset;
} sp_zone_change;

/* When daylight saving begins or ends in a year of the rule that follows the last change. */
typedef struct sp_zone_day {
	enum { SP_ZONE_JULIAN, SP_ZONE_DAY_OF_YEAR, SP_ZONE_MONTH_WEEK_DAY } kind;
	int32_t day, week, month;
	int32_t seconds; /* local time of the change, may be negative or over a day */
} sp_zone_day;

/* A zone; {0} is UTC. The changes live in the arena it was read with. */
typedef struct sp_zone {
	const sp_zone_change *changes; /* ascending */
	size_t n_changes;
	int32_t first_offset; /* before the first change */
	/* After the last change: standard time, and daylight saving when has_dst. */
	bool has_rule, has_dst;
	int32_t std_offset, dst_offset;
	sp_zone_day dst_start, dst_end;
} sp_zone;

/* Reads a file of the zone database. SP_EINVAL: malformed; SP_ETOOLARGE: no room. */
sp_code sp_zone_parse(sp_arena *a, sp_str bytes, sp_zone *ret, sp_err *err) SP_MUST_USE;

/* Seconds ahead of UTC at an instant; the span in which that holds (both may be NULL). NULL zone: UTC. */
int32_t sp_zone_offset(const sp_zone *z, int64_t when, int64_t *ret_from, int64_t *ret_until);

/* A moment on the clocks of a zone. */
typedef struct sp_civil {
	int64_t year;
	int32_t month, day, hour, minute, second; /* month and day from 1 */
	int32_t weekday;                          /* 0: Sunday */
} sp_civil;

sp_civil sp_civil_at(const sp_zone *z, int64_t when);
/* The instant of a reading of the clocks; figures out of range carry over (month 13 is January). */
int64_t sp_civil_instant(const sp_zone *z, const sp_civil *c);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules of CronJobs: five fields, "@daily" and the like, "@every 90s", and upstream's old prefix "TZ=".
 * What passes, what it means and the texts of errors are those of robfig/cron v3 (parser.go, spec.go,
 * constantdelay.go), doubtful cases included: an empty field ("," alone) never comes.
 */
#pragma once

#include "base/time.h"
#include "kube/kinds/zone.h"

typedef struct sp_cron {
	/* Bit n: the figure n is in the field. The top bit: the field is a star. */
	uint64_t minutes, hours, days, months, weekdays;
	int64_t every_seconds; /* not 0: this schedule instead of the fields */
	sp_str zone;           /* of the prefix; empty: that of the CronJob */
} sp_cron;

/*
 * `text` is borrowed by ret->zone. SP_EINVAL: *ret_why gets the message (in the arena; empty without room).
 */
sp_code sp_cron_parse(sp_arena *a, sp_str text, sp_cron *ret, sp_str *ret_why) SP_MUST_USE;

/*
 * The first time after `after` that the schedule names, on the clocks of a zone (NULL: UTC). False: none
 * within five years.
 */
bool sp_cron_next(const sp_cron *cron, const sp_zone *zone, sp_time after, sp_time *ret) SP_MUST_USE;

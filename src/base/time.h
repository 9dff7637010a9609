/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as RFC 3339 text, years 0 to 9999. */
#pragma once

#include "base/err.h"

typedef struct sp_time {
	int64_t seconds; /* since 1970-01-01T00:00:00Z, without leap seconds */
	uint32_t nanos;  /* below 1e9 */
} sp_time;

/* Go's zero time, 0001-01-01T00:00:00Z. */
#define SP_TIME_ZERO_SECONDS INT64_C(-62135596800)

/*
 * RFC 3339 as Go's time.Parse reads it: 'T', any number of fraction digits (those below a nanosecond are
 * dropped), Z or an offset; an hour of one digit passes. _micro is metav1.MicroTime's layout, which wants
 * exactly six digits of fraction. SP_EINVAL with Go's text ("parsing time \"x\" as …: cannot parse …").
 */
sp_code sp_time_parse(sp_str text, sp_time *ret, sp_err *err) SP_MUST_USE;
sp_code sp_time_parse_micro(sp_str text, sp_time *ret, sp_err *err) SP_MUST_USE;

/* Text in UTC with n_digits (0 to 9) of fraction, cut, never rounded: 0 for Time, 6 for MicroTime. Returns
 * its length; 0 for a year outside 0 to 9999. No NUL. */
#define SP_TIME_TEXT_BYTES 32
size_t sp_time_print(char out[SP_TIME_TEXT_BYTES], sp_time t, unsigned n_digits);

/* Nanoseconds since 1970; times that an int64 cannot hold (before 1677, after 2262) end at its ends. */
int64_t sp_time_ns(sp_time t);

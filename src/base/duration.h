/* SPDX-License-Identifier: Apache-2.0 */
/* Go's time.Duration text ("1h30m0s", "1.5ms"), in nanoseconds. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

/*
 * What Go's time.ParseDuration takes: an optional sign, then numbers with units ns us µs ms s m h, or "0".
 * SP_EINVAL for the rest and for what int64 cannot hold.
 */
sp_code sp_duration_parse(sp_str text, int64_t *ret_ns, sp_err *err) SP_MUST_USE;

/* Go's Duration.String, in the arena; {NULL, 0} when there is no room. */
sp_str sp_duration_print(sp_arena *a, int64_t ns);

/*
 * A span as people read it, two or three figures: "5s", "3m20s", "47m", "2h5m", "3d4h", "400d", "2y3d";
 * "<invalid>" for less than -1 s. Writes the text (no NUL) and returns its length. Upstream: apimachinery
 * pkg/util/duration.HumanDuration.
 */
#define SP_DURATION_HUMAN_BYTES 32
size_t sp_duration_human(char out[SP_DURATION_HUMAN_BYTES], int64_t ns);

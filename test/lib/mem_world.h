/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world in memory for tests: virtual time that jumps to the next timer when nothing else is left to do, a
 * seeded random source, and stream pairs whose bytes arrive in pieces of 1 to piece_max bytes. No files,
 * sockets or processes.
 */
#pragma once

#include "io/stream.h"
#include "io/world.h"

/* The wall clock stands still at 1994-11-06T08:49:37Z. */
sp_world *mem_world_new(uint64_t seed, size_t piece_max);
/* Everything opened is closed by now; streams that are not are a failed assertion. */
void mem_world_free(sp_world *w);
/* As sp_world_run, but stops before time passes `until_ns` (an sp_now_ns). */
void mem_world_run_until(sp_world *w, uint64_t until_ns);
/* Bytes accepted from the peer of s at most, per piece; 0 = s takes nothing until it is set again. */
void mem_stream_limit(sp_stream *s, size_t piece_max);

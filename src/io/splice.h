/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies bytes between two streams, both ways, with back-pressure: a direction stops reading while more than
 * 256 KiB wait to be written. The end of one side is passed on as shutdown of the other; when both directions
 * ended, or either stream failed, both are closed.
 */
#pragma once

#include "io/stream.h"
#include "io/world.h"

typedef struct sp_splice sp_splice;

/* Takes both streams over. `done` comes once, after both are gone; err is NULL when both directions ended in
 * order. SP_ENOMEM: the caller keeps the streams. */
sp_code sp_splice_start(sp_stream *a, sp_stream *b, void (*done)(void *arg, const sp_err *err), void *arg,
			sp_splice **ret, sp_err *err) SP_MUST_USE;
/* When one direction has ended the other gets this long, then both are closed (SP_ETIMEOUT); 0, the default:
 * as long as it likes. Before the first end. */
void sp_splice_linger(sp_splice *s, uint64_t linger_ns);
/* Closes both at once; `done` still comes. */
void sp_splice_abort(sp_splice *s);
/* Bytes copied from the first to the second stream and back. */
uint64_t sp_splice_bytes(const sp_splice *s, bool from_first);

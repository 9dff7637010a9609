/* SPDX-License-Identifier: Apache-2.0 */
/* The world of production: one libuv loop, the machine's clock, sockets, files and processes. */
#pragma once

#include "io/world.h"

/*
 * A new loop. Several may live in one process, each used by one thread. SIGPIPE is ignored from now on in
 * this process (spawned children get the default back).
 */
sp_code sp_world_uv_new(sp_world **ret, sp_err *err) SP_MUST_USE;

/*
 * Waits for jobs that workers have begun or queued and calls their `done`; closes what is still open: streams
 * tell their owners as after sp_stream_close, everything else is released without a word. So owners must
 * still be there, and must not open anything new. NULL is a no-op.
 */
void sp_world_uv_free(sp_world *world);

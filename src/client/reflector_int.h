/* SPDX-License-Identifier: Apache-2.0 */
/* A reflector, shared by its life (reflector.c) and its reading of watches (reflector_read.c). */
#pragma once

#include "client/client_int.h"
#include "client/reflector.h"

#define REVISION_BYTES 128u
#define LINE_BYTES_MAX ((size_t)32 << 20)
#define LINE_BYTES_KEPT ((size_t)64 << 10) /* between events */

typedef enum reflector_phase {
	REFLECTOR_IDLE,   /* not started, or waiting for its timer */
	REFLECTOR_STREAM, /* a watch that gives the state first; it has not been whole yet */
	REFLECTOR_LIST,
	REFLECTOR_WATCH,
} reflector_phase;

struct sp_reflector {
	sp_reflector_opts o; /* texts in the arena */
	sp_world *world;
	sp_arena arena, scratch; /* scratch: of one event or page */
	reflector_phase phase;
	bool has_state; /* `revision` is one to go on from */
	bool is_absent; /* the server does not serve the resource, as of its last answer */
	bool no_stream; /* this time: the server does not know sendInitialEvents, or seems not to */
	uint32_t page;
	uint32_t n_failures; /* in a row */
	char revision[REVISION_BYTES];
	size_t revision_len;
	sp_reflector_stats stats;
	sp_timer timer, quiet;
	client_waiter waiter; /* while it pauses because no server answered */
	uint64_t failed_ns;   /* when that pause began */

	/* a watch */
	sp_http_exchange *ex;
	sp_buf line;       /* the part of a line that has come */
	uint64_t watch_ns; /* when it began */
	uint16_t status;   /* of the last answer, a list's too; 0: none */
	uint32_t retry_after_s;
	bool got_any; /* an event or bookmark came on this watch */
	bool is_gone; /* the server does not have our revision */
	sp_err err;   /* why we broke it off */

	/* a list */
	sp_call call;
	sp_buf cont;
};

static inline sp_str reflector_revision(const sp_reflector *r)
{
	return (sp_str){r->revision, r->revision_len};
}
/* SP_EPROTO: empty or too long. */
sp_code reflector_reach(sp_reflector *r, sp_str revision, sp_err *err) SP_MUST_USE;

/* Whether a refusal says that our revision is of no use: forgotten, or of a future the server lost (it then
 * waits for a while, and tells of a timeout). */
static inline bool reflector_is_gone(sp_code code, uint16_t status)
{
	return code == SP_EGONE || (code == SP_ETIMEOUT && status == 504);
}
/* Bytes of a watch: whole lines are told to the sink. An error (the server's, by its Status, or the sink's)
 * ends the watch. */
sp_code reflector_read(sp_reflector *r, const uint8_t *bytes, size_t n, sp_err *err) SP_MUST_USE;

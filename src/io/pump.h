/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sp_pump: the thin binding between a protocol core that knows no I/O (bytes in, bytes out) and a byte
 * stream. The core appends what it has to say to `out`; the pump writes it, one write at a time, and gathers
 * everything said during one turn of the loop.
 *
 * Two marks. Above `high_bytes` producers hold back (sp_pump_is_full) until on_drain. Above `pause_bytes` the
 * peer is not read: what waits beyond high_bytes are answers to the peer, and one that does not read them
 * cannot make us grow. The two must lie well apart: if data alone stopped reading, two busy peers would wait
 * for each other for ever.
 *
 * The owner embeds the pump and stays in place until on_close. All callbacks come from the loop.
 */
#pragma once

#include "base/buf.h"
#include "io/stream.h"
#include "io/world.h"

typedef struct sp_pump_handler {
	/* Bytes of the peer. An error ends reading; the owner then closes (sp_pump_close) when it is done. */
	void (*on_bytes)(void *arg, const uint8_t *bytes, size_t n);
	/* The peer closed its direction; nothing more comes. */
	void (*on_end)(void *arg);
	/* The stream failed; only on_close follows, after sp_pump_close. */
	void (*on_fail)(void *arg, const sp_err *err);
	/* The queue fell to half of high_bytes after it had been above high_bytes. May be NULL. */
	void (*on_drain)(void *arg);
	/* The stream is gone; the pump may be released. */
	void (*on_close)(void *arg);
} sp_pump_handler;

typedef struct sp_pump_marks {
	size_t high_bytes, pause_bytes;
	size_t limit_bytes; /* of `out`: an append above it fails, and the owner ends the connection */
} sp_pump_marks;

typedef struct sp_pump {
	sp_world *world;
	sp_stream *stream;
	const sp_pump_handler *handler;
	void *arg;
	sp_buf out;    /* what waits; append, then sp_pump_flush */
	sp_buf flying; /* what the stream is writing */
	sp_write req;
	sp_defer turn;
	sp_pump_marks marks;
	bool want_read, reading, writing, above_high, paused;
	bool want_shutdown, shutdown_sent, want_close, closed, failed;
} sp_pump;

/* The stream is not touched yet. */
void sp_pump_init(sp_pump *p, sp_world *w, sp_stream *s, const sp_pump_marks *marks, const sp_pump_handler *h,
		  void *arg);
/* Takes the stream over. Reading starts off. */
void sp_pump_start(sp_pump *p);
/* Before start, or after on_close. */
void sp_pump_done(sp_pump *p);

/* Whether the owner wants bytes; the pump itself pauses while too much waits. */
void sp_pump_read(sp_pump *p, bool on);

/* Something was appended to `out`: it goes out at the end of this turn of the loop. */
void sp_pump_flush(sp_pump *p);

/* Ends our direction after everything appended so far. */
void sp_pump_shutdown(sp_pump *p);
/* Closes after everything appended so far is written (drain), or at once. on_close follows. Idempotent; an
 * undrained close overtakes a draining one. */
void sp_pump_close(sp_pump *p, bool drain);

static inline size_t sp_pump_queued(const sp_pump *p)
{
	return p->out.len + p->flying.len;
}
/* True while a producer should hold back until on_drain. */
static inline bool sp_pump_is_full(const sp_pump *p)
{
	return sp_pump_queued(p) >= p->marks.high_bytes;
}

/* For a stream that has no owner yet or no more: ignores everything. */
extern const sp_stream_handler sp_stream_no_handler;

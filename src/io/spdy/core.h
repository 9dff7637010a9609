/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SPDY/3.1 session without I/O: bytes in, events and bytes out, both sides of it. Streams as sp_stream
 * stand on top (io/spdy/session.h).
 *
 * Flow control. Kubernetes' usual peer (moby/spdystream) neither sends nor obeys WINDOW_UPDATE, so a window
 * is binding only for a peer that has shown that it keeps windows: by SETTINGS with an initial window or by a
 * WINDOW_UPDATE (on stream 0: the session's). We announce our window and send WINDOW_UPDATE always; a peer
 * that keeps windows and breaks ours gets FLOW_CONTROL_ERROR, any other is held by not reading the
 * connection.
 *
 * Bad input: an error of one stream is answered with RST_STREAM, an error of the framing or of the header
 * compression with GOAWAY(1) and on_failed; after that nothing is read.
 */
#pragma once

#include "base/buf.h"
#include "io/spdy/headers.h"

/* RST_STREAM status codes. */
enum {
	SP_SPDY_PROTOCOL_ERROR = 1,
	SP_SPDY_INVALID_STREAM = 2,
	SP_SPDY_REFUSED_STREAM = 3,
	SP_SPDY_UNSUPPORTED_VERSION = 4,
	SP_SPDY_CANCEL = 5,
	SP_SPDY_INTERNAL_ERROR = 6,
	SP_SPDY_FLOW_CONTROL_ERROR = 7,
	SP_SPDY_STREAM_IN_USE = 8,
	SP_SPDY_STREAM_ALREADY_CLOSED = 9,
	SP_SPDY_FRAME_TOO_LARGE = 11,
};

typedef struct sp_spdy_opts {
	bool client;                /* opens odd streams; a server opens even ones */
	uint32_t streams_max;       /* open at once, of the peer; 0 = 1024 */
	uint32_t window_bytes;      /* receive window of a stream; 0 = 256 KiB */
	uint32_t control_bytes_max; /* payload of one control frame; 0 = SP_LIMIT_HTTP_HEADER_BYTES + 64 */
	uint32_t resets_max;        /* streams the peer may open and reset unused; 0 = 1000 */
} sp_spdy_opts;

/* Bytes of one DATA frame that we send, at most: a fair share between streams. */
#define SP_SPDY_DATA_BYTES_MAX ((size_t)32 << 10)

typedef struct sp_spdy_core sp_spdy_core;

/* One stream. Stays until sp_spdy_core_release, also after the session ended; then it is closed. */
typedef struct sp_spdy_cs sp_spdy_cs;

typedef struct sp_spdy_events {
	/* A stream of the peer: reply or reset it, now or later; release it in the end. It may have ended
	 * with its first frame (sp_spdy_cs_remote_closed); no on_fin comes then. */
	void (*on_stream)(void *arg, sp_spdy_cs *s);
	/* The answer to a stream of ours (block: its headers). */
	void (*on_reply)(void *arg, sp_spdy_cs *s, sp_str block);
	/* May be NULL. */
	void (*on_headers)(void *arg, sp_spdy_cs *s, sp_str block);
	/* Give back what was used up with sp_spdy_core_consumed. */
	void (*on_data)(void *arg, sp_spdy_cs *s, const uint8_t *bytes, size_t n);
	/* The peer sends nothing more on it. */
	void (*on_fin)(void *arg, sp_spdy_cs *s);
	/* The peer (or a GOAWAY: REFUSED_STREAM) ended it at once; or we did, because the peer broke a rule.
	 */
	void (*on_reset)(void *arg, sp_spdy_cs *s, uint32_t status);
	/* There is room to send again, after sp_spdy_core_data took less than it was given. */
	void (*on_window)(void *arg, sp_spdy_cs *s);
	/* May be NULL. */
	void (*on_pong)(void *arg, uint32_t id);
	/* The peer takes no new streams. */
	void (*on_goaway)(void *arg, uint32_t status);
	/* The session is over; no event follows. Open streams got no on_reset: the owner ends them. */
	void (*on_failed)(void *arg, const sp_err *err);
} sp_spdy_events;

sp_code sp_spdy_core_new(const sp_spdy_opts *opts, const sp_spdy_events *events, void *arg, sp_buf *out,
			 sp_spdy_core **ret, sp_err *err) SP_MUST_USE;
/* After all streams were released. NULL is a no-op. Not from inside an event. */
void sp_spdy_core_free(sp_spdy_core *c);

void sp_spdy_core_feed(sp_spdy_core *c, const uint8_t *bytes, size_t n);
/* No event after this. */
void sp_spdy_core_stop(sp_spdy_core *c);
bool sp_spdy_core_is_stopped(const sp_spdy_core *c);

/* Opens a stream. SP_EUNAVAILABLE: the session is over, the peer said GOAWAY, or identifiers ran out. */
sp_code sp_spdy_core_open(sp_spdy_core *c, const sp_spdy_header *headers, size_t n, bool fin,
			  sp_spdy_cs **ret, sp_err *err) SP_MUST_USE;
/* Answers a stream of the peer, once (asserted: it is the peer's). Nothing happens on a closed stream. */
sp_code sp_spdy_core_reply(sp_spdy_core *c, sp_spdy_cs *s, const sp_spdy_header *headers, size_t n, bool fin,
			   sp_err *err) SP_MUST_USE;
/*
 * Queues as much of n bytes as the windows allow, in frames of SP_SPDY_DATA_BYTES_MAX, and with fin, once all
 * of it went, the end. *ret_taken says how much; less than n: on_window tells when to go on. SP_ECANCELED:
 * the stream is closed in our direction.
 */
sp_code sp_spdy_core_data(sp_spdy_core *c, sp_spdy_cs *s, const uint8_t *bytes, size_t n, bool fin,
			  size_t *ret_taken, sp_err *err) SP_MUST_USE;
/* n bytes of on_data were used: the window may open. */
void sp_spdy_core_consumed(sp_spdy_core *c, sp_spdy_cs *s, size_t n);
/* RST_STREAM, unless it is closed already. */
void sp_spdy_core_reset(sp_spdy_core *c, sp_spdy_cs *s, uint32_t status);
/* The owner is done with it; an open one is reset with CANCEL. */
void sp_spdy_core_release(sp_spdy_core *c, sp_spdy_cs *s);

/* Sends PING; *ret_id comes back in on_pong. */
sp_code sp_spdy_core_ping(sp_spdy_core *c, uint32_t *ret_id, sp_err *err);
/* Sends GOAWAY: streams of the peer that come later are refused. Status: 0 ok, 1 protocol, 2 internal error.
 */
void sp_spdy_core_goaway(sp_spdy_core *c, uint32_t status);

uint32_t sp_spdy_cs_id(const sp_spdy_cs *s);
/* The headers the stream was opened with by the peer; empty for ours. Good until release. */
sp_str sp_spdy_cs_block(const sp_spdy_cs *s);
bool sp_spdy_cs_is_local(const sp_spdy_cs *s);
bool sp_spdy_cs_replied(const sp_spdy_cs *s);
/* The peer sends nothing more on it. */
bool sp_spdy_cs_remote_closed(const sp_spdy_cs *s);
/* Both directions ended, or it was reset. */
bool sp_spdy_cs_is_closed(const sp_spdy_cs *s);
/* The owner's pointer. */
void *sp_spdy_cs_user(const sp_spdy_cs *s);
void sp_spdy_cs_set_user(sp_spdy_cs *s, void *user);

/* Streams not closed, both sides'. */
size_t sp_spdy_core_n_open(const sp_spdy_core *c);
/* False until the peer has shown that it keeps windows. */
bool sp_spdy_core_peer_has_windows(const sp_spdy_core *c);

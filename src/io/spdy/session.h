/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SPDY/3.1 session on a byte stream, server or client; its streams are sp_stream, so whatever copies bytes
 * copies them here too. Kubernetes uses it for exec, attach and port-forward.
 *
 *  - A stream that is not read holds up to the window; a peer without flow control that sends more stops the
 *    whole connection until it is read (buffer_bytes_max over all streams), as upstream's library does.
 *  - Writers share the connection in turns of SP_SPDY_DATA_BYTES_MAX.
 *  - When the session ends, every stream gets what it still holds, then on_end (the connection ended in
 *    order) or on_error. Streams outlive the session's on_close until they are closed.
 */
#pragma once

#include "io/spdy/core.h"
#include "io/stream.h"
#include "io/world.h"

typedef struct sp_spdy sp_spdy;

typedef struct sp_spdy_conn_opts {
	sp_spdy_opts core;
	uint64_t ping_every_ns;   /* 0 = no pings */
	uint64_t pong_timeout_ns; /* 0 = none is awaited; counted only while we read */
	size_t high_bytes;        /* 0 = 256 KiB waiting for the connection: streams hold back */
	size_t buffer_bytes_max;  /* 0 = 1 MiB that streams did not read */
} sp_spdy_conn_opts;

typedef struct sp_spdy_handler {
	/* A stream of the peer, with its headers (spdy/headers.h; good until the stream is closed). Set a
	 * handler and answer it with sp_spdy_reply or close it, now or later. */
	void (*on_stream)(void *arg, sp_stream *s, sp_str block);
	/* A stream of ours was accepted. May be NULL. Refusal is the stream's on_error. */
	void (*on_reply)(void *arg, sp_stream *s, sp_str block);
	/* The peer takes no new streams; open ones go on. May be NULL. */
	void (*on_goaway)(void *arg, uint32_t status);
	/* Once, the last call: the connection is gone. err is NULL after an orderly end. */
	void (*on_close)(void *arg, const sp_err *err);
} sp_spdy_handler;

/* Takes the stream over and reads it; on an error the caller keeps it. */
sp_code sp_spdy_open(sp_world *w, sp_stream *transport, const sp_spdy_conn_opts *opts,
		     const sp_spdy_handler *h, void *arg, sp_spdy **ret, sp_err *err) SP_MUST_USE;

/* Says GOAWAY, ends all streams, closes after what is queued was written. on_close follows. Idempotent. */
void sp_spdy_close(sp_spdy *y);
/* Closes at once. */
void sp_spdy_abort(sp_spdy *y);
/* Says GOAWAY only: no new streams of the peer; open ones go on (drain). */
void sp_spdy_goaway(sp_spdy *y);
size_t sp_spdy_n_streams(const sp_spdy *y);

/* Opens a stream. Data may be written at once; upstream's clients wait for on_reply. With fin it is half
 * closed from the start. */
sp_code sp_spdy_stream_open(sp_spdy *y, const sp_spdy_header *headers, size_t n, bool fin, sp_stream **ret,
			    sp_err *err) SP_MUST_USE;

/* The following take streams of a SPDY session only. */

/* Accepts a stream of the peer, before anything is written to it. */
sp_code sp_spdy_reply(sp_stream *s, const sp_spdy_header *headers, size_t n, sp_err *err) SP_MUST_USE;
/* RST_STREAM with a status; the owner still closes the stream. */
void sp_spdy_reset(sp_stream *s, uint32_t status);
uint32_t sp_spdy_stream_id(const sp_stream *s);
/* A header the peer opened the stream with; empty when absent. The name is lower case. */
sp_str sp_spdy_stream_header(const sp_stream *s, sp_str name);
/* All of them (spdy/headers.h); good until the stream is closed. */
sp_str sp_spdy_stream_block(const sp_stream *s);

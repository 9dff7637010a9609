/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket connection on a byte stream, after the handshake: io/ws/core.h plus writing, back-pressure,
 * keep-alive and an orderly end. The stream may be TCP, TLS or whatever an HTTP upgrade hands over.
 *
 *  - Reading starts off. Turning it off is the back-pressure towards the peer.
 *  - A sender watches sp_ws_is_full and holds back until on_drain. Above limit_bytes the connection fails.
 *  - Pings go out every ping_every_ns; without a pong for pong_timeout_ns, counted only while we read, the
 *    connection fails with SP_ETIMEOUT.
 *  - on_close comes exactly once and is the last call; the connection is gone when it returns.
 */
#pragma once

#include "io/world.h"
#include "io/ws/core.h"

typedef struct sp_ws sp_ws;

typedef struct sp_ws_conn_opts {
	sp_ws_opts core;
	uint64_t ping_every_ns;    /* 0 = no pings */
	uint64_t pong_timeout_ns;  /* 0 = none is awaited */
	uint64_t close_timeout_ns; /* how long the peer may take to answer our Close; 0 = 5 s */
	size_t high_bytes;         /* 0 = 256 KiB queued: is_full; 1 MiB above it the peer is not read */
	size_t limit_bytes;        /* 0 = high_bytes + 1 MiB + 2 * SP_LIMIT_WEBSOCKET_MESSAGE_BYTES */
} sp_ws_conn_opts;

typedef struct sp_ws_handler {
	void (*on_message)(void *arg, sp_ws_kind kind, const uint8_t *bytes, size_t n, bool last);
	void (*on_drain)(void *arg); /* may be NULL */
	/* How it ended: the code and reason of the peer's Close, or of ours when the peer broke a rule, or
	 * SP_WS_ABNORMAL. err is NULL after an orderly close. */
	void (*on_close)(void *arg, uint16_t code, sp_str reason, const sp_err *err);
} sp_ws_handler;

/* Takes the stream over; on an error the caller keeps it. */
sp_code sp_ws_open(sp_world *w, sp_stream *s, const sp_ws_conn_opts *opts, const sp_ws_handler *h, void *arg,
		   sp_ws **ret, sp_err *err) SP_MUST_USE;

void sp_ws_read(sp_ws *ws, bool on);
/* As sp_ws_core_send; the bytes are copied. */
sp_code sp_ws_send(sp_ws *ws, sp_ws_kind kind, const sp_iov *parts, size_t n_parts, sp_err *err);
bool sp_ws_is_full(const sp_ws *ws);
size_t sp_ws_queued(const sp_ws *ws);

/* Sends Close after what is queued, awaits the peer's, then ends. Idempotent. */
void sp_ws_close(sp_ws *ws, uint16_t code, sp_str reason);
/* Ends at once, dropping what is queued; on_close still comes. */
void sp_ws_abort(sp_ws *ws);

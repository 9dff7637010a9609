/* SPDX-License-Identifier: Apache-2.0 */
/* Private to session.c (the connection) and stream.c (its streams). */
#pragma once

#include "io/pump.h"
#include "io/spdy/session.h"

typedef enum spdy_end { SPDY_END_NONE, SPDY_END_FIN, SPDY_END_ERROR } spdy_end;

typedef struct spdy_stream {
	sp_stream base;
	sp_spdy *session;
	sp_spdy_cs *cs;  /* NULL after close */
	sp_list node;    /* in session->streams */
	sp_list sender;  /* in session->senders while it has something to send and may */
	sp_list writes;  /* queued, not wholly sent */
	sp_list sent;    /* their `done` is due */
	size_t write_at; /* bytes of the first write already sent */
	sp_buf rx;       /* arrived while nobody read */
	spdy_end end;    /* comes after rx */
	sp_err end_err;
	sp_defer turn;
	bool reading, want_fin, fin_sent, fin_came, fin_told, error_told, closing;
} spdy_stream;

struct sp_spdy {
	sp_pump pump;
	sp_spdy_core *core;
	sp_spdy_conn_opts opts;
	const sp_spdy_handler *handler;
	void *arg;
	sp_list streams, senders;
	size_t buffered_bytes;
	sp_timer ping, pong;
	bool transport_gone, ending, have_err;
	sp_err err;
};

/* A stream object for a core stream. NULL: no memory. */
spdy_stream *spdy_stream_make(sp_spdy *y, sp_spdy_cs *cs) SP_MUST_USE;
void spdy_stream_on_data(spdy_stream *st, const uint8_t *bytes, size_t n);
/* The end of the peer's direction, in order (err NULL), or of both (err); an error may follow the first. */
void spdy_stream_end(spdy_stream *st, const sp_err *err);
/* Sends in turns until the connection's queue is full or nobody may send. */
void spdy_senders_run(sp_spdy *y);
/* Enters the turn. */
void spdy_stream_want_send(spdy_stream *st);
/* Streams hold more or less: read the connection or not. */
void spdy_update_reading(sp_spdy *y);
/* Frees the session when the connection and all streams are gone. */
void spdy_maybe_free(sp_spdy *y);
/* The core broke or the queue is full. */
void spdy_session_fail(sp_spdy *y, const sp_err *err);

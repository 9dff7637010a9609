/* SPDX-License-Identifier: Apache-2.0 */
/* One end of a stream in a test: remembers what came, in which order, and checks the promises of io/stream.h.
 */
#pragma once

#include "base/buf.h"
#include "io/stream.h"
#include "io/world.h"

typedef struct t_peer {
	sp_list node;
	sp_world *world;
	sp_stream *stream;
	sp_buf got;
	unsigned n_ends, n_errors, n_closes, n_done;
	sp_code error, done_code; /* of the last */
	char error_text[240];
	/* What it does by itself: */
	bool echo, shutdown_on_end, close_on_data, close_on_end, close_on_error, close_on_done;
	bool stop_on_close, stop_on_end; /* the world */
	size_t stop_at;                  /* bytes; 0 = never */
	size_t n_pending;                /* writes */
	void (*on_data)(struct t_peer *p);
} t_peer;

/* Released at the end of the test, after the world of t_world_uv, which closes its stream. In another world:
 * with t_peer_free, once its stream is closed. */
t_peer *t_peer_new(sp_world *w);
void t_peer_free(void *p);
/* Takes the stream over and reads. */
void t_peer_attach(t_peer *p, sp_stream *s);
/* Writes a copy. */
void t_peer_send(t_peer *p, const void *bytes, size_t n);
/* The world on libuv of this test, freed at its end. */
sp_world *t_world_uv(void);

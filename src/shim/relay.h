/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from a descriptor to where they go. A source reads into the loop's scratch buffer and puts it into
 * its sink, which keeps what it can't pass on; while a sink is full its sources do not read: the writer, the
 * container, waits. Nothing is held between reads when the reader at the other end keeps up.
 */
#pragma once

#include "base/buf.h"
#include "shim/loop.h"

typedef struct shim_sink shim_sink;

typedef struct shim_sink_ops {
	/* Takes all of it, even when full. `stream` is 0 stdin, 1 stdout, 2 stderr. */
	void (*put)(shim_sink *s, unsigned stream, sp_str bytes);
	/* Nothing more of this stream. */
	void (*end)(shim_sink *s, unsigned stream);
	bool (*is_full)(shim_sink *s);
	/* True when everything put has been passed on. */
	bool (*is_idle)(shim_sink *s);
	void (*free)(shim_sink *s);
} shim_sink_ops;

struct shim_sink {
	const shim_sink_ops *ops;
	/* It may be less full, or idle, than before. Never from inside put. */
	void (*changed)(void *arg);
	void *arg;
};

/* A sink on a descriptor, which it owns: non-blocking pipes, FIFOs and terminals, or regular files. The
 * descriptor is closed when `n_streams` have ended and all is written. */
shim_sink *shim_fd_sink_new(shim_loop *l, int fd, unsigned n_streams);

static inline void shim_sink_free(shim_sink *s)
{
	if (s != NULL)
		s->ops->free(s);
}

typedef struct shim_source {
	shim_loop *loop;
	shim_watch watch;
	shim_sink *sink; /* NULL: what is read is dropped */
	unsigned stream;
	bool ended;
	void (*on_end)(void *arg);
	void *arg;
} shim_source;

/* Owns the non-blocking descriptor; does not read yet. */
void shim_source_init(shim_source *s, shim_loop *l, int fd, unsigned stream, shim_sink *sink);
/* Reads, or does not while the sink is full: called at start and whenever the sink changed. */
void shim_source_pump(shim_source *s);
/* Closes the descriptor; the sink hears nothing. */
void shim_source_close(shim_source *s);

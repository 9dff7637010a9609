/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard streams of a container or command, at the socket its shim serves: frames of a stream's number,
 * a length of three bytes, and bytes. U: src/shim/README.md, "stdin, stdout, stderr".
 */
#pragma once

#include "io/pump.h"
#include "io/world.h"

enum { RT_IO_STDIN = 0, RT_IO_STDOUT = 1, RT_IO_STDERR = 2 };

typedef struct rt_io_handler {
	/* The connection stands. */
	void (*on_open)(void *arg);
	/* stream: RT_IO_STDOUT or RT_IO_STDERR; a piece of any length, good during the call. */
	void (*on_output)(void *arg, uint8_t stream, sp_str bytes);
	/* There is room again after rt_io_is_full said otherwise. May be NULL. */
	void (*on_drain)(void *arg);
	/* Once, the last call: all output came and the process has ended (err NULL), or it failed. */
	void (*on_close)(void *arg, const sp_err *err);
} rt_io_handler;

/* Embedded in its owner, zero-initialised; in place until on_close. */
typedef struct rt_io {
	sp_world *world;
	const rt_io_handler *handler;
	void *arg;
	sp_connect_req connect;
	sp_pump pump;
	uint8_t head[4];
	size_t n_head;
	uint32_t left; /* of the present frame's bytes */
	sp_err err;
	bool open, started, failed, closing;
	sp_defer late;
} rt_io;

/* `path`: of the socket. Errors of the start come with on_close, too. */
void rt_io_open(rt_io *io, sp_world *w, sp_str path, const rt_io_handler *h, void *arg);
/* Whether output is wanted (at first it is). */
void rt_io_read(rt_io *io, bool on);
/* Input; copied. What is beyond the limit is refused: look at rt_io_is_full. */
sp_code rt_io_write(rt_io *io, sp_str bytes, sp_err *err) SP_MUST_USE;
/* The end of the input. */
void rt_io_end(rt_io *io);
bool rt_io_is_full(const rt_io *io);
/* Ends the connection; on_close follows. */
void rt_io_close(rt_io *io);

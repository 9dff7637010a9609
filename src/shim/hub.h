/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink of `cri:` and `stream:` outputs: a CRI log, a socket for any number of clients, or both. The
 * frames of the socket stand in README.md.
 */
#pragma once

#include "shim/relay.h"
#include "shim/uri.h"

#define SHIM_FRAME_HEAD_BYTES 4u
#define SHIM_HUB_CLIENTS_MAX 64u
#define SHIM_HUB_QUEUE_BYTES ((size_t)1 << 20)

typedef struct shim_hub shim_hub;

typedef struct shim_hub_opts {
	shim_loop *loop;
	const shim_uri *uri; /* CRI or STREAM */
	uint32_t uid, gid;   /* own the log and the socket */
	bool out, err;       /* the streams that will come */
} shim_hub_opts;

sp_code shim_hub_new(const shim_hub_opts *o, shim_hub **ret, sp_err *err) SP_MUST_USE;
/* Unlinks the socket. */
void shim_hub_free(shim_hub *h);
/* Its face as a sink; ops->free does nothing, the hub is freed by its owner. */
shim_sink *shim_hub_sink(shim_hub *h);
/* Where the clients' input goes; NULL: it is dropped. Changes of that sink are to be told by shim_hub_pump.
 */
void shim_hub_set_input(shim_hub *h, shim_sink *in);
void shim_hub_pump(shim_hub *h);
/* As if a client had said so. */
void shim_hub_end_input(shim_hub *h);
/* SP_EUNSUPPORTED without a log. */
sp_code shim_hub_reopen(shim_hub *h, sp_err *err) SP_MUST_USE;

/* ---- frames, without I/O ---- */

typedef struct shim_frame_reader {
	uint8_t head[SHIM_FRAME_HEAD_BYTES];
	size_t n_head;
	uint32_t left;
} shim_frame_reader;

/* Takes from *in what belongs to one frame, a piece at a time: *ret_stream and *ret_bytes (empty in a frame
 * of length 0). False: all was taken. */
bool shim_frame_next(shim_frame_reader *r, sp_str *in, unsigned *ret_stream, sp_str *ret_bytes);
/* bytes.len is at most 2^24 - 1. */
void shim_frame_put(sp_buf *out, unsigned stream, sp_str bytes);

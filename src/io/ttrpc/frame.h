/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc frames: u32 length, u32 stream, u8 type, u8 flags, then the payload, at most 4 MiB. A longer one is
 * skipped without being kept, and reported. U: containerd/ttrpc channel.go, PROTOCOL.md.
 */
#pragma once

#include "base/buf.h"

#define SP_TTRPC_HEADER_BYTES 10u

typedef enum sp_ttrpc_type {
	SP_TTRPC_REQUEST = 1,
	SP_TTRPC_RESPONSE = 2,
	SP_TTRPC_DATA = 3,
} sp_ttrpc_type;

enum {
	SP_TTRPC_REMOTE_CLOSED = 1, /* the sender sends nothing more on this stream */
	SP_TTRPC_REMOTE_OPEN = 2,
	SP_TTRPC_NO_DATA = 4,
};

typedef struct sp_ttrpc_frame {
	uint32_t length, stream;
	uint8_t type, flags; /* type: any value may come; unknown ones are ignored */
} sp_ttrpc_frame;

typedef struct sp_ttrpc_reader {
	uint8_t head[SP_TTRPC_HEADER_BYTES];
	size_t n_head;
	sp_ttrpc_frame frame;
	uint32_t left;
	bool oversize;
	sp_buf payload;
} sp_ttrpc_reader;

void sp_ttrpc_reader_init(sp_ttrpc_reader *r);
void sp_ttrpc_reader_done(sp_ttrpc_reader *r);

/*
 * Takes bytes off the front of *in until a frame is whole. True: *ret is the frame and *ret_payload its
 * bytes, good until the next call; *ret_oversize: it was too long and its payload is gone. False: all was
 * taken, more is needed, or *ret_code is SP_ENOMEM and the connection must end.
 */
bool sp_ttrpc_reader_next(sp_ttrpc_reader *r, sp_str *in, sp_ttrpc_frame *ret, sp_str *ret_payload,
			  bool *ret_oversize, sp_code *ret_code);

/* Appends a frame; SP_ETOOLARGE (with upstream's words) when the payload is above the limit, which changes
 * nothing; else the errors of the buffer. */
sp_code sp_ttrpc_frame_put(sp_buf *out, uint32_t stream, sp_ttrpc_type type, uint8_t flags, sp_str payload,
			   sp_err *err) SP_MUST_USE;

/* "message length N exceed maximum message size of 4194304": the status message of RESOURCE_EXHAUSTED. */
sp_code sp_ttrpc_oversize(size_t n_bytes, sp_err *err);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a stream that sends a pattern and checks the peer's: the law of streams. Every byte arrives in
 * order and without a gap; after the end or an error nothing comes; on_close is the last word.
 */
#pragma once

#include "io/stream.h"
#include "io/world.h"

#define FLOW_BLOCK 4096u

typedef struct flow {
	sp_world *world;
	sp_stream *stream; /* NULL before and after */
	uint64_t n_to_send, n_sent, n_got;
	uint64_t n_pause; /* stops reading for a while after that many bytes; 0 = never */
	uint8_t salt_out, salt_in;
	sp_write req;
	sp_timer resume;
	uint8_t block[FLOW_BLOCK];
	bool writing, ended, failed, closed;
	sp_code code;
	uint32_t n_wrong; /* promises broken */
} flow;

/* Takes the stream over: reads, sends n_to_send bytes, shuts down; closes when both directions ended or the
 * stream failed. The flow stays in place until `closed`. */
void flow_start(flow *f, sp_world *w, sp_stream *s, uint64_t n_to_send, uint8_t salt_out, uint8_t salt_in);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of port-forward over SPDY: each forwarded connection is a pair of streams, error and
 * data, that name the port and the same request. U: k8s.io/cri-streaming pkg/streaming/portforward.
 */
#pragma once

#include "base/list.h"
#include "io/spdy/session.h"

typedef struct sp_forward_head {
	bool is_error; /* else data */
	uint16_t port;
	sp_str request; /* requestID; empty: of an old client */
} sp_forward_head;

/* Reads the headers of one stream. SP_EINVAL with upstream's words: the stream is to be reset. */
sp_code sp_forward_head_read(sp_str block, sp_forward_head *ret, sp_err *err) SP_MUST_USE;

/* Embedded in its owner, zero-initialised; the first fields are the owner's. */
typedef struct sp_forward {
	sp_world *world;
	uint64_t timeout_ns; /* for the second stream of a pair; 0 = 30 s */
	size_t pairs_max;    /* waiting for their second stream; 0 = 256 */
	/* A pair is there, replied to; both belong to the owner. */
	void (*on_pair)(struct sp_forward *f, uint16_t port, sp_stream *data, sp_stream *error);
	void *arg;
	sp_list waiting; /* of the forwarder */
} sp_forward;

void sp_forward_init(sp_forward *f);
/* Closes the streams that wait for their mates: when the session is over, at the latest. */
void sp_forward_done(sp_forward *f);
/*
 * A stream of the client (on_stream of the session). An old client names no request: its data stream then has
 * the number of its error stream plus 2. A stream whose headers are wrong, whose type came already for the
 * request, or whose mate does not come in time is reset and closed here; err says why (may be NULL).
 */
sp_code sp_forward_add(sp_forward *f, sp_stream *s, sp_err *err);

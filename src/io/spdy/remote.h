/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of a remote command (exec, attach) over SPDY: waiting for the streams that the client
 * opens, and the status at the end. U: k8s.io/cri-streaming pkg/streaming/remotecommand.
 */
#pragma once

#include "io/spdy/session.h"
#include "io/ws/channels.h"

/* NULL: not asked for. */
typedef struct sp_remote_streams {
	sp_stream *in, *out, *err, *error, *resize;
} sp_remote_streams;

/* Embedded in its owner, zero-initialised; the first fields are the owner's. */
typedef struct sp_remote_collect {
	sp_world *world;
	const sp_channel_protocol *protocol; /* negotiated; v3 and later have a resize stream with tty */
	bool want_in, want_out, want_err, tty;
	/* All streams are there and were replied to; they belong to the owner. Once. */
	void (*on_ready)(struct sp_remote_collect *c, const sp_remote_streams *streams);
	/* They did not come in time; those that came are still in `got`, to be closed. */
	void (*on_timeout)(struct sp_remote_collect *c);
	void *arg;
	/* of the collector */
	sp_remote_streams got;
	sp_timer timer;
	size_t n_got, n_wanted;
} sp_remote_collect;

/* timeout_ns 0 = 30 s, upstream's default. */
void sp_remote_collect_start(sp_remote_collect *c, uint64_t timeout_ns);
void sp_remote_collect_stop(sp_remote_collect *c);
/*
 * A stream of the client (on_stream of the session): replies and keeps it until all are there. SP_EINVAL: its
 * streamtype is unknown or not wanted; SP_EEXISTS: there is one of its type; the caller then resets and
 * closes it.
 */
sp_code sp_remote_collect_add(sp_remote_collect *c, sp_stream *s, sp_err *err) SP_MUST_USE;

/* ---- the status on the error stream or channel; after an error `out` holds nothing of use ---- */

/* Success: nothing before v4, else {"status":"Success"}. */
sp_code sp_remote_status_success(sp_buf *out, const sp_channel_protocol *p);
/* The command ended with a code that is not 0; `what` is the runtime's own text. Before v4 plain text. */
sp_code sp_remote_status_exit(sp_buf *out, const sp_channel_protocol *p, int exit_code, sp_str what);
/* The command could not be run. Before v4 plain text. */
sp_code sp_remote_status_error(sp_buf *out, const sp_channel_protocol *p, sp_str what);
/* kube-apiserver's own form of an internal error, for what stands between client and node. Always JSON. */
sp_code sp_remote_status_internal(sp_buf *out, sp_str message);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote commands (exec, attach) that come over WebSocket, carried on over SPDY: what kube-apiserver's stream
 * translator does between kubectl and a kubelet that speaks SPDY only. Channels become streams, the close
 * signal of v5 becomes the end of stdin, and the status is passed on after all output (before v4: its text,
 * when it is a failure). U: k8s.io/apiserver
 * pkg/util/proxy/streamtranslator.go, k8s.io/client-go tools/remotecommand.
 *
 * The port-forward tunnel needs no translation: io/ws/tunnel.h and io/splice.h.
 */
#pragma once

#include "io/spdy/session.h"
#include "io/ws/channels.h"
#include "io/ws/ws.h"

typedef struct sp_translate sp_translate;

typedef struct sp_translate_opts {
	/* Of the client's side. */
	const sp_channel_protocol *protocol;
	sp_ws_conn_opts ws;
	sp_spdy_conn_opts spdy;     /* core.client is set */
	bool in, out, err, tty;     /* the streams of the request; tty excludes err */
	uint64_t create_timeout_ns; /* for the upstream to accept the streams; 0 = 30 s */
} sp_translate_opts;

/*
 * Takes over both connections, upgraded already: the client's WebSocket and the upstream's SPDY with the v4
 * protocol. `done` comes once, when both are gone; err is NULL when the command's status reached the client.
 * On an error of this call the caller keeps both.
 */
sp_code sp_translate_start(sp_world *w, sp_stream *client, sp_stream *upstream, const sp_translate_opts *opts,
			   void (*done)(void *arg, const sp_err *err), void *arg, sp_translate **ret,
			   sp_err *err) SP_MUST_USE;
/* Ends both at once; `done` still comes. */
void sp_translate_abort(sp_translate *t);

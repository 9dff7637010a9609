/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket connection as a byte stream: binary messages carry the bytes, their cuts mean nothing.
 * Kubernetes tunnels SPDY this way for port-forward (subprotocol SPDY/3.1+portforward.k8s.io). A text message
 * is an error (1003). WebSocket has no half-close: shutdown sends what is queued and then Close.
 */
#pragma once

#include "io/ws/ws.h"

/*
 * Takes the transport over (after the handshake) and gives back the tunnel, a stream that its owner closes;
 * on an error the caller keeps the transport. opts: as sp_ws_open; messages are taken in pieces.
 */
sp_code sp_ws_tunnel_open(sp_world *w, sp_stream *transport, const sp_ws_conn_opts *opts, sp_stream **ret,
			  sp_err *err) SP_MUST_USE;

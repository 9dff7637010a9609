/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that only go to the client, over WebSocket: an empty message first, then what comes, in messages of
 * at most 2048 bytes; as they are, or as base64 in text. U: k8s.io/streaming
 * pkg/httpstream/wsstream/stream.go.
 */
#pragma once

#include "apiserver/request.h"
#include "io/ws/ws.h"

typedef struct api_log_socket {
	void (*on_open)(void *arg);
	void (*on_drain)(void *arg); /* there is room again */
	void (*on_gone)(void *arg);  /* once, after on_open; the socket may go */
	void *arg;
	sp_ws *ws; /* NULL: not open, or gone */
	bool base64;
} api_log_socket;

bool api_log_socket_wanted(const api_request *r);
/* The status a handshake is refused with; 0: it is a good one, and s->base64 says what was chosen. */
uint16_t api_log_socket_judge(const api_request *r, api_log_socket *s, sp_str *ret_protocol);
/* Answers the handshake; r->on_tunnel comes with the stream, for api_log_socket_open. False: the exchange is
 * at its end. */
bool api_log_socket_accept(api_request *r, sp_str protocol);
/* Takes the stream over; on_open is called. On an error the stream is closed. */
sp_code api_log_socket_open(api_log_socket *s, sp_world *w, sp_stream *stream) SP_MUST_USE;
/* SP_ECANCELED without a client. */
sp_code api_log_socket_send(api_log_socket *s, sp_str bytes) SP_MUST_USE;
/* After what was sent. */
void api_log_socket_end(api_log_socket *s);

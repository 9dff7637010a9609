/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch over WebSocket: each event is one message, text for JSON and YAML, binary for protobuf. The request
 * outlives its exchange, in memory of the socket. U: apiserver pkg/endpoints/handlers/watch.go (HandleWS).
 */
#pragma once

#include "apiserver/request.h"

typedef struct api_watch_socket api_watch_socket;

typedef struct api_watch_socket_handler {
	void (*on_open)(void *arg);
	void (*on_drain)(void *arg); /* there is room again */
	void (*on_gone)(void *arg);  /* once, after on_open; then the socket is freed by its owner */
} api_watch_socket_handler;

bool api_watch_socket_wanted(const api_request *r);
/* NULL: answered. Nothing is accepted yet. */
api_watch_socket *api_watch_socket_new(api_request *r, const api_watch_socket_handler *h, void *arg);
/* A copy of the request with an arena of its own. Before accept it can be answered, for the other; then it
 * has no exchange. */
api_request *api_watch_socket_request(api_watch_socket *s);
/* Answers the handshake; on_open follows, or the exchange ends. False: it was refused, answered. */
bool api_watch_socket_accept(api_watch_socket *s);

bool api_watch_socket_is_full(const api_watch_socket *s);
/* Frames as they stand in a watch over HTTP: lines, or (binary) four bytes of length before each. */
sp_code api_watch_socket_send(api_watch_socket *s, bool binary, sp_str frames);
/* In order, after what was sent; or at once. on_gone follows. */
void api_watch_socket_end(api_watch_socket *s);
void api_watch_socket_abort(api_watch_socket *s);
/* Before accept, when the exchange ended, or from on_gone. NULL is a no-op. */
void api_watch_socket_free(api_watch_socket *s);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the gRPC tests serve and call. Service "interop.Test"; messages are plain bytes:
 *
 *   Echo     unary   the request; metadata "x-head…" comes back in the head, "x-tail…" in the trailers
 *   Fail     unary   "CODE MESSAGE" becomes the status, with a trailer x-why
 *   Never    unary   no answer; counts its cancellation
 *   Collect  client  all messages in one
 *   Count    server  "N SIZE": N messages of SIZE letters, written as there is room
 *   Chat     bidi    each message comes back; while the answers are not read, requests are not either
 *   Uid      unary   the user at the other end of a unix socket, or an error
 */
#pragma once

#include "base/buf.h"
#include "io/grpc.h"
#include "lib/http_app.h"

typedef struct grpc_app {
	http_app http; /* its server and world, for http_app_connector */
	sp_grpc_service service;
	sp_grpc_server *server;
	uint32_t n_called, n_cancelled;
} grpc_app;

/* message_bytes as in sp_grpc_server_opts. */
sp_code grpc_app_init(grpc_app *a, sp_world *w, size_t message_bytes, sp_err *err);
/* Only without connections. */
void grpc_app_done(grpc_app *a);

/* Everything an rpc was told. */
typedef struct grpc_got {
	sp_grpc_rpc rpc;
	sp_buf head, messages, trailers, message; /* "key=value;", each message and '|', …, the status text */
	uint32_t n_messages, n_ends, n_heads;
	int32_t code;
	uint32_t n_pause; /* stop reading after that many messages; 0 = never */
	bool cancel_on_data;
} grpc_got;

void grpc_got_init(grpc_got *g);
void grpc_got_done(grpc_got *g);

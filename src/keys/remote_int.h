/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to the socket, for both seams. */
#pragma once

#include "io/grpc.h"
#include "io/world.h"

typedef struct remote_channel {
	sp_http_client *http;
	sp_grpc_channel channel;
	sp_buf address;
} remote_channel;

#define REMOTE_TIMEOUT_NS UINT64_C(10000000000)

sp_code remote_channel_open(sp_world *w, sp_str path, remote_channel *c, sp_err *err) SP_MUST_USE;
/* Runs the loop until the connections are closed. */
void remote_channel_done(sp_world *w, remote_channel *c);
/* An error of ours for what a call ended with. */
void remote_status(const sp_grpc_status *status, sp_err *err);

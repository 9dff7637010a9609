/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc on a byte stream (a unix socket, usually): the cores of server_core.h and client_core.h plus writing,
 * deadlines and back-pressure. While more than 1 MiB of answers wait, requests are not read.
 */
#pragma once

#include "io/stream.h"
#include "io/ttrpc/client_core.h"
#include "io/ttrpc/server_core.h"
#include "io/world.h"

/* ---- server ---- */

typedef struct sp_ttrpc_server_conn sp_ttrpc_server_conn;

typedef struct sp_ttrpc_server_opts {
	const sp_ttrpc_service *services; /* stay as long as the connection */
	size_t n_services;
	size_t calls_max; /* of one connection; 0 = 4096 */
	/* The connection is gone and all its calls are finished; err is NULL after an orderly end. May be
	 * NULL. */
	void (*on_close)(void *arg, const sp_err *err);
	void *arg;
} sp_ttrpc_server_opts;

/* Serves a connection; on an error the caller keeps the stream. */
sp_code sp_ttrpc_serve(sp_world *w, sp_stream *s, const sp_ttrpc_server_opts *opts,
		       sp_ttrpc_server_conn **ret, sp_err *err) SP_MUST_USE;
/* Closes at once: open calls are cancelled. */
void sp_ttrpc_server_close(sp_ttrpc_server_conn *c);
/* Takes no further requests and closes when the open calls have been answered. */
void sp_ttrpc_server_drain(sp_ttrpc_server_conn *c);
/* The connection of a call: its stream, for credentials. */
sp_stream *sp_ttrpc_call_stream(const sp_ttrpc_call *call);
/* True while a streaming handler should hold back: more than 1 MiB waits to be written. */
bool sp_ttrpc_call_is_full(const sp_ttrpc_call *call);

/* ---- client ---- */

typedef struct sp_ttrpc_client sp_ttrpc_client;

/* Takes the stream over; on an error the caller keeps it. on_close (may be NULL) comes once, after every call
 * ended; the client is gone then. */
sp_code sp_ttrpc_client_open(sp_world *w, sp_stream *s, void (*on_close)(void *arg, const sp_err *err),
			     void *arg, sp_ttrpc_client **ret, sp_err *err) SP_MUST_USE;
/* Closes at once; open calls end with UNAVAILABLE "ttrpc: closed", from the loop. */
void sp_ttrpc_client_close(sp_ttrpc_client *c);
/* As sp_ttrpc_client_core_call. */
sp_code sp_ttrpc_client_call(sp_ttrpc_client *c, sp_ttrpc_rpc *rpc, const sp_ttrpc_call_opts *opts,
			     sp_err *err) SP_MUST_USE;
/* As the sp_ttrpc_rpc_ functions of the same name. */
sp_code sp_ttrpc_client_send(sp_ttrpc_client *c, sp_ttrpc_rpc *rpc, sp_str payload, sp_err *err) SP_MUST_USE;
sp_code sp_ttrpc_client_close_send(sp_ttrpc_client *c, sp_ttrpc_rpc *rpc, sp_err *err) SP_MUST_USE;
bool sp_ttrpc_client_is_full(const sp_ttrpc_client *c);

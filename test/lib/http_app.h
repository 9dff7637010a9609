/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the HTTP tests serve and send. An app answers by path:
 *
 *   /hello        200 "hello\n"                    /dump      the request as text
 *   /echo         the body, up to 1,000 bytes      /pipe      the body as it comes, streamed back
 *   /stream       chunks and a trailer             /sized     5 bytes under a content-length
 *   /big          100,000 bytes by reference       /flow      1 MiB, written when there is room
 *   /later        "later" after 5 s                /never     nothing
 *   /hint         103, then 200                    /up        accepts the tunnel, echoes
 *   /status/NNN   that status, body "x"            /reset     reset with INTERNAL_ERROR
 *   /nobody       200 "no" without reading         /deadline  a deadline of 3 s
 *   /spec         "spec\n" after the whole body       others     404
 */
#pragma once

#include "base/buf.h"
#include "io/http.h"

typedef struct http_app {
	sp_world *world;
	sp_http_server *server;
	sp_buf *log; /* events, one a line; may be NULL */
	uint32_t n_open, n_requests;
} http_app;

sp_code http_app_init(http_app *a, sp_world *w, const sp_http_server_opts *opts, sp_buf *log, sp_err *err);
/* Only without connections. */
void http_app_done(http_app *a);

/* A byte stream whose peer speaks raw bytes: sends them, collects what comes, notes the end. */
typedef struct http_raw {
	sp_stream *stream;
	sp_buf got;
	sp_write req;
	bool ended, closed, shut_after;
} http_raw;

/* Opens a pair: the server gets the other end. The bytes must stay. `shut`: then the end of our direction. */
void http_raw_open(http_raw *r, http_app *a, sp_str bytes, bool shut);
/* The same for a stream that is there already. */
void http_raw_attach(http_raw *r, sp_stream *s, sp_str bytes, bool shut);
void http_raw_send(http_raw *r, sp_str bytes);
void http_raw_done(http_raw *r);

/* A connector that gives the other end of a pair to the app's server. */
extern const sp_http_connector http_app_connector; /* arg: http_app */

/* Everything a client's exchange was told. */
typedef struct http_got {
	sp_http_exchange *ex;
	uint16_t status;
	sp_buf body, trailers;
	uint32_t reset_code;
	sp_code code; /* of on_close */
	char msg[SP_ERR_MSG_BYTES];
	bool responded, ended, closed, interim;
	sp_stream *tunnel;
	size_t n_slow; /* stop reading after that many bytes; 0 = never */
} http_got;

extern const sp_http_events http_got_events; /* arg: http_got */
void http_got_init(http_got *g);
void http_got_done(http_got *g);

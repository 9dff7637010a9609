/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 connections, server and client, on nghttp2. The library frames, compresses and keeps windows; what a
 * message may say is checked here (h2_head.c), for gRPC clients on unix sockets send an :authority that the
 * library's own checks refuse, and one set of rules is better than two.
 */
#pragma once

#include <nghttp2/nghttp2.h>

#include "io/http/http_int.h"

#define OVER_MAX 64u

typedef struct h2_conn {
	http_conn base;
	nghttp2_session *session;
	sp_list exs, ready; /* all exchanges; those with something to do in the next turn */
	http_ex *cur;       /* whose header block arrives */
	uint32_t n_open, n_sending, n_receiving;
	bool client, reading, peer_ended;
	bool shut;    /* our direction ended; the peer's is awaited */
	bool ended;   /* GOAWAY was queued */
	bool going;   /* no new streams: we or the peer said so */
	bool greeted; /* the peer's first SETTINGS came */
	bool pinged;
	bool ping_earned;       /* a PING of the peer may follow what we sent */
	int64_t tokens;         /* for frames that cost us and bring nothing */
	int32_t over[OVER_MAX]; /* streams that ended last */
	unsigned n_over;
	uint64_t tokens_ns, in_ns, since_ns, head_ns, ping_ns;
} h2_conn;

static inline h2_conn *h2_of(http_conn *c)
{
	return SP_CONTAINER_OF(c, h2_conn, base);
}

extern const http_ops h2_ops;

/* The stream is malformed or unwanted: RST_STREAM with the code; the owner, if told of it, gets `why`. */
void h2_refuse(h2_conn *c, http_ex *ex, uint32_t code, sp_code why, const char *text);
/* One more useless frame; many of them end the connection (ENHANCE_YOUR_CALM). */
void h2_spend(h2_conn *c, int64_t n);
/* GOAWAY with the code, once; what runs is ended with it. */
void h2_fail(h2_conn *c, uint32_t code);
void h2_ready(http_ex *ex);

/* A field of the block that c->cur receives. */
void h2_head_field(h2_conn *c, sp_str name, sp_str value);
/* The block is whole; `last`: no body follows. */
void h2_head_done(h2_conn *c, http_ex *ex, bool last);

/* Renders and submits; the exchange then has a stream. */
sp_code h2_submit_response(h2_conn *c, http_ex *ex, const http_head *h, bool interim,
			   sp_err *err) SP_MUST_USE;
sp_code h2_submit_request(h2_conn *c, http_ex *ex, sp_err *err) SP_MUST_USE;
/* The trailers of ex->out_trailers. */
void h2_submit_trailers(h2_conn *c, http_ex *ex);

/* The exchange becomes a byte stream; its owner gets it and on_close. */
void http_tunnel_open(http_ex *ex);

/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS connection, between its stream side (stream.c), its handshake (handshake.c) and the wire (wire.c). */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "io/tls/tls_int.h"

#define TLS_RECORD_BYTES ((size_t)16 << 10) /* of plaintext, RFC 8446 section 5.1 */

typedef struct tls_stream {
	sp_stream base;
	sp_stream *lower;
	sp_tls_config *config;
	SSL *ssl;
	sp_tls_req *req; /* until done was called */
	sp_timer timeout;

	/* Ciphertext out: `out` gathers while `flying` is being written. The ends count bytes since the
	 * start. */
	sp_buf out, flying;
	sp_write lower_req;
	uint64_t out_end, written_end;
	bool writing;

	/* Ciphertext in: what lower just gave, in its place, or what a pause left of it. */
	const uint8_t *in;
	size_t in_len;
	sp_buf rest;
	bool lower_reading;
	char head[5]; /* the first bytes of it */
	uint8_t n_head;

	/* Plaintext out: not encrypted yet, and encrypted but not written. */
	sp_list writes, sent;
	size_t write_at; /* bytes of the first of `writes` that are encrypted */
	sp_defer turn;

	bool established, want_read, ended, lower_ended, failed, shut_wanted, shut_sent, lower_shut, closing;
	int alert;          /* that the peer sent, as OpenSSL codes it; 0 = none */
	sp_code write_code; /* of writes after a failure */
	sp_err err;
	sp_tls_peer peer;
	sp_arena arena; /* of peer */
	char alpn[TLS_ALPN_NAME_BYTES + 1];
} tls_stream;

/* ---- wire.c: between OpenSSL and the lower stream ---- */

/* A BIO that reads t->in and appends to t->out; NULL: no memory. */
BIO *tls_wire_bio(tls_stream *t);
/* Starts writing what is in `out`. */
void tls_wire_flush(tls_stream *t);
/* Whether lower should be read now. */
void tls_wire_read(tls_stream *t);
extern const sp_stream_handler tls_wire_handler;

/* ---- handshake.c ---- */

void tls_handshake_step(tls_stream *t);
void tls_handshake_fail(tls_stream *t, const sp_err *err);

/* ---- stream.c ---- */

/* Decrypts t->in until it is used up, reading is turned off, or the connection ends. */
void tls_stream_input(tls_stream *t);
/* The end of a turn: waiting input, then everything that can be encrypted and written. */
void tls_stream_turn(sp_defer *d);
/* Ciphertext left: the requests it belonged to are done. */
void tls_stream_written(tls_stream *t);
void tls_stream_fail(tls_stream *t, const sp_err *err);
/* Lower is gone: tells the owner and releases everything. */
void tls_stream_gone(tls_stream *t);
/* The message of a failed call of OpenSSL, its alert by name. */
sp_code tls_stream_error(tls_stream *t, const char *what, sp_err *ret);
extern const sp_stream_ops tls_stream_ops;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3 over any sp_stream; the result is an sp_stream again. No renegotiation, no compression, no
 * RSA key exchange; ALPN; session tickets on the server side.
 *
 *  - shutdown sends close_notify, then ends the lower stream's direction;
 *  - a peer that ends without close_notify is an error (SP_EPROTO), so nobody can cut a message short;
 *  - `done` of a write comes when its ciphertext left through the lower stream;
 *  - closing drops everything at once, as with every stream.
 *
 * Keys stay in memory that OpenSSL cleanses when a config goes. A process that holds them should also forbid
 * core dumps and debuggers (PR_SET_DUMPABLE), which is not for a library to do.
 */
#pragma once

#include "io/stream.h"
#include "io/tls/x509.h"
#include "io/world.h"

/* What the peer proved; in the memory of the stream. */
typedef struct sp_tls_peer {
	sp_x509_info cert; /* the leaf */
	bool verified; /* chain, dates, purpose and (for clients) the name were checked. Only then believe it
			*/
	bool also_verified; /* the same by the second authorities of a server */
} sp_tls_peer;

/* ---- configuration: immutable, reference-counted, shared by threads ---- */

typedef struct sp_tls_config sp_tls_config;

typedef enum sp_tls_client_auth {
	SP_TLS_CLIENT_NONE,
	SP_TLS_CLIENT_REQUEST, /* what comes without one, or with a bad one, is let in with verified = false
				*/
	SP_TLS_CLIENT_REQUIRE, /* else the handshake fails */
} sp_tls_client_auth;

typedef struct sp_tls_opts {
	sp_str cert_pem, key_pem; /* chain, leaf first, and its key; a client may have none */
	sp_str ca_pem;            /* whom to trust */
	sp_str also_ca_pem;       /* servers: second authorities, judged apart; may be empty */
	const sp_str *alpn;       /* our preference, best first; none: no ALPN. Each 1 to 31 bytes */
	size_t n_alpn;
	sp_tls_client_auth client_auth; /* servers */
	bool insecure_skip_verify;      /* clients */
	bool tls13_only;
	sp_str ciphers; /* of TLS 1.2, as OpenSSL lists them; empty: all that are strong. At most 1 KiB */
	uint64_t handshake_timeout_ns; /* 0 = 10 s */
} sp_tls_opts;

/* SP_EINVAL tells which PEM is bad, or that key and certificate do not belong together. The options are not
 * needed afterwards. */
sp_code sp_tls_server_config(const sp_tls_opts *o, sp_tls_config **ret, sp_err *err) SP_MUST_USE;
sp_code sp_tls_client_config(const sp_tls_opts *o, sp_tls_config **ret, sp_err *err) SP_MUST_USE;
/* The same with the first three PEM texts from files (empty path: none). Blocks as io/file.h says. */
typedef struct sp_tls_files {
	sp_str cert, key, ca;
} sp_tls_files;
sp_code sp_tls_server_config_from_files(sp_world *w, const sp_tls_files *f, const sp_tls_opts *o,
					sp_tls_config **ret, sp_err *err) SP_MUST_USE;
sp_code sp_tls_client_config_from_files(sp_world *w, const sp_tls_files *f, const sp_tls_opts *o,
					sp_tls_config **ret, sp_err *err) SP_MUST_USE;
sp_tls_config *sp_tls_config_ref(sp_tls_config *c);
/* NULL is allowed; returns NULL. */
sp_tls_config *sp_tls_config_unref(sp_tls_config *c);

/*
 * The current configuration of a server, exchanged while it runs: handshakes take what is current when they
 * begin, connections keep what they have. Thread-safe.
 */
typedef struct sp_tls_source sp_tls_source;
/* Takes a reference of its own. */
sp_tls_source *sp_tls_source_new(sp_tls_config *c);
void sp_tls_source_set(sp_tls_source *s, sp_tls_config *c);
/* A reference for the caller. */
sp_tls_config *sp_tls_source_get(sp_tls_source *s);
void sp_tls_source_free(sp_tls_source *s);

/* ---- handshakes ---- */

/* What the error of a client's handshake (SP_EPROTO) ends with when the peer speaks plain HTTP. */
#define SP_TLS_HTTP_ANSWER "server gave HTTP response to HTTPS client"

typedef struct sp_tls_req {
	/* The stream, or NULL and why; the lower stream is gone then. From the loop. */
	void (*done)(struct sp_tls_req *r, sp_stream *s, const sp_err *err);
	void *arg;
	void *impl; /* NULL while nothing is under way */
} sp_tls_req;

/* Takes the lower stream over on SP_OK, the request stays in place until `done`. */
sp_code sp_tls_accept(sp_tls_req *r, sp_stream *lower, sp_tls_config *c, sp_err *err) SP_MUST_USE;
/* server_name: a DNS name (also sent as SNI) or an IP address, which the certificate must carry as a subject
 * alternative name; the common name does not count. May be empty only with insecure_skip_verify. */
sp_code sp_tls_connect(sp_tls_req *r, sp_stream *lower, sp_tls_config *c, sp_str server_name,
		       sp_err *err) SP_MUST_USE;
/* Closes the lower stream; no `done`. Harmless when nothing is under way. */
void sp_tls_cancel(sp_tls_req *r);

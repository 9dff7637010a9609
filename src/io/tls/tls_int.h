/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of io/tls/ only: what touches OpenSSL. */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "io/tls.h"

struct sp_key {
	EVP_PKEY *pkey;
};

struct sp_x509_ca {
	X509 *cert;
	EVP_PKEY *pkey;
};

#define TLS_ALPN_MAX 16u
#define TLS_ALPN_NAME_BYTES 31u

struct sp_tls_config {
	_Atomic uint32_t n_refs;
	SSL_CTX *ctx;
	X509_STORE *also;        /* second authorities, or NULL */
	bool server, check_peer; /* check_peer: a peer that shows a certificate is judged by it */
	uint64_t handshake_timeout_ns;
	uint8_t alpn[TLS_ALPN_MAX * (TLS_ALPN_NAME_BYTES + 1)]; /* as on the wire */
	unsigned alpn_len;
};

/* Sets *err to "WHAT: REASON" from OpenSSL's queue of this thread, and empties that. */
sp_code tls_fail(sp_err *err, sp_code code, const char *what);

/* The certificate must outlive nothing: all is copied into the arena. */
sp_code tls_inspect(const X509 *x, sp_arena *a, sp_x509_info *ret, sp_err *err);

/* Only whom it names: common name, organizations and alternative names. */
sp_code tls_inspect_names(const X509 *x, sp_arena *a, sp_x509_info *ret, sp_err *err);

/* Parts of new certificates (issue.c). */
bool tls_set_serial(X509 *x);
bool tls_add_key_ids(X509 *x, const X509 *issuer);
/* Appends it as PEM. */
sp_code tls_sign_certificate(X509 *x, EVP_PKEY *pkey, sp_buf *out, sp_err *err);

/* Refuses every passphrase, instead of asking at the terminal. */
int tls_no_passphrase(char *out, int out_bytes, int writing, void *arg);

/* Reads PEM text without copying it; NULL: no memory. */
BIO *tls_bio_of(sp_str text);

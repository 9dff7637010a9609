/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures of JWS (RFC 7518): RS256 with RSA keys of at least 2048 bits, ES256, ES384 and ES512 with keys
 * on P-256, P-384 and P-521. No world is needed; all functions are thread-safe.
 */
#pragma once

#include "io/tls/x509.h"

typedef enum sp_jws_alg { SP_JWS_ES256, SP_JWS_ES384, SP_JWS_ES512, SP_JWS_RS256, SP_JWS_COUNT_ } sp_jws_alg;

#define SP_JWS_CLAIMS_BYTES_MAX ((size_t)64 << 10) /* of a token's payload in base64url */

/* "ES256" … */
sp_str sp_jws_name(sp_jws_alg alg);

/* The one algorithm that is used with a key. SP_EUNSUPPORTED: another kind of key, or a short one. */
sp_code sp_jws_alg_of(const sp_key *k, sp_jws_alg *ret, sp_err *err) SP_MUST_USE;

/* Appends the signature. The key is private. */
sp_code sp_jws_sign(const sp_key *k, sp_str input, sp_buf *out, sp_err *err) SP_MUST_USE;

/* SP_OK: the signature is that of the key's owner. SP_EUNAUTH: it is not. */
sp_code sp_jws_verify(const sp_key *k, sp_str input, sp_str signature, sp_err *err) SP_MUST_USE;

/* Appends the public half as SubjectPublicKeyInfo in DER. */
sp_code sp_key_public_der(const sp_key *k, sp_buf *out, sp_err *err) SP_MUST_USE;

/* Appends the name of a key as Kubernetes has it: base64url of the SHA-256 of the public half's DER form.
 * U: kubernetes pkg/serviceaccount/jwt.go. */
sp_code sp_jws_key_id(const sp_key *k, sp_buf *out, sp_err *err) SP_MUST_USE;

/* The two parts of a JSON Web Token around its payload, all three in base64url. `type`: the header says
 * "typ":"JWT" (kube-apiserver wants it of signers that are not itself, and leaves it out where it signs). */
sp_code sp_jws_sign_claims(const sp_key *k, sp_str key_id, bool type, sp_str claims, sp_buf *header,
			   sp_buf *signature, sp_err *err) SP_MUST_USE;

/* The public half as numbers, big-endian: x and y of a point, padded to the curve's size, or n and e of RSA.
 */
#define SP_KEY_NUMBER_BYTES 1024u
typedef struct sp_key_numbers {
	const char *curve; /* "P-256" …; NULL: RSA */
	size_t n_first, n_second;
	uint8_t first[SP_KEY_NUMBER_BYTES], second[SP_KEY_NUMBER_BYTES];
} sp_key_numbers;
sp_code sp_key_public_numbers(const sp_key *k, sp_key_numbers *ret, sp_err *err) SP_MUST_USE;

/* SHA-256. */
void sp_sha256(sp_str in, uint8_t out[32]);

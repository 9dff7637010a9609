/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and X.509 certificates (RFC 5280): making, signing, looking into. PEM in and out. Nothing here needs a
 * world; all functions are thread-safe on different objects. Signing is fast enough for the loop (tens of
 * microseconds for P-256); making keys too.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SP_LIMIT_PEM_BYTES ((size_t)4 << 20) /* of one bundle */

/* ---- keys ---- */

/* A private (or only public) key, immutable. Its memory is cleansed when it goes. */
typedef struct sp_key sp_key;

/* A new ECDSA key on P-256. */
sp_code sp_key_new(sp_key **ret, sp_err *err) SP_MUST_USE;
/* "PRIVATE KEY", "EC PRIVATE KEY" or "RSA PRIVATE KEY"; other blocks before it are skipped. Keys under a
 * passphrase are SP_EUNSUPPORTED. */
sp_code sp_key_parse(sp_str pem, sp_key **ret, sp_err *err) SP_MUST_USE;
/* "PUBLIC KEY" (SubjectPublicKeyInfo). */
sp_code sp_key_parse_public(sp_str pem, sp_key **ret, sp_err *err) SP_MUST_USE;
/* Appends PKCS #8 "PRIVATE KEY". The caller cleanses the buffer (sp_buf_cleanse). */
sp_code sp_key_print(const sp_key *k, sp_buf *out, sp_err *err) SP_MUST_USE;
sp_code sp_key_print_public(const sp_key *k, sp_buf *out, sp_err *err) SP_MUST_USE;
/* NULL is a no-op. */
void sp_key_free(sp_key *k);
void sp_key_cleanup(sp_key **k);
#define SP_AUTO_KEY SP_CLEANUP(sp_key_cleanup) sp_key *

/* Overwrites the memory of a buffer that held a secret, and empties it. Not what it had before it grew: give
 * such a buffer its room first. */
void sp_buf_cleanse(sp_buf *b);

/* ---- looking into certificates ---- */

/* All views are of the arena it was read into. Text is UTF-8 and may hold any byte, NUL too. */
typedef struct sp_x509_info {
	sp_str der;
	sp_str sha256;             /* of der, lower-case hex */
	sp_str key_sha256;         /* of its SubjectPublicKeyInfo, the same: what pins name */
	sp_str common_name;        /* the last one, as Go takes it; "" without */
	sp_strs organizations;     /* in their order */
	sp_strs dns, uris, emails; /* subject alternative names */
	sp_strs ips;               /* as text */
	sp_str issuer_common_name;
	sp_str serial;                     /* lower-case hex */
	int64_t not_before_s, not_after_s; /* seconds since 1970 */
	bool is_ca;
} sp_x509_info;

/* SP_EINVAL: not a certificate, or bytes after it. SP_ENOMEM: the arena's ceiling. */
sp_code sp_x509_inspect(sp_str der, sp_arena *a, sp_x509_info *ret, sp_err *err) SP_MUST_USE;
/* Every "CERTIFICATE" block in order; other blocks are skipped. SP_EINVAL when there is none or one is bad.
 */
sp_code sp_x509_inspect_pem(sp_str pem, sp_arena *a, sp_x509_info **ret, size_t *ret_n,
			    sp_err *err) SP_MUST_USE;

/* ---- signing ---- */

enum {
	SP_X509_SERVER = 1u << 0, /* extended key usages */
	SP_X509_CLIENT = 1u << 1,
	SP_X509_CA = 1u << 2, /* signs others; no extended usage then */
};

typedef struct sp_x509_template {
	sp_str common_name;
	const sp_str *organizations;
	size_t n_organizations;
	const sp_str *dns, *ips, *uris; /* ips as text */
	size_t n_dns, n_ips, n_uris;
	int64_t not_before_s, not_after_s;
	uint32_t usages;
} sp_x509_template;

/* A certificate that signs, with its key. Immutable; may be shared by threads. */
typedef struct sp_x509_ca sp_x509_ca;
/* The first certificate of cert_pem; SP_EINVAL when it is no CA or the key is not its. Keeps its own
 * reference of the key. */
sp_code sp_x509_ca_new(sp_str cert_pem, const sp_key *key, sp_x509_ca **ret, sp_err *err) SP_MUST_USE;
void sp_x509_ca_free(sp_x509_ca *ca);

/*
 * Appends a new certificate for `key` (its public half) as PEM: random 127-bit serial, SHA-256, signed by ca,
 * or by the key itself when ca is NULL. SP_EINVAL names the field of the template that is wrong.
 */
sp_code sp_x509_issue(const sp_x509_template *t, const sp_key *key, const sp_x509_ca *ca, sp_buf *out,
		      sp_err *err) SP_MUST_USE;

/* ---- certificate requests (PKCS #10) ---- */

/* Appends a request of the template's subject and alternative names, signed by the key, as PEM; dates and
 * usages do not count. */
sp_code sp_x509_request_new(const sp_x509_template *t, const sp_key *key, sp_buf *out,
			    sp_err *err) SP_MUST_USE;

/* Whom a PEM "CERTIFICATE REQUEST" names: common_name, organizations, dns, uris, emails, ips; nothing else is
 * filled. SP_EINVAL: no such request, or its signature is not its key's. */
sp_code sp_x509_request_inspect(sp_str pem, sp_arena *a, sp_x509_info *ret, sp_err *err) SP_MUST_USE;

typedef struct sp_x509_request {
	sp_str pem;
	const sp_str *usages; /* of certificates.k8s.io: "client auth", "digital signature" … */
	size_t n_usages;
	int64_t not_before_s, not_after_s; /* the end is cut to the authority's */
} sp_x509_request;

/* Appends the certificate that was asked for as PEM: subject and alternative names (DNS, e-mail, URI, IP) of
 * the request, nothing else of it. SP_EINVAL: a bad request, or a usage nobody knows. */
sp_code sp_x509_request_sign(const sp_x509_request *r, const sp_x509_ca *ca, sp_buf *out,
			     sp_err *err) SP_MUST_USE;

/* Room for secrets that is locked in memory and left out of dumps: OpenSSL keeps private numbers there from
 * now on. Once per process, before the first key. False: the system gives no such room. */
bool sp_key_lock_memory(void);

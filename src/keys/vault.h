/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of one directory, and what may be done with them. Private keys never leave it.
 *
 *   sa.key           signs tokens; made when it is not there
 *   sa-next.key      signs from a while after it was made: until then others learn it
 *   sa-KID.pub       signed once; verifies for as long as a token may last
 *   ca.crt ca.key    sign certificates; without them (both) nothing is
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "io/world.h"

typedef struct keys_vault keys_vault;

/* Tokens last no longer than this (a year and a day), so keys that signed verify as long. */
#define KEYS_TOKEN_SECONDS_MAX INT64_C(31622400)
#define KEYS_VAULT_KEYS_MAX 32u

typedef struct keys_vault_opts {
	sp_str dir;          /* absolute; must exist */
	sp_str ca_dir;       /* of ca.crt and ca.key; empty: dir */
	int64_t cert_most_s; /* certificates last no longer; 0: a year */
	int64_t announce_s;  /* from making a key to signing with it; what clients keep of /openid/v1/jwks */
} keys_vault_opts;

/* Blocks on the disk, as rotate does. */
sp_code keys_vault_open(sp_world *w, const keys_vault_opts *o, keys_vault **ret, sp_err *err) SP_MUST_USE;
void keys_vault_free(keys_vault *v);

/* A new key for tokens: made now, and signing announce_s later; keys_vault_settle does that and says when the
 * next change is due (seconds from now; -1: none). SP_EEXISTS: one is on its way already. */
sp_code keys_vault_rotate(keys_vault *v, sp_err *err) SP_MUST_USE;
sp_code keys_vault_settle(keys_vault *v, int64_t *ret_due_s, sp_err *err) SP_MUST_USE;

/* ---- tokens ---- */

/* Header and signature of a token, appended in base64url. */
sp_code keys_vault_sign(keys_vault *v, sp_str claims, sp_buf *header, sp_buf *signature,
			sp_err *err) SP_MUST_USE;

/* The key that signs, the next one, then those that did. `der`: SubjectPublicKeyInfo; good until the next
 * change. */
typedef struct keys_vault_key {
	sp_str id, der;
} keys_vault_key;
size_t keys_vault_keys(const keys_vault *v, const keys_vault_key **ret);

/* ---- certificates ---- */

typedef struct keys_vault_request {
	sp_str pem, signer;
	const sp_str *usages;
	size_t n_usages;
	int64_t duration_s; /* 0: the most */
} keys_vault_request;

/*
 * Signs for one of Kubernetes' signers: kubernetes.io/kube-apiserver-client (never the group system:masters),
 * kube-apiserver-client-kubelet, kubelet-serving, legacy-unknown. SP_EFORBIDDEN: what that signer never
 * signs; SP_EINVAL: a bad request; SP_EUNSUPPORTED: there is no authority here.
 */
sp_code keys_vault_certify(keys_vault *v, const keys_vault_request *r, sp_buf *out, sp_err *err) SP_MUST_USE;

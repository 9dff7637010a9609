/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the kinds of tokens. */
#pragma once

#include "apiserver/server_int.h"
#include "io/tls/sign.h"

#define API_TOKEN_KEYS_MAX 64u
#define API_TOKEN_KID_BYTES 1024u /* U: kubernetes pkg/serviceaccount/externaljwt */
#define API_VERIFIED_SLOTS 1024u
#define API_TOKEN_GOOD_NS UINT64_C(10000000000) /* U: apiserver TokenSuccessCacheTTL */

typedef struct api_token_key {
	sp_key *key;
	sp_jws_alg alg;
	sp_str kid;
	bool hidden; /* of the signer's: not told to others */
} api_token_key;

struct api_tokens {
	sp_arena arena;
	api_tokens_opts o; /* texts in the arena */
	api_static_tokens fixed;
	/* Those of verifiers, for good; then the signer's, of a generation of its keys. */
	api_token_key keys[API_TOKEN_KEYS_MAX];
	size_t n_keys, n_fixed;
	uint64_t generation;
	sp_arena signer_arena; /* names of the signer's keys */
	/* Tokens that were verified: a signature stays good as long as its key, and what the token is bound
	 * to is looked for again only when `until` is over. */
	struct api_verified_token {
		uint8_t digest[32];
		uint64_t until_ns; /* monotonic */
	} verified[API_VERIFIED_SLOTS];
};

/* What one kind of token says: not one of mine (false, why empty), bad (false, why), or *ret. */
typedef bool api_token_fn(api_server *s, sp_arena *a, sp_str token, const sp_str *audiences, size_t n,
			  api_token_verdict *ret);
api_token_fn api_token_of_account, api_token_of_bootstrap;

/* Takes over the signer's keys when they have changed; before keys are used. Keys that can't be read are left
 * out. */
void api_tokens_refresh(api_tokens *t);

/* The audiences of both lists, in the order of `b`. False: no room. */
bool api_audiences_common(sp_arena *a, const sp_str *x, size_t nx, const sp_str *y, size_t ny,
			  const sp_str **ret, size_t *ret_n);

/* "system:serviceaccount" tokens: extra keys. */
#define API_EXTRA_PREFIX "authentication.kubernetes.io/"

/* ---- tokens that upstream's controllers put into secrets ---- */

#define API_LEGACY_INVALID "kubernetes.io/legacy-token-invalid-since" /* label of a secret */

typedef struct api_legacy_claims {
	sp_str subject, ns, secret, account, uid;
} api_legacy_claims;

/* Of a token's claims; texts of these. False: it is no such token. */
bool api_legacy_read(yyjson_val *claims, api_legacy_claims *ret);
/* Why it is not good, though its signature is: its secret must hold this very text, and its account be the
 * one it was made for. Empty: it is. */
sp_str api_legacy_check(api_server *s, sp_arena *a, sp_str token, const api_legacy_claims *c);

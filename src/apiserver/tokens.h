/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens: of a file, of service accounts, of nodes that join. What they are bound to is looked for in
 * the store, of service accounts' tokens not again within API_TOKEN_GOOD_NS. U: kubernetes
 * pkg/kubeapiserver/authenticator/config.go, pkg/serviceaccount.
 */
#pragma once

#include "apiserver/server.h"
#include "apiserver/static_tokens.h"
#include "contracts/signer.h"

typedef struct api_tokens api_tokens;

typedef struct api_tokens_opts {
	sp_signer *signer;       /* outlives the tokens */
	const sp_str *verifiers; /* further public or private keys in PEM, of tokens signed elsewhere */
	size_t n_verifiers;
	const sp_str *issuers;   /* the first one is written into new tokens */
	size_t n_issuers;        /* 1 or more */
	const sp_str *audiences; /* of this API; none: the first issuer */
	size_t n_audiences;
	sp_str static_csv;        /* api_static_tokens_parse; may be empty */
	sp_str jwks_uri;          /* where others find the keys; empty: where the request went */
	bool no_bootstrap;        /* Secrets of type bootstrap.kubernetes.io/token are no credentials */
	bool extend_expiration;   /* tokens that pods get by default last a year, whatever comes next */
	int64_t max_expiration_s; /* tokens that are asked for last no longer; 0: what the signer says */
} api_tokens_opts;

/* Copies what it needs. SP_EINVAL: a key or the file is malformed. */
sp_code api_tokens_new(const api_tokens_opts *o, api_tokens **ret, sp_err *err) SP_MUST_USE;
/* NULL is a no-op. */
void api_tokens_free(api_tokens *t);

typedef struct api_token_verdict {
	bool ok;
	api_user user;           /* with system:authenticated */
	const sp_str *audiences; /* those asked for that the token is good for */
	size_t n_audiences;
	sp_str why; /* it is not ok */
} api_token_verdict;

/* Whose token it is; `audiences` (0: this API's) are those it must be meant for. Everything in the arena. */
void api_tokens_check(api_server *s, sp_arena *a, sp_str token, const sp_str *audiences, size_t n,
		      api_token_verdict *ret);

/* /.well-known/openid-configuration and /openid/v1/jwks: where others learn to verify the tokens. U:
 * kubernetes pkg/serviceaccount/openidmetadata.go, pkg/routes/openidmetadata.go. */
struct api_request;
void api_openid_configuration(struct api_request *r);
void api_openid_keys(struct api_request *r);

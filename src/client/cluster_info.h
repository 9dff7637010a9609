/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens by which nodes join ("abcdef.0123456789abcdef"), and the ConfigMap kube-public/cluster-info, which
 * everybody may read: a kubeconfig with the server's address and authority, signed with each token, so that
 * who knows one can tell it from somebody else's. U: cluster-bootstrap token/{util,jws}.
 */
#pragma once

#include "client/config.h"

#define SP_JOIN_TOKEN_SECRET "bootstrap-token-" /* and the id: names of Secrets in kube-system */
#define SP_JOIN_TOKEN_TYPE "bootstrap.kubernetes.io/token"
#define SP_JOIN_SIGNATURE "jws-kubeconfig-" /* and the id: members of the ConfigMap's data */

typedef struct sp_join_token {
	sp_str id, secret;
	sp_str ca_hash; /* 64 hex digits: of the authority's public key; empty: not pinned */
} sp_join_token;

/* "ID.SECRET[:sha256:HEX]"; views of the text. SP_EINVAL. */
sp_code sp_join_token_parse(sp_str text, sp_join_token *ret, sp_err *err) SP_MUST_USE;

/* A JWS without its content, "header..signature", in the arena. {NULL, 0}: no room. */
sp_str sp_join_sign(sp_arena *a, sp_str content, sp_str id, sp_str secret);

/*
 * Where the cluster is and whom to trust there, by a ConfigMap cluster-info as the API answered it, when the
 * token signed it and the pinned authority is in it. SP_EUNAUTH: it is not so; SP_EINVAL: it is no such
 * object. In the arena.
 */
sp_code sp_join_verify(sp_arena *a, sp_str json, const sp_join_token *token, sp_client_config *ret,
		       sp_err *err) SP_MUST_USE;

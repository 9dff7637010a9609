/* SPDX-License-Identifier: Apache-2.0 */
/* Where a bearer token stands in a request. U: apiserver pkg/authentication/request/{bearertoken,websocket}.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

/* The token of "Bearer TOKEN" (any case); empty when the header is of another form or carries none. */
sp_str api_bearer_token(sp_str authorization);

/*
 * The token among the subprotocols of a WebSocket request, for browsers:
 * "base64url.bearer.authorization.k8s.io." and its text. Empty when there is none. SP_EINVAL: two of them,
 * malformed, not UTF-8, or no other protocol beside it.
 */
sp_code api_bearer_from_protocols(sp_arena *a, sp_str protocols, sp_str *ret, sp_err *err) SP_MUST_USE;

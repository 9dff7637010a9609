/* SPDX-License-Identifier: Apache-2.0 */
/* What registries say about credentials: WWW-Authenticate, answers of token servers, lists of errors. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef enum image_auth { IMAGE_AUTH_NONE, IMAGE_AUTH_BASIC, IMAGE_AUTH_BEARER } image_auth;

typedef struct image_challenge {
	image_auth scheme;
	sp_str realm, service, scope; /* of Bearer */
} image_challenge;

/* The best challenge of a header: Bearer with a realm before Basic; IMAGE_AUTH_NONE when it has neither.
 * SP_ENOMEM. */
sp_code image_challenge_parse(sp_arena *a, sp_str header, image_challenge *ret, sp_err *err) SP_MUST_USE;

/* {"token" or "access_token", "expires_in"}; SP_EPROTO. The token has no blanks or control characters. */
typedef struct image_token {
	sp_str text;
	uint64_t expires_s; /* from now on; 60 when it is not said */
} image_token;
sp_code image_token_parse(sp_arena *a, sp_str text, image_token *ret, sp_err *err) SP_MUST_USE;

/* "MANIFEST_UNKNOWN: manifest unknown" of the first error, or empty; control characters are '?'. */
sp_str image_registry_error(sp_arena *a, sp_str body);

/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Web Tokens (RFC 7519) in compact form (RFC 7515 section 3.1). */
#pragma once

#include "base/json.h"

#define API_JWT_BYTES_MAX ((size_t)32 << 10)

typedef struct api_jwt {
	sp_str input;     /* what is signed: header, dot, payload */
	sp_str signature; /* bytes */
	sp_str alg, kid;
	yyjson_val *claims; /* an object */
} api_jwt;

/*
 * Takes a token apart; nothing is verified. All in the arena. SP_EINVAL: no such token (also: header
 * parameters that must be understood, `crit`); SP_ETOOLARGE: too long, or no room.
 */
sp_code api_jwt_parse(sp_arena *a, sp_str token, api_jwt *ret, sp_err *err) SP_MUST_USE;

/* A NumericDate, in seconds; false: absent or no number. */
bool api_jwt_date(yyjson_val *claims, const char *name, double *ret);

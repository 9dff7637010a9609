/* SPDX-License-Identifier: Apache-2.0 */
/* gzip members (RFC 1952) at zlib's fastest level, whole or piece by piece. */
#pragma once

#include "base/buf.h"

/* Answers above this are compressed for clients that accept it; small ones would only be delayed.
 * U: apiserver pkg/endpoints/handlers/responsewriters/writers.go. */
#define API_GZIP_MIN_BYTES ((size_t)128 << 10)

typedef struct api_gzip api_gzip;

/* NULL: no memory. */
api_gzip *api_gzip_new(void);
void api_gzip_free(api_gzip *g);
/* Appends what comes out for these bytes; `last` ends the member. Errors: those of the buffer. */
sp_code api_gzip_write(api_gzip *g, sp_str in, bool last, sp_buf *out) SP_MUST_USE;

/* One text as one member, appended. */
sp_code api_gzip_all(sp_str in, sp_buf *out) SP_MUST_USE;
/* And back, at most as far as the buffer's limit. SP_EINVAL: not such a member. */
sp_code api_gunzip_all(sp_str in, sp_buf *out) SP_MUST_USE;

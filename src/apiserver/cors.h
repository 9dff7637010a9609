/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which pages of other origins may read answers: `--cors-allowed-origins`. An answer to a request of such an
 * origin says so in its headers, whatever else it is, and a preflight (OPTIONS) is answered before anybody
 * asks who it is. U: apiserver pkg/server/filters/cors.go
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

typedef struct api_cors api_cors;

/*
 * The flag's list of regular expressions (RE2), separated by commas; it lives in the arena. *ret NULL: it is
 * empty, no other origin is allowed. SP_EINVAL, with upstream's text: one is empty, is no expression or does
 * not say where the host begins (^ or //) and ends ($ or :).
 */
sp_code api_cors_read(sp_arena *a, sp_str list, const api_cors **ret, sp_err *err) SP_MUST_USE;

/* Whether pages of that origin may. NULL: none. */
bool api_cors_allows(const api_cors *c, sp_str origin);

/* For src/apiserver. */
struct api_request;
struct sp_http_header;
/* Notes whether the request's answer is to say it (r->origin). False: it is a preflight, which is answered.
 */
bool api_cors_begin(struct api_request *r) SP_MUST_USE;
/* The headers that say it; how many. */
#define API_CORS_HEADERS 5u
size_t api_cors_headers(const struct api_request *r, struct sp_http_header *to);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two parts of a request target that servers read: the path and the query. Decoding follows Go's net/url
 * (RFC 3986), which upstream's servers use.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Percent-decoding of a path; '+' stays. SP_EINVAL: `invalid URL escape "%zz"`; SP_ETOOLARGE: no room. */
sp_code sp_url_decode_path(sp_arena *a, sp_str in, sp_str *ret, sp_err *err) SP_MUST_USE;

typedef struct sp_url_pair {
	sp_str key, value;
} sp_url_pair;

typedef struct sp_url_query {
	const sp_url_pair *pairs; /* in the order of the text */
	size_t n;
} sp_url_query;

#define SP_URL_PAIRS_MAX 1000u

/*
 * "a=1&b=x+y": '+' is a blank. As Go's Request.URL.Query, pairs that are malformed or hold a ';' are left
 * out. SP_ETOOLARGE: more than SP_URL_PAIRS_MAX pairs, or no room.
 */
sp_code sp_url_query_parse(sp_arena *a, sp_str text, sp_url_query *ret, sp_err *err) SP_MUST_USE;

/* The first pair of that key, or NULL. */
const sp_url_pair *sp_url_query_find(const sp_url_query *q, sp_str key);
/* The value of the first pair of that key, or the empty string. */
sp_str sp_url_query_get(const sp_url_query *q, sp_str key);

/* Appends the text so that it can stand in a query as a key or value, or as one segment of a path: all but
 * letters, digits and "-._~" as %XX. Errors are those of the buffer. */
sp_code sp_url_escape(sp_buf *out, sp_str text);

/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/cors.h"

#include "apiserver/server_int.h"
#include "kube/regex.h"

#define PATTERNS_MAX 64u

struct api_cors {
	size_t n;
	const sp_regex *patterns[PATTERNS_MAX];
};

/* ---- the flag ---- */

static bool has_any(sp_str s, const char *a, const char *b)
{
	return sp_str_find(s, sp_str_c(a)) >= 0 || sp_str_find(s, sp_str_c(b)) >= 0;
}

/* U: apiserver pkg/server/options/server_run_options.go, validateCorsAllowedOriginList */
static sp_code read_pattern(sp_arena *a, sp_str text, const sp_regex **ret, sp_err *err)
{
	sp_err own;
	if (text.len == 0)
		return sp_fail(err, SP_EINVAL, "empty value in --cors-allowed-origins");
	sp_code code = sp_regex_compile(a, text, ret, NULL, &own);
	if (code != SP_OK)
		return sp_fail(err, code, "--cors-allowed-origins has an invalid regular expression: %s",
			       own.msg);
	if (!has_any(text, "^", "//") || !has_any(text, "$", ":"))
		return sp_fail(err, SP_EINVAL,
			       "--cors-allowed-origins has an invalid regular expression: regular expression "
			       "does not pin to start/end of host in the origin header");
	return SP_OK;
}

sp_code api_cors_read(sp_arena *a, sp_str list, const api_cors **ret, sp_err *err)
{
	*ret = NULL;
	if (list.len == 0)
		return SP_OK;
	api_cors *c = sp_try_new(a, api_cors, 1);
	if (c == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for a flag");
	for (bool more = true; more;) {
		sp_str text;
		more = sp_str_cut(&list, ',', &text);
		if (c->n == PATTERNS_MAX)
			return sp_fail(err, SP_ETOOLARGE, "--cors-allowed-origins: at most %u values",
				       PATTERNS_MAX);
		SP_TRY(read_pattern(a, more ? text : list, &c->patterns[c->n], err));
		c->n++;
	}
	*ret = c;
	return SP_OK;
}

/* ---- requests ---- */

bool api_cors_allows(const api_cors *c, sp_str origin)
{
	sp_arena scratch;
	bool yes = false;
	if (c == NULL || origin.len == 0)
		return false;
	sp_arena_init(&scratch, SP_REGEX_SCRATCH_BYTES);
	for (size_t i = 0; i < c->n && !yes; i++) {
		if (sp_regex_match(c->patterns[i], origin, &scratch, &yes) != SP_OK)
			yes = false; /* what can't be looked at is not allowed */
	}
	sp_arena_done(&scratch);
	return yes;
}

bool api_cors_begin(api_request *r)
{
	sp_str origin = sp_http_get(&r->ex->headers, SP_HTTP_ORIGIN);
	if (!api_cors_allows(r->server->cors, origin))
		return true;
	r->origin = origin;
	if (r->ex->method_id != SP_HTTP_OPTIONS)
		return true;
	api_reply_with(r, 204, SP_STR(""), NULL, 0, SP_STR(""));
	return false;
}

size_t api_cors_headers(const api_request *r, sp_http_header *to)
{
	static const sp_http_header rest[API_CORS_HEADERS - 1] = {
		{SP_STR_INIT("access-control-allow-methods"),
		 SP_STR_INIT("POST, GET, OPTIONS, PUT, DELETE, PATCH")},
		{SP_STR_INIT("access-control-allow-headers"),
		 SP_STR_INIT("Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, "
			     "X-Requested-With, If-Modified-Since")},
		{SP_STR_INIT("access-control-expose-headers"), SP_STR_INIT("Date")},
		{SP_STR_INIT("access-control-allow-credentials"), SP_STR_INIT("true")},
	};
	if (r->origin.len == 0)
		return 0;
	to[0] = (sp_http_header){SP_STR("access-control-allow-origin"), r->origin};
	memcpy(&to[1], rest, sizeof rest);
	return API_CORS_HEADERS;
}

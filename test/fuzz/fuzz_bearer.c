/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials from outside: the first byte says which kind the rest is. */
#include "apiserver/bearer.h"
#include "apiserver/jwt.h"
#include "apiserver/static_tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void jwt(sp_arena *a, sp_str text)
{
	api_jwt t;
	double when;
	if (api_jwt_parse(a, text, &t, NULL) != SP_OK)
		return;
	SP_ASSERT(sp_str_starts(text, t.input) && t.input.len < text.len && t.alg.len > 0);
	(void)api_jwt_date(t.claims, "exp", &when);
}

static void protocols(sp_arena *a, sp_str text)
{
	sp_str token;
	if (api_bearer_from_protocols(a, text, &token, NULL) == SP_OK)
		SP_ASSERT(token.len <= text.len && sp_str_is_utf8(token));
}

static void header(sp_arena *a, sp_str text)
{
	(void)a;
	SP_ASSERT(api_bearer_token(text).len <= text.len);
}

static void csv(sp_arena *a, sp_str text)
{
	api_static_tokens t;
	if (api_static_tokens_parse(a, text, &t, NULL) != SP_OK)
		return;
	SP_ASSERT(t.n <= API_STATIC_TOKENS_MAX);
	for (size_t i = 0; i < t.n && i < 8; i++)
		SP_ASSERT(api_static_tokens_find(&t, t.items[i].token) == &t.items[i].user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(sp_arena * a, sp_str text) = {jwt, protocols, header, csv};
	if (size == 0)
		return 0;
	sp_arena a;
	sp_arena_init(&a, (size_t)1 << 20);
	kinds[data[0] % SP_LEN(kinds)](&a, (sp_str){(const char *)data + 1, size - 1});
	sp_arena_done(&a);
	return 0;
}

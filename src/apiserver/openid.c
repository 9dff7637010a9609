/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/tokens_int.h"
#include "base/base64.h"
#include "base/json_out.h"

#define TEXT_BYTES_MAX ((size_t)256 << 10)

/* Clients may keep the answers that long; a new key is told at least as long before it signs. */
#define CACHE_CONTROL "public, max-age=3600"

static void reply(api_request *r, sp_str type, const sp_buf *text)
{
	static const sp_http_header cache[] = {{SP_STR_INIT("cache-control"), SP_STR_INIT(CACHE_CONTROL)}};
	if (sp_buf_code(text) != SP_OK)
		api_reply_error(r, SP_ETOOLARGE, NULL);
	else
		api_reply_with(r, 200, type, cache, SP_LEN(cache), sp_buf_view(text));
}

static bool is_served(api_request *r)
{
	if (r->server->tokens != NULL)
		return true;
	api_reply(r, 404, SP_STR("text/plain; charset=utf-8"), SP_STR("404 page not found\n"));
	return false;
}

static void write_algorithms(sp_jout *j, const api_tokens *t)
{
	bool seen[SP_JWS_COUNT_] = {false};
	sp_jout_member_open(j, SP_STR("id_token_signing_alg_values_supported"), '[');
	for (size_t i = 0; i < t->n_keys; i++) {
		if (t->keys[i].hidden)
			continue;
		if (!seen[t->keys[i].alg])
			sp_jout_str(j, sp_jws_name(t->keys[i].alg));
		seen[t->keys[i].alg] = true;
	}
	sp_jout_close(j, ']');
}

void api_openid_configuration(api_request *r)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	if (!is_served(r))
		return;
	api_tokens_refresh(r->server->tokens);
	const api_tokens *t = r->server->tokens;
	sp_str uri = t->o.jwks_uri;
	if (uri.len == 0)
		uri = sp_arena_printf(r->arena, "https://" SP_FMT "/openid/v1/jwks",
				      SP_ARG(r->ex->authority));
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	sp_jout_member_str(&j, SP_STR("issuer"), t->o.issuers[0]);
	sp_jout_member_str(&j, SP_STR("jwks_uri"), uri);
	sp_jout_member_raw(&j, SP_STR("response_types_supported"), SP_STR("[\"id_token\"]"));
	sp_jout_member_raw(&j, SP_STR("subject_types_supported"), SP_STR("[\"public\"]"));
	write_algorithms(&j, t);
	sp_jout_close(&j, '}');
	reply(r, SP_STR("application/json"), &text);
}

static void write_number(sp_jout *j, sp_str key, const uint8_t *bytes, size_t n)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, (size_t)2 * SP_KEY_NUMBER_BYTES);
	(void)sp_base64url_append(&text, bytes, n);
	sp_jout_member_str(j, key, sp_buf_view(&text));
}

/* RFC 7517. */
static void write_key(sp_jout *j, const api_token_key *k)
{
	sp_key_numbers numbers;
	if (sp_key_public_numbers(k->key, &numbers, NULL) != SP_OK)
		return;
	bool rsa = numbers.curve == NULL;
	sp_jout_open(j, '{');
	sp_jout_member_str(j, SP_STR("use"), SP_STR("sig"));
	sp_jout_member_str(j, SP_STR("kty"), rsa ? SP_STR("RSA") : SP_STR("EC"));
	sp_jout_member_str(j, SP_STR("kid"), k->kid);
	if (!rsa)
		sp_jout_member_str(j, SP_STR("crv"), sp_str_c(numbers.curve));
	sp_jout_member_str(j, SP_STR("alg"), sp_jws_name(k->alg));
	write_number(j, rsa ? SP_STR("n") : SP_STR("x"), numbers.first, numbers.n_first);
	write_number(j, rsa ? SP_STR("e") : SP_STR("y"), numbers.second, numbers.n_second);
	sp_jout_close(j, '}');
}

void api_openid_keys(api_request *r)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	if (!is_served(r))
		return;
	api_tokens_refresh(r->server->tokens);
	const api_tokens *t = r->server->tokens;
	sp_jout j = sp_jout_to(&text);
	sp_jout_open(&j, '{');
	sp_jout_member_open(&j, SP_STR("keys"), '[');
	for (size_t i = 0; i < t->n_keys; i++) {
		if (!t->keys[i].hidden)
			write_key(&j, &t->keys[i]);
	}
	sp_jout_close(&j, ']');
	sp_jout_close(&j, '}');
	reply(r, SP_STR("application/jwk-set+json"), &text);
}

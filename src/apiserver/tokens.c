/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/tokens.h"

#include "apiserver/tokens_int.h"
#include "base/alloc.h"

#define ARENA_BYTES ((size_t)16 << 20)

/* ---- making ---- */

static sp_code copy_texts(api_tokens *t, const sp_str *from, size_t n, const sp_str **ret, sp_err *err)
{
	sp_str *to = sp_try_new(&t->arena, sp_str, n + 1);
	if (to == NULL)
		return sp_fail(err, SP_ENOMEM, "no room for the options of tokens");
	for (size_t i = 0; i < n; i++) {
		to[i] = sp_arena_try_dup(&t->arena, from[i]);
		if (to[i].ptr == NULL)
			return sp_fail(err, SP_EINVAL, "an issuer or audience is empty");
	}
	*ret = to;
	return SP_OK;
}

static bool has_key(const api_tokens *t, sp_str kid)
{
	for (size_t i = 0; i < t->n_keys; i++) {
		if (sp_str_eq(t->keys[i].kid, kid))
			return true;
	}
	return false;
}

/* `kid` empty: Kubernetes' own name. */
static sp_code add_key(api_tokens *t, sp_arena *a, sp_str pem, sp_str kid, bool hidden, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_AUTO_BUF id;
	api_token_key k = {.hidden = hidden};
	bool is_public = sp_str_find(pem, SP_STR("-----BEGIN PUBLIC KEY-----")) >= 0;
	sp_buf_init(&id, API_TOKEN_KID_BYTES);
	SP_TRY(is_public ? sp_key_parse_public(pem, &key, err) : sp_key_parse(pem, &key, err));
	SP_TRY(sp_jws_alg_of(key, &k.alg, err));
	if (kid.len > 0)
		(void)sp_buf_str(&id, kid);
	else
		SP_TRY(sp_jws_key_id(key, &id, err));
	k.kid = sp_arena_try_dup(a, sp_buf_view(&id));
	if (sp_buf_code(&id) != SP_OK || k.kid.ptr == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a key of tokens");
	if (has_key(t, k.kid))
		return SP_OK;
	if (t->n_keys == API_TOKEN_KEYS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %u keys of tokens", API_TOKEN_KEYS_MAX);
	k.key = key;
	key = NULL;
	t->keys[t->n_keys++] = k;
	return SP_OK;
}

void api_tokens_refresh(api_tokens *t)
{
	const sp_signer *s = t->o.signer;
	if (t->generation == s->generation)
		return;
	t->generation = s->generation;
	while (t->n_keys > t->n_fixed)
		sp_key_free(t->keys[--t->n_keys].key);
	sp_arena_reset(&t->signer_arena);
	for (size_t i = 0; i < s->n_keys; i++)
		(void)(add_key(t, &t->signer_arena, s->keys[i].pem, s->keys[i].id, s->keys[i].hidden, NULL) ==
		       SP_OK);
	/* What a key verified that is gone now is verified no more. */
	memset(t->verified, 0, sizeof t->verified);
}

static sp_code fill(api_tokens *t, const api_tokens_opts *o, sp_err *err)
{
	SP_ASSERT(o->n_issuers > 0);
	t->o = *o;
	if (o->n_audiences == 0) {
		t->o.audiences = o->issuers;
		t->o.n_audiences = 1;
	}
	SP_TRY(copy_texts(t, t->o.audiences, t->o.n_audiences, &t->o.audiences, err));
	SP_TRY(copy_texts(t, o->issuers, o->n_issuers, &t->o.issuers, err));
	t->o.jwks_uri = sp_arena_try_dup(&t->arena, o->jwks_uri);
	SP_TRY(api_static_tokens_parse(&t->arena, o->static_csv, &t->fixed, err));
	for (size_t i = 0; i < o->n_verifiers; i++)
		SP_TRY(add_key(t, &t->arena, o->verifiers[i], SP_STR(""), false, err));
	t->n_fixed = t->n_keys;
	api_tokens_refresh(t);
	return SP_OK;
}

sp_code api_tokens_new(const api_tokens_opts *o, api_tokens **ret, sp_err *err)
{
	api_tokens *t = SP_NEW(api_tokens);
	sp_arena_init(&t->arena, ARENA_BYTES);
	sp_arena_init(&t->signer_arena, ARENA_BYTES);
	sp_code code = fill(t, o, err);
	if (code != SP_OK) {
		api_tokens_free(t);
		return code;
	}
	*ret = t;
	return SP_OK;
}

void api_tokens_free(api_tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n_keys; i++)
		sp_key_free(t->keys[i].key);
	sp_arena_done(&t->arena);
	sp_arena_done(&t->signer_arena);
	sp_free(t);
}

/* ---- checking ---- */

bool api_audiences_common(sp_arena *a, const sp_str *x, size_t nx, const sp_str *y, size_t ny,
			  const sp_str **ret, size_t *ret_n)
{
	size_t n = 0;
	sp_str *both = sp_try_new(a, sp_str, ny + 1);
	if (both == NULL)
		return false;
	for (size_t i = 0; i < ny; i++) {
		for (size_t k = 0; k < nx; k++) {
			if (!sp_str_eq(x[k], y[i]))
				continue;
			both[n++] = y[i];
			break;
		}
	}
	*ret = both;
	*ret_n = n;
	return true;
}

static bool of_file(api_server *s, sp_arena *a, sp_str token, const sp_str *audiences, size_t n,
		    api_token_verdict *ret)
{
	const api_user *found = api_static_tokens_find(&s->tokens->fixed, token);
	(void)a;
	(void)audiences;
	(void)n;
	if (found == NULL)
		return false;
	ret->user = *found;
	return true;
}

/* In upstream's order. Tokens that don't say what they are for are for this API. */
static const struct {
	api_token_fn *check;
	bool any_audience;
} kinds[] = {{of_file, true}, {api_token_of_account, false}, {api_token_of_bootstrap, true}};

static bool check(api_server *s, sp_arena *a, size_t kind, sp_str token, const sp_str *audiences, size_t n,
		  api_token_verdict *ret)
{
	const api_tokens_opts *o = &s->tokens->o;
	if (kinds[kind].any_audience && (!api_audiences_common(a, o->audiences, o->n_audiences, audiences, n,
							       &ret->audiences, &ret->n_audiences) ||
					 ret->n_audiences == 0))
		return false;
	return kinds[kind].check(s, a, token, audiences, n, ret) && api_user_settle_groups(a, &ret->user);
}

void api_tokens_check(api_server *s, sp_arena *a, sp_str token, const sp_str *audiences, size_t n,
		      api_token_verdict *ret)
{
	sp_str why = {NULL, 0};
	*ret = (api_token_verdict){0};
	for (size_t k = 0; k < SP_LEN(kinds) && s->tokens != NULL && token.len > 0; k++) {
		api_token_verdict v = {0};
		bool asked = n > 0;
		v.ok = check(s, a, k, token, asked ? audiences : s->tokens->o.audiences,
			     asked ? n : s->tokens->o.n_audiences, &v);
		if (v.ok) {
			*ret = v;
			return;
		}
		if (v.why.len > 0)
			why = sp_arena_printf(a, SP_FMT ", " SP_FMT, SP_ARG(why), SP_ARG(v.why));
	}
	ret->why = why.len == 0 ? SP_STR("invalid bearer token")
				: sp_arena_printf(a, "[invalid bearer token" SP_FMT "]", SP_ARG(why));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/local_signer.h"

#include "base/alloc.h"
#include "io/file.h"
#include "io/tls/sign.h"

#define FILE_BYTES_MAX ((size_t)64 << 10)

typedef struct local_signer {
	sp_signer base;
	sp_world *world;
	sp_key *key;
	sp_arena arena;
	sp_signer_key public_key;
	sp_defer turn;
	sp_sign_call *first, **last; /* waiting for the turn */
} local_signer;

static void answer(local_signer *l, sp_sign_call *c)
{
	sp_err err = {0};
	SP_AUTO_BUF header, signature;
	sp_buf_init(&header, 4096);
	sp_buf_init(&signature, 4096);
	if (sp_jws_sign_claims(l->key, l->public_key.id, false, c->claims, &header, &signature, &err) ==
	    SP_OK)
		c->done(c, sp_buf_view(&header), sp_buf_view(&signature), NULL);
	else
		c->done(c, (sp_str){NULL, 0}, (sp_str){NULL, 0}, &err);
}

static void on_turn(sp_defer *d)
{
	local_signer *l = d->arg;
	sp_sign_call *c = l->first, *next;
	l->first = NULL;
	l->last = &l->first;
	for (; c != NULL; c = next) {
		next = c->next;
		answer(l, c);
	}
}

static void sign(sp_signer *s, sp_sign_call *c)
{
	local_signer *l = (local_signer *)s;
	c->next = NULL;
	*l->last = c;
	l->last = &c->next;
	sp_defer_call(l->world, &l->turn);
}

static void free_signer(sp_signer *s)
{
	local_signer *l = (local_signer *)s;
	SP_ASSERT(l->first == NULL);
	sp_defer_cancel(&l->turn);
	sp_key_free(l->key);
	sp_arena_done(&l->arena);
	sp_free(l);
}

static sp_code fill(local_signer *l, sp_str pem, sp_err *err)
{
	SP_AUTO_BUF text, id;
	sp_buf_init(&text, FILE_BYTES_MAX);
	sp_buf_init(&id, 64);
	SP_TRY(sp_key_parse(pem, &l->key, err));
	SP_TRY(sp_jws_key_id(l->key, &id, err));
	SP_TRY(sp_key_print_public(l->key, &text, err));
	l->public_key = (sp_signer_key){.id = sp_arena_try_dup(&l->arena, sp_buf_view(&id)),
					.pem = sp_arena_try_dup(&l->arena, sp_buf_view(&text))};
	if (l->public_key.id.ptr == NULL || l->public_key.pem.ptr == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a key");
	l->base = (sp_signer){
		.sign = sign, .free = free_signer, .keys = &l->public_key, .n_keys = 1, .generation = 1};
	return SP_OK;
}

sp_code api_local_signer_new(sp_world *w, sp_str pem, sp_signer **ret, sp_err *err)
{
	local_signer *l = SP_NEW(local_signer);
	l->world = w;
	l->last = &l->first;
	sp_arena_init(&l->arena, FILE_BYTES_MAX);
	sp_defer_init(&l->turn, on_turn, l);
	sp_code code = fill(l, pem, err);
	if (code != SP_OK) {
		free_signer(&l->base);
		return code;
	}
	*ret = &l->base;
	return SP_OK;
}

static sp_code make_key(sp_world *w, sp_str path, sp_buf *pem, sp_err *err)
{
	SP_AUTO_KEY key = NULL;
	SP_TRY(sp_key_new(&key, err));
	SP_TRY(sp_key_print(key, pem, err));
	return sp_file_replace(w, path, sp_buf_view(pem), 0600, err);
}

sp_code api_local_signer_open(sp_world *w, sp_str path, sp_signer **ret, sp_err *err)
{
	SP_AUTO_BUF pem;
	sp_buf_init(&pem, FILE_BYTES_MAX);
	(void)sp_buf_reserve(&pem, 16384); /* no copy is left behind by growing */
	sp_code code = sp_file_read_all(w, path, &pem, err);
	if (code == SP_ENOTFOUND)
		code = make_key(w, path, &pem, err);
	if (code == SP_OK)
		code = api_local_signer_new(w, sp_buf_view(&pem), ret, err);
	sp_buf_cleanse(&pem);
	return code == SP_OK ? SP_OK : sp_wrap(err, "key of tokens '" SP_FMT "'", SP_ARG(path));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/static_tokens.h"

#define COLUMNS_MAX 64u

typedef struct reader {
	sp_arena *arena;
	sp_str rest;
	size_t line;
} reader;

/* A quoted field, behind its first quote; quotes inside are doubled, line ends may stand in it. */
static sp_code read_quoted(reader *r, sp_str *ret, sp_err *err)
{
	char *out = sp_arena_try_alloc(r->arena, r->rest.len + 1);
	size_t n = 0, i = 0;
	if (out == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the tokens");
	for (; i < r->rest.len; i++) {
		char c = r->rest.ptr[i];
		if (c == '"' && i + 1 < r->rest.len && r->rest.ptr[i + 1] == '"')
			i++;
		else if (c == '"')
			break;
		else if (c == '\n')
			r->line++;
		out[n++] = c;
	}
	if (i == r->rest.len)
		return sp_fail(err, SP_EINVAL, "line %zu: a quote is not closed", r->line);
	r->rest = sp_str_sub(r->rest, i + 1, r->rest.len);
	*ret = (sp_str){out, n};
	return SP_OK;
}

/* Up to the next comma or line end. */
static sp_code read_plain(reader *r, sp_str *ret, sp_err *err)
{
	size_t n = 0;
	while (n < r->rest.len && r->rest.ptr[n] != ',' && r->rest.ptr[n] != '\n')
		n++;
	sp_str field = sp_str_sub(r->rest, 0, n);
	r->rest = sp_str_sub(r->rest, n, r->rest.len);
	if (sp_str_ends(field, SP_STR("\r")) && (r->rest.len == 0 || r->rest.ptr[0] == '\n'))
		field.len--;
	if (sp_str_index(field, '"') >= 0)
		return sp_fail(err, SP_EINVAL, "line %zu: a quote stands in a field without quotes", r->line);
	*ret = sp_arena_try_dup(r->arena, field);
	return ret->ptr == NULL && field.len > 0 ? sp_fail(err, SP_ETOOLARGE, "no room for the tokens")
						 : SP_OK;
}

/* One record; *ret_n is 0 for an empty line. */
static sp_code read_record(reader *r, sp_str fields[COLUMNS_MAX], size_t *ret_n, sp_err *err)
{
	size_t n = 0;
	bool more = true;
	(void)sp_str_take(&r->rest, SP_STR("\r"));
	while (more && r->rest.len > 0 && (n > 0 || r->rest.ptr[0] != '\n')) {
		if (n == COLUMNS_MAX)
			return sp_fail(err, SP_EINVAL, "line %zu: more than %u columns", r->line,
				       COLUMNS_MAX);
		SP_TRY(sp_str_take(&r->rest, SP_STR("\"")) ? read_quoted(r, &fields[n], err)
							   : read_plain(r, &fields[n], err));
		n++;
		(void)sp_str_take(&r->rest, SP_STR("\r"));
		more = sp_str_take(&r->rest, SP_STR(","));
		if (more && (r->rest.len == 0 || r->rest.ptr[0] == '\n') && n < COLUMNS_MAX) {
			fields[n++] = (sp_str){NULL, 0};
			more = false;
		}
	}
	if (r->rest.len > 0 && !sp_str_take(&r->rest, SP_STR("\n")))
		return sp_fail(err, SP_EINVAL, "line %zu: text behind a quoted field", r->line);
	r->line++;
	*ret_n = n;
	return SP_OK;
}

static bool split_groups(sp_arena *a, sp_str text, api_user *u)
{
	size_t n = 1;
	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == ',';
	sp_str *groups = sp_try_new(a, sp_str, n);
	if (groups == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!sp_str_cut(&text, ',', &groups[i]))
			groups[i] = text;
	}
	u->groups = groups;
	u->n_groups = n;
	return true;
}

/* A token that comes again is the later user's. */
static api_static_token *slot_of(api_static_tokens *t, sp_str token)
{
	for (size_t i = 0; i < t->n; i++) {
		if (sp_str_eq(t->items[i].token, token))
			return &t->items[i];
	}
	return t->n == API_STATIC_TOKENS_MAX ? NULL : &t->items[t->n++];
}

static sp_code add(reader *r, api_static_tokens *t, const sp_str *fields, size_t n, sp_err *err)
{
	if (n < 3)
		return sp_fail(
			err, SP_EINVAL,
			"line %zu: a token has at least 3 columns (token, user name, user uid), found %zu",
			r->line - 1, n);
	if (fields[0].len == 0)
		return SP_OK;
	api_static_token *slot = slot_of(t, fields[0]);
	if (slot == NULL)
		return sp_fail(err, SP_ETOOLARGE, "more than %u tokens", API_STATIC_TOKENS_MAX);
	*slot = (api_static_token){fields[0], {.name = fields[1], .uid = fields[2]}};
	if (n > 3 && !split_groups(r->arena, fields[3], &slot->user))
		return sp_fail(err, SP_ETOOLARGE, "no room for the tokens");
	return SP_OK;
}

sp_code api_static_tokens_parse(sp_arena *a, sp_str text, api_static_tokens *ret, sp_err *err)
{
	reader r = {.arena = a, .rest = text, .line = 1};
	api_static_tokens t = {.items = sp_try_new(a, api_static_token, API_STATIC_TOKENS_MAX)};
	if (t.items == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for the tokens");
	while (r.rest.len > 0) {
		sp_str fields[COLUMNS_MAX];
		size_t n = 0;
		SP_TRY(read_record(&r, fields, &n, err));
		if (n > 0)
			SP_TRY(add(&r, &t, fields, n, err));
	}
	*ret = t;
	return SP_OK;
}

const api_user *api_static_tokens_find(const api_static_tokens *t, sp_str token)
{
	const api_user *found = NULL;
	for (size_t i = 0; i < t->n; i++) {
		if (sp_str_eq_const_time(t->items[i].token, token))
			found = &t->items[i].user;
	}
	return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/image/challenge.h"

#include "base/json.h"

/* ---- WWW-Authenticate (RFC 9110, 11.6.1) ---- */

static bool is_token_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

static void skip(sp_str *in, const char *chars)
{
	while (in->len > 0 && in->ptr[0] != '\0' && strchr(chars, in->ptr[0]) != NULL)
		*in = sp_str_sub(*in, 1, in->len);
}

static sp_str take_word(sp_str *in)
{
	size_t n = 0;
	while (n < in->len && is_token_char(in->ptr[n]))
		n++;
	sp_str word = sp_str_sub(*in, 0, n);
	*in = sp_str_sub(*in, n, in->len);
	return word;
}

/* A word, or text in quotes with escapes taken out. False: no memory. */
static bool take_value(sp_arena *a, sp_str *in, sp_str *ret)
{
	if (!sp_str_take(in, SP_STR("\""))) {
		*ret = take_word(in);
		return true;
	}
	char *text = sp_arena_try_alloc(a, in->len + 1);
	size_t n = 0, i = 0;
	if (text == NULL)
		return false;
	for (; i < in->len && in->ptr[i] != '"'; i++) {
		if (in->ptr[i] == '\\' && i + 1 < in->len)
			i++;
		text[n++] = in->ptr[i];
	}
	*in = sp_str_sub(*in, i + 1, in->len);
	*ret = (sp_str){text, n};
	return true;
}

static void set(image_challenge *c, sp_str name, sp_str value)
{
	const struct {
		sp_str name;
		sp_str *to;
	} params[] = {
		{SP_STR("realm"), &c->realm}, {SP_STR("service"), &c->service}, {SP_STR("scope"), &c->scope}};
	for (size_t i = 0; i < SP_LEN(params); i++) {
		if (sp_str_eq_nocase(params[i].name, name))
			*params[i].to = value;
	}
}

static void keep_better(image_challenge *best, const image_challenge *c)
{
	if (c->scheme > best->scheme && (c->scheme != IMAGE_AUTH_BEARER || c->realm.len > 0))
		*best = *c;
}

sp_code image_challenge_parse(sp_arena *a, sp_str header, image_challenge *ret, sp_err *err)
{
	image_challenge best = {.scheme = IMAGE_AUTH_NONE}, c = {.scheme = IMAGE_AUTH_NONE};
	for (;;) {
		skip(&header, " \t,");
		sp_str word = take_word(&header), value;
		if (word.len == 0)
			break; /* the end, or nothing that can be read on */
		skip(&header, " \t");
		if (sp_str_take(&header, SP_STR("="))) {
			skip(&header, " \t");
			if (!take_value(a, &header, &value))
				return sp_fail(err, SP_ENOMEM, "no memory for a challenge");
			set(&c, word, value);
			continue;
		}
		keep_better(&best, &c);
		c = (image_challenge){.scheme = sp_str_eq_nocase(word, SP_STR("bearer"))  ? IMAGE_AUTH_BEARER
						: sp_str_eq_nocase(word, SP_STR("basic")) ? IMAGE_AUTH_BASIC
											  : IMAGE_AUTH_NONE};
	}
	keep_better(&best, &c);
	*ret = best;
	return SP_OK;
}

/* ---- token servers ---- */

#define DEFAULT_EXPIRES_S 60u

sp_code image_token_parse(sp_arena *a, sp_str text, image_token *ret, sp_err *err)
{
	yyjson_val *root;
	if (sp_json_parse(a, text, &root, NULL) != SP_OK || !yyjson_is_obj(root))
		return sp_fail(err, SP_EPROTO, "the token server answers no JSON object");
	image_token t = {.text = sp_json_str(sp_json_last(root, SP_STR("token"))),
			 .expires_s = DEFAULT_EXPIRES_S};
	yyjson_val *expires = sp_json_last(root, SP_STR("expires_in"));
	if (t.text.len == 0)
		t.text = sp_json_str(sp_json_last(root, SP_STR("access_token")));
	if (yyjson_is_uint(expires) && yyjson_get_uint(expires) < UINT32_MAX)
		t.expires_s = SP_MAX(yyjson_get_uint(expires), (uint64_t)DEFAULT_EXPIRES_S);
	for (size_t i = 0; i < t.text.len; i++) {
		if (t.text.ptr[i] <= ' ' || t.text.ptr[i] >= 0x7f)
			return sp_fail(err, SP_EPROTO, "the token server gives a malformed token");
	}
	if (t.text.len == 0)
		return sp_fail(err, SP_EPROTO, "the token server gives no token");
	*ret = t;
	return SP_OK;
}

/* ---- errors ---- */

#define ERROR_BYTES 160u

sp_str image_registry_error(sp_arena *a, sp_str body)
{
	yyjson_val *root;
	if (sp_json_parse(a, body, &root, NULL) != SP_OK)
		return (sp_str){NULL, 0};
	yyjson_val *first = yyjson_arr_get_first(sp_json_last(root, SP_STR("errors")));
	sp_str code = sp_json_str(sp_json_last(first, SP_STR("code")));
	sp_str message = sp_json_str(sp_json_last(first, SP_STR("message")));
	if (code.len == 0 && message.len == 0)
		return (sp_str){NULL, 0};
	sp_str text = SP_CONCAT(a, sp_str_sub(code, 0, ERROR_BYTES),
				message.len > 0 ? SP_STR(": ") : (sp_str){NULL, 0},
				sp_str_sub(message, 0, ERROR_BYTES));
	char *p = (char *)(uintptr_t)text.ptr; /* fresh memory of the arena */
	for (size_t i = 0; i < text.len; i++) {
		if ((unsigned char)p[i] < ' ' || p[i] == 0x7f)
			p[i] = '?';
	}
	return text;
}

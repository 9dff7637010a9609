/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/continue.h"

#include "base/base64.h"
#include "base/json.h"

#define TOKEN_BYTES_MAX 4096u
#define VERSION "meta.k8s.io/v1"
#define BAD "continue key is not valid"

/* Between the standard alphabet with padding and the URL one without. */
static void swap_letters(char *text, size_t n, char plus, char slash, char plus_to, char slash_to)
{
	for (size_t i = 0; i < n; i++)
		text[i] = text[i] == plus ? plus_to : text[i] == slash ? slash_to : text[i];
}

sp_str api_continue_make(sp_arena *a, uint64_t revision, sp_str from, sp_str prefix)
{
	SP_ASSERT(sp_str_starts(from, prefix));
	SP_AUTO_BUF json;
	sp_buf_init(&json, TOKEN_BYTES_MAX);
	(void)sp_buf_str(&json, SP_STR("{\"v\":\"" VERSION "\",\"rv\":"));
	if (revision == API_CONTINUE_LATEST)
		(void)sp_buf_str(&json, SP_STR("-1"));
	else
		(void)sp_buf_u64(&json, revision);
	(void)sp_buf_str(&json, SP_STR(",\"start\":"));
	(void)sp_json_write_str(&json, sp_str_sub(from, prefix.len, from.len));
	if (sp_buf_char(&json, '}') != SP_OK)
		return (sp_str){NULL, 0};
	size_t n = sp_base64_text_len(json.len);
	char *text = sp_arena_try_alloc(a, n + 1);
	if (text == NULL)
		return (sp_str){NULL, 0};
	sp_base64_encode(text, json.ptr, json.len);
	swap_letters(text, n, '+', '/', '-', '_');
	while (n > 0 && text[n - 1] == '=')
		n--;
	return (sp_str){text, n};
}

static sp_code no_room(sp_err *err)
{
	return sp_fail(err, SP_ETOOLARGE, "no room for the continue token");
}

static sp_code unpack(sp_arena *a, sp_str token, sp_str *ret, sp_err *err)
{
	size_t n = token.len, padded = (n + 3) / 4 * 4;
	if (n > TOKEN_BYTES_MAX)
		return sp_fail(err, SP_EINVAL, BAD);
	char *text = sp_arena_try_alloc(a, padded + 1);
	if (text == NULL)
		return no_room(err);
	for (size_t i = 0; i < n; i++) {
		char c = token.ptr[i];
		if (c == '+' || c == '/' || c == '=')
			return sp_fail(err, SP_EINVAL, BAD ": illegal base64 data at input byte %zu", i);
		text[i] = c;
	}
	swap_letters(text, n, '-', '_', '+', '/');
	memset(text + n, '=', padded - n);
	sp_err why;
	size_t n_out = 0;
	if (sp_base64_decode((sp_str){text, padded}, (uint8_t *)text, &n_out, &why) != SP_OK)
		return sp_fail(err, SP_EINVAL, BAD ": %s", why.msg);
	*ret = (sp_str){text, n_out};
	return SP_OK;
}

/* What path.Clean would leave as it is: no empty, "." or ".." step. */
static bool is_clean(sp_str key)
{
	(void)sp_str_take(&key, SP_STR("/"));
	while (key.len > 0) {
		sp_str step, rest = key;
		bool more = sp_str_cut(&rest, '/', &step);
		if (!more)
			step = key;
		if (step.len == 0 || sp_str_eq(step, SP_STR(".")) || sp_str_eq(step, SP_STR("..")) ||
		    (more && rest.len == 0))
			return false;
		key = more ? rest : (sp_str){NULL, 0};
	}
	return true;
}

sp_code api_continue_read(sp_arena *a, sp_str token, sp_str prefix, uint64_t *ret_revision, sp_str *ret_from,
			  sp_err *err)
{
	sp_str json = {NULL, 0};
	yyjson_val *root = NULL;
	sp_err why;
	SP_TRY(unpack(a, token, &json, err));
	if (sp_json_parse(a, json, &root, &why) != SP_OK || !yyjson_is_obj(root))
		return sp_fail(err, SP_EINVAL, BAD ": %s",
			       root == NULL ? why.msg : "json: cannot unmarshal into continueToken");
	sp_str version = sp_json_str(sp_json_last(root, SP_STR("v")));
	yyjson_val *rv = sp_json_last(root, SP_STR("rv"));
	sp_str start = sp_json_str(sp_json_last(root, SP_STR("start")));
	if (!sp_str_eq(version, SP_STR(VERSION)))
		return sp_fail(err, SP_EINVAL, BAD ": server does not recognize this encoded version " SP_FMT,
			       SP_ARG(version));
	if (!yyjson_is_int(rv) || yyjson_get_sint(rv) == 0)
		return sp_fail(err, SP_EINVAL,
			       BAD ": incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
	if (start.len == 0)
		return sp_fail(err, SP_EINVAL, BAD ": encoded start key empty (version meta.k8s.io/v1)");
	if (!is_clean(start))
		return sp_fail(err, SP_EINVAL, BAD ": " SP_FMT, SP_ARG(start));
	(void)sp_str_take(&start, SP_STR("/"));
	sp_str from = sp_arena_printf(a, SP_FMT SP_FMT, SP_ARG(prefix), SP_ARG(start));
	if (from.ptr == NULL)
		return no_room(err);
	int64_t revision = yyjson_get_sint(rv);
	*ret_revision = revision < 0 ? 0 : (uint64_t)revision;
	*ret_from = from;
	return SP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static sp_code decode(sp_arena *a, sp_str in, bool plus_is_blank, sp_str *ret, sp_err *err)
{
	char *out = sp_arena_try_alloc(a, in.len + 1);
	if (out == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a URL of %zu bytes", in.len);
	size_t n = 0;
	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];
		if (c == '+' && plus_is_blank) {
			c = ' ';
		} else if (c == '%') {
			int high = i + 2 < in.len ? hex_digit(in.ptr[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_digit(in.ptr[i + 2]) : -1;
			if (high < 0 || low < 0)
				return sp_fail(err, SP_EINVAL, "invalid URL escape \"" SP_FMT "\"",
					       SP_ARG(sp_str_sub(in, i, i + 3)));
			c = (char)(high << 4 | low);
			i += 2;
		}
		out[n++] = c;
	}
	*ret = (sp_str){out, n};
	return SP_OK;
}

sp_code sp_url_decode_path(sp_arena *a, sp_str in, sp_str *ret, sp_err *err)
{
	return decode(a, in, false, ret, err);
}

/* SP_EINVAL: the pair is left out. */
static sp_code parse_pair(sp_arena *a, sp_str text, sp_url_pair *ret)
{
	sp_str value = text, key;
	if (sp_str_index(text, ';') >= 0)
		return SP_EINVAL;
	if (!sp_str_cut(&value, '=', &key)) {
		key = text;
		value = (sp_str){NULL, 0};
	}
	SP_TRY(decode(a, key, true, &ret->key, NULL));
	return decode(a, value, true, &ret->value, NULL);
}

sp_code sp_url_query_parse(sp_arena *a, sp_str text, sp_url_query *ret, sp_err *err)
{
	size_t n_max = 1;
	for (size_t i = 0; i < text.len; i++)
		n_max += text.ptr[i] == '&';
	if (n_max > SP_URL_PAIRS_MAX)
		return sp_fail(err, SP_ETOOLARGE, "more than %u query parameters", SP_URL_PAIRS_MAX);
	sp_url_pair *pairs = sp_try_new(a, sp_url_pair, n_max);
	if (pairs == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for a query of %zu parameters", n_max);
	size_t n = 0;
	while (text.len > 0) {
		sp_str one;
		(void)sp_str_next(&text, '&', &one);
		if (one.len == 0)
			continue;
		sp_code code = parse_pair(a, one, &pairs[n]);
		if (code == SP_OK)
			n++;
		else if (code != SP_EINVAL)
			return sp_fail(err, code, "no room for a query of %zu parameters", n_max);
	}
	*ret = (sp_url_query){pairs, n};
	return SP_OK;
}

const sp_url_pair *sp_url_query_find(const sp_url_query *q, sp_str key)
{
	for (size_t i = 0; i < q->n; i++) {
		if (sp_str_eq(q->pairs[i].key, key))
			return &q->pairs[i];
	}
	return NULL;
}

sp_str sp_url_query_get(const sp_url_query *q, sp_str key)
{
	const sp_url_pair *pair = sp_url_query_find(q, key);
	return pair == NULL ? (sp_str){NULL, 0} : pair->value;
}

static bool is_unreserved(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '.' || c == '_' || c == '~';
}

sp_code sp_url_escape(sp_buf *out, sp_str text)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (is_unreserved(text.ptr[i])) {
			(void)sp_buf_char(out, text.ptr[i]);
			continue;
		}
		const char escaped[] = {'%', hex[c >> 4], hex[c & 15]};
		(void)sp_buf_append(out, escaped, sizeof escaped);
	}
	return sp_buf_code(out);
}

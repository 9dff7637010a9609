/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of string and bytes tokens. U: cel-go parser/unescape.go */
#include "base/utf8.h"
#include "kube/cel/ast.h"

#define BAD "unable to unescape string"
#define BAD_OCTAL "unable to unescape octal sequence in string"
#define BAD_RUNE "invalid unicode code point"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static const char *number(sp_str *in, size_t n, unsigned base, uint32_t *ret)
{
	uint32_t v = 0;
	if (in->len < n)
		return base == 8 ? BAD_OCTAL : BAD;
	for (size_t i = 0; i < n; i++) {
		int d = hex_digit(in->ptr[i]);
		if (d < 0 || (unsigned)d >= base)
			return base == 8 ? BAD_OCTAL : BAD;
		v = v * base + (uint32_t)d;
	}
	*in = sp_str_sub(*in, n, in->len);
	*ret = v;
	return NULL;
}

static size_t put(char *out, uint32_t rune, bool byte)
{
	if (!byte)
		return sp_utf8_encode(out, rune);
	*out = (char)rune;
	return 1;
}

/* One escape sequence after its backslash. */
static const char *escape(sp_str *in, bool bytes, char *out, size_t *n)
{
	static const char from[] = "abfnrtv\\'\"`?", to[] = "\a\b\f\n\r\t\v\\'\"`?";
	if (in->len == 0)
		return "unable to unescape string, found '\\' as last character";
	char c = in->ptr[0];
	const char *known = c == '\0' ? NULL : strchr(from, c);
	if (known != NULL) {
		*in = sp_str_sub(*in, 1, in->len);
		out[(*n)++] = to[known - from];
		return NULL;
	}
	uint32_t rune = 0;
	bool octal = c >= '0' && c <= '3';
	size_t len = octal ? 3 : c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	if (len == 0 || (bytes && len >= 4))
		return BAD;
	if (!octal)
		*in = sp_str_sub(*in, 1, in->len);
	const char *bad = number(in, len, octal ? 8 : 16, &rune);
	if (bad != NULL)
		return bad;
	if (!bytes && (rune > SP_RUNE_MAX || (rune >= 0xd800 && rune < 0xe000)))
		return BAD_RUNE;
	*n += put(out + *n, rune, bytes);
	return NULL;
}

const char *cel_unescape_literal(sp_arena *a, sp_str token, bool bytes, sp_str *ret)
{
	bool raw = token.ptr[0] == 'r' || token.ptr[0] == 'R';
	sp_str in = sp_str_sub(token, raw, token.len);
	size_t quote = in.len >= 6 && in.ptr[1] == in.ptr[0] && in.ptr[2] == in.ptr[0] ? 3 : 1;
	in = sp_str_sub(in, quote, in.len - quote);
	char *out = sp_arena_try_alloc(a, in.len + 1);
	size_t n = 0;
	if (out == NULL)
		return NULL;
	while (in.len > 0) {
		char c = in.ptr[0];
		in = sp_str_sub(in, 1, in.len);
		if (c == '\\' && !raw) {
			const char *bad = escape(&in, bytes, out, &n);
			if (bad != NULL)
				return bad;
		} else if (c == '\r') { /* lines end in a line feed */
			if (in.len > 0 && in.ptr[0] == '\n')
				in = sp_str_sub(in, 1, in.len);
			out[n++] = '\n';
		} else {
			out[n++] = c;
		}
	}
	*ret = (sp_str){out, n};
	return NULL;
}

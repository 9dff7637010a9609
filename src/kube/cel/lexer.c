/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/cel/lexer.h"

#include "base/utf8.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static char at_byte(sp_str s, size_t i)
{
	return i < s.len ? s.ptr[i] : '\0';
}

/* Blanks and comments. */
static size_t skip(sp_str s, size_t i)
{
	while (i < s.len) {
		char c = s.ptr[i];
		if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f') {
			i++;
		} else if (c == '/' && at_byte(s, i + 1) == '/') {
			while (i < s.len && s.ptr[i] != '\n')
				i++;
		} else {
			break;
		}
	}
	return i;
}

static size_t digits(sp_str s, size_t i)
{
	while (is_digit(at_byte(s, i)))
		i++;
	return i;
}

static bool exponent(sp_str s, size_t *i)
{
	size_t k = *i;
	if (at_byte(s, k) != 'e' && at_byte(s, k) != 'E')
		return false;
	k++;
	if (at_byte(s, k) == '+' || at_byte(s, k) == '-')
		k++;
	if (!is_digit(at_byte(s, k)))
		return false;
	*i = digits(s, k);
	return true;
}

static cel_token_kind number(sp_str s, size_t *at)
{
	size_t i = *at;
	if (at_byte(s, i) == '0' && at_byte(s, i + 1) == 'x' && is_hex(at_byte(s, i + 2))) {
		i += 2;
		while (is_hex(at_byte(s, i)))
			i++;
	} else {
		i = digits(s, i);
		bool real = false;
		if (at_byte(s, i) == '.' && is_digit(at_byte(s, i + 1))) {
			i = digits(s, i + 1);
			real = true;
		}
		real |= exponent(s, &i);
		if (real) {
			*at = i;
			return CEL_T_FLOAT;
		}
	}
	bool is_unsigned = at_byte(s, i) == 'u' || at_byte(s, i) == 'U';
	*at = i + is_unsigned;
	return is_unsigned ? CEL_T_UINT : CEL_T_INT;
}

/* Length of an escape sequence that begins with a backslash; 0: none. */
static size_t escape(sp_str s, size_t i)
{
	char c = at_byte(s, i + 1);
	if (c != '\0' && strchr("abfnrtv\"'\\?`", c) != NULL)
		return 2;
	size_t n = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	for (size_t k = 0; k < n; k++) {
		if (!is_hex(at_byte(s, i + 2 + k)))
			return 0;
	}
	if (n > 0)
		return n + 2;
	bool octal = c >= '0' && c <= '3' && at_byte(s, i + 2) >= '0' && at_byte(s, i + 2) <= '7' &&
		     at_byte(s, i + 3) >= '0' && at_byte(s, i + 3) <= '7';
	return octal ? 4 : 0;
}

/* Bytes of an escape sequence that are right, as far as they go. */
static size_t escape_prefix(sp_str s, size_t i)
{
	char c = at_byte(s, i + 1);
	size_t n = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0, k = 0;
	if (c >= '0' && c <= '3')
		return at_byte(s, i + 2) >= '0' && at_byte(s, i + 2) <= '7' ? 3 : 2;
	while (k < n && is_hex(at_byte(s, i + 2 + k)))
		k++;
	return n == 0 ? 1 : 2 + k;
}

/* A text in quotes at i, after its prefixes; false: it has no end (then *at is where it broke off). */
static bool quoted(sp_str s, size_t i, bool raw, size_t *at)
{
	char q = s.ptr[i];
	bool triple = at_byte(s, i + 1) == q && at_byte(s, i + 2) == q;
	size_t k = i + (triple ? 3 : 1);
	while (k < s.len) {
		char c = s.ptr[k];
		if (c == q && (!triple || (at_byte(s, k + 1) == q && at_byte(s, k + 2) == q))) {
			*at = k + (triple ? 3 : 1);
			return true;
		}
		if (!triple && (c == '\n' || c == '\r'))
			break;
		size_t n = c == '\\' && !raw ? escape(s, k) : 1;
		if (n == 0) {
			k += escape_prefix(s, k);
			break;
		}
		k += n;
	}
	/* An empty text may stand before something else: '' and then a third quote. */
	if (triple) {
		*at = i + 2;
		return true;
	}
	*at = k;
	return false;
}

/* Prefixes b and r of a quoted text; -1: it is none. */
static int text_prefix(sp_str s, size_t i, bool *ret_bytes, bool *ret_raw)
{
	int n = 0;
	*ret_bytes = at_byte(s, i) == 'b' || at_byte(s, i) == 'B';
	n += *ret_bytes;
	char r = at_byte(s, i + (size_t)n);
	*ret_raw = r == 'r' || r == 'R';
	n += *ret_raw;
	char q = at_byte(s, i + (size_t)n);
	return q == '"' || q == '\'' ? n : -1;
}

static size_t op_len(sp_str s, size_t i)
{
	static const char *const two[] = {"==", "!=", "<=", ">=", "&&", "||"};
	for (size_t k = 0; k < SP_LEN(two); k++) {
		if (s.ptr[i] == two[k][0] && at_byte(s, i + 1) == two[k][1])
			return 2;
	}
	return strchr("<>[]{}().,-!?:+*/%", s.ptr[i]) != NULL && s.ptr[i] != '\0' ? 1 : 0;
}

static bool is_word_op(sp_str word)
{
	return sp_str_eq(word, SP_STR("in")) || sp_str_eq(word, SP_STR("true")) ||
	       sp_str_eq(word, SP_STR("false")) || sp_str_eq(word, SP_STR("null"));
}

static cel_token token(sp_str s, cel_token_kind kind, size_t from, size_t to)
{
	return (cel_token){kind, {s.ptr + from, to - from}, (uint32_t)from};
}

static cel_token quoted_ident(sp_str s, size_t i)
{
	size_t k = i + 1;
	while (is_letter(at_byte(s, k)) || is_digit(at_byte(s, k)) ||
	       (at_byte(s, k) != '\0' && strchr(".-/ ", at_byte(s, k)) != NULL))
		k++;
	bool fine = at_byte(s, k) == '`' && k > i + 1;
	return token(s, fine ? CEL_T_QUOTED_IDENT : CEL_T_ERROR, i, fine ? k + 1 : i + 1);
}

/* What no token begins with: as far as it could have become one, and the character that was in the way. */
static cel_token bad_token(sp_str s, size_t from, size_t to)
{
	uint32_t rune;
	size_t end = to < s.len ? to + sp_utf8_decode(sp_str_sub(s, to, s.len), &rune) : s.len;
	return token(s, CEL_T_ERROR, from, end);
}

cel_token cel_lex(sp_str s, uint32_t at)
{
	size_t i = skip(s, at), end = i;
	bool bytes, raw;
	if (i >= s.len)
		return (cel_token){CEL_T_END, SP_STR("<EOF>"), (uint32_t)s.len};
	int prefix = text_prefix(s, i, &bytes, &raw);
	if (prefix >= 0) {
		bool fine = quoted(s, i + (size_t)prefix, raw, &end);
		return fine ? token(s, bytes ? CEL_T_BYTES : CEL_T_STRING, i, end) : bad_token(s, i, end);
	}
	if (is_letter(s.ptr[i])) {
		while (is_letter(at_byte(s, end)) || is_digit(at_byte(s, end)))
			end++;
		cel_token t = token(s, CEL_T_IDENT, i, end);
		if (is_word_op(t.text))
			t.kind = CEL_T_OP;
		return t;
	}
	if (is_digit(s.ptr[i]) || (s.ptr[i] == '.' && is_digit(at_byte(s, i + 1)))) {
		cel_token_kind kind = number(s, &end);
		return token(s, kind, i, end);
	}
	if (s.ptr[i] == '`')
		return quoted_ident(s, i);
	size_t n = op_len(s, i);
	if (n > 0)
		return token(s, CEL_T_OP, i, i + n);
	return bad_token(s, i, i + (s.ptr[i] == '&' || s.ptr[i] == '|' || s.ptr[i] == '='));
}

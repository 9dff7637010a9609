/* SPDX-License-Identifier: Apache-2.0 */
/* Strings of JSON, written and read without yyjson: programs that parse nothing else do not link it. */
#include "base/json.h"
#include "base/json_span.h"
#include "base/num.h"
#include "base/utf8.h"

/* Sixteen bytes at a time; both compilers lower it to the machine's vectors. */
typedef int8_t bytes16 __attribute__((vector_size(16)));

/* Length of the front of s that goes out as it is. */
static size_t plain_len(sp_str s)
{
	size_t i = 0;
	for (; i + 16 <= s.len; i += 16) {
		bytes16 b;
		memcpy(&b, s.ptr + i, sizeof b);
		/* Signed: bytes from 0x80 on are below 0x20 too. */
		bytes16 special = (bytes16)((b < 0x20) | (b == '"') | (b == '\\') | (b == '<') | (b == '>') |
					    (b == '&'));
		uint64_t any[2];
		memcpy(any, &special, sizeof any);
		if ((any[0] | any[1]) != 0)
			break;
	}
	for (; i < s.len; i++) {
		int8_t c = (int8_t)s.ptr[i];
		if (c < 0x20 || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&')
			break;
	}
	return i;
}

/* Appends the character at the front of s, which is not plain; returns its length. */
static size_t write_special(sp_buf *out, sp_str s)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t c = (uint8_t)s.ptr[0];
	if (c >= 0x80) {
		uint32_t rune;
		size_t n = sp_utf8_decode(s, &rune);
		if (n == 1)
			sp_buf_append(out, "\\ufffd", 6);
		else if (rune == 0x2028 || rune == 0x2029)
			sp_buf_append(out, rune == 0x2028 ? "\\u2028" : "\\u2029", 6);
		else
			sp_buf_append(out, s.ptr, n);
		return n;
	}
	static const char named[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *at = memchr(named, c, sizeof named - 1);
	if (at != NULL)
		sp_buf_append(out, (char[]){'\\', letters[at - named]}, 2);
	else
		sp_buf_append(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
	return 1;
}

sp_code sp_json_write_str(sp_buf *out, sp_str s)
{
	size_t plain = plain_len(s);
	size_t room;
	if (plain == s.len && sp_add(plain, (size_t)2, &room)) {
		char *p = sp_buf_reserve(out, room);
		if (p == NULL)
			return sp_buf_code(out);
		p[0] = '"';
		if (plain != 0)
			memcpy(p + 1, s.ptr, plain);
		p[plain + 1] = '"';
		sp_buf_added(out, room);
		return SP_OK;
	}
	sp_buf_char(out, '"');
	for (size_t i = 0; i < s.len;) {
		sp_str rest = {s.ptr + i, s.len - i};
		plain = plain_len(rest);
		sp_buf_append(out, rest.ptr, plain);
		i += plain;
		if (i < s.len)
			i += write_special(out, (sp_str){s.ptr + i, s.len - i});
	}
	return sp_buf_char(out, '"');
}

/* ---- reading ---- */

static bool take_hex4(sp_str *in, uint32_t *ret)
{
	if (in->len < 4)
		return false;
	uint32_t v = 0;
	for (size_t i = 0; i < 4; i++) {
		char c = in->ptr[i], low = (char)(c | 0x20);
		if (c >= '0' && c <= '9')
			v = v << 4 | (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			v = v << 4 | (uint32_t)(low - 'a' + 10);
		else
			return false;
	}
	*in = sp_str_sub(*in, 4, in->len);
	*ret = v;
	return true;
}

/* After "\\u": one unit, or two that make one rune. A surrogate alone becomes U+FFFD, as in Go. */
static bool take_rune(sp_str *in, uint32_t *ret)
{
	uint32_t high, low;
	if (!take_hex4(in, &high))
		return false;
	*ret = high;
	if (high < 0xd800 || high > 0xdfff)
		return true;
	*ret = 0xfffd;
	sp_str rest = *in;
	if (high < 0xdc00 && sp_str_take(&rest, SP_STR("\\u")) && take_hex4(&rest, &low) && low >= 0xdc00 &&
	    low <= 0xdfff) {
		*ret = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
		*in = rest;
	}
	return true;
}

static bool take_escape(sp_str *in, sp_buf *out)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	if (in->len == 0)
		return false;
	char c = in->ptr[0];
	*in = sp_str_sub(*in, 1, in->len);
	if (c == 'u') {
		uint32_t rune;
		char text[4];
		if (!take_rune(in, &rune))
			return false;
		(void)sp_buf_append(out, text, sp_utf8_encode(text, rune));
		return true;
	}
	const char *at = memchr(letters, c, sizeof letters - 1);
	if (at == NULL)
		return false;
	(void)sp_buf_char(out, meant[at - letters]);
	return true;
}

sp_code sp_json_span_text(sp_str value, sp_buf *out)
{
	if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"')
		return SP_EINVAL;
	sp_str rest = sp_str_sub(value, 1, value.len - 1);
	while (rest.len > 0) {
		ptrdiff_t plain = sp_str_index(rest, '\\');
		size_t n = plain < 0 ? rest.len : (size_t)plain;
		(void)sp_buf_append(out, rest.ptr, n);
		rest = sp_str_sub(rest, n, rest.len);
		if (rest.len == 0)
			break;
		rest = sp_str_sub(rest, 1, rest.len);
		if (!take_escape(&rest, out))
			return SP_EINVAL;
	}
	return sp_buf_code(out);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void sp_base64_encode(char *out, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	for (; n >= 3; n -= 3, p += 3) {
		uint32_t v = ((uint32_t)p[0] << 16) | ((uint32_t)p[1] << 8) | p[2];
		*out++ = alphabet[v >> 18];
		*out++ = alphabet[(v >> 12) & 63];
		*out++ = alphabet[(v >> 6) & 63];
		*out++ = alphabet[v & 63];
	}
	if (n == 0)
		return;
	uint32_t v = ((uint32_t)p[0] << 16) | (n == 2 ? (uint32_t)p[1] << 8 : 0);
	*out++ = alphabet[v >> 18];
	*out++ = alphabet[(v >> 12) & 63];
	*out++ = n == 2 ? alphabet[(v >> 6) & 63] : '=';
	*out = '=';
}

sp_code sp_base64_append(sp_buf *out, const void *bytes, size_t n)
{
	if (n == 0)
		return sp_buf_code(out);
	size_t len = sp_base64_text_len(n);
	char *room = sp_buf_reserve(out, len == 0 ? SIZE_MAX : len);
	if (room == NULL)
		return sp_buf_code(out);
	sp_base64_encode(room, bytes, n);
	sp_buf_added(out, len);
	return SP_OK;
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_newline(char c)
{
	return c == '\n' || c == '\r';
}

static sp_code illegal(sp_err *err, size_t at)
{
	return sp_fail(err, SP_EINVAL, "illegal base64 data at input byte %zu", at);
}

/* After `n_chars` characters of a group, at the first '=': the rest must be padding and newlines. */
static sp_code check_padding(sp_str text, size_t at, size_t n_chars, sp_err *err)
{
	if (n_chars < 2)
		return illegal(err, at);
	size_t i = at + 1;
	if (n_chars == 2) {
		while (i < text.len && is_newline(text.ptr[i]))
			i++;
		if (i == text.len)
			return illegal(err, text.len);
		if (text.ptr[i] != '=')
			return illegal(err, i - 1);
		i++;
	}
	while (i < text.len && is_newline(text.ptr[i]))
		i++;
	return i == text.len ? SP_OK : illegal(err, i);
}

sp_code sp_base64_decode(sp_str text, uint8_t *out, size_t *ret_n, sp_err *err)
{
	uint32_t group = 0;
	size_t n_chars = 0, n = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (is_newline(c))
			continue;
		if (c == '=') {
			SP_TRY(check_padding(text, i, n_chars, err));
			out[n++] = (uint8_t)(group >> (n_chars == 2 ? 4 : 10));
			if (n_chars == 3)
				out[n++] = (uint8_t)(group >> 2);
			n_chars = 0;
			break;
		}
		int v = value_of(c);
		if (v < 0)
			return illegal(err, i);
		group = (group << 6) | (uint32_t)v;
		if (++n_chars == 4) {
			out[n++] = (uint8_t)(group >> 16);
			out[n++] = (uint8_t)(group >> 8);
			out[n++] = (uint8_t)group;
			n_chars = 0;
		}
	}
	if (n_chars != 0) /* Go names the start of the group it could not finish */
		return illegal(err, text.len - n_chars);
	*ret_n = n;
	return SP_OK;
}

sp_code sp_base64url_append(sp_buf *out, const void *bytes, size_t n)
{
	size_t from = out->len;
	SP_TRY(sp_base64_append(out, bytes, n));
	while (out->len > from && out->ptr[out->len - 1] == '=')
		out->len--;
	for (size_t i = from; i < out->len; i++) {
		char c = out->ptr[i];
		out->ptr[i] = c == '+' ? '-' : c == '/' ? '_' : c;
	}
	return SP_OK;
}

static int url_value_of(char c)
{
	if (c == '+' || c == '/')
		return -1;
	return value_of(c == '-' ? '+' : c == '_' ? '/' : c);
}

sp_code sp_base64url_decode(sp_str text, uint8_t *out, size_t *ret_n, sp_err *err)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;
	for (size_t i = 0; i < text.len; i++) {
		int v = url_value_of(text.ptr[i]);
		if (v < 0)
			return illegal(err, i);
		bits = (bits << 6 | (uint32_t)v) & 0xffffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			out[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	if (n_bits == 6 || (bits & ((1u << n_bits) - 1)) != 0)
		return illegal(err, text.len);
	*ret_n = n;
	return SP_OK;
}

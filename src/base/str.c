/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

sp_str sp_str_sub(sp_str s, size_t from, size_t to)
{
	if (to > s.len)
		to = s.len;
	if (from >= to)
		return (sp_str){NULL, 0};
	return (sp_str){s.ptr + from, to - from};
}

int sp_str_cmp(sp_str a, sp_str b)
{
	size_t n = SP_MIN(a.len, b.len);
	int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
	if (c != 0)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool sp_str_eq_nocase(sp_str a, sp_str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.ptr[i]) != lower(b.ptr[i]))
			return false;
	}
	return true;
}

bool sp_str_starts(sp_str s, sp_str prefix)
{
	return s.len >= prefix.len && sp_str_eq(sp_str_sub(s, 0, prefix.len), prefix);
}

bool sp_str_ends(sp_str s, sp_str suffix)
{
	return s.len >= suffix.len && sp_str_eq(sp_str_sub(s, s.len - suffix.len, s.len), suffix);
}

ptrdiff_t sp_str_index(sp_str s, char c)
{
	const char *p = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
	return p == NULL ? -1 : p - s.ptr;
}

ptrdiff_t sp_str_rindex(sp_str s, char c)
{
	const char *p = s.len == 0 ? NULL : memrchr(s.ptr, c, s.len);
	return p == NULL ? -1 : p - s.ptr;
}

ptrdiff_t sp_str_find(sp_str s, sp_str needle)
{
	if (needle.len == 0)
		return 0;
	const char *p = s.len == 0 ? NULL : memmem(s.ptr, s.len, needle.ptr, needle.len);
	return p == NULL ? -1 : p - s.ptr;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

sp_str sp_str_trim(sp_str s)
{
	while (s.len > 0 && is_blank(s.ptr[0])) {
		s.ptr++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool sp_str_take(sp_str *in, sp_str prefix)
{
	if (!sp_str_starts(*in, prefix))
		return false;
	*in = sp_str_sub(*in, prefix.len, in->len);
	return true;
}

bool sp_str_cut(sp_str *in, char sep, sp_str *ret_head)
{
	ptrdiff_t at = sp_str_index(*in, sep);
	if (at < 0)
		return false;
	*ret_head = sp_str_sub(*in, 0, (size_t)at);
	*in = sp_str_sub(*in, (size_t)at + 1, in->len);
	return true;
}

/* Length of the well-formed sequence at p (n bytes left), or 0. Table 3-7 of the Unicode standard. */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return n >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		unsigned char min = p[0] == 0xe0 ? 0xa0 : 0x80;
		unsigned char max = p[0] == 0xed ? 0x9f : 0xbf;
		return n >= 3 && p[1] >= min && p[1] <= max && (p[2] & 0xc0) == 0x80 ? 3 : 0;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		unsigned char min = p[0] == 0xf0 ? 0x90 : 0x80;
		unsigned char max = p[0] == 0xf4 ? 0x8f : 0xbf;
		return n >= 4 && p[1] >= min && p[1] <= max && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80
			       ? 4
			       : 0;
	}
	return 0;
}

bool sp_str_is_utf8(sp_str s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	for (size_t i = 0; i < s.len;) {
		size_t n = utf8_sequence(p + i, s.len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

bool sp_str_eq_const_time(sp_str a, sp_str b)
{
	if (a.len != b.len)
		return false;
	volatile unsigned char diff = 0;
	for (size_t i = 0; i < a.len; i++)
		diff = (unsigned char)(diff | (a.ptr[i] ^ b.ptr[i]));
	return diff == 0;
}

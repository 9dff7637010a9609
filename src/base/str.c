/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include "base/utf8.h"

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

bool sp_strs_have(const sp_strs *list, const sp_str *wanted, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool found = false;
		for (size_t j = 0; j < list->n && !found; j++)
			found = sp_str_eq(list->items[j], wanted[i]);
		if (!found)
			return false;
	}
	return true;
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

bool sp_str_next(sp_str *list, char sep, sp_str *ret)
{
	if (list->len == 0)
		return false;
	if (!sp_str_cut(list, sep, ret)) {
		*ret = *list;
		*list = sp_str_sub(*list, list->len, list->len);
	}
	return true;
}

bool sp_str_is_utf8(sp_str s)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = sp_utf8_len((sp_str){s.ptr + i, s.len - i});
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

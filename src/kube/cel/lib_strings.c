/* SPDX-License-Identifier: Apache-2.0 */
/* The strings extension. Positions count characters. U: cel-go ext/strings.go */
#include "base/utf8.h"
#include "kube/cel/lib.h"

/* The byte at which character i begins; the length for i = count. False: beyond. */
static bool byte_of(sp_str s, int64_t i, size_t *ret)
{
	size_t at = 0;
	uint32_t rune;
	if (i < 0)
		return false;
	for (; i > 0 && at < s.len; i--)
		at += sp_utf8_decode(sp_str_sub(s, at, s.len), &rune);
	*ret = at;
	return i == 0;
}

static sp_cel_val out_of_range(cel_ctx *c, int64_t i)
{
	return cel_errorf(c, "index out of range: %lld", (long long)i);
}

static sp_cel_val char_at(cel_ctx *c, const sp_cel_val *a)
{
	sp_str s = sp_cel_str(a[0]);
	size_t from;
	uint32_t rune;
	if (!byte_of(s, a[1].i, &from))
		return out_of_range(c, a[1].i);
	sp_str rest = sp_str_sub(s, from, s.len);
	return sp_cel_of_str(rest.len == 0 ? rest : sp_str_sub(rest, 0, sp_utf8_decode(rest, &rune)));
}

static sp_cel_val index_from(cel_ctx *c, sp_str s, sp_str sub, int64_t from)
{
	size_t at;
	if (sub.len == 0)
		return sp_cel_of_int(from);
	if (from < 0)
		return out_of_range(c, from);
	if (!byte_of(s, from, &at) || at >= s.len)
		return sp_cel_of_int(-1);
	ptrdiff_t found = sp_str_find(sp_str_sub(s, at, s.len), sub);
	return sp_cel_of_int(found < 0 ? -1 : (int64_t)sp_utf8_count(sp_str_sub(s, 0, at + (size_t)found)));
}

static sp_cel_val index_of(cel_ctx *c, const sp_cel_val *a)
{
	return index_from(c, sp_cel_str(a[0]), sp_cel_str(a[1]), 0);
}

static sp_cel_val index_of_from(cel_ctx *c, const sp_cel_val *a)
{
	return index_from(c, sp_cel_str(a[0]), sp_cel_str(a[1]), a[2].i);
}

static sp_cel_val last_index(cel_ctx *c, sp_str s, sp_str sub, int64_t from)
{
	size_t at;
	if (sub.len == 0)
		return sp_cel_of_int(from);
	if (from < 0)
		return out_of_range(c, from);
	if (!byte_of(s, from, &at) || at >= s.len || sub.len > s.len)
		return sp_cel_of_int(-1);
	for (size_t i = SP_MIN(at, s.len - sub.len) + 1; i-- > 0;) {
		if (memcmp(s.ptr + i, sub.ptr, sub.len) == 0)
			return sp_cel_of_int((int64_t)sp_utf8_count(sp_str_sub(s, 0, i)));
	}
	return sp_cel_of_int(-1);
}

static sp_cel_val last_index_of(cel_ctx *c, const sp_cel_val *a)
{
	sp_str s = sp_cel_str(a[0]), sub = sp_cel_str(a[1]);
	int64_t n = (int64_t)sp_utf8_count(s);
	if (sub.len == 0)
		return sp_cel_of_int(n);
	return s.len < sub.len ? sp_cel_of_int(-1) : last_index(c, s, sub, n - 1);
}

static sp_cel_val last_index_of_from(cel_ctx *c, const sp_cel_val *a)
{
	return last_index(c, sp_cel_str(a[0]), sp_cel_str(a[1]), a[2].i);
}

static sp_cel_val with_case(cel_ctx *c, sp_str s, char from, char to, int shift)
{
	char *p = sp_arena_try_alloc(c->arena, s.len + 1);
	if (p == NULL)
		return cel_oom(c);
	for (size_t i = 0; i < s.len; i++)
		p[i] = s.ptr[i] >= from && s.ptr[i] <= to ? (char)(s.ptr[i] + shift) : s.ptr[i];
	return sp_cel_of_str((sp_str){p, s.len});
}

static sp_cel_val lower_ascii(cel_ctx *c, const sp_cel_val *a)
{
	return with_case(c, sp_cel_str(a[0]), 'A', 'Z', 'a' - 'A');
}

static sp_cel_val upper_ascii(cel_ctx *c, const sp_cel_val *a)
{
	return with_case(c, sp_cel_str(a[0]), 'a', 'z', 'A' - 'a');
}

/* Go's strings.Replace: an empty old matches before every character and at the end. */
static sp_cel_val replace_n(cel_ctx *c, sp_str s, sp_str old, sp_str new, int64_t n)
{
	SP_AUTO_BUF out;
	uint32_t rune;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	for (int64_t i = 0; n < 0 || i < n; i++) {
		if (old.len == 0) {
			size_t one = i == 0 || s.len == 0 ? 0 : sp_utf8_decode(s, &rune);
			if (i > 0 && one == 0)
				break;
			(void)sp_buf_append(&out, s.ptr, one);
			s = sp_str_sub(s, one, s.len);
			(void)sp_buf_str(&out, new);
		} else {
			ptrdiff_t at = sp_str_find(s, old);
			if (at < 0)
				break;
			(void)sp_buf_append(&out, s.ptr, (size_t)at);
			(void)sp_buf_str(&out, new);
			s = sp_str_sub(s, (size_t)at + old.len, s.len);
		}
		if (sp_buf_code(&out) != SP_OK)
			return cel_oom(c);
	}
	(void)sp_buf_str(&out, s);
	return cel_buf_text(c, &out);
}

static sp_cel_val replace(cel_ctx *c, const sp_cel_val *a)
{
	return replace_n(c, sp_cel_str(a[0]), sp_cel_str(a[1]), sp_cel_str(a[2]), -1);
}

static sp_cel_val replace_some(cel_ctx *c, const sp_cel_val *a)
{
	return replace_n(c, sp_cel_str(a[0]), sp_cel_str(a[1]), sp_cel_str(a[2]), a[3].i);
}

static sp_cel_val split_n(cel_ctx *c, sp_str s, sp_str sep, int64_t n)
{
	sp_cel_val out = cel_list_new(c, 4);
	uint32_t rune;
	if (n == 0 || (sep.len == 0 && s.len == 0))
		return out;
	while (!cel_is_err(out) && (n < 0 || (int64_t)out.n < n - 1)) {
		ptrdiff_t at = sep.len > 0 ? sp_str_find(s, sep) : (ptrdiff_t)sp_utf8_decode(s, &rune);
		if (at < 0 || (sep.len == 0 && (size_t)at == s.len))
			break;
		if (!cel_list_append(c, &out, sp_cel_of_str(sp_str_sub(s, 0, (size_t)at))))
			return cel_oom(c);
		s = sp_str_sub(s, (size_t)at + sep.len, s.len);
	}
	(void)(!cel_is_err(out) && cel_list_append(c, &out, sp_cel_of_str(s)));
	return out;
}

static sp_cel_val split(cel_ctx *c, const sp_cel_val *a)
{
	return split_n(c, sp_cel_str(a[0]), sp_cel_str(a[1]), -1);
}

static sp_cel_val split_some(cel_ctx *c, const sp_cel_val *a)
{
	return split_n(c, sp_cel_str(a[0]), sp_cel_str(a[1]), a[2].i);
}

static sp_cel_val substring(cel_ctx *c, const sp_cel_val *a)
{
	size_t from;
	if (!byte_of(sp_cel_str(a[0]), a[1].i, &from))
		return out_of_range(c, a[1].i);
	return sp_cel_of_str(sp_str_sub(sp_cel_str(a[0]), from, a[0].len));
}

static sp_cel_val substring_to(cel_ctx *c, const sp_cel_val *a)
{
	size_t from, to;
	if (a[1].i > a[2].i)
		return cel_errorf(c, "invalid substring range. start: %lld, end: %lld", (long long)a[1].i,
				  (long long)a[2].i);
	if (!byte_of(sp_cel_str(a[0]), a[1].i, &from))
		return out_of_range(c, a[1].i);
	if (!byte_of(sp_cel_str(a[0]), a[2].i, &to))
		return out_of_range(c, a[2].i);
	return sp_cel_of_str(sp_str_sub(sp_cel_str(a[0]), from, to));
}

/* unicode.IsSpace. */
static bool is_space(uint32_t r)
{
	return (r >= 9 && r <= 13) || r == ' ' || r == 0x85 || r == 0xa0 || r == 0x1680 ||
	       (r >= 0x2000 && r <= 0x200a) || r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f ||
	       r == 0x3000;
}

static sp_cel_val trim(cel_ctx *c, const sp_cel_val *a)
{
	sp_str s = sp_cel_str(a[0]);
	uint32_t rune;
	(void)c;
	while (s.len > 0) {
		size_t n = sp_utf8_decode(s, &rune);
		if (!is_space(rune))
			break;
		s = sp_str_sub(s, n, s.len);
	}
	while (s.len > 0) {
		size_t n = sp_utf8_decode_last(s, &rune);
		if (!is_space(rune))
			break;
		s = sp_str_sub(s, 0, s.len - n);
	}
	return sp_cel_of_str(s);
}

static sp_cel_val join_with(cel_ctx *c, sp_cel_val list, sp_str sep)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	cel_iter it = cel_iter_of(list);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (v.kind != SP_CEL_STRING)
			return cel_error_val(c, "join: invalid input: ", v);
		if (key.i > 0)
			(void)sp_buf_str(&out, sep);
		if (sp_buf_str(&out, sp_cel_str(v)) != SP_OK)
			break;
	}
	return cel_buf_text(c, &out);
}

static sp_cel_val join(cel_ctx *c, const sp_cel_val *a)
{
	return join_with(c, a[0], (sp_str){NULL, 0});
}

static sp_cel_val join_sep(cel_ctx *c, const sp_cel_val *a)
{
	return join_with(c, a[0], sp_cel_str(a[1]));
}

static sp_cel_val quote(cel_ctx *c, const sp_cel_val *a)
{
	static const char from[] = "\a\b\f\n\r\t\v\\\"", to[] = "abfnrtv\\\"";
	SP_AUTO_BUF out;
	sp_str s = sp_cel_str(a[0]);
	char utf8[SP_UTF8_MAX_BYTES];
	uint32_t rune;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	(void)sp_buf_char(&out, '"');
	while (s.len > 0) {
		size_t n = sp_utf8_decode(s, &rune);
		const char *known = rune == 0 || rune > 127 ? NULL : strchr(from, (int)rune);
		if (known != NULL)
			(void)sp_buf_printf(&out, "\\%c", to[known - from]);
		else
			(void)sp_buf_append(&out, utf8, sp_utf8_encode(utf8, rune));
		s = sp_str_sub(s, n, s.len);
	}
	(void)sp_buf_char(&out, '"');
	return cel_buf_text(c, &out);
}

static sp_cel_val reverse(cel_ctx *c, const sp_cel_val *a)
{
	sp_str s = sp_cel_str(a[0]);
	char *p = sp_arena_try_alloc(c->arena, s.len + 1);
	uint32_t rune;
	if (p == NULL)
		return cel_oom(c);
	for (size_t at = 0; at < s.len;) {
		size_t n = sp_utf8_decode(sp_str_sub(s, at, s.len), &rune);
		memcpy(p + s.len - at - n, s.ptr + at, n);
		at += n;
	}
	return sp_cel_of_str((sp_str){p, s.len});
}

#define S &sp_cel_string
#define I &sp_cel_int
#define TARGET CEL_COST_TRAVERSE_TARGET

CEL_LIBRARY(cel_lib_strings, SP_CEL_LIB_STRINGS, CEL_MEMBER("charAt", "string_char_at_int", char_at, S, S, I),
	    CEL_MEMBER_COST("indexOf", "string_index_of_string", CEL_COST_SCAN, index_of, I, S, S),
	    CEL_MEMBER_COST("indexOf", "string_index_of_string_int", CEL_COST_SCAN, index_of_from, I, S, S,
			    I),
	    CEL_MEMBER_COST("lastIndexOf", "string_last_index_of_string", CEL_COST_SCAN, last_index_of, I, S,
			    S),
	    CEL_MEMBER_COST("lastIndexOf", "string_last_index_of_string_int", CEL_COST_SCAN,
			    last_index_of_from, I, S, S, I),
	    CEL_MEMBER_COST("lowerAscii", "string_lower_ascii", TARGET, lower_ascii, S, S),
	    CEL_MEMBER_COST("replace", "string_replace_string_string", CEL_COST_REPLACE, replace, S, S, S, S),
	    CEL_MEMBER_COST("replace", "string_replace_string_string_int", CEL_COST_REPLACE, replace_some, S,
			    S, S, S, I),
	    CEL_MEMBER_COST("split", "string_split_string", CEL_COST_SPLIT, split, &cel_t_list_string, S, S),
	    CEL_MEMBER_COST("split", "string_split_string_int", CEL_COST_SPLIT, split_some,
			    &cel_t_list_string, S, S, I),
	    CEL_MEMBER_COST("substring", "string_substring_int", TARGET, substring, S, S, I),
	    CEL_MEMBER_COST("substring", "string_substring_int_int", TARGET, substring_to, S, S, I, I),
	    CEL_MEMBER_COST("trim", "string_trim", TARGET, trim, S, S),
	    CEL_MEMBER_COST("upperAscii", "string_upper_ascii", TARGET, upper_ascii, S, S),
	    CEL_MEMBER_COST("format", "string_format", CEL_COST_FORMAT, cel_string_format, S, S,
			    &sp_cel_list_dyn),
	    CEL_FN_COST("strings.quote", "strings_quote", CEL_COST_QUOTE, quote, S, S),
	    CEL_MEMBER_COST("join", "list_join", CEL_COST_JOIN, join, S, &cel_t_list_string),
	    CEL_MEMBER_COST("join", "list_join_string", CEL_COST_JOIN, join_sep, S, &cel_t_list_string, S));

CEL_LIBRARY(cel_lib_strings_new, SP_CEL_LIB_ALL_STRINGS,
	    CEL_MEMBER("reverse", "string_reverse", reverse, S, S));

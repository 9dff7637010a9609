/* SPDX-License-Identifier: Apache-2.0 */
/* JSON names as identifiers. U: apiserver pkg/cel/escaping.go */
#include "kube/cel/value.h"

static const char *const words[] = {"true",     "false",   "null",      "in",       "as",  "break",  "const",
				    "continue", "else",    "for",       "function", "if",  "import", "let",
				    "loop",     "package", "namespace", "return",   "var", "void",   "while"};

static const struct {
	char text[4], name[12];
} signs[] = {{"__", "underscores"}, {".", "dot"}, {"-", "dash"}, {"/", "slash"}};

static bool is_word(sp_str s)
{
	for (size_t i = 0; i < SP_LEN(words); i++) {
		if (sp_str_eq(s, sp_str_c(words[i])))
			return true;
	}
	return false;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The sign at the front of s, or -1. */
static int sign_at(sp_str s)
{
	for (size_t i = 0; i < SP_LEN(signs); i++) {
		if (sp_str_starts(s, sp_str_c(signs[i].text)))
			return (int)i;
	}
	return -1;
}

bool sp_cel_escape(sp_arena *a, sp_str name, sp_str *ret)
{
	if (name.len == 0 || (name.ptr[0] >= '0' && name.ptr[0] <= '9'))
		return false;
	if (is_word(name)) {
		*ret = SP_CONCAT(a, SP_STR("__"), name, SP_STR("__"));
		return ret->len > 0;
	}
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)8 << 20);
	bool changed = false;
	for (sp_str rest = name; rest.len > 0;) {
		int sign = sign_at(rest);
		if (sign >= 0) {
			changed = true;
			(void)sp_buf_printf(&out, "__%s__", signs[sign].name);
			rest = sp_str_sub(rest, strlen(signs[sign].text), rest.len);
			continue;
		}
		if (!is_plain(rest.ptr[0]))
			return false;
		(void)sp_buf_char(&out, rest.ptr[0]);
		rest = sp_str_sub(rest, 1, rest.len);
	}
	*ret = changed ? sp_arena_try_dup(a, sp_buf_view(&out)) : name;
	return ret->len > 0;
}

/* Length of the word between two pairs of underscores at the front of s: "__dot__"; 0: none. */
static size_t escaped_word(sp_str s)
{
	size_t i = 2;
	if (!sp_str_starts(s, SP_STR("__")))
		return 0;
	while (i < s.len && s.ptr[i] != '_')
		i++;
	return i > 2 && i + 1 < s.len && s.ptr[i + 1] == '_' ? i - 2 : 0;
}

bool sp_cel_unescape(sp_arena *a, sp_str escaped, sp_str *ret)
{
	if (sp_str_find(escaped, SP_STR("__")) < 0) {
		*ret = escaped;
		return true;
	}
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)8 << 20);
	for (sp_str rest = escaped; rest.len > 0;) {
		size_t n = escaped_word(rest);
		if (n == 0) {
			(void)sp_buf_char(&out, rest.ptr[0]);
			rest = sp_str_sub(rest, 1, rest.len);
			continue;
		}
		sp_str word = sp_str_sub(rest, 2, 2 + n);
		const char *text = NULL;
		for (size_t i = 0; i < SP_LEN(signs); i++) {
			if (sp_str_eq(word, sp_str_c(signs[i].name)))
				text = signs[i].text;
		}
		if (text == NULL && (!is_word(word) || rest.len != escaped.len || n + 4 != escaped.len))
			return false;
		(void)sp_buf_str(&out, text != NULL ? sp_str_c(text) : word);
		rest = sp_str_sub(rest, n + 4, rest.len);
	}
	*ret = sp_arena_try_dup(a, sp_buf_view(&out));
	return ret->len > 0;
}

bool cel_is_keyword(sp_str name)
{
	return is_word(name);
}

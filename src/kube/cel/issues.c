/* SPDX-License-Identifier: Apache-2.0 */
/* Complaints about an expression and their text with the line they point at. U: cel-go common/errors.go,
 * error.go */
#include <stdio.h>

#include "base/utf8.h"
#include "kube/cel/ast.h"

#define SNIPPET_BYTES_MAX 16384u

/* Line and column (from 0) of a byte, in characters. */
static void place(sp_str source, uint32_t at, uint32_t *ret_line, uint32_t *ret_column)
{
	size_t line_from = 0;
	uint32_t line = 1;
	for (size_t i = 0; i < at && i < source.len; i++) {
		if (source.ptr[i] == '\n') {
			line++;
			line_from = i + 1;
		}
	}
	*ret_line = line;
	*ret_column = (uint32_t)sp_utf8_count(sp_str_sub(source, line_from, at));
}

void cel_issue_str(cel_compiler *c, uint32_t at, sp_str text)
{
	if (c->n_issues == CEL_ISSUES_MAX) {
		c->n_dropped++;
		return;
	}
	if (c->n_issues == c->cap_issues) {
		uint32_t cap = c->cap_issues == 0 ? 4 : c->cap_issues * 2;
		sp_cel_issue *more = sp_arena_try_grow(c->arena, c->issues, c->cap_issues * sizeof(*more),
						       cap * sizeof(*more));
		if (more == NULL) {
			c->no_memory = true;
			return;
		}
		c->issues = more;
		c->cap_issues = cap;
	}
	sp_cel_issue *it = &c->issues[c->n_issues++];
	place(c->source, at, &it->line, &it->column);
	it->column += c->source.len > 0; /* upstream points before a text that is empty */
	it->text = sp_arena_try_dup(c->arena, text);
	c->no_memory |= it->text.len != text.len;
}

void cel_issue(cel_compiler *c, uint32_t at, const char *fmt, ...)
{
	char small[512];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(small, sizeof(small), fmt, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(small)) {
		cel_issue_str(c, at, (sp_str){small, (size_t)n});
		return;
	}
	char *big = n < 0 ? NULL : sp_arena_try_alloc(c->arena, (size_t)n + 1);
	if (big == NULL) {
		c->no_memory = true;
		return;
	}
	va_start(args, fmt);
	(void)vsnprintf(big, (size_t)n + 1, fmt, args);
	va_end(args);
	cel_issue_str(c, at, (sp_str){big, (size_t)n});
}

static int by_place(const sp_cel_issue *a, const sp_cel_issue *b)
{
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

/* The line and, below it, a mark: points up to the column, wide ones under wide characters. */
static void snippet(sp_buf *out, sp_str source, const sp_cel_issue *it)
{
	sp_str rest = source, line = source;
	for (uint32_t i = 1; i <= it->line; i++) {
		if (!sp_str_cut(&rest, '\n', &line)) {
			line = rest;
			rest = (sp_str){NULL, 0};
		}
	}
	if (line.len > SNIPPET_BYTES_MAX || source.len == 0)
		return;
	(void)sp_buf_str(out, SP_STR("\n | "));
	for (size_t i = 0; i < line.len; i++)
		(void)sp_buf_char(out, line.ptr[i] == '\t' ? ' ' : line.ptr[i]);
	(void)sp_buf_str(out, SP_STR("\n | "));
	uint32_t rune;
	for (uint32_t i = 1; i < it->column && line.len > 0; i++) {
		size_t n = sp_utf8_decode(line, &rune);
		(void)sp_buf_str(out, n > 1 ? SP_STR("\uff0e") : SP_STR("."));
		line = sp_str_sub(line, n, line.len);
	}
	bool wide = line.len > 0 && sp_utf8_decode(line, &rune) > 1;
	(void)sp_buf_str(out, wide ? SP_STR("\uff3e") : SP_STR("^"));
}

bool cel_issues_finish(cel_compiler *c, sp_cel_issues *ret)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, (size_t)4 << 20);
	/* At most a hundred, nearly in order: insertion keeps equal places as they came. */
	for (uint32_t i = 1; i < c->n_issues; i++) {
		sp_cel_issue it = c->issues[i];
		uint32_t k = i;
		for (; k > 0 && by_place(&c->issues[k - 1], &it) > 0; k--)
			c->issues[k] = c->issues[k - 1];
		c->issues[k] = it;
	}
	for (uint32_t i = 0; i < c->n_issues; i++) {
		const sp_cel_issue *it = &c->issues[i];
		(void)sp_buf_printf(&out, "%sERROR: <input>:%u:%u: " SP_FMT, i == 0 ? "" : "\n", it->line,
				    it->column, SP_ARG(it->text));
		snippet(&out, c->source, it);
	}
	if (c->n_dropped > 0)
		(void)sp_buf_printf(&out, "\n%u more errors were truncated", c->n_dropped);
	ret->items = c->issues;
	ret->n = c->n_issues;
	ret->text = sp_arena_try_dup(c->arena, sp_buf_view(&out));
	return sp_buf_code(&out) == SP_OK && ret->text.len == out.len;
}

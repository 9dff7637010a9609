/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/diff.h"

#include "base/json_out.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define CONTEXT ((size_t)3)
#define BETWEEN_MAX (2 * CONTEXT) /* equal lines between changes of one hunk */

typedef struct lines {
	sp_str *at;
	size_t n;
} lines;

/* One step of the way from the old lines to the new ones. */
typedef struct step {
	char mark; /* ' ', '-', '+' */
	sp_str text;
	size_t old_at, now_at; /* lines of either side before it */
} step;

static bool split(sp_arena *a, yyjson_mut_val *v, lines *ret)
{
	SP_AUTO_BUF json, text;
	sp_buf_init(&json, TEXT_BYTES_MAX);
	sp_buf_init(&text, TEXT_BYTES_MAX);
	*ret = (lines){0};
	if (v != NULL &&
	    (sp_json_write_mut(&json, v) != SP_OK || sp_json_indent(&text, sp_buf_view(&json), 1) != SP_OK))
		return false;
	sp_str rest = sp_arena_try_dup(a, sp_buf_view(&text));
	size_t max = 1;
	for (size_t i = 0; i < rest.len; i++)
		max += rest.ptr[i] == '\n';
	ret->at = sp_try_new(a, sp_str, max);
	while (rest.len > 0 && ret->at != NULL) {
		sp_str line;
		if (!sp_str_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		ret->at[ret->n++] = line;
	}
	return ret->at != NULL;
}

/* Lengths of the longest common runs of what is left of both; row i, column j. */
static uint16_t *common(sp_arena *a, const lines *x, const lines *y)
{
	uint16_t *t = sp_try_new(a, uint16_t, (x->n + 1) * (y->n + 1));
	for (size_t i = x->n; t != NULL && i-- > 0;) {
		for (size_t j = y->n; j-- > 0;) {
			uint16_t *row = t + i * (y->n + 1), *below = row + y->n + 1;
			row[j] = sp_str_eq(x->at[i], y->at[j]) ? (uint16_t)(below[j + 1] + 1)
							       : (uint16_t)SP_MAX(below[j], row[j + 1]);
		}
	}
	return t;
}

static size_t walk(const lines *x, const lines *y, const uint16_t *t, step *steps)
{
	size_t i = 0, j = 0, n = 0;
	while (i < x->n || j < y->n) {
		const uint16_t *row = t + i * (y->n + 1);
		if (i < x->n && j < y->n && sp_str_eq(x->at[i], y->at[j])) {
			steps[n++] = (step){' ', x->at[i], i, j};
			i++;
			j++;
		} else if (i < x->n && (j == y->n || row[y->n + 1 + j] >= row[j + 1])) {
			steps[n++] = (step){'-', x->at[i], i, j};
			i++;
		} else {
			steps[n++] = (step){'+', y->at[j], i, j};
			j++;
		}
	}
	return n;
}

/* Past the changes from `from` on that stand at most two contexts apart. */
static size_t hunk_end(const step *steps, size_t n, size_t from)
{
	size_t end = from + 1;
	for (size_t i = from; i < n && i <= end + BETWEEN_MAX; i++) {
		if (steps[i].mark != ' ')
			end = i + 1;
	}
	return end;
}

static void write_range(sp_buf *out, char mark, size_t at, size_t n)
{
	/* As difflib: lines count from 1; an empty range names the line before it. */
	(void)sp_buf_printf(out, "%c%zu", mark, n == 0 ? at : at + 1);
	if (n != 1)
		(void)sp_buf_printf(out, ",%zu", n);
}

static void write_hunk(sp_buf *out, const step *steps, size_t from, size_t to)
{
	size_t n_old = 0, n_now = 0;
	for (size_t i = from; i < to; i++) {
		n_old += steps[i].mark != '+';
		n_now += steps[i].mark != '-';
	}
	(void)sp_buf_str(out, SP_STR("@@ "));
	write_range(out, '-', steps[from].old_at, n_old);
	(void)sp_buf_char(out, ' ');
	write_range(out, '+', steps[from].now_at, n_now);
	(void)sp_buf_str(out, SP_STR(" @@\n"));
	for (size_t i = from; i < to; i++) {
		(void)sp_buf_char(out, steps[i].mark);
		(void)sp_buf_str(out, steps[i].text);
		(void)sp_buf_char(out, '\n');
	}
}

static void write_hunks(sp_buf *out, const step *steps, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (steps[i].mark == ' ')
			continue;
		size_t end = hunk_end(steps, n, i);
		write_hunk(out, steps, i < CONTEXT ? 0 : i - CONTEXT, SP_MIN(end + CONTEXT, n));
		i = end;
	}
}

/* The lines that are equal at both ends of long texts are left out of the comparison's table. */
static void trim(lines *x, lines *y)
{
	while (x->n > SP_DIFF_LINES_MAX && y->n > 0 && sp_str_eq(x->at[x->n - 1], y->at[y->n - 1])) {
		x->n--;
		y->n--;
	}
	x->n = SP_MIN(x->n, SP_DIFF_LINES_MAX);
	y->n = SP_MIN(y->n, SP_DIFF_LINES_MAX);
}

sp_str sp_kind_diff(sp_kind_ctx *c, yyjson_mut_val *old, yyjson_mut_val *now)
{
	lines x, y;
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	if (!split(c->arena, old, &x) || !split(c->arena, now, &y))
		return (sp_str){NULL, 0};
	trim(&x, &y);
	uint16_t *table = common(c->arena, &x, &y);
	step *steps = sp_try_new(c->arena, step, x.n + y.n + 1);
	if (table == NULL || steps == NULL)
		return (sp_str){NULL, 0};
	write_hunks(&out, steps, walk(&x, &y, table, steps));
	return sp_arena_try_dup(c->arena, sp_buf_view(&out));
}

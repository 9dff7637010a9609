/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/diff.h"

#include "base/json_out.h"
#include "base/map.h"

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

/* The first SP_DIFF_LINES_MAX lines of the indented text. */
static bool split(sp_arena *a, sp_str json, lines *ret)
{
	SP_AUTO_BUF text;
	sp_buf_init(&text, TEXT_BYTES_MAX);
	*ret = (lines){0};
	if (json.len > 0 && sp_json_indent(&text, json, 1) != SP_OK)
		return false;
	sp_str rest = sp_arena_try_dup(a, sp_buf_view(&text));
	size_t max = 1;
	for (size_t i = 0; i < rest.len; i++)
		max += rest.ptr[i] == '\n';
	ret->at = sp_try_new(a, sp_str, max);
	while (rest.len > 0 && ret->at != NULL && ret->n < SP_DIFF_LINES_MAX) {
		sp_str line;
		if (!sp_str_cut(&rest, '\n', &line)) {
			line = rest;
			rest.len = 0;
		}
		ret->at[ret->n++] = line;
	}
	return ret->at != NULL;
}

/* The places of one text among the new lines. */
typedef struct place {
	struct place *next, *last; /* `last` of the first place only */
	size_t n;                  /* as well */
} place;

/*
 * What difflib's matcher knows: places of the new lines by text, without those that come too often to start a
 * match with, and for each old line its new one.
 */
typedef struct matcher {
	const lines *x, *y;
	place *places, **of_old; /* of each new line; the first of each old line or NULL */
	size_t *mate;            /* of each old line its new one; NO_MATE: none */
	size_t *run, *fresh;     /* lengths of matches that end at a new line, counted from 1 */
} matcher;

#define NO_MATE SIZE_MAX
#define POPULAR_FROM 200u /* fewer lines have no popular ones */

typedef struct span {
	size_t x, x_end, y, y_end;
} span;

typedef struct match {
	size_t x, y, n;
} match;

static bool index_lines(matcher *m, sp_map *heads)
{
	for (size_t j = 0; j < m->y->n; j++) {
		place *p = &m->places[j], *first = sp_map_get(heads, m->y->at[j]);
		if (first == NULL) {
			*p = (place){NULL, p, 1};
			if (sp_map_put(heads, m->y->at[j], p, NULL) != SP_OK)
				return false;
			continue;
		}
		*p = (place){NULL, NULL, 0};
		first->last->next = p;
		first->last = p;
		first->n++;
	}
	for (size_t i = 0; i < m->x->n; i++) {
		place *first = sp_map_get(heads, m->x->at[i]);
		bool popular = first != NULL && m->y->n >= POPULAR_FROM && first->n > m->y->n / 100 + 1;
		m->of_old[i] = popular ? NULL : first;
		m->mate[i] = NO_MATE;
	}
	return true;
}

static void clear_runs(size_t *run, const matcher *m, const place *first)
{
	for (const place *p = first; p != NULL; p = p->next)
		run[p - m->places + 1] = 0;
}

/* The longest run of equal lines in the span, the first of several; popular lines only make it longer. */
static match longest(matcher *m, const span *s)
{
	match best = {s->x, s->y, 0};
	const place *before = NULL;
	for (size_t i = s->x; i < s->x_end; i++) {
		for (const place *p = m->of_old[i]; p != NULL; p = p->next) {
			size_t j = (size_t)(p - m->places);
			if (j < s->y || j >= s->y_end)
				continue;
			size_t n = m->run[j] + 1;
			m->fresh[j + 1] = n;
			if (n > best.n)
				best = (match){i + 1 - n, j + 1 - n, n};
		}
		clear_runs(m->run, m, before);
		before = m->of_old[i];
		size_t *swap = m->run;
		m->run = m->fresh;
		m->fresh = swap;
	}
	clear_runs(m->run, m, before);
	while (best.x > s->x && best.y > s->y && sp_str_eq(m->x->at[best.x - 1], m->y->at[best.y - 1]))
		best = (match){best.x - 1, best.y - 1, best.n + 1};
	while (best.x + best.n < s->x_end && best.y + best.n < s->y_end &&
	       sp_str_eq(m->x->at[best.x + best.n], m->y->at[best.y + best.n]))
		best.n++;
	return best;
}

/* The longest match splits the lines in two parts, and so on; `todo` has room for one span for each old line.
 */
static void match_all(matcher *m, span *todo)
{
	size_t n = 0;
	if (m->x->n > 0 && m->y->n > 0)
		todo[n++] = (span){0, m->x->n, 0, m->y->n};
	while (n > 0) {
		span s = todo[--n];
		match found = longest(m, &s);
		span left = {s.x, found.x, s.y, found.y},
		     right = {found.x + found.n, s.x_end, found.y + found.n, s.y_end};
		for (size_t i = 0; i < found.n; i++)
			m->mate[found.x + i] = found.y + i;
		if (found.n > 0 && left.x < left.x_end && left.y < left.y_end)
			todo[n++] = left;
		if (found.n > 0 && right.x < right.x_end && right.y < right.y_end)
			todo[n++] = right;
	}
}

static size_t walk(const matcher *m, step *steps)
{
	size_t i = 0, j = 0, n = 0;
	while (i < m->x->n || j < m->y->n) {
		if (i < m->x->n && m->mate[i] == NO_MATE) {
			steps[n++] = (step){'-', m->x->at[i], i, j};
			i++;
		} else if (i < m->x->n && m->mate[i] == j) {
			steps[n++] = (step){' ', m->x->at[i], i, j};
			i++;
			j++;
		} else {
			steps[n++] = (step){'+', m->y->at[j], i, j};
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

static sp_str unified(sp_arena *a, const lines *x, const lines *y)
{
	matcher m = {.x = x, .y = y};
	sp_map heads;
	SP_AUTO_BUF out;
	sp_buf_init(&out, TEXT_BYTES_MAX);
	m.places = sp_try_new(a, place, y->n + 1);
	m.of_old = sp_try_new(a, place *, x->n + 1);
	m.mate = sp_try_new(a, size_t, x->n + 1);
	m.run = sp_try_new(a, size_t, y->n + 2);
	m.fresh = sp_try_new(a, size_t, y->n + 2);
	span *todo = sp_try_new(a, span, x->n + 2);
	step *steps = sp_try_new(a, step, x->n + y->n + 1);
	if (m.places == NULL || m.of_old == NULL || m.mate == NULL || m.run == NULL || m.fresh == NULL ||
	    todo == NULL || steps == NULL)
		return (sp_str){NULL, 0};
	sp_map_init(&heads);
	if (index_lines(&m, &heads)) {
		match_all(&m, todo);
		write_hunks(&out, steps, walk(&m, steps));
	}
	sp_map_done(&heads);
	return sp_arena_try_dup(a, sp_buf_view(&out));
}

sp_str sp_kind_diff_texts(sp_kind_ctx *c, sp_str old, sp_str now)
{
	lines x, y;
	if (!split(c->arena, old, &x) || !split(c->arena, now, &y))
		return (sp_str){NULL, 0};
	return unified(c->arena, &x, &y);
}

sp_str sp_kind_diff(sp_kind_ctx *c, yyjson_mut_val *old, yyjson_mut_val *now)
{
	SP_AUTO_BUF x, y;
	sp_buf_init(&x, TEXT_BYTES_MAX);
	sp_buf_init(&y, TEXT_BYTES_MAX);
	if ((old != NULL && sp_json_write_mut(&x, old) != SP_OK) ||
	    (now != NULL && sp_json_write_mut(&y, now) != SP_OK))
		return (sp_str){NULL, 0};
	return sp_kind_diff_texts(c, sp_buf_view(&x), sp_buf_view(&y));
}

sp_str sp_kind_diff_go(sp_kind_ctx *c, const sp_go_type *type, yyjson_mut_val *old, yyjson_mut_val *now)
{
	return sp_kind_diff_texts(c, sp_go_struct(c->arena, type, old), sp_go_struct(c->arena, type, now));
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Random patterns against a backtracking matcher that is as simple as can be: it follows the definition. */
#include "base/buf.h"
#include "kube/regex/regex_int.h"
#include "lib/t.h"

/* A tree of its own, so that a fault of the parser shows too. */
typedef struct tree {
	enum {
		T_CHAR,
		T_ANY,
		T_NOT_A,
		T_BEGIN,
		T_END,
		T_BORDER,
		T_SEQ,
		T_OR,
		T_STAR,
		T_PLUS,
		T_MAYBE,
		T_GROUP
	} op;
	bool lazy;
	char c;
	int group;
	const struct tree *a, *b;
} tree;

static tree *grow(int depth, int *n_groups)
{
	tree *t = sp_new(T_ARENA, tree, 1);
	uint64_t op = depth == 0 ? t_random_below(8) : t_random_below(18);
	if (op < 8) {
		static const int leaves[] = {T_CHAR,  T_CHAR,  T_CHAR, T_ANY,
					     T_NOT_A, T_BEGIN, T_END,  T_BORDER};
		t->op = (unsigned)leaves[op];
		t->c = (char)('a' + t_random_below(2));
		return t;
	}
	static const int inner[] = {T_SEQ, T_SEQ, T_SEQ, T_SEQ, T_OR, T_OR, T_STAR, T_PLUS, T_MAYBE, T_GROUP};
	t->op = (unsigned)inner[op - 8];
	t->lazy = t_random_below(3) == 0;
	if (t->op == T_GROUP)
		t->group = ++*n_groups;
	t->a = grow(depth - 1, n_groups);
	if (t->op == T_SEQ || t->op == T_OR)
		t->b = grow(depth - 1, n_groups);
	return t;
}

static void print(sp_buf *out, const tree *t)
{
	static const char *const leaves[] = {
		[T_ANY] = ".", [T_NOT_A] = "[^a]", [T_BEGIN] = "^", [T_END] = "$", [T_BORDER] = "\\b"};
	if (t->op == T_CHAR)
		(void)sp_buf_char(out, t->c);
	else if (t->op <= T_BORDER)
		(void)sp_buf_str(out, sp_str_c(leaves[t->op]));
	if (t->op <= T_BORDER)
		return;
	(void)sp_buf_str(out, t->op == T_GROUP ? SP_STR("(") : SP_STR("(?:"));
	print(out, t->a);
	if (t->op == T_OR)
		(void)sp_buf_char(out, '|');
	if (t->b != NULL)
		print(out, t->b);
	(void)sp_buf_char(out, ')');
	if (t->op == T_STAR || t->op == T_PLUS || t->op == T_MAYBE) {
		(void)sp_buf_char(out, t->op == T_STAR ? '*' : t->op == T_PLUS ? '+' : '?');
		(void)sp_buf_str(out, t->lazy ? SP_STR("?") : SP_STR(""));
	}
}

/* What is to be matched after the current tree; loops and group ends are such tasks too. */
typedef struct task {
	const tree *t;
	int kind; /* 0: the tree; 1: end of its group; 2: once more or on, for a loop begun at `from` */
	ptrdiff_t from;
	const struct task *next;
} task;

typedef struct naive {
	sp_str text;
	sp_regex_span spans[16];
	int budget;
} naive;

static bool run(naive *m, const task *k, ptrdiff_t at);

static bool loop(naive *m, const tree *t, ptrdiff_t at, const task *next)
{
	task again = {t, 2, at, next};
	task body = {t->a, 0, 0, &again};
	if (t->lazy)
		return run(m, next, at) || run(m, &body, at);
	return run(m, &body, at) || run(m, next, at);
}

static bool is_word_at(sp_str s, ptrdiff_t i)
{
	return i >= 0 && (size_t)i < s.len && s.ptr[i] != ' ';
}

static bool leaf(const naive *m, const tree *t, ptrdiff_t at, ptrdiff_t *ret)
{
	bool in = (size_t)at < m->text.len;
	char c = in ? m->text.ptr[at] : '\0';
	*ret = at + (t->op <= T_NOT_A);
	if (t->op == T_CHAR)
		return in && c == t->c;
	if (t->op == T_ANY || t->op == T_NOT_A)
		return in && (t->op == T_ANY || c != 'a');
	if (t->op == T_BORDER)
		return is_word_at(m->text, at - 1) != is_word_at(m->text, at);
	return t->op == T_BEGIN ? at == 0 : !in;
}

static bool group(naive *m, const tree *t, ptrdiff_t at, const task *next)
{
	task end = {t, 1, at, next};
	task body = {t->a, 0, 0, &end};
	return run(m, &body, at);
}

static bool run(naive *m, const task *k, ptrdiff_t at)
{
	if (--m->budget < 0)
		return false;
	if (k == NULL) {
		m->spans[0].to = at;
		return true;
	}
	const tree *t = k->t;
	if (k->kind == 1) {
		sp_regex_span old = m->spans[t->group];
		m->spans[t->group] = (sp_regex_span){k->from, at};
		if (run(m, k->next, at))
			return true;
		m->spans[t->group] = old;
		return false;
	}
	if (k->kind == 2) /* a turn that took nothing is the last one */
		return k->from == at ? run(m, k->next, at) : loop(m, t, at, k->next);
	task b = {t->b, 0, 0, k->next}, a = {t->a, 0, 0, k->next};
	ptrdiff_t to;
	switch (t->op) {
	case T_SEQ:
		a.next = &b;
		return run(m, &a, at);
	case T_OR:
		return run(m, &a, at) || run(m, &b, at);
	case T_GROUP:
		return group(m, t, at, k->next);
	case T_MAYBE:
		return t->lazy ? run(m, k->next, at) || run(m, &a, at)
			       : run(m, &a, at) || run(m, k->next, at);
	case T_STAR:
		return loop(m, t, at, k->next);
	case T_PLUS: {
		task again = {t, 2, at, k->next};
		task first = {t->a, 0, 0, &again};
		return run(m, &first, at);
	}
	case T_CHAR:
	case T_ANY:
	case T_NOT_A:
	case T_BEGIN:
	case T_END:
	case T_BORDER:
		return leaf(m, t, at, &to) && run(m, k->next, to);
	}
	SP_UNREACHABLE();
}

/* A loop whose body may take nothing: there the definition by backtracking and the one by steps differ in
 * which turn is the last, so that only the yes or no is compared. */
static bool may_be_empty(const tree *t)
{
	if (t->op <= T_NOT_A)
		return false;
	if (t->op == T_SEQ)
		return may_be_empty(t->a) && may_be_empty(t->b);
	if (t->op == T_OR)
		return may_be_empty(t->a) || may_be_empty(t->b);
	return t->op != T_GROUP && t->op != T_PLUS ? true : may_be_empty(t->a);
}

static bool has_empty_loop(const tree *t)
{
	if (t->op <= T_BORDER)
		return false;
	if ((t->op == T_STAR || t->op == T_PLUS) && may_be_empty(t->a))
		return true;
	return has_empty_loop(t->a) || (t->b != NULL && has_empty_loop(t->b));
}

/* False: gave up. */
static bool naive_find(naive *m, const tree *t, bool *ret)
{
	*ret = false;
	for (ptrdiff_t at = 0; at <= (ptrdiff_t)m->text.len && !*ret; at++) {
		for (size_t i = 0; i < SP_LEN(m->spans); i++)
			m->spans[i] = (sp_regex_span){-1, -1};
		m->spans[0].from = at;
		task whole = {t, 0, 0, NULL};
		*ret = run(m, &whole, at);
	}
	return m->budget >= 0;
}

SP_TEST(regex_laws, same_as_backtracking)
{
	size_t compared = 0;
	for (int i = 0; i < 3000; i++) {
		int n_groups = 0;
		const tree *t = grow(1 + (int)t_random_below(5), &n_groups);
		SP_AUTO_BUF pattern;
		sp_buf_init(&pattern, 1 << 16);
		print(&pattern, t);
		if (n_groups > 15)
			continue;
		t_row("%.*s", SP_ARG(sp_buf_view(&pattern)));
		const sp_regex *re = NULL;
		T_OK(sp_regex_compile(T_ARENA, sp_buf_view(&pattern), &re, NULL, T_ERR));
		for (int k = 0; k < 4; k++) {
			char text[10];
			size_t len = t_random_below(sizeof(text));
			for (size_t j = 0; j < len; j++)
				text[j] = "aab "[t_random_below(4)];
			naive m = {.text = {text, len}, .budget = 20000};
			bool want, found = false, yes = false;
			if (!naive_find(&m, t, &want))
				continue;
			sp_regex_span spans[16];
			sp_arena scratch;
			sp_arena_init(&scratch, 1 << 20);
			sp_code code =
				sp_regex_find(re, m.text, 0, &scratch, spans, (size_t)n_groups + 1, &found);
			if (code == SP_OK)
				code = sp_regex_match(re, m.text, &scratch, &yes);
			sp_arena_done(&scratch);
			T_OK(code);
			T_TRUE(found == want);
			T_TRUE(yes == want);
			for (int g = 0; g <= n_groups && found && !has_empty_loop(t); g++) {
				T_EQ_I64(spans[g].from, m.spans[g].from);
				T_EQ_I64(spans[g].to, m.spans[g].to);
			}
			compared++;
		}
	}
	T_TRUE(compared > 5000);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors made from a model: what is parsed prints the same again and matches as the model says. */
#include "kube/selector.h"
#include "lib/t.h"

#define TERMS_MAX 4
#define ROUNDS 3000

static const char *const keys[] = {"a", "b", "in", "x.y/c"};
static const char *const words[] = {"", "1", "2", "10", "in", "notin", "A-b"};

typedef struct term {
	size_t key, op; /* op: index into ops */
	size_t values[3], n_values;
} term;

/* How an operator is written and how many values it may take (0 none, 1 one, 2 a set, 3 a number). */
static const struct {
	const char *before, *between, *after;
	int takes;
} ops[] = {{"", "", "", 0},          {"!", "", "", 0},  {"", "=", "", 1},
	   {"", "==", "", 1},        {"", "!=", "", 1}, {"", " in (", ")", 2},
	   {"", " notin (", ")", 2}, {"", ">", "", 3},  {"", "<", "", 3}};

static void make_term(term *t, sp_buf *text)
{
	t->key = t_random_below(SP_LEN(keys));
	t->op = t_random_below(SP_LEN(ops));
	t->n_values = ops[t->op].takes == 0 ? 0 : ops[t->op].takes == 2 ? 1 + t_random_below(3) : 1;
	(void)sp_buf_printf(text, "%s%s%s%s", t_random_below(3) == 0 ? " " : "", ops[t->op].before,
			    keys[t->key], ops[t->op].between);
	for (size_t i = 0; i < t->n_values; i++) {
		t->values[i] = ops[t->op].takes == 3 ? 1 + t_random_below(3) : t_random_below(SP_LEN(words));
		(void)sp_buf_printf(text, "%s%s%s", i > 0 ? "," : "", t_random_below(3) == 0 ? " " : "",
				    words[t->values[i]]);
	}
	(void)sp_buf_printf(text, "%s", ops[t->op].after);
}

static bool number(size_t word, int *ret)
{
	*ret = word == 1 ? 1 : word == 2 ? 2 : 10;
	return word >= 1 && word <= 3;
}

/* `have` is the word of each key, or SP_LEN(words) for an absent one. */
static bool model(const term *t, const size_t *have)
{
	size_t value = have[t->key];
	bool present = value < SP_LEN(words), in = false;
	int mine, theirs;
	for (size_t i = 0; i < t->n_values; i++)
		in = in || value == t->values[i];
	switch (t->op) {
	case 0:
		return present;
	case 1:
		return !present;
	case 2:
	case 3:
	case 5:
		return in;
	case 4:
	case 6:
		return !in;
	default:
		if (!present || !number(value, &mine) || !number(t->values[0], &theirs))
			return false;
		return t->op == 7 ? mine > theirs : mine < theirs;
	}
}

SP_TEST(selector_prop, print_and_match)
{
	SP_AUTO_BUF text, first, second;
	sp_buf_init(&text, 1 << 16);
	sp_buf_init(&first, 1 << 16);
	sp_buf_init(&second, 1 << 16);
	for (int round = 0; round < ROUNDS; round++) {
		term terms[TERMS_MAX];
		size_t n = 1 + t_random_below(TERMS_MAX), have[SP_LEN(keys)], n_labels = 0;
		sp_label labels[SP_LEN(keys)];
		sp_selector s, again;
		sp_buf_clear(&text);
		sp_buf_clear(&first);
		sp_buf_clear(&second);
		for (size_t i = 0; i < n; i++) {
			if (i > 0)
				(void)sp_buf_char(&text, ',');
			make_term(&terms[i], &text);
		}
		t_row(SP_FMT, SP_ARG(sp_buf_view(&text)));
		sp_arena a;
		sp_arena_init(&a, 1 << 20);
		sp_code code = sp_labels_parse(&a, sp_buf_view(&text), &s, NULL);
		if (code == SP_OK)
			code = sp_selector_print(&first, &s);
		if (code == SP_OK)
			code = sp_labels_parse(&a, sp_buf_view(&first), &again, NULL);
		if (code == SP_OK)
			code = sp_selector_print(&second, &again);
		bool want = true;
		for (size_t k = 0; k < SP_LEN(keys); k++) {
			have[k] = t_random_below(SP_LEN(words) + 1);
			if (have[k] < SP_LEN(words))
				labels[n_labels++] = (sp_label){sp_str_c(keys[k]), sp_str_c(words[have[k]])};
		}
		for (size_t i = 0; i < n; i++)
			want = want && model(&terms[i], have);
		bool got = code == SP_OK && sp_labels_match(&again, labels, n_labels);
		sp_arena_done(&a);
		T_OK(code);
		T_EQ_STR(sp_buf_view(&second), sp_buf_view(&first));
		T_EQ_I64(got, want);
	}
}

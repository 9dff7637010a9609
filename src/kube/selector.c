/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/selector.h"

#include <stdlib.h>

#include "base/num.h"
#include "base/quote.h"
#include "kube/names.h"
#include "kube/selector_int.h"

/* -- tokens --------------------------------------------------------------------------------------------- */

typedef enum token {
	TOK_END,
	TOK_WORD,
	TOK_CLOSE,
	TOK_COMMA,
	TOK_NOT,
	TOK_DOUBLE_EQ,
	TOK_EQ,
	TOK_GT,
	TOK_IN,
	TOK_LT,
	TOK_NE,
	TOK_NOT_IN,
	TOK_OPEN,
	TOK_COUNT_
} token;

/* Longer spellings before their beginnings. */
static const struct {
	sp_str text;
	token tok;
} symbols[] = {
	{SP_STR_INIT("=="), TOK_DOUBLE_EQ}, {SP_STR_INIT("!="), TOK_NE},  {SP_STR_INIT("="), TOK_EQ},
	{SP_STR_INIT("!"), TOK_NOT},        {SP_STR_INIT("("), TOK_OPEN}, {SP_STR_INIT(")"), TOK_CLOSE},
	{SP_STR_INIT(","), TOK_COMMA},      {SP_STR_INIT(">"), TOK_GT},   {SP_STR_INIT("<"), TOK_LT},
};

/* What a token means between key and values. */
static const struct {
	bool valid;
	sp_sel_op op;
} operators[TOK_COUNT_] = {
	[TOK_IN] = {true, SP_SEL_IN}, [TOK_NOT_IN] = {true, SP_SEL_NOT_IN},
	[TOK_EQ] = {true, SP_SEL_EQ}, [TOK_DOUBLE_EQ] = {true, SP_SEL_DOUBLE_EQ},
	[TOK_NE] = {true, SP_SEL_NE}, [TOK_GT] = {true, SP_SEL_GT},
	[TOK_LT] = {true, SP_SEL_LT},
};

typedef struct parser {
	sp_arena *arena;
	sp_str rest;
	sp_str *why;
	token tok; /* the next one, not consumed */
	sp_str lit;
	sp_sel_list list;
} parser;

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_symbol(char c)
{
	return c == '=' || c == '!' || c == '(' || c == ')' || c == ',' || c == '>' || c == '<';
}

/* Reads the next token into p->tok. A NUL byte is swallowed after a word or a symbol and ends the text where
 * a token should begin. */
static void advance(parser *p)
{
	size_t i = 0;
	p->lit = SP_STR("");
	p->tok = TOK_END;
	if (p->rest.ptr == NULL)
		return;
	while (i < p->rest.len && is_blank(p->rest.ptr[i]))
		i++;
	p->rest = sp_str_sub(p->rest, i, p->rest.len);
	if (p->rest.len == 0 || p->rest.ptr[0] == '\0')
		return;
	for (i = 0; i < SP_LEN(symbols); i++) {
		if (!sp_str_take(&p->rest, symbols[i].text))
			continue;
		p->lit = symbols[i].text;
		p->tok = symbols[i].tok;
		(void)sp_str_take(&p->rest, SP_STR("\0"));
		return;
	}
	for (i = 0; i < p->rest.len && p->rest.ptr[i] != '\0'; i++)
		if (is_blank(p->rest.ptr[i]) || is_symbol(p->rest.ptr[i]))
			break;
	p->lit = sp_str_sub(p->rest, 0, i);
	p->rest = sp_str_sub(p->rest, i + (i < p->rest.len && p->rest.ptr[i] == '\0'), p->rest.len);
	p->tok = sp_str_eq(p->lit, SP_STR("in"))      ? TOK_IN
		 : sp_str_eq(p->lit, SP_STR("notin")) ? TOK_NOT_IN
						      : TOK_WORD;
}

/* "in" and "notin" are words except as operators. */
static bool at_word(const parser *p)
{
	return p->tok == TOK_WORD || p->tok == TOK_IN || p->tok == TOK_NOT_IN;
}

/* -- messages ------------------------------------------------------------------------------------------- */

sp_code sp_sel_why(sp_arena *a, sp_str *why, const char *fmt, ...)
{
	if (why == NULL)
		return SP_EINVAL;
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	*why = SP_STR("");
	char *text = n < 0 ? NULL : sp_try_new(a, char, (size_t)n + 1);
	if (text != NULL) {
		(void)vsnprintf(text, (size_t)n + 1, fmt, again);
		*why = (sp_str){text, (size_t)n};
	}
	va_end(again);
	return SP_EINVAL;
}

/* The violations of one requirement; several are shown as a list. */
typedef struct complaints {
	sp_buf text;
	size_t n;
} complaints;

static void complaints_init(complaints *c)
{
	c->n = 0;
	sp_buf_init(&c->text, SP_SEL_WHY_BYTES_MAX);
}

static void complaints_done(complaints *c)
{
	sp_buf_done(&c->text);
}

static void complain(complaints *c)
{
	if (c->n++ > 0)
		(void)sp_buf_str(&c->text, SP_STR(", "));
}

static void add_faults(complaints *c, const sp_name_faults *f)
{
	for (size_t i = 0; i < f->n; i++) {
		(void)sp_buf_str(&c->text, i == 0 ? SP_STR(": ") : SP_STR("; "));
		(void)sp_buf_str(&c->text, f->items[i].prefix);
		(void)sp_buf_str(&c->text, f->items[i].text);
	}
}

static void check_key(complaints *c, sp_str path, sp_str key)
{
	sp_name_faults f = sp_name_qualified(key);
	if (f.n == 0)
		return;
	complain(c);
	(void)sp_buf_str(&c->text, path);
	(void)sp_buf_str(&c->text, SP_STR(": Invalid value: "));
	(void)sp_quote_go(&c->text, key);
	add_faults(c, &f);
}

static void check_value(complaints *c, sp_str key, size_t i, sp_str value)
{
	sp_name_faults f = sp_name_label_value(value);
	if (f.n == 0)
		return;
	complain(c);
	(void)sp_buf_printf(&c->text, "values[%zu][" SP_FMT "]: Invalid value: ", i, SP_ARG(key));
	(void)sp_quote_go(&c->text, value);
	add_faults(c, &f);
}

/* The number of values that an operator takes. */
static void check_count(complaints *c, sp_sel_op op, const sp_str *values, size_t n)
{
	bool set = op == SP_SEL_IN || op == SP_SEL_NOT_IN, none = op == SP_SEL_EXISTS || op == SP_SEL_ABSENT;
	if (set ? n > 0 : none ? n == 0 : n == 1)
		return;
	complain(c);
	(void)sp_buf_str(&c->text, SP_STR("values: Invalid value: "));
	(void)sp_buf_str(&c->text, n == 0 ? SP_STR("null") : SP_STR("["));
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			(void)sp_buf_char(&c->text, ',');
		(void)sp_json_write_str(&c->text, values[i]);
	}
	(void)sp_buf_str(&c->text, n == 0 ? SP_STR("") : SP_STR("]"));
	(void)sp_buf_str(&c->text, set ? SP_STR(": for 'in', 'notin' operators, values set can't be empty")
				       : SP_STR(": values set must be empty for exists and does not exist"));
}

static bool parse_number(sp_str s, int64_t *ret)
{
	sp_str digits = s;
	/* Go's ParseInt takes a plus, but not in front of a minus. */
	if (sp_str_take(&digits, SP_STR("+")) && sp_str_starts(digits, SP_STR("-")))
		return false;
	return sp_parse_i64(digits, INT64_MIN, INT64_MAX, ret, NULL) == SP_OK;
}

/* Checks and adds one requirement; `values` are kept as they are. */
static sp_code add_requirement(sp_sel_list *l, sp_requirement r, const sp_str *unsorted, sp_str *why)
{
	SP_CLEANUP(complaints_done) complaints c;
	complaints_init(&c);
	check_key(&c, SP_STR("key"), r.key);
	check_count(&c, (sp_sel_op)r.op, unsorted, r.n_values);
	if ((r.op == SP_SEL_GT || r.op == SP_SEL_LT) && !parse_number(r.values[0], &r.number)) {
		complain(&c);
		(void)sp_buf_str(&c.text, SP_STR("values[0]: Invalid value: "));
		(void)sp_quote_go(&c.text, r.values[0]);
		(void)sp_buf_str(&c.text, SP_STR(": for 'Gt', 'Lt' operators, the value must be an integer"));
	}
	for (size_t i = 0; i < r.n_values; i++)
		check_value(&c, r.key, i, unsorted[i]);
	if (c.n > 0)
		return sp_sel_why(l->arena, why, c.n > 1 ? "[" SP_FMT "]" : SP_FMT,
				  SP_ARG(sp_buf_view(&c.text)));
	return sp_sel_add(l, &r) ? SP_OK : SP_ETOOLARGE;
}

/* -- building ------------------------------------------------------------------------------------------- */

bool sp_sel_add(sp_sel_list *l, const sp_requirement *r)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 4 : l->cap * 2;
		sp_requirement *items =
			sp_arena_try_grow(l->arena, l->items, l->cap * sizeof(*items), cap * sizeof(*items));
		if (items == NULL)
			return false;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n] = *r;
	l->items[l->n].ordinal = (uint32_t)l->n;
	l->n++;
	return true;
}

static int by_key(const void *x, const void *y)
{
	const sp_requirement *a = x, *b = y;
	int c = sp_str_cmp(a->key, b->key);
	return c != 0 ? c : (a->ordinal > b->ordinal) - (a->ordinal < b->ordinal);
}

static int by_text(const void *x, const void *y)
{
	const sp_str *a = x, *b = y;
	return sp_str_cmp(*a, *b);
}

static sp_selector finish(sp_sel_list *l)
{
	if (l->n > 1)
		qsort(l->items, l->n, sizeof(*l->items), by_key);
	return (sp_selector){.reqs = l->items, .n = l->n};
}

/* -- the grammar ---------------------------------------------------------------------------------------- */

/* A growing list of values. */
typedef struct value_list {
	sp_str *items;
	size_t n, cap;
} value_list;

static bool value_add(sp_arena *a, value_list *l, sp_str s)
{
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 4 : l->cap * 2;
		sp_str *items = sp_arena_try_grow(a, l->items, l->cap * sizeof(*items), cap * sizeof(*items));
		if (items == NULL)
			return false;
		l->items = items;
		l->cap = cap;
	}
	l->items[l->n++] = s;
	return true;
}

static void value_sort(value_list *l, bool unique)
{
	size_t n = 0;
	if (l->n > 1)
		qsort(l->items, l->n, sizeof(*l->items), by_text);
	for (size_t i = 0; unique && i < l->n; i++)
		if (n == 0 || !sp_str_eq(l->items[n - 1], l->items[i]))
			l->items[n++] = l->items[i];
	l->n = unique ? n : l->n;
}

static sp_code found(parser *p, const char *expected)
{
	return sp_sel_why(p->arena, p->why, "found '" SP_FMT "'%s", SP_ARG(p->lit), expected);
}

/* The inside of (a,b,): identifiers may be empty. The closing parenthesis is left. */
static sp_code parse_list(parser *p, value_list *l)
{
	for (;;) {
		if (at_word(p)) {
			if (!value_add(p->arena, l, p->lit))
				return SP_ETOOLARGE;
			advance(p);
			if (p->tok == TOK_CLOSE)
				return SP_OK;
			if (p->tok != TOK_COMMA)
				return found(p, ", expected: ',' or ')'");
			continue;
		}
		if (p->tok != TOK_COMMA)
			return found(p, ", expected: ',', or identifier");
		advance(p);
		bool empty = l->n == 0 || p->tok == TOK_CLOSE || p->tok == TOK_COMMA;
		if (empty && !value_add(p->arena, l, SP_STR("")))
			return SP_ETOOLARGE;
		if (p->tok == TOK_CLOSE)
			return SP_OK;
	}
}

static sp_code parse_set(parser *p, value_list *l)
{
	if (p->tok != TOK_OPEN)
		return found(p, " expected: '('");
	advance(p);
	if (at_word(p) || p->tok == TOK_COMMA)
		SP_TRY(parse_list(p, l));
	else if (p->tok != TOK_CLOSE)
		return found(p, ", expected: ',', ')' or identifier");
	else if (!value_add(p->arena, l, SP_STR("")))
		return SP_ETOOLARGE;
	advance(p);
	value_sort(l, true);
	return SP_OK;
}

static sp_code parse_exact(parser *p, value_list *l)
{
	bool empty = p->tok == TOK_END || p->tok == TOK_COMMA;
	if (!empty && !at_word(p))
		return found(p, ", expected: identifier");
	if (!value_add(p->arena, l, empty ? SP_STR("") : p->lit))
		return SP_ETOOLARGE;
	if (!empty)
		advance(p);
	return SP_OK;
}

static sp_code parse_requirement(parser *p)
{
	sp_requirement r = {.op = SP_SEL_EXISTS};
	value_list values = {.n = 0};
	if (p->tok == TOK_NOT) {
		r.op = SP_SEL_ABSENT;
		advance(p);
	}
	if (!at_word(p))
		return found(p, ", expected: identifier");
	r.key = p->lit;
	SP_CLEANUP(complaints_done) complaints c;
	complaints_init(&c);
	/* Upstream has no path here and says so. */
	check_key(&c, SP_STR("<nil>"), r.key);
	if (c.n > 0)
		return sp_sel_why(p->arena, p->why, SP_FMT, SP_ARG(sp_buf_view(&c.text)));
	advance(p);
	if (r.op == SP_SEL_EXISTS && p->tok != TOK_END && p->tok != TOK_COMMA) {
		if (!operators[p->tok].valid)
			return found(p, ", expected: in, notin, =, ==, !=, gt, lt");
		r.op = (uint8_t)operators[p->tok].op;
		advance(p);
		SP_TRY(r.op == SP_SEL_IN || r.op == SP_SEL_NOT_IN ? parse_set(p, &values)
								  : parse_exact(p, &values));
	}
	r.values = values.items;
	r.n_values = (uint32_t)values.n;
	return add_requirement(&p->list, r, values.items, p->why);
}

static sp_code parse_all(parser *p)
{
	for (advance(p); p->tok != TOK_END;) {
		if (!at_word(p) && p->tok != TOK_NOT)
			return found(p, ", expected: !, identifier, or 'end of string'");
		sp_str inner = SP_STR("");
		sp_str *why = p->why;
		p->why = &inner;
		sp_code code = parse_requirement(p);
		p->why = why;
		if (code == SP_EINVAL)
			return sp_sel_why(p->arena, why, "unable to parse requirement: " SP_FMT,
					  SP_ARG(inner));
		SP_TRY(code);
		if (p->tok == TOK_END)
			return SP_OK;
		if (p->tok != TOK_COMMA)
			return found(p, ", expected: ',' or 'end of string'");
		advance(p);
		if (!at_word(p) && p->tok != TOK_NOT)
			return found(p, ", expected: identifier after ','");
	}
	return SP_OK;
}

sp_code sp_labels_parse(sp_arena *a, sp_str text, sp_selector *ret, sp_str *why)
{
	sp_str copy = sp_arena_try_dup(a, text);
	if (copy.ptr == NULL && text.len > 0)
		return SP_ETOOLARGE;
	parser p = {.arena = a, .rest = copy, .why = why, .list = {.arena = a}};
	SP_TRY(parse_all(&p));
	*ret = finish(&p.list);
	return SP_OK;
}

/* -- LabelSelector objects ------------------------------------------------------------------------------ */

static sp_code copy_text(sp_arena *a, yyjson_val *v, sp_str *ret)
{
	sp_str s = sp_json_str(v), copy = sp_arena_try_dup(a, s);
	if (copy.ptr == NULL && s.len > 0)
		return SP_ETOOLARGE;
	*ret = copy;
	return SP_OK;
}

static sp_code add_expression(sp_sel_list *l, yyjson_val *e, sp_str *why)
{
	static const struct {
		sp_str text;
		sp_sel_op op;
	} ops[] = {{SP_STR_INIT("In"), SP_SEL_IN},
		   {SP_STR_INIT("NotIn"), SP_SEL_NOT_IN},
		   {SP_STR_INIT("Exists"), SP_SEL_EXISTS},
		   {SP_STR_INIT("DoesNotExist"), SP_SEL_ABSENT}};
	sp_requirement r = {.op = SP_SEL_OP_COUNT_};
	sp_str op = sp_json_str(sp_json_last(e, SP_STR("operator")));
	for (size_t i = 0; i < SP_LEN(ops); i++)
		if (sp_str_eq(op, ops[i].text))
			r.op = (uint8_t)ops[i].op;
	if (r.op == SP_SEL_OP_COUNT_) {
		SP_AUTO_BUF quoted;
		sp_buf_init(&quoted, SP_SEL_WHY_BYTES_MAX);
		(void)sp_quote_go(&quoted, op);
		return sp_sel_why(l->arena, why, SP_FMT " is not a valid label selector operator",
				  SP_ARG(sp_buf_view(&quoted)));
	}
	SP_TRY(copy_text(l->arena, sp_json_last(e, SP_STR("key")), &r.key));
	value_list values = {.n = 0}, sorted = {.n = 0};
	yyjson_arr_iter it = yyjson_arr_iter_with(sp_json_last(e, SP_STR("values")));
	for (yyjson_val *item; (item = yyjson_arr_iter_next(&it)) != NULL;) {
		sp_str s = {NULL, 0};
		SP_TRY(copy_text(l->arena, item, &s));
		if (!value_add(l->arena, &values, s))
			return SP_ETOOLARGE;
	}
	for (size_t i = 0; i < values.n; i++)
		if (!value_add(l->arena, &sorted, values.items[i]))
			return SP_ETOOLARGE;
	value_sort(&sorted, false);
	r.values = sorted.items;
	r.n_values = (uint32_t)sorted.n;
	return add_requirement(l, r, values.items, why);
}

sp_code sp_labels_of_object(sp_arena *a, yyjson_val *object, sp_selector *ret, sp_str *why)
{
	if (object == NULL || yyjson_is_null(object)) {
		*ret = (sp_selector){.nothing = true};
		return SP_OK;
	}
	sp_sel_list l = {.arena = a};
	yyjson_obj_iter labels = yyjson_obj_iter_with(sp_json_last(object, SP_STR("matchLabels")));
	for (yyjson_val *key; (key = yyjson_obj_iter_next(&labels)) != NULL;) {
		sp_requirement r = {.op = SP_SEL_EQ, .n_values = 1};
		sp_str *value = sp_try_new(a, sp_str, 1);
		if (value == NULL)
			return SP_ETOOLARGE;
		SP_TRY(copy_text(a, key, &r.key));
		SP_TRY(copy_text(a, yyjson_obj_iter_get_val(key), value));
		r.values = value;
		SP_TRY(add_requirement(&l, r, value, why));
	}
	yyjson_arr_iter expressions = yyjson_arr_iter_with(sp_json_last(object, SP_STR("matchExpressions")));
	for (yyjson_val *e; (e = yyjson_arr_iter_next(&expressions)) != NULL;)
		SP_TRY(add_expression(&l, e, why));
	*ret = finish(&l);
	return SP_OK;
}

/* -- matching ------------------------------------------------------------------------------------------- */

static bool has_value(const sp_requirement *r, sp_str value)
{
	size_t lo = 0, hi = r->n_values;
	while (hi - lo > 4) {
		size_t mid = lo + (hi - lo) / 2;
		if (sp_str_cmp(r->values[mid], value) <= 0)
			lo = mid;
		else
			hi = mid;
	}
	for (; lo < hi; lo++)
		if (sp_str_eq(r->values[lo], value))
			return true;
	return false;
}

static bool holds(const sp_requirement *r, bool present, sp_str value)
{
	int64_t number;
	switch ((sp_sel_op)r->op) {
	case SP_SEL_EXISTS:
		return present;
	case SP_SEL_ABSENT:
		return !present;
	case SP_SEL_EQ:
	case SP_SEL_DOUBLE_EQ:
	case SP_SEL_IN:
		return present && has_value(r, value);
	case SP_SEL_NE:
	case SP_SEL_NOT_IN:
		return !present || !has_value(r, value);
	case SP_SEL_GT:
	case SP_SEL_LT:
		if (!present || !parse_number(value, &number))
			return false;
		return r->op == SP_SEL_GT ? number > r->number : number < r->number;
	case SP_SEL_OP_COUNT_:
		break;
	}
	SP_UNREACHABLE();
}

bool sp_labels_match(const sp_selector *s, const sp_label *labels, size_t n_labels)
{
	for (size_t i = 0; i < s->n; i++) {
		size_t at = 0;
		while (at < n_labels && !sp_str_eq(labels[at].key, s->reqs[i].key))
			at++;
		bool present = at < n_labels;
		if (!holds(&s->reqs[i], present, present ? labels[at].value : SP_STR("")))
			return false;
	}
	return !s->nothing;
}

bool sp_labels_match_json(const sp_selector *s, yyjson_val *labels)
{
	for (size_t i = 0; i < s->n; i++) {
		yyjson_val *v = sp_json_last(labels, s->reqs[i].key);
		if (!holds(&s->reqs[i], v != NULL, sp_json_str(v)))
			return false;
	}
	return !s->nothing;
}

bool sp_selector_exact(const sp_selector *s, sp_str key, sp_str *ret_value)
{
	for (size_t i = 0; i < s->n; i++) {
		const sp_requirement *r = &s->reqs[i];
		if (!sp_str_eq(r->key, key))
			continue;
		bool exact = r->op == SP_SEL_EQ || r->op == SP_SEL_DOUBLE_EQ || r->op == SP_SEL_IN;
		if (exact && r->n_values == 1) {
			*ret_value = r->values[0];
			return true;
		}
		if (!s->of_fields)
			return false;
	}
	return false;
}

/* -- printing ------------------------------------------------------------------------------------------- */

static void print_value(sp_buf *out, sp_str v, bool escape)
{
	for (size_t i = 0; i < v.len; i++) {
		if (escape && (v.ptr[i] == '\\' || v.ptr[i] == ',' || v.ptr[i] == '='))
			(void)sp_buf_char(out, '\\');
		(void)sp_buf_char(out, v.ptr[i]);
	}
}

sp_code sp_selector_print(sp_buf *out, const sp_selector *s)
{
	static const sp_str between[SP_SEL_OP_COUNT_] = {
		[SP_SEL_EXISTS] = SP_STR_INIT(""),
		[SP_SEL_ABSENT] = SP_STR_INIT(""),
		[SP_SEL_EQ] = SP_STR_INIT("="),
		[SP_SEL_DOUBLE_EQ] = SP_STR_INIT("=="),
		[SP_SEL_NE] = SP_STR_INIT("!="),
		[SP_SEL_IN] = SP_STR_INIT(" in ("),
		[SP_SEL_NOT_IN] = SP_STR_INIT(" notin ("),
		[SP_SEL_GT] = SP_STR_INIT(">"),
		[SP_SEL_LT] = SP_STR_INIT("<"),
	};
	for (size_t i = 0; i < s->n; i++) {
		const sp_requirement *r = &s->reqs[i];
		bool set = r->op == SP_SEL_IN || r->op == SP_SEL_NOT_IN;
		/* A field's two signs for equality mean one thing and are not told apart. */
		sp_sel_op op = s->of_fields && r->op == SP_SEL_DOUBLE_EQ ? SP_SEL_EQ : (sp_sel_op)r->op;
		if (i > 0)
			(void)sp_buf_char(out, ',');
		if (op == SP_SEL_ABSENT)
			(void)sp_buf_char(out, '!');
		(void)sp_buf_str(out, r->key);
		(void)sp_buf_str(out, between[op]);
		for (size_t v = 0; v < r->n_values; v++) {
			if (v > 0)
				(void)sp_buf_char(out, ',');
			print_value(out, r->values[v], s->of_fields);
		}
		if (set)
			(void)sp_buf_char(out, ')');
	}
	return sp_buf_code(out);
}

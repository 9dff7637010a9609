/* SPDX-License-Identifier: Apache-2.0 */
/* Text → tree, by recursive descent. U: cel-go parser/parser.go, parser/gen/CEL.g4 */
#include "base/num.h"
#include "base/utf8.h"
#include "kube/cel/ast.h"
#include "kube/cel/lexer.h"

/* What may begin an expression, as messages list it; and where more may stand. */
#define START_OF(a, b, c, d, e)                                   \
	"{'[', " a "'{', " b "'(', " c "'.', " d "'-', '!', " e   \
	"'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, " \
	"STRING, BYTES, IDENTIFIER}"
#define START START_OF("", "", "", "", "")
#define START_ARGUMENT START_OF("", "", "')', ", "", "")
#define START_INDEX START_OF("", "", "", "", "'?', ")
#define START_LIST START_OF("']', ", "", "", "',', ", "'?', ")
#define START_MAP START_OF("", "'}', ", "", "',', ", "'?', ")

typedef struct parser {
	cel_compiler *c;
	cel_token tok;     /* the next one */
	const char *start; /* what messages say may stand here */
	uint32_t nest;     /* brackets that are open */
} parser;

static cel_node *expr(parser *p);
static cel_node *unary(parser *p);

/* ---- tokens ---- */

static bool lex_error(cel_compiler *c, cel_token t)
{
	SP_AUTO_BUF shown;
	sp_buf_init(&shown, 1 << 20);
	for (size_t i = 0; i < t.text.len; i++) {
		char ch = t.text.ptr[i];
		(void)sp_buf_str(&shown, ch == '\n'   ? SP_STR("\\n")
					 : ch == '\r' ? SP_STR("\\r")
					 : ch == '\t' ? SP_STR("\\t")
						      : (sp_str){&t.text.ptr[i], 1});
	}
	cel_issue(c, t.at, "Syntax error: token recognition error at: '" SP_FMT "'",
		  SP_ARG(sp_buf_view(&shown)));
	return ++c->n_syntax < 30;
}

static uint32_t end_of(cel_token t)
{
	return t.at + (uint32_t)(t.kind == CEL_T_END ? 0 : t.text.len);
}

static void advance(parser *p)
{
	p->tok = cel_lex(p->c->source, end_of(p->tok));
	while (p->tok.kind == CEL_T_ERROR && lex_error(p->c, p->tok))
		p->tok = cel_lex(p->c->source, end_of(p->tok));
	if (p->tok.kind == CEL_T_ERROR) {
		p->c->hopeless = true;
		p->tok = (cel_token){CEL_T_END, SP_STR("<EOF>"), (uint32_t)p->c->source.len};
	}
	p->start = START;
}

/* The token after the next one; what is no token is not reported here. */
static cel_token second(parser *p)
{
	cel_token t = cel_lex(p->c->source, end_of(p->tok));
	while (t.kind == CEL_T_ERROR)
		t = cel_lex(p->c->source, end_of(t));
	return t;
}

static bool accept(parser *p, const char *op)
{
	if (p->c->hopeless || !cel_token_is(p->tok, op))
		return false;
	advance(p);
	return true;
}

static cel_node *broken(parser *p, uint32_t at)
{
	return cel_node_new(p->c, CEL_BROKEN, at);
}

/*
 * Complaints in the words of upstream's parser generator, which repairs a text by leaving one token out
 * ("extraneous input") or thinking one in ("missing"). What would follow other complaints are guesses, so
 * they end the parse.
 */
static cel_node *syntax(parser *p, const char *expecting)
{
	if (!p->c->hopeless)
		cel_issue(p->c, p->tok.at, "Syntax error: mismatched input '" SP_FMT "' expecting %s",
			  SP_ARG(p->tok.text), expecting);
	p->c->hopeless = true;
	return broken(p, p->tok.at);
}

static void extraneous(parser *p, const char *expecting)
{
	cel_issue(p->c, p->tok.at, "Syntax error: extraneous input '" SP_FMT "' expecting %s",
		  SP_ARG(p->tok.text), expecting);
	advance(p);
}

static bool begins_expr(cel_token t)
{
	if (t.kind != CEL_T_OP)
		return t.kind != CEL_T_END && t.kind != CEL_T_QUOTED_IDENT;
	char c = t.text.ptr[0];
	return c == '[' || c == '{' || c == '(' || c == '.' || c == '-' || (c == '!' && t.text.len == 1) ||
	       c == 't' || c == 'f' || c == 'n';
}

/* Closing brackets and colons. `follows`: the next token may stand after it. */
static bool expect(parser *p, const char *op, const char *expecting, bool follows)
{
	if (p->c->hopeless)
		return false;
	if (accept(p, op))
		return true;
	if (cel_token_is(second(p), op)) {
		extraneous(p, expecting);
		return accept(p, op);
	}
	if (!follows) {
		(void)syntax(p, expecting);
		return false;
	}
	cel_issue(p->c, p->tok.at, "Syntax error: missing '%s' at '" SP_FMT "'", op, SP_ARG(p->tok.text));
	return true;
}

/* A bracket that closes what is open outermost may be thought in at the end of the text. */
static bool close_bracket(parser *p, const char *op, const char *expecting)
{
	bool fine = expect(p, op, expecting, p->tok.kind == CEL_T_END && p->nest == 1);
	p->nest--;
	return fine;
}

static bool colon(parser *p)
{
	return expect(p, ":", "':'", begins_expr(p->tok));
}

/* Grows an array of pointers in the arena. */
static bool push(parser *p, void ***list, size_t n, size_t *cap, void *item)
{
	if (n == *cap) {
		size_t more = *cap == 0 ? 4 : *cap * 2;
		void **grown =
			sp_arena_try_grow(p->c->arena, *list, *cap * sizeof(void *), more * sizeof(void *));
		if (grown == NULL) {
			p->c->no_memory = p->c->hopeless = true;
			return false;
		}
		*list = grown;
		*cap = more;
	}
	(*list)[n] = item;
	return item != NULL;
}

static bool deeper(parser *p)
{
	if (p->c->depth++ < SP_CEL_DEPTH_MAX)
		return true;
	if (!p->c->hopeless)
		cel_issue(p->c, p->tok.at, "expression recursion limit exceeded: %u", SP_CEL_DEPTH_MAX);
	p->c->hopeless = true;
	return false;
}

/* ---- literals ---- */

static bool parse_digits(sp_str s, uint64_t *ret)
{
	uint64_t v = 0;
	bool hex = sp_str_take(&s, SP_STR("0x"));
	for (size_t i = 0; i < s.len; i++) {
		char ch = s.ptr[i];
		unsigned d = ch <= '9' ? (unsigned)(ch - '0') : (unsigned)((ch | 0x20) - 'a') + 10;
		if (!sp_mul(v, hex ? 16u : 10u, &v) || !sp_add(v, d, &v))
			return false;
	}
	*ret = v;
	return true;
}

static cel_node *refuse(parser *p, uint32_t at, const char *why)
{
	cel_issue(p->c, at, "%s", why);
	return broken(p, at);
}

static cel_node *number(parser *p, bool negative, uint32_t at)
{
	cel_token t = p->tok;
	uint64_t u = 0;
	double d;
	advance(p);
	if (t.kind == CEL_T_FLOAT) {
		if (!cel_parse_f64(t.text, &d))
			return refuse(p, at, "invalid double literal");
		return cel_literal(p->c, at, sp_cel_of_double(negative ? -d : d));
	}
	if (t.kind == CEL_T_UINT) {
		if (!parse_digits(sp_str_sub(t.text, 0, t.text.len - 1), &u))
			return refuse(p, at, "invalid uint literal");
		return cel_literal(p->c, at, sp_cel_of_uint(u));
	}
	uint64_t most = (uint64_t)INT64_MAX + (negative ? 1 : 0);
	if (!parse_digits(t.text, &u) || u > most)
		return refuse(p, at, "invalid int literal");
	return cel_literal(p->c, at, sp_cel_of_int(negative ? (int64_t)(0 - u) : (int64_t)u));
}

static cel_node *text(parser *p)
{
	cel_token t = p->tok;
	bool bytes = t.kind == CEL_T_BYTES;
	sp_str s = {NULL, 0};
	advance(p);
	const char *bad = cel_unescape_literal(p->c->arena, sp_str_sub(t.text, bytes, t.text.len), bytes, &s);
	if (bad != NULL)
		return refuse(p, t.at, bad);
	if (s.ptr == NULL) {
		p->c->no_memory = p->c->hopeless = true;
		return NULL;
	}
	return cel_literal(p->c, t.at, bytes ? cel_bytes(s) : sp_cel_of_str(s));
}

static cel_node *word(parser *p)
{
	cel_token t = p->tok;
	advance(p);
	if (sp_str_eq(t.text, SP_STR("null")))
		return cel_literal(p->c, t.at, sp_cel_of_null());
	return cel_literal(p->c, t.at, sp_cel_of_bool(t.text.ptr[0] == 't'));
}

/* ---- aggregates and arguments ---- */

static bool optional_mark(parser *p)
{
	uint32_t at = p->tok.at;
	if (!accept(p, "?"))
		return false;
	if ((p->c->env->libs & SP_CEL_LIB_OPTIONAL) == 0)
		cel_issue(p->c, at, "unsupported syntax '?'");
	return true;
}

typedef struct seq {
	cel_node **items;
	bool *optional;
	bool any_optional;
	size_t n, cap, cap_optional;
} seq;

static bool seq_add(parser *p, seq *s, cel_node *item)
{
	if (!push(p, (void ***)(void *)&s->items, s->n, &s->cap, item))
		return false;
	s->n++;
	return true;
}

static bool seq_mark(parser *p, seq *s, size_t i, bool optional)
{
	if (i >= s->cap_optional) {
		size_t more = s->cap_optional == 0 ? 4 : s->cap_optional * 2;
		bool *grown = sp_arena_try_grow(p->c->arena, s->optional, s->cap_optional, more);
		if (grown == NULL) {
			p->c->no_memory = p->c->hopeless = true;
			return false;
		}
		s->optional = grown;
		s->cap_optional = more;
	}
	s->optional[i] = optional;
	s->any_optional |= optional;
	return true;
}

/* Arguments up to a closing bracket, which is taken. */
static bool arguments(parser *p, seq *s)
{
	p->nest++;
	p->start = START_ARGUMENT;
	if (!cel_token_is(p->tok, ")")) {
		do {
			if (!seq_add(p, s, expr(p)))
				return false;
		} while (accept(p, ","));
	}
	return close_bracket(p, ")", "')'");
}

/* Of lists, maps and structs: only after a last comma is a bracket thought in. */
static bool close_list(parser *p, const char *op, const char *expecting)
{
	bool may_be_missing = expecting[0] == '\'' && p->tok.kind == CEL_T_END && p->nest == 1;
	bool fine = expect(p, op, expecting, may_be_missing);
	p->nest--;
	return fine;
}

static cel_node *list(parser *p)
{
	seq s = {0};
	cel_node *e = cel_node_new(p->c, CEL_LIST, p->tok.at);
	const char *end = "{']', ','}";
	advance(p);
	p->nest++;
	p->start = START_LIST;
	while (e != NULL && !p->c->hopeless && !cel_token_is(p->tok, "]")) {
		if (s.n == 0 && accept(p, ",")) { /* [,] */
			end = "']'";
			break;
		}
		bool opt = optional_mark(p);
		if (!seq_mark(p, &s, s.n, opt) || !seq_add(p, &s, expr(p)) || !accept(p, ","))
			break;
		if (!begins_expr(p->tok) && !cel_token_is(p->tok, "?")) { /* a last comma */
			end = "']'";
			break;
		}
	}
	if (e == NULL || !close_list(p, "]", end))
		return e;
	e->args = s.items;
	e->n = (uint32_t)s.n;
	e->optional = s.any_optional ? s.optional : NULL;
	return e;
}

static cel_node *map(parser *p)
{
	seq s = {0};
	cel_node *e = cel_node_new(p->c, CEL_MAP, p->tok.at);
	const char *end = "{'}', ','}";
	advance(p);
	p->nest++;
	p->start = START_MAP;
	while (e != NULL && !p->c->hopeless && !cel_token_is(p->tok, "}")) {
		if (s.n == 0 && accept(p, ",")) {
			end = "'}'";
			break;
		}
		bool opt = optional_mark(p);
		if (!seq_mark(p, &s, s.n / 2, opt) || !seq_add(p, &s, expr(p)) || !colon(p) ||
		    !seq_add(p, &s, expr(p)) || !accept(p, ","))
			break;
		if (!begins_expr(p->tok) && !cel_token_is(p->tok, "?")) {
			end = "'}'";
			break;
		}
	}
	if (e == NULL || !close_list(p, "}", end))
		return e;
	e->args = s.items;
	e->n = (uint32_t)s.n;
	e->optional = s.any_optional ? s.optional : NULL;
	return e;
}

/* A field's name as it is written after a dot or in a struct. */
static bool field_name(parser *p, sp_str *ret)
{
	cel_token t = p->tok;
	if (t.kind == CEL_T_QUOTED_IDENT) {
		if ((p->c->env->libs & SP_CEL_LIB_K8S) != 0)
			cel_issue(p->c, t.at, "unsupported syntax: '`'");
		*ret = sp_str_sub(t.text, 1, t.text.len - 1);
	} else if (t.kind == CEL_T_IDENT) {
		*ret = t.text;
	} else {
		return false;
	}
	advance(p);
	return true;
}

static cel_node *structure(parser *p, sp_str name)
{
	seq s = {0};
	size_t cap = 0;
	sp_str *fields = NULL;
	uint32_t *at = NULL;
	cel_node *e = cel_node_new(p->c, CEL_STRUCT, p->tok.at);
	const char *end = "{'}', ','}";
	advance(p);
	p->nest++;
	while (e != NULL && !p->c->hopeless && !cel_token_is(p->tok, "}")) {
		if (s.n == 0 && accept(p, ",")) {
			end = "'}'";
			break;
		}
		if (s.n == cap) {
			size_t more = cap == 0 ? 4 : cap * 2;
			fields = sp_arena_try_grow(p->c->arena, fields, cap * sizeof(*fields),
						   more * sizeof(*fields));
			at = fields == NULL ? NULL
					    : sp_arena_try_grow(p->c->arena, at, cap * sizeof(*at),
								more * sizeof(*at));
			if (at == NULL) {
				p->c->no_memory = p->c->hopeless = true;
				return NULL;
			}
			cap = more;
		}
		bool opt = optional_mark(p);
		size_t i = s.n;
		if (!seq_mark(p, &s, i, opt) || !field_name(p, &fields[i]))
			return syntax(p, opt ? "{IDENTIFIER, ESC_IDENTIFIER}"
					     : "{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}");
		at[i] = p->tok.at;
		if (!colon(p) || !seq_add(p, &s, expr(p)) || !accept(p, ","))
			break;
	}
	if (e == NULL || !close_list(p, "}", end))
		return e;
	e->name = name;
	e->args = s.items;
	e->n = (uint32_t)s.n;
	e->fields = fields;
	e->field_at = at;
	e->optional = s.any_optional ? s.optional : NULL;
	return e;
}

/* ---- primaries and members ---- */

static const char *const reserved[] = {"as",        "break",  "const",  "continue", "else", "for",
				       "function",  "if",     "import", "let",      "loop", "package",
				       "namespace", "return", "var",    "void",     "while"};

static bool is_reserved(sp_str s)
{
	for (size_t i = 0; i < SP_LEN(reserved); i++) {
		if (sp_str_eq(s, sp_str_c(reserved[i])))
			return true;
	}
	return false;
}

static cel_node *call_or_macro(parser *p, uint32_t at, sp_str name, cel_node *target, seq *s)
{
	cel_node *e = cel_macro(p->c, at, name, target, s->items, s->n);
	if (e != NULL || p->c->no_memory)
		return e;
	e = cel_node_new(p->c, CEL_CALL, at);
	if (e == NULL)
		return NULL;
	e->name = name;
	e->target = target;
	e->args = s->items;
	e->n = (uint32_t)s->n;
	return e;
}

static sp_str dotted(parser *p, bool dot, sp_str name)
{
	sp_str s = dot ? SP_CONCAT(p->c->arena, SP_STR("."), name) : name;
	p->c->no_memory |= s.len == 0;
	return s;
}

static cel_node *identifier(parser *p, bool dot, uint32_t from)
{
	cel_token t = p->tok;
	seq s = {0};
	advance(p);
	bool call = cel_token_is(p->tok, "(");
	uint32_t at = call ? p->tok.at : t.at;
	if (is_reserved(t.text)) {
		cel_issue(p->c, from, "reserved identifier: " SP_FMT, SP_ARG(t.text));
		if (call) {
			advance(p);
			(void)arguments(p, &s);
		}
		return broken(p, from);
	}
	sp_str name = dotted(p, dot, t.text);
	if (!call)
		return cel_ident(p->c, at, name);
	advance(p);
	if (!arguments(p, &s))
		return broken(p, at);
	return call_or_macro(p, at, name, NULL, &s);
}

/* After a dot stands no name. */
static cel_node *no_name(parser *p)
{
	cel_token t = p->tok;
	bool is_word = cel_token_is(t, "true") || cel_token_is(t, "false") || cel_token_is(t, "null");
	if (is_word)
		return syntax(p, "IDENTIFIER");
	sp_str shown = t.kind == CEL_T_END ? SP_STR("") : t.text;
	if (!p->c->hopeless)
		cel_issue(p->c, t.at, "Syntax error: no viable alternative at input '." SP_FMT "'",
			  SP_ARG(shown));
	p->c->hopeless = true;
	return broken(p, t.at);
}

static cel_node *primary(parser *p)
{
	cel_token t = p->tok;
	if (t.kind == CEL_T_INT || t.kind == CEL_T_UINT || t.kind == CEL_T_FLOAT)
		return number(p, false, t.at);
	if (t.kind == CEL_T_STRING || t.kind == CEL_T_BYTES)
		return text(p);
	if (t.kind == CEL_T_IDENT)
		return identifier(p, false, t.at);
	if (cel_token_is(t, "true") || cel_token_is(t, "false") || cel_token_is(t, "null"))
		return word(p);
	if (cel_token_is(t, "["))
		return list(p);
	if (cel_token_is(t, "{"))
		return map(p);
	if (accept(p, "(")) {
		p->nest++;
		cel_node *e = expr(p);
		(void)close_bracket(p, ")", "')'");
		return e;
	}
	if (accept(p, "."))
		return p->tok.kind == CEL_T_IDENT ? identifier(p, true, t.at) : no_name(p);
	if (t.kind == CEL_T_END || !begins_expr(second(p)) || p->c->hopeless)
		return syntax(p, p->start);
	extraneous(p, p->start);
	return unary(p);
}

sp_str cel_qualified_name(cel_compiler *c, const cel_node *e)
{
	if (e->kind == CEL_IDENT)
		return e->name;
	if (e->kind != CEL_SELECT || e->test)
		return (sp_str){NULL, 0};
	sp_str head = cel_qualified_name(c, e->target);
	return head.len == 0 ? head : SP_CONCAT(c->arena, head, SP_STR("."), e->name);
}

static cel_node *select_(parser *p, cel_node *target)
{
	uint32_t at = p->tok.at;
	sp_str name;
	advance(p);
	bool opt = accept(p, "?");
	cel_token field = p->tok;
	if (!field_name(p, &name)) {
		if (!opt)
			return no_name(p);
		(void)syntax(p, "{IDENTIFIER, ESC_IDENTIFIER}");
		return refuse(p, field.at, "unsupported ident kind");
	}
	if (opt) {
		if ((p->c->env->libs & SP_CEL_LIB_OPTIONAL) == 0)
			return refuse(p, at, "unsupported syntax '.?'");
		return CEL_CALL_N(p->c, at, "_?._", target, cel_literal(p->c, field.at, sp_cel_of_str(name)));
	}
	uint32_t open = p->tok.at;
	if (field.kind == CEL_T_IDENT && accept(p, "(")) {
		seq s = {0};
		if (!arguments(p, &s))
			return broken(p, at);
		return call_or_macro(p, open, name, target, &s);
	}
	cel_node *e = cel_node_new(p->c, CEL_SELECT, at);
	if (e != NULL) {
		e->target = target;
		e->name = name;
	}
	return e;
}

static cel_node *index_(parser *p, cel_node *target)
{
	uint32_t at = p->tok.at;
	advance(p);
	p->nest++;
	p->start = START_INDEX;
	bool opt = accept(p, "?");
	cel_node *key = expr(p);
	if (!close_bracket(p, "]", "']'"))
		return broken(p, at);
	if (opt && (p->c->env->libs & SP_CEL_LIB_OPTIONAL) == 0)
		return refuse(p, at, "unsupported syntax '[?'");
	return CEL_CALL_N(p->c, at, opt ? "_[?_]" : "_[_]", target, key);
}

static cel_node *member(parser *p)
{
	bool nested = cel_token_is(p->tok, "(");
	cel_node *e = primary(p);
	uint32_t depth = p->c->depth;
	while (e != NULL && !p->c->hopeless) {
		if (cel_token_is(p->tok, ".")) {
			e = deeper(p) ? select_(p, e) : broken(p, p->tok.at);
			continue;
		}
		if (cel_token_is(p->tok, "[")) {
			e = deeper(p) ? index_(p, e) : broken(p, p->tok.at);
			nested = true;
			continue;
		}
		sp_str name = {NULL, 0};
		if (cel_token_is(p->tok, "{") && !nested)
			name = cel_qualified_name(p->c, e);
		if (name.len == 0)
			break;
		e = structure(p, name);
		nested = true;
	}
	p->c->depth = depth;
	return e;
}

/* ---- operators ---- */

/* Nothing stands after a sign. */
static cel_node *operand_missing(parser *p, cel_token sign)
{
	if (sign.text.ptr[0] == '!') {
		cel_issue(p->c, p->tok.at, "Syntax error: extraneous input '" SP_FMT "' expecting " START,
			  SP_ARG(p->tok.text));
		p->c->hopeless = true;
		return broken(p, sign.at);
	}
	uint32_t to = p->tok.kind == CEL_T_END ? p->tok.at : end_of(p->tok);
	cel_issue(p->c, p->tok.at, "Syntax error: no viable alternative at input '" SP_FMT "'",
		  SP_ARG(sp_str_sub(p->c->source, sign.at, to)));
	return syntax(p, START);
}

static cel_node *unary(parser *p)
{
	cel_token first = p->tok;
	const char *op = cel_token_is(first, "!") ? "!" : cel_token_is(first, "-") ? "-" : NULL;
	if (op == NULL)
		return member(p);
	advance(p);
	bool is_number = p->tok.kind == CEL_T_INT || p->tok.kind == CEL_T_FLOAT;
	if (*op == '-' && is_number) {
		cel_node *e = number(p, true, first.at);
		/* Members of a negative literal. */
		uint32_t depth = p->c->depth;
		while (e != NULL && !p->c->hopeless &&
		       (cel_token_is(p->tok, ".") || cel_token_is(p->tok, "[")))
			e = !deeper(p)                  ? broken(p, p->tok.at)
			    : cel_token_is(p->tok, ".") ? select_(p, e)
							: index_(p, e);
		p->c->depth = depth;
		return e;
	}
	unsigned n = 1;
	cel_token last = first;
	while (cel_token_is(p->tok, op)) {
		last = p->tok;
		advance(p);
		n++;
	}
	if (!begins_expr(p->tok) && !p->c->hopeless)
		return operand_missing(p, last);
	cel_node *e = cel_token_is(p->tok, "-") ? unary(p) : member(p);
	if (n % 2 == 0 || e == NULL)
		return e;
	return CEL_CALL_N(p->c, first.at, *op == '!' ? "!_" : "-_", e);
}

typedef struct binary {
	const char *op, *fn;
	uint8_t level;
} binary;

/* By precedence: the higher level binds tighter. */
static const binary binaries[] = {
	{"==", "_==_", 0}, {"!=", "_!=_", 0}, {"<", "_<_", 0},  {"<=", "_<=_", 0},
	{">", "_>_", 0},   {">=", "_>=_", 0}, {"in", "@in", 0}, {"+", "_+_", 1},
	{"-", "_-_", 1},   {"*", "_*_", 2},   {"/", "_/_", 2},  {"%", "_%_", 2},
};

static const binary *binary_at(parser *p, uint8_t level)
{
	for (size_t i = 0; i < SP_LEN(binaries) && p->tok.kind == CEL_T_OP; i++) {
		if (binaries[i].level == level && cel_token_is(p->tok, binaries[i].op))
			return &binaries[i];
	}
	return NULL;
}

static cel_node *operation(parser *p, uint8_t level)
{
	cel_node *e = level == 3 ? unary(p) : operation(p, (uint8_t)(level + 1));
	const binary *b;
	uint32_t depth = p->c->depth;
	while (level < 3 && e != NULL && !p->c->hopeless && (b = binary_at(p, level)) != NULL) {
		uint32_t at = p->tok.at;
		if (!deeper(p))
			break;
		advance(p);
		e = CEL_CALL_N(p->c, at, b->fn, e, operation(p, (uint8_t)(level + 1)));
	}
	p->c->depth = depth;
	return e;
}

/* a || b || c, a && b && c: one node each. */
static cel_node *logic(parser *p, bool is_or)
{
	seq s = {0};
	const char *op = is_or ? "||" : "&&";
	cel_node *e = is_or ? logic(p, false) : operation(p, 0);
	uint32_t at = p->tok.at;
	if (e == NULL || !cel_token_is(p->tok, op) || !seq_add(p, &s, e))
		return e;
	while (accept(p, op)) {
		if (!seq_add(p, &s, is_or ? logic(p, false) : operation(p, 0)))
			return NULL;
	}
	return cel_call(p->c, at, is_or ? "_||_" : "_&&_", s.n, s.items);
}

static cel_node *expr(parser *p)
{
	if (p->c->hopeless || !deeper(p))
		return broken(p, p->tok.at);
	cel_node *e = logic(p, true);
	uint32_t at = p->tok.at;
	if (e != NULL && accept(p, "?")) {
		cel_node *yes = logic(p, true);
		if (colon(p))
			e = CEL_CALL_N(p->c, at, "_?_:_", e, yes, expr(p));
	}
	p->c->depth--;
	return e;
}

cel_node *cel_parse(cel_compiler *c)
{
	parser p = {.c = c};
	size_t runes = sp_utf8_count(c->source);
	if (runes > SP_CEL_SOURCE_RUNES_MAX) {
		cel_issue(c, 0, "expression code point size exceeds limit: size: %zu, limit %u", runes,
			  SP_CEL_SOURCE_RUNES_MAX);
		return cel_node_new(c, CEL_BROKEN, 0);
	}
	advance(&p);
	cel_node *e = expr(&p);
	if (!c->hopeless && p.tok.kind != CEL_T_END) {
		if (second(&p).kind == CEL_T_END)
			extraneous(&p, "<EOF>");
		else
			(void)syntax(&p, "<EOF>");
	}
	return e;
}

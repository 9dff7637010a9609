/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar, as client-go util/jsonpath/parser.go reads it. */
#include "kube/jsonpath.h"

#include "base/num.h"
#include "base/quote.h"
#include "base/utf8.h"
#include "kube/jsonpath_int.h"

typedef struct parser {
	sp_arena *arena;
	sp_str text;
	size_t pos;
	unsigned depth;
	size_t *n_nodes; /* of the whole expression */
	jp_node *first, *last;
	sp_err *err;
} parser;

static sp_code parse_action(const parser *outer, sp_str text, const sp_jsonpath **ret);

static jp_node *add(parser *p, jp_kind kind)
{
	if (++*p->n_nodes > SP_JSONPATH_NODES_MAX)
		return NULL;
	jp_node *n = sp_try_new(p->arena, jp_node, 1);
	if (n == NULL)
		return NULL;
	n->kind = kind;
	if (p->last == NULL)
		p->first = n;
	else
		p->last->next = n;
	p->last = n;
	return n;
}

static sp_code no_room(const parser *p)
{
	return sp_fail(p->err, SP_ETOOLARGE, "no room for the expression");
}

/* The byte at pos, or -1 at the end. */
static int peek(const parser *p)
{
	return p->text.ptr != NULL && p->pos < p->text.len ? (int)(unsigned char)p->text.ptr[p->pos] : -1;
}

static bool at(const parser *p, sp_str prefix)
{
	return sp_str_starts(sp_str_sub(p->text, p->pos, p->text.len), prefix);
}

static bool is_digit(int c)
{
	return c >= '0' && c <= '9';
}

/* A letter above ASCII is taken for what it is not looked up: any character above ASCII. */
static bool is_word(int c)
{
	return c == '_' || is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
}

static bool is_terminator(int c)
{
	return c < 0 || strchr(" \t\r\n.,[]$@{}", c) != NULL;
}

/* -- fields, words, numbers, quotes --------------------------------------------------------------------- */

/* Name up to the next terminator that no backslash protects; the backslashes go. */
static sp_code parse_field(parser *p)
{
	size_t from = p->pos;
	while (!is_terminator(peek(p)) || peek(p) == '\0') {
		if (peek(p) == '\\')
			p->pos++;
		if (p->pos < p->text.len)
			p->pos++;
	}
	sp_str raw = sp_str_sub(p->text, from, p->pos);
	bool star = sp_str_eq(raw, SP_STR("*"));
	jp_node *n = add(p, star ? JP_WILDCARD : JP_FIELD);
	char *name = sp_try_new(p->arena, char, raw.len + 1);
	if (n == NULL || name == NULL)
		return no_room(p);
	size_t len = 0;
	for (size_t i = 0; i < raw.len; i++)
		if (raw.ptr[i] != '\\')
			name[len++] = raw.ptr[i];
	n->text = (sp_str){name, len};
	return SP_OK;
}

static sp_code parse_word(parser *p)
{
	size_t from = p->pos;
	while (!is_terminator(peek(p)) || peek(p) == '\0')
		p->pos++;
	sp_str word = sp_str_sub(p->text, from, p->pos);
	bool truth = sp_str_eq(word, SP_STR("true"));
	jp_node *n = add(p, truth || sp_str_eq(word, SP_STR("false")) ? JP_BOOL : JP_WORD);
	if (n == NULL)
		return no_room(p);
	n->truth = truth;
	n->text = word;
	return SP_OK;
}

/* Digits and dots after a sign. What is no integer is read as JSON reads a number. */
static sp_code parse_number(parser *p)
{
	size_t from = p->pos;
	if (peek(p) == '+' || peek(p) == '-')
		p->pos++;
	while (is_digit(peek(p)) || peek(p) == '.')
		p->pos++;
	sp_str text = sp_str_sub(p->text, from, p->pos), bare = text;
	jp_node *n = add(p, JP_INT);
	if (n == NULL)
		return no_room(p);
	bool plus = sp_str_take(&bare, SP_STR("+"));
	if (sp_parse_i64(bare, INT64_MIN, INT64_MAX, &n->number, NULL) == SP_OK)
		return SP_OK;
	yyjson_val *v = NULL;
	if (plus || sp_json_parse(p->arena, bare, &v, NULL) != SP_OK || !yyjson_is_num(v))
		return sp_fail(p->err, SP_EINVAL, "cannot parse number " SP_FMT, SP_ARG(text));
	n->kind = JP_FLOAT;
	n->real = yyjson_get_num(v);
	return SP_OK;
}

/* Go's escapes of one character. False: none of them. */
static bool unescape(sp_str *in, char quote, char *out, size_t *n)
{
	static const char letters[] = "abfnrtv\\", values[] = "\a\b\f\n\r\t\v\\";
	const char *found = in->len == 0 || in->ptr[0] == '\0' ? NULL : strchr(letters, in->ptr[0]);
	if (in->len == 0)
		return false;
	char c = in->ptr[0];
	*in = sp_str_sub(*in, 1, in->len);
	if (found != NULL || c == quote) {
		out[(*n)++] = found != NULL ? values[found - letters] : quote;
		return true;
	}
	size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
	uint32_t rune = 0;
	if (digits == 0 || in->len < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		char d = in->ptr[i];
		int v = d >= '0' && d <= '9'                 ? d - '0'
			: (d | 32) >= 'a' && (d | 32) <= 'f' ? (d | 32) - 'a' + 10
							     : -1;
		if (v < 0)
			return false;
		rune = rune << 4 | (uint32_t)v;
	}
	*in = sp_str_sub(*in, digits, in->len);
	if (digits == 2) {
		out[(*n)++] = (char)(unsigned char)rune;
		return true;
	}
	if (rune > SP_RUNE_MAX || (rune >= 0xd800 && rune < 0xe000))
		return false;
	*n += sp_utf8_encode(out + *n, rune);
	return true;
}

/* A quoted text; pos is behind the opening quote. */
static sp_code parse_quote(parser *p, char quote)
{
	size_t from = p->pos;
	for (;; p->pos++) {
		if (peek(p) < 0 || peek(p) == '\n')
			return sp_fail(p->err, SP_EINVAL, "unterminated quoted string");
		if (peek(p) == quote && p->text.ptr[p->pos - 1] != '\\')
			break;
	}
	sp_str raw = sp_str_sub(p->text, from, p->pos++);
	jp_node *n = add(p, JP_TEXT);
	char *out = sp_try_new(p->arena, char, raw.len + 1);
	if (n == NULL || out == NULL)
		return no_room(p);
	size_t len = 0;
	for (sp_str rest = raw; rest.len > 0;) {
		char c = rest.ptr[0];
		rest = sp_str_sub(rest, 1, rest.len);
		if (c != '\\')
			out[len++] = c;
		else if (!unescape(&rest, quote, out, &len))
			return sp_fail(p->err, SP_EINVAL,
				       "unquote string %c" SP_FMT "%c error invalid syntax", quote,
				       SP_ARG(raw), quote);
	}
	n->text = (sp_str){out, len};
	return SP_OK;
}

/* -- brackets ------------------------------------------------------------------------------------------- */

/* One number of a slice; empty is unknown. */
static sp_code parse_bound(parser *p, sp_str text, jp_param *ret)
{
	if (text.len == 0)
		return SP_OK;
	ret->known = true;
	if (sp_parse_i64(text, INT32_MIN, INT32_MAX, &ret->value, NULL) != SP_OK)
		return sp_fail(p->err, SP_EINVAL, "array index " SP_FMT " is not a number", SP_ARG(text));
	return SP_OK;
}

static bool is_bound(sp_str s)
{
	(void)sp_str_take(&s, SP_STR("-"));
	for (size_t i = 0; i < s.len; i++)
		if (!is_digit((unsigned char)s.ptr[i]))
			return false;
	return true;
}

/* from[:to[:step]] */
static sp_code parse_slice(parser *p, sp_str text)
{
	sp_str rest = text, parts[3] = {text, {NULL, 0}, {NULL, 0}};
	size_t n = 0;
	while (n < 2 && sp_str_cut(&rest, ':', &parts[n]))
		n++;
	parts[n++] = rest;
	for (size_t i = 0; i < n; i++)
		if (!is_bound(parts[i]))
			return sp_fail(p->err, SP_EINVAL, "invalid array index " SP_FMT, SP_ARG(text));
	jp_node *node = add(p, JP_ARRAY);
	if (node == NULL)
		return no_room(p);
	for (size_t i = 0; i < n; i++)
		SP_TRY(parse_bound(p, parts[i], &node->params[i]));
	if (n == 1) /* a single index: [i] is [i:i+1] */
		node->params[1] = (jp_param){true, true, node->params[0].value + 1};
	return SP_OK;
}

static sp_code parse_union(parser *p, sp_str text)
{
	size_t n = 1;
	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == ',';
	jp_node *node = add(p, JP_UNION);
	const sp_jsonpath **any = sp_try_new(p->arena, const sp_jsonpath *, n);
	if (node == NULL || any == NULL)
		return no_room(p);
	for (size_t i = 0; i < n; i++) {
		sp_str part = text;
		if (i + 1 < n)
			(void)sp_str_cut(&text, ',', &part);
		while (sp_str_take(&part, SP_STR(" ")))
			continue;
		while (sp_str_ends(part, SP_STR(" ")))
			part.len--;
		sp_str inner = sp_arena_printf(p->arena, "[" SP_FMT "]", SP_ARG(part));
		if (inner.ptr == NULL)
			return no_room(p);
		SP_TRY(parse_action(p, inner, &any[i]));
	}
	node->any = any;
	node->n_any = n;
	return SP_OK;
}

/* pos is behind the bracket. */
static sp_code parse_array(parser *p)
{
	size_t from = p->pos;
	while (peek(p) != ']') {
		if (peek(p) < 0 || peek(p) == '\n')
			return sp_fail(p->err, SP_EINVAL, "unterminated array");
		p->pos++;
	}
	sp_str text = sp_str_sub(p->text, from, p->pos++);
	if (sp_str_eq(text, SP_STR("*")))
		text = SP_STR(":");
	if (sp_str_index(text, ',') >= 0)
		return parse_union(p, text);
	sp_str key = text;
	bool quoted = text.len >= 2 && sp_str_take(&key, SP_STR("'")) && sp_str_ends(key, SP_STR("'"));
	if (!quoted)
		return parse_slice(p, text);
	key.len--;
	if (sp_str_index(key, '\'') >= 0)
		return parse_slice(p, text);
	/* The name is read as the path .name, dots and all. */
	sp_str inner = sp_arena_printf(p->arena, "." SP_FMT, SP_ARG(key));
	const sp_jsonpath *path;
	if (inner.ptr == NULL)
		return no_room(p);
	SP_TRY(parse_action(p, inner, &path));
	for (const jp_node *n = path->first; n != NULL; n = n->next) {
		jp_node *copy = add(p, n->kind);
		if (copy == NULL)
			return no_room(p);
		jp_node linked = *n;
		linked.next = NULL;
		*copy = linked;
	}
	return SP_OK;
}

static jp_op find_op(sp_str text)
{
	static const struct {
		sp_str text;
		jp_op op;
	} rows[] = {{SP_STR_INIT("=="), JP_EQ}, {SP_STR_INIT("!="), JP_NE}, {SP_STR_INIT("<"), JP_LT},
		    {SP_STR_INIT("<="), JP_LE}, {SP_STR_INIT(">"), JP_GT},  {SP_STR_INIT(">="), JP_GE}};
	for (size_t i = 0; i < SP_LEN(rows); i++)
		if (sp_str_eq(rows[i].text, text))
			return rows[i].op;
	return JP_UNKNOWN_OP;
}

static bool is_op(char c)
{
	return c == '!' || c == '<' || c == '>' || c == '=';
}

/* The end of a filter: a parenthesis outside of the (one) quoted text. */
static sp_code find_filter_end(parser *p, size_t *ret_end)
{
	bool begin = false, end = false;
	int pair = 0;
	for (;; p->pos++) {
		int c = peek(p);
		if (c < 0 || c == '\n')
			return sp_fail(p->err, SP_EINVAL, "unterminated filter");
		if ((c == '"' || c == '\'') && !begin) {
			begin = true;
			pair = c;
		} else if ((c == '"' || c == '\'') && p->text.ptr[p->pos - 1] != '\\' && c == pair) {
			end = true;
		} else if (c == ')' && begin == end) {
			break;
		}
	}
	*ret_end = p->pos++;
	if (peek(p) != ']')
		return sp_fail(p->err, SP_EINVAL, "unclosed array expect ]");
	p->pos++;
	return SP_OK;
}

/* pos is behind "[?(". */
static sp_code parse_filter(parser *p)
{
	size_t from = p->pos, end = 0;
	SP_TRY(find_filter_end(p, &end));
	sp_str text = sp_str_sub(p->text, from, end);
	jp_node *n = add(p, JP_FILTER);
	if (n == NULL)
		return no_room(p);
	size_t op = 0, behind;
	while (op < text.len && !is_op(text.ptr[op]))
		op++;
	for (behind = op; behind < text.len && is_op(text.ptr[behind]);)
		behind++;
	if (behind == text.len && behind > op + 1)
		behind--; /* the right side needs a character */
	if (op == 0 || op == text.len || behind == text.len) {
		n->op = JP_EXISTS;
		return parse_action(p, text, &n->left);
	}
	n->text = sp_str_sub(text, op, behind);
	n->op = find_op(n->text);
	SP_TRY(parse_action(p, sp_str_sub(text, 0, op), &n->left));
	return parse_action(p, sp_str_sub(text, behind, text.len), &n->right);
}

/* -- the whole ------------------------------------------------------------------------------------------ */

static sp_code parse_recursive(parser *p)
{
	if (p->last != NULL && p->last->kind == JP_RECURSIVE)
		return sp_fail(p->err, SP_EINVAL, "invalid multiple recursive descent");
	p->pos += 2;
	if (add(p, JP_RECURSIVE) == NULL)
		return no_room(p);
	return is_word(peek(p)) ? parse_field(p) : SP_OK;
}

static sp_code parse_one(parser *p)
{
	if (at(p, SP_STR("[?("))) {
		p->pos += 3;
		return parse_filter(p);
	}
	if (at(p, SP_STR("..")))
		return parse_recursive(p);
	int c = peek(p);
	if (c == '\r' || c == '\n')
		return sp_fail(p->err, SP_EINVAL, "unclosed action");
	if (c == '+' || c == '-' || is_digit(c))
		return parse_number(p);
	if (is_word(c))
		return parse_word(p);
	uint32_t rune = 0;
	p->pos += sp_utf8_decode(sp_str_sub(p->text, p->pos, p->text.len), &rune);
	switch (c) {
	case ' ':
	case '@':
	case '$':
		return SP_OK;
	case '[':
		return parse_array(p);
	case '"':
	case '\'':
		return parse_quote(p, (char)c);
	case '.':
		return parse_field(p);
	default:
		break;
	}
	return sp_fail(p->err, SP_EINVAL, "unrecognized character in action: U+%04X%s%c%s", (unsigned)rune,
		       sp_rune_prints(rune) ? " '" : "", sp_rune_prints(rune) ? (char)c : ' ',
		       sp_rune_prints(rune) ? "'" : "");
}

static sp_code parse_action(const parser *outer, sp_str text, const sp_jsonpath **ret)
{
	parser p = {.arena = outer->arena,
		    .text = text,
		    .depth = outer->depth + 1,
		    .n_nodes = outer->n_nodes,
		    .err = outer->err};
	if (p.depth > SP_JSONPATH_DEPTH)
		return no_room(&p);
	/* A closing brace ends the expression; what stands behind it is another one, which nobody asks for.
	 */
	while (peek(&p) >= 0 && peek(&p) != '}')
		SP_TRY(parse_one(&p));
	sp_jsonpath *path = sp_try_new(p.arena, sp_jsonpath, 1);
	if (path == NULL)
		return no_room(&p);
	path->first = p.first;
	*ret = path;
	return SP_OK;
}

sp_code sp_jsonpath_compile(sp_arena *a, sp_str text, const sp_jsonpath **ret, sp_err *err)
{
	size_t n_nodes = 0;
	sp_str copy = sp_arena_try_dup(a, text);
	parser p = {.arena = a, .n_nodes = &n_nodes, .err = err};
	if (copy.ptr == NULL && text.len > 0)
		return no_room(&p);
	return parse_action(&p, copy, ret);
}

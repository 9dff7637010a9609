/* SPDX-License-Identifier: Apache-2.0 */
#include "base/toml.h"

#include "base/num.h"
#include "base/utf8.h"

#define KEY_PARTS_MAX 32u

typedef struct parser {
	sp_arena *arena;
	yyjson_mut_doc *doc;
	const char *at, *end;
	unsigned line;
	sp_err *err;
	yyjson_mut_val *root;
	sp_str *closed; /* headers that stood: "a\0b" */
	size_t n_closed, cap_closed;
} parser;

static sp_code bad(parser *p, const char *what)
{
	return sp_fail(p->err, SP_EINVAL, "line %u: %s", p->line, what);
}

static sp_code no_room(parser *p)
{
	return sp_fail(p->err, SP_ETOOLARGE, "line %u: the text takes too much memory", p->line);
}

/* ---- blanks ---- */

static char peek(const parser *p)
{
	return p->at < p->end ? *p->at : '\0';
}

static void blanks(parser *p)
{
	while (peek(p) == ' ' || peek(p) == '\t')
		p->at++;
}

static sp_code comment(parser *p)
{
	if (peek(p) != '#')
		return SP_OK;
	for (; p->at < p->end && *p->at != '\n'; p->at++) {
		if ((unsigned char)*p->at < ' ' && *p->at != '\t' && *p->at != '\r')
			return bad(p, "a control character in a comment");
	}
	return SP_OK;
}

static bool newline(parser *p)
{
	if (peek(p) == '\r' && p->end - p->at > 1 && p->at[1] == '\n')
		p->at++;
	if (peek(p) != '\n')
		return false;
	p->at++;
	p->line++;
	return true;
}

/* Blanks, comments and new lines. */
static sp_code gap(parser *p)
{
	do {
		blanks(p);
		SP_TRY(comment(p));
	} while (newline(p));
	return SP_OK;
}

static sp_code line_end(parser *p)
{
	blanks(p);
	SP_TRY(comment(p));
	return p->at == p->end || newline(p) ? SP_OK : bad(p, "something follows on the line");
}

/* ---- strings ---- */

static sp_code hex_escape(parser *p, size_t digits, sp_buf *out)
{
	uint32_t c = 0;
	char utf8[SP_UTF8_MAX_BYTES];
	for (size_t i = 0; i < digits; i++, p->at++) {
		char d = peek(p);
		uint32_t v = d >= '0' && d <= '9'   ? (uint32_t)(d - '0')
			     : d >= 'a' && d <= 'f' ? (uint32_t)(d - 'a' + 10)
			     : d >= 'A' && d <= 'F' ? (uint32_t)(d - 'A' + 10)
						    : 16;
		if (v == 16)
			return bad(p, "a malformed escape");
		c = c << 4 | v;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return bad(p, "an escape that is no character");
	(void)sp_buf_append(out, utf8, sp_utf8_encode(utf8, c));
	return SP_OK;
}

static sp_code escape(parser *p, bool multi, sp_buf *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	char c = peek(p);
	const char *found = c == '\0' ? NULL : strchr(from, c);
	if (found != NULL) {
		p->at++;
		(void)sp_buf_char(out, to[found - from]);
		return SP_OK;
	}
	if (c == 'u' || c == 'U') {
		p->at++;
		return hex_escape(p, c == 'u' ? 4 : 8, out);
	}
	blanks(p);
	if (!multi || !newline(p))
		return bad(p, "an unknown escape");
	do
		blanks(p);
	while (newline(p));
	return SP_OK;
}

/* How many quotes stand here, at most n. */
static size_t quotes(const parser *p, char quote, size_t n)
{
	size_t have = 0;
	while (have < n && p->end - p->at > (ptrdiff_t)have && p->at[have] == quote)
		have++;
	return have;
}

/* True at the end of the string, behind it. Two quotes more may stand before the end of one of several lines.
 */
static bool string_end(parser *p, char quote, bool multi, sp_buf *out)
{
	if (!multi) {
		bool end = peek(p) == quote;
		p->at += end;
		return end;
	}
	size_t n = quotes(p, quote, 5);
	if (n < 3)
		return false;
	for (size_t i = 3; i < n; i++)
		(void)sp_buf_char(out, quote);
	p->at += n;
	return true;
}

static sp_code string_body(parser *p, char quote, bool multi, sp_buf *out)
{
	while (!string_end(p, quote, multi, out)) {
		if (p->at == p->end)
			return bad(p, "a string does not end");
		if (*p->at == '\\' && quote == '"') {
			p->at++;
			SP_TRY(escape(p, multi, out));
			continue;
		}
		if (!multi && *p->at == '\n')
			return bad(p, "a string does not end on its line");
		if (newline(p)) {
			(void)sp_buf_char(out, '\n');
			continue;
		}
		unsigned char c = (unsigned char)*p->at++;
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return bad(p, "a control character in a string");
		(void)sp_buf_char(out, (char)c);
	}
	return SP_OK;
}

static sp_code string(parser *p, bool key, sp_str *ret)
{
	SP_AUTO_BUF out;
	char quote = *p->at;
	bool multi = !key && quotes(p, quote, 3) == 3;
	sp_buf_init(&out, (size_t)(p->end - p->at) + 16);
	p->at += multi ? 3 : 1;
	if (multi)
		(void)newline(p);
	SP_TRY(string_body(p, quote, multi, &out));
	*ret = sp_arena_try_dup(p->arena, sp_buf_view(&out));
	return sp_buf_code(&out) != SP_OK || (ret->ptr == NULL && out.len > 0) ? no_room(p) : SP_OK;
}

/* ---- numbers ---- */

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       c == '-';
}

/* Without underscores, each of which stands between digits. */
static sp_code number_text(parser *p, char *out, size_t room, size_t *ret_n)
{
	size_t n = 0;
	char before = '\0';
	for (; is_bare(peek(p)) || peek(p) == '+' || peek(p) == '.' || peek(p) == ':'; p->at++) {
		char c = *p->at, after = p->end - p->at > 1 ? p->at[1] : '\0';
		if (c == ':')
			return bad(p, "dates and times are not taken");
		if (c == '_' && !(before >= '0' && before <= '9' && after >= '0' && after <= '9'))
			return bad(p, "a malformed number");
		if (c != '_' && n < room)
			out[n++] = c;
		before = c;
	}
	out[SP_MIN(n, room - 1)] = '\0';
	*ret_n = n;
	return n > 0 && n < room ? SP_OK : bad(p, "a malformed value");
}

static bool radix(const char *text, size_t n, int64_t *ret)
{
	int64_t base = text[1] == 'x' ? 16 : text[1] == 'o' ? 8 : 2, v = 0;
	for (size_t i = 2; i < n; i++) {
		char c = text[i];
		int64_t d = c >= '0' && c <= '9'                 ? c - '0'
			    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
								 : 16;
		if (d >= base || !sp_mul(v, base, &v) || !sp_add(v, d, &v))
			return false;
	}
	*ret = v;
	return n > 2;
}

static sp_code number(parser *p, yyjson_mut_val **ret)
{
	char text[64];
	size_t n = 0;
	int64_t v;
	double d;
	SP_TRY(number_text(p, text, sizeof text, &n));
	size_t sign = text[0] == '+' || text[0] == '-';
	bool zero = n - sign > 1 && text[sign] == '0';
	if (zero && sign == 0 && (text[1] == 'x' || text[1] == 'o' || text[1] == 'b')) {
		if (!radix(text, n, &v))
			return bad(p, "a malformed number");
		*ret = yyjson_mut_sint(p->doc, v);
	} else if (strspn(text + sign, "0123456789") >= n - sign && memchr(text, '.', n) == NULL) {
		sp_str digits = {text + (text[0] == '+'), n - (text[0] == '+')};
		if (zero || sp_parse_i64(digits, INT64_MIN, INT64_MAX, &v, NULL) != SP_OK)
			return bad(p, "a malformed number");
		*ret = yyjson_mut_sint(p->doc, v);
	} else {
		yyjson_val parsed;
		if ((zero && text[sign + 1] != '.' && (text[sign + 1] | 32) != 'e') ||
		    yyjson_read_number(text + (text[0] == '+'), &parsed, 0, NULL, NULL) == NULL ||
		    !yyjson_is_real(&parsed))
			return bad(p, "a malformed value");
		d = yyjson_get_real(&parsed);
		*ret = yyjson_mut_real(p->doc, d);
	}
	return *ret != NULL ? SP_OK : no_room(p);
}

/* ---- keys and tables ---- */

typedef struct key {
	sp_str parts[KEY_PARTS_MAX];
	size_t n;
} key;

static sp_code key_part(parser *p, sp_str *ret)
{
	const char *start = p->at;
	if (peek(p) == '"' || peek(p) == '\'')
		return string(p, true, ret);
	while (is_bare(peek(p)))
		p->at++;
	*ret = (sp_str){start, (size_t)(p->at - start)};
	return ret->len > 0 ? SP_OK : bad(p, "a key is missing");
}

static sp_code read_key(parser *p, key *k)
{
	for (k->n = 0;;) {
		blanks(p);
		if (k->n == KEY_PARTS_MAX)
			return bad(p, "a key of too many parts");
		SP_TRY(key_part(p, &k->parts[k->n++]));
		blanks(p);
		if (peek(p) != '.')
			return SP_OK;
		p->at++;
	}
}

static yyjson_mut_val *get(yyjson_mut_val *table, sp_str name)
{
	return yyjson_mut_obj_getn(table, name.ptr == NULL ? "" : name.ptr, name.len);
}

static sp_code put(parser *p, yyjson_mut_val *table, sp_str name, yyjson_mut_val *v)
{
	yyjson_mut_val *k = yyjson_mut_strn(p->doc, name.ptr == NULL ? "" : name.ptr, name.len);
	return k != NULL && v != NULL && yyjson_mut_obj_add(table, k, v) ? SP_OK : no_room(p);
}

/* The table of that name, made when there is none; of an array of tables the last one. */
static sp_code enter(parser *p, yyjson_mut_val **table, sp_str name)
{
	yyjson_mut_val *v = get(*table, name);
	if (v == NULL) {
		v = yyjson_mut_obj(p->doc);
		SP_TRY(put(p, *table, name, v));
	} else if (yyjson_mut_is_arr(v)) {
		v = yyjson_mut_arr_get_last(v);
	}
	if (!yyjson_mut_is_obj(v))
		return bad(p, "a key is a table and something else");
	*table = v;
	return SP_OK;
}

static sp_code value(parser *p, unsigned depth, yyjson_mut_val **ret);

static sp_code pair(parser *p, yyjson_mut_val *table, unsigned depth)
{
	key k;
	yyjson_mut_val *v = NULL;
	SP_TRY(read_key(p, &k));
	if (peek(p) != '=')
		return bad(p, "'=' is missing");
	p->at++;
	blanks(p);
	SP_TRY(value(p, depth, &v));
	for (size_t i = 0; i + 1 < k.n; i++)
		SP_TRY(enter(p, &table, k.parts[i]));
	if (get(table, k.parts[k.n - 1]) != NULL)
		return bad(p, "a key stands twice");
	return put(p, table, k.parts[k.n - 1], v);
}

static sp_code array(parser *p, unsigned depth, yyjson_mut_val **ret)
{
	yyjson_mut_val *list = yyjson_mut_arr(p->doc), *v = NULL;
	if (list == NULL)
		return no_room(p);
	p->at++;
	for (;;) {
		SP_TRY(gap(p));
		if (peek(p) == ']')
			break;
		SP_TRY(value(p, depth + 1, &v));
		if (!yyjson_mut_arr_append(list, v))
			return no_room(p);
		SP_TRY(gap(p));
		if (peek(p) == ']')
			break;
		if (peek(p) != ',')
			return bad(p, "',' or ']' is missing");
		p->at++;
	}
	p->at++;
	*ret = list;
	return SP_OK;
}

static sp_code inline_table(parser *p, unsigned depth, yyjson_mut_val **ret)
{
	yyjson_mut_val *table = yyjson_mut_obj(p->doc);
	if (table == NULL)
		return no_room(p);
	p->at++;
	blanks(p);
	for (bool first = true; peek(p) != '}' || !first; first = false) {
		SP_TRY(pair(p, table, depth + 1));
		blanks(p);
		if (peek(p) == '}')
			break;
		if (peek(p) != ',')
			return bad(p, "',' or '}' is missing");
		p->at++;
	}
	p->at++;
	*ret = table;
	return SP_OK;
}

static bool word(parser *p, const char *text)
{
	size_t n = strlen(text);
	if ((size_t)(p->end - p->at) < n || memcmp(p->at, text, n) != 0)
		return false;
	if ((size_t)(p->end - p->at) > n && is_bare(p->at[n]))
		return false;
	p->at += n;
	return true;
}

static sp_code value(parser *p, unsigned depth, yyjson_mut_val **ret)
{
	sp_str text;
	if (depth > SP_TOML_DEPTH)
		return sp_fail(p->err, SP_ETOOLARGE, "line %u: nested more than %u deep", p->line,
			       SP_TOML_DEPTH);
	switch (peek(p)) {
	case '"':
	case '\'':
		SP_TRY(string(p, false, &text));
		*ret = yyjson_mut_strn(p->doc, text.ptr == NULL ? "" : text.ptr, text.len);
		return *ret != NULL ? SP_OK : no_room(p);
	case '[':
		return array(p, depth, ret);
	case '{':
		return inline_table(p, depth, ret);
	default:
		break;
	}
	if (word(p, "true") || word(p, "false")) {
		*ret = yyjson_mut_bool(p->doc, p->at[-4] == 't');
		return *ret != NULL ? SP_OK : no_room(p);
	}
	return number(p, ret);
}

/* ---- headers ---- */

/* A table may be opened by one header only. */
static sp_code open_once(parser *p, const key *k)
{
	SP_AUTO_BUF path;
	sp_buf_init(&path, (size_t)1 << 20);
	for (size_t i = 0; i < k->n; i++) {
		(void)sp_buf_str(&path, k->parts[i]);
		(void)sp_buf_char(&path, '\0');
	}
	for (size_t i = 0; i < p->n_closed; i++) {
		if (sp_str_eq(p->closed[i], sp_buf_view(&path)))
			return bad(p, "a table stands twice");
	}
	if (p->n_closed == p->cap_closed) {
		size_t cap = p->cap_closed == 0 ? 16 : p->cap_closed * 2;
		sp_str *wider = sp_arena_try_grow(p->arena, p->closed, p->cap_closed * sizeof *wider,
						  cap * sizeof *wider);
		if (wider == NULL)
			return no_room(p);
		p->closed = wider;
		p->cap_closed = cap;
	}
	sp_str copy = sp_arena_try_dup(p->arena, sp_buf_view(&path));
	if (copy.ptr == NULL)
		return no_room(p);
	p->closed[p->n_closed++] = copy;
	return SP_OK;
}

/* [[a.b]]: one more element; what was opened below the one before may be opened again. */
static sp_code element(parser *p, yyjson_mut_val **table, sp_str name)
{
	yyjson_mut_val *list = get(*table, name), *v = yyjson_mut_obj(p->doc);
	if (list == NULL) {
		list = yyjson_mut_arr(p->doc);
		SP_TRY(put(p, *table, name, list));
	}
	if (!yyjson_mut_is_arr(list))
		return bad(p, "a key is an array of tables and something else");
	if (v == NULL || !yyjson_mut_arr_append(list, v))
		return no_room(p);
	p->n_closed = 0;
	*table = v;
	return SP_OK;
}

static sp_code header(parser *p, yyjson_mut_val **ret)
{
	key k;
	bool list = p->end - p->at > 1 && p->at[1] == '[';
	yyjson_mut_val *table = p->root;
	p->at += list ? 2 : 1;
	SP_TRY(read_key(p, &k));
	if (quotes(p, ']', list ? 2 : 1) != (list ? 2u : 1u))
		return bad(p, "']' is missing");
	p->at += list ? 2 : 1;
	for (size_t i = 0; i + 1 < k.n; i++)
		SP_TRY(enter(p, &table, k.parts[i]));
	if (list) {
		SP_TRY(element(p, &table, k.parts[k.n - 1]));
	} else {
		if (yyjson_mut_is_arr(get(table, k.parts[k.n - 1])))
			return bad(p, "a key is a table and something else");
		SP_TRY(enter(p, &table, k.parts[k.n - 1]));
		SP_TRY(open_once(p, &k));
	}
	*ret = table;
	return SP_OK;
}

sp_code sp_toml_parse(sp_arena *a, sp_str text, yyjson_mut_doc *doc, yyjson_mut_val **ret, sp_err *err)
{
	parser p = {
		.arena = a, .doc = doc, .at = text.ptr, .end = text.ptr + text.len, .line = 1, .err = err};
	if (!sp_str_is_utf8(text))
		return sp_fail(err, SP_EINVAL, "the text is no UTF-8");
	p.root = yyjson_mut_obj(doc);
	if (p.root == NULL)
		return no_room(&p);
	yyjson_mut_val *table = p.root;
	for (;;) {
		SP_TRY(gap(&p));
		if (p.at == p.end)
			break;
		SP_TRY(peek(&p) == '[' ? header(&p, &table) : pair(&p, table, 0));
		SP_TRY(line_end(&p));
	}
	*ret = p.root;
	return SP_OK;
}

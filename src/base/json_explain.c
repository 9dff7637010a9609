/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second, slow reader that runs only when the fast one refused: clients compare error texts, and the fast
 * one has its own. It knows the grammar and nothing else.
 */
#include "base/json_int.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/utf8.h"

typedef struct explain {
	sp_str text;
	size_t i;                               /* next byte */
	size_t depth;                           /* open arrays and objects */
	uint8_t in_object[SP_LIMIT_JSON_DEPTH]; /* per open level */
	sp_err *err;
} explain;

/* The byte at hand. Past the end it is a blank, once: that is how Go's reader finds out what was cut. */
static char at(const explain *x)
{
	return x->i < x->text.len ? x->text.ptr[x->i] : ' ';
}

static sp_code cut(const explain *x)
{
	return sp_fail(x->err, SP_EINVAL, "unexpected end of JSON input");
}

/* One byte as Go quotes the character of that number. */
static void quote_byte(uint8_t c, char shown[8])
{
	static const char named[] = "'\\\a\b\f\n\r\t\v";
	static const char letters[] = "'\\abfnrtv";
	const char *at = c == 0 ? NULL : strchr(named, c);
	size_t n = 0;
	if (at != NULL)
		(void)snprintf(shown, 8, "\\%c", letters[at - named]); /* fits, as below */
	else if (c < 0x20 || c == 0x7f)
		(void)snprintf(shown, 8, "\\x%02x", c);
	else if (c < 0x80 || c > 0xa0)
		n = c == 0xad ? 0 : sp_utf8_encode(shown, c);
	if (n != 0)
		shown[n] = '\0';
	else if (c == 0xad || (c >= 0x80 && c <= 0xa0))
		(void)snprintf(shown, 8, "\\u%04x", c); /* no glyph */
}

static sp_code unexpected(const explain *x, const char *context)
{
	char shown[8];
	quote_byte((uint8_t)at(x), shown);
	return sp_fail(x->err, SP_EINVAL, "invalid character '%s' %s", shown, context);
}

static void skip_blanks(explain *x)
{
	while (x->i < x->text.len && (x->text.ptr[x->i] == ' ' || x->text.ptr[x->i] == '\t' ||
				      x->text.ptr[x->i] == '\r' || x->text.ptr[x->i] == '\n'))
		x->i++;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static sp_code explain_escape(explain *x)
{
	x->i++;
	if (at(x) != 'u') {
		if (at(x) == '\0' || strchr("\"\\/bfnrt", at(x)) == NULL)
			return unexpected(x, "in string escape code");
		x->i++;
		return SP_OK;
	}
	x->i++;
	for (int n = 0; n < 4; n++, x->i++) {
		if (at(x) == '\0' || strchr("0123456789abcdefABCDEF", at(x)) == NULL)
			return unexpected(x, "in \\u hexadecimal character escape");
	}
	return SP_OK;
}

static sp_code explain_string(explain *x)
{
	x->i++;
	for (;;) {
		if (x->i >= x->text.len)
			return cut(x);
		char c = at(x);
		if (c == '\\') {
			SP_TRY(explain_escape(x));
			continue;
		}
		if ((uint8_t)c < 0x20)
			return unexpected(x, "in string literal");
		x->i++;
		if (c == '"')
			return SP_OK;
	}
}

static sp_code explain_digits(explain *x, const char *context)
{
	if (!is_digit(at(x)))
		return unexpected(x, context);
	while (is_digit(at(x)))
		x->i++;
	return SP_OK;
}

static sp_code explain_number(explain *x)
{
	if (at(x) == '-')
		x->i++;
	if (at(x) == '0')
		x->i++;
	else
		SP_TRY(explain_digits(x, "in numeric literal"));
	if (at(x) == '.') {
		x->i++;
		SP_TRY(explain_digits(x, "after decimal point in numeric literal"));
	}
	if (at(x) == 'e' || at(x) == 'E') {
		x->i++;
		if (at(x) == '+' || at(x) == '-')
			x->i++;
		SP_TRY(explain_digits(x, "in exponent of numeric literal"));
	}
	return SP_OK;
}

static sp_code explain_literal(explain *x, const char *word)
{
	for (size_t n = 0; word[n] != '\0'; n++, x->i++) {
		if (at(x) != word[n]) {
			char context[48];
			(void)snprintf(context, sizeof context, "in literal %s (expecting '%c')", word,
				       word[n]); /* fits */
			return unexpected(x, context);
		}
	}
	return SP_OK;
}

/* A scalar, or the opening of a container. */
static sp_code explain_value(explain *x, bool *ret_opened)
{
	*ret_opened = false;
	if (x->i >= x->text.len)
		return cut(x);
	char c = at(x);
	if (c == '{' || c == '[') {
		if (x->depth == SP_LIMIT_JSON_DEPTH)
			return sp_fail(x->err, SP_ETOOLARGE, "exceeded max depth");
		x->in_object[x->depth++] = c == '{';
		x->i++;
		*ret_opened = true;
		return SP_OK;
	}
	if (c == '"')
		return explain_string(x);
	if (c == '-' || is_digit(c))
		return explain_number(x);
	if (c == 't')
		return explain_literal(x, "true");
	if (c == 'f')
		return explain_literal(x, "false");
	if (c == 'n')
		return explain_literal(x, "null");
	return unexpected(x, "looking for beginning of value");
}

static sp_code explain_key(explain *x)
{
	skip_blanks(x);
	if (x->i >= x->text.len)
		return cut(x);
	if (at(x) != '"')
		return unexpected(x, "looking for beginning of object key string");
	SP_TRY(explain_string(x));
	skip_blanks(x);
	if (x->i >= x->text.len)
		return cut(x);
	if (at(x) != ':')
		return unexpected(x, "after object key");
	x->i++;
	return SP_OK;
}

/* After a complete value: closes containers until one goes on (then *ret_more) or the text ends. */
static sp_code explain_after(explain *x, bool *ret_more)
{
	for (;;) {
		skip_blanks(x);
		if (x->depth == 0) {
			*ret_more = false;
			return x->i == x->text.len ? SP_OK : unexpected(x, "after top-level value");
		}
		if (x->i >= x->text.len)
			return cut(x);
		bool object = x->in_object[x->depth - 1];
		char c = at(x);
		if (c == ',') {
			x->i++;
			*ret_more = true;
			return object ? explain_key(x) : SP_OK;
		}
		if (c != (object ? '}' : ']'))
			return unexpected(x, object ? "after object key:value pair" : "after array element");
		x->i++;
		x->depth--;
	}
}

sp_code sp_json_explain(sp_str text, sp_err *err)
{
	explain x = {.text = text, .err = err};
	bool more = true;
	while (more) {
		bool opened;
		skip_blanks(&x);
		SP_TRY(explain_value(&x, &opened));
		if (opened) {
			bool object = x.in_object[x.depth - 1];
			skip_blanks(&x);
			if (x.i < text.len && at(&x) == (object ? '}' : ']')) {
				x.i++;
				x.depth--;
			} else {
				if (object)
					SP_TRY(explain_key(&x));
				continue;
			}
		}
		SP_TRY(explain_after(&x, &more));
	}
	return SP_OK;
}

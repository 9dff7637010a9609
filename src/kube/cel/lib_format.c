/* SPDX-License-Identifier: Apache-2.0 */
/* string.format: clauses %s %d %f %e %b %o %x %X. Version 2 of the library, which Kubernetes has, writes %f
 * and %e as people in en_US do. U: cel-go ext/formatting.go, golang.org/x/text/message */
#include <math.h>
#include <stdlib.h>

#include "base/quote.h"
#include "kube/cel/plan.h"

typedef struct formatter {
	cel_ctx *c;
	sp_buf out;
	bool localized;
	sp_cel_val error;
} formatter;

static bool value(formatter *f, sp_cel_val v, bool quoted);

static bool fail(formatter *f, const char *what, sp_cel_val v)
{
	f->error = cel_errorf(f->c, "error during formatting: %s, was given " SP_FMT, what,
			      SP_ARG(sp_cel_type_name(v)));
	return false;
}

static bool no_function(formatter *f, const char *what, sp_cel_val v)
{
	f->error = cel_errorf(f->c, "error during formatting: no formatting function for %s" SP_FMT, what,
			      SP_ARG(sp_cel_type_name(v)));
	return false;
}

static bool list(formatter *f, sp_cel_val v)
{
	cel_iter it = cel_iter_of(v);
	sp_cel_val key, e;
	(void)sp_buf_char(&f->out, '[');
	while (cel_iter_next(f->c, &it, &key, &e)) {
		if (key.i > 0)
			(void)sp_buf_str(&f->out, SP_STR(", "));
		if (!value(f, e, f->localized))
			return false;
	}
	(void)sp_buf_char(&f->out, ']');
	return true;
}

typedef struct shown_entry {
	sp_str key, value;
} shown_entry;

static int by_key(const void *x, const void *y)
{
	const shown_entry *a = x, *b = y;
	return sp_str_cmp(a->key, b->key);
}

/* The text that one more value makes. */
static bool part(formatter *f, sp_cel_val v, sp_str *ret)
{
	formatter sub = {.c = f->c, .localized = f->localized};
	sp_buf_init(&sub.out, CEL_TEXT_BYTES_MAX);
	bool fine = value(&sub, v, f->localized);
	f->error = sub.error;
	*ret = fine ? sp_arena_try_dup(f->c->arena, sp_buf_view(&sub.out)) : (sp_str){NULL, 0};
	if (fine && ret->ptr == NULL)
		f->error = cel_oom(f->c);
	sp_buf_done(&sub.out);
	return fine && ret->ptr != NULL;
}

static bool map(formatter *f, sp_cel_val v)
{
	cel_iter it = cel_iter_of(v);
	sp_cel_val key, e;
	size_t n = 0;
	shown_entry *entries = sp_try_new(f->c->arena, shown_entry, sp_cel_size(v) + 1);
	if (entries == NULL) {
		f->error = cel_oom(f->c);
		return false;
	}
	for (; cel_iter_next(f->c, &it, &key, &e); n++) {
		if (key.kind != SP_CEL_STRING && key.kind != SP_CEL_BOOL && key.kind != SP_CEL_INT &&
		    key.kind != SP_CEL_UINT)
			return no_function(f, "map key of type ", key);
		if (!part(f, key, &entries[n].key) || !part(f, e, &entries[n].value))
			return false;
	}
	if (n > 0)
		qsort(entries, n, sizeof(*entries), by_key);
	(void)sp_buf_char(&f->out, '{');
	for (size_t i = 0; i < n; i++)
		(void)sp_buf_printf(&f->out, "%s" SP_FMT "%s" SP_FMT, i == 0 ? "" : ", ",
				    SP_ARG(entries[i].key), f->localized ? ":" : ": ",
				    SP_ARG(entries[i].value));
	(void)sp_buf_char(&f->out, '}');
	return true;
}

/* %s; inside of lists and maps texts are in quotes, doubles have six places. */
static bool value(formatter *f, sp_cel_val v, bool quoted)
{
	char time[SP_TIME_TEXT_BYTES];
	bool special = v.kind == SP_CEL_DOUBLE && (isnan(v.d) || isinf(v.d));
	switch (v.kind) {
	case SP_CEL_LIST:
		return list(f, v);
	case SP_CEL_MAP:
		return map(f, v);
	case SP_CEL_STRING:
	case SP_CEL_BYTES:
		if (quoted && v.kind == SP_CEL_BYTES)
			(void)sp_buf_char(&f->out, 'b');
		if (quoted)
			(void)sp_quote_go(&f->out, sp_cel_str(v));
		else
			(void)sp_buf_str(&f->out, sp_cel_str(v));
		return true;
	case SP_CEL_DOUBLE:
		if (special && quoted)
			(void)sp_buf_char(&f->out, '"');
		if (quoted && f->localized)
			(void)cel_f64_prec(&f->out, v.d, 'f', 6);
		else if (isinf(v.d) && !f->localized)
			(void)sp_buf_str(&f->out, v.d < 0 ? SP_STR("-Infinity") : SP_STR("Infinity"));
		else
			(void)cel_f64_g(&f->out, v.d);
		if (special && quoted)
			(void)sp_buf_char(&f->out, '"');
		return true;
	case SP_CEL_NULL:
	case SP_CEL_BOOL:
	case SP_CEL_INT:
	case SP_CEL_UINT:
	case SP_CEL_TYPE:
		cel_show(f->c, &f->out, v);
		return true;
	case SP_CEL_TIMESTAMP:
		(void)sp_buf_printf(&f->out, quoted ? "timestamp(\"%.*s\")" : "%.*s",
				    (int)cel_time_text(time, v), time);
		return true;
	case SP_CEL_DURATION:
		(void)sp_buf_str(&f->out, quoted ? SP_STR("duration(\"") : SP_STR(""));
		(void)cel_duration_seconds(&f->out, v.i);
		(void)sp_buf_str(&f->out, quoted ? SP_STR("s\")") : SP_STR("s"));
		return true;
	default:
		if (quoted)
			return no_function(f, "", v);
		return fail(f,
			    "string clause can only be used on strings, bools, bytes, ints, doubles, maps, "
			    "lists, types, "
			    "durations, and timestamps",
			    v);
	}
}

/* Digits before the point in groups of three. */
static void grouped(sp_buf *out, sp_str s)
{
	size_t sign = s.len > 0 && s.ptr[0] == '-';
	ptrdiff_t point = sp_str_index(s, '.');
	size_t whole = point < 0 ? s.len : (size_t)point;
	(void)sp_buf_append(out, s.ptr, sign);
	for (size_t i = sign; i < whole; i++) {
		if (i > sign && (whole - i) % 3 == 0)
			(void)sp_buf_char(out, ',');
		(void)sp_buf_char(out, s.ptr[i]);
	}
	(void)sp_buf_str(out, sp_str_sub(s, whole, s.len));
}

/* 1.5×10⁻⁰⁴ */
static void superscript(sp_buf *out, sp_str s)
{
	static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
	ptrdiff_t e = sp_str_index(s, 'e');
	if (e < 0)
		return;
	(void)sp_buf_append(out, s.ptr, (size_t)e);
	(void)sp_buf_str(out, SP_STR("×10"));
	for (size_t i = (size_t)e + 1; i < s.len; i++) {
		if (s.ptr[i] == '-')
			(void)sp_buf_str(out, SP_STR("⁻"));
		else if (s.ptr[i] != '+')
			(void)sp_buf_str(out, sp_str_c(digits[s.ptr[i] - '0']));
	}
}

static bool real(formatter *f, sp_cel_val v, char form, unsigned precision)
{
	double d = v.d;
	sp_str s = sp_cel_str(v);
	bool named =
		v.kind == SP_CEL_STRING && (sp_str_eq(s, SP_STR("NaN")) || sp_str_eq(s, SP_STR("Infinity")) ||
					    sp_str_eq(s, SP_STR("-Infinity")));
	if (v.kind != SP_CEL_DOUBLE && !named &&
	    !(!f->localized && (v.kind == SP_CEL_INT || v.kind == SP_CEL_UINT)))
		return fail(f,
			    form == 'f' ? "fixed-point clause can only be used on doubles"
					: "scientific clause can only be used on doubles",
			    v);
	if (named && !cel_parse_f64(s, &d))
		d = 0;
	if (v.kind == SP_CEL_INT)
		d = (double)v.i;
	if (v.kind == SP_CEL_UINT)
		d = (double)v.u;
	if (isnan(d) || isinf(d)) {
		sp_str inf = f->localized ? SP_STR("∞") : SP_STR("Infinity");
		(void)sp_buf_str(&f->out, isnan(d) ? SP_STR("NaN") : d < 0 ? SP_STR("-") : SP_STR(""));
		(void)sp_buf_str(&f->out, isnan(d) ? SP_STR("") : inf);
		return true;
	}
	SP_AUTO_BUF text;
	sp_buf_init(&text, CEL_TEXT_BYTES_MAX);
	/* x/text's printer does not know a precision of scientific notation. */
	(void)cel_f64_prec(&text, d, form, f->localized && form == 'e' ? 6 : precision);
	if (!f->localized)
		(void)sp_buf_str(&f->out, sp_buf_view(&text));
	else if (form == 'f')
		grouped(&f->out, sp_buf_view(&text));
	else
		superscript(&f->out, sp_buf_view(&text));
	return true;
}

/* A number in base 2, 8 or 16. */
static void digits(sp_buf *out, sp_cel_val v, unsigned bits, bool upper)
{
	char text[65];
	size_t at = sizeof(text);
	bool negative = v.kind == SP_CEL_INT && v.i < 0;
	uint64_t u = negative ? 0 - v.u : v.u;
	do {
		text[--at] = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[u & ((1u << bits) - 1)];
		u >>= bits;
	} while (u > 0);
	if (negative)
		text[--at] = '-';
	(void)sp_buf_append(out, text + at, sizeof(text) - at);
}

static bool whole(formatter *f, sp_cel_val v, char clause)
{
	bool number = v.kind == SP_CEL_INT || v.kind == SP_CEL_UINT;
	bool upper = clause == 'X';
	if (number) {
		if (clause == 'd')
			cel_show(f->c, &f->out, v);
		else
			digits(&f->out, v, clause == 'b' ? 1 : clause == 'o' ? 3 : 4, upper);
		return true;
	}
	if (clause == 'b' && v.kind == SP_CEL_BOOL) {
		(void)sp_buf_char(&f->out, v.b ? '1' : '0');
		return true;
	}
	if ((clause == 'x' || upper) && (v.kind == SP_CEL_STRING || v.kind == SP_CEL_BYTES)) {
		for (size_t i = 0; i < v.len; i++)
			(void)sp_buf_printf(&f->out, upper ? "%02X" : "%02x",
					    (unsigned)(unsigned char)v.text[i]);
		return true;
	}
	bool special =
		clause == 'd' && v.kind == SP_CEL_DOUBLE && (isnan(v.d) || isinf(v.d)) && !f->localized;
	if (special) {
		(void)sp_buf_str(&f->out, isnan(v.d) ? SP_STR("NaN")
					  : v.d < 0  ? SP_STR("-Infinity")
						     : SP_STR("Infinity"));
		return true;
	}
	return fail(f,
		    clause == 'd'   ? "decimal clause can only be used on integers"
		    : clause == 'b' ? "only integers and bools can be formatted as binary"
		    : clause == 'o' ? "octal clause can only be used on integers"
				    : "only integers, byte buffers, and strings can be formatted as hex",
		    v);
}

static bool clause(formatter *f, char ch, sp_cel_val v, int precision)
{
	if (ch == 's')
		return value(f, v, false);
	if (ch == 'f' || ch == 'e')
		return real(f, v, ch, precision < 0 ? 6 : (unsigned)precision);
	if (ch != '\0' && strchr("dboxX", ch) != NULL)
		return whole(f, v, ch);
	f->error = cel_errorf(f->c,
			      "could not parse formatting clause: unrecognized formatting clause \"%c\"", ch);
	return false;
}

/* ".3" after a percent sign; -1: none. False: reported. */
static bool precision_of(formatter *f, sp_str *s, int *ret)
{
	*ret = -1;
	if (!sp_str_take(s, SP_STR(".")))
		return true;
	int n = 0;
	size_t i = 0;
	for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9' && n < 1000; i++)
		n = n * 10 + (s->ptr[i] - '0');
	if (i == s->len) {
		f->error = CEL_ERR("could not parse formatting clause: error while parsing precision: could "
				   "not find end of "
				   "precision specifier");
		return false;
	}
	if (i == 0) {
		f->error = CEL_ERR(
			"could not parse formatting clause: error while parsing precision: error while "
			"converting precision to integer: strconv.Atoi: parsing \"\": invalid syntax");
		return false;
	}
	*s = sp_str_sub(*s, i, s->len);
	*ret = n;
	return true;
}

static bool format(formatter *f, sp_str s, sp_cel_val args)
{
	size_t next = 0, n = sp_cel_size(args);
	while (s.len > 0 && sp_buf_code(&f->out) == SP_OK) {
		char ch = s.ptr[0];
		int precision;
		s = sp_str_sub(s, 1, s.len);
		if (ch != '%' || sp_str_take(&s, SP_STR("%"))) {
			(void)sp_buf_char(&f->out, ch);
			continue;
		}
		if (next >= n) {
			f->error = cel_errorf(f->c, "index %zu out of range", next);
			return false;
		}
		if (s.len == 0) {
			f->error = CEL_ERR("unexpected end of string");
			return false;
		}
		sp_cel_val v = cel_list_at(f->c, args, next++);
		if (!precision_of(f, &s, &precision) || !clause(f, s.ptr[0], v, precision))
			return false;
		s = sp_str_sub(s, 1, s.len);
	}
	return true;
}

sp_cel_val cel_string_format(cel_ctx *c, const sp_cel_val *a)
{
	formatter f = {.c = c, .localized = (c->program->env->libs & SP_CEL_LIB_ALL_STRINGS) == 0};
	sp_buf_init(&f.out, CEL_TEXT_BYTES_MAX);
	bool fine = format(&f, sp_cel_str(a[0]), a[1]);
	sp_cel_val v = fine ? cel_buf_text(c, &f.out) : f.error;
	sp_buf_done(&f.out);
	return v;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Values and numbers as text. U: cel-go common/types/format.go and each type's format; Go strconv/ftoa.go */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "kube/cel/lib.h"

/* ---- doubles ---- */

/* The shortest digits that read back as d, d = 0.DIGITS × 10^point. d is finite and not negative. */
typedef struct decimal {
	char digits[20];
	int n, point;
} decimal;

static decimal shortest(double d)
{
	decimal out = {.n = 0};
	char text[40];
	if (d == 0) {
		out.digits[0] = '0';
		out.n = out.point = 1;
		return out;
	}
	/* 15 digits are always held, 17 always enough. */
	for (int p = 14; p <= 16; p++) {
		double back = 0;
		int len = snprintf(text, sizeof(text), "%.*e", p, d);
		if (len > 0 && cel_parse_f64((sp_str){text, (size_t)len}, &back) && back == d)
			break;
	}
	int exponent = 0;
	const char *e = strchr(text, 'e');
	for (const char *t = text; t < e; t++) {
		if (*t != '.')
			out.digits[out.n++] = *t;
	}
	for (const char *t = e + 2; *t != '\0'; t++)
		exponent = exponent * 10 + (*t - '0');
	while (out.n > 1 && out.digits[out.n - 1] == '0')
		out.n--;
	out.point = (e[1] == '-' ? -exponent : exponent) + 1;
	return out;
}

static bool special(sp_buf *out, double d)
{
	if (isnan(d))
		(void)sp_buf_str(out, SP_STR("NaN"));
	else if (isinf(d))
		(void)sp_buf_str(out, d < 0 ? SP_STR("-Inf") : SP_STR("+Inf"));
	return isnan(d) || isinf(d);
}

static sp_code fixed(sp_buf *out, const decimal *x)
{
	for (int i = SP_MIN(0, x->point - 1); i < SP_MAX(x->n, x->point); i++) {
		if (i == x->point)
			(void)sp_buf_char(out, '.');
		(void)sp_buf_char(out, i >= 0 && i < x->n ? x->digits[i] : '0');
	}
	return sp_buf_code(out);
}

sp_code cel_f64_fixed(sp_buf *out, double d)
{
	if (special(out, d))
		return sp_buf_code(out);
	if (signbit(d))
		(void)sp_buf_char(out, '-');
	decimal x = shortest(fabs(d));
	/* 0.00x: zeros stand between the point and the digits. */
	if (x.point <= 0) {
		(void)sp_buf_str(out, SP_STR("0."));
		for (int i = x.point; i < 0; i++)
			(void)sp_buf_char(out, '0');
		return sp_buf_append(out, x.digits, (size_t)x.n);
	}
	return fixed(out, &x);
}

sp_code cel_f64_g(sp_buf *out, double d)
{
	if (special(out, d))
		return sp_buf_code(out);
	decimal x = shortest(fabs(d));
	int exponent = x.point - 1;
	if (exponent >= -4 && exponent < 6)
		return cel_f64_fixed(out, d);
	if (signbit(d))
		(void)sp_buf_char(out, '-');
	(void)sp_buf_char(out, x.digits[0]);
	if (x.n > 1) {
		(void)sp_buf_char(out, '.');
		(void)sp_buf_append(out, x.digits + 1, (size_t)x.n - 1);
	}
	return sp_buf_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
}

sp_code cel_f64_prec(sp_buf *out, double d, char form, unsigned precision)
{
	if (special(out, d))
		return sp_buf_code(out);
	return form == 'e' ? sp_buf_printf(out, "%.*e", (int)precision, d)
			   : sp_buf_printf(out, "%.*f", (int)precision, d);
}

static bool take_digits(sp_str *s, bool *any)
{
	size_t i = 0;
	while (i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9')
		i++;
	*any |= i > 0;
	*s = sp_str_sub(*s, i, s->len);
	return true;
}

static bool decimal_syntax(sp_str s)
{
	bool any = false, power = false;
	(void)take_digits(&s, &any);
	if (sp_str_take(&s, SP_STR(".")))
		(void)take_digits(&s, &any);
	if (!any)
		return false;
	if (s.len > 0 && (s.ptr[0] == 'e' || s.ptr[0] == 'E')) {
		s = sp_str_sub(s, 1, s.len);
		if (s.len > 0 && (s.ptr[0] == '+' || s.ptr[0] == '-'))
			s = sp_str_sub(s, 1, s.len);
		(void)take_digits(&s, &power);
		if (!power)
			return false;
	}
	return s.len == 0;
}

static bool named_f64(sp_str s, double *ret)
{
	static const char *const names[] = {"inf", "infinity", "nan"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		if (sp_str_eq_nocase(s, sp_str_c(names[i]))) {
			*ret = i == 2 ? (double)NAN : (double)INFINITY;
			return true;
		}
	}
	return false;
}

bool cel_parse_f64(sp_str s, double *ret)
{
	char small[64], *text = small, *end;
	bool negative = s.len > 0 && s.ptr[0] == '-';
	if (s.len > 0 && (s.ptr[0] == '-' || s.ptr[0] == '+'))
		s = sp_str_sub(s, 1, s.len);
	double d = 0;
	if (!named_f64(s, &d)) {
		if (!decimal_syntax(s))
			return false;
		if (s.len >= sizeof(small)) {
			text = sp_try_alloc(s.len + 1);
			if (text == NULL)
				return false;
		}
		memcpy(text, s.ptr, s.len);
		text[s.len] = '\0';
		d = strtod(text, &end);
		if (text != small)
			sp_free(text);
		if (isinf(d)) /* out of range */
			return false;
	}
	*ret = negative ? -d : d;
	return true;
}

/* ---- times ---- */

sp_code cel_duration_seconds(sp_buf *out, int64_t ns)
{
	/* Go's Duration.Seconds: whole seconds and the rest, each as a double. */
	return cel_f64_fixed(out, (double)(ns / 1000000000) + (double)(ns % 1000000000) / 1e9);
}

size_t cel_time_text(char out[SP_TIME_TEXT_BYTES], sp_cel_val t)
{
	unsigned digits = 9;
	uint32_t nanos = t.n;
	if (nanos == 0)
		digits = 0;
	while (digits > 0 && nanos % 10 == 0) {
		nanos /= 10;
		digits--;
	}
	return sp_time_print(out, (sp_time){t.i, t.n}, digits);
}

bool cel_time_in_range(int64_t seconds)
{
	return seconds >= SP_TIME_ZERO_SECONDS && seconds <= INT64_C(253402300799);
}

/* ---- values ---- */

static void show_list(cel_ctx *c, sp_buf *out, sp_cel_val v)
{
	cel_iter it = cel_iter_of(v);
	sp_cel_val key, elem;
	bool first = true;
	(void)sp_buf_char(out, '[');
	while (cel_iter_next(c, &it, &key, &elem)) {
		(void)sp_buf_str(out, first ? SP_STR("") : SP_STR(", "));
		first = false;
		cel_show(c, out, elem);
	}
	(void)sp_buf_char(out, ']');
}

static void show_map(cel_ctx *c, sp_buf *out, sp_cel_val v)
{
	cel_iter it = cel_iter_of(v);
	sp_cel_val key, elem;
	bool first = true;
	(void)sp_buf_char(out, '{');
	while (cel_iter_next(c, &it, &key, &elem)) {
		(void)sp_buf_str(out, first ? SP_STR("") : SP_STR(", "));
		first = false;
		cel_show(c, out, key);
		(void)sp_buf_str(out, SP_STR(": "));
		cel_show(c, out, elem);
	}
	(void)sp_buf_char(out, '}');
}

static void show_bytes(sp_buf *out, sp_str s)
{
	(void)sp_buf_char(out, '[');
	for (size_t i = 0; i < s.len; i++)
		(void)sp_buf_printf(out, "%s%u", i == 0 ? "" : " ", (unsigned)(unsigned char)s.ptr[i]);
	(void)sp_buf_char(out, ']');
}

/* Go's Time.String of a time in UTC: "2020-01-02 03:04:05.5 +0000 UTC". */
static void show_time(sp_buf *out, sp_cel_val v)
{
	char text[SP_TIME_TEXT_BYTES];
	size_t n = cel_time_text(text, v);
	if (n > 11)
		(void)sp_buf_printf(out, "%.10s %.*s +0000 UTC", text, (int)n - 12, text + 11);
}

/* As Go's %v prints cel-go's values: texts bare. */
void cel_show(cel_ctx *c, sp_buf *out, sp_cel_val v)
{
	switch (v.kind) {
	case SP_CEL_NULL:
		(void)sp_buf_str(out, SP_STR("null"));
		break;
	case SP_CEL_BOOL:
		(void)sp_buf_str(out, v.b ? SP_STR("true") : SP_STR("false"));
		break;
	case SP_CEL_INT:
		(void)sp_buf_i64(out, v.i);
		break;
	case SP_CEL_UINT:
		(void)sp_buf_u64(out, v.u);
		break;
	case SP_CEL_DOUBLE:
		(void)cel_f64_g(out, v.d);
		break;
	case SP_CEL_STRING:
		(void)sp_buf_str(out, sp_cel_str(v));
		break;
	case SP_CEL_BYTES:
		show_bytes(out, sp_cel_str(v));
		break;
	case SP_CEL_TIMESTAMP:
		show_time(out, v);
		break;
	case SP_CEL_DURATION: {
		sp_str d = sp_duration_print(c->arena, v.i);
		(void)sp_buf_str(out, d);
		break;
	}
	case SP_CEL_LIST:
		show_list(c, out, v);
		break;
	case SP_CEL_MAP:
	case SP_CEL_STRUCT:
		show_map(c, out, v);
		break;
	case SP_CEL_TYPE:
		(void)sp_buf_str(out, v.type->name);
		break;
	case SP_CEL_OPTIONAL:
		(void)sp_buf_str(out, v.ptr == NULL ? SP_STR("optional.none()") : SP_STR("optional("));
		if (v.ptr != NULL) {
			cel_show(c, out, *cel_optional_ptr(v));
			(void)sp_buf_char(out, ')');
		}
		break;
	case SP_CEL_ERROR:
		(void)sp_buf_str(out, sp_cel_error_text(v));
		break;
	default:
		if (!cel_opaque_show(out, v))
			(void)sp_buf_str(out, cel_type_of(v)->name);
		break;
	}
}

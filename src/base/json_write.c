/* SPDX-License-Identifier: Apache-2.0 */
/* Text as Go's encoding/json writes it. */
#include "base/alloc.h"
#include "base/json_int.h"
#include "base/limits.h"
#include "base/num.h"
#include "base/quote.h"
#include "base/utf8.h"

/* 0.DIGITS * 10^point */
typedef struct decimal {
	char digits[24];
	size_t n;
	int point;
	bool negative;
} decimal;

static int parse_exponent(const char *p, const char *end)
{
	bool negative = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	int v = 0;
	for (; p < end; p++)
		v = v * 10 + (*p - '0');
	return negative ? -v : v;
}

/* The shortest digits that read back as d: yyjson finds them, only its layout differs. */
static decimal shortest(double d)
{
	char memory[1024];
	yyjson_alc alc;
	bool ok = yyjson_alc_pool_init(&alc, memory, sizeof memory);
	SP_ASSERT(ok);
	yyjson_mut_val v = {0};
	unsafe_yyjson_set_real(&v, d);
	size_t len = 0;
	const char *text = yyjson_mut_val_write_opts(&v, YYJSON_WRITE_NOFLAG, &alc, &len, NULL);
	SP_ASSERT(text != NULL);
	decimal out = {.negative = text[0] == '-'};
	const char *end = text + len;
	const char *e = memchr(text, 'e', len);
	const char *mantissa_end = e != NULL ? e : end;
	bool fraction = false;
	for (const char *p = text + (out.negative ? 1 : 0); p < mantissa_end; p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		if (*p == '0' && out.n == 0) {
			out.point -= fraction ? 1 : 0;
			continue;
		}
		SP_ASSERT(out.n < sizeof out.digits);
		out.digits[out.n++] = *p;
		out.point += fraction ? 0 : 1;
	}
	while (out.n > 0 && out.digits[out.n - 1] == '0')
		out.n--;
	if (e != NULL)
		out.point += parse_exponent(e + 1, end);
	return out;
}

/* d.ddde±x, the exponent with at least min_digits digits. */
static sp_code write_scientific(sp_buf *out, const decimal *d, int min_digits)
{
	sp_buf_append(out, d->digits, 1);
	if (d->n > 1) {
		sp_buf_char(out, '.');
		sp_buf_append(out, d->digits + 1, d->n - 1);
	}
	int exponent = d->point - 1;
	return sp_buf_printf(out, "e%c%0*d", exponent < 0 ? '-' : '+', min_digits,
			     exponent < 0 ? -exponent : exponent);
}

static sp_code write_plain(sp_buf *out, const decimal *d)
{
	static const char zeros[] = "0000000000000000000000";
	int n = (int)d->n;
	int whole = SP_MAX(d->point, 0);
	sp_buf_append(out, whole > 0 && n > 0 ? d->digits : "0",
		      whole > 0 && n > 0 ? (size_t)SP_MIN(n, whole) : 1);
	if (n > 0 && whole > n)
		sp_buf_append(out, zeros, (size_t)(whole - n));
	if (n <= d->point || n == 0)
		return sp_buf_code(out);
	sp_buf_char(out, '.');
	if (d->point < 0)
		sp_buf_append(out, zeros, (size_t)-d->point);
	return sp_buf_append(out, d->digits + whole, (size_t)(n - whole));
}

sp_code sp_json_write_f64(sp_buf *out, double value)
{
	if (!__builtin_isfinite(value))
		return SP_EINVAL;
	decimal d = shortest(value);
	if (d.negative)
		sp_buf_char(out, '-');
	if (d.n != 0 && (d.point < -5 || d.point > 21))
		return write_scientific(out, &d, 1);
	return write_plain(out, &d);
}

/* Go's %v of a float64. */
static sp_code write_f64_go(sp_buf *out, double value)
{
	if (!__builtin_isfinite(value))
		return sp_buf_str(out, value != value ? SP_STR("NaN")
				       : value > 0    ? SP_STR("+Inf")
						      : SP_STR("-Inf"));
	decimal d = shortest(value);
	if (d.negative)
		sp_buf_char(out, '-');
	if (d.n != 0 && (d.point < -3 || d.point > 6))
		return write_scientific(out, &d, 2);
	return write_plain(out, &d);
}

static sp_code write_number(sp_buf *out, const yyjson_val_uni *u, yyjson_subtype subtype)
{
	if (subtype == YYJSON_SUBTYPE_REAL)
		return sp_json_write_f64(out, u->f64);
	return subtype == YYJSON_SUBTYPE_SINT ? sp_buf_i64(out, u->i64) : sp_buf_u64(out, u->u64);
}

/* Values of both kinds of tree begin with the same two members, all there is of a scalar. */
static sp_code write_scalar(sp_buf *out, uint64_t tag, const yyjson_val_uni *u)
{
	size_t len = sp_json_tag_len(tag);
	yyjson_subtype subtype = sp_json_tag_subtype(tag);
	switch (sp_json_tag_type(tag)) {
	case YYJSON_TYPE_STR:
		return sp_json_write_str(out, (sp_str){u->str, len});
	case YYJSON_TYPE_NUM:
		return write_number(out, u, subtype);
	case YYJSON_TYPE_BOOL:
		return sp_buf_str(out, subtype == YYJSON_SUBTYPE_TRUE ? SP_STR("true") : SP_STR("false"));
	case YYJSON_TYPE_RAW:
		return sp_buf_append(out, u->str, len);
	default:
		return sp_buf_str(out, SP_STR("null"));
	}
}

/* What stands between two children: the i-th of a container is about to be written. */
static void write_joint(sp_buf *out, bool object, size_t i)
{
	if (object && i % 2 == 1)
		sp_buf_char(out, ':');
	else if (i > 0)
		sp_buf_char(out, ',');
}

/*
 * A parsed tree stands in one array in the order of its text, so it is written in one pass without recursion.
 * Its depth was checked when it was read.
 */
sp_code sp_json_write(sp_buf *out, const yyjson_val *v)
{
	struct {
		uint32_t left; /* children to come */
		uint32_t n;
		bool object;
	} open[SP_LIMIT_JSON_DEPTH];
	size_t depth = 0;
	for (;; v++) {
		if (depth > 0) {
			write_joint(out, open[depth - 1].object, open[depth - 1].n++);
			open[depth - 1].left--;
		}
		if (sp_json_tag_is_container(v->tag)) {
			size_t n = sp_json_tag_len(v->tag) * (sp_json_tag_is_object(v->tag) ? 2 : 1);
			if (depth == SP_LIMIT_JSON_DEPTH || n > UINT32_MAX)
				return SP_ETOOLARGE;
			sp_buf_char(out, sp_json_tag_is_object(v->tag) ? '{' : '[');
			open[depth].left = (uint32_t)n;
			open[depth].n = 0;
			open[depth++].object = sp_json_tag_is_object(v->tag);
		} else {
			SP_TRY(write_scalar(out, v->tag, &v->uni));
		}
		while (depth > 0 && open[depth - 1].left == 0)
			sp_buf_char(out, open[--depth].object ? '}' : ']');
		if (depth == 0)
			return sp_buf_code(out);
	}
}

static sp_code write_mut(sp_buf *out, const yyjson_mut_val *v, size_t depth)
{
	if (!sp_json_tag_is_container(v->tag))
		return write_scalar(out, v->tag, &v->uni);
	if (depth == SP_JSON_BUILD_DEPTH)
		return SP_ETOOLARGE;
	bool object = sp_json_tag_is_object(v->tag);
	size_t n = sp_json_tag_len(v->tag) * (object ? 2 : 1);
	sp_buf_char(out, object ? '{' : '[');
	/* A container points at its last child, an object at its last key. */
	const yyjson_mut_val *child = n == 0 ? NULL : v->uni.ptr;
	if (object && n != 0)
		child = child->next;
	for (size_t i = 0; i < n; i++) {
		child = child->next;
		write_joint(out, object, i);
		SP_TRY(write_mut(out, child, depth + 1));
	}
	return sp_buf_char(out, object ? '}' : ']');
}

sp_code sp_json_write_mut(sp_buf *out, const yyjson_mut_val *v)
{
	return write_mut(out, v, 0);
}

static int by_key(const void *a, const void *b)
{
	const yyjson_mut_val *x = *(const yyjson_mut_val *const *)a;
	const yyjson_mut_val *y = *(const yyjson_mut_val *const *)b;
	return sp_str_cmp((sp_str){x->uni.str, sp_json_tag_len(x->tag)},
			  (sp_str){y->uni.str, sp_json_tag_len(y->tag)});
}

/* How Go's fmt shows trees of interface{}. */
typedef struct go_form {
	sp_str map, list, joint, map_end, list_end, null;
	bool quotes;
} go_form;
static const go_form go_plain = {SP_STR_INIT("map["),
				 SP_STR_INIT("["),
				 SP_STR_INIT(" "),
				 SP_STR_INIT("]"),
				 SP_STR_INIT("]"),
				 SP_STR_INIT("<nil>"),
				 false};
static const go_form go_syntax = {SP_STR_INIT("map[string]interface {}{"),
				  SP_STR_INIT("[]interface {}{"),
				  SP_STR_INIT(", "),
				  SP_STR_INIT("}"),
				  SP_STR_INIT("}"),
				  SP_STR_INIT("interface {}(nil)"),
				  true};

static sp_code write_go(sp_buf *out, const yyjson_mut_val *v, const go_form *form, size_t depth);

static sp_code write_go_children(sp_buf *out, const yyjson_mut_val **children, size_t n, bool object,
				 const go_form *form, size_t depth)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			sp_buf_str(out, form->joint);
		SP_TRY(write_go(out, children[i], form, depth));
		if (object) {
			sp_buf_char(out, ':');
			SP_TRY(write_go(out, children[i]->next, form, depth));
		}
	}
	return SP_OK;
}

static sp_code write_go_container(sp_buf *out, const yyjson_mut_val *v, const go_form *form, size_t depth)
{
	bool object = sp_json_tag_is_object(v->tag);
	size_t n = sp_json_tag_len(v->tag);
	const yyjson_mut_val **children = n == 0 ? NULL : sp_try_alloc(n * sizeof(yyjson_mut_val *));
	if (n != 0 && children == NULL)
		return SP_ENOMEM;
	const yyjson_mut_val *child = v->uni.ptr;
	for (size_t i = 0; i < n; i++) {
		child = object ? child->next->next : child->next;
		children[i] = child;
	}
	if (object && n > 1)
		qsort(children, n, sizeof(yyjson_mut_val *), by_key);
	sp_buf_str(out, object ? form->map : form->list);
	sp_code code = write_go_children(out, children, n, object, form, depth + 1);
	sp_free(children);
	return code == SP_OK ? sp_buf_str(out, object ? form->map_end : form->list_end) : code;
}

static sp_code write_go(sp_buf *out, const yyjson_mut_val *v, const go_form *form, size_t depth)
{
	if (sp_json_tag_is_container(v->tag))
		return depth == SP_JSON_BUILD_DEPTH ? SP_ETOOLARGE : write_go_container(out, v, form, depth);
	yyjson_type type = sp_json_tag_type(v->tag);
	sp_str text = {v->uni.str, sp_json_tag_len(v->tag)};
	if (type == YYJSON_TYPE_STR)
		return form->quotes ? sp_quote_go(out, text) : sp_buf_str(out, text);
	if (type == YYJSON_TYPE_NULL)
		return sp_buf_str(out, form->null);
	if (type == YYJSON_TYPE_NUM && sp_json_tag_subtype(v->tag) == YYJSON_SUBTYPE_REAL)
		return write_f64_go(out, v->uni.f64);
	return write_scalar(out, v->tag, &v->uni);
}

sp_code sp_json_write_go(sp_buf *out, const yyjson_mut_val *v)
{
	return write_go(out, v, &go_plain, 0);
}

sp_code sp_json_write_go_syntax(sp_buf *out, const yyjson_mut_val *v)
{
	return write_go(out, v, &go_syntax, 0);
}

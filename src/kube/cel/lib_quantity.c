/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities and semantic versions. U: apiserver pkg/cel/library/{quantity,semverlib}.go, blang/semver v4 */
#include "base/num.h"
#include "kube/cel/opaque.h"

static const sp_qty *qty(sp_cel_val v)
{
	return v.ptr;
}

static sp_cel_val keep_qty(cel_ctx *c, sp_qty q)
{
	sp_qty *kept = sp_try_new(c->arena, sp_qty, 1);
	if (kept == NULL)
		return cel_oom(c);
	*kept = q;
	return cel_opaque(&cel_t_quantity, kept);
}

static sp_cel_val quantity(cel_ctx *c, const sp_cel_val *a)
{
	sp_qty q;
	sp_err err;
	return sp_qty_parse(sp_cel_str(a[0]), &q, &err) == SP_OK ? keep_qty(c, q)
								 : cel_errorf(c, "%s", err.msg);
}

static sp_cel_val is_quantity(cel_ctx *c, const sp_cel_val *a)
{
	sp_qty q;
	(void)c;
	return sp_cel_of_bool(sp_qty_parse(sp_cel_str(a[0]), &q, NULL) == SP_OK);
}

#define NANOS ((__int128)1000000000)

static bool whole(const sp_qty *q, int64_t *ret)
{
	__int128 units = q->nanos / NANOS;
	if (q->nanos % NANOS != 0 || units < INT64_MIN || units > INT64_MAX)
		return false;
	*ret = (int64_t)units;
	return true;
}

static sp_cel_val as_integer(cel_ctx *c, const sp_cel_val *a)
{
	int64_t i;
	(void)c;
	return whole(qty(a[0]), &i) ? sp_cel_of_int(i) : CEL_ERR("cannot convert value to integer");
}

static sp_cel_val is_integer(cel_ctx *c, const sp_cel_val *a)
{
	int64_t i;
	(void)c;
	return sp_cel_of_bool(whole(qty(a[0]), &i));
}

static sp_cel_val as_float(cel_ctx *c, const sp_cel_val *a)
{
	int64_t i;
	(void)c;
	return sp_cel_of_double(whole(qty(a[0]), &i) ? (double)i : (double)qty(a[0])->nanos / 1e9);
}

static sp_cel_val sign(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_int((qty(a[0])->nanos > 0) - (qty(a[0])->nanos < 0));
}

static sp_cel_val compare_to(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	int o = sp_qty_cmp(qty(a[0]), qty(a[1]));
	return sp_cel_of_int((o > 0) - (o < 0));
}

static sp_cel_val is_greater(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_bool(sp_qty_cmp(qty(a[0]), qty(a[1])) > 0);
}

static sp_cel_val is_less(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_bool(sp_qty_cmp(qty(a[0]), qty(a[1])) < 0);
}

static sp_cel_val combined(cel_ctx *c, sp_cel_val x, sp_qty y, bool minus)
{
	sp_qty q = *qty(x);
	bool fits = minus ? sp_qty_sub(&q, &y) : sp_qty_add(&q, &y);
	return fits ? keep_qty(c, q) : CEL_ERR("quantity out of range");
}

static sp_qty of_int(int64_t i)
{
	return (sp_qty){.nanos = (__int128)i * NANOS, .format = SP_QTY_DECIMAL_EXPONENT};
}

static sp_cel_val add(cel_ctx *c, const sp_cel_val *a)
{
	return combined(c, a[0], *qty(a[1]), false);
}

static sp_cel_val add_int(cel_ctx *c, const sp_cel_val *a)
{
	return combined(c, a[0], of_int(a[1].i), false);
}

static sp_cel_val sub(cel_ctx *c, const sp_cel_val *a)
{
	return combined(c, a[0], *qty(a[1]), true);
}

static sp_cel_val sub_int(cel_ctx *c, const sp_cel_val *a)
{
	return combined(c, a[0], of_int(a[1].i), true);
}

/* ---- semantic versions ---- */

static const char numbers[] = "0123456789";
static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789";

static bool only(sp_str s, const char *set)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '\0' || strchr(set, s.ptr[i]) == NULL)
			return false;
	}
	return true;
}

static sp_cel_val number(cel_ctx *c, sp_str s, const char *what, const char *name, uint64_t *ret)
{
	if (!only(s, numbers))
		return cel_errorf(c, "Invalid character(s) found in %s number \"" SP_FMT "\"", what,
				  SP_ARG(s));
	if (s.len > 1 && s.ptr[0] == '0')
		return cel_errorf(c, "%s number must not contain leading zeroes \"" SP_FMT "\"", name,
				  SP_ARG(s));
	if (s.len == 0)
		return CEL_ERR("strconv.ParseUint: parsing \"\": invalid syntax");
	if (sp_parse_u64(s, 0, UINT64_MAX, ret, NULL) != SP_OK)
		return cel_errorf(c, "strconv.ParseUint: parsing \"" SP_FMT "\": value out of range",
				  SP_ARG(s));
	return sp_cel_of_null();
}

static sp_cel_val check_pre(cel_ctx *c, sp_str s)
{
	uint64_t n;
	sp_str part;
	for (bool more = true; more;) {
		more = sp_str_cut(&s, '.', &part);
		if (!more)
			part = s;
		if (part.len == 0)
			return CEL_ERR("Prerelease is empty");
		if (only(part, numbers)) {
			if (part.len > 1 && part.ptr[0] == '0')
				return cel_errorf(
					c,
					"Numeric PreRelease version must not contain leading zeroes \"" SP_FMT
					"\"",
					SP_ARG(part));
			if (sp_parse_u64(part, 0, UINT64_MAX, &n, NULL) != SP_OK)
				return cel_errorf(
					c, "strconv.ParseUint: parsing \"" SP_FMT "\": value out of range",
					SP_ARG(part));
		} else if (!only(part, letters)) {
			return cel_errorf(c, "Invalid character(s) found in prerelease \"" SP_FMT "\"",
					  SP_ARG(part));
		}
	}
	return sp_cel_of_null();
}

static sp_cel_val check_build(cel_ctx *c, sp_str s)
{
	sp_str part;
	for (bool more = true; more;) {
		more = sp_str_cut(&s, '.', &part);
		if (!more)
			part = s;
		if (part.len == 0)
			return CEL_ERR("Build meta data is empty");
		if (!only(part, letters))
			return cel_errorf(c, "Invalid character(s) found in build meta data \"" SP_FMT "\"",
					  SP_ARG(part));
	}
	return sp_cel_of_null();
}

static sp_cel_val parse(cel_ctx *c, sp_str s, cel_semver *v)
{
	sp_str major, minor, head;
	*v = (cel_semver){0};
	if (s.len == 0)
		return CEL_ERR("Version string empty");
	if (!sp_str_cut(&s, '.', &major) || !sp_str_cut(&s, '.', &minor))
		return CEL_ERR("No Major.Minor.Patch elements found");
	sp_cel_val bad = number(c, major, "major", "Major", &v->major);
	if (!cel_is_err(bad))
		bad = number(c, minor, "minor", "Minor", &v->minor);
	if (cel_is_err(bad))
		return bad;
	bool has_build = sp_str_cut(&s, '+', &head);
	if (has_build) {
		v->build = s;
		s = head;
	}
	bool has_pre = sp_str_cut(&s, '-', &head);
	if (has_pre) {
		v->pre = s;
		s = head;
	}
	bad = number(c, s, "patch", "Patch", &v->patch);
	if (!cel_is_err(bad) && has_pre)
		bad = check_pre(c, v->pre);
	if (!cel_is_err(bad) && has_build)
		bad = check_build(c, v->build);
	return bad;
}

/* Without leading zeros; one stays before anything that is no digit. */
static void put_part(sp_buf *out, sp_str p)
{
	size_t zeros = 0;
	while (p.len > 1 && zeros < p.len && p.ptr[zeros] == '0')
		zeros++;
	sp_str rest = sp_str_sub(p, zeros, p.len);
	if (p.len > 1 && (rest.len == 0 || rest.ptr[0] < '0' || rest.ptr[0] > '9'))
		(void)sp_buf_char(out, '0');
	(void)sp_buf_str(out, rest);
}

static sp_cel_val parse_tolerant(cel_ctx *c, sp_str s, cel_semver *v)
{
	SP_AUTO_BUF out;
	sp_str part = {NULL, 0};
	unsigned n = 0;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	(void)sp_str_take(&s, SP_STR("v"));
	for (bool more = true; more && n < 3; n++) {
		more = n < 2 && sp_str_cut(&s, '.', &part);
		if (!more)
			part = s;
		if (n > 0)
			(void)sp_buf_char(&out, '.');
		put_part(&out, part);
	}
	if (n < 3 && (sp_str_index(part, '+') >= 0 || sp_str_index(part, '-') >= 0))
		return CEL_ERR("short version cannot contain PreRelease/Build meta data");
	for (; n < 3; n++)
		(void)sp_buf_str(&out, SP_STR(".0"));
	sp_cel_val text = cel_buf_text(c, &out);
	return cel_is_err(text) ? text : parse(c, sp_cel_str(text), v);
}

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_pre(sp_str a, sp_str b)
{
	sp_str x, y;
	if (a.len == 0 || b.len == 0)
		return (a.len == 0) - (b.len == 0); /* a release is above its pre-releases */
	for (;;) {
		bool more_a = sp_str_cut(&a, '.', &x), more_b = sp_str_cut(&b, '.', &y);
		x = more_a ? x : a;
		y = more_b ? y : b;
		bool na = only(x, numbers), nb = only(y, numbers);
		uint64_t i = 0, k = 0;
		int o = na != nb ? (na ? -1 : 1) : sp_str_cmp(x, y);
		if (na && nb && sp_parse_u64(x, 0, UINT64_MAX, &i, NULL) == SP_OK &&
		    sp_parse_u64(y, 0, UINT64_MAX, &k, NULL) == SP_OK)
			o = order(i, k);
		if (o != 0)
			return o < 0 ? -1 : 1;
		if (!more_a || !more_b)
			return (int)more_a - (int)more_b;
	}
}

int cel_semver_compare(const cel_semver *a, const cel_semver *b)
{
	int o = order(a->major, b->major);
	if (o == 0)
		o = order(a->minor, b->minor);
	if (o == 0)
		o = order(a->patch, b->patch);
	return o != 0 ? o : compare_pre(a->pre, b->pre);
}

static sp_cel_val make(cel_ctx *c, sp_str s, bool tolerant)
{
	cel_semver *v = sp_try_new(c->arena, cel_semver, 1);
	if (v == NULL)
		return cel_oom(c);
	sp_cel_val bad = tolerant ? parse_tolerant(c, s, v) : parse(c, s, v);
	return cel_is_err(bad) ? bad : cel_opaque(&cel_t_semver, v);
}

static sp_cel_val semver(cel_ctx *c, const sp_cel_val *a)
{
	return make(c, sp_cel_str(a[0]), false);
}

static sp_cel_val semver_normalized(cel_ctx *c, const sp_cel_val *a)
{
	return make(c, sp_cel_str(a[0]), a[1].b);
}

static sp_cel_val is_semver(cel_ctx *c, const sp_cel_val *a)
{
	return sp_cel_of_bool(!cel_is_err(make(c, sp_cel_str(a[0]), false)));
}

static sp_cel_val is_semver_normalized(cel_ctx *c, const sp_cel_val *a)
{
	return sp_cel_of_bool(!cel_is_err(make(c, sp_cel_str(a[0]), a[1].b)));
}

#define SEMVER_PART(fn)                                                            \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a)                      \
	{                                                                          \
		(void)c;                                                           \
		return sp_cel_of_int((int64_t)((const cel_semver *)a[0].ptr)->fn); \
	}
#define SEMVER_ORDER(fn, expr)                                  \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a)   \
	{                                                       \
		int o = cel_semver_compare(a[0].ptr, a[1].ptr); \
		(void)c;                                        \
		return expr;                                    \
	}
SEMVER_PART(major)
SEMVER_PART(minor)
SEMVER_PART(patch)
SEMVER_ORDER(semver_greater, sp_cel_of_bool(o > 0))
SEMVER_ORDER(semver_less, sp_cel_of_bool(o < 0))
SEMVER_ORDER(semver_compare, sp_cel_of_int(o))

#define S &sp_cel_string
#define B &sp_cel_bool
#define I &sp_cel_int
#define Q &cel_t_quantity
#define V &cel_t_semver
#define NOMINAL CEL_COST_NOMINAL

CEL_LIBRARY(cel_lib_quantity, SP_CEL_LIB_K8S,
	    CEL_FN_COST("quantity", "string_to_quantity", CEL_COST_PARSE, quantity, Q, S),
	    CEL_FN_COST("isQuantity", "is_quantity_string", CEL_COST_PARSE, is_quantity, B, S),
	    CEL_FN_COST("sign", "quantity_sign", NOMINAL, sign, I, Q),
	    CEL_MEMBER_COST("isGreaterThan", "quantity_is_greater_than", NOMINAL, is_greater, B, Q, Q),
	    CEL_MEMBER_COST("isLessThan", "quantity_is_less_than", NOMINAL, is_less, B, Q, Q),
	    CEL_MEMBER_COST("compareTo", "quantity_compare_to", NOMINAL, compare_to, I, Q, Q),
	    CEL_MEMBER_COST("asApproximateFloat", "quantity_get_float", NOMINAL, as_float, &sp_cel_double, Q),
	    CEL_MEMBER_COST("asInteger", "quantity_get_int", NOMINAL, as_integer, I, Q),
	    CEL_MEMBER_COST("isInteger", "quantity_is_integer", NOMINAL, is_integer, B, Q),
	    CEL_MEMBER_COST("add", "quantity_add", NOMINAL, add, Q, Q, Q),
	    CEL_MEMBER_COST("add", "quantity_add_int", NOMINAL, add_int, Q, Q, I),
	    CEL_MEMBER_COST("sub", "quantity_sub", NOMINAL, sub, Q, Q, Q),
	    CEL_MEMBER_COST("sub", "quantity_sub_int", NOMINAL, sub_int, Q, Q, I));

CEL_LIBRARY(cel_lib_semver, SP_CEL_LIB_K8S,
	    CEL_FN_COST("semver", "string_to_semver", CEL_COST_PARSE, semver, V, S),
	    CEL_FN_COST("semver", "string_bool_to_semver", CEL_COST_PARSE, semver_normalized, V, S, B),
	    CEL_FN_COST("isSemver", "is_semver_string", CEL_COST_PARSE, is_semver, B, S),
	    CEL_FN_COST("isSemver", "is_semver_string_bool", CEL_COST_PARSE, is_semver_normalized, B, S, B),
	    CEL_MEMBER_COST("isGreaterThan", "semver_is_greater_than", NOMINAL, semver_greater, B, V, V),
	    CEL_MEMBER_COST("isLessThan", "semver_is_less_than", NOMINAL, semver_less, B, V, V),
	    CEL_MEMBER_COST("compareTo", "semver_compare_to", NOMINAL, semver_compare, I, V, V),
	    CEL_MEMBER_COST("major", "semver_major", NOMINAL, major, I, V),
	    CEL_MEMBER_COST("minor", "semver_minor", NOMINAL, minor, I, V),
	    CEL_MEMBER_COST("patch", "semver_patch", NOMINAL, patch, I, V));

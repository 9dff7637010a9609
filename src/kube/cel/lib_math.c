/* SPDX-License-Identifier: Apache-2.0 */
/* The math and encoders extensions. Kubernetes does not have them; the conformance data does. U: cel-go
 * ext/math.go, ext/encoders.go */
#include <math.h>

#include "base/base64.h"
#include "kube/cel/lib.h"

static sp_cel_val same(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0];
}

static sp_cel_val best_of(cel_ctx *c, sp_cel_val x, sp_cel_val y, int64_t worse, const char *name)
{
	sp_cel_val o = cel_compare(c, x, y);
	if (cel_is_err(o))
		return cel_errorf(c, SP_FMT ": %s", SP_ARG(sp_cel_error_text(o)), name);
	return o.i == worse ? y : x;
}

static sp_cel_val best_in(cel_ctx *c, sp_cel_val list, int64_t worse, const char *name)
{
	cel_iter it = cel_iter_of(list);
	sp_cel_val key, v, best;
	if (!cel_iter_next(c, &it, &key, &best))
		return cel_errorf(c, "%s(list) argument must not be empty", name);
	while (!cel_is_err(best) && cel_iter_next(c, &it, &key, &v))
		best = best_of(c, best, v, worse, name);
	if (best.kind != SP_CEL_INT && best.kind != SP_CEL_UINT && best.kind != SP_CEL_DOUBLE)
		return cel_errorf(c, "no such overload: %s", name);
	return best;
}

static sp_cel_val min2(cel_ctx *c, const sp_cel_val *a)
{
	return best_of(c, a[0], a[1], 1, "math.@min");
}

static sp_cel_val max2(cel_ctx *c, const sp_cel_val *a)
{
	return best_of(c, a[0], a[1], -1, "math.@max");
}

static sp_cel_val min_list(cel_ctx *c, const sp_cel_val *a)
{
	return best_in(c, a[0], 1, "math.@min");
}

static sp_cel_val max_list(cel_ctx *c, const sp_cel_val *a)
{
	return best_in(c, a[0], -1, "math.@max");
}

#define OF_DOUBLE(fn, expr)                                   \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a) \
	{                                                     \
		double d = a[0].d;                            \
		(void)c;                                      \
		return sp_cel_of_double(expr);                \
	}
#define OF_DOUBLE_BOOL(fn, expr)                              \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a) \
	{                                                     \
		double d = a[0].d;                            \
		(void)c;                                      \
		return sp_cel_of_bool(expr);                  \
	}
OF_DOUBLE(ceil_, ceil(d))
OF_DOUBLE(floor_, floor(d))
OF_DOUBLE(round_, round(d))
OF_DOUBLE(trunc_, trunc(d))
OF_DOUBLE(abs_double, fabs(d))
OF_DOUBLE(sign_double, isnan(d) ? d : (double)((d > 0) - (d < 0)))
OF_DOUBLE(sqrt_double, sqrt(d))
OF_DOUBLE_BOOL(is_inf, isinf(d))
OF_DOUBLE_BOOL(is_nan, isnan(d))
OF_DOUBLE_BOOL(is_finite, !isinf(d) && !isnan(d))

static sp_cel_val abs_int(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].i == INT64_MIN ? CEL_ERR("integer overflow")
				   : sp_cel_of_int(a[0].i < 0 ? -a[0].i : a[0].i);
}

static sp_cel_val sign_int(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_int((a[0].i > 0) - (a[0].i < 0));
}

static sp_cel_val sign_uint(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_uint(a[0].u > 0);
}

static sp_cel_val sqrt_int(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_double(sqrt((double)a[0].i));
}

static sp_cel_val sqrt_uint(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return sp_cel_of_double(sqrt((double)a[0].u));
}

/* The same on bits of int and uint: the result has the kind of the first argument. */
static sp_cel_val with_bits(sp_cel_val like, uint64_t bits)
{
	like.u = bits;
	return like;
}

#define BITS(fn, expr)                                        \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a) \
	{                                                     \
		(void)c;                                      \
		return with_bits(a[0], expr);                 \
	}
BITS(bit_and, a[0].u &a[1].u)
BITS(bit_or, a[0].u | a[1].u)
BITS(bit_xor, a[0].u ^ a[1].u)
BITS(bit_not, ~a[0].u)

static sp_cel_val shift_left(cel_ctx *c, const sp_cel_val *a)
{
	if (a[1].i < 0)
		return cel_errorf(c, "math.bitShiftLeft() negative offset: %lld", (long long)a[1].i);
	return with_bits(a[0], a[1].i > 63 ? 0 : a[0].u << a[1].i);
}

static sp_cel_val shift_right(cel_ctx *c, const sp_cel_val *a)
{
	if (a[1].i < 0)
		return cel_errorf(c, "math.bitShiftRight() negative offset: %lld", (long long)a[1].i);
	return with_bits(a[0], a[1].i > 63 ? 0 : a[0].u >> a[1].i);
}

static sp_cel_val base64_encode(cel_ctx *c, const sp_cel_val *a)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, CEL_TEXT_BYTES_MAX);
	(void)sp_base64_append(&out, a[0].text, a[0].len);
	return cel_buf_text(c, &out);
}

static sp_cel_val base64_decode(cel_ctx *c, const sp_cel_val *a)
{
	SP_AUTO_BUF text;
	sp_err err;
	size_t n;
	sp_buf_init(&text, CEL_TEXT_BYTES_MAX);
	(void)sp_buf_str(&text, sp_cel_str(a[0]));
	while (text.len % 4 != 0 && sp_buf_char(&text, '=') == SP_OK) { /* padding may be left out */
	}
	uint8_t *out = sp_arena_try_alloc(c->arena, text.len + 3);
	if (out == NULL || sp_buf_code(&text) != SP_OK)
		return cel_oom(c);
	if (sp_base64_decode(sp_buf_view(&text), out, &n, &err) != SP_OK)
		return cel_errorf(c, "%s", err.msg);
	return cel_bytes((sp_str){(const char *)out, n});
}

#define I &sp_cel_int
#define U &sp_cel_uint
#define D &sp_cel_double
#define EXTREME(name, word, fn2, fn)                                                                        \
	CEL_FN(name, word "_double", same, D, D), CEL_FN(name, word "_int", same, I, I),                    \
		CEL_FN(name, word "_uint", same, U, U), CEL_FN(name, word "_double_double", fn2, D, D, D),  \
		CEL_FN(name, word "_int_int", fn2, I, I, I), CEL_FN(name, word "_uint_uint", fn2, U, U, U), \
		CEL_FN(name, word "_int_uint", fn2, &sp_cel_dyn, I, U),                                     \
		CEL_FN(name, word "_int_double", fn2, &sp_cel_dyn, I, D),                                   \
		CEL_FN(name, word "_double_int", fn2, &sp_cel_dyn, D, I),                                   \
		CEL_FN(name, word "_double_uint", fn2, &sp_cel_dyn, D, U),                                  \
		CEL_FN(name, word "_uint_int", fn2, &sp_cel_dyn, U, I),                                     \
		CEL_FN(name, word "_uint_double", fn2, &sp_cel_dyn, U, D),                                  \
		CEL_FN(name, word "_list_double", fn, D, &cel_t_list_double),                               \
		CEL_FN(name, word "_list_int", fn, I, &cel_t_list_int),                                     \
		CEL_FN(name, word "_list_uint", fn, U, &cel_t_list_uint)
#define OF(name, id, fn) CEL_FN("math." name, id, fn, D, D)
#define OF_BOOL(name, id, fn) CEL_FN("math." name, id, fn, &sp_cel_bool, D)
#define PAIR(name, id, fn) \
	CEL_FN("math." name, id "_int_int", fn, I, I, I), CEL_FN("math." name, id "_uint_uint", fn, U, U, U)
#define SHIFT(name, id, fn) \
	CEL_FN("math." name, id "_int_int", fn, I, I, I), CEL_FN("math." name, id "_uint_int", fn, U, U, I)

CEL_LIBRARY(cel_lib_math, SP_CEL_LIB_MATH, EXTREME("math.@min", "math_@min", min2, min_list),
	    EXTREME("math.@max", "math_@max", max2, max_list), OF("ceil", "math_ceil_double", ceil_),
	    OF("floor", "math_floor_double", floor_), OF("round", "math_round_double", round_),
	    OF("trunc", "math_trunc_double", trunc_), OF_BOOL("isInf", "math_isInf_double", is_inf),
	    OF_BOOL("isNaN", "math_isNaN_double", is_nan),
	    OF_BOOL("isFinite", "math_isFinite_double", is_finite), OF("abs", "math_abs_double", abs_double),
	    CEL_FN("math.abs", "math_abs_int", abs_int, I, I),
	    CEL_FN("math.abs", "math_abs_uint", same, U, U), OF("sign", "math_sign_double", sign_double),
	    CEL_FN("math.sign", "math_sign_int", sign_int, I, I),
	    CEL_FN("math.sign", "math_sign_uint", sign_uint, U, U), PAIR("bitAnd", "math_bitAnd", bit_and),
	    PAIR("bitOr", "math_bitOr", bit_or), PAIR("bitXor", "math_bitXor", bit_xor),
	    CEL_FN("math.bitNot", "math_bitNot_int_int", bit_not, I, I),
	    CEL_FN("math.bitNot", "math_bitNot_uint_uint", bit_not, U, U),
	    SHIFT("bitShiftLeft", "math_bitShiftLeft", shift_left),
	    SHIFT("bitShiftRight", "math_bitShiftRight", shift_right),
	    OF("sqrt", "math_sqrt_double", sqrt_double), CEL_FN("math.sqrt", "math_sqrt_int", sqrt_int, D, I),
	    CEL_FN("math.sqrt", "math_sqrt_uint", sqrt_uint, D, U));

CEL_LIBRARY(cel_lib_encoders, SP_CEL_LIB_ENCODERS,
	    CEL_FN("base64.decode", "base64_decode_string", base64_decode, &sp_cel_bytes, &sp_cel_string),
	    CEL_FN("base64.encode", "base64_encode_bytes", base64_encode, &sp_cel_string, &sp_cel_bytes));

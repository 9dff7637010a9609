/* SPDX-License-Identifier: Apache-2.0 */
/* Operators. They look at the values themselves: an operand that has no such operator at all is "no such
 * overload: _+_", a second one that does not go with the first is "no such overload". U: cel-go
 * common/stdlib, common/types */
#include <math.h>

#include "base/num.h"
#include "kube/cel/lib.h"

#define INT_OVERFLOW CEL_ERR("integer overflow")
#define UINT_OVERFLOW CEL_ERR("unsigned integer overflow")
#define TIME_OVERFLOW CEL_ERR("timestamp overflow")
/* Values with methods of their own are asked for the operator as for a method, and know none. */
#define LACKS(v, op)                                                                              \
	((v).kind == SP_CEL_STRING || (v).kind == SP_CEL_DURATION || (v).kind == SP_CEL_TIMESTAMP \
		 ? CEL_NO_OVERLOAD                                                                \
		 : CEL_ERR("no such overload: " op))
#define NANOS INT64_C(1000000000)

/* ---- times ---- */

sp_cel_val cel_time_add(sp_cel_val t, int64_t ns)
{
	int64_t sec, nanos = (int64_t)t.n + ns % NANOS;
	if (!sp_add(t.i, ns / NANOS, &sec))
		return INT_OVERFLOW;
	if (nanos < 0) {
		nanos += NANOS;
		sec--;
	} else if (nanos >= NANOS) {
		nanos -= NANOS;
		sec++;
	}
	if (!cel_time_in_range(sec))
		return TIME_OVERFLOW;
	return (sp_cel_val){.kind = SP_CEL_TIMESTAMP, .n = (uint32_t)nanos, .i = sec};
}

static sp_cel_val time_between(sp_cel_val a, sp_cel_val b)
{
	int64_t sec, ns;
	if (!sp_sub(a.i, b.i, &sec) || !sp_mul(sec, NANOS, &ns) ||
	    !sp_add(ns, (int64_t)a.n - (int64_t)b.n, &ns))
		return INT_OVERFLOW;
	return cel_duration(ns);
}

/* ---- arithmetic ---- */

/* Lists of type set and map take in what they do not have, by value or by key. */
static sp_cel_val merge(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	bool is_set = a.schema->list_type == SP_LIST_SET;
	cel_iter it = cel_iter_of(b);
	sp_cel_val key, v, out = cel_list_new(c, sp_cel_size(a) + sp_cel_size(b));
	cel_vec *vec = (cel_vec *)(uintptr_t)out.ptr;
	cel_iter own = cel_iter_of(a);
	if (cel_is_err(out))
		return out;
	while (cel_iter_next(c, &own, &key, &v))
		(void)cel_list_append(c, &out, v);
	while (c->abort == SP_OK && cel_iter_next(c, &it, &key, &v)) {
		uint32_t i = 0;
		while (i < out.n && !(is_set ? cel_equals(c, vec->items[i], v)
					     : cel_same_keys(c, a.schema, vec->items[i], v)))
			i++;
		if (i < out.n)
			vec->items[i] = v;
		else
			(void)cel_list_append(c, &out, v);
	}
	out.schema = a.schema;
	return out;
}

static sp_cel_val concat(cel_ctx *c, const sp_cel_val *a)
{
	size_t len = a[0].len + a[1].len;
	char *p = sp_arena_try_alloc(c->arena, len + 1);
	if (p == NULL)
		return cel_oom(c);
	if (a[0].len > 0)
		memcpy(p, a[0].text, a[0].len);
	if (a[1].len > 0)
		memcpy(p + a[0].len, a[1].text, a[1].len);
	return (sp_cel_val){.kind = a[0].kind, .text = p, .len = len};
}

static sp_cel_val add(cel_ctx *c, const sp_cel_val *a)
{
	int64_t i;
	uint64_t u;
	switch (a[0].kind) {
	case SP_CEL_INT:
		if (a[1].kind != SP_CEL_INT)
			return CEL_NO_OVERLOAD;
		return sp_add(a[0].i, a[1].i, &i) ? sp_cel_of_int(i) : INT_OVERFLOW;
	case SP_CEL_UINT:
		if (a[1].kind != SP_CEL_UINT)
			return CEL_NO_OVERLOAD;
		return sp_add(a[0].u, a[1].u, &u) ? sp_cel_of_uint(u) : UINT_OVERFLOW;
	case SP_CEL_DOUBLE:
		return a[1].kind == SP_CEL_DOUBLE ? sp_cel_of_double(a[0].d + a[1].d) : CEL_NO_OVERLOAD;
	case SP_CEL_STRING:
	case SP_CEL_BYTES:
		return a[0].kind == a[1].kind ? concat(c, a) : CEL_NO_OVERLOAD;
	case SP_CEL_LIST:
		if (a[1].kind != SP_CEL_LIST)
			return CEL_NO_OVERLOAD;
		if (a[0].schema != NULL && a[0].schema->list_type != SP_LIST_ATOMIC)
			return merge(c, a[0], a[1]);
		return cel_list_concat(c, a[0], a[1]);
	case SP_CEL_DURATION:
		if (a[1].kind == SP_CEL_TIMESTAMP)
			return cel_time_add(a[1], a[0].i);
		if (a[1].kind != SP_CEL_DURATION)
			return CEL_NO_OVERLOAD;
		return sp_add(a[0].i, a[1].i, &i) ? cel_duration(i) : INT_OVERFLOW;
	case SP_CEL_TIMESTAMP:
		return a[1].kind == SP_CEL_DURATION ? cel_time_add(a[0], a[1].i) : CEL_NO_OVERLOAD;
	default:
		return LACKS(a[0], "_+_");
	}
}

static sp_cel_val subtract(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	int64_t i;
	uint64_t u;
	switch (a[0].kind) {
	case SP_CEL_INT:
		if (a[1].kind != SP_CEL_INT)
			return CEL_NO_OVERLOAD;
		return sp_sub(a[0].i, a[1].i, &i) ? sp_cel_of_int(i) : INT_OVERFLOW;
	case SP_CEL_UINT:
		if (a[1].kind != SP_CEL_UINT)
			return CEL_NO_OVERLOAD;
		return sp_sub(a[0].u, a[1].u, &u) ? sp_cel_of_uint(u) : UINT_OVERFLOW;
	case SP_CEL_DOUBLE:
		return a[1].kind == SP_CEL_DOUBLE ? sp_cel_of_double(a[0].d - a[1].d) : CEL_NO_OVERLOAD;
	case SP_CEL_DURATION:
		if (a[1].kind != SP_CEL_DURATION)
			return CEL_NO_OVERLOAD;
		return sp_sub(a[0].i, a[1].i, &i) ? cel_duration(i) : INT_OVERFLOW;
	case SP_CEL_TIMESTAMP:
		if (a[1].kind == SP_CEL_TIMESTAMP)
			return time_between(a[0], a[1]);
		if (a[1].kind != SP_CEL_DURATION)
			return CEL_NO_OVERLOAD;
		return a[1].i == INT64_MIN ? INT_OVERFLOW : cel_time_add(a[0], -a[1].i);
	default:
		return LACKS(a[0], "_-_");
	}
}

static bool is_number(sp_cel_val v)
{
	return v.kind == SP_CEL_INT || v.kind == SP_CEL_UINT || v.kind == SP_CEL_DOUBLE;
}

static sp_cel_val multiply(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	int64_t i;
	uint64_t u;
	if (!is_number(a[0]))
		return LACKS(a[0], "_*_");
	if (a[0].kind != a[1].kind)
		return CEL_NO_OVERLOAD;
	if (a[0].kind == SP_CEL_INT)
		return sp_mul(a[0].i, a[1].i, &i) ? sp_cel_of_int(i) : INT_OVERFLOW;
	if (a[0].kind == SP_CEL_UINT)
		return sp_mul(a[0].u, a[1].u, &u) ? sp_cel_of_uint(u) : UINT_OVERFLOW;
	return sp_cel_of_double(a[0].d * a[1].d);
}

static sp_cel_val divide(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	if (!is_number(a[0]))
		return LACKS(a[0], "_/_");
	if (a[0].kind != a[1].kind)
		return CEL_NO_OVERLOAD;
	if (a[0].kind == SP_CEL_DOUBLE) {
		/* IEEE 754 by hand: the sanitizer minds a division by zero. */
		if (a[1].d != 0)
			return sp_cel_of_double(a[0].d / a[1].d);
		bool negative = signbit(a[0].d) != signbit(a[1].d);
		double inf = negative ? -(double)INFINITY : (double)INFINITY;
		return sp_cel_of_double(a[0].d == 0 || isnan(a[0].d) ? (double)NAN : inf);
	}
	if (a[1].i == 0)
		return CEL_ERR("division by zero");
	if (a[0].kind == SP_CEL_UINT)
		return sp_cel_of_uint(a[0].u / a[1].u);
	return a[0].i == INT64_MIN && a[1].i == -1 ? INT_OVERFLOW : sp_cel_of_int(a[0].i / a[1].i);
}

static sp_cel_val modulo(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	if (a[0].kind != SP_CEL_INT && a[0].kind != SP_CEL_UINT)
		return LACKS(a[0], "_%_");
	if (a[0].kind != a[1].kind)
		return CEL_NO_OVERLOAD;
	if (a[1].i == 0)
		return CEL_ERR("modulus by zero");
	if (a[0].kind == SP_CEL_UINT)
		return sp_cel_of_uint(a[0].u % a[1].u);
	return a[0].i == INT64_MIN && a[1].i == -1 ? INT_OVERFLOW : sp_cel_of_int(a[0].i % a[1].i);
}

static sp_cel_val negate(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	switch (a[0].kind) {
	case SP_CEL_INT:
		return a[0].i == INT64_MIN ? INT_OVERFLOW : sp_cel_of_int(-a[0].i);
	case SP_CEL_DURATION:
		return a[0].i == INT64_MIN ? INT_OVERFLOW : cel_duration(-a[0].i);
	case SP_CEL_DOUBLE:
		return sp_cel_of_double(-a[0].d);
	case SP_CEL_BOOL:
		return CEL_NO_OVERLOAD;
	default:
		return LACKS(a[0], "-_");
	}
}

/* ---- logic and order ---- */

static sp_cel_val not_(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].kind == SP_CEL_BOOL ? sp_cel_of_bool(!a[0].b) : CEL_NO_OVERLOAD;
}

static sp_cel_val not_strictly_false(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	return a[0].kind == SP_CEL_BOOL ? a[0] : sp_cel_of_bool(true);
}

static bool comparable(sp_cel_val v)
{
	return is_number(v) || v.kind == SP_CEL_BOOL || v.kind == SP_CEL_STRING || v.kind == SP_CEL_BYTES ||
	       v.kind == SP_CEL_TIMESTAMP || v.kind == SP_CEL_DURATION;
}

#define ORDER(fn, op, test)                                            \
	static sp_cel_val fn(cel_ctx *c, const sp_cel_val *a)          \
	{                                                              \
		if (!comparable(a[0]))                                 \
			return CEL_ERR("no such overload: " op);       \
		sp_cel_val o = cel_compare(c, a[0], a[1]);             \
		return cel_is_err(o) ? o : sp_cel_of_bool(o.i test 0); \
	}
ORDER(less, "_<_", <)
ORDER(less_equal, "_<=_", <=)
ORDER(greater, "_>_", >)
ORDER(greater_equal, "_>=_", >=)

static sp_cel_val in(cel_ctx *c, const sp_cel_val *a)
{
	sp_cel_val key, v;
	if (a[1].kind == SP_CEL_MAP) {
		cel_found found = cel_find(c, a[1], a[0], &v);
		if (found == CEL_FAILED || (found == CEL_FOUND && cel_is_err(v)))
			return v;
		return sp_cel_of_bool(found == CEL_FOUND);
	}
	if (a[1].kind != SP_CEL_LIST)
		return CEL_NO_OVERLOAD;
	cel_iter it = cel_iter_of(a[1]);
	while (cel_iter_next(c, &it, &key, &v)) {
		if (cel_equals(c, a[0], v))
			return sp_cel_of_bool(true);
	}
	return sp_cel_of_bool(false);
}

/* These are not called: programs have instructions of their own for them. */
static sp_cel_val never(cel_ctx *c, const sp_cel_val *a)
{
	(void)c;
	(void)a;
	return CEL_NO_OVERLOAD;
}

#define OP(name_, id_, cost_, impl_, result_, ...)                                         \
	{                                                                                  \
		.name = name_, .id = id_, .impl = impl_, .cost = cost_, .operator_ = true, \
		.result = result_, .args = {                                               \
			__VA_ARGS__                                                        \
		}                                                                          \
	}
#define T(t) &sp_cel_##t
#define ONE CEL_COST_ONE
#define CMP CEL_COST_COMPARE

/* One operator of order over all pairs. */
#define ORDERED(op, word, fn)                                                            \
	OP(op, word "_bool", ONE, fn, T(bool), T(bool), T(bool)),                        \
		OP(op, word "_int64", ONE, fn, T(bool), T(int), T(int)),                 \
		OP(op, word "_int64_double", ONE, fn, T(bool), T(int), T(double)),       \
		OP(op, word "_int64_uint64", ONE, fn, T(bool), T(int), T(uint)),         \
		OP(op, word "_uint64", ONE, fn, T(bool), T(uint), T(uint)),              \
		OP(op, word "_uint64_double", ONE, fn, T(bool), T(uint), T(double)),     \
		OP(op, word "_uint64_int64", ONE, fn, T(bool), T(uint), T(int)),         \
		OP(op, word "_double", ONE, fn, T(bool), T(double), T(double)),          \
		OP(op, word "_double_int64", ONE, fn, T(bool), T(double), T(int)),       \
		OP(op, word "_double_uint64", ONE, fn, T(bool), T(double), T(uint)),     \
		OP(op, word "_string", CMP, fn, T(bool), T(string), T(string)),          \
		OP(op, word "_bytes", CMP, fn, T(bool), T(bytes), T(bytes)),             \
		OP(op, word "_timestamp", ONE, fn, T(bool), T(timestamp), T(timestamp)), \
		OP(op, word "_duration", ONE, fn, T(bool), T(duration), T(duration))

CEL_LIBRARY(cel_lib_operators, 0,
	    OP("_?_:_", "conditional", CEL_COST_CONDITIONAL, never, &cel_t_a, T(bool), &cel_t_a, &cel_t_a),
	    OP("_&&_", "logical_and", CEL_COST_AND_OR, never, T(bool), T(bool), T(bool)),
	    OP("_||_", "logical_or", CEL_COST_AND_OR, never, T(bool), T(bool), T(bool)),
	    OP("!_", "logical_not", ONE, not_, T(bool), T(bool)),
	    {.name = "@not_strictly_false",
	     .id = "not_strictly_false",
	     .impl = not_strictly_false,
	     .operator_ = true,
	     .non_strict = true,
	     .result = T(bool),
	     .args = {T(bool)}},
	    OP("_==_", "equals", CMP, never, T(bool), &cel_t_a, &cel_t_a),
	    OP("_!=_", "not_equals", CMP, never, T(bool), &cel_t_a, &cel_t_a),
	    OP("_+_", "add_bytes", CEL_COST_CONCAT, add, T(bytes), T(bytes), T(bytes)),
	    OP("_+_", "add_double", ONE, add, T(double), T(double), T(double)),
	    OP("_+_", "add_duration_duration", ONE, add, T(duration), T(duration), T(duration)),
	    OP("_+_", "add_duration_timestamp", ONE, add, T(timestamp), T(duration), T(timestamp)),
	    OP("_+_", "add_timestamp_duration", ONE, add, T(timestamp), T(timestamp), T(duration)),
	    OP("_+_", "add_int64", ONE, add, T(int), T(int), T(int)),
	    OP("_+_", "add_list", CEL_COST_CONCAT_LIST, add, &cel_t_list_a, &cel_t_list_a, &cel_t_list_a),
	    OP("_+_", "add_string", CEL_COST_CONCAT, add, T(string), T(string), T(string)),
	    OP("_+_", "add_uint64", ONE, add, T(uint), T(uint), T(uint)),
	    OP("_/_", "divide_double", ONE, divide, T(double), T(double), T(double)),
	    OP("_/_", "divide_int64", ONE, divide, T(int), T(int), T(int)),
	    OP("_/_", "divide_uint64", ONE, divide, T(uint), T(uint), T(uint)),
	    OP("_%_", "modulo_int64", ONE, modulo, T(int), T(int), T(int)),
	    OP("_%_", "modulo_uint64", ONE, modulo, T(uint), T(uint), T(uint)),
	    OP("_*_", "multiply_double", ONE, multiply, T(double), T(double), T(double)),
	    OP("_*_", "multiply_int64", ONE, multiply, T(int), T(int), T(int)),
	    OP("_*_", "multiply_uint64", ONE, multiply, T(uint), T(uint), T(uint)),
	    OP("-_", "negate_double", ONE, negate, T(double), T(double)),
	    OP("-_", "negate_int64", ONE, negate, T(int), T(int)),
	    OP("_-_", "subtract_double", ONE, subtract, T(double), T(double), T(double)),
	    OP("_-_", "subtract_duration_duration", ONE, subtract, T(duration), T(duration), T(duration)),
	    OP("_-_", "subtract_int64", ONE, subtract, T(int), T(int), T(int)),
	    OP("_-_", "subtract_timestamp_duration", ONE, subtract, T(timestamp), T(timestamp), T(duration)),
	    OP("_-_", "subtract_timestamp_timestamp", ONE, subtract, T(duration), T(timestamp), T(timestamp)),
	    OP("_-_", "subtract_uint64", ONE, subtract, T(uint), T(uint), T(uint)),
	    ORDERED("_<_", "less", less), ORDERED("_<=_", "less_equals", less_equal),
	    ORDERED("_>_", "greater", greater), ORDERED("_>=_", "greater_equals", greater_equal),
	    OP("_[_]", "index_list", CEL_COST_INDEX_LIST, never, &cel_t_a, &cel_t_list_a, T(int)),
	    OP("_[_]", "index_map", CEL_COST_INDEX_MAP, never, &cel_t_b, &cel_t_map_ab, &cel_t_a),
	    OP("@in", "in_list", CEL_COST_IN_LIST, in, T(bool), &cel_t_a, &cel_t_list_a),
	    OP("@in", "in_map", ONE, in, T(bool), &cel_t_a, &cel_t_map_ab));

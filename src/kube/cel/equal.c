/* SPDX-License-Identifier: Apache-2.0 */
/* Equality and order. U: cel-go common/types/{compare,list,map,util}.go */
#include <math.h>

#include "kube/cel/lib.h"

bool cel_f64_to_i64(double d, int64_t *ret)
{
	if (isnan(d) || d <= -0x1p63 || d >= 0x1p63)
		return false;
	*ret = (int64_t)d;
	return true;
}

bool cel_f64_to_u64(double d, uint64_t *ret)
{
	if (isnan(d) || d < 0 || d >= 0x1p64)
		return false;
	*ret = (uint64_t)d;
	return true;
}

static bool is_number(sp_cel_val v)
{
	return v.kind == SP_CEL_INT || v.kind == SP_CEL_UINT || v.kind == SP_CEL_DOUBLE;
}

static int order_f64(double a, double b)
{
	return a < b ? -1 : a > b;
}

static int order_int_uint(int64_t i, uint64_t u)
{
	if (i < 0 || u > INT64_MAX)
		return -1;
	return i < (int64_t)u ? -1 : i > (int64_t)u;
}

static int order_f64_int(double d, int64_t i)
{
	if (d < -0x1p63)
		return -1;
	return d > 0x1p63 ? 1 : order_f64(d, (double)i);
}

static int order_f64_uint(double d, uint64_t u)
{
	if (d < 0)
		return -1;
	return d > 0x1p64 ? 1 : order_f64(d, (double)u);
}

/* Neither is NaN. */
static int order_numbers(sp_cel_val a, sp_cel_val b)
{
	if (a.kind == b.kind) {
		if (a.kind == SP_CEL_INT)
			return a.i < b.i ? -1 : a.i > b.i;
		return a.kind == SP_CEL_UINT ? (a.u < b.u ? -1 : a.u > b.u) : order_f64(a.d, b.d);
	}
	if (a.kind == SP_CEL_DOUBLE)
		return b.kind == SP_CEL_INT ? order_f64_int(a.d, b.i) : order_f64_uint(a.d, b.u);
	if (a.kind == SP_CEL_INT && b.kind == SP_CEL_UINT)
		return order_int_uint(a.i, b.u);
	return -order_numbers(b, a);
}

static bool is_nan(sp_cel_val v)
{
	return v.kind == SP_CEL_DOUBLE && isnan(v.d);
}

static sp_cel_val order_of(int o)
{
	return sp_cel_of_int(o < 0 ? -1 : o > 0);
}

sp_cel_val cel_compare(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	(void)c;
	if (is_number(a) && is_number(b)) {
		if (is_nan(a) || is_nan(b))
			return CEL_ERR("NaN values cannot be ordered");
		return order_of(order_numbers(a, b));
	}
	if (is_nan(a))
		return CEL_ERR("NaN values cannot be ordered");
	if (cel_is_err(b))
		return b;
	if (a.kind != b.kind)
		return CEL_NO_OVERLOAD;
	switch (a.kind) {
	case SP_CEL_BOOL:
		return order_of((int)a.b - (int)b.b);
	case SP_CEL_STRING:
	case SP_CEL_BYTES:
		return order_of(sp_str_cmp((sp_str){a.text, a.len}, (sp_str){b.text, b.len}));
	case SP_CEL_DURATION:
		return order_of(a.i < b.i ? -1 : a.i > b.i);
	case SP_CEL_TIMESTAMP:
		return order_of(a.i != b.i ? (a.i < b.i ? -1 : 1) : (a.n < b.n ? -1 : a.n > b.n));
	default:
		return CEL_NO_OVERLOAD;
	}
}

/* ---- containers ---- */

static uint8_t list_type(sp_cel_val v)
{
	return v.kind == SP_CEL_LIST && v.schema != NULL ? v.schema->list_type : (uint8_t)SP_LIST_ATOMIC;
}

static bool contains(cel_ctx *c, sp_cel_val list, sp_cel_val elem)
{
	cel_iter it = cel_iter_of(list);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (cel_equals(c, v, elem))
			return true;
	}
	return false;
}

/* Whether two elements of a list of type map have the same keys. */
bool cel_same_keys(cel_ctx *c, const sp_schema *list, sp_cel_val a, sp_cel_val b)
{
	if (a.kind != SP_CEL_MAP || b.kind != SP_CEL_MAP)
		return false;
	for (uint16_t i = 0; i < list->n_list_keys; i++) {
		sp_str name;
		sp_cel_val x, y;
		if (!sp_cel_escape(c->arena, list->list_keys[i], &name))
			name = list->list_keys[i];
		cel_found fx = cel_find_str(c, a, name, &x), fy = cel_find_str(c, b, name, &y);
		if (fx != fy || (fx == CEL_FOUND && !cel_equals(c, x, y)))
			return false;
	}
	return true;
}

/* Lists of type set and map: order does not matter. */
static sp_cel_val equal_unordered(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	cel_iter it = cel_iter_of(b);
	sp_cel_val key, v, w;
	bool is_set = list_type(a) == SP_LIST_SET;
	while (cel_iter_next(c, &it, &key, &v)) {
		bool found = is_set && contains(c, a, v);
		cel_iter other = cel_iter_of(a);
		while (!is_set && !found && cel_iter_next(c, &other, &key, &w))
			found = cel_same_keys(c, a.schema, w, v) && cel_equals(c, w, v);
		if (!found)
			return sp_cel_of_bool(false);
	}
	return sp_cel_of_bool(true);
}

static sp_cel_val equal_lists(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	if (sp_cel_size(a) != sp_cel_size(b))
		return sp_cel_of_bool(false);
	if (list_type(a) != SP_LIST_ATOMIC)
		return equal_unordered(c, a, b);
	cel_iter x = cel_iter_of(a), y = cel_iter_of(b);
	sp_cel_val key, v, w;
	while (cel_iter_next(c, &x, &key, &v) && cel_iter_next(c, &y, &key, &w)) {
		sp_cel_val eq = cel_equal(c, v, w);
		if (!sp_cel_is_true(eq))
			return eq;
	}
	return sp_cel_of_bool(true);
}

static sp_cel_val equal_maps(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	if (sp_cel_size(a) != sp_cel_size(b))
		return sp_cel_of_bool(false);
	cel_iter it = cel_iter_of(a);
	sp_cel_val key, v, w;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (cel_find(c, b, key, &w) != CEL_FOUND)
			return sp_cel_of_bool(false);
		sp_cel_val eq = cel_equal(c, v, w);
		if (!sp_cel_is_true(eq))
			return eq;
	}
	return sp_cel_of_bool(true);
}

static sp_cel_val equal_structs(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	if (a.rep == CEL_LAZY || b.rep == CEL_LAZY)
		return sp_cel_of_bool(a.rep == b.rep && a.ptr == b.ptr);
	if (!sp_str_eq(cel_type_of(a)->name, cel_type_of(b)->name))
		return sp_cel_of_bool(false);
	return equal_maps(c, a, b);
}

static sp_cel_val equal_optionals(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	if (a.ptr == NULL || b.ptr == NULL)
		return sp_cel_of_bool(a.ptr == b.ptr);
	return cel_equal(c, *cel_optional_ptr(a), *cel_optional_ptr(b));
}

sp_cel_val cel_equal(cel_ctx *c, sp_cel_val a, sp_cel_val b)
{
	if (cel_is_err(a))
		return a;
	if (cel_is_err(b))
		return b;
	if (is_number(a) && is_number(b))
		return sp_cel_of_bool(!is_nan(a) && !is_nan(b) && order_numbers(a, b) == 0);
	if (a.kind != b.kind)
		return sp_cel_of_bool(false);
	switch (a.kind) {
	case SP_CEL_NULL:
		return sp_cel_of_bool(true);
	case SP_CEL_BOOL:
		return sp_cel_of_bool(a.b == b.b);
	case SP_CEL_STRING:
	case SP_CEL_BYTES:
		return sp_cel_of_bool(sp_str_eq((sp_str){a.text, a.len}, (sp_str){b.text, b.len}));
	case SP_CEL_DURATION:
		return sp_cel_of_bool(a.i == b.i);
	case SP_CEL_TIMESTAMP:
		return sp_cel_of_bool(a.i == b.i && a.n == b.n);
	case SP_CEL_LIST:
		return equal_lists(c, a, b);
	case SP_CEL_MAP:
		return equal_maps(c, a, b);
	case SP_CEL_STRUCT:
		return equal_structs(c, a, b);
	case SP_CEL_OPTIONAL:
		return equal_optionals(c, a, b);
	case SP_CEL_TYPE:
		return sp_cel_of_bool(sp_str_eq(a.type->name, b.type->name));
	default:
		return sp_cel_of_bool(a.type == b.type && cel_opaque_equal(a, b));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The lists extension, sets, and maps made by two-variable comprehensions. U: cel-go
 * ext/{lists,sets,comprehensions}.go */
#include <stdlib.h>

#include "kube/cel/lib.h"

static sp_cel_val slice(cel_ctx *c, const sp_cel_val *a)
{
	int64_t from = a[1].i, to = a[2].i, n = (int64_t)sp_cel_size(a[0]);
	sp_cel_val out, key, v;
	if (from < 0 || to < 0)
		return cel_errorf(c, "cannot slice(%lld, %lld), negative indexes not supported",
				  (long long)from, (long long)to);
	if (from > to)
		return cel_errorf(
			c, "cannot slice(%lld, %lld), start index must be less than or equal to end index",
			(long long)from, (long long)to);
	if (n < to)
		return cel_errorf(c, "cannot slice(%lld, %lld), list is length %lld", (long long)from,
				  (long long)to, (long long)n);
	out = cel_list_new(c, (size_t)(to - from));
	cel_iter it = cel_iter_of(a[0]);
	while (!cel_is_err(out) && cel_iter_next(c, &it, &key, &v) && key.i < to) {
		if (key.i >= from && !cel_list_append(c, &out, v))
			return cel_oom(c);
	}
	return out;
}

static bool flatten_into(cel_ctx *c, sp_cel_val list, int64_t depth, sp_cel_val *out)
{
	cel_iter it = cel_iter_of(list);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		bool fine = v.kind == SP_CEL_LIST && depth > 0 ? flatten_into(c, v, depth - 1, out)
							       : cel_list_append(c, out, v);
		if (!fine)
			return false;
	}
	return true;
}

static sp_cel_val flatten_to(cel_ctx *c, sp_cel_val list, int64_t depth)
{
	if (depth < 0)
		return CEL_ERR("level must be non-negative");
	sp_cel_val out = cel_list_new(c, sp_cel_size(list));
	return cel_is_err(out) || !flatten_into(c, list, depth, &out) ? cel_oom(c) : out;
}

static sp_cel_val flatten(cel_ctx *c, const sp_cel_val *a)
{
	return flatten_to(c, a[0], 1);
}

static sp_cel_val flatten_depth(cel_ctx *c, const sp_cel_val *a)
{
	return flatten_to(c, a[0], a[1].i);
}

typedef struct sorted {
	sp_cel_val key, value;
	size_t i;
} sorted;

static int by_key(const void *x, const void *y)
{
	const sorted *a = x, *b = y;
	sp_cel_val o = cel_compare(NULL, a->key, b->key);
	if (!cel_is_err(o) && o.i != 0)
		return (int)o.i;
	return a->i < b->i ? -1 : a->i > b->i;
}

static bool comparable(sp_cel_val v)
{
	return v.kind == SP_CEL_INT || v.kind == SP_CEL_UINT || v.kind == SP_CEL_DOUBLE ||
	       v.kind == SP_CEL_BOOL || v.kind == SP_CEL_STRING || v.kind == SP_CEL_BYTES ||
	       v.kind == SP_CEL_TIMESTAMP || v.kind == SP_CEL_DURATION;
}

static sp_cel_val sort_by(cel_ctx *c, sp_cel_val list, sp_cel_val keys)
{
	size_t n = sp_cel_size(list), m = sp_cel_size(keys), i = 0;
	if (n != m)
		return cel_errorf(
			c,
			"@sortByAssociatedKeys() expected a list of the same size as the associated keys "
			"list, but got %zu and %zu elements respectively",
			n, m);
	if (n == 0)
		return list;
	sorted *s = sp_arena_try_array(c->arena, n, sizeof(*s));
	sp_cel_val out = s == NULL ? cel_oom(c) : cel_list_new(c, n), at;
	if (cel_is_err(out))
		return out;
	cel_iter x = cel_iter_of(list), y = cel_iter_of(keys);
	for (; i < n && cel_iter_next(c, &x, &at, &s[i].value) && cel_iter_next(c, &y, &at, &s[i].key); i++) {
		s[i].i = i;
		if (!comparable(s[0].key))
			return CEL_ERR("list elements must be comparable");
		if (s[i].key.kind != s[0].key.kind)
			return CEL_ERR("list elements must have the same type");
	}
	qsort(s, i, sizeof(*s), by_key);
	for (size_t k = 0; k < i; k++) {
		if (!cel_list_append(c, &out, s[k].value))
			return cel_oom(c);
	}
	return out;
}

/* What values with methods say of one they do not have, and what others say. */
static sp_cel_val no_method(cel_ctx *c, sp_cel_val v, const char *name)
{
	bool has_methods = v.kind == SP_CEL_STRING || v.kind == SP_CEL_DURATION || v.kind == SP_CEL_TIMESTAMP;
	return has_methods ? CEL_NO_OVERLOAD : cel_errorf(c, "no such overload: %s", name);
}

static sp_cel_val sort(cel_ctx *c, const sp_cel_val *a)
{
	if (a[0].kind != SP_CEL_LIST)
		return no_method(c, a[0], "sort");
	return sort_by(c, a[0], a[0]);
}

static sp_cel_val sort_by_keys(cel_ctx *c, const sp_cel_val *a)
{
	if (a[0].kind != SP_CEL_LIST || a[1].kind != SP_CEL_LIST)
		return no_method(c, a[0], "@sortByAssociatedKeys");
	return sort_by(c, a[0], a[1]);
}

static sp_cel_val range(cel_ctx *c, const sp_cel_val *a)
{
	sp_cel_val out = cel_list_new(c, 4);
	for (int64_t i = 0; i < a[0].i && !cel_is_err(out); i++) {
		if (!cel_list_append(c, &out, sp_cel_of_int(i)))
			return cel_oom(c);
	}
	return out;
}

static sp_cel_val reverse(cel_ctx *c, const sp_cel_val *a)
{
	size_t n = sp_cel_size(a[0]);
	sp_cel_val out = cel_list_new(c, n), key, v;
	if (cel_is_err(out))
		return out;
	cel_vec *vec = (cel_vec *)(uintptr_t)out.ptr;
	cel_iter it = cel_iter_of(a[0]);
	for (size_t i = n; i > 0 && cel_iter_next(c, &it, &key, &v); i--)
		vec->items[i - 1] = v;
	vec->used = out.n = (uint32_t)n;
	return out;
}

static bool contains(cel_ctx *c, sp_cel_val list, sp_cel_val elem)
{
	cel_iter it = cel_iter_of(list);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (cel_equals(c, elem, v))
			return true;
	}
	return false;
}

static sp_cel_val distinct(cel_ctx *c, const sp_cel_val *a)
{
	sp_cel_val out = cel_list_new(c, sp_cel_size(a[0])), key, v;
	cel_iter it = cel_iter_of(a[0]);
	while (!cel_is_err(out) && cel_iter_next(c, &it, &key, &v)) {
		if (!contains(c, out, v) && !cel_list_append(c, &out, v))
			return cel_oom(c);
	}
	return out;
}

/* ---- sets ---- */

static bool includes(cel_ctx *c, sp_cel_val list, sp_cel_val sub)
{
	cel_iter it = cel_iter_of(sub);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (!contains(c, list, v))
			return false;
	}
	return true;
}

static sp_cel_val set_contains(cel_ctx *c, const sp_cel_val *a)
{
	return sp_cel_of_bool(includes(c, a[0], a[1]));
}

static sp_cel_val set_equivalent(cel_ctx *c, const sp_cel_val *a)
{
	return sp_cel_of_bool(includes(c, a[0], a[1]) && includes(c, a[1], a[0]));
}

static sp_cel_val set_intersects(cel_ctx *c, const sp_cel_val *a)
{
	cel_iter it = cel_iter_of(a[0]);
	sp_cel_val key, v;
	while (cel_iter_next(c, &it, &key, &v)) {
		if (contains(c, a[1], v))
			return sp_cel_of_bool(true);
	}
	return sp_cel_of_bool(false);
}

/* ---- maps of comprehensions ---- */

static sp_cel_val insert(cel_ctx *c, sp_cel_val map, sp_cel_val key, sp_cel_val value)
{
	bool there;
	if (!cel_map_add(c, &map, key, value, &there))
		return cel_oom(c);
	if (!there)
		return map;
	SP_AUTO_BUF shown;
	sp_buf_init(&shown, CEL_TEXT_BYTES_MAX);
	cel_show(c, &shown, key);
	return cel_errorf(c, "insert failed: key " SP_FMT " already exists", SP_ARG(sp_buf_view(&shown)));
}

static sp_cel_val insert_key(cel_ctx *c, const sp_cel_val *a)
{
	return insert(c, a[0], a[1], a[2]);
}

static sp_cel_val insert_map(cel_ctx *c, const sp_cel_val *a)
{
	sp_cel_val map = a[0], key, v;
	cel_iter it = cel_iter_of(a[1]);
	while (!cel_is_err(map) && cel_iter_next(c, &it, &key, &v))
		map = insert(c, map, key, v);
	return map;
}

#define L &cel_t_list_a
#define EXT CEL_COST_EXT_LIST
#define UNGUARDED(name_, id_, impl_, result_, ...)                                                       \
	{                                                                                                \
		.name = name_, .id = id_, .impl = impl_, .operator_ = true, .member = true, .cost = EXT, \
		.result = result_, .args = {                                                             \
			__VA_ARGS__                                                                      \
		}                                                                                        \
	}
#define SORT(word, type, list)                                                                               \
	UNGUARDED("sort", "list_" word "_sort", sort, list, list),                                           \
		UNGUARDED("@sortByAssociatedKeys", "list_" word "_sortByAssociatedKeys", sort_by_keys, L, L, \
			  list)

CEL_LIBRARY(cel_lib_lists, SP_CEL_LIB_LISTS,
	    CEL_MEMBER_COST("slice", "list_slice", EXT, slice, L, L, &sp_cel_int, &sp_cel_int),
	    CEL_MEMBER_COST("flatten", "list_flatten", EXT, flatten, L, &cel_t_list_list_a),
	    CEL_MEMBER_COST("flatten", "list_flatten_int", EXT, flatten_depth, &sp_cel_list_dyn,
			    &sp_cel_list_dyn, &sp_cel_int),
	    SORT("int", &sp_cel_int, &cel_t_list_int), SORT("uint", &sp_cel_uint, &cel_t_list_uint),
	    SORT("double", &sp_cel_double, &cel_t_list_double), SORT("bool", &sp_cel_bool, &cel_t_list_bool),
	    SORT("duration", &sp_cel_duration, &cel_t_list_duration),
	    SORT("timestamp", &sp_cel_timestamp, &cel_t_list_timestamp),
	    SORT("string", &sp_cel_string, &cel_t_list_string),
	    SORT("bytes", &sp_cel_bytes, &cel_t_list_bytes),
	    CEL_FN_COST("lists.range", "lists_range", EXT, range, &cel_t_list_int, &sp_cel_int),
	    CEL_MEMBER_COST("reverse", "list_reverse", EXT, reverse, L, L),
	    CEL_MEMBER_COST("distinct", "list_distinct", EXT, distinct, L, L));

CEL_LIBRARY(cel_lib_sets, SP_CEL_LIB_SETS,
	    CEL_FN_COST("sets.contains", "list_sets_contains_list", CEL_COST_SETS, set_contains, &sp_cel_bool,
			L, L),
	    CEL_FN_COST("sets.equivalent", "list_sets_equivalent_list", CEL_COST_SETS, set_equivalent,
			&sp_cel_bool, L, L),
	    CEL_FN_COST("sets.intersects", "list_sets_intersects_list", CEL_COST_SETS, set_intersects,
			&sp_cel_bool, L, L));

CEL_LIBRARY(cel_lib_two_vars, SP_CEL_LIB_TWO_VARS,
	    CEL_FN("cel.@mapInsert", "@mapInsert_map_key_value", insert_key, &cel_t_map_ab, &cel_t_map_ab,
		   &cel_t_a, &cel_t_b),
	    CEL_FN("cel.@mapInsert", "@mapInsert_map_map", insert_map, &cel_t_map_ab, &cel_t_map_ab,
		   &cel_t_map_ab));

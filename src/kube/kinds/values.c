/* SPDX-License-Identifier: Apache-2.0 */
#include "kube/kinds/values.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/map.h"

yyjson_mut_val *sp_kv_get(yyjson_mut_val *object, const char *name)
{
	yyjson_mut_val *v = sp_jmut_get(object, sp_str_c(name));
	return yyjson_mut_is_null(v) ? NULL : v;
}

yyjson_mut_val *sp_kv_path(yyjson_mut_val *object, ...)
{
	va_list ap;
	va_start(ap, object);
	const char *step;
	while (object != NULL && (step = va_arg(ap, const char *)) != NULL)
		object = sp_kv_get(object, step);
	va_end(ap);
	return object;
}

sp_str sp_kv_str(yyjson_mut_val *object, const char *name)
{
	return sp_jmut_str(sp_kv_get(object, name));
}

bool sp_kv_bool(yyjson_mut_val *object, const char *name)
{
	return yyjson_mut_is_true(sp_kv_get(object, name));
}

int64_t sp_kv_num(const yyjson_mut_val *v, int64_t absent)
{
	yyjson_mut_val *val = (yyjson_mut_val *)(uintptr_t)v; /* yyjson's readers take no const */
	if (yyjson_mut_is_uint(val)) {
		uint64_t u = yyjson_mut_get_uint(val);
		return u > INT64_MAX ? INT64_MAX : (int64_t)u;
	}
	if (yyjson_mut_is_sint(val))
		return yyjson_mut_get_sint(val);
	if (!yyjson_mut_is_real(val))
		return absent;
	double d = yyjson_mut_get_real(val);
	return d >= -9.2e18 && d <= 9.2e18 ? (int64_t)d : absent;
}

int64_t sp_kv_i64(yyjson_mut_val *object, const char *name, int64_t absent)
{
	return sp_kv_num(sp_kv_get(object, name), absent);
}

yyjson_mut_val *sp_kv_list(yyjson_mut_val *object, const char *name)
{
	yyjson_mut_val *v = sp_kv_get(object, name);
	return yyjson_mut_is_arr(v) && yyjson_mut_arr_size(v) > 0 ? v : NULL;
}

yyjson_mut_val *sp_kv_map(yyjson_mut_val *object, const char *name)
{
	yyjson_mut_val *v = sp_kv_get(object, name);
	return yyjson_mut_is_obj(v) && yyjson_mut_obj_size(v) > 0 ? v : NULL;
}

size_t sp_kv_len(const yyjson_mut_val *v)
{
	yyjson_mut_val *val = (yyjson_mut_val *)(uintptr_t)v;
	return yyjson_mut_is_ctn(val) ? unsafe_yyjson_get_len(val) : 0;
}

bool sp_kv_is(yyjson_mut_val *object, const char *name, const char *text)
{
	return sp_str_eq(sp_kv_str(object, name), sp_str_c(text));
}

sp_int_or_str sp_kv_int_or_str(const yyjson_mut_val *v)
{
	yyjson_mut_val *val = (yyjson_mut_val *)(uintptr_t)v;
	if (yyjson_mut_is_str(val))
		return (sp_int_or_str){.is_str = true, .str = sp_jmut_str(val)};
	return (sp_int_or_str){.num = sp_kv_num(v, 0)};
}

sp_qty sp_kv_qty(const yyjson_mut_val *v)
{
	yyjson_mut_val *val = (yyjson_mut_val *)(uintptr_t)v;
	sp_qty q = {.nanos = 0, .format = SP_QTY_DECIMAL_SI}, parsed;
	if (yyjson_mut_is_str(val) && sp_qty_parse(sp_jmut_str(val), &parsed, NULL) == SP_OK)
		return parsed;
	if (yyjson_mut_is_int(val))
		q.nanos = (__int128)sp_kv_num(v, 0) * 1000000000;
	return q;
}

bool sp_str_in(sp_str s, const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (sp_str_eq(s, sp_str_c(texts[i])))
			return true;
	}
	return false;
}

/* Go's nil, and what Semantic.DeepEqual takes for it. */
static bool nothing(const yyjson_mut_val *v)
{
	yyjson_mut_val *val = (yyjson_mut_val *)(uintptr_t)v;
	return val == NULL || yyjson_mut_is_null(val) ||
	       (yyjson_mut_is_ctn(val) && unsafe_yyjson_get_len(val) == 0);
}

/* What reflect.DeepEqual takes for nil. */
static bool absent(const yyjson_mut_val *v)
{
	return v == NULL || yyjson_mut_is_null((yyjson_mut_val *)(uintptr_t)v);
}

/* What counts as a member that is not there. */
typedef bool none_fn(const yyjson_mut_val *v);

static bool equal(yyjson_mut_val *a, yyjson_mut_val *b, none_fn *none, unsigned depth);

/* Objects with more members than this are compared through an index. */
#define LINEAR_MAX 24u

static size_t n_present(yyjson_mut_val *object, none_fn *none)
{
	size_t n = 0;
	SP_KV_EACH_MEMBER (key, val, i, object) {
		n += !none(val);
	}
	return n;
}

static bool objects_equal(yyjson_mut_val *a, yyjson_mut_val *b, none_fn *none, unsigned depth)
{
	if (n_present(a, none) != n_present(b, none))
		return false;
	bool same = true, indexed = yyjson_mut_obj_size(b) > LINEAR_MAX;
	sp_map index;
	sp_map_init(&index);
	if (indexed) {
		SP_KV_EACH_MEMBER (key, val, i, b) {
			indexed = indexed && sp_map_put(&index, sp_jmut_str(key), val, NULL) == SP_OK;
		}
	}
	SP_KV_EACH_MEMBER (key, val, i, a) {
		if (!same || none(val))
			continue;
		yyjson_mut_val *other =
			indexed ? sp_map_get(&index, sp_jmut_str(key)) : sp_jmut_get(b, sp_jmut_str(key));
		same = other != NULL && equal(val, other, none, depth);
	}
	sp_map_done(&index);
	return same;
}

static bool arrays_equal(yyjson_mut_val *a, yyjson_mut_val *b, none_fn *none, unsigned depth)
{
	if (yyjson_mut_arr_size(a) != yyjson_mut_arr_size(b))
		return false;
	yyjson_mut_val *other = yyjson_mut_arr_get_first(b);
	SP_KV_EACH (item, i, a) {
		if (!equal(item, other, none, depth))
			return false;
		other = other->next;
	}
	return true;
}

static bool equal(yyjson_mut_val *a, yyjson_mut_val *b, none_fn *none, unsigned depth)
{
	if (none(a) || none(b))
		return none(a) && none(b);
	if (depth > SP_JSON_BUILD_DEPTH)
		return false;
	if (yyjson_mut_is_obj(a) && yyjson_mut_is_obj(b))
		return objects_equal(a, b, none, depth + 1);
	if (yyjson_mut_is_arr(a) && yyjson_mut_is_arr(b))
		return arrays_equal(a, b, none, depth + 1);
	return sp_jmut_equal(a, b);
}

bool sp_kv_equal(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
	return a == b || equal((yyjson_mut_val *)(uintptr_t)a, (yyjson_mut_val *)(uintptr_t)b, nothing, 0);
}

bool sp_kv_equal_deep(yyjson_mut_val *a, yyjson_mut_val *b)
{
	return a == b || equal(a, b, absent, 0);
}

static bool is_zero(const yyjson_mut_val *v)
{
	yyjson_mut_val *val = (yyjson_mut_val *)(uintptr_t)v;
	return nothing(v) || yyjson_mut_is_false(val) ||
	       (yyjson_mut_is_str(val) && sp_jmut_str(val).len == 0) ||
	       (yyjson_mut_is_num(val) && yyjson_mut_get_num(val) == 0);
}

static bool same_as(const sp_schema *schema, yyjson_mut_val *a, yyjson_mut_val *b, unsigned depth);

static bool fields_same(const sp_schema *schema, yyjson_mut_val *a, yyjson_mut_val *b, unsigned depth)
{
	for (size_t i = 0; i < schema->n_fields; i++) {
		const sp_field *f = &schema->fields[i];
		bool inlined = (f->flags & SP_F_INLINE) != 0, pointer = (f->flags & SP_F_POINTER) != 0;
		yyjson_mut_val *x = inlined ? a : sp_jmut_get(a, f->name);
		yyjson_mut_val *y = inlined ? b : sp_jmut_get(b, f->name);
		bool no_x = x == NULL || yyjson_mut_is_null(x), no_y = y == NULL || yyjson_mut_is_null(y);
		if (no_x && no_y)
			continue;
		if (pointer && !inlined && f->schema->kind == SP_K_OBJECT && no_x != no_y)
			return false;
		if (!pointer && is_zero(x) && is_zero(y))
			continue;
		if (!same_as(f->schema, x, y, depth))
			return false;
	}
	return true;
}

static bool items_same(const sp_schema *schema, yyjson_mut_val *a, yyjson_mut_val *b, unsigned depth)
{
	if (sp_kv_len(a) != sp_kv_len(b))
		return false;
	yyjson_mut_val *other = yyjson_mut_arr_get_first(b);
	SP_KV_EACH (item, i, a) {
		if (!same_as(schema->items, item, other, depth))
			return false;
		other = other->next;
	}
	return true;
}

static bool same_as(const sp_schema *schema, yyjson_mut_val *a, yyjson_mut_val *b, unsigned depth)
{
	if (depth > SP_JSON_BUILD_DEPTH)
		return false;
	if (schema->kind == SP_K_OBJECT && schema->n_fields > 0)
		return fields_same(schema, a, b, depth + 1);
	if (schema->kind == SP_K_LIST && schema->items != NULL)
		return items_same(schema, a, b, depth + 1);
	return equal(a, b, nothing, depth);
}

bool sp_kv_equal_as(const sp_schema *schema, yyjson_mut_val *a, yyjson_mut_val *b)
{
	return a == b || same_as(schema, a, b, 0);
}

bool sp_kv_equal_core(const char *type, yyjson_mut_val *a, yyjson_mut_val *b)
{
	char name[96];
	int n = snprintf(name, sizeof name, "io.k8s.api.core.v1.%s", type);
	const sp_schema *schema =
		n > 0 && (size_t)n < sizeof name ? sp_schema_by_name((sp_str){name, (size_t)n}) : NULL;
	SP_ASSERT(schema != NULL);
	return sp_kv_equal_as(schema, a, b);
}

bool sp_kv_set(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, yyjson_mut_val *value)
{
	if (!yyjson_mut_is_obj(object))
		return true; /* nowhere to put it: the tree was not of the kind's shape */
	if (value != NULL)
		return sp_jmut_set(doc, object, sp_str_c(name), value);
	(void)sp_jmut_remove(object, sp_str_c(name));
	return true;
}

/* Stores a scalar that was just made; a NULL one is lack of room here. */
static bool store(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, yyjson_mut_val *made)
{
	return made != NULL && sp_kv_set(doc, object, name, made);
}

bool sp_kv_set_str(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, sp_str text)
{
	return store(doc, object, name, yyjson_mut_strncpy(doc, text.len > 0 ? text.ptr : "", text.len));
}

bool sp_kv_set_i64(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, int64_t v)
{
	return store(doc, object, name, yyjson_mut_sint(doc, v));
}

bool sp_kv_set_bool(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, bool v)
{
	return store(doc, object, name, yyjson_mut_bool(doc, v));
}

yyjson_mut_val *sp_kv_need_obj(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name)
{
	yyjson_mut_val *v = sp_kv_get(object, name);
	if (yyjson_mut_is_obj(v))
		return v;
	v = yyjson_mut_obj(doc);
	return store(doc, object, name, v) ? v : NULL;
}

yyjson_mut_val *sp_kv_need_list(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name)
{
	yyjson_mut_val *v = sp_kv_get(object, name);
	if (yyjson_mut_is_arr(v))
		return v;
	v = yyjson_mut_arr(doc);
	return store(doc, object, name, v) ? v : NULL;
}

void sp_kv_drop(yyjson_mut_val *object, const char *name)
{
	if (yyjson_mut_is_obj(object))
		(void)sp_jmut_remove(object, sp_str_c(name));
}

bool sp_kv_copy(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *from, const char *name)
{
	yyjson_mut_val *v = sp_jmut_get(from, sp_str_c(name));
	if (v == NULL) {
		sp_kv_drop(object, name);
		return true;
	}
	return store(doc, object, name, yyjson_mut_val_mut_copy(doc, v));
}

bool sp_kv_append_str(yyjson_mut_doc *doc, yyjson_mut_val *list, sp_str text)
{
	yyjson_mut_val *made = yyjson_mut_strncpy(doc, text.len > 0 ? text.ptr : "", text.len);
	return made != NULL && yyjson_mut_arr_append(list, made);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, changing and comparing trees. */
#include "base/json_int.h"
#include "base/map.h"

yyjson_val *sp_json_last(yyjson_val *object, sp_str key)
{
	if (!yyjson_is_obj(object))
		return NULL;
	yyjson_val *found = NULL;
	yyjson_val *k = unsafe_yyjson_get_first(object);
	for (size_t n = unsafe_yyjson_get_len(object); n > 0; n--) {
		if (sp_str_eq(sp_json_str(k), key))
			found = k + 1;
		k = unsafe_yyjson_get_next(k + 1);
	}
	return found;
}

/* The key whose value counts: the last one of that name. */
static yyjson_mut_val *last_key(yyjson_mut_val *object, sp_str key)
{
	if (!yyjson_mut_is_obj(object))
		return NULL;
	yyjson_mut_val *found = NULL;
	size_t n = unsafe_yyjson_get_len(object);
	yyjson_mut_val *k = object->uni.ptr;
	for (; n > 0; n--) {
		k = k->next->next;
		if (sp_str_eq(sp_jmut_str(k), key))
			found = k;
	}
	return found;
}

yyjson_mut_val *sp_jmut_get(yyjson_mut_val *object, sp_str key)
{
	yyjson_mut_val *k = last_key(object, key);
	return k == NULL ? NULL : k->next;
}

yyjson_mut_val *sp_jmut_path(yyjson_mut_val *v, ...)
{
	va_list ap;
	va_start(ap, v);
	const char *step;
	while (v != NULL && (step = va_arg(ap, const char *)) != NULL)
		v = sp_jmut_get(v, sp_str_c(step));
	va_end(ap);
	return v;
}

static yyjson_mut_val *text_val(yyjson_mut_doc *doc, sp_str s)
{
	return yyjson_mut_strncpy(doc, s.len != 0 ? s.ptr : "", s.len);
}

bool sp_jmut_set(yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str key, yyjson_mut_val *value)
{
	SP_ASSERT(yyjson_mut_is_obj(object));
	if (value == NULL)
		return false;
	yyjson_mut_val *k = last_key(object, key);
	if (k == NULL) {
		k = text_val(doc, key);
		return k != NULL && yyjson_mut_obj_add(object, k, value);
	}
	if (k->next != value) {
		value->next = k->next->next;
		k->next = value;
	}
	return true;
}

bool sp_jmut_set_str(yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str key, sp_str text)
{
	return sp_jmut_set(doc, object, key, text_val(doc, text));
}

bool sp_jmut_remove(yyjson_mut_val *object, sp_str key)
{
	return yyjson_mut_obj_remove_keyn(object, key.len != 0 ? key.ptr : "", key.len) != NULL;
}

static bool is_sorted(const yyjson_mut_val *object)
{
	const yyjson_mut_val *last = object->uni.ptr, *key = last->next->next;
	for (; key != last; key = key->next->next) {
		const yyjson_mut_val *next = key->next->next;
		if (sp_str_cmp((sp_str){key->uni.str, sp_json_tag_len(key->tag)},
			       (sp_str){next->uni.str, sp_json_tag_len(next->tag)}) > 0)
			return false;
	}
	return true;
}

/* Merges neighbouring runs of 1, 2, 4 … keys from one array into the other. */
static void merge_runs(yyjson_mut_val **from, yyjson_mut_val **to, size_t n, size_t run)
{
	for (size_t start = 0; start < n; start += 2 * run) {
		size_t i = start, mid = SP_MIN(start + run, n), k = mid, end = SP_MIN(start + 2 * run, n);
		for (size_t at = start; at < end; at++) {
			bool left = i < mid &&
				    (k == end || sp_str_cmp(sp_jmut_str(from[i]), sp_jmut_str(from[k])) <= 0);
			to[at] = left ? from[i++] : from[k++];
		}
	}
}

bool sp_jmut_sort(sp_arena *scratch, yyjson_mut_val *object)
{
	size_t n = yyjson_mut_obj_size(object);
	if (n < 2 || is_sorted(object))
		return true;
	yyjson_mut_val **keys = sp_try_new(scratch, yyjson_mut_val *, n),
		       **other = sp_try_new(scratch, yyjson_mut_val *, n), **swap;
	if (keys == NULL || other == NULL)
		return false;
	yyjson_mut_val *key = ((yyjson_mut_val *)object->uni.ptr)->next->next;
	for (size_t i = 0; i < n; i++, key = key->next->next)
		keys[i] = key;
	for (size_t run = 1; run < n; run *= 2) {
		merge_runs(keys, other, n, run);
		swap = keys;
		keys = other;
		other = swap;
	}
	for (size_t i = 0; i < n; i++)
		keys[i]->next->next = keys[(i + 1) % n];
	object->uni.ptr = keys[n - 1];
	return true;
}

static bool scalar_equal(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
	yyjson_type type = sp_json_tag_type(a->tag);
	if (type == YYJSON_TYPE_STR || type == YYJSON_TYPE_RAW)
		return sp_json_tag_len(a->tag) == sp_json_tag_len(b->tag) &&
		       memcmp(a->uni.str, b->uni.str, sp_json_tag_len(a->tag)) == 0;
	if (type == YYJSON_TYPE_BOOL)
		return sp_json_tag_subtype(a->tag) == sp_json_tag_subtype(b->tag);
	if (type == YYJSON_TYPE_NULL)
		return true;
	bool real_a = sp_json_tag_subtype(a->tag) == YYJSON_SUBTYPE_REAL;
	bool real_b = sp_json_tag_subtype(b->tag) == YYJSON_SUBTYPE_REAL;
	if (real_a || real_b)
		return real_a && real_b && a->uni.f64 == b->uni.f64; /* identity of values, not of sums */
	/* The same bits with one sign bit set are 2^63 and more against negative. */
	bool minus_a = sp_json_tag_subtype(a->tag) == YYJSON_SUBTYPE_SINT && a->uni.i64 < 0;
	bool minus_b = sp_json_tag_subtype(b->tag) == YYJSON_SUBTYPE_SINT && b->uni.i64 < 0;
	return minus_a == minus_b && a->uni.u64 == b->uni.u64;
}

/*
 * Members are looked for behind the last one found, around the circle: free when both have the same order.
 * An index is made when that turns out to cost much, so a hostile order costs O(n log n), not O(n^2).
 */
typedef struct member_finder {
	const yyjson_mut_val *object, *cursor; /* cursor: the key found last */
	size_t n, steps;
	bool indexed;
	sp_map index; /* name to key */
} member_finder;

static sp_str name_of(const yyjson_mut_val *key)
{
	return (sp_str){key->uni.str, sp_json_tag_len(key->tag)};
}

static const yyjson_mut_val *finder_get(member_finder *f, sp_str name)
{
	if (f->indexed) {
		const yyjson_mut_val *k = sp_map_get(&f->index, name);
		return k == NULL ? NULL : k->next;
	}
	const yyjson_mut_val *k = f->cursor;
	for (size_t i = 0; i < f->n; i++, f->steps++) {
		k = k->next->next;
		if (sp_str_eq(name_of(k), name)) {
			f->cursor = k;
			return k->next;
		}
	}
	return NULL;
}

static void finder_index(member_finder *f)
{
	yyjson_mut_val *k = f->object->uni.ptr;
	f->indexed = true;
	for (size_t i = 0; i < f->n && f->indexed; i++) {
		k = k->next->next;
		f->indexed = sp_map_put(&f->index, name_of(k), k, NULL) == SP_OK;
	}
	f->steps = 0; /* without memory for it the search goes on as before */
}

static bool equal(const yyjson_mut_val *a, const yyjson_mut_val *b, size_t depth);

static bool objects_equal(const yyjson_mut_val *a, const yyjson_mut_val *b, size_t depth)
{
	size_t n = sp_json_tag_len(a->tag);
	member_finder f = {.object = b, .cursor = b->uni.ptr, .n = n};
	sp_map_init(&f.index);
	const yyjson_mut_val *k = a->uni.ptr;
	bool same = true;
	for (size_t i = 0; i < n && same; i++) {
		k = k->next->next;
		if (!f.indexed && f.steps > 16 * n)
			finder_index(&f);
		const yyjson_mut_val *other = finder_get(&f, name_of(k));
		same = other != NULL && equal(k->next, other, depth);
	}
	sp_map_done(&f.index);
	return same;
}

static bool arrays_equal(const yyjson_mut_val *a, const yyjson_mut_val *b, size_t depth)
{
	const yyjson_mut_val *x = a->uni.ptr;
	const yyjson_mut_val *y = b->uni.ptr;
	for (size_t n = sp_json_tag_len(a->tag); n > 0; n--) {
		x = x->next;
		y = y->next;
		if (!equal(x, y, depth))
			return false;
	}
	return true;
}

static bool equal(const yyjson_mut_val *a, const yyjson_mut_val *b, size_t depth)
{
	if (a == b)
		return true;
	yyjson_type type = sp_json_tag_type(a->tag);
	if (type != sp_json_tag_type(b->tag) || depth > SP_JSON_BUILD_DEPTH)
		return false;
	if (type != YYJSON_TYPE_ARR && type != YYJSON_TYPE_OBJ)
		return scalar_equal(a, b);
	if (sp_json_tag_len(a->tag) != sp_json_tag_len(b->tag))
		return false;
	return type == YYJSON_TYPE_ARR ? arrays_equal(a, b, depth + 1) : objects_equal(a, b, depth + 1);
}

bool sp_jmut_equal(const yyjson_mut_val *a, const yyjson_mut_val *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return equal(a, b, 0);
}

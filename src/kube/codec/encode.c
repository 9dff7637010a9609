/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/alloc.h"
#include "kube/codec/canon.h"
#include "kube/encode.h"

/* More members than any built-in type has; a test counts them. */
#define SLOTS_MAX 128u

static sp_code encode_value(sp_buf *out, const sp_schema *s, const yyjson_mut_val *v, size_t depth);

static bool is_none(const yyjson_mut_val *v)
{
	return v == NULL || sp_canon_type(v) == YYJSON_TYPE_NULL;
}

/* The name of a member, after a comma if it is not the first. */
static void write_name(sp_buf *out, bool *first, sp_str name)
{
	if (!*first)
		sp_buf_char(out, ',');
	*first = false;
	sp_json_write_str(out, name);
	sp_buf_char(out, ':');
}

/* The object of the members in the slots (NULL: none). */
static sp_code write_members(sp_buf *out, const sp_schema *s, const yyjson_mut_val *const *slots,
			     size_t depth)
{
	bool first = true;
	for (sp_canon_iter it = sp_canon_members(s); sp_canon_next(&it);) {
		const yyjson_mut_val *v = slots != NULL ? slots[it.slot] : NULL;
		sp_canon what = sp_canon_field(it.field, v);
		if (what == SP_CANON_OMIT || (depth > 0 && sp_canon_is_type_meta(it.field)))
			continue;
		write_name(out, &first, it.field->name);
		if (what == SP_CANON_NULL)
			sp_buf_str(out, SP_STR("null"));
		else
			SP_TRY(encode_value(out, it.field->schema, v, depth + 1));
	}
	return sp_buf_char(out, '}');
}

static sp_code encode_object(sp_buf *out, const sp_schema *s, const yyjson_mut_val *v, size_t depth)
{
	SP_CANON_SCRATCH const yyjson_mut_val *slots[SLOTS_MAX];
	size_t n_slots = sp_canon_slots(s);
	size_t hint = 0;
	SP_ASSERT(n_slots <= SLOTS_MAX);
	memset((void *)slots, 0, n_slots * sizeof(void *));
	for (sp_members m = sp_members_of(v); sp_members_next(&m);) {
		sp_canon_at found;
		if (!sp_canon_find(s, sp_members_name(&m), hint, &found))
			continue;
		slots[found.slot] = sp_members_value(&m);
		hint = found.slot + 1;
	}
	sp_buf_char(out, '{');
	return write_members(out, s, slots, depth);
}

typedef struct pair {
	sp_str key;
	const yyjson_mut_val *value;
} pair;

static int by_key(const void *a, const void *b)
{
	return sp_str_cmp(((const pair *)a)->key, ((const pair *)b)->key);
}

static bool is_sorted(const yyjson_mut_val *v)
{
	sp_str last = {0};
	bool first = true;
	for (sp_members m = sp_members_of(v); sp_members_next(&m); first = false) {
		if (!first && sp_str_cmp(last, sp_members_name(&m)) >= 0)
			return false;
		last = sp_members_name(&m);
	}
	return true;
}

/* The members sorted by name; values by the schema of the elements. */
static sp_code write_sorted(sp_buf *out, const sp_schema *items, const yyjson_mut_val *v, size_t depth)
{
	size_t n = 0;
	bool first = true;
	sp_code code = SP_OK;
	pair *pairs = sp_try_alloc((unsafe_yyjson_get_len((void *)(uintptr_t)v)) * sizeof *pairs);
	if (pairs == NULL)
		return SP_ENOMEM;
	for (sp_members m = sp_members_of(v); sp_members_next(&m);)
		pairs[n++] = (pair){sp_members_name(&m), sp_members_value(&m)};
	qsort(pairs, n, sizeof *pairs, by_key);
	for (size_t i = 0; i < n && code == SP_OK; i++) {
		write_name(out, &first, pairs[i].key);
		code = encode_value(out, items, pairs[i].value, depth + 1);
	}
	sp_free(pairs);
	return code == SP_OK ? sp_buf_char(out, '}') : code;
}

static sp_code encode_map(sp_buf *out, const sp_schema *items, const yyjson_mut_val *v, size_t depth)
{
	bool first = true;
	sp_buf_char(out, '{');
	if (!is_sorted(v))
		return write_sorted(out, items, v, depth);
	for (sp_members m = sp_members_of(v); sp_members_next(&m);) {
		write_name(out, &first, sp_members_name(&m));
		SP_TRY(encode_value(out, items, sp_members_value(&m), depth + 1));
	}
	return sp_buf_char(out, '}');
}

static sp_code encode_list(sp_buf *out, const sp_schema *items, const yyjson_mut_val *v, size_t depth)
{
	const yyjson_mut_val *item = v->uni.ptr; /* the last one */
	sp_buf_char(out, '[');
	for (size_t n = (size_t)(v->tag >> YYJSON_TAG_BIT), i = 0; i < n; i++) {
		item = item->next;
		if (i > 0)
			sp_buf_char(out, ',');
		SP_TRY(encode_value(out, items, item, depth + 1));
	}
	return sp_buf_char(out, ']');
}

/* Schema or list of schemas or strings: the element decides. */
static sp_code encode_props(sp_buf *out, const sp_schema *s, const yyjson_mut_val *v, size_t depth)
{
	static const sp_schema text = {.kind = SP_K_STRING};
	if (sp_canon_type(v) == YYJSON_TYPE_ARR)
		return encode_list(out, s->kind == SP_K_PROPS_OR_STRINGS ? &text : s->items, v, depth);
	return encode_value(out, s->items, v, depth);
}

static sp_code encode_zero(sp_buf *out, const sp_schema *s, size_t depth)
{
	if (s->kind != SP_K_OBJECT || sp_canon_is_any(s))
		return sp_buf_str(out, sp_canon_is_any(s) ? SP_STR("null") : sp_canon_zero_text(s));
	sp_buf_char(out, '{');
	return write_members(out, s, NULL, depth);
}

static sp_code encode_value(sp_buf *out, const sp_schema *s, const yyjson_mut_val *v, size_t depth)
{
	static const sp_schema any = {.kind = SP_K_ANY};
	if (depth == SP_JSON_BUILD_DEPTH)
		return SP_ETOOLARGE;
	bool typed = !sp_canon_is_any(s);
	bool list = typed && (s->kind == SP_K_LIST || s->kind == SP_K_MAP);
	if (is_none(v) || (list && sp_canon_is_zero(s, v)))
		return encode_zero(out, s, depth);
	yyjson_type type = sp_canon_type(v);
	if (type < YYJSON_TYPE_ARR || sp_canon_is_raw(s))
		return sp_json_write_mut(out, v);
	if (typed && s->kind >= SP_K_PROPS_OR_ARRAY && s->kind <= SP_K_PROPS_OR_STRINGS)
		return encode_props(out, s, v, depth);
	if (typed && s->kind == SP_K_OBJECT && type == YYJSON_TYPE_OBJ)
		return encode_object(out, s, v, depth);
	if (type == YYJSON_TYPE_ARR)
		return encode_list(out, typed && s->kind == SP_K_LIST ? s->items : &any, v, depth);
	return encode_map(out, typed && s->kind == SP_K_MAP ? s->items : &any, v, depth);
}

sp_code sp_encode_json(sp_buf *out, const sp_schema *schema, const yyjson_mut_val *object)
{
	SP_TRY(encode_value(out, schema, object, 0));
	return sp_buf_code(out);
}

sp_code sp_encode_any(sp_buf *out, const yyjson_mut_val *v)
{
	static const sp_schema any = {.kind = SP_K_ANY};
	SP_TRY(encode_value(out, &any, v, 0));
	return sp_buf_code(out);
}

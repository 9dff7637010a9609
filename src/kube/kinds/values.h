/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and filling editable trees, so that rules read like upstream's: absent, null and a value of another
 * type are Go's zero value. Nothing here fails on any tree; NULL objects have no members.
 */
#pragma once

#include "base/json.h"
#include "base/quantity.h"
#include "kube/schema.h"

/* The member, or NULL when absent or null. */
yyjson_mut_val *sp_kv_get(yyjson_mut_val *object, const char *name);
/* A chain of members: sp_kv_path(pod, "spec", "securityContext", NULL). NULL when a step is absent or null.
 */
yyjson_mut_val *sp_kv_path(yyjson_mut_val *object, ...) __attribute__((sentinel));
sp_str sp_kv_str(yyjson_mut_val *object, const char *name);
bool sp_kv_bool(yyjson_mut_val *object, const char *name);
/* `absent` when there is no number. Doubles are cut to the whole. */
int64_t sp_kv_i64(yyjson_mut_val *object, const char *name, int64_t absent);
static inline bool sp_kv_has(yyjson_mut_val *object, const char *name)
{
	return sp_kv_get(object, name) != NULL;
}
/* A list or a map with entries, else NULL: Go's nil and empty are one here. */
yyjson_mut_val *sp_kv_list(yyjson_mut_val *object, const char *name);
yyjson_mut_val *sp_kv_map(yyjson_mut_val *object, const char *name);
/* Items or members; 0 for NULL and scalars. */
size_t sp_kv_len(const yyjson_mut_val *v);
/* True when the member is exactly that text. */
bool sp_kv_is(yyjson_mut_val *object, const char *name, const char *text);

/* The number of a tree value, `absent` when it is none. */
int64_t sp_kv_num(const yyjson_mut_val *v, int64_t absent);

/* Loops over the items of a list / the members of a map; both may be NULL. */
#define SP_KV_EACH(item, i, list)                                                                       \
	for (size_t i = 0, n_##i = yyjson_mut_is_arr(list) ? yyjson_mut_arr_size(list) : 0; n_##i != 0; \
	     n_##i = 0)                                                                                 \
		for (yyjson_mut_val *item = yyjson_mut_arr_get_first(list); i < n_##i; i++, item = item->next)
#define SP_KV_EACH_MEMBER(key, val, i, map)                                                                  \
	for (size_t i = 0, n_##i = yyjson_mut_is_obj(map) ? yyjson_mut_obj_size(map) : 0; n_##i != 0;        \
	     n_##i = 0)                                                                                      \
		for (yyjson_mut_val *key = ((yyjson_mut_val *)(map)->uni.ptr)->next->next, *val = key->next; \
		     i < n_##i; i++, key = key->next->next, val = key->next)

/* IntOrString. */
typedef struct sp_int_or_str {
	bool is_str;
	int64_t num;
	sp_str str;
} sp_int_or_str;
sp_int_or_str sp_kv_int_or_str(const yyjson_mut_val *v);

/* A quantity; the zero quantity when it is none. */
sp_qty sp_kv_qty(const yyjson_mut_val *v);

/* True when the text is among the n. */
bool sp_str_in(sp_str s, const char *const *texts, size_t n);
#define SP_STR_IN(s, table) sp_str_in((s), (table), SP_LEN(table))

/*
 * Equality as upstream's Semantic.DeepEqual sees decoded objects: absent, null and empty lists, maps and
 * objects are one; members in any order; the order of lists counts. Quantities compare as text, which
 * decoding has made canonical.
 */
bool sp_kv_equal(const yyjson_mut_val *a, const yyjson_mut_val *b);

/* As Go's reflect.DeepEqual sees two decoded objects: what is empty is not what is absent. */
bool sp_kv_equal_deep(yyjson_mut_val *a, yyjson_mut_val *b);

/*
 * sp_kv_equal by schema: a pointer to an object that is absent differs from an empty one, and a scalar that
 * is no pointer is equal to absent when it is zero.
 */
bool sp_kv_equal_as(const sp_schema *schema, yyjson_mut_val *a, yyjson_mut_val *b);
/* By a type of core/v1: "Container". */
bool sp_kv_equal_core(const char *type, yyjson_mut_val *a, yyjson_mut_val *b);

/* Writers; false: no room. Key and text are copied. A NULL value removes the member. */
bool sp_kv_set(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name,
	       yyjson_mut_val *value) SP_MUST_USE;
bool sp_kv_set_str(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, sp_str text) SP_MUST_USE;
bool sp_kv_set_i64(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, int64_t v) SP_MUST_USE;
bool sp_kv_set_bool(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name, bool v) SP_MUST_USE;
/* The member as an object / a list, made empty when absent. NULL: no room. */
yyjson_mut_val *sp_kv_need_obj(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name) SP_MUST_USE;
yyjson_mut_val *sp_kv_need_list(yyjson_mut_doc *doc, yyjson_mut_val *object, const char *name) SP_MUST_USE;
/* Adds a copy of the text to a list. */
bool sp_kv_append_str(yyjson_mut_doc *doc, yyjson_mut_val *list, sp_str text) SP_MUST_USE;
void sp_kv_drop(yyjson_mut_val *object, const char *name);
/* Gives `object` the member of `from` (a copy), or none when `from` has none. */
bool sp_kv_copy(yyjson_mut_doc *doc, yyjson_mut_val *object, yyjson_mut_val *from,
		const char *name) SP_MUST_USE;

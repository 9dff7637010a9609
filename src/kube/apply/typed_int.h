/* SPDX-License-Identifier: Apache-2.0 */
/* How a schema node is seen by apply: shared by typed*.c. */
#pragma once

#include "kube/apply/typed.h"

typedef enum sp_atom { SP_ATOM_MAP, SP_ATOM_SCALAR, SP_ATOM_LIST } sp_atom;

/* What a value of the node is walked as; untyped nodes follow the value (NULL: nothing there). */
sp_atom sp_typed_atom(const sp_schema *s, yyjson_mut_val *v);
bool sp_typed_list_atomic(const sp_schema *s);
bool sp_typed_map_atomic(const sp_schema *s);
const sp_schema *sp_typed_items(const sp_schema *s);
/* Schema of a member; NULL: not declared. *ret_named: it is a declared field, not an entry of a map. */
const sp_schema *sp_typed_member(const sp_schema *s, sp_str key, bool *ret_named);

/*
 * Path element of a list item. Failures: SP_EINVAL with a text (static or in the arena) in *ret_text, which
 * may be NULL; SP_ENOMEM.
 */
sp_code sp_typed_item_pe(sp_arena *a, const sp_schema *list, yyjson_mut_val *item, sp_pe *ret,
			 sp_str *ret_text);

/* A deep copy that shares strings. NULL: no room. */
yyjson_mut_val *sp_typed_copy(yyjson_mut_doc *doc, yyjson_mut_val *v);

/* An item of a list with its path element. */
typedef struct sp_typed_item {
	sp_pe pe;
	yyjson_mut_val *val;
	size_t at; /* index in the list */
} sp_typed_item;

typedef struct sp_typed_items_list {
	sp_typed_item *items;   /* in order of the list */
	sp_typed_item **sorted; /* by path element, then index */
	size_t n;
	bool left_out; /* some */
} sp_typed_items_list;

/* Items that have no path element are left out, and `left_out` tells; NULL loads as empty. */
sp_code sp_typed_list_load(sp_arena *a, const sp_schema *list, yyjson_mut_val *v, sp_typed_items_list *ret);
/* First in `sorted` that has the path element, and how many do; 0 when none. */
size_t sp_typed_list_find(const sp_typed_items_list *l, const sp_pe *pe, size_t *ret_first);

/* Equality of two values by what Go writes of them; of lists, and of what has no type of its own, as they
 * stand: upstream compares lists of structs with all that the structs hold. */
bool sp_typed_equal_written(const sp_schema *s, yyjson_mut_val *a, yyjson_mut_val *b);
/* Go leaves the member out when it has this value. */
bool sp_typed_is_omitted(const sp_schema *object, sp_str name, const yyjson_mut_val *v);

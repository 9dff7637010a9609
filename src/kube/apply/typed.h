/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object seen through its schema as a set of owned fields: the operations of structured-merge-diff on one
 * pair (tree, schema). The schema NULL means "unknown": maps are granular, lists atomic (deduced types).
 * Trees given as arguments are never changed; results may share nothing with them.
 */
#pragma once

#include "kube/apply/fieldset.h"
#include "kube/schema.h"

/* Untyped content below a schema: deduced (granular maps) or one atomic value. */
extern const sp_schema sp_typed_deduced, sp_typed_atomic;

typedef struct sp_typed_diff {
	const sp_fieldset *added, *modified, *removed;
} sp_typed_diff;

/*
 * Checks that the tree fits: types, declared fields, associative keys, no duplicates (unless
 * `allow_duplicates`). On failure *ret_text (may be NULL) is upstream's message in the arena:
 * ".spec.x: field not declared in schema". SP_EINVAL.
 */
sp_code sp_typed_check(sp_arena *a, const sp_schema *schema, yyjson_mut_val *v, bool allow_duplicates,
		       sp_str *ret_text) SP_MUST_USE;

/* The fields the tree sets. */
sp_code sp_typed_fieldset(sp_arena *a, const sp_schema *schema, yyjson_mut_val *v,
			  const sp_fieldset **ret) SP_MUST_USE;

/* What differs between two trees. `written`: of both only what Go writes counts, so that a zero value of a
 * field with omitempty is none; otherwise they count as they stand. SP_EINVAL, only when `written`: an item
 * of an associative list has no key. */
sp_code sp_typed_compare(sp_arena *a, const sp_schema *schema, yyjson_mut_val *from, yyjson_mut_val *to,
			 bool written, sp_typed_diff *ret) SP_MUST_USE;

/* live with patch laid over it; a new tree of doc. SP_EINVAL: duplicate keys in a list of the patch. */
sp_code sp_typed_merge(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *live,
		       yyjson_mut_val *patch, yyjson_mut_val **ret, sp_str *ret_text) SP_MUST_USE;

/* The tree without the members of the set (and what is below them); a new tree of doc. NULL: no room. */
yyjson_mut_val *sp_typed_remove(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *v,
				const sp_fieldset *set);

/* The set plus every declared field that only has members below it. */
sp_code sp_typed_named_members(sp_arena *a, const sp_schema *schema, const sp_fieldset *s,
			       const sp_fieldset **ret) SP_MUST_USE;

/* Deep equality where 1 and 1.0 are the same number. */
bool sp_typed_equal(yyjson_mut_val *a, yyjson_mut_val *b);

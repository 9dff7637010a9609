/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategic merge patch: a merge patch whose lists merge by the schema's merge keys (SP_F_SMP_MERGE), with
 * the directives $patch (replace, delete, merge), $deleteFromPrimitiveList/F, $setElementOrder/F and
 * $retainKeys.
 */
#pragma once

#include "kube/patch/patch.h"
#include "kube/schema.h"

/*
 * Applies the text of a patch to an object of the schema. SP_EINVAL with status 400 (not a JSON object, a
 * malformed directive), 422 (lists of lists) or 500 (everything that upstream answers so: a list item without
 * its merge key, an unknown field, items of mixed types).
 */
sp_code sp_strategic_apply(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *object,
			   sp_str patch, yyjson_mut_val **ret, sp_patch_error *perr) SP_MUST_USE;

/* The same on trees of one document; both are consumed and both are objects. */
sp_code sp_strategic_tree(sp_arena *a, yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *object,
			  yyjson_mut_val *patch, yyjson_mut_val **ret, sp_patch_error *perr) SP_MUST_USE;

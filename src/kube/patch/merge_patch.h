/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge patch, RFC 7386: null deletes, objects merge, everything else replaces. As upstream, nulls inside a
 * value that is newly set are dropped, also inside objects that stand in arrays; the patch must be an object.
 */
#pragma once

#include "kube/patch/patch.h"

/* Applies the text of a patch. SP_EINVAL with status 400: not a JSON object. */
sp_code sp_merge_patch_apply(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str patch,
			     yyjson_mut_val **ret, sp_patch_error *perr) SP_MUST_USE;

/* The same on trees of one document; both are objects and `patch` is consumed too. False: no room. */
bool sp_merge_patch_tree(sp_arena *a, yyjson_mut_val *object, yyjson_mut_val *patch) SP_MUST_USE;

/*
 * The smallest merge patch that turns `from` into `to`, an object of `doc` ({} when they are equal); NULL
 * without room. Exact when `to` has no null inside its objects, which a merge patch can't express.
 */
yyjson_mut_val *sp_merge_patch_diff(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *from,
				    yyjson_mut_val *to);

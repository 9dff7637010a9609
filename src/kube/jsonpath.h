/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSONPath as printer columns of CustomResourceDefinitions use it: one expression of k8s.io/client-go
 * util/jsonpath, without the braces around it, evaluated with missing keys allowed. range and end are not
 * supported (a column has one value); they fail when evaluated, as unknown words do upstream.
 *
 *   .a.b  ['a']  [0]  [-1]  [0:2]  [*]  .*  ..a  [0,1]  [?(@.x=="y")]  .a\.b
 */
#pragma once

#include "base/json.h"

#define SP_JSONPATH_NODES_MAX 256u
#define SP_JSONPATH_DEPTH 16u /* filters and unions inside each other */
#define SP_JSONPATH_RESULTS_MAX 65536u

typedef struct sp_jsonpath sp_jsonpath;

/* Values found; they belong to the tree that was searched, or to `doc` for constants. */
typedef struct sp_jsonpath_results {
	yyjson_mut_val **items;
	size_t n, cap;
} sp_jsonpath_results;

/*
 * Compiles into the arena; the text is copied. SP_EINVAL with upstream's words ("unterminated filter" …),
 * SP_ETOOLARGE: no room, or more nodes or depth than the limits.
 */
sp_code sp_jsonpath_compile(sp_arena *a, sp_str text, const sp_jsonpath **ret, sp_err *err) SP_MUST_USE;

/*
 * Finds the values, in the order of lists and members. Memory comes from the arena of `doc`, which is `a`.
 * SP_EINVAL: the expression does not fit the value (an index out of bounds, a filter on an object …), with
 * upstream's reason; SP_ETOOLARGE: no room, or too many results.
 */
sp_code sp_jsonpath_find(const sp_jsonpath *p, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *root,
			 sp_jsonpath_results *ret, sp_err *err) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/* What the expressions of mutating policies make of an object. For src/apiserver/admission. U: apiserver
 * pkg/admission/plugin/policy/mutating/patch. */
#pragma once

#include "apiserver/admission/policy_run.h"

typedef struct api_patch_result {
	yyjson_mut_val *patched; /* a new tree of the write's document; NULL: nothing changes */
	sp_str error;            /* upstream's words, in the write's arena; empty: none */
} api_patch_result;

/* A JSONPatch: the expression is a list of operations. */
void api_patch_json(api_eval *x, const api_form *form, const api_eval_variables *vars,
		    const sp_policy_program *p, api_patch_result *ret);
/* An ApplyConfiguration: the expression is an Object, which is laid over the object as server-side apply
 * does. */
void api_patch_apply(api_eval *x, const api_form *form, const api_eval_variables *vars,
		     const sp_policy_program *p, api_patch_result *ret);

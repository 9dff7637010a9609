/* SPDX-License-Identifier: Apache-2.0 */
/* matchConditions of webhooks and policies: all have to hold. For src/apiserver/admission. U: apiserver
 * pkg/admission/plugin/webhook/matchconditions. */
#pragma once

#include "apiserver/admission/eval.h"

typedef struct api_match_conditions {
	const sp_policy_program *items;
	size_t n;
} api_match_conditions;

/* Compiles the list into the arena. `env` and `has`: of the policy; NULL: there is none but the conditions.
 * False: no room. */
bool api_conditions_read(sp_arena *a, yyjson_val *list, sp_policy_env *env, unsigned has,
			 api_match_conditions *ret) SP_MUST_USE;

typedef enum api_condition_verdict {
	API_CONDITIONS_HOLD,
	API_CONDITIONS_SKIP,
	API_CONDITIONS_FAIL
} api_condition_verdict;

/* FAIL: an expression ended in an error, failures are not ignored and no condition is false; *ret_why says
 * more. */
api_condition_verdict api_conditions_match(api_eval *x, const api_match_conditions *c,
					   const api_eval_variables *vars, bool ignores_failure,
					   sp_str *ret_why);

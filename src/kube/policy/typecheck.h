/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the expressions of a ValidatingAdmissionPolicy fit the kinds it is for: what upstream says in its
 * status. Those of validations and their messages are checked, against each kind that matchConstraints names
 * without wildcards. U: apiserver pkg/admission/plugin/policy/validating/typechecking.go.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/* Further kinds of a rule are not looked at, nor the rules after it. */
#define SP_POLICY_TYPES_MAX 10u
/* What may be allocated for the expressions of one policy and kind. */
#define SP_POLICY_CHECK_BYTES ((size_t)64 << 20)

typedef struct sp_policy_warning {
	sp_str field, text;
} sp_policy_warning;

typedef struct sp_policy_kind {
	sp_str group, version, kind, plural, singular;
	const sp_schema *schema;
} sp_policy_kind;

/* One policy. Everything it finds lives in the arena. */
typedef struct sp_policy_check {
	sp_arena *arena;
	yyjson_val *spec;
	sp_policy_kind *customs; /* of custom resources, those that the policy names */
	size_t n_customs, cap;
} sp_policy_check;

/* `spec` may be NULL and has to outlive the check. */
void sp_policy_check_init(sp_policy_check *c, sp_arena *a, yyjson_val *spec);

/* Whether the policy may be for kinds that are not built in: then sp_policy_check_custom wants to see them
 * all. */
bool sp_policy_check_wants_customs(const sp_policy_check *c);

/* Takes the kinds that the policy names from a CustomResourceDefinition; one that can't be read has none.
 * SP_ENOMEM, SP_ETOOLARGE. */
sp_code sp_policy_check_custom(sp_policy_check *c, yyjson_val *definition) SP_MUST_USE;

/* The warnings, in the order of the expressions. SP_ETOOLARGE: no room. */
sp_code sp_policy_check_run(const sp_policy_check *c, sp_policy_warning **ret, size_t *ret_n) SP_MUST_USE;

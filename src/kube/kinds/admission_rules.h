/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts that admission webhooks and admission policies share. U: kubernetes
 * pkg/apis/admissionregistration/validation/validation.go.
 */
#pragma once

#include "kube/kinds/kinds.h"
#include "kube/policy/policy.h"

/* Operations, groups, versions and resources a webhook or a policy is asked about. */
void sp_admission_rule_validate(sp_violations *v, yyjson_mut_val *rule, const sp_path *path);
/* Names and expressions, which see params where `has` says so (SP_POLICY_HAS_PARAMS). */
void sp_admission_conditions_validate(sp_violations *v, yyjson_mut_val *conditions, unsigned has,
				      const sp_path *path);
/* Why there is no program, about the value `shown`. */
void sp_admission_fault(sp_violations *v, const sp_policy_program *p, sp_str shown, const sp_path *path);
/* Compiles; what is wrong is told about the value `shown`. */
void sp_admission_expression_validate(sp_violations *v, sp_policy_env *env, unsigned has, sp_str expression,
				      sp_policy_result want, sp_str shown, const sp_path *path);
/* spec.matchConstraints of a policy, spec.matchResources of a binding; NULL is valid. */
void sp_admission_match_validate(sp_violations *v, yyjson_mut_val *match, const sp_path *path);
/* An optional text of a table: NotSupported when it is none of them. */
void sp_admission_choice(sp_violations *v, yyjson_mut_val *object, const char *name, const sp_path *path,
			 const char *const *texts, size_t n);
#define SP_ADMISSION_CHOICE(v, object, name, path, texts) \
	sp_admission_choice((v), (object), (name), (path), (texts), SP_LEN(texts))

extern const char *const sp_failure_policies[2], *const sp_match_policies[2], *const sp_reinvocations[2];

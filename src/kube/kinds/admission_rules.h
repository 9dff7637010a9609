/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts that admission webhooks and admission policies share. The CEL expressions in them are checked where
 * CEL is. U: kubernetes pkg/apis/admissionregistration/validation/validation.go.
 */
#pragma once

#include "kube/kinds/kinds.h"

/* Operations, groups, versions and resources a webhook or a policy is asked about. */
void sp_admission_rule_validate(sp_violations *v, yyjson_mut_val *rule, const sp_path *path);
/* Names and presence of expressions. */
void sp_admission_conditions_validate(sp_violations *v, yyjson_mut_val *conditions, const sp_path *path);
/* spec.matchConstraints of a policy, spec.matchResources of a binding; NULL is valid. */
void sp_admission_match_validate(sp_violations *v, yyjson_mut_val *match, const sp_path *path);
/* An optional text of a table: NotSupported when it is none of them. */
void sp_admission_choice(sp_violations *v, yyjson_mut_val *object, const char *name, const sp_path *path,
			 const char *const *texts, size_t n);
#define SP_ADMISSION_CHOICE(v, object, name, path, texts) \
	sp_admission_choice((v), (object), (name), (path), (texts), SP_LEN(texts))

extern const char *const sp_failure_policies[2], *const sp_match_policies[2], *const sp_reinvocations[2];

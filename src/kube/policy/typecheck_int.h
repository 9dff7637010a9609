/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds that a policy names. */
#pragma once

#include "kube/policy/typecheck.h"

typedef struct sp_policy_kinds {
	sp_policy_kind *items; /* by group, version, kind */
	size_t n, cap;
} sp_policy_kinds;

sp_code policy_kinds_of(const sp_policy_check *c, sp_policy_kinds *ret) SP_MUST_USE;
/* False: there is no paramKind, or none that is known. */
bool policy_kind_of_params(const sp_policy_check *c, sp_policy_kind *ret);

/* SPDX-License-Identifier: Apache-2.0 */
/* How each resource is counted against quotas. U: kubernetes pkg/quota/v1/evaluator/core, apiserver
 * pkg/quota/v1/generic/evaluator.go. */
#pragma once

#include "apiserver/admission/admission.h"
#include "apiserver/admission/amounts.h"

/* One scope of a quota: a name, an operator ("Exists", "In" …) and values. */
typedef struct api_quota_scope {
	sp_str name, op;
	yyjson_mut_val *values;
} api_quota_scope;

typedef struct api_quota_evaluator {
	sp_str resource; /* of core */
	/* Whether this write is counted. */
	bool (*handles)(const api_admit *a);
	/* Whether a name in spec.hard is about such objects. */
	bool (*counts)(const api_admit *a, sp_str name);
	/* What an object takes. */
	void (*usage)(const api_admit *a, yyjson_mut_val *obj, api_amounts *out);
	/* Whether an object is in a scope. */
	bool (*in_scope)(const api_admit *a, const api_quota_scope *scope, yyjson_mut_val *obj);
	/* What an object has to say when these names are limited; empty: nothing is missing. */
	sp_str (*missing)(const api_admit *a, yyjson_mut_val *hard, yyjson_mut_val *obj);
} api_quota_evaluator;

/* Never NULL: everything else is only counted. */
const api_quota_evaluator *api_quota_evaluator_of(const api_admit *a);

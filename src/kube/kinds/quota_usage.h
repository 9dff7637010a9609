/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What objects take from quotas: for those who admit them and for those who count them again. U: kubernetes
 * pkg/quota/v1/evaluator/core, apiserver pkg/quota/v1/generic/evaluator.go.
 */
#pragma once

#include "kube/kinds/amounts.h"
#include "kube/status.h"

/* What is counted, and where the names that come out of it live. */
typedef struct sp_quota_ctx {
	sp_arena *arena;
	sp_group_resource gr; /* of the objects */
	int64_t now_s;        /* seconds since 1970: pods that should be gone take nothing */
} sp_quota_ctx;

/* One scope of a quota: a name, an operator ("Exists", "In" …) and values. */
typedef struct sp_quota_scope {
	sp_str name, op;
	yyjson_mut_val *values;
} sp_quota_scope;

typedef struct sp_quota_evaluator {
	sp_group_resource gr; /* empty: of everything that is only counted */
	/* Whether a name in spec.hard is about such objects. */
	bool (*counts)(const sp_quota_ctx *x, sp_str name);
	/* What an object takes, by all the names it could be limited by. */
	void (*usage)(const sp_quota_ctx *x, yyjson_mut_val *obj, sp_amounts *out);
	/* Whether an object is in a scope. NULL: in none. */
	bool (*in_scope)(const sp_quota_ctx *x, const sp_quota_scope *scope, yyjson_mut_val *obj);
	/* What an object has to say when these names are limited; empty: nothing is missing. NULL: never. */
	sp_str (*missing)(const sp_quota_ctx *x, yyjson_mut_val *hard, yyjson_mut_val *obj);
} sp_quota_evaluator;

/* Never NULL: what is nothing special is only counted. */
const sp_quota_evaluator *sp_quota_evaluator_of(sp_group_resource gr);

/* Whether an object is in all scopes of a quota. */
bool sp_quota_scopes_match(const sp_quota_ctx *x, yyjson_mut_val *quota, yyjson_mut_val *obj);

/* Whose objects a name in spec.hard is about; texts of the name or constants. False: nobody's. */
bool sp_quota_resource_of(sp_str name, sp_group_resource *ret);

/* A pod with an end: activeDeadlineSeconds is set. */
bool sp_quota_pod_is_terminating(yyjson_mut_val *pod);

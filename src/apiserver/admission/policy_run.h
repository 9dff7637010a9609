/* SPDX-License-Identifier: Apache-2.0 */
/* What validating and mutating policies have in common. For src/apiserver/admission. */
#pragma once

#include "apiserver/admission/match.h"
#include "apiserver/admission/policies.h"

struct api_policies {
	api_policy_index index;
};

/* A version of the write with the values of its expressions. */
typedef struct api_policy_view {
	struct api_policy_view *next;
	api_form form;
	api_eval eval;
	bool is_open;
	bool is_patched; /* a mutation was applied, whether or not it changed something */
} api_policy_view;

typedef struct api_policy_walk {
	const api_admit *a;
	api_policy_sort sort;
	api_policy_set *set;
	api_match_held held;
	api_policy_view *views; /* in the write's arena; the last one is of its own version */
	yyjson_mut_val *ns;     /* the write's namespace */
	bool has_ns;            /* it was looked for */
	bool failed;            /* the write is answered */
} api_policy_walk;

/* False: nothing is to be done; or walk->failed. */
bool api_policy_walk_begin(api_policy_walk *k, const api_admit *a, api_policy_sort sort);
void api_policy_walk_end(api_policy_walk *k);

/* The view of a resource that was matched; NULL: the write is answered. */
api_policy_view *api_policy_view_of(api_policy_walk *k, const api_resource *res);

/* Why the write can't be shown in that version of its resource; empty: it can. */
sp_str api_policy_view_fault(const api_policy_walk *k, const api_resource *res);

/* What a binding gives to its policy. The objects are in the write's document; one NULL: null is what there
 * is. Empty and no error: the policy is not asked. */
typedef struct api_policy_params {
	yyjson_mut_val **items;
	size_t n;
	sp_str error;
} api_policy_params;
void api_policy_params_get(api_policy_walk *k, const api_policy *p, const api_policy_binding *b,
			   api_policy_params *ret);
/* The kind of the policy's parameters when a webhook converts it, held; else NULL. */
const api_resource *api_policy_params_converted(const api_admit *a, const api_policy *p,
						api_match_held *held);
/* Adds those that a binding gives. */
struct api_wanted; /* admission/shown.h */
void api_policy_params_want(const api_admit *a, const api_resource *res, const api_policy_binding *b,
			    struct api_wanted *to);
/* Why the policy's paramKind can't be served; empty: it can. */
sp_str api_policy_param_fault(api_policy_walk *k, const api_policy *p);

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a webhook's or a policy's selectors and rules concern a write. For src/apiserver/admission. */
#pragma once

#include "apiserver/admission/admission.h"
#include "apiserver/admission/policy_config.h"

typedef enum api_match { API_MATCH_NO, API_MATCH_YES, API_MATCH_ERROR } api_match;

/* Admission is about neither its own configuration (policies are still asked about webhooks) nor what an
 * eviction deletes. */
bool api_match_is_exempt(const api_admit *a, bool from_webhooks);
/* The write in its own version. */
api_hook_target api_match_target(const api_admit *a);

/* ERROR: *ret_error has a code (the namespace is not there), or none: there is no room. */
api_match api_match_namespace(const api_admit *a, const sp_selector *s, sp_status *ret_error);
/* The object as it was or as it will be. */
api_match api_match_object(const api_admit *a, const sp_selector *s, sp_status *ret_error);

/* Labels of an object against a selector. False: no room. */
bool api_match_labels(sp_arena *a, const sp_selector *s, yyjson_mut_val *obj, bool *ret) SP_MUST_USE;

/* Resources that a write found in other versions, each once; released together. */
typedef struct api_match_held {
	struct api_custom **items;
	size_t n, cap;
} api_match_held;
void api_match_release(api_match_held *h);

/* A version of a custom resource, held. NULL: it can't be had, or there is no room. */
const api_resource *api_match_hold(const api_admit *a, const sp_kind *k, api_match_held *held);

#define API_MATCH_NO_VERSION SP_STR("the version of its rules can't be had")

/* *ret_res (YES): the write's resource in the version that one of the rules names: its own first, then
 * (`others`) another one that the same objects are served in. ERROR: there is one, and it can't be had. */
api_match api_match_rules(const api_admit *a, const api_hook_rule *rules, size_t n, bool others,
			  api_match_held *held, const api_resource **ret_res);

/* Whether the write's objects can be shown in a version of their resource: where a webhook converts them,
 * when it has done so (shown.h). */
bool api_match_can_show(const api_admit *a, const api_resource *res);

/*
 * All of a policy's or binding's conditions. *ret_res: the resource in the version that a rule names. ERROR
 * as above. U: apiserver pkg/admission/plugin/policy/matching/matching.go.
 */
api_match api_match_policy(const api_admit *a, const api_policy_match *m, api_match_held *held,
			   const api_resource **ret_res, sp_status *ret_error);

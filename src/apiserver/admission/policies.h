/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ValidatingAdmissionPolicy and MutatingAdmissionPolicy: expressions about writes, evaluated at once. For
 * src/apiserver. U: apiserver pkg/admission/plugin/policy.
 */
#pragma once

#include "apiserver/admission/admission.h"
#include "apiserver/admission/policy_config.h"

typedef struct api_policies api_policies;

/* Aborts without memory. */
api_policies *api_policies_new(sp_store *store);
/* NULL is a no-op. */
void api_policies_free(api_policies *p);

struct api_wanted; /* admission/shown.h */
/* Adds the versions in which policies want to see the write, and the parameters of theirs that a webhook has
 * to convert. */
void api_policies_want(const api_admit *a, api_policy_sort sort, struct api_wanted *to);

/* What mutating policies did to one write; in its arena, NULL before the first of them. */
struct api_policy_run;
/* True when the object was changed, so that all mutating steps are to run once more. Says so once. */
bool api_policies_want_again(api_write *w);

/* What mutating policies left in a version that a conversion webhook has to bring back to the write's own.
 * NULL: nothing. */
yyjson_mut_val *api_policies_left(const api_write *w, sp_str *ret_version);
/* Here it is: it becomes w->obj. False: no room. */
bool api_policies_take_back(api_write *w, yyjson_mut_val *obj) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ValidatingAdmissionPolicy and MutatingAdmissionPolicy: expressions about writes, evaluated at once. For
 * src/apiserver. U: apiserver pkg/admission/plugin/policy.
 */
#pragma once

#include "apiserver/admission/admission.h"

typedef struct api_policies api_policies;

/* Aborts without memory. */
api_policies *api_policies_new(sp_store *store);
/* NULL is a no-op. */
void api_policies_free(api_policies *p);

struct api_wanted; /* admission/shown.h */
/* Adds the versions in which validating policies want to see the write. */
void api_policies_want(const api_admit *a, struct api_wanted *to);

/* What mutating policies did to one write; in its arena, NULL before the first of them. */
struct api_policy_run;
/* True when the object was changed, so that all mutating steps are to run once more. Says so once. */
bool api_policies_want_again(api_write *w);

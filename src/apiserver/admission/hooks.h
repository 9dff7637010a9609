/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission webhooks. They are the last mutating and the last validating step, and the only ones that take
 * time: a write that has some is held (api_write_hold), no transaction is open meanwhile, and its commit
 * compares the revision as ever. A client that vanished takes its write along.
 * U: apiserver pkg/admission/plugin/webhook/{generic,mutating,validating}
 */
#pragma once

#include "apiserver/admission/admission.h"

typedef struct api_hooks api_hooks;

struct api_wanted; /* admission/shown.h */
/* Adds the versions in which validating webhooks want to see the write. */
void api_hooks_want(const api_admit *a, struct api_wanted *to);

/* Aborts without memory. */
api_hooks *api_hooks_new(sp_store *store);
/* What a write that goes away has of it. */
void api_hooks_forget(api_write *w);
/* Without requests. NULL is a no-op. */
void api_hooks_free(api_hooks *h);

/*
 * Asks the mutating webhooks one after the other; w->obj is then what they made of the object. `then` goes on
 * with the write: at once when no webhook is concerned, otherwise later. It is not called when the write was
 * refused (and answered) or its client is gone. `a` is copied.
 */
void api_hooks_mutate(const api_admit *a, void (*then)(api_write *w));
/* The same with the validating webhooks, all at once. The first refusal to come is the answer, once all came.
 */
void api_hooks_validate(const api_admit *a, void (*then)(api_write *w));

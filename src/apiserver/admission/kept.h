/* SPDX-License-Identifier: Apache-2.0 */
/* What is read from a prefix of the store once per change of it, and otherwise kept. For
 * src/apiserver/admission. */
#pragma once

#include "base/json.h"
#include "store/store.h"

typedef struct api_kept {
	sp_store *store;
	sp_str prefix;
	sp_store_watch *watch;
} api_kept;

/* Sees every acknowledged write. *ret_changed: something was written since the last call (or this is the
 * first one), so everything is to be read again. Errors: those of the store. */
sp_code api_kept_follow(api_kept *k, bool *ret_changed, sp_err *err) SP_MUST_USE;

/* Every object, by key; `obj` is good during the call. False from fn: there is no room. SP_ENOMEM, and those
 * of the store. */
sp_code api_kept_each(const api_kept *k,
		      bool (*fn)(void *arg, sp_str rest, uint64_t revision, yyjson_val *obj), void *arg,
		      sp_err *err) SP_MUST_USE;

void api_kept_done(api_kept *k);

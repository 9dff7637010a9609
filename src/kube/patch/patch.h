/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The three patch formats that edit an object without knowing who owns its fields: JSON Patch (RFC 6902),
 * merge patch (RFC 7386) and strategic merge patch. All of them behave as kube-apiserver does, its deviations
 * from the documents included; each header says which.
 *
 * Common to all: the object is consumed. It is edited in place, *ret is the result (usually the same value),
 * and after an error its content is undefined; so callers hand over a tree they have just parsed. Everything
 * that is made lives in the arena of the document. Sizes are bounded by the arena's ceiling (SP_ETOOLARGE).
 */
#pragma once

#include "base/json.h"

typedef struct sp_patch_cause {
	sp_str reason, message, field;
} sp_patch_cause;

/*
 * Why a patch was refused, in the words a client sees in a Status. Filled only on failure. `reason` is empty
 * for errors that upstream passes on unnamed (they are answered 500). Texts live in the arena.
 */
typedef struct sp_patch_error {
	uint16_t status; /* HTTP: 400, 409, 413, 422, 500 */
	sp_str reason;   /* Status.reason */
	sp_str message;  /* Status.message */
	sp_str detail;   /* the exact cause where `message` hides it (422); for logs and admission */
	const sp_patch_cause *causes;
	size_t n_causes;
} sp_patch_error;

/* Fills *perr (may be NULL) and returns `code`. The text is built in the arena; without room it is empty. */
sp_code sp_patch_fail(sp_arena *a, sp_patch_error *perr, sp_code code, uint16_t status, const char *reason,
		      const char *fmt, ...) SP_PRINTF(6, 7);

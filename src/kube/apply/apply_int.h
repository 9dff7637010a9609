/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of apply.c in a file of their own. */
#pragma once

#include "kube/apply/apply.h"

/*
 * What Go's zero value of the kind is as JSON: structs that are no pointers, and zero values that are always
 * written. Fields of a new object that equal it are owned only where they differ. {} for other schemas.
 */
yyjson_mut_val *sp_apply_zero(yyjson_mut_doc *doc, const sp_schema *s);

/* The 409 with its causes. */
sp_code sp_apply_conflict(sp_arena *a, sp_managers *conflicts, sp_patch_error *perr);

/* Writes the patch into kubectl's annotation of the object. */
sp_code sp_apply_set_last_applied(const sp_apply_request *q, yyjson_mut_val *object, yyjson_mut_val *patch);

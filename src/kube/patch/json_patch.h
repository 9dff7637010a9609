/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Patch, RFC 6902, with the behaviours of the library that kube-apiserver uses: `replace` of an absent
 * member sets it, negative array indexes count from the end, `test` of an absent member equals null, `add` at
 * "" is refused, `replace` at "" takes objects and arrays only.
 */
#pragma once

#include "kube/patch/patch.h"

#define SP_JSON_PATCH_OPS_MAX 10000u
/* Bytes that all `copy` operations of one patch may add together, as JSON text. */
#define SP_JSON_PATCH_COPY_BYTES_MAX ((size_t)3 << 20)

/*
 * Applies the text of a patch. SP_EINVAL with status 400 (not a patch), 422 (does not apply), SP_ETOOLARGE
 * with 413 (too many operations); SP_ENOMEM or SP_ETOOLARGE with status 413 at the arena's ceiling.
 */
sp_code sp_json_patch_apply(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *object, sp_str patch,
			    yyjson_mut_val **ret, sp_patch_error *perr) SP_MUST_USE;

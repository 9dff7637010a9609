/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of kube/patch and kube/apply. */
#pragma once

#include "kube/patch/patch.h"

/* Out of room in the arena: 413, the object or what the patch makes of it is too large. */
static inline sp_code sp_patch_no_room(sp_arena *a, sp_patch_error *perr)
{
	return sp_patch_fail(a, perr, SP_ETOOLARGE, 413, "RequestEntityTooLarge",
			     "Request entity is too large: the patched object exceeds its limit");
}

/* Parses a patch that must be an object or null; failures are 400 with `prefix` before Go's words. */
sp_code sp_patch_parse_object(sp_arena *a, yyjson_mut_doc *doc, sp_str text, const char *prefix,
			      yyjson_mut_val **ret, sp_patch_error *perr) SP_MUST_USE;

/* Go's name of a decoded value's type: "map[string]interface {}", "[]interface {}", "string" … */
const char *sp_patch_go_type(yyjson_mut_val *v);
/* Go's word for a JSON value in decoding errors: "object", "array", "string", "number", "bool", "null". */
const char *sp_patch_json_word(yyjson_mut_val *v);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upstream turns the result of a strategic merge patch into Go structs without the detour over JSON text, and
 * so has other words for values of a wrong type. U: apimachinery pkg/runtime/converter.go.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/*
 * The first fault in the order of the structs' fields: "cannot restore slice from string". False: none.
 */
bool sp_unstructured_fault(sp_arena *a, const sp_schema *schema, yyjson_mut_val *object, sp_str *ret);

/* Makes the numbers of a patched object those that the converter makes: 4294967297 is 1 in an int32. */
void sp_unstructured_fit(const sp_schema *schema, yyjson_mut_val *object);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TOML 1.0, read into the same trees as JSON: tables become objects in their order, numbers integers or
 * doubles. Dates and times, infinities and NaN have no place in JSON and are refused.
 */
#pragma once

#include "base/json.h"

#define SP_TOML_DEPTH 64u /* nesting of arrays and inline tables */

/* Memory is the document's arena. SP_EINVAL: "line 3: …"; SP_ETOOLARGE: too deep, or no room. */
sp_code sp_toml_parse(sp_arena *a, sp_str text, yyjson_mut_doc *doc, yyjson_mut_val **ret,
		      sp_err *err) SP_MUST_USE;

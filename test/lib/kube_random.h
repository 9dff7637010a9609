/* SPDX-License-Identifier: Apache-2.0 */
/* Random objects of built-in kinds, for property tests and fuzz targets. */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/* A random value that the schema's decoder accepts; `next` gives random numbers. NULL: no room. */
yyjson_mut_val *t_random_value(yyjson_mut_doc *doc, const sp_schema *s, uint64_t (*next)(void),
			       unsigned depth);

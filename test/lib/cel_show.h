/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of CEL share. */
#pragma once

#include "kube/cel/value.h"

/* Values as the literals that make them, as cel-go's types.Format prints them. */
void cel_show_literal(cel_ctx *c, sp_buf *out, sp_cel_val v);

/* The schema as that of a CRD, and the type of self. False: it is none, or not to be seen by rules. */
bool cel_schema_type(sp_arena *a, yyjson_val *schema, bool root, const sp_schema **ret_schema,
		     const sp_cel_type **ret_type);

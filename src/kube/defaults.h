/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults that the schema states. Those that depend on other fields are in src/kube/kinds. */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/*
 * Fills in the defaults of an editable object of a built-in kind (sp_field.def), at every depth. A field gets
 * its default when Go's defaulting would see it unset: a pointer that is absent, another field that is absent
 * or zero. Objects that are no pointers count as present. Nodes of CRDs are left alone (kube/crd).
 * SP_ETOOLARGE: no room or too deep.
 */
sp_code sp_default(yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *object,
		   sp_err *err) SP_MUST_USE;

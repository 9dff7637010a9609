/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object to the JSON text it is stored and sent as: what Go's encoding/json makes of the kind's struct.
 * kind and apiVersion first, then the schema's fields in their order; zero values are left out or written as
 * the field's flags say, maps sorted, '<', '>' and '&' escaped. Two encodes of equal objects are the same
 * bytes. Objects of CRDs come out with all their members sorted by name, as upstream's unstructured ones.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/*
 * Appends the text of an editable object, which need not be canonical: members may stand in any order, zero
 * values may be there or not. Members the schema does not know are left out. Values are taken to have their
 * fields' types: what is patched from outside goes through kube/decode.h again. Errors: those of the buffer;
 * SP_ETOOLARGE for a tree that is too deep; SP_EINVAL for a double that is infinite or NaN.
 */
sp_code sp_encode_json(sp_buf *out, const sp_schema *schema, const yyjson_mut_val *object) SP_MUST_USE;

/* Any tree with the members of its objects sorted by name: encoding/json of map[string]interface{}. */
sp_code sp_encode_any(sp_buf *out, const yyjson_mut_val *v) SP_MUST_USE;

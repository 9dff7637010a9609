/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON of a request to an object in canonical form, by schema, with the results and error texts of the API
 * server's decoder (sigs.k8s.io/json into Go structs).
 *
 * Canonical form is what kube/encode.h writes: the members a Go struct's JSON has, in the struct's order,
 * maps sorted, amounts, times and durations in Go's text. kind and apiVersion come first. Members match by
 * exact name. null is absence (in lists and maps the zero value). Lists and maps that are given empty stay,
 * as Go's structs tell them from absent ones; kube/encode.h leaves them out, as upstream's way through
 * storage does.
 *
 * Nodes of CRDs (SP_S_CRD) keep all their members, sorted by name; types are checked elsewhere (kube/crd).
 *
 * Differs from upstream: of a field given twice the last one counts, objects and maps merge, but elements of
 * lists do not; the members of a JSONSchemaProps match by exact case; the bytes of RawExtension, FieldsV1 and
 * JSON are kept up to blanks and escapes.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/*
 * Complaints of strict decoding in the order of the text: `unknown field "spec.foo"`, `duplicate field
 * "spec.bar"`. Equal ones are listed once; the limit is upstream's. Zero it; the texts live in the decoder's
 * arena.
 */
#define SP_STRICT_MAX 100u
typedef struct sp_strict {
	size_t n;
	sp_str items[SP_STRICT_MAX];
} sp_strict;

/*
 * Decodes an object of a kind. Both the tree and its strings live in the arena (`doc` is an sp_json_doc of
 * it). `strict` may be NULL: nothing is reported. SP_EINVAL: Go's text ("json: cannot unmarshal number into
 * Go struct field ConfigMap.data of type string", "illegal base64 data at input byte 0", or the syntax
 * error); then the complaints do not count. SP_ETOOLARGE: depth or room.
 */
sp_code sp_decode_json(sp_arena *a, const sp_schema *schema, sp_str text, yyjson_mut_doc *doc,
		       sp_strict *strict, yyjson_mut_val **ret, sp_err *err) SP_MUST_USE;

/*
 * kind and apiVersion of a body, before its schema is known; empty when absent. They live in the arena.
 * SP_EINVAL with upstream's text ("couldn't get version/kind; json parse error: …").
 */
sp_code sp_decode_type_meta(sp_arena *a, sp_str text, sp_str *ret_api_version, sp_str *ret_kind,
			    sp_err *err) SP_MUST_USE;

/* "strict decoding error: a, b": the reason of a refusal, in the arena. Empty without room. */
sp_str sp_strict_text(sp_arena *a, const sp_strict *strict);

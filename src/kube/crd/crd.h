/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas of custom resources: the OpenAPI v3 schema of a CustomResourceDefinition version, checked for
 * structure and compiled into struct sp_schema; then defaulting, pruning and validation of objects by it.
 *
 * A compiled schema lives in the arena it was compiled in and is constant from then on.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"
#include "kube/violations.h"

#define SP_CRD_SCHEMA_NODES_MAX 50000u

/*
 * Compiles `openapi` (the value of openAPIV3Schema; NULL: a schema that keeps everything). Violations of the
 * structural rules go to `errors` with paths below `path`, and *ret is then NULL. `object_meta` is the schema
 * of metadata. `preserve_unknown` is spec.preserveUnknownFields. SP_OK also with violations; SP_ENOMEM,
 * SP_ETOOLARGE (more nodes than the limit).
 */
sp_code sp_crd_compile(sp_arena *a, yyjson_mut_val *openapi, sp_str path, const sp_schema *object_meta,
		       bool preserve_unknown, sp_violations *errors, const sp_schema **ret) SP_MUST_USE;

/*
 * Fills absent fields with the schema's defaults. A null where none may stand counts as absent and is
 * removed. False: no room.
 */
bool sp_crd_default(yyjson_mut_doc *doc, const sp_schema *schema, yyjson_mut_val *object) SP_MUST_USE;

/* Removes fields the schema does not name; each dropped path goes to fn when it is not NULL. */
void sp_crd_prune(const sp_schema *schema, yyjson_mut_val *object, void (*fn)(void *arg, sp_str path),
		  void *arg);

/*
 * Checks an object: types, the keywords of its schema, then duplicates in lists of type set and map.
 * Violations are in upstream's words. x-kubernetes-validations are kept in the rules and not yet evaluated.
 */
sp_code sp_crd_validate(sp_arena *a, const sp_schema *schema, yyjson_mut_val *object,
			sp_violations *errors) SP_MUST_USE;

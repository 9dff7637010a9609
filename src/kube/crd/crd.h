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
 * How the OpenAPI document shows a schema: the metadata of
 * resources, embedded ones too, is whole (rules of the resource itself see less). SP_ENOMEM.
 */
sp_code sp_crd_published(sp_arena *a, const sp_schema *schema, const sp_schema **ret) SP_MUST_USE;

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
 * Violations are in upstream's words. x-kubernetes-validations are apart (below).
 */
sp_code sp_crd_validate(sp_arena *a, const sp_schema *schema, yyjson_mut_val *object,
			sp_violations *errors) SP_MUST_USE;

/* ---- x-kubernetes-validations ---- */

/*
 * Makes programs of the rules of a schema that sp_crd_compile has just made and nobody else uses yet, in its
 * arena. Rules that do not compile keep their error. SP_ENOMEM, SP_ETOOLARGE.
 */
sp_code sp_crd_rules_compile(sp_arena *a, const sp_schema *schema) SP_MUST_USE;

/*
 * Checks the definitions of rules: members, expressions, costs. `openapi` is what `schema` was compiled of,
 * or NULL for the latter when it has other faults: then only the members are looked at. `path` is that of
 * `openapi`. U: apiextensions-apiserver pkg/apis/apiextensions/validation,
 * ValidateCustomResourceDefinitionOpenAPISchema.
 */
sp_code sp_crd_rules_check(sp_arena *a, const sp_schema *schema, yyjson_mut_val *openapi, const sp_path *path,
			   sp_violations *errors) SP_MUST_USE;

typedef struct sp_crd_run {
	sp_arena *arena; /* of the messages */
	sp_violations *errors;
	bool root;                            /* the value is a resource, or embedded as one */
	bool ratchets;                        /* what did not change may stay wrong: a warning says so */
	void (*warn)(void *arg, sp_str text); /* may be NULL */
	void *arg;
} sp_crd_run;

/*
 * Evaluates the rules on a value that is valid by its schema; `old` is what it was, or NULL. All of a call
 * share one budget of costs. U: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.
 */
sp_code sp_crd_rules_run(const sp_crd_run *how, const sp_schema *schema, const sp_path *path,
			 yyjson_mut_val *value, yyjson_mut_val *old) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects on their way to and from the store. A stored object is its canonical JSON without a
 * resourceVersion; the revision is spliced in on the way out.
 */
#pragma once

#include "apiserver/resource.h"
#include "base/json.h"
#include "store/record.h"

/*
 * The record of an object in its stored version: canonical JSON, labels, and the fields that selectors may
 * name. The tree's metadata.resourceVersion is overwritten and gone afterwards. `marker` is a random text
 * that cannot stand in an object by chance (API_OBJECT_MARKER_BYTES letters). SP_ETOOLARGE: over the limit of
 * stored values.
 */
#define API_OBJECT_MARKER_BYTES 24u
sp_code api_object_record(sp_arena *a, const api_resource *res, yyjson_mut_doc *doc, yyjson_mut_val *obj,
			  sp_str marker, sp_bytes **ret, sp_err *err) SP_MUST_USE;

/* The record of a custom resource as if the resource's own version were the stored one. */
sp_code api_object_record_served(sp_arena *a, const api_resource *res, yyjson_mut_doc *doc,
				 yyjson_mut_val *obj, sp_str marker, sp_bytes **ret, sp_err *err) SP_MUST_USE;

/* Appends the JSON of a record as it is stored, with its revision or (0) without one. */
sp_code api_object_raw(sp_buf *out, const sp_record *rec, uint64_t revision);

/*
 * Appends the object's JSON in the resource's version, with its revision; 0 (a dry run's new object): without
 * one. What is stored in that version goes out as it is; else the object is converted.
 */
sp_code api_object_json(sp_buf *out, const api_resource *res, const sp_record *rec, uint64_t revision);

/* The object as an editable tree in the version it is stored in, metadata.resourceVersion set. */
sp_code api_object_tree(sp_arena *a, const sp_record *rec, uint64_t revision, yyjson_mut_doc *doc,
			yyjson_mut_val **ret, sp_err *err) SP_MUST_USE;
/* A tree of the stored version becomes one of the resource's version / the other way. False: no room. */
bool api_object_to_served(const api_resource *res, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj);
bool api_object_to_stored(const api_resource *res, sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj);

/* The object as a tree in the version of `res`. */
sp_code api_object_tree_as(sp_arena *a, const api_resource *res, const sp_record *rec, uint64_t revision,
			   yyjson_mut_doc *doc, yyjson_mut_val **ret, sp_err *err) SP_MUST_USE;

/* The key of an object: "namespace/name", or "name" of cluster-wide kinds. {NULL, 0}: no room. */
sp_str api_object_rest(sp_arena *a, const api_resource *res, sp_str ns, sp_str name);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-side apply and the tracking of field owners on every other write. One struct describes the request;
 * two functions serve it.
 *
 *   write (create, update, patch):  sp_apply_track(req, live, object)  → object.metadata.managedFields
 *   apply:                          sp_apply(req, live, patch, force)  → merged object with managedFields
 *
 * The result is as the merge makes it: callers default, prune and validate it, and call sp_managed_keep_times
 * against the stored object before they decide whether anything changed.
 */
#pragma once

#include "kube/apply/managed.h"
#include "kube/apply/typed.h"
#include "kube/patch/patch.h"

typedef struct sp_apply_request {
	sp_arena *arena;
	yyjson_mut_doc *doc;     /* of all trees */
	const sp_schema *schema; /* of the object in the request's version; NULL: deduced */
	sp_str api_version;      /* "apps/v1" */
	sp_str kind;
	sp_str manager;           /* empty: "unknown" */
	sp_str subresource;       /* "status" …, or empty */
	sp_str now;               /* RFC 3339, second precision, UTC */
	const sp_fieldset *reset; /* fields this endpoint resets, owned by nobody through it; NULL: none */
	/*
	 * The object in another version, for entries of managedFields of that version; NULL for versions that
	 * no longer exist (such entries are dropped). May be NULL: then each other version counts as equal in
	 * form.
	 */
	yyjson_mut_val *(*convert)(void *arg, yyjson_mut_val *object, sp_str api_version,
				   const sp_schema **ret_schema);
	void *convert_arg;
} sp_apply_request;

/*
 * Updates object.metadata.managedFields after a write by req->manager. `live` is NULL at creation. The list
 * in `object` as sent counts when it is valid and not of a subresource; [] and [{}] in it clear the tracking.
 * Never refuses a write: what can't be tracked leaves managedFields empty. SP_ENOMEM, SP_ETOOLARGE.
 */
sp_code sp_apply_track(const sp_apply_request *req, yyjson_mut_val *live, yyjson_mut_val *object) SP_MUST_USE;

/*
 * Merges an applied configuration. `live` is NULL (or an object without uid) when nothing is stored yet. *ret
 * is a new object with its managedFields. Refusals: SP_ECONFLICT with status 409 and one cause per field;
 * SP_EINVAL with 400 (managedFields in the patch, another version) or 500 (does not fit the schema).
 */
sp_code sp_apply(const sp_apply_request *req, yyjson_mut_val *live, yyjson_mut_val *patch, bool force,
		 yyjson_mut_val **ret, sp_patch_error *perr) SP_MUST_USE;

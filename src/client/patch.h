/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies of writes. Caches keep only a part of an object, so nobody who reads from one may PUT: changes are
 * merge patches that name the revision they were made from (the server answers 409 Conflict when there is a
 * newer one), or server-side apply.
 */
#pragma once

#include "base/json.h"
#include "client/object.h"
#include "kube/view.h"

/*
 * Appends the RFC 7386 merge patch that makes `now` of `old` (objects; either may be NULL: empty): changed
 * members, null for those that are gone, lists whole when they differ. *ret_changed tells whether there is
 * any difference; nothing is appended without. With `base` the patch carries its uid and resourceVersion, so
 * that it changes that very object at that revision or nothing.
 */
sp_code sp_patch_merge(sp_buf *out, sp_arena *a, yyjson_mut_val *old, yyjson_mut_val *now,
		       const sp_object *base, bool *ret_changed, sp_err *err) SP_MUST_USE;
/* The same of one top-level member only ("status"), as it is in the cache and as it should be. */
sp_code sp_patch_member(sp_buf *out, sp_arena *a, const char *member, yyjson_mut_val *old,
			yyjson_mut_val *now, const sp_object *base, bool *ret_changed,
			sp_err *err) SP_MUST_USE;

/*
 * Appends the merge patch that leaves one finalizer out of those an object has (`now`), and puts another
 * behind them; empty texts: none. It carries base's uid and resourceVersion. Errors are the buffer's.
 */
sp_code sp_patch_finalizers(sp_buf *out, const sp_object *base, sp_vlist now, sp_str without, sp_str with);

/* DeleteOptions. Empty texts are left out. */
typedef struct sp_delete_opts {
	sp_str uid, revision; /* preconditions */
	sp_str propagation;   /* "Background", "Foreground", "Orphan" */
	bool has_grace;       /* else the object's own */
	int64_t grace_s;
} sp_delete_opts;
sp_code sp_patch_delete_opts(sp_buf *out, const sp_delete_opts *o);

/* An owner reference with controller and blockOwnerDeletion true, as a JSON object. */
typedef struct sp_owner {
	sp_str api_version, kind, name, uid;
} sp_owner;
sp_code sp_patch_owner(sp_buf *out, const sp_owner *o);

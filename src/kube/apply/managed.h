/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata.managedFields decoded: who owns which fields. Entries are identified by (manager, operation,
 * apiVersion of Update entries, subresource).
 */
#pragma once

#include "kube/apply/fieldset.h"

#define SP_MANAGED_UPDATERS_MAX 10u

typedef struct sp_manager {
	sp_str name, api_version, subresource, time; /* time as RFC 3339 text, empty when unknown */
	const sp_fieldset *set;
	bool applied; /* operation Apply */
} sp_manager;

typedef struct sp_managers {
	sp_manager *items;
	size_t n, cap;
} sp_managers;

/*
 * Reads the list. SP_EINVAL: an entry with another operation than Apply or Update, without apiVersion, or
 * with another fieldsType than FieldsV1; callers other than apply then start from nothing. NULL or null reads
 * as empty.
 */
sp_code sp_managers_parse(sp_arena *a, yyjson_mut_val *list, sp_managers *ret, sp_err *err) SP_MUST_USE;
/* The list in upstream's order (operation, time, manager, apiVersion, subresource); NULL: no room. */
yyjson_mut_val *sp_managers_json(yyjson_mut_doc *doc, sp_managers *m);

/* The entry with the identity of `like`, or NULL. */
sp_manager *sp_managers_find(sp_managers *m, const sp_manager *like);
/* Appends a copy; NULL: no room. */
sp_manager *sp_managers_add(sp_arena *a, sp_managers *m, const sp_manager *item);
void sp_managers_drop(sp_managers *m, sp_manager *item);
/* Drops entries whose set is empty. */
void sp_managers_squeeze(sp_managers *m);
/* Folds the oldest Update entries into "ancient-changes" per version while there are more than ten. */
sp_code sp_managers_cap(sp_arena *a, sp_managers *m) SP_MUST_USE;

/*
 * Where live and object are equal but for the times of managedFields, gives object live's managedFields: a
 * write that changes nothing keeps its resourceVersion. True when it did so. Edits metadata of object.
 */
bool sp_managed_keep_times(yyjson_mut_doc *doc, yyjson_mut_val *live, yyjson_mut_val *object);

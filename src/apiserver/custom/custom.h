/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kinds made at run time. The registry follows the stored CustomResourceDefinitions; of each it keeps what
 * discovery tells, a few KB. A version's schema is compiled when a request first needs it, is shared by
 * reference, and goes when it has not been used for long or when its definition changes; requests under way
 * keep theirs. U: apiextensions-apiserver pkg/apiserver/customresource_handler.go, pkg/controller.
 */
#pragma once

#include "apiserver/resource.h"
#include "base/json.h"
#include "base/list.h"
#include "kube/kinds/kinds.h"
#include "kube/openapi/openapi.h"
#include "store/record.h"

struct api_server;
typedef struct api_customs api_customs;

/* One version of a custom resource, ready for requests. Constant but for its references. */
typedef struct api_custom {
	api_resource res; /* res.custom is this */
	sp_kind kind;
	sp_kind_hooks hooks;
	sp_sub_hooks subs[2];
	sp_arena arena; /* of everything it points at */
	unsigned n_refs;
	struct api_custom *stored;             /* the version that is stored; NULL: this one */
	uint64_t hash;                         /* of what objects of this version are made by */
	uint64_t serial;                       /* of its own, among all that were ever compiled */
	uint64_t spec_epoch;                   /* of the definition it was made of */
	const struct api_converter *converter; /* custom/convert.h; NULL: versions differ in name only */
	const sp_str *selectable;              /* paths of its own selectableFields, with their dot */
	size_t n_selectable;
	bool has_status, has_scale;
	sp_str spec_replicas, status_replicas, label_selector; /* paths of its scale, with their dot */
	sp_list lru;                                           /* the registry's */
	void *slot; /* likewise; NULL: it is kept by requests alone */
} api_custom;

/* What the dispatch needs to know besides the version. */
typedef struct api_custom_found {
	api_custom *version; /* one reference, the caller's */
	sp_str warning;      /* the version is deprecated; in the caller's arena; may be empty */
	bool terminating;    /* nothing new is made */
} api_custom_found;

/* ---- registry ---- */

/* Aborts without memory. Begins to follow the definitions when the loop runs. */
api_customs *api_customs_new(struct api_server *s);
/* Writes under way are finished by the store without it. NULL is a no-op. */
void api_customs_free(api_customs *c);

/*
 * A served version by its path. Sees every definition whose write was acknowledged. SP_ENOTFOUND: not
 * served (yet); others: the store can't be read, or its schema has no room.
 */
sp_code api_customs_find(api_customs *c, sp_arena *a, sp_str group, sp_str version, sp_str plural,
			 api_custom_found *ret, sp_err *err) SP_MUST_USE;

api_custom *api_custom_ref(api_custom *v);
/* Always NULL; NULL is allowed. */
api_custom *api_custom_unref(api_custom *v);
/* The same for any resource; does nothing for built-in ones. */
void api_resource_ref(const api_resource *res);
void api_resource_unref(const api_resource *res);

/* Whether the version's definition is as it was when it was compiled, but for its status. */
bool api_customs_has(const api_customs *c, const api_custom *v);

/* Changes whenever what is served changes: documents made of it are then stale. */
uint64_t api_customs_epoch(api_customs *c);

/* The same of one group, or (empty) of all: not 0, and different when something of it is. */
uint64_t api_customs_mark(api_customs *c, sp_str group);

/* The served kinds, for discovery; the list is in the arena, the kinds live until the next call of this
 * registry. */
sp_code api_customs_kinds(api_customs *c, sp_arena *a, const sp_kind *const **ret, size_t *ret_n,
			  sp_err *err) SP_MUST_USE;
/* The same with schemas, of one group or (empty) of all, for OpenAPI. Everything is in the arena. */
sp_code api_customs_openapi(api_customs *c, sp_arena *a, sp_str group, const sp_openapi_custom **ret,
			    size_t *ret_n, sp_err *err) SP_MUST_USE;

/* ---- objects ---- */

/* True when a stored record is what a client of the version sees, byte for byte. */
bool api_custom_is_current(const api_custom *v, const sp_record *rec);
/* True when the fields in its header are those that the version selects by. */
bool api_custom_has_fields(const api_custom *v, const sp_record *rec);

/* A stored object as a tree of the version: apiVersion, pruning, defaults. In place. False: no room. */
bool api_custom_from_stored(const api_custom *v, yyjson_mut_doc *doc, yyjson_mut_val *obj) SP_MUST_USE;
/* The tree to store for an object of the version: a copy when another version is stored. NULL: no room. */
yyjson_mut_val *api_custom_to_stored(const api_custom *v, yyjson_mut_doc *doc,
				     yyjson_mut_val *obj) SP_MUST_USE;
/* Appends the object of a record that is not current as JSON with its revision (0: without one). */
sp_code api_custom_json(sp_buf *out, const api_custom *v, const sp_record *rec,
			uint64_t revision) SP_MUST_USE;

struct api_request;
/* get, update and patch of r's object as a Scale; negotiated. */
void api_custom_scale(struct api_request *r);

struct api_write;
struct sp_strict;
/*
 * What decoding does to a custom resource of w->obj: metadata by its schema, unknown fields dropped and told
 * to `strict` (sorted, after what it holds). SP_EINVAL with upstream's text: metadata of another type.
 */
sp_code api_custom_coerce(struct api_write *w, struct sp_strict *strict, sp_err *err) SP_MUST_USE;

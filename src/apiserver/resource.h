/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resources that are served: a kind in one version with what the server derives from it once. Built-in
 * resources are made at start and live as long as the server.
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "kube/kinds/kinds.h"
#include "kube/schema.h"
#include "kube/status.h"
#include "kube/table.h"

typedef struct api_resource {
	const sp_kind *kind;
	const sp_kind *stored; /* the version that is stored; usually `kind` */
	sp_group_resource gr;  /* of errors: "deployments" in "apps" */
	sp_str api_version;    /* "apps/v1" */
	sp_str type_meta;      /* the front of its JSON: {"kind":"Pod","apiVersion":"v1", */
	sp_str prefix;         /* in the store: "/registry/pods/" */
	uint64_t schema_hash;  /* of the stored version */
	bool has_versions;     /* the same objects are served in another version too */
	const sp_table_plan *plan;
	struct api_custom *custom; /* of CRDs: apiserver/custom/custom.h; NULL: built in */
} api_resource;

typedef struct api_resources {
	sp_arena arena;
	sp_map by_path;     /* "group/version/plural" */
	sp_map by_group;    /* "group/version": any resource of it */
	sp_map by_kind;     /* "group/version/Kind": resources, and kinds that are only bodies */
	api_resource **all; /* sorted as sp_kinds */
	size_t n;
} api_resources;

/* Every built-in kind that has a plural. */
sp_code api_resources_init(api_resources *r, sp_err *err) SP_MUST_USE;
void api_resources_done(api_resources *r);

/* NULL when it is not served. */
const api_resource *api_resource_find(const api_resources *r, sp_str group, sp_str version, sp_str plural);
/* By kind; also one that is only the body of a subresource (Scale, Eviction). */
const api_resource *api_resource_by_kind(const api_resources *r, sp_str group, sp_str version, sp_str kind);
/* What the bodies of a subresource are. */
const api_resource *api_subresource_body(const api_resources *r, const api_resource *res,
					 const sp_subresource *sub);
/* True when the group serves anything. */
bool api_resource_has_group(const api_resources *r, sp_str group);

/* The subresource of that name, or NULL. */
const sp_subresource *api_subresource(const api_resource *res, sp_str name);

/* True when objects of it are kept; reviews and bindings are only answered. */
static inline bool api_resource_is_stored(const api_resource *res)
{
	return (res->kind->verbs & SP_VERB_UPDATE) != 0;
}

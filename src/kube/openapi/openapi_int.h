/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of kube/openapi. */
#pragma once

#include "base/json_out.h"
#include "kube/openapi/openapi.h"

/* A document under construction. */
typedef struct oa {
	sp_jout j;
	bool v3;
	const sp_openapi_source *from;
	sp_arena *arena;
	bool *marked;            /* by index in sp_schema_types: to be defined */
	const sp_kind **list_of; /* … and the kind whose list it is, or NULL */
	uint32_t special;        /* bits by sp_schema_kind: the same for types that are no objects */
	bool patch;              /* … and for the body of patches */
	sp_str group, version;   /* v3: what the document is about */
	bool custom;             /* … a CRD's: items of lists and maps have no defaults there */
} oa;

/* -- definitions.c -- */

/* Marks a type and what it refers to. */
void oa_mark(oa *w, const sp_schema *s);
/* The type of a built-in kind's list, and its definition's name (empty: none). */
void oa_mark_list(oa *w, const sp_kind *k);
sp_str oa_list_name(oa *w, const sp_kind *k);
/* {"$ref":"#/definitions/NAME"} or the same of version 3. */
void oa_write_ref(oa *w, sp_str name);
/* Only the reference's member, inside an object. */
void oa_member_ref(oa *w, sp_str name);
/* The members "io.k8s…":{…} of all marked types. */
void oa_write_definitions(oa *w);
/* x-kubernetes-group-version-kind as a list of one. */
void oa_member_gvk(oa *w, const sp_kind *k, sp_str kind);

/* -- params.c -- */

/* Query parameters, as bits of a mask. */
enum {
	OA_P_ALLOW_BOOKMARKS,
	OA_P_CONTINUE,
	OA_P_DRY_RUN,
	OA_P_FIELD_MANAGER,
	OA_P_FIELD_SELECTOR,
	OA_P_FIELD_VALIDATION,
	OA_P_FORCE,
	OA_P_GRACE,
	OA_P_IGNORE_STORE,
	OA_P_LABEL_SELECTOR,
	OA_P_LIMIT,
	OA_P_ORPHAN,
	OA_P_PRETTY,
	OA_P_PROPAGATION,
	OA_P_RESOURCE_VERSION,
	OA_P_RESOURCE_VERSION_MATCH,
	OA_P_SEND_INITIAL,
	OA_P_SHARD_SELECTOR,
	OA_P_TIMEOUT,
	OA_P_WATCH,
	OA_P_NAMESPACE, /* in the path */
	OA_P_COUNT_
};
#define OA_P(name) (1u << OA_P_##name)
#define OA_P_LISTS                                                                                  \
	(OA_P(ALLOW_BOOKMARKS) | OA_P(CONTINUE) | OA_P(FIELD_SELECTOR) | OA_P(LABEL_SELECTOR) |     \
	 OA_P(LIMIT) | OA_P(RESOURCE_VERSION) | OA_P(RESOURCE_VERSION_MATCH) | OA_P(SEND_INITIAL) | \
	 OA_P(SHARD_SELECTOR) | OA_P(TIMEOUT) | OA_P(WATCH))
#define OA_P_WRITES (OA_P(DRY_RUN) | OA_P(FIELD_MANAGER) | OA_P(FIELD_VALIDATION))
#define OA_P_DELETES (OA_P(DRY_RUN) | OA_P(GRACE) | OA_P(IGNORE_STORE) | OA_P(ORPHAN) | OA_P(PROPAGATION))

/* One parameter each, as the next item of a list. */
void oa_write_params(oa *w, uint32_t mask);
/* A required part of the path. */
void oa_write_path_param(oa *w, sp_str name, sp_str description);
/* The members of an options type, as query parameters. */
void oa_write_option_params(oa *w, const sp_schema *options);
/* v2's top-level "parameters". */
void oa_write_shared_params(oa *w);

/* -- paths.c -- */

/* The path items of one resource with its subresources. `custom`: of a CRD. */
void oa_write_resource(oa *w, const sp_kind *k, bool custom);
/* The items that are no resources: groups, versions, /version … They mark what they refer to. */
void oa_write_group_version_item(oa *w, sp_str group, sp_str version);
void oa_write_group_item(oa *w, sp_str group);
/* False: there is no such path. */
bool oa_write_root_item(oa *w, sp_str path);
/* The paths that it knows. */
size_t oa_root_paths(const sp_str **ret);
/* Marks what the operations of a resource refer to. */
void oa_mark_resource(oa *w, const sp_kind *k, bool custom);

/* "appsV1" for ids ("AppsV1"), "apps_v1" for tags. */
void oa_group_word(sp_buf *out, sp_str group, bool capital);

/* -- custom.c -- */

/* "com.example.stable.v1.CronTab", with the suffix behind it; in the arena, empty without room. */
sp_str oa_custom_name(oa *w, const sp_kind *k, const char *suffix);
/* Definitions of a kind of a CRD and of its list. */
void oa_write_custom_definitions(oa *w, const sp_openapi_custom *c);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenAPI documents generated from the schema tables: version 3, one document per group and version, and the
 * single version 2 document. Shapes, names of operations and x-kubernetes extensions are those of
 * kube-apiserver (k8s.io/kube-openapi pkg/builder, builder3; kubernetes api/openapi-spec); the descriptions
 * are our own.
 *
 * Documents are written straight into a buffer, without a tree. Nothing is cached here: a document changes
 * only with the kinds it is made of. Errors are those of the buffer, SP_ETOOLARGE also for the arena.
 */
#pragma once

#include "base/json.h"
#include "kube/schema.h"

/* The biggest of them (version 2, all kinds) has about 2 MB; CRDs come on top. */
#define SP_OPENAPI_BYTES_MAX ((size_t)64 << 20)

/* A served version of a CRD. Its schema is published as it was written, not as it was compiled: clients show
 * its descriptions. */
typedef struct sp_openapi_custom {
	const sp_kind *kind;      /* names, verbs, subresources; its sp_schema is not looked at */
	yyjson_val *schema;       /* openAPIV3Schema, structural; NULL: none, or not structural */
	bool preserve_unknown;    /* spec.preserveUnknownFields */
	const sp_str *selectable; /* paths of selectableFields (".spec.color") */
	size_t n_selectable;
} sp_openapi_custom;

/* The kinds that documents describe: the built-in ones and those of CRDs. Borrowed. */
typedef struct sp_openapi_source {
	const sp_kind *const *builtin; /* usually sp_kinds, whole */
	size_t n_builtin;
	const sp_openapi_custom *custom;
	size_t n_custom;
	sp_str version; /* info.version: the server's, "v1.33.0" */
} sp_openapi_source;

/* Version 2: everything in one document. `a` is scratch memory. */
sp_code sp_openapi_v2(sp_arena *a, sp_buf *out, const sp_openapi_source *from);

/*
 * Version 3: the document of one path below /openapi/v3: "api", "api/v1", "apis", "apis/apps",
 * "apis/apps/v1", "version" … SP_ENOTFOUND: there is none.
 */
sp_code sp_openapi_v3(sp_arena *a, sp_buf *out, const sp_openapi_source *from, sp_str path);

/* The paths that have a document, in a stable order; texts in the arena. SP_ETOOLARGE: no room. */
sp_code sp_openapi_v3_paths(sp_arena *a, const sp_openapi_source *from, sp_str **ret,
			    size_t *ret_n) SP_MUST_USE;

/* The index at /openapi/v3; `hashes` belong to `paths` (any text without quotes that changes with the
 * document; they come back in ?hash=). */
sp_code sp_openapi_v3_index(sp_buf *out, const sp_str *paths, const sp_str *hashes, size_t n);

/* A version 2 document of a server that answers for one group and version. Borrowed. */
typedef struct sp_openapi_remote {
	sp_str group, version, json;
} sp_openapi_remote;

/*
 * Writes `ours`, a version 2 document, with the paths of the remotes' groups and versions and the definitions
 * and parameters that they use, the first ones first. What has the same name and is not the same is renamed
 * (…_v2); that descriptions differ does not count, for ours are our own. A path that is there already stays.
 * A remote whose text is no document is left out. `a` is scratch memory. SP_EINVAL: `ours` is none.
 * U: k8s.io/kube-openapi pkg/aggregator, FilterSpecByPaths and
 * MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters.
 */
sp_code sp_openapi_v2_merge(sp_arena *a, sp_buf *out, sp_str ours, const sp_openapi_remote *remotes, size_t n,
			    sp_err *err) SP_MUST_USE;

/*
 * The protobuf form of a document made here: gnostic's openapi.v2.Document or openapi.v3.Document, as
 * application/com.github.proto-openapi.spec.v2.v1.0+protobuf and …v3… carry it. The document is parsed in the
 * arena. SP_EINVAL: not such a document.
 */
sp_code sp_openapi_v2_proto(sp_arena *a, sp_buf *out, sp_str json, sp_err *err) SP_MUST_USE;
sp_code sp_openapi_v3_proto(sp_arena *a, sp_buf *out, sp_str json, sp_err *err) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Discovery documents: which groups, versions and resources are served. A catalog is built from the built-in
 * kinds, the kinds of CustomResourceDefinitions and what aggregated servers said; the writers turn it into
 * the documents of /api, /apis and below, in upstream's order (kube-apiserver cmd/kube-apiserver/app and
 * pkg/controlplane/apiserver, apiVersionPriorities; apiextensions-apiserver
 * customresource_discovery_controller.go).
 *
 * Writers append to `out`; errors are those of the buffer, and SP_ENOTFOUND where a group or version is not
 * served. A document changes only with the catalog; its ETag is sp_disc_etag of its bytes.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "kube/schema.h"

/* One version of a group that another server answers for. */
typedef struct sp_disc_remote {
	sp_str group, version;
	int32_t group_priority, version_priority; /* of its APIService */
	bool stale;                               /* it could not be asked of late */
	sp_str resources; /* JSON: `resources` of its APIVersionDiscovery, or empty when unknown */
} sp_disc_remote;

/* One version of a group. */
typedef struct sp_disc_version {
	sp_str group, version;
	int32_t group_priority, version_priority;
	const sp_kind *const *kinds; /* sorted by plural */
	size_t n_kinds;
	bool custom;                  /* its kinds are CRDs */
	const sp_disc_remote *remote; /* or NULL */
} sp_disc_version;

/* Sorted: groups by priority, then name; versions of a group by priority, then age. */
typedef struct sp_disc {
	const sp_disc_version *versions;
	size_t n;
} sp_disc;

/* Everything a catalog is made of. */
typedef struct sp_disc_source {
	const sp_kind *const *builtin; /* usually sp_kinds; those without a plural are left out */
	size_t n_builtin;
	const sp_kind *const *custom; /* accepted, served kinds of CRDs, one per version */
	size_t n_custom;
	const sp_disc_remote *remotes;
	size_t n_remotes;
} sp_disc_source;

/*
 * Builds a catalog in the arena; the kinds and remotes are borrowed for its life. A group and version that is
 * given twice is taken from the first that has it: built in, custom, remote. SP_ETOOLARGE: no room.
 */
sp_code sp_disc_build(sp_arena *a, const sp_disc_source *from, sp_disc *ret) SP_MUST_USE;

/* NULL: not served. */
const sp_disc_version *sp_disc_find(const sp_disc *d, sp_str group, sp_str version);

/* /api: APIVersions; `address` is host:port as the client reaches it. */
sp_code sp_disc_write_api(sp_buf *out, sp_str address);
/* /apis: APIGroupList. */
sp_code sp_disc_write_groups(sp_buf *out, const sp_disc *d);
/* /apis/GROUP: APIGroup. */
sp_code sp_disc_write_group(sp_buf *out, const sp_disc *d, sp_str group);
/* /api/v1, /apis/GROUP/VERSION: APIResourceList. SP_ENOTFOUND also for remote ones: their server answers. */
sp_code sp_disc_write_resources(sp_buf *out, const sp_disc *d, sp_str group, sp_str version);
/* /api (core) or /apis as APIGroupDiscoveryList of apidiscovery.k8s.io; `api_version` is v2 or v2beta1. */
sp_code sp_disc_write_aggregated(sp_buf *out, const sp_disc *d, bool core, sp_str api_version);

/* An entity tag of a document, quotes included: `"` 16 hexadecimal digits `"`. */
#define SP_DISC_ETAG_BYTES 18u
void sp_disc_etag(char out[SP_DISC_ETAG_BYTES], sp_str document);

/*
 * The order of version names among a group's: v2 before v1 before v1beta2 before v1alpha1 before anything
 * else by text. Positive when `a` goes first. Upstream: apimachinery pkg/version/helpers.go.
 */
int sp_kube_version_cmp(sp_str a, sp_str b);

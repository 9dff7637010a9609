/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CustomResourceDefinition. Upstream checks its internal version, in which a schema, subresources, columns or
 * selectable fields that are the same in all versions stand once, in the spec: errors name them there.
 */
#pragma once

#include "kube/kinds/kinds.h"

/* What stands in the spec instead of in the versions. */
typedef struct sp_crd_shared {
	bool schema, subresources, columns, fields;
} sp_crd_shared;

/* One version, `shared` parts left out, or (version NULL) the shared parts, taken from `first`. */
void sp_crd_version_validate(sp_kind_ctx *c, yyjson_mut_val *version, const sp_path *path,
			     const sp_crd_shared *shared);
void sp_crd_shared_validate(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_crd_shared *shared);
/* The DNS-1035 faults of a name in one error. */
void sp_crd_name_validate(sp_violations *v, const sp_path *path, sp_str shown, sp_str name,
			  const char *before);
/* Warnings of formats in schemas that are not known and that `old` (may be NULL) does not have. */
void sp_crd_warn_formats(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *old);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an API server needs of services around its allocators. The order of a write: sp_service_begin,
 * sp_service_families, allocation of cluster addresses and ports, then sp_kind_before_create or
 * sp_kind_before_update. U: kubernetes pkg/registry/core/service/storage/{storage,alloc}.go.
 */
#pragma once

#include "kube/kinds/kinds.h"

/* Takes over what was allocated for `old` (NULL on create) and was not sent again, and brings clusterIP and
 * clusterIPs in line. */
void sp_service_begin(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

/* Fills ipFamilyPolicy and ipFamilies for a cluster with one family ("IPv4", "IPv6") or, `dual`, with both of
 * which `primary` is the first; errors into c->errors, and then the write ends. */
void sp_service_families(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old, sp_str primary, bool dual);

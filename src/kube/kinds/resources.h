/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and amounts of resources: containers, pods, nodes, quotas, limit ranges.
 * U: kubernetes pkg/apis/core/helper/helpers.go, pkg/apis/core/validation/validation.go.
 */
#pragma once

#include "kube/formats.h"

bool sp_res_is_hugepage(sp_str name);
/* Without a domain, or in kubernetes.io. */
bool sp_res_is_native(sp_str name);
bool sp_res_is_extended(sp_str name);
bool sp_res_overcommit_allowed(sp_str name);
/* Counted in whole units. */
bool sp_res_is_integer(sp_str name);
/* cpu, memory, huge pages. */
bool sp_res_is_pod_level(sp_str name);
bool sp_res_is_standard_quota(sp_str name);

/* Qualified, and standard when it has no domain. */
void sp_res_name_validate(sp_violations *v, const sp_path *path, sp_str name);
void sp_res_container_name_validate(sp_violations *v, const sp_path *path, sp_str name);
void sp_res_quota_name_validate(sp_violations *v, const sp_path *path, sp_str name);
/* Not negative; whole for counted resources. */
void sp_res_value_validate(sp_violations *v, const sp_path *path, sp_str name, const yyjson_mut_val *qty);

/* Options. */
enum { SP_RES_INDIVISIBLE_HUGEPAGES = 1u << 0, SP_RES_POD_LEVEL = 1u << 1 };
/* ResourceRequirements; `claims` are the names in the pod's resourceClaims (NULL: none). */
void sp_res_requirements_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *requirements,
				  const sp_strset *claims, unsigned options);

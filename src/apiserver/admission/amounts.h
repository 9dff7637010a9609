/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amounts of resources by name, and what a pod's containers need together.
 * U: component-helpers resource/helpers.go (PodRequests, PodLimits), apiserver pkg/quota/v1/resources.go.
 */
#pragma once

#include "kube/kinds/values.h"

typedef struct api_amount {
	sp_str name;
	sp_qty qty;
} api_amount;

typedef struct api_amounts {
	sp_arena *arena; /* names are borrowed */
	api_amount *items;
	size_t n, cap;
	bool failed; /* no room, or beyond what a quantity can be: what it holds is not to be used */
} api_amounts;

void api_amounts_init(api_amounts *list, sp_arena *a);
const sp_qty *api_amounts_get(const api_amounts *list, sp_str name);
/* Adds to what is there / puts in its place / keeps the larger of both. */
void api_amounts_add(api_amounts *list, sp_str name, const sp_qty *qty);
void api_amounts_set(api_amounts *list, sp_str name, const sp_qty *qty);
void api_amounts_max(api_amounts *list, sp_str name, const sp_qty *qty);
/* Of all members of a resource list (may be NULL). */
void api_amounts_add_map(api_amounts *list, yyjson_mut_val *map);
void api_amounts_add_all(api_amounts *list, const api_amounts *more);
/* Sorts by name. */
void api_amounts_sort(api_amounts *list);

/* "requests" or "limits" of a pod: containers and sidecars together or the greediest init container, what
 * the pod itself says in their place, and, `overhead`, that of its runtime on top. */
void api_pod_amounts(api_amounts *list, yyjson_mut_val *pod, const char *what, bool overhead);

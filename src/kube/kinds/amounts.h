/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Amounts of resources by name, and what a pod's containers need together.
 * U: component-helpers resource/helpers.go (PodRequests, PodLimits), apiserver pkg/quota/v1/resources.go.
 */
#pragma once

#include "kube/kinds/values.h"

typedef struct sp_amount {
	sp_str name;
	sp_qty qty;
} sp_amount;

typedef struct sp_amounts {
	sp_arena *arena; /* names are borrowed */
	sp_amount *items;
	size_t n, cap;
	bool failed; /* no room, or beyond what a quantity can be: what it holds is not to be used */
} sp_amounts;

void sp_amounts_init(sp_amounts *list, sp_arena *a);
const sp_qty *sp_amounts_get(const sp_amounts *list, sp_str name);
/* Adds to what is there / puts in its place / keeps the larger of both. */
void sp_amounts_add(sp_amounts *list, sp_str name, const sp_qty *qty);
void sp_amounts_set(sp_amounts *list, sp_str name, const sp_qty *qty);
void sp_amounts_max(sp_amounts *list, sp_str name, const sp_qty *qty);
/* Of all members of a resource list (may be NULL). */
void sp_amounts_add_map(sp_amounts *list, yyjson_mut_val *map);
void sp_amounts_add_all(sp_amounts *list, const sp_amounts *more);
/* Sorts by name. */
void sp_amounts_sort(sp_amounts *list);

/* "requests" or "limits" of a pod: containers and sidecars together or the greediest init container, what
 * the pod itself says in their place, and, `overhead`, that of its runtime on top. */
void sp_pod_amounts(sp_amounts *list, yyjson_mut_val *pod, const char *what, bool overhead);

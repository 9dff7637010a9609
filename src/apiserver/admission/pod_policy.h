/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Pod Security Standards: what a pod of a level may be. Each check exists from a version on, so that a
 * namespace can hold on to the rules of an older one. U: pod-security-admission policy/.
 */
#pragma once

#include "kube/kinds/values.h"

typedef enum api_pod_level { API_POD_PRIVILEGED, API_POD_BASELINE, API_POD_RESTRICTED } api_pod_level;

/* Minor versions of 1.x; "latest" is above all. */
#define API_POD_LATEST UINT32_MAX

extern const char *const api_pod_level_names[];
/* "baseline" / "latest" or "v1.7". False: it is none. */
bool api_pod_level_parse(sp_str text, api_pod_level *ret);
bool api_pod_minor_parse(sp_str text, uint32_t *ret);

/*
 * What a pod violates, "reason (detail), reason (detail)", in the arena; without `details` the reasons alone.
 * Empty: nothing. {NULL, 0}: no room. `meta` and `spec` are the pod's or a template's.
 */
sp_str api_pod_violations(sp_arena *a, api_pod_level level, uint32_t minor, yyjson_mut_val *meta,
			  yyjson_mut_val *spec, bool details);

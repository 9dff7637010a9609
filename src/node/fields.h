/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The downward API: fields and amounts of a pod as text. U: kubernetes pkg/fieldpath/fieldpath.go,
 * pkg/api/v1/resource/helpers.go, pkg/kubelet/kubelet_pods.go podFieldSelectorRuntimeValue.
 */
#pragma once

#include "node/pod.h"

typedef struct node_field_source {
	const node_pod *pod;
	const sp_str *pod_ips, *host_ips; /* the primary one first */
	size_t n_pod_ips, n_host_ips;
	/* Of the node: what limits are where none are set. */
	int64_t cpu_milli, memory_bytes, ephemeral_bytes;
} node_field_source;

/* fieldRef. SP_EINVAL: no such field, in upstream's words. */
sp_code node_field(const node_field_source *from, sp_str path, sp_arena *a, sp_str *ret,
		   sp_err *err) SP_MUST_USE;
/* resourceFieldRef of a container (`c`: where it does not name one, may be NULL). */
sp_code node_resource_field(const node_field_source *from, const node_container *c, yyjson_val *ref,
			    sp_arena *a, sp_str *ret, sp_err *err) SP_MUST_USE;

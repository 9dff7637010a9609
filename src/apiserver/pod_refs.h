/* SPDX-License-Identifier: Apache-2.0 */
/* What a pod refers to. U: kubernetes pkg/api/v1/pod/util.go, plugin/pkg/auth/authorizer/node/graph.go. */
#pragma once

#include "base/json.h"

typedef enum api_ref_kind {
	API_REF_POD, /* itself */
	API_REF_SERVICE_ACCOUNT,
	API_REF_SECRET,
	API_REF_CONFIG_MAP,
	API_REF_CLAIM,          /* persistentvolumeclaims */
	API_REF_RESOURCE_CLAIM, /* of resource.k8s.io */
	API_REF_COUNT_
} api_ref_kind;

/*
 * Calls fn with each name of that kind in the pod's namespace until it returns false; false then. Mirror pods
 * refer to nothing: whoever makes them could read anything by them.
 */
bool api_pod_refs(sp_arena *a, yyjson_val *pod, api_ref_kind kind, bool (*fn)(void *arg, sp_str name),
		  void *arg);

/* The secrets of a PersistentVolume's spec that kubelets see, in the same way. */
bool api_volume_secrets(yyjson_val *spec, bool (*fn)(void *arg, sp_str ns, sp_str name), void *arg);

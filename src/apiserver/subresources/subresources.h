/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subresources with a body or a life of their own. Those that are the object itself in part ("status",
 * "resize", "approval" …) go the way of every write, by their kind's hooks.
 * U: kubernetes pkg/registry/core/pod/storage, pkg/registry/.../storage (scale).
 */
#pragma once

#include "apiserver/write.h"

typedef void api_handler(api_request *r);

/* The handler of r's resource, subresource and verb, or NULL for the usual way. */
api_handler *api_special_handler(const api_request *r);

/* POST to pods/NAME/binding and to bindings: puts a pod on a node. */
api_handler api_bind_pod;
/* POST to pods/NAME/eviction: deletes a pod as far as disruption budgets allow. */
api_handler api_evict_pod;
/* autoscaling/v1 Scale of anything with replicas. */
api_handler api_scale_get, api_scale_update, api_scale_patch;
/* GET of pods/NAME/log. */
api_handler api_pod_log;

extern const api_view api_scale_view;
/* Field owners of spec.replicas between an object and its Scale. U: apimachinery
 * pkg/util/managedfields/scalehandler.go. False: no room. */
bool api_scale_owners_show(api_write *w, yyjson_mut_val *object, yyjson_mut_val *scale);
bool api_scale_owners_take(api_write *w, yyjson_mut_val *old, yyjson_mut_val *scale, yyjson_mut_val *object);

/* Adds a condition or renews it, as upstream's UpdatePodCondition. `condition` is an object of w->doc without
 * times. False: no room. */
bool api_pod_condition_set(api_write *w, yyjson_mut_val *pod, yyjson_mut_val *condition);

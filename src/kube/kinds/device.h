/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of resource.k8s.io/v1 that claims, classes and slices share. Expressions are checked where CEL is.
 * U: kubernetes pkg/apis/resource/validation/validation.go.
 */
#pragma once

#include "kube/formats.h"
#include "kube/kinds/kinds.h"

void sp_device_pool_name(sp_violations *v, const sp_path *path, sp_str name);
/* An attribute or capacity: a C identifier, with a domain before it or not. */
void sp_device_qualified_name(sp_violations *v, const sp_path *path, sp_str name);
/* True when a list has at most `max` items; else TooMany. */
bool sp_device_list_fits(sp_violations *v, const sp_path *path, yyjson_mut_val *list, size_t max);
void sp_device_taint(sp_violations *v, yyjson_mut_val *taint, const sp_path *path);
/* bindingConditions and bindingFailureConditions of a device. */
void sp_device_binding_conditions(sp_violations *v, yyjson_mut_val *device, const sp_path *path);
void sp_device_selectors(sp_violations *v, yyjson_mut_val *selectors, const sp_path *path);
/* `opaque` of a configuration. */
void sp_device_config(sp_kind_ctx *c, yyjson_mut_val *config, const sp_path *path);
/* A JSON object of at most so many bytes. */
void sp_device_raw(sp_kind_ctx *c, yyjson_mut_val *raw, const sp_path *path, size_t bytes_max);

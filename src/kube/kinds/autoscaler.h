/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HorizontalPodAutoscaler in its two served versions. autoscaling/v2 is stored; what autoscaling/v1 has no
 * fields for travels in annotations, as upstream's conversion writes them.
 * U: kubernetes pkg/apis/autoscaling/v1/conversion.go, pkg/apis/autoscaling/annotations.go.
 */
#pragma once

#include "kube/kinds/kinds.h"

/*
 * Turns an object of one version into the other, in place; its apiVersion is set as well. Metrics and
 * behavior in annotations that do not parse are dropped, as upstream does. False: no room.
 */
bool sp_autoscaler_v1_to_v2(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj) SP_MUST_USE;
bool sp_autoscaler_v2_to_v1(sp_arena *a, yyjson_mut_doc *doc, yyjson_mut_val *obj) SP_MUST_USE;

/* The annotations that only v1 has, NULL at the end. */
extern const char *const sp_autoscaler_field_annotations[];
/* Drops the annotations that only v1 has. */
void sp_autoscaler_drop_annotations(yyjson_mut_val *obj);

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a pod's spec fits a node: node selector, required node affinity, taints. U: kubernetes
 * component-helpers scheduling/corev1 (helpers.go, nodeaffinity). */
#pragma once

#include "kube/view.h"

/* Of a node. */
typedef struct sp_fit_node {
	sp_str name;
	yyjson_val *labels;
	sp_vlist taints;
} sp_fit_node;
extern const sp_view_desc *const sp_fit_node_view;

/* A toleration and a taint as they stand in objects. */
bool sp_fit_tolerates(yyjson_val *toleration, yyjson_val *taint);
/* spec.nodeSelector and spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution; what
 * cannot be read matches no node. */
bool sp_fit_affinity(yyjson_val *pod_spec, const sp_fit_node *n);

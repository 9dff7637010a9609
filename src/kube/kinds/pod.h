/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods, and the pod templates inside other kinds. U: kubernetes pkg/apis/core/validation/validation.go,
 * pkg/apis/core/v1/defaults.go, pkg/registry/core/pod/strategy.go, pkg/api/pod/{util,warnings}.go, at the
 * feature gates of 1.36.
 */
#pragma once

#include "kube/kinds/kinds.h"

/* What validation lets pass because the old object had it; and what holds for pods only. */
enum {
	SP_POD_IS_POD = 1u << 0, /* a pod, no template */
	SP_POD_BAD_DELETION_COST = 1u << 1,
	SP_POD_BAD_SELECTOR_VALUES = 1u << 2,
	SP_POD_INDIVISIBLE_HUGEPAGES = 1u << 3,
	SP_POD_BAD_SPREAD_SELECTOR = 1u << 4,
	SP_POD_NON_LOCAL_TOKEN_PATH = 1u << 5,
	SP_POD_HOST_SYSCTLS = 1u << 6,
	SP_POD_BAD_NODE_AFFINITY_VALUES = 1u << 7,
	SP_POD_BAD_MATCH_LABEL_KEYS = 1u << 8,
	SP_POD_INIT_RESTART_RESIZE = 1u << 9,
	SP_POD_USERNS_DEVICES = 1u << 10,
	SP_POD_ANY_SELINUX_POLICY = 1u << 11,
};

/* Options of an update whose old object had this spec (and metadata: may be NULL). NULL spec: a create. */
unsigned sp_pod_options(sp_arena *a, yyjson_mut_val *old_spec, yyjson_mut_val *old_meta);
/* The same for the template in a workload: old_template is NULL on create. */
unsigned sp_pod_template_options(sp_arena *a, yyjson_mut_val *old_template);

/* Upstream's SetDefaults of a PodSpec and all in it; templates get no more than this. */
void sp_pod_spec_defaults(sp_kind_ctx *c, yyjson_mut_val *spec);
/* Of a template: sp_pod_spec_defaults of template.spec. */
void sp_pod_template_defaults(sp_kind_ctx *c, yyjson_mut_val *pod_template);
/* Fields behind feature gates that are off: dropped unless the old spec (may be NULL) uses them. */
void sp_pod_drop_disabled(yyjson_mut_val *spec, yyjson_mut_val *old_spec);
void sp_pod_template_drop_disabled(yyjson_mut_val *pod_template, yyjson_mut_val *old_template);

/* Errors of a spec; `meta` is the pod's metadata or NULL for a template. */
void sp_pod_spec_validate(sp_kind_ctx *c, yyjson_mut_val *spec, yyjson_mut_val *meta, const sp_path *path,
			  unsigned options);
/* Upstream's ValidatePodTemplateSpec: labels, annotations, spec; no ephemeral containers. */
void sp_pod_template_validate(sp_kind_ctx *c, yyjson_mut_val *pod_template, const sp_path *path,
			      unsigned options);

/* Warnings about a template: GetWarningsForPodTemplate. */
void sp_pod_template_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *pod_template);
/* About a pod's spec and metadata. */
void sp_pod_warn(sp_kind_ctx *c, yyjson_mut_val *pod);

/* Of kinds whose name becomes part of their pods' host names. */
void sp_pod_owner_name_warn(sp_kind_ctx *c, yyjson_mut_val *obj);

/* A node selector (volumes and nodes use it too); NULL is valid. */
void sp_node_selector_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *selector,
			       bool bad_values);
/* One requirement of it. */
void sp_node_selector_requirement_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *req,
					   bool bad_values);
/* A list of tolerations. */
void sp_pod_tolerations_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *tolerations);
void sp_taint_effect_validate(sp_violations *v, const sp_path *path, sp_str effect, bool allow_empty);

/* "BestEffort", "Burstable" or "Guaranteed" by the spec. */
sp_str sp_pod_qos(yyjson_mut_val *spec);
/* An init container that keeps running: restartPolicy Always. */
bool sp_pod_is_sidecar(yyjson_mut_val *init_container);

/* Columns of kinds that show a template's containers: names and images, joined by commas. */
yyjson_mut_val *sp_pod_container_names_cell(sp_kind_ctx *c, yyjson_mut_val *spec);
yyjson_mut_val *sp_pod_images_cell(sp_kind_ctx *c, yyjson_mut_val *spec);

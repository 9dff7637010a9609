/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files about pods. */
#pragma once

#include "kube/formats.h"
#include "kube/kinds/pod.h"

/* One walk over a PodSpec. */
typedef struct sp_pod_walk {
	sp_arena *arena;
	sp_violations *v;
	unsigned options; /* SP_POD_… */
	yyjson_mut_val *spec;
	yyjson_mut_val *meta; /* of the pod; NULL in templates */
	sp_map volumes;       /* name to volume, those that are valid themselves */
	sp_strset claims;     /* names in resourceClaims */
	bool host_users, no_privileged;
	sp_str restart_policy, os; /* os is empty when the pod names none */
} sp_pod_walk;

/* The lists of containers of a spec, in upstream's order of visiting. */
enum { SP_POD_INIT = 0, SP_POD_REGULAR, SP_POD_EPHEMERAL, SP_POD_CONTAINER_LISTS };
extern const char *const sp_pod_lists[SP_POD_CONTAINER_LISTS];

void sp_pod_volumes_validate(sp_pod_walk *w, const sp_path *path);
void sp_pod_projected_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *source);
void sp_pod_containers_validate(sp_pod_walk *w, const sp_path *spec_path);
void sp_pod_image_blanks_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *container);
void sp_pod_env_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *env);
void sp_pod_env_from_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *env_from);
void sp_pod_field_ref_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *ref, bool volume);
void sp_pod_resource_field_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *ref, bool volume);
void sp_pod_file_keys_validate(sp_pod_walk *w, const sp_path *spec_path);
void sp_pod_mounts_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container);
void sp_pod_probes_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container);
void sp_pod_lifecycle_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *container);
void sp_pod_container_security_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *sc);
void sp_pod_security_validate(sp_pod_walk *w, const sp_path *spec_path);
void sp_pod_windows_options_validate(sp_violations *v, const sp_path *path, yyjson_mut_val *options);
void sp_pod_os_validate(sp_pod_walk *w, const sp_path *spec_path);
void sp_pod_host_process_validate(sp_pod_walk *w, const sp_path *spec_path);
void sp_pod_affinity_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *affinity);
void sp_pod_spread_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *constraints);
void sp_pod_level_resources_validate(sp_pod_walk *w, const sp_path *spec_path);
void sp_pod_seccomp_annotation_validate(sp_violations *v, const sp_path *path, sp_str profile);
bool sp_pod_deletion_cost_fits(sp_str cost);
/* matchLabelKeys of spread constraints alone. */
void sp_pod_match_keys_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *constraints);
bool sp_pod_host_sysctl_conflict(sp_str name, yyjson_mut_val *spec);

/* Annotations of a pod or template against its spec. */
void sp_pod_annotations_validate(sp_pod_walk *w, const sp_path *path, yyjson_mut_val *annotations);
/* Profiles in annotations against those in fields. */
void sp_pod_annotations_match(sp_pod_walk *w, const sp_path *spec_path, yyjson_mut_val *annotations);

/* metadata and spec, as every write of a pod checks them; on create annotations must match fields. */
void sp_pod_whole_validate(sp_kind_ctx *c, yyjson_mut_val *obj, unsigned options, bool create);

/* Adds up requests or limits of all containers as upstream's AggregateContainerRequests; a map name to sp_qty
 * in the arena. False: no room. */
bool sp_pod_aggregate(sp_arena *a, yyjson_mut_val *spec, const char *which, sp_map *ret) SP_MUST_USE;

void sp_pod_defaults(sp_kind_ctx *c, yyjson_mut_val *obj);
void sp_pod_prepare_create(sp_kind_ctx *c, yyjson_mut_val *obj);
void sp_pod_prepare_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_prepare_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_prepare_ephemeral(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_prepare_resize(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_validate_update(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_validate_status(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_validate_ephemeral(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_validate_resize(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);
void sp_pod_annotation_updates_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

extern const sp_cell sp_pod_cells[];
extern const size_t sp_n_pod_cells;

/* The pod's or container's field says what the annotation says. */
bool sp_pod_armor_is(yyjson_mut_val *field, sp_str annotation);
/* Files of one volume that overlap. */
void sp_volume_paths_warn(sp_kind_ctx *c, yyjson_mut_val *volumes);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kinds that run pods from a template have in common: selectors that must match the template,
 * numbers or percentages, counts in a status, columns. U: kubernetes pkg/apis/apps/validation/validation.go.
 */
#pragma once

#include "kube/kinds/kinds.h"
#include "kube/selector.h"

/*
 * A LabelSelector ready to match; NULL selects nothing, an empty one everything. False: malformed, or no room
 * (c->code).
 */
bool sp_kv_selector(sp_kind_ctx *c, yyjson_mut_val *selector, sp_selector *ret) SP_MUST_USE;
/* True when a map of labels (may be NULL) matches. Takes the arena. */
bool sp_kv_selects(sp_kind_ctx *c, const sp_selector *s, yyjson_mut_val *labels) SP_MUST_USE;
/* True when neither labels nor expressions stand in it. */
bool sp_kv_selector_empty(yyjson_mut_val *selector);

/* An IntOrString is a number that is not negative, or a percentage. */
void sp_v_int_or_percent(sp_violations *v, const sp_path *path, yyjson_mut_val *value);
void sp_v_at_most_100_percent(sp_violations *v, const sp_path *path, yyjson_mut_val *value);
/* The figure of either, as upstream compares it with zero. */
int64_t sp_int_or_percent(const yyjson_mut_val *value);

/* spec.NAME.type is RollingUpdate when nothing is said; its "rollingUpdate", made when absent. NULL: another
 * type, or no room (c->code). */
yyjson_mut_val *sp_rolling_update_defaults(sp_kind_ctx *c, yyjson_mut_val *obj, const char *name);

/* Members that are not negative. */
void sp_v_counts(sp_violations *v, const sp_path *path, yyjson_mut_val *object, const char *const *names,
		 size_t n);
#define SP_V_COUNTS(v, path, object, names) sp_v_counts((v), (path), (object), (names), SP_LEN(names))
/* The member `name` is at most the member `limit`: Invalid with the text. */
void sp_v_not_above(sp_violations *v, const sp_path *path, yyjson_mut_val *status, const char *name,
		    const char *limit, const char *text);
/* status.collisionCount may only grow. */
void sp_v_collisions(sp_violations *v, yyjson_mut_val *obj, yyjson_mut_val *old);

/*
 * The selector of a Deployment, ReplicaSet or StatefulSet at spec.selector, and that it matches the template:
 * `noun` is in the error of an empty one, `bad` is the text for one that does not parse. True when the
 * template is to be looked at. What follows is up to the caller.
 */
bool sp_v_workload_selector(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path, const char *noun,
			    const char *bad);
/* The labels of the template at `path` must match spec.selector, which was found good. */
void sp_v_selects_template(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path);
/* A template restarts always and has no deadline; `noun` is in the error. */
void sp_v_runs_forever(sp_violations *v, yyjson_mut_val *pod_template, const sp_path *path, const char *noun);

/* spec.template of the columns. */
yyjson_mut_val *sp_workload_names_cell(sp_kind_ctx *c, yyjson_mut_val *obj);
yyjson_mut_val *sp_workload_images_cell(sp_kind_ctx *c, yyjson_mut_val *obj);
yyjson_mut_val *sp_workload_selector_cell(sp_kind_ctx *c, yyjson_mut_val *obj);
/* "2/3": ready of wanted. */
yyjson_mut_val *sp_workload_ready_cell(sp_kind_ctx *c, yyjson_mut_val *obj);
#define SP_WORKLOAD_CELLS                                      \
	{SP_STR_INIT("Containers"), sp_workload_names_cell},   \
	{                                                      \
		SP_STR_INIT("Images"), sp_workload_images_cell \
	}

extern const char *const sp_reset_status[];      /* "status" */
extern const char *const sp_reset_spec[];        /* "spec" */
extern const char *const sp_reset_spec_labels[]; /* "spec", "metadata.labels" */

/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, and the job templates of CronJobs. U: kubernetes pkg/apis/batch/{v1/defaults.go,validation}. */
#pragma once

#include "kube/kinds/kinds.h"

/* The part of a spec's rules that templates have too: all but the selector's. */
void sp_job_template_spec_validate(sp_kind_ctx *c, yyjson_mut_val *spec, const sp_path *path,
				   unsigned pod_options);
/* Defaults inside podFailurePolicy and of the pod template. */
void sp_job_spec_inner_defaults(sp_kind_ctx *c, yyjson_mut_val *spec);
void sp_job_spec_warn(sp_kind_ctx *c, const sp_path *path, yyjson_mut_val *spec);

/*
 * Indexes in a compressed list ("1,3-5,7") below `completions`. True when well formed; *ret_total gets how
 * many there are. False: *ret_why gets upstream's text, in the arena.
 */
bool sp_job_indexes(sp_arena *a, sp_str text, int64_t completions, int64_t *ret_total,
		    sp_str *ret_why) SP_MUST_USE;
/* The first index in both lists, or -1. Malformed intervals are skipped. */
int64_t sp_job_indexes_overlap(sp_str completed, sp_str failed, int64_t completions);

/* True when a condition of that type has that status. */
bool sp_job_condition_is(yyjson_mut_val *obj, const char *type, const char *status);

/* The rules of status writes. */
void sp_job_status_validate(sp_kind_ctx *c, yyjson_mut_val *obj, yyjson_mut_val *old);

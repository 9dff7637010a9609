/* SPDX-License-Identifier: Apache-2.0 */
/* Pods as the controllers of workloads see them. U: kubernetes pkg/api/v1/pod, pkg/controller. */
#pragma once

#include "controllers/common.h"

typedef struct ctl_pod {
	const sp_object *object;
	sp_str node, phase, reason, created, deleted; /* times as text; deleted empty: it is not going */
	sp_vmap labels, annotations;
	sp_vlist owners, conditions, containers; /* containers: statuses */
	int64_t restarts;                        /* the most of a container */
	bool is_ready;
	int64_t ready_s; /* since when, seconds since 1970; 0: not known */
} ctl_pod;

/* The fields above: every controller that reads pods by ctl_pod_read keeps them. */
extern const sp_view_desc *const ctl_pod_view;

/* The object must stay until the arena is reset. */
sp_code ctl_pod_read(sp_arena *a, const sp_object *o, ctl_pod *ret, sp_err *err) SP_MUST_USE;

static inline bool ctl_pod_is_over(const ctl_pod *p)
{
	return sp_str_eq(p->phase, SP_STR("Succeeded")) || sp_str_eq(p->phase, SP_STR("Failed"));
}
/* Runs or will run. */
static inline bool ctl_pod_is_active(const ctl_pod *p)
{
	return p->deleted.len == 0 && !ctl_pod_is_over(p);
}
/* Ready for that long. *ret_wait_s (may be NULL): when it will be, 0 when it is or when nobody knows. */
bool ctl_pod_is_available(const ctl_pod *p, int64_t min_ready_s, int64_t now_s, int64_t *ret_wait_s);

/*
 * Orders pods so that those to be deleted first stand first: unassigned, pending, not ready, lower
 * deletion cost, more siblings on their node, ready for a shorter time, more restarts, newer. `related` are
 * the pods that count as siblings.
 */
sp_code ctl_pods_rank(sp_arena *a, const ctl_pod **pods, size_t n, const ctl_pod *const *related,
		      size_t n_related, sp_err *err) SP_MUST_USE;

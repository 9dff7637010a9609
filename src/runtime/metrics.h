/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics of CRI: names, texts and labels as containerd's and cAdvisor's. U: containerd
 * internal/cri/server/list_metric_descriptors.go, list_pod_sandbox_metrics_linux.go.
 */
#pragma once

#include "contracts/cri_stats.h"
#include "runtime/figures.h"

/* Whose they are: the values of the first labels. */
typedef struct rt_metric_subject {
	sp_str pod, ns, container, id, image;
} rt_metric_subject;

/* Of all metrics, in the arena. SP_ENOMEM. */
sp_code rt_metric_descriptors(sp_arena *a, sp_cri_list_metric_descriptors_response *ret,
			      sp_err *err) SP_MUST_USE;

/*
 * Of all figures that are there, in the arena; counts of seconds are cut to whole ones, since values are
 * integers. `at`: ns since 1970. What `who` and `f` name has to outlive the result. SP_ENOMEM.
 */
sp_code rt_metrics_of(const rt_metric_subject *who, const rt_figures *f, int64_t at, sp_arena *a,
		      sp_cri_metric **ret, size_t *ret_n, sp_err *err) SP_MUST_USE;

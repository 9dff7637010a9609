/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of containers and sandboxes, gathered by the steps of a job: what statistics and metrics tell. */
#pragma once

#include "runtime/figures.h"
#include "runtime/rt_int.h"

/* Of a container, or of a sandbox's own cgroup. */
typedef struct rt_sample {
	rt_container *c; /* NULL: of a sandbox */
	sp_str cgroup, host_if;
	uint32_t pid; /* 0: does not run */
	int64_t at;
	rt_figures f;
	image_usage layer; /* zero when it is gone */
} rt_sample;

typedef struct rt_gathering {
	rt_sample *samples;
	size_t n;
	rt_sandbox **sandboxes; /* of the sandbox forms */
	rt_sample *pods;        /* their cgroups, which have the time of ended containers, too */
	size_t n_sandboxes;
	bool all; /* all that metrics tell, not only what statistics do */
} rt_gathering;

/* j->data becomes a gathering with room for so many. */
sp_code rt_gather_prepare(rt_job *j, size_t n_containers, size_t n_sandboxes, rt_gathering **ret,
			  sp_err *err) SP_MUST_USE;
/* References are given back with the job. */
void rt_gather_container(rt_gathering *g, rt_container *c);
/* With its containers that run. */
void rt_gather_sandbox(rt_gathering *g, rt_sandbox *s);
/* Every sandbox that is ready and fits; filter NULL: all. */
sp_code rt_gather_sandboxes(rt_job *j, const sp_cri_pod_sandbox_stats_filter *filter, bool all,
			    sp_err *err) SP_MUST_USE;

/* Steps, in this order: files; writable layers; what shims count (with `all`). */
rt_step rt_gather_read, rt_gather_layers, rt_gather_descriptors;

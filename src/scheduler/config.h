/* SPDX-License-Identifier: Apache-2.0 */
/* kubescheduler.config.k8s.io/v1 KubeSchedulerConfiguration. U: kube-scheduler config/v1. */
#pragma once

#include "base/json.h"
#include "scheduler/profile.h"

typedef struct sp_world sp_world;

#define SCHED_PROFILES_MAX 16u

typedef struct sched_config {
	sched_profile profiles[SCHED_PROFILES_MAX];
	size_t n_profiles;
	uint64_t initial_backoff_ns, max_backoff_ns;
} sched_config;

/* Upstream's defaults: one profile, default-scheduler. */
void sched_config_default(sched_config *c);

/*
 * Reads a configuration, YAML or JSON; all texts live in the arena. Blocks: at start-up only. SP_EINVAL with
 * the path of what is wrong: also members, plugins and arguments that are not known, so that nothing is
 * silently not done; SP_EUNSUPPORTED: extenders. How many nodes are scored (percentageOfNodesToScore) and by
 * how many threads (parallelism) is accepted and changes nothing: all are, by one.
 */
sp_code sched_config_load(sp_world *w, sp_arena *a, sp_str path, sched_config *ret, sp_err *err) SP_MUST_USE;
sp_code sched_config_parse(sp_arena *a, sp_str text, sched_config *ret, sp_err *err) SP_MUST_USE;

/* As upstream's /configz tells one: which plugins filter and score in each profile, and the back-offs. Errors
 * are the buffer's. */
void sched_config_print(const sched_config *c, sp_buf *out);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tasks of one shim: containers with their processes, and the ttrpc services that drive them
 * (containerd.task.v2.Task, containerd.task.v3.Task, sampan.shim.v1.Log).
 *
 * What changes a container is an operation; those of one container run one after the other, those of
 * different ones side by side. Questions, kills and waits are answered at once. An exit is written to the
 * bundle before it is told; it is told after the start of the same process; the init's after those of its
 * execs.
 */
#pragma once

#include "base/log.h"
#include "io/ttrpc/server_core.h"
#include "shim/cgroup.h"
#include "shim/child.h"
#include "shim/publish.h"

typedef struct shim_tasks shim_tasks;

typedef struct shim_tasks_opts {
	shim_loop *loop;
	shim_reaper *reaper;
	shim_publisher *publisher;
	sp_log *log;
	shim_cgroup_fs cgroups;
	sp_str ns;
	sp_str path; /* of programs: $PATH */
	/* A client asked for the end, and no container is left. */
	void (*on_shutdown)(void *arg);
	void *arg;
} shim_tasks_opts;

/* Strings of the options stay as long as the tasks. */
shim_tasks *shim_tasks_new(const shim_tasks_opts *o);
/* Forgets everything; processes stay. All calls have been cancelled before. */
void shim_tasks_free(shim_tasks *t);
#define SHIM_SERVICES 4u
/* The services' tables, good as long as the tasks. */
const sp_ttrpc_service *shim_tasks_services(shim_tasks *t);
/* Every CRI log anew (SIGHUP). */
void shim_tasks_reopen_logs(shim_tasks *t);

/* SPDX-License-Identifier: Apache-2.0 */
/* The task service of a shim, as much of it as a CRI runtime calls. U: containerd api/runtime/task/v2. */
#pragma once

#include "runtime/rpc.h"

typedef struct rt_time {
	int64_t seconds;
	int32_t nanos;
} rt_time;

typedef struct rt_any {
	sp_str type_url, value;
} rt_any;

typedef struct rt_task_create {
	sp_str id, bundle;
	bool terminal;
	sp_str stdin, stdout, stderr;
	rt_any *options;
} rt_task_create;

typedef struct rt_task_pid {
	uint32_t pid;
} rt_task_pid;

/* Start, Delete, State, Wait, Connect. */
typedef struct rt_task_id {
	sp_str id, exec_id;
} rt_task_id;

typedef struct rt_task_kill {
	sp_str id, exec_id;
	uint32_t signal;
	bool all;
} rt_task_kill;

typedef struct rt_task_exec {
	sp_str id, exec_id;
	bool terminal;
	sp_str stdin, stdout, stderr;
	rt_any *spec; /* the process of config.json */
} rt_task_exec;

typedef struct rt_task_resize {
	sp_str id, exec_id;
	uint32_t width, height;
} rt_task_resize;

typedef struct rt_task_update {
	sp_str id;
	rt_any *resources; /* LinuxResources of config.json */
} rt_task_update;

typedef struct rt_task_exit {
	uint32_t exit_status;
	rt_time *exited_at;
} rt_task_exit;

enum { RT_TASK_UNKNOWN, RT_TASK_CREATED, RT_TASK_RUNNING, RT_TASK_STOPPED, RT_TASK_PAUSED };

typedef struct rt_task_state {
	sp_str id;
	uint32_t pid;
	int32_t status;
	uint32_t exit_status;
	rt_time *exited_at;
} rt_task_state;

/* What the processes of a container have open. */
typedef struct rt_task_descriptors {
	uint64_t descriptors, sockets;
} rt_task_descriptors;

typedef struct rt_task_shutdown {
	sp_str id;
	bool now;
} rt_task_shutdown;

extern const rt_rpc_method rt_task_create_method, rt_task_start_method, rt_task_delete_method,
	rt_task_kill_method, rt_task_exec_method, rt_task_resize_method, rt_task_update_method,
	rt_task_wait_method, rt_task_state_method, rt_task_shutdown_method;
/* Of our shim: opens the log of a container again. The request is an rt_task_id without exec_id. */
extern const rt_rpc_method rt_log_reopen_method;
/* Of our shim: what is open in a container. The request is an rt_task_id without exec_id. */
extern const rt_rpc_method rt_figures_descriptors_method;

#define RT_TYPE_PROCESS SP_STR("types.containerd.io/opencontainers/runtime-spec/1/Process")
#define RT_TYPE_RESOURCES SP_STR("types.containerd.io/opencontainers/runtime-spec/1/LinuxResources")

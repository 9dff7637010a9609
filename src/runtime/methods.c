/* SPDX-License-Identifier: Apache-2.0 */
/* The table of methods. What is absent is answered with UNIMPLEMENTED. */
#include "runtime/rt_int.h"

#define ONE(name)          \
	(rt_step *const[]) \
	{                  \
		name, NULL \
	}

const rt_method rt_methods[SP_CRI_METHODS_] = {
	[SP_CRI_VERSION] = {ONE(rt_version), NULL},
	[SP_CRI_STATUS] = {(rt_step *const[]){rt_status_look, rt_status, NULL}, NULL},
	[SP_CRI_RUNTIME_CONFIG] = {ONE(rt_runtime_config), NULL},
	[SP_CRI_UPDATE_RUNTIME_CONFIG] = {rt_update_config_steps, NULL},

	[SP_CRI_RUN_POD_SANDBOX] = {rt_run_sandbox_steps, rt_run_sandbox_undo},
	[SP_CRI_STOP_POD_SANDBOX] = {rt_stop_sandbox_steps, NULL},
	[SP_CRI_REMOVE_POD_SANDBOX] = {rt_remove_sandbox_steps, NULL},
	[SP_CRI_POD_SANDBOX_STATUS] = {ONE(rt_sandbox_status_call), NULL},
	[SP_CRI_UPDATE_POD_SANDBOX_RESOURCES] = {rt_update_sandbox_steps, NULL},
	[SP_CRI_LIST_POD_SANDBOX] = {ONE(rt_list_sandboxes), NULL},

	[SP_CRI_CREATE_CONTAINER] = {rt_create_container_steps, rt_create_container_undo},
	[SP_CRI_START_CONTAINER] = {rt_start_container_steps, rt_start_container_undo},
	[SP_CRI_STOP_CONTAINER] = {rt_stop_container_steps, NULL},
	[SP_CRI_REMOVE_CONTAINER] = {rt_remove_container_steps, NULL},
	[SP_CRI_LIST_CONTAINERS] = {ONE(rt_list_containers), NULL},
	[SP_CRI_CONTAINER_STATUS] = {ONE(rt_container_status_call), NULL},
	[SP_CRI_UPDATE_CONTAINER_RESOURCES] = {rt_update_steps, NULL},
	[SP_CRI_REOPEN_CONTAINER_LOG] = {rt_reopen_steps, NULL},

	[SP_CRI_EXEC_SYNC] = {rt_exec_sync_steps, rt_exec_sync_undo},
	[SP_CRI_EXEC] = {ONE(rt_exec), NULL},
	[SP_CRI_ATTACH] = {ONE(rt_attach), NULL},
	[SP_CRI_PORT_FORWARD] = {ONE(rt_port_forward), NULL},

	[SP_CRI_CONTAINER_STATS] = {rt_container_stats_steps, NULL},
	[SP_CRI_LIST_CONTAINER_STATS] = {rt_list_container_stats_steps, NULL},
	[SP_CRI_POD_SANDBOX_STATS] = {rt_sandbox_stats_steps, NULL},
	[SP_CRI_LIST_POD_SANDBOX_STATS] = {rt_list_sandbox_stats_steps, NULL},
	[SP_CRI_LIST_METRIC_DESCRIPTORS] = {ONE(rt_list_metric_descriptors), NULL},
	[SP_CRI_LIST_POD_SANDBOX_METRICS] = {rt_list_metrics_steps, NULL},

	[SP_CRI_LIST_IMAGES] = {ONE(rt_list_images), NULL},
	[SP_CRI_IMAGE_STATUS] = {ONE(rt_image_status), NULL},
	[SP_CRI_PULL_IMAGE] = {ONE(rt_pull_image), NULL},
	[SP_CRI_REMOVE_IMAGE] = {ONE(rt_remove_image), NULL},
	[SP_CRI_IMAGE_FS_INFO] = {ONE(rt_image_fs_info), NULL},
};

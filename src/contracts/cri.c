/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/cri.h"

#define RUNTIME SP_STR_INIT("runtime.v1.RuntimeService")
#define IMAGE SP_STR_INIT("runtime.v1.ImageService")

#define ROW(service_, name_, request_, response_)                                                         \
	{                                                                                                 \
		.service = service_, .name = SP_STR_INIT(name_), .request = &sp_cri_##request_##_message, \
		.response = &sp_cri_##response_##_message                                                 \
	}
#define STREAM(service_, name_, request_, response_)                                                      \
	{                                                                                                 \
		.service = service_, .name = SP_STR_INIT(name_), .request = &sp_cri_##request_##_message, \
		.response = &sp_cri_##response_##_message, .server_streams = true                         \
	}

const sp_cri_method_info sp_cri_methods[SP_CRI_METHODS_] = {
	[SP_CRI_VERSION] = ROW(RUNTIME, "Version", version_request, version_response),
	[SP_CRI_RUN_POD_SANDBOX] =
		ROW(RUNTIME, "RunPodSandbox", run_pod_sandbox_request, run_pod_sandbox_response),
	[SP_CRI_STOP_POD_SANDBOX] = ROW(RUNTIME, "StopPodSandbox", stop_pod_sandbox_request, empty),
	[SP_CRI_REMOVE_POD_SANDBOX] = ROW(RUNTIME, "RemovePodSandbox", remove_pod_sandbox_request, empty),
	[SP_CRI_POD_SANDBOX_STATUS] =
		ROW(RUNTIME, "PodSandboxStatus", pod_sandbox_status_request, pod_sandbox_status_response),
	[SP_CRI_LIST_POD_SANDBOX] =
		ROW(RUNTIME, "ListPodSandbox", list_pod_sandbox_request, list_pod_sandbox_response),
	[SP_CRI_CREATE_CONTAINER] =
		ROW(RUNTIME, "CreateContainer", create_container_request, create_container_response),
	[SP_CRI_START_CONTAINER] = ROW(RUNTIME, "StartContainer", start_container_request, empty),
	[SP_CRI_STOP_CONTAINER] = ROW(RUNTIME, "StopContainer", stop_container_request, empty),
	[SP_CRI_REMOVE_CONTAINER] = ROW(RUNTIME, "RemoveContainer", remove_container_request, empty),
	[SP_CRI_LIST_CONTAINERS] =
		ROW(RUNTIME, "ListContainers", list_containers_request, list_containers_response),
	[SP_CRI_CONTAINER_STATUS] =
		ROW(RUNTIME, "ContainerStatus", container_status_request, container_status_response),
	[SP_CRI_UPDATE_CONTAINER_RESOURCES] =
		ROW(RUNTIME, "UpdateContainerResources", update_container_resources_request, empty),
	[SP_CRI_REOPEN_CONTAINER_LOG] =
		ROW(RUNTIME, "ReopenContainerLog", reopen_container_log_request, empty),
	[SP_CRI_EXEC_SYNC] = ROW(RUNTIME, "ExecSync", exec_sync_request, exec_sync_response),
	[SP_CRI_EXEC] = ROW(RUNTIME, "Exec", exec_request, exec_response),
	[SP_CRI_ATTACH] = ROW(RUNTIME, "Attach", attach_request, attach_response),
	[SP_CRI_PORT_FORWARD] = ROW(RUNTIME, "PortForward", port_forward_request, port_forward_response),
	[SP_CRI_CONTAINER_STATS] =
		ROW(RUNTIME, "ContainerStats", container_stats_request, container_stats_response),
	[SP_CRI_LIST_CONTAINER_STATS] = ROW(RUNTIME, "ListContainerStats", list_container_stats_request,
					    list_container_stats_response),
	[SP_CRI_POD_SANDBOX_STATS] =
		ROW(RUNTIME, "PodSandboxStats", pod_sandbox_stats_request, pod_sandbox_stats_response),
	[SP_CRI_LIST_POD_SANDBOX_STATS] = ROW(RUNTIME, "ListPodSandboxStats", list_pod_sandbox_stats_request,
					      list_pod_sandbox_stats_response),
	[SP_CRI_UPDATE_RUNTIME_CONFIG] =
		ROW(RUNTIME, "UpdateRuntimeConfig", update_runtime_config_request, empty),
	[SP_CRI_STATUS] = ROW(RUNTIME, "Status", status_request, status_response),
	[SP_CRI_CHECKPOINT_CONTAINER] =
		ROW(RUNTIME, "CheckpointContainer", checkpoint_container_request, empty),
	[SP_CRI_GET_CONTAINER_EVENTS] =
		STREAM(RUNTIME, "GetContainerEvents", empty, container_event_response),
	[SP_CRI_LIST_METRIC_DESCRIPTORS] =
		ROW(RUNTIME, "ListMetricDescriptors", empty, list_metric_descriptors_response),
	[SP_CRI_LIST_POD_SANDBOX_METRICS] =
		ROW(RUNTIME, "ListPodSandboxMetrics", empty, list_pod_sandbox_metrics_response),
	[SP_CRI_RUNTIME_CONFIG] = ROW(RUNTIME, "RuntimeConfig", empty, runtime_config_response),
	[SP_CRI_UPDATE_POD_SANDBOX_RESOURCES] =
		ROW(RUNTIME, "UpdatePodSandboxResources", update_pod_sandbox_resources_request, empty),
	[SP_CRI_LIST_IMAGES] = ROW(IMAGE, "ListImages", list_images_request, list_images_response),
	[SP_CRI_IMAGE_STATUS] = ROW(IMAGE, "ImageStatus", image_status_request, image_status_response),
	[SP_CRI_PULL_IMAGE] = ROW(IMAGE, "PullImage", pull_image_request, pull_image_response),
	[SP_CRI_REMOVE_IMAGE] = ROW(IMAGE, "RemoveImage", remove_image_request, empty),
	[SP_CRI_IMAGE_FS_INFO] = ROW(IMAGE, "ImageFsInfo", empty, image_fs_info_response),
};

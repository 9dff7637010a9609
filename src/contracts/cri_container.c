/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/cri_container.h"

static const sp_pb_slot linux_container_security_context_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_linux_container_security_context, capabilities, 1, &sp_cri_capability_message),
	SP_PB_SLOT(sp_cri_linux_container_security_context, privileged, 2, BOOL),
	SP_PB_SLOT_MSG(sp_cri_linux_container_security_context, namespace_options, 3,
		       &sp_cri_namespace_option_message),
	SP_PB_SLOT_MSG(sp_cri_linux_container_security_context, selinux_options, 4,
		       &sp_cri_selinux_option_message),
	SP_PB_SLOT_MSG(sp_cri_linux_container_security_context, run_as_user, 5, &sp_cri_int64_value_message),
	SP_PB_SLOT_MSG(sp_cri_linux_container_security_context, run_as_group, 12,
		       &sp_cri_int64_value_message),
	SP_PB_SLOT(sp_cri_linux_container_security_context, run_as_username, 6, STRING),
	SP_PB_SLOT(sp_cri_linux_container_security_context, readonly_rootfs, 7, BOOL),
	SP_PB_SLOT_LIST(sp_cri_linux_container_security_context, supplemental_groups, 8, INT64),
	SP_PB_SLOT(sp_cri_linux_container_security_context, supplemental_groups_policy, 17, INT32),
	SP_PB_SLOT(sp_cri_linux_container_security_context, no_new_privs, 11, BOOL),
	SP_PB_SLOT_LIST(sp_cri_linux_container_security_context, masked_paths, 13, STRING),
	SP_PB_SLOT_LIST(sp_cri_linux_container_security_context, readonly_paths, 14, STRING),
	SP_PB_SLOT_MSG(sp_cri_linux_container_security_context, seccomp, 15,
		       &sp_cri_security_profile_message),
	SP_PB_SLOT_MSG(sp_cri_linux_container_security_context, apparmor, 16,
		       &sp_cri_security_profile_message),
	SP_PB_SLOT(sp_cri_linux_container_security_context, apparmor_profile, 9, STRING),
	SP_PB_SLOT(sp_cri_linux_container_security_context, seccomp_profile_path, 10, STRING),
};
const sp_pb_message sp_cri_linux_container_security_context_message =
	SP_PB_MESSAGE_OF("LinuxContainerSecurityContext", sp_cri_linux_container_security_context,
			 linux_container_security_context_slots);

static const sp_pb_slot linux_container_config_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_linux_container_config, resources, 1,
		       &sp_cri_linux_container_resources_message),
	SP_PB_SLOT_MSG(sp_cri_linux_container_config, security_context, 2,
		       &sp_cri_linux_container_security_context_message),
};
const sp_pb_message sp_cri_linux_container_config_message =
	SP_PB_MESSAGE_OF("LinuxContainerConfig", sp_cri_linux_container_config, linux_container_config_slots);

static const sp_pb_slot linux_container_user_slots[] = {
	SP_PB_SLOT(sp_cri_linux_container_user, uid, 1, INT64),
	SP_PB_SLOT(sp_cri_linux_container_user, gid, 2, INT64),
	SP_PB_SLOT_LIST(sp_cri_linux_container_user, supplemental_groups, 3, INT64),
};
const sp_pb_message sp_cri_linux_container_user_message =
	SP_PB_MESSAGE_OF("LinuxContainerUser", sp_cri_linux_container_user, linux_container_user_slots);

static const sp_pb_slot container_metadata_slots[] = {
	SP_PB_SLOT(sp_cri_container_metadata, name, 1, STRING),
	SP_PB_SLOT(sp_cri_container_metadata, attempt, 2, UINT32),
};
const sp_pb_message sp_cri_container_metadata_message =
	SP_PB_MESSAGE_OF("ContainerMetadata", sp_cri_container_metadata, container_metadata_slots);

static const sp_pb_slot container_config_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_container_config, metadata, 1, &sp_cri_container_metadata_message),
	SP_PB_SLOT_MSG(sp_cri_container_config, image, 2, &sp_cri_image_spec_message),
	SP_PB_SLOT_LIST(sp_cri_container_config, command, 3, STRING),
	SP_PB_SLOT_LIST(sp_cri_container_config, args, 4, STRING),
	SP_PB_SLOT(sp_cri_container_config, working_dir, 5, STRING),
	SP_PB_SLOT_MSGS(sp_cri_container_config, envs, 6, &sp_cri_key_value_message),
	SP_PB_SLOT_MSGS(sp_cri_container_config, mounts, 7, &sp_cri_mount_message),
	SP_PB_SLOT_MSGS(sp_cri_container_config, devices, 8, &sp_cri_device_message),
	SP_PB_SLOT_MAP(sp_cri_container_config, labels, 9),
	SP_PB_SLOT_MAP(sp_cri_container_config, annotations, 10),
	SP_PB_SLOT(sp_cri_container_config, log_path, 11, STRING),
	SP_PB_SLOT(sp_cri_container_config, stdin, 12, BOOL),
	SP_PB_SLOT(sp_cri_container_config, stdin_once, 13, BOOL),
	SP_PB_SLOT(sp_cri_container_config, tty, 14, BOOL),
	SP_PB_SLOT_MSG(sp_cri_container_config, linux_, 15, &sp_cri_linux_container_config_message),
	SP_PB_SLOT_MSGS(sp_cri_container_config, cdi_devices, 17, &sp_cri_cdi_device_message),
	SP_PB_SLOT(sp_cri_container_config, stop_signal, 18, INT32),
};
const sp_pb_message sp_cri_container_config_message =
	SP_PB_MESSAGE_OF("ContainerConfig", sp_cri_container_config, container_config_slots);

static const sp_pb_slot create_container_request_slots[] = {
	SP_PB_SLOT(sp_cri_create_container_request, pod_sandbox_id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_create_container_request, config, 2, &sp_cri_container_config_message),
	SP_PB_SLOT_MSG(sp_cri_create_container_request, sandbox_config, 3,
		       &sp_cri_pod_sandbox_config_message),
};
const sp_pb_message sp_cri_create_container_request_message = SP_PB_MESSAGE_OF(
	"CreateContainerRequest", sp_cri_create_container_request, create_container_request_slots);

static const sp_pb_slot create_container_response_slots[] = {
	SP_PB_SLOT(sp_cri_create_container_response, container_id, 1, STRING),
};
const sp_pb_message sp_cri_create_container_response_message = SP_PB_MESSAGE_OF(
	"CreateContainerResponse", sp_cri_create_container_response, create_container_response_slots);

static const sp_pb_slot start_container_request_slots[] = {
	SP_PB_SLOT(sp_cri_start_container_request, container_id, 1, STRING),
};
const sp_pb_message sp_cri_start_container_request_message = SP_PB_MESSAGE_OF(
	"StartContainerRequest", sp_cri_start_container_request, start_container_request_slots);

static const sp_pb_slot stop_container_request_slots[] = {
	SP_PB_SLOT(sp_cri_stop_container_request, container_id, 1, STRING),
	SP_PB_SLOT(sp_cri_stop_container_request, timeout, 2, INT64),
};
const sp_pb_message sp_cri_stop_container_request_message =
	SP_PB_MESSAGE_OF("StopContainerRequest", sp_cri_stop_container_request, stop_container_request_slots);

static const sp_pb_slot remove_container_request_slots[] = {
	SP_PB_SLOT(sp_cri_remove_container_request, container_id, 1, STRING),
};
const sp_pb_message sp_cri_remove_container_request_message = SP_PB_MESSAGE_OF(
	"RemoveContainerRequest", sp_cri_remove_container_request, remove_container_request_slots);

static const sp_pb_slot container_state_value_slots[] = {
	SP_PB_SLOT(sp_cri_container_state_value, state, 1, INT32),
};
const sp_pb_message sp_cri_container_state_value_message =
	SP_PB_MESSAGE_OF("ContainerStateValue", sp_cri_container_state_value, container_state_value_slots);

static const sp_pb_slot container_filter_slots[] = {
	SP_PB_SLOT(sp_cri_container_filter, id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_container_filter, state, 2, &sp_cri_container_state_value_message),
	SP_PB_SLOT(sp_cri_container_filter, pod_sandbox_id, 3, STRING),
	SP_PB_SLOT_MAP(sp_cri_container_filter, label_selector, 4),
};
const sp_pb_message sp_cri_container_filter_message =
	SP_PB_MESSAGE_OF("ContainerFilter", sp_cri_container_filter, container_filter_slots);

static const sp_pb_slot list_containers_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_list_containers_request, filter, 1, &sp_cri_container_filter_message),
};
const sp_pb_message sp_cri_list_containers_request_message = SP_PB_MESSAGE_OF(
	"ListContainersRequest", sp_cri_list_containers_request, list_containers_request_slots);

static const sp_pb_slot container_slots[] = {
	SP_PB_SLOT(sp_cri_container, id, 1, STRING),
	SP_PB_SLOT(sp_cri_container, pod_sandbox_id, 2, STRING),
	SP_PB_SLOT_MSG(sp_cri_container, metadata, 3, &sp_cri_container_metadata_message),
	SP_PB_SLOT_MSG(sp_cri_container, image, 4, &sp_cri_image_spec_message),
	SP_PB_SLOT(sp_cri_container, image_ref, 5, STRING),
	SP_PB_SLOT(sp_cri_container, state, 6, INT32),
	SP_PB_SLOT(sp_cri_container, created_at, 7, INT64),
	SP_PB_SLOT_MAP(sp_cri_container, labels, 8),
	SP_PB_SLOT_MAP(sp_cri_container, annotations, 9),
	SP_PB_SLOT(sp_cri_container, image_id, 10, STRING),
};
const sp_pb_message sp_cri_container_message =
	SP_PB_MESSAGE_OF("Container", sp_cri_container, container_slots);

static const sp_pb_slot list_containers_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_list_containers_response, containers, 1, &sp_cri_container_message),
};
const sp_pb_message sp_cri_list_containers_response_message = SP_PB_MESSAGE_OF(
	"ListContainersResponse", sp_cri_list_containers_response, list_containers_response_slots);

static const sp_pb_slot container_status_request_slots[] = {
	SP_PB_SLOT(sp_cri_container_status_request, container_id, 1, STRING),
	SP_PB_SLOT(sp_cri_container_status_request, verbose, 2, BOOL),
};
const sp_pb_message sp_cri_container_status_request_message = SP_PB_MESSAGE_OF(
	"ContainerStatusRequest", sp_cri_container_status_request, container_status_request_slots);

static const sp_pb_slot container_resources_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_container_resources, linux_, 1, &sp_cri_linux_container_resources_message),
};
const sp_pb_message sp_cri_container_resources_message =
	SP_PB_MESSAGE_OF("ContainerResources", sp_cri_container_resources, container_resources_slots);

static const sp_pb_slot container_user_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_container_user, linux_, 1, &sp_cri_linux_container_user_message),
};
const sp_pb_message sp_cri_container_user_message =
	SP_PB_MESSAGE_OF("ContainerUser", sp_cri_container_user, container_user_slots);

static const sp_pb_slot container_status_slots[] = {
	SP_PB_SLOT(sp_cri_container_status, id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_container_status, metadata, 2, &sp_cri_container_metadata_message),
	SP_PB_SLOT(sp_cri_container_status, state, 3, INT32),
	SP_PB_SLOT(sp_cri_container_status, created_at, 4, INT64),
	SP_PB_SLOT(sp_cri_container_status, started_at, 5, INT64),
	SP_PB_SLOT(sp_cri_container_status, finished_at, 6, INT64),
	SP_PB_SLOT(sp_cri_container_status, exit_code, 7, INT32),
	SP_PB_SLOT_MSG(sp_cri_container_status, image, 8, &sp_cri_image_spec_message),
	SP_PB_SLOT(sp_cri_container_status, image_ref, 9, STRING),
	SP_PB_SLOT(sp_cri_container_status, reason, 10, STRING),
	SP_PB_SLOT(sp_cri_container_status, message, 11, STRING),
	SP_PB_SLOT_MAP(sp_cri_container_status, labels, 12),
	SP_PB_SLOT_MAP(sp_cri_container_status, annotations, 13),
	SP_PB_SLOT_MSGS(sp_cri_container_status, mounts, 14, &sp_cri_mount_message),
	SP_PB_SLOT(sp_cri_container_status, log_path, 15, STRING),
	SP_PB_SLOT_MSG(sp_cri_container_status, resources, 16, &sp_cri_container_resources_message),
	SP_PB_SLOT(sp_cri_container_status, image_id, 17, STRING),
	SP_PB_SLOT_MSG(sp_cri_container_status, user, 18, &sp_cri_container_user_message),
	SP_PB_SLOT(sp_cri_container_status, stop_signal, 19, INT32),
};
const sp_pb_message sp_cri_container_status_message =
	SP_PB_MESSAGE_OF("ContainerStatus", sp_cri_container_status, container_status_slots);

static const sp_pb_slot container_status_response_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_container_status_response, status, 1, &sp_cri_container_status_message),
	SP_PB_SLOT_MAP(sp_cri_container_status_response, info, 2),
};
const sp_pb_message sp_cri_container_status_response_message = SP_PB_MESSAGE_OF(
	"ContainerStatusResponse", sp_cri_container_status_response, container_status_response_slots);

static const sp_pb_slot update_container_resources_request_slots[] = {
	SP_PB_SLOT(sp_cri_update_container_resources_request, container_id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_update_container_resources_request, linux_, 2,
		       &sp_cri_linux_container_resources_message),
	SP_PB_SLOT_MAP(sp_cri_update_container_resources_request, annotations, 4),
};
const sp_pb_message sp_cri_update_container_resources_request_message =
	SP_PB_MESSAGE_OF("UpdateContainerResourcesRequest", sp_cri_update_container_resources_request,
			 update_container_resources_request_slots);

static const sp_pb_slot exec_sync_request_slots[] = {
	SP_PB_SLOT(sp_cri_exec_sync_request, container_id, 1, STRING),
	SP_PB_SLOT_LIST(sp_cri_exec_sync_request, cmd, 2, STRING),
	SP_PB_SLOT(sp_cri_exec_sync_request, timeout, 3, INT64),
};
const sp_pb_message sp_cri_exec_sync_request_message =
	SP_PB_MESSAGE_OF("ExecSyncRequest", sp_cri_exec_sync_request, exec_sync_request_slots);

static const sp_pb_slot exec_sync_response_slots[] = {
	SP_PB_SLOT(sp_cri_exec_sync_response, stdout, 1, BYTES),
	SP_PB_SLOT(sp_cri_exec_sync_response, stderr, 2, BYTES),
	SP_PB_SLOT(sp_cri_exec_sync_response, exit_code, 3, INT32),
};
const sp_pb_message sp_cri_exec_sync_response_message =
	SP_PB_MESSAGE_OF("ExecSyncResponse", sp_cri_exec_sync_response, exec_sync_response_slots);

static const sp_pb_slot exec_request_slots[] = {
	SP_PB_SLOT(sp_cri_exec_request, container_id, 1, STRING),
	SP_PB_SLOT_LIST(sp_cri_exec_request, cmd, 2, STRING),
	SP_PB_SLOT(sp_cri_exec_request, tty, 3, BOOL),
	SP_PB_SLOT(sp_cri_exec_request, stdin, 4, BOOL),
	SP_PB_SLOT(sp_cri_exec_request, stdout, 5, BOOL),
	SP_PB_SLOT(sp_cri_exec_request, stderr, 6, BOOL),
};
const sp_pb_message sp_cri_exec_request_message =
	SP_PB_MESSAGE_OF("ExecRequest", sp_cri_exec_request, exec_request_slots);

static const sp_pb_slot exec_response_slots[] = {
	SP_PB_SLOT(sp_cri_exec_response, url, 1, STRING),
};
const sp_pb_message sp_cri_exec_response_message =
	SP_PB_MESSAGE_OF("ExecResponse", sp_cri_exec_response, exec_response_slots);

static const sp_pb_slot attach_request_slots[] = {
	SP_PB_SLOT(sp_cri_attach_request, container_id, 1, STRING),
	SP_PB_SLOT(sp_cri_attach_request, stdin, 2, BOOL),
	SP_PB_SLOT(sp_cri_attach_request, tty, 3, BOOL),
	SP_PB_SLOT(sp_cri_attach_request, stdout, 4, BOOL),
	SP_PB_SLOT(sp_cri_attach_request, stderr, 5, BOOL),
};
const sp_pb_message sp_cri_attach_request_message =
	SP_PB_MESSAGE_OF("AttachRequest", sp_cri_attach_request, attach_request_slots);

static const sp_pb_slot attach_response_slots[] = {
	SP_PB_SLOT(sp_cri_attach_response, url, 1, STRING),
};
const sp_pb_message sp_cri_attach_response_message =
	SP_PB_MESSAGE_OF("AttachResponse", sp_cri_attach_response, attach_response_slots);

static const sp_pb_slot reopen_container_log_request_slots[] = {
	SP_PB_SLOT(sp_cri_reopen_container_log_request, container_id, 1, STRING),
};
const sp_pb_message sp_cri_reopen_container_log_request_message = SP_PB_MESSAGE_OF(
	"ReopenContainerLogRequest", sp_cri_reopen_container_log_request, reopen_container_log_request_slots);

static const sp_pb_slot checkpoint_container_request_slots[] = {
	SP_PB_SLOT(sp_cri_checkpoint_container_request, container_id, 1, STRING),
	SP_PB_SLOT(sp_cri_checkpoint_container_request, location, 2, STRING),
	SP_PB_SLOT(sp_cri_checkpoint_container_request, timeout, 3, INT64),
};
const sp_pb_message sp_cri_checkpoint_container_request_message =
	SP_PB_MESSAGE_OF("CheckpointContainerRequest", sp_cri_checkpoint_container_request,
			 checkpoint_container_request_slots);

static const sp_pb_slot pod_sandbox_status_response_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_status_response, status, 1, &sp_cri_pod_sandbox_status_message),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_status_response, info, 2),
	SP_PB_SLOT_MSGS(sp_cri_pod_sandbox_status_response, containers_statuses, 3,
			&sp_cri_container_status_message),
	SP_PB_SLOT(sp_cri_pod_sandbox_status_response, timestamp, 4, INT64),
};
const sp_pb_message sp_cri_pod_sandbox_status_response_message = SP_PB_MESSAGE_OF(
	"PodSandboxStatusResponse", sp_cri_pod_sandbox_status_response, pod_sandbox_status_response_slots);

static const sp_pb_slot container_event_response_slots[] = {
	SP_PB_SLOT(sp_cri_container_event_response, container_id, 1, STRING),
	SP_PB_SLOT(sp_cri_container_event_response, container_event_type, 2, INT32),
	SP_PB_SLOT(sp_cri_container_event_response, created_at, 3, INT64),
	SP_PB_SLOT_MSG(sp_cri_container_event_response, pod_sandbox_status, 4,
		       &sp_cri_pod_sandbox_status_message),
	SP_PB_SLOT_MSGS(sp_cri_container_event_response, containers_statuses, 5,
			&sp_cri_container_status_message),
};
const sp_pb_message sp_cri_container_event_response_message = SP_PB_MESSAGE_OF(
	"ContainerEventResponse", sp_cri_container_event_response, container_event_response_slots);

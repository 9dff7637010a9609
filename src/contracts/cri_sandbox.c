/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/cri_sandbox.h"

static const sp_pb_slot version_request_slots[] = {
	SP_PB_SLOT(sp_cri_version_request, version, 1, STRING),
};
const sp_pb_message sp_cri_version_request_message =
	SP_PB_MESSAGE_OF("VersionRequest", sp_cri_version_request, version_request_slots);

static const sp_pb_slot version_response_slots[] = {
	SP_PB_SLOT(sp_cri_version_response, version, 1, STRING),
	SP_PB_SLOT(sp_cri_version_response, runtime_name, 2, STRING),
	SP_PB_SLOT(sp_cri_version_response, runtime_version, 3, STRING),
	SP_PB_SLOT(sp_cri_version_response, runtime_api_version, 4, STRING),
};
const sp_pb_message sp_cri_version_response_message =
	SP_PB_MESSAGE_OF("VersionResponse", sp_cri_version_response, version_response_slots);

static const sp_pb_slot linux_sandbox_security_context_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_linux_sandbox_security_context, namespace_options, 1,
		       &sp_cri_namespace_option_message),
	SP_PB_SLOT_MSG(sp_cri_linux_sandbox_security_context, selinux_options, 2,
		       &sp_cri_selinux_option_message),
	SP_PB_SLOT_MSG(sp_cri_linux_sandbox_security_context, run_as_user, 3, &sp_cri_int64_value_message),
	SP_PB_SLOT_MSG(sp_cri_linux_sandbox_security_context, run_as_group, 8, &sp_cri_int64_value_message),
	SP_PB_SLOT(sp_cri_linux_sandbox_security_context, readonly_rootfs, 4, BOOL),
	SP_PB_SLOT_LIST(sp_cri_linux_sandbox_security_context, supplemental_groups, 5, INT64),
	SP_PB_SLOT(sp_cri_linux_sandbox_security_context, supplemental_groups_policy, 11, INT32),
	SP_PB_SLOT(sp_cri_linux_sandbox_security_context, privileged, 6, BOOL),
	SP_PB_SLOT_MSG(sp_cri_linux_sandbox_security_context, seccomp, 9, &sp_cri_security_profile_message),
	SP_PB_SLOT_MSG(sp_cri_linux_sandbox_security_context, apparmor, 10, &sp_cri_security_profile_message),
	SP_PB_SLOT(sp_cri_linux_sandbox_security_context, seccomp_profile_path, 7, STRING),
};
const sp_pb_message sp_cri_linux_sandbox_security_context_message =
	SP_PB_MESSAGE_OF("LinuxSandboxSecurityContext", sp_cri_linux_sandbox_security_context,
			 linux_sandbox_security_context_slots);

static const sp_pb_slot linux_pod_sandbox_config_slots[] = {
	SP_PB_SLOT(sp_cri_linux_pod_sandbox_config, cgroup_parent, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_config, security_context, 2,
		       &sp_cri_linux_sandbox_security_context_message),
	SP_PB_SLOT_MAP(sp_cri_linux_pod_sandbox_config, sysctls, 3),
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_config, overhead, 4,
		       &sp_cri_linux_container_resources_message),
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_config, resources, 5,
		       &sp_cri_linux_container_resources_message),
};
const sp_pb_message sp_cri_linux_pod_sandbox_config_message = SP_PB_MESSAGE_OF(
	"LinuxPodSandboxConfig", sp_cri_linux_pod_sandbox_config, linux_pod_sandbox_config_slots);

static const sp_pb_slot pod_sandbox_metadata_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_metadata, name, 1, STRING),
	SP_PB_SLOT(sp_cri_pod_sandbox_metadata, uid, 2, STRING),
	SP_PB_SLOT(sp_cri_pod_sandbox_metadata, namespace, 3, STRING),
	SP_PB_SLOT(sp_cri_pod_sandbox_metadata, attempt, 4, UINT32),
};
const sp_pb_message sp_cri_pod_sandbox_metadata_message =
	SP_PB_MESSAGE_OF("PodSandboxMetadata", sp_cri_pod_sandbox_metadata, pod_sandbox_metadata_slots);

static const sp_pb_slot pod_sandbox_config_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_config, metadata, 1, &sp_cri_pod_sandbox_metadata_message),
	SP_PB_SLOT(sp_cri_pod_sandbox_config, hostname, 2, STRING),
	SP_PB_SLOT(sp_cri_pod_sandbox_config, log_directory, 3, STRING),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_config, dns_config, 4, &sp_cri_dns_config_message),
	SP_PB_SLOT_MSGS(sp_cri_pod_sandbox_config, port_mappings, 5, &sp_cri_port_mapping_message),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_config, labels, 6),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_config, annotations, 7),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_config, linux_, 8, &sp_cri_linux_pod_sandbox_config_message),
};
const sp_pb_message sp_cri_pod_sandbox_config_message =
	SP_PB_MESSAGE_OF("PodSandboxConfig", sp_cri_pod_sandbox_config, pod_sandbox_config_slots);

static const sp_pb_slot run_pod_sandbox_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_run_pod_sandbox_request, config, 1, &sp_cri_pod_sandbox_config_message),
	SP_PB_SLOT(sp_cri_run_pod_sandbox_request, runtime_handler, 2, STRING),
};
const sp_pb_message sp_cri_run_pod_sandbox_request_message = SP_PB_MESSAGE_OF(
	"RunPodSandboxRequest", sp_cri_run_pod_sandbox_request, run_pod_sandbox_request_slots);

static const sp_pb_slot run_pod_sandbox_response_slots[] = {
	SP_PB_SLOT(sp_cri_run_pod_sandbox_response, pod_sandbox_id, 1, STRING),
};
const sp_pb_message sp_cri_run_pod_sandbox_response_message = SP_PB_MESSAGE_OF(
	"RunPodSandboxResponse", sp_cri_run_pod_sandbox_response, run_pod_sandbox_response_slots);

static const sp_pb_slot stop_pod_sandbox_request_slots[] = {
	SP_PB_SLOT(sp_cri_stop_pod_sandbox_request, pod_sandbox_id, 1, STRING),
};
const sp_pb_message sp_cri_stop_pod_sandbox_request_message = SP_PB_MESSAGE_OF(
	"StopPodSandboxRequest", sp_cri_stop_pod_sandbox_request, stop_pod_sandbox_request_slots);

static const sp_pb_slot remove_pod_sandbox_request_slots[] = {
	SP_PB_SLOT(sp_cri_remove_pod_sandbox_request, pod_sandbox_id, 1, STRING),
};
const sp_pb_message sp_cri_remove_pod_sandbox_request_message = SP_PB_MESSAGE_OF(
	"RemovePodSandboxRequest", sp_cri_remove_pod_sandbox_request, remove_pod_sandbox_request_slots);

static const sp_pb_slot pod_sandbox_status_request_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_status_request, pod_sandbox_id, 1, STRING),
	SP_PB_SLOT(sp_cri_pod_sandbox_status_request, verbose, 2, BOOL),
};
const sp_pb_message sp_cri_pod_sandbox_status_request_message = SP_PB_MESSAGE_OF(
	"PodSandboxStatusRequest", sp_cri_pod_sandbox_status_request, pod_sandbox_status_request_slots);

static const sp_pb_slot pod_ip_slots[] = {
	SP_PB_SLOT(sp_cri_pod_ip, ip, 1, STRING),
};
const sp_pb_message sp_cri_pod_ip_message = SP_PB_MESSAGE_OF("PodIP", sp_cri_pod_ip, pod_ip_slots);

static const sp_pb_slot pod_sandbox_network_status_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_network_status, ip, 1, STRING),
	SP_PB_SLOT_MSGS(sp_cri_pod_sandbox_network_status, additional_ips, 2, &sp_cri_pod_ip_message),
};
const sp_pb_message sp_cri_pod_sandbox_network_status_message = SP_PB_MESSAGE_OF(
	"PodSandboxNetworkStatus", sp_cri_pod_sandbox_network_status, pod_sandbox_network_status_slots);

static const sp_pb_slot namespace_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_namespace, options, 2, &sp_cri_namespace_option_message),
};
const sp_pb_message sp_cri_namespace_message =
	SP_PB_MESSAGE_OF("Namespace", sp_cri_namespace, namespace_slots);

static const sp_pb_slot linux_pod_sandbox_status_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_linux_pod_sandbox_status, namespaces, 1, &sp_cri_namespace_message),
};
const sp_pb_message sp_cri_linux_pod_sandbox_status_message = SP_PB_MESSAGE_OF(
	"LinuxPodSandboxStatus", sp_cri_linux_pod_sandbox_status, linux_pod_sandbox_status_slots);

static const sp_pb_slot pod_sandbox_status_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_status, id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_status, metadata, 2, &sp_cri_pod_sandbox_metadata_message),
	SP_PB_SLOT(sp_cri_pod_sandbox_status, state, 3, INT32),
	SP_PB_SLOT(sp_cri_pod_sandbox_status, created_at, 4, INT64),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_status, network, 5, &sp_cri_pod_sandbox_network_status_message),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_status, linux_, 6, &sp_cri_linux_pod_sandbox_status_message),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_status, labels, 7),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_status, annotations, 8),
	SP_PB_SLOT(sp_cri_pod_sandbox_status, runtime_handler, 9, STRING),
};
const sp_pb_message sp_cri_pod_sandbox_status_message =
	SP_PB_MESSAGE_OF("PodSandboxStatus", sp_cri_pod_sandbox_status, pod_sandbox_status_slots);

static const sp_pb_slot pod_sandbox_state_value_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_state_value, state, 1, INT32),
};
const sp_pb_message sp_cri_pod_sandbox_state_value_message = SP_PB_MESSAGE_OF(
	"PodSandboxStateValue", sp_cri_pod_sandbox_state_value, pod_sandbox_state_value_slots);

static const sp_pb_slot pod_sandbox_filter_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox_filter, id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox_filter, state, 2, &sp_cri_pod_sandbox_state_value_message),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox_filter, label_selector, 3),
};
const sp_pb_message sp_cri_pod_sandbox_filter_message =
	SP_PB_MESSAGE_OF("PodSandboxFilter", sp_cri_pod_sandbox_filter, pod_sandbox_filter_slots);

static const sp_pb_slot list_pod_sandbox_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_list_pod_sandbox_request, filter, 1, &sp_cri_pod_sandbox_filter_message),
};
const sp_pb_message sp_cri_list_pod_sandbox_request_message = SP_PB_MESSAGE_OF(
	"ListPodSandboxRequest", sp_cri_list_pod_sandbox_request, list_pod_sandbox_request_slots);

static const sp_pb_slot pod_sandbox_slots[] = {
	SP_PB_SLOT(sp_cri_pod_sandbox, id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_pod_sandbox, metadata, 2, &sp_cri_pod_sandbox_metadata_message),
	SP_PB_SLOT(sp_cri_pod_sandbox, state, 3, INT32),
	SP_PB_SLOT(sp_cri_pod_sandbox, created_at, 4, INT64),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox, labels, 5),
	SP_PB_SLOT_MAP(sp_cri_pod_sandbox, annotations, 6),
	SP_PB_SLOT(sp_cri_pod_sandbox, runtime_handler, 7, STRING),
};
const sp_pb_message sp_cri_pod_sandbox_message =
	SP_PB_MESSAGE_OF("PodSandbox", sp_cri_pod_sandbox, pod_sandbox_slots);

static const sp_pb_slot list_pod_sandbox_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_list_pod_sandbox_response, items, 1, &sp_cri_pod_sandbox_message),
};
const sp_pb_message sp_cri_list_pod_sandbox_response_message = SP_PB_MESSAGE_OF(
	"ListPodSandboxResponse", sp_cri_list_pod_sandbox_response, list_pod_sandbox_response_slots);

static const sp_pb_slot port_forward_request_slots[] = {
	SP_PB_SLOT(sp_cri_port_forward_request, pod_sandbox_id, 1, STRING),
	SP_PB_SLOT_LIST(sp_cri_port_forward_request, port, 2, INT32),
};
const sp_pb_message sp_cri_port_forward_request_message =
	SP_PB_MESSAGE_OF("PortForwardRequest", sp_cri_port_forward_request, port_forward_request_slots);

static const sp_pb_slot port_forward_response_slots[] = {
	SP_PB_SLOT(sp_cri_port_forward_response, url, 1, STRING),
};
const sp_pb_message sp_cri_port_forward_response_message =
	SP_PB_MESSAGE_OF("PortForwardResponse", sp_cri_port_forward_response, port_forward_response_slots);

static const sp_pb_slot network_config_slots[] = {
	SP_PB_SLOT(sp_cri_network_config, pod_cidr, 1, STRING),
};
const sp_pb_message sp_cri_network_config_message =
	SP_PB_MESSAGE_OF("NetworkConfig", sp_cri_network_config, network_config_slots);

static const sp_pb_slot runtime_config_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_runtime_config, network_config, 1, &sp_cri_network_config_message),
};
const sp_pb_message sp_cri_runtime_config_message =
	SP_PB_MESSAGE_OF("RuntimeConfig", sp_cri_runtime_config, runtime_config_slots);

static const sp_pb_slot update_runtime_config_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_update_runtime_config_request, runtime_config, 1,
		       &sp_cri_runtime_config_message),
};
const sp_pb_message sp_cri_update_runtime_config_request_message =
	SP_PB_MESSAGE_OF("UpdateRuntimeConfigRequest", sp_cri_update_runtime_config_request,
			 update_runtime_config_request_slots);

static const sp_pb_slot runtime_condition_slots[] = {
	SP_PB_SLOT(sp_cri_runtime_condition, type, 1, STRING),
	SP_PB_SLOT(sp_cri_runtime_condition, status, 2, BOOL),
	SP_PB_SLOT(sp_cri_runtime_condition, reason, 3, STRING),
	SP_PB_SLOT(sp_cri_runtime_condition, message, 4, STRING),
};
const sp_pb_message sp_cri_runtime_condition_message =
	SP_PB_MESSAGE_OF("RuntimeCondition", sp_cri_runtime_condition, runtime_condition_slots);

static const sp_pb_slot runtime_status_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_runtime_status, conditions, 1, &sp_cri_runtime_condition_message),
};
const sp_pb_message sp_cri_runtime_status_message =
	SP_PB_MESSAGE_OF("RuntimeStatus", sp_cri_runtime_status, runtime_status_slots);

static const sp_pb_slot status_request_slots[] = {
	SP_PB_SLOT(sp_cri_status_request, verbose, 1, BOOL),
};
const sp_pb_message sp_cri_status_request_message =
	SP_PB_MESSAGE_OF("StatusRequest", sp_cri_status_request, status_request_slots);

static const sp_pb_slot runtime_handler_features_slots[] = {
	SP_PB_SLOT(sp_cri_runtime_handler_features, recursive_read_only_mounts, 1, BOOL),
	SP_PB_SLOT(sp_cri_runtime_handler_features, user_namespaces, 2, BOOL),
};
const sp_pb_message sp_cri_runtime_handler_features_message = SP_PB_MESSAGE_OF(
	"RuntimeHandlerFeatures", sp_cri_runtime_handler_features, runtime_handler_features_slots);

static const sp_pb_slot runtime_handler_slots[] = {
	SP_PB_SLOT(sp_cri_runtime_handler, name, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_runtime_handler, features, 2, &sp_cri_runtime_handler_features_message),
};
const sp_pb_message sp_cri_runtime_handler_message =
	SP_PB_MESSAGE_OF("RuntimeHandler", sp_cri_runtime_handler, runtime_handler_slots);

static const sp_pb_slot runtime_features_slots[] = {
	SP_PB_SLOT(sp_cri_runtime_features, supplemental_groups_policy, 1, BOOL),
	SP_PB_SLOT(sp_cri_runtime_features, user_namespaces_host_network, 2, BOOL),
};
const sp_pb_message sp_cri_runtime_features_message =
	SP_PB_MESSAGE_OF("RuntimeFeatures", sp_cri_runtime_features, runtime_features_slots);

static const sp_pb_slot status_response_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_status_response, status, 1, &sp_cri_runtime_status_message),
	SP_PB_SLOT_MAP(sp_cri_status_response, info, 2),
	SP_PB_SLOT_MSGS(sp_cri_status_response, runtime_handlers, 3, &sp_cri_runtime_handler_message),
	SP_PB_SLOT_MSG(sp_cri_status_response, features, 4, &sp_cri_runtime_features_message),
};
const sp_pb_message sp_cri_status_response_message =
	SP_PB_MESSAGE_OF("StatusResponse", sp_cri_status_response, status_response_slots);

static const sp_pb_slot linux_runtime_configuration_slots[] = {
	SP_PB_SLOT(sp_cri_linux_runtime_configuration, cgroup_driver, 1, INT32),
};
const sp_pb_message sp_cri_linux_runtime_configuration_message = SP_PB_MESSAGE_OF(
	"LinuxRuntimeConfiguration", sp_cri_linux_runtime_configuration, linux_runtime_configuration_slots);

static const sp_pb_slot runtime_config_response_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_runtime_config_response, linux_, 1,
		       &sp_cri_linux_runtime_configuration_message),
};
const sp_pb_message sp_cri_runtime_config_response_message = SP_PB_MESSAGE_OF(
	"RuntimeConfigResponse", sp_cri_runtime_config_response, runtime_config_response_slots);

static const sp_pb_slot update_pod_sandbox_resources_request_slots[] = {
	SP_PB_SLOT(sp_cri_update_pod_sandbox_resources_request, pod_sandbox_id, 1, STRING),
	SP_PB_SLOT_MSG(sp_cri_update_pod_sandbox_resources_request, overhead, 2,
		       &sp_cri_linux_container_resources_message),
	SP_PB_SLOT_MSG(sp_cri_update_pod_sandbox_resources_request, resources, 3,
		       &sp_cri_linux_container_resources_message),
};
const sp_pb_message sp_cri_update_pod_sandbox_resources_request_message =
	SP_PB_MESSAGE_OF("UpdatePodSandboxResourcesRequest", sp_cri_update_pod_sandbox_resources_request,
			 update_pod_sandbox_resources_request_slots);

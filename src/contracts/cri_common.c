/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/cri_common.h"

const sp_pb_message sp_cri_empty_message = {.name = "Empty", .size = sizeof(sp_cri_empty)};

static const sp_pb_slot dns_config_slots[] = {
	SP_PB_SLOT_LIST(sp_cri_dns_config, servers, 1, STRING),
	SP_PB_SLOT_LIST(sp_cri_dns_config, searches, 2, STRING),
	SP_PB_SLOT_LIST(sp_cri_dns_config, options, 3, STRING),
};
const sp_pb_message sp_cri_dns_config_message =
	SP_PB_MESSAGE_OF("DNSConfig", sp_cri_dns_config, dns_config_slots);

static const sp_pb_slot port_mapping_slots[] = {
	SP_PB_SLOT(sp_cri_port_mapping, protocol, 1, INT32),
	SP_PB_SLOT(sp_cri_port_mapping, container_port, 2, INT32),
	SP_PB_SLOT(sp_cri_port_mapping, host_port, 3, INT32),
	SP_PB_SLOT(sp_cri_port_mapping, host_ip, 4, STRING),
};
const sp_pb_message sp_cri_port_mapping_message =
	SP_PB_MESSAGE_OF("PortMapping", sp_cri_port_mapping, port_mapping_slots);

static const sp_pb_slot id_mapping_slots[] = {
	SP_PB_SLOT(sp_cri_id_mapping, host_id, 1, UINT32),
	SP_PB_SLOT(sp_cri_id_mapping, container_id, 2, UINT32),
	SP_PB_SLOT(sp_cri_id_mapping, length, 3, UINT32),
};
const sp_pb_message sp_cri_id_mapping_message =
	SP_PB_MESSAGE_OF("IDMapping", sp_cri_id_mapping, id_mapping_slots);

static const sp_pb_slot image_spec_slots[] = {
	SP_PB_SLOT(sp_cri_image_spec, image, 1, STRING),
	SP_PB_SLOT_MAP(sp_cri_image_spec, annotations, 2),
	SP_PB_SLOT(sp_cri_image_spec, user_specified_image, 18, STRING),
	SP_PB_SLOT(sp_cri_image_spec, runtime_handler, 19, STRING),
	SP_PB_SLOT(sp_cri_image_spec, image_ref, 20, STRING),
};
const sp_pb_message sp_cri_image_spec_message =
	SP_PB_MESSAGE_OF("ImageSpec", sp_cri_image_spec, image_spec_slots);

static const sp_pb_slot mount_slots[] = {
	SP_PB_SLOT(sp_cri_mount, container_path, 1, STRING),
	SP_PB_SLOT(sp_cri_mount, host_path, 2, STRING),
	SP_PB_SLOT(sp_cri_mount, readonly, 3, BOOL),
	SP_PB_SLOT(sp_cri_mount, selinux_relabel, 4, BOOL),
	SP_PB_SLOT(sp_cri_mount, propagation, 5, INT32),
	SP_PB_SLOT_MSGS(sp_cri_mount, uid_mappings, 6, &sp_cri_id_mapping_message),
	SP_PB_SLOT_MSGS(sp_cri_mount, gid_mappings, 7, &sp_cri_id_mapping_message),
	SP_PB_SLOT(sp_cri_mount, recursive_read_only, 8, BOOL),
	SP_PB_SLOT_MSG(sp_cri_mount, image, 9, &sp_cri_image_spec_message),
	SP_PB_SLOT(sp_cri_mount, image_sub_path, 10, STRING),
	SP_PB_SLOT_LIST(sp_cri_mount, mount_options, 11, STRING),
};
const sp_pb_message sp_cri_mount_message = SP_PB_MESSAGE_OF("Mount", sp_cri_mount, mount_slots);

static const sp_pb_slot user_namespace_slots[] = {
	SP_PB_SLOT(sp_cri_user_namespace, mode, 1, INT32),
	SP_PB_SLOT_MSGS(sp_cri_user_namespace, uids, 2, &sp_cri_id_mapping_message),
	SP_PB_SLOT_MSGS(sp_cri_user_namespace, gids, 3, &sp_cri_id_mapping_message),
};
const sp_pb_message sp_cri_user_namespace_message =
	SP_PB_MESSAGE_OF("UserNamespace", sp_cri_user_namespace, user_namespace_slots);

static const sp_pb_slot namespace_option_slots[] = {
	SP_PB_SLOT(sp_cri_namespace_option, network, 1, INT32),
	SP_PB_SLOT(sp_cri_namespace_option, pid, 2, INT32),
	SP_PB_SLOT(sp_cri_namespace_option, ipc, 3, INT32),
	SP_PB_SLOT(sp_cri_namespace_option, target_id, 4, STRING),
	SP_PB_SLOT_MSG(sp_cri_namespace_option, userns_options, 5, &sp_cri_user_namespace_message),
};
const sp_pb_message sp_cri_namespace_option_message =
	SP_PB_MESSAGE_OF("NamespaceOption", sp_cri_namespace_option, namespace_option_slots);

static const sp_pb_slot int64_value_slots[] = {
	SP_PB_SLOT(sp_cri_int64_value, value, 1, INT64),
};
const sp_pb_message sp_cri_int64_value_message =
	SP_PB_MESSAGE_OF("Int64Value", sp_cri_int64_value, int64_value_slots);

static const sp_pb_slot security_profile_slots[] = {
	SP_PB_SLOT(sp_cri_security_profile, profile_type, 1, INT32),
	SP_PB_SLOT(sp_cri_security_profile, localhost_ref, 2, STRING),
};
const sp_pb_message sp_cri_security_profile_message =
	SP_PB_MESSAGE_OF("SecurityProfile", sp_cri_security_profile, security_profile_slots);

static const sp_pb_slot key_value_slots[] = {
	SP_PB_SLOT(sp_cri_key_value, key, 1, STRING),
	SP_PB_SLOT(sp_cri_key_value, value, 2, BYTES),
};
const sp_pb_message sp_cri_key_value_message =
	SP_PB_MESSAGE_OF("KeyValue", sp_cri_key_value, key_value_slots);

static const sp_pb_slot hugepage_limit_slots[] = {
	SP_PB_SLOT(sp_cri_hugepage_limit, page_size, 1, STRING),
	SP_PB_SLOT(sp_cri_hugepage_limit, limit, 2, UINT64),
};
const sp_pb_message sp_cri_hugepage_limit_message =
	SP_PB_MESSAGE_OF("HugepageLimit", sp_cri_hugepage_limit, hugepage_limit_slots);

static const sp_pb_slot linux_container_resources_slots[] = {
	SP_PB_SLOT(sp_cri_linux_container_resources, cpu_period, 1, INT64),
	SP_PB_SLOT(sp_cri_linux_container_resources, cpu_quota, 2, INT64),
	SP_PB_SLOT(sp_cri_linux_container_resources, cpu_shares, 3, INT64),
	SP_PB_SLOT(sp_cri_linux_container_resources, memory_limit_in_bytes, 4, INT64),
	SP_PB_SLOT(sp_cri_linux_container_resources, oom_score_adj, 5, INT64),
	SP_PB_SLOT(sp_cri_linux_container_resources, cpuset_cpus, 6, STRING),
	SP_PB_SLOT(sp_cri_linux_container_resources, cpuset_mems, 7, STRING),
	SP_PB_SLOT_MSGS(sp_cri_linux_container_resources, hugepage_limits, 8, &sp_cri_hugepage_limit_message),
	SP_PB_SLOT_MAP(sp_cri_linux_container_resources, unified, 9),
	SP_PB_SLOT(sp_cri_linux_container_resources, memory_swap_limit_in_bytes, 10, INT64),
};
const sp_pb_message sp_cri_linux_container_resources_message = SP_PB_MESSAGE_OF(
	"LinuxContainerResources", sp_cri_linux_container_resources, linux_container_resources_slots);

static const sp_pb_slot selinux_option_slots[] = {
	SP_PB_SLOT(sp_cri_selinux_option, user, 1, STRING),
	SP_PB_SLOT(sp_cri_selinux_option, role, 2, STRING),
	SP_PB_SLOT(sp_cri_selinux_option, type, 3, STRING),
	SP_PB_SLOT(sp_cri_selinux_option, level, 4, STRING),
};
const sp_pb_message sp_cri_selinux_option_message =
	SP_PB_MESSAGE_OF("SELinuxOption", sp_cri_selinux_option, selinux_option_slots);

static const sp_pb_slot capability_slots[] = {
	SP_PB_SLOT_LIST(sp_cri_capability, add_capabilities, 1, STRING),
	SP_PB_SLOT_LIST(sp_cri_capability, drop_capabilities, 2, STRING),
	SP_PB_SLOT_LIST(sp_cri_capability, add_ambient_capabilities, 3, STRING),
};
const sp_pb_message sp_cri_capability_message =
	SP_PB_MESSAGE_OF("Capability", sp_cri_capability, capability_slots);

static const sp_pb_slot device_slots[] = {
	SP_PB_SLOT(sp_cri_device, container_path, 1, STRING),
	SP_PB_SLOT(sp_cri_device, host_path, 2, STRING),
	SP_PB_SLOT(sp_cri_device, permissions, 3, STRING),
};
const sp_pb_message sp_cri_device_message = SP_PB_MESSAGE_OF("Device", sp_cri_device, device_slots);

static const sp_pb_slot cdi_device_slots[] = {
	SP_PB_SLOT(sp_cri_cdi_device, name, 1, STRING),
};
const sp_pb_message sp_cri_cdi_device_message =
	SP_PB_MESSAGE_OF("CDIDevice", sp_cri_cdi_device, cdi_device_slots);

static const sp_pb_slot uint64_value_slots[] = {
	SP_PB_SLOT(sp_cri_uint64_value, value, 1, UINT64),
};
const sp_pb_message sp_cri_uint64_value_message =
	SP_PB_MESSAGE_OF("UInt64Value", sp_cri_uint64_value, uint64_value_slots);

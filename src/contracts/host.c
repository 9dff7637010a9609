/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/host.h"

static const sp_pb_slot sandbox_make_slots[] = {
	SP_PB_SLOT(sp_host_sandbox_make, id, 1, STRING),
	SP_PB_SLOT(sp_host_sandbox_make, net, 2, BOOL),
	SP_PB_SLOT(sp_host_sandbox_make, ipc, 3, BOOL),
	SP_PB_SLOT(sp_host_sandbox_make, uts, 4, BOOL),
	SP_PB_SLOT(sp_host_sandbox_make, hostname, 5, STRING),
	SP_PB_SLOT_MAP(sp_host_sandbox_make, sysctls, 6),
	SP_PB_SLOT(sp_host_sandbox_make, shm_bytes, 7, UINT64),
	SP_PB_SLOT(sp_host_sandbox_make, hostname_file, 8, BYTES),
	SP_PB_SLOT(sp_host_sandbox_make, hosts_file, 9, BYTES),
	SP_PB_SLOT(sp_host_sandbox_make, resolv_file, 10, BYTES),
	SP_PB_SLOT(sp_host_sandbox_make, uid_host, 11, UINT32),
	SP_PB_SLOT(sp_host_sandbox_make, uid_length, 12, UINT32),
	SP_PB_SLOT(sp_host_sandbox_make, gid_host, 13, UINT32),
	SP_PB_SLOT(sp_host_sandbox_make, gid_length, 14, UINT32),
};
static const sp_pb_message sandbox_make_message =
	SP_PB_MESSAGE_OF("SandboxMake", sp_host_sandbox_make, sandbox_make_slots);

static const sp_pb_slot id_slots[] = {
	SP_PB_SLOT(sp_host_id, id, 1, STRING),
};
static const sp_pb_message id_message = SP_PB_MESSAGE_OF("Id", sp_host_id, id_slots);

static const sp_pb_slot sandbox_remove_slots[] = {
	SP_PB_SLOT(sp_host_sandbox_remove, id, 1, STRING),
	SP_PB_SLOT(sp_host_sandbox_remove, shim, 2, STRING),
};
static const sp_pb_message sandbox_remove_message =
	SP_PB_MESSAGE_OF("SandboxRemove", sp_host_sandbox_remove, sandbox_remove_slots);

static const sp_pb_slot link_make_slots[] = {
	SP_PB_SLOT(sp_host_link_make, id, 1, STRING),
	SP_PB_SLOT(sp_host_link_make, bridge, 2, STRING),
	SP_PB_SLOT_LIST(sp_host_link_make, bridge_addresses, 3, STRING),
	SP_PB_SLOT(sp_host_link_make, host_if, 4, STRING),
	SP_PB_SLOT_LIST(sp_host_link_make, addresses, 5, STRING),
	SP_PB_SLOT_LIST(sp_host_link_make, gateways, 6, STRING),
	SP_PB_SLOT(sp_host_link_make, mtu, 7, UINT32),
};
static const sp_pb_message link_make_message =
	SP_PB_MESSAGE_OF("LinkMake", sp_host_link_make, link_make_slots);

static const sp_pb_slot link_remove_slots[] = {
	SP_PB_SLOT(sp_host_link_remove, host_if, 1, STRING),
};
static const sp_pb_message link_remove_message =
	SP_PB_MESSAGE_OF("LinkRemove", sp_host_link_remove, link_remove_slots);

static const sp_pb_slot rootfs_mount_slots[] = {
	SP_PB_SLOT(sp_host_rootfs_mount, id, 1, STRING),
	SP_PB_SLOT(sp_host_rootfs_mount, snapshots_dir, 2, STRING),
	SP_PB_SLOT_LIST(sp_host_rootfs_mount, lower, 3, STRING),
	SP_PB_SLOT(sp_host_rootfs_mount, upper, 4, STRING),
	SP_PB_SLOT(sp_host_rootfs_mount, work, 5, STRING),
	SP_PB_SLOT(sp_host_rootfs_mount, user_xattr, 6, BOOL),
	SP_PB_SLOT(sp_host_rootfs_mount, users_of, 7, STRING),
	SP_PB_SLOT(sp_host_rootfs_mount, uid, 8, UINT32),
	SP_PB_SLOT(sp_host_rootfs_mount, gid, 9, UINT32),
};
static const sp_pb_message rootfs_mount_message =
	SP_PB_MESSAGE_OF("RootfsMount", sp_host_rootfs_mount, rootfs_mount_slots);

static const sp_pb_slot image_mount_slots[] = {
	SP_PB_SLOT_MSG(sp_host_image_mount, view, 1, &rootfs_mount_message),
	SP_PB_SLOT(sp_host_image_mount, number, 2, UINT32),
	SP_PB_SLOT(sp_host_image_mount, sub_path, 3, STRING),
};
static const sp_pb_message image_mount_message =
	SP_PB_MESSAGE_OF("ImageMount", sp_host_image_mount, image_mount_slots);

static const sp_pb_slot image_mounted_slots[] = {
	SP_PB_SLOT(sp_host_image_mounted, path, 1, STRING),
};
static const sp_pb_message image_mounted_message =
	SP_PB_MESSAGE_OF("ImageMounted", sp_host_image_mounted, image_mounted_slots);

static const sp_pb_slot image_volume_slots[] = {
	SP_PB_SLOT_MSG(sp_host_image_volume, view, 1, &rootfs_mount_message),
	SP_PB_SLOT(sp_host_image_volume, number, 2, UINT32),
	SP_PB_SLOT(sp_host_image_volume, path, 3, STRING),
};
static const sp_pb_message image_volume_message =
	SP_PB_MESSAGE_OF("ImageVolume", sp_host_image_volume, image_volume_slots);

static const sp_pb_slot users_slots[] = {
	SP_PB_SLOT(sp_host_users, passwd, 1, BYTES),
	SP_PB_SLOT(sp_host_users, group, 2, BYTES),
};
static const sp_pb_message users_message = SP_PB_MESSAGE_OF("Users", sp_host_users, users_slots);

static const sp_pb_slot bundle_write_slots[] = {
	SP_PB_SLOT(sp_host_bundle_write, id, 1, STRING),
	SP_PB_SLOT(sp_host_bundle_write, config, 2, BYTES),
};
static const sp_pb_message bundle_write_message =
	SP_PB_MESSAGE_OF("BundleWrite", sp_host_bundle_write, bundle_write_slots);

static const sp_pb_slot path_slots[] = {
	SP_PB_SLOT(sp_host_path, path, 1, STRING),
	SP_PB_SLOT(sp_host_path, make, 2, BOOL),
	SP_PB_SLOT(sp_host_path, read, 3, BOOL),
};
static const sp_pb_message path_message = SP_PB_MESSAGE_OF("Path", sp_host_path, path_slots);

static const sp_pb_slot path_found_slots[] = {
	SP_PB_SLOT(sp_host_path_found, path, 1, STRING),  SP_PB_SLOT(sp_host_path_found, shared, 2, BOOL),
	SP_PB_SLOT(sp_host_path_found, master, 3, BOOL),  SP_PB_SLOT(sp_host_path_found, type, 4, STRING),
	SP_PB_SLOT(sp_host_path_found, major, 5, UINT32), SP_PB_SLOT(sp_host_path_found, minor, 6, UINT32),
	SP_PB_SLOT(sp_host_path_found, mode, 7, UINT32),  SP_PB_SLOT(sp_host_path_found, uid, 8, UINT32),
	SP_PB_SLOT(sp_host_path_found, gid, 9, UINT32),   SP_PB_SLOT(sp_host_path_found, content, 10, BYTES),
};
static const sp_pb_message path_found_message =
	SP_PB_MESSAGE_OF("PathFound", sp_host_path_found, path_found_slots);

static const sp_pb_slot devices_slots[] = {
	SP_PB_SLOT_MSGS(sp_host_devices, devices, 1, &path_found_message),
};
static const sp_pb_message devices_message = SP_PB_MESSAGE_OF("Devices", sp_host_devices, devices_slots);

static const sp_pb_slot shim_start_slots[] = {
	SP_PB_SLOT(sp_host_shim_start, id, 1, STRING),
	SP_PB_SLOT(sp_host_shim_start, sandbox_id, 2, STRING),
	SP_PB_SLOT(sp_host_shim_start, events, 3, STRING),
};
static const sp_pb_message shim_start_message =
	SP_PB_MESSAGE_OF("ShimStart", sp_host_shim_start, shim_start_slots);

static const sp_pb_slot shim_slots[] = {
	SP_PB_SLOT(sp_host_shim, address, 1, STRING),
};
static const sp_pb_message shim_message = SP_PB_MESSAGE_OF("Shim", sp_host_shim, shim_slots);

static const sp_pb_slot forward_slots[] = {
	SP_PB_SLOT(sp_host_forward, id, 1, STRING),
	SP_PB_SLOT(sp_host_forward, port, 2, UINT32),
};
static const sp_pb_message forward_message = SP_PB_MESSAGE_OF("Forward", sp_host_forward, forward_slots);

static const sp_pb_slot forwarded_slots[] = {
	SP_PB_SLOT(sp_host_forwarded, address, 1, STRING),
};
static const sp_pb_message forwarded_message =
	SP_PB_MESSAGE_OF("Forwarded", sp_host_forwarded, forwarded_slots);

static const sp_pb_slot ports_slots[] = {
	SP_PB_SLOT(sp_host_ports, ruleset, 1, STRING),
	SP_PB_SLOT(sp_host_ports, bridge, 2, STRING),
};
static const sp_pb_message ports_message = SP_PB_MESSAGE_OF("Ports", sp_host_ports, ports_slots);

static const sp_pb_slot cni_slots[] = {
	SP_PB_SLOT(sp_host_cni, id, 1, STRING),   SP_PB_SLOT(sp_host_cni, verb, 2, INT32),
	SP_PB_SLOT(sp_host_cni, type, 3, STRING), SP_PB_SLOT(sp_host_cni, if_name, 4, STRING),
	SP_PB_SLOT(sp_host_cni, args, 5, STRING), SP_PB_SLOT(sp_host_cni, config, 6, BYTES),
};
static const sp_pb_message cni_message = SP_PB_MESSAGE_OF("Cni", sp_host_cni, cni_slots);

static const sp_pb_slot cni_answer_slots[] = {
	SP_PB_SLOT(sp_host_cni_answer, output, 1, BYTES),
	SP_PB_SLOT(sp_host_cni_answer, errors, 2, BYTES),
	SP_PB_SLOT(sp_host_cni_answer, status, 3, INT32),
	SP_PB_SLOT(sp_host_cni_answer, cut, 4, BOOL),
};
static const sp_pb_message cni_answer_message =
	SP_PB_MESSAGE_OF("CniAnswer", sp_host_cni_answer, cni_answer_slots);

static const sp_pb_slot layer_slots[] = {
	SP_PB_SLOT(sp_host_layer, token, 1, UINT64),
	SP_PB_SLOT(sp_host_layer, kind, 2, INT32),
	SP_PB_SLOT(sp_host_layer, dir, 3, STRING),
	SP_PB_SLOT(sp_host_layer, blob, 4, STRING),
	SP_PB_SLOT_LIST(sp_host_layer, parents, 5, STRING),
	SP_PB_SLOT(sp_host_layer, bytes_max, 6, UINT64),
	SP_PB_SLOT(sp_host_layer, inodes_max, 7, UINT64),
	SP_PB_SLOT(sp_host_layer, reserve_bytes, 8, UINT64),
	SP_PB_SLOT(sp_host_layer, allow_devices, 9, BOOL),
};
static const sp_pb_message layer_message = SP_PB_MESSAGE_OF("Layer", sp_host_layer, layer_slots);

static const sp_pb_slot layer_answer_slots[] = {
	SP_PB_SLOT(sp_host_layer_answer, output, 1, BYTES),
	SP_PB_SLOT(sp_host_layer_answer, status, 2, INT32),
};
static const sp_pb_message layer_answer_message =
	SP_PB_MESSAGE_OF("LayerAnswer", sp_host_layer_answer, layer_answer_slots);

static const sp_pb_slot layer_stop_slots[] = {
	SP_PB_SLOT(sp_host_layer_stop, token, 1, UINT64),
};
static const sp_pb_message layer_stop_message =
	SP_PB_MESSAGE_OF("LayerStop", sp_host_layer_stop, layer_stop_slots);

static const sp_pb_slot volume_slots[] = {
	SP_PB_SLOT(sp_host_volume, id, 1, STRING),      SP_PB_SLOT(sp_host_volume, users_of, 2, STRING),
	SP_PB_SLOT(sp_host_volume, path, 3, STRING),    SP_PB_SLOT(sp_host_volume, index, 4, UINT32),
	SP_PB_SLOT(sp_host_volume, recursive, 5, BOOL),
};
static const sp_pb_message volume_message = SP_PB_MESSAGE_OF("Volume", sp_host_volume, volume_slots);

const sp_host_method_info sp_host_methods[SP_HOST_METHODS_] = {
	[SP_HOST_SANDBOX_MAKE] = {SP_STR_INIT("SandboxMake"), &sandbox_make_message, NULL},
	[SP_HOST_SANDBOX_REMOVE] = {SP_STR_INIT("SandboxRemove"), &sandbox_remove_message, NULL},
	[SP_HOST_PIDS_MAKE] = {SP_STR_INIT("PidsMake"), &id_message, NULL},
	[SP_HOST_LINK_MAKE] = {SP_STR_INIT("LinkMake"), &link_make_message, NULL},
	[SP_HOST_LINK_REMOVE] = {SP_STR_INIT("LinkRemove"), &link_remove_message, NULL},
	[SP_HOST_ROOTFS_MOUNT] = {SP_STR_INIT("RootfsMount"), &rootfs_mount_message, &users_message},
	[SP_HOST_IMAGE_MOUNT] = {SP_STR_INIT("ImageMount"), &image_mount_message, &image_mounted_message},
	[SP_HOST_BUNDLE_WRITE] = {SP_STR_INIT("BundleWrite"), &bundle_write_message, NULL},
	[SP_HOST_BUNDLE_REMOVE] = {SP_STR_INIT("BundleRemove"), &id_message, NULL},
	[SP_HOST_PATH] = {SP_STR_INIT("Path"), &path_message, &path_found_message},
	[SP_HOST_SHIM_START] = {SP_STR_INIT("ShimStart"), &shim_start_message, &shim_message},
	[SP_HOST_SHIM_DELETE] = {SP_STR_INIT("ShimDelete"), &id_message, NULL},
	[SP_HOST_FORWARD] = {SP_STR_INIT("Forward"), &forward_message, &forwarded_message},
	[SP_HOST_PORTS] = {SP_STR_INIT("Ports"), &ports_message, NULL},
	[SP_HOST_CNI] = {SP_STR_INIT("Cni"), &cni_message, &cni_answer_message},
	[SP_HOST_LAYER] = {SP_STR_INIT("Layer"), &layer_message, &layer_answer_message},
	[SP_HOST_VOLUME] = {SP_STR_INIT("Volume"), &volume_message, NULL},
	[SP_HOST_CNI_CONFS] = {SP_STR_INIT("CniConfs"), &id_message, NULL},
	[SP_HOST_IMAGE_VOLUME] = {SP_STR_INIT("ImageVolume"), &image_volume_message, &image_mounted_message},
	[SP_HOST_DEVICES] = {SP_STR_INIT("Devices"), &id_message, &devices_message},
	[SP_HOST_LAYER_STOP] = {SP_STR_INIT("LayerStop"), &layer_stop_message, NULL},
};

/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/messages.h"

#define S(T, field, num) SP_PB_SLOT(T, field, num, STRING)
#define U(T, field, num) SP_PB_SLOT(T, field, num, UINT32)
#define B(T, field, num) SP_PB_SLOT(T, field, num, BOOL)
#define MESSAGE(var, name, T, slots) const sp_pb_message var = SP_PB_MESSAGE_OF(name, T, slots)

static const sp_pb_slot any_slots[] = {S(shim_any, type_url, 1), SP_PB_SLOT(shim_any, value, 2, BYTES)};
MESSAGE(shim_any_message, "google.protobuf.Any", shim_any, any_slots);

static const sp_pb_slot stamp_slots[] = {SP_PB_SLOT(shim_stamp, seconds, 1, INT64),
					 SP_PB_SLOT(shim_stamp, nanos, 2, INT32)};
MESSAGE(shim_stamp_message, "google.protobuf.Timestamp", shim_stamp, stamp_slots);

static const sp_pb_slot mount_slots[] = {
	S(shim_mount_msg, type, 1),
	S(shim_mount_msg, source, 2),
	S(shim_mount_msg, target, 3),
	SP_PB_SLOT_LIST(shim_mount_msg, options, 4, STRING),
};
MESSAGE(shim_mount_message, "containerd.types.Mount", shim_mount_msg, mount_slots);

const sp_pb_message shim_empty_message = {.name = "google.protobuf.Empty", .size = sizeof(shim_id_req)};

/* ---- requests ---- */

static const sp_pb_slot create_slots[] = {
	S(shim_create_req, id, 1),
	S(shim_create_req, bundle, 2),
	SP_PB_SLOT_MSGS(shim_create_req, rootfs, 3, &shim_mount_message),
	B(shim_create_req, terminal, 4),
	S(shim_create_req, std_in, 5),
	S(shim_create_req, std_out, 6),
	S(shim_create_req, std_err, 7),
	S(shim_create_req, checkpoint, 8),
	S(shim_create_req, parent_checkpoint, 9),
	SP_PB_SLOT_MSG(shim_create_req, options, 10, &shim_any_message),
};
MESSAGE(shim_create_req_message, "containerd.task.v2.CreateTaskRequest", shim_create_req, create_slots);

static const sp_pb_slot exec_slots[] = {
	S(shim_exec_req, id, 1),
	S(shim_exec_req, exec_id, 2),
	B(shim_exec_req, terminal, 3),
	S(shim_exec_req, std_in, 4),
	S(shim_exec_req, std_out, 5),
	S(shim_exec_req, std_err, 6),
	SP_PB_SLOT_MSG(shim_exec_req, spec, 7, &shim_any_message),
};
MESSAGE(shim_exec_req_message, "containerd.task.v2.ExecProcessRequest", shim_exec_req, exec_slots);

static const sp_pb_slot id_slots[] = {S(shim_id_req, id, 1), S(shim_id_req, exec_id, 2)};
MESSAGE(shim_id_req_message, "containerd.task.v2.StateRequest", shim_id_req, id_slots);

static const sp_pb_slot kill_slots[] = {
	S(shim_kill_req, id, 1),
	S(shim_kill_req, exec_id, 2),
	U(shim_kill_req, signal, 3),
	B(shim_kill_req, all, 4),
};
MESSAGE(shim_kill_req_message, "containerd.task.v2.KillRequest", shim_kill_req, kill_slots);

static const sp_pb_slot resize_slots[] = {
	S(shim_resize_req, id, 1),
	S(shim_resize_req, exec_id, 2),
	U(shim_resize_req, width, 3),
	U(shim_resize_req, height, 4),
};
MESSAGE(shim_resize_req_message, "containerd.task.v2.ResizePtyRequest", shim_resize_req, resize_slots);

static const sp_pb_slot close_slots[] = {
	S(shim_close_req, id, 1),
	S(shim_close_req, exec_id, 2),
	B(shim_close_req, std_in, 3),
};
MESSAGE(shim_close_req_message, "containerd.task.v2.CloseIORequest", shim_close_req, close_slots);

static const sp_pb_slot update_slots[] = {
	S(shim_update_req, id, 1),
	SP_PB_SLOT_MSG(shim_update_req, resources, 2, &shim_any_message),
};
MESSAGE(shim_update_req_message, "containerd.task.v2.UpdateTaskRequest", shim_update_req, update_slots);

static const sp_pb_slot shutdown_slots[] = {S(shim_shutdown_req, id, 1), B(shim_shutdown_req, now, 2)};
MESSAGE(shim_shutdown_req_message, "containerd.task.v2.ShutdownRequest", shim_shutdown_req, shutdown_slots);

/* ---- answers ---- */

static const sp_pb_slot state_slots[] = {
	S(shim_state_resp, id, 1),
	S(shim_state_resp, bundle, 2),
	U(shim_state_resp, pid, 3),
	SP_PB_SLOT(shim_state_resp, status, 4, INT32),
	S(shim_state_resp, std_in, 5),
	S(shim_state_resp, std_out, 6),
	S(shim_state_resp, std_err, 7),
	B(shim_state_resp, terminal, 8),
	U(shim_state_resp, exit_status, 9),
	SP_PB_SLOT_MSG(shim_state_resp, exited_at, 10, &shim_stamp_message),
	S(shim_state_resp, exec_id, 11),
};
MESSAGE(shim_state_resp_message, "containerd.task.v2.StateResponse", shim_state_resp, state_slots);

static const sp_pb_slot pid_slots[] = {U(shim_pid_resp, pid, 1)};
MESSAGE(shim_pid_resp_message, "containerd.task.v2.StartResponse", shim_pid_resp, pid_slots);

static const sp_pb_slot delete_slots[] = {
	U(shim_delete_resp, pid, 1),
	U(shim_delete_resp, exit_status, 2),
	SP_PB_SLOT_MSG(shim_delete_resp, exited_at, 3, &shim_stamp_message),
};
MESSAGE(shim_delete_resp_message, "containerd.task.v2.DeleteResponse", shim_delete_resp, delete_slots);

static const sp_pb_slot wait_slots[] = {
	U(shim_wait_resp, exit_status, 1),
	SP_PB_SLOT_MSG(shim_wait_resp, exited_at, 2, &shim_stamp_message),
};
MESSAGE(shim_wait_resp_message, "containerd.task.v2.WaitResponse", shim_wait_resp, wait_slots);

static const sp_pb_slot process_slots[] = {
	U(shim_process_info, pid, 1),
	SP_PB_SLOT_MSG(shim_process_info, info, 2, &shim_any_message),
};
static const sp_pb_message process_message =
	SP_PB_MESSAGE_OF("containerd.v1.types.ProcessInfo", shim_process_info, process_slots);
static const sp_pb_slot pids_slots[] = {SP_PB_SLOT_MSGS(shim_pids_resp, processes, 1, &process_message)};
MESSAGE(shim_pids_resp_message, "containerd.task.v2.PidsResponse", shim_pids_resp, pids_slots);

static const sp_pb_slot details_slots[] = {S(shim_details, exec_id, 1)};
MESSAGE(shim_details_message, "containerd.runc.v1.ProcessDetails", shim_details, details_slots);

static const sp_pb_slot stats_slots[] = {SP_PB_SLOT_MSG(shim_stats_resp, stats, 1, &shim_any_message)};
MESSAGE(shim_stats_resp_message, "containerd.task.v2.StatsResponse", shim_stats_resp, stats_slots);

static const sp_pb_slot descriptors_slots[] = {
	SP_PB_SLOT(shim_descriptors_resp, descriptors, 1, UINT64),
	SP_PB_SLOT(shim_descriptors_resp, sockets, 2, UINT64),
};
MESSAGE(shim_descriptors_resp_message, "sampan.shim.v1.DescriptorsResponse", shim_descriptors_resp,
	descriptors_slots);

static const sp_pb_slot connect_slots[] = {
	U(shim_connect_resp, shim_pid, 1),
	U(shim_connect_resp, task_pid, 2),
	S(shim_connect_resp, version, 3),
};
MESSAGE(shim_connect_resp_message, "containerd.task.v2.ConnectResponse", shim_connect_resp, connect_slots);

/* ---- events ---- */

static const sp_pb_slot io_slots[] = {
	S(shim_io_msg, std_in, 1),
	S(shim_io_msg, std_out, 2),
	S(shim_io_msg, std_err, 3),
	B(shim_io_msg, terminal, 4),
};
static const sp_pb_message io_message = SP_PB_MESSAGE_OF("containerd.events.TaskIO", shim_io_msg, io_slots);

static const sp_pb_slot ev_create_slots[] = {
	S(shim_event, container_id, 1),
	S(shim_event, bundle, 2),
	SP_PB_SLOT_MSGS(shim_event, rootfs, 3, &shim_mount_message),
	SP_PB_SLOT_MSG(shim_event, io, 4, &io_message),
	U(shim_event, pid, 6),
};
static const sp_pb_slot ev_start_slots[] = {S(shim_event, container_id, 1), U(shim_event, pid, 2)};
static const sp_pb_slot ev_exec_added_slots[] = {S(shim_event, container_id, 1), S(shim_event, exec_id, 2)};
static const sp_pb_slot ev_exec_started_slots[] = {
	S(shim_event, container_id, 1),
	S(shim_event, exec_id, 2),
	U(shim_event, pid, 3),
};
static const sp_pb_slot ev_exit_slots[] = {
	S(shim_event, container_id, 1),
	S(shim_event, exec_id, 2),
	U(shim_event, pid, 3),
	U(shim_event, exit_status, 4),
	SP_PB_SLOT_MSG(shim_event, exited_at, 5, &shim_stamp_message),
};
static const sp_pb_slot ev_delete_slots[] = {
	S(shim_event, container_id, 1), U(shim_event, pid, 2),
	U(shim_event, exit_status, 3),  SP_PB_SLOT_MSG(shim_event, exited_at, 4, &shim_stamp_message),
	S(shim_event, exec_id, 5),
};
static const sp_pb_slot ev_id_slots[] = {S(shim_event, container_id, 1)};

#define EVENT(name, slots) \
	((const sp_pb_message[]){SP_PB_MESSAGE_OF("containerd.events." name, shim_event, slots)})

const shim_event_info shim_event_infos[SHIM_EV_COUNT_] = {
	[SHIM_EV_CREATE] = {SP_STR_INIT("/tasks/create"), EVENT("TaskCreate", ev_create_slots)},
	[SHIM_EV_START] = {SP_STR_INIT("/tasks/start"), EVENT("TaskStart", ev_start_slots)},
	[SHIM_EV_EXEC_ADDED] = {SP_STR_INIT("/tasks/exec-added"),
				EVENT("TaskExecAdded", ev_exec_added_slots)},
	[SHIM_EV_EXEC_STARTED] = {SP_STR_INIT("/tasks/exec-started"),
				  EVENT("TaskExecStarted", ev_exec_started_slots)},
	[SHIM_EV_EXIT] = {SP_STR_INIT("/tasks/exit"), EVENT("TaskExit", ev_exit_slots)},
	[SHIM_EV_DELETE] = {SP_STR_INIT("/tasks/delete"), EVENT("TaskDelete", ev_delete_slots)},
	[SHIM_EV_OOM] = {SP_STR_INIT("/tasks/oom"), EVENT("TaskOOM", ev_id_slots)},
	[SHIM_EV_PAUSED] = {SP_STR_INIT("/tasks/paused"), EVENT("TaskPaused", ev_id_slots)},
	[SHIM_EV_RESUMED] = {SP_STR_INIT("/tasks/resumed"), EVENT("TaskResumed", ev_id_slots)},
};

static const sp_pb_slot envelope_slots[] = {
	SP_PB_SLOT_MSG(shim_envelope, timestamp, 1, &shim_stamp_message),
	S(shim_envelope, ns, 2),
	S(shim_envelope, topic, 3),
	SP_PB_SLOT_MSG(shim_envelope, event, 4, &shim_any_message),
};
static const sp_pb_message envelope_message =
	SP_PB_MESSAGE_OF("containerd.types.Envelope", shim_envelope, envelope_slots);
static const sp_pb_slot forward_slots[] = {SP_PB_SLOT_MSG(shim_forward_req, envelope, 1, &envelope_message)};
MESSAGE(shim_forward_req_message, "containerd.services.events.ttrpc.v1.ForwardRequest", shim_forward_req,
	forward_slots);

/* ---- options and bootstrap ---- */

static const sp_pb_slot options_slots[] = {
	B(shim_options, no_pivot_root, 1),
	B(shim_options, no_new_keyring, 2),
	S(shim_options, shim_cgroup, 3),
	U(shim_options, io_uid, 4),
	U(shim_options, io_gid, 5),
	S(shim_options, binary_name, 6),
	S(shim_options, root, 7),
	S(shim_options, criu_path, 8),
	B(shim_options, systemd_cgroup, 9),
	S(shim_options, criu_image_path, 10),
	S(shim_options, criu_work_path, 11),
};
MESSAGE(shim_options_message, "containerd.runc.v1.Options", shim_options, options_slots);

static const sp_pb_slot owner_slots[] = {U(shim_owner, uid, 1), U(shim_owner, gid, 2)};
MESSAGE(shim_owner_message, "sampan.shim.v1.Owner", shim_owner, owner_slots);

static const sp_pb_slot extension_slots[] = {SP_PB_SLOT_MSG(shim_extension, value, 1, &shim_any_message)};
static const sp_pb_message extension_message =
	SP_PB_MESSAGE_OF("containerd.runtime.bootstrap.v1.Extension", shim_extension, extension_slots);
static const sp_pb_slot bootstrap_slots[] = {
	S(shim_bootstrap, instance_id, 1),
	S(shim_bootstrap, ns, 2),
	SP_PB_SLOT(shim_bootstrap, log_level, 3, INT32),
	S(shim_bootstrap, containerd_version, 4),
	S(shim_bootstrap, ttrpc_address, 5),
	S(shim_bootstrap, grpc_address, 6),
	S(shim_bootstrap, containerd_binary, 7),
	SP_PB_SLOT_MSGS(shim_bootstrap, extensions, 8, &extension_message),
	S(shim_bootstrap, socket_dir, 9),
};
MESSAGE(shim_bootstrap_message, "containerd.runtime.bootstrap.v1.BootstrapParams", shim_bootstrap,
	bootstrap_slots);

static const sp_pb_slot result_slots[] = {
	SP_PB_SLOT(shim_bootstrap_result, version, 1, INT32),
	S(shim_bootstrap_result, address, 2),
	S(shim_bootstrap_result, protocol, 3),
};
MESSAGE(shim_bootstrap_result_message, "containerd.runtime.bootstrap.v1.BootstrapResult",
	shim_bootstrap_result, result_slots);

static const sp_pb_slot version_slots[] = {S(shim_version_msg, version, 1), S(shim_version_msg, revision, 2)};
static const sp_pb_message version_message =
	SP_PB_MESSAGE_OF("containerd.types.RuntimeVersion", shim_version_msg, version_slots);
static const sp_pb_slot info_slots[] = {
	S(shim_info_msg, name, 1),
	SP_PB_SLOT_MSG(shim_info_msg, version, 2, &version_message),
	SP_PB_SLOT_MSG(shim_info_msg, options, 3, &shim_any_message),
	SP_PB_SLOT_MSG(shim_info_msg, features, 4, &shim_any_message),
};
MESSAGE(shim_info_message, "containerd.types.RuntimeInfo", shim_info_msg, info_slots);

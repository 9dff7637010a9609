/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The messages of containerd's task service, its events, the runtime options and bootstrap, as structs.
 * U: containerd/containerd api/runtime/task/v3/shim.proto, api/events/task.proto, the protos of
 * api/types, api/types/runc/options/oci.proto, api/runtime/bootstrap/v1/bootstrap.proto.
 */
#pragma once

#include "base/pb_struct.h"

typedef struct shim_any {
	sp_str type_url, value;
} shim_any;
typedef struct shim_stamp {
	int64_t seconds;
	int32_t nanos;
} shim_stamp;
typedef struct shim_mount_msg {
	sp_str type, source, target;
	SP_PB_LIST(sp_str) options;
} shim_mount_msg;

extern const sp_pb_message shim_any_message, shim_stamp_message, shim_mount_message, shim_empty_message;

/* ---- requests: one struct for all of them that carry little, fields as the tables say ---- */

typedef struct shim_create_req {
	sp_str id, bundle, std_in, std_out, std_err, checkpoint, parent_checkpoint;
	SP_PB_LIST(shim_mount_msg) rootfs;
	bool terminal;
	shim_any *options;
} shim_create_req;
extern const sp_pb_message shim_create_req_message;

typedef struct shim_exec_req {
	sp_str id, exec_id, std_in, std_out, std_err;
	bool terminal;
	shim_any *spec;
} shim_exec_req;
extern const sp_pb_message shim_exec_req_message;

/* State, Start, Delete, Wait (id, exec_id), Pids, Pause, Resume, Stats, Connect (id). */
typedef struct shim_id_req {
	sp_str id, exec_id;
} shim_id_req;
extern const sp_pb_message shim_id_req_message;

typedef struct shim_kill_req {
	sp_str id, exec_id;
	uint32_t signal;
	bool all;
} shim_kill_req;
extern const sp_pb_message shim_kill_req_message;

typedef struct shim_resize_req {
	sp_str id, exec_id;
	uint32_t width, height;
} shim_resize_req;
extern const sp_pb_message shim_resize_req_message;

typedef struct shim_close_req {
	sp_str id, exec_id;
	bool std_in;
} shim_close_req;
extern const sp_pb_message shim_close_req_message;

typedef struct shim_update_req {
	sp_str id;
	shim_any *resources;
} shim_update_req;
extern const sp_pb_message shim_update_req_message;

typedef struct shim_shutdown_req {
	sp_str id;
	bool now;
} shim_shutdown_req;
extern const sp_pb_message shim_shutdown_req_message;

/* ---- answers ---- */

typedef enum shim_status {
	SHIM_UNKNOWN,
	SHIM_CREATED,
	SHIM_RUNNING,
	SHIM_STOPPED,
	SHIM_PAUSED,
} shim_status;

typedef struct shim_state_resp {
	sp_str id, bundle, std_in, std_out, std_err, exec_id;
	uint32_t pid, exit_status;
	int32_t status; /* shim_status */
	bool terminal;
	shim_stamp *exited_at;
} shim_state_resp;
extern const sp_pb_message shim_state_resp_message;

typedef struct shim_pid_resp {
	uint32_t pid;
} shim_pid_resp;
extern const sp_pb_message shim_pid_resp_message;

typedef struct shim_delete_resp {
	uint32_t pid, exit_status;
	shim_stamp *exited_at;
} shim_delete_resp;
extern const sp_pb_message shim_delete_resp_message;

typedef struct shim_wait_resp {
	uint32_t exit_status;
	shim_stamp *exited_at;
} shim_wait_resp;
extern const sp_pb_message shim_wait_resp_message;

typedef struct shim_process_info {
	uint32_t pid;
	shim_any *info;
} shim_process_info;
typedef struct shim_pids_resp {
	SP_PB_LIST(shim_process_info) processes;
} shim_pids_resp;
extern const sp_pb_message shim_pids_resp_message;

typedef struct shim_details {
	sp_str exec_id;
} shim_details;
extern const sp_pb_message shim_details_message;

typedef struct shim_stats_resp {
	shim_any *stats;
} shim_stats_resp;
extern const sp_pb_message shim_stats_resp_message;

/* Ours: of all processes of a container together. */
typedef struct shim_descriptors_resp {
	uint64_t descriptors, sockets;
} shim_descriptors_resp;
extern const sp_pb_message shim_descriptors_resp_message;

typedef struct shim_connect_resp {
	uint32_t shim_pid, task_pid;
	sp_str version;
} shim_connect_resp;
extern const sp_pb_message shim_connect_resp_message;

/* ---- events: one struct, a table for each kind ---- */

typedef struct shim_io_msg {
	sp_str std_in, std_out, std_err;
	bool terminal;
} shim_io_msg;

typedef struct shim_event {
	sp_str container_id,
		exec_id; /* exec_id: of TaskExit and TaskDelete the process, the container itself for init */
	sp_str bundle;
	SP_PB_LIST(shim_mount_msg) rootfs;
	shim_io_msg *io;
	uint32_t pid, exit_status;
	shim_stamp *exited_at;
} shim_event;

typedef enum shim_event_kind {
	SHIM_EV_CREATE,
	SHIM_EV_START,
	SHIM_EV_EXEC_ADDED,
	SHIM_EV_EXEC_STARTED,
	SHIM_EV_EXIT,
	SHIM_EV_DELETE,
	SHIM_EV_OOM,
	SHIM_EV_PAUSED,
	SHIM_EV_RESUMED,
	SHIM_EV_COUNT_
} shim_event_kind;

typedef struct shim_event_info {
	sp_str topic;
	const sp_pb_message *message; /* its name is the type URL */
} shim_event_info;
extern const shim_event_info shim_event_infos[SHIM_EV_COUNT_];

typedef struct shim_envelope {
	shim_stamp *timestamp;
	sp_str ns, topic;
	shim_any *event;
} shim_envelope;
typedef struct shim_forward_req {
	shim_envelope *envelope;
} shim_forward_req;
extern const sp_pb_message shim_forward_req_message;

/* ---- options and bootstrap ---- */

/* containerd.runc.v1.Options */
typedef struct shim_options {
	bool no_pivot_root, no_new_keyring, systemd_cgroup;
	sp_str shim_cgroup, binary_name, root, criu_path, criu_image_path, criu_work_path;
	uint32_t io_uid, io_gid;
} shim_options;
extern const sp_pb_message shim_options_message;

/* Ours, an extension of the bootstrap: who else may connect. */
typedef struct shim_owner {
	uint32_t uid, gid;
} shim_owner;
extern const sp_pb_message shim_owner_message;

typedef struct shim_extension {
	shim_any *value;
} shim_extension;
typedef struct shim_bootstrap {
	sp_str instance_id, ns;
	int32_t log_level;
	sp_str containerd_version, ttrpc_address, grpc_address, containerd_binary, socket_dir;
	SP_PB_LIST(shim_extension) extensions;
} shim_bootstrap;
extern const sp_pb_message shim_bootstrap_message;

typedef struct shim_bootstrap_result {
	int32_t version;
	sp_str address, protocol;
} shim_bootstrap_result;
extern const sp_pb_message shim_bootstrap_result_message;

typedef struct shim_version_msg {
	sp_str version, revision;
} shim_version_msg;
typedef struct shim_info_msg {
	sp_str name;
	shim_version_msg *version;
	shim_any *options, *features;
} shim_info_msg;
extern const sp_pb_message shim_info_message;

static inline shim_stamp shim_stamp_of(int64_t wall_ns)
{
	return (shim_stamp){wall_ns / 1000000000, (int32_t)(wall_ns % 1000000000)};
}

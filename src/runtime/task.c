/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/task.h"

static const sp_pb_slot time_slots[] = {
	SP_PB_SLOT(rt_time, seconds, 1, INT64),
	SP_PB_SLOT(rt_time, nanos, 2, INT32),
};
static const sp_pb_message time_message = SP_PB_MESSAGE_OF("Timestamp", rt_time, time_slots);

static const sp_pb_slot any_slots[] = {
	SP_PB_SLOT(rt_any, type_url, 1, STRING),
	SP_PB_SLOT(rt_any, value, 2, BYTES),
};
static const sp_pb_message any_message = SP_PB_MESSAGE_OF("Any", rt_any, any_slots);

static const sp_pb_slot create_slots[] = {
	SP_PB_SLOT(rt_task_create, id, 1, STRING),
	SP_PB_SLOT(rt_task_create, bundle, 2, STRING),
	SP_PB_SLOT(rt_task_create, terminal, 4, BOOL),
	SP_PB_SLOT(rt_task_create, stdin, 5, STRING),
	SP_PB_SLOT(rt_task_create, stdout, 6, STRING),
	SP_PB_SLOT(rt_task_create, stderr, 7, STRING),
	SP_PB_SLOT_MSG(rt_task_create, options, 10, &any_message),
};
static const sp_pb_message create_message =
	SP_PB_MESSAGE_OF("CreateTaskRequest", rt_task_create, create_slots);

static const sp_pb_slot pid_slots[] = {SP_PB_SLOT(rt_task_pid, pid, 1, UINT32)};
static const sp_pb_message pid_message = SP_PB_MESSAGE_OF("StartResponse", rt_task_pid, pid_slots);

static const sp_pb_slot id_slots[] = {
	SP_PB_SLOT(rt_task_id, id, 1, STRING),
	SP_PB_SLOT(rt_task_id, exec_id, 2, STRING),
};
static const sp_pb_message id_message = SP_PB_MESSAGE_OF("StartRequest", rt_task_id, id_slots);

static const sp_pb_slot kill_slots[] = {
	SP_PB_SLOT(rt_task_kill, id, 1, STRING),
	SP_PB_SLOT(rt_task_kill, exec_id, 2, STRING),
	SP_PB_SLOT(rt_task_kill, signal, 3, UINT32),
	SP_PB_SLOT(rt_task_kill, all, 4, BOOL),
};
static const sp_pb_message kill_message = SP_PB_MESSAGE_OF("KillRequest", rt_task_kill, kill_slots);

static const sp_pb_slot exec_slots[] = {
	SP_PB_SLOT(rt_task_exec, id, 1, STRING),
	SP_PB_SLOT(rt_task_exec, exec_id, 2, STRING),
	SP_PB_SLOT(rt_task_exec, terminal, 3, BOOL),
	SP_PB_SLOT(rt_task_exec, stdin, 4, STRING),
	SP_PB_SLOT(rt_task_exec, stdout, 5, STRING),
	SP_PB_SLOT(rt_task_exec, stderr, 6, STRING),
	SP_PB_SLOT_MSG(rt_task_exec, spec, 7, &any_message),
};
static const sp_pb_message exec_message = SP_PB_MESSAGE_OF("ExecProcessRequest", rt_task_exec, exec_slots);

static const sp_pb_slot resize_slots[] = {
	SP_PB_SLOT(rt_task_resize, id, 1, STRING),
	SP_PB_SLOT(rt_task_resize, exec_id, 2, STRING),
	SP_PB_SLOT(rt_task_resize, width, 3, UINT32),
	SP_PB_SLOT(rt_task_resize, height, 4, UINT32),
};
static const sp_pb_message resize_message =
	SP_PB_MESSAGE_OF("ResizePtyRequest", rt_task_resize, resize_slots);

static const sp_pb_slot update_slots[] = {
	SP_PB_SLOT(rt_task_update, id, 1, STRING),
	SP_PB_SLOT_MSG(rt_task_update, resources, 2, &any_message),
};
static const sp_pb_message update_message =
	SP_PB_MESSAGE_OF("UpdateTaskRequest", rt_task_update, update_slots);

static const sp_pb_slot exit_slots[] = {
	SP_PB_SLOT(rt_task_exit, exit_status, 1, UINT32),
	SP_PB_SLOT_MSG(rt_task_exit, exited_at, 2, &time_message),
};
static const sp_pb_message exit_message = SP_PB_MESSAGE_OF("WaitResponse", rt_task_exit, exit_slots);

static const sp_pb_slot state_slots[] = {
	SP_PB_SLOT(rt_task_state, id, 1, STRING),
	SP_PB_SLOT(rt_task_state, pid, 3, UINT32),
	SP_PB_SLOT(rt_task_state, status, 4, INT32),
	SP_PB_SLOT(rt_task_state, exit_status, 9, UINT32),
	SP_PB_SLOT_MSG(rt_task_state, exited_at, 10, &time_message),
};
static const sp_pb_message state_message = SP_PB_MESSAGE_OF("StateResponse", rt_task_state, state_slots);

static const sp_pb_slot descriptors_slots[] = {
	SP_PB_SLOT(rt_task_descriptors, descriptors, 1, UINT64),
	SP_PB_SLOT(rt_task_descriptors, sockets, 2, UINT64),
};
static const sp_pb_message descriptors_message =
	SP_PB_MESSAGE_OF("DescriptorsResponse", rt_task_descriptors, descriptors_slots);

static const sp_pb_slot shutdown_slots[] = {
	SP_PB_SLOT(rt_task_shutdown, id, 1, STRING),
	SP_PB_SLOT(rt_task_shutdown, now, 2, BOOL),
};
static const sp_pb_message shutdown_message =
	SP_PB_MESSAGE_OF("ShutdownRequest", rt_task_shutdown, shutdown_slots);

#define SERVICE SP_STR_INIT("containerd.task.v2.Task")
/* What the OCI runtime does takes milliseconds; a shim that says nothing for so long is stuck. */
#define TIMEOUT_NS UINT64_C(60000000000)

const rt_rpc_method rt_task_create_method = {SERVICE, SP_STR_INIT("Create"), &create_message, &pid_message,
					     TIMEOUT_NS};
const rt_rpc_method rt_task_start_method = {SERVICE, SP_STR_INIT("Start"), &id_message, &pid_message,
					    TIMEOUT_NS};
const rt_rpc_method rt_task_delete_method = {SERVICE, SP_STR_INIT("Delete"), &id_message, NULL, TIMEOUT_NS};
const rt_rpc_method rt_task_kill_method = {SERVICE, SP_STR_INIT("Kill"), &kill_message, NULL, TIMEOUT_NS};
const rt_rpc_method rt_task_exec_method = {SERVICE, SP_STR_INIT("Exec"), &exec_message, NULL, TIMEOUT_NS};
const rt_rpc_method rt_task_resize_method = {SERVICE, SP_STR_INIT("ResizePty"), &resize_message, NULL,
					     TIMEOUT_NS};
const rt_rpc_method rt_task_update_method = {SERVICE, SP_STR_INIT("Update"), &update_message, NULL,
					     TIMEOUT_NS};
const rt_rpc_method rt_task_wait_method = {SERVICE, SP_STR_INIT("Wait"), &id_message, &exit_message, 0};
const rt_rpc_method rt_task_state_method = {SERVICE, SP_STR_INIT("State"), &id_message, &state_message,
					    TIMEOUT_NS};
const rt_rpc_method rt_task_shutdown_method = {SERVICE, SP_STR_INIT("Shutdown"), &shutdown_message, NULL,
					       TIMEOUT_NS};
const rt_rpc_method rt_log_reopen_method = {SP_STR_INIT("sampan.shim.v1.Log"), SP_STR_INIT("Reopen"),
					    &id_message, NULL, TIMEOUT_NS};
const rt_rpc_method rt_figures_descriptors_method = {SP_STR_INIT("sampan.shim.v1.Figures"),
						     SP_STR_INIT("Descriptors"), &id_message,
						     &descriptors_message, TIMEOUT_NS};

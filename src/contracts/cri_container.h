/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI messages: containers, commands in them, their events. U: as cri_common.h.
 */
#pragma once

#include "contracts/cri_sandbox.h"

enum {
	SP_CRI_CONTAINER_CREATED = 0,
	SP_CRI_CONTAINER_RUNNING = 1,
	SP_CRI_CONTAINER_EXITED = 2,
	SP_CRI_CONTAINER_UNKNOWN = 3
};
/* Of sp_cri_container_event_response. */
enum {
	SP_CRI_EVENT_CREATED = 0,
	SP_CRI_EVENT_STARTED = 1,
	SP_CRI_EVENT_STOPPED = 2,
	SP_CRI_EVENT_DELETED = 3
};

typedef struct sp_cri_linux_container_security_context {
	sp_cri_capability *capabilities;
	bool privileged;
	sp_cri_namespace_option *namespace_options;
	sp_cri_selinux_option *selinux_options;
	sp_cri_int64_value *run_as_user;
	sp_cri_int64_value *run_as_group;
	sp_str run_as_username;
	bool readonly_rootfs;
	SP_PB_LIST(int64_t) supplemental_groups;
	int32_t supplemental_groups_policy;
	bool no_new_privs;
	SP_PB_LIST(sp_str) masked_paths;
	SP_PB_LIST(sp_str) readonly_paths;
	sp_cri_security_profile *seccomp;
	sp_cri_security_profile *apparmor;
	sp_str apparmor_profile;
	sp_str seccomp_profile_path;
} sp_cri_linux_container_security_context;
extern const sp_pb_message sp_cri_linux_container_security_context_message;

typedef struct sp_cri_linux_container_config {
	sp_cri_linux_container_resources *resources;
	sp_cri_linux_container_security_context *security_context;
} sp_cri_linux_container_config;
extern const sp_pb_message sp_cri_linux_container_config_message;

typedef struct sp_cri_linux_container_user {
	int64_t uid;
	int64_t gid;
	SP_PB_LIST(int64_t) supplemental_groups;
} sp_cri_linux_container_user;
extern const sp_pb_message sp_cri_linux_container_user_message;

typedef struct sp_cri_container_metadata {
	sp_str name;
	uint32_t attempt;
} sp_cri_container_metadata;
extern const sp_pb_message sp_cri_container_metadata_message;

typedef struct sp_cri_container_config {
	sp_cri_container_metadata *metadata;
	sp_cri_image_spec *image;
	SP_PB_LIST(sp_str) command;
	SP_PB_LIST(sp_str) args;
	sp_str working_dir;
	SP_PB_LIST(sp_cri_key_value) envs;
	SP_PB_LIST(sp_cri_mount) mounts;
	SP_PB_LIST(sp_cri_device) devices;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
	sp_str log_path;
	bool stdin;
	bool stdin_once;
	bool tty;
	sp_cri_linux_container_config *linux_;
	SP_PB_LIST(sp_cri_cdi_device) cdi_devices;
	int32_t stop_signal;
} sp_cri_container_config;
extern const sp_pb_message sp_cri_container_config_message;

typedef struct sp_cri_create_container_request {
	sp_str pod_sandbox_id;
	sp_cri_container_config *config;
	sp_cri_pod_sandbox_config *sandbox_config;
} sp_cri_create_container_request;
extern const sp_pb_message sp_cri_create_container_request_message;

typedef struct sp_cri_create_container_response {
	sp_str container_id;
} sp_cri_create_container_response;
extern const sp_pb_message sp_cri_create_container_response_message;

typedef struct sp_cri_start_container_request {
	sp_str container_id;
} sp_cri_start_container_request;
extern const sp_pb_message sp_cri_start_container_request_message;

typedef struct sp_cri_stop_container_request {
	sp_str container_id;
	int64_t timeout;
} sp_cri_stop_container_request;
extern const sp_pb_message sp_cri_stop_container_request_message;

typedef struct sp_cri_remove_container_request {
	sp_str container_id;
} sp_cri_remove_container_request;
extern const sp_pb_message sp_cri_remove_container_request_message;

typedef struct sp_cri_container_state_value {
	int32_t state;
} sp_cri_container_state_value;
extern const sp_pb_message sp_cri_container_state_value_message;

typedef struct sp_cri_container_filter {
	sp_str id;
	sp_cri_container_state_value *state;
	sp_str pod_sandbox_id;
	SP_PB_LIST(sp_pb_pair) label_selector;
} sp_cri_container_filter;
extern const sp_pb_message sp_cri_container_filter_message;

typedef struct sp_cri_list_containers_request {
	sp_cri_container_filter *filter;
} sp_cri_list_containers_request;
extern const sp_pb_message sp_cri_list_containers_request_message;

typedef struct sp_cri_container {
	sp_str id;
	sp_str pod_sandbox_id;
	sp_cri_container_metadata *metadata;
	sp_cri_image_spec *image;
	sp_str image_ref;
	int32_t state;
	int64_t created_at;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
	sp_str image_id;
} sp_cri_container;
extern const sp_pb_message sp_cri_container_message;

typedef struct sp_cri_list_containers_response {
	SP_PB_LIST(sp_cri_container) containers;
} sp_cri_list_containers_response;
extern const sp_pb_message sp_cri_list_containers_response_message;

typedef struct sp_cri_container_status_request {
	sp_str container_id;
	bool verbose;
} sp_cri_container_status_request;
extern const sp_pb_message sp_cri_container_status_request_message;

typedef struct sp_cri_container_resources {
	sp_cri_linux_container_resources *linux_;
} sp_cri_container_resources;
extern const sp_pb_message sp_cri_container_resources_message;

typedef struct sp_cri_container_user {
	sp_cri_linux_container_user *linux_;
} sp_cri_container_user;
extern const sp_pb_message sp_cri_container_user_message;

typedef struct sp_cri_container_status {
	sp_str id;
	sp_cri_container_metadata *metadata;
	int32_t state;
	int64_t created_at;
	int64_t started_at;
	int64_t finished_at;
	int32_t exit_code;
	sp_cri_image_spec *image;
	sp_str image_ref;
	sp_str reason;
	sp_str message;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
	SP_PB_LIST(sp_cri_mount) mounts;
	sp_str log_path;
	sp_cri_container_resources *resources;
	sp_str image_id;
	sp_cri_container_user *user;
	int32_t stop_signal;
} sp_cri_container_status;
extern const sp_pb_message sp_cri_container_status_message;

typedef struct sp_cri_container_status_response {
	sp_cri_container_status *status;
	SP_PB_LIST(sp_pb_pair) info;
} sp_cri_container_status_response;
extern const sp_pb_message sp_cri_container_status_response_message;

typedef struct sp_cri_update_container_resources_request {
	sp_str container_id;
	sp_cri_linux_container_resources *linux_;
	SP_PB_LIST(sp_pb_pair) annotations;
} sp_cri_update_container_resources_request;
extern const sp_pb_message sp_cri_update_container_resources_request_message;

typedef struct sp_cri_exec_sync_request {
	sp_str container_id;
	SP_PB_LIST(sp_str) cmd;
	int64_t timeout;
} sp_cri_exec_sync_request;
extern const sp_pb_message sp_cri_exec_sync_request_message;

typedef struct sp_cri_exec_sync_response {
	sp_str stdout;
	sp_str stderr;
	int32_t exit_code;
} sp_cri_exec_sync_response;
extern const sp_pb_message sp_cri_exec_sync_response_message;

typedef struct sp_cri_exec_request {
	sp_str container_id;
	SP_PB_LIST(sp_str) cmd;
	bool tty;
	bool stdin;
	bool stdout;
	bool stderr;
} sp_cri_exec_request;
extern const sp_pb_message sp_cri_exec_request_message;

typedef struct sp_cri_exec_response {
	sp_str url;
} sp_cri_exec_response;
extern const sp_pb_message sp_cri_exec_response_message;

typedef struct sp_cri_attach_request {
	sp_str container_id;
	bool stdin;
	bool tty;
	bool stdout;
	bool stderr;
} sp_cri_attach_request;
extern const sp_pb_message sp_cri_attach_request_message;

typedef struct sp_cri_attach_response {
	sp_str url;
} sp_cri_attach_response;
extern const sp_pb_message sp_cri_attach_response_message;

typedef struct sp_cri_reopen_container_log_request {
	sp_str container_id;
} sp_cri_reopen_container_log_request;
extern const sp_pb_message sp_cri_reopen_container_log_request_message;

typedef struct sp_cri_checkpoint_container_request {
	sp_str container_id;
	sp_str location;
	int64_t timeout;
} sp_cri_checkpoint_container_request;
extern const sp_pb_message sp_cri_checkpoint_container_request_message;

typedef struct sp_cri_pod_sandbox_status_response {
	sp_cri_pod_sandbox_status *status;
	SP_PB_LIST(sp_pb_pair) info;
	SP_PB_LIST(sp_cri_container_status) containers_statuses;
	int64_t timestamp;
} sp_cri_pod_sandbox_status_response;
extern const sp_pb_message sp_cri_pod_sandbox_status_response_message;

typedef struct sp_cri_container_event_response {
	sp_str container_id;
	int32_t container_event_type;
	int64_t created_at;
	sp_cri_pod_sandbox_status *pod_sandbox_status;
	SP_PB_LIST(sp_cri_container_status) containers_statuses;
} sp_cri_container_event_response;
extern const sp_pb_message sp_cri_container_event_response_message;

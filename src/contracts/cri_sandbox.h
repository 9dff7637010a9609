/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI messages: the runtime itself and pod sandboxes. U: as cri_common.h.
 */
#pragma once

#include "contracts/cri_common.h"

enum { SP_CRI_SANDBOX_READY = 0, SP_CRI_SANDBOX_NOTREADY = 1 };
enum { SP_CRI_CGROUP_SYSTEMD = 0, SP_CRI_CGROUP_CGROUPFS = 1 };

typedef struct sp_cri_version_request {
	sp_str version;
} sp_cri_version_request;
extern const sp_pb_message sp_cri_version_request_message;

typedef struct sp_cri_version_response {
	sp_str version;
	sp_str runtime_name;
	sp_str runtime_version;
	sp_str runtime_api_version;
} sp_cri_version_response;
extern const sp_pb_message sp_cri_version_response_message;

typedef struct sp_cri_linux_sandbox_security_context {
	sp_cri_namespace_option *namespace_options;
	sp_cri_selinux_option *selinux_options;
	sp_cri_int64_value *run_as_user;
	sp_cri_int64_value *run_as_group;
	bool readonly_rootfs;
	SP_PB_LIST(int64_t) supplemental_groups;
	int32_t supplemental_groups_policy;
	bool privileged;
	sp_cri_security_profile *seccomp;
	sp_cri_security_profile *apparmor;
	sp_str seccomp_profile_path;
} sp_cri_linux_sandbox_security_context;
extern const sp_pb_message sp_cri_linux_sandbox_security_context_message;

typedef struct sp_cri_linux_pod_sandbox_config {
	sp_str cgroup_parent;
	sp_cri_linux_sandbox_security_context *security_context;
	SP_PB_LIST(sp_pb_pair) sysctls;
	sp_cri_linux_container_resources *overhead;
	sp_cri_linux_container_resources *resources;
} sp_cri_linux_pod_sandbox_config;
extern const sp_pb_message sp_cri_linux_pod_sandbox_config_message;

typedef struct sp_cri_pod_sandbox_metadata {
	sp_str name;
	sp_str uid;
	sp_str namespace;
	uint32_t attempt;
} sp_cri_pod_sandbox_metadata;
extern const sp_pb_message sp_cri_pod_sandbox_metadata_message;

typedef struct sp_cri_pod_sandbox_config {
	sp_cri_pod_sandbox_metadata *metadata;
	sp_str hostname;
	sp_str log_directory;
	sp_cri_dns_config *dns_config;
	SP_PB_LIST(sp_cri_port_mapping) port_mappings;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
	sp_cri_linux_pod_sandbox_config *linux_;
} sp_cri_pod_sandbox_config;
extern const sp_pb_message sp_cri_pod_sandbox_config_message;

typedef struct sp_cri_run_pod_sandbox_request {
	sp_cri_pod_sandbox_config *config;
	sp_str runtime_handler;
} sp_cri_run_pod_sandbox_request;
extern const sp_pb_message sp_cri_run_pod_sandbox_request_message;

typedef struct sp_cri_run_pod_sandbox_response {
	sp_str pod_sandbox_id;
} sp_cri_run_pod_sandbox_response;
extern const sp_pb_message sp_cri_run_pod_sandbox_response_message;

typedef struct sp_cri_stop_pod_sandbox_request {
	sp_str pod_sandbox_id;
} sp_cri_stop_pod_sandbox_request;
extern const sp_pb_message sp_cri_stop_pod_sandbox_request_message;

typedef struct sp_cri_remove_pod_sandbox_request {
	sp_str pod_sandbox_id;
} sp_cri_remove_pod_sandbox_request;
extern const sp_pb_message sp_cri_remove_pod_sandbox_request_message;

typedef struct sp_cri_pod_sandbox_status_request {
	sp_str pod_sandbox_id;
	bool verbose;
} sp_cri_pod_sandbox_status_request;
extern const sp_pb_message sp_cri_pod_sandbox_status_request_message;

typedef struct sp_cri_pod_ip {
	sp_str ip;
} sp_cri_pod_ip;
extern const sp_pb_message sp_cri_pod_ip_message;

typedef struct sp_cri_pod_sandbox_network_status {
	sp_str ip;
	SP_PB_LIST(sp_cri_pod_ip) additional_ips;
} sp_cri_pod_sandbox_network_status;
extern const sp_pb_message sp_cri_pod_sandbox_network_status_message;

typedef struct sp_cri_namespace {
	sp_cri_namespace_option *options;
} sp_cri_namespace;
extern const sp_pb_message sp_cri_namespace_message;

typedef struct sp_cri_linux_pod_sandbox_status {
	sp_cri_namespace *namespaces;
} sp_cri_linux_pod_sandbox_status;
extern const sp_pb_message sp_cri_linux_pod_sandbox_status_message;

typedef struct sp_cri_pod_sandbox_status {
	sp_str id;
	sp_cri_pod_sandbox_metadata *metadata;
	int32_t state;
	int64_t created_at;
	sp_cri_pod_sandbox_network_status *network;
	sp_cri_linux_pod_sandbox_status *linux_;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
	sp_str runtime_handler;
} sp_cri_pod_sandbox_status;
extern const sp_pb_message sp_cri_pod_sandbox_status_message;

typedef struct sp_cri_pod_sandbox_state_value {
	int32_t state;
} sp_cri_pod_sandbox_state_value;
extern const sp_pb_message sp_cri_pod_sandbox_state_value_message;

typedef struct sp_cri_pod_sandbox_filter {
	sp_str id;
	sp_cri_pod_sandbox_state_value *state;
	SP_PB_LIST(sp_pb_pair) label_selector;
} sp_cri_pod_sandbox_filter;
extern const sp_pb_message sp_cri_pod_sandbox_filter_message;

typedef struct sp_cri_list_pod_sandbox_request {
	sp_cri_pod_sandbox_filter *filter;
} sp_cri_list_pod_sandbox_request;
extern const sp_pb_message sp_cri_list_pod_sandbox_request_message;

typedef struct sp_cri_pod_sandbox {
	sp_str id;
	sp_cri_pod_sandbox_metadata *metadata;
	int32_t state;
	int64_t created_at;
	SP_PB_LIST(sp_pb_pair) labels;
	SP_PB_LIST(sp_pb_pair) annotations;
	sp_str runtime_handler;
} sp_cri_pod_sandbox;
extern const sp_pb_message sp_cri_pod_sandbox_message;

typedef struct sp_cri_list_pod_sandbox_response {
	SP_PB_LIST(sp_cri_pod_sandbox) items;
} sp_cri_list_pod_sandbox_response;
extern const sp_pb_message sp_cri_list_pod_sandbox_response_message;

typedef struct sp_cri_port_forward_request {
	sp_str pod_sandbox_id;
	SP_PB_LIST(int32_t) port;
} sp_cri_port_forward_request;
extern const sp_pb_message sp_cri_port_forward_request_message;

typedef struct sp_cri_port_forward_response {
	sp_str url;
} sp_cri_port_forward_response;
extern const sp_pb_message sp_cri_port_forward_response_message;

typedef struct sp_cri_network_config {
	sp_str pod_cidr;
} sp_cri_network_config;
extern const sp_pb_message sp_cri_network_config_message;

typedef struct sp_cri_runtime_config {
	sp_cri_network_config *network_config;
} sp_cri_runtime_config;
extern const sp_pb_message sp_cri_runtime_config_message;

typedef struct sp_cri_update_runtime_config_request {
	sp_cri_runtime_config *runtime_config;
} sp_cri_update_runtime_config_request;
extern const sp_pb_message sp_cri_update_runtime_config_request_message;

typedef struct sp_cri_runtime_condition {
	sp_str type;
	bool status;
	sp_str reason;
	sp_str message;
} sp_cri_runtime_condition;
extern const sp_pb_message sp_cri_runtime_condition_message;

typedef struct sp_cri_runtime_status {
	SP_PB_LIST(sp_cri_runtime_condition) conditions;
} sp_cri_runtime_status;
extern const sp_pb_message sp_cri_runtime_status_message;

typedef struct sp_cri_status_request {
	bool verbose;
} sp_cri_status_request;
extern const sp_pb_message sp_cri_status_request_message;

typedef struct sp_cri_runtime_handler_features {
	bool recursive_read_only_mounts;
	bool user_namespaces;
} sp_cri_runtime_handler_features;
extern const sp_pb_message sp_cri_runtime_handler_features_message;

typedef struct sp_cri_runtime_handler {
	sp_str name;
	sp_cri_runtime_handler_features *features;
} sp_cri_runtime_handler;
extern const sp_pb_message sp_cri_runtime_handler_message;

typedef struct sp_cri_runtime_features {
	bool supplemental_groups_policy;
	bool user_namespaces_host_network;
} sp_cri_runtime_features;
extern const sp_pb_message sp_cri_runtime_features_message;

typedef struct sp_cri_status_response {
	sp_cri_runtime_status *status;
	SP_PB_LIST(sp_pb_pair) info;
	SP_PB_LIST(sp_cri_runtime_handler) runtime_handlers;
	sp_cri_runtime_features *features;
} sp_cri_status_response;
extern const sp_pb_message sp_cri_status_response_message;

typedef struct sp_cri_linux_runtime_configuration {
	int32_t cgroup_driver;
} sp_cri_linux_runtime_configuration;
extern const sp_pb_message sp_cri_linux_runtime_configuration_message;

typedef struct sp_cri_runtime_config_response {
	sp_cri_linux_runtime_configuration *linux_;
} sp_cri_runtime_config_response;
extern const sp_pb_message sp_cri_runtime_config_response_message;

typedef struct sp_cri_update_pod_sandbox_resources_request {
	sp_str pod_sandbox_id;
	sp_cri_linux_container_resources *overhead;
	sp_cri_linux_container_resources *resources;
} sp_cri_update_pod_sandbox_resources_request;
extern const sp_pb_message sp_cri_update_pod_sandbox_resources_request_message;

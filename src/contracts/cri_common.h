/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that several CRI messages share. U: kubernetes/cri-api pkg/apis/runtime/v1/api.proto; names, numbers
 * and meanings are upstream's, `linux` is called linux_ since gnu C has a macro of that name. Windows is left
 * out.
 */
#pragma once

#include "base/pb_struct.h"

/* Enumerations are int32_t fields. */
enum { SP_CRI_TCP = 0, SP_CRI_UDP = 1, SP_CRI_SCTP = 2 };
enum {
	SP_CRI_PROPAGATION_PRIVATE = 0,
	SP_CRI_PROPAGATION_HOST_TO_CONTAINER = 1,
	SP_CRI_PROPAGATION_BIDIRECTIONAL = 2
};
enum {
	SP_CRI_NAMESPACE_POD = 0,
	SP_CRI_NAMESPACE_CONTAINER = 1,
	SP_CRI_NAMESPACE_NODE = 2,
	SP_CRI_NAMESPACE_TARGET = 3
};
enum { SP_CRI_GROUPS_MERGE = 0, SP_CRI_GROUPS_STRICT = 1 };
enum { SP_CRI_PROFILE_RUNTIME_DEFAULT = 0, SP_CRI_PROFILE_UNCONFINED = 1, SP_CRI_PROFILE_LOCALHOST = 2 };

/* Messages without fields, requests and responses. */
typedef struct sp_cri_empty {
	char unused;
} sp_cri_empty;
extern const sp_pb_message sp_cri_empty_message;

typedef struct sp_cri_dns_config {
	SP_PB_LIST(sp_str) servers;
	SP_PB_LIST(sp_str) searches;
	SP_PB_LIST(sp_str) options;
} sp_cri_dns_config;
extern const sp_pb_message sp_cri_dns_config_message;

typedef struct sp_cri_port_mapping {
	int32_t protocol;
	int32_t container_port;
	int32_t host_port;
	sp_str host_ip;
} sp_cri_port_mapping;
extern const sp_pb_message sp_cri_port_mapping_message;

typedef struct sp_cri_id_mapping {
	uint32_t host_id;
	uint32_t container_id;
	uint32_t length;
} sp_cri_id_mapping;
extern const sp_pb_message sp_cri_id_mapping_message;

typedef struct sp_cri_image_spec {
	sp_str image;
	SP_PB_LIST(sp_pb_pair) annotations;
	sp_str user_specified_image;
	sp_str runtime_handler;
	sp_str image_ref;
} sp_cri_image_spec;
extern const sp_pb_message sp_cri_image_spec_message;

typedef struct sp_cri_mount {
	sp_str container_path;
	sp_str host_path;
	bool readonly;
	bool selinux_relabel;
	int32_t propagation;
	SP_PB_LIST(sp_cri_id_mapping) uid_mappings;
	SP_PB_LIST(sp_cri_id_mapping) gid_mappings;
	bool recursive_read_only;
	sp_cri_image_spec *image;
	sp_str image_sub_path;
	SP_PB_LIST(sp_str) mount_options;
} sp_cri_mount;
extern const sp_pb_message sp_cri_mount_message;

typedef struct sp_cri_user_namespace {
	int32_t mode;
	SP_PB_LIST(sp_cri_id_mapping) uids;
	SP_PB_LIST(sp_cri_id_mapping) gids;
} sp_cri_user_namespace;
extern const sp_pb_message sp_cri_user_namespace_message;

typedef struct sp_cri_namespace_option {
	int32_t network;
	int32_t pid;
	int32_t ipc;
	sp_str target_id;
	sp_cri_user_namespace *userns_options;
} sp_cri_namespace_option;
extern const sp_pb_message sp_cri_namespace_option_message;

typedef struct sp_cri_int64_value {
	int64_t value;
} sp_cri_int64_value;
extern const sp_pb_message sp_cri_int64_value_message;

typedef struct sp_cri_security_profile {
	int32_t profile_type;
	sp_str localhost_ref;
} sp_cri_security_profile;
extern const sp_pb_message sp_cri_security_profile_message;

typedef struct sp_cri_key_value {
	sp_str key;
	sp_str value;
} sp_cri_key_value;
extern const sp_pb_message sp_cri_key_value_message;

typedef struct sp_cri_hugepage_limit {
	sp_str page_size;
	uint64_t limit;
} sp_cri_hugepage_limit;
extern const sp_pb_message sp_cri_hugepage_limit_message;

typedef struct sp_cri_linux_container_resources {
	int64_t cpu_period;
	int64_t cpu_quota;
	int64_t cpu_shares;
	int64_t memory_limit_in_bytes;
	int64_t oom_score_adj;
	sp_str cpuset_cpus;
	sp_str cpuset_mems;
	SP_PB_LIST(sp_cri_hugepage_limit) hugepage_limits;
	SP_PB_LIST(sp_pb_pair) unified;
	int64_t memory_swap_limit_in_bytes;
} sp_cri_linux_container_resources;
extern const sp_pb_message sp_cri_linux_container_resources_message;

typedef struct sp_cri_selinux_option {
	sp_str user;
	sp_str role;
	sp_str type;
	sp_str level;
} sp_cri_selinux_option;
extern const sp_pb_message sp_cri_selinux_option_message;

typedef struct sp_cri_capability {
	SP_PB_LIST(sp_str) add_capabilities;
	SP_PB_LIST(sp_str) drop_capabilities;
	SP_PB_LIST(sp_str) add_ambient_capabilities;
} sp_cri_capability;
extern const sp_pb_message sp_cri_capability_message;

typedef struct sp_cri_device {
	sp_str container_path;
	sp_str host_path;
	sp_str permissions;
} sp_cri_device;
extern const sp_pb_message sp_cri_device_message;

typedef struct sp_cri_cdi_device {
	sp_str name;
} sp_cri_cdi_device;
extern const sp_pb_message sp_cri_cdi_device_message;

typedef struct sp_cri_uint64_value {
	uint64_t value;
} sp_cri_uint64_value;
extern const sp_pb_message sp_cri_uint64_value_message;

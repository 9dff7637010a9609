/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CRI messages: images. U: as cri_common.h.
 */
#pragma once

#include "contracts/cri_stats.h"

typedef struct sp_cri_image_filter {
	sp_cri_image_spec *image;
} sp_cri_image_filter;
extern const sp_pb_message sp_cri_image_filter_message;

typedef struct sp_cri_list_images_request {
	sp_cri_image_filter *filter;
} sp_cri_list_images_request;
extern const sp_pb_message sp_cri_list_images_request_message;

typedef struct sp_cri_image {
	sp_str id;
	SP_PB_LIST(sp_str) repo_tags;
	SP_PB_LIST(sp_str) repo_digests;
	uint64_t size;
	sp_cri_int64_value *uid;
	sp_str username;
	sp_cri_image_spec *spec;
	bool pinned;
} sp_cri_image;
extern const sp_pb_message sp_cri_image_message;

typedef struct sp_cri_list_images_response {
	SP_PB_LIST(sp_cri_image) images;
} sp_cri_list_images_response;
extern const sp_pb_message sp_cri_list_images_response_message;

typedef struct sp_cri_image_status_request {
	sp_cri_image_spec *image;
	bool verbose;
} sp_cri_image_status_request;
extern const sp_pb_message sp_cri_image_status_request_message;

typedef struct sp_cri_image_status_response {
	sp_cri_image *image;
	SP_PB_LIST(sp_pb_pair) info;
} sp_cri_image_status_response;
extern const sp_pb_message sp_cri_image_status_response_message;

typedef struct sp_cri_auth_config {
	sp_str username;
	sp_str password;
	sp_str auth;
	sp_str server_address;
	sp_str identity_token;
	sp_str registry_token;
} sp_cri_auth_config;
extern const sp_pb_message sp_cri_auth_config_message;

typedef struct sp_cri_pull_image_request {
	sp_cri_image_spec *image;
	sp_cri_auth_config *auth;
	sp_cri_pod_sandbox_config *sandbox_config;
} sp_cri_pull_image_request;
extern const sp_pb_message sp_cri_pull_image_request_message;

typedef struct sp_cri_pull_image_response {
	sp_str image_ref;
} sp_cri_pull_image_response;
extern const sp_pb_message sp_cri_pull_image_response_message;

typedef struct sp_cri_remove_image_request {
	sp_cri_image_spec *image;
} sp_cri_remove_image_request;
extern const sp_pb_message sp_cri_remove_image_request_message;

typedef struct sp_cri_image_fs_info_response {
	SP_PB_LIST(sp_cri_filesystem_usage) image_filesystems;
	SP_PB_LIST(sp_cri_filesystem_usage) container_filesystems;
} sp_cri_image_fs_info_response;
extern const sp_pb_message sp_cri_image_fs_info_response_message;

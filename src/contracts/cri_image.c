/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/cri_image.h"

static const sp_pb_slot image_filter_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_image_filter, image, 1, &sp_cri_image_spec_message),
};
const sp_pb_message sp_cri_image_filter_message =
	SP_PB_MESSAGE_OF("ImageFilter", sp_cri_image_filter, image_filter_slots);

static const sp_pb_slot list_images_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_list_images_request, filter, 1, &sp_cri_image_filter_message),
};
const sp_pb_message sp_cri_list_images_request_message =
	SP_PB_MESSAGE_OF("ListImagesRequest", sp_cri_list_images_request, list_images_request_slots);

static const sp_pb_slot image_slots[] = {
	SP_PB_SLOT(sp_cri_image, id, 1, STRING),
	SP_PB_SLOT_LIST(sp_cri_image, repo_tags, 2, STRING),
	SP_PB_SLOT_LIST(sp_cri_image, repo_digests, 3, STRING),
	SP_PB_SLOT(sp_cri_image, size, 4, UINT64),
	SP_PB_SLOT_MSG(sp_cri_image, uid, 5, &sp_cri_int64_value_message),
	SP_PB_SLOT(sp_cri_image, username, 6, STRING),
	SP_PB_SLOT_MSG(sp_cri_image, spec, 7, &sp_cri_image_spec_message),
	SP_PB_SLOT(sp_cri_image, pinned, 8, BOOL),
};
const sp_pb_message sp_cri_image_message = SP_PB_MESSAGE_OF("Image", sp_cri_image, image_slots);

static const sp_pb_slot list_images_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_list_images_response, images, 1, &sp_cri_image_message),
};
const sp_pb_message sp_cri_list_images_response_message =
	SP_PB_MESSAGE_OF("ListImagesResponse", sp_cri_list_images_response, list_images_response_slots);

static const sp_pb_slot image_status_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_image_status_request, image, 1, &sp_cri_image_spec_message),
	SP_PB_SLOT(sp_cri_image_status_request, verbose, 2, BOOL),
};
const sp_pb_message sp_cri_image_status_request_message =
	SP_PB_MESSAGE_OF("ImageStatusRequest", sp_cri_image_status_request, image_status_request_slots);

static const sp_pb_slot image_status_response_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_image_status_response, image, 1, &sp_cri_image_message),
	SP_PB_SLOT_MAP(sp_cri_image_status_response, info, 2),
};
const sp_pb_message sp_cri_image_status_response_message =
	SP_PB_MESSAGE_OF("ImageStatusResponse", sp_cri_image_status_response, image_status_response_slots);

static const sp_pb_slot auth_config_slots[] = {
	SP_PB_SLOT(sp_cri_auth_config, username, 1, STRING),
	SP_PB_SLOT(sp_cri_auth_config, password, 2, STRING),
	SP_PB_SLOT(sp_cri_auth_config, auth, 3, STRING),
	SP_PB_SLOT(sp_cri_auth_config, server_address, 4, STRING),
	SP_PB_SLOT(sp_cri_auth_config, identity_token, 5, STRING),
	SP_PB_SLOT(sp_cri_auth_config, registry_token, 6, STRING),
};
const sp_pb_message sp_cri_auth_config_message =
	SP_PB_MESSAGE_OF("AuthConfig", sp_cri_auth_config, auth_config_slots);

static const sp_pb_slot pull_image_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_pull_image_request, image, 1, &sp_cri_image_spec_message),
	SP_PB_SLOT_MSG(sp_cri_pull_image_request, auth, 2, &sp_cri_auth_config_message),
	SP_PB_SLOT_MSG(sp_cri_pull_image_request, sandbox_config, 3, &sp_cri_pod_sandbox_config_message),
};
const sp_pb_message sp_cri_pull_image_request_message =
	SP_PB_MESSAGE_OF("PullImageRequest", sp_cri_pull_image_request, pull_image_request_slots);

static const sp_pb_slot pull_image_response_slots[] = {
	SP_PB_SLOT(sp_cri_pull_image_response, image_ref, 1, STRING),
};
const sp_pb_message sp_cri_pull_image_response_message =
	SP_PB_MESSAGE_OF("PullImageResponse", sp_cri_pull_image_response, pull_image_response_slots);

static const sp_pb_slot remove_image_request_slots[] = {
	SP_PB_SLOT_MSG(sp_cri_remove_image_request, image, 1, &sp_cri_image_spec_message),
};
const sp_pb_message sp_cri_remove_image_request_message =
	SP_PB_MESSAGE_OF("RemoveImageRequest", sp_cri_remove_image_request, remove_image_request_slots);

static const sp_pb_slot image_fs_info_response_slots[] = {
	SP_PB_SLOT_MSGS(sp_cri_image_fs_info_response, image_filesystems, 1,
			&sp_cri_filesystem_usage_message),
	SP_PB_SLOT_MSGS(sp_cri_image_fs_info_response, container_filesystems, 2,
			&sp_cri_filesystem_usage_message),
};
const sp_pb_message sp_cri_image_fs_info_response_message =
	SP_PB_MESSAGE_OF("ImageFsInfoResponse", sp_cri_image_fs_info_response, image_fs_info_response_slots);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sampan.image.v1.Images: the verbs of `sampan image` on the store that a runtime has open, on the runtime's
 * socket. One method, Run, streaming both ways. The client sends a request and, for import, the bytes of the
 * file in further ones (`data` alone); the server sends what is printed, steps of pulls, and for export the
 * bytes of the file; errors are the status.
 */
#pragma once

#include "base/pb_struct.h"

#define SP_IMAGE_SERVICE "sampan.image.v1.Images"
#define SP_IMAGE_SERVICE_RUN "Run"
#define SP_IMAGE_DATA_BYTES ((size_t)256 << 10) /* of the file in one message */
/* In the directory of the store: the address of the socket, while a runtime has it open. */
#define SP_IMAGE_SERVICE_FILE "server"

typedef struct sp_image_run_request {
	sp_str verb;
	SP_PB_LIST(sp_str) args; /* import, export: the first is the file at the client, for messages */
	bool all, no_unpack;
	sp_str platform, base_name, username, password;
	sp_str data;
} sp_image_run_request;

typedef struct sp_image_step {
	sp_str reference, digest;
	int32_t stage; /* image_stage */
	uint64_t i_layer, n_layers, done_bytes, total_bytes;
} sp_image_step;

typedef struct sp_image_run_response {
	sp_str out;
	sp_str data;
	sp_image_step *step;
} sp_image_run_response;

extern const sp_pb_message sp_image_run_request_message, sp_image_run_response_message;

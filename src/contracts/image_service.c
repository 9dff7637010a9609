/* SPDX-License-Identifier: Apache-2.0 */
#include "contracts/image_service.h"

static const sp_pb_slot request_slots[] = {
	SP_PB_SLOT(sp_image_run_request, verb, 1, STRING),
	SP_PB_SLOT_LIST(sp_image_run_request, args, 2, STRING),
	SP_PB_SLOT(sp_image_run_request, all, 3, BOOL),
	SP_PB_SLOT(sp_image_run_request, no_unpack, 4, BOOL),
	SP_PB_SLOT(sp_image_run_request, platform, 5, STRING),
	SP_PB_SLOT(sp_image_run_request, base_name, 6, STRING),
	SP_PB_SLOT(sp_image_run_request, username, 7, STRING),
	SP_PB_SLOT(sp_image_run_request, password, 8, STRING),
	SP_PB_SLOT(sp_image_run_request, data, 9, BYTES),
};
const sp_pb_message sp_image_run_request_message =
	SP_PB_MESSAGE_OF("RunRequest", sp_image_run_request, request_slots);

static const sp_pb_slot step_slots[] = {
	SP_PB_SLOT(sp_image_step, reference, 1, STRING),   SP_PB_SLOT(sp_image_step, digest, 2, STRING),
	SP_PB_SLOT(sp_image_step, stage, 3, INT32),        SP_PB_SLOT(sp_image_step, i_layer, 4, UINT64),
	SP_PB_SLOT(sp_image_step, n_layers, 5, UINT64),    SP_PB_SLOT(sp_image_step, done_bytes, 6, UINT64),
	SP_PB_SLOT(sp_image_step, total_bytes, 7, UINT64),
};
static const sp_pb_message step_message = SP_PB_MESSAGE_OF("Step", sp_image_step, step_slots);

static const sp_pb_slot response_slots[] = {
	SP_PB_SLOT(sp_image_run_response, out, 1, STRING),
	SP_PB_SLOT(sp_image_run_response, data, 2, BYTES),
	SP_PB_SLOT_MSG(sp_image_run_response, step, 3, &step_message),
};
const sp_pb_message sp_image_run_response_message =
	SP_PB_MESSAGE_OF("RunResponse", sp_image_run_response, response_slots);

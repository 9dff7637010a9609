/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/messages.h"

static const sp_pb_slot sign_request_slots[] = {SP_PB_SLOT(keys_sign_request, claims, 1, STRING)};
const sp_pb_message keys_sign_request_message =
	SP_PB_MESSAGE_OF("SignJWTRequest", keys_sign_request, sign_request_slots);

static const sp_pb_slot sign_response_slots[] = {
	SP_PB_SLOT(keys_sign_response, header, 1, STRING),
	SP_PB_SLOT(keys_sign_response, signature, 2, STRING),
};
const sp_pb_message keys_sign_response_message =
	SP_PB_MESSAGE_OF("SignJWTResponse", keys_sign_response, sign_response_slots);

const sp_pb_message keys_empty_message = {.name = "Empty", .size = sizeof(keys_empty)};

static const sp_pb_slot key_slots[] = {
	SP_PB_SLOT(keys_public_key, id, 1, STRING),
	SP_PB_SLOT(keys_public_key, der, 2, BYTES),
	SP_PB_SLOT(keys_public_key, hidden, 3, BOOL),
};
static const sp_pb_message key_message = SP_PB_MESSAGE_OF("Key", keys_public_key, key_slots);

static const sp_pb_slot timestamp_slots[] = {
	SP_PB_SLOT(keys_timestamp, seconds, 1, INT64),
	SP_PB_SLOT(keys_timestamp, nanos, 2, INT32),
};
static const sp_pb_message timestamp_message = SP_PB_MESSAGE_OF("Timestamp", keys_timestamp, timestamp_slots);

static const sp_pb_slot fetch_slots[] = {
	SP_PB_SLOT_MSGS(keys_fetch_response, keys, 1, &key_message),
	SP_PB_SLOT_MSG(keys_fetch_response, at, 2, &timestamp_message),
	SP_PB_SLOT(keys_fetch_response, refresh_s, 3, INT64),
};
const sp_pb_message keys_fetch_response_message =
	SP_PB_MESSAGE_OF("FetchKeysResponse", keys_fetch_response, fetch_slots);

static const sp_pb_slot metadata_slots[] = {SP_PB_SLOT(keys_metadata_response, max_expiration_s, 1, INT64)};
const sp_pb_message keys_metadata_response_message =
	SP_PB_MESSAGE_OF("MetadataResponse", keys_metadata_response, metadata_slots);

static const sp_pb_slot cert_request_slots[] = {
	SP_PB_SLOT(keys_cert_request, request, 1, STRING),
	SP_PB_SLOT(keys_cert_request, signer, 2, STRING),
	SP_PB_SLOT_LIST(keys_cert_request, usages, 3, STRING),
	SP_PB_SLOT(keys_cert_request, duration_s, 4, INT64),
};
const sp_pb_message keys_cert_request_message =
	SP_PB_MESSAGE_OF("SignRequest", keys_cert_request, cert_request_slots);

static const sp_pb_slot cert_response_slots[] = {SP_PB_SLOT(keys_cert_response, certificate, 1, STRING)};
const sp_pb_message keys_cert_response_message =
	SP_PB_MESSAGE_OF("SignResponse", keys_cert_response, cert_response_slots);

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protobuf messages of ttrpc itself: Request and Response with google.rpc.Status. Views into the bytes
 * they were decoded from; unknown fields are skipped, of repeated single fields the last counts.
 */
#pragma once

#include "base/buf.h"
#include "io/rpc_status.h"

#define SP_TTRPC_METADATA_MAX 64u

typedef struct sp_ttrpc_metadata {
	sp_str key, value;
} sp_ttrpc_metadata;

/* The metadata key that carries containerd's namespace. */
#define SP_TTRPC_NAMESPACE_KEY "containerd-namespace-ttrpc"

typedef struct sp_ttrpc_request {
	sp_str service, method, payload;
	int64_t timeout_ns; /* 0 = none */
	sp_str raw;         /* the whole message, for the metadata */
} sp_ttrpc_request;

typedef struct sp_ttrpc_status {
	int32_t code;   /* SP_RPC_… */
	sp_str message; /* UTF-8 */
	sp_str details; /* encoded `details` fields of google.rpc.Status, back to back; may be empty */
} sp_ttrpc_status;

typedef struct sp_ttrpc_response {
	sp_ttrpc_status status;
	sp_str payload;
} sp_ttrpc_response;

/* SP_EINVAL: malformed protobuf, a string that is not UTF-8, more than SP_TTRPC_METADATA_MAX pairs. */
sp_code sp_ttrpc_request_decode(sp_str bytes, sp_ttrpc_request *ret, sp_err *err) SP_MUST_USE;
sp_code sp_ttrpc_response_decode(sp_str bytes, sp_ttrpc_response *ret, sp_err *err) SP_MUST_USE;

/* Walks the metadata of a decoded request: *i starts at 0. */
bool sp_ttrpc_metadata_next(const sp_ttrpc_request *r, size_t *i, sp_ttrpc_metadata *ret);
/* The first value of a key (keys are lower case on the wire, as upstream's MD); empty when absent. */
sp_str sp_ttrpc_metadata_get(const sp_ttrpc_request *r, sp_str key);

/* Encodes without empty fields, as proto3 does. Errors are those of the buffer. */
sp_code sp_ttrpc_request_encode(sp_buf *out, sp_str service, sp_str method, sp_str payload,
				int64_t timeout_ns, const sp_ttrpc_metadata *metadata, size_t n_metadata);
/* status NULL or OK is left out. */
sp_code sp_ttrpc_response_encode(sp_buf *out, const sp_ttrpc_status *status, sp_str payload);

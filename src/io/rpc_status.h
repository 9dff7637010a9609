/* SPDX-License-Identifier: Apache-2.0 */
/* The status codes of gRPC, which ttrpc shares (U: grpc/grpc doc/statuscodes.md). base/err.h maps them to
 * sp_code. */
#pragma once

enum {
	SP_RPC_OK = 0,
	SP_RPC_CANCELLED = 1,
	SP_RPC_UNKNOWN = 2,
	SP_RPC_INVALID_ARGUMENT = 3,
	SP_RPC_DEADLINE_EXCEEDED = 4,
	SP_RPC_NOT_FOUND = 5,
	SP_RPC_ALREADY_EXISTS = 6,
	SP_RPC_PERMISSION_DENIED = 7,
	SP_RPC_RESOURCE_EXHAUSTED = 8,
	SP_RPC_FAILED_PRECONDITION = 9,
	SP_RPC_ABORTED = 10,
	SP_RPC_OUT_OF_RANGE = 11,
	SP_RPC_UNIMPLEMENTED = 12,
	SP_RPC_INTERNAL = 13,
	SP_RPC_UNAVAILABLE = 14,
	SP_RPC_DATA_LOSS = 15,
	SP_RPC_UNAUTHENTICATED = 16,
};

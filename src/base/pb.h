/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format: a reader over bytes in memory and a writer into an sp_buf. What the bytes mean is
 * the caller's: the schema-driven codec of Kubernetes objects (kube/protobuf.h) or fixed messages of gRPC and
 * ttrpc.
 */
#pragma once

#include "base/buf.h"

typedef enum sp_pb_wire {
	SP_PB_VARINT = 0,
	SP_PB_I64 = 1,
	SP_PB_LEN = 2,
	SP_PB_GROUP = 3,
	SP_PB_GROUP_END = 4,
	SP_PB_I32 = 5,
} sp_pb_wire;

typedef struct sp_pb_field {
	uint32_t number;
	uint8_t wire;   /* sp_pb_wire */
	uint64_t value; /* VARINT, I64, I32 */
	sp_str bytes;   /* LEN: points into the input */
} sp_pb_field;

/*
 * Takes the next field off the front of *in, which must not be empty. Groups are taken whole and come back as
 * SP_PB_GROUP without content. `message` names the message in errors. SP_EINVAL with the text of Go's
 * generated code: "unexpected EOF", "proto: integer overflow", "proto: illegal wireType 7", "proto: Pod:
 * illegal tag 0 (wire type 2)" …; *in then stands somewhere inside.
 */
sp_code sp_pb_next(sp_str *in, const char *message, sp_pb_field *ret, sp_err *err) SP_MUST_USE;

/* A varint off the front, of a packed field. False: cut off or too long. */
bool sp_pb_take_varint(sp_str *in, uint64_t *ret) SP_MUST_USE;

/* Writers; errors are sticky in the buffer. Signed numbers go out as two's complement, as int32 and int64. */
void sp_pb_varint(sp_buf *out, uint64_t v);
void sp_pb_tag(sp_buf *out, uint32_t number, sp_pb_wire wire);
void sp_pb_uint(sp_buf *out, uint32_t number, uint64_t v);
void sp_pb_fixed64(sp_buf *out, uint32_t number, uint64_t v);
void sp_pb_bytes(sp_buf *out, uint32_t number, sp_str s);

/*
 * A nested message: open, write its fields, close with what open returned. One byte is kept for the length
 * and the content moves when it needs more, so nothing is measured twice.
 */
size_t sp_pb_open(sp_buf *out, uint32_t number);
void sp_pb_close(sp_buf *out, size_t opened);

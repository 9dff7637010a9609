/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed protobuf messages as plain C structs, described by constant tables: the messages of CRI, of
 * containerd's task service and of other gRPC and ttrpc services. proto3 rules: a scalar of value zero is not
 * written, unknown fields are skipped, a message met twice is merged, repeated numbers go out packed and come
 * in either way. (Kubernetes objects have the schema engine, kube/protobuf.h.)
 *
 *     typedef struct mount { sp_str type; SP_PB_LIST(sp_str) options; struct user *user; } mount;
 *     static const sp_pb_slot mount_slots[] = {
 *             SP_PB_SLOT(mount, type, 1, STRING),
 *             SP_PB_SLOT_LIST(mount, options, 4, STRING),
 *             SP_PB_SLOT_MSG(mount, user, 5, &user_message),
 *     };
 *     const sp_pb_message mount_message = SP_PB_MESSAGE_OF("Mount", mount, mount_slots);
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

typedef enum sp_pb_kind {
	SP_PB_KIND_BOOL,    /* bool */
	SP_PB_KIND_INT32,   /* int32_t; enumerations */
	SP_PB_KIND_INT64,   /* int64_t */
	SP_PB_KIND_UINT32,  /* uint32_t */
	SP_PB_KIND_UINT64,  /* uint64_t */
	SP_PB_KIND_DOUBLE,  /* double */
	SP_PB_KIND_STRING,  /* sp_str, UTF-8 */
	SP_PB_KIND_BYTES,   /* sp_str */
	SP_PB_KIND_MESSAGE, /* a pointer, NULL when absent; in lists the structs themselves */
} sp_pb_kind;

typedef struct sp_pb_message sp_pb_message;

typedef struct sp_pb_slot {
	uint32_t number; /* of the field */
	uint16_t offset; /* in the struct */
	uint8_t kind;    /* sp_pb_kind */
	bool is_list;
	const sp_pb_message *message; /* of MESSAGE */
} sp_pb_slot;

struct sp_pb_message {
	const char *name;
	size_t size; /* of the struct */
	const sp_pb_slot *slots;
	size_t n_slots;
};

/* A repeated field: n elements of T at `at`. */
#define SP_PB_LIST(T)     \
	struct {          \
		T *at;    \
		size_t n; \
	}

/* map<string, string>: a list of these. */
typedef struct sp_pb_pair {
	sp_str key, value;
} sp_pb_pair;
extern const sp_pb_message sp_pb_pair_message;

#define SP_PB_SLOT(T, field, num, kind_)                                                  \
	{                                                                                 \
		.number = (num), .offset = offsetof(T, field), .kind = SP_PB_KIND_##kind_ \
	}
#define SP_PB_SLOT_LIST(T, field, num, kind_)                                                              \
	{                                                                                                  \
		.number = (num), .offset = offsetof(T, field), .kind = SP_PB_KIND_##kind_, .is_list = true \
	}
#define SP_PB_SLOT_MSG(T, field, num, message_)                                            \
	{                                                                                  \
		.number = (num), .offset = offsetof(T, field), .kind = SP_PB_KIND_MESSAGE, \
		.message = (message_)                                                      \
	}
#define SP_PB_SLOT_MSGS(T, field, num, message_)                                                            \
	{                                                                                                   \
		.number = (num), .offset = offsetof(T, field), .kind = SP_PB_KIND_MESSAGE, .is_list = true, \
		.message = (message_)                                                                       \
	}
#define SP_PB_SLOT_MAP(T, field, num) SP_PB_SLOT_MSGS(T, field, num, &sp_pb_pair_message)
#define SP_PB_MESSAGE_OF(name_, T, slots_)                                                       \
	{                                                                                        \
		.name = (name_), .size = sizeof(T), .slots = (slots_), .n_slots = SP_LEN(slots_) \
	}

/*
 * Fills *ret (a struct of m->size bytes, cleared first) from `bytes`. Strings point into `bytes`, everything
 * else into the arena. SP_EINVAL with Go's text for malformed input, invalid UTF-8 or nesting above 64
 * levels; SP_ENOMEM beyond the arena's ceiling. *ret is undefined after an error.
 */
sp_code sp_pb_decode(const sp_pb_message *m, sp_str bytes, sp_arena *a, void *ret, sp_err *err) SP_MUST_USE;

/* Appends the message's fields, in the table's order; errors are sticky in the buffer. */
void sp_pb_encode(const sp_pb_message *m, const void *from, sp_buf *out);

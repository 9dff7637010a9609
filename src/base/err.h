/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. A function that can fail returns sp_code and fills the caller's sp_err, which lives on the stack of
 * the outermost caller; no allocation happens on an error path. `err` may always be NULL when only the code
 * matters. Library rooms (base, io, kube, store) return errors and never log them.
 */
#pragma once

#include "base/str.h"

typedef enum sp_code {
	SP_OK = 0,
	SP_EINVAL, /* malformed or not allowed as given */
	SP_ENOTFOUND,
	SP_EEXISTS,
	SP_ECONFLICT, /* somebody else changed it first */
	SP_EGONE,     /* the revision asked for is compacted */
	SP_EFORBIDDEN,
	SP_EUNAUTH,   /* no valid credentials */
	SP_ETOOLARGE, /* a size or count limit */
	SP_ETOOMANY,  /* rate limit: try later */
	SP_ETIMEOUT,
	SP_EUNAVAILABLE, /* overloaded, stopping or not reachable */
	SP_ECANCELED,
	SP_EUNSUPPORTED,
	SP_ENOMEM,
	SP_EIO,
	SP_EPROTO, /* the peer broke the protocol */
	SP_EINTERNAL,
	SP_CODE_COUNT_
} sp_code;

#define SP_ERR_MSG_BYTES 240

typedef struct sp_err {
	sp_code code;
	int sys_errno;    /* errno of the failed call, or 0 */
	const char *file; /* where the error was first set */
	int line;
	char msg[SP_ERR_MSG_BYTES]; /* always NUL-terminated; cut with "..." when longer */
} sp_err;

/* How a code shows outside. The one table; nobody else maps. */
typedef struct sp_code_info {
	const char *name;   /* "not found" */
	const char *reason; /* Status.reason of Kubernetes */
	uint16_t http_status;
	uint8_t grpc_status;
	uint8_t exit_code; /* of the command line */
} sp_code_info;

/* The row of a code; any value outside the enum gives SP_EINTERNAL's. */
const sp_code_info *sp_code_lookup(sp_code code);
/* The code a peer's gRPC status stands for, by the table's gRPC column read backwards; where several codes
 * share a status the one that fits best, and SP_EINTERNAL for UNKNOWN and numbers that are no status. */
sp_code sp_code_of_grpc(uint32_t grpc_status);

/* Sets *err (which may be NULL) and returns code: `return sp_fail(err, SP_EINVAL, "port '" SP_FMT "'",
 * SP_ARG(s));` */
#define sp_fail(err, code, ...) sp_err_set_((err), (code), 0, __FILE__, __LINE__, __VA_ARGS__)

/* The same for a failed system call; appends ": strerror(errnum)" and keeps errnum. The code follows from
 * errnum. */
#define sp_fail_sys(err, errnum, ...) sp_err_set_sys_((err), (errnum), __FILE__, __LINE__, __VA_ARGS__)

/* Puts "context: " before the message already in *err and returns its code. */
sp_code sp_wrap(sp_err *err, const char *fmt, ...) SP_PRINTF(2, 3);

/* Returns from the enclosing function with the code unless it is SP_OK. */
#define SP_TRY(expr)                             \
	do {                                     \
		sp_code sp_c_ = (expr);          \
		if (SP_UNLIKELY(sp_c_ != SP_OK)) \
			return sp_c_;            \
	} while (0)

sp_code sp_err_set_(sp_err *err, sp_code code, int errnum, const char *file, int line, const char *fmt, ...)
	SP_PRINTF(6, 7);
sp_code sp_err_set_sys_(sp_err *err, int errnum, const char *file, int line, const char *fmt, ...)
	SP_PRINTF(5, 6);

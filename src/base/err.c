/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>

static const sp_code_info code_table[SP_CODE_COUNT_] = {
	[SP_OK] = {"ok", "", 200, 0, 0},
	[SP_EINVAL] = {"invalid", "BadRequest", 400, 3, 2},
	[SP_ENOTFOUND] = {"not found", "NotFound", 404, 5, 3},
	[SP_EEXISTS] = {"already exists", "AlreadyExists", 409, 6, 1},
	[SP_ECONFLICT] = {"conflict", "Conflict", 409, 10, 1},
	[SP_EGONE] = {"expired", "Expired", 410, 11, 1},
	[SP_EFORBIDDEN] = {"forbidden", "Forbidden", 403, 7, 6},
	[SP_EUNAUTH] = {"unauthorized", "Unauthorized", 401, 16, 6},
	[SP_ETOOLARGE] = {"too large", "RequestEntityTooLarge", 413, 8, 1},
	[SP_ETOOMANY] = {"too many requests", "TooManyRequests", 429, 8, 1},
	[SP_ETIMEOUT] = {"timed out", "Timeout", 504, 4, 4},
	[SP_EUNAVAILABLE] = {"unavailable", "ServiceUnavailable", 503, 14, 5},
	[SP_ECANCELED] = {"canceled", "Timeout", 504, 1, 1},
	[SP_EUNSUPPORTED] = {"not supported", "MethodNotAllowed", 405, 12, 1},
	[SP_ENOMEM] = {"out of memory", "InternalError", 507, 8, 1},
	[SP_EIO] = {"input/output error", "InternalError", 500, 15, 1},
	[SP_EPROTO] = {"protocol error", "InternalError", 500, 13, 5},
	[SP_EINTERNAL] = {"internal error", "InternalError", 500, 13, 1},
};

const sp_code_info *sp_code_lookup(sp_code code)
{
	if ((unsigned)code >= SP_CODE_COUNT_)
		code = SP_EINTERNAL;
	return &code_table[code];
}

/* FAILED_PRECONDITION (9) has no code of its own: like ABORTED (10) it asks to look again first. */
static const sp_code of_grpc[] = {
	SP_OK,           SP_ECANCELED,  SP_EINTERNAL,    SP_EINVAL,    SP_ETIMEOUT,  SP_ENOTFOUND,
	SP_EEXISTS,      SP_EFORBIDDEN, SP_ETOOMANY,     SP_ECONFLICT, SP_ECONFLICT, SP_EGONE,
	SP_EUNSUPPORTED, SP_EINTERNAL,  SP_EUNAVAILABLE, SP_EIO,       SP_EUNAUTH,
};

sp_code sp_code_of_grpc(uint32_t grpc_status)
{
	return grpc_status < SP_LEN(of_grpc) ? of_grpc[grpc_status] : SP_EINTERNAL;
}

/* A message that had to be cut says so, instead of looking complete. */
static void mark_cut(char *msg, int wanted)
{
	if (wanted >= SP_ERR_MSG_BYTES)
		memcpy(msg + SP_ERR_MSG_BYTES - 4, "...", 4);
}

static sp_code set_va(sp_err *err, sp_code code, int errnum, const char *file, int line, const char *fmt,
		      va_list ap) SP_PRINTF(6, 0);
static sp_code set_va(sp_err *err, sp_code code, int errnum, const char *file, int line, const char *fmt,
		      va_list ap)
{
	if (err == NULL)
		return code;
	err->code = code;
	err->sys_errno = errnum;
	err->file = file;
	err->line = line;
	mark_cut(err->msg, vsnprintf(err->msg, sizeof err->msg, fmt, ap));
	/* Text of users ends up in messages: keep terminals and logs safe from control bytes. */
	for (char *p = err->msg; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 && *p != '\n' && *p != '\t')
			*p = '?';
	}
	return code;
}

sp_code sp_err_set_(sp_err *err, sp_code code, int errnum, const char *file, int line, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)set_va(err, code, errnum, file, line, fmt, ap); /* returns `code` itself */
	va_end(ap);
	return code;
}

static sp_code code_of_errno(int errnum)
{
	static const struct {
		int errnum;
		sp_code code;
	} table[] = {
		{ENOENT, SP_ENOTFOUND},
		{EEXIST, SP_EEXISTS},
		{EACCES, SP_EFORBIDDEN},
		{EPERM, SP_EFORBIDDEN},
		{ENOMEM, SP_ENOMEM},
		{ENOSPC, SP_ETOOLARGE},
		{EFBIG, SP_ETOOLARGE},
		{ETIMEDOUT, SP_ETIMEOUT},
		{ECANCELED, SP_ECANCELED},
		{ECONNREFUSED, SP_EUNAVAILABLE},
		{ECONNRESET, SP_EUNAVAILABLE},
		{EPIPE, SP_EUNAVAILABLE},
		{EHOSTUNREACH, SP_EUNAVAILABLE},
		{ENETUNREACH, SP_EUNAVAILABLE},
		{EADDRINUSE, SP_EUNAVAILABLE},
		{EMFILE, SP_EUNAVAILABLE},
		{ENFILE, SP_EUNAVAILABLE},
		{EAGAIN, SP_EUNAVAILABLE},
		{EINVAL, SP_EINVAL},
		{ENOTDIR, SP_EINVAL},
		{ENAMETOOLONG, SP_EINVAL},
		{ENOSYS, SP_EUNSUPPORTED},
		{EOPNOTSUPP, SP_EUNSUPPORTED},
	};
	for (size_t i = 0; i < SP_LEN(table); i++) {
		if (table[i].errnum == errnum)
			return table[i].code;
	}
	return SP_EIO;
}

sp_code sp_err_set_sys_(sp_err *err, int errnum, const char *file, int line, const char *fmt, ...)
{
	char what[SP_ERR_MSG_BYTES];
	char text[96];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof what, fmt, ap); /* cut is marked below */
	va_end(ap);
	const char *why = strerror_r(errnum, text, sizeof text);
	return sp_err_set_(err, code_of_errno(errnum), errnum, file, line, "%s: %s", what, why);
}

sp_code sp_wrap(sp_err *err, const char *fmt, ...)
{
	if (err == NULL)
		return SP_EINTERNAL;
	char context[SP_ERR_MSG_BYTES];
	char inner[SP_ERR_MSG_BYTES];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(context, sizeof context, fmt, ap); /* cut is marked below */
	va_end(ap);
	memcpy(inner, err->msg, sizeof inner);
	mark_cut(err->msg, snprintf(err->msg, sizeof err->msg, "%s: %s", context, inner));
	return err->code;
}

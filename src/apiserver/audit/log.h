/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where audit events go: a file that is changed when it has grown, or another place that takes bytes. A
 * worker writes; what comes meanwhile is gathered, up to a limit, above which events are lost (and counted by
 * the caller). U: apiserver plugin/pkg/audit/log; the names of old files are lumberjack's.
 */
#pragma once

#include "apiserver/server.h"

#define API_AUDIT_LOG_WAITING_MAX ((size_t)16 << 20)

typedef struct api_audit_log_opts {
	sp_str path; /* of a file; outlives the log */
	/* In place of a file: takes all bytes, on a worker. */
	sp_code (*out)(sp_str bytes, sp_err *err);
	uint64_t max_bytes; /* of a file before it is changed; 0: 100 MB */
	uint32_t n_backups; /* old files that stay; 0: all */
	uint32_t max_days;  /* how long an old file stays; 0: for good */
	/* From the loop: bytes could not be written. */
	void (*on_error)(void *arg, const sp_err *err);
	void *arg;
} api_audit_log_opts;

typedef struct api_audit_log api_audit_log;

/* Fails when the file can't be opened. */
sp_code api_audit_log_open(sp_world *w, const api_audit_log_opts *opts, api_audit_log **ret,
			   sp_err *err) SP_MUST_USE;
api_audit_sink api_audit_log_sink(api_audit_log *l);
/* Writes what waits; done comes once, from the loop, and the log is gone. */
void api_audit_log_close(api_audit_log *l, void (*done)(void *arg), void *arg);

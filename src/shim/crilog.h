/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's log in CRI's format: `TIME stdout|stderr F|P TEXT`, one write per batch of whole lines, so
 * that whoever follows the file never sees half of one. U: containerd pkg/cri/io/logger.go.
 */
#pragma once

#include "base/buf.h"

#define SHIM_LOG_LINE_BYTES 16384u

/* The lines of one stream, cut; without I/O. */
typedef struct shim_lines {
	const char *name; /* "stdout" */
	size_t max_bytes; /* a longer line becomes several, all but the last tagged P */
	sp_buf part;      /* of a line that has not ended */
} shim_lines;

void shim_lines_init(shim_lines *l, const char *name, size_t max_bytes);
void shim_lines_done(shim_lines *l);
/* Appends log lines for `bytes` to out, stamped with one time. Errors are those of out. */
void shim_lines_put(shim_lines *l, sp_str bytes, int64_t wall_ns, sp_buf *out);
/* What has no newline at the end of the stream is a P line. */
void shim_lines_end(shim_lines *l, int64_t wall_ns, sp_buf *out);

/* A log file that both streams share. */
typedef struct shim_crilog {
	int fd;
	char *path;
	shim_lines lines[2]; /* stdout, stderr */
	uint32_t uid, gid;
} shim_crilog;

/* Created 0640 for uid and gid, appended to. max_bytes 0 = SHIM_LOG_LINE_BYTES. */
sp_code shim_crilog_open(shim_crilog *l, const char *path, size_t max_bytes, uint32_t uid, uint32_t gid,
			 sp_err *err) SP_MUST_USE;
void shim_crilog_close(shim_crilog *l);
/* stream: 1 stdout, 2 stderr. What can't be written is dropped: the container goes on. */
void shim_crilog_put(shim_crilog *l, unsigned stream, sp_str bytes);
void shim_crilog_end(shim_crilog *l, unsigned stream);
/* The path anew (the old file was renamed); on an error the old one stays. */
sp_code shim_crilog_reopen(shim_crilog *l, sp_err *err) SP_MUST_USE;

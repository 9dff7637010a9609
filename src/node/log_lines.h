/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a container's log file as CRI runtimes write them ("TIME STREAM TAG TEXT"), and what of them a
 * reader wants. A pure machine: bytes in, bytes out. U: kubernetes pkg/kubelet/kuberuntime/logs/logs.go.
 */
#pragma once

#include "base/buf.h"
#include "base/time.h"

#define NODE_LOG_LINE_BYTES_MAX ((size_t)1 << 20) /* runtimes cut at 16 KiB */

typedef struct node_log_filter {
	bool timestamps, has_since;
	int64_t since_ns;    /* wall: earlier lines are left out */
	sp_str stream;       /* "stdout", "stderr"; empty: both */
	int64_t limit_bytes; /* -1: none */
} node_log_filter;

typedef struct node_log_lines {
	node_log_filter filter;
	sp_buf rest;  /* of a line that is not whole yet */
	bool in_line; /* the last piece was partial */
	bool done;    /* the limit is reached */
	int64_t n_out;
} node_log_lines;

void node_log_lines_init(node_log_lines *l, const node_log_filter *f);
void node_log_lines_done(node_log_lines *l);
/* Takes bytes of the file and appends what is to be read of them. Lines in no known form are left out. */
sp_code node_log_lines_add(node_log_lines *l, sp_str bytes, sp_buf *out);

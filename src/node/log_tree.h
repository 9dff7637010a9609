/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's own logs as the kubelet API shows them: files, and lists of directories as HTML. Links are
 * followed as long as they stay in the tree, for pods may write to it; upstream follows them anywhere. U:
 * kubernetes pkg/kubelet/kubelet.go (logServer), net/http fs.go. All of it blocks.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

typedef struct node_log_entry {
	int fd; /* the caller's; -1: none */
	bool is_dir;
	uint64_t size; /* of a file */
} node_log_entry;

/* SP_ENOTFOUND: there is none, or not in the tree; SP_EFORBIDDEN; SP_EINVAL: neither a file nor a directory.
 */
sp_code node_log_entry_open(const char *root, sp_str rel, node_log_entry *ret, sp_err *err) SP_MUST_USE;
/* Appends the list of a directory as a document, sorted by name. */
sp_code node_log_entry_list(const node_log_entry *e, sp_buf *out, sp_err *err) SP_MUST_USE;
/* A type of content by its first bytes. */
sp_str node_log_type(sp_str head);

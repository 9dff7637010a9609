/* SPDX-License-Identifier: Apache-2.0 */
/* contracts/pod_files.h by this process's own system calls. */
#pragma once

#include "contracts/pod_files.h"

/* The one instance; stateless. */
sp_pod_files *node_files(void);

/* Its calls of these names (files_in.c, files_tree.c). */
sp_code node_files_read_in(sp_pod_files *f, sp_str base, sp_str rel, size_t limit_bytes, sp_arena *a,
			   sp_str *ret, sp_err *err) SP_MUST_USE;
sp_code node_files_own_tree(sp_pod_files *f, sp_str name, const sp_pod_tree_owner *owner,
			    sp_err *err) SP_MUST_USE;
/* Its call of that name (usage.c). */
sp_code node_files_usage(sp_pod_files *f, sp_str name, sp_pod_usage *ret, sp_err *err) SP_MUST_USE;

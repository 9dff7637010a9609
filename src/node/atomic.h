/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directories whose files change all at once: config maps, secrets, tokens. Names that users see are links to
 * ..data/NAME; ..data is a link to a directory of one version, and replacing that link is the change. U:
 * kubernetes pkg/volume/util/atomic_writer.go.
 */
#pragma once

#include "contracts/pod_files.h"
#include "io/file.h"

typedef struct node_file {
	sp_str path; /* relative, "tls/ca.crt" */
	sp_str content;
	uint32_t mode;
	uint32_t uid; /* SP_POD_FILES_SAME: root */
} node_file;

#define NODE_FILES_MAX 4096u

/* SP_EINVAL: a path that is absolute, has "..", starts with ".." or is too long. */
sp_code node_file_path_check(sp_str path, sp_err *err) SP_MUST_USE;

/*
 * Makes the directory hold exactly these files, or leaves it as it is when it does already (*ret_changed, may
 * be NULL, tells). `version` names the new directory: "..2026_01_02_15_04_05.123456789", new for every call;
 * `gid` is the group of everything (SP_POD_FILES_SAME: root's). Blocks. After an error the old version is
 * still seen.
 */
sp_code node_atomic_write(sp_world *w, sp_pod_files *f, sp_str dir, sp_str version, const node_file *files,
			  size_t n, uint32_t gid, bool *ret_changed, sp_err *err) SP_MUST_USE;

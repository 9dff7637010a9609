/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of variables that a container's environment takes values from (`fileKeyRef`): VAR='value', as a
 * subset of a shell's language. U: kubernetes pkg/kubelet/util/env/env_util.go, pkg/kubelet/kubelet_pods.go
 * makeEnvironmentVariables.
 */
#pragma once

#include "contracts/pod_files.h"
#include "node/pod.h"
#include "node/volumes.h"

#define NODE_ENV_FILE_BYTES_MAX ((size_t)1 << 20)
#define NODE_ENV_FILE_LINE_MAX 65535u /* without its end. U: bufio.Scanner */

/*
 * The value of a variable of such a text, in the arena; empty when it has none, or an empty one. SP_EINVAL: a
 * line before the end of that variable is none (err says which); lines after it are not looked at.
 */
sp_code node_env_file_value(sp_str text, sp_str key, sp_arena *a, sp_str *ret, sp_err *err) SP_MUST_USE;

/* One file that a container refers to. */
typedef struct node_env_file {
	sp_str volume, path; /* as the pod has them */
	sp_str dir;          /* of the volume; empty: the pod has no such volume in use */
	sp_str text;         /* what is in it, when code is SP_OK */
	sp_code code;
} node_env_file;

typedef struct node_env_files {
	node_env_file *at;
	size_t n;
} node_env_files;

/* What the container refers to, each file once; none of it is read yet. SP_ETOOLARGE. */
sp_code node_env_files_of(const node_pod *p, const node_container *c, const node_volumes *volumes,
			  sp_arena *a, node_env_files *ret, sp_err *err) SP_MUST_USE;
/* Reads them into the arena; one that can't be read keeps the code. Blocks: from a worker job. */
void node_env_files_read(node_env_files *files, sp_pod_files *f, sp_arena *a);
/* NULL: it is not among them. `files` may be NULL. */
const node_env_file *node_env_files_find(const node_env_files *files, sp_str volume, sp_str path);

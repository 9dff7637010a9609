/* SPDX-License-Identifier: Apache-2.0 */
/* Where a process's input comes from and its output goes, as containerd and `sampan cri` name it (README.md).
 */
#pragma once

#include "base/url.h"

typedef enum shim_uri_kind {
	SHIM_URI_NONE, /* /dev/null */
	SHIM_URI_FIFO,
	SHIM_URI_FILE,
	SHIM_URI_BINARY,
	SHIM_URI_CRI,
	SHIM_URI_STREAM,
} shim_uri_kind;

typedef struct shim_uri {
	shim_uri_kind kind;
	const char *path; /* absolute, NUL-terminated, in the arena */
	sp_url_query query;
} shim_uri;

/* SP_EUNSUPPORTED names an unknown scheme; SP_EINVAL: not an absolute path. */
sp_code shim_uri_parse(sp_str text, sp_arena *a, shim_uri *ret, sp_err *err) SP_MUST_USE;

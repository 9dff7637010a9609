/* SPDX-License-Identifier: Apache-2.0 */
/* contracts/pod_files.h by this process's own system calls. */
#pragma once

#include "contracts/pod_files.h"

/* The one instance; stateless. */
sp_pod_files *node_files(void);

/* Its call of that name (usage.c). */
sp_code node_files_usage(sp_pod_files *f, sp_str name, sp_pod_usage *ret, sp_err *err) SP_MUST_USE;

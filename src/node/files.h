/* SPDX-License-Identifier: Apache-2.0 */
/* contracts/pod_files.h by this process's own system calls. */
#pragma once

#include "contracts/pod_files.h"

/* The one instance; stateless. */
sp_pod_files *node_files(void);

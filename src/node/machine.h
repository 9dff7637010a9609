/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent's machine is: read once, from its files. */
#pragma once

#include "base/arena.h"
#include "io/file.h"

typedef struct node_machine {
	int64_t cpu_milli, memory_bytes, disk_bytes;
	sp_str machine_id, system_uuid, boot_id, kernel, os_image, architecture;
} node_machine;

/* Blocks. What can't be found stays empty; disk_bytes is of the file system of `root`. */
void node_machine_read(sp_world *w, sp_str root, sp_arena *a, node_machine *ret);

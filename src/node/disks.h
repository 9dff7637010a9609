/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File systems that the agent tells of. Whoever asks gets what was seen last, at once: they are looked at by
 * jobs, for a file system may not answer for as long as its server is away.
 */
#pragma once

#include "node/node_int.h"

/* Looks at the machine through opts.disk. */
void node_disks_new(node_agent *a);
/* Jobs may be under way: then the end comes later, with node_agent_check_closed. */
void node_disks_free(node_agent *a);

/* Of the file system that a path is on, as it was seen last; NULL: not yet, or it can't be. It is looked at
 * from now on while somebody asks for it. Good until the loop goes on. */
const node_disk *node_disks_get(node_agent *a, sp_str path);

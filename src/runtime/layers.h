/* SPDX-License-Identifier: Apache-2.0 */
/* The unpacker of the image store that asks the host process (contracts/host.h). */
#pragma once

#include "contracts/host.h"
#include "runtime/image/unpacker.h"

/* In place as long as the store. */
typedef struct rt_layers {
	sp_host *host;
	sp_str images_dir; /* that of the store: jobs are below it */
	uint64_t tokens;   /* given so far */
	image_unpacker unpacker;
} rt_layers;

void rt_layers_init(rt_layers *l, sp_host *host, sp_str images_dir);

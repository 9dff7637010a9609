/* SPDX-License-Identifier: Apache-2.0 */
/* A directory and all below it, once more: what an image has at the path of a volume. */
#pragma once

#include "base/err.h"

/*
 * Copies what is below the directory `from` into the empty directory `to`, which gets its owner, mode,
 * times and extended attributes, too. Both are descriptors that can be read; nothing is followed out of
 * either. Holes stay holes and hard links below `from` stay hard links, so the copy is as large as the
 * original. Devices and sockets are left out. Blocks: for a worker. At most HOST_COPY_DEPTH_MAX levels
 * (SP_ETOOLARGE); what was copied when it fails stays.
 */
sp_code host_copy_tree(int from, int to, sp_err *err) SP_MUST_USE;
#define HOST_COPY_DEPTH_MAX 128u

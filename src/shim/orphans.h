/* SPDX-License-Identifier: Apache-2.0 */
/* OCI runtimes whose shim was killed. */
#pragma once

#include "base/err.h"

/*
 * Ends every OCI runtime that works on the bundle and waits until it is gone (2 s at most): one that was
 * killed along with its shim may still be inside the kernel, making a group or a mount that nobody would look
 * for any more. They are known by their log, which no other bundle has. `proc` is "/proc". Blocks.
 */
void shim_end_runtimes(const char *proc, const char *bundle);

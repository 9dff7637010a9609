/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the first process of a PID namespace would hear a signal. The kernel drops one that such a process
 * has no handler for; and one that it has a handler for, when the process becomes another program before the
 * handler has run. Both meet a container that is stopped as soon as it has been started: the OCI runtime's
 * start is over when the process has been let go, which is before it has become the container's program (the
 * init of runc, a Go program, has handlers for all signals), and long before that has handlers of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct shim_hearing {
	uint64_t started_ns; /* when its start was told, monotonic; 0: not yet */
	uint64_t runtime_ns; /* when it was last seen to be the OCI runtime's process; 0: never */
} shim_hearing;

/*
 * True: sent now, the signal may be lost; look again soon. It is said of a process that has not become the
 * container's program for up to 5 s after its start, and of a program that neither handles, blocks nor
 * ignores the signal during its first second. `proc` is "/proc". A process that cannot be looked at hears.
 */
bool shim_signal_is_early(shim_hearing *h, const char *proc, uint32_t pid, uint32_t signal, uint64_t now_ns);

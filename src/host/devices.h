/* SPDX-License-Identifier: Apache-2.0 */
/* The devices of this machine, for containers that get all of them. */
#pragma once

#include "contracts/host.h"

/* Appends the character and block devices below `dir` to `ret`, in the arena, with paths that begin with
 * `as`; at most SP_HOST_DEVICES_MAX (SP_ETOOLARGE). Links are not followed, and what a container has of its
 * own is left out: pts, shm, mqueue, fd, console, ptmx. U: containerd pkg/oci/utils_unix.go, HostDevices. */
sp_code host_devices_find(const char *dir, const char *as, sp_arena *a, sp_host_devices *ret,
			  sp_err *err) SP_MUST_USE;

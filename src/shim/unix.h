/* SPDX-License-Identifier: Apache-2.0 */
/* Unix sockets by path, also where the path is longer than an address: they are then named below their
 * directory's descriptor. */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/* A listening socket, non-blocking. SP_EEXISTS: something is bound there. */
sp_code shim_unix_listen(const char *path, mode_t mode, int *ret_fd, sp_err *err) SP_MUST_USE;
/* A connected socket, non-blocking. SP_EUNAVAILABLE: nobody listens. */
sp_code shim_unix_connect(const char *path, int *ret_fd, sp_err *err) SP_MUST_USE;

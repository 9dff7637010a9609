/* SPDX-License-Identifier: Apache-2.0 */
/* Small files below a bundle, /proc and /sys, read and written whole. Blocking: all of them are in memory. */
#pragma once

#include <sys/types.h>

#include "base/buf.h"

/* Appends the file's bytes. SP_ENOTFOUND, SP_EIO; SP_ETOOLARGE beyond the buffer's limit. `dir_fd` may be
 * AT_FDCWD. */
sp_code shim_read_file(int dir_fd, const char *path, sp_buf *out, sp_err *err) SP_MUST_USE;
/* Writes a new file beside `path` and renames it there: a reader sees all of it or what was before. */
sp_code shim_write_file(int dir_fd, const char *path, sp_str bytes, mode_t mode, sp_err *err) SP_MUST_USE;
/* One write(2) to a file of /proc or /sys that exists. */
sp_code shim_poke_file(const char *path, sp_str bytes, sp_err *err) SP_MUST_USE;
/* The first number in a file; "max" and absent ones give `otherwise`. */
uint64_t shim_read_number(const char *path, uint64_t otherwise);
bool shim_file_exists(const char *path);

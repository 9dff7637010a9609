/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer's archive, applied to an empty directory that overlayfs takes as a lower one. What the archive says
 * is believed as far as it stays below the directory and within the limits:
 *
 *  - ".wh.NAME" becomes the character device 0/0, ".wh..wh..opq" the attribute trusted.overlay.opaque
 * (user.overlay.opaque); both count for the layers below only, wherever they stand in the archive;
 *  - a name that comes again replaces what was there, a directory keeps what is in it;
 *  - a hard link may point to a file of a layer below, which is then copied up;
 *  - owners, modes, times, user.* attributes, ACLs and file capabilities are kept; other attributes are
 * dropped;
 *  - devices are refused unless allowed.
 */
#pragma once

#include "base/tar.h"

typedef struct unpack_opts {
	const int *parents; /* directories of the layers below, top first */
	size_t n_parents;
	uint64_t bytes_max, inodes_max; /* of data written, of names made */
	uint64_t reserve_bytes;         /* stops when the filesystem has less left */
	bool allow_devices;
	bool user_xattr;
	bool one_owner; /* owners that this process may not give are left out (a user namespace of one id) */
} unpack_opts;

typedef struct unpack_totals {
	uint64_t bytes, inodes;
} unpack_totals;

/* SP_EINVAL: malformed, or it tries to escape; SP_EFORBIDDEN: a device; SP_ETOOLARGE: a limit or a full disk.
 * Messages name the entry. */
sp_code unpack_apply(int root, sp_tar *t, const unpack_opts *o, unpack_totals *ret, sp_err *err) SP_MUST_USE;

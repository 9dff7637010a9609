/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar: ustar with the extensions of GNU tar (long names, base-256 numbers, sparse files) and of pax
 * (POSIX.1-2001: path, linkpath, size, uid, gid, mtime, SCHILY.xattr.*, GNU.sparse.*). Names are bytes: no
 * character set has a say.
 *
 * The reader pulls slices from a source and copies only heads: file data is handed out where it lies. It
 * trusts nothing: every number has a range, every text a limit. What names mean is for the caller to judge.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#define SP_TAR_BLOCK 512u
#define SP_TAR_NAME_BYTES 4095u                 /* of a path or link */
#define SP_TAR_EXTENDED_BYTES ((size_t)1 << 20) /* of one extended header */
#define SP_TAR_EXTENTS_MAX 100000u              /* pieces of a sparse file */

typedef enum sp_tar_type {
	SP_TAR_FILE,
	SP_TAR_HARDLINK,
	SP_TAR_SYMLINK,
	SP_TAR_CHAR,
	SP_TAR_BLOCKDEV,
	SP_TAR_DIR,
	SP_TAR_FIFO,
} sp_tar_type;

typedef struct sp_tar_xattr {
	sp_str name, value; /* the name ends with a NUL that is not counted */
} sp_tar_xattr;

/* size_bytes bytes of the data stand at `offset` of the file. */
typedef struct sp_tar_extent {
	uint64_t offset, size_bytes;
} sp_tar_extent;

typedef struct sp_tar_entry {
	sp_tar_type type;
	sp_str path, link; /* without NUL inside; a NUL that is not counted follows */
	uint32_t mode;     /* permission bits, 07777 */
	uint32_t uid, gid;
	uint32_t dev_major, dev_minor;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size_bytes; /* of the file as it will be; 0 for what is no file */
	const sp_tar_xattr *xattrs;
	size_t n_xattrs;
	const sp_tar_extent *extents; /* of a sparse file, in ascending order; else one for all of it */
	size_t n_extents;
} sp_tar_entry;

typedef struct sp_tar {
	/* The next slice, good until the next call; n = 0 at the end. */
	sp_code (*fill)(void *arg, const uint8_t **ret, size_t *ret_n, sp_err *err);
	void *arg;
	const uint8_t *ptr; /* of the slice: what is left */
	size_t n;
	uint64_t left_bytes, pad_bytes; /* of the present entry's data, and of what fills its last block */
	sp_arena arena;                 /* of the present entry */
	sp_tar_entry entry;
	size_t i_extent;
	uint64_t extent_used;
} sp_tar;

void sp_tar_init(sp_tar *t, sp_code (*fill)(void *arg, const uint8_t **ret, size_t *ret_n, sp_err *err),
		 void *arg);
void sp_tar_done(sp_tar *t);

/* The next entry, good until the next call; what is unread of the one before is skipped. NULL at the end.
 * SP_EINVAL: malformed, or it ends early; SP_ETOOLARGE: a limit; SP_EUNSUPPORTED: a type of entry that nobody
 * knows. */
sp_code sp_tar_next(sp_tar *t, const sp_tar_entry **ret, sp_err *err) SP_MUST_USE;
/* A piece of the file's data and where in the file it belongs; n = 0 when all was read. */
sp_code sp_tar_data(sp_tar *t, const uint8_t **ret, size_t *ret_n, uint64_t *ret_offset,
		    sp_err *err) SP_MUST_USE;
/* Reads the source to its end (what stands after the archive). */
sp_code sp_tar_drain(sp_tar *t, sp_err *err) SP_MUST_USE;

/* The head of a plain file or of a directory (name ends with '/'), without owner and date. SP_ETOOLARGE: a
 * name over 100 bytes. */
sp_code sp_tar_head(uint8_t out[SP_TAR_BLOCK], sp_str name, uint32_t mode, uint64_t size_bytes,
		    sp_err *err) SP_MUST_USE;

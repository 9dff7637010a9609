/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a name of a layer lies: below one directory, whatever symbolic links say, and merged with the layers
 * below it as overlayfs merges them. Every step is resolved by the kernel inside the root (openat2), so
 * nothing leads out of it.
 *
 * Names are relative to the root; a leading '/' means the root too.
 */
#pragma once

#include <sys/stat.h>

#include "base/err.h"

#define UNPACK_PATH_BYTES 4096u

typedef struct unpack_place {
	int root;           /* directory of this layer */
	const int *parents; /* of those below, top first */
	size_t n_parents;
	bool user_xattr; /* opaque directories carry user.overlay.opaque instead of trusted.overlay.opaque */
	void (*made_dir)(void *arg); /* one more inode */
	void *arg;
	/* The directory of the name before, for archives that list one directory after the other. */
	char cached[UNPACK_PATH_BYTES];
	int cached_fd; /* -1: none */
} unpack_place;

void unpack_place_init(unpack_place *p, int root);
void unpack_place_done(unpack_place *p);
/*
 * Brings a name into the form "a/b/c": no "." and no empty components; empty for the root. SP_EINVAL: "..",
 * or too long.
 */
sp_code unpack_path_clean(sp_str name, char out[UNPACK_PATH_BYTES], sp_err *err) SP_MUST_USE;

/*
 * The directory `dir` (a clean path), opened; good until the next call. What is missing of it is made, with
 * the owner and mode it has in the layers below, or as 0755 of root. SP_EINVAL: something on the way is not a
 * directory.
 */
sp_code unpack_place_dir(unpack_place *p, const char *dir, int *ret_fd, sp_err *err) SP_MUST_USE;

/* The same, and `real` becomes its path without symbolic links. */
sp_code unpack_place_real(unpack_place *p, const char *dir, char real[UNPACK_PATH_BYTES], int *ret_fd,
			  sp_err *err) SP_MUST_USE;

/* What the layers below show under a path without symbolic links in its directories. */
typedef struct unpack_lower {
	bool found;
	int layer; /* directory of the layer that has it */
	struct stat st;
} unpack_lower;
sp_code unpack_place_lower(unpack_place *p, const char *real, unpack_lower *ret, sp_err *err) SP_MUST_USE;

/* Owner, mode, times and the extended attributes of `from` that a layer may have. */
sp_code unpack_copy_attributes(int from, int to, const struct stat *st, sp_err *err) SP_MUST_USE;
/* Marks an open directory: nothing of the layers below shows in it. */
sp_code unpack_set_opaque(const unpack_place *p, int fd, sp_err *err) SP_MUST_USE;
/* The character device 0/0 that hides a name of the layers below. */
bool unpack_is_whiteout(const struct stat *st);
/* Whether a layer may set this attribute: user.* and ACLs and file capabilities, nothing that overlayfs or a
 * security module of the host believes in. */
bool unpack_xattr_is_allowed(const char *name);

/* Opens inside the root; -1 and errno. */
int unpack_open_in(int root, const char *path, int flags);

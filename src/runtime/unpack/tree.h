/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of files that may lead nobody out: no symbolic link is followed. Any depth is handled with a handful
 * of descriptors, for containers can make what they like.
 */
#pragma once

#include "base/err.h"

/* Removes `name` of an open directory, and everything below it when it is a directory. SP_OK when it is not
 * there. *ret_inodes (may be NULL) counts what went. */
sp_code unpack_tree_remove(int dir, const char *name, uint64_t *ret_inodes, sp_err *err) SP_MUST_USE;

typedef struct unpack_tree_size {
	uint64_t bytes;  /* blocks of the filesystem; a file of n names counts an n-th at each */
	uint64_t inodes; /* names, without the root */
} unpack_tree_size;

/* Of everything below an open directory. SP_ETOOLARGE: deeper than a million levels. */
sp_code unpack_tree_measure(int dir, unpack_tree_size *ret, sp_err *err) SP_MUST_USE;

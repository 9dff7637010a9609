/* SPDX-License-Identifier: Apache-2.0 */
/* What `sampan down --purge` removes: everything that this machine kept for the cluster. */
#pragma once

#include "base/arena.h"
#include "base/err.h"

#define CLI_PURGE_MOST 3u

typedef struct cli_purge {
	sp_str dirs[CLI_PURGE_MOST]; /* those that are there */
	uint64_t bytes[CLI_PURGE_MOST], n_files[CLI_PURGE_MOST];
	size_t n;
} cli_purge;

/*
 * Looks; removes nothing. SP_EINVAL: a data directory without the files that a server or an agent keeps, one
 * that is not there or a link; a directory of sockets or of volumes with anything else in it. So a wrong flag
 * costs nothing.
 */
sp_code cli_purge_find(sp_arena *a, sp_str data_dir, sp_str run_dir, sp_str volumes_dir, cli_purge *ret,
		       sp_err *err) SP_MUST_USE;
/* The list for people, and the question; true: yes. Without a terminal the answer is no. */
bool cli_purge_ask(const cli_purge *p);
/* Symbolic links are removed, not followed; other file systems are not entered, and are an error. */
sp_code cli_purge_remove(const cli_purge *p, sp_err *err) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on LMDB: durable before it reports. One writer thread commits groups of transactions, each group
 * by one LMDB transaction; reads are short read transactions on the loop's thread. See README.md for the
 * layout.
 */
#pragma once

#include "base/arena.h"
#include "store/store.h"

typedef struct sp_store_lmdb_opts {
	sp_str dir;                       /* absolute; made (mode 0700) when missing, its parent must exist */
	uint64_t bytes_max;               /* of the data file; 0 = 16 GiB. Address space, not memory. */
	uint64_t keep_ns;                 /* history; 0 = 5 minutes */
	uint64_t history_bytes_max;       /* goes before its age when it is larger; 0 = 512 MiB */
	sp_store_transformer transformer; /* zero = identity */
} sp_store_lmdb_opts;

/*
 * Opens or makes the store; blocks on the disk, so at start-up only. SP_EUNAVAILABLE: another process has the
 * directory; SP_EUNSUPPORTED: a newer program wrote it; SP_EIO: damaged or unreadable.
 */
sp_code sp_store_lmdb_open(sp_world *w, const sp_store_lmdb_opts *opts, sp_store **ret,
			   sp_err *err) SP_MUST_USE;

/* ---- snapshots: all of these block and are made from worker jobs or tools ---- */

/*
 * Writes a consistent copy, without free pages, to the file `path`, which must not exist; synced before it
 * returns. Callable on any thread while the store serves, not while it closes. Pages freed meanwhile are not
 * reused until it is done.
 */
sp_code sp_store_lmdb_snapshot(sp_store *s, sp_str path, sp_err *err) SP_MUST_USE;

/* The same of a directory that no process has open. */
sp_code sp_store_lmdb_snapshot_dir(sp_str dir, sp_str path, sp_err *err) SP_MUST_USE;

typedef struct sp_store_snapshot {
	sp_str name; /* of the file */
	uint64_t revision, n_objects, file_bytes;
	int64_t mtime_ns;
} sp_store_snapshot;

/* The snapshots among the files of a directory, by name; other files are left out. */
sp_code sp_store_lmdb_snapshot_list(sp_str dir, sp_arena *a, sp_store_snapshot **ret, size_t *ret_n,
				    sp_err *err) SP_MUST_USE;

#define SP_STORE_RESTORE_JUMP UINT64_C(1000000000)

/*
 * Replaces the store of `dir` (which may be missing or empty, and which no process may have open) by the
 * snapshot. The revision rises by SP_STORE_RESTORE_JUMP above the snapshot's and above that of a store found
 * in `dir`, and all history counts as compacted, so that every client lists anew. After a crash at any time
 * the old or the new store is there.
 */
sp_code sp_store_lmdb_restore(sp_str path, sp_str dir, sp_err *err) SP_MUST_USE;

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The LMDB store without threads and loops: open, apply a group, read. Only src/store/lmdb and its tests
 * include this. One thread at a time may be in the functions of a writer, one in those of a reader.
 *
 * Layout (LMDB named databases; all numbers of keys big-endian):
 *
 *   meta       "format" -> u32; "state" -> core_state
 *   resources  resource prefix -> u32 id
 *   keys       id, rest, 0, ~revision -> u64 create revision, u8 is_delete     newest first
 *   log        revision (native, MDB_INTEGERKEY) -> log_record                appended
 *   index      id, fnv1a64(indexed value), rest -> ""                         newest revision only
 */
#pragma once

#include <lmdb.h>
#include <stdatomic.h>

#include "store/lmdb/lmdb.h"
#include "store/store_int.h"

enum { CORE_FORMAT = 1, CORE_PATH_BYTES = 1024 };

typedef struct core_state {
	uint64_t revision;
	uint64_t compacted; /* nothing below is readable */
	uint64_t trimmed;   /* what only revisions below needed has been removed; <= compacted */
	uint64_t n_objects;
	uint64_t history_bytes; /* of log records that are not the newest of their key */
} core_state;

enum { CORE_STATE_BYTES = 40 };

typedef struct log_record {
	uint64_t create_revision, prev_revision;
	uint32_t resource;
	bool is_delete;
	sp_str rest;
	sp_str stored; /* record header and the transformed object; empty for a delete */
} log_record;

enum { LOG_FIXED_BYTES = 24 };

typedef struct core {
	MDB_env *env;
	MDB_dbi meta, resources, keys, log, index;
	int lock_fd, data_fd;
	uint64_t page_bytes, map_pages;
	uint64_t ahead_pages; /* the file has disk space up to here */
	bool has_transformer;
	atomic_bool is_full, is_broken; /* set by the writer */
	sp_store_transformer transformer;
	core_state state; /* as committed; the writer's */
	MDB_txn *reader;  /* reset between reads; the reader's */
	char dir[CORE_PATH_BYTES];
} core;

/* ---- codec.c ---- */

void core_state_put(uint8_t out[CORE_STATE_BYTES], const core_state *s);
sp_code core_state_get(sp_str in, core_state *ret, sp_err *err) SP_MUST_USE;
/* Writes the fixed part and rest to out, which has LOG_FIXED_BYTES + r->rest.len; the stored part follows. */
void log_record_put_head(uint8_t *out, const log_record *r);
sp_code log_record_get(sp_str in, log_record *ret, sp_err *err) SP_MUST_USE;

enum { CORE_KEY_MAX = 4 + SP_LIMIT_STORE_REST_BYTES + 1 + 8 };
typedef struct core_key {
	size_t len;
	uint8_t bytes[CORE_KEY_MAX + 3];
} core_key;
/* id, rest, 0, ~revision: the version at `revision` or, as the start of a search, the newest not above it. */
void core_key_version(core_key *k, uint32_t resource, sp_str rest, uint64_t revision);
/* The first key at or behind `rest` (which may end in a NUL: behind all versions of it). */
void core_key_from(core_key *k, uint32_t resource, sp_str rest);
void core_key_index(core_key *k, uint32_t resource, sp_str value, sp_str rest);
/* Takes a key of `keys` apart. */
bool core_key_split(const MDB_val *key, uint32_t *ret_resource, sp_str *ret_rest, uint64_t *ret_revision);

/* The sp_err of an LMDB or errno result; never SP_OK. */
sp_code core_fail(int rc, const char *what, sp_err *err);
static inline MDB_val core_val(const void *p, size_t n)
{
	return (MDB_val){n, (void *)(uintptr_t)p};
}
static inline sp_str core_str(MDB_val v)
{
	return (sp_str){v.mv_data, v.mv_size};
}

/* ---- env.c ---- */

/* The directory's lock, the environment and its databases. */
sp_code core_open(const sp_store_lmdb_opts *opts, core **ret, sp_err *err) SP_MUST_USE;
void core_close(core *c);
/* The environment of a data file, without its databases; on failure c->env is NULL. */
sp_code core_open_file(core *c, const char *path, uint64_t bytes_max, unsigned flags,
		       sp_err *err) SP_MUST_USE;
/* What stands behind a store of sp_store_lmdb_open (store_lmdb.c). */
core *store_lmdb_core(sp_store *s);
/* Takes the directory's lock; -1 on failure. */
sp_code core_lock_dir(sp_str dir, int *ret_fd, sp_err *err) SP_MUST_USE;
/* Opens the databases inside a transaction; makes them when it may write and the format is not there. */
sp_code core_open_dbs(core *c, MDB_txn *txn, bool may_make, core_state *ret, sp_err *err) SP_MUST_USE;
/* The maker of a file name below dir, NUL-terminated; SP_ETOOLARGE. */
sp_code core_path(char out[CORE_PATH_BYTES], sp_str dir, const char *name, sp_err *err) SP_MUST_USE;

/* ---- apply.c: the writer ---- */

/*
 * Applies and commits the transactions of a group, all in one LMDB transaction, and up to n_trim events of
 * pending compaction with them. Each sp_store_txn gets its code, results and events. The group's failure
 * (disk, memory) is answered by trying its transactions one by one, so only those that cannot be written
 * fail. `compact`: the compacted revision rises to this.
 */
void core_apply(core *c, sp_list *txns, uint64_t compact, size_t n_trim);

/* ---- trim.c ---- */

/* Removes what the next up to n_max events below s->compacted made superfluous. */
sp_code core_trim(core *c, MDB_txn *txn, core_state *s, size_t n_max, sp_err *err) SP_MUST_USE;

/* ---- space.c ---- */

/* Whether a group that may need this many pages and makes the store larger fits above the reserve. */
sp_code core_space_check(core *c, uint64_t n_pages, sp_err *err) SP_MUST_USE;
sp_code core_space_info(core *c, sp_store_info *ret, sp_err *err) SP_MUST_USE;

/* ---- read.c: the reader ---- */

/* Finds the newest version of a key not above `revision`; *ret_revision = 0 when there is none or it is
 * deleted. */
sp_code core_find(MDB_cursor *keys, uint32_t resource, sp_str rest, uint64_t revision, uint64_t *ret_revision,
		  uint64_t *ret_create, sp_err *err) SP_MUST_USE;
/* 0 = unknown. */
sp_code core_resource(core *c, MDB_txn *txn, sp_str name, uint32_t *ret, sp_err *err) SP_MUST_USE;
/* The log record of a revision that has to be there. */
sp_code core_log_get(core *c, MDB_txn *txn, uint64_t revision, log_record *ret, sp_err *err) SP_MUST_USE;
/* The plain record of a stored one, in bytes of its own. */
sp_code core_load(core *c, sp_store_key key, sp_str stored, sp_bytes **ret, sp_err *err) SP_MUST_USE;

sp_code core_get(core *c, sp_store_key key, uint64_t revision, sp_store_value *ret, sp_err *err) SP_MUST_USE;
sp_code core_range(core *c, const sp_store_query *q, sp_store_visit (*visit)(void *, const sp_store_entry *),
		   void *arg, sp_store_chunk *ret, sp_err *err) SP_MUST_USE;
sp_code core_count(core *c, sp_str resource, sp_str prefix, uint64_t *ret, sp_err *err) SP_MUST_USE;
sp_code core_info(core *c, bool with_space, sp_store_info *ret, sp_err *err) SP_MUST_USE;
sp_code core_log_read(core *c, const store_log_query *q, uint64_t *ret_upto, sp_err *err) SP_MUST_USE;

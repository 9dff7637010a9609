/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Space. LMDB writes every changed page to a new place, so even a delete needs free pages. Puts must leave a
 * reserve of them, deletes and compaction may use it. Pages are had in two ways: behind the end of what LMDB
 * has used so far, where this file has allocated disk space in advance (so that a full disk is noticed here,
 * before a transaction, and not in the middle of it), and in LMDB's list of free pages. The map is as large
 * as the store may become from the start: it is address space only, the file grows as it is used.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/lmdb/core.h"

enum { RESERVE_PAGES = 2048, STEP_PAGES = 2048, FREE_DBI = 0 };

static uint64_t used_pages(core *c)
{
	MDB_envinfo info;
	(void)mdb_env_info(c->env, &info); /* of an open environment: cannot fail */
	return info.me_last_pgno + 1;
}

/* Disk space up to this page; a file system that cannot allocate gives space when it is written. */
static int allocate_to(core *c, uint64_t page)
{
	uint64_t used = used_pages(c), from = SP_MAX(c->ahead_pages, used);
	if (page <= from)
		return 0;
	if (fallocate(c->data_fd, FALLOC_FL_KEEP_SIZE, (off_t)(from * c->page_bytes),
		      (off_t)((page - from) * c->page_bytes)) != 0 &&
	    errno != EOPNOTSUPP && errno != ENOSYS)
		return errno;
	c->ahead_pages = page;
	return 0;
}

/* LMDB's list of free pages: records of a count and as many page numbers, keyed by the transaction that freed
 * them. Pages of the newest two transactions cannot be taken yet; the reserve covers them. */
static sp_code free_pages(MDB_txn *txn, uint64_t *ret, sp_err *err)
{
	MDB_cursor *cur;
	int rc = mdb_cursor_open(txn, FREE_DBI, &cur);
	if (rc != 0)
		return core_fail(rc, "cannot read the list of free pages", err);
	MDB_val k, v;
	uint64_t n = 0;
	while ((rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) == 0) {
		size_t count = 0;
		if (v.mv_size >= sizeof count)
			memcpy(&count, v.mv_data, sizeof count);
		n += count;
	}
	mdb_cursor_close(cur);
	if (rc != MDB_NOTFOUND)
		return core_fail(rc, "cannot read the list of free pages", err);
	*ret = n;
	return SP_OK;
}

/* In a read transaction of its own: this is the writer's thread, c->reader is the loop's. */
static sp_code free_pages_now(core *c, uint64_t *ret, sp_err *err)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(c->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return core_fail(rc, "cannot read the list of free pages", err);
	sp_code code = free_pages(txn, ret, err);
	mdb_txn_abort(txn);
	return code;
}

sp_code core_space_check(core *c, uint64_t n_pages, sp_err *err)
{
	const uint64_t needed = n_pages + RESERVE_PAGES, used = used_pages(c);
	int rc = 0;
	if (used + needed > c->ahead_pages) {
		/* More than needed when there is plenty, so that this is rare. */
		uint64_t more = SP_MIN(used + needed + STEP_PAGES, c->map_pages);
		rc = allocate_to(c, more);
		if (rc != 0 && used + needed < more)
			rc = allocate_to(c, used + needed);
		if (rc == 0 && used + needed > c->map_pages)
			rc = MDB_MAP_FULL;
	}
	if (rc == 0) {
		c->is_full = false;
		return SP_OK;
	}
	uint64_t n_free = 0;
	SP_TRY(free_pages_now(c, &n_free, err));
	c->is_full = n_free + (SP_MAX(c->ahead_pages, used) - used) < needed;
	return c->is_full ? core_fail(rc, "cannot take more objects, deletes still work", err) : SP_OK;
}

sp_code core_space_info(core *c, sp_store_info *ret, sp_err *err)
{
	uint64_t n_free = 0, used = used_pages(c);
	struct stat st;
	SP_TRY(free_pages(c->reader, &n_free, err));
	if (fstat(c->data_fd, &st) != 0)
		return sp_fail_sys(err, errno, "cannot look at the data file");
	ret->file_bytes = (uint64_t)st.st_size;
	ret->used_bytes = (used - SP_MIN(n_free, used)) * c->page_bytes;
	return SP_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction. The event at revision r made its key's previous version superfluous for everybody who reads at
 * r or later. So the events up to the compacted revision are passed once, in order: each removes the version
 * before it, and a delete also itself.
 */
#include "store/lmdb/core.h"

static int del_version(core *c, MDB_txn *txn, const log_record *r, uint64_t revision)
{
	core_key key;
	core_key_version(&key, r->resource, r->rest, revision);
	MDB_val k = core_val(key.bytes, key.len);
	int rc = mdb_del(txn, c->keys, &k, NULL);
	k = core_val(&revision, sizeof revision);
	return rc != 0 ? rc : mdb_del(txn, c->log, &k, NULL);
}

/* The record points into a page that the first delete may change: what is needed is copied first. */
static sp_code trim_event(core *c, MDB_txn *txn, core_state *s, uint64_t revision, log_record r, size_t bytes,
			  sp_err *err)
{
	char rest[SP_LIMIT_STORE_REST_BYTES];
	if (r.rest.len > sizeof rest)
		return sp_fail(err, SP_EIO, "a record of the change log is damaged");
	memcpy(rest, r.rest.ptr, r.rest.len);
	r.rest.ptr = rest;
	uint64_t freed = r.is_delete ? bytes : 0;
	int rc = 0;
	if (r.prev_revision != 0) {
		MDB_val k = core_val(&r.prev_revision, sizeof r.prev_revision), v;
		rc = mdb_get(txn, c->log, &k, &v);
		if (rc == 0) {
			freed += v.mv_size;
			rc = del_version(c, txn, &r, r.prev_revision);
		}
	}
	if (rc == 0 && r.is_delete)
		rc = del_version(c, txn, &r, revision);
	if (rc != 0)
		return core_fail(rc, "cannot remove old revisions", err);
	s->history_bytes -= SP_MIN(s->history_bytes, freed);
	return SP_OK;
}

sp_code core_trim(core *c, MDB_txn *txn, core_state *s, size_t n_max, sp_err *err)
{
	for (size_t n = 0; n < n_max && s->trimmed < s->compacted; n++) {
		uint64_t revision = s->trimmed + 1;
		MDB_cursor *cur;
		int rc = mdb_cursor_open(txn, c->log, &cur);
		if (rc != 0)
			return core_fail(rc, "cannot read the change log", err);
		MDB_val k = core_val(&revision, sizeof revision), v;
		rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
		mdb_cursor_close(cur);
		if (rc == 0)
			memcpy(&revision, k.mv_data, sizeof revision);
		if (rc == MDB_NOTFOUND || (rc == 0 && revision > s->compacted)) {
			s->trimmed = s->compacted; /* a restore leaves a gap */
			return SP_OK;
		}
		if (rc != 0)
			return core_fail(rc, "cannot read the change log", err);
		log_record r;
		SP_TRY(log_record_get(core_str(v), &r, err));
		SP_TRY(trim_event(c, txn, s, revision, r, v.mv_size, err));
		s->trimmed = revision;
	}
	return SP_OK;
}

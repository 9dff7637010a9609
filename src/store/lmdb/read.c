/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "store/lmdb/core.h"

/* ---- one key, one record ---- */

sp_code core_resource(core *c, MDB_txn *txn, sp_str name, uint32_t *ret, sp_err *err)
{
	MDB_val k = core_val(name.ptr, name.len), v;
	int rc = mdb_get(txn, c->resources, &k, &v);
	*ret = 0;
	if (rc == MDB_NOTFOUND)
		return SP_OK;
	if (rc != 0)
		return core_fail(rc, "cannot read a resource's name", err);
	if (v.mv_size != 4)
		return sp_fail(err, SP_EIO, "a resource's number is damaged");
	*ret = sp_be32_get(v.mv_data);
	return SP_OK;
}

typedef struct version {
	uint32_t resource;
	sp_str rest;
	uint64_t revision, create_revision;
	bool is_delete;
} version;

static sp_code version_get(const MDB_val *k, const MDB_val *v, version *ret, sp_err *err)
{
	if (!core_key_split(k, &ret->resource, &ret->rest, &ret->revision) || v->mv_size != 9)
		return sp_fail(err, SP_EIO, "a key of the store is damaged");
	const uint8_t *p = v->mv_data;
	ret->create_revision = sp_be64_get(p);
	ret->is_delete = p[8] != 0;
	return SP_OK;
}

/* The version at the place `op` moves to; *ret_end when there is none of this resource. */
static sp_code version_at(MDB_cursor *cur, MDB_cursor_op op, const core_key *key, uint32_t resource,
			  version *ret, bool *ret_end, sp_err *err)
{
	MDB_val k = {0}, v;
	if (key != NULL)
		k = core_val(key->bytes, key->len);
	int rc = mdb_cursor_get(cur, &k, &v, op);
	*ret_end = rc == MDB_NOTFOUND;
	if (rc == MDB_NOTFOUND)
		return SP_OK;
	if (rc != 0)
		return core_fail(rc, "cannot read a key", err);
	SP_TRY(version_get(&k, &v, ret, err));
	*ret_end = ret->resource != resource;
	return SP_OK;
}

sp_code core_find(MDB_cursor *keys, uint32_t resource, sp_str rest, uint64_t revision, uint64_t *ret_revision,
		  uint64_t *ret_create, sp_err *err)
{
	core_key key;
	version ver = {0};
	bool end = true;
	core_key_version(&key, resource, rest, revision);
	SP_TRY(version_at(keys, MDB_SET_RANGE, &key, resource, &ver, &end, err));
	bool exists = !end && sp_str_eq(ver.rest, rest) && !ver.is_delete;
	*ret_revision = exists ? ver.revision : 0;
	*ret_create = exists ? ver.create_revision : 0;
	return SP_OK;
}

sp_code core_log_get(core *c, MDB_txn *txn, uint64_t revision, log_record *ret, sp_err *err)
{
	MDB_val k = core_val(&revision, sizeof revision), v;
	int rc = mdb_get(txn, c->log, &k, &v);
	return rc == 0 ? log_record_get(core_str(v), ret, err) : core_fail(rc, "cannot read a record", err);
}

/* Appends the plain record to out. */
static sp_code from_stored(core *c, sp_store_key key, sp_str stored, sp_buf *out, sp_err *err)
{
	size_t n = 0;
	char full[SP_LIMIT_STORE_RESOURCE_BYTES + SP_LIMIT_STORE_REST_BYTES];
	SP_TRY(sp_record_header_bytes(stored, &n, err));
	SP_ASSERT(key.resource.len + key.rest.len <= sizeof full);
	memcpy(full, key.resource.ptr, key.resource.len);
	memcpy(full + key.resource.len, key.rest.ptr, key.rest.len);
	(void)sp_buf_append(out, stored.ptr, n);
	SP_TRY(c->transformer.from_storage(c->transformer.arg,
					   (sp_str){full, key.resource.len + key.rest.len},
					   sp_str_sub(stored, n, stored.len), out, err));
	if (sp_buf_code(out) != SP_OK)
		return sp_fail(err, sp_buf_code(out), "cannot hold the plain form of an object");
	return SP_OK;
}

enum { PLAIN_MAX = 2 * SP_LIMIT_STORED_VALUE_BYTES + SP_LIMIT_RECORD_HEADER_BYTES };

sp_code core_load(core *c, sp_store_key key, sp_str stored, sp_bytes **ret, sp_err *err)
{
	SP_AUTO_BUF buf;
	sp_buf_init(&buf, PLAIN_MAX);
	if (c->has_transformer) {
		SP_TRY(from_stored(c, key, stored, &buf, err));
		stored = sp_buf_view(&buf);
	}
	*ret = sp_bytes_try_dup(stored);
	return *ret == NULL ? sp_fail(err, SP_ENOMEM, "no memory for a record of %zu bytes", stored.len)
			    : SP_OK;
}

/* ---- read transactions ---- */

static sp_code read_begin(core *c, core_state *ret, sp_err *err)
{
	int rc = mdb_txn_renew(c->reader);
	if (rc != 0)
		return core_fail(rc, "cannot begin to read", err);
	MDB_val k = core_val("state", 5), v;
	rc = mdb_get(c->reader, c->meta, &k, &v);
	sp_code code =
		rc == 0 ? core_state_get(core_str(v), ret, err) : core_fail(rc, "cannot read the state", err);
	if (code != SP_OK)
		mdb_txn_reset(c->reader);
	return code;
}

static void read_end(core *c)
{
	mdb_txn_reset(c->reader);
}

static sp_code cursor_open(core *c, MDB_dbi dbi, MDB_cursor **ret, sp_err *err)
{
	int rc = mdb_cursor_open(c->reader, dbi, ret);
	return rc == 0 ? SP_OK : core_fail(rc, "cannot begin to read", err);
}

static void cursor_cleanup(MDB_cursor **cur)
{
	if (*cur != NULL)
		mdb_cursor_close(*cur);
}
#define AUTO_CURSOR SP_CLEANUP(cursor_cleanup) MDB_cursor *

static sp_code get_in(core *c, const core_state *s, sp_store_key key, uint64_t revision, sp_store_value *ret,
		      sp_err *err)
{
	uint32_t resource = 0;
	log_record r = {0};
	AUTO_CURSOR keys = NULL;
	if (revision != 0)
		SP_TRY(store_revision_check(revision, s->compacted, s->revision, err));
	SP_TRY(core_resource(c, c->reader, key.resource, &resource, err));
	sp_store_value got = {0};
	if (resource != 0) {
		SP_TRY(cursor_open(c, c->keys, &keys, err));
		SP_TRY(core_find(keys, resource, key.rest, revision == 0 ? UINT64_MAX : revision,
				 &got.revision, &got.create_revision, err));
	}
	if (got.revision == 0)
		return sp_fail(err, SP_ENOTFOUND, "'" SP_FMT "' does not exist", SP_ARG(key.rest));
	SP_TRY(core_log_get(c, c->reader, got.revision, &r, err));
	SP_TRY(core_load(c, key, r.stored, &got.record, err));
	*ret = got;
	return SP_OK;
}

sp_code core_get(core *c, sp_store_key key, uint64_t revision, sp_store_value *ret, sp_err *err)
{
	core_state s = {0};
	SP_TRY(read_begin(c, &s, err));
	sp_code code = get_in(c, &s, key, revision, ret, err);
	read_end(c);
	return code;
}

/* ---- ranges ---- */

typedef struct walk {
	core *c;
	const sp_store_query *q;
	sp_store_visit (*visit)(void *arg, const sp_store_entry *e);
	void *arg;
	sp_store_chunk *chunk;
	uint32_t resource;
	uint64_t revision;
	MDB_cursor *keys, *log, *index;
	size_t n_scanned, bytes_scanned;
	sp_buf plain;
} walk;

/* To the first version of the next key. */
static sp_code next_key(walk *w, sp_str rest, version *ret, bool *ret_end, sp_err *err)
{
	for (int i = 0; i < 4; i++) {
		SP_TRY(version_at(w->keys, MDB_NEXT, NULL, w->resource, ret, ret_end, err));
		if (*ret_end || !sp_str_eq(ret->rest, rest))
			return SP_OK;
	}
	char behind[SP_LIMIT_STORE_REST_BYTES + 1];
	if (rest.len > SP_LIMIT_STORE_REST_BYTES)
		return sp_fail(err, SP_EIO, "a key of the store is damaged");
	memcpy(behind, rest.ptr, rest.len);
	behind[rest.len] = '\0';
	core_key key;
	core_key_from(&key, w->resource, (sp_str){behind, rest.len + 1});
	return version_at(w->keys, MDB_SET_RANGE, &key, w->resource, ret, ret_end, err);
}

/*
 * From the first version of a key, in *at, to the first key at or behind it that exists at the walk's
 * revision; *at is then the version to read. At the end of resource or prefix, *ret_end.
 */
static sp_code seek_live(walk *w, version *at, bool *ret_end, sp_err *err)
{
	while (!*ret_end) {
		*ret_end = !sp_str_starts(at->rest, w->q->prefix);
		if (*ret_end)
			break;
		sp_str rest = at->rest;
		if (at->revision > w->revision) {
			core_key key;
			if (rest.len > SP_LIMIT_STORE_REST_BYTES)
				return sp_fail(err, SP_EIO, "a key of the store is damaged");
			core_key_version(&key, w->resource, rest, w->revision);
			SP_TRY(version_at(w->keys, MDB_SET_RANGE, &key, w->resource, at, ret_end, err));
			if (*ret_end || !sp_str_eq(at->rest, rest))
				continue; /* did not exist yet; we are at the next key */
		}
		if (!at->is_delete)
			break;
		SP_TRY(next_key(w, rest, at, ret_end, err));
	}
	return SP_OK;
}

static sp_code first_key(walk *w, version *ret, bool *ret_end, sp_err *err)
{
	core_key key;
	core_key_from(&key, w->resource,
		      sp_str_cmp(w->q->from, w->q->prefix) > 0 ? w->q->from : w->q->prefix);
	return version_at(w->keys, MDB_SET_RANGE, &key, w->resource, ret, ret_end, err);
}

static sp_code stop_at(walk *w, sp_str rest, sp_err *err)
{
	if (rest.len > SP_LIMIT_STORE_REST_BYTES)
		return sp_fail(err, SP_EIO, "a key of the store is damaged");
	w->chunk->more = true;
	memcpy(w->chunk->next, rest.ptr, rest.len);
	w->chunk->next_len = rest.len;
	return SP_OK;
}

/* Reads the record of a version and shows it; *ret_stop when the chunk ends before it. */
static sp_code show(walk *w, const version *ver, bool *ret_stop, sp_err *err)
{
	*ret_stop = w->chunk->n_taken >= w->q->n_max || w->n_scanned >= w->q->n_scan_max ||
		    (w->n_scanned > 0 && w->bytes_scanned >= w->q->scan_bytes_max);
	if (*ret_stop)
		return SP_OK;
	MDB_val k = core_val(&ver->revision, sizeof ver->revision), v;
	int rc = mdb_cursor_get(w->log, &k, &v, MDB_SET);
	if (rc != 0)
		return core_fail(rc, "cannot read a record", err);
	log_record r = {0};
	SP_TRY(log_record_get(core_str(v), &r, err));
	sp_str record = r.stored;
	if (w->c->has_transformer) {
		sp_buf_clear(&w->plain);
		SP_TRY(from_stored(w->c, (sp_store_key){w->q->resource, ver->rest}, r.stored, &w->plain,
				   err));
		record = sp_buf_view(&w->plain);
	}
	if (w->q->indexed != NULL) {
		sp_record header = {0};
		SP_TRY(sp_record_decode(record, &header, err));
		if (!header.is_indexed || !sp_str_eq(header.indexed, *w->q->indexed)) {
			w->n_scanned++;
			return SP_OK;
		}
	}
	sp_store_visit said =
		w->visit(w->arg, &(sp_store_entry){ver->rest, record, ver->revision, ver->create_revision});
	*ret_stop = said == SP_STORE_STOP;
	w->chunk->n_taken += said == SP_STORE_TAKE;
	w->n_scanned += !*ret_stop;
	w->bytes_scanned += record.len;
	return SP_OK;
}

static sp_code range_scan(walk *w, sp_err *err)
{
	version ver = {0};
	bool end = true, stop = false;
	SP_TRY(first_key(w, &ver, &end, err));
	SP_TRY(seek_live(w, &ver, &end, err));
	while (!end && !stop) {
		SP_TRY(show(w, &ver, &stop, err));
		if (stop) {
			SP_TRY(stop_at(w, ver.rest, err));
			break;
		}
		SP_TRY(next_key(w, ver.rest, &ver, &end, err));
		SP_TRY(seek_live(w, &ver, &end, err));
	}
	while (w->q->want_remaining && !end) {
		w->chunk->n_remaining++;
		SP_TRY(next_key(w, ver.rest, &ver, &end, err));
		SP_TRY(seek_live(w, &ver, &end, err));
	}
	return SP_OK;
}

/* By the index of the newest revision. Another value may have the same hash: show compares. */
static sp_code range_index(walk *w, sp_err *err)
{
	core_key start;
	bool after = w->q->from.len > 0 && w->q->from.ptr[w->q->from.len - 1] == '\0';
	sp_str from = {w->q->from.ptr, w->q->from.len - after};
	if (sp_str_cmp(from, w->q->prefix) < 0)
		from = w->q->prefix;
	core_key_index(&start, w->resource, *w->q->indexed, from);
	MDB_val k = core_val(start.bytes, start.len), v;
	int rc = mdb_cursor_get(w->index, &k, &v, MDB_SET_RANGE);
	for (; rc == 0; rc = mdb_cursor_get(w->index, &k, &v, MDB_NEXT)) {
		if (k.mv_size < 12 || memcmp(k.mv_data, start.bytes, 12) != 0)
			return SP_OK;
		version ver = {.resource = w->resource,
			       .rest = {(const char *)k.mv_data + 12, k.mv_size - 12}};
		if (!sp_str_starts(ver.rest, w->q->prefix))
			return SP_OK;
		if (ver.rest.len > SP_LIMIT_STORE_REST_BYTES)
			return sp_fail(err, SP_EIO, "an index of the store is damaged");
		if (after && sp_str_eq(ver.rest, from))
			continue;
		SP_TRY(core_find(w->keys, w->resource, ver.rest, UINT64_MAX, &ver.revision,
				 &ver.create_revision, err));
		bool stop = false;
		SP_TRY(show(w, &ver, &stop, err));
		if (stop)
			return stop_at(w, ver.rest, err);
	}
	return rc == MDB_NOTFOUND ? SP_OK : core_fail(rc, "cannot read an index", err);
}

static sp_code range_in(walk *w, const core_state *s, sp_err *err)
{
	core *c = w->c;
	const uint64_t asked = w->q->revision;
	if (asked != 0)
		SP_TRY(store_revision_check(asked, s->compacted, s->revision, err));
	w->revision = w->chunk->revision = asked != 0 ? asked : s->revision;
	SP_TRY(core_resource(c, c->reader, w->q->resource, &w->resource, err));
	if (w->resource == 0)
		return SP_OK;
	AUTO_CURSOR keys = NULL;
	AUTO_CURSOR log = NULL;
	AUTO_CURSOR index = NULL;
	SP_TRY(cursor_open(c, c->keys, &keys, err));
	SP_TRY(cursor_open(c, c->log, &log, err));
	SP_TRY(cursor_open(c, c->index, &index, err));
	w->keys = keys;
	w->log = log;
	w->index = index;
	return w->q->indexed != NULL && w->revision == s->revision ? range_index(w, err) : range_scan(w, err);
}

sp_code core_range(core *c, const sp_store_query *q, sp_store_visit (*visit)(void *, const sp_store_entry *),
		   void *arg, sp_store_chunk *ret, sp_err *err)
{
	core_state s = {0};
	*ret = (sp_store_chunk){0};
	walk w = {.c = c, .q = q, .visit = visit, .arg = arg, .chunk = ret};
	sp_buf_init(&w.plain, PLAIN_MAX);
	SP_TRY(read_begin(c, &s, err));
	sp_code code = range_in(&w, &s, err);
	read_end(c);
	sp_buf_done(&w.plain);
	return code;
}

static sp_store_visit visit_none(void *arg, const sp_store_entry *e)
{
	(void)arg;
	(void)e;
	return SP_STORE_STOP;
}

sp_code core_count(core *c, sp_str resource, sp_str prefix, uint64_t *ret, sp_err *err)
{
	sp_store_query q = {.resource = resource, .prefix = prefix, .want_remaining = true};
	sp_store_chunk chunk = {0};
	SP_TRY(core_range(c, &q, visit_none, NULL, &chunk, err)); /* n_max 0: ends before the first entry */
	*ret = chunk.n_remaining;
	return SP_OK;
}

sp_code core_info(core *c, bool with_space, sp_store_info *ret, sp_err *err)
{
	core_state s = {0};
	SP_TRY(read_begin(c, &s, err));
	sp_store_info info = {.revision = s.revision,
			      .compacted = s.compacted,
			      .n_objects = s.n_objects,
			      .history_bytes = s.history_bytes,
			      .is_full = c->is_full};
	sp_code code = with_space ? core_space_info(c, &info, err) : SP_OK;
	read_end(c);
	if (code == SP_OK)
		*ret = info;
	return code;
}

/* ---- the change log ---- */

static sp_code log_event(core *c, const store_log_query *q, uint64_t revision, const log_record *r,
			 size_t *bytes, sp_store_event **ret, sp_err *err)
{
	sp_store_key key = {q->resource, r->rest};
	SP_AUTO_BYTES record = NULL;
	SP_AUTO_BYTES prev = NULL;
	if (!r->is_delete)
		SP_TRY(core_load(c, key, r->stored, &record, err));
	if (r->prev_revision != 0) {
		log_record before = {0};
		SP_TRY(core_log_get(c, c->reader, r->prev_revision, &before, err));
		SP_TRY(core_load(c, key, before.stored, &prev, err));
		*bytes += before.stored.len;
	}
	*bytes += r->stored.len;
	sp_store_event *e = store_event_new(key);
	if (e == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an event");
	e->is_delete = r->is_delete;
	e->is_create = r->prev_revision == 0;
	e->revision = revision;
	e->create_revision = r->create_revision;
	e->prev_revision = r->prev_revision;
	e->record = SP_TAKE(record);
	e->prev = SP_TAKE(prev);
	*ret = e;
	return SP_OK;
}

static sp_code log_read_in(core *c, const core_state *s, const store_log_query *q, uint64_t *ret_upto,
			   sp_err *err)
{
	uint32_t resource = 0;
	uint64_t revision = q->after + 1;
	size_t bytes = 0;
	AUTO_CURSOR cur = NULL;
	if (q->after < s->compacted)
		return store_revision_check(q->after, s->compacted, s->revision, err);
	SP_TRY(core_resource(c, c->reader, q->resource, &resource, err));
	SP_TRY(cursor_open(c, c->log, &cur, err));
	MDB_val k = core_val(&revision, sizeof revision), v;
	int rc = mdb_cursor_get(cur, &k, &v, MDB_SET_RANGE);
	for (size_t n = 0; rc == 0; n++, rc = mdb_cursor_get(cur, &k, &v, MDB_NEXT)) {
		memcpy(&revision, k.mv_data, sizeof revision);
		if (revision > q->upto)
			break;
		if (n == q->n_scan_max || (n > 0 && bytes >= q->scan_bytes_max)) {
			*ret_upto = revision - 1;
			return SP_OK;
		}
		log_record r = {0};
		SP_TRY(log_record_get(core_str(v), &r, err));
		if (r.resource != resource || !q->want(q->arg, (sp_store_key){q->resource, r.rest}))
			continue;
		sp_store_event *e = NULL;
		SP_TRY(log_event(c, q, revision, &r, &bytes, &e, err));
		if (!q->each(q->arg, e)) {
			*ret_upto = revision;
			return SP_OK;
		}
	}
	if (rc != 0 && rc != MDB_NOTFOUND)
		return core_fail(rc, "cannot read the change log", err);
	*ret_upto = SP_MIN(q->upto, s->revision);
	return SP_OK;
}

sp_code core_log_read(core *c, const store_log_query *q, uint64_t *ret_upto, sp_err *err)
{
	core_state s = {0};
	SP_TRY(read_begin(c, &s, err));
	sp_code code = log_read_in(c, &s, q, ret_upto, err);
	read_end(c);
	return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/num.h"
#include "store/lmdb/core.h"

/* One LMDB transaction under way. */
typedef struct group {
	core *c;
	MDB_txn *txn;
	MDB_cursor *keys;
	core_state state; /* as it will be */
} group;

/* What an operation finds before it is applied. */
typedef struct found {
	uint32_t resource;
	uint64_t revision, create_revision; /* 0 = nothing */
} found;

static sp_code resource_make(group *g, sp_str name, uint32_t *ret, sp_err *err)
{
	MDB_stat stat;
	int rc = mdb_stat(g->txn, g->c->resources, &stat);
	uint8_t id[4];
	*ret = (uint32_t)stat.ms_entries + 1; /* none is ever removed */
	sp_be32_put(id, *ret);
	MDB_val k = core_val(name.ptr, name.len), v = core_val(id, sizeof id);
	if (rc == 0)
		rc = mdb_put(g->txn, g->c->resources, &k, &v, MDB_NOOVERWRITE);
	return rc == 0 ? SP_OK : core_fail(rc, "cannot store a resource's name", err);
}

static sp_code find(group *g, sp_store_key key, found *ret, sp_err *err)
{
	*ret = (found){0};
	SP_TRY(core_resource(g->c, g->txn, key.resource, &ret->resource, err));
	if (ret->resource == 0)
		return SP_OK;
	return core_find(g->keys, ret->resource, key.rest, UINT64_MAX, &ret->revision, &ret->create_revision,
			 err);
}

static sp_code load_record(group *g, sp_store_key key, uint64_t revision, log_record *ret_log, sp_bytes **ret,
			   sp_err *err)
{
	SP_TRY(core_log_get(g->c, g->txn, revision, ret_log, err));
	return core_load(g->c, key, ret_log->stored, ret, err);
}

static sp_code index_change(group *g, uint32_t resource, sp_str rest, const sp_bytes *record, bool is_put,
			    sp_err *err)
{
	sp_record r;
	if (record == NULL)
		return SP_OK;
	SP_TRY(sp_record_decode(sp_bytes_view(record), &r, err));
	if (!r.is_indexed)
		return SP_OK;
	core_key key;
	core_key_index(&key, resource, r.indexed, rest);
	MDB_val k = core_val(key.bytes, key.len), v = {0};
	int rc = is_put ? mdb_put(g->txn, g->c->index, &k, &v, 0) : mdb_del(g->txn, g->c->index, &k, NULL);
	return rc == 0 || (rc == MDB_NOTFOUND && !is_put) ? SP_OK
							  : core_fail(rc, "cannot write the index", err);
}

/* The stored form of a record: its header as it is, its object transformed. */
static sp_code to_stored(group *g, const sp_store_op *op, sp_buf *out, sp_str *ret, sp_err *err)
{
	sp_str plain = sp_bytes_view(op->record);
	if (!g->c->has_transformer) {
		*ret = plain;
		return SP_OK;
	}
	sp_record r;
	SP_TRY(sp_record_decode(plain, &r, err));
	char key[SP_LIMIT_STORE_RESOURCE_BYTES + SP_LIMIT_STORE_REST_BYTES];
	memcpy(key, op->key.resource.ptr, op->key.resource.len);
	memcpy(key + op->key.resource.len, op->key.rest.ptr, op->key.rest.len);
	(void)sp_buf_append(out, plain.ptr, plain.len - r.object.len);
	const sp_store_transformer *t = &g->c->transformer;
	SP_TRY(t->to_storage(t->arg, (sp_str){key, op->key.resource.len + op->key.rest.len}, r.object, out,
			     err));
	if (sp_buf_code(out) != SP_OK)
		return sp_fail(err, sp_buf_code(out), "cannot hold the stored form of an object");
	*ret = sp_buf_view(out);
	return SP_OK;
}

static sp_code write_log(group *g, const log_record *r, uint64_t revision, sp_err *err)
{
	MDB_val k = core_val(&revision, sizeof revision);
	MDB_val v = {.mv_size = LOG_FIXED_BYTES + r->rest.len + r->stored.len};
	int rc = mdb_put(g->txn, g->c->log, &k, &v, MDB_APPEND | MDB_RESERVE);
	if (rc != 0)
		return core_fail(rc, "cannot write the change log", err);
	log_record_put_head(v.mv_data, r);
	if (r->stored.len > 0)
		memcpy((uint8_t *)v.mv_data + LOG_FIXED_BYTES + r->rest.len, r->stored.ptr, r->stored.len);
	return SP_OK;
}

static sp_code write_version(group *g, const log_record *r, uint64_t revision, sp_err *err)
{
	core_key key;
	uint8_t value[9];
	core_key_version(&key, r->resource, r->rest, revision);
	sp_be64_put(value, r->create_revision);
	value[8] = r->is_delete;
	MDB_val k = core_val(key.bytes, key.len), v = core_val(value, sizeof value);
	int rc = mdb_put(g->txn, g->c->keys, &k, &v, 0);
	return rc == 0 ? SP_OK : core_fail(rc, "cannot write a key", err);
}

/* Fills in what the watchers see; `prev` goes into it. */
static sp_code make_event(sp_store_op *op, const log_record *r, uint64_t revision, sp_bytes **prev,
			  sp_store_event **ret, sp_err *err)
{
	sp_store_event *e = store_event_new(op->key);
	if (e == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for an event");
	e->is_delete = r->is_delete;
	e->is_create = r->prev_revision == 0;
	e->revision = revision;
	e->create_revision = r->create_revision;
	e->prev_revision = r->prev_revision;
	e->record = r->is_delete ? NULL : sp_bytes_ref(op->record);
	e->prev = SP_TAKE(*prev);
	*ret = e;
	return SP_OK;
}

static sp_code apply_op(group *g, sp_store_op *op, const found *f, sp_store_event **ret, sp_err *err)
{
	const bool is_delete = op->type == SP_STORE_DELETE;
	SP_AUTO_BYTES prev = NULL;
	SP_AUTO_BUF buf;
	sp_buf_init(&buf, 2 * SP_LIMIT_STORED_VALUE_BYTES + SP_LIMIT_RECORD_HEADER_BYTES);
	log_record old = {0};
	uint32_t resource = f->resource;
	if (f->revision != 0)
		SP_TRY(load_record(g, op->key, f->revision, &old, &prev, err));
	if (resource == 0) /* an operation before this one may have made it */
		SP_TRY(core_resource(g->c, g->txn, op->key.resource, &resource, err));
	if (resource == 0)
		SP_TRY(resource_make(g, op->key.resource, &resource, err));
	size_t old_bytes = f->revision == 0 ? 0 : LOG_FIXED_BYTES + old.rest.len + old.stored.len;
	uint64_t revision = g->state.revision + 1;
	log_record r = {.create_revision = f->revision != 0 ? f->create_revision : revision,
			.prev_revision = f->revision,
			.resource = resource,
			.is_delete = is_delete,
			.rest = op->key.rest};
	if (!is_delete)
		SP_TRY(to_stored(g, op, &buf, &r.stored, err));
	SP_TRY(index_change(g, resource, op->key.rest, prev, false, err));
	if (!is_delete)
		SP_TRY(index_change(g, resource, op->key.rest, op->record, true, err));
	SP_TRY(write_log(g, &r, revision, err));
	SP_TRY(write_version(g, &r, revision, err));
	SP_TRY(make_event(op, &r, revision, &prev, ret, err));
	g->state.revision = revision;
	g->state.history_bytes += old_bytes + (is_delete ? LOG_FIXED_BYTES + r.rest.len : 0);
	if (f->revision == 0)
		g->state.n_objects++;
	else if (is_delete)
		g->state.n_objects--;
	op->revision = revision;
	op->create_revision = r.create_revision;
	return SP_OK;
}

static void drop_events(sp_store_txn *t)
{
	while (t->events != NULL) {
		sp_store_event *e = t->events;
		t->events = SP_TAKE(e->next);
		(void)sp_store_event_unref(e);
	}
}

/* Compares; at a conflict the transaction has its outcome and *ret_go is false. */
static sp_code compare_txn(group *g, sp_store_txn *t, found *f, bool *ret_go, sp_err *err)
{
	*ret_go = false;
	for (size_t i = 0; i < t->n_ops; i++) {
		SP_TRY(find(g, t->ops[i].key, &f[i], err));
		t->code = store_op_compare(&t->ops[i], f[i].revision, &t->err);
		if (t->code == SP_OK)
			continue;
		t->i_failed = i;
		if (f[i].revision != 0) {
			log_record unused;
			SP_TRY(load_record(g, t->ops[i].key, f[i].revision, &unused, &t->current.record,
					   err));
			t->current.revision = f[i].revision;
			t->current.create_revision = f[i].create_revision;
		}
		return SP_OK;
	}
	*ret_go = true;
	return SP_OK;
}

/* An error is the group's: nothing of it may be committed. */
static sp_code apply_txn(group *g, sp_store_txn *t, sp_err *err)
{
	found f[SP_LIMIT_STORE_TXN_OPS];
	bool go;
	t->code = store_txn_check(t, &t->err);
	if (t->code != SP_OK)
		return SP_OK;
	SP_TRY(compare_txn(g, t, f, &go, err));
	sp_store_event **tail = &t->events;
	for (size_t i = 0; go && i < t->n_ops; i++) {
		sp_store_op *op = &t->ops[i];
		if (op->type == SP_STORE_CHECK) {
			op->revision = f[i].revision;
			op->create_revision = f[i].create_revision;
			continue;
		}
		SP_TRY(apply_op(g, op, &f[i], tail, err));
		tail = &(*tail)->next;
	}
	return SP_OK;
}

static sp_code put_state(group *g, sp_err *err)
{
	uint8_t bytes[CORE_STATE_BYTES];
	core_state_put(bytes, &g->state);
	MDB_val k = core_val("state", 5), v = core_val(bytes, sizeof bytes);
	int rc = mdb_put(g->txn, g->c->meta, &k, &v, 0);
	return rc == 0 ? SP_OK : core_fail(rc, "cannot write the store's state", err);
}

/* Pages that a group of transactions may take: a leaf and its path in three trees, and its records. */
static uint64_t pages_needed(const core *c, const sp_list *txns, bool *ret_grows)
{
	uint64_t bytes = 0, n_ops = 0;
	for (const sp_list *node = txns->next; node != txns; node = node->next) {
		const sp_store_txn *t = SP_CONTAINER_OF((sp_list *)(uintptr_t)node, sp_store_txn, node);
		for (size_t i = 0; i < t->n_ops; i++) {
			n_ops++;
			if (t->ops[i].type != SP_STORE_PUT)
				continue;
			*ret_grows = true;
			bytes += 2 * t->ops[i].record->len;
		}
	}
	return 64 + 12 * n_ops + bytes / c->page_bytes;
}

static sp_code group_fill(group *g, sp_list *txns, size_t n_trim, sp_err *err)
{
	SP_LIST_FOREACH (node, txns)
		SP_TRY(apply_txn(g, SP_CONTAINER_OF(node, sp_store_txn, node), err));
	if (n_trim > 0)
		SP_TRY(core_trim(g->c, g->txn, &g->state, n_trim, err));
	return put_state(g, err);
}

static bool state_changed(const core_state *a, const core_state *b)
{
	return memcmp(a, b, sizeof *a) != 0;
}

/* All or nothing of the group. */
static sp_code group_run(core *c, sp_list *txns, uint64_t compact, size_t n_trim, sp_err *err)
{
	if (c->is_broken)
		return sp_fail(err, SP_EIO, "an earlier write failed; restart to see what is on the disk");
	bool grows = false;
	uint64_t n_pages = pages_needed(c, txns, &grows);
	if (grows)
		SP_TRY(core_space_check(c, n_pages, err));
	group g = {.c = c, .state = c->state};
	uint64_t target = SP_MIN(compact, g.state.revision);
	g.state.compacted = SP_MAX(g.state.compacted, target);
	int rc = mdb_txn_begin(c->env, NULL, 0, &g.txn);
	if (rc != 0) {
		c->is_broken = c->is_broken || rc == MDB_PANIC;
		return core_fail(rc, "cannot begin to write", err);
	}
	rc = mdb_cursor_open(g.txn, c->keys, &g.keys);
	if (rc != 0) {
		mdb_txn_abort(g.txn);
		return core_fail(rc, "cannot begin to write", err);
	}
	sp_code code = group_fill(&g, txns, n_trim, err);
	mdb_cursor_close(g.keys);
	if (code != SP_OK || !state_changed(&g.state, &c->state)) {
		mdb_txn_abort(g.txn);
		return code;
	}
	rc = mdb_txn_commit(g.txn);
	if (rc != 0) {
		/* Once a write or sync has failed by itself, the kernel may have forgotten what it holds. */
		c->is_broken = c->is_broken || rc == MDB_PANIC || rc == EIO;
		return core_fail(rc, "cannot commit", err);
	}
	c->state = g.state;
	return SP_OK;
}

static void forget_results(sp_store_txn *t)
{
	drop_events(t);
	t->current.record = sp_bytes_unref(t->current.record);
	t->current = (sp_store_value){0};
}

void core_apply(core *c, sp_list *txns, uint64_t compact, size_t n_trim)
{
	sp_err err = {0};
	sp_code code = group_run(c, txns, compact, n_trim, &err);
	if (code == SP_OK)
		return;
	SP_LIST_FOREACH (node, txns)
		forget_results(SP_CONTAINER_OF(node, sp_store_txn, node));
	const bool is_alone = txns->next->next == txns;
	SP_LIST_FOREACH (node, txns) {
		sp_store_txn *t = SP_CONTAINER_OF(node, sp_store_txn, node);
		sp_list one;
		sp_list_init(&one);
		if (!is_alone) {
			sp_list *next = node->next;
			sp_list_remove(node);
			sp_list_push_back(&one, node);
			err = (sp_err){0};
			code = group_run(c, &one, compact, 0, &err);
			sp_list_remove(node);
			sp_list_insert_before(next, node);
		}
		if (code != SP_OK) {
			forget_results(t);
			t->code = code;
			t->err = err;
		}
	}
}

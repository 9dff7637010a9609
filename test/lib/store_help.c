/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/store_help.h"

#include "base/alloc.h"
#include "io/uv/uv.h"
#include "lib/peer.h"
#include "lib/t.h"
#include "store/record.h"

void t_no_faults(void)
{
	sp_alloc_fault_arm(-1);
}

sp_store_key t_key(const char *rest)
{
	return (sp_store_key){SP_STR("/registry/pods/"), sp_str_c(rest)};
}

static void on_closed(void *arg)
{
	t_store *t = arg;
	t->closed = true;
	t->store = NULL;
	sp_world_stop(t->world);
}

void t_store_close(t_store *t)
{
	if (t->store == NULL)
		return;
	t->closed = false;
	sp_store_close(t->store, on_closed, t);
	while (!t->closed)
		sp_world_run(t->world);
}

static bool open_lmdb(t_store *t, const sp_store_lmdb_opts *opts)
{
	sp_store_lmdb_opts o = opts == NULL ? (sp_store_lmdb_opts){.bytes_max = 0} : *opts;
	if (o.bytes_max == 0)
		o.bytes_max = (uint64_t)1 << 30;
	o.dir = sp_str_c(t->dir);
	if (sp_store_lmdb_open(t->world, &o, &t->store, t_err()) == SP_OK)
		return true;
	(void)t_fail(__FILE__, __LINE__, "open: %s", t_err()->msg);
	return false;
}

bool t_store_open(t_store *t, t_store_kind kind, const sp_store_lmdb_opts *opts)
{
	*t = (t_store){.world = t_world_uv()};
	if (t->world == NULL)
		return false;
	T_DEFER(t_store_close, t);
	if (kind == T_STORE_LMDB) {
		(void)snprintf(t->dir, sizeof t->dir, "%s/store", t_tmpdir());
		return open_lmdb(t, opts);
	}
	sp_store_mem_opts o = {.keep_ns = opts == NULL ? 0 : opts->keep_ns};
	if (sp_store_mem_open(t->world, &o, &t->store, t_err()) == SP_OK)
		return true;
	(void)t_fail(__FILE__, __LINE__, "open: %s", t_err()->msg);
	return false;
}

bool t_store_reopen(t_store *t, const sp_store_lmdb_opts *opts)
{
	t_store_close(t);
	return open_lmdb(t, opts);
}

sp_bytes *t_record(const char *object, const char *app, const char *node)
{
	sp_record_pair label = {SP_STR("app"), sp_str_c(app)};
	sp_record_pair field = {SP_STR("spec.nodeName"), sp_str_c(node)};
	sp_record_info info = {.version = SP_STR("v1"),
			       .kind = SP_STR("Pod"),
			       .encoding = SP_RECORD_JSON,
			       .splice = SP_RECORD_NO_SPLICE,
			       .labels = &label,
			       .n_labels = app != NULL,
			       .fields = &field,
			       .n_fields = node != NULL,
			       .i_indexed = node != NULL ? 0 : SP_RECORD_NO_INDEX};
	sp_bytes *b = NULL;
	return sp_record_build(&info, sp_str_c(object), &b, t_err()) == SP_OK ? b : NULL;
}

sp_str t_object(const sp_bytes *record)
{
	sp_record r;
	if (record == NULL || sp_record_decode(sp_bytes_view(record), &r, t_err()) != SP_OK)
		return SP_STR("(no record)");
	return r.object;
}

static void on_done(sp_store_txn *txn, sp_code code, const sp_err *err)
{
	t_store *t = txn->arg;
	SP_ASSERT((code == SP_OK) == (err == NULL));
	if (err != NULL)
		*t_err() = *err;
	if (--t->n_waiting == 0)
		sp_world_stop(t->world);
}

void t_queue(t_store *t, sp_store_txn *txn)
{
	txn->done = on_done;
	txn->arg = t;
	t->n_waiting++;
	sp_store_write(t->store, txn);
}

void t_wait(t_store *t)
{
	while (t->n_waiting > 0)
		sp_world_run(t->world);
}

sp_code t_write(t_store *t, sp_store_txn *txn)
{
	t_queue(t, txn);
	t_wait(t);
	txn->current.record = NULL;
	return txn->code;
}

static sp_code write_one(t_store *t, sp_store_op *op, uint64_t *ret_revision)
{
	sp_store_txn txn = {.ops = op, .n_ops = 1};
	sp_code code = t_write(t, &txn);
	if (code == SP_OK && ret_revision != NULL)
		*ret_revision = op->revision;
	return code;
}

sp_code t_put_node(t_store *t, const char *rest, uint64_t expected, const char *object, const char *node,
		   uint64_t *ret_revision)
{
	SP_AUTO_BYTES record = t_record(object, "web", node);
	if (record == NULL)
		return SP_ENOMEM;
	sp_store_op op = {.type = SP_STORE_PUT, .key = t_key(rest), .expected = expected, .record = record};
	return write_one(t, &op, ret_revision);
}

sp_code t_put(t_store *t, const char *rest, uint64_t expected, const char *object, uint64_t *ret_revision)
{
	return t_put_node(t, rest, expected, object, NULL, ret_revision);
}

sp_code t_delete(t_store *t, const char *rest, uint64_t expected, uint64_t *ret_revision)
{
	sp_store_op op = {.type = SP_STORE_DELETE, .key = t_key(rest), .expected = expected};
	return write_one(t, &op, ret_revision);
}

static void stop_world(sp_timer *timer)
{
	sp_world_stop(timer->arg);
}

void t_turn(t_store *t)
{
	sp_timer timer = {.arg = t->world};
	sp_timer_start(t->world, &timer, 0, stop_world);
	sp_world_run(t->world);
	sp_timer_stop(t->world, &timer);
}

void t_run_until(t_store *t, bool (*done)(void *arg), void *arg)
{
	while (!done(arg))
		t_turn(t);
}

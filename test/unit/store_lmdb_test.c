/* SPDX-License-Identifier: Apache-2.0 */
/* What only the store on LMDB has: its directory, format, transformer, size, snapshots. */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/num.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "store/lmdb/core.h"

static t_store ts;

static bool open_ts(const sp_store_lmdb_opts *o)
{
	return t_store_open(&ts, T_STORE_LMDB, o);
}

static const char *in_tmp(const char *name)
{
	static char paths[8][256];
	static unsigned next;
	char *path = paths[next++ % SP_LEN(paths)];
	(void)snprintf(path, sizeof paths[0], "%s/%s", t_tmpdir(), name);
	return path;
}

static sp_code expect(t_store *t, const char *rest, const char *object)
{
	sp_store_value v;
	sp_code code = sp_store_get(t->store, t_key(rest), 0, &v, T_ERR);
	if (code != SP_OK)
		return code;
	SP_AUTO_BYTES record = v.record;
	return sp_str_eq(t_object(record), sp_str_c(object)) ? SP_OK : SP_EINTERNAL;
}

SP_TEST(store_lmdb, second_opener_is_refused)
{
	T_TRUE(open_ts(NULL));
	core *c;
	sp_store_lmdb_opts o = {.dir = sp_str_c(ts.dir)};
	T_CODE(core_open(&o, &c, T_ERR), SP_EUNAVAILABLE);
	T_TRUE(sp_str_find(sp_str_c(t_err()->msg), SP_STR("in use by another process")) >= 0);
	T_CODE(sp_store_lmdb_restore(sp_str_c(in_tmp("x")), sp_str_c(ts.dir), T_ERR), SP_EUNAVAILABLE);
	o.dir = SP_STR("relative");
	T_CODE(core_open(&o, &c, T_ERR), SP_EINVAL);
	o.dir = sp_str_c(in_tmp("no/parent"));
	T_CODE(core_open(&o, &c, T_ERR), SP_ENOTFOUND);
}

static void close_core(void *arg)
{
	core **c = arg;
	core_close(SP_TAKE(*c));
}

SP_TEST(store_lmdb, newer_format_is_refused)
{
	static core *c;
	T_DEFER(close_core, &c);
	sp_store_lmdb_opts o = {.dir = sp_str_c(in_tmp("new"))};
	T_OK(core_open(&o, &c, T_ERR));
	MDB_txn *txn;
	uint8_t two[4];
	sp_be32_put(two, CORE_FORMAT + 1);
	MDB_val k = core_val("format", 6), v = core_val(two, 4);
	T_EQ_I64(mdb_txn_begin(c->env, NULL, 0, &txn), 0);
	T_EQ_I64(mdb_put(txn, c->meta, &k, &v, 0), 0);
	T_EQ_I64(mdb_txn_commit(txn), 0);
	close_core(&c);
	T_CODE(core_open(&o, &c, T_ERR), SP_EUNSUPPORTED);
	T_TRUE(sp_str_find(sp_str_c(t_err()->msg), SP_STR("newer version")) >= 0);
}

static void write_file(const char *path, const char *bytes, size_t n)
{
	FILE *f = fopen(path, "wbe");
	SP_ASSERT(f != NULL && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

SP_TEST(store_lmdb, damaged_files_are_refused)
{
	static core *c;
	T_DEFER(close_core, &c);
	static char path[256];
	(void)snprintf(path, sizeof path, "%s", in_tmp("bad/data.mdb"));
	sp_store_lmdb_opts o = {.dir = sp_str_c(in_tmp("bad"))};
	SP_ASSERT(mkdir(o.dir.ptr, 0700) == 0);
	char *junk = sp_arena_alloc(T_ARENA, 20000);
	memset(junk, 'j', 20000);
	write_file(path, junk, 20000);
	T_CODE(core_open(&o, &c, T_ERR), SP_EIO);
	write_file(path, junk, 100);
	T_CODE(core_open(&o, &c, T_ERR), SP_EIO);
	SP_ASSERT(remove(path) == 0);
	T_OK(core_open(&o, &c, T_ERR));
	close_core(&c);
	/* The end is gone. */
	FILE *f = fopen(path, "rbe");
	SP_ASSERT(f != NULL);
	size_t n = fread(junk, 1, 12000, f);
	(void)fclose(f);
	write_file(path, junk, n);
	T_CODE(core_open(&o, &c, T_ERR), SP_EIO);
}

/* ---- transformer ---- */

static bool refuse;

static sp_code flip(void *arg, sp_str key, sp_str in, sp_buf *out, sp_err *err)
{
	(void)arg;
	if (refuse)
		return sp_fail(err, SP_EINTERNAL, "no key");
	for (size_t i = 0; i < in.len; i++)
		(void)sp_buf_char(out, (char)(in.ptr[i] ^ 0x55 ^ key.ptr[i % key.len]));
	return SP_OK;
}

static sp_code flip_to(void *arg, sp_str key, sp_str in, sp_buf *out, sp_err *err)
{
	(void)sp_buf_char(out, '#');
	return flip(arg, key, in, out, err);
}

static sp_code flip_from(void *arg, sp_str key, sp_str in, sp_buf *out, sp_err *err)
{
	if (in.len == 0 || in.ptr[0] != '#')
		return sp_fail(err, SP_EIO, "not transformed");
	return flip(arg, key, sp_str_sub(in, 1, in.len), out, err);
}

static sp_store_visit take(void *arg, const sp_store_entry *e)
{
	sp_record r;
	*(bool *)arg =
		sp_record_decode(e->record, &r, NULL) == SP_OK && sp_str_eq(r.object, SP_STR("plaintext2"));
	return SP_STORE_TAKE;
}

static void on_ready(void *arg)
{
	*(bool *)arg = true;
}
static bool is_true(void *arg)
{
	return *(bool *)arg;
}
static void close_watch(void *arg)
{
	sp_store_watch **w = arg;
	sp_store_watch_close(SP_TAKE(*w));
}

SP_TEST(store_lmdb, objects_pass_the_transformer)
{
	sp_store_lmdb_opts o = {.transformer = {flip_to, flip_from, NULL}};
	T_TRUE(open_ts(&o));
	T_OK(t_put(&ts, "a/x", 0, "plaintext1", NULL));
	T_OK(t_put(&ts, "a/x", 2, "plaintext2", NULL));
	T_OK(expect(&ts, "a/x", "plaintext2"));
	bool same = false, ready = false;
	sp_store_query q = {.resource = SP_STR("/registry/pods/")};
	sp_store_chunk c;
	T_OK(sp_store_range(ts.store, &q, take, &same, &c, T_ERR));
	T_TRUE(same);
	static sp_store_watch *w;
	T_DEFER(close_watch, &w);
	sp_store_watch_opts wo = {.resource = q.resource, .after = 2, .on_ready = on_ready, .arg = &ready};
	T_OK(sp_store_watch_open(ts.store, &wo, &w, T_ERR));
	t_run_until(&ts, is_true, &ready);
	sp_store_event *e = sp_store_watch_next(w);
	T_TRUE(e != NULL);
	bool right = sp_str_eq(t_object(e->record), SP_STR("plaintext2")) &&
		     sp_str_eq(t_object(e->prev), SP_STR("plaintext1"));
	e = sp_store_event_unref(e);
	T_TRUE(right);
	refuse = true;
	T_CODE(expect(&ts, "a/x", "plaintext2"), SP_EINTERNAL);
	T_CODE(t_put(&ts, "a/y", 0, "x", NULL), SP_EINTERNAL);
	refuse = false;
	T_OK(t_put(&ts, "a/y", 0, "x", NULL));
	close_watch(&w);
	t_store_close(&ts);
	static char bytes[1 << 20];
	FILE *f = fopen(in_tmp("store/data.mdb"), "rbe");
	SP_ASSERT(f != NULL);
	size_t n = fread(bytes, 1, sizeof bytes, f);
	(void)fclose(f);
	T_TRUE(sp_str_find((sp_str){bytes, n}, SP_STR("plaintext")) < 0);
	T_TRUE(sp_str_find((sp_str){bytes, n}, SP_STR("a/x")) >= 0);
}

/* ---- size ---- */

static bool is_settled(void *arg)
{
	sp_store_info i;
	(void)arg;
	return sp_store_info_get(ts.store, &i, NULL) != SP_OK || i.history_bytes < 300000;
}

SP_TEST(store_lmdb, churn_does_not_grow_the_file)
{
	enum { N = 64, ROUNDS = 120, BYTES = 1000 };
	t_no_faults();
	sp_store_lmdb_opts o = {.history_bytes_max = 200000};
	T_TRUE(open_ts(&o));
	char *text = sp_arena_alloc(T_ARENA, BYTES + 1);
	memset(text, 'x', BYTES);
	SP_AUTO_BYTES record = t_record(text, "web", "n1");
	T_TRUE(record != NULL);
	sp_store_op ops[N];
	for (size_t i = 0; i < N; i++)
		ops[i] = (sp_store_op){.type = SP_STORE_PUT,
				       .key = t_key(sp_arena_printf(T_ARENA, "a/%zu", i).ptr),
				       .record = record,
				       .expected = SP_STORE_ANY};
	for (int round = 0; round < ROUNDS; round++) {
		sp_store_txn txn = {.ops = ops, .n_ops = N};
		T_OK(t_write(&ts, &txn));
	}
	t_run_until(&ts, is_settled, NULL);
	sp_store_info i;
	T_OK(sp_store_info_get(ts.store, &i, T_ERR));
	T_EQ_U64(i.n_objects, N);
	/* 7.7 MB were written; live and history are 0.3 MB. */
	T_TRUE(i.used_bytes < 1500000);
	T_TRUE(i.file_bytes < 4000000);
	T_TRUE(i.compacted > 1);
}

/* ---- snapshots ---- */

SP_TEST(store_lmdb, snapshot_and_restore)
{
	T_TRUE(open_ts(NULL));
	uint64_t r1, r2;
	T_OK(t_put(&ts, "a/x", 0, "one", &r1));
	T_OK(t_put(&ts, "a/x", r1, "two", &r2));
	T_OK(t_put(&ts, "a/y", 0, "y", NULL));
	SP_ASSERT(mkdir(in_tmp("snaps"), 0700) == 0);
	static char paths[2][256];
	(void)snprintf(paths[0], sizeof paths[0], "%s", in_tmp("snaps/b"));
	(void)snprintf(paths[1], sizeof paths[1], "%s", in_tmp("snaps/a"));
	sp_str first = sp_str_c(paths[0]), second = sp_str_c(paths[1]);
	T_OK(sp_store_lmdb_snapshot(ts.store, first, T_ERR));
	T_CODE(sp_store_lmdb_snapshot(ts.store, first, T_ERR), SP_EEXISTS);
	T_OK(t_put(&ts, "a/x", r2, "three", NULL));
	T_OK(t_delete(&ts, "a/y", SP_STORE_ANY, NULL));
	t_store_close(&ts);
	T_OK(sp_store_lmdb_snapshot_dir(sp_str_c(ts.dir), second, T_ERR));
	write_file(in_tmp("snaps/other"), "text", 4);
	sp_store_snapshot *list;
	size_t n;
	T_OK(sp_store_lmdb_snapshot_list(sp_str_c(in_tmp("snaps")), T_ARENA, &list, &n, T_ERR));
	T_EQ_U64(n, 2);
	T_EQ_C(list[0].name, "a");
	T_EQ_U64(list[0].revision, 6);
	T_EQ_C(list[1].name, "b");
	T_EQ_U64(list[1].revision, 4);
	T_EQ_U64(list[1].n_objects, 2);
	T_TRUE(list[1].file_bytes > 0 && list[1].mtime_ns > 0);
	T_CODE(sp_store_lmdb_restore(sp_str_c(in_tmp("snaps/other")), sp_str_c(ts.dir), T_ERR), SP_EIO);
	T_OK(sp_store_lmdb_restore(first, sp_str_c(ts.dir), T_ERR));
	T_TRUE(t_store_reopen(&ts, NULL));
	T_OK(expect(&ts, "a/x", "two"));
	T_OK(expect(&ts, "a/y", "y"));
	T_EQ_U64(sp_store_revision(ts.store), 6 + SP_STORE_RESTORE_JUMP);
	sp_store_value v;
	T_CODE(sp_store_get(ts.store, t_key("a/x"), 4, &v, T_ERR), SP_EGONE);
	uint64_t r;
	T_OK(t_put(&ts, "a/z", 0, "z", &r));
	T_EQ_U64(r, 7 + SP_STORE_RESTORE_JUMP);
	T_OK(t_put(&ts, "a/x", r2, "four", NULL)); /* objects keep their revisions */
	sp_str empty = sp_str_c(in_tmp("fresh"));
	T_OK(sp_store_lmdb_restore(second, empty, T_ERR));
	static core *c;
	T_DEFER(close_core, &c);
	sp_store_lmdb_opts o = {.dir = empty};
	T_OK(core_open(&o, &c, T_ERR));
	T_EQ_U64(c->state.revision, 6 + SP_STORE_RESTORE_JUMP);
	T_EQ_U64(c->state.n_objects, 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The LMDB store over a crash of the machine, a full and a failing disk. */
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/disk.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "store/lmdb/core.h"

enum { N_KEYS = 40, N_GROUPS = 120, N_CRASHES = 60, LOG_MAX = N_GROUPS * 24 };

typedef struct change {
	size_t i_key;
	bool is_delete;
	unsigned value;
} change;

/* What every revision did, and where groups ended. */
static struct model {
	change log[LOG_MAX]; /* by revision - 2 */
	uint64_t revision, compacted;
	struct {
		uint64_t revision, compacted;
		size_t n_disk_ops; /* when the group was acknowledged */
	} groups[N_GROUPS];
} model;

static char key_names[N_KEYS][16];

static const change *change_at(uint64_t revision)
{
	return &model.log[revision - 2];
}

/* The change that made a key what it is at a revision; NULL when it does not exist. */
static const change *live_at(size_t i_key, uint64_t revision, uint64_t *ret_revision)
{
	for (uint64_t r = revision; r >= 2; r--) {
		if (change_at(r)->i_key == i_key) {
			*ret_revision = r;
			return change_at(r)->is_delete ? NULL : change_at(r);
		}
	}
	return NULL;
}

static sp_str object_of(unsigned value)
{
	static char text[12000];
	size_t pad = value % 11 == 0 ? 9000 : value % 700;
	int n = snprintf(text, sizeof text, "{\"v\":%u}", value);
	memset(text + n, 'x', pad);
	text[(size_t)n + pad] = '\0';
	return (sp_str){text, (size_t)n + pad};
}

static bool open_core(const char *dir, core **ret)
{
	sp_store_lmdb_opts o = {.dir = sp_str_c(dir), .bytes_max = (uint64_t)256 << 20};
	return core_open(&o, ret, t_err()) == SP_OK;
}

/* ---- the writer ---- */

static void no_done(sp_store_txn *t, sp_code code, const sp_err *err)
{
	(void)t;
	(void)code;
	(void)err;
}

static void release(sp_store_txn *t)
{
	while (t->events != NULL) {
		sp_store_event *e = t->events;
		t->events = SP_TAKE(e->next);
		e = sp_store_event_unref(e);
	}
	t->current.record = sp_bytes_unref(t->current.record);
	t->ops->record = sp_bytes_unref(t->ops->record);
}

/* A group of random writes, each its own transaction; *ret_ok when all of them succeeded. */
static void run_group(core *c, size_t n, uint64_t compact, bool deletes_only, size_t *ret_ok,
		      sp_code *ret_code)
{
	static sp_store_op ops[24];
	static sp_store_txn txns[24];
	static change made[24];
	sp_list group;
	sp_list_init(&group);
	SP_ASSERT(n <= SP_LEN(ops));
	for (size_t i = 0; i < n; i++) {
		made[i] = (change){.i_key = t_random_below(N_KEYS),
				   .is_delete = deletes_only || t_random_below(4) == 0,
				   .value = (unsigned)t_random_below(1000000)};
		ops[i] = (sp_store_op){.type = made[i].is_delete ? SP_STORE_DELETE : SP_STORE_PUT,
				       .key = t_key(key_names[made[i].i_key]),
				       .expected = SP_STORE_ANY};
		if (!made[i].is_delete) {
			ops[i].record =
				t_record(object_of(made[i].value).ptr, "x", made[i].value % 2 ? "n1" : "n2");
			SP_ASSERT(ops[i].record != NULL);
		}
		txns[i] = (sp_store_txn){.ops = &ops[i], .n_ops = 1, .done = no_done};
		sp_list_push_back(&group, &txns[i].node);
	}
	core_apply(c, &group, compact, 64);
	*ret_ok = 0;
	*ret_code = SP_OK;
	for (size_t i = 0; i < n; i++) {
		if (txns[i].code == SP_OK) {
			SP_ASSERT(ops[i].revision == ++model.revision);
			model.log[model.revision - 2] = made[i];
			++*ret_ok;
		} else if (txns[i].code != SP_ENOTFOUND) {
			*ret_code = txns[i].code;
			*t_err() = txns[i].err;
		}
		release(&txns[i]);
	}
	model.compacted = c->state.compacted;
}

static void model_init(void)
{
	t_no_faults();
	model.revision = model.compacted = 1;
	for (size_t k = 0; k < N_KEYS; k++)
		(void)snprintf(key_names[k], sizeof key_names[k], "ns/%02zu", k);
}

/* ---- what must hold ---- */

typedef struct check {
	uint64_t revision, next;
	size_t i_key;
	bool wrong;
} check;

static bool want_all(void *arg, sp_store_key key)
{
	(void)arg;
	(void)key;
	return true;
}

static bool is_object(const sp_bytes *record, unsigned value)
{
	return record != NULL && sp_str_eq(t_object(record), object_of(value));
}

static bool on_event(void *arg, sp_store_event *e)
{
	check *x = arg;
	const change *c = e->revision == x->next ? change_at(e->revision) : NULL;
	uint64_t prev = 0;
	const change *before = c == NULL ? NULL : live_at(c->i_key, e->revision - 1, &prev);
	x->wrong = c == NULL || !sp_str_eq(e->key.rest, sp_str_c(key_names[c->i_key])) ||
		   e->is_delete != c->is_delete || (!c->is_delete && !is_object(e->record, c->value)) ||
		   e->is_create != (before == NULL) ||
		   (before != NULL && (e->prev_revision != prev || !is_object(e->prev, before->value)));
	x->next++;
	e = sp_store_event_unref(e);
	return !x->wrong;
}

static sp_store_visit on_entry(void *arg, const sp_store_entry *e)
{
	check *x = arg;
	uint64_t r = 0;
	const change *c = NULL;
	while (x->i_key < N_KEYS && c == NULL)
		c = live_at(x->i_key++, x->revision, &r);
	sp_record record;
	x->wrong = c == NULL || r != e->revision || sp_record_decode(e->record, &record, NULL) != SP_OK ||
		   !sp_str_eq(record.object, object_of(c->value));
	return x->wrong ? SP_STORE_STOP : SP_STORE_TAKE;
}

static void check_at(core *c, uint64_t revision)
{
	check x = {.revision = revision};
	sp_store_query q = {.resource = SP_STR("/registry/pods/"),
			    .revision = revision,
			    .n_max = SIZE_MAX,
			    .n_scan_max = SIZE_MAX,
			    .scan_bytes_max = SIZE_MAX};
	sp_store_chunk chunk;
	T_OK(core_range(c, &q, on_entry, &x, &chunk, T_ERR));
	T_TRUE(!x.wrong);
	uint64_t r;
	for (; x.i_key < N_KEYS; x.i_key++)
		T_TRUE(live_at(x.i_key, revision, &r) == NULL);
}

/* The store holds exactly what the model says for its revision: no event lost, doubled or out of order. */
static void check_all(core *c)
{
	const core_state *s = &c->state;
	check x = {.next = s->compacted + 1};
	store_log_query q = {.resource = SP_STR("/registry/pods/"),
			     .after = s->compacted,
			     .upto = UINT64_MAX,
			     .n_scan_max = SIZE_MAX,
			     .scan_bytes_max = SIZE_MAX,
			     .want = want_all,
			     .each = on_event,
			     .arg = &x};
	uint64_t upto;
	T_OK(core_log_read(c, &q, &upto, T_ERR));
	T_TRUE(!x.wrong);
	T_EQ_U64(x.next, s->revision + 1);
	check_at(c, s->revision);
	check_at(c, s->compacted);
	check_at(c, s->compacted + (s->revision - s->compacted) / 2);
}

static void close_core(void *arg)
{
	core **c = arg;
	core_close(SP_TAKE(*c));
}

static void stop_disk(void *arg)
{
	(void)arg;
	t_disk_stop();
}

/* ---- crashes ---- */

static core *live, *risen;

static void crash_once(sp_str before, size_t at, unsigned number)
{
	char dir[160], path[200];
	(void)snprintf(dir, sizeof dir, "%s/crash-%u", t_tmpdir(), number);
	(void)snprintf(path, sizeof path, "%s/data.mdb", dir);
	SP_ASSERT(mkdir(dir, 0700) == 0);
	t_row("crash in disk call %zu", at);
	t_disk_crash(path, before, at, t_random);
	sp_store_lmdb_opts o = {.dir = sp_str_c(dir), .bytes_max = (uint64_t)256 << 20};
	T_OK(core_open(&o, &risen, T_ERR));
	uint64_t acknowledged = 1;
	bool is_boundary = risen->state.revision == 1;
	for (size_t g = 0; g < N_GROUPS; g++) {
		if (model.groups[g].n_disk_ops <= at)
			acknowledged = model.groups[g].revision;
		if (model.groups[g].revision == risen->state.revision)
			is_boundary = true;
	}
	T_TRUE(risen->state.revision >= acknowledged);
	T_TRUE(is_boundary);
	check_all(risen);
	/* It goes on from there: pages of what was lost are used again. */
	struct model saved = model;
	model.revision = risen->state.revision;
	for (int i = 0; i < 3 && !t_failed(); i++) {
		size_t n_ok;
		sp_code code;
		run_group(risen, 10, model.revision / 2, false, &n_ok, &code);
		T_OK(code);
	}
	check_all(risen);
	model = saved;
	close_core(&risen);
	(void)remove(path);
}

SP_TEST(store_crash, nothing_acknowledged_is_lost)
{
	char dir[128], path[160];
	(void)snprintf(dir, sizeof dir, "%s/store", t_tmpdir());
	(void)snprintf(path, sizeof path, "%s/data.mdb", dir);
	model_init();
	T_DEFER(stop_disk, NULL);
	T_DEFER(close_core, &live);
	T_DEFER(close_core, &risen);
	T_TRUE(open_core(dir, &live));
	static char before[1 << 20];
	FILE *f = fopen(path, "rbe");
	SP_ASSERT(f != NULL);
	size_t n_before = fread(before, 1, sizeof before, f);
	(void)fclose(f);
	T_TRUE(n_before < sizeof before);
	t_disk_record(path, 100000);
	const t_disk_op *ops;
	for (size_t g = 0; g < N_GROUPS; g++) {
		size_t n_ok;
		sp_code code;
		uint64_t compact =
			t_random_below(8) == 0 ? model.revision - t_random_below(60) % model.revision : 0;
		run_group(live, 1 + t_random_below(20), compact, false, &n_ok, &code);
		T_OK(code);
		model.groups[g].revision = model.revision;
		model.groups[g].n_disk_ops = t_disk_ops(&ops);
	}
	check_all(live);
	close_core(&live);
	size_t n_ops = t_disk_ops(&ops);
	for (unsigned i = 0; i < N_CRASHES && !t_failed(); i++)
		crash_once((sp_str){before, n_before}, t_random_below(n_ops), i);
}

/* ---- full and failing disks ---- */

static sp_code fill(core *c, size_t *n_groups)
{
	sp_code code = SP_OK;
	for (*n_groups = 0; code == SP_OK && model.revision + 24 < LOG_MAX; ++*n_groups) {
		size_t n_ok;
		run_group(c, 20, 0, false, &n_ok, &code);
	}
	return code;
}

static bool start(const char *name, bool with_limit, uint64_t limit)
{
	static char dir[128], path[160];
	(void)snprintf(dir, sizeof dir, "%s/%s", t_tmpdir(), name);
	(void)snprintf(path, sizeof path, "%s/data.mdb", dir);
	model_init();
	T_DEFER(stop_disk, NULL);
	T_DEFER(close_core, &live);
	if (!open_core(dir, &live))
		return false;
	t_disk_record(path, 1000000);
	if (with_limit)
		t_disk_limit(limit);
	return true;
}

SP_TEST(store_crash, full_disk_keeps_all_and_lets_go)
{
	T_TRUE(start("full", true, (uint64_t)11 << 20));
	size_t n_groups, n_ok;
	sp_code code = fill(live, &n_groups);
	T_CODE(code, SP_EUNAVAILABLE);
	T_TRUE(sp_str_find(sp_str_c(t_err()->msg), SP_STR("disk is full")) >= 0);
	T_TRUE(!live->is_broken && n_groups > 1);
	check_all(live);
	/* Deletes and compaction work from the reserve, and then there is room again. */
	for (int i = 0; i < 20; i++) {
		run_group(live, 20, 0, true, &n_ok, &code);
		T_OK(code);
	}
	for (int i = 0; i < 100 && live->state.trimmed < model.revision; i++) {
		run_group(live, 0, model.revision, false, &n_ok, &code);
		T_OK(code);
	}
	T_EQ_U64(live->state.trimmed, model.revision);
	check_all(live);
	run_group(live, 20, 0, false, &n_ok, &code);
	T_OK(code);
	T_TRUE(!live->is_full);
	check_all(live);
	t_disk_stop();
	sp_store_lmdb_opts o = {.dir = sp_str_c(live->dir)};
	char dir[sizeof live->dir];
	memcpy(dir, live->dir, sizeof dir);
	close_core(&live);
	o.dir = sp_str_c(dir);
	T_OK(core_open(&o, &live, T_ERR));
	check_all(live);
}

SP_TEST(store_crash, full_map_keeps_all)
{
	char dir[128];
	(void)snprintf(dir, sizeof dir, "%s/map", t_tmpdir());
	model_init();
	T_DEFER(close_core, &live);
	sp_store_lmdb_opts o = {.dir = sp_str_c(dir), .bytes_max = (uint64_t)11 << 20};
	T_OK(core_open(&o, &live, T_ERR));
	size_t n_groups, n_ok;
	T_CODE(fill(live, &n_groups), SP_EUNAVAILABLE);
	T_TRUE(sp_str_find(sp_str_c(t_err()->msg), SP_STR("maximum size")) >= 0);
	check_all(live);
	sp_code code;
	run_group(live, 20, model.revision, true, &n_ok, &code);
	T_OK(code);
	for (int i = 0; i < 100 && live->state.trimmed < live->state.compacted; i++) {
		run_group(live, 0, 0, false, &n_ok, &code);
		T_OK(code);
	}
	run_group(live, 20, 0, false, &n_ok, &code);
	T_OK(code);
	check_all(live);
}

SP_TEST(store_crash, failed_sync_stops_writing)
{
	T_TRUE(start("sync", false, 0));
	size_t n_ok;
	sp_code code;
	for (int i = 0; i < 5; i++) {
		run_group(live, 20, 0, false, &n_ok, &code);
		T_OK(code);
	}
	t_disk_fail_sync(true);
	run_group(live, 20, 0, false, &n_ok, &code);
	T_CODE(code, SP_EIO);
	T_EQ_U64(n_ok, 0);
	T_TRUE(live->is_broken);
	t_disk_fail_sync(false);
	run_group(live, 20, 0, false, &n_ok, &code);
	T_CODE(code, SP_EIO);
	check_all(live); /* reading goes on */
	char dir[sizeof live->dir];
	memcpy(dir, live->dir, sizeof dir);
	close_core(&live);
	T_TRUE(open_core(dir, &live));
	check_all(live);
	run_group(live, 20, 0, false, &n_ok, &code);
	T_OK(code);
}

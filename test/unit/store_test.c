/* SPDX-License-Identifier: Apache-2.0 */
/* What every store promises, on both implementations. */
#include "lib/store_help.h"
#include "lib/t.h"
#include "store/record.h"

static t_store stores[T_STORE_KIND_COUNT_];

/* Runs a body on each implementation. */
#define EACH_STORE(name_)                                                  \
	static void body_##name_(t_store *t);                              \
	SP_TEST(store, name_)                                              \
	{                                                                  \
		for (t_store_kind k = 0; k < T_STORE_KIND_COUNT_; k++) {   \
			t_row("%s", k == T_STORE_MEM ? "memory" : "lmdb"); \
			if (!t_store_open(&stores[k], k, NULL))            \
				return;                                    \
			body_##name_(&stores[k]);                          \
			t_store_close(&stores[k]);                         \
		}                                                          \
	}                                                                  \
	static void body_##name_(t_store *t)

EACH_STORE(writes_compare_and_count_revisions)
{
	uint64_t r1, r2, r3, r4;
	T_EQ_U64(sp_store_revision(t->store), 1);
	T_OK(t_put(t, "a/x", 0, "1", &r1));
	T_EQ_U64(r1, 2);
	T_CODE(t_put(t, "a/x", 0, "2", NULL), SP_EEXISTS);
	T_CODE(t_put(t, "a/x", 77, "2", NULL), SP_ECONFLICT);
	T_CODE(t_put(t, "a/y", 77, "2", NULL), SP_ENOTFOUND);
	T_CODE(t_delete(t, "a/y", SP_STORE_ANY, NULL), SP_ENOTFOUND);
	T_OK(t_put(t, "a/x", r1, "2", &r2));
	T_OK(t_put(t, "a/x", SP_STORE_ANY, "3", &r3));
	T_CODE(t_delete(t, "a/x", r2, NULL), SP_ECONFLICT);
	T_OK(t_delete(t, "a/x", r3, &r4));
	T_EQ_U64(r4, 5);
	T_EQ_U64(sp_store_revision(t->store), 5);
	sp_store_value v;
	T_CODE(sp_store_get(t->store, t_key("a/x"), 0, &v, T_ERR), SP_ENOTFOUND);
	T_CODE(sp_store_get(t->store, t_key("a/x"), 9, &v, T_ERR), SP_EINVAL);
	static const char *const at[] = {"1", "2", "3"};
	for (uint64_t r = r1; r <= r3; r++) {
		T_OK(sp_store_get(t->store, t_key("a/x"), r, &v, T_ERR));
		sp_str object = t_object(v.record);
		bool same = sp_str_eq(object, sp_str_c(at[r - r1]));
		v.record = sp_bytes_unref(v.record);
		T_TRUE(same);
		T_EQ_U64(v.create_revision, r1);
		T_EQ_U64(v.revision, r);
	}
	uint64_t r5;
	T_OK(t_put(t, "a/x", 0, "again", &r5));
	T_OK(sp_store_get(t->store, t_key("a/x"), 0, &v, T_ERR));
	v.record = sp_bytes_unref(v.record);
	T_EQ_U64(v.create_revision, r5);
}

static uint64_t seen_current;
static sp_bytes *seen_record;
static void on_conflict(sp_store_txn *txn, sp_code code, const sp_err *err)
{
	(void)err;
	seen_current = code == SP_ECONFLICT ? txn->current.revision : 0;
	seen_record = txn->current.record == NULL ? NULL : sp_bytes_ref(txn->current.record);
	t_store *t = txn->arg;
	t->n_waiting = 0;
	sp_world_stop(t->world);
}

EACH_STORE(conflict_shows_what_is_there)
{
	uint64_t r1;
	T_OK(t_put(t, "a/x", 0, "there", &r1));
	SP_AUTO_BYTES record = t_record("new", NULL, NULL);
	T_TRUE(record != NULL);
	sp_store_op op = {.type = SP_STORE_PUT, .key = t_key("a/x"), .expected = 99, .record = record};
	sp_store_txn txn = {.ops = &op, .n_ops = 1, .done = on_conflict, .arg = t};
	t->n_waiting = 1;
	sp_store_write(t->store, &txn);
	t_wait(t);
	SP_AUTO_BYTES seen = SP_TAKE(seen_record);
	T_EQ_U64(seen_current, r1);
	T_EQ_C(t_object(seen), "there");
}

EACH_STORE(transaction_is_all_or_nothing)
{
	uint64_t r1;
	T_OK(t_put(t, "a/x", 0, "x", &r1));
	SP_AUTO_BYTES record = t_record("new", NULL, NULL);
	T_TRUE(record != NULL);
	sp_store_op ops[] = {
		{.type = SP_STORE_PUT, .key = t_key("a/y"), .record = record},
		{.type = SP_STORE_DELETE, .key = t_key("a/x"), .expected = 99},
	};
	sp_store_txn txn = {.ops = ops, .n_ops = 2};
	T_CODE(t_write(t, &txn), SP_ECONFLICT);
	T_EQ_U64(txn.i_failed, 1);
	T_EQ_U64(sp_store_revision(t->store), r1);
	ops[1].expected = r1;
	T_OK(t_write(t, &txn));
	T_EQ_U64(ops[0].revision, r1 + 1);
	T_EQ_U64(ops[1].revision, r1 + 2);
	ops[1] = (sp_store_op){.type = SP_STORE_CHECK, .key = t_key("a/y"), .expected = r1 + 1};
	ops[0].key = t_key("a/z");
	T_OK(t_write(t, &txn));
	T_EQ_U64(ops[1].revision, r1 + 1);
	T_EQ_U64(sp_store_revision(t->store), r1 + 3);
	ops[1].key = ops[0].key;
	T_CODE(t_write(t, &txn), SP_EINVAL);
	txn.n_ops = 0;
	T_CODE(t_write(t, &txn), SP_EINVAL);
}

EACH_STORE(refuses_malformed_keys_and_records)
{
	sp_store_value v;
	char *big = sp_arena_alloc(T_ARENA, SP_LIMIT_STORE_REST_BYTES + 1);
	memset(big, 'x', SP_LIMIT_STORE_REST_BYTES + 1);
	sp_store_key long_key = {SP_STR("/r/"), {big, SP_LIMIT_STORE_REST_BYTES + 1}};
	T_CODE(sp_store_get(t->store, long_key, 0, &v, T_ERR), SP_ETOOLARGE);
	T_CODE(sp_store_get(t->store, (sp_store_key){SP_STR("/r"), SP_STR("x")}, 0, &v, T_ERR), SP_EINVAL);
	T_CODE(sp_store_get(t->store, (sp_store_key){SP_STR("/r/"), SP_STR("")}, 0, &v, T_ERR), SP_EINVAL);
	T_CODE(sp_store_get(t->store, (sp_store_key){SP_STR("/r/"), {"a\0b", 3}}, 0, &v, T_ERR), SP_EINVAL);
	SP_AUTO_BYTES bad = sp_bytes_try_dup(SP_STR("not a record"));
	T_TRUE(bad != NULL);
	sp_store_op op = {.type = SP_STORE_PUT, .key = t_key("a/y"), .record = bad};
	sp_store_txn txn = {.ops = &op, .n_ops = 1};
	T_CODE(t_write(t, &txn), SP_EINVAL);
	SP_AUTO_BYTES good = t_record("{}", NULL, NULL);
	T_TRUE(good != NULL);
	long_key.rest.len--;
	op.key = long_key;
	op.record = good;
	T_OK(t_write(t, &txn));
	T_OK(sp_store_get(t->store, long_key, 0, &v, T_ERR));
	v.record = sp_bytes_unref(v.record);
}

/* ---- ranges ---- */

typedef struct listing {
	char text[512];
	size_t skip_above; /* entries taken before the rest is skipped */
	bool stop;
} listing;

static sp_store_visit on_entry(void *arg, const sp_store_entry *e)
{
	listing *l = arg;
	sp_record r;
	if (l->stop)
		return SP_STORE_STOP;
	if (sp_record_decode(e->record, &r, t_err()) != SP_OK)
		return SP_STORE_STOP;
	size_t n = strlen(l->text);
	(void)snprintf(l->text + n, sizeof l->text - n, SP_FMT "=" SP_FMT " ", SP_ARG(e->rest),
		       SP_ARG(r.object));
	return SP_STORE_TAKE;
}

static sp_code list(t_store *t, sp_store_query q, listing *l, sp_store_chunk *chunk)
{
	*l = (listing){.stop = false};
	q.resource = SP_STR("/registry/pods/");
	return sp_store_range(t->store, &q, on_entry, l, chunk, T_ERR);
}

EACH_STORE(ranges_in_chunks_at_any_revision)
{
	static const char *const names[] = {"b/2", "a/1", "a/1x", "b/1", "b", "c/1", "a/0"};
	uint64_t rev[SP_LEN(names)], last;
	for (size_t i = 0; i < SP_LEN(names); i++)
		T_OK(t_put(t, names[i], 0, "v", &rev[i]));
	T_OK(t_put(t, "a/1", rev[1], "w", NULL));
	T_OK(t_delete(t, "b/1", rev[3], &last));
	listing l;
	sp_store_chunk c;
	T_OK(list(t, (sp_store_query){.n_max = 0}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/0=v a/1=w a/1x=v b=v b/2=v c/1=v ");
	T_TRUE(!c.more);
	T_EQ_U64(c.revision, last);
	T_OK(list(t, (sp_store_query){.prefix = SP_STR("b/")}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "b/2=v ");
	T_OK(list(t, (sp_store_query){.revision = rev[6]}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/0=v a/1=v a/1x=v b=v b/1=v b/2=v c/1=v ");
	T_OK(list(t, (sp_store_query){.revision = rev[2]}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/1=v a/1x=v b/2=v ");
	T_OK(list(t, (sp_store_query){.revision = rev[6], .n_max = 2, .want_remaining = true}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/0=v a/1=v ");
	T_TRUE(c.more);
	T_EQ_U64(c.n_remaining, 5);
	T_OK(list(
		t,
		(sp_store_query){
			.revision = rev[6], .n_max = 4, .from = {c.next, c.next_len}, .want_remaining = true},
		&l, &c));
	T_EQ_C(sp_str_c(l.text), "a/1x=v b=v b/1=v b/2=v ");
	T_EQ_U64(c.n_remaining, 1);
	T_OK(list(t, (sp_store_query){.from = {"a/1\0", 4}, .n_max = 1}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/1x=v ");
	T_OK(list(t, (sp_store_query){.n_scan_max = 3}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/0=v a/1=w a/1x=v ");
	T_TRUE(c.more);
	T_OK(list(t, (sp_store_query){.scan_bytes_max = 1}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/0=v ");
	uint64_t n;
	T_OK(sp_store_count(t->store, SP_STR("/registry/pods/"), SP_STR(""), &n, T_ERR));
	T_EQ_U64(n, 6);
	T_OK(sp_store_count(t->store, SP_STR("/registry/pods/"), SP_STR("a/"), &n, T_ERR));
	T_EQ_U64(n, 3);
	T_OK(sp_store_count(t->store, SP_STR("/registry/none/"), SP_STR(""), &n, T_ERR));
	T_EQ_U64(n, 0);
	sp_store_info info;
	T_OK(sp_store_info_get(t->store, &info, T_ERR));
	T_EQ_U64(info.n_objects, 6);
	T_EQ_U64(info.dispatched, last);
	T_CODE(list(t, (sp_store_query){.revision = last + 1}, &l, &c), SP_EINVAL);
}

EACH_STORE(lists_by_indexed_field)
{
	uint64_t r1, last;
	sp_str n1 = SP_STR("n1"), n2 = SP_STR("n2");
	T_OK(t_put_node(t, "a/1", 0, "1", "n1", &r1));
	T_OK(t_put_node(t, "a/2", 0, "2", "n2", NULL));
	T_OK(t_put_node(t, "b/3", 0, "3", "n1", NULL));
	T_OK(t_put(t, "b/4", 0, "4", NULL));
	listing l;
	sp_store_chunk c;
	T_OK(list(t, (sp_store_query){.indexed = &n1}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/1=1 b/3=3 ");
	last = c.revision;
	T_OK(list(t, (sp_store_query){.indexed = &n1, .prefix = SP_STR("b/")}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "b/3=3 ");
	T_OK(list(t, (sp_store_query){.indexed = &n1, .n_max = 1}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/1=1 ");
	T_TRUE(c.more);
	T_OK(list(t, (sp_store_query){.indexed = &n1, .from = {"a/1\0", 4}}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "b/3=3 ");
	T_OK(t_put_node(t, "a/1", r1, "moved", "n2", NULL));
	T_OK(t_delete(t, "b/3", SP_STORE_ANY, NULL));
	T_OK(list(t, (sp_store_query){.indexed = &n1}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "");
	T_OK(list(t, (sp_store_query){.indexed = &n2}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/1=moved a/2=2 ");
	T_OK(list(t, (sp_store_query){.indexed = &n1, .revision = last}, &l, &c));
	T_EQ_C(sp_str_c(l.text), "a/1=1 b/3=3 ");
}

/* ---- watches ---- */

typedef struct watcher {
	sp_store_watch *w;
	unsigned n_ready;
	char text[512];
} watcher;

static void on_ready(void *arg)
{
	((watcher *)arg)->n_ready++;
}

/* What came: "+a/1=v" created, "~" changed, "-" deleted. */
static const char *drain(watcher *x)
{
	x->text[0] = '\0';
	sp_store_event *e;
	while ((e = sp_store_watch_next(x->w)) != NULL) {
		size_t n = strlen(x->text);
		(void)snprintf(x->text + n, sizeof x->text - n, "%c" SP_FMT "=" SP_FMT " ",
			       e->is_delete   ? '-'
			       : e->is_create ? '+'
					      : '~',
			       SP_ARG(e->key.rest), SP_ARG(t_object(e->is_delete ? e->prev : e->record)));
		e = sp_store_event_unref(e);
	}
	return x->text;
}

static void watcher_close(watcher *x)
{
	sp_store_watch_close(SP_TAKE(x->w));
}

static sp_code watch(t_store *t, watcher *x, sp_store_watch_opts o)
{
	*x = (watcher){.n_ready = 0};
	o.resource = SP_STR("/registry/pods/");
	o.on_ready = on_ready;
	o.arg = x;
	T_DEFER(watcher_close, x);
	return sp_store_watch_open(t->store, &o, &x->w, T_ERR);
}

static bool is_ready(void *arg)
{
	return ((watcher *)arg)->n_ready > 0;
}

/* One set per implementation: what a failed check leaves open is closed at the end of the test. */
static watcher all_ws[T_STORE_KIND_COUNT_][6];
#define ws (all_ws[t - stores])

EACH_STORE(live_watches_see_what_they_asked_for)
{
	sp_str n1 = SP_STR("n1");
	T_OK(watch(t, &ws[0], (sp_store_watch_opts){.after = 0}));
	T_OK(watch(t, &ws[1], (sp_store_watch_opts){.prefix = SP_STR("a/")}));
	T_OK(watch(t, &ws[2], (sp_store_watch_opts){.rest = SP_STR("a/1")}));
	T_OK(watch(t, &ws[3], (sp_store_watch_opts){.indexed = &n1}));
	T_OK(watch(t, &ws[4], (sp_store_watch_opts){.indexed = &n1, .prefix = SP_STR("b/")}));
	T_OK(watch(t, &ws[5], (sp_store_watch_opts){.after = 4}));
	T_OK(t_put_node(t, "a/1", 0, "1", "n1", NULL));
	T_OK(t_put_node(t, "b/2", 0, "2", "n1", NULL));
	T_OK(t_put_node(t, "a/1", SP_STORE_ANY, "3", "n2", NULL));
	T_OK(t_delete(t, "b/2", SP_STORE_ANY, NULL));
	t_run_until(t, is_ready, &ws[5]);
	static const char *const want[] = {"+a/1=1 +b/2=2 ~a/1=3 -b/2=2 ", "+a/1=1 ~a/1=3 ", "+a/1=1 ~a/1=3 ",
					   "+a/1=1 +b/2=2 ~a/1=3 -b/2=2 ", "+b/2=2 -b/2=2 ", "-b/2=2 "};
	for (size_t i = 0; i < SP_LEN(ws); i++) {
		T_EQ_U64(ws[i].n_ready, 1);
		T_EQ_C(sp_str_c(drain(&ws[i])), want[i]);
		T_EQ_U64(sp_store_watch_progress(ws[i].w), 5);
		watcher_close(&ws[i]);
	}
}

EACH_STORE(watch_replays_then_goes_live)
{
	uint64_t r;
	T_OK(t_put(t, "a/1", 0, "1", &r));
	T_OK(t_put(t, "a/1", r, "2", NULL));
	T_OK(t_put(t, "b/1", 0, "3", NULL));
	T_OK(t_delete(t, "a/1", SP_STORE_ANY, NULL));
	T_OK(watch(t, &ws[0], (sp_store_watch_opts){.after = r}));
	T_OK(watch(t, &ws[1], (sp_store_watch_opts){.after = r, .prefix = SP_STR("a/")}));
	T_OK(t_put(t, "a/1", 0, "5", NULL));
	t_run_until(t, is_ready, &ws[1]);
	T_EQ_C(sp_str_c(drain(&ws[0])), "~a/1=2 +b/1=3 -a/1=2 +a/1=5 ");
	T_EQ_C(sp_str_c(drain(&ws[1])), "~a/1=2 -a/1=2 +a/1=5 ");
	T_OK(t_put(t, "a/1", SP_STORE_ANY, "6", NULL));
	t_turn(t);
	T_EQ_C(sp_str_c(drain(&ws[0])), "~a/1=6 ");
	T_EQ_U64(ws[0].n_ready, 2);
	T_EQ_U64(sp_store_watch_progress(ws[0].w), sp_store_revision(t->store));
	watcher_close(&ws[0]);
	watcher_close(&ws[1]);
}

EACH_STORE(slow_watch_is_closed)
{
	t_no_faults();
	T_OK(watch(t, &ws[0], (sp_store_watch_opts){.after = 0}));
	T_OK(watch(t, &ws[1], (sp_store_watch_opts){.after = 0}));
	SP_AUTO_BYTES record = t_record("{}", NULL, NULL);
	T_TRUE(record != NULL);
	enum { N = SP_LIMIT_WATCH_QUEUE_EVENTS + 10, PER = 101 };
	static sp_store_op ops[N];
	static sp_store_txn txns[N / PER];
	for (size_t i = 0; i < N; i++)
		ops[i] = (sp_store_op){.type = SP_STORE_PUT,
				       .key = t_key(sp_arena_printf(T_ARENA, "a/%zu", i).ptr),
				       .record = record,
				       .expected = SP_STORE_ANY};
	for (size_t i = 0; i < SP_LEN(txns); i++) {
		txns[i] = (sp_store_txn){.ops = &ops[i * PER], .n_ops = PER};
		t_queue(t, &txns[i]);
	}
	t_wait(t);
	for (size_t i = 0; i < SP_LEN(txns); i++)
		T_OK(txns[i].code);
	T_CODE(sp_store_watch_state(ws[0].w, T_ERR), SP_ETOOMANY);
	size_t n = 0;
	for (sp_store_event *e; (e = sp_store_watch_next(ws[0].w)) != NULL; n++)
		e = sp_store_event_unref(e);
	T_EQ_U64(n, SP_LIMIT_WATCH_QUEUE_EVENTS);
	/* From the log, no queue overflows: the reader is waited for. */
	T_OK(watch(t, &ws[2], (sp_store_watch_opts){.after = 1}));
	n = 0;
	while (n < N) {
		t_turn(t);
		for (sp_store_event *e; (e = sp_store_watch_next(ws[2].w)) != NULL; n++) {
			bool in_order = e->revision == n + 2;
			e = sp_store_event_unref(e);
			T_TRUE(in_order);
		}
		T_OK(sp_store_watch_state(ws[2].w, T_ERR));
	}
	for (size_t i = 0; i < 3; i++)
		watcher_close(&ws[i]);
}

static t_store *compacting;
static uint64_t compact_to;
static bool is_compacted(void *arg)
{
	sp_store_info info;
	(void)arg;
	return sp_store_info_get(compacting->store, &info, NULL) != SP_OK ||
	       (info.compacted >= compact_to && info.history_bytes == 0);
}

EACH_STORE(compaction_keeps_what_is_needed)
{
	uint64_t r1, r2, r3, r4;
	T_OK(t_put(t, "a/1", 0, "1", &r1));
	T_OK(t_put(t, "a/2", 0, "2", NULL));
	T_OK(t_put(t, "a/1", r1, "3", &r2));
	T_OK(t_delete(t, "a/2", SP_STORE_ANY, &r3));
	T_OK(watch(t, &ws[0], (sp_store_watch_opts){.after = r1}));
	compacting = t;
	compact_to = r3;
	sp_store_compact(t->store, UINT64_MAX);
	t_run_until(t, is_compacted, t);
	sp_store_value v;
	T_CODE(sp_store_get(t->store, t_key("a/1"), r2, &v, T_ERR), SP_EGONE);
	T_OK(sp_store_get(t->store, t_key("a/1"), r3, &v, T_ERR));
	v.record = sp_bytes_unref(v.record);
	T_EQ_U64(v.revision, r2);
	T_EQ_U64(v.create_revision, r1);
	T_CODE(watch(t, &ws[1], (sp_store_watch_opts){.after = r2}), SP_EGONE);
	/* Either it had replayed before the log was cut, or it says that it has not. */
	t_run_until(t, is_ready, &ws[0]);
	bool gone = sp_store_watch_state(ws[0].w, T_ERR) != SP_OK;
	T_EQ_C(sp_str_c(drain(&ws[0])), gone ? "" : "+a/2=2 ~a/1=3 -a/2=2 ");
	T_CODE(sp_store_watch_state(ws[0].w, T_ERR), gone ? SP_EGONE : SP_OK);
	watcher_close(&ws[0]);
	T_OK(watch(t, &ws[2], (sp_store_watch_opts){.after = r3}));
	T_OK(t_put(t, "a/1", r2, "4", &r4));
	T_OK(t_put(t, "a/2", 0, "5", NULL));
	t_run_until(t, is_ready, &ws[2]);
	T_EQ_C(sp_str_c(drain(&ws[2])), "~a/1=4 +a/2=5 ");
	T_OK(sp_store_get(t->store, t_key("a/1"), r3, &v, T_ERR));
	v.record = sp_bytes_unref(v.record);
	watcher_close(&ws[2]);
}

EACH_STORE(close_finishes_writes_and_ends_watches)
{
	T_OK(watch(t, &ws[0], (sp_store_watch_opts){.after = 0}));
	T_OK(watch(t, &ws[1], (sp_store_watch_opts){.rest = SP_STR("a/1")}));
	SP_AUTO_BYTES record = t_record("{}", NULL, NULL);
	T_TRUE(record != NULL);
	sp_store_op op = {.type = SP_STORE_PUT, .key = t_key("a/1"), .record = record};
	sp_store_txn txn = {.ops = &op, .n_ops = 1};
	t_queue(t, &txn);
	t_store_close(t);
	T_EQ_U64(t->n_waiting, 0);
	T_OK(txn.code);
	T_CODE(sp_store_watch_state(ws[0].w, T_ERR), SP_EUNAVAILABLE);
	T_EQ_U64(ws[1].n_ready, 1);
	watcher_close(&ws[0]);
	watcher_close(&ws[1]);
}

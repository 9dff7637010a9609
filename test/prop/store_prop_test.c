/* SPDX-License-Identifier: Apache-2.0 */
/* Random writes, reads at every kept revision, watches and compactions against a model that keeps everything.
 */
#include "lib/store_help.h"
#include "lib/t.h"
#include "store/record.h"

enum { N_KEYS = 24, N_STEPS = 220, N_NODES = 3, N_WATCHES = 6 };

typedef struct change {
	uint64_t revision;
	size_t i_key;
	bool is_delete, is_create;
	uint64_t value;
	int node, node_before; /* -1 = none */
} change;

typedef struct model {
	t_store *t;
	change log[N_STEPS * 4];
	size_t n_log;
	uint64_t compacted;
	char keys[N_KEYS][16];
} model;

static const char *const nodes[N_NODES] = {"n0", "n1", "n2"};
static const char *const prefixes[] = {"", "a/", "b/"};
static model m;
static t_store stores[T_STORE_KIND_COUNT_];

/* What wrote the key last at a revision, or NULL. */
static const change *last_of(size_t i_key, uint64_t revision)
{
	for (size_t i = m.n_log; i > 0; i--) {
		if (m.log[i - 1].i_key == i_key && m.log[i - 1].revision <= revision)
			return &m.log[i - 1];
	}
	return NULL;
}

static const change *live_of(size_t i_key, uint64_t revision)
{
	const change *c = last_of(i_key, revision);
	return c == NULL || c->is_delete ? NULL : c;
}

static uint64_t newest(void)
{
	return m.n_log == 0 ? 1 : m.log[m.n_log - 1].revision;
}

static sp_str object_text(uint64_t value)
{
	/* Some values are larger than a page. */
	size_t pad = value % 7 == 0 ? 9000 : value % 50;
	char *p = sp_arena_alloc(T_ARENA, pad + 32);
	int n = snprintf(p, 32, "{\"v\":%llu}", (unsigned long long)value);
	memset(p + n, ' ', pad);
	p[(size_t)n + pad] = '\0';
	return (sp_str){p, (size_t)n + pad};
}

/* ---- one transaction of one to three operations ---- */

static bool step_write(void)
{
	sp_store_op ops[3];
	change made[3];
	sp_bytes *records[3] = {NULL};
	size_t n = 1 + t_random_below(3), n_made = 0;
	uint64_t used = 0, revision = newest();
	bool refused = false;
	for (size_t i = 0; i < n; i++) {
		size_t k;
		do
			k = t_random_below(N_KEYS);
		while ((used >> k) & 1);
		used |= UINT64_C(1) << k;
		const change *before = live_of(k, UINT64_MAX);
		uint64_t current = before == NULL ? 0 : before->revision;
		bool is_delete = t_random_below(4) == 0, wrong = t_random_below(12) == 0;
		int node = (int)t_random_below(N_NODES + 1) - 1;
		uint64_t value = t_random_below(1000000);
		ops[i] = (sp_store_op){.type = is_delete ? SP_STORE_DELETE : SP_STORE_PUT,
				       .key = t_key(m.keys[k]),
				       .expected = wrong ? current + 1 + t_random_below(3) : current};
		if (t_random_below(5) == 0 && !wrong)
			ops[i].expected = SP_STORE_ANY;
		refused = refused || wrong || (is_delete && current == 0);
		if (!is_delete) {
			records[i] = t_record(object_text(value).ptr, "x", node < 0 ? NULL : nodes[node]);
			ops[i].record = records[i];
		}
		made[n_made++] = (change){.revision = ++revision,
					  .i_key = k,
					  .is_delete = is_delete,
					  .is_create = current == 0,
					  .value = value,
					  .node = is_delete ? -1 : node,
					  .node_before = before == NULL ? -1 : before->node};
	}
	sp_store_txn txn = {.ops = ops, .n_ops = n};
	sp_code code = t_write(m.t, &txn);
	for (size_t i = 0; i < n; i++)
		records[i] = sp_bytes_unref(records[i]);
	if ((code != SP_OK) != refused) {
		(void)t_fail(__FILE__, __LINE__, "write: %s, expected %s", sp_code_lookup(code)->name,
			     refused ? "a refusal" : "success");
		return false;
	}
	for (size_t i = 0; code == SP_OK && i < n_made; i++) {
		if (ops[i].revision != made[i].revision)
			(void)t_fail(__FILE__, __LINE__, "operation %zu has a wrong revision", i);
		m.log[m.n_log++] = made[i];
	}
	return !t_failed();
}

/* ---- reading ---- */

typedef struct reading {
	uint64_t revision;
	size_t n_seen, seen[N_KEYS];
	bool wrong;
} reading;

static sp_store_visit on_entry(void *arg, const sp_store_entry *e)
{
	reading *r = arg;
	sp_record record;
	size_t k = 0;
	while (k < N_KEYS && !sp_str_eq(sp_str_c(m.keys[k]), e->rest))
		k++;
	const change *c = k == N_KEYS ? NULL : live_of(k, r->revision);
	if (c == NULL || c->revision != e->revision || r->n_seen == N_KEYS ||
	    sp_record_decode(e->record, &record, NULL) != SP_OK ||
	    !sp_str_eq(record.object, object_text(c->value))) {
		r->wrong = true;
		return SP_STORE_STOP;
	}
	r->seen[r->n_seen++] = k;
	return SP_STORE_TAKE;
}

static void check_range(uint64_t revision)
{
	sp_str prefix = sp_str_c(prefixes[t_random_below(SP_LEN(prefixes))]);
	int node = (int)t_random_below(N_NODES + 2) - 2; /* -2, -1: not by node */
	sp_str indexed = node < 0 ? SP_STR("") : sp_str_c(nodes[node]);
	reading r = {.revision = revision == 0 ? newest() : revision};
	sp_store_query q = {.resource = SP_STR("/registry/pods/"),
			    .prefix = prefix,
			    .indexed = node < 0 ? NULL : &indexed,
			    .revision = revision,
			    .n_max = t_random_below(6)};
	sp_store_chunk c;
	do {
		T_OK(sp_store_range(m.t->store, &q, on_entry, &r, &c, T_ERR));
		T_TRUE(!r.wrong);
		T_EQ_U64(c.revision, r.revision);
		q.revision = c.revision;
		q.from = (sp_str){c.next, c.next_len};
	} while (c.more);
	size_t want = 0;
	for (size_t k = 0; k < N_KEYS; k++) { /* the keys are sorted */
		const change *live = live_of(k, r.revision);
		if (live == NULL || !sp_str_starts(sp_str_c(m.keys[k]), prefix) ||
		    (node >= 0 && live->node != node))
			continue;
		T_TRUE(want < r.n_seen);
		T_EQ_U64(r.seen[want], k);
		want++;
	}
	T_EQ_U64(r.n_seen, want);
}

static void check_get(uint64_t revision)
{
	size_t k = t_random_below(N_KEYS);
	const change *c = live_of(k, revision == 0 ? UINT64_MAX : revision);
	sp_store_value v = {0};
	sp_code code = sp_store_get(m.t->store, t_key(m.keys[k]), revision, &v, T_ERR);
	SP_AUTO_BYTES record = v.record;
	T_CODE(code, c == NULL ? SP_ENOTFOUND : SP_OK);
	if (c != NULL)
		T_EQ_STR(t_object(record), object_text(c->value));
}

/* ---- watching ---- */

typedef struct watcher {
	sp_store_watch *w;
	const char *prefix;
	int node, i_key; /* -1 = any */
	uint64_t after;
} watcher;

static watcher all_watchers[T_STORE_KIND_COUNT_][N_WATCHES];
#define watchers (all_watchers[m.t - stores])

static void on_ready(void *arg)
{
	(void)arg;
}

static void watcher_close(void *arg)
{
	sp_store_watch_close(SP_TAKE(((watcher *)arg)->w));
}

static void watcher_open(watcher *x)
{
	*x = (watcher){.prefix = prefixes[t_random_below(SP_LEN(prefixes))], .node = -1, .i_key = -1};
	if (t_random_below(3) == 0)
		x->node = (int)t_random_below(N_NODES);
	else if (t_random_below(3) == 0)
		x->i_key = (int)t_random_below(N_KEYS);
	x->after = m.compacted + t_random_below(newest() - m.compacted + 1);
	sp_str indexed = x->node < 0 ? SP_STR("") : sp_str_c(nodes[x->node]);
	sp_store_watch_opts o = {.resource = SP_STR("/registry/pods/"),
				 .prefix = sp_str_c(x->prefix),
				 .rest = x->i_key < 0 ? SP_STR("") : sp_str_c(m.keys[x->i_key]),
				 .indexed = x->node < 0 ? NULL : &indexed,
				 .after = x->after,
				 .on_ready = on_ready};
	T_OK(sp_store_watch_open(m.t->store, &o, &x->w, T_ERR));
}

static bool wants(const watcher *x, const change *c)
{
	if (x->i_key >= 0 ? (size_t)x->i_key != c->i_key
			  : !sp_str_starts(sp_str_c(m.keys[c->i_key]), sp_str_c(x->prefix)))
		return false;
	return x->node < 0 || c->node == x->node || c->node_before == x->node;
}

/* The next change that the watcher wants. */
static const change *next_wanted(const watcher *x)
{
	for (size_t i = 0; i < m.n_log; i++) {
		if (m.log[i].revision > x->after && wants(x, &m.log[i]))
			return &m.log[i];
	}
	return NULL;
}

static void watcher_drain(watcher *x, bool to_end)
{
	while (x->w != NULL) {
		sp_store_event *e = sp_store_watch_next(x->w);
		if (e == NULL) {
			if (sp_store_watch_state(x->w, T_ERR) == SP_EGONE) {
				watcher_close(x);
				return;
			}
			uint64_t progress = sp_store_watch_progress(x->w);
			const change *c = next_wanted(x);
			T_TRUE(c == NULL || progress < c->revision);
			if (!to_end || progress == newest())
				return;
			t_turn(m.t);
			continue;
		}
		const change *c = next_wanted(x);
		uint64_t revision = e->revision;
		bool same = c != NULL && c->revision == revision && c->is_delete == e->is_delete &&
			    c->is_create == e->is_create && (e->prev == NULL) == c->is_create;
		e = sp_store_event_unref(e);
		T_TRUE(same);
		x->after = revision;
	}
}

/* ---- the run ---- */

static bool is_trimmed(void *arg)
{
	sp_store_info info;
	(void)arg;
	return sp_store_info_get(m.t->store, &info, NULL) != SP_OK || info.compacted >= m.compacted;
}

static void step_compact(void)
{
	m.compacted += t_random_below(newest() - m.compacted + 1);
	if (m.compacted == 0)
		m.compacted = 1;
	sp_store_compact(m.t->store, m.compacted);
	t_run_until(m.t, is_trimmed, NULL);
}

static void run(t_store *t)
{
	t_no_faults();
	m = (model){.t = t, .compacted = 1};
	for (size_t k = 0; k < N_KEYS; k++)
		(void)snprintf(m.keys[k], sizeof m.keys[k], "%c/%02zu", k < N_KEYS / 2 ? 'a' : 'b', k);
	for (size_t i = 0; i < N_WATCHES; i++)
		T_DEFER(watcher_close, &watchers[i]);
	for (size_t step = 0; step < N_STEPS && !t_failed(); step++) {
		T_TRUE(step_write());
		uint64_t at = m.compacted + t_random_below(newest() - m.compacted + 1);
		check_range(t_random_below(2) == 0 ? 0 : at);
		check_get(t_random_below(2) == 0 ? 0 : at);
		watcher *x = &watchers[t_random_below(N_WATCHES)];
		if (x->w == NULL)
			watcher_open(x);
		else if (t_random_below(20) == 0)
			watcher_close(x);
		else
			watcher_drain(x, t_random_below(4) == 0);
		if (t_random_below(25) == 0)
			step_compact();
		if (t->dir[0] != '\0' && t_random_below(60) == 0) {
			for (size_t i = 0; i < N_WATCHES; i++)
				watcher_close(&watchers[i]);
			T_TRUE(t_store_reopen(t, NULL));
		}
	}
	for (uint64_t r = m.compacted; r <= newest() && !t_failed(); r++)
		check_range(r);
	for (size_t i = 0; i < N_WATCHES && !t_failed(); i++) {
		watcher_drain(&watchers[i], true);
		watcher_close(&watchers[i]);
	}
}

SP_TEST(store_prop, lmdb_equals_model)
{
	if (t_store_open(&stores[T_STORE_LMDB], T_STORE_LMDB, NULL))
		run(&stores[T_STORE_LMDB]);
}

SP_TEST(store_prop, memory_equals_model)
{
	if (t_store_open(&stores[T_STORE_MEM], T_STORE_MEM, NULL))
		run(&stores[T_STORE_MEM]);
}

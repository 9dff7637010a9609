/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in memory over simulated time: writers race, watchers come, go, read slowly, and history is
 * compacted. Revisions grow by one per write; a watcher gets every matching event once, in order.
 */
#include <stdio.h>

#include "io/sim/sim.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "store/mem/mem.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define N_WRITERS 6u
#define N_WATCHERS 12u
#define N_KEYS 10u
#define LOG_MAX 6000u
#define END_NS (60 * SECOND)

typedef struct change {
	uint64_t revision;
	char rest[8];
	bool is_delete;
} change;

typedef struct all all;

typedef struct writer {
	all *all;
	sp_timer timer;
	sp_store_txn txn;
	sp_store_op ops[3];
	char rest[3][8];
	bool busy;
} writer;

typedef struct watcher {
	all *all;
	sp_timer timer, read_timer;
	sp_store_watch *watch;
	uint64_t after;
	char prefix[8];
	change *got;
	size_t n_got;
	bool is_slow;
} watcher;

struct all {
	sp_sim *sim;
	sp_world *world;
	sp_store *store;
	change *log;
	size_t n_log, n_watches, n_lost;
	writer writers[N_WRITERS];
	watcher watchers[N_WATCHERS];
	uint32_t n_broken;
	bool closed;
};

static uint64_t below(all *a, uint64_t n)
{
	return sp_sim_random_below(a->sim, n);
}

/* ---- writers ---- */

static void on_written(sp_store_txn *t, sp_code code, const sp_err *err)
{
	writer *w = t->arg;
	all *a = w->all;
	w->busy = false;
	(void)err;
	for (size_t i = 0; i < t->n_ops; i++) {
		sp_store_op *op = &t->ops[i];
		if (op->record != NULL)
			(void)sp_bytes_unref(op->record);
		if (code != SP_OK || a->n_log == LOG_MAX)
			continue;
		a->n_broken += op->revision != (a->n_log == 0 ? 2 : a->log[a->n_log - 1].revision + 1);
		change *c = &a->log[a->n_log++];
		*c = (change){.revision = op->revision, .is_delete = op->type == SP_STORE_DELETE};
		memcpy(c->rest, w->rest[i], sizeof c->rest);
	}
	a->n_broken += code != SP_OK && code != SP_EEXISTS && code != SP_ECONFLICT && code != SP_ENOTFOUND;
}

static uint64_t expectation(all *a, sp_store_key key)
{
	sp_store_value v = {.record = NULL};
	switch (below(a, 3)) {
	case 0:
		return SP_STORE_ANY;
	case 1:
		return 0;
	default:
		break;
	}
	if (sp_store_get(a->store, key, 0, &v, NULL) != SP_OK)
		return 0;
	(void)sp_bytes_unref(v.record);
	return v.revision;
}

static void on_write(sp_timer *timer)
{
	writer *w = timer->arg;
	all *a = w->all;
	if (sp_now_ns(a->world) < END_NS)
		sp_timer_start(a->world, timer, below(a, 200 * MS), on_write);
	if (w->busy)
		return;
	w->busy = true;
	size_t n = 1 + below(a, SP_LEN(w->ops)), first = below(a, N_KEYS);
	for (size_t i = 0; i < n; i++) {
		size_t k = (first + i) % N_KEYS;
		(void)snprintf(w->rest[i], sizeof w->rest[i], "n%zu/k%zu", k % 3, k);
		sp_store_op *op = &w->ops[i];
		*op = (sp_store_op){.type = below(a, 3) == 0 ? SP_STORE_DELETE : SP_STORE_PUT,
				    .key = t_key(w->rest[i])};
		op->expected = expectation(a, op->key);
		if (op->type == SP_STORE_DELETE && op->expected == 0)
			op->expected = SP_STORE_ANY;
		op->record = op->type == SP_STORE_PUT ? t_record("{}", "web", NULL) : NULL;
	}
	w->txn = (sp_store_txn){.ops = w->ops, .n_ops = n, .done = on_written, .arg = w};
	sp_store_write(a->store, &w->txn);
}

/* ---- watchers ---- */

/* What was got is what the log says; up to the progress when the watch still lives. */
static void judge(watcher *w, bool alive, uint64_t upto)
{
	all *a = w->all;
	size_t k = 0;
	for (size_t i = 0; i < a->n_log; i++) {
		const change *c = &a->log[i];
		if (c->revision <= w->after || !sp_str_starts(sp_str_c(c->rest), sp_str_c(w->prefix)))
			continue;
		if (k == w->n_got) {
			a->n_broken += alive && c->revision <= upto;
			break;
		}
		const change *g = &w->got[k++];
		a->n_broken += g->revision != c->revision || g->is_delete != c->is_delete ||
			       strcmp(g->rest, c->rest) != 0;
	}
	/* Further ones are of writes whose completion is still to be told. */
	for (; k < w->n_got; k++)
		a->n_broken += a->n_log > 0 && w->got[k].revision <= a->log[a->n_log - 1].revision;
}

static void drain(watcher *w)
{
	sp_store_event *e;
	uint64_t last = w->n_got == 0 ? w->after : w->got[w->n_got - 1].revision;
	while ((e = sp_store_watch_next(w->watch)) != NULL && w->n_got < LOG_MAX) {
		w->all->n_broken += e->revision <= last;
		last = e->revision;
		change *c = &w->got[w->n_got++];
		*c = (change){.revision = e->revision, .is_delete = e->is_delete};
		memcpy(c->rest, e->key.rest.ptr, SP_MIN(e->key.rest.len, sizeof c->rest - 1));
		e = sp_store_event_unref(e);
	}
}

static void on_read(sp_timer *t)
{
	watcher *w = t->arg;
	if (w->watch != NULL)
		drain(w);
}

static void on_ready(void *arg)
{
	watcher *w = arg;
	if (w->is_slow)
		sp_timer_start(w->all->world, &w->read_timer, below(w->all, SECOND), on_read);
	else
		drain(w);
}

static void close_watch(watcher *w)
{
	if (w->watch == NULL)
		return;
	sp_timer_stop(w->all->world, &w->read_timer);
	drain(w);
	sp_code code = sp_store_watch_state(w->watch, NULL);
	w->all->n_lost += code != SP_OK;
	w->all->n_broken += code != SP_OK && code != SP_EGONE && code != SP_ETOOMANY;
	judge(w, code == SP_OK, sp_store_watch_progress(w->watch));
	sp_store_watch_close(w->watch);
	w->watch = NULL;
}

static void on_watch(sp_timer *timer)
{
	watcher *w = timer->arg;
	all *a = w->all;
	uint64_t revision = sp_store_revision(a->store);
	close_watch(w);
	if (sp_now_ns(a->world) >= END_NS)
		return;
	sp_timer_start(a->world, timer, below(a, 10 * SECOND), on_watch);
	w->n_got = 0;
	w->is_slow = below(a, 3) == 0;
	w->after = 1 + below(a, revision);
	(void)snprintf(w->prefix, sizeof w->prefix, "n%u/", (unsigned)below(a, 3));
	if (below(a, 3) == 0)
		w->prefix[0] = '\0';
	sp_store_watch_opts o = {.resource = SP_STR("/registry/pods/"),
				 .prefix = sp_str_c(w->prefix),
				 .after = w->after,
				 .on_ready = on_ready,
				 .arg = w};
	sp_code code = sp_store_watch_open(a->store, &o, &w->watch, NULL);
	a->n_broken += code != SP_OK && code != SP_EGONE;
	a->n_watches += code == SP_OK;
	if (below(a, 10) == 0)
		sp_store_compact(a->store, 1 + below(a, revision));
}

static void on_closed(void *arg)
{
	((all *)arg)->closed = true;
}

static bool is_closed(void *arg)
{
	return ((all *)arg)->closed;
}

static void watch_and_write(uint64_t seed)
{
	all *a = sp_new(T_ARENA, all, 1);
	a->sim = sp_sim_new(&(sp_sim_opts){.seed = seed, .faults = {.slow_ppm = 20000}});
	T_DEFER(sp_sim_free, a->sim);
	a->world = sp_sim_world(sp_sim_host_new(a->sim, "a", NULL, NULL));
	a->log = sp_new(T_ARENA, change, LOG_MAX);
	sp_store_mem_opts o = {.commit_ns = below(a, 2) * 3 * MS, .keep_ns = 20 * SECOND};
	T_OK(sp_store_mem_open(a->world, &o, &a->store, T_ERR));
	for (size_t i = 0; i < N_WRITERS; i++) {
		a->writers[i] = (writer){.all = a, .timer = {.arg = &a->writers[i]}};
		sp_timer_start(a->world, &a->writers[i].timer, 1, on_write);
	}
	for (size_t i = 0; i < N_WATCHERS; i++) {
		watcher *w = &a->watchers[i];
		*w = (watcher){.all = a, .timer = {.arg = w}, .read_timer = {.arg = w}};
		w->got = sp_new(T_ARENA, change, LOG_MAX);
		sp_timer_start(a->world, &w->timer, below(a, SECOND), on_watch);
	}
	sp_sim_run_until(a->sim, END_NS + 20 * SECOND);
	sp_store_close(a->store, on_closed, a);
	T_TRUE(sp_sim_run(a->sim, is_closed, a, END_NS + 100 * SECOND));
	T_EQ_U64(a->n_broken, 0);
	T_TRUE(a->n_log > 1000 && a->n_log < LOG_MAX);
	T_TRUE(a->n_watches > N_WATCHERS && a->n_lost < a->n_watches);
}

SP_TEST(sim_store, watchers_see_the_log)
{
	for (int i = 0; i < 4 && !t_failed(); i++) {
		uint64_t seed = t_random();
		t_row("seed %llu", (unsigned long long)seed);
		watch_and_write(seed);
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server under many clients and a network that breaks: what was acknowledged is stored, no increment
 * is lost, every list and watch shows the store's history without a gap and nothing twice, and at the end all
 * agree.
 */
#include "base/alloc.h"
#include "lib/store_help.h"
#include "lib/t.h"
#include "sim/api_world.h"

#define FAULTS_NS (20 * SECOND)
#define WRITES_NS (25 * SECOND)
#define END_NS (200 * SECOND)

static bool is_quiet(const world *w)
{
	for (unsigned i = 0; i < N_WRITERS; i++) {
		if (w->writers[i].op != NULL)
			return false;
	}
	return sp_sim_now_ns(w->api.sim) > w->end_ns + SECOND;
}

static bool has_converged(world *w, const informer *f)
{
	uint64_t want[N_OBJECTS];
	truth_state(w, f->kind, f->selector, UINT64_MAX, want);
	return f->phase == WATCHING && !f->in_initial && memcmp(want, f->have, sizeof want) == 0;
}

static bool is_over(void *arg)
{
	world *w = arg;
	if (w->broken[0] != '\0')
		return true;
	if (!is_quiet(w))
		return false;
	for (unsigned i = 0; i < N_INFORMERS; i++) {
		if (!has_converged(w, &w->informers[i]))
			return false;
	}
	return true;
}

static void world_done(void *arg)
{
	world *w = arg;
	for (unsigned i = 0; i < N_WRITERS; i++)
		t_call_done(&w->writers[i].call);
	for (unsigned i = 0; i < N_INFORMERS; i++)
		t_call_done(&w->informers[i].call);
	sp_arena_done(&w->scratch);
	sp_arena_done(&w->log_scratch);
}

/* No timer may fire when the calls have been taken down. */
static void stop_all(void *arg)
{
	world *w = arg;
	for (unsigned i = 0; i < N_WRITERS; i++) {
		writer *v = &w->writers[i];
		v->call.on_done = NULL;
		sp_timer_stop(v->client->world, &v->timer);
		sp_timer_stop(v->client->world, &v->vanish);
	}
	for (unsigned i = 0; i < N_INFORMERS; i++) {
		informer *f = &w->informers[i];
		f->call.on_done = f->call.on_bytes = NULL;
		sp_timer_stop(f->client->world, &f->timer);
		sp_timer_stop(f->client->world, &f->pause);
	}
	truth_close(w);
}

static void start_clients(world *w)
{
	static const char *const names[N_HOSTS] = {"a", "b", "c", "d"};
	for (unsigned i = 0; i < N_HOSTS; i++) {
		if (!t_client_open(&w->clients[i], &w->api, names[i], i % 2 == 1))
			return;
	}
	T_DEFER(stop_all, w);
	for (unsigned i = 0; i < N_WRITERS; i++) {
		w->writers[i] = (writer){.w = w, .client = &w->clients[i % N_HOSTS]};
		writer_start(&w->writers[i]);
	}
	for (unsigned i = 0; i < N_INFORMERS; i++) {
		w->informers[i] = (informer){.w = w,
					     .client = &w->clients[i % N_HOSTS],
					     .kind = (kind)(i / N_HOSTS % KIND_COUNT_),
					     .selector = (unsigned)below(w, SELECTORS),
					     .limit = (unsigned)below(w, 2) * 3};
		informer_start(&w->informers[i]);
	}
}

static void judge(world *w)
{
	size_t n_done = 0, n_increments = 0, n_events = 0;
	if (w->broken[0] == '\0')
		judge_ops(w);
	if (w->broken[0] != '\0')
		T_FAIL("%s", w->broken);
	for (size_t i = 0; i < w->n_ops; i++) {
		n_done += w->ops[i].end == OP_DONE;
		n_increments += w->ops[i].end == OP_DONE && w->ops[i].type == OP_INCREMENT;
	}
	for (unsigned i = 0; i < N_INFORMERS; i++)
		n_events += w->informers[i].n_events;
	T_TRUE(n_done > 20 && n_increments > 0 && n_events > 20);
}

static void run(const sp_sim_opts *o)
{
	const sp_store_mem_opts store = {.commit_ns = 3 * MS, .keep_ns = 5 * SECOND};
	world *w = sp_new(T_ARENA, world, 1);
	t_no_faults();
	sp_arena_init(&w->scratch, (size_t)64 << 20);
	sp_arena_init(&w->log_scratch, (size_t)64 << 20);
	T_DEFER(world_done, w);
	w->end_ns = WRITES_NS;
	w->ops = sp_new(T_ARENA, op, OPS_MAX);
	for (unsigned k = 0; k < KIND_COUNT_; k++)
		w->truth[k].log = sp_new(T_ARENA, change, CHANGES_MAX);
	if (!t_api_open(&w->api, o, &store))
		return;
	T_TRUE(truth_open(w));
	start_clients(w);
	if (t_failed())
		return;
	bool over = sp_sim_run(w->api.sim, is_over, w, END_NS);
	judge(w);
	T_TRUE(t_failed() || over);
}

SP_TEST(sim_api, calm)
{
	run(&(sp_sim_opts){.seed = t_random()});
}

SP_TEST(sim_api, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = FAULTS_NS;
	run(&o);
}

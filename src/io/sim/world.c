/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process: a loop in simulated time. A turn ends as in io/uv/loop.c: wake-ups, signals, deferred calls,
 * writes, closes, until nothing is left. The end of a turn is an event of its own, so that by chance several
 * events share one turn.
 */
#include "base/alloc.h"
#include "base/limits.h"
#include "io/sim/sim_int.h"

/* One that postpones itself again and again must not keep the others waiting. */
#define ROUNDS_MAX 16
#define JOB_MIN_NS 10000u
#define JOB_MAX_NS 200000u
#define WALL_START_NS INT64_C(1767225600000000000) /* 2026-01-01T00:00:00Z */

/* ---- the end of a turn ---- */

typedef struct sim_wakeup {
	sp_wakeup base;
	sp_list node;
	void (*fn)(void *arg);
	void *arg;
	bool called;
} sim_wakeup;

static bool run_wakeup(sim_world *w)
{
	/* Each may release itself or others: one at a time. */
	SP_LIST_FOREACH (n, &w->wakeups) {
		sim_wakeup *u = SP_CONTAINER_OF(n, sim_wakeup, node);
		if (u->called) {
			u->called = false;
			u->fn(u->arg);
			return true;
		}
	}
	return false;
}

static bool is_stopping(const sim_world *w)
{
	return w->running && w->stopped;
}

static bool run_defers(sim_world *w)
{
	if (sp_list_is_empty(&w->defers))
		return false;
	sp_list mark; /* what is deferred meanwhile waits for the next round */
	sp_list_push_back(&w->defers, &mark);
	while (!is_stopping(w) && w->defers.next != &mark) {
		sp_defer *d = SP_CONTAINER_OF(w->defers.next, sp_defer, node);
		sp_list_remove(&d->node);
		d->fn(d);
	}
	sp_list_remove(&mark);
	return true;
}

static bool run_round(sim_world *w)
{
	static bool (*const steps[])(sim_world * w) = {
		run_wakeup, sim_signals_run, run_defers, sim_streams_flush, sim_streams_end,
	};
	bool any = false;
	for (size_t i = 0; i < SP_LEN(steps) && !is_stopping(w); i++)
		any = steps[i](w) || any;
	return any;
}

static void on_turn(sim_event *e)
{
	sim_world *w = e->world;
	w->in_turn = true;
	bool any = true;
	for (int i = 0; i < ROUNDS_MAX && any && !is_stopping(w); i++)
		any = run_round(w);
	w->in_turn = false;
	if (any)
		sim_touch(w);
}

void sim_touch(sim_world *w)
{
	if (!w->in_turn && !sim_event_is_queued(&w->turn))
		sim_event_at(w->sim, &w->turn, w->sim->now_ns + sim_slow_ns(w->sim));
}

/* ---- time and chance ---- */

static uint64_t now_ns(sp_world *base)
{
	return sim_of(base)->sim->now_ns;
}

static int64_t wall_ns(sp_world *base)
{
	const sim_world *w = sim_of(base);
	return WALL_START_NS + (int64_t)w->sim->now_ns + w->host->wall_ns;
}

static void random_bytes(sp_world *base, void *bytes, size_t n)
{
	uint8_t *to = bytes;
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t v = sp_sim_random(sim_of(base)->sim);
		memcpy(to + i, &v, SP_MIN(sizeof v, n - i));
	}
}

static bool buggify(sp_world *base, uint32_t p_ppm)
{
	sp_sim *s = sim_of(base)->sim;
	return sim_chance(s, s->opts.faults.buggify_ppm) && sim_chance(s, p_ppm);
}

/* ---- timers, deferred calls ---- */

static void arm_timer(sim_world *w)
{
	const sp_heap_node *first = sp_heap_peek(&w->timers);
	if (first == NULL)
		sim_event_stop(w->sim, &w->timer);
	else if (!sim_event_is_queued(&w->timer) || w->timer.node.key != SP_MAX(first->key, w->sim->now_ns))
		sim_event_at(w->sim, &w->timer, first->key);
}

static void on_timer(sim_event *e)
{
	sim_world *w = e->world;
	sp_timer *t = SP_CONTAINER_OF(sp_heap_pop(&w->timers), sp_timer, node);
	arm_timer(w);
	t->fn(t);
}

static void timer_start(sp_world *base, sp_timer *t, uint64_t delay_ns, void (*fn)(sp_timer *t))
{
	sim_world *w = sim_of(base);
	sp_heap_remove(&w->timers, &t->node);
	t->fn = fn;
	uint64_t now = w->sim->now_ns;
	uint64_t due_ns = delay_ns < UINT64_MAX / 2 - now ? now + delay_ns : UINT64_MAX / 2;
	/* The second attempt is for tests, which let one allocation fail. */
	if (sp_heap_push(&w->timers, &t->node, due_ns) != SP_OK)
		SP_ASSERT(sp_heap_push(&w->timers, &t->node, due_ns) == SP_OK);
	arm_timer(w);
}

static void timer_stop(sp_world *base, sp_timer *t)
{
	sp_heap_remove(&sim_of(base)->timers, &t->node);
	arm_timer(sim_of(base));
}

static void defer_call(sp_world *base, sp_defer *d)
{
	sp_list_push_back(&sim_of(base)->defers, &d->node);
	sim_touch(sim_of(base));
}

/* ---- jobs ---- */

typedef struct sim_job {
	sp_list node;
	sim_event event;
	sp_work *work;
} sim_job;

static void job_free(sim_job *j)
{
	sim_event_stop(j->event.world->sim, &j->event);
	j->event.world->n_jobs--;
	sp_list_remove(&j->node);
	sp_free(j);
}

static void on_job_done(sim_event *e)
{
	sp_work *work = SP_CONTAINER_OF(e, sim_job, event)->work;
	job_free(SP_CONTAINER_OF(e, sim_job, event));
	work->done(work);
}

static uint64_t job_ns(sp_sim *s)
{
	return JOB_MIN_NS + sp_sim_random_below(s, JOB_MAX_NS - JOB_MIN_NS) + sim_slow_ns(s);
}

static void on_job(sim_event *e)
{
	sim_job *j = SP_CONTAINER_OF(e, sim_job, event);
	j->work->fn(j->work);
	j->event.kind = SIM_JOB_DONE;
	j->event.fn = on_job_done;
	sim_event_at(e->world->sim, &j->event, e->world->sim->now_ns + job_ns(e->world->sim));
}

static sp_code work_start(sp_world *base, sp_work *work, sp_err *err)
{
	sim_world *w = sim_of(base);
	if (w->n_jobs >= SP_LIMIT_WORK_QUEUE)
		return sp_fail(err, SP_EUNAVAILABLE, "%u jobs wait for a worker already",
			       SP_LIMIT_WORK_QUEUE);
	sim_job *j = sp_try_alloc(sizeof *j);
	if (j == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a job");
	sim_event_init(&j->event, w, SIM_JOB, on_job);
	j->work = work;
	sp_list_init(&j->node);
	sp_list_push_back(&w->jobs, &j->node);
	w->n_jobs++;
	sim_event_at(w->sim, &j->event, w->sim->now_ns + job_ns(w->sim));
	return SP_OK;
}

/* Finishes the first job now. */
static void finish_job(sim_world *w)
{
	sim_job *j = SP_CONTAINER_OF(w->jobs.next, sim_job, node);
	sim_event_stop(w->sim, &j->event);
	if (j->event.kind == SIM_JOB)
		j->work->fn(j->work);
	on_job_done(&j->event);
}

/* ---- wake-ups ---- */

static sp_code wakeup_new(sp_world *base, void (*fn)(void *arg), void *arg, sp_wakeup **ret, sp_err *err)
{
	sim_wakeup *u = sp_try_alloc(sizeof *u);
	if (u == NULL)
		return sp_fail(err, SP_ENOMEM, "no memory for a wake-up");
	u->base.world = base;
	u->fn = fn;
	u->arg = arg;
	sp_list_push_back(&sim_of(base)->wakeups, &u->node);
	*ret = &u->base;
	return SP_OK;
}

static void wakeup_call(sp_wakeup *base)
{
	SP_CONTAINER_OF(base, sim_wakeup, base)->called = true;
	sim_touch(sim_of(base->world));
}

static void wakeup_free(sp_wakeup *base)
{
	sim_wakeup *u = SP_CONTAINER_OF(base, sim_wakeup, base);
	sp_list_remove(&u->node);
	sp_free(u);
}

/* ---- the world ---- */

static void run(sp_world *base)
{
	sim_world *w = sim_of(base);
	SP_ASSERT(!w->running);
	w->running = true;
	while (!w->stopped && !sp_sim_is_idle(w->sim) && sp_sim_step(w->sim))
		;
	w->running = w->stopped = false;
}

static void stop(sp_world *base)
{
	sim_world *w = sim_of(base);
	if (w->program != NULL && !w->running)
		sp_sim_exit(base, 0); /* its main function would return */
	else
		w->stopped = true;
}

static void on_ended(sim_event *e)
{
	sim_world *w = e->world;
	if (w->state != NULL && w->program->end != NULL)
		w->program->end(w->state, &w->base);
	w->state = NULL;
}

sim_world *sim_world_new(sp_sim_host *h, const sp_sim_program *program)
{
	static const sp_world_ops ops = {
		.run = run,
		.stop = stop,
		.now_ns = now_ns,
		.clock_ns = now_ns,
		.wall_ns = wall_ns,
		.random = random_bytes,
		.buggify = buggify,
		.timer_start = timer_start,
		.timer_stop = timer_stop,
		.defer_call = defer_call,
		.work_start = work_start,
		.wakeup_new = wakeup_new,
		.wakeup_call = wakeup_call,
		.wakeup_free = wakeup_free,
		.signal_watch_new = sim_signal_watch_new,
		.signal_watch_free = sim_signal_watch_free,
		.listen = sim_listen,
		.listener_close = sim_listener_close,
		.connect = sim_connect,
		.connect_cancel = sim_connect_cancel,
		.stream_pair = sim_stream_pair,
		.spawn = sim_spawn,
		.process_kill = sim_process_kill,
		.process_free = sim_process_free,
	};
	sim_world *w = SP_NEW(sim_world);
	w->base = (sp_world){&ops, &sim_file_ops};
	w->sim = h->sim;
	w->host = h;
	w->id = ++h->sim->n_worlds;
	w->pid = 1000 + w->id;
	w->alive = true;
	w->program = program;
	sp_heap_init(&w->timers);
	sim_event_init(&w->timer, w, SIM_TIMER, on_timer);
	sim_event_init(&w->turn, w, SIM_TURN, on_turn);
	sim_event_init(&w->ended, w, SIM_EXIT, on_ended);
	sp_list *const lists[] = {&w->defers,    &w->dirty,    &w->closing,  &w->streams,
				  &w->listeners, &w->connects, &w->wakeups,  &w->jobs,
				  &w->links,     &w->signals,  &w->processes};
	for (size_t i = 0; i < SP_LEN(lists); i++)
		sp_list_init(lists[i]);
	sp_list_init(&w->node);
	sp_list_push_back(&h->sim->worlds, &w->node);
	return w;
}

void sim_world_start(sim_world *w, void *arg)
{
	w->state = w->program->start(arg, &w->base);
	if (w->state == NULL)
		sim_world_end(w, (sp_exit){.code = 1});
}

void sim_world_end(sim_world *w, sp_exit status)
{
	if (!w->alive)
		return;
	w->alive = false;
	if (w->host->main == w)
		w->host->main = NULL;
	sim_connects_cut(w);
	sim_streams_cut(w);
	sim_process_ended(w, status);
	/* Not now: it may be a callback of this very program that asked. */
	sim_event_at(w->sim, &w->ended, w->sim->now_ns);
}

bool sp_sim_is_alive(sp_world *w)
{
	return sim_of(w)->alive;
}

sp_sim_host *sp_sim_host_of(sp_world *w)
{
	return sim_of(w)->host;
}

static void release_handles(sim_world *w)
{
	sim_listeners_close_all(w);
	sim_processes_forget(w);
	sim_links_forget(w);
	SP_LIST_FOREACH (n, &w->wakeups)
		wakeup_free(&SP_CONTAINER_OF(n, sim_wakeup, node)->base);
}

void sp_sim_forget(sp_world *w)
{
	sim_world *world = sim_of(w);
	SP_ASSERT(!world->alive);
	sp_heap_done(&world->timers);
	sp_heap_init(&world->timers);
	arm_timer(world);
	while (sp_list_pop_front(&world->defers) != NULL)
		;
	while (!sp_list_is_empty(&world->jobs))
		job_free(SP_CONTAINER_OF(world->jobs.next, sim_job, node));
	sim_connects_cancel_all(world);
	sim_streams_forget(world);
	release_handles(world);
}

bool sim_world_is_quiet(const sim_world *w)
{
	return !sim_event_is_queued(&w->turn) && !sim_event_is_queued(&w->timer) &&
	       !sim_event_is_queued(&w->ended) && sp_list_is_empty(&w->streams) &&
	       sp_list_is_empty(&w->connects) && sp_list_is_empty(&w->jobs);
}

void sim_world_close_all(sim_world *w)
{
	sim_connects_cancel_all(w);
	while (!sp_list_is_empty(&w->jobs))
		finish_job(w);
	w->running = w->stopped = false;
	w->in_turn = true;
	do {
		SP_LIST_FOREACH (n, &w->streams)
			sim_stream_close_node(n);
	} while (run_round(w) || !sp_list_is_empty(&w->streams));
	w->in_turn = false;
	release_handles(w);
}

void sim_world_free(sim_world *w)
{
	sim_event *const events[] = {&w->timer, &w->turn, &w->ended};
	for (size_t i = 0; i < SP_LEN(events); i++)
		sim_event_stop(w->sim, events[i]);
	sp_heap_done(&w->timers);
	sp_list_remove(&w->node);
	sp_free(w);
}

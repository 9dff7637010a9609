/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's own laws: one seed is one run; time, loops, jobs, lives of programs. */
#include "io/sim/sim.h"

#include <signal.h>

#include "base/alloc.h"
#include "lib/t.h"
#include "sim/flow.h"

#define SECOND UINT64_C(1000000000)
#define N_HOSTS 5u

static sp_sim *new_sim(const sp_sim_opts *opts)
{
	sp_sim *s = sp_sim_new(opts);
	T_DEFER(sp_sim_free, s);
	return s;
}

/* ---- a program that does a bit of everything ---- */

typedef struct call {
	flow flow;
	sp_list node;
} call;

typedef struct chatter {
	sp_world *world;
	sp_listener *listener;
	sp_connect_req req;
	sp_timer timer;
	sp_work job;
	sp_list calls;
	bool working;
	uint64_t n_lives;
} chatter;

static unsigned n_broken; /* promises, over all lives */

static void call_start(chatter *c, sp_stream *s)
{
	call *k = SP_NEW(call);
	sp_list_init(&k->node);
	sp_list_push_back(&c->calls, &k->node);
	k->flow.n_pause = sp_random_u64(c->world) % 20000;
	flow_start(&k->flow, c->world, s, sp_random_u64(c->world) % 50000, 3, 3);
}

static void chatter_accept(void *arg, sp_stream *s)
{
	call_start(arg, s);
}

static void chatter_connected(sp_connect_req *r, sp_stream *s, const sp_err *err)
{
	(void)err;
	if (s != NULL)
		call_start(r->arg, s);
}

static void chatter_job(sp_work *job)
{
	chatter *c = job->arg;
	char text[20];
	int n = snprintf(text, sizeof text, "%llu", (unsigned long long)c->n_lives);
	(void)!sp_file_replace(c->world, SP_STR("/lives"), (sp_str){text, (size_t)n}, 0600, NULL);
}

static void chatter_job_done(sp_work *job)
{
	((chatter *)job->arg)->working = false;
}

static void sweep(chatter *c, bool all)
{
	SP_LIST_FOREACH (n, &c->calls) {
		call *k = SP_CONTAINER_OF(n, call, node);
		n_broken += k->flow.n_wrong;
		if (!all && !k->flow.closed)
			continue;
		sp_list_remove(&k->node);
		sp_free(k);
	}
}

static void chatter_tick(sp_timer *t)
{
	chatter *c = t->arg;
	char address[16];
	sweep(c, false);
	(void)snprintf(address, sizeof address, "h%u:80", (unsigned)(sp_random_u64(c->world) % N_HOSTS));
	if (c->req.impl == NULL)
		(void)!sp_connect(c->world, &c->req, sp_str_c(address), SECOND, NULL);
	if (!c->working)
		c->working = sp_work_start(c->world, &c->job, NULL) == SP_OK;
	sp_timer_start(c->world, t, sp_buggify(c->world, 100000) ? 1 : sp_random_u64(c->world) % SECOND,
		       chatter_tick);
}

static void *chatter_start(void *arg, sp_world *w)
{
	chatter *c = SP_NEW(chatter);
	(void)arg;
	c->world = w;
	c->timer.arg = c->job.arg = c->req.arg = c;
	c->job.fn = chatter_job;
	c->job.done = chatter_job_done;
	c->req.done = chatter_connected;
	sp_list_init(&c->calls);
	sp_str lives;
	if (sp_file_read_arena(w, SP_STR("/lives"), T_ARENA, 20, &lives, NULL) == SP_OK) {
		for (size_t i = 0; i < lives.len; i++)
			c->n_lives = c->n_lives * 10 + (uint64_t)(lives.ptr[i] - '0');
	}
	c->n_lives++;
	SP_ASSERT(sp_listen(w, SP_STR("0.0.0.0:80"), NULL, chatter_accept, c, &c->listener, NULL) == SP_OK);
	sp_timer_start(w, &c->timer, 1, chatter_tick);
	return c;
}

static void chatter_end(void *state, sp_world *w)
{
	chatter *c = state;
	sp_sim_forget(w);
	sweep(c, true);
	sp_free(c);
}

static const sp_sim_program chatter_program = {chatter_start, chatter_end};

typedef struct outcome {
	uint64_t hash, n_steps, n_lives;
} outcome;

static outcome chat(uint64_t seed, uint64_t seconds)
{
	sp_sim_opts o = sp_sim_opts_chaos(seed, true);
	sp_sim *s = sp_sim_new(&o);
	outcome ret = {0};
	for (unsigned i = 0; i < N_HOSTS; i++)
		(void)sp_sim_host_new(s, (char[]){'h', (char)('0' + i), '\0'}, &chatter_program, NULL);
	sp_sim_run_until(s, seconds * SECOND);
	ret.hash = sp_sim_trace_hash(s);
	ret.n_steps = sp_sim_steps(s);
	sp_sim_free(s);
	return ret;
}

SP_TEST(sim_core, one_seed_is_one_run)
{
	uint64_t last = 0;
	for (int i = 0; i < 3; i++) {
		uint64_t seed = t_random();
		t_row("seed %llu", (unsigned long long)seed);
		outcome a = chat(seed, 30);
		void *shift = sp_alloc(1000 + t_random_below(100000)); /* addresses must not matter */
		outcome b = chat(seed, 30);
		sp_free(shift);
		T_EQ_U64(a.n_steps, b.n_steps);
		T_EQ_U64(a.hash, b.hash);
		T_TRUE(a.hash != last);
		T_TRUE(a.n_steps > 1000);
		last = a.hash;
	}
	T_EQ_U64(n_broken, 0);
}

/* ---- loops ---- */

typedef struct script {
	sp_world *world;
	sp_timer timer[4];
	sp_defer defer;
	sp_work job;
	sp_wakeup *wakeup;
	char log[64];
	size_t n;
} script;

static void say(script *s, char c)
{
	SP_ASSERT(s->n < sizeof s->log);
	s->log[s->n++] = c;
}

static void on_timer(sp_timer *t)
{
	script *s = t->arg;
	say(s, (char)('0' + (t - s->timer)));
	sp_defer_call(s->world, &s->defer);
	sp_defer_call(s->world, &s->defer);
}

static void on_defer(sp_defer *d)
{
	say(d->arg, 'd');
}

static void on_job(sp_work *job)
{
	say(job->arg, 'j');
}

static void on_job_done(sp_work *job)
{
	say(job->arg, 'J');
	sp_wakeup_call(((script *)job->arg)->wakeup);
	sp_wakeup_call(((script *)job->arg)->wakeup);
}

static void on_wakeup(void *arg)
{
	say(arg, 'w');
	sp_world_stop(((script *)arg)->world);
}

SP_TEST(sim_core, a_loop_keeps_its_order)
{
	static script s;
	sp_sim *sim = new_sim(NULL);
	s.world = sp_sim_world(sp_sim_host_new(sim, "a", NULL, NULL));
	sp_defer_init(&s.defer, on_defer, &s);
	for (size_t i = 0; i < SP_LEN(s.timer); i++)
		s.timer[i].arg = &s;
	sp_timer_start(s.world, &s.timer[0], 2 * SECOND, on_timer);
	sp_timer_start(s.world, &s.timer[1], SECOND, on_timer);
	sp_timer_start(s.world, &s.timer[2], SECOND, on_timer);
	sp_timer_start(s.world, &s.timer[3], SECOND, on_timer);
	sp_timer_stop(s.world, &s.timer[3]);
	sp_world_run(s.world); /* until nothing is left */
	T_EQ_STR(((sp_str){s.log, s.n}), SP_STR("12d0d"));
	T_EQ_U64(sp_now_ns(s.world), 3 * SECOND);
	s.n = 0;
	s.job = (sp_work){.fn = on_job, .done = on_job_done, .arg = &s};
	T_OK(sp_wakeup_new(s.world, on_wakeup, &s, &s.wakeup, T_ERR));
	T_OK(sp_work_start(s.world, &s.job, T_ERR));
	sp_timer_start(s.world, &s.timer[0], SECOND, on_timer);
	sp_world_run(s.world); /* until stopped */
	T_EQ_STR(((sp_str){s.log, s.n}), SP_STR("jJw"));
	sp_wakeup_free(s.wakeup);
	sp_timer_stop(s.world, &s.timer[0]);
	sp_world_run(s.world); /* the rest of the turn that was stopped */
	T_TRUE(sp_sim_is_idle(sim));
}

SP_TEST(sim_core, clocks_jump_alone)
{
	sp_sim *sim = new_sim(NULL);
	sp_sim_host *a = sp_sim_host_new(sim, "a", NULL, NULL), *b = sp_sim_host_new(sim, "b", NULL, NULL);
	int64_t before = sp_wall_ns(sp_sim_world(b));
	T_EQ_I64(sp_wall_ns(sp_sim_world(a)), before);
	sp_sim_clock_jump(a, -5);
	T_EQ_I64(sp_wall_ns(sp_sim_world(a)), before - 5);
	T_EQ_I64(sp_wall_ns(sp_sim_world(b)), before);
	T_EQ_U64(sp_now_ns(sp_sim_world(a)), sp_now_ns(sp_sim_world(b)));
	T_TRUE(!sp_buggify(sp_sim_world(a), 1000000));
}

/* ---- lives ---- */

typedef struct life {
	unsigned n_starts, n_ends;
	bool was_alive;
	sp_timer timer; /* of the present one */
	unsigned n_fired;
	sp_signal_watch *watch;
} life;

static void life_timer(sp_timer *t)
{
	((life *)t->arg)->n_fired++;
}

static void *life_start(void *arg, sp_world *w)
{
	life *l = arg;
	l->n_starts++;
	l->timer = (sp_timer){.arg = l};
	sp_timer_start(w, &l->timer, 10 * SECOND, life_timer);
	return l;
}

static void life_end(void *state, sp_world *w)
{
	life *l = state;
	l->n_ends++;
	l->was_alive = sp_sim_is_alive(w);
	sp_sim_forget(w);
}

static const sp_sim_program life_program = {life_start, life_end};

SP_TEST(sim_core, a_crash_ends_one_life_and_begins_another)
{
	static life l;
	sp_sim *sim = new_sim(NULL);
	sp_sim_host *h = sp_sim_host_new(sim, "a", &life_program, &l);
	T_TRUE(sp_sim_world(h) == NULL);
	sp_sim_run_until(sim, 2 * SECOND);
	T_EQ_U64(l.n_starts, 1);
	T_TRUE(sp_sim_state(h) == &l);
	sp_sim_crash(h, 3 * SECOND);
	T_TRUE(sp_sim_world(h) == NULL);
	sp_sim_run_until(sim, 4 * SECOND);
	T_EQ_U64(l.n_ends, 1);
	T_TRUE(!l.was_alive);
	T_EQ_U64(l.n_starts, 1);
	sp_sim_run_until(sim, 14 * SECOND);
	T_EQ_U64(l.n_starts, 2);
	T_EQ_U64(l.n_fired, 0);
	sp_sim_run_until(sim, 16 * SECOND);
	T_EQ_U64(l.n_fired, 1);
	sp_sim_exit(sp_sim_world(h), 0);
	sp_sim_run_until(sim, 100 * SECOND);
	T_EQ_U64(l.n_ends, 2);
	T_TRUE(sp_sim_world(h) == NULL);
	sp_sim_boot(h);
	sp_sim_run_until(sim, 101 * SECOND);
	T_EQ_U64(l.n_starts, 3);
}

/* ---- children and signals ---- */

typedef struct parent {
	sp_exit exit;
	unsigned n_exits;
} parent;

static void on_exit_of(void *arg, sp_exit e)
{
	parent *p = arg;
	p->exit = e;
	p->n_exits++;
}

static void life_signal(void *arg, int signal)
{
	life *l = arg;
	l->n_fired += (unsigned)signal;
}

static void *watcher_start(void *arg, sp_world *w)
{
	life *l = arg;
	l->n_starts++;
	return sp_signal_watch_new(w, SIGTERM, life_signal, l, &l->watch, NULL) == SP_OK ? l : NULL;
}

static const sp_sim_program watcher_program = {watcher_start, life_end};

static void *false_start(void *arg, sp_world *w)
{
	(void)arg;
	(void)w;
	return NULL;
}

static const sp_sim_program false_program = {false_start, NULL};

SP_TEST(sim_core, children_are_simulated_programs)
{
	static life l;
	static parent p;
	sp_process *child = NULL;
	static const sp_sim_binary binaries[] = {{"/bin/life", &watcher_program, &l},
						 {"/bin/false", &false_program, NULL}};
	sp_sim *sim = new_sim(&(sp_sim_opts){.binaries = binaries, .n_binaries = SP_LEN(binaries)});
	sp_sim_host *h = sp_sim_host_new(sim, "a", NULL, NULL);
	sp_world *w = sp_sim_world(h);
	sp_spawn_opts o = {.argv = (const char *const[]){"/bin/none", NULL}};
	T_CODE(sp_spawn(w, &o, on_exit_of, &p, &child, T_ERR), SP_ENOTFOUND);
	o.argv = (const char *const[]){"/bin/false", NULL};
	T_OK(sp_spawn(w, &o, on_exit_of, &p, &child, T_ERR));
	sp_world_run(w);
	T_EQ_U64(p.n_exits, 1);
	T_EQ_I64(p.exit.code, 1);
	sp_process_free(child);
	o.argv = (const char *const[]){"/bin/life", NULL};
	T_OK(sp_spawn(w, &o, on_exit_of, &p, &child, T_ERR));
	sp_world_run(w);
	T_EQ_U64(l.n_starts, 1);
	T_OK(sp_process_kill(child, SIGTERM, T_ERR));
	sp_world_run(w);
	T_EQ_U64(l.n_fired, SIGTERM);
	T_EQ_U64(p.n_exits, 1);
	T_OK(sp_process_kill(child, SIGKILL, T_ERR));
	sp_world_run(w);
	T_EQ_U64(p.n_exits, 2);
	T_EQ_I64(p.exit.signal, SIGKILL);
	T_EQ_I64(p.exit.code, 128 + SIGKILL);
	T_EQ_U64(l.n_ends, 1);
	T_CODE(sp_process_kill(child, SIGTERM, T_ERR), SP_EIO);
	sp_process_free(child);
	sp_sim *bare = new_sim(NULL);
	T_CODE(sp_spawn(sp_sim_world(sp_sim_host_new(bare, "a", NULL, NULL)), &o, on_exit_of, &p, &child,
			T_ERR),
	       SP_EUNSUPPORTED);
}

SP_TEST(sim_core, signals_reach_the_program_of_a_host)
{
	static life l;
	sp_sim *sim = new_sim(NULL);
	sp_sim_host *h = sp_sim_host_new(sim, "a", &watcher_program, &l);
	sp_sim_run_until(sim, 2 * SECOND);
	sp_sim_signal(h, SIGTERM);
	sp_sim_signal(h, SIGCHLD);
	sp_sim_run_until(sim, 3 * SECOND);
	T_EQ_U64(l.n_fired, SIGTERM);
	sp_sim_signal(h, SIGHUP); /* nobody watches it */
	sp_sim_run_until(sim, 4 * SECOND);
	T_EQ_U64(l.n_ends, 1);
	T_TRUE(sp_sim_world(h) == NULL);
}

/* ---- liveness ---- */

SP_TEST(sim_core, faults_stop_when_told)
{
	static life l;
	sp_sim_opts o = {.seed = t_random(),
			 .faults = {.crash_ppm = 500000, .part_ppm = 500000, .until_ns = 20 * SECOND}};
	sp_sim *sim = new_sim(&o);
	sp_sim_host *h = sp_sim_host_new(sim, "a", &life_program, &l);
	sp_sim_host *other = sp_sim_host_new(sim, "b", NULL, NULL);
	sp_sim_run_until(sim, 21 * SECOND);
	unsigned n = l.n_starts;
	T_TRUE(n > 5);
	T_TRUE(sp_sim_world(h) != NULL);
	sp_sim_run_until(sim, 100 * SECOND);
	T_EQ_U64(l.n_starts, n);
	T_TRUE(!sp_sim_is_parted(h, other));
	T_TRUE(sp_sim_is_idle(sim));
}

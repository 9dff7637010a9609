/* SPDX-License-Identifier: Apache-2.0 */
#include "io/sim/sim.h"

#include "base/alloc.h"
#include "io/sim/sim_int.h"

#define START_NS UINT64_C(1000000000)
/* What is left at the end gets this long, in simulated time, and this many steps. */
#define END_NS UINT64_C(600000000000)
#define END_STEPS 2000000u

/* ---- chance ---- */

uint64_t sp_sim_random(sp_sim *s)
{
	/* splitmix64 */
	uint64_t z = (s->rng += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t sp_sim_random_below(sp_sim *s, uint64_t n)
{
	SP_ASSERT(n > 0);
	return sp_sim_random(s) % n;
}

bool sim_chance(sp_sim *s, uint32_t p_ppm)
{
	return p_ppm > 0 && !s->calm && sp_sim_random_below(s, PPM) < p_ppm;
}

uint64_t sim_slow_ns(sp_sim *s)
{
	return sim_chance(s, s->opts.faults.slow_ppm) ? sp_sim_random_below(s, s->opts.faults.slow_ns) : 0;
}

uint64_t sim_latency_ns(sp_sim *s, const sp_sim_host *a, const sp_sim_host *b)
{
	uint64_t min = s->opts.latency_min_ns, max = s->opts.latency_max_ns;
	uint64_t ns = min + sp_sim_random_below(s, max - min + 1);
	if (a == b)
		ns /= 100;
	if (sim_chance(s, s->opts.faults.delay_ppm))
		ns += sp_sim_random_below(s, s->opts.faults.delay_ns);
	return ns;
}

/* ---- trace ---- */

static uint64_t mixed(uint64_t hash, uint64_t value)
{
	uint64_t z = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return z ^ (z >> 29);
}

void sp_sim_trace(sp_sim *s, uint64_t value)
{
	s->hash = mixed(s->hash, value);
}

void sim_trace_bytes(sp_sim *s, const void *bytes, size_t n)
{
	const char *at = bytes;
	sp_sim_trace(s, n);
	for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
		uint64_t word = 0;
		memcpy(&word, at + i, SP_MIN(sizeof word, n - i));
		sp_sim_trace(s, word);
	}
}

uint64_t sp_sim_trace_hash(const sp_sim *s)
{
	return s->hash;
}

static uint64_t ended_traces;

uint64_t sp_sim_ended_traces(void)
{
	return ended_traces;
}

/* ---- events ---- */

void sim_event_init(sim_event *e, sim_world *w, uint8_t kind, void (*fn)(sim_event *e))
{
	*e = (sim_event){.fn = fn, .world = w, .kind = kind};
}

static bool is_background(const sim_event *e)
{
	return e->kind == SIM_TICK || e->kind == SIM_LINK_CHANGE;
}

void sim_event_stop(sp_sim *s, sim_event *e)
{
	if (!sim_event_is_queued(e))
		return;
	sp_heap_remove(&s->events, &e->node);
	s->n_background -= is_background(e);
}

void sim_event_at(sp_sim *s, sim_event *e, uint64_t at_ns)
{
	sim_event_stop(s, e);
	/* The second attempt is for tests, which let one allocation fail. */
	if (sp_heap_push(&s->events, &e->node, SP_MAX(at_ns, s->now_ns)) != SP_OK)
		SP_ASSERT(sp_heap_push(&s->events, &e->node, SP_MAX(at_ns, s->now_ns)) == SP_OK);
	s->n_background += is_background(e);
}

bool sp_sim_is_idle(const sp_sim *s)
{
	return s->events.n == s->n_background;
}

bool sp_sim_step(sp_sim *s)
{
	sp_heap_node *first = sp_heap_peek(&s->events);
	if (first == NULL)
		return false;
	sim_event *e = SP_CONTAINER_OF(first, sim_event, node);
	SP_ASSERT(first->key >= s->now_ns);
	s->now_ns = first->key;
	sim_event_stop(s, e);
	s->n_steps++;
	sp_sim_trace(s, s->now_ns);
	sp_sim_trace(s, (uint64_t)e->kind << 32 | (e->world != NULL ? e->world->id : 0));
	e->fn(e);
	for (uint32_t i = 0; i < s->n_checks; i++)
		s->checks[i].fn(s->checks[i].arg);
	return true;
}

void sp_sim_run_until(sp_sim *s, uint64_t at_ns)
{
	const sp_heap_node *first;
	while ((first = sp_heap_peek(&s->events)) != NULL && first->key <= at_ns)
		(void)sp_sim_step(s); /* there is one */
	s->now_ns = SP_MAX(s->now_ns, at_ns);
}

bool sp_sim_run(sp_sim *s, bool (*done)(void *arg), void *arg, uint64_t until_ns)
{
	while (!done(arg)) {
		const sp_heap_node *first = sp_heap_peek(&s->events);
		if (first == NULL || sp_sim_is_idle(s) || first->key > until_ns)
			return false;
		(void)sp_sim_step(s); /* there is one */
	}
	return true;
}

uint64_t sp_sim_now_ns(const sp_sim *s)
{
	return s->now_ns;
}

uint64_t sp_sim_steps(const sp_sim *s)
{
	return s->n_steps;
}

uint64_t sp_sim_seed(const sp_sim *s)
{
	return s->opts.seed;
}

void sp_sim_check(sp_sim *s, void (*fn)(void *arg), void *arg)
{
	SP_ASSERT(s->n_checks < SP_LEN(s->checks));
	s->checks[s->n_checks].fn = fn;
	s->checks[s->n_checks++].arg = arg;
}

/* ---- the simulation ---- */

static void defaults(sp_sim_opts *o)
{
	const struct {
		uint64_t *at, value;
	} rows[] = {
		{&o->latency_min_ns, 100000},
		{&o->latency_max_ns, SP_MAX(o->latency_min_ns, UINT64_C(2000000))},
		{&o->bytes_per_s, 100000000},
		{&o->give_up_ns, UINT64_C(15000000000)},
		{&o->faults.slow_ns, 100000000},
		{&o->faults.delay_ns, 200000000},
		{&o->faults.part_ns, UINT64_C(5000000000)},
		{&o->faults.down_ns, UINT64_C(2000000000)},
		{&o->faults.tick_ns, 100000000},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++)
		*rows[i].at = *rows[i].at == 0 ? rows[i].value : *rows[i].at;
	o->window_bytes = o->window_bytes == 0 ? (size_t)64 << 10 : o->window_bytes;
	o->disk_bytes = o->disk_bytes == 0 ? (size_t)64 << 20 : o->disk_bytes;
	SP_ASSERT(o->latency_min_ns <= o->latency_max_ns);
}

sp_sim *sp_sim_new(const sp_sim_opts *opts)
{
	sp_sim *s = SP_NEW(sp_sim);
	if (opts != NULL)
		s->opts = *opts;
	defaults(&s->opts);
	s->rng = s->opts.seed;
	s->now_ns = START_NS;
	sp_heap_init(&s->events);
	sp_list *const lists[] = {&s->worlds, &s->conns, &s->flying, &s->changes};
	for (size_t i = 0; i < SP_LEN(lists); i++)
		sp_list_init(lists[i]);
	sim_chaos_init(s);
	return s;
}

static bool all_quiet(const sp_sim *s)
{
	SP_LIST_FOREACH (n, &s->worlds) {
		if (!sim_world_is_quiet(SP_CONTAINER_OF(n, sim_world, node)))
			return false;
	}
	return true;
}

void sp_sim_free(sp_sim *s)
{
	if (s == NULL)
		return;
	s->ending = true;
	sp_sim_calm(s);
	s->n_checks = 0;
	for (uint32_t i = 0; i < s->n_hosts; i++)
		sim_event_stop(s, &s->hosts[i]->boot);
	SP_LIST_FOREACH (n, &s->worlds) {
		sim_world *w = SP_CONTAINER_OF(n, sim_world, node);
		if (w->program != NULL)
			sim_world_end(w, (sp_exit){128 + 9, 9});
	}
	uint64_t end_ns = s->now_ns + END_NS;
	for (uint32_t i = 0; i < END_STEPS && s->now_ns < end_ns && !all_quiet(s) && sp_sim_step(s); i++)
		;
	SP_LIST_FOREACH (n, &s->worlds)
		sim_world_close_all(SP_CONTAINER_OF(n, sim_world, node));
	SP_LIST_FOREACH (n, &s->worlds)
		sim_world_free(SP_CONTAINER_OF(n, sim_world, node));
	ended_traces = mixed(ended_traces, s->hash);
	sim_messages_done(s);
	sim_chaos_done(s);
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		sim_disk_free(s->hosts[i]->disk);
		sp_free(s->hosts[i]);
	}
	sp_heap_done(&s->events);
	sp_free(s);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A priority level under a flood: whoever asks for little is served soon, however much another flow asks for;
 * no more run than there are seats; everybody who entered leaves, also when the level changes meanwhile.
 */
#include "apiserver/flow/level.h"
#include "io/sim/sim.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define N_FLOODERS 120u
#define N_QUIET 4u
#define END_NS (20 * SECOND)

typedef struct rig rig;

typedef struct asker {
	rig *g;
	api_ticket ticket;
	sp_timer timer;
	uint64_t flow, pause_ns, asked_ns, vanish;
	uint64_t waited_ns, worst_ns, n_served, n_refused;
	bool waits;
} asker;

struct rig {
	sp_sim *sim;
	sp_world *world;
	api_level *level;
	asker askers[N_FLOODERS + N_QUIET];
	uint32_t seats;
	size_t n_inside;
	bool over, too_many;
};

static void ask(sp_timer *t);

static void rest(asker *a)
{
	if (!a->g->over)
		sp_timer_start(a->g->world, &a->timer, a->pause_ns + t_random_below(MS), ask);
}

static void finish(sp_timer *t)
{
	asker *a = t->arg;
	a->g->n_inside--;
	api_ticket_leave(&a->ticket);
	rest(a);
}

static void begin(asker *a)
{
	rig *g = a->g;
	uint64_t waited = sp_now_ns(g->world) - a->asked_ns;
	a->waits = false;
	a->waited_ns += waited;
	a->worst_ns = SP_MAX(a->worst_ns, waited);
	a->n_served++;
	g->n_inside++;
	g->too_many = g->too_many || g->n_inside > g->seats;
	sp_timer_start(g->world, &a->timer, 5 * MS + t_random_below(10 * MS), finish);
}

static void on_seat(api_ticket *t)
{
	asker *a = SP_CONTAINER_OF(t, asker, ticket);
	sp_timer_stop(a->g->world, &a->timer);
	begin(a);
}

static void on_timeout(api_ticket *t)
{
	asker *a = SP_CONTAINER_OF(t, asker, ticket);
	a->waits = false;
	a->n_refused++;
	rest(a);
}

static void vanish(sp_timer *t)
{
	asker *a = t->arg;
	api_ticket_leave(&a->ticket);
	a->waits = false;
	rest(a);
}

static void ask(sp_timer *t)
{
	asker *a = t->arg;
	a->asked_ns = sp_now_ns(a->g->world);
	a->ticket = (api_ticket){.on_seat = on_seat, .on_timeout = on_timeout};
	switch (api_level_enter(a->g->level, &a->ticket, a->flow)) {
	case API_ENTRY_RUNS:
		begin(a);
		return;
	case API_ENTRY_WAITS:
		a->waits = true;
		if (t_random_below(100) < a->vanish)
			sp_timer_start(a->g->world, &a->timer, t_random_below(20 * MS), vanish);
		return;
	case API_ENTRY_NO_SEAT:
	case API_ENTRY_QUEUE_FULL:
		a->n_refused++;
		break;
	}
	rest(a);
}

static void rig_done(void *arg)
{
	rig *g = arg;
	if (g->level != NULL)
		api_level_retire(g->level);
	sp_sim_free(g->sim);
}

static rig *open_rig(uint32_t seats, uint32_t queues)
{
	rig *g = sp_new(T_ARENA, rig, 1);
	g->sim = sp_sim_new(&(sp_sim_opts){.seed = t_random()});
	t_defer(rig_done, g);
	g->world = sp_sim_world(sp_sim_host_new(g->sim, "server", NULL, NULL));
	g->level = api_level_new(g->world, SP_STR("l"));
	g->seats = seats;
	const api_level_spec spec = {
		.queuing = true, .seats = seats, .queues = queues, .hand_size = 3, .queue_length = 30};
	if (g->level == NULL || api_level_configure(g->level, &spec, NULL) != SP_OK) {
		(void)t_fail(__FILE__, __LINE__, "no level");
		return NULL;
	}
	uint64_t flood = t_random();
	for (size_t i = 0; i < SP_LEN(g->askers); i++) {
		bool quiet = i >= N_FLOODERS;
		g->askers[i] = (asker){.g = g,
				       .flow = quiet ? t_random() : flood,
				       .pause_ns = quiet ? 20 * MS : 0,
				       .vanish = quiet ? 0 : 5};
		g->askers[i].timer.arg = &g->askers[i];
		sp_timer_start(g->world, &g->askers[i].timer, t_random_below(MS), ask);
	}
	return g;
}

static bool is_quiet(void *arg)
{
	const rig *g = arg;
	return api_level_running(g->level) == 0 && api_level_waiting(g->level) == 0;
}

static void end(rig *g)
{
	g->over = true;
	T_TRUE(sp_sim_run(g->sim, is_quiet, g, sp_sim_now_ns(g->sim) + 60 * SECOND));
	T_EQ_U64(g->n_inside, 0);
	for (size_t i = 0; i < SP_LEN(g->askers); i++) {
		sp_timer_stop(g->world, &g->askers[i].timer);
		T_TRUE(!g->askers[i].waits);
	}
}

SP_TEST(sim_flow, a_flood_starves_nobody)
{
	uint64_t flood_ns = 0, flood_served = 0, flood_refused = 0;
	t_no_faults();
	rig *g = open_rig(4, 64);
	if (g == NULL)
		return;
	sp_sim_run_until(g->sim, END_NS);
	end(g);
	T_TRUE(!g->too_many);
	for (size_t i = 0; i < N_FLOODERS; i++) {
		flood_ns += g->askers[i].waited_ns;
		flood_served += g->askers[i].n_served;
		flood_refused += g->askers[i].n_refused;
	}
	T_TRUE(flood_refused > 0 && flood_served > 1000);
	for (size_t i = N_FLOODERS; i < SP_LEN(g->askers); i++) {
		const asker *a = &g->askers[i];
		T_TRUE(a->n_served > 200); /* of the 1000 that pauses alone would allow */
		T_EQ_U64(a->n_refused, 0);
		T_TRUE(a->waited_ns / a->n_served < flood_ns / flood_served / 3);
	}
}

SP_TEST(sim_flow, a_level_that_changes)
{
	t_no_faults();
	rig *g = open_rig(4, 16);
	if (g == NULL)
		return;
	for (unsigned i = 0; i < 20; i++) {
		sp_sim_run_until(g->sim, sp_sim_now_ns(g->sim) + SECOND / 2);
		const api_level_spec spec = {.exempt = i % 7 == 6,
					     .queuing = i % 5 != 4,
					     .seats = 1 + (uint32_t)t_random_below(8),
					     .queues = 1 + (uint32_t)t_random_below(40),
					     .hand_size = 1 + (uint32_t)t_random_below(10),
					     .queue_length = (uint32_t)t_random_below(40)};
		T_TRUE(api_level_configure(g->level, &spec, T_ERR) == SP_OK);
	}
	end(g);
}

SP_TEST(sim_flow, nobody_waits_for_ever)
{
	t_no_faults();
	rig *g = open_rig(4, 16);
	if (g == NULL)
		return;
	sp_sim_run_until(g->sim, sp_sim_now_ns(g->sim) + SECOND);
	const api_level_spec none = {
		.queuing = true, .seats = 0, .queues = 16, .hand_size = 3, .queue_length = 30};
	T_TRUE(api_level_configure(g->level, &none, T_ERR) == SP_OK);
	g->over = true;
	sp_sim_run_until(g->sim, sp_sim_now_ns(g->sim) + API_LEVEL_WAIT_NS + SECOND);
	end(g);
}

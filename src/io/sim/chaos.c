/* SPDX-License-Identifier: Apache-2.0 */
/* Who is parted from whom, and the driver that asks every tick whether something breaks. */
#include "base/alloc.h"
#include "io/sim/sim_int.h"

#define HOUR_NS INT64_C(3600000000000)

/* A pair that is parted or healed later. */
typedef struct change {
	sp_list node; /* of sim->changes */
	sim_event event;
	sp_sim_host *a, *b;
	bool heal;
} change;

/* ---- partitions ---- */

static void set_parted(sp_sim_host *a, sp_sim_host *b, uint16_t n)
{
	sp_sim *s = a->sim;
	bool was = sim_is_cut(s, a, b);
	s->parted[a->index][b->index] = s->parted[b->index][a->index] = n;
	if (!was && n > 0)
		sim_conns_parted(s, a, b);
	else if (was && n == 0)
		sim_conns_healed(s, a, b);
}

void sp_sim_part(sp_sim_host *a, sp_sim_host *b)
{
	SP_ASSERT(a != b);
	set_parted(a, b, (uint16_t)(a->sim->parted[a->index][b->index] + 1));
}

void sp_sim_heal(sp_sim_host *a, sp_sim_host *b)
{
	uint16_t n = a->sim->parted[a->index][b->index];
	if (n > 0)
		set_parted(a, b, (uint16_t)(n - 1));
}

bool sp_sim_is_parted(const sp_sim_host *a, const sp_sim_host *b)
{
	return sim_is_cut(a->sim, a, b);
}

static void change_free(sp_sim *s, change *c)
{
	sim_event_stop(s, &c->event);
	sp_list_remove(&c->node);
	sp_free(c);
}

static void on_change(sim_event *e)
{
	change *c = SP_CONTAINER_OF(e, change, event);
	sp_sim_host *a = c->a, *b = c->b;
	bool heal = c->heal;
	change_free(a->sim, c);
	if (heal)
		sp_sim_heal(a, b);
	else
		sp_sim_part(a, b);
}

static void change_later(sp_sim_host *a, sp_sim_host *b, bool heal, uint64_t delay_ns)
{
	change *c = SP_NEW(change);
	c->a = a;
	c->b = b;
	c->heal = heal;
	sim_event_init(&c->event, NULL, SIM_LINK_CHANGE, on_change);
	sp_list_init(&c->node);
	sp_list_push_back(&a->sim->changes, &c->node);
	sim_event_at(a->sim, &c->event, a->sim->now_ns + delay_ns);
}

void sp_sim_swizzle(sp_sim *s, uint64_t span_ns)
{
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if ((sp_sim_random(s) & 1) == 0)
				continue;
			uint64_t at = sp_sim_random_below(s, span_ns / 2 + 1);
			change_later(s->hosts[i], s->hosts[j], false, at);
			change_later(s->hosts[i], s->hosts[j], true,
				     span_ns / 2 + sp_sim_random_below(s, span_ns / 2 + 1) + 1);
		}
	}
}

void sp_sim_calm(sp_sim *s)
{
	s->calm = true;
	sim_event_stop(s, &s->tick);
	sim_conns_widen(s);
	SP_LIST_FOREACH (n, &s->changes)
		change_free(s, SP_CONTAINER_OF(n, change, node));
	for (uint32_t i = 0; i < s->n_hosts; i++) {
		for (uint32_t j = 0; j < i; j++)
			set_parted(s->hosts[i], s->hosts[j], 0);
		s->hosts[i]->n_fail_syncs = 0;
		if (s->hosts[i]->is_off)
			sp_sim_boot(s->hosts[i]);
	}
}

void sp_sim_fail_syncs(sp_sim_host *h, uint32_t n)
{
	h->n_fail_syncs = n;
}

/* ---- the driver ---- */

static void tick_host(sp_sim *s, sp_sim_host *h)
{
	const sp_sim_faults *f = &s->opts.faults;
	if (h->program != NULL && h->main != NULL && sim_chance(s, f->crash_ppm))
		sp_sim_crash(h, 1 + sp_sim_random_below(s, f->down_ns));
	if (sim_chance(s, f->clock_ppm))
		sp_sim_clock_jump(h, (int64_t)sp_sim_random_below(s, 2 * (uint64_t)HOUR_NS) - HOUR_NS);
}

static void on_tick(sim_event *e)
{
	sp_sim *s = SP_CONTAINER_OF(e, sp_sim, tick);
	const sp_sim_faults *f = &s->opts.faults;
	if (f->until_ns != 0 && s->now_ns >= f->until_ns) {
		sp_sim_calm(s);
		return;
	}
	for (uint32_t i = 0; i < s->n_hosts; i++)
		tick_host(s, s->hosts[i]);
	if (s->n_hosts > 1 && sim_chance(s, f->part_ppm)) {
		uint32_t i = (uint32_t)sp_sim_random_below(s, s->n_hosts);
		uint32_t j = (uint32_t)sp_sim_random_below(s, s->n_hosts - 1);
		sp_sim_host *a = s->hosts[i], *b = s->hosts[j + (j >= i)];
		sp_sim_part(a, b);
		change_later(a, b, true, 1 + sp_sim_random_below(s, f->part_ns));
	}
	if (sim_chance(s, f->swizzle_ppm))
		sp_sim_swizzle(s, f->part_ns);
	sim_event_at(s, &s->tick, s->now_ns + f->tick_ns);
}

void sim_chaos_init(sp_sim *s)
{
	const sp_sim_faults *f = &s->opts.faults;
	sim_event_init(&s->tick, NULL, SIM_TICK, on_tick);
	if (f->part_ppm > 0 || f->swizzle_ppm > 0 || f->crash_ppm > 0 || f->clock_ppm > 0 || f->until_ns > 0)
		sim_event_at(s, &s->tick, s->now_ns + f->tick_ns);
}

void sim_chaos_done(sp_sim *s)
{
	sim_event_stop(s, &s->tick);
	SP_LIST_FOREACH (n, &s->changes)
		change_free(s, SP_CONTAINER_OF(n, change, node));
}

sp_sim_opts sp_sim_opts_chaos(uint64_t seed, bool crashes)
{
	sp_sim_opts o = {.seed = seed};
	sp_sim_faults *f = &o.faults;
	const struct {
		uint32_t *at, max;
		bool wanted;
	} rows[] = {
		{&f->short_io_ppm, 500000, true},    {&f->slow_ppm, 50000, true},
		{&f->delay_ppm, 50000, true},        {&f->reset_ppm, 3000, true},
		{&f->refuse_ppm, 100000, true},      {&f->part_ppm, 50000, true},
		{&f->swizzle_ppm, 5000, true},       {&f->clock_ppm, 10000, true},
		{&f->buggify_ppm, PPM, true},        {&f->loss_ppm, 200000, true},
		{&f->dup_ppm, 100000, true},         {&f->crash_ppm, 20000, crashes},
		{&f->disk_write_ppm, 5000, crashes}, {&f->disk_sync_ppm, 10000, crashes},
	};
	sp_sim draw = {.rng = seed ^ UINT64_C(0x51ab8e3f7d09c264)};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		bool on = sp_sim_random(&draw) % 3 != 0;
		uint32_t rate = (uint32_t)sp_sim_random_below(&draw, rows[i].max) + 1;
		*rows[i].at = on && rows[i].wanted ? rate : 0;
	}
	return o;
}

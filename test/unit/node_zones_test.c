/* SPDX-License-Identifier: Apache-2.0 */
/* How fast pods are driven from nodes that fail, by zones. */
#include "controllers/node_zones.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define N 60u

typedef struct rig {
	node_zones z;
	node_place nodes[N];
} rig;

static void done(void *z)
{
	node_zones_done(z);
}

static rig *open_rig(const node_zone_limits *limits)
{
	rig *g = sp_new(T_ARENA, rig, 1);
	node_zones_init(&g->z, limits);
	T_DEFER(done, &g->z);
	return g;
}

/* Nodes from..to-1 of a zone; false: no memory. *ret: whether a state changed. */
static bool set(rig *g, unsigned from, unsigned to, const char *zone, bool ready, bool *ret)
{
	bool changed;
	*ret = false;
	for (unsigned i = from; i < to; i++) {
		if (node_zones_note(&g->z, &g->nodes[i], sp_str_c(zone), true, ready, &changed) != SP_OK)
			return false;
		*ret = *ret || changed;
	}
	return true;
}

SP_TEST(node_zones, states)
{
	rig *g = open_rig(NULL);
	bool changed;
	T_TRUE(set(g, 0, 10, "a", true, &changed) && !changed);
	T_TRUE(set(g, 0, 5, "a", false, &changed) && !changed);
	T_TRUE(g->nodes[0].zone->state == NODE_ZONE_NORMAL);
	T_TRUE(set(g, 5, 6, "a", false, &changed) && changed); /* 60 of 100 */
	T_TRUE(g->nodes[0].zone->state == NODE_ZONE_PARTIAL);
	T_TRUE(set(g, 6, 10, "a", false, &changed) && changed);
	T_TRUE(g->nodes[0].zone->state == NODE_ZONE_FULL && g->z.all_are_full);
	T_TRUE(set(g, 10, 12, "b", true, &changed) && changed); /* not the whole cluster */
	T_TRUE(g->nodes[0].zone->state == NODE_ZONE_FULL && !g->z.all_are_full);
	/* Two of two: not enough to be called partial, but all. */
	T_TRUE(set(g, 10, 11, "b", false, &changed) && !changed);
	T_TRUE(node_zones_forget(&g->z, &g->nodes[11]));
	T_TRUE(g->z.all_are_full);
	/* One that is left out counts for nothing. */
	T_OK(node_zones_note(&g->z, &g->nodes[10], SP_STR("b"), false, false, &changed));
	T_TRUE(g->z.all_are_full && g->nodes[10].zone->n_unready == 0);
	/* A node that moves is counted once. */
	T_TRUE(set(g, 0, 1, "c", true, &changed) && changed);
	T_EQ_U64(g->nodes[1].zone->n_unready, 9);
	T_EQ_U64(g->nodes[0].zone->n_ready, 1);
}

static bool may(rig *g, unsigned i, uint64_t now_ns, uint64_t wait_ns)
{
	uint64_t wait;
	bool yes = node_zones_may_evict(&g->z, &g->nodes[i], now_ns, &wait);
	return wait == wait_ns && yes;
}

static bool waits(rig *g, unsigned i, uint64_t now_ns, uint64_t wait_ns)
{
	uint64_t wait;
	bool yes = node_zones_may_evict(&g->z, &g->nodes[i], now_ns, &wait);
	return wait == wait_ns && !yes;
}

SP_TEST(node_zones, turns)
{
	rig *g = open_rig(NULL);
	bool changed;
	T_TRUE(set(g, 0, 10, "a", true, &changed) && set(g, 0, 3, "a", false, &changed));
	T_TRUE(may(g, 0, 100 * SECOND, 0));
	T_TRUE(waits(g, 1, 100 * SECOND, 10 * SECOND));
	T_TRUE(waits(g, 2, 100 * SECOND, 20 * SECOND));
	T_TRUE(waits(g, 1, 105 * SECOND, 5 * SECOND));
	T_TRUE(may(g, 1, 110 * SECOND, 0));
	/* It comes back and fails again: a turn anew. */
	T_TRUE(set(g, 2, 3, "a", true, &changed) && set(g, 2, 3, "a", false, &changed));
	T_TRUE(waits(g, 2, 112 * SECOND, 18 * SECOND));
}

SP_TEST(node_zones, unhealthy_zones)
{
	rig *g = open_rig(NULL);
	bool changed;
	T_TRUE(set(g, 0, 10, "small", true, &changed) && set(g, 0, 7, "small", false, &changed));
	T_TRUE(waits(g, 0, SECOND, 0)); /* for good, as things are */
	T_TRUE(set(g, 0, 10, "small", true, &changed));
	rig *large = open_rig(
		&(node_zone_limits){.rate = 1, .secondary_rate = 0.5, .unhealthy = 0.5, .large = 50});
	T_TRUE(set(large, 0, N, "l", true, &changed) && set(large, 0, 40, "l", false, &changed));
	T_TRUE(may(large, 0, SECOND, 0));
	T_TRUE(waits(large, 1, SECOND, 2 * SECOND));
	T_TRUE(waits(large, 2, SECOND, 4 * SECOND));
	/* It is well again: the usual rate, and turns of the lower one hold nobody up. */
	T_TRUE(set(large, 10, 40, "l", true, &changed) && changed);
	T_TRUE(waits(large, 2, SECOND, SECOND));
	T_TRUE(waits(large, 1, SECOND, 2 * SECOND));
	T_TRUE(set(large, 0, N, "l", false, &changed) && large->z.all_are_full);
	T_TRUE(waits(large, 3, 50 * SECOND, 0));
}

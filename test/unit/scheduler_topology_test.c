/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules between pods over many and few domains, one node each or several: whatever way the counts are read,
 * the answers are those of counting pods by hand.
 */
#include <math.h>

#include "lib/t.h"
#include "scheduler/cycle.h"

#define NODES 80u
#define PODS 60u

typedef struct rig {
	sched_state *st;
	sched_profile profile;
	sched_cycle c;
	uint32_t n_racks;
	uint32_t count[NODES +
		       1]; /* pods in each rack, by hand; racks have the numbers that their names say */
} rig;

static rig *rig_new(void)
{
	rig *r = sp_new(T_ARENA, rig, 1);
	r->st = sched_state_new();
	sched_profile_default(&r->profile, false);
	sched_cycle_init(&r->c, r->st, &r->profile);
	r->c.detail = true;
	return r;
}

static void rig_free(rig *r)
{
	sched_cycle_done(&r->c);
	sched_state_free(r->st);
}

static yyjson_val *parse(sp_str text)
{
	yyjson_val *v = NULL;
	return text.ptr != NULL && sp_json_parse(T_ARENA, text, &v, T_ERR) == SP_OK ? v : NULL;
}

static bool put_node(rig *r, unsigned i, bool racked, unsigned rack)
{
	sp_str label = racked ? sp_arena_printf(T_ARENA, "\"rack\":\"%u\"", rack) : SP_STR("");
	yyjson_val *v =
		parse(sp_arena_printf(T_ARENA,
				      "{\"metadata\":{\"name\":\"n%u\",\"labels\":{" SP_FMT
				      "}},\"status\":{\"allocatable\":{\"cpu\":\"9\",\"pods\":\"99\"}}}",
				      i, SP_ARG(label)));
	return v != NULL && sched_put_node(r->st, v, T_ERR) == SP_OK;
}

static sched_pod *make_pod(rig *r, const char *name, const char *spec)
{
	sched_pod *pod = NULL;
	yyjson_val *v = parse(sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"%s\",\"labels\":{"
		"\"app\":\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\"}]%s}}",
		name, name, spec));
	return v != NULL && sched_pod_make(r->st, v, &pod, T_ERR) == SP_OK ? pod : NULL;
}

static uint32_t rack_of(const rig *r, uint32_t slot)
{
	const sp_str *rack =
		sched_label(r->st->t.nodes[slot]->labels, r->st->t.nodes[slot]->n_labels, SP_STR("rack"));
	uint32_t n = 0;
	for (size_t i = 0; rack != NULL && i < rack->len; i++)
		n = n * 10 + (uint32_t)(rack->ptr[i] - '0');
	return rack == NULL ? NODES : n;
}

/* Racks of NODES / n nodes each, one without a rack when `bare`, and pods wherever. */
static bool fill(rig *r, uint32_t n_racks, bool bare)
{
	r->n_racks = n_racks;
	for (unsigned i = 0; i < NODES; i++) {
		if (!put_node(r, i, !(bare && i == 7), i % n_racks))
			return false;
	}
	for (unsigned i = 0; i < PODS; i++) {
		uint32_t slot = (uint32_t)t_random_below(t_random_below(2) == 0 ? NODES : 10);
		sp_str name = sp_arena_printf(T_ARENA, "p%u", i),
		       spec = sp_arena_printf(T_ARENA, ",\"nodeName\":\"n%u\"", slot);
		sched_pod *pod = make_pod(r, name.ptr, spec.ptr);
		if (pod == NULL || sched_put_pod(r->st, pod) != SP_OK)
			return false;
		r->count[rack_of(r, slot)]++;
	}
	r->count[NODES] = 0; /* no rack, no count */
	return true;
}

static bool decide(rig *r, const char *spec)
{
	sched_pod *pod = make_pod(r, "new", spec);
	sp_code code = pod == NULL ? SP_EINVAL : sched_cycle_run(&r->c, pod, true);
	sched_pod_free(r->st, pod);
	return code == SP_OK;
}

#define TERM "{\"topologyKey\":\"rack\",\"labelSelector\":{\"matchLabels\":{\"app\":\"a\"}}}"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"
#define SPREAD(how_)                                                                                  \
	",\"topologySpreadConstraints\":[{\"maxSkew\":2,\"topologyKey\":\"rack\",\"labelSelector\":{" \
	"\"matchLabels\":{\"app\":\"a\"}},\"whenUnsatisfiable\":\"" how_ "\"}]"

static void check_filters(rig *r)
{
	uint32_t min = UINT32_MAX;
	for (uint32_t d = 0; d < r->n_racks; d++)
		min = SP_MIN(min, r->count[d]);
	T_TRUE(decide(r, ",\"affinity\":{\"podAffinity\":{\"" REQUIRED "\":[" TERM "]}}"));
	for (uint32_t slot = 0; slot < NODES; slot++)
		T_EQ_I64(sched_bit(r->c.feasible, slot), r->count[rack_of(r, slot)] > 0);
	T_TRUE(decide(r, ",\"affinity\":{\"podAntiAffinity\":{\"" REQUIRED "\":[" TERM "]}}"));
	for (uint32_t slot = 0; slot < NODES; slot++)
		T_EQ_I64(sched_bit(r->c.feasible, slot), r->count[rack_of(r, slot)] == 0);
	T_TRUE(decide(r, SPREAD("DoNotSchedule")));
	for (uint32_t slot = 0; slot < NODES; slot++)
		T_EQ_I64(sched_bit(r->c.feasible, slot),
			 rack_of(r, slot) != NODES && r->count[rack_of(r, slot)] + 1 - min <= 2);
}

static void check_affinity_scores(rig *r)
{
	int64_t min = INT64_MAX, max = 0;
	T_TRUE(decide(r, ",\"affinity\":{\"podAffinity\":{\"" PREFERRED
			 "\":[{\"weight\":3,\"podAffinityTerm\":" TERM "}]}}"));
	for (uint32_t slot = 0; slot < NODES; slot++) {
		int64_t v = 3 * (int64_t)r->count[rack_of(r, slot)];
		T_EQ_I64(r->c.raw[SCHED_P_INTER_POD_AFFINITY][slot], v);
		min = SP_MIN(min, v);
		max = SP_MAX(max, v);
	}
	for (uint32_t slot = 0; slot < NODES; slot++) {
		int64_t v = 3 * (int64_t)r->count[rack_of(r, slot)];
		double share = max == min ? 0 : (double)(v - min) / (double)(max - min);
		T_EQ_I64(r->c.score[SCHED_P_INTER_POD_AFFINITY][slot], 2 * (int32_t)(100 * share));
	}
}

static void check_spread_scores(rig *r)
{
	int64_t raw[NODES], min = INT64_MAX, max = 0;
	double weight = log(r->n_racks + 2.0);
	T_TRUE(decide(r, SPREAD("ScheduleAnyway")));
	for (uint32_t slot = 0; slot < NODES; slot++) {
		uint32_t rack = rack_of(r, slot);
		raw[slot] = rack == NODES ? 0 : (int64_t)round((double)r->count[rack] * weight + 1);
		T_EQ_I64(r->c.raw[SCHED_P_POD_TOPOLOGY_SPREAD][slot], raw[slot]);
		min = rack == NODES ? min : SP_MIN(min, raw[slot]);
		max = SP_MAX(max, raw[slot]);
	}
	for (uint32_t slot = 0; slot < NODES; slot++) {
		int64_t want = rack_of(r, slot) == NODES ? 0 : 100 * (max + min - raw[slot]) / max;
		T_EQ_I64(r->c.score[SCHED_P_POD_TOPOLOGY_SPREAD][slot], 2 * want);
	}
}

static void check(rig *r)
{
	check_filters(r);
	check_affinity_scores(r);
	check_spread_scores(r);
}

SP_TEST(scheduler_topology, counts_by_hand)
{
	static const uint32_t sizes[] = {80, 40, 20, 5, 2};
	for (size_t i = 0; i < 2 * SP_LEN(sizes); i++) {
		rig *r = rig_new();
		T_DEFER(rig_free, r);
		T_TRUE(r->st != NULL && fill(r, sizes[i / 2], i % 2 == 1));
		check(r);
	}
}

/* Numbers of domains go from node to node: they stop being those of the slots. */
SP_TEST(scheduler_topology, numbers_that_move)
{
	rig *r = rig_new();
	T_DEFER(rig_free, r);
	T_TRUE(r->st != NULL && fill(r, NODES, false));
	/* As long as it waits, the racks have numbers. */
	sched_pod *holder = make_pod(r, "holder",
				     ",\"affinity\":{\"podAffinity\":{\"" PREFERRED
				     "\":[{\"weight\":1,\"podAffinityTerm\":" TERM "}]}}");
	T_TRUE(holder != NULL && sched_put_pod(r->st, holder) == SP_OK);
	const sched_topology *t = sp_map_get(&r->st->topologies, SP_STR("rack"));
	T_TRUE(t != NULL && sched_is_straight(t));
	check(r);
	uint32_t was = r->count[3];
	T_TRUE(put_node(r, 3, false, 0) && put_node(r, 5, false, 0));
	T_TRUE(put_node(r, 3, true, 5) && put_node(r, 5, true, 3));
	r->count[3] = r->count[5];
	r->count[5] = was;
	T_TRUE(!sched_is_straight(t));
	check(r);
	/* Twice the host of one rack, so that two nodes share it. */
	T_TRUE(put_node(r, 9, true, 11));
	r->count[11] += r->count[9];
	r->count[9] = r->count[NODES];
	r->n_racks = NODES - 1;
	T_TRUE(decide(r, ",\"affinity\":{\"podAffinity\":{\"" REQUIRED "\":[" TERM "]}}"));
	for (uint32_t slot = 0; slot < NODES; slot++)
		T_EQ_I64(sched_bit(r->c.feasible, slot), r->count[rack_of(r, slot)] > 0);
	check_affinity_scores(r);
	check_spread_scores(r);
}

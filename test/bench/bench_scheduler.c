/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduling algorithm alone, on one thread and in its CPU time: pods decided (all nodes filtered and
 * scored) and placed, one after the other, on 5,000 nodes in 5 zones that hold 5,000 pods before. The
 * workloads are those of scheduler_perf. Reading the pods is counted apart.
 */
#include <stdio.h>
#include <time.h>

#include "scheduler/cycle.h"

#define NODES 5000u
#define BEFORE 5000u
#define PODS 5000u

static double now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static yyjson_val *parse(sp_arena *a, sp_str text)
{
	yyjson_val *v = NULL;
	sp_arena_rewind(a);
	SP_ASSERT(sp_json_parse(a, text, &v, NULL) == SP_OK);
	return v;
}

static void add_nodes(sched_state *st, sp_arena *a)
{
	char text[512];
	for (unsigned i = 0; i < NODES; i++) {
		int n = snprintf(text, sizeof text,
				 "{\"metadata\":{\"name\":\"node-%u\",\"labels\":{\"kubernetes.io/"
				 "hostname\":\"node-%u\","
				 "\"topology.kubernetes.io/zone\":\"zone-%u\"}},\"status\":{\"allocatable\":"
				 "{\"cpu\":\"16\",\"memory\":\"64Gi\",\"pods\":\"110\"}}}",
				 i, i, i % 5);
		SP_ASSERT(sched_put_node(st, parse(a, (sp_str){text, (size_t)n}), NULL) == SP_OK);
	}
}

static sched_pod *make(sched_state *st, sp_arena *a, const char *rules, const char *name, unsigned i)
{
	char text[2048];
	int n = snprintf(
		text, sizeof text,
		"{\"metadata\":{\"name\":\"%s-%u\",\"namespace\":\"bench\",\"uid\":\"%s-%u\",\"labels\":"
		"{\"app\":\"%s\",\"pod-template-hash\":\"6d5f4c7b9\"}},\"spec\":{\"schedulerName\":\"default-"
		"scheduler\","
		"\"containers\":[{\"name\":\"c\",\"image\":\"registry.example/"
		"app:1\",\"resources\":{\"requests\":"
		"{\"cpu\":\"100m\",\"memory\":\"500Mi\"}}}]%s}}",
		name, i, name, i, name, rules);
	sched_pod *pod;
	SP_ASSERT(sched_pod_make(st, parse(a, (sp_str){text, (size_t)n}), &pod, NULL) == SP_OK);
	return pod;
}

static uint64_t chance(uint64_t *seed)
{
	uint64_t x = *seed += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ (x >> 27);
}

static unsigned place(sched_state *st, sched_cycle *c, sched_pod *pod, uint64_t *seed)
{
	SP_ASSERT(sched_cycle_run(c, pod, false) == SP_OK);
	uint32_t slot = sched_cycle_pick(c, chance(seed));
	if (slot == SCHED_NO_DOMAIN)
		return 0;
	SP_ASSERT(sched_assume(st, pod, st->t.nodes[slot]->name) == SP_OK);
	return 1;
}

#define TERM(key_, app_) \
	"{\"topologyKey\":\"" key_ "\",\"labelSelector\":{\"matchLabels\":{\"app\":\"" app_ "\"}}}"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"
#define ZONE "topology.kubernetes.io/zone"
#define HOST "kubernetes.io/hostname"

static const struct {
	const char *name, *rules;
} workloads[] = {
	{"plain", ""},
	{"required_affinity_zone",
	 ",\"affinity\":{\"podAffinity\":{\"" REQUIRED "\":[" TERM(ZONE, "wave") "]}}"},
	{"anti_affinity_host",
	 ",\"affinity\":{\"podAntiAffinity\":{\"" REQUIRED "\":[" TERM(HOST, "wave") "]}}"},
	{"preferred_affinity_host", ",\"affinity\":{\"podAffinity\":{\"" PREFERRED
				    "\":[{\"weight\":1,\"podAffinityTerm\":" TERM(HOST, "wave") "}]}}"},
	{"spread_zone_hard", ",\"topologySpreadConstraints\":[{\"maxSkew\":5,\"topologyKey\":\"" ZONE
			     "\",\"whenUnsatisfiable\":\"DoNotSchedule\",\"labelSelector\":{\"matchLabels\":{"
			     "\"app\":\"wave\"}}}]"},
	{"spread_zone_soft", ",\"topologySpreadConstraints\":[{\"maxSkew\":5,\"topologyKey\":\"" ZONE
			     "\",\"whenUnsatisfiable\":\"ScheduleAnyway\",\"labelSelector\":{\"matchLabels\":"
			     "{\"app\":\"wave\"}}}]"},
};

static void run(size_t w)
{
	sched_state *st = sched_state_new();
	sched_profile profile;
	sched_cycle c;
	sp_arena a;
	uint64_t seed = 1;
	static sched_pod *pods[PODS];
	SP_ASSERT(st != NULL);
	sp_arena_init(&a, (size_t)1 << 20);
	sched_profile_default(&profile, false);
	sched_cycle_init(&c, st, &profile);
	add_nodes(st, &a);
	for (unsigned i = 0; i < BEFORE; i++) {
		sched_pod *pod = make(st, &a, "", "before", i);
		SP_ASSERT(sched_put_pod(st, pod) == SP_OK);
		(void)place(st, &c, pod, &seed);
	}
	double from = now_us();
	for (unsigned i = 0; i < PODS; i++) {
		pods[i] = make(st, &a, workloads[w].rules, "wave", i);
		SP_ASSERT(sched_put_pod(st, pods[i]) == SP_OK);
	}
	double read = now_us() - from;
	unsigned placed = 0;
	from = now_us();
	for (unsigned i = 0; i < PODS; i++)
		placed += place(st, &c, pods[i], &seed);
	double took = now_us() - from;
	printf("bench scheduler_%s %.0f pods/s peer=none\n", workloads[w].name, PODS * 1e6 / took);
	printf("bench scheduler_%s_read %.2f us peer=none\n", workloads[w].name, read / PODS);
	(void)fprintf(stderr, "%s: %u of %u placed, %.2f us each\n", workloads[w].name, placed, PODS,
		      took / PODS);
	sched_cycle_done(&c);
	sched_state_free(st);
	sp_arena_done(&a);
}

int main(void)
{
	for (size_t w = 0; w < SP_LEN(workloads); w++)
		run(w);
	return 0;
}

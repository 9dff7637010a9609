/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduling algorithm alone, on one thread and in its CPU time: pods decided (all nodes filtered and
 * scored) and placed, one after the other, on 5,000 nodes in 5 zones that hold 5,000 pods before. The
 * workloads are those of scheduler_perf. Reading the pods is counted apart.
 *
 *   bench-scheduler [WORKLOAD]
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scheduler/cycle.h"
#include "scheduler/preempt.h"
#include "scheduler/queue.h"

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

static sched_pod *make(sched_state *st, sp_arena *a, const char *cpu, const char *rules, const char *name,
		       unsigned i)
{
	char text[2048];
	int n = snprintf(
		text, sizeof text,
		"{\"metadata\":{\"name\":\"%s-%u\",\"namespace\":\"bench\",\"uid\":\"%s-%u\",\"labels\":"
		"{\"app\":\"%s\",\"pod-template-hash\":\"6d5f4c7b9\"}},\"spec\":{\"schedulerName\":\"default-"
		"scheduler\","
		"\"containers\":[{\"name\":\"c\",\"image\":\"registry.example/"
		"app:1\",\"resources\":{\"requests\":"
		"{\"cpu\":\"%s\",\"memory\":\"500Mi\"}}}]%s}}",
		name, i, name, i, name, cpu, rules);
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

/* What the live scheduler does with a pod, but for its writes. */
typedef struct rig {
	sched_state *st;
	sched_profile profile;
	sched_cycle c;
	sched_queue queue;
	sp_arena a;
	uint64_t seed;
	sched_pod *pods[PODS];
} rig;

static bool place(rig *r, sched_pod *pod)
{
	SP_ASSERT(sched_cycle_run(&r->c, pod, false) == SP_OK);
	uint32_t slot = sched_cycle_pick(&r->c, chance(&r->seed));
	if (slot == SCHED_NO_DOMAIN)
		return false;
	SP_ASSERT(sched_assume(r->st, pod, r->st->t.nodes[slot]->name) == SP_OK);
	const sched_change change = {.kind = SCHED_CHANGE_POD_PLACED, .pod = pod};
	sched_queue_event(&r->queue, &change, 0);
	return true;
}

/* It is said why no node will do, and looked who could go; the pod takes their place. */
static bool preempt(rig *r, sched_pod *pod)
{
	sched_preemption p;
	if (place(r, pod))
		return true;
	SP_ASSERT(sched_cycle_message(&r->c).ptr != NULL);
	SP_ASSERT(sched_preempt(&r->c, false, chance(&r->seed), &p) == SP_OK);
	if (p.best >= p.n_candidates)
		return false;
	const sched_candidate *k = &p.candidates[p.best];
	for (size_t i = 0; i < k->n_victims; i++)
		sched_remove_pod(r->st, k->victims[i]->key);
	SP_ASSERT(sched_assume(r->st, pod, r->st->t.nodes[k->slot]->name) == SP_OK);
	return true;
}

#define TERM(key_, app_) \
	"{\"topologyKey\":\"" key_ "\",\"labelSelector\":{\"matchLabels\":{\"app\":\"" app_ "\"}}}"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"
#define ZONE "topology.kubernetes.io/zone"
#define HOST "kubernetes.io/hostname"

#define AFFINITY(which_, how_, terms_) ",\"affinity\":{\"" which_ "\":{\"" how_ "\":[" terms_ "]}}"
#define WEIGHTED(term_) "{\"weight\":1,\"podAffinityTerm\":" term_ "}"
#define SPREAD(how_)                                                             \
	",\"topologySpreadConstraints\":[{\"maxSkew\":5,\"topologyKey\":\"" ZONE \
	"\",\"whenUnsatisfiable\":\"" how_ "\",\"labelSelector\":{\"matchLabels\":{\"app\":\"wave\"}}}]"

typedef struct workload {
	const char *name, *cpu, *rules;
	unsigned n_pods;
	bool (*one)(rig *r, sched_pod *pod);
	const char *cpu_before; /* of the pods that are there, 100m unless said */
	unsigned n_before, n_waiting;
	bool service; /* one selects the pods */
} workload;

static const workload workloads[] = {
	{"plain", "100m", "", PODS, .one = place},
	{"required_affinity_zone", "100m", AFFINITY("podAffinity", REQUIRED, TERM(ZONE, "wave")), PODS,
	 .one = place},
	{"anti_affinity_host", "100m", AFFINITY("podAntiAffinity", REQUIRED, TERM(HOST, "wave")), PODS,
	 .one = place},
	{"preferred_affinity_host", "100m", AFFINITY("podAffinity", PREFERRED, WEIGHTED(TERM(HOST, "wave"))),
	 PODS, .one = place},
	{"preferred_anti_affinity_host", "100m",
	 AFFINITY("podAntiAffinity", PREFERRED, WEIGHTED(TERM(HOST, "wave"))), PODS, .one = place},
	{"spread_zone_hard", "100m", SPREAD("DoNotSchedule"), PODS, .one = place},
	{"spread_zone_soft", "100m", SPREAD("ScheduleAnyway"), PODS, .one = place},
	{"spread_default", "100m", "", PODS, .one = place, .service = true},
	{"unschedulable_waiting", "100m", "", PODS, .one = place, .n_waiting = PODS},
	{"unschedulable", "17", ",\"priority\":10", PODS / 5, .one = preempt},
	{"preemption", "12", ",\"priority\":10", PODS / 5, .one = preempt, .cpu_before = "3900m",
	 .n_before = 4 * NODES},
};

static void add_service(rig *r)
{
	const sp_str text = SP_STR("{\"metadata\":{\"name\":\"wave\",\"namespace\":\"bench\"},"
				   "\"spec\":{\"selector\":{\"app\":\"wave\"}}}");
	SP_ASSERT(sched_put_source(r->st, SCHED_SERVICE, parse(&r->a, text), NULL) == SP_OK);
}

/* Pods too large for any node; they wait. */
static void add_waiting(rig *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		sched_pod *pod = make(r->st, &r->a, "17", "", "large", i);
		SP_ASSERT(sched_put_pod(r->st, pod) == SP_OK);
		SP_ASSERT(sched_queue_put(&r->queue, pod, SCHED_OWN_SPEC, 0) == SP_OK);
		sched_queued *q = sched_queue_pop(&r->queue, 0);
		SP_ASSERT(q != NULL);
		sched_queue_failed(&r->queue, q, 1u << SCHED_P_NODE_RESOURCES_FIT, 0);
	}
}

static void fill(rig *r, const workload *w)
{
	unsigned n = w->n_before == 0 ? BEFORE : w->n_before;
	add_nodes(r->st, &r->a);
	for (unsigned i = 0; i < n; i++) {
		sched_pod *pod =
			make(r->st, &r->a, w->cpu_before == NULL ? "100m" : w->cpu_before, "", "before", i);
		SP_ASSERT(sched_put_pod(r->st, pod) == SP_OK);
		(void)place(r, pod);
	}
	if (w->service)
		add_service(r);
	add_waiting(r, w->n_waiting);
}

/* A function of its own for profilers: callgrind --toggle-collect=decide_all counts nothing else. */
static unsigned __attribute__((noinline)) decide_all(rig *r, const workload *w)
{
	unsigned placed = 0;
	for (unsigned i = 0; i < w->n_pods; i++)
		placed += w->one(r, r->pods[i]);
	return placed;
}

static void run(const workload *w)
{
	static rig r;
	r = (rig){.seed = 1, .st = sched_state_new()};
	SP_ASSERT(r.st != NULL);
	sp_arena_init(&r.a, (size_t)1 << 20);
	sched_profile_default(&r.profile, false);
	sched_cycle_init(&r.c, r.st, &r.profile);
	sched_queue_init(&r.queue, r.st);
	fill(&r, w);
	double from = now_us();
	for (unsigned i = 0; i < w->n_pods; i++) {
		r.pods[i] = make(r.st, &r.a, w->cpu, w->rules, "wave", i);
		SP_ASSERT(sched_put_pod(r.st, r.pods[i]) == SP_OK);
	}
	double read = now_us() - from;
	from = now_us();
	unsigned placed = decide_all(&r, w);
	double took = now_us() - from;
	printf("bench scheduler_%s %.0f pods/s peer=none\n", w->name, w->n_pods * 1e6 / took);
	printf("bench scheduler_%s_read %.2f us peer=none\n", w->name, read / w->n_pods);
	(void)fprintf(stderr, "%s: %u of %u placed, %.2f us each\n", w->name, placed, w->n_pods,
		      took / w->n_pods);
	sched_queue_done(&r.queue);
	sched_cycle_done(&r.c);
	sched_state_free(r.st);
	sp_arena_done(&r.a);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < SP_LEN(workloads); i++) {
		if (argc < 2 || strcmp(argv[1], workloads[i].name) == 0)
			run(&workloads[i]);
	}
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduling through the API: our API server and scheduler as processes of their own over a durable store,
 * and kube-scheduler with kube-apiserver over etcd beside them (PEER_KUBE_SCHEDULER, PEER_KUBE_APISERVER,
 * PEER_ETCD). The workloads are those of scheduler_perf (test/integration/scheduler_perf), with its templates
 * and admission plugins, each on servers that begin empty, ours and the peer's in turn:
 *
 *   - nodes that are only objects, and pods that are on them from the start (scheduler_perf has them
 *     scheduled; here they are created with their node, the same one for both);
 *   - pods one after the other, each created when the one before was bound: `alone`;
 *   - pods as fast as they can be created, until all are bound or the time is over: the rate, and how long
 *     pods waited that were bound in that time, which is the length of the queue.
 *
 * A pod's latency is from its request to the event of a watch that it has a node. Processor time of the
 * scheduler, of the server's processes and of this generator is told apart, per pod of the burst.
 *
 *   bench-schedapi [WORKLOAD]
 *
 * SCHED_NODES (5000), SCHED_PODS (5000), SCHED_SECONDS (45): the time of one burst. All workloads of a peer
 * of 100 pods/s take ten minutes. Workloads that need a node for each pod have half or a fifth of the pods.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "lib/api_rig.h"

#define N_FLIGHTS 64u
#define WATCH_CONNECTION (RIG_CONNECTIONS - 1)
#define CREATE_CONNECTIONS 8u
#define N_WARM 10u
#define N_ALONE 100u
#define ALONE_S 15.0
#define START_S 180.0 /* on a busy machine, too */
#define CHURN_NS UINT64_C(200000000)
#define MS UINT64_C(1000000)
#define EVENT_BYTES ((size_t)16 << 20)

/* ---- workloads ---- */

#define TERM(color_, key_)                                                                        \
	"{\"labelSelector\":{\"matchLabels\":{\"color\":\"" color_ "\"}},\"topologyKey\":\"" key_ \
	"\",\"namespaces\":[\"sched-1\",\"sched-0\"]}"
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
#define PREFERRED "preferredDuringSchedulingIgnoredDuringExecution"
#define AFFINITY(which_, how_, terms_) "\"affinity\":{\"" which_ "\":{\"" how_ "\":[" terms_ "]}},"
#define ZONE "topology.kubernetes.io/zone"
#define HOST "kubernetes.io/hostname"

typedef struct template
{
	const char *color, *rules, *cpu;
	bool has_limits;
}
template;

static const template plain = {"", "", "100m", true},
		      near = {"blue", AFFINITY("podAffinity", REQUIRED, TERM("blue", ZONE)), "100m", true},
		      apart = {"green", AFFINITY("podAntiAffinity", REQUIRED, TERM("green", HOST)), "100m",
			       true},
		      rather_near = {"red",
				     AFFINITY("podAffinity", PREFERRED,
					      "{\"podAffinityTerm\":" TERM("red", HOST) ",\"weight\":1}"),
				     "100m", true},
		      spread = {"blue",
				"\"topologySpreadConstraints\":[{\"maxSkew\":5,\"topologyKey\":\"" ZONE
				"\",\"whenUnsatisfiable\":\"DoNotSchedule\",\"labelSelector\":{"
				"\"matchLabels\":"
				"{\"color\":\"blue\"}}}],",
				"100m", true},
		      low = {"", "\"terminationGracePeriodSeconds\":0,", "900m", true},
		      high = {"", "\"priority\":10,", "3000m", true},
		      too_large = {"", "\"priority\":10,", "9", false};

typedef struct workload {
	const char *name;
	const template *before, *pods;
	unsigned before_of_100_nodes;
	unsigned n_zones; /* 0: nodes have none */
	unsigned divisor; /* of the pods, when not 1 */
	bool churn;       /* a pod that fits nowhere every fifth of a second */
} workload;

static const workload workloads[] = {
	{"basic", &plain, &plain, 20, 0, 1, false},
	{"affinity", &near, &near, 100, 1, 1, false},
	{"anti_affinity", &apart, &apart, 20, 0, 2, false}, /* of 5,000 nodes 1,000 are taken */
	{"preferred_affinity", &rather_near, &rather_near, 100, 0, 1, false},
	{"spread", &plain, &spread, 100, 3, 1, false},
	{"unschedulable", &plain, &plain, 2, 0, 1, true},
	{"preemption", &low, &high, 400, 0, 5, false},
};

/* ---- sizes ---- */

static size_t n_nodes, n_pods;
static double burst_s;

static size_t size_of(const char *variable, size_t otherwise)
{
	const char *s = getenv(variable);
	size_t n = s == NULL ? 0 : strtoul(s, NULL, 10);
	return n == 0 ? otherwise : n;
}

/* ---- one run: a workload on one pair of servers ---- */

static struct run {
	const workload *w;
	unsigned long long revision;
	sp_buf events;             /* of the watch, until a line is whole */
	double *created, *bound;   /* seconds, of each measured pod; bound 0: not yet */
	size_t n_created, n_bound; /* measured ones */
	size_t n_wanted;           /* bound ones that end the loop; 0: none does */
	size_t n_churned;
	double last_bound;
	bool is_watching, is_closing;
} run;

static void print_node(size_t i, char path[256], char *body, size_t cap)
{
	char zone[80] = "";
	if (run.w->n_zones > 0)
		(void)snprintf(zone, sizeof zone, ",\"" ZONE "\":\"zone-%zu\"", i % run.w->n_zones);
	(void)snprintf(path, 256, "/api/v1/nodes");
	(void)snprintf(
		body, cap,
		"{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"node-%zu\",\"labels\":{"
		"\"" HOST "\":\"node-%zu\"%s}},\"status\":{\"capacity\":{\"cpu\":\"4\",\"memory\":\"32Gi\","
		"\"pods\":\"110\"},\"allocatable\":{\"cpu\":\"4\",\"memory\":\"32Gi\",\"pods\":\"110\"},"
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
		i, i, zone);
}

/* on: the node's number, SIZE_MAX for none. */
static void print_pod(const template *t, const char *name, size_t i, size_t on, char *body, size_t cap)
{
	char node[48] = "", labels[48] = "", limits[80] = "";
	if (on != SIZE_MAX)
		(void)snprintf(node, sizeof node, "\"nodeName\":\"node-%zu\",", on);
	if (t->color[0] != 0)
		(void)snprintf(labels, sizeof labels, ",\"labels\":{\"color\":\"%s\"}", t->color);
	if (t->has_limits)
		(void)snprintf(limits, sizeof limits, ",\"limits\":{\"cpu\":\"%s\",\"memory\":\"500Mi\"}",
			       t->cpu);
	(void)snprintf(
		body, cap,
		"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s-%zu\"%s},\"spec\":{%s%s"
		"\"containers\":[{\"name\":\"pause\",\"image\":\"registry.k8s.io/pause:3.10.2\",\"ports\":[{"
		"\"containerPort\":80}],\"resources\":{\"requests\":{\"cpu\":\"%s\",\"memory\":\"500Mi\"}%s}"
		"}]}}",
		name, i, labels, node, t->rules, t->cpu, limits);
}

#define PODS_0 "/api/v1/namespaces/sched-0/pods"
#define PODS_1 "/api/v1/namespaces/sched-1/pods"

static void print_before(size_t i, char path[256], char *body, size_t cap)
{
	(void)snprintf(path, 256, PODS_0);
	print_pod(run.w->before, "before", i, i % n_nodes, body, cap);
}

static void print_measured(size_t i, char path[256], char *body, size_t cap)
{
	(void)i; /* of this load; their numbers go on from one to the next */
	(void)snprintf(path, 256, PODS_1);
	print_pod(run.w->pods, "measured", run.n_created, SIZE_MAX, body, cap);
	run.created[run.n_created++] = rig_now_s();
}

/* ---- many creates ---- */

typedef struct load {
	void (*print)(size_t i, char path[256], char *body, size_t cap);
	size_t n, asked, running;
	bool ends_loop; /* when all are answered */
} load;

typedef struct flight {
	load *l;
	size_t connection;
} flight;

static void go(flight *f);

static void on_created(sp_http_exchange *ex, const sp_err *err)
{
	flight *f = ex->arg;
	if (err != NULL || ex->status != 201) {
		(void)fprintf(stderr, "create: status %u\n", ex->status);
		rig_die("create", err);
	}
	f->l->running--;
	go(f);
}

static const sp_http_events create_events = {.on_close = on_created};

static void create(size_t connection, const char *path, const char *body, const sp_http_events *events,
		   void *arg)
{
	sp_err err;
	const rig_ask a = {.method = SP_STR("POST"), .path = sp_str_c(path), .body = body, .as_admin = true};
	if (rig_start(connection, &a, events, arg, &err) != SP_OK)
		rig_die("create", &err);
}

static void go(flight *f)
{
	load *l = f->l;
	char path[256], body[2048];
	if (l->asked == l->n) {
		if (l->running == 0 && l->ends_loop)
			sp_world_stop(rig_world);
		return;
	}
	l->print(l->asked++, path, body, sizeof body);
	l->running++;
	create(f->connection, path, body, &create_events, f);
}

/* `l` and the flights must stay until all are answered. */
static void take_off(load *l, flight flights[N_FLIGHTS], size_t n_flights)
{
	for (size_t i = 0; i < n_flights; i++) {
		flights[i] = (flight){l, i % CREATE_CONNECTIONS};
		go(&flights[i]);
	}
}

static void create_all(size_t n, void (*print)(size_t, char *, char *, size_t))
{
	flight flights[N_FLIGHTS];
	load l = {.print = print, .n = n, .ends_loop = true};
	take_off(&l, flights, SP_MIN(n, N_FLIGHTS));
	if (!rig_run(10 * RIG_PATIENCE_NS))
		rig_die("creates take too long", NULL);
}

/* ---- the watch ---- */

static unsigned long long revision_in(const char *text, size_t n)
{
	static const char mark[] = "\"resourceVersion\":\"";
	const char *at = memmem(text, n, mark, sizeof mark - 1);
	if (at == NULL)
		rig_die("no revision in an event or a list", NULL);
	return strtoull(at + sizeof mark - 1, NULL, 10);
}

/* Any event of a measured pod here says that it has a node. */
static void on_event(const char *line, size_t n)
{
	static const char mark[] = "\"name\":\"measured-";
	const char *at = memmem(line, n, mark, sizeof mark - 1);
	run.revision = revision_in(line, n);
	size_t i = at == NULL ? SIZE_MAX : strtoul(at + sizeof mark - 1, NULL, 10);
	if (i >= run.n_created || run.bound[i] != 0)
		return;
	run.last_bound = run.bound[i] = rig_now_s();
	if (++run.n_bound == run.n_wanted)
		sp_world_stop(rig_world);
}

static void on_events(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	(void)ex;
	const char *end, *at;
	if (sp_buf_append(&run.events, bytes, n) != SP_OK)
		rig_die("an event is too large", NULL);
	sp_str v = sp_buf_view(&run.events);
	for (at = v.ptr; (end = memchr(at, '\n', (size_t)(v.ptr + v.len - at))) != NULL; at = end + 1)
		on_event(at, (size_t)(end - at));
	sp_buf_consume(&run.events, (size_t)(at - v.ptr));
}

static void on_watching(sp_http_exchange *ex)
{
	if (ex->status != 200)
		rig_die("the watch was refused", NULL);
	if (!run.is_watching)
		sp_world_stop(rig_world);
	run.is_watching = true;
}

static void watch(void);

/* kube-apiserver ends a watch that reads too slowly for a moment, as on a busy machine: it goes on. */
static void on_watch_closed(sp_http_exchange *ex, const sp_err *err)
{
	(void)ex;
	if (run.is_closing)
		return;
	if (err != NULL)
		rig_die("the watch broke", err);
	sp_buf_clear(&run.events);
	watch();
}

static const sp_http_events watch_events = {
	.on_response = on_watching, .on_body = on_events, .on_close = on_watch_closed};

static void watch(void)
{
	sp_err err;
	char path[256];
	int n = snprintf(path, sizeof path,
			 PODS_1 "?watch=1&resourceVersion=%llu&fieldSelector=spec.nodeName%%21%%3D",
			 run.revision);
	const rig_ask a = {.path = {path, (size_t)n}, .as_admin = true};
	if (rig_start(WATCH_CONNECTION, &a, &watch_events, NULL, &err) != SP_OK)
		rig_die("watch", &err);
}

static void open_watch(void)
{
	const rig_ask empty = {.path = SP_STR("/api/v1/namespaces/none/pods"), .as_admin = true};
	rig_answer a = rig_call(&empty);
	run.revision = revision_in(a.head, SP_MIN(a.n, sizeof a.head));
	watch();
	if (!rig_run(RIG_PATIENCE_NS))
		rig_die("the watch does not open", NULL);
}

/* ---- measuring ---- */

/* Until so many measured pods are bound in all. False: the time was over. */
static bool await_bound(size_t n, double seconds)
{
	run.n_wanted = n;
	bool there = run.n_bound >= n || rig_run((uint64_t)(seconds * 1e9));
	run.n_wanted = 0;
	return there;
}

/* Further pods, side by side as many as may be; until all that were created so far are bound. */
static bool schedule(size_t n, double seconds)
{
	static flight flights[N_FLIGHTS]; /* a create may be in flight when the time is over */
	static load l;
	SP_ASSERT(l.running == 0);
	l = (load){.print = print_measured, .n = n};
	size_t all = run.n_created + n;
	take_off(&l, flights, SP_MIN(n, N_FLIGHTS));
	bool there = await_bound(all, seconds);
	l.n = l.asked;
	while (l.running > 0) {
		l.ends_loop = true;
		if (!rig_run(RIG_PATIENCE_NS))
			rig_die("creates take too long", NULL);
	}
	return there;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void put(const char *what, double value, const char *unit, int decimals)
{
	static char names[128][48];
	static size_t n;
	char name[48];
	(void)snprintf(name, sizeof name, "%s_%s", run.w->name, what);
	size_t i = 0;
	while (i < n && strcmp(names[i], name) != 0)
		i++;
	SP_ASSERT(i < SP_LEN(names));
	if (i == n)
		memcpy(names[n++], name, sizeof name);
	rig_put(names[i], value, unit, decimals);
}

/* Of the pods from `first` on that were bound. */
static void put_latencies(size_t first, const char *p50, const char *p99)
{
	double *took = malloc((run.n_created + 1) * sizeof *took);
	size_t n = 0;
	if (took == NULL)
		rig_die("memory", NULL);
	for (size_t i = first; i < run.n_created; i++)
		if (run.bound[i] != 0)
			took[n++] = (run.bound[i] - run.created[i]) * 1000;
	if (n == 0)
		rig_die("nothing was scheduled", NULL);
	qsort(took, n, sizeof *took, by_value);
	put(p50, took[n / 2], "ms", 2);
	put(p99, took[n * 99 / 100], "ms", 2);
	free(took);
}

static void measure_alone(void)
{
	size_t first = run.n_created;
	double end = rig_now_s() + ALONE_S;
	for (size_t i = 0; i < N_ALONE && rig_now_s() < end; i++)
		if (!schedule(1, START_S))
			rig_die("a pod is not scheduled", NULL);
	put_latencies(first, "alone_p50", "alone_p99");
}

static void measure_burst(size_t n)
{
	size_t first = run.n_created, bound = run.n_bound;
	double load_average = 0;
	(void)getloadavg(&load_average, 1);
	put("load_average", load_average, "processes", 2);
	double scheduler = rig_scheduler_cpu_s(), server = rig_server_cpu_s(),
	       own = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID), began = rig_now_s();
	bool all = schedule(n, burst_s);
	double done = (double)(run.n_bound - bound);
	put("pods", done, "pods", 0);
	put("rate", done / ((all ? run.last_bound : rig_now_s()) - began), "pods/s", 0);
	put_latencies(first, "p50", "p99");
	put("scheduler_cpu", (rig_scheduler_cpu_s() - scheduler) * 1e6 / done, "us", 0);
	put("server_cpu", (rig_server_cpu_s() - server) * 1e6 / done, "us", 0);
	put("generator_cpu", (rig_clock_s(CLOCK_PROCESS_CPUTIME_ID) - own) * 1e6 / done, "us", 0);
}

/* ---- pods that fit nowhere ---- */

static void on_churned(sp_http_exchange *ex, const sp_err *err)
{
	if (!run.is_closing && (err != NULL || ex->status != 201))
		rig_die("create", err);
}

static const sp_http_events churn_events = {.on_close = on_churned};

static void on_churn(sp_timer *t)
{
	char body[2048];
	print_pod(&too_large, "large", run.n_churned++, SIZE_MAX, body, sizeof body);
	create(CREATE_CONNECTIONS, PODS_0, body, &churn_events, NULL);
	sp_timer_start(rig_world, t, CHURN_NS, on_churn);
}

/* ---- the run ---- */

static void set_up(void)
{
	static const char *const names[] = {"sched-0", "sched-1"};
	for (size_t i = 0; i < SP_LEN(names); i++) {
		char name[100];
		(void)snprintf(name, sizeof name, "{\"metadata\":{\"name\":\"%s\"}}", names[i]);
		rig_must(&(rig_ask){.method = SP_STR("POST"),
				    .path = SP_STR("/api/v1/namespaces"),
				    .body = name,
				    .as_admin = true});
	}
	create_all(n_nodes, print_node);
	create_all(n_nodes * run.w->before_of_100_nodes / 100, print_before);
}

static void one_run(const workload *w, bool peer)
{
	size_t n = SP_MAX(n_pods / w->divisor, 1u), room = n + N_WARM + N_ALONE + N_FLIGHTS;
	sp_timer churn = {0};
	run = (struct run){
		.w = w, .created = calloc(room, sizeof(double)), .bound = calloc(room, sizeof(double))};
	if (run.created == NULL || run.bound == NULL)
		rig_die("memory", NULL);
	sp_buf_init(&run.events, EVENT_BYTES);
	rig_open_clients();
	rig_server_start(peer);
	set_up();
	open_watch();
	rig_scheduler_start();
	if (w->churn)
		sp_timer_start(rig_world, &churn, CHURN_NS, on_churn);
	if (!schedule(N_WARM, START_S))
		rig_die("nothing is scheduled; see " RIG_DIR, NULL);
	measure_alone();
	measure_burst(n);
	sp_timer_stop(rig_world, &churn);
	run.is_closing = true;
	rig_scheduler_stop();
	rig_close_clients();
	rig_server_stop();
	rig_server_forget();
	sp_buf_done(&run.events);
	free(run.created);
	free(run.bound);
}

int main(int argc, char **argv)
{
	bool peer = rig_has_peer() && getenv("PEER_KUBE_SCHEDULER") != NULL;
	n_nodes = size_of("SCHED_NODES", 5000);
	n_pods = size_of("SCHED_PODS", 5000);
	burst_s = (double)size_of("SCHED_SECONDS", 45);
	rig_flags[0] = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition,Priority";
	rig_init();
	for (size_t i = 0; i < SP_LEN(workloads); i++) {
		if (argc > 1 && strcmp(argv[1], workloads[i].name) != 0)
			continue;
		one_run(&workloads[i], false);
		if (peer)
			one_run(&workloads[i], true);
		rig_print("schedapi", "kube-scheduler");
	}
	return rig_done();
}

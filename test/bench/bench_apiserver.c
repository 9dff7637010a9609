/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server as a process of its own, and kube-apiserver over etcd beside it where PEER_KUBE_APISERVER
 * and PEER_ETCD name the programs (test/lib/api_rig.h), driven by a user whom RBAC allows. Processor time is
 * that of all processes of the server; the generator's own is printed apart.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/api_rig.h"

#define N_FLIGHTS 64u
#define N_OBJECTS 10000u
#define N_WATCHERS 1000u
#define N_ONE_BY_ONE 300u
#define N_EVENTS 40u
#define N_NODE_EVENTS 200u
#define N_LISTS 5u
#define GET_NS UINT64_C(2000000000)
#define CREATE_NS UINT64_C(15000000000) /* a slow peer gets fewer objects */
#define MS UINT64_C(1000000)

/* ---- many requests ---- */

/* Flights that ask, wait and ask again, until `n` were asked or the time is over. */
typedef struct load {
	void (*next)(size_t i, rig_ask *a, char path[256]); /* the i-th request */
	size_t n, n_flights, n_connections;
	uint64_t limit_ns;
	size_t asked, done, bad, running;
	uint64_t n_bytes;
	bool over;
	double *latencies; /* of each, or NULL */
	double seconds, cpu_s, own_cpu_s;
} load;

typedef struct flight {
	load *l;
	size_t connection;
	double began;
} flight;

static void flight_go(flight *f);

static void flight_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	flight *f = ex->arg;
	(void)bytes;
	f->l->n_bytes += n;
}

static void flight_close(sp_http_exchange *ex, const sp_err *err)
{
	flight *f = ex->arg;
	load *l = f->l;
	l->running--;
	if (err != NULL || ex->status / 100 != 2)
		l->bad++;
	else if (l->latencies != NULL)
		l->latencies[l->done] = rig_now_s() - f->began;
	l->done++;
	flight_go(f);
}

static const sp_http_events flight_events = {.on_body = flight_body, .on_close = flight_close};

static void flight_go(flight *f)
{
	load *l = f->l;
	sp_err err;
	char path[256];
	rig_ask a = {0};
	if (l->over || l->asked == l->n) {
		if (l->running == 0)
			sp_world_stop(rig_world);
		return;
	}
	l->next(l->asked++, &a, path);
	l->running++;
	f->began = rig_now_s();
	if (rig_start(f->connection, &a, &flight_events, f, &err) != SP_OK)
		rig_die("load", &err);
}

static void load_over(sp_timer *t)
{
	((load *)t->arg)->over = true;
}

static void run_load(load *l, const char *what)
{
	flight flights[N_FLIGHTS];
	sp_timer t = {.arg = l};
	SP_ASSERT(l->n_flights <= N_FLIGHTS);
	double cpu = rig_server_cpu_s(), own = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID), began = rig_now_s();
	sp_timer_start(rig_world, &t, l->limit_ns, load_over);
	for (size_t i = 0; i < l->n_flights; i++) {
		flights[i] = (flight){.l = l, .connection = i % l->n_connections};
		flight_go(&flights[i]);
	}
	bool in_time = rig_run(RIG_PATIENCE_NS);
	sp_timer_stop(rig_world, &t);
	l->seconds = rig_now_s() - began;
	l->cpu_s = rig_server_cpu_s() - cpu;
	l->own_cpu_s = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID) - own;
	if (!in_time || l->bad > 0 || l->done == 0) {
		(void)fprintf(stderr, "%zu of %zu requests failed\n", l->bad, l->done);
		rig_die(what, NULL);
	}
}

static double per_op_us(const load *l, double seconds)
{
	return seconds * 1e6 / (double)l->done;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* ---- creates, gets, lists ---- */

static char filler[900];
static char body[2048];
static size_t n_created;
static const char *ns, *name_prefix;

static void next_create(size_t i, rig_ask *a, char path[256])
{
	int n = snprintf(path, 256, "/api/v1/namespaces/%s/configmaps", ns);
	(void)snprintf(body, sizeof body,
		       "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s-%05zu\"},"
		       "\"data\":{\"text\":\"%s\"}}",
		       name_prefix, i, filler);
	*a = (rig_ask){.method = SP_STR("POST"), .path = {path, (size_t)n}, .body = body};
}

static void next_get(size_t i, rig_ask *a, char path[256])
{
	int n = snprintf(path, 256, "/api/v1/namespaces/%s/configmaps/many-%05zu", ns,
			 i * 2654435761u % n_created);
	*a = (rig_ask){.method = SP_STR("GET"), .path = {path, (size_t)n}};
}

static bool list_protobuf;

static void next_list(size_t i, rig_ask *a, char path[256])
{
	(void)i;
	int n = snprintf(path, 256, "/api/v1/namespaces/%s/configmaps", ns);
	*a = (rig_ask){.method = SP_STR("GET"),
		       .path = {path, (size_t)n},
		       .accept = list_protobuf ? SP_STR("application/vnd.kubernetes.protobuf") : SP_STR("")};
}

static void creates(void)
{
	double latencies[N_ONE_BY_ONE];
	load one = {.next = next_create,
		    .n = N_ONE_BY_ONE,
		    .n_flights = 1,
		    .n_connections = 1,
		    .limit_ns = CREATE_NS,
		    .latencies = latencies};
	ns = "bench-one";
	name_prefix = "one";
	run_load(&one, "creates by one client");
	qsort(latencies, one.done, sizeof *latencies, by_value);
	rig_put("create_1_p50", latencies[one.done / 2] * 1000, "ms", 3);
	rig_put("create_1_p99", latencies[one.done * 99 / 100] * 1000, "ms", 3);
	load many = {.next = next_create,
		     .n = N_OBJECTS,
		     .n_flights = N_FLIGHTS,
		     .n_connections = 4,
		     .limit_ns = CREATE_NS};
	ns = "bench";
	name_prefix = "many";
	run_load(&many, "creates by 64 clients");
	n_created = many.done;
	rig_put("create_64_rate", (double)many.done / many.seconds, "creates/s", 0);
	rig_put("create_64_cpu", per_op_us(&many, many.cpu_s), "us", 1);
	rig_put("create_64_generator_cpu", per_op_us(&many, many.own_cpu_s), "us", 1);
	rig_put("objects", (double)n_created, "objects", 0);
	rig_put_memory("objects_pss", "objects_rss", "objects_private_dirty");
}

static void gets(void)
{
	load l = {.next = next_get,
		  .n = SIZE_MAX,
		  .n_flights = N_FLIGHTS,
		  .n_connections = 4,
		  .limit_ns = GET_NS};
	run_load(&l, "gets");
	rig_put("get_rate", (double)l.done / l.seconds, "requests/s", 0);
	rig_put("get_cpu", per_op_us(&l, l.cpu_s), "us", 1);
	rig_put("get_generator_cpu", per_op_us(&l, l.own_cpu_s), "us", 1);
}

typedef struct sampler {
	sp_timer timer;
	double peak;
} sampler;

static void on_sample(sp_timer *t)
{
	sampler *s = t->arg;
	double now = rig_proc_mib("status", "RssAnon");
	s->peak = SP_MAX(s->peak, now);
	sp_timer_start(rig_world, t, 5 * MS, on_sample);
}

static void lists(bool protobuf, const char *rate, const char *cpu, const char *growth)
{
	load l = {
		.next = next_list, .n = N_LISTS, .n_flights = 1, .n_connections = 1, .limit_ns = GET_NS * 4};
	list_protobuf = protobuf;
	double before = rig_proc_mib("status", "RssAnon");
	sampler s = {.timer.arg = &s, .peak = before};
	sp_timer_start(rig_world, &s.timer, 5 * MS, on_sample);
	run_load(&l, "lists");
	sp_timer_stop(rig_world, &s.timer);
	rig_put(rate, (double)l.n_bytes / l.seconds / 1e6, "MB/s", 0);
	rig_put(cpu, l.cpu_s * 1e6 / ((double)l.n_bytes / 1e6), "us/MB", 0);
	rig_put(growth, s.peak - before, "MiB", 1);
}

/* ---- watches ---- */

typedef struct watches {
	size_t n_started, n_open;
	unsigned long long revision;
	bool by_node;
	uint64_t n_events, n_wanted;
	bool closing;
} watches;

static watches watching;

static void watch_start(void);

static void watch_response(sp_http_exchange *ex)
{
	if (ex->status != 200) {
		(void)fprintf(stderr, "status %u\n", ex->status);
		rig_die("watch refused", NULL);
	}
	if (++watching.n_open == N_WATCHERS)
		sp_world_stop(rig_world);
	watch_start();
}

static void watch_body(sp_http_exchange *ex, const uint8_t *bytes, size_t n)
{
	(void)ex;
	const uint8_t *end = bytes + n;
	while ((bytes = memchr(bytes, '\n', (size_t)(end - bytes))) != NULL) {
		watching.n_events++;
		bytes++;
	}
	if (watching.n_wanted > 0 && watching.n_events >= watching.n_wanted)
		sp_world_stop(rig_world);
}

static void watch_close(sp_http_exchange *ex, const sp_err *err)
{
	(void)ex;
	if (!watching.closing)
		rig_die("a watch ended", err);
}

static const sp_http_events watch_events = {
	.on_response = watch_response, .on_body = watch_body, .on_close = watch_close};

/* The newest revision of the server, from the metadata of an empty list. */
static unsigned long long revision(void)
{
	const rig_ask what = {.path = SP_STR("/api/v1/namespaces/bench-none/configmaps")};
	rig_answer a = rig_call(&what);
	const char *at = strstr(a.head, "\"resourceVersion\":\"");
	if (at == NULL)
		rig_die("no revision in a list", NULL);
	return strtoull(at + 19, NULL, 10);
}

static void watch_start(void)
{
	sp_err err;
	char path[256];
	if (watching.n_started == N_WATCHERS)
		return;
	size_t i = watching.n_started++;
	int n = watching.by_node
			? snprintf(path, sizeof path,
				   "/api/v1/pods?watch=1&resourceVersion=%llu"
				   "&fieldSelector=spec.nodeName%%3Dnode-%zu",
				   watching.revision, i)
			: snprintf(path, sizeof path,
				   "/api/v1/namespaces/bench-fan/configmaps?watch=1&resourceVersion=%llu",
				   watching.revision);
	/* Not on the writer's connection. */
	const rig_ask a = {.path = {path, (size_t)n}};
	if (rig_start(1 + i % (RIG_CONNECTIONS - 1), &a, &watch_events, NULL, &err) != SP_OK)
		rig_die("watch", &err);
}

/* A few at a time: the peer refuses a crowd that comes at once. */
static void open_watches(bool by_node)
{
	watching = (watches){.revision = revision(), .by_node = by_node};
	for (size_t i = 0; i < RIG_CONNECTIONS - 1; i++)
		watch_start();
	if (!rig_run(RIG_PATIENCE_NS))
		rig_die("watches do not open", NULL);
}

static void close_watches(void)
{
	watching.closing = true;
	rig_close_clients();
	rig_open_clients();
}

static void fan_out(void)
{
	const uint64_t n = (uint64_t)N_EVENTS * N_WATCHERS;
	ns = "bench-fan";
	name_prefix = "fan";
	double memory = rig_proc_mib("smaps_rollup", "Pss");
	open_watches(false);
	rig_put("watcher_memory", (rig_proc_mib("smaps_rollup", "Pss") - memory) * 1024 / N_WATCHERS, "KiB",
		1);
	double cpu = rig_server_cpu_s(), own = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID), began = rig_now_s();
	load l = {.next = next_create,
		  .n = N_EVENTS,
		  .n_flights = 1,
		  .n_connections = 1,
		  .limit_ns = RIG_PATIENCE_NS};
	run_load(&l, "writes under watchers");
	watching.n_wanted = n;
	if (watching.n_events < n && !rig_run(RIG_PATIENCE_NS))
		rig_die("events do not arrive", NULL);
	double seconds = rig_now_s() - began;
	rig_put("watch_events_rate", (double)n / seconds, "events/s", 0);
	rig_put("watch_event_cpu", (rig_server_cpu_s() - cpu) * 1e6 / (double)n, "us", 2);
	rig_put("watch_event_generator_cpu", (rig_clock_s(CLOCK_PROCESS_CPUTIME_ID) - own) * 1e6 / (double)n,
		"us", 2);
	if (watching.n_events != n)
		rig_die("more events than writes", NULL);
	close_watches();
}

static size_t n_patched;

static void next_pod_patch(size_t i, rig_ask *a, char path[256])
{
	(void)i;
	int n = snprintf(path, 256, "/api/v1/namespaces/bench-one/pods/other");
	(void)snprintf(body, sizeof body, "{\"metadata\":{\"labels\":{\"n\":\"%zu\"}}}", n_patched++);
	*a = (rig_ask){.method = SP_STR("PATCH"),
		       .path = {path, (size_t)n},
		       .type = SP_STR("application/merge-patch+json"),
		       .body = body};
}

static double pod_patches_us(void)
{
	load l = {.next = next_pod_patch,
		  .n = N_NODE_EVENTS,
		  .n_flights = 1,
		  .n_connections = 1,
		  .limit_ns = RIG_PATIENCE_NS};
	run_load(&l, "writes of pods");
	return per_op_us(&l, l.cpu_s);
}

static void other_nodes(void)
{
	(void)pod_patches_us(); /* warm */
	rig_put("pod_write_cpu", pod_patches_us(), "us", 1);
	open_watches(true);
	rig_put("pod_write_cpu_1000_other_nodes_watched", pod_patches_us(), "us", 1);
	if (watching.n_events != 0)
		rig_die("events of other nodes", NULL);
	close_watches();
}

/* ---- the run ---- */

static void set_up(void)
{
	static const char *const namespaces[] = {"bench", "bench-one", "bench-fan"};
	rig_must(&(rig_ask){
		.method = SP_STR("POST"),
		.path = SP_STR("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
		.body = "{\"metadata\":{\"name\":\"bench\"},\"roleRef\":{\"apiGroup\":"
			"\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"cluster-admin\"},"
			"\"subjects\":[{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"Group\","
			"\"name\":\"bench\"}]}",
		.as_admin = true});
	for (size_t i = 0; i < SP_LEN(namespaces); i++) {
		char name[100];
		(void)snprintf(name, sizeof name, "{\"metadata\":{\"name\":\"%s\"}}", namespaces[i]);
		rig_must(&(rig_ask){.method = SP_STR("POST"),
				    .path = SP_STR("/api/v1/namespaces"),
				    .body = name,
				    .as_admin = true});
	}
	rig_must(&(rig_ask){.method = SP_STR("POST"),
			    .path = SP_STR("/api/v1/namespaces/bench-one/serviceaccounts"),
			    .body = "{\"metadata\":{\"name\":\"default\"}}",
			    .as_admin = true});
	/* Its own copy of what is allowed reaches the peer's authorizer by a watch. */
	const rig_ask own = {.path = SP_STR("/api/v1/namespaces/bench-one/configmaps")};
	for (int i = 0; i < 500 && rig_call(&own).status == 403; i++)
		(void)rig_run(10 * MS);
	rig_must(&(rig_ask){
		.method = SP_STR("POST"),
		.path = SP_STR("/api/v1/namespaces/bench-one/pods"),
		.body = "{\"metadata\":{\"name\":\"other\"},\"spec\":{\"nodeName\":\"other\","
			"\"automountServiceAccountToken\":false,\"containers\":[{\"name\":\"c\",\"image\":"
			"\"registry.example/c:1\",\"env\":[{\"name\":\"A\",\"value\":\"b\"}]}]}}"});
}

static void measure(bool peer)
{
	rig_open_clients();
	rig_server_start(peer);
	(void)rig_run(1000 * MS); /* what a start leaves to do */
	double cpu = rig_server_cpu_s(), began = rig_now_s();
	(void)rig_run(1000 * MS);
	rig_put("idle_cpu", (rig_server_cpu_s() - cpu) / (rig_now_s() - began) * 100, "percent", 2);
	rig_put_memory("idle_pss", "idle_rss", "idle_private_dirty");
	set_up();
	creates();
	gets();
	lists(false, "list_json_rate", "list_json_cpu", "list_json_growth");
	lists(true, "list_protobuf_rate", "list_protobuf_cpu", "list_protobuf_growth");
	fan_out();
	other_nodes();
	rig_close_clients();
	rig_server_stop();
}

int main(void)
{
	double load_average = 0;
	memset(filler, 'x', sizeof filler - 1);
	(void)getloadavg(&load_average, 1);
	rig_init();
	rig_put("load_average", load_average, "processes", 2);
	measure(false);
	if (rig_has_peer())
		measure(true);
	rig_print("apiserver", "kube-apiserver");
	return rig_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server as a process of its own, and kube-apiserver over etcd beside it where PEER_KUBE_APISERVER
 * and PEER_ETCD name the programs (test/lib/api_rig.h), driven by a user whom RBAC allows. Processor time is
 * that of all processes of the server; the generator's own is printed apart.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/api_load.h"

#define N_FLIGHTS LOAD_FLIGHTS_MAX
#define N_OBJECTS 10000u
#define N_WATCHERS 1000u
#define N_ONE_BY_ONE 300u
#define N_EVENTS 40u
#define N_NODE_EVENTS 200u
#define N_LISTS 5u
#define GET_NS UINT64_C(2000000000)
#define CREATE_NS UINT64_C(15000000000) /* a slow peer gets fewer objects */
#define MS UINT64_C(1000000)

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
	rig_load one = {.next = next_create,
			.n = N_ONE_BY_ONE,
			.n_flights = 1,
			.n_connections = 1,
			.limit_ns = CREATE_NS,
			.latencies = latencies};
	ns = "bench-one";
	name_prefix = "one";
	rig_load_run(&one, "creates by one client");
	qsort(latencies, one.done, sizeof *latencies, by_value);
	rig_put("create_1_p50", latencies[one.done / 2] * 1000, "ms", 3);
	rig_put("create_1_p99", latencies[one.done * 99 / 100] * 1000, "ms", 3);
	rig_load many = {.next = next_create,
			 .n = N_OBJECTS,
			 .n_flights = N_FLIGHTS,
			 .n_connections = 4,
			 .limit_ns = CREATE_NS};
	ns = "bench";
	name_prefix = "many";
	rig_load_run(&many, "creates by 64 clients");
	n_created = many.done;
	rig_put("create_64_rate", (double)many.done / many.seconds, "creates/s", 0);
	rig_put("create_64_cpu", rig_load_per_op_us(&many, many.cpu_s), "us", 1);
	rig_put("create_64_generator_cpu", rig_load_per_op_us(&many, many.own_cpu_s), "us", 1);
	rig_put("objects", (double)n_created, "objects", 0);
	rig_put_memory("objects_pss", "objects_rss", "objects_private_dirty");
}

static void gets(void)
{
	rig_load l = {.next = next_get,
		      .n = SIZE_MAX,
		      .n_flights = N_FLIGHTS,
		      .n_connections = 4,
		      .limit_ns = GET_NS};
	rig_load_run(&l, "gets");
	rig_put("get_rate", (double)l.done / l.seconds, "requests/s", 0);
	rig_put("get_cpu", rig_load_per_op_us(&l, l.cpu_s), "us", 1);
	rig_put("get_generator_cpu", rig_load_per_op_us(&l, l.own_cpu_s), "us", 1);
}

static void lists(bool protobuf, const char *rate, const char *cpu, const char *growth)
{
	rig_load l = {
		.next = next_list, .n = N_LISTS, .n_flights = 1, .n_connections = 1, .limit_ns = GET_NS * 4};
	list_protobuf = protobuf;
	double grown = rig_load_growth(&l, "lists");
	rig_put(rate, (double)l.n_bytes / l.seconds / 1e6, "MB/s", 0);
	rig_put(cpu, l.cpu_s * 1e6 / ((double)l.n_bytes / 1e6), "us/MB", 0);
	rig_put(growth, grown, "MiB", 1);
}

/* ---- watches ---- */

static int fan_path(size_t i, unsigned long long revision, char path[256])
{
	(void)i;
	return snprintf(path, 256, "/api/v1/namespaces/bench-fan/configmaps?watch=1&resourceVersion=%llu",
			revision);
}

static int node_path(size_t i, unsigned long long revision, char path[256])
{
	return snprintf(path, 256,
			"/api/v1/pods?watch=1&resourceVersion=%llu&fieldSelector=spec.nodeName%%3Dnode-%zu",
			revision, i);
}

static void fan_out(void)
{
	rig_watches w = {.path = fan_path, .n = N_WATCHERS};
	const uint64_t n = (uint64_t)N_EVENTS * N_WATCHERS;
	ns = "bench-fan";
	name_prefix = "fan";
	double memory = rig_proc_mib("smaps_rollup", "Pss");
	rig_watches_open(&w);
	rig_put("watcher_memory", (rig_proc_mib("smaps_rollup", "Pss") - memory) * 1024 / N_WATCHERS, "KiB",
		1);
	double cpu = rig_server_cpu_s(), own = rig_clock_s(CLOCK_PROCESS_CPUTIME_ID), began = rig_now_s();
	rig_load l = {.next = next_create,
		      .n = N_EVENTS,
		      .n_flights = 1,
		      .n_connections = 1,
		      .limit_ns = RIG_PATIENCE_NS};
	rig_load_run(&l, "writes under watchers");
	rig_watches_wait(&w, n);
	double seconds = rig_now_s() - began;
	rig_put("watch_events_rate", (double)n / seconds, "events/s", 0);
	rig_put("watch_event_cpu", (rig_server_cpu_s() - cpu) * 1e6 / (double)n, "us", 2);
	rig_put("watch_event_generator_cpu", (rig_clock_s(CLOCK_PROCESS_CPUTIME_ID) - own) * 1e6 / (double)n,
		"us", 2);
	if (w.n_events != n)
		rig_die("more events than writes", NULL);
	rig_watches_close(&w);
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
	rig_load l = {.next = next_pod_patch,
		      .n = N_NODE_EVENTS,
		      .n_flights = 1,
		      .n_connections = 1,
		      .limit_ns = RIG_PATIENCE_NS};
	rig_load_run(&l, "writes of pods");
	return rig_load_per_op_us(&l, l.cpu_s);
}

static void other_nodes(void)
{
	rig_watches w = {.path = node_path, .n = N_WATCHERS};
	(void)pod_patches_us(); /* warm */
	rig_put("pod_write_cpu", pod_patches_us(), "us", 1);
	rig_watches_open(&w);
	rig_put("pod_write_cpu_1000_other_nodes_watched", pod_patches_us(), "us", 1);
	if (w.n_events != 0)
		rig_die("events of other nodes", NULL);
	rig_watches_close(&w);
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

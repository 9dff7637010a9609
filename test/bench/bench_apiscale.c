/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server with much in it: 10,000 pods, watchers by the thousand, 500 kinds of their own; and
 * kube-apiserver over etcd beside it where PEER_KUBE_APISERVER and PEER_ETCD name the programs
 * (test/lib/api_rig.h). Memory is that of all processes of the server.
 */
#include <stdio.h>
#include <stdlib.h>

#include "lib/api_load.h"

#define N_PODS 10000u
#define N_CRDS 500u
#define N_WATCHERS 10000u
#define N_NODES 5000u
#define N_EVENTS 10u
#define N_PATCHES 200u
#define N_LISTS 3u
#define MS UINT64_C(1000000)
#define POD                                                                                       \
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p-%05zu\",\"labels\":{" \
	"\"app\":\"web\",\"n\":\"%zu\"}},\"spec\":{\"nodeName\":\"other-%zu\","                   \
	"\"automountServiceAccountToken\":false,\"containers\":[{\"name\":\"c\",\"image\":"       \
	"\"registry.example/c:1\",\"env\":[{\"name\":\"A\",\"value\":\"b\"}],\"resources\":{"     \
	"\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}}}]}}"
#define CRD                                                                                                  \
	"{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{"   \
	"\"name\":\"things%zu.bench.example\"},\"spec\":{\"group\":\"bench.example\",\"scope\":"             \
	"\"Namespaced\","                                                                                    \
	"\"names\":{\"plural\":\"things%zu\",\"singular\":\"thing%zu\",\"kind\":\"Thing%zu\"},\"versions\":" \
	"[{"                                                                                                 \
	"\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":"        \
	"\"object\","                                                                                        \
	"\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"replicas\":{\"type\":\"integer\","  \
	"\"minimum\":0},\"text\":{\"type\":\"string\",\"maxLength\":100},\"items\":{\"type\":\"array\","     \
	"\"items\":{\"type\":\"string\"}}}},\"status\":{\"type\":\"object\","                                \
	"\"x-kubernetes-preserve-unknown-fields\":true}}}},\"subresources\":{\"status\":{}}}]}}"

static char body[4096];

static double pss(void)
{
	return rig_proc_mib("smaps_rollup", "Pss");
}

static void set_up(void)
{
	rig_must(&(rig_ask){
		.method = SP_STR("POST"),
		.path = SP_STR("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"),
		.body = "{\"metadata\":{\"name\":\"bench\"},\"roleRef\":{\"apiGroup\":"
			"\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"cluster-admin\"},"
			"\"subjects\":[{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"Group\","
			"\"name\":\"bench\"}]}",
		.as_admin = true});
	rig_must(&(rig_ask){.method = SP_STR("POST"),
			    .path = SP_STR("/api/v1/namespaces"),
			    .body = "{\"metadata\":{\"name\":\"bench\"}}",
			    .as_admin = true});
	rig_must(&(rig_ask){.method = SP_STR("POST"),
			    .path = SP_STR("/api/v1/namespaces/bench/serviceaccounts"),
			    .body = "{\"metadata\":{\"name\":\"default\"}}",
			    .as_admin = true});
	/* Its own copy of what is allowed reaches the peer's authorizer by a watch. */
	const rig_ask own = {.path = SP_STR("/api/v1/namespaces/bench/configmaps")};
	for (int i = 0; i < 500 && rig_call(&own).status == 403; i++)
		(void)rig_run(10 * MS);
}

/* ---- pods ---- */

static void next_pod(size_t i, rig_ask *a, char path[256])
{
	int n = snprintf(path, 256, "/api/v1/namespaces/bench/pods");
	(void)snprintf(body, sizeof body, POD, i, i, i % 100);
	*a = (rig_ask){.method = SP_STR("POST"), .path = {path, (size_t)n}, .body = body};
}

static bool list_protobuf;

static void next_list(size_t i, rig_ask *a, char path[256])
{
	(void)i;
	int n = snprintf(path, 256, "/api/v1/pods");
	*a = (rig_ask){.method = SP_STR("GET"),
		       .path = {path, (size_t)n},
		       .accept = list_protobuf ? SP_STR("application/vnd.kubernetes.protobuf") : SP_STR("")};
}

static void list(bool protobuf, const char *time, const char *rate, const char *growth)
{
	rig_load l = {.next = next_list,
		      .n = N_LISTS,
		      .n_flights = 1,
		      .n_connections = 1,
		      .limit_ns = RIG_PATIENCE_NS};
	list_protobuf = protobuf;
	double grown = rig_load_growth(&l, "lists of pods");
	rig_put(time, l.seconds * 1000 / (double)l.done, "ms", 1);
	rig_put(rate, (double)l.n_bytes / l.seconds / 1e6, "MB/s", 0);
	rig_put(growth, grown, "MiB", 1);
}

static void pods(void)
{
	rig_load l = {.next = next_pod,
		      .n = N_PODS,
		      .n_flights = LOAD_FLIGHTS_MAX,
		      .n_connections = 4,
		      .limit_ns = RIG_PATIENCE_NS};
	rig_load_run(&l, "pods");
	rig_put("pods", (double)l.done, "pods", 0);
	rig_put("pods_create_rate", (double)l.done / l.seconds, "pods/s", 0);
	rig_put_memory("pods_pss", "pods_rss", "pods_private_dirty");
	list(false, "pods_list_json", "pods_list_json_rate", "pods_list_json_growth");
	list(true, "pods_list_protobuf", "pods_list_protobuf_rate", "pods_list_protobuf_growth");
}

/* ---- watchers ---- */

static int fan_path(size_t i, unsigned long long revision, char path[256])
{
	(void)i;
	return snprintf(path, 256, "/api/v1/namespaces/bench/configmaps?watch=1&resourceVersion=%llu",
			revision);
}

static int node_path(size_t i, unsigned long long revision, char path[256])
{
	return snprintf(path, 256,
			"/api/v1/pods?watch=1&resourceVersion=%llu&fieldSelector=spec.nodeName%%3Dnode-%zu",
			revision, i);
}

static void next_map(size_t i, rig_ask *a, char path[256])
{
	int n = snprintf(path, 256, "/api/v1/namespaces/bench/configmaps");
	(void)snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"m-%zu\"},\"data\":{\"a\":\"b\"}}", i);
	*a = (rig_ask){.method = SP_STR("POST"), .path = {path, (size_t)n}, .body = body};
}

static void fan_out(void)
{
	const uint64_t n = (uint64_t)N_EVENTS * N_WATCHERS;
	rig_watches w = {.path = fan_path, .n = N_WATCHERS};
	double before = pss();
	rig_watches_open(&w);
	rig_put("watchers_10000_memory", (pss() - before) * 1024 / N_WATCHERS, "KiB", 1);
	double cpu = rig_server_cpu_s(), began = rig_now_s();
	rig_load l = {.next = next_map,
		      .n = N_EVENTS,
		      .n_flights = 1,
		      .n_connections = 1,
		      .limit_ns = RIG_PATIENCE_NS};
	rig_load_run(&l, "writes under watchers");
	rig_watches_wait(&w, n);
	rig_put("watchers_10000_rate", (double)n / (rig_now_s() - began), "events/s", 0);
	rig_put("watchers_10000_event_cpu", (rig_server_cpu_s() - cpu) * 1e6 / (double)n, "us", 2);
	if (w.n_events != n)
		rig_die("more events than writes", NULL);
	rig_watches_close(&w);
}

static size_t n_patched;

static void next_patch(size_t i, rig_ask *a, char path[256])
{
	(void)i;
	int n = snprintf(path, 256, "/api/v1/namespaces/bench/pods/p-00001");
	(void)snprintf(body, sizeof body, "{\"metadata\":{\"labels\":{\"n\":\"x%zu\"}}}", n_patched++);
	*a = (rig_ask){.method = SP_STR("PATCH"),
		       .path = {path, (size_t)n},
		       .type = SP_STR("application/merge-patch+json"),
		       .body = body};
}

static double patch_us(void)
{
	rig_load l = {.next = next_patch,
		      .n = N_PATCHES,
		      .n_flights = 1,
		      .n_connections = 1,
		      .limit_ns = RIG_PATIENCE_NS};
	rig_load_run(&l, "writes of a pod");
	return rig_load_per_op_us(&l, l.cpu_s);
}

static void other_nodes(void)
{
	rig_watches w = {.path = node_path, .n = N_NODES};
	(void)patch_us(); /* warm */
	rig_put("pod_write_cpu", patch_us(), "us", 1);
	rig_watches_open(&w);
	rig_put("pod_write_cpu_5000_other_nodes_watched", patch_us(), "us", 1);
	if (w.n_events != 0)
		rig_die("events of other nodes", NULL);
	rig_watches_close(&w);
}

/* ---- kinds of their own ---- */

static void next_crd(size_t i, rig_ask *a, char path[256])
{
	int n = snprintf(path, 256, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions");
	(void)snprintf(body, sizeof body, CRD, i, i, i, i);
	*a = (rig_ask){.method = SP_STR("POST"), .path = {path, (size_t)n}, .body = body};
}

/* Until the last of them is served. */
static void crds(void)
{
	char path[256];
	int n = snprintf(path, sizeof path, "/apis/bench.example/v1/things%u", N_CRDS - 1);
	const rig_ask last = {.path = {path, (size_t)n}};
	rig_load l = {.next = next_crd,
		      .n = N_CRDS,
		      .n_flights = 4,
		      .n_connections = 4,
		      .limit_ns = RIG_PATIENCE_NS};
	double before = pss(), cpu = rig_server_cpu_s(), began = rig_now_s();
	rig_load_run(&l, "definitions");
	for (int i = 0; rig_call(&last).status != 200; i++) {
		if (i == 6000)
			rig_die("a kind is not served", NULL);
		(void)rig_run(10 * MS);
	}
	rig_put("crds_500_served", rig_now_s() - began, "s", 2);
	(void)rig_run(10000 * MS); /* the peer publishes what it has behind it */
	rig_put("crds_500_cpu", rig_server_cpu_s() - cpu, "s", 2);
	rig_put("crd_memory", (pss() - before) * 1024 / N_CRDS, "KiB", 1);
}

static void measure(bool peer)
{
	/* By default the peer allows 100 streams; ours 250 of themselves. */
	rig_flags[0] = peer ? "--http2-max-streams-per-connection=250" : NULL;
	rig_open_clients();
	rig_server_start(peer);
	(void)rig_run(1000 * MS); /* what a start leaves to do */
	rig_put_memory("idle_pss", "idle_rss", "idle_private_dirty");
	set_up();
	crds();
	pods();
	other_nodes();
	fan_out();
	rig_close_clients();
	rig_server_stop();
}

int main(void)
{
	double load_average = 0;
	(void)getloadavg(&load_average, 1);
	rig_init();
	rig_put("load_average", load_average, "processes", 2);
	measure(false);
	if (rig_has_peer())
		measure(true);
	rig_print("apiscale", "kube-apiserver");
	return rig_done();
}

/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlices and Endpoints of services, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define LIST \
	"endpointslice-controller,endpoints-controller,replicaset-controller,garbage-collector-controller"
#define EP(name) SP_ENDPOINTS, "default", name
#define SLICES SP_ENDPOINTSLICES, "default", "kubernetes.io/service-name=w"
#define SERVICE(more)                                                                                     \
	"{\"metadata\":{\"name\":\"w\",\"labels\":{\"l\":\"1\"}},\"spec\":{\"selector\":{\"app\":\"a\"}," \
	"\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":\"web\"}]" more "}}"
#define SET(n)                                                                                             \
	"{\"metadata\":{\"name\":\"s\"},\"spec\":{\"replicas\":" #n                                        \
	",\"selector\":{\"matchLabels\":{\"app\":\"a\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":" \
	"\"a\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"name\":\"web\","  \
	"\"containerPort\":8080}]}]}}}}"

static t_ctl *open_rig(const sp_sim_opts *o)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t_no_faults();
	(void)t_ctl_open(t, o, LIST);
	return t;
}

/* Endpoints of all slices of "w", those that are ready. */
static size_t count_ready(t_ctl *t, size_t *ret_slices)
{
	yyjson_val *v, *e, *slices = t_ctl_list(t, SLICES, ret_slices);
	size_t i, n, k, m, ready = 0;
	yyjson_arr_foreach(slices, i, n, v)
	{
		yyjson_arr_foreach(sp_view_at(v, "endpoints"), k, m, e) ready +=
			sp_str_eq(t_ctl_text(e, "conditions.ready"), SP_STR("true"));
	}
	return ready;
}

static bool wait_ready(t_ctl *t, size_t want)
{
	size_t n, got = 0;
	for (unsigned i = 0; i < 300; i++) {
		got = count_ready(t, &n);
		if (got == want)
			return true;
		t_ctl_run(t, SECOND / 5);
	}
	(void)t_fail(__FILE__, __LINE__, "%zu ready, not %zu", got, want);
	return false;
}

SP_TEST(sim_endpoints, follow_pods)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(t_ctl_wait_count(t, SLICES, 1)); /* an empty one says that there is nothing */
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(3)));
	T_TRUE(wait_ready(t, 3));
	yyjson_val *v = yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0);
	T_EQ_U64(n, 1);
	T_EQ_C(t_ctl_text(v, "addressType"), "IPv4");
	T_EQ_C(t_ctl_text(v, "metadata.generateName"), "w-");
	T_EQ_C(t_ctl_text(v, "metadata.labels.l"), "1");
	T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].name"), "w");
	T_EQ_C(t_ctl_text(v, "ports[0].port"), "8080");
	T_EQ_C(t_ctl_text(v, "ports[0].name"), "http");
	T_EQ_C(t_ctl_text(v, "endpoints[0].targetRef.kind"), "Pod");
	T_EQ_C(t_ctl_text(v, "endpoints[0].conditions.serving"), "true");
	yyjson_val *e = t_ctl_get(t, EP("w"));
	T_EQ_U64(yyjson_arr_size(sp_view_at(e, "subsets[0].addresses")), 3);
	T_EQ_C(t_ctl_text(e, "subsets[0].ports[0].port"), "8080");
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":1}}"));
	T_TRUE(wait_ready(t, 1));
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "",
			   "{\"metadata\":{\"labels\":{\"l\":null,\"m\":\"2\"}}}"));
	t_ctl_run(t, 3 * SECOND);
	v = yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0);
	T_EQ_C(t_ctl_text(v, "metadata.labels.l"), "");
	T_EQ_C(t_ctl_text(v, "metadata.labels.m"), "2");
	T_EQ_C(t_ctl_text(t_ctl_get(t, EP("w")), "metadata.labels.l"), "");
	T_TRUE(t_ctl_delete(t, SP_SERVICES, "default", "w", ""));
	T_TRUE(t_ctl_wait_count(t, SLICES, 0));
	T_TRUE(t_ctl_wait_gone(t, EP("w")));
}

SP_TEST(sim_endpoints, unready_pods)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	t->phase = "Running"; /* not ready */
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(2)));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_U64(count_ready(t, &n), 0);
	yyjson_val *v = yyjson_arr_get(t_ctl_list(t, SLICES, &n), 0);
	T_EQ_U64(yyjson_arr_size(sp_view_at(v, "endpoints")), 2);
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, EP("w")), "subsets[0].notReadyAddresses")), 2);
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "",
			   "{\"spec\":{\"publishNotReadyAddresses\":true}}"));
	T_TRUE(wait_ready(t, 2));
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, EP("w")), "subsets[0].addresses")), 2);
}

/* 230 endpoints: three slices; what goes leaves its slice, what stays does not move. */
static sp_str note(yyjson_val *object)
{
	return sp_json_str(sp_json_last(sp_view_at(object, "metadata.annotations"),
					SP_STR("endpoints.kubernetes.io/last-change-trigger-time")));
}

static yyjson_val *first_slice(t_ctl *t)
{
	size_t n;
	return yyjson_arr_get_first(t_ctl_list(t, SLICES, &n));
}

/* What is written says when what it carries on happened; what others noted stays. */
SP_TEST(sim_endpoints, times_of_changes)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(t_ctl_wait_count(t, SLICES, 1));
	T_TRUE(t_ctl_wait(t, EP("w"), "metadata.name", "w"));
	sp_str created = t_ctl_text(t_ctl_get(t, SP_SERVICES, "default", "w"), "metadata.creationTimestamp");
	T_EQ_STR(note(first_slice(t)), created);
	T_EQ_STR(note(t_ctl_get(t, EP("w"))), created);
	T_TRUE(t_ctl_patch(t, EP("w"), "", "{\"metadata\":{\"annotations\":{\"mine\":\"x\"}}}"));
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(1)));
	T_TRUE(wait_ready(t, 1));
	t_ctl_run(t, SECOND);
	/* Of the pod, whose condition the rig writes with that time. */
	T_EQ_C(note(first_slice(t)), "2026-01-01T00:00:00Z");
	T_EQ_C(note(t_ctl_get(t, EP("w"))), "2026-01-01T00:00:00Z");
	T_EQ_C(t_ctl_text(t_ctl_get(t, EP("w")), "metadata.annotations.mine"), "x");
}

SP_TEST(sim_endpoints, hints_for_close_traffic)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_NODES, "",
		"{\"metadata\":{\"name\":\"n1\",\"labels\":{\"topology.kubernetes.io/zone\":\"z1\"}}}"));
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE(",\"trafficDistribution\":\"PreferClose\"")));
	T_TRUE(t_ctl_create(
		t, SP_PODS, "default",
		"{\"metadata\":{\"name\":\"p\",\"labels\":{\"app\":\"a\"}},\"spec\":{\"nodeName\":"
		"\"n1\",\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"name\":\"web\","
		"\"containerPort\":8080}]}]}}"));
	T_TRUE(wait_ready(t, 1));
	yyjson_val *v = first_slice(t);
	T_EQ_C(t_ctl_text(v, "endpoints[0].zone"), "z1");
	T_EQ_C(t_ctl_text(v, "endpoints[0].hints.forZones[0].name"), "z1");
	T_TRUE(sp_view_at(v, "endpoints[0].hints.forNodes") == NULL);
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "",
			   "{\"spec\":{\"trafficDistribution\":\"PreferSameNode\"}}"));
	t_ctl_run(t, 2 * SECOND);
	v = first_slice(t);
	T_EQ_C(t_ctl_text(v, "endpoints[0].hints.forZones[0].name"), "z1");
	T_EQ_C(t_ctl_text(v, "endpoints[0].hints.forNodes[0].name"), "n1");
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "", "{\"spec\":{\"trafficDistribution\":null}}"));
	t_ctl_run(t, 2 * SECOND);
	T_TRUE(sp_view_at(first_slice(t), "endpoints[0].hints") == NULL);
}

#define ZONE_NODE(name, zone, cpu)                                                                    \
	"{\"metadata\":{\"name\":\"" name "\",\"labels\":{\"topology.kubernetes.io/zone\":\"" zone    \
	"\"}},\"status\":{\"allocatable\":{\"cpu\":\"" cpu "\"},\"conditions\":[{\"type\":\"Ready\"," \
	"\"status\":\"True\"}]}}"

/* How many endpoints are for that zone. */
static size_t count_for(t_ctl *t, const char *zone)
{
	size_t i, max, n = 0;
	yyjson_val *v, *all = sp_view_at(first_slice(t), "endpoints");
	yyjson_arr_foreach(all, i, max, v) n +=
		sp_str_eq(t_ctl_text(v, "hints.forZones[0].name"), sp_str_c(zone));
	return n;
}

static bool has_event(t_ctl *t, const char *reason, const char *message)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "reason"), sp_str_c(reason)) &&
		    sp_str_eq(t_ctl_text(v, "message"), sp_str_c(message)))
			return true;
	}
	return false;
}

static bool add_pods(t_ctl *t, const char *node, unsigned n)
{
	bool ok = true;
	for (unsigned i = 0; i < n && ok; i++)
		ok = t_ctl_create(t, SP_PODS, "default",
				  sp_arena_printf(T_ARENA,
						  "{\"metadata\":{\"name\":\"%s-%u\",\"labels\":{\"app\":"
						  "\"a\"}},\"spec\":{\"nodeName\":\"%s\",\"containers\":[{"
						  "\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"name\":"
						  "\"web\",\"containerPort\":8080}]}]}}",
						  node, i, node)
					  .ptr);
	return ok;
}

/* In proportion to the CPU of zones, as long as enough is known. */
SP_TEST(sim_endpoints, hints_for_zones)
{
	size_t n;
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_NODES, "", ZONE_NODE("n1", "z1", "4")));
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(add_pods(t, "n1", 4));
	T_TRUE(wait_ready(t, 4));
	T_TRUE(t_ctl_patch(
		t, SP_SERVICES, "default", "w", "",
		"{\"metadata\":{\"annotations\":{\"service.kubernetes.io/topology-mode\":\"Auto\"}}}"));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(sp_view_at(first_slice(t), "endpoints[0].hints") == NULL);
	T_TRUE(has_event(
		t, "TopologyAwareHintsDisabled",
		"Insufficient Node information: allocatable CPU or zone not specified on one or more "
		"nodes, addressType: IPv4"));
	/* A second zone as large: half of them is its. */
	T_TRUE(t_ctl_create(t, SP_NODES, "", ZONE_NODE("n2", "z2", "4000m")));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_U64(count_for(t, "z1"), 2);
	T_EQ_U64(count_for(t, "z2"), 2);
	T_TRUE(has_event(t, "TopologyAwareHintsEnabled",
			 "Topology Aware Hints has been enabled, addressType: IPv4"));
	/* What is written once is not written again. */
	sp_str revision = t_ctl_text(first_slice(t), "metadata.resourceVersion");
	T_TRUE(t_ctl_patch(t, SP_SERVICES, "default", "w", "",
			   "{\"metadata\":{\"annotations\":{\"x\":\"y\"}}}"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_STR(t_ctl_text(first_slice(t), "metadata.resourceVersion"), revision);
	/* Too few for one. */
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "n1-0", ""));
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "n1-1", ""));
	T_TRUE(t_ctl_delete(t, SP_PODS, "default", "n1-2", ""));
	T_TRUE(wait_ready(t, 1));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(sp_view_at(first_slice(t), "endpoints[0].hints") == NULL);
	T_TRUE(has_event(t, "TopologyAwareHintsDisabled",
			 "Insufficient number of endpoints (1 endpoints, 2 zones), addressType: IPv4"));
	T_TRUE(add_pods(t, "n2", 3));
	T_TRUE(wait_ready(t, 4));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_U64(count_for(t, "z1"), 2);
	T_TRUE(t_ctl_patch(
		t, SP_SERVICES, "default", "w", "",
		"{\"metadata\":{\"annotations\":{\"service.kubernetes.io/topology-mode\":null}}}"));
	t_ctl_run(t, 5 * SECOND);
	T_EQ_U64(yyjson_arr_size(sp_view_at(first_slice(t), "endpoints")), 4);
	T_EQ_U64(count_for(t, "z1") + count_for(t, "z2"), 0);
	T_TRUE(has_event(t, "TopologyAwareHintsDisabled",
			 "Topology Aware Hints has been disabled, addressType: IPv4"));
	(void)t_ctl_list(t, SLICES, &n);
	T_EQ_U64(n, 1);
}

SP_TEST(sim_endpoints, many)
{
	t_ctl *t = open_rig(&(sp_sim_opts){.seed = t_random()});
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_REPLICASETS, "default", SET(230)));
	T_TRUE(t_ctl_wait(t, SP_REPLICASETS, "default", "s", "status.availableReplicas", "230"));
	T_TRUE(t_ctl_create(t, SP_SERVICES, "default", SERVICE("")));
	T_TRUE(wait_ready(t, 230));
	T_TRUE(count_ready(t, &n) == 230 && n == 3);
	T_TRUE(t_ctl_patch(t, SP_REPLICASETS, "default", "s", "", "{\"spec\":{\"replicas\":150}}"));
	T_TRUE(wait_ready(t, 150));
	yyjson_val *v, *slices = t_ctl_list(t, SLICES, &n);
	size_t i, max;
	yyjson_arr_foreach(slices, i, max, v) T_TRUE(yyjson_arr_size(sp_view_at(v, "endpoints")) <= 100);
}

SP_TEST(sim_endpoints, faults)
{
	sp_sim_opts o = sp_sim_opts_chaos(t_random(), false);
	o.faults.until_ns = 30 * SECOND;
	t_ctl *t = open_rig(&o);
	T_TRUE(!t_failed());
	const sp_ask asks[] = {
		{.verb = SP_ASK_CREATE,
		 .gvr = SP_SERVICES,
		 .ns = SP_STR("default"),
		 .body = SP_STR(SERVICE(""))},
		{.verb = SP_ASK_CREATE,
		 .gvr = SP_REPLICASETS,
		 .ns = SP_STR("default"),
		 .body = SP_STR(SET(20))},
	};
	for (size_t i = 0; i < SP_LEN(asks); i++) {
		do
			t_ask(&t->user, &asks[i]);
		while (t->user.code != SP_OK && t->user.code != SP_EEXISTS && !t_failed());
	}
	sp_sim_run_until(t->api.sim, 31 * SECOND);
	T_TRUE(wait_ready(t, 20));
	t_ctl_run(t, 5 * SECOND);
	size_t n;
	/* Each once. Where a creation's answer was lost the rest went to a second slice, and what is there
	 * stays where it is, as upstream leaves it. */
	T_EQ_U64(count_ready(t, &n), 20);
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, EP("w")), "subsets[0].addresses")), 20);
}

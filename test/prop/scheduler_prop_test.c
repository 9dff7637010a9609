/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters that are kept up to date decide like counters made anew: random sequences of pods, nodes and
 * namespaces that come, change and go; each decision on the way is compared with that of a fresh snapshot of
 * the same cluster.
 */
#include "kube/view.h"
#include "lib/t.h"
#include "lib/t_data.h"
#include "scheduler/simulate.h"

#define NODES 7u
#define PODS 40u
#define STEPS 60u

/* What the cluster holds, as JSON texts; absent ones are empty. Pods are named by their index. */
typedef struct model {
	sp_str nodes[NODES], namespaces[2], pods[PODS], pod_heads[PODS];
	sp_buf steps;
	size_t n_pods, n_steps;
} model;

static const char *pick(const char *const *list, size_t n)
{
	return list[t_random_below(n)];
}
#define PICK(...) \
	pick((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

#define ZONE "topology.kubernetes.io/zone"
#define HOST "kubernetes.io/hostname"

static sp_str node_text(size_t i)
{
	const char *zone = PICK("", ",\"" ZONE "\":\"a\"", ",\"" ZONE "\":\"b\"", ",\"" ZONE "\":\"c\"");
	const char *rack = PICK("", ",\"rack\":\"1\"", ",\"rack\":\"2\"");
	const char *spec = PICK("", "", "", "\"unschedulable\":true",
				"\"taints\":[{\"key\":\"t\",\"effect\":\"NoSchedule\"}]",
				"\"taints\":[{\"key\":\"t\",\"effect\":\"PreferNoSchedule\"}]");
	return sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"n%zu\",\"labels\":{\"" HOST "\":\"n%zu\"%s%s}},\"spec\":{%s},"
		"\"status\":{\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"%s\",\"pods\":\"%s\",\"x.io/"
		"gpu\":\"2\"}%s}}",
		i, i, zone, rack, spec, PICK("2", "4", "6"), PICK("4Gi", "8Gi"), PICK("3", "20"),
		PICK("", ",\"images\":[{\"names\":[\"app:1\"],\"sizeBytes\":600000000}]"));
}

static sp_str namespace_text(size_t i)
{
	return sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"s%zu\",\"labels\":{%s}}}", i,
			       PICK("", "\"team\":\"a\"", "\"team\":\"b\""));
}

static sp_str term(void)
{
	return sp_arena_printf(
		T_ARENA, "{\"topologyKey\":\"%s\",\"labelSelector\":%s%s}", PICK(ZONE, HOST, "rack"),
		PICK("{\"matchLabels\":{\"app\":\"a\"}}", "{\"matchLabels\":{\"app\":\"b\"}}", "{}",
		     "{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"NotIn\",\"values\":[\"a\"]}]}"),
		PICK("", ",\"namespaces\":[\"s0\",\"s1\"]",
		     ",\"namespaceSelector\":{\"matchLabels\":{\"team\":\"a\"}}",
		     ",\"namespaceSelector\":{\"matchExpressions\":[{\"key\":\"team\",\"operator\":"
		     "\"DoesNotExist\"}]}",
		     ",\"namespaceSelector\":{}"));
}

#define REQUIRED "\"requiredDuringSchedulingIgnoredDuringExecution\":["
#define PREFERRED "\"preferredDuringSchedulingIgnoredDuringExecution\":["

static sp_str rules(void)
{
	sp_str t = term(), u = term();
	switch (t_random_below(9)) {
	case 0:
		return sp_arena_printf(T_ARENA, ",\"affinity\":{\"podAffinity\":{" REQUIRED SP_FMT "]}}",
				       SP_ARG(t));
	case 1:
		return sp_arena_printf(T_ARENA,
				       ",\"affinity\":{\"podAffinity\":{" REQUIRED SP_FMT "," SP_FMT "]}}",
				       SP_ARG(t), SP_ARG(u));
	case 2:
		return sp_arena_printf(T_ARENA, ",\"affinity\":{\"podAntiAffinity\":{" REQUIRED SP_FMT "]}}",
				       SP_ARG(t));
	case 3:
		return sp_arena_printf(T_ARENA,
				       ",\"affinity\":{\"podAffinity\":{" PREFERRED
				       "{\"weight\":%d,\"podAffinityTerm\":" SP_FMT
				       "}]},\"podAntiAffinity\":{" PREFERRED
				       "{\"weight\":7,\"podAffinityTerm\":" SP_FMT "}]}}",
				       (int)t_random_below(100) + 1, SP_ARG(t), SP_ARG(u));
	case 4:
	case 5:
		return sp_arena_printf(
			T_ARENA,
			",\"topologySpreadConstraints\":[{\"maxSkew\":%d,\"topologyKey\":\"%s\","
			"\"whenUnsatisfiable\":"
			"\"%s\",\"labelSelector\":%s%s}]",
			(int)t_random_below(2) + 1, PICK(ZONE, HOST, "rack"),
			PICK("DoNotSchedule", "ScheduleAnyway"),
			PICK("{\"matchLabels\":{\"app\":\"a\"}}", "{\"matchLabels\":{\"app\":\"b\"}}", "{}"),
			PICK("", ",\"nodeTaintsPolicy\":\"Honor\"", ",\"nodeAffinityPolicy\":\"Ignore\""));
	default:
		return SP_STR("");
	}
}

/* Up to the spec's nodeName, and what follows it. */
static void pod_text(sp_str name, sp_str *head, sp_str *tail)
{
	sp_str r = rules();
	*head = sp_arena_printf(T_ARENA,
				"{\"metadata\":{\"name\":\"" SP_FMT
				"\",\"namespace\":\"%s\",\"uid\":\"" SP_FMT
				"\",\"labels\":{\"app\":\"%s\"}%s},\"spec\":{",
				SP_ARG(name), PICK("s0", "s1", "ghost"), SP_ARG(name), PICK("a", "b", "c"),
				PICK("", "", "", ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\""));
	*tail = sp_arena_printf(
		T_ARENA,
		"\"containers\":[{\"name\":\"c\",\"image\":\"app:1\",\"resources\":{\"requests\":{%s}}%s}]%s%"
		"s" SP_FMT "}}",
		PICK("", "\"cpu\":\"300m\"", "\"cpu\":\"1\",\"memory\":\"1Gi\"", "\"x.io/gpu\":\"1\""),
		PICK("", "", ",\"ports\":[{\"containerPort\":80,\"hostPort\":80}]"),
		PICK("", "", ",\"nodeSelector\":{\"rack\":\"1\"}"),
		PICK("", ",\"tolerations\":[{\"key\":\"t\",\"operator\":\"Exists\"}]"), SP_ARG(r));
}

static sp_str join(sp_str a, sp_str b)
{
	return SP_CONCAT(T_ARENA, a, b);
}

static void step(model *m, const char *kind, sp_str value)
{
	(void)sp_buf_printf(&m->steps, "%s{\"%s\":" SP_FMT "}", m->n_steps++ == 0 ? "" : ",", kind,
			    SP_ARG(value));
}

static void list(sp_buf *b, const char *name, const sp_str *items, size_t n)
{
	bool first = true;
	(void)sp_buf_printf(b, "\"%s\":[", name);
	for (size_t i = 0; i < n; i++) {
		if (items[i].len == 0)
			continue;
		(void)sp_buf_printf(b, "%s" SP_FMT, first ? "" : ",", SP_ARG(items[i]));
		first = false;
	}
	(void)sp_buf_str(b, SP_STR("],"));
}

static yyjson_val *run(sp_str snapshot)
{
	SP_AUTO_BUF out;
	yyjson_val *root = NULL;
	sp_buf_init(&out, (size_t)8 << 20);
	if (sched_simulate(snapshot, &out, T_ERR) != SP_OK ||
	    sp_json_parse(T_ARENA, sp_buf_view(&out), &root, T_ERR) != SP_OK)
		return NULL;
	return yyjson_obj_get(root, "decisions");
}

/* The pod decided last by the sequence so far, and by a fresh state. */
static void decide(model *m, bool *ret_ok)
{
	SP_AUTO_BUF fresh;
	SP_AUTO_BUF whole;
	char where[256] = "";
	sp_str name = sp_arena_printf(T_ARENA, "p%zu", m->n_pods), head, tail;
	*ret_ok = false;
	pod_text(name, &head, &tail);
	sp_buf_init(&fresh, (size_t)4 << 20);
	sp_buf_init(&whole, (size_t)4 << 20);
	(void)sp_buf_char(&fresh, '{');
	list(&fresh, "nodes", m->nodes, NODES);
	list(&fresh, "namespaces", m->namespaces, 2);
	list(&fresh, "pods", m->pods, PODS);
	(void)sp_buf_printf(&fresh, "\"pending\":[" SP_FMT SP_FMT "]}", SP_ARG(head), SP_ARG(tail));
	step(m, "schedule", join(head, tail));
	(void)sp_buf_printf(&whole, "{\"steps\":[" SP_FMT "]}", SP_ARG(sp_buf_view(&m->steps)));
	yyjson_val *one = yyjson_arr_get_last(run(sp_buf_view(&whole)));
	yyjson_val *two = yyjson_arr_get_first(run(sp_buf_view(&fresh)));
	if (one == NULL || two == NULL)
		T_FAIL("%s", T_ERR->msg);
	static const char *const members[] = {"prefilter", "rejected", "raw",    "scores",
					      "totals",    "node",     "message"};
	for (size_t i = 0; i < SP_LEN(members); i++) {
		yyjson_val *a = yyjson_obj_get(one, members[i]), *b = yyjson_obj_get(two, members[i]);
		if ((a == NULL) != (b == NULL) || (a != NULL && !t_json_equal(a, b, where, sizeof where)))
			T_FAIL("%s differs at %s in {\"steps\":[" SP_FMT "]}", members[i], where,
			       SP_ARG(sp_buf_view(&m->steps)));
	}
	sp_str node = sp_json_str(yyjson_obj_get(one, "node"));
	if (node.len > 0) {
		m->pod_heads[m->n_pods] = sp_json_str(yyjson_obj_get(one, "pod"));
		m->pods[m->n_pods] =
			SP_CONCAT(T_ARENA, head, SP_STR("\"nodeName\":\""), node, SP_STR("\","), tail);
		m->n_pods++;
	}
	*ret_ok = true;
}

static void change_pod(model *m)
{
	size_t i = t_random_below(m->n_pods + 1), k = m->n_pods;
	sp_str node = sp_arena_printf(T_ARENA, "\"nodeName\":\"n%d\",", (int)t_random_below(NODES)), head,
	       tail;
	if (i < m->n_pods && t_random_below(3) > 0) {
		step(m, "deletePod", sp_arena_printf(T_ARENA, "\"" SP_FMT "\"", SP_ARG(m->pod_heads[i])));
		m->pods[i] = (sp_str){0};
		return;
	}
	if (i < m->n_pods && m->pods[i].len > 0) {
		/* Other labels and rules, and it may begin to terminate: namespace and name stay. */
		sp_str ns = m->pod_heads[i], name;
		do {
			name = sp_arena_printf(T_ARENA, "p%zu", i);
			pod_text(name, &head, &tail);
		} while (sp_str_find(head,
				     sp_arena_printf(
					     T_ARENA, "\"namespace\":\"" SP_FMT "\"",
					     SP_ARG(sp_str_sub(ns, 0, (size_t)sp_str_index(ns, '/'))))) < 0 &&
			 head.ptr != NULL);
		m->pods[i] = SP_CONCAT(T_ARENA, head, node, tail);
		step(m, "updatePod", m->pods[i]);
		return;
	}
	pod_text(sp_arena_printf(T_ARENA, "p%zu", k), &head, &tail);
	m->pods[k] = SP_CONCAT(T_ARENA, head, node, tail);
	yyjson_val *v = NULL;
	if (sp_json_parse(T_ARENA, m->pods[k], &v, T_ERR) != SP_OK)
		return;
	m->pod_heads[k] = SP_CONCAT(T_ARENA, sp_view_str_at(v, "metadata.namespace"), SP_STR("/"),
				    sp_view_str_at(v, "metadata.name"));
	m->n_pods++;
	step(m, "addPod", m->pods[k]);
}

static void change_node(model *m)
{
	size_t i = t_random_below(NODES);
	if (m->nodes[i].len > 0 && t_random_below(3) == 0) {
		step(m, "deleteNode", sp_arena_printf(T_ARENA, "\"n%zu\"", i));
		m->nodes[i] = (sp_str){0};
		return;
	}
	m->nodes[i] = node_text(i);
	step(m, "setNode", m->nodes[i]);
}

static void run_sequence(void)
{
	model m = {0};
	bool ok = true;
	sp_buf_init(&m.steps, (size_t)4 << 20);
	for (size_t i = 0; i + 2 < NODES; i++) {
		m.nodes[i] = node_text(i);
		step(&m, "setNode", m.nodes[i]);
	}
	m.namespaces[0] = namespace_text(0);
	step(&m, "setNamespace", m.namespaces[0]);
	for (size_t i = 0; i < STEPS && m.n_pods + 1 < PODS && ok; i++) {
		switch (t_random_below(8)) {
		case 0:
		case 1:
			change_node(&m);
			break;
		case 2:
			m.namespaces[1] = namespace_text(1);
			step(&m, "setNamespace", m.namespaces[1]);
			break;
		case 3:
		case 4:
			change_pod(&m);
			break;
		default:
			decide(&m, &ok);
		}
	}
	sp_buf_done(&m.steps);
}

SP_TEST(scheduler_counters, decide_like_fresh_ones)
{
	size_t runs = t_torture() ? 1 : 20;
	for (size_t i = 0; i < runs && !t_failed(); i++) {
		t_row("run %zu", i);
		run_sequence();
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is attached to a node, kept up to date through any sequence of claims, volumes, classes, attachments,
 * nodes and pods that come, change and go, is what a fresh state of the same objects says.
 */
#include "lib/t.h"
#include "scheduler/plugins/volumes.h"

#define N 5u
#define KINDS 4u
#define CHANGES 120u

static const sched_volume_kind kinds[KINDS] = {SCHED_PVC, SCHED_PV, SCHED_STORAGE_CLASS, SCHED_ATTACHMENT};
static const char *const drivers[] = {"d.io", "e.io", "pd.csi.storage.gke.io"};

/* Texts of what is there; empty: it is not. */
typedef struct model {
	sp_str objects[KINDS][N], nodes[N], pods[N * 2];
} model;

static const char *any(const char *const *list, size_t n)
{
	return list[t_random_below(n)];
}
#define ANY(...) \
	any((const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static sp_str object_text(size_t kind, size_t i)
{
	int k = (int)t_random_below(N);
	const char *to = sp_arena_printf(T_ARENA, "\"volumeName\":\"o%d\"", k).ptr;
	switch (kind) {
	case 0:
		return sp_arena_printf(
			T_ARENA, "{\"metadata\":{\"name\":\"o%zu\",\"namespace\":\"d\"},\"spec\":{%s}}", i,
			ANY(to, to, "\"storageClassName\":\"o0\"", "\"storageClassName\":\"o1\"", ""));
	case 1:
		return sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"o%zu\"},\"spec\":{%s}}", i,
				       ANY("\"csi\":{\"driver\":\"d.io\",\"volumeHandle\":\"h1\"}",
					   "\"csi\":{\"driver\":\"d.io\",\"volumeHandle\":\"h2\"}",
					   "\"csi\":{\"driver\":\"e.io\",\"volumeHandle\":\"h1\"}",
					   "\"gcePersistentDisk\":{\"pdName\":\"g\"}",
					   "\"hostPath\":{\"path\":\"/\"}"));
	case 2:
		return sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"o%zu\"},\"provisioner\":\"%s\"}",
				       i,
				       ANY("d.io", "kubernetes.io/gce-pd", "kubernetes.io/vsphere-volume"));
	default:
		return sp_arena_printf(T_ARENA,
				       "{\"metadata\":{\"name\":\"o%zu\"},\"spec\":{\"attacher\":\"%s\","
				       "\"nodeName\":\"n%d\",\"source\":{\"persistentVolumeName\":\"o%d\"}}}",
				       i, ANY("d.io", "e.io"), (int)t_random_below(N), k);
	}
}

static sp_str pod_text(size_t i)
{
	return sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"p%zu\",\"namespace\":\"d\",\"uid\":\"p%zu\"},\"spec\":{"
		"\"nodeName\":\"n%d\","
		"\"containers\":[{\"name\":\"c\"}],\"volumes\":[{\"name\":\"a\",\"persistentVolumeClaim\":{"
		"\"claimName\":\"o%d\"}},{\"name\":\"b\",%s}]}}",
		i, i, (int)t_random_below(N), (int)t_random_below(N),
		ANY("\"emptyDir\":{}", "\"gcePersistentDisk\":{\"pdName\":\"g\"}",
		    "\"persistentVolumeClaim\":{\"claimName\":\"o1\"}"));
}

static sp_code put(sched_state *st, sp_str text, size_t kind)
{
	yyjson_val *v = NULL;
	sched_pod *pod;
	SP_TRY(sp_json_parse(T_ARENA, text, &v, T_ERR));
	if (kind < KINDS)
		return sched_put_volume_object(st, kinds[kind], v, T_ERR);
	if (kind == KINDS)
		return sched_put_node(st, v, T_ERR);
	SP_TRY(sched_pod_make(st, v, &pod, T_ERR));
	return sched_put_pod(st, pod);
}

static sp_code change_object(model *m, sched_state *st)
{
	size_t kind = t_random_below(KINDS), i = t_random_below(N);
	if (t_random_below(3) > 0) {
		m->objects[kind][i] = object_text(kind, i);
		return put(st, m->objects[kind][i], kind);
	}
	m->objects[kind][i] = (sp_str){0};
	sched_remove_volume_object(st, kinds[kind],
				   sp_arena_printf(T_ARENA, "%so%zu", kind == 0 ? "d/" : "", i));
	return SP_OK;
}

static sp_code change_pod(model *m, sched_state *st)
{
	size_t i = t_random_below(N * 2);
	if (t_random_below(3) > 0) {
		m->pods[i] = pod_text(i);
		return put(st, m->pods[i], KINDS + 1);
	}
	m->pods[i] = (sp_str){0};
	sched_remove_pod(st, sp_arena_printf(T_ARENA, "d/p%zu", i));
	return SP_OK;
}

static sp_code change_node(model *m, sched_state *st)
{
	size_t i = t_random_below(N);
	if (t_random_below(3) > 0) {
		m->nodes[i] = sp_arena_printf(T_ARENA, "{\"metadata\":{\"name\":\"n%zu\"}}", i);
		return put(st, m->nodes[i], KINDS);
	}
	m->nodes[i] = (sp_str){0};
	sched_remove_node(st, sp_arena_printf(T_ARENA, "n%zu", i));
	return SP_OK;
}

static sp_code fill(sched_state *st, const sp_str *texts, size_t n, size_t kind)
{
	for (size_t i = 0; i < n; i++) {
		if (texts[i].len > 0)
			SP_TRY(put(st, texts[i], kind));
	}
	return SP_OK;
}

static sched_state *fresh(const model *m)
{
	sched_state *st = sched_state_new();
	sp_code code = st == NULL ? SP_ENOMEM : fill(st, m->pods, SP_LEN(m->pods), KINDS + 1);
	for (size_t k = 0; k < KINDS && code == SP_OK; k++)
		code = fill(st, m->objects[k], N, k);
	if (code == SP_OK)
		code = fill(st, m->nodes, N, KINDS);
	if (code == SP_OK)
		return st;
	sched_state_free(st);
	return NULL;
}

static void same(const sched_state *a, const sched_state *b)
{
	static const char *const volumes[] = {
		"d.io/h1", "d.io/h2", "e.io/h1",
		"d.io/\x1d"
		"d/o1",
		"pd.csi.storage.gke.io/projects/UNSPECIFIED/zones/UNSPECIFIED/disks/g"};
	for (size_t i = 0; i < N; i++) {
		sp_str name = sp_arena_printf(T_ARENA, "n%zu", i);
		const sched_node_volumes *x = sched_find_node_volumes(a, name),
					 *y = sched_find_node_volumes(b, name);
		for (size_t d = 0; d < SP_LEN(drivers); d++)
			T_EQ_U64(sched_attached_count(x, sp_str_c(drivers[d])),
				 sched_attached_count(y, sp_str_c(drivers[d])));
		for (size_t v = 0; v < SP_LEN(volumes); v++) {
			bool one, two;
			T_EQ_U64(sched_attached_pods(x, sp_str_c(volumes[v]), &one),
				 sched_attached_pods(y, sp_str_c(volumes[v]), &two));
			T_TRUE(one == two);
		}
		T_EQ_U64(sched_claim_uses(a, sp_arena_printf(T_ARENA, "d/o%zu", i)),
			 sched_claim_uses(b, sp_arena_printf(T_ARENA, "d/o%zu", i)));
	}
}

static void run_sequence(void)
{
	static sp_code (*const changes[])(model * m, sched_state * st) = {
		change_object, change_object, change_pod, change_pod, change_node};
	model m = {0};
	sched_state *st = sched_state_new();
	T_TRUE(st != NULL);
	T_DEFER(sched_state_free, st);
	for (size_t i = 0; i < (t_torture() ? CHANGES / 4 : CHANGES) && !t_failed(); i++) {
		T_OK(changes[t_random_below(SP_LEN(changes))](&m, st));
		if (i % 4 != 3)
			continue;
		sched_state *other = fresh(&m);
		T_TRUE(other != NULL);
		same(st, other);
		sched_state_free(other);
	}
}

SP_TEST(scheduler_limits, kept_counts_are_those_of_a_fresh_state)
{
	size_t runs = t_torture() ? 1 : 40;
	for (size_t i = 0; i < runs && !t_failed(); i++) {
		t_row("run %zu", i);
		run_sequence();
	}
}

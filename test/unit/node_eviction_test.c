/* SPDX-License-Identifier: Apache-2.0 */
/* What the node is short of, who is let in, who goes and what is said about it. */
#include "lib/t.h"
#include "node/eviction.h"
#include "node/signals.h"

#define SECOND UINT64_C(1000000000)
#define MI (INT64_C(1) << 20)

static void free_pod(void *p)
{
	node_pod_free(p);
}

static node_pod *pod_of(const char *name, const char *spec)
{
	node_pod *p = NULL;
	sp_str json = sp_arena_printf(
		T_ARENA,
		"{\"metadata\":{\"name\":\"%s\",\"namespace\":\"d\",\"uid\":\"u-%s\"},\"spec\":{%s}}", name,
		name, spec);
	if (node_pod_parse(json, &p, T_ERR) == SP_OK)
		T_DEFER(free_pod, p);
	return p;
}

#define CONTAINER(resources) "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{" resources "}}]"

/* ---- configuration ---- */

SP_TEST(node_eviction, settings)
{
	static const struct {
		const char *hard, *soft, *graces, *reclaim, *error;
		size_t n;
	} rows[] = {
		{NODE_EVICTION_HARD, "", "", "", NULL, 5},
		{"", "", "", "", NULL, 0},
		{"memory.available<0%,nodefs.available<100%", "", "", "", NULL, 0},
		{" memory.available < 1Gi ,", "", "", "", NULL, 1},
		{"containerfs.available<1Gi,allocatableMemory.available<1Gi", "", "", "", NULL, 0},
		{"memory.available<150Mi", "memory.available<1.5Gi", "memory.available=1m30s",
		 "memory.available=0Mi", NULL, 2},
		{"memory.free<1Gi", "", "", "", "unsupported eviction signal memory.free", 0},
		{"memory.available=1Gi", "", "", "", "malformed pair, expect string<string", 0},
		{"memory.available<-1Gi", "", "", "",
		 "eviction threshold memory.available must be positive: -1Gi", 0},
		{"memory.available<0", "", "", "", "eviction threshold memory.available must be positive: 0",
		 0},
		{"memory.available<-5%", "", "", "",
		 "eviction percentage threshold memory.available must be >= 0%: -5%", 0},
		{"memory.available<101%", "", "", "",
		 "eviction percentage threshold memory.available must be <= 100%: 101%", 0},
		{"", "memory.available<1Gi", "", "",
		 "grace period must be specified for the soft eviction threshold memory.available", 0},
		{"", "memory.available<1Gi", "memory.available=-1s", "",
		 "invalid eviction grace period specified: -1s, must be a positive value", 0},
		{"memory.available<1Gi", "", "", "memory.available=-1Mi",
		 "negative eviction minimum reclaim specified for memory.available", 0},
		{"memory.available<1Gi", "", "", "memory.available=0%",
		 "eviction percentage minimum reclaim memory.available must be positive: 0%", 0},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_eviction e = {.max_grace_s = 7};
		const node_eviction_texts t = {sp_str_c(rows[i].hard), sp_str_c(rows[i].soft),
					       sp_str_c(rows[i].graces), sp_str_c(rows[i].reclaim)};
		t_row("%zu", i);
		*T_ERR = (sp_err){0};
		sp_code code = node_eviction_parse(&t, &e, T_ERR);
		if (rows[i].error != NULL) {
			T_EQ_I64(code, SP_EINVAL);
			T_EQ_C(sp_str_c(T_ERR->msg), rows[i].error);
		} else {
			T_EQ_I64(code, SP_OK);
		}
		T_EQ_U64(e.n, rows[i].n);
		T_EQ_I64(e.max_grace_s, 7);
	}
	SP_AUTO_BUF many;
	sp_buf_init(&many, 4096);
	for (size_t i = 0; i <= NODE_THRESHOLDS_MAX; i++)
		T_OK(sp_buf_str(&many, SP_STR("pid.available<5,")));
	node_eviction e = {0};
	T_CODE(node_eviction_parse(&(node_eviction_texts){.hard = sp_buf_view(&many)}, &e, T_ERR),
	       SP_ETOOLARGE);
}

static bool settings(node_eviction *e, const char *hard, const char *soft, const char *graces,
		     const char *reclaim)
{
	const node_eviction_texts t = {sp_str_c(hard), sp_str_c(soft), sp_str_c(graces), sp_str_c(reclaim)};
	return node_eviction_parse(&t, e, T_ERR) == SP_OK;
}

SP_TEST(node_eviction, kept)
{
	node_eviction e = {0};
	T_TRUE(settings(&e, NODE_EVICTION_HARD, "memory.available<1Gi", "memory.available=1m", ""));
	T_EQ_I64(node_eviction_kept(&e, NODE_SIGNAL_MEMORY, 8192 * MI), 100 * MI);
	T_EQ_I64(node_eviction_kept(&e, NODE_SIGNAL_MEMORY, 50 * MI), 50 * MI);
	T_EQ_I64(node_eviction_kept(&e, NODE_SIGNAL_PIDS, 1000), 0);
	/* As upstream's float has it. */
	T_EQ_I64(node_eviction_kept(&e, NODE_SIGNAL_NODEFS, INT64_C(100000000000)), INT64_C(10000000149));
}

/* ---- thresholds over time ---- */

SP_TEST(node_eviction, over_time)
{
	/* available: of memory, MiB; on: the condition; acts: the threshold's number, -1: none. */
	static const struct {
		uint64_t at;
		int64_t available;
		bool on;
		int acts;
	} rows[] = {
		{1, 3000, false, -1},  {10, 2047, true, -1}, /* soft, its grace begins */
		{20, 2048, true, -1},                        /* not below: it begins anew */
		{30, 2000, true, -1},  {89, 2000, true, -1},  {90, 2000, true, 1}, /* a minute later */
		{100, 900, true, 0},  /* the hard one comes first in the list */
		{110, 1100, true, 0}, /* it wants 200 Mi beyond */
		{120, 1224, true, 1}, /* it has them; the soft one goes on */
		{130, 5000, true, -1}, {419, 5000, true, -1}, {420, 5000, false, -1}, /* five minutes after */
	};
	node_eviction e = {.transition_ns = 300 * (int64_t)SECOND};
	node_pressures p = {0};
	T_TRUE(settings(&e, "memory.available<1Gi", "memory.available<2Gi", "memory.available=1m", ""));
	e.at[0].has_reclaim = true; /* of the hard one only */
	T_OK(sp_qty_parse(SP_STR("200Mi"), &e.at[0].reclaim.quantity, T_ERR));
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_observations o = {0};
		const node_threshold *t;
		t_row("%zu", i);
		o.of[NODE_SIGNAL_MEMORY] = (node_observation){true, rows[i].available * MI, 8192 * MI};
		bool acts = node_pressures_step(&p, &e, &o, rows[i].at * SECOND, &t);
		T_EQ_I64(acts ? t - e.at : -1, rows[i].acts);
		T_EQ_I64(p.is_on[NODE_PRESSURE_MEMORY], rows[i].on);
		T_TRUE(!p.is_on[NODE_PRESSURE_DISK] && !p.is_on[NODE_PRESSURE_PID]);
	}
}

SP_TEST(node_eviction, which_first)
{
	node_eviction e = {.transition_ns = (int64_t)SECOND};
	node_pressures p = {0};
	node_observations o = {0};
	const node_threshold *t;
	T_TRUE(settings(&e, "nodefs.available<10%,pid.available<10,imagefs.inodesFree<5%,memory.available<1",
			"", "", ""));
	T_TRUE(!node_pressures_step(&p, &e, &o, 1, &t)); /* nothing is known */
	for (size_t i = 0; i < NODE_SIGNAL_COUNT_; i++)
		o.of[i] = (node_observation){true, 0, 1000};
	T_TRUE(node_pressures_step(&p, &e, &o, 2, &t));
	T_EQ_STR(node_signal_name(t->signal), SP_STR("memory.available"));
	o.of[NODE_SIGNAL_MEMORY].available = 1;
	T_TRUE(node_pressures_step(&p, &e, &o, 3, &t));
	T_EQ_STR(node_signal_name(t->signal), SP_STR("nodefs.available"));
	T_EQ_STR(node_signal_resource(t->signal), SP_STR("ephemeral-storage"));
	T_TRUE(p.is_on[NODE_PRESSURE_DISK] && p.is_on[NODE_PRESSURE_PID] && p.is_on[NODE_PRESSURE_MEMORY]);
	T_TRUE(node_pressures_any_met(&e, &o));
	for (size_t i = 0; i < NODE_SIGNAL_COUNT_; i++)
		o.of[i].available = 1000;
	T_TRUE(!node_pressures_any_met(&e, &o));
}

/* ---- admission ---- */

#define BEARS(more) "\"tolerations\":[{" more "}],"

SP_TEST(node_eviction, admission)
{
	static const struct {
		const char *on, *spec, *message; /* NULL: it may run */
	} rows[] = {
		{"", CONTAINER(""), NULL},
		{"M", CONTAINER(""), "The node had condition: [MemoryPressure]. "},
		{"M", CONTAINER("\"requests\":{\"cpu\":\"1\"}"), NULL},
		{"M", BEARS("\"operator\":\"Exists\"") CONTAINER(""), NULL},
		{"M",
		 BEARS("\"key\":\"node.kubernetes.io/memory-pressure\",\"operator\":\"Exists\"")
			 CONTAINER(""),
		 NULL},
		{"M",
		 BEARS("\"key\":\"node.kubernetes.io/memory-pressure\",\"effect\":\"NoSchedule\"")
			 CONTAINER(""),
		 NULL},
		{"M", BEARS("\"key\":\"node.kubernetes.io/memory-pressure\",\"value\":\"x\"") CONTAINER(""),
		 "The node had condition: [MemoryPressure]. "},
		{"M",
		 BEARS("\"key\":\"node.kubernetes.io/"
		       "memory-pressure\",\"operator\":\"Exists\",\"effect\":\"NoExecute\"") CONTAINER(""),
		 "The node had condition: [MemoryPressure]. "},
		{"M",
		 BEARS("\"key\":\"node.kubernetes.io/disk-pressure\",\"operator\":\"Exists\"") CONTAINER(""),
		 "The node had condition: [MemoryPressure]. "},
		{"M", "\"priority\":2000000000," CONTAINER(""), NULL},
		{"M", "\"priority\":1999999999," CONTAINER(""), "The node had condition: [MemoryPressure]. "},
		{"D", CONTAINER("\"requests\":{\"cpu\":\"1\"}"), "The node had condition: [DiskPressure]. "},
		{"MP", BEARS("\"operator\":\"Exists\"") CONTAINER(""),
		 "The node had condition: [MemoryPressure PIDPressure]. "},
		{"MDP", "\"priority\":2000001000," CONTAINER(""), NULL},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_pressures p = {0};
		SP_AUTO_BUF why;
		sp_buf_init(&why, 4096);
		const node_pod *pod = pod_of("p", rows[i].spec);
		t_row("%zu", i);
		T_TRUE(pod != NULL);
		p.is_on[NODE_PRESSURE_MEMORY] = strchr(rows[i].on, 'M') != NULL;
		p.is_on[NODE_PRESSURE_DISK] = strchr(rows[i].on, 'D') != NULL;
		p.is_on[NODE_PRESSURE_PID] = strchr(rows[i].on, 'P') != NULL;
		T_EQ_I64(node_pressures_admit(&p, pod, &why), rows[i].message == NULL);
		T_EQ_C(sp_buf_view(&why), rows[i].message == NULL ? "" : rows[i].message);
	}
	node_pod *fixed = pod_of("p", CONTAINER(""));
	T_TRUE(fixed != NULL && !node_pod_is_critical(fixed));
	fixed->is_static = true;
	T_TRUE(node_pod_is_critical(fixed));
}

/* ---- ranking ---- */

/* A pod that asks for `request` MiB of memory and disk, and uses that much of each. */
static node_pod_use use_of(const char *name, int priority, int request, int64_t memory, int64_t rootfs,
			   int64_t logs, int64_t volume)
{
	node_pod_use u = {
		.is_known = true, .memory = -1, .processes = memory, .n_containers = 1, .n_volumes = 1};
	sp_str spec =
		sp_arena_printf(T_ARENA,
				"\"priority\":%d," CONTAINER(
					"\"requests\":{\"memory\":\"%dMi\",\"ephemeral-storage\":\"%dMi\"}"),
				priority, request, request);
	u.pod = spec.ptr == NULL ? NULL : pod_of(name, spec.ptr);
	u.containers = sp_try_new(T_ARENA, node_container_use, 1);
	u.volumes = sp_try_new(T_ARENA, node_volume_use, 1);
	if (u.pod == NULL || u.containers == NULL || u.volumes == NULL)
		return (node_pod_use){0};
	u.containers[0] = (node_container_use){.name = SP_STR("c"),
					       .memory = memory * MI,
					       .rootfs = {true, rootfs * MI, rootfs},
					       .logs = {true, logs * MI, logs}};
	u.volumes[0] = (node_volume_use){.name = SP_STR("v"), .use = {true, volume * MI, volume}};
	return u;
}

SP_TEST(node_eviction, ranking)
{
	static const struct {
		node_signal signal;
		bool dedicated;
		const char *order;
	} rows[] = {
		/* Over its request; then priority; then by how much. d's use is unknown. */
		{NODE_SIGNAL_MEMORY, false, "dceab"},       {NODE_SIGNAL_NODEFS, false, "dbcea"},
		{NODE_SIGNAL_NODEFS, true, "dceba"},        {NODE_SIGNAL_IMAGEFS, true, "dbeca"},
		{NODE_SIGNAL_NODEFS_INODES, true, "dcbea"}, {NODE_SIGNAL_PIDS, false, "dcabe"},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_pod_use at[] = {
			use_of("a", 0, 100, 100, 10, 0, 0),    use_of("b", 0, 100, 99, 500, 50, 0),
			use_of("c", 0, 10, 200, 0, 0, 20),     use_of("d", 0, 0, 0, 0, 0, 0),
			use_of("e", 5, 100, 300, 300, 0, 150),
		};
		at[3].is_known = false;
		char order[8] = {0};
		for (size_t k = 0; k < SP_LEN(at); k++)
			T_TRUE(at[k].pod != NULL);
		node_rank(at, SP_LEN(at), rows[i].signal, rows[i].dedicated);
		for (size_t k = 0; k < SP_LEN(at); k++)
			order[k] = at[k].pod->v.name.ptr[0];
		t_row("%zu", i);
		T_EQ_C(sp_str_c(order), rows[i].order);
	}
}

/* ---- limits of storage ---- */

#define EMPTY(limit, more) ",\"volumes\":[{\"name\":\"v\",\"emptyDir\":{" limit more "}}]"
#define LIMITED(limit) CONTAINER("\"limits\":{\"ephemeral-storage\":\"" limit "\"}")

SP_TEST(node_eviction, storage)
{
	static const struct {
		const char *spec;
		int64_t rootfs, logs, volume;
		bool dedicated, limited;
		const char *signal, *message;
	} rows[] = {
		{CONTAINER("") EMPTY("", ""), 500, 500, 500, false, false, "", ""},
		{CONTAINER("") EMPTY("\"sizeLimit\":\"10Mi\"", ""), 500, 500, 10, false, true, "", ""},
		{CONTAINER("") EMPTY("\"sizeLimit\":\"10Mi\"", ""), 0, 0, 11, false, true, "emptydirfs.limit",
		 "Usage of EmptyDir volume \"v\" exceeds the limit \"10Mi\". "},
		{CONTAINER("") EMPTY("\"sizeLimit\":\"0\"", ""), 0, 0, 11, false, false, "", ""},
		{CONTAINER("") EMPTY("\"sizeLimit\":\"1Mi\"", ",\"medium\":\"Memory\""), 0, 0, 11, false,
		 false, "", ""},
		{LIMITED("20Mi"), 10, 10, 0, false, true, "", ""},
		{LIMITED("20Mi"), 10, 10, 1, false, true, "ephemeralpodfs.limit",
		 "Pod ephemeral local storage usage exceeds the total limit of containers 20Mi. "},
		{LIMITED("20M"), 21, 0, 0, false, true, "ephemeralpodfs.limit",
		 "Pod ephemeral local storage usage exceeds the total limit of containers 20M. "},
		/* The pod has more room than the container. */
		{"\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"resources\":{\"limits\":{"
		 "\"ephemeral-storage\":\"1Gi\"}}}]," LIMITED("20Mi"),
		 15, 6, 0, false, true, "ephemeralcontainerfs.limit",
		 "Container c exceeded its local ephemeral storage limit \"20Mi\". "},
		{"\"initContainers\":[{\"name\":\"i\",\"image\":\"i\",\"resources\":{\"limits\":{"
		 "\"ephemeral-storage\":\"1Gi\"}}}]," LIMITED("20Mi"),
		 15, 6, 0, true, true, "", ""}, /* its layer is on another disk */
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_container_use c = {.name = SP_STR("c"),
					.rootfs = {true, rows[i].rootfs * MI, 1},
					.logs = {true, rows[i].logs * MI, 1}};
		node_volume_use v = {.name = SP_STR("v"), .use = {true, rows[i].volume * MI, 1}};
		const node_pod_use u = {.pod = pod_of("p", rows[i].spec),
					.is_known = true,
					.memory = -1,
					.containers = &c,
					.n_containers = 1,
					.volumes = &v,
					.n_volumes = 1};
		SP_AUTO_BUF why;
		sp_buf_init(&why, 4096);
		t_row("%zu", i);
		T_TRUE(u.pod != NULL);
		T_EQ_I64(node_pod_limits_storage(u.pod), rows[i].limited);
		T_EQ_C(node_storage_over(&u, rows[i].dedicated, &why), rows[i].signal);
		T_EQ_C(sp_buf_view(&why), rows[i].message);
	}
}

/* ---- messages ---- */

SP_TEST(node_eviction, messages)
{
	node_eviction e = {0};
	node_pressures p = {0};
	node_observations o = {0};
	T_TRUE(settings(&e, "memory.available<100Mi,nodefs.available<10%,pid.available<10", "", "", ""));
	for (size_t i = 0; i < 3; i++)
		p.met[i] = true;
	o.of[NODE_SIGNAL_MEMORY] = (node_observation){true, 50 * MI, 8192 * MI};
	o.of[NODE_SIGNAL_NODEFS] = (node_observation){true, 100 * 1024, 1000 * 1024};
	o.of[NODE_SIGNAL_PIDS] = (node_observation){true, 3, 1000};
	node_pod_use u = use_of("web", 0, 100, 150, 120, 10, 0);
	T_TRUE(u.pod != NULL);
	static const struct {
		node_signal signal;
		const char *message;
	} rows[] = {
		{NODE_SIGNAL_MEMORY, "The node was low on resource: memory. Threshold quantity: 100Mi, "
				     "available: 50Mi. Container c was "
				     "using 150Mi, request is 100Mi, has larger consumption of memory. "},
		{NODE_SIGNAL_NODEFS,
		 "The node was low on resource: ephemeral-storage. Threshold quantity: 102400001525, "
		 "available: "
		 "100Ki. Container c was using 130Mi, request is 100Mi, has larger consumption of "
		 "ephemeral-storage. "},
		{NODE_SIGNAL_PIDS,
		 "The node was low on resource: pids. Threshold quantity: 10, available: 3. "},
	};
	o.of[NODE_SIGNAL_NODEFS].capacity = INT64_C(1024000000000);
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		SP_AUTO_BUF out, more;
		sp_buf_init(&out, 4096);
		sp_buf_init(&more, 4096);
		t_row("%zu", i);
		node_evict_message(&u, &e, &p, &o, rows[i].signal, &out, &more);
		T_EQ_C(sp_buf_view(&out), rows[i].message);
	}
	/* A request of the pod itself; a container without one. */
	node_container_use c = {.name = SP_STR("c"), .memory = 5 * MI};
	const node_pod_use whole = {
		.pod = pod_of("w", "\"resources\":{\"requests\":{\"memory\":\"64Mi\"}}," CONTAINER("")),
		.is_known = true,
		.memory = 70 * MI,
		.containers = &c,
		.n_containers = 1};
	SP_AUTO_BUF out, more;
	sp_buf_init(&out, 4096);
	sp_buf_init(&more, 4096);
	T_TRUE(whole.pod != NULL);
	node_evict_message(&whole, &e, &p, &o, NODE_SIGNAL_MEMORY, &out, &more);
	T_EQ_C(sp_buf_view(&out), "The node was low on resource: memory. Threshold quantity: 100Mi, "
				  "available: 50Mi. Pod w was using "
				  "70Mi, request is 64Mi, has larger consumption of memory. Container c was "
				  "using 5Mi, request is 0, "
				  "has larger consumption of memory. ");
	T_EQ_C(sp_buf_view(&more), "{\"offending_containers\":\"c\",\"offending_containers_usage\":\"5Mi\","
				   "\"offending_pod\":\"w\",\"offending_pod_usage\":\"70Mi\","
				   "\"starved_resource\":\"memory\"}");
}

/* ---- what the machine says ---- */

SP_TEST(node_eviction, signals)
{
	static const struct {
		int64_t limit, used;
		const char *stat;
		bool v1;
		int64_t available, capacity; /* -1: unknown */
	} rows[] = {
		{-1, 300, "inactive_file 100\n", false, 800, 1000},
		{600, 300, "anon 5\ninactive_file 100\n", false, 400, 600},
		{2000, 300, "inactive_file 100", false, 800, 1000},
		{-1, 300, "inactive_file 7\ntotal_inactive_file 100\n", true, 800, 1000},
		{-1, 50, "inactive_file 100\n", false, 1000, 1000},
		{-1, 3000, "inactive_file 0\n", false, 0, 1000},
		{-1, -1, "inactive_file 0\n", false, -1, -1},
		{-1, 300, "inactive_filed 0\n", false, -1, -1},
	};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_observation o = {.available = -1, .capacity = -1};
		t_row("%zu", i);
		node_signal_memory(1000, rows[i].limit, rows[i].used, sp_str_c(rows[i].stat), rows[i].v1, &o);
		T_EQ_I64(o.is_known, rows[i].capacity >= 0);
		T_EQ_I64(o.available, rows[i].available);
		T_EQ_I64(o.capacity, rows[i].capacity);
	}
	static const struct {
		const char *load, *pid_max, *threads;
		int64_t available;
	} pids[] = {
		{"0.20 0.18 0.12 1/80 11206\n", "32768\n", "100000", 32688},
		{"0.20 0.18 0.12 1/80 11206\n", "32768\n", "1000", 920},
		{"0.20 0.18 0.12 1/80 11206\n", "", "1000", 920},
		{"0.20 0.18 0.12 1-80 11206\n", "32768", "1000", -1},
		{"0.20", "32768", "1000", -1},
		{"", "32768", "1000", -1},
		{"0.20 0.18 0.12 1/80 11206\n", "", "", -1},
	};
	for (size_t i = 0; i < SP_LEN(pids); i++) {
		node_observation o = {.available = -1};
		t_row("%zu", i);
		node_signal_pids(sp_str_c(pids[i].load), sp_str_c(pids[i].pid_max), sp_str_c(pids[i].threads),
				 &o);
		T_EQ_I64(o.available, pids[i].available);
	}
}

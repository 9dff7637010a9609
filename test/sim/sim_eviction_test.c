/* SPDX-License-Identifier: Apache-2.0 */
/* A node that runs short: pods that use too much go, one at a time, and new ones are not let in. */
#include "base/json.h"
#include "io/file.h"
#include "kube/view.h"
#include "lib/node_rig.h"
#include "lib/t.h"

#define USES(name, memory, layer) "\"containers\":[" C(name, RUN ",\"" memory "\",\"" layer "\"") "]"
#define ASKS(name, memory, request)                                                             \
	"\"containers\":[{\"name\":\"" name "\",\"image\":\"i\",\"command\":[" RUN ",\"" memory \
	"\"],\"resources\":{\"requests\":{\"memory\":\"" request "\"}}}]"

static void put_file(node_rig *r, const char *dir, const char *name, const char *text)
{
	sp_str path = sp_arena_printf(T_ARENA, "%s/%s", dir, name);
	if (sp_dir_make(r->machine.world, sp_str_c(dir), 0755, T_ERR) != SP_OK ||
	    sp_file_replace(r->machine.world, path, sp_str_c(text), 0644, T_ERR) != SP_OK)
		(void)t_fail(__FILE__, __LINE__, "no file: %s", T_ERR->msg);
}

/* The machine of 8 GiB uses that much. */
static void use_memory(node_rig *r, unsigned mib)
{
	sp_str text = sp_arena_printf(T_ARENA, "%llu\n", (unsigned long long)mib << 20);
	put_file(r, "/sys/fs/cgroup", "memory.stat", "anon 0\ninactive_file 0\n");
	put_file(r, "/sys/fs/cgroup", "memory.current", text.ptr);
}

/* The agent begins anew, with these thresholds. */
static bool with_thresholds(node_rig *r, const char *hard, const char *soft, const char *graces)
{
	const node_eviction_texts t = {
		.hard = sp_str_c(hard), .soft = sp_str_c(soft), .soft_grace = sp_str_c(graces)};
	nr_agent_close(r);
	nr_eviction = (node_eviction){.max_grace_s = 3, .transition_ns = 60 * (int64_t)SECOND};
	return node_eviction_parse(&t, &nr_eviction, T_ERR) == SP_OK && nr_agent_open(r);
}

static sp_str of_node(node_rig *r, const char *type, const char *field)
{
	yyjson_val *tree, *item;
	size_t i, n;
	sp_ask ask = {.verb = SP_ASK_GET, .gvr = SP_NODES, .name = SP_STR("n1")};
	t_ask(&r->user, &ask);
	if (r->user.code != SP_OK || sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &tree, NULL) != SP_OK)
		return SP_STR("-");
	yyjson_arr_foreach(sp_view_at(tree, "status.conditions"), i, n, item)
	{
		if (sp_str_eq(sp_view_str_at(item, "type"), sp_str_c(type)))
			return sp_view_str_at(item, field);
	}
	return SP_STR("-");
}

static sp_str condition_of(node_rig *r, const char *pod, const char *type, const char *field)
{
	for (unsigned i = 0; i < 8; i++) {
		char path[64];
		(void)snprintf(path, sizeof path, "status.conditions[%u].type", i);
		if (!sp_str_eq(nr_of(r, pod, path), sp_str_c(type)))
			continue;
		(void)snprintf(path, sizeof path, "status.conditions[%u].%s", i, field);
		return nr_of(r, pod, path);
	}
	return SP_STR("-");
}

static bool runs_fewer(void *arg)
{
	const node_rig *r = arg;
	return fake_cri_running(&r->cri) < r->n_running;
}

/* Until one of the containers ended, and not longer: before the next look. */
static bool one_ends(node_rig *r, unsigned seconds)
{
	r->n_running = fake_cri_running(&r->cri);
	return sp_sim_run(r->api.sim, runs_fewer, r, sp_sim_now_ns(r->api.sim) + seconds * SECOND);
}

/* ---- limits of storage ---- */

SP_TEST(sim_eviction, empty_dir_limit)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_make(r, "big",
		"\"containers\":[" C("a", "\"deaf\"") "],\"volumes\":[{\"name\":\"cache\",\"emptyDir\":{"
						      "\"sizeLimit\":\"10Mi\"}}]");
	nr_make(r, "free",
		"\"containers\":[" C("a", RUN) "],\"volumes\":[{\"name\":\"cache\",\"emptyDir\":{}}]");
	T_TRUE(nr_becomes(r, "big", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "free", STATUS(0) "ready", "true", 20));
	fake_usage = (fake_use){.path = "empty-dir/cache", .bytes = 10u << 20};
	nr_run(r, 130 * SECOND);
	T_EQ_C(nr_of(r, "big", PHASE), "Running");
	fake_usage.bytes++;
	/* As long as it runs it has not failed; a deaf one gets little time. */
	T_TRUE(nr_becomes(r, "big", PHASE, "Failed", 75));
	T_EQ_C(nr_of(r, "big", "status.reason"), "Evicted");
#define MESSAGE "Usage of EmptyDir volume \"cache\" exceeds the limit \"10Mi\". "
	T_EQ_C(nr_of(r, "big", "status.message"), MESSAGE);
	T_EQ_C(nr_of(r, "big", STATUS(0) "state.terminated.exitCode"), "137");
	T_EQ_C(condition_of(r, "big", "DisruptionTarget", "status"), "-");
	T_EQ_C(condition_of(r, "big", "Ready", "reason"), "PodFailed");
	T_TRUE(nr_has_event(r, "Evicted", MESSAGE));
	nr_run(r, 100 * SECOND);
	T_EQ_C(nr_of(r, "free", PHASE), "Running");
	T_EQ_U64(fake_cri_running(&r->cri), 1);
	/* It stays as it ended, also for an agent that begins anew. */
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	nr_run(r, 30 * SECOND);
	T_EQ_C(nr_of(r, "big", "status.message"), MESSAGE);
	nr_delete(r, "big");
	T_TRUE(nr_becomes(r, "big", PHASE, "-", 20));
	T_TRUE(r->cri.broken == NULL);
}

/* ---- memory ---- */

/* Of the event that says that a pod is evicted. */
static sp_str annotation(node_rig *r, const char *name)
{
	yyjson_val *tree, *item;
	size_t i, n;
	sp_ask ask = {.verb = SP_ASK_GET, .gvr = SP_EVENTS_V1, .ns = SP_STR("default")};
	t_ask(&r->user, &ask);
	if (sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &tree, NULL) != SP_OK)
		return SP_STR("-");
	yyjson_arr_foreach(sp_view_at(tree, "items"), i, n, item)
	{
		if (sp_str_eq(sp_view_str_at(item, "reason"), SP_STR("Evicted")))
			return sp_view_str_at(sp_view_at(item, "metadata.annotations"), name);
	}
	return SP_STR("-");
}

SP_TEST(sim_eviction, memory)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	use_memory(r, 1000);
	T_TRUE(with_thresholds(r, "memory.available<1Gi", "", ""));
	nr_make(r, "small", USES("a", "100", "0"));
	nr_make(r, "large", USES("a", "900", "0"));
	nr_make(r, "asks", ASKS("a", "2000", "3Gi"));
	T_TRUE(nr_becomes(r, "small", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "large", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "asks", STATUS(0) "ready", "true", 20));
	nr_run(r, 30 * SECOND);
	T_EQ_C(of_node(r, "MemoryPressure", "status"), "False");
	use_memory(r, 7500);
	T_TRUE(one_ends(r, 15));
	use_memory(r, 6000); /* that was enough */
	T_TRUE(nr_becomes(r, "large", PHASE, "Failed", 5));
	T_EQ_C(nr_of(r, "large", "status.message"),
	       "The node was low on resource: memory. Threshold quantity: 1Gi, available: 692Mi. Container a "
	       "was "
	       "using 900Mi, request is 0, has larger consumption of memory. ");
	T_EQ_C(annotation(r, "starved_resource"), "memory");
	T_EQ_C(annotation(r, "offending_containers"), "a");
	T_EQ_C(annotation(r, "offending_containers_usage"), "900Mi");
	T_EQ_C(condition_of(r, "large", "DisruptionTarget", "status"), "True");
	T_EQ_C(condition_of(r, "large", "DisruptionTarget", "reason"), "TerminationByKubelet");
	T_EQ_C(of_node(r, "MemoryPressure", "status"), "True");
	T_EQ_C(of_node(r, "MemoryPressure", "reason"), "KubeletHasInsufficientMemory");
	T_EQ_C(of_node(r, "DiskPressure", "status"), "False");
	T_TRUE(nr_has_event(r, "EvictionThresholdMet", "Attempting to reclaim memory"));
	T_TRUE(nr_has_event(r, "NodeHasInsufficientMemory",
			    "Node n1 status is now: NodeHasInsufficientMemory"));
	/* Under pressure those that ask for nothing are not let in. */
	nr_make(r, "late", USES("a", "1", "0"));
	nr_make(r, "fine", ASKS("a", "1", "1Mi"));
	T_TRUE(nr_becomes(r, "fine", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "late", PHASE, "Failed", 20));
	T_EQ_C(nr_of(r, "late", "status.reason"), "Evicted");
	T_EQ_C(nr_of(r, "late", "status.message"),
	       "Pod was rejected: The node had condition: [MemoryPressure]. ");
	T_EQ_C(nr_of(r, "late", STATUS(0) "name"), "-");
	T_TRUE(nr_has_event(r, "Evicted", "The node had condition: [MemoryPressure]. "));
	T_EQ_U64(fake_cri_starts(&r->cri, "late", "a"), 0);
	/* A while after all is well. */
	nr_run(r, 75 * SECOND);
	T_EQ_C(of_node(r, "MemoryPressure", "status"), "False");
	nr_make(r, "later", USES("a", "1", "0"));
	T_TRUE(nr_becomes(r, "later", STATUS(0) "ready", "true", 20));
	T_EQ_C(nr_of(r, "small", PHASE), "Running");
	T_EQ_C(nr_of(r, "asks", PHASE), "Running");
	T_TRUE(r->cri.broken == NULL);
}

/* When nothing helps one after the other goes, each after the one before is gone. */
SP_TEST(sim_eviction, one_at_a_time)
{
	static const char *const order[] = {"b", "c", "a"};
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	use_memory(r, 1000);
	T_TRUE(with_thresholds(r, "", "memory.available<1Gi", "memory.available=30s"));
	nr_make(r, "a", ASKS("a", "10", "1Gi"));
	nr_make(r, "b", USES("a", "100", "0"));
	nr_make(r, "c", "\"containers\":[" C("a", "\"deaf\"") "]");
	for (size_t i = 0; i < SP_LEN(order); i++)
		T_TRUE(nr_becomes(r, order[i], STATUS(0) "ready", "true", 20));
	use_memory(r, 7500);
	nr_run(r, 25 * SECOND); /* the grace of a soft threshold */
	T_EQ_U64(fake_cri_running(&r->cri), 3);
	uint64_t ended[3];
	for (size_t i = 0; i < SP_LEN(order); i++) {
		T_TRUE(one_ends(r, 45));
		ended[i] = sp_sim_now_ns(r->api.sim);
	}
	/* The deaf one has the time that pods get at such a threshold, counted from when the one before was
	 * gone. */
	T_TRUE(ended[1] - ended[0] >= 3 * SECOND && ended[1] - ended[0] < 4 * SECOND);
	for (size_t i = 0; i < SP_LEN(order); i++) {
		T_TRUE(nr_becomes(r, order[i], PHASE, "Failed", 5));
		T_EQ_C(condition_of(r, order[i], "DisruptionTarget", "reason"), "TerminationByKubelet");
	}
	sp_str at[3];
	for (size_t i = 0; i < SP_LEN(order); i++)
		at[i] = condition_of(r, order[i], "DisruptionTarget", "lastTransitionTime");
	T_TRUE(sp_str_cmp(at[0], at[1]) < 0 && sp_str_cmp(at[1], at[2]) <= 0);
	T_TRUE(r->cri.broken == NULL);
}

/* ---- disk ---- */

static bool has_no_images(void *arg)
{
	return ((const node_rig *)arg)->cri.removed_images == 3;
}

SP_TEST(sim_eviction, images_go_first)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	T_TRUE(with_thresholds(r, "nodefs.available<10%", "", ""));
	nr_make(r, "p", USES("a", "1", "50"));
	nr_make(r, "q", USES("a", "1", "70"));
	T_TRUE(nr_becomes(r, "p", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "q", STATUS(0) "ready", "true", 20));
	nr_run(r, 150 * SECOND); /* images are known for long enough */
	/* The disk is full until both images are gone. */
	nr_root_disk.available = 9000;
	T_TRUE(sp_sim_run(r->api.sim, has_no_images, r, sp_sim_now_ns(r->api.sim) + 30 * SECOND));
	nr_root_disk.available = 20000;
	nr_run(r, 5 * SECOND);
	T_EQ_C(of_node(r, "DiskPressure", "status"), "True");
	T_EQ_C(nr_of(r, "q", PHASE), "Running");
	T_TRUE(nr_has_event(r, "EvictionThresholdMet", "Attempting to reclaim ephemeral-storage"));
	nr_make(r, "late", ASKS("a", "1", "1Mi"));
	T_TRUE(nr_becomes(r, "late", "status.reason", "Evicted", 20));
	/* Full again, and nothing is left to be removed. */
	nr_root_disk.available = 9000;
	T_TRUE(one_ends(r, 30));
	nr_root_disk.available = 20000;
	T_TRUE(nr_becomes(r, "q", PHASE, "Failed", 5));
	T_EQ_C(nr_of(r, "q", "status.reason"), "Evicted");
	nr_run(r, 30 * SECOND);
	T_EQ_C(nr_of(r, "p", PHASE), "Running");
	T_TRUE(r->cri.broken == NULL);
}

/* The agent ends in the middle of anything. */
SP_TEST(sim_eviction, ends_at_any_time)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	use_memory(r, 7500);
	for (unsigned i = 0; i < 20 && !t_failed(); i++) {
		r->cri.fail_ppm = 100000;
		T_TRUE(with_thresholds(r, "memory.available<1Gi,nodefs.available<60%", "", ""));
		nr_make(r, "p", USES("a", "1", "50"));
		nr_run(r, sp_random_u64(r->machine.world) % (12 * SECOND));
	}
	r->cri.fail_ppm = 0;
	T_TRUE(nr_becomes(r, "p", PHASE, "Failed", 200));
	T_TRUE(r->cri.broken == NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a node refuses of the pods that were bound to it, and what it ends to let a critical one in. */
#include "lib/node_rig.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define ASKS(cpu)                                                                  \
	"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN "],\"" \
	"resources\":{\"requests\":{\"cpu\":\"" cpu "\"}}}]"
#define CRITICAL "\"priorityClassName\":\"system-node-critical\","

/* The class that the server's bootstrap makes. */
static void make_class(node_rig *r)
{
	sp_ask ask = {
		.verb = SP_ASK_CREATE,
		.gvr = SP_GVR("scheduling.k8s.io", "v1", "priorityclasses"),
		.body = SP_STR("{\"metadata\":{\"name\":\"system-node-critical\"},\"value\":2000001000}")};
	(void)t_ask_ok(&r->user, &ask, SP_OK);
}

static void patch_node(node_rig *r, const char *subresource, const char *body)
{
	sp_ask ask = {.verb = SP_ASK_MERGE_PATCH,
		      .gvr = SP_NODES,
		      .name = SP_STR("n1"),
		      .subresource = sp_str_c(subresource),
		      .body = sp_str_c(body)};
	(void)t_ask_ok(&r->user, &ask, SP_OK);
}

static bool is_refused(node_rig *r, const char *name, const char *reason, const char *message)
{
	sp_str whole = sp_arena_printf(T_ARENA, "Pod was rejected: %s", message);
	return nr_becomes(r, name, "status.reason", reason, 20) &&
	       nr_becomes(r, name, "status.message", whole.ptr, 1) &&
	       nr_becomes(r, name, PHASE, "Failed", 1) && nr_has_event(r, reason, message);
}

#define NO_AFFINITY "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"

SP_TEST(sim_admission, labels_and_taints)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_run(r, 5 * SECOND);
	nr_make(r, "tape", "\"nodeSelector\":{\"disk\":\"tape\"}," ASKS("1"));
	T_TRUE(is_refused(r, "tape", "NodeAffinity", NO_AFFINITY));
	/* A label that came a moment before the pod counts: the node asks once more before it refuses. */
	patch_node(r, "", "{\"metadata\":{\"labels\":{\"disk\":\"ssd\"}}}");
	nr_make(r, "ssd", "\"nodeSelector\":{\"disk\":\"ssd\"}," ASKS("1"));
	T_TRUE(nr_becomes(r, "ssd", STATUS(0) "ready", "true", 20));
	/* Only what drives pods out keeps them out; what runs is not looked at again. */
	patch_node(
		r, "",
		"{\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"NoExecute\"},{\"key\":\"l\",\"effect\":"
		"\"NoSchedule\"}]}}");
	nr_run(r, 5 * SECOND);
	nr_make(r, "plain", ASKS("1"));
	T_TRUE(is_refused(
		r, "plain", "TaintToleration",
		"Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"));
	nr_make(r, "bears", "\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]," ASKS("1"));
	T_TRUE(nr_becomes(r, "bears", STATUS(0) "ready", "true", 20));
	nr_agent_close(r);
	T_TRUE(nr_agent_open(r));
	nr_run(r, 20 * SECOND);
	T_EQ_C(nr_of(r, "ssd", STATUS(0) "restartCount"), "0");
	T_EQ_C(nr_of(r, "ssd", PHASE), "Running");
}

#define CARDS(n)                                                                                           \
	"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[" RUN "],\""                         \
	"resources\":{\"requests\":{\"example.com/card\":\"" n "\"},\"limits\":{\"example.com/card\":\"" n \
	"\"}}}]"

static sp_str node_value(node_rig *r, const char *path, const char *member)
{
	yyjson_val *tree;
	sp_ask ask = {.verb = SP_ASK_GET, .gvr = SP_NODES, .name = SP_STR("n1")};
	t_ask(&r->user, &ask);
	if (r->user.code != SP_OK || sp_json_parse(T_ARENA, sp_buf_view(&r->user.body), &tree, NULL) != SP_OK)
		return SP_STR("-");
	return sp_json_str(sp_json_last(sp_view_at(tree, path), sp_str_c(member)));
}

SP_TEST(sim_admission, resources_that_others_count)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	nr_run(r, 5 * SECOND);
	/* One that the node does not know is the cluster's: not its to count. */
	nr_make(r, "early", CARDS("9"));
	T_TRUE(nr_becomes(r, "early", STATUS(0) "ready", "true", 20));
	nr_delete(r, "early");
	patch_node(r, "status", "{\"status\":{\"capacity\":{\"example.com/card\":\"3\"}}}");
	nr_run(r, 25 * SECOND);
	T_EQ_C(node_value(r, "status.allocatable", "example.com/card"), "3");
	nr_make(r, "two", CARDS("2"));
	T_TRUE(nr_becomes(r, "two", STATUS(0) "ready", "true", 20));
	nr_make(r, "more", CARDS("2"));
	T_TRUE(is_refused(r, "more", "OutOfexample.com/card",
			  "Node didn't have enough resource: example.com/card, requested: 2, used: 2, "
			  "capacity: 3"));
}

SP_TEST(sim_admission, room_for_critical_pods)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	make_class(r);
	nr_make(r, "small", ASKS("1"));
	nr_make(r, "large", ASKS("2500m"));
	T_TRUE(nr_becomes(r, "small", STATUS(0) "ready", "true", 20));
	T_TRUE(nr_becomes(r, "large", STATUS(0) "ready", "true", 20));
	/* Half a CPU is free: the small one is enough. */
	nr_make(r, "first", CRITICAL ASKS("1500m"));
	T_TRUE(nr_becomes(r, "first", STATUS(0) "ready", "true", 40));
	T_EQ_C(nr_of(r, "small", PHASE), "Failed");
	T_EQ_C(nr_of(r, "small", "status.reason"), "Preempting");
	T_EQ_C(nr_of(r, "small", "status.message"), "Preempted in order to admit critical pod");
	T_TRUE(nr_has_event(r, "Preempting", "Preempted in order to admit critical pod"));
	T_EQ_C(nr_of(r, "small", "status.conditions[5].type"), "DisruptionTarget");
	T_EQ_C(nr_of(r, "small", "status.conditions[5].reason"), "TerminationByKubelet");
	T_EQ_C(nr_of(r, "small", "status.conditions[5].message"),
	       "Pod was preempted by Kubelet to accommodate a critical pod.");
	T_EQ_C(nr_of(r, "large", PHASE), "Running");
	/* No pod may go for what all of them together don't have. */
	nr_make(r, "huge", CRITICAL ASKS("3"));
	T_TRUE(is_refused(r, "huge", "UnexpectedAdmissionError",
			  "Unexpected error while attempting to recover from admission failure: preemption: "
			  "error finding a set of pods to preempt: no set of running pods found to reclaim "
			  "resources: [(res: cpu, q: 500), ]"));
	T_EQ_C(nr_of(r, "large", PHASE), "Running");
	/* Nor for one that would not begin all the same: what is told is what room would not mend. */
	nr_make(r, "else", CRITICAL "\"nodeSelector\":{\"disk\":\"tape\"}," ASKS("1500m"));
	T_TRUE(is_refused(r, "else", "NodeAffinity", NO_AFFINITY));
	T_EQ_C(nr_of(r, "large", PHASE), "Running");
	/* A pod that is not critical makes no room. */
	nr_make(r, "late", ASKS("1500m"));
	T_TRUE(nr_becomes(r, "late", "status.reason", "OutOfcpu", 20));
	T_TRUE(r->cri.broken == NULL);
}

/* One that does not end in time is not waited for any longer; nor does the critical pod begin before. */
SP_TEST(sim_admission, room_that_takes_long)
{
	node_rig *r = nr_open(&(sp_sim_opts){.seed = t_random()});
	T_TRUE(!t_failed());
	make_class(r);
	nr_make(r, "deaf",
		"\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"command\":[\"deaf\"],"
		"\"resources\":{\"requests\":{\"cpu\":\"3\"}}}]");
	T_TRUE(nr_becomes(r, "deaf", STATUS(0) "ready", "true", 20));
	nr_make(r, "first", CRITICAL ASKS("2"));
	nr_run(r, 3 * SECOND); /* its grace is 5 s */
	T_EQ_U64(fake_cri_starts(&r->cri, "first", "a"), 0);
	T_EQ_C(nr_of(r, "deaf", PHASE), "Running");
	/* Others can't take that room meanwhile. */
	nr_make(r, "other", ASKS("2"));
	T_TRUE(nr_becomes(r, "other", "status.reason", "OutOfcpu", 20));
	T_TRUE(nr_becomes(r, "first", STATUS(0) "ready", "true", 20));
	T_EQ_C(nr_of(r, "deaf", "status.reason"), "Preempting");
	T_TRUE(r->cri.broken == NULL);
}

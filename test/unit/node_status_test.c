/* SPDX-License-Identifier: Apache-2.0 */
/* The status of a pod: tables in the words of lib/node_text.h. */
#include "lib/node_text.h"
#include "lib/t.h"
#include "node/status.h"

typedef struct row {
	const char *pod, *seen, *waits, *want;
} row;

static node_wait wait_of(void *arg, const node_container *c)
{
	(void)c;
	const char *reason = arg;
	return (node_wait){.reason = sp_str_c(reason), .message = SP_STR("m")};
}

static void print_ended(sp_buf *out, const node_ended *e)
{
	(void)sp_buf_printf(out, "%d/" SP_FMT, e->exit_code, SP_ARG(e->reason));
}

/* "Phase | a running ready; b waiting X last 1/Error x2 | Cond+ Cond-(Reason)". */
static sp_str print(const node_pod *p, const node_status *s)
{
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 16);
	(void)sp_buf_printf(&out, SP_FMT " |", SP_ARG(s->phase));
	for (size_t i = 0; i < p->n_containers; i++) {
		const node_container_status *c = &s->containers[i];
		(void)sp_buf_printf(&out, "%s " SP_FMT, i == 0 ? "" : ";", SP_ARG(c->container->name));
		if (c->is == NODE_IS_RUNNING) {
			(void)sp_buf_printf(&out, " run");
		} else if (c->is == NODE_IS_WAITING) {
			(void)sp_buf_printf(&out, " wait " SP_FMT, SP_ARG(c->waiting.reason));
		} else {
			(void)sp_buf_printf(&out, " end ");
			print_ended(&out, &c->ended);
		}
		if (c->has_last) {
			(void)sp_buf_printf(&out, " last ");
			print_ended(&out, &c->last);
		}
		(void)sp_buf_printf(&out, "%s%s", c->started ? " started" : "", c->ready ? " ready" : "");
		if (c->restarts != 0)
			(void)sp_buf_printf(&out, " x%u", c->restarts);
	}
	(void)sp_buf_printf(&out, " |");
	for (size_t i = 0; i < s->n_conditions; i++) {
		const node_condition *c = &s->conditions[i];
		if (sp_str_eq(c->type, SP_STR("PodScheduled")) ||
		    sp_str_eq(c->type, SP_STR("ContainersReady")))
			continue;
		(void)sp_buf_printf(&out, " %c%s",
				    c->type.ptr[c->type.len == 5 ? 0 : 3] == 'R' && c->type.len > 5
					    ? 'S'
					    : c->type.ptr[0],
				    c->is_true ? "+" : "-");
		if (c->reason.len != 0)
			(void)sp_buf_printf(&out, "(" SP_FMT ")", SP_ARG(c->reason));
	}
	return sp_arena_try_dup(T_ARENA, sp_buf_view(&out));
}

/* S PodReadyToStartContainers, I Initialized, R Ready */
static const row rows[] = {
	{"main a", "", NULL, "Pending | a wait ContainerCreating | S- I+ R-(ContainersNotReady)"},
	{"init i; main a", "", NULL,
	 "Pending | i wait PodInitializing; a wait PodInitializing | S- I-(ContainersNotInitialized) "
	 "R-(ContainersNotReady)"},
	{"main a", "box; a run", NULL, "Running | a run started ready | S+ I+ R+"},
	{"main a readiness", "box; a run", NULL, "Running | a run started | S+ I+ R-(ContainersNotReady)"},
	{"main a readiness", "box; a run readiness=ok", NULL, "Running | a run started ready | S+ I+ R+"},
	{"main a startup", "box; a run", NULL, "Running | a run | S+ I+ R-(ContainersNotReady)"},
	{"main a startup", "box; a run startup=ok", NULL, "Running | a run started ready | S+ I+ R+"},
	{"main a", "box; a exit=1", NULL, "Running | a end 1/Error | S+ I+ R-(ContainersNotReady)"},
	{"main a", "box; a exit=1", "CrashLoopBackOff",
	 "Running | a wait CrashLoopBackOff last 1/Error | S+ I+ R-(ContainersNotReady)"},
	{"main a", "box; a exit=2; a run restarts=1", NULL,
	 "Running | a run last 2/Error started ready x1 | S+ I+ R+"},
	{"main a", "box", "ErrImagePull", "Pending | a wait ErrImagePull | S+ I+ R-(ContainersNotReady)"},
	{"restart=Never; main a", "box; a exit=0", NULL,
	 "Succeeded | a end 0/Completed | S+ I+(PodCompleted) R-(PodCompleted)"},
	{"restart=Never; main a", "box; a exit=3", NULL, "Failed | a end 3/Error | S+ I+ R-(PodFailed)"},
	{"restart=Never; main a policy=OnFailure", "box; a exit=3", NULL,
	 "Running | a end 3/Error | S+ I+ R-(ContainersNotReady)"},
	{"restart=Never; main a policy=Never rule=42; main b", "box; a exit=42; b exit=0", NULL,
	 "Running | a end 42/Error; b end 0/Completed | S+ I+ R-(ContainersNotReady)"},
	{"restart=Never; main a policy=Never rule=42", "box; a exit=1", NULL,
	 "Failed | a end 1/Error | S+ I+ R-(PodFailed)"},
	{"main a policy=Never", "box; a exit=0", NULL,
	 "Succeeded | a end 0/Completed | S+ I+(PodCompleted) R-(PodCompleted)"},
	{"restart=Never; init i policy=Never rule=5; main a", "box; i exit=5", NULL,
	 "Pending | i end 5/Error; a wait PodInitializing | S+ I-(ContainersNotInitialized) "
	 "R-(ContainersNotReady)"},
	{"restart=OnFailure; main a", "box; a exit=3", NULL,
	 "Running | a end 3/Error | S+ I+ R-(ContainersNotReady)"},
	{"restart=OnFailure; main a; main b", "box; a exit=0; b run", NULL,
	 "Running | a end 0/Completed; b run started ready | S+ I+ R-(ContainersNotReady)"},
	{"restart=Never; init i; main a", "box; i exit=1", NULL,
	 "Failed | i end 1/Error; a wait PodInitializing | S+ I-(ContainersNotInitialized) R-(PodFailed)"},
	{"init i; main a", "box; i run", NULL,
	 "Pending | i run started; a wait PodInitializing | S+ I-(ContainersNotInitialized) "
	 "R-(ContainersNotReady)"},
	{"init i; main a", "box; i exit=0; a run", NULL,
	 "Running | i end 0/Completed ready; a run started ready | S+ I+ R+"},
	{"init i; main a", "box; a run", NULL, /* it has left no trace */
	 "Running | i end 0/Completed ready; a run started ready | S+ I+ R+"},
	{"sidecar s; main a", "box; s run; a run", NULL,
	 "Running | s run started ready; a run started ready | S+ I+ R+"},
	{"sidecar s startup; main a", "box; s run", NULL,
	 "Pending | s run; a wait PodInitializing | S+ I-(ContainersNotInitialized) R-(ContainersNotReady)"},
	{"restart=Never; sidecar s; main a", "box; s run; a exit=0", NULL,
	 "Running | s run started ready; a end 0/Completed | S+ I+ R-(ContainersNotReady)"},
	{"restart=Never; sidecar s; main a", "box; s exit=137; a exit=0", NULL,
	 "Succeeded | s end 137/Error; a end 0/Completed | S+ I+(PodCompleted) R-(PodCompleted)"},
	{"phase=Failed; main a", "box; a run", NULL, "Failed | a run started ready | S+ I+ R-(PodFailed)"},
	{"restart=Never; main a", "box; a created", NULL, "Pending | a wait  | S+ I+ R-(ContainersNotReady)"},
	{"main a; debug d", "box; a run; d run", NULL, "Running | a run started ready; d run | S+ I+ R+"},
};

SP_TEST(node_status, table)
{
	static const sp_str host_ips[] = {SP_STR_INIT("192.0.2.1")};
	for (size_t i = 0; i < SP_LEN(rows); i++) {
		node_text t;
		node_status s;
		t_row("%s | %s", rows[i].pod, rows[i].seen);
		T_OK(node_text_make(rows[i].pod, rows[i].seen, &t, T_ERR));
		t.verdicts.arg = &t;
		node_status_input in = {.pod = t.pod,
					.seen = &t.seen,
					.verdicts = &t.verdicts,
					.runtime = SP_STR("containerd"),
					.host_ips = host_ips,
					.n_host_ips = 1};
		if (rows[i].waits != NULL) {
			in.wait_of = wait_of;
			in.arg = (void *)(uintptr_t)rows[i].waits;
		}
		T_OK(node_status_make(&in, T_ARENA, &s, T_ERR));
		T_EQ_C(print(t.pod, &s), rows[i].want);
	}
}

/* A pod that runs with other resources than it was granted; the API's copy may be older. */
static const struct {
	const char *granted, *told;
	node_amounts reported, actuated;
	const char *want;
} amounts[] = {
	/* the runtime says so */
	{"{\"limits\":{\"cpu\":\"200m\",\"memory\":\"64Mi\",\"x/y\":\"1\"},\"requests\":{\"cpu\":\"0.1\"}}",
	 NULL,
	 {.cpu_limit = 100, .memory_limit = INT64_C(32) << 20, .cpu_request = 1500},
	 {0},
	 "\"allocatedResources\":{\"cpu\":\"0.1\"},\"resources\":{\"limits\":{\"x/y\":\"1\",\"cpu\":\"100m\","
	 "\"memory\":\"32Mi\"},\"requests\":{\"cpu\":\"1500m\"}}"},
	/* what is the same keeps the words of the spec */
	{"{\"limits\":{\"cpu\":\"0.1\"}}",
	 NULL,
	 {.cpu_limit = 100},
	 {0},
	 "\"resources\":{\"limits\":{\"cpu\":\"0.1\"}}"},
	/* below the least a cgroup can say nothing is told of it */
	{"{\"limits\":{\"cpu\":\"5m\"},\"requests\":{\"cpu\":\"1m\"}}",
	 NULL,
	 {.cpu_limit = 10, .cpu_request = 2},
	 {0},
	 "\"allocatedResources\":{\"cpu\":\"1m\"},\"resources\":{\"limits\":{\"cpu\":\"5m\"},\"requests\":{"
	 "\"cpu\":"
	 "\"1m\"}}"},
	/* it says nothing: what was told of this life stays, memory requests are what the agent remembers */
	{"{\"limits\":{\"cpu\":\"2\"},\"requests\":{\"memory\":\"2Mi\"}}",
	 "{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"memory\":\"1Mi\"}}",
	 {0},
	 {.memory_request = 3072},
	 "\"allocatedResources\":{\"memory\":\"2Mi\"},\"resources\":{\"limits\":{\"cpu\":\"1\"},\"requests\":"
	 "{"
	 "\"memory\":\"3Ki\"}}"},
	{"{\"requests\":{\"memory\":\"2Mi\"}}",
	 "{\"requests\":{\"memory\":\"1500\"}}",
	 {0},
	 {0},
	 "\"allocatedResources\":{\"memory\":\"2Mi\"},\"resources\":{\"requests\":{\"memory\":\"1500\"}}"},
	{"{}", NULL, {.cpu_limit = 7}, {0}, "\"resources\":{}"},
};

SP_TEST(node_status, resources)
{
	for (size_t i = 0; i < SP_LEN(amounts); i++) {
		node_text t;
		node_pod *p;
		node_status s;
		SP_AUTO_BUF out;
		sp_buf_init(&out, 1 << 16);
		T_OK(node_text_make("main a", "box; a run", &t, T_ERR));
		sp_str json = sp_arena_printf(
			T_ARENA,
			"{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\"},\"spec\":{"
			"\"containers\":[{\"name\":\"a\",\"image\":\"img\",\"resources\":%s}]},\"status\":{"
			"\"conditions\":[{\"type\":\"PodResizeInProgress\",\"status\":\"True\"}],"
			"\"containerStatuses\":[{\"name\":\"a\",\"containerID\":\"c://" SP_FMT
			"\",\"state\":{\"running\":{}},\"resources\":%s}]}}",
			amounts[i].granted, SP_ARG(t.seen.containers[0].id),
			amounts[i].told == NULL ? "{}" : amounts[i].told);
		T_OK(node_pod_parse(json, &p, T_ERR));
		T_DEFER(node_pod_free, p);
		t.seen.containers[0].reported = amounts[i].reported;
		t.seen.containers[0].actuated = amounts[i].actuated;
		t.seen.containers[0].has_actuated = true;
		node_status_input in = {.pod = p, .seen = &t.seen, .runtime = SP_STR("c")};
		in.resize_pending = (node_resize_state){.is_set = true,
							.reason = SP_STR("Deferred"),
							.message = SP_STR("m"),
							.generation = 3};
		T_OK(node_status_make(&in, T_ARENA, &s, T_ERR));
		T_OK(node_status_json(&out, &in, &s, 0, T_ERR));
		sp_str text = sp_buf_view(&out),
		       want = sp_arena_printf(T_ARENA, "\"started\":true,%s}", amounts[i].want);
		if (sp_str_find(text, want) < 0)
			T_FAIL("row %zu: no %s in " SP_FMT, i, want.ptr, SP_ARG(text));
		T_TRUE(sp_str_find(
			       text,
			       SP_STR("{\"type\":\"PodResizePending\",\"observedGeneration\":3,\"status\":"
				      "\"True\",\"lastProbeTime\":null,\"reason\":\"Deferred\",")) >= 0);
		T_TRUE(sp_str_find(text,
				   SP_STR("{\"$patch\":\"delete\",\"type\":\"PodResizeInProgress\"}")) >= 0);
	}
}

/* Containers by name, and no more of their last words together than a status has room for. */
SP_TEST(node_status, order_and_last_words)
{
	static const int64_t groups[] = {5, 7};
	static char words[4096];
	node_text t;
	node_status s;
	SP_AUTO_BUF out;
	sp_buf_init(&out, 1 << 20);
	memset(words, 'w', sizeof words);
	words[2456] = (char)0xc3; /* a character of two bytes across the 2457th */
	words[2457] = (char)0xa9;
	T_OK(node_text_make("main e; main c; main b; main d; main a",
			    "box; c exit=1; a run; b run; e run; d run", &t, T_ERR));
	for (size_t i = 0; i < t.seen.n_containers; i++) {
		node_seen_container *c = &t.seen.containers[i];
		c->message = c->state == NODE_EXITED ? (sp_str){words, sizeof words} : (sp_str){NULL, 0};
		c->groups = groups;
		c->n_groups = SP_LEN(groups);
		c->has_user = true;
	}
	t.verdicts.arg = &t;
	node_status_input in = {
		.pod = t.pod, .seen = &t.seen, .verdicts = &t.verdicts, .runtime = SP_STR("c")};
	T_OK(node_status_make(&in, T_ARENA, &s, T_ERR));
	T_EQ_U64(s.containers[1].ended.message.len, 2456);
	T_OK(node_status_json(&out, &in, &s, 0, T_ERR));
	ptrdiff_t before = -1;
	for (int name = 'a'; name <= 'e'; name++) {
		sp_str text = sp_arena_printf(T_ARENA, "{\"name\":\"%c\",\"state\"", name);
		ptrdiff_t at = sp_str_find(sp_buf_view(&out), text);
		T_TRUE(at > before);
		before = at;
	}
	T_TRUE(sp_str_find(
		       sp_buf_view(&out),
		       SP_STR("\"user\":{\"linux\":{\"uid\":0,\"gid\":0,\"supplementalGroups\":[5,7]}}")) >
	       0);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* CronJobs, and what goes after it is over, in the simulator. */
#include "kube/view.h"
#include "lib/ctl_host.h"
#include "lib/store_help.h"
#include "lib/t.h"

#define SECOND UINT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define LIST                                                                                                \
	"job-controller,cronjob-controller,ttl-after-finished-controller,pod-garbage-collector-controller," \
	"garbage-collector-controller"
#define C SP_CRONJOBS, "default", "c"
#define CRON(more)                                                                                     \
	"{\"metadata\":{\"name\":\"c\"},\"spec\":{\"schedule\":\"* * * * *\"," more                    \
	"\"jobTemplate\":{\"metadata\":{\"labels\":{\"of\":\"c\"}},\"spec\":{\"template\":{\"spec\":{" \
	"\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}}}"

static t_ctl *open_with(t_ctl *t)
{
	t->config.terminated_pods_most = 5;
	t_no_faults();
	(void)t_ctl_open(t, &(sp_sim_opts){.seed = t_random()}, LIST);
	return t;
}

static t_ctl *open_rig(const char *phase)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t->phase = phase;
	return open_with(t);
}

/* Pods stay as they are made. */
static t_ctl *open_idle(void)
{
	t_ctl *t = sp_new(T_ARENA, t_ctl, 1);
	t->no_kubelet = true;
	return open_with(t);
}

SP_TEST(sim_cron, runs_each_minute)
{
	t_ctl *t = open_rig("Succeeded");
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_CRONJOBS, "default", CRON("")));
	t_ctl_run(t, 3 * MINUTE + 10 * SECOND);
	yyjson_val *jobs = t_ctl_list(t, SP_JOBS, "default", "of=c", &n), *v;
	T_EQ_U64(n, 3); /* the history that is kept */
	size_t i, max;
	yyjson_arr_foreach(jobs, i, max, v)
	{
		T_EQ_C(t_ctl_text(v, "metadata.ownerReferences[0].kind"), "CronJob");
		T_EQ_C(t_ctl_text(v, "status.succeeded"), "1");
	}
	v = t_ctl_get(t, C);
	T_TRUE(t_ctl_text(v, "status.lastScheduleTime").len > 0);
	T_TRUE(t_ctl_text(v, "status.lastSuccessfulTime").len > 0);
	T_EQ_U64(yyjson_arr_size(sp_view_at(v, "status.active")), 0);
	t_ctl_run(t, 3 * MINUTE);
	T_TRUE(t_ctl_wait_count(t, SP_JOBS, "default", "of=c", 3));
	T_TRUE(t_ctl_patch(t, C, "", "{\"spec\":{\"suspend\":true}}"));
	yyjson_val *before = sp_view_at(t_ctl_get(t, C), "status.lastScheduleTime");
	t_ctl_run(t, 3 * MINUTE);
	T_EQ_STR(sp_json_str(sp_view_at(t_ctl_get(t, C), "status.lastScheduleTime")), sp_json_str(before));
}

static void policy(const char *body, size_t n_jobs)
{
	t_ctl *t = open_rig(NULL); /* pods run for ever */
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_CRONJOBS, "default", body));
	t_ctl_run(t, 3 * MINUTE + 10 * SECOND);
	T_TRUE(t_ctl_wait_count(t, SP_JOBS, "default", "of=c", n_jobs));
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, C), "status.active")), n_jobs);
}

SP_TEST(sim_cron, allows)
{
	policy(CRON(""), 3);
}

SP_TEST(sim_cron, forbids)
{
	policy(CRON("\"concurrencyPolicy\":\"Forbid\","), 1);
}

SP_TEST(sim_cron, replaces)
{
	policy(CRON("\"concurrencyPolicy\":\"Replace\","), 1);
}

static bool has_event(t_ctl *t, const char *reason, const char *message)
{
	size_t n, i, max;
	yyjson_val *v, *items = t_ctl_list(t, SP_EVENTS_CORE, "default", "", &n);
	yyjson_arr_foreach(items, i, max, v)
	{
		if (sp_str_eq(t_ctl_text(v, "reason"), sp_str_c(reason)) &&
		    sp_str_find(t_ctl_text(v, "message"), sp_str_c(message)) >= 0)
			return true;
	}
	return false;
}

/* A job that somebody takes away is missed, one that somebody gives it is not its own. */
SP_TEST(sim_cron, jobs_of_others)
{
	t_ctl *t = open_rig("Running");
	size_t n;
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_CRONJOBS, "default", CRON("\"concurrencyPolicy\":\"Forbid\",")));
	T_TRUE(t_ctl_wait_count(t, SP_JOBS, "default", "of=c", 1));
	t_ctl_run(t, 5 * SECOND);
	T_TRUE(!has_event(t, "MissingJob", "") && !has_event(t, "UnexpectedJob", ""));
	yyjson_val *job = yyjson_arr_get_first(t_ctl_list(t, SP_JOBS, "default", "of=c", &n));
	sp_str name = t_ctl_text(job, "metadata.name");
	T_EQ_STR(t_ctl_text(t_ctl_get(t, C), "status.active[0].name"), name);
	const char *own =
		sp_arena_printf(T_ARENA,
				"{\"metadata\":{\"name\":\"given\",\"ownerReferences\":[{\"apiVersion\":"
				"\"batch/v1\",\"kind\":\"CronJob\",\"name\":\"c\",\"uid\":\"" SP_FMT
				"\",\"controller\":true}]},\"spec\":{\"template\":{\"spec\":{"
				"\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":"
				"\"i\"}]}}}}",
				SP_ARG(t_ctl_text(t_ctl_get(t, C), "metadata.uid")))
			.ptr;
	T_TRUE(t_ctl_patch(t, C, "", "{\"spec\":{\"suspend\":true}}"));
	T_TRUE(t_ctl_create(t, SP_JOBS, "default", own));
	T_TRUE(t_ctl_delete(t, SP_JOBS, "default", sp_arena_printf(T_ARENA, SP_FMT, SP_ARG(name)).ptr,
			    "Background"));
	t_ctl_run(t, 10 * SECOND);
	T_TRUE(has_event(t, "UnexpectedJob",
			 "Saw a job that the controller did not create or forgot: given"));
	T_TRUE(has_event(t, "MissingJob",
			 sp_arena_printf(T_ARENA, "Active job went missing: " SP_FMT, SP_ARG(name)).ptr));
	T_EQ_U64(yyjson_arr_size(sp_view_at(t_ctl_get(t, C), "status.active")), 0);
}

SP_TEST(sim_cron, jobs_go_after_their_time)
{
	t_ctl *t = open_rig("Succeeded");
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(
		t, SP_JOBS, "default",
		"{\"metadata\":{\"name\":\"j\"},\"spec\":{\"ttlSecondsAfterFinished\":30,\"template\":{"
		"\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}"
		"}}}"));
	T_TRUE(t_ctl_wait(t, SP_JOBS, "default", "j", "status.succeeded", "1"));
	t_ctl_run(t, 20 * SECOND);
	T_TRUE(t_ctl_get(t, SP_JOBS, "default", "j") != NULL);
	t_ctl_run(t, 20 * SECOND);
	T_TRUE(t_ctl_wait_gone(t, SP_JOBS, "default", "j"));
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 0));
}

SP_TEST(sim_cron, pods_that_are_over_are_few)
{
	t_ctl *t = open_rig("Failed");
	T_TRUE(!t_failed());
	for (unsigned i = 0; i < 8; i++) {
		const char *body =
			sp_arena_printf(T_ARENA,
					"{\"metadata\":{\"name\":\"p%u\"},\"spec\":{\"containers\":[{"
					"\"name\":\"c\",\"image\":\"i\"}]}}",
					i)
				.ptr;
		T_TRUE(t_ctl_create(t, SP_PODS, "default", body));
		t_ctl_run(t, SECOND);
	}
	T_TRUE(t_ctl_wait_count(t, SP_PODS, "default", "", 5));
	t_ask(&t->user, &(sp_ask){.gvr = SP_PODS, .ns = SP_STR("default"), .name = SP_STR("p7")});
	T_CODE(t->user.code, SP_OK); /* the oldest went */
	/* One bound to a node that does not exist goes too. */
	T_TRUE(t_ctl_create(
		t, SP_PODS, "default",
		"{\"metadata\":{\"name\":\"lost\"},\"spec\":{\"nodeName\":\"nowhere\",\"containers\":[{"
		"\"name\":\"c\",\"image\":\"i\"}]}}"));
	T_TRUE(t_ctl_wait_gone(t, SP_PODS, "default", "lost"));
}

#define HELD(name, spec)                                                                              \
	"{\"metadata\":{\"name\":\"" name "\",\"finalizers\":[\"example.com/held\"]},\"spec\":{" spec \
	"\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define IDLE SP_PODS, "default", "idle"

/* What goes before it has a node is told to have failed: whoever holds it waits for that. */
SP_TEST(sim_cron, pods_without_a_node_fail)
{
	t_ctl *t = open_idle();
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_PODS, "default", HELD("idle", "")));
	T_TRUE(t_ctl_delete(t, IDLE, ""));
	T_TRUE(t_ctl_wait(t, IDLE, "status.phase", "Failed"));
	T_TRUE(t_ctl_patch(t, IDLE, "", "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_wait_gone(t, IDLE));
}

SP_TEST(sim_cron, pods_of_lost_nodes_fail)
{
	t_ctl *t = open_idle();
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_PODS, "default", HELD("idle", "\"nodeName\":\"nowhere\",")));
	t_ctl_run(t, 30 * SECOND);
	yyjson_val *v = t_ctl_get(t, IDLE); /* the node may be late */
	T_TRUE(v != NULL && t_ctl_text(v, "metadata.deletionTimestamp").len == 0);
	T_TRUE(t_ctl_wait(t, IDLE, "status.phase", "Failed"));
	v = t_ctl_get(t, IDLE);
	T_EQ_C(t_ctl_text(v, "status.conditions[0].type"), "DisruptionTarget");
	T_EQ_C(t_ctl_text(v, "status.conditions[0].reason"), "DeletionByPodGC");
	T_TRUE(t_ctl_patch(t, IDLE, "", "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_wait_gone(t, IDLE));
}

/* A node that an operator gave up: what goes there does not wait for its agent. */
SP_TEST(sim_cron, pods_out_of_service_fail)
{
	t_ctl *t = open_idle();
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"off\"}}"));
	T_TRUE(t_ctl_create(t, SP_PODS, "default", HELD("idle", "\"nodeName\":\"off\",")));
	T_TRUE(t_ctl_delete(t, IDLE, ""));
	t_ctl_run(t, 70 * SECOND);
	T_TRUE(!sp_str_eq(t_ctl_text(t_ctl_get(t, IDLE), "status.phase"), SP_STR("Failed")));
	T_TRUE(t_ctl_patch(t, SP_NODES, "", "off", "",
			   "{\"spec\":{\"taints\":[{\"key\":\"node.kubernetes.io/out-of-service\","
			   "\"effect\":\"NoExecute\"}]}}"));
	T_TRUE(t_ctl_wait(t, IDLE, "status.phase", "Failed"));
}

/* A node that was missed before and came back has its whole quarantine when it goes once more. */
SP_TEST(sim_cron, nodes_that_come_back_are_missed_anew)
{
	t_ctl *t = open_idle();
	T_TRUE(!t_failed());
	T_TRUE(t_ctl_create(t, SP_PODS, "default", HELD("idle", "\"nodeName\":\"late\",")));
	t_ctl_run(t, 30 * SECOND);
	T_TRUE(t_ctl_delete(t, IDLE, ""));
	T_TRUE(t_ctl_patch(t, IDLE, "", "{\"metadata\":{\"finalizers\":null}}"));
	T_TRUE(t_ctl_wait_gone(t, IDLE));
	T_TRUE(t_ctl_create(t, SP_NODES, "", "{\"metadata\":{\"name\":\"late\"}}"));
	t_ctl_run(t, 60 * SECOND);
	T_TRUE(t_ctl_delete(t, SP_NODES, "", "late", ""));
	t_ctl_run(t, SECOND);
	T_TRUE(t_ctl_create(t, SP_PODS, "default", HELD("idle", "\"nodeName\":\"late\",")));
	t_ctl_run(t, 35 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, IDLE), "status.phase"), "Pending");
	t_ctl_run(t, 60 * SECOND);
	T_EQ_C(t_ctl_text(t_ctl_get(t, IDLE), "status.phase"), "Failed");
}

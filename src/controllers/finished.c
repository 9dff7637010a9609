/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is over goes after a while: jobs with ttlSecondsAfterFinished, and pods beyond the number that may
 * stay, the oldest first. U: kubernetes pkg/controller/ttlafterfinished, pkg/controller/podgc.
 */
#include <stdlib.h>

#include "controllers/fan.h"
#include "controllers/pods.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define ROUND_NS (20 * NS_PER_S) /* podgc's gcCheckPeriod */
#define PODS_MOST 12500u
#define ROUND_KEY "pods"

/* ---- jobs ---- */

typedef struct ttl_view {
	sp_str deleted;
	int64_t ttl_s;
	bool has_ttl_s;
	sp_vlist conditions;
} ttl_view;
SP_VIEW(ttl_view_desc, ttl_view, "batch/v1/Job", SP_V(ttl_view, deleted, "metadata.deletionTimestamp"),
	SP_VH(ttl_view, ttl_s, "spec.ttlSecondsAfterFinished"),
	SP_V(ttl_view, conditions, "status.conditions"));

typedef struct ttl_controller {
	controller base;
	sp_informer *jobs;
	sp_informer_watch watch;
} ttl_controller;

typedef struct ttl_run {
	sp_job *job;
	sp_call call;
} ttl_run;

/* Seconds since 1970 at which it was over; 0: it is not. */
static int64_t finished_s(sp_vlist conditions)
{
	ctl_conditions c;
	const char *const types[] = {"Complete", "Failed"};
	ctl_conditions_read(conditions, &c);
	for (size_t i = 0; i < SP_LEN(types); i++) {
		const ctl_condition *v = ctl_condition_find(&c, types[i]);
		if (v != NULL && sp_str_eq(v->status, SP_STR("True")))
			return ctl_seconds(v->transition);
	}
	return 0;
}

static void on_job_deleted(sp_call *c, const sp_answer *a)
{
	ttl_run *x = c->arg;
	sp_job_done(x->job, a->code == SP_ENOTFOUND ? SP_OK : a->code);
}

static void sync_job(controller *base, sp_job *job)
{
	ttl_controller *c = SP_CONTAINER_OF(base, ttl_controller, base);
	const sp_object *o = sp_informer_get(c->jobs, job->key);
	ttl_view v;
	if (o == NULL || sp_view(job->arena, o->json, &ttl_view_desc, &v, NULL) != SP_OK || !v.has_ttl_s ||
	    v.deleted.len > 0 || finished_s(v.conditions) == 0) {
		sp_job_done(job, SP_OK);
		return;
	}
	int64_t left = finished_s(v.conditions) + v.ttl_s - ctl_now_s(base->world);
	if (left > 0) {
		sp_job_again(job, (uint64_t)left * NS_PER_S);
		return;
	}
	SP_AUTO_BUF body;
	sp_buf_init(&body, 4096);
	(void)sp_patch_delete_opts(&body,
				   &(sp_delete_opts){.uid = o->uid, .propagation = SP_STR("Foreground")});
	ttl_run *x = sp_new(job->arena, ttl_run, 1);
	*x = (ttl_run){.job = job, .call = {.done = on_job_deleted, .arg = x}};
	sp_call_start(base->client, &x->call,
		      &(sp_ask){.verb = SP_ASK_DELETE,
				.gvr = SP_JOBS,
				.ns = o->ns,
				.name = o->name,
				.body = sp_buf_view(&body)});
}

static sp_code open_ttl(controller *base, sp_err *err)
{
	ttl_controller *c = SP_CONTAINER_OF(base, ttl_controller, base);
	SP_TRY(controller_follow(base, SP_JOBS, &ttl_view_desc, &c->jobs, err));
	controller_watch(c->jobs, &c->watch, controller_enqueue, base);
	return SP_OK;
}

const controller_type controller_ttl_finished = {.name = "ttl-after-finished-controller",
						 .size_bytes = sizeof(ttl_controller),
						 .open = open_ttl,
						 .sync = sync_job};

/* ---- pods ---- */

typedef struct no_view {
	sp_str name;
} no_view;
SP_VIEW(node_view_desc, no_view, "v1/Node", SP_V(no_view, name, "metadata.name"));

typedef struct pod_controller {
	controller base;
	sp_informer *pods, *nodes;
	sp_informer_watch pod_watch, node_watch;
} pod_controller;

typedef struct pod_run {
	pod_controller *c;
	sp_job *job;
	ctl_pod *pods; /* to be deleted; orphans first */
	size_t n, n_orphans;
	fan fan;
} pod_run;

/* There is one key: a round over all pods. It is asked for by what may make one necessary. */
static void wake(controller *base)
{
	sp_queue_add_after(base->queue, SP_STR(ROUND_KEY), ROUND_NS);
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	pod_controller *c = arg;
	uint32_t most = c->base.config->terminated_pods_most;
	(void)old;
	if (now != NULL && sp_informer_count(c->pods) > (most == 0 ? PODS_MOST : most))
		wake(&c->base);
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	pod_controller *c = arg;
	(void)old;
	if (now == NULL)
		wake(&c->base);
}

static int by_age(const void *a, const void *b)
{
	const ctl_pod *p = a, *q = b;
	int d = sp_str_cmp(p->created, q->created);
	return d != 0 ? d : sp_str_cmp(p->object->key, q->object->key);
}

static bool is_orphan(const pod_controller *c, const ctl_pod *p)
{
	return p->node.len > 0 && sp_informer_get(c->nodes, p->node) == NULL;
}

static sp_code ask(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const pod_run *x = f->arg;
	(void)err;
	q->verb = SP_ASK_DELETE;
	q->gvr = SP_PODS;
	q->ns = x->pods[i].object->ns;
	q->name = x->pods[i].object->name;
	q->body = SP_STR("{\"gracePeriodSeconds\":0}");
	return SP_OK;
}

static sp_code each(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return a->code == SP_ENOTFOUND ? SP_OK : a->code;
}

static void on_all(fan *f)
{
	const pod_run *x = f->arg;
	sp_job_done(x->job, f->code);
}

static void delete_all(fan *f)
{
	pod_run *x = f->arg;
	size_t n = 0;
	for (size_t i = 0; i < x->n; i++) {
		if (x->pods[i].node.len > 0 || i >= x->n_orphans)
			x->pods[n++] = x->pods[i];
	}
	x->n = n;
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = n,
		       .ask = ask,
		       .each = each,
		       .done = on_all,
		       .arg = x};
	fan_start(&x->fan);
}

/* A node that the cache does not have yet is no reason: the server knows. */
static sp_code ask_node(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const pod_run *x = f->arg;
	(void)err;
	q->gvr = SP_NODES;
	q->name = x->pods[i].node;
	return SP_OK;
}

static sp_code on_node_known(fan *f, size_t i, const sp_answer *a)
{
	pod_run *x = f->arg;
	if (a->code != SP_ENOTFOUND)
		x->pods[i].node = SP_STR(""); /* there, or not known: it stays */
	return SP_OK;
}

/* Pods of nodes that are gone, and the oldest of those that are over, stand first. */
static sp_code choose(pod_run *x, sp_err *err)
{
	const sp_object *o;
	uint32_t config = x->c->base.config->terminated_pods_most;
	size_t most = config == 0 ? PODS_MOST : config, n_all = sp_informer_count(x->c->pods), n_over = 0;
	ctl_pod *over = sp_try_new(x->job->arena, ctl_pod, n_all + 1);
	x->pods = sp_try_new(x->job->arena, ctl_pod, n_all + 1);
	if (over == NULL || x->pods == NULL)
		return sp_fail(err, SP_ETOOLARGE, "no room for %zu pods", n_all);
	for (size_t at = 0; (o = sp_informer_next(x->c->pods, &at)) != NULL;) {
		ctl_pod p;
		SP_TRY(ctl_pod_read(x->job->arena, o, &p, err));
		bool orphan = is_orphan(x->c, &p);
		if (!orphan && !ctl_pod_is_over(&p))
			continue;
		if (ctl_hold(x->job->arena, o) == NULL)
			return sp_fail(err, SP_ENOMEM, "no memory for pods");
		if (orphan)
			x->pods[x->n++] = p;
		else
			over[n_over++] = p;
	}
	x->n_orphans = x->n;
	qsort(over, n_over, sizeof *over, by_age);
	for (size_t i = 0; i + most < n_over; i++)
		x->pods[x->n++] = over[i];
	return SP_OK;
}

static void sync_pods(controller *base, sp_job *job)
{
	pod_controller *c = SP_CONTAINER_OF(base, pod_controller, base);
	pod_run *x = sp_new(job->arena, pod_run, 1);
	sp_err err = {0};
	*x = (pod_run){.c = c, .job = job};
	sp_code code = choose(x, &err);
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	x->fan = (fan){.client = base->client,
		       .arena = job->arena,
		       .n = x->n_orphans,
		       .ask = ask_node,
		       .each = on_node_known,
		       .done = delete_all,
		       .arg = x};
	fan_start(&x->fan);
}

static sp_code open_pods(controller *base, sp_err *err)
{
	pod_controller *c = SP_CONTAINER_OF(base, pod_controller, base);
	SP_TRY(controller_follow(base, SP_PODS, ctl_pod_view, &c->pods, err));
	SP_TRY(controller_follow(base, SP_NODES, &node_view_desc, &c->nodes, err));
	controller_watch(c->pods, &c->pod_watch, on_pod, c);
	controller_watch(c->nodes, &c->node_watch, on_node, c);
	return SP_OK;
}

const controller_type controller_pod_gc = {.name = "pod-garbage-collector-controller",
					   .account = "pod-garbage-collector",
					   .size_bytes = sizeof(pod_controller),
					   .n_workers = 1,
					   .open = open_pods,
					   .start = wake,
					   .sync = sync_pods};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods that nobody else ends: those that are over beyond the number that may stay, the oldest first; those of
 * nodes that are gone; those that are going and never had a node, or whose node is out of service. A pod that
 * was not over is told to have failed before it goes. U: kubernetes pkg/controller/podgc.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/map.h"
#include "controllers/deletion.h"
#include "controllers/fan.h"
#include "controllers/pods.h"
#include "controllers/table.h"

#define NS_PER_S UINT64_C(1000000000)
#define ROUND_NS (20 * NS_PER_S)      /* U: gcCheckPeriod */
#define QUARANTINE_NS (40 * NS_PER_S) /* of a node that was not found. U: quarantineTime */
#define PODS_MOST 12500u
#define PATCH_BYTES 1024u
#define ROUND_KEY "pods"

typedef struct node_view {
	sp_vlist taints, conditions;
} node_view;
SP_VIEW(node_view_desc, node_view, "v1/Node", SP_V(node_view, taints, "spec.taints"),
	SP_V(node_view, conditions, "status.conditions"));

typedef struct pod_controller {
	controller base;
	sp_informer *pods, *nodes;
	sp_informer_watch pod_watch, node_watch;
	sp_map missing; /* nodes of pods, by name: since when they are not there */
	uint64_t round;
} pod_controller;

typedef struct missing_node {
	uint64_t since_ns, round; /* round: the last that saw a pod of it */
	size_t name_len;
	char name[];
} missing_node;

typedef struct victim {
	ctl_pod pod;
	bool is_orphan; /* of a node that may be gone */
	bool spared;
} victim;

typedef struct pod_run {
	pod_controller *c;
	sp_job *job;
	victim *victims;
	size_t n;
	victim **stage; /* those that the calls under way are about */
	fan fan;
} pod_run;

/* ---- when ---- */

/* There is one key: a round over all pods. It is asked for by what may make one necessary. */
static void wake(controller *base)
{
	sp_queue_add_after(base->queue, SP_STR(ROUND_KEY), ROUND_NS);
}

static size_t pods_most(const pod_controller *c)
{
	uint32_t most = c->base.config->terminated_pods_most;
	return most == 0 ? PODS_MOST : most;
}

/* ---- nodes that are not there ---- */

static sp_str name_of(const missing_node *m)
{
	return (sp_str){m->name, m->name_len};
}

static void forget(pod_controller *c, sp_str name)
{
	sp_free(sp_map_remove(&c->missing, name));
}

/* True once it has not been there for long enough. */
static bool is_missing(pod_controller *c, sp_str name)
{
	uint64_t now = sp_now_ns(c->base.world);
	missing_node *m = sp_map_get(&c->missing, name);
	if (sp_informer_get(c->nodes, name) != NULL) {
		forget(c, name);
		return false;
	}
	if (m != NULL) {
		m->round = c->round;
		return now - m->since_ns >= QUARANTINE_NS;
	}
	m = sp_try_alloc(sizeof *m + name.len);
	if (m == NULL)
		return false; /* the next round asks again */
	*m = (missing_node){.since_ns = now, .round = c->round, .name_len = name.len};
	memcpy(m->name, name.ptr, name.len);
	if (sp_map_put(&c->missing, name_of(m), m, NULL) != SP_OK)
		sp_free(m);
	return false;
}

static const missing_node *unseen(const pod_controller *c)
{
	const sp_map_entry *e;
	for (size_t at = 0; (e = sp_map_next(&c->missing, &at)) != NULL;) {
		const missing_node *m = e->value;
		if (m->round != c->round)
			return m;
	}
	return NULL;
}

/* Nodes that no pod names any more; one that comes and goes once more has its whole quarantine. */
static void forget_unseen(pod_controller *c)
{
	const missing_node *m;
	while ((m = unseen(c)) != NULL)
		forget(c, name_of(m));
}

static bool has_taint(sp_vlist taints, sp_str key)
{
	SP_VLIST_FOREACH(t, taints)
	{
		if (sp_str_eq(sp_json_str(sp_json_last(t, SP_STR("key"))), key))
			return true;
	}
	return false;
}

static bool is_out_of_service(const pod_controller *c, sp_arena *a, sp_str name)
{
	const sp_object *o = sp_informer_get(c->nodes, name);
	node_view v;
	ctl_conditions all;
	if (o == NULL || sp_view(a, o->json, &node_view_desc, &v, NULL) != SP_OK)
		return false;
	ctl_conditions_read(v.conditions, &all);
	const ctl_condition *ready = ctl_condition_find(&all, "Ready");
	return (ready == NULL || !sp_str_eq(ready->status, SP_STR("True"))) &&
	       has_taint(v.taints, SP_STR("node.kubernetes.io/out-of-service"));
}

/* ---- who ---- */

static bool is_evicted(const ctl_pod *p)
{
	return sp_str_eq(p->reason, SP_STR("Evicted")) && sp_str_eq(p->phase, SP_STR("Failed"));
}

static int by_age(const void *a, const void *b)
{
	const ctl_pod *p = a, *q = b;
	if (is_evicted(p) != is_evicted(q))
		return is_evicted(p) ? -1 : 1;
	int d = sp_str_cmp(p->created, q->created);
	return d != 0 ? d : sp_str_cmp(p->object->key, q->object->key);
}

/* Whether it goes, however many there are. *ret_again: not now, but a later round may find so. */
static bool must_go(pod_controller *c, sp_arena *a, const ctl_pod *p, bool *ret_orphan, bool *ret_again)
{
	bool going = p->deleted.len > 0;
	*ret_orphan = false;
	if (p->node.len == 0)
		return going;
	if (sp_informer_get(c->nodes, p->node) != NULL) {
		forget(c, p->node);
		return going && is_out_of_service(c, a, p->node);
	}
	*ret_orphan = is_missing(c, p->node);
	*ret_again = *ret_again || !*ret_orphan;
	return *ret_orphan;
}

static sp_code no_memory(sp_err *err)
{
	return sp_fail(err, SP_ENOMEM, "no memory for pods to be deleted");
}

static sp_code choose(pod_run *x, bool *ret_again, sp_err *err)
{
	const sp_object *o;
	sp_arena *a = x->job->arena;
	size_t most = pods_most(x->c), n_all = sp_informer_count(x->c->pods), n_over = 0;
	ctl_pod *over = sp_try_new(a, ctl_pod, n_all + 1);
	x->victims = sp_try_new(a, victim, n_all + 1);
	x->stage = sp_try_new(a, victim *, n_all + 1);
	if (over == NULL || x->victims == NULL || x->stage == NULL)
		return no_memory(err);
	for (size_t at = 0; (o = sp_informer_next(x->c->pods, &at)) != NULL;) {
		ctl_pod p;
		bool orphan;
		SP_TRY(ctl_pod_read(a, o, &p, err));
		bool goes = must_go(x->c, a, &p, &orphan, ret_again);
		if (!goes && !ctl_pod_is_over(&p))
			continue;
		if (ctl_hold(a, o) == NULL)
			return no_memory(err);
		if (goes)
			x->victims[x->n++] = (victim){.pod = p, .is_orphan = orphan};
		else
			over[n_over++] = p;
	}
	qsort(over, n_over, sizeof *over, by_age);
	for (size_t i = 0; i + most < n_over; i++)
		x->victims[x->n++] = (victim){.pod = over[i]};
	return SP_OK;
}

/* ---- events ---- */

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	pod_controller *c = arg;
	sp_arena a;
	ctl_pod p;
	bool orphan, again = false;
	(void)old;
	if (now == NULL)
		return;
	sp_arena_init(&a, (size_t)16 << 20);
	if (ctl_pod_read(&a, now, &p, NULL) == SP_OK &&
	    (must_go(c, &a, &p, &orphan, &again) || again || sp_informer_count(c->pods) > pods_most(c)))
		wake(&c->base);
	sp_arena_done(&a);
}

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	pod_controller *c = arg;
	sp_arena a;
	(void)old;
	sp_arena_init(&a, (size_t)16 << 20);
	if (now != NULL)
		forget(c, now->name);
	if (now == NULL || is_out_of_service(c, &a, now->name))
		wake(&c->base);
	sp_arena_done(&a);
}

/* ---- how ---- */

/* A call for each victim that takes part in the stage. */
static void start(pod_run *x, bool (*takes_part)(const victim *v),
		  sp_code (*ask)(fan *f, size_t i, sp_ask *q, sp_err *err),
		  sp_code (*each)(fan *f, size_t i, const sp_answer *a), void (*done)(fan *f))
{
	size_t n = 0;
	for (size_t i = 0; i < x->n; i++) {
		if (!x->victims[i].spared && takes_part(&x->victims[i]))
			x->stage[n++] = &x->victims[i];
	}
	x->fan = (fan){.client = x->c->base.client,
		       .arena = x->job->arena,
		       .n = n,
		       .ask = ask,
		       .each = each,
		       .done = done,
		       .arg = x};
	fan_start(&x->fan);
}

static bool any(const victim *v)
{
	(void)v;
	return true;
}

static bool is_orphan(const victim *v)
{
	return v->is_orphan;
}

static bool is_not_over(const victim *v)
{
	return !ctl_pod_is_over(&v->pod);
}

static sp_code ask_delete(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const pod_run *x = f->arg;
	const sp_delete_opts at_once = {.has_grace = true};
	return ctl_deletion(x->job->arena, SP_PODS, x->stage[i]->pod.object, &at_once, q, err);
}

static sp_code on_deleted(fan *f, size_t i, const sp_answer *a)
{
	(void)f;
	(void)i;
	return ctl_is_deleted(a) ? SP_OK : a->code;
}

static void on_all(fan *f)
{
	const pod_run *x = f->arg;
	sp_job_done(x->job, f->code);
}

static void delete_all(fan *f)
{
	start(f->arg, any, ask_delete, on_deleted, on_all);
}

static sp_code ask_failed(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const pod_run *x = f->arg;
	const victim *v = x->stage[i];
	const sp_object *o = v->pod.object;
	SP_AUTO_BUF body;
	sp_buf_init(&body, PATCH_BYTES);
	(void)sp_buf_printf(&body, "{\"metadata\":{\"uid\":\"" SP_FMT "\"},\"status\":{\"phase\":\"Failed\"",
			    SP_ARG(o->uid));
	if (v->is_orphan)
		(void)sp_buf_printf(
			&body,
			",\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\","
			"\"reason\":\"DeletionByPodGC\",\"message\":\"PodGC: node no longer exists\","
			"\"lastTransitionTime\":\"" SP_FMT "\"}]",
			SP_ARG(ctl_now(x->c->base.world, x->job->arena)));
	(void)sp_buf_str(&body, SP_STR("}}"));
	*q = (sp_ask){.verb = SP_ASK_STRATEGIC_PATCH,
		      .gvr = SP_PODS,
		      .ns = o->ns,
		      .name = o->name,
		      .subresource = SP_STR("status"),
		      .body = sp_arena_try_dup(x->job->arena, sp_buf_view(&body))};
	return sp_buf_code(&body) == SP_OK && q->body.len > 0 ? SP_OK : no_memory(err);
}

/* One whose end could not be told stays: the next round tries again. */
static sp_code on_failed(fan *f, size_t i, const sp_answer *a)
{
	const pod_run *x = f->arg;
	x->stage[i]->spared = a->code != SP_OK;
	return SP_OK;
}

static void fail_all(fan *f)
{
	start(f->arg, is_not_over, ask_failed, on_failed, delete_all);
}

/* A node that the cache does not have is perhaps there all the same: the server knows. */
static sp_code ask_node(fan *f, size_t i, sp_ask *q, sp_err *err)
{
	const pod_run *x = f->arg;
	(void)err;
	*q = (sp_ask){.gvr = SP_NODES, .name = x->stage[i]->pod.node};
	return SP_OK;
}

static sp_code on_node_known(fan *f, size_t i, const sp_answer *a)
{
	const pod_run *x = f->arg;
	x->stage[i]->spared = a->code != SP_ENOTFOUND;
	return SP_OK;
}

static void sync_pods(controller *base, sp_job *job)
{
	pod_controller *c = SP_CONTAINER_OF(base, pod_controller, base);
	pod_run *x = sp_new(job->arena, pod_run, 1);
	sp_err err = {0};
	bool again = false;
	*x = (pod_run){.c = c, .job = job};
	c->round++;
	sp_code code = choose(x, &again, &err);
	if (code != SP_OK) {
		sp_job_done(job, code);
		return;
	}
	forget_unseen(c);
	if (again || x->n > 0)
		wake(base);
	start(x, is_orphan, ask_node, on_node_known, fail_all);
}

/* ---- life ---- */

static sp_code open_pods(controller *base, sp_err *err)
{
	pod_controller *c = SP_CONTAINER_OF(base, pod_controller, base);
	sp_map_init(&c->missing);
	SP_TRY(controller_follow(base, SP_PODS, ctl_pod_view, &c->pods, err));
	SP_TRY(controller_follow(base, SP_NODES, &node_view_desc, &c->nodes, err));
	controller_watch(c->pods, &c->pod_watch, on_pod, c);
	controller_watch(c->nodes, &c->node_watch, on_node, c);
	return SP_OK;
}

static void done(controller *base)
{
	pod_controller *c = SP_CONTAINER_OF(base, pod_controller, base);
	sp_map_done_values(&c->missing);
}

const controller_type controller_pod_gc = {.name = "pod-garbage-collector-controller",
					   .account = "pod-garbage-collector",
					   .size_bytes = sizeof(pod_controller),
					   .n_workers = 1,
					   .open = open_pods,
					   .start = wake,
					   .sync = sync_pods,
					   .done = done};

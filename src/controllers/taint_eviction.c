/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods on nodes with NoExecute taints go: at once, or when the time is over for which they tolerate them,
 * counted from when the taint was added. U: kubernetes pkg/controller/tainteviction.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/map.h"
#include "controllers/deletion.h"
#include "controllers/table.h"
#include "kube/node_fit.h"

#define NS_PER_S UINT64_C(1000000000)

typedef struct node_view {
	sp_vlist taints;
} node_view;
SP_VIEW(node_view_desc, node_view, "v1/Node", SP_V(node_view, taints, "spec.taints"));

typedef struct pod_view {
	sp_str node, deleted, phase;
	sp_vlist tolerations;
} pod_view;
SP_VIEW(pod_view_desc, pod_view, "v1/Pod", SP_V(pod_view, node, "spec.nodeName"),
	SP_V(pod_view, deleted, "metadata.deletionTimestamp"), SP_V(pod_view, phase, "status.phase"),
	SP_V(pod_view, tolerations, "spec.tolerations"));

typedef struct evictor {
	controller base;
	sp_informer *nodes, *pods;
	unsigned by_node;
	sp_informer_watch node_watch, pod_watch;
	sp_map firsts; /* pods on nodes with taints that do not say since when */
} evictor;

/* When a pod was first seen to be on such a node. */
typedef struct first {
	int64_t since_s;
	size_t key_len;
	char key[];
} first;

typedef struct run {
	evictor *c;
	sp_job *job;
	const sp_object *pod;
	ctl_eviction eviction;
} run;

static sp_str text(yyjson_val *v, const char *name)
{
	return sp_json_str(sp_json_last(v, sp_str_c(name)));
}

static bool is_no_execute(yyjson_val *taint)
{
	return sp_str_eq(text(taint, "effect"), SP_STR("NoExecute"));
}

static int64_t first_seen(evictor *c, sp_str key)
{
	first *f = sp_map_get(&c->firsts, key);
	int64_t now = ctl_now_s(c->base.world);
	if (f != NULL)
		return f->since_s;
	f = sp_try_alloc(sizeof *f + key.len);
	if (f == NULL)
		return now; /* its time begins later */
	f->since_s = now;
	f->key_len = key.len;
	memcpy(f->key, key.ptr, key.len);
	if (sp_map_put(&c->firsts, (sp_str){f->key, key.len}, f, NULL) != SP_OK)
		sp_free(f);
	return now;
}

/* When the pod has to go for this taint, seconds since 1970; INT64_MAX: never. */
static int64_t due_for(evictor *c, sp_str key, const pod_view *v, yyjson_val *taint)
{
	int64_t since = ctl_seconds(text(taint, "timeAdded")), least = -1;
	if (since == 0)
		since = first_seen(c, key);
	SP_VLIST_FOREACH(t, v->tolerations)
	{
		yyjson_val *seconds = sp_json_last(t, SP_STR("tolerationSeconds"));
		if (!sp_fit_tolerates(t, taint))
			continue;
		int64_t n = yyjson_is_int(seconds) ? SP_MAX(yyjson_get_sint(seconds), INT64_C(0)) : INT64_MAX;
		least = least < 0 ? n : SP_MIN(least, n);
	}
	if (least == INT64_MAX)
		return INT64_MAX;
	return least < 0 ? 0 : since + least;
}

static void evict(run *x)
{
	sp_event_ref ref = ctl_event_ref(x->pod, "v1", "Pod");
	sp_str now = ctl_now(x->c->base.world, x->job->arena);
	sp_events_emitf(x->c->base.events, &ref, false, "TaintManagerEviction",
			"Marking for deletion Pod " SP_FMT, SP_ARG(x->pod->key));
	x->eviction = (ctl_eviction){.client = x->c->base.client, .job = x->job, .pod = x->pod};
	ctl_evict(&x->eviction, now, "DeletionByTaintManager",
		  "Taint manager: deleting due to NoExecute taint");
}

static int64_t due_s(evictor *c, sp_arena *a, const sp_object *o)
{
	pod_view v;
	node_view node;
	int64_t due = INT64_MAX;
	if (o == NULL || sp_view(a, o->json, &pod_view_desc, &v, NULL) != SP_OK || v.node.len == 0 ||
	    v.deleted.len > 0)
		return INT64_MAX;
	const sp_object *n = sp_informer_get(c->nodes, v.node);
	if (n == NULL || sp_view(a, n->json, &node_view_desc, &node, NULL) != SP_OK)
		return INT64_MAX;
	SP_VLIST_FOREACH(t, node.taints)
	{
		if (is_no_execute(t))
			due = SP_MIN(due, due_for(c, o->key, &v, t));
	}
	return due;
}

static void sync_pod(controller *base, sp_job *job)
{
	evictor *c = SP_CONTAINER_OF(base, evictor, base);
	const sp_object *o = sp_informer_get(c->pods, job->key);
	int64_t due = due_s(c, job->arena, o), now = ctl_now_s(base->world);
	if (due == INT64_MAX) {
		sp_free(sp_map_remove(&c->firsts, job->key));
		sp_job_done(job, SP_OK);
		return;
	}
	if (due > now) {
		sp_job_again(job, (uint64_t)(due - now) * NS_PER_S);
		return;
	}
	run *x = sp_new(job->arena, run, 1);
	*x = (run){.c = c, .job = job, .pod = ctl_hold(job->arena, o)};
	if (x->pod == NULL)
		sp_job_done(job, SP_ENOMEM);
	else
		evict(x);
}

/* ---- events ---- */

static void on_node(void *arg, const sp_object *old, const sp_object *now)
{
	evictor *c = arg;
	const sp_object *o;
	node_view v;
	bool any = false;
	sp_arena a;
	(void)old;
	if (now == NULL)
		return;
	sp_arena_init(&a, (size_t)16 << 20);
	if (sp_view(&a, now->json, &node_view_desc, &v, NULL) == SP_OK) {
		SP_VLIST_FOREACH(t, v.taints)
		any = any || is_no_execute(t);
	}
	sp_arena_done(&a);
	sp_index_at at = sp_informer_find(c->pods, c->by_node, now->name);
	while (any && (o = sp_index_next(&at)) != NULL)
		sp_queue_add(c->base.queue, o->key);
}

static void on_pod(void *arg, const sp_object *old, const sp_object *now)
{
	evictor *c = arg;
	sp_arena a;
	if (now == NULL) {
		sp_free(sp_map_remove(&c->firsts, old->key));
		return;
	}
	sp_arena_init(&a, (size_t)64 << 20);
	if (due_s(c, &a, now) != INT64_MAX)
		sp_queue_add(c->base.queue, now->key);
	sp_arena_done(&a);
}

static void keys_of_pod(void *arg, const sp_object *o, yyjson_val *object, sp_index_keys *keys)
{
	(void)arg;
	(void)o;
	sp_index_emit(keys, text(sp_json_last(object, SP_STR("spec")), "nodeName"));
}

static sp_code open_evictor(controller *base, sp_err *err)
{
	evictor *c = SP_CONTAINER_OF(base, evictor, base);
	sp_map_init(&c->firsts);
	SP_TRY(controller_follow(base, SP_NODES, &node_view_desc, &c->nodes, err));
	SP_TRY(controller_follow(base, SP_PODS, &pod_view_desc, &c->pods, err));
	SP_TRY(sp_informer_index(c->pods, keys_of_pod, NULL, &c->by_node, err));
	controller_watch(c->nodes, &c->node_watch, on_node, c);
	controller_watch(c->pods, &c->pod_watch, on_pod, c);
	return SP_OK;
}

static void done(controller *base)
{
	evictor *c = SP_CONTAINER_OF(base, evictor, base);
	sp_map_done_values(&c->firsts);
}

const controller_type controller_taint_eviction = {.name = "taint-eviction-controller",
						   .account = "node-controller",
						   .size_bytes = sizeof(evictor),
						   .n_workers = 8,
						   .open = open_evictor,
						   .sync = sync_pod,
						   .done = done};

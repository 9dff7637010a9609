/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of containers: hook, signal, grace; sidecars after those they serve, in reverse order. U:
 * kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go killContainer,
 * kuberuntime_termination_order.go.
 */
#include "base/alloc.h"
#include "base/hash.h"
#include "node/node_int.h"

/* Beyond the grace, until the runtime must have answered. */
#define STOP_SLACK_NS (120 * NODE_SECOND_NS)

typedef struct stop_item {
	node_stop *stop;
	const node_container *c; /* NULL: not of the pod's spec any more */
	sp_str id, name;
	sp_cri_call call;
	node_hook hook;
	int64_t grace_s;
	bool is_sidecar, hook_done, stopping, ended;
	size_t order; /* sidecars: place in the spec; they end backwards */
} stop_item;

struct node_stop {
	node_worker *w;
	void (*then)(node_worker *w);
	stop_item *items;
	size_t n, n_left;
	uint64_t deadline_ns; /* monotonic */
	bool whole_pod;
	sp_timer timer;
	sp_defer finish;
};

static sp_world *world(const node_stop *s)
{
	return s->w->agent->world;
}

static void step(node_stop *s);

static int64_t left_s(const node_stop *s)
{
	uint64_t now = sp_now_ns(world(s));
	return now >= s->deadline_ns
		       ? 0
		       : (int64_t)((s->deadline_ns - now + NODE_SECOND_NS - 1) / NODE_SECOND_NS);
}

static void on_finish(sp_defer *d)
{
	node_stop *s = d->arg;
	node_worker *w = s->w;
	void (*then)(node_worker *) = s->then;
	sp_timer_stop(world(s), &s->timer);
	w->stop = NULL;
	sp_free(s->items);
	sp_free(s);
	then(w);
}

static void item_ended(stop_item *i)
{
	if (i->ended)
		return;
	i->ended = true;
	i->stop->n_left--;
	step(i->stop);
}

static void on_stopped(sp_cri_call *c, int32_t status, sp_str message, const void *response)
{
	stop_item *i = c->arg;
	node_worker *w = i->stop->w;
	(void)response;
	if (status != SP_RPC_OK && status != SP_RPC_NOT_FOUND)
		sp_log(w->agent->log, SP_LOG_WARN, "a container was not stopped", SP_KS("pod", w->name),
		       SP_KS("container", i->name), SP_KS("err", message));
	item_ended(i);
}

static void send_stop(stop_item *i)
{
	node_stop *s = i->stop;
	int64_t grace = SP_MIN(left_s(s), i->grace_s);
	sp_cri *cri = s->w->agent->cri;
	i->stopping = true;
	node_hook_cancel(&i->hook);
	/* Whatever hooks took, a container gets a moment to end by itself. */
	grace = SP_MAX(grace, NODE_GRACE_LEAST_S);
	i->call = (sp_cri_call){
		.done = on_stopped, .arg = i, .timeout_ns = (uint64_t)grace * NODE_SECOND_NS + STOP_SLACK_NS};
	cri->call(cri, SP_CRI_STOP_CONTAINER,
		  &(sp_cri_stop_container_request){.container_id = i->id, .timeout = grace}, &i->call);
}

static void on_pre_stop(node_hook *h, node_outcome outcome, sp_str text)
{
	stop_item *i = h->arg;
	if (outcome > NODE_OUTCOME_WARNING) {
		node_worker_event(i->stop->w, i->c, true, "FailedPreStopHook", "PreStopHook failed");
		sp_log(i->stop->w->agent->log, SP_LOG_WARN, "a hook failed", SP_KS("pod", i->stop->w->name),
		       SP_KS("err", text));
	}
	i->hook_done = true;
	step(i->stop);
}

/* A sidecar waits for every container it may serve: all main ones, and the sidecars after it. */
static bool must_wait(const node_stop *s, const stop_item *i)
{
	if (!s->whole_pod || !i->is_sidecar || left_s(s) == 0)
		return false;
	for (size_t k = 0; k < s->n; k++) {
		const stop_item *o = &s->items[k];
		if (!o->ended && o != i && (!o->is_sidecar || o->order > i->order))
			return true;
	}
	return false;
}

static void step(node_stop *s)
{
	for (size_t k = 0; k < s->n; k++) {
		stop_item *i = &s->items[k];
		if (!i->ended && !i->stopping && i->hook_done && !must_wait(s, i))
			send_stop(i);
	}
	if (s->n_left == 0)
		sp_defer_call(world(s), &s->finish);
}

/* The grace is over: nobody waits for hooks or others any more. */
static void on_deadline(sp_timer *t)
{
	node_stop *s = t->arg;
	for (size_t k = 0; k < s->n; k++) {
		node_hook_cancel(&s->items[k].hook);
		s->items[k].hook_done = true;
	}
	step(s);
}

static void begin_item(stop_item *i, sp_str message)
{
	node_worker *w = i->stop->w;
	if (message.len != 0)
		node_worker_event(w, i->c, false, "Killing", SP_FMT, SP_ARG(message));
	else
		node_worker_event(w, i->c, false, "Killing", "Stopping container " SP_FMT, SP_ARG(i->name));
	if (i->c == NULL || i->c->v.pre_stop == NULL || left_s(i->stop) == 0) {
		i->hook_done = true;
		return;
	}
	i->hook = (node_hook){.done = on_pre_stop, .arg = i, .of_lifecycle = true};
	node_hook_start(&i->hook, w, i->c, i->id, i->c->v.pre_stop, (uint64_t)i->grace_s * NODE_SECOND_NS);
}

static node_stop *stop_new(node_worker *w, size_t n, int64_t grace_s, void (*then)(node_worker *w))
{
	node_stop *s = SP_NEW(node_stop);
	SP_ASSERT(w->stop == NULL);
	s->w = w;
	s->then = then;
	s->items = n == 0 ? NULL : sp_alloc(n * sizeof *s->items);
	s->deadline_ns = sp_now_ns(w->agent->world) + (uint64_t)SP_MAX(grace_s, 0) * NODE_SECOND_NS;
	s->timer.arg = s;
	sp_defer_init(&s->finish, on_finish, s);
	w->stop = s;
	w->stop_grace_s = grace_s;
	return s;
}

static void add(node_stop *s, const node_seen_container *seen, const node_container *c, int64_t grace_s)
{
	stop_item *i = &s->items[s->n++];
	*i = (stop_item){.stop = s, .c = c, .id = seen->id, .name = seen->name, .grace_s = grace_s};
	i->is_sidecar = c != NULL && c->is_sidecar;
	i->order = c == NULL ? 0 : (size_t)(c - s->w->pod->containers);
	s->n_left++;
}

/* Of a probe that failed: its own grace goes before the pod's. */
static int64_t grace_of(const node_worker *w, const node_kill *k)
{
	if (k->reason == NODE_KILL_RESET)
		return 0;
	yyjson_val *probe = k->reason == NODE_KILL_LIVENESS  ? k->container->v.liveness
			    : k->reason == NODE_KILL_STARTUP ? k->container->v.startup
							     : NULL;
	yyjson_val *own = sp_view_at(probe, "terminationGracePeriodSeconds");
	return yyjson_is_int(own) ? yyjson_get_sint(own) : node_worker_grace(w);
}

void node_stop_containers(node_worker *w, const node_kill *kills, size_t n, void (*then)(node_worker *w))
{
	int64_t longest = 0;
	for (size_t i = 0; i < n; i++) {
		int64_t grace = grace_of(w, &kills[i]);
		longest = SP_MAX(longest, grace);
	}
	node_stop *s = stop_new(w, n, longest, then);
	for (size_t i = 0; i < n; i++)
		add(s, kills[i].seen, kills[i].container, grace_of(w, &kills[i]));
	for (size_t i = 0; i < n; i++)
		begin_item(&s->items[i], kills[i].message);
	sp_timer_start(world(s), &s->timer, s->deadline_ns - sp_now_ns(world(s)), on_deadline);
	step(s);
}

/* ---- a whole pod ---- */

static void on_boxes_stopped(node_batch *b)
{
	node_worker *w = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	if (bad != NULL) {
		sp_log(w->agent->log, SP_LOG_WARN, "a sandbox was not stopped", SP_KS("pod", w->name),
		       SP_KS("err", bad->message));
		node_worker_event(w, NULL, true, "FailedKillPod", "error killing pod: " SP_FMT,
				  SP_ARG(bad->message));
		node_worker_again(w, NODE_RETRY_NS);
		node_worker_end_turn(w);
		return;
	}
	w->box_stopped = sp_fnv1a64(w->seen.sandboxes[0].id);
	w->stopped(w);
}

static void stop_boxes(node_worker *w)
{
	sp_err err = {0};
	if (w->seen.n_sandboxes == 0) {
		w->stopped(w);
		return;
	}
	if (node_batch_init(&w->batch, w->agent->cri, &w->scratch, w->seen.n_sandboxes, on_boxes_stopped, w,
			    &err) != SP_OK) {
		node_worker_again(w, NODE_RETRY_NS);
		node_worker_end_turn(w);
		return;
	}
	for (size_t i = 0; i < w->seen.n_sandboxes; i++)
		node_batch_add(&w->batch, SP_CRI_STOP_POD_SANDBOX,
			       &(sp_cri_stop_pod_sandbox_request){.pod_sandbox_id = w->seen.sandboxes[i].id},
			       NODE_CALL_TIMEOUT_NS);
}

void node_stop_pod(node_worker *w, int64_t grace_s, void (*then)(node_worker *w))
{
	node_stop *s = stop_new(w, w->seen.n_containers, grace_s, stop_boxes);
	s->whole_pod = true;
	w->stopped = then;
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		const node_seen_container *seen = &w->seen.containers[i];
		if (seen->state == NODE_RUNNING || seen->state == NODE_UNKNOWN)
			add(s, seen, w->pod == NULL ? NULL : node_pod_container(w->pod, seen->name), grace_s);
	}
	for (size_t i = 0; i < s->n; i++)
		begin_item(&s->items[i], (sp_str){NULL, 0});
	sp_timer_start(world(s), &s->timer, s->deadline_ns - sp_now_ns(world(s)), on_deadline);
	step(s);
}

void node_stop_hurry(node_worker *w, int64_t grace_s)
{
	node_stop *s = w->stop;
	uint64_t now = sp_now_ns(w->agent->world),
		 deadline = now + (uint64_t)SP_MAX(grace_s, 0) * NODE_SECOND_NS;
	sp_cri *cri = w->agent->cri;
	if (s == NULL || deadline >= s->deadline_ns)
		return;
	s->deadline_ns = deadline;
	w->stop_grace_s = grace_s;
	sp_timer_start(world(s), &s->timer, deadline - now, on_deadline);
	/* Those that have their signal already get the shorter time too. */
	for (size_t k = 0; k < s->n; k++) {
		stop_item *i = &s->items[k];
		i->grace_s = SP_MIN(i->grace_s, grace_s);
		if (i->stopping && !i->ended) {
			cri->cancel(cri, &i->call);
			send_stop(i);
		}
	}
}

void node_stop_cancel(node_worker *w)
{
	node_stop *s = SP_TAKE(w->stop);
	if (s == NULL)
		return;
	for (size_t k = 0; k < s->n; k++) {
		node_hook_cancel(&s->items[k].hook);
		w->agent->cri->cancel(w->agent->cri, &s->items[k].call);
	}
	sp_timer_stop(world(s), &s->timer);
	sp_defer_cancel(&s->finish);
	sp_free(s->items);
	sp_free(s);
}

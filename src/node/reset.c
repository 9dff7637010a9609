/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container that ended by a rule with the action RestartAllContainers begins the whole pod anew, in the
 * sandbox it has: whatever runs is killed, all containers are removed, those that asked for it last, so that
 * another agent would see the reason, too. Without containers the pod starts as it did the first time. U:
 * pkg/kubelet/container/helpers.go ShouldAllContainersRestart, kuberuntime_manager.go getContainersToReset.
 */
#include "node/node_int.h"

static bool is_source(const node_worker *w, const node_seen_container *s)
{
	const node_container *c = node_pod_container(w->pod, s->name);
	return s->state == NODE_EXITED && node_container_resets(c, s->exit_code);
}

static bool counts(const node_worker *w, const node_seen_container *s)
{
	const node_container *c = node_pod_container(w->pod, s->name);
	return c != NULL && c->role != NODE_EPHEMERAL;
}

static size_t count(const node_worker *w)
{
	size_t n = 0;
	for (size_t i = 0; i < w->seen.n_containers; i++)
		n += counts(w, &w->seen.containers[i]);
	return n;
}

void node_reset_look(node_worker *w)
{
	const node_pod *p = w->pod;
	if (!w->knows_reset) { /* an earlier life of the agent may have begun it */
		w->knows_reset = true;
		w->is_resetting = node_pod_is_resetting(p);
	}
	if (w->is_reset) /* there are new ones by now, or will be */
		w->is_resetting = w->is_reset = false;
	for (size_t i = 0; i < p->n_init + p->n_regular; i++) {
		const node_seen_container *s = node_seen_newest(&w->seen, p->containers[i].name);
		w->is_resetting |= s != NULL && is_source(w, s);
	}
	w->is_reset = w->is_resetting && count(w) == 0;
}

bool node_reset_is_due(const node_worker *w)
{
	return w->is_resetting && !w->is_reset;
}

static void failed(node_worker *w, sp_str why)
{
	sp_log(w->agent->log, SP_LOG_WARN, "a pod can't be begun anew", SP_KS("pod", w->name),
	       SP_KS("err", why));
	node_worker_again(w, NODE_SECOND_NS);
	node_worker_end_turn(w);
}

static void remove_all(node_worker *w, bool sources, void (*done)(node_batch *b))
{
	sp_err err = {0};
	if (node_batch_init(&w->batch, w->agent->cri, &w->scratch, count(w), done, w, &err) != SP_OK) {
		failed(w, sp_str_c(err.msg));
		return;
	}
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		const node_seen_container *s = &w->seen.containers[i];
		if (counts(w, s) && is_source(w, s) == sources)
			node_batch_add(&w->batch, SP_CRI_REMOVE_CONTAINER,
				       &(sp_cri_remove_container_request){.container_id = s->id},
				       NODE_CALL_TIMEOUT_NS);
	}
	if (w->batch.n == 0)
		done(&w->batch);
}

static void on_sources_removed(node_batch *b)
{
	node_worker *w = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	if (bad != NULL) {
		failed(w, bad->message);
		return;
	}
	w->dirty = true;
	node_worker_end_turn(w);
}

static void on_targets_removed(node_batch *b)
{
	const node_batch_item *bad = node_batch_failed(b);
	if (bad != NULL)
		failed(b->arg, bad->message);
	else
		remove_all(b->arg, true, on_sources_removed);
}

static void on_killed(node_worker *w)
{
	remove_all(w, false, on_targets_removed);
}

/* Lives go on being counted when the runtime knows nothing of the earlier ones. */
static void remember(node_worker *w)
{
	for (size_t i = 0; i < w->n_memos; i++) {
		const node_seen_container *s = node_seen_newest(&w->seen, w->memos[i].name);
		if (s != NULL)
			w->memos[i].restarts_next = s->restarts + 1;
	}
}

void node_reset_do(node_worker *w)
{
	size_t n = 0;
	node_kill *kills = sp_try_new(&w->scratch, node_kill, w->seen.n_containers + 1);
	if (kills == NULL) {
		failed(w, SP_STR("no memory"));
		return;
	}
	remember(w);
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		const node_seen_container *s = &w->seen.containers[i];
		if (counts(w, s) && (s->state == NODE_RUNNING || s->state == NODE_UNKNOWN))
			kills[n++] = (node_kill){.seen = s,
						 .container = node_pod_container(w->pod, s->name),
						 .message = SP_STR("killing"),
						 .reason = NODE_KILL_RESET};
	}
	if (n > 0)
		node_stop_containers(w, kills, n, on_killed);
	else
		on_killed(w);
}

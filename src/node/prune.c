/* SPDX-License-Identifier: Apache-2.0 */
/* Of every container of a pod the present life and the one before stay, for status and logs; earlier ones go,
 * and so do sandboxes before the newest, once no container is left of them. U: kubernetes
 * pkg/kubelet/kuberuntime/kuberuntime_gc.go, at MaxPerPodContainer 1. */
#include "node/log_files.h"
#include "node/log_links.h"
#include "node/node_int.h"

#define LIVES_KEPT 2u

static bool is_surplus(const node_seen *seen, size_t i)
{
	const node_seen_container *c = &seen->containers[i];
	size_t newer = 0;
	for (size_t k = 0; k < i; k++)
		newer += sp_str_eq(seen->containers[k].name, c->name);
	return newer >= LIVES_KEPT && c->state == NODE_EXITED;
}

static bool is_surplus_box(const node_seen *seen, size_t i)
{
	bool is_empty = true;
	for (size_t k = 0; k < seen->n_containers; k++) {
		sp_str of = seen->containers[k].sandbox_id;
		is_empty &= of.len != 0 && !sp_str_eq(of, seen->sandboxes[i].id);
	}
	return i > 0 && !seen->sandboxes[i].ready && is_empty;
}

static sp_code remove_log(node_worker *w, sp_str log)
{
	node_agent *a = w->agent;
	SP_TRY(node_log_remove(a->world, log, &w->scratch, &w->work_err));
	return node_log_links_remove(a->world, a->files, a->place.links_root, w->ns, w->name, log,
				     &w->scratch, &w->work_err);
}

/* On a worker thread. */
static void on_logs_job(sp_work *job)
{
	node_worker *w = job->arg;
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		sp_str log = w->seen.containers[i].log_path;
		if (is_surplus(&w->seen, i) && log.len != 0 && w->work_code == SP_OK)
			w->work_code = remove_log(w, log);
	}
}

static void on_logs(node_worker *w)
{
	if (w->work_code != SP_OK)
		sp_log(w->agent->log, SP_LOG_WARN, "a log stays", SP_KS("pod", w->name), SP_KE(&w->work_err));
	w->pruned(w);
}

static void on_removed(node_batch *b)
{
	node_worker *w = b->arg;
	const node_batch_item *bad = node_batch_failed(b);
	if (bad != NULL) { /* the next turn tries again */
		sp_log(w->agent->log, SP_LOG_WARN, "a dead container or sandbox stays", SP_KS("pod", w->name),
		       SP_KS("err", bad->message));
		w->pruned(w);
		return;
	}
	node_worker_work(w, on_logs_job, on_logs);
}

void node_prune(node_worker *w, void (*then)(node_worker *w))
{
	sp_err err = {0};
	size_t n = 0;
	for (size_t i = 0; i < w->seen.n_containers; i++)
		n += is_surplus(&w->seen, i);
	for (size_t i = 0; i < w->seen.n_sandboxes; i++)
		n += is_surplus_box(&w->seen, i);
	w->pruned = then;
	if (n == 0 ||
	    node_batch_init(&w->batch, w->agent->cri, &w->scratch, n, on_removed, w, &err) != SP_OK) {
		then(w);
		return;
	}
	for (size_t i = 0; i < w->seen.n_containers; i++) {
		if (is_surplus(&w->seen, i))
			node_batch_add(
				&w->batch, SP_CRI_REMOVE_CONTAINER,
				&(sp_cri_remove_container_request){.container_id = w->seen.containers[i].id},
				NODE_CALL_TIMEOUT_NS);
	}
	for (size_t i = 0; i < w->seen.n_sandboxes; i++) {
		if (is_surplus_box(&w->seen, i))
			node_batch_add(&w->batch, SP_CRI_REMOVE_POD_SANDBOX,
				       &(sp_cri_remove_pod_sandbox_request){.pod_sandbox_id =
										    w->seen.sandboxes[i].id},
				       NODE_CALL_TIMEOUT_NS);
	}
}
